//! `wharf get`: fetches a page, and with -v tells how it got here.
//!
//! ```text
//!   URL ─▶ name ─▶ addresses ─▶ connection ─▶ (TLS) ─▶ request ─▶ reply ─▶ body
//! ```
//!
//! Layout: `args` is what can be typed, `timed` notes when each step was done, `save`
//! is where the page goes, `story` tells what happened, `sockets` what the kernel says.

mod args;
mod save;
mod sockets;
mod story;
mod timed;

use std::io;
use std::time::Duration;

use tokio::time::timeout;
use wharf::client::{Client, ConnectError, ConnectErrorKind};
use wharf::limits::CONNECT_TIMEOUT;
use wharf::network::Os;
use wharf_services::page::{FetchError, Fetched, Request, Url, fetch};
use wharf_services::password::Secret;

use crate::args::Common;
use crate::exit::Exit;
use crate::failure::{Failure, connect_failure_to, words};
use crate::secret::{self, Source};
use save::Sink;
use story::Story;
use timed::Timed;

pub(crate) use args::GetArgs;

/// How long the next bytes of a reply may take.
const REPLY_TIMEOUT: Duration = Duration::from_secs(30);

/// Runs `wharf get`.
pub(crate) fn run(common: &Common, args: GetArgs) -> Result<Exit, Failure> {
    // Before the connection: a gate does not wait for somebody who types.
    let secret = args.password_from.as_ref().map(Source::read).transpose()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(async {
        tokio::select! {
            biased;
            outcome = get(common, &args, secret.as_ref()) => outcome,
            Ok(()) = tokio::signal::ctrl_c() => Ok(Exit::Aborted),
        }
    });
    // A thread may still wait for a resolver; nobody waits for it.
    runtime.shutdown_background();
    outcome
}

async fn get(common: &Common, args: &GetArgs, secret: Option<&Secret>) -> Result<Exit, Failure> {
    let mut sink = Sink::of(common, args)?;
    let mut story = Story::new(common);
    let mut url = args.url.clone();
    for redirects in 0.. {
        // A password is for the server that was named, not for one that it led to.
        let secret = secret.filter(|_| url.address == args.url.address);
        let mut reply = ask(args, &url, secret, &mut story).await?;
        match reply.redirect().map(str::to_owned) {
            Some(location) if redirects < args.max_redirects => {
                story.tell();
                url = follow(&url, &location)?;
            }
            Some(_) if args.max_redirects > 0 => {
                return Err(Failure::new(
                    Exit::Failed,
                    format!(
                        "{} led to more than {} others",
                        args.url, args.max_redirects
                    ),
                )
                .with("last", url.to_string())
                .cure("--max-redirects with a larger number"));
            }
            _ => {
                story.tell();
                let received = take(args, &mut reply, &mut sink, &mut story).await?;
                return finish(&url, &reply, sink, story, received);
            }
        }
    }
    // The loop ends by itself after the last redirect.
    Ok(Exit::Failed)
}

/// Opens a connection, asks, and waits for the head of the reply.
async fn ask(
    args: &GetArgs,
    url: &Url,
    secret: Option<&Secret>,
    story: &mut Story,
) -> Result<Fetched, Failure> {
    story.begin(url);
    let network = Timed::new(Os);
    let client = Client::on(network.clone()).connect_timeout(match args.timeout {
        None => Some(CONNECT_TIMEOUT),
        Some(given) => given.0,
    });
    let opened = client.connect(&url.address).await;
    story.steps(network.take());
    let mut connection = opened.map_err(|error| {
        story.tell();
        unconnected(url, &error)
    })?;
    story.connected(&connection);
    if let Some(secret) = secret {
        secret::log_in(&mut connection, secret).await?;
    }
    let request = match args.head {
        true => Request::Head,
        false => Request::Get,
    };
    let reply = in_time(args, url, fetch(connection, url, request)).await;
    let reply = reply.inspect_err(|_| story.tell())?;
    story.replied(&reply);
    Ok(reply)
}

/// Why there is no connection. A certificate that nobody vouches for can be named in the
/// address, which a URL with https:// has no place for.
fn unconnected(url: &Url, error: &ConnectError) -> Failure {
    let failure = connect_failure_to("page", error);
    let ConnectErrorKind::Handshake(tls) = &error.kind else {
        return failure;
    };
    match tls.unvouched() {
        Some(fingerprint) => Failure::new(Exit::Tls, error.to_string()).cure(format!(
            "wharf get {},pin={fingerprint}{}    (if the server's owner confirms it)",
            url.address, url.path
        )),
        None => failure,
    }
}

/// Where a redirect leads; from https never to http.
fn follow(from: &Url, location: &str) -> Result<Url, Failure> {
    let to = from.join(location).map_err(|error| {
        Failure::new(Exit::PeerBroke, format!("{from} leads to no page: {error}"))
            .with("location", location)
    })?;
    match from.is_secure() && !to.is_secure() {
        true => Err(Failure::new(
            Exit::Tls,
            format!("{from} leads to {to}, where nothing is encrypted"),
        )
        .cure(format!("wharf get {to}"))),
        false => Ok(to),
    }
}

/// Takes the body, up to the largest size.
async fn take(
    args: &GetArgs,
    reply: &mut Fetched,
    sink: &mut Sink,
    story: &mut Story,
) -> Result<u64, Failure> {
    let too_large = || {
        Failure::new(
            Exit::Failed,
            format!("{} is larger than {} bytes", args.url, args.max_size),
        )
        .cure("--max-size with a larger size")
    };
    let announced = reply.length().filter(|_| !args.head);
    if announced.is_some_and(|length| length > args.max_size as u64) {
        story.tell();
        return Err(too_large());
    }
    sink.begin(reply, args)?;
    let mut received = 0;
    loop {
        let next = in_time(args, &args.url, reply.next()).await;
        match next.inspect_err(|_| story.tell())? {
            None => return Ok(received),
            Some(bytes) => {
                received += bytes.len() as u64;
                if received > args.max_size as u64 {
                    story.tell();
                    return Err(too_large());
                }
                sink.write(&bytes)?;
                if sink.is_gone() {
                    return Ok(received);
                }
            }
        }
    }
}

fn finish(
    url: &Url,
    reply: &Fetched,
    sink: Sink,
    mut story: Story,
    received: u64,
) -> Result<Exit, Failure> {
    story.ended(received);
    story.tell_end();
    let saved = sink.finish(&story, url, reply)?;
    match reply.status {
        status if status >= 400 => Err(Failure::new(
            Exit::HttpError,
            format!("{url} was answered {status} {}", reply.reason()),
        )),
        _ => {
            if let Some(path) = saved {
                story.saved(&path, received);
            }
            Ok(Exit::Done)
        }
    }
}

/// The outcome of a step, unless it takes too long.
async fn in_time<T>(
    args: &GetArgs,
    url: &Url,
    step: impl Future<Output = Result<T, FetchError>>,
) -> Result<T, Failure> {
    let most = match args.timeout {
        None => Some(REPLY_TIMEOUT),
        Some(given) => given.0,
    };
    let outcome = match most {
        None => step.await,
        Some(most) => match timeout(most, step).await {
            Ok(outcome) => outcome,
            Err(_) => {
                let cause = format!("{url} sent nothing for {}", crate::style::duration(most));
                return Err(Failure::new(Exit::TimedOut, cause)
                    .cure("--timeout with a longer time, for example --timeout 1min"));
            }
        },
    };
    outcome.map_err(|error| match error {
        FetchError::Io(error) if error.kind() == io::ErrorKind::TimedOut => {
            Failure::new(Exit::TimedOut, format!("{url}: {}", words(&error)))
        }
        FetchError::Io(error) => Failure::new(Exit::PeerBroke, format!("{url}: {}", words(&error))),
        FetchError::Gate => Failure::new(Exit::Denied, format!("{url}: access denied"))
            .with(
                "means",
                "there is a gate, which took the request for a password",
            )
            .cure(format!("wharf get {url} --password-from ask")),
        error => Failure::new(Exit::PeerBroke, format!("{url}: {error}")),
    })
}
