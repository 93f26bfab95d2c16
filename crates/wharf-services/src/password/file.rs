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
    let path = match path.canonicalize() {
        Ok(path) => path,
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
        Err(error) => return Err(io(error)),
    };
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
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
    let file = File::open(path).map_err(io)?;
    // Before the text: what changes while it is read is read again.
    let stamp = Stamp::of(&file.metadata().map_err(io)?);
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
