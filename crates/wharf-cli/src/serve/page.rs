//! The options of the page service, and what Wharf's own page shows.

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde_json::{Value, json};
use wharf::address::Address;
use wharf_services::Page;
use wharf_services::page::{Hidden, Shown};

use super::line::{Line, Told};
use super::printer::Printer;
use crate::exit::Exit;
use crate::failure::{Failure, words};

/// The port of pages (RFC 9110, section 4.2.1).
const HTTP: u16 = 80;

/// What can be typed for pages alone. `--help` shows it, `-h` has no room.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct PageArgs {
    /// The folder whose files are served (page); without it, a page of Wharf's own
    #[arg(long, value_name = "DIR", hide_short_help = true)]
    root: Option<PathBuf>,

    /// Serve also files whose names begin with a dot (page)
    #[arg(long, requires = "root", hide_short_help = true)]
    dotfiles: bool,
}

impl PageArgs {
    /// The first option that was given, if any.
    pub(super) fn given(&self) -> Option<&'static str> {
        self.root.as_ref().map(|_| "--root")
    }

    /// The service; each reply is printed with the events.
    pub(super) fn page(&self, printer: &Printer, quiet: bool) -> Result<Page, Failure> {
        let printer = printer.clone();
        let service: Arc<str> = "page".into();
        let show = move |shown: &Shown<'_>| {
            if !quiet {
                printer.print(Line::now(Told::Shown {
                    service: Arc::clone(&service),
                    text: shown.to_string(),
                    fields: fields(shown),
                }));
            }
        };
        let hidden = match self.dotfiles {
            true => Hidden::Served,
            false => Hidden::No,
        };
        match &self.root {
            None => Ok(Page::own(show)),
            Some(root) => Page::files(root, hidden, show).map_err(|error| {
                let cause = format!("cannot serve {}: {}", root.display(), words(&error));
                Failure::new(Exit::Failed, cause)
            }),
        }
    }
}

/// A reply in fields, for machines.
fn fields(shown: &Shown<'_>) -> Value {
    json!({
        "peer": shown.peer.to_string(),
        "method": shown.method,
        "path": shown.path,
        "status": shown.status,
    })
}

/// Where pages stand that nobody gave an address: at the port of pages where this user
/// may have it and nobody else has, and else at the standard address.
pub(super) fn usual_address() -> Option<Address> {
    let is_allowed = wharf::names::may_bind(HTTP).cures().is_empty();
    let is_free = || TcpListener::bind((Ipv4Addr::LOCALHOST, HTTP)).is_ok();
    if is_allowed && is_free() {
        return format!("tcp::{HTTP}").parse().ok();
    }
    None
}
