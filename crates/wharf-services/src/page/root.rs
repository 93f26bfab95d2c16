//! The folder that is served: opens what is below it and nothing else.
//!
//! On Linux the kernel sees to that (openat2(2) with `RESOLVE_BENEATH`): a link may
//! lead anywhere below the root by a relative way, and cannot lead out, whatever is
//! renamed meanwhile. Elsewhere the whole way is resolved and compared first.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// How many entries of a folder are listed.
pub(super) const MAX_ENTRIES: usize = 10_000;

/// A folder whose files are served.
#[derive(Debug)]
pub(super) struct Root {
    folder: File,
    path: PathBuf,
}

/// Something below the root, open.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) file: File,
    pub(super) about: Metadata,
}

/// One line of a listing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: Vec<u8>,
    pub(super) is_folder: bool,
    pub(super) length: u64,
    pub(super) modified: Option<std::time::SystemTime>,
}

impl Root {
    /// Opens the folder itself.
    pub(super) fn open(path: &Path) -> io::Result<Root> {
        let path = path.canonicalize()?;
        let folder = File::open(&path)?;
        match folder.metadata()?.is_dir() {
            true => Ok(Root { folder, path }),
            false => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    /// Opens what stands at plain names below the root.
    pub(super) fn find(&self, names: &[Vec<u8>]) -> io::Result<Opened> {
        let mut way = PathBuf::new();
        way.extend(names.iter().map(|name| OsStr::from_bytes(name)));
        if names.is_empty() {
            way.push(".");
        }
        let file = self.open_below(&way)?;
        let about = file.metadata()?;
        Ok(Opened { file, about })
    }

    /// What is in a folder, by name, folders first; at most [`MAX_ENTRIES`].
    pub(super) fn list(&self, names: &[Vec<u8>], hidden: super::Hidden) -> io::Result<Vec<Entry>> {
        let mut folder = self.path.clone();
        folder.extend(names.iter().map(|name| OsStr::from_bytes(name)));
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(folder)?.take(MAX_ENTRIES) {
            let name = entry?.file_name().as_bytes().to_vec();
            if name.starts_with(b".") && hidden == super::Hidden::No || name.contains(&b'\\') {
                continue;
            }
            // By the same way as a request: what cannot be had is not listed.
            let mut full = names.to_vec();
            full.push(name.clone());
            let Ok(found) = self.find(&full) else {
                continue;
            };
            if !found.about.is_dir() && !found.about.is_file() {
                continue;
            }
            entries.push(Entry {
                name,
                is_folder: found.about.is_dir(),
                length: found.about.len(),
                modified: found.about.modified().ok(),
            });
        }
        entries.sort_by(|a, b| (!a.is_folder, &a.name).cmp(&(!b.is_folder, &b.name)));
        Ok(entries)
    }

    #[cfg(target_os = "linux")]
    fn open_below(&self, way: &Path) -> io::Result<File> {
        use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
        // A pipe must not be waited for, and a terminal not become ours.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        match openat2(&self.folder, way, flags, Mode::empty(), resolve) {
            Ok(file) => Ok(file.into()),
            // Linux before 5.6, or a sandbox that does not know the call.
            Err(rustix::io::Errno::NOSYS) => self.open_resolved(way),
            Err(error) => Err(error.into()),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn open_below(&self, way: &Path) -> io::Result<File> {
        self.open_resolved(way)
    }

    fn open_resolved(&self, way: &Path) -> io::Result<File> {
        let full = self.path.join(way).canonicalize()?;
        match full.starts_with(&self.path) {
            true => File::open(full),
            false => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Hidden;
    use super::*;
    use std::os::unix::fs::symlink;

    fn names(path: &str) -> Vec<Vec<u8>> {
        path.split('/')
            .filter(|part| !part.is_empty())
            .map(|part| part.as_bytes().to_vec())
            .collect()
    }

    #[test]
    fn links_lead_anywhere_below_the_root_and_never_out() {
        let folder = tempfile::tempdir().unwrap();
        let (inside, outside) = (folder.path().join("root"), folder.path().join("outside"));
        std::fs::create_dir_all(inside.join("deep/er")).unwrap();
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(inside.join("a.txt"), "inside").unwrap();
        std::fs::write(outside.join("b.txt"), "outside").unwrap();
        symlink("../../a.txt", inside.join("deep/er/up")).unwrap();
        symlink("../outside", inside.join("out")).unwrap();
        symlink("../outside/b.txt", inside.join("file")).unwrap();
        symlink(&outside, inside.join("absolute")).unwrap();
        symlink("/proc/self/root/etc/passwd", inside.join("magic")).unwrap();
        symlink("loop", inside.join("loop")).unwrap();
        let root = Root::open(&inside).unwrap();
        assert!(root.find(&names("deep/er/up")).unwrap().about.is_file());
        for way in [
            "out",
            "out/b.txt",
            "file",
            "absolute",
            "absolute/b.txt",
            "magic",
            "loop",
        ] {
            assert!(root.find(&names(way)).is_err(), "{way}");
            assert!(root.open_resolved(Path::new(way)).is_err(), "{way}");
        }
        let listed = root.list(&[], Hidden::No).unwrap();
        let listed: Vec<_> = listed
            .iter()
            .map(|entry| String::from_utf8_lossy(&entry.name))
            .collect();
        assert_eq!(listed, ["deep", "a.txt"]);
    }

    #[test]
    fn a_pipe_is_not_waited_for_and_not_listed() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        let root = Root::open(folder.path()).unwrap();
        assert!(!root.find(&names("pipe")).unwrap().about.is_file());
        assert_eq!(root.list(&[], Hidden::No).unwrap(), []);
    }
}
