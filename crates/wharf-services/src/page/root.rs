//! The folder that is served: opens what is below it and nothing else.
//!
//! On Linux the kernel sees to that (openat2(2) with `RESOLVE_BENEATH`): a link may
//! lead anywhere below the root by a relative way, and cannot lead out, whatever is
//! renamed meanwhile. Elsewhere, and where a sandbox does not let it be asked, the whole
//! way is resolved and compared first.
//!
//! What is hidden is hidden by every name: a link to `.git` is as if it were not there.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::Hidden;

/// How many entries of a folder are listed.
pub(super) const MAX_ENTRIES: usize = 10_000;

/// How many are looked at for each of them: one that is hidden, or that a request could
/// not have, costs as much, and there may be any number of those.
const LOOKED_AT: usize = 10;

/// How often a way is looked up anew when something on it was renamed meanwhile.
#[cfg(target_os = "linux")]
const MAX_TRIES: usize = 8;

/// A folder whose files are served.
#[derive(Debug)]
pub(super) struct Root {
    folder: File,
    path: PathBuf,
    hidden: Hidden,
    /// The kernel keeps ways below the root.
    keeps_below: bool,
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

/// What a folder holds, as far as it is listed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Listing {
    /// By name, folders first.
    pub(super) entries: Vec<Entry>,
    /// There are more, or may be: not all were looked at.
    pub(super) is_cut: bool,
}

impl Root {
    /// Opens the folder itself.
    pub(super) fn open(path: &Path, hidden: Hidden) -> io::Result<Root> {
        let path = path.canonicalize()?;
        let folder = File::open(&path)?;
        if !folder.metadata()?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Root {
            keeps_below: keeps_below(&folder)?,
            folder,
            path,
            hidden,
        })
    }

    /// Opens what stands at plain names below the root.
    pub(super) fn find(&self, names: &[Vec<u8>]) -> io::Result<Opened> {
        let mut way = PathBuf::new();
        way.extend(names.iter().map(|name| OsStr::from_bytes(name)));
        if names.is_empty() {
            way.push(".");
        }
        let file = match self.keeps_below {
            true => self.open_below(&way)?,
            false => self.open_resolved(&way)?,
        };
        let about = file.metadata()?;
        Ok(Opened { file, about })
    }

    /// What is in a folder; at most [`MAX_ENTRIES`], of ten times as many that are looked
    /// at. Names are read by the path, which
    /// somebody may turn elsewhere meanwhile; but each is looked up below the root, so
    /// that no other file is told of.
    pub(super) fn list(&self, names: &[Vec<u8>]) -> io::Result<Listing> {
        self.list_at_most(MAX_ENTRIES, names)
    }

    fn list_at_most(&self, most: usize, names: &[Vec<u8>]) -> io::Result<Listing> {
        let mut folder = self.path.clone();
        folder.extend(names.iter().map(|name| OsStr::from_bytes(name)));
        let mut entries = Vec::new();
        let mut is_cut = false;
        for (looked_at, entry) in std::fs::read_dir(folder)?.enumerate() {
            if looked_at == most.saturating_mul(LOOKED_AT) {
                is_cut = true;
                break;
            }
            let Some(entry) = self.entry(names, entry?.file_name().as_bytes()) else {
                continue;
            };
            // Only what would be listed counts.
            if entries.len() == most {
                is_cut = true;
                break;
            }
            entries.push(entry);
        }
        entries.sort_by(|a, b| (!a.is_folder, &a.name).cmp(&(!b.is_folder, &b.name)));
        Ok(Listing { entries, is_cut })
    }

    /// The line of a listing for a name, by the same way as a request: what cannot be
    /// had is not listed.
    fn entry(&self, names: &[Vec<u8>], name: &[u8]) -> Option<Entry> {
        if self.hides(name) || name.contains(&b'\\') {
            return None;
        }
        let mut full = names.to_vec();
        full.push(name.to_vec());
        let about = self.find(&full).ok()?.about;
        (about.is_dir() || about.is_file()).then(|| Entry {
            name: name.to_vec(),
            is_folder: about.is_dir(),
            length: about.len(),
            modified: about.modified().ok(),
        })
    }

    fn hides(&self, name: &[u8]) -> bool {
        self.hidden == Hidden::No && name.starts_with(b".")
    }

    /// Fails where a way below the root has led to something hidden.
    fn refuse_hidden(&self, way: &Path) -> io::Result<()> {
        let mut names = way.components();
        match names.any(|name| self.hides(name.as_os_str().as_bytes())) {
            true => Err(io::ErrorKind::NotFound.into()),
            false => Ok(()),
        }
    }

    #[cfg(target_os = "linux")]
    fn open_below(&self, way: &Path) -> io::Result<File> {
        use rustix::fs::ResolveFlags;
        // Where no link is, names are what they say.
        match open_beneath(&self.folder, way, ResolveFlags::NO_SYMLINKS) {
            Err(rustix::io::Errno::LOOP) => {}
            opened => return Ok(opened?),
        }
        let file = open_beneath(&self.folder, way, ResolveFlags::empty())?;
        self.refuse_hidden(&self.place_of(&file, way)?)?;
        Ok(file)
    }

    #[cfg(not(target_os = "linux"))]
    fn open_below(&self, way: &Path) -> io::Result<File> {
        self.open_resolved(way)
    }

    /// Where an open file is below the root. Without proc(5) it is looked for anew.
    #[cfg(target_os = "linux")]
    fn place_of(&self, file: &File, way: &Path) -> io::Result<PathBuf> {
        use std::os::fd::AsRawFd;
        let at = |file: &File| std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()));
        if let (Ok(root), Ok(place)) = (at(&self.folder), at(file))
            && let Ok(below) = place.strip_prefix(root)
        {
            return Ok(below.to_owned());
        }
        self.resolve(way)
    }

    fn open_resolved(&self, way: &Path) -> io::Result<File> {
        let below = self.resolve(way)?;
        self.refuse_hidden(&below)?;
        open_plain(&self.path.join(below))
    }

    /// The way without links, where it stays below the root.
    fn resolve(&self, way: &Path) -> io::Result<PathBuf> {
        let full = self.path.join(way).canonicalize()?;
        let below = full.strip_prefix(&self.path);
        Ok(below.map_err(|_| io::ErrorKind::NotFound)?.to_owned())
    }
}

/// How things are opened: a pipe must not be waited for, and a terminal not become ours.
const FLAGS: rustix::fs::OFlags = rustix::fs::OFlags::RDONLY
    .union(rustix::fs::OFlags::CLOEXEC)
    .union(rustix::fs::OFlags::NONBLOCK)
    .union(rustix::fs::OFlags::NOCTTY);

fn open_plain(path: &Path) -> io::Result<File> {
    // Its last name is no link, unless it was made one meanwhile.
    let flags = FLAGS.union(rustix::fs::OFlags::NOFOLLOW);
    let mut options = File::options();
    options.read(true).custom_flags(flags.bits().cast_signed());
    options.open(path)
}

/// Whether the kernel can be asked to: Linux before 5.6 does not know the call, and a
/// sandbox may refuse it, as that of older versions of Docker does with EPERM. Any other
/// error says that something is wrong with the folder or with this process, for example
/// that it has no descriptor left, and must not make it ask in the weaker way for good.
#[cfg(target_os = "linux")]
fn keeps_below(folder: &File) -> io::Result<bool> {
    let asked = open_beneath(folder, Path::new("."), rustix::fs::ResolveFlags::empty());
    can_be_asked(asked.map(drop))
}

#[cfg(target_os = "linux")]
fn can_be_asked(outcome: rustix::io::Result<()>) -> io::Result<bool> {
    use rustix::io::Errno;
    match outcome {
        Ok(()) => Ok(true),
        Err(Errno::NOSYS | Errno::PERM) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn keeps_below(_: &File) -> io::Result<bool> {
    Ok(false)
}

#[cfg(target_os = "linux")]
fn open_beneath(
    folder: &File,
    way: &Path,
    resolve: rustix::fs::ResolveFlags,
) -> rustix::io::Result<File> {
    use rustix::fs::{Mode, ResolveFlags, openat2};
    let resolve = resolve | ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let mut tries = 0;
    loop {
        tries += 1;
        match openat2(folder, way, FLAGS, Mode::empty(), resolve) {
            // `..` in a link met a rename: openat2(2) says to try again.
            Err(rustix::io::Errno::AGAIN) if tries < MAX_TRIES => {}
            opened => return opened.map(File::from),
        }
    }
}

#[cfg(test)]
mod tests {
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
        std::fs::create_dir(inside.join(".git")).unwrap();
        std::fs::write(inside.join(".git/config"), "hidden").unwrap();
        symlink(".git", inside.join("git")).unwrap();
        symlink("../.git/config", inside.join("deep/config")).unwrap();
        let root = Root::open(&inside, Hidden::No).unwrap();
        assert!(root.find(&names("deep/er/up")).unwrap().about.is_file());
        assert!(root.open_resolved(Path::new("deep/er/up")).is_ok());
        for way in [
            "out",
            "out/b.txt",
            "file",
            "absolute",
            "absolute/b.txt",
            "magic",
            "loop",
            "git",
            "git/config",
            "deep/config",
        ] {
            assert!(root.find(&names(way)).is_err(), "{way}");
            assert!(root.open_resolved(Path::new(way)).is_err(), "{way}");
        }
        assert_eq!(listed(&root, ""), ["deep", "a.txt"]);
        assert_eq!(listed(&root, "deep"), ["er"]);
        // Whoever asked for what is hidden has it by every name.
        let root = Root::open(&inside, Hidden::Served).unwrap();
        for way in [".git/config", "git/config", "deep/config"] {
            assert!(root.find(&names(way)).unwrap().about.is_file(), "{way}");
            assert!(root.open_resolved(Path::new(way)).is_ok(), "{way}");
        }
        assert_eq!(listed(&root, ""), [".git", "deep", "git", "a.txt"]);
    }

    fn listed(root: &Root, folder: &str) -> Vec<String> {
        let entries = root.list(&names(folder)).unwrap().entries;
        let name = |entry: &Entry| String::from_utf8_lossy(&entry.name).into_owned();
        entries.iter().map(name).collect()
    }

    #[test]
    fn a_folder_that_is_moved_is_still_served_with_its_links() {
        let folder = tempfile::tempdir().unwrap();
        let (before, after) = (folder.path().join("before"), folder.path().join("after"));
        std::fs::create_dir_all(before.join(".git")).unwrap();
        std::fs::write(before.join("a.txt"), "inside").unwrap();
        symlink("a.txt", before.join("link")).unwrap();
        symlink(".git", before.join("git")).unwrap();
        let root = Root::open(&before, Hidden::No).unwrap();
        std::fs::rename(&before, &after).unwrap();
        if root.keeps_below {
            assert!(root.find(&names("link")).unwrap().about.is_file());
            assert!(root.find(&names("git")).is_err());
        }
    }

    #[test]
    fn a_listing_counts_what_it_lists_and_says_when_there_is_more() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..20 {
            std::fs::write(folder.path().join(format!(".hidden-{number}")), "").unwrap();
        }
        for number in 0..5 {
            std::fs::write(folder.path().join(format!("seen-{number}")), "").unwrap();
        }
        let root = Root::open(folder.path(), Hidden::No).unwrap();
        for (most, count, is_cut) in [(4, 4, true), (5, 5, false), (6, 5, false)] {
            let listing = root.list_at_most(most, &[]).unwrap();
            assert_eq!((listing.entries.len(), listing.is_cut), (count, is_cut));
        }
    }

    #[test]
    fn a_folder_of_what_is_not_listed_is_not_looked_through() {
        let folder = tempfile::tempdir().unwrap();
        let create = |number: usize| {
            std::fs::write(folder.path().join(format!(".hidden-{number}")), "").unwrap();
        };
        (0..20).for_each(create);
        let root = Root::open(folder.path(), Hidden::No).unwrap();
        let listing = root.list_at_most(2, &[]).unwrap();
        assert_eq!((listing.entries.len(), listing.is_cut), (0, false));
        create(20);
        let listing = root.list_at_most(2, &[]).unwrap();
        assert_eq!((listing.entries.len(), listing.is_cut), (0, true));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn only_a_kernel_that_cannot_be_asked_is_not_asked() {
        use rustix::io::Errno;
        assert!(can_be_asked(Ok(())).unwrap());
        for cannot in [Errno::NOSYS, Errno::PERM] {
            assert!(!can_be_asked(Err(cannot)).unwrap());
        }
        for error in [Errno::MFILE, Errno::NFILE, Errno::ACCESS, Errno::NOMEM] {
            let told = can_be_asked(Err(error)).unwrap_err();
            assert_eq!(told.raw_os_error(), Some(error.raw_os_error()));
        }
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
        let root = Root::open(folder.path(), Hidden::No).unwrap();
        assert!(!root.find(&names("pipe")).unwrap().about.is_file());
        let opened = root.open_resolved(Path::new("pipe")).unwrap();
        assert!(!opened.metadata().unwrap().is_file());
        assert_eq!(root.list(&[]).unwrap().entries, []);
    }
}
