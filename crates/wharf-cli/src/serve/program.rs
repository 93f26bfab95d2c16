//! The program that exec runs: whether it can be started at all.
//!
//! It is looked up as execvp(3) does. What is found out here is said once at the
//! start, and not to every client.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, words};

/// Any of the three permissions to execute.
const EXECUTE: u32 = 0o111;

/// Refuses a program that does not exist or cannot be executed.
pub(super) fn check(program: &str) -> Result<(), Failure> {
    let path = env::var_os("PATH").unwrap_or_default();
    match find(program, &path) {
        Found::Yes => Ok(()),
        Found::NotExecutable(file) => {
            let file = file.display();
            let failure =
                Failure::usage(format!("exec cannot start {program}: {file} is no program"));
            Err(failure.cure(format!("chmod +x {file}, if it is one")))
        }
        Found::Unreadable(error) => Err(Failure::usage(format!(
            "exec cannot start {program}: {}",
            words(&error)
        ))
        .cure("the path of a program, or the name of one in PATH")),
        Found::No => Err(Failure::usage(format!(
            "exec cannot start {program}: no directory of PATH has it"
        ))
        .cure(format!(
            "the program's whole path    or    -- sh -c '{program} …'    for a shell's own command"
        ))),
    }
}

/// What a look-up finds.
#[derive(Debug)]
enum Found {
    Yes,
    No,
    NotExecutable(PathBuf),
    Unreadable(io::Error),
}

fn find(program: &str, path: &OsStr) -> Found {
    if program.contains('/') {
        return match look_at(Path::new(program)) {
            Ok(found) => found,
            Err(error) => Found::Unreadable(error),
        };
    }
    if program.is_empty() {
        return Found::No;
    }
    let mut outcome = Found::No;
    for directory in env::split_paths(path) {
        match look_at(&directory.join(program)) {
            Ok(Found::Yes) => return Found::Yes,
            // A later directory may have a better one.
            Ok(other) => outcome = other,
            Err(_) => {}
        }
    }
    outcome
}

fn look_at(file: &Path) -> io::Result<Found> {
    let found = fs::metadata(file)?;
    let is_program = found.is_file() && found.permissions().mode() & EXECUTE != 0;
    Ok(match is_program {
        true => Found::Yes,
        false => Found::NotExecutable(file.to_path_buf()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_where_execvp_finds_it() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("a"), folder.path().join("b"));
        for directory in [&first, &second] {
            fs::create_dir(directory).unwrap();
            fs::write(directory.join("tool"), "").unwrap();
        }
        let path = env::join_paths([&first, &second]).unwrap();
        assert!(matches!(find("tool", &path), Found::NotExecutable(_)));
        let tool = second.join("tool");
        fs::set_permissions(&tool, PermissionsExt::from_mode(0o755)).unwrap();
        assert!(matches!(find("tool", &path), Found::Yes));
        assert!(matches!(find(tool.to_str().unwrap(), &path), Found::Yes));
        assert!(matches!(find("other", &path), Found::No));
        assert!(matches!(find("", &path), Found::No));
        assert!(matches!(find("./no/such", &path), Found::Unreadable(_)));
        assert!(matches!(find("/", &path), Found::NotExecutable(_)));
    }
}
