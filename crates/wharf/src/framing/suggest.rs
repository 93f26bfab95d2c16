//! What somebody probably meant who wrote the name of no framing.

/// Other words for a framing, then the names themselves; each with what to type.
const WORDS: &[(&str, &str)] = &[
    ("lf", "lines"),
    ("newline", "lines"),
    ("text", "lines"),
    ("lines-crlf", "crlf"),
    ("length", "u32"),
    ("length-prefixed", "u32"),
    ("leb128", "varint"),
    ("protobuf", "varint"),
    ("nul", "delimiter=\\0"),
    ("null", "delimiter=\\0"),
    ("zero", "delimiter=\\0"),
    ("none", "raw"),
    ("stream", "raw"),
    ("lines", "lines"),
    ("crlf", "crlf"),
    ("varint", "varint"),
    ("netstring", "netstring"),
    ("raw", "raw"),
    ("fixed", "fixed=80"),
    ("delimiter", "delimiter=\\0"),
    ("u8", "u8"),
    ("u16", "u16"),
    ("u32", "u32"),
    ("u64", "u64"),
    ("u16le", "u16le"),
    ("u32le", "u32le"),
    ("u64le", "u64le"),
    ("u16-inclusive", "u16-inclusive"),
    ("u32-inclusive", "u32-inclusive"),
];

/// The framing whose name is at most two edits away, and less than half of the text.
pub(super) fn suggest(text: &str) -> Option<&'static str> {
    // The distance takes time in proportion to the text; no name is that long.
    let name = text.split('=').next().filter(|name| name.len() <= 20)?;
    let name = name.to_ascii_lowercase();
    WORDS
        .iter()
        .map(|&(word, framing)| (edits(name.as_bytes(), word.as_bytes()), framing))
        .filter(|&(edits, _)| edits <= 2 && 2 * edits < name.len())
        .min_by_key(|&(edits, _)| edits)
        .map(|(_, framing)| framing)
}

/// How many bytes must be inserted, removed or replaced (Levenshtein distance).
fn edits(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
