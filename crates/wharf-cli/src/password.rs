//! `wharf password`: maintains a file of users for `wharf serve`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::json;
use wharf::network::{Network, Os};
use wharf_services::password::{
    BadLine, Change, Cost, FileError, Hash, MAX_ATTEMPT, Users, change, is_name, load,
};
use zeroize::Zeroizing;

use crate::args::Common;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::secret::{ask, can_ask, first_line};

/// How it behaves, for the long help and the manual page.
const BEHAVIOUR: &str = "\
The password is asked for without showing it; where stdin is no terminal it is the \
first line of stdin. The file has one line for each user, with a hash (argon2id). It is \
replaced in one step and readable for its owner alone. A server that runs reads it \
again by itself.

Users say NAME PASSWORD in one line. Without NAME, the file holds the one password that \
everybody says, and no names.";

/// Maintain a file of users and passwords.
#[derive(Clone, Debug, clap::Args)]
#[command(after_long_help = BEHAVIOUR, before_help = "\
Examples:
  wharf password add users ann              a new user, or a new password
  wharf password check users ann            is that her password?
  wharf password remove users ann
  pwgen 16 1 | wharf password add users     one password, without a name
  wharf serve echo 7000 --gate users        for those who know one")]
pub(crate) struct PasswordArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Action {
    /// Give a user a password; a file that is not there is made
    Add(Who),
    /// Take a user out
    Remove(Who),
    /// Ask whether a password is right; 67 is the exit code if not
    Check(Who),
}

#[derive(Clone, Debug, clap::Args)]
struct Who {
    /// The file
    file: PathBuf,
    /// The user; without it, the one password of a file without names
    name: Option<String>,
}

/// Runs `wharf password`.
pub(crate) fn run(common: &Common, args: PasswordArgs) -> Result<Exit, Failure> {
    let (action, outcome, who) = match &args.action {
        Action::Add(who) => ("add", add(who)?, who),
        Action::Remove(who) => ("remove", remove(who)?, who),
        Action::Check(who) => ("check", check(who)?, who),
    };
    let subject = who
        .name
        .as_deref()
        .map_or("the password".to_owned(), str::to_owned);
    let file = who.file.display();
    let text = match (common.json, outcome) {
        (true, _) => json!({
            "event": "password",
            "action": action,
            "file": file.to_string(),
            "name": who.name,
            "outcome": outcome,
        })
        .to_string(),
        (false, "added") => format!("added {subject} to {file}"),
        (false, "replaced") => format!("replaced the password of {file}: {subject}"),
        (false, "removed") => format!("removed {subject} from {file}"),
        (false, _) => "access granted".to_owned(),
    };
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(Exit::Done),
    }
}

impl Who {
    fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    /// What a typed password is asked for with.
    fn prompt(&self, what: &str) -> String {
        match &self.name {
            Some(name) => format!("{what} for {name}: "),
            None => format!("{what}: "),
        }
    }
}

fn add(who: &Who) -> Result<&'static str, Failure> {
    // A name that cannot be is told before a password is asked for.
    if who.name.as_deref().is_some_and(|name| !is_name(name)) {
        return Err(bad(who, BadLine::Name));
    }
    let password = match can_ask() {
        true => twice(who)?,
        false => first_line()?,
    };
    acceptable(who, &password)?;
    let mut salt = [0; 16];
    Os.platform().random(&mut salt);
    let hash = Hash::of(&password, salt, Cost::default())
        .map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
    let changed = change(&who.file, |users| users.set(who.name(), hash));
    match changed.map_err(|error| no_folder(&error, who))? {
        Ok(Change::Added) => Ok("added"),
        Ok(Change::Replaced) => Ok("replaced"),
        Err(why) => Err(bad(who, why)),
    }
}

fn twice(who: &Who) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let password = ask(&who.prompt("New password"))?;
    // Nothing is asked twice that cannot be taken.
    acceptable(who, &password)?;
    match ask(&who.prompt("Again, the password"))? == password {
        true => Ok(password),
        false => Err(Failure::new(
            Exit::Failed,
            "the two passwords differ; nothing was changed",
        )),
    }
}

/// Refuses what nobody could say to a server.
fn acceptable(who: &Who, password: &[u8]) -> Result<(), Failure> {
    let cause = if password.is_empty() {
        "the password is empty".to_owned()
    } else if who.name().len() + 1 + password.len() > MAX_ATTEMPT {
        format!("name and password are longer than {MAX_ATTEMPT} bytes")
    } else if password.contains(&b'\n') || password.ends_with(b"\r") {
        "a password has no line ends".to_owned()
    } else {
        return Ok(());
    };
    Err(Failure::usage(cause))
}

fn remove(who: &Who) -> Result<&'static str, Failure> {
    // A file that is not there is not made for this.
    load(&who.file).map_err(|error| absent(&error, who, "remove"))?;
    let removed = change(&who.file, |users: &mut Users| {
        match users.remove(who.name()) {
            true => Ok(()),
            false => Err(()),
        }
    });
    match removed.map_err(|error| absent(&error, who, "remove"))? {
        Ok(()) => Ok("removed"),
        Err(()) => Err(nobody(who)),
    }
}

fn nobody(who: &Who) -> Failure {
    let file = who.file.display();
    let failure = match &who.name {
        Some(name) => Failure::new(Exit::Failed, format!("{file} knows no {name:?}")),
        None => Failure::new(
            Exit::Failed,
            format!("{file} has no password without a name"),
        ),
    };
    let users = load(&who.file).unwrap_or_default();
    let names: Vec<&str> = users.names().filter(|name| !name.is_empty()).collect();
    match wharf::names::suggest(who.name(), names.iter().copied()) {
        Some(near) => failure.cure(format!("wharf password remove {file} {near}")),
        None => failure,
    }
}

fn check(who: &Who) -> Result<&'static str, Failure> {
    let users = load(&who.file).map_err(|error| absent(&error, who, "check"))?;
    let password = match can_ask() {
        true => ask(&who.prompt("Password"))?,
        false => first_line()?,
    };
    let attempt = Zeroizing::new(match &who.name {
        Some(name) => [name.as_bytes(), b" ", &password].concat(),
        None => password.to_vec(),
    });
    match users.admits(&attempt) {
        true => Ok("granted"),
        false => Err(Failure::new(Exit::Denied, "access denied")),
    }
}

fn bad(who: &Who, why: BadLine) -> Failure {
    let failure = Failure::usage(format!("cannot add to {}: {why}", who.file.display()));
    match why {
        BadLine::Mixed => failure.cure("another file, or remove what stands in this one"),
        _ => failure,
    }
}

/// The file that is to be made has no folder.
fn no_folder(error: &FileError, who: &Who) -> Failure {
    let failure = unusable(error);
    match who.file.parent() {
        Some(folder) if is_absent(error) && folder != Path::new("") => {
            failure.cure(format!("mkdir -p {}", folder.display()))
        }
        _ => failure,
    }
}

/// The file that somebody should be in is not there: perhaps another one was meant.
fn absent(error: &FileError, who: &Who, action: &str) -> Failure {
    let failure = unusable(error);
    if !is_absent(error) {
        return failure;
    }
    match near(&who.file) {
        Some(near) => {
            let name = who
                .name
                .as_ref()
                .map_or(String::new(), |name| format!(" {name}"));
            failure.cure(format!("wharf password {action} {}{name}", near.display()))
        }
        None => failure.with("means", "nobody stands in a file that is not there"),
    }
}

/// A file beside this one whose name is nearly the same.
fn near(path: &Path) -> Option<PathBuf> {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    let found = std::fs::read_dir(folder.unwrap_or(Path::new("."))).ok()?;
    let names: Vec<String> = found
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .take(MOST_FILES)
        .collect();
    let typed = path.file_name()?.to_str()?;
    let near = wharf::names::suggest(typed, names.iter().map(String::as_str))?;
    Some(path.with_file_name(near))
}

/// In how many files of a folder one is looked for whose name is nearly the same.
const MOST_FILES: usize = 1000;

fn unusable(error: &FileError) -> Failure {
    Failure::new(Exit::Failed, format!("cannot use the users file {error}"))
}

fn is_absent(error: &FileError) -> bool {
    matches!(error, FileError::Io(io, _) if io.kind() == io::ErrorKind::NotFound)
}

/// A users file that a server cannot use.
pub(crate) fn users_failure(error: &FileError, path: &Path) -> Failure {
    let failure = unusable(error);
    match is_absent(error) {
        true => failure.cure(format!("wharf password add {} NAME", path.display())),
        false => failure,
    }
}
