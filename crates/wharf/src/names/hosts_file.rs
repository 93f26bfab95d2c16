//! The hosts file (hosts(5)): an address, its canonical name, and its aliases on each line.

use std::fs::File;
use std::io::Read;
use std::net::IpAddr;

/// More than this is not read of a hosts or services file.
const FILE_MAX: u64 = 4 << 20;

/// Reads a small system file; one that is missing or unreadable counts as empty.
pub(super) fn read_system_file(path: &str) -> String {
    let mut bytes = Vec::new();
    if let Ok(file) = File::open(path) {
        // What came before an error is still worth reading.
        let _ = file.take(FILE_MAX).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The lines of the system's hosts file.
pub(super) fn read() -> Vec<Line> {
    let path = if cfg!(windows) {
        r"C:\Windows\System32\drivers\etc\hosts"
    } else {
        "/etc/hosts"
    };
    parse(&read_system_file(path))
}

/// One line: an address and its names, the canonical one first.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) address: IpAddr,
    pub(super) names: Vec<String>,
}

/// Lines that hold an address and a name; all others are passed over, as resolvers do.
pub(super) fn parse(text: &str) -> Vec<Line> {
    text.lines().filter_map(line).collect()
}

fn line(text: &str) -> Option<Line> {
    let text = text.split('#').next()?;
    let mut words = text.split_whitespace();
    let address = words.next()?.parse().ok()?;
    let names: Vec<String> = words.map(str::to_owned).collect();
    (!names.is_empty()).then_some(Line { address, names })
}

/// All names on lines with this name, without the canonical one.
pub(super) fn aliases(lines: &[Line], name: &str, canonical: &str) -> Vec<String> {
    let is = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
    let mut aliases: Vec<String> = Vec::new();
    for line in lines {
        if line
            .names
            .iter()
            .any(|other| is(other, name) || is(other, canonical))
        {
            for other in &line.names {
                if !is(other, canonical) && !aliases.iter().any(|known| is(known, other)) {
                    aliases.push(other.clone());
                }
            }
        }
    }
    aliases
}

/// The names of an address: the first line's first name is the canonical one.
pub(super) fn names(lines: &[Line], address: IpAddr) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for line in lines.iter().filter(|line| line.address == address) {
        for name in &line.names {
            if !names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                names.push(name.clone());
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTS: &str = "127.0.0.1 localhost\n\
        # a remark\n\
        10.0.0.1\tship.example.org ship  boat # the first\n\
        10.0.0.1 vessel\n\
        fe80::1 Ship\n\
        10.0.0.9\n\
        nonsense here\n";

    #[test]
    fn lines_without_address_or_name_are_passed_over() {
        let lines = parse(HOSTS);
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[1].names, ["ship.example.org", "ship", "boat"]);
    }

    #[test]
    fn aliases_leave_out_the_canonical_name() {
        let lines = parse(HOSTS);
        assert_eq!(
            aliases(&lines, "boat", "ship.example.org"),
            ["ship", "boat"]
        );
        assert!(aliases(&lines, "localhost", "localhost").is_empty());
    }

    #[test]
    fn names_of_all_lines_come_together() {
        let address = "10.0.0.1".parse().unwrap();
        let expected = ["ship.example.org", "ship", "boat", "vessel"];
        assert_eq!(names(&parse(HOSTS), address), expected);
    }
}
