//! The word that was meant: the nearest candidate by edit distance.

/// The candidate that `word` is most likely a misspelling of, without regard to case.
///
/// Counted are insertions, deletions, substitutions and swaps of neighbours (the optimal string
/// alignment distance). One mistake is forgiven in words of up to five letters and one more for
/// each three letters beyond, but at least half of the letters must be right. Of equally near
/// candidates the first is taken. Words of more than 64 bytes are not looked at.
///
/// ```
/// use wharf::names::suggest;
/// assert_eq!(suggest("tpc", ["udp", "tcp"]), Some("tcp"));
/// assert_eq!(suggest("quux", ["udp", "tcp"]), None);
/// ```
pub fn suggest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > LONGEST {
        return None;
    }
    let forgiven = (1 + word.chars().count().saturating_sub(3) / 3).min(word.len() / 2);
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= LONGEST)
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= forgiven)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Bounds the quadratic work.
const LONGEST: usize = 64;

fn distance(one: &str, other: &str) -> usize {
    let one: Vec<char> = one.to_lowercase().chars().collect();
    let other: Vec<char> = other.to_lowercase().chars().collect();
    // Three rows of the table suffice: a swap of neighbours looks two rows back.
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=other.len()).collect();
    for i in 1..=one.len() {
        let mut row = vec![i];
        for j in 1..=other.len() {
            let differs = usize::from(one[i - 1] != other[j - 1]);
            let edit = (above[j] + 1)
                .min(row[j - 1] + 1)
                .min(above[j - 1] + differs);
            let swap = i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1];
            row.push(if swap {
                edit.min(before[j - 2] + 1)
            } else {
                edit
            });
        }
        before = std::mem::replace(&mut above, row);
    }
    above[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (one, other, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("tcp", "tpc", 1),
            ("kitten", "sitting", 3),
            ("TLS", "tls", 0),
            ("ä", "a", 1),
        ] {
            assert_eq!(distance(one, other), expected, "{one} {other}");
            assert_eq!(distance(other, one), expected, "{other} {one}");
        }
    }

    #[test]
    fn the_nearest_is_taken_and_the_far_is_not() {
        let keys = ["bind", "broadcast", "rcvbuf", "sndbuf", "ttl"];
        for (word, expected) in [
            ("boardcast", Some("broadcast")),
            ("brodcats", Some("broadcast")),
            ("recvbuf", Some("rcvbuf")),
            ("tll", Some("ttl")),
            ("bnid", Some("bind")),
            ("x", None),
            ("", None),
            ("reuseaddr", None),
        ] {
            assert_eq!(suggest(word, keys), expected, "{word}");
        }
        assert_eq!(suggest(&"t".repeat(1 << 20), keys), None);
    }
}
