//! The users file on disk: read whole, changed whole.
//!
//! A change is written beside the file and renamed over it, so that a reader sees the
//! old file or the new one; the folder is locked meanwhile (flock(2)), so that two
//! changes at once are both made. Only the owner can read it (mode 0600).

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::rules::MAX_FILE;
use super::users::{BadUsers, Users};

/// How many links lead on to a file that is not there yet, as for the kernel
/// (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// A users file that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// Reading or writing failed.
    #[error("{}: {}", .1.display(), .0)]
    Io(#[source] io::Error, PathBuf),
    /// It does not hold users.
    #[error("{}, {}", .1.display(), .0)]
    Users(#[source] BadUsers, PathBuf),
    /// It is a folder, a device, a pipe or a socket.
    #[error("{} is {}, and users stand in a regular file", .0.display(), .1)]
    NoFile(PathBuf, &'static str),
    /// It is longer than [`MAX_FILE`].
    #[error("{} is longer than {MAX_FILE} bytes", .0.display())]
    TooLong(PathBuf),
}

/// Reads a users file.
///
/// # Errors
/// [`FileError`]; also where there is no file.
pub fn load(path: &Path) -> Result<Users, FileError> {
    read(path).map(|(users, _)| users)
}

/// Reads the users of a file, which need not exist yet, and writes them back as
/// `change` left them. Nothing is written when `change` fails.
///
/// # Errors
/// [`FileError`] as the outer result, that of `change` as the inner one.
pub fn change<T, E>(
    path: &Path,
    change: impl FnOnce(&mut Users) -> Result<T, E>,
) -> Result<Result<T, E>, FileError> {
    let io = |error| FileError::Io(error, path.to_owned());
    // A link stays a link: what it points to is replaced.
    let path = pointed_to(path).map_err(io)?;
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    // Before the lock, which others wait for: a pipe would be waited for as well.
    match kind(&path) {
        Err(FileError::Io(error, _)) if error.kind() == io::ErrorKind::NotFound => {}
        other => other?,
    }
    let lock = File::open(folder).map_err(io)?;
    lock.lock().map_err(io)?;
    let (mut users, before) = match read(&path) {
        Ok((users, stamp)) => (users, Some(stamp)),
        Err(FileError::Io(error, _)) if error.kind() == io::ErrorKind::NotFound => {
            (Users::none(), None)
        }
        Err(error) => return Err(error),
    };
    let outcome = change(&mut users);
    if outcome.is_ok() {
        replace(&path, &users.to_string(), before.as_ref()).map_err(io)?;
        // The new name is on the disk when its folder is.
        lock.sync_all().map_err(io)?;
    }
    Ok(outcome)
}

/// The path behind all links, also where there is nothing at its end yet.
fn pointed_to(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        match path.canonicalize() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            found => return found,
        }
        let Ok(target) = fs::read_link(&path) else {
            return Ok(path);
        };
        path = match path.parent() {
            Some(folder) => folder.join(target),
            None => target,
        };
    }
    Err(io::Error::other("too many symbolic links"))
}

/// Refuses what is no regular file: opening a pipe waits for its other end, and a device
/// must not be replaced by a file.
fn kind(path: &Path) -> Result<(), FileError> {
    let found = fs::metadata(path).map_err(|error| FileError::Io(error, path.to_owned()))?;
    regular(path, &found)
}

fn regular(path: &Path, found: &Metadata) -> Result<(), FileError> {
    if found.is_file() {
        return Ok(());
    }
    let what = if found.is_dir() {
        "a folder"
    } else {
        special(found)
    };
    Err(FileError::NoFile(path.to_owned(), what))
}

#[cfg(unix)]
fn special(found: &Metadata) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    let kind = found.file_type();
    if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

#[cfg(not(unix))]
fn special(_: &Metadata) -> &'static str {
    "no file"
}

/// A file as it was when it was read; another stamp means other users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    identity: (u64, u64),
    owner: (u32, u32),
}

/// The stamp of what is there now.
pub(super) fn stamp(path: &Path) -> Result<Stamp, FileError> {
    let found = fs::metadata(path).map_err(|error| FileError::Io(error, path.to_owned()))?;
    Ok(Stamp::of(&found))
}

/// The users of a file, and its stamp.
pub(super) fn read(path: &Path) -> Result<(Users, Stamp), FileError> {
    let io = |error| FileError::Io(error, path.to_owned());
    kind(path)?;
    let file = File::open(path).map_err(io)?;
    let found = file.metadata().map_err(io)?;
    // It may be another one by now.
    regular(path, &found)?;
    // Before the text: what changes while it is read is read again.
    let stamp = Stamp::of(&found);
    let mut text = String::new();
    file.take(MAX_FILE + 1)
        .read_to_string(&mut text)
        .map_err(io)?;
    if text.len() as u64 > MAX_FILE {
        return Err(FileError::TooLong(path.to_owned()));
    }
    let users = Users::parse(&text).map_err(|error| FileError::Users(error, path.to_owned()))?;
    Ok((users, stamp))
}

/// Whether others than its owner can read a file.
pub fn is_open_to_others(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o077 != 0)
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        false
    }
}

impl Stamp {
    fn of(found: &Metadata) -> Stamp {
        #[cfg(unix)]
        let (identity, owner) = {
            use std::os::unix::fs::MetadataExt;
            ((found.dev(), found.ino()), (found.uid(), found.gid()))
        };
        #[cfg(not(unix))]
        let (identity, owner) = ((0, 0), (0, 0));
        Stamp {
            modified: found.modified().ok(),
            length: found.len(),
            identity,
            owner,
        }
    }
}

fn replace(path: &Path, text: &str, before: Option<&Stamp>) -> io::Result<()> {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().ok_or(io::ErrorKind::InvalidInput)?);
    name.push(".new");
    let beside = path.with_file_name(name);
    // Left by somebody who was killed: nobody else is here, we have the lock.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = write_new(&beside, text, before).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&beside);
    }
    written
}

fn write_new(path: &Path, text: &str, before: Option<&Stamp>) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    #[cfg(unix)]
    if let Some(before) = before {
        let (user, group) = before.owner;
        if Stamp::of(&file.metadata()?).owner != before.owner {
            // As root, for somebody else's server.
            std::os::unix::fs::fchown(&file, Some(user), Some(group))?;
        }
    }
    #[cfg(not(unix))]
    let _ = before;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::super::users::tests::cheap;
    use super::*;

    fn add(path: &Path, name: &str) {
        change(path, |users| users.set(name, cheap("x")))
            .unwrap()
            .unwrap();
    }

    #[test]
    #[cfg(unix)]
    fn a_file_is_made_for_its_owner_alone_and_leaves_nothing_beside_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users");
        add(&path, "ann");
        add(&path, "ben");
        assert_eq!(
            load(&path).unwrap().names().collect::<Vec<_>>(),
            ["ann", "ben"]
        );
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert!(!is_open_to_others(&path));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_change_that_fails_writes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users");
        add(&path, "ann");
        let before = stamp(&path).unwrap();
        let outcome = change(&path, |users| users.set("a b", cheap("x"))).unwrap();
        assert!(outcome.is_err());
        assert_eq!(stamp(&path).unwrap(), before);
    }

    #[test]
    #[cfg(unix)]
    fn a_link_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("users"), folder.path().join("link"));
        add(&path, "ann");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        add(&link, "ben");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(load(&path).unwrap().names().count(), 2);
    }

    #[test]
    #[cfg(unix)]
    fn a_link_to_nothing_yet_stays_a_link_and_leads_to_the_new_file() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("etc")).unwrap();
        symlink("etc/second", at("first")).unwrap();
        symlink("users", at("etc/second")).unwrap();
        add(&at("first"), "ann");
        for link in ["first", "etc/second"] {
            assert!(fs::symlink_metadata(at(link)).unwrap().is_symlink());
        }
        assert!(fs::symlink_metadata(at("etc/users")).unwrap().is_file());
        // A ring of links ends nowhere.
        symlink("ring", at("ring")).unwrap();
        let outcome = change(&at("ring"), |users| users.set("ann", cheap("x")));
        assert!(matches!(outcome, Err(FileError::Io(..))));
    }

    #[test]
    #[cfg(unix)]
    fn what_is_no_regular_file_is_neither_waited_for_nor_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("folder")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        let made = std::process::Command::new("mkfifo")
            .arg(at("pipe"))
            .status();
        assert!(made.unwrap().success());
        std::os::unix::fs::symlink("pipe", at("link")).unwrap();
        for (name, what) in [
            ("folder", "a folder"),
            ("socket", "a socket"),
            ("pipe", "a pipe"),
            ("link", "a pipe"),
        ] {
            let before = fs::metadata(at(name)).unwrap().file_type();
            let changed = change(&at(name), |users| users.set("ann", cheap("x")));
            for error in [changed.map(drop).unwrap_err(), load(&at(name)).unwrap_err()] {
                assert!(
                    matches!(error, FileError::NoFile(_, kind) if kind == what),
                    "{error}"
                );
            }
            assert_eq!(fs::metadata(at(name)).unwrap().file_type(), before);
        }
        assert!(matches!(
            load(Path::new("/dev/null")),
            Err(FileError::NoFile(_, "a device"))
        ));
    }

    #[test]
    fn two_changes_at_once_are_both_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users");
        std::thread::scope(|scope| {
            for worker in 0..4 {
                let path = &path;
                scope.spawn(move || {
                    for number in 0..5 {
                        add(path, &format!("user{worker}-{number}"));
                    }
                });
            }
        });
        assert_eq!(load(&path).unwrap().names().count(), 20);
    }

    #[test]
    fn a_file_that_is_too_long_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users");
        fs::write(&path, "#\n".repeat(MAX_FILE as usize / 2 + 1)).unwrap();
        assert!(matches!(load(&path), Err(FileError::TooLong(_))));
    }
}
