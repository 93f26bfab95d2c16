//! Who may come in: names and hashes, and the text that holds them.
//!
//! ```text
//! # kept as it is
//! ann:$argon2id$v=19$m=19456,t=2,p=1$…$…
//! ```
//! A file has either names, and an attempt is `NAME PASSWORD`; or one line without a
//! name (`:$argon2id…`), and the whole attempt is the password.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::hash::{BadHash, Cost, Hash};
use super::memory::Memory;
use super::rules::MAX_NAME;

/// The users of a door.
#[derive(Clone, Debug, Default)]
pub struct Users {
    /// In the order of the file, comments among them.
    lines: Vec<Line>,
    /// Where each name stands.
    places: BTreeMap<Arc<str>, usize>,
}

#[derive(Clone, Debug)]
enum Line {
    User(Arc<str>, Box<Hash>),
    Comment(String),
}

/// A line of a users file that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct BadUsers {
    /// Which one, counted from 1.
    pub line: usize,
    /// What is wrong.
    pub why: BadLine,
}

/// What is wrong with a line, or with a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadLine {
    /// It is not `NAME:HASH`.
    #[error("a line is NAME:HASH")]
    Form,
    /// The name is too long or has a blank, a colon or a control character.
    #[error("a name has 1 to {MAX_NAME} bytes, without blanks, colons and control characters")]
    Name,
    /// The hash is none.
    #[error("{0}")]
    Hash(#[from] BadHash),
    /// The name stands there already.
    #[error("the name stands there twice")]
    Twice,
    /// Names and one password without a name cannot stand together: an attempt could
    /// mean both.
    #[error("one password without a name and names cannot stand in one file")]
    Mixed,
}

/// What a change did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The name is new.
    Added,
    /// It had another password.
    Replaced,
}

impl Users {
    /// Nobody: every attempt is denied.
    pub fn none() -> Self {
        Users::default()
    }

    /// One password without a name.
    pub fn one(hash: Hash) -> Self {
        let mut users = Users::none();
        // An empty table takes it.
        let _ = users.set("", hash);
        users
    }

    /// Reads the text of a users file.
    ///
    /// # Errors
    /// [`BadUsers`] names the first line that is wrong.
    pub fn parse(text: &str) -> Result<Users, BadUsers> {
        let mut users = Users::none();
        for (index, line) in text.lines().enumerate() {
            let bad = |why| BadUsers {
                line: index + 1,
                why,
            };
            if line.trim().is_empty() || line.starts_with('#') {
                users.lines.push(Line::Comment(line.trim_end().to_owned()));
                continue;
            }
            let (name, hash) = line.split_once(':').ok_or(bad(BadLine::Form))?;
            let hash = Hash::parse(hash.trim_end()).map_err(|why| bad(why.into()))?;
            match users.set(name, hash).map_err(bad)? {
                Change::Added => {}
                Change::Replaced => return Err(bad(BadLine::Twice)),
            }
        }
        Ok(users)
    }

    /// Gives `name` a password; the empty name is that of a file with one password.
    ///
    /// # Errors
    /// [`BadLine::Name`] and [`BadLine::Mixed`].
    pub fn set(&mut self, name: &str, hash: Hash) -> Result<Change, BadLine> {
        if !name.is_empty() && !is_name(name) {
            return Err(BadLine::Name);
        }
        if let Some(place) = self.places.get(name) {
            let name = name.into();
            self.lines[*place] = Line::User(name, Box::new(hash));
            return Ok(Change::Replaced);
        }
        if !self.places.is_empty() && (name.is_empty() || self.has_one_password()) {
            return Err(BadLine::Mixed);
        }
        let name: Arc<str> = name.into();
        self.places.insert(Arc::clone(&name), self.lines.len());
        self.lines.push(Line::User(name, Box::new(hash)));
        Ok(Change::Added)
    }

    /// Takes a name away, and says whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        let Some(place) = self.places.remove(name) else {
            return false;
        };
        self.lines.remove(place);
        for other in self.places.values_mut() {
            *other -= usize::from(*other > place);
        }
        true
    }

    /// The names, in the order of the file.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().filter_map(|line| match line {
            Line::User(name, _) => Some(&**name),
            Line::Comment(_) => None,
        })
    }

    /// Whether there is one password, and no names are spoken.
    pub fn has_one_password(&self) -> bool {
        self.places.contains_key("")
    }

    /// Whether an attempt is right. It hashes, so call it where it may block.
    pub fn admits(&self, attempt: &[u8]) -> bool {
        self.check(attempt, &[0; 32], &mut Memory::none()).is_some()
    }

    /// Whether an attempt is right, and whose it is. It hashes, so call it where it
    /// may block.
    ///
    /// For a name that is not there it hashes as well, at the cost of somebody who is
    /// there, always the same one; `secret` keeps it unknown who.
    pub(super) fn check(
        &self,
        attempt: &[u8],
        secret: &[u8; 32],
        memory: &mut Memory,
    ) -> Option<Arc<str>> {
        let (name, password) = match self.has_one_password() {
            true => (&b""[..], attempt),
            false => split(attempt),
        };
        let user = std::str::from_utf8(name)
            .ok()
            .and_then(|name| self.of(name));
        let (is_there, hash) = match user {
            Some((name, hash)) => (Some(name), Some(hash)),
            None => (None, self.decoy(name, secret)),
        };
        let nobody = Hash::of_nobody(Cost::default());
        let matches = hash.or(nobody.as_ref())?.matches(password, memory);
        is_there.filter(|_| matches).cloned()
    }

    fn of(&self, name: &str) -> Option<(&Arc<str>, &Hash)> {
        match &self.lines[*self.places.get(name)?] {
            Line::User(name, hash) => Some((name, hash)),
            Line::Comment(_) => None,
        }
    }

    /// The hash of somebody else, chosen by the name alone.
    fn decoy(&self, name: &[u8], secret: &[u8; 32]) -> Option<&Hash> {
        let digest = Sha256::new()
            .chain_update(secret)
            .chain_update(name)
            .finalize();
        let number = digest
            .iter()
            .take(8)
            .fold(0_u64, |all, byte| all << 8 | u64::from(*byte));
        let count = self.places.len() as u64;
        let chosen = number.checked_rem(count)? as usize;
        let (_, place) = self.places.iter().nth(chosen)?;
        match &self.lines[*place] {
            Line::User(_, hash) => Some(hash),
            Line::Comment(_) => None,
        }
    }
}

/// Whether text can be a user's name.
pub fn is_name(text: &str) -> bool {
    let allowed = |letter: char| !letter.is_whitespace() && !letter.is_control() && letter != ':';
    (1..=MAX_NAME).contains(&text.len()) && !text.starts_with('#') && text.chars().all(allowed)
}

/// Name and password: the first space parts them. Without one it is a name alone.
fn split(attempt: &[u8]) -> (&[u8], &[u8]) {
    match attempt.iter().position(|byte| *byte == b' ') {
        Some(at) => (&attempt[..at], &attempt[at + 1..]),
        None => (attempt, b""),
    }
}

/// The text of the file.
impl fmt::Display for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lines {
            match line {
                Line::User(name, hash) => writeln!(f, "{name}:{hash}")?,
                Line::Comment(text) => writeln!(f, "{text}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::password) fn cheap(password: &str) -> Hash {
        Hash::of(password.as_bytes(), [1; 16], Cost::LEAST).unwrap()
    }

    fn named() -> Users {
        let mut users = Users::none();
        users.set("ann", cheap("open sesame")).unwrap();
        users.set("ben", cheap("hop")).unwrap();
        users
    }

    fn check(users: &Users, attempt: &str) -> Option<String> {
        let found = users.check(attempt.as_bytes(), &[3; 32], &mut Memory::none());
        found.map(|name| name.to_string())
    }

    #[test]
    fn a_name_goes_with_its_own_password_alone() {
        let users = named();
        assert_eq!(check(&users, "ann open sesame").as_deref(), Some("ann"));
        assert_eq!(check(&users, "ben hop").as_deref(), Some("ben"));
        for wrong in [
            "ann hop",
            "ben open sesame",
            "eve hop",
            "ann",
            "",
            " hop",
            "ann  open sesame",
        ] {
            assert_eq!(check(&users, wrong), None, "{wrong}");
        }
    }

    #[test]
    fn one_password_is_the_whole_attempt() {
        let users = Users::one(cheap("open sesame"));
        assert_eq!(check(&users, "open sesame").as_deref(), Some(""));
        assert_eq!(check(&users, "ann open sesame"), None);
        assert_eq!(check(&Users::none(), "open sesame"), None);
    }

    #[test]
    fn a_file_of_another_system_loses_its_carriage_returns() {
        let users = Users::parse("# guests\r\n\r").unwrap();
        assert_eq!(users.to_string(), "# guests\n\n");
    }

    #[test]
    fn a_file_keeps_its_comments_and_its_order() {
        let text = format!("# guests\nben:{}\n\nann:{}\n", cheap("1"), cheap("2"));
        let mut users = Users::parse(&text).unwrap();
        assert_eq!(users.to_string(), text);
        assert_eq!(users.names().collect::<Vec<_>>(), ["ben", "ann"]);
        assert!(users.remove("ben") && !users.remove("ben"));
        assert_eq!(users.set("ann", cheap("3")), Ok(Change::Replaced));
        assert_eq!(
            users.to_string(),
            format!("# guests\n\nann:{}\n", cheap("3"))
        );
        assert_eq!(check(&users, "ann 3").as_deref(), Some("ann"));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_its_line() {
        let hash = cheap("1");
        let why = |text: &str| Users::parse(text).unwrap_err();
        let bad = |line, why| BadUsers { line, why };
        assert_eq!(why("ann\n"), bad(1, BadLine::Form));
        assert_eq!(why("\nann:secret\n"), bad(2, BadLine::Hash(BadHash::Form)));
        assert_eq!(why(&format!("a b:{hash}\n")), bad(1, BadLine::Name));
        assert_eq!(
            why(&format!("a:{hash}\na:{hash}\n")),
            bad(2, BadLine::Twice)
        );
        assert_eq!(why(&format!(":{hash}\na:{hash}\n")), bad(2, BadLine::Mixed));
        assert_eq!(why(&format!("a:{hash}\n:{hash}\n")), bad(2, BadLine::Mixed));
    }

    #[test]
    fn an_unknown_name_costs_as_much_as_a_known_one() {
        let mut users = named();
        let dear = Cost {
            memory_kib: 64,
            passes: 3,
        };
        users
            .set("cy", Hash::of(b"x", [1; 16], dear).unwrap())
            .unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for name in 0..50 {
            let name = name.to_string();
            let decoy = users.decoy(name.as_bytes(), &[3; 32]).unwrap().to_string();
            // The same name costs the same each time.
            assert_eq!(
                users.decoy(name.as_bytes(), &[3; 32]).unwrap().to_string(),
                decoy
            );
            seen.insert(decoy);
        }
        assert_eq!(
            seen.len(),
            3,
            "each user lends its cost to some unknown names"
        );
    }
}
