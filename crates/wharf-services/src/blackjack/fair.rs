//! How a shoe is shuffled so that everybody can do it again.
//!
//! ```text
//!  before the bets   S publishes  C = SHA-256(seed)
//!  with its bet      each player gives a nonce, or SHA-256(nonce), which it reveals
//!                    when all bets are in
//!  shoe              Fisher–Yates with numbers from SHA-256(K ‖ 0), SHA-256(K ‖ 1), …
//!                    where K = SHA-256(seed, and seat, name and nonce of each player)
//!  after the round   S publishes the seed, and everybody deals it again
//! ```
//! The server cannot choose the cards, because it fixed its seed before it knew the
//! nonces; a player cannot, because it does not know the seed. A server and a player
//! who work together know both, and the one who gives its nonce last could try many:
//! so a nonce can be given as its hash, and then it is fixed before it is known.

use sha2::{Digest, Sha256};

use super::cards::Card;

/// The longest nonce, in bytes.
pub const MAX_NONCE: usize = 32;

/// A server's secret of one round: 32 bytes, written as 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seed([u8; 32]);

impl Seed {
    pub(super) fn new(bytes: [u8; 32]) -> Self {
        Seed(bytes)
    }

    pub(super) fn text(self) -> String {
        hex(&self.0)
    }

    /// What is published before: as of `printf %s SEED | sha256sum`.
    pub(super) fn commitment(self) -> String {
        hash_of(&self.text())
    }
}

/// SHA-256 of a text, in hexadecimal digits: what commits to a nonce.
///
/// ```
/// use wharf_services::blackjack::hash_of;
///
/// // printf %s lucky | sha256sum
/// assert!(hash_of("lucky").starts_with("db9fbddbd7ca"));
/// ```
pub fn hash_of(text: &str) -> String {
    hex(&Sha256::digest(text))
}

/// Whether `text` can be a nonce: 1 to 32 letters, digits, `-`, `_` and `.`, and neither
/// `-` alone, which stands for none, nor `--`, after which words for people come.
pub fn is_nonce(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let is_free = !["", "-", "--"].contains(&text);
    is_free && text.len() <= MAX_NONCE && text.bytes().all(fits)
}

/// Whether `text` is a SHA-256 in hexadecimal digits.
pub(super) fn is_hash(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.len() == 64 && text.bytes().all(fits)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a player adds to the shuffle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share<'a> {
    pub(super) seat: usize,
    pub(super) name: &'a str,
    /// `-` for none.
    pub(super) nonce: &'a str,
}

/// The shoe of a round: `decks` decks, shuffled. The first card is dealt first.
pub(super) fn shoe<'a>(
    seed: &str,
    shares: impl IntoIterator<Item = Share<'a>>,
    decks: u32,
) -> Vec<Card> {
    let mut text = format!("wharf blackjack 1\n{seed}\n");
    for Share { seat, name, nonce } in shares {
        text += &format!("{seat} {name} {nonce}\n");
    }
    let mut words = Words::new(Sha256::digest(text).into());
    let mut cards: Vec<Card> = (0..decks).flat_map(|_| Card::deck()).collect();
    for last in (1..cards.len()).rev() {
        cards.swap(last, words.below(last as u32 + 1) as usize);
    }
    cards
}

/// Numbers from a key.
struct Words {
    key: [u8; 32],
    block: [u8; 32],
    counter: u64,
    used: usize,
}

impl Words {
    fn new(key: [u8; 32]) -> Self {
        Words {
            key,
            block: [0; 32],
            counter: 0,
            used: 32,
        }
    }

    /// The next four bytes, the most significant first.
    fn next(&mut self) -> u32 {
        if self.used == 32 {
            let mut hash = Sha256::new();
            hash.update(self.key);
            hash.update(self.counter.to_be_bytes());
            self.block = hash.finalize().into();
            self.counter += 1;
            self.used = 0;
        }
        let mut word = [0; 4];
        word.copy_from_slice(&self.block[self.used..self.used + 4]);
        self.used += 4;
        u32::from_be_bytes(word)
    }

    /// One of 0 to `bound` - 1, each as likely as the others: a word above the last
    /// whole multiple of `bound` is thrown away.
    fn below(&mut self, bound: u32) -> u32 {
        let bound = u64::from(bound);
        let whole = (1 << 32) / bound * bound;
        loop {
            let word = u64::from(self.next());
            if word < whole {
                return (word % bound) as u32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::process::{Command, Stdio};

    use super::*;

    const SEED: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    fn shares() -> [Share<'static>; 2] {
        let share = |seat, name, nonce| Share { seat, name, nonce };
        [share(1, "ann", "lucky"), share(4, "ben", "-")]
    }

    #[test]
    fn a_shoe_has_every_card_once_for_each_deck() {
        let shoe = shoe(SEED, shares(), 6);
        let mut counts = BTreeMap::new();
        for card in shoe {
            *counts.entry(card).or_insert(0) += 1;
        }
        assert!(counts.len() == 52 && counts.values().all(|count| *count == 6));
    }

    #[test]
    fn every_part_makes_another_shoe() {
        let base = shoe(SEED, shares(), 1);
        assert_eq!(base, shoe(SEED, shares(), 1));
        let other_seed = SEED.replacen('0', "1", 1);
        assert_ne!(base, shoe(&other_seed, shares(), 1));
        for change in [
            |share: &mut Share<'_>| share.seat = 3,
            |share: &mut Share<'_>| share.name = "anna",
            |share: &mut Share<'_>| share.nonce = "Lucky",
        ] {
            let mut changed = shares();
            change(&mut changed[0]);
            assert_ne!(base, shoe(SEED, changed, 1));
        }
    }

    #[test]
    fn each_card_comes_first_equally_often() {
        let mut counts: BTreeMap<Card, u32> = BTreeMap::new();
        for round in 0..5_200 {
            let seed = Seed::new(Sha256::digest(format!("{round}")).into()).text();
            *counts.entry(shoe(&seed, shares(), 1)[0]).or_insert(0) += 1;
        }
        // 100 each; chi-square with 51 degrees of freedom is below 99 with p = 0.9999.
        let square = |count: &u32| (f64::from(*count) - 100.0).powi(2) / 100.0;
        let chi: f64 = counts.values().map(square).sum();
        assert!(counts.len() == 52 && chi < 99.0, "{chi}");
    }

    /// The shuffle as the documentation describes it, in another language.
    const PYTHON: &str = r#"
import hashlib, sys
seed, decks, shares = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
sha = lambda data: hashlib.sha256(data).digest()
key = sha(("wharf blackjack 1\n" + seed + "\n" + "".join(s + "\n" for s in shares)).encode())
def words():
    i = 0
    while True:
        block = sha(key + i.to_bytes(8, "big"))
        i += 1
        for at in range(0, 32, 4):
            yield int.from_bytes(block[at:at + 4], "big")
stream = words()
def below(n):
    while True:
        w = next(stream)
        if w < 2**32 // n * n:
            return w % n
cards = [r + s for _ in range(decks) for s in "CDHS" for r in "A 2 3 4 5 6 7 8 9 10 J Q K".split()]
for i in range(len(cards) - 1, 0, -1):
    j = below(i + 1)
    cards[i], cards[j] = cards[j], cards[i]
print(" ".join(cards))
print(hashlib.sha256(seed.encode()).hexdigest())
"#;

    #[test]
    fn python_shuffles_the_same() {
        let page = include_str!("../../../../docs/protocols/blackjack.md");
        assert!(page.contains(PYTHON.trim()), "the page has the program");
        let output = Command::new("python3")
            .args(["-c", PYTHON, SEED, "6", "1 ann lucky", "4 ben -"])
            .stderr(Stdio::inherit())
            .output()
            .expect("python3 is installed");
        let shoe: Vec<String> = shoe(SEED, shares(), 6)
            .iter()
            .map(Card::to_string)
            .collect();
        let text = String::from_utf8(output.stdout).unwrap();
        let expected = format!("{}\n{}\n", shoe.join(" "), hash_of(SEED));
        assert_eq!(text, expected);
    }
}
