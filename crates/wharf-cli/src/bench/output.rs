//! Files that a run writes: new ones, made before the run, so that one that cannot be
//! written is told before ten seconds are spent.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::exit::Exit;
use crate::failure::{Failure, words};

/// A new file; it goes away again if nothing is written to it, for example since the run did
/// not start.
#[derive(Debug)]
pub(super) struct Output {
    path: PathBuf,
    file: File,
    is_written: bool,
}

impl Output {
    /// Makes it; one that is there already is never overwritten.
    pub(super) fn create(path: &Path) -> Result<Output, Failure> {
        match File::create_new(path) {
            Ok(file) => Ok(Output {
                path: path.to_owned(),
                file,
                is_written: false,
            }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let cause = format!("{} is there already", path.display());
                Err(Failure::new(Exit::Failed, cause).cure("another name, or remove it first"))
            }
            Err(error) => Err(failed(path, &error)),
        }
    }

    /// Fills it.
    pub(super) fn write(mut self, text: &str) -> Result<(), Failure> {
        self.is_written = true;
        let written = self.file.write_all(text.as_bytes());
        written.map_err(|error| failed(&self.path, &error))
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if !self.is_written {
            // Empty as it is, it does no harm.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    let cause = format!("cannot write {}: {}", path.display(), words(error));
    let failure = Failure::new(Exit::Failed, cause);
    match (error.kind(), path.parent()) {
        (io::ErrorKind::NotFound, Some(folder)) => {
            failure.cure(format!("mkdir -p {}", folder.display()))
        }
        _ => failure.cure("a file that this user may write"),
    }
}
