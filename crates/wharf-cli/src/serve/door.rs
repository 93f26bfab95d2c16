//! The doors that a command line makes: of the password service, and of the gate.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde_json::Value;
use wharf::address::Scheme;
use wharf::network::{Network, Os};
use wharf::server::Bound;
use wharf_services::password::{Cost, Door, Hash, Shown, Users, is_open_to_others};

use super::line::{Line, Told};
use super::printer::Printer;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::password::users_failure;

/// The letters of a made-up password: none that looks like another one.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// What can be typed about passwords.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct DoorArgs {
    /// Who knows a password (password); without it one is made up and shown
    ///
    /// A file that wharf password maintains.
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub(super) users: Option<PathBuf>,

    /// Serve only those who say a password of this file first
    ///
    /// The file is one that wharf password maintains. It stands before every service
    /// over byte streams; --password-from of connect, chat, play and get answers it.
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub(super) gate: Option<PathBuf>,
}

/// Whether there is a gate before the services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entrance {
    Open,
    Gated,
}

/// The doors of a server.
pub(super) struct Doors {
    pub(super) password: Option<Door>,
    pub(super) gate: Option<Door>,
    made_up: Option<String>,
    notes: Vec<String>,
}

impl DoorArgs {
    pub(super) fn entrance(&self) -> Entrance {
        match self.gate {
            Some(_) => Entrance::Gated,
            None => Entrance::Open,
        }
    }

    /// Reads the files; where `is_served`, there is a door for the password service.
    pub(super) fn open(
        &self,
        printer: &Printer,
        quiet: bool,
        is_served: impl Fn(&str) -> bool,
    ) -> Result<Doors, Failure> {
        let mut notes = Vec::new();
        let files = [&self.users, &self.gate].into_iter().flatten();
        for path in files.filter(|path| is_open_to_others(path)) {
            notes.push(format!(
                "others than its owner may read {0}: chmod 600 {0}",
                path.display()
            ));
        }
        let of_file = |path: &Path, service| {
            Door::of_file(path, show(printer, quiet, service))
                .map_err(|error| users_failure(&error, path))
        };
        let mut made_up = None;
        let gate = self
            .gate
            .as_deref()
            .map(|path| of_file(path, "gate"))
            .transpose()?;
        let password = match (&self.users, is_served("password")) {
            (_, false) => None,
            (Some(path), true) => Some(of_file(path, "password")?),
            (None, true) => {
                let (users, password) = make_up()?;
                made_up = Some(format!(
                    "the password of the password service is {password}"
                ));
                Some(Door::new(users, show(printer, quiet, "password")))
            }
        };
        for (path, door) in [(&self.users, &password), (&self.gate, &gate)] {
            if let (Some(path), Some(door)) = (path, door)
                && door.knows_nobody()
            {
                let path = path.display();
                notes.push(format!(
                    "nobody can come in: {path} has no users; wharf password add {path} NAME"
                ));
            }
        }
        Ok(Doors {
            password,
            gate,
            made_up,
            notes,
        })
    }
}

impl Doors {
    /// The password that was made up: without knowing it nobody can use it, so it is
    /// told also where nothing else is.
    pub(super) fn made_up(&self) -> Option<&str> {
        self.made_up.as_deref()
    }

    /// What is worth knowing, given where the services stand.
    pub(super) fn notes(&self, bounds: &[Bound]) -> Vec<String> {
        let asks = |bound: &&Bound| self.gate.is_some() || &*bound.service == "password";
        let mut in_the_clear = bounds
            .iter()
            .filter(asks)
            .filter(|bound| bound.scheme == Scheme::Tcp && !bound.local.is_local())
            .map(|bound| bound.local.to_string())
            .peekable();
        let mut notes: Vec<String> = self.made_up.iter().chain(&self.notes).cloned().collect();
        if in_the_clear.peek().is_some() {
            let places: Vec<String> = in_the_clear.collect();
            notes.push(format!(
                "passwords go to {} in the clear, where everybody on the way can read them; \
                 use tls: instead",
                places.join(", ")
            ));
        }
        notes
    }
}

/// One random password of 80 bits, in groups that can be read aloud.
fn make_up() -> Result<(Users, String), Failure> {
    let mut random = [0; 16];
    Os.platform().random(&mut random);
    let letters: Vec<String> = random
        .chunks(4)
        .map(|group| {
            group
                .iter()
                .map(|byte| char::from(LETTERS[usize::from(byte % 32)]))
                .collect()
        })
        .collect();
    let password = letters.join("-");
    let mut salt = [0; 16];
    Os.platform().random(&mut salt);
    let hash = Hash::of(password.as_bytes(), salt, Cost::default())
        .map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
    Ok((Users::one(hash), password))
}

/// Prints what comes of attempts; with --quiet only that the users file is broken.
fn show(
    printer: &Printer,
    quiet: bool,
    service: &'static str,
) -> impl Fn(&Shown<'_>) + Send + Sync + 'static {
    let printer = printer.clone();
    let service: Arc<str> = service.into();
    move |shown: &Shown<'_>| {
        if quiet && !matches!(shown, Shown::Stale { .. }) {
            return;
        }
        printer.print(Line::now(Told::Shown {
            service: Arc::clone(&service),
            text: shown.to_string(),
            fields: Value::Null,
        }));
    }
}
