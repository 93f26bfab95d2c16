//! The path of a request: which names below the root it means, if any.
//!
//! A path is decoded once, and what is left must be plain names. Everything that other
//! servers have been led out of their root by is refused here, before any file is
//! looked at; that no link leads out is the business of `root`.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

/// What stays as it is in a path that we write (RFC 3986, unreserved).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The longest path in bytes, decoded (PATH_MAX of Linux).
const MAX_PATH: usize = 4096;

/// Whether names that begin with a dot are served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hidden {
    /// They are as if they were not there.
    #[default]
    No,
    /// They are served and listed as all others.
    Served,
}

/// A path that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Plain names: not empty, no `.`, no `..`, no slash, no NUL.
    pub(super) names: Vec<Vec<u8>>,
    /// It ended in a slash.
    pub(super) is_folder: bool,
}

/// A path that means nothing here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It is no path: a wrong escape, or a NUL.
    Malformed,
    /// It would leave the root, is hidden, or cannot be a name.
    NotThere,
}

/// Reads the path of a request.
pub(super) fn parse(path: &str, hidden: Hidden) -> Result<Wanted, Refused> {
    let rest = path.strip_prefix('/').ok_or(Refused::Malformed)?;
    let (rest, is_folder) = match rest.strip_suffix('/') {
        Some("") => return Err(Refused::NotThere),
        Some(rest) => (rest, true),
        None => (rest, rest.is_empty()),
    };
    let mut names = Vec::new();
    let mut length = 0;
    for part in rest.split('/').filter(|_| !rest.is_empty()) {
        let name = decode(part)?;
        length += name.len() + 1;
        if !is_plain(&name) || length > MAX_PATH || (hidden == Hidden::No && name[0] == b'.') {
            return Err(Refused::NotThere);
        }
        names.push(name);
    }
    Ok(Wanted { names, is_folder })
}

/// Undoes the escapes of one part, once.
fn decode(part: &str) -> Result<Vec<u8>, Refused> {
    let bytes = part.as_bytes();
    let is_escape = |at: usize| {
        let digits = bytes.get(at + 1..at + 3);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    let mut signs = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'%');
    if !signs.all(|(at, _)| is_escape(at)) {
        return Err(Refused::Malformed);
    }
    let name: Vec<u8> = percent_decode_str(part).collect();
    match name.contains(&0) {
        true => Err(Refused::Malformed),
        false => Ok(name),
    }
}

/// Whether bytes are one name in a folder. A backslash separates names elsewhere, and
/// nobody misses it here.
fn is_plain(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..") && !name.iter().any(|byte| matches!(byte, b'/' | b'\\'))
}

/// The path of a file as it is written in a link, without the leading slash.
pub(super) fn encoded(names: &[Vec<u8>]) -> String {
    let parts: Vec<String> = names.iter().map(|name| encode(name)).collect();
    parts.join("/")
}

/// One name, escaped.
pub(super) fn encode(name: &[u8]) -> String {
    percent_encode(name, ENCODED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(path: &str) -> Result<Vec<String>, Refused> {
        let wanted = parse(path, Hidden::No)?;
        Ok(wanted
            .names
            .iter()
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect())
    }

    #[test]
    fn plain_paths_are_their_names() {
        assert_eq!(
            parse("/", Hidden::No),
            Ok(Wanted {
                names: vec![],
                is_folder: true
            })
        );
        assert_eq!(names("/a.txt").unwrap(), ["a.txt"]);
        assert_eq!(names("/a/b%20c/gr%C3%BCn").unwrap(), ["a", "b c", "grün"]);
        assert_eq!(names("/a..b/c..").unwrap(), ["a..b", "c.."]);
        assert!(parse("/a/", Hidden::No).unwrap().is_folder);
        assert!(!parse("/a", Hidden::No).unwrap().is_folder);
    }

    #[test]
    fn every_spelling_of_the_way_out_is_refused() {
        for path in [
            "/..",
            "/../",
            "/../etc/passwd",
            "/a/../../etc/passwd",
            "/./a",
            "/a/.",
            "/a/./b",
            "/%2e%2e/etc/passwd",
            "/%2E%2E/etc/passwd",
            "/.%2e/etc/passwd",
            "/%2e./etc/passwd",
            "/..%2fetc%2fpasswd",
            "/a%2f..%2f..%2fetc/passwd",
            "/..%5cetc%5cpasswd",
            "/..\\etc",
            "/%5c..%5c",
            "//etc/passwd",
            "/%2fetc/passwd",
            "/%2Fetc%2Fpasswd",
            "/a//b",
            "//",
            "/.../",
            "/....//....//etc/passwd",
        ] {
            assert_eq!(names(path), Err(Refused::NotThere), "{path}");
        }
        for path in [
            "",
            "etc/passwd",
            "*",
            "/a%00",
            "/%00/../x",
            "/%",
            "/%2",
            "/%zz",
            "/a%2",
            "/%u002e",
        ] {
            assert_eq!(names(path), Err(Refused::Malformed), "{path}");
        }
        // Decoded once: these are names with a percent sign, which nobody has.
        assert_eq!(names("/%252e%252e/x").unwrap(), ["%2e%2e", "x"]);
        assert_eq!(names("/%25%32%65").unwrap(), ["%2e"]);
        // Overlong UTF-8 is no dot and no slash.
        assert_eq!(
            parse("/%c0%ae%c0%ae/x", Hidden::No).unwrap().names[0],
            b"\xc0\xae\xc0\xae"
        );
    }

    #[test]
    fn hidden_names_are_there_for_those_who_asked() {
        assert_eq!(names("/.git/config"), Err(Refused::NotThere));
        assert_eq!(names("/%2egit/config"), Err(Refused::NotThere));
        assert_eq!(parse("/.git", Hidden::Served).unwrap().names, [b".git"]);
        assert_eq!(parse("/..", Hidden::Served), Err(Refused::NotThere));
    }

    proptest! {
        /// Whatever is asked for, only plain names come out.
        #[test]
        fn only_plain_names_come_out(path in "/[a./%2eEfF5cC0\\\\]{0,40}") {
            if let Ok(wanted) = parse(&path, Hidden::Served) {
                for name in wanted.names {
                    prop_assert!(is_plain(&name) && !name.contains(&0));
                }
            }
        }

        /// A name that is written into a link is read as the same name.
        #[test]
        fn a_link_leads_to_its_file(name in proptest::collection::vec(1_u8.., 1..40)) {
            prop_assume!(is_plain(&name) && name[0] != b'.');
            let read = parse(&format!("/{}", encode(&name)), Hidden::No).unwrap();
            prop_assert_eq!(read.names, vec![name]);
        }
    }
}
