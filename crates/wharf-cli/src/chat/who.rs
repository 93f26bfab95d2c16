//! The moderator's view: who is there.
//!
//! The protocol answers `WHO` only to somebody who is logged in. So this logs in
//! under a name that nobody has, asks, leaves, and does not count itself.

use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use wharf::network::{Network, Os};
use wharf_services::chat::client::{ChatClient, Denied, Event};

use super::print::shown_name;
use super::{ChatArgs, ended, warning};
use crate::args::Common;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::secret;
use crate::style::seconds;

/// How often another name is tried: two that ask at once have different names, but
/// for one case in four billion.
const TRIES: u32 = 3;

/// How long the answers may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Prints who is there.
pub(super) async fn run(
    common: &Common,
    args: &ChatArgs,
    client: ChatClient,
) -> Result<Exit, Failure> {
    let timeout = args.timeout.map_or(Some(TIMEOUT), |given| given.0);
    let asking = ask(args, client);
    let names = match timeout {
        None => asking.await?,
        Some(timeout) => tokio::time::timeout(timeout, asking)
            .await
            .unwrap_or_else(|_| {
                let cause = format!(
                    "{} did not say who is there within {timeout:?}",
                    args.address
                );
                Err(Failure::new(Exit::TimedOut, cause))
            })?,
    };
    let text = match common.json {
        true => {
            let time = seconds(SystemTime::now());
            format!(
                "{}\n",
                serde_json::json!({"event": "users", "users": names, "time": time})
            )
        }
        false => names.iter().map(|name| shown_name(name) + "\n").collect(),
    };
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(Exit::Done),
    }
}

async fn ask(args: &ChatArgs, mut client: ChatClient) -> Result<Vec<String>, Failure> {
    let mut own = own_name();
    client.log_in(&own);
    let mut refused = 0;
    loop {
        match client.next().await {
            Event::Connected(peer) => {
                if let Some(warning) = warning(args, &peer) {
                    secret::warn(&warning);
                }
            }
            Event::LoggedIn(_) => client.who(),
            Event::Users(mut names) => {
                names.retain(|name| *name != own && !only_looks(name));
                client.leave().await;
                return Ok(names);
            }
            Event::NoUsers => {
                let cause = format!("{} does not tell who is there", args.address);
                return Err(Failure::new(Exit::PeerBroke, cause));
            }
            Event::Refused { name, why } if why.is_about_the_name() => {
                refused += 1;
                if refused == TRIES || why != Denied::InUse {
                    return Err(ended::refused(args, &name, why));
                }
                own = own_name();
                client.log_in(&own);
            }
            Event::Lost { why, .. } => return Err(ended::lost(args, &why)),
            _ => {}
        }
    }
}

/// Whether this is one who only looks, as this does. Over UDP nobody can log out, and
/// earlier looks would be listed for five minutes.
fn only_looks(name: &str) -> bool {
    let digits = name.strip_prefix("who").filter(|digits| digits.len() == 8);
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    digits.is_some_and(|digits| digits.bytes().all(is_digit))
}

/// A name that says what it is.
fn own_name() -> String {
    let mut number = [0; 4];
    Os.platform().random(&mut number);
    format!("who{:08x}", u32::from_ne_bytes(number))
}
