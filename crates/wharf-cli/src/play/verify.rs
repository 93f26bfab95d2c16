//! `wharf play verify`: was it fair?

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

use serde_json::json;
use wharf_services::blackjack::{Kind, Verdict, Verifier};

use crate::args::Common;
use crate::exit::Exit;
use crate::failure::{Failure, words};
use crate::style::count;

/// How much of a line is looked at: what the longest line of a server is in a transcript.
const MAX_LINE: usize = super::link::MAX_LINE + "< ".len();

/// Judges every round of a transcript, and tells each verdict as soon as it is known.
pub(super) fn run(common: &Common, file: &Path) -> Result<Exit, Failure> {
    let failed = |error: io::Error| {
        let cause = format!("cannot read {}: {}", file.display(), words(&error));
        Failure::new(Exit::Failed, cause)
    };
    let transcript: Box<dyn BufRead> = match file.as_os_str() == "-" {
        true => Box::new(io::stdin().lock()),
        false => Box::new(BufReader::new(File::open(file).map_err(failed)?)),
    };
    let mut verdicts = Verdicts::of(transcript);
    let mut tally = Tally::default();
    while let Some(verdict) = verdicts.next_verdict().map_err(failed)? {
        tally.add(&verdict);
        let line = match common.json {
            true => json(&verdict).to_string(),
            false => text(&verdict),
        };
        match writeln!(io::stdout(), "{line}") {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Exit::Done),
            other => other?,
        }
    }
    if verdicts.is_cut {
        let _ = writeln!(io::stderr(), "the last line has no end and is left out");
    }
    tally.conclude()
}

/// How many rounds there were of each kind.
#[derive(Debug, Default)]
struct Tally {
    unfair: u64,
    undecided: u64,
    over: u64,
}

impl Tally {
    fn add(&mut self, verdict: &Verdict) {
        self.unfair += u64::from(!verdict.problems.is_empty());
        self.undecided += u64::from(verdict.is_undecided());
        self.over += u64::from(verdict.kind != Kind::Unfinished);
    }

    /// Good if every round was fair, or void as it may be, and there was one.
    fn conclude(&self) -> Result<Exit, Failure> {
        match (self.unfair, self.undecided, self.over) {
            (0, 0, 0) => Err(
                Failure::new(Exit::CheckFailed, "there is no whole round in it")
                    .with(
                        "means",
                        "a round is every line of the server from BETS to END",
                    )
                    .cure("wharf play blackjack --record FILE"),
            ),
            (0, 0, _) => Ok(Exit::Done),
            (0, undecided, _) => {
                let rounds = count(undecided, "round");
                let cause = format!("{rounds} of which nobody can say that it was fair");
                Err(Failure::new(Exit::CheckFailed, cause).with(
                    "means",
                    "it happens with an honest server, too, where lines cross on their way or a \
                     connection ends",
                ))
            }
            (unfair, ..) => {
                let rounds = count(unfair, "round");
                let cause = format!("{rounds} not as it should be");
                Err(Failure::new(Exit::CheckFailed, cause))
            }
        }
    }
}

/// Reads a transcript up to the next verdict.
struct Verdicts {
    transcript: Box<dyn BufRead>,
    /// Nothing when all was read.
    verifier: Option<Verifier>,
    line: Vec<u8>,
    /// The last line has no end: more of it was to be written.
    is_cut: bool,
}

impl Verdicts {
    fn of(transcript: Box<dyn BufRead>) -> Self {
        Verdicts {
            transcript,
            verifier: Some(Verifier::default()),
            line: Vec::new(),
            is_cut: false,
        }
    }

    fn next_verdict(&mut self) -> io::Result<Option<Verdict>> {
        while self.read_line()? {
            let Some(verifier) = &mut self.verifier else {
                break;
            };
            let line = String::from_utf8_lossy(&self.line);
            // As the server does: it counts what stands before the end of the line.
            let line = line.strip_suffix('\r').unwrap_or(&line);
            // A line without anything is one that is answered, too.
            let verdict = match line.strip_prefix('>') {
                Some(said) => {
                    verifier.say(said.strip_prefix(' ').unwrap_or(said));
                    None
                }
                None => verifier.hear(line.strip_prefix("< ").unwrap_or(line)),
            };
            if verdict.is_some() {
                return Ok(verdict);
            }
        }
        Ok(self.verifier.take().and_then(Verifier::finish))
    }

    /// Reads a line to its end, so that nothing in it can look like another line, and keeps
    /// as much of it as is looked at. Whether there was one.
    fn read_line(&mut self) -> io::Result<bool> {
        self.line.clear();
        loop {
            let bytes = match self.transcript.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            if bytes.is_empty() {
                return Ok(false);
            }
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let piece = &bytes[..end.unwrap_or(bytes.len())];
            let room = MAX_LINE - self.line.len();
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            let read = piece.len() + usize::from(end.is_some());
            self.transcript.consume(read);
            self.is_cut = end.is_none();
            if end.is_some() {
                return Ok(true);
            }
        }
    }
}

fn kind(verdict: &Verdict) -> &'static str {
    match verdict.kind {
        Kind::Dealt => "dealt",
        Kind::Void => "void",
        Kind::Unfinished => "unfinished",
    }
}

/// Names in a sentence. What stands in a file must not command a terminal.
fn all_of(names: &[String]) -> String {
    crate::failure::visible(&names.join(" and "))
}

fn text(verdict: &Verdict) -> String {
    let [players, cards, payments] = verdict.counts;
    let (round, players) = (verdict.round, count(players as u64, "player"));
    let is_judged = !verdict.problems.is_empty() || verdict.is_undecided();
    if !is_judged {
        return match verdict.kind {
            Kind::Dealt => format!(
                "round {round}: fair. The seed has the hash that was published before; {players}, \
                 {} and {} are as the seed, the nonces and the rules make them",
                count(cards as u64, "card"),
                count(payments as u64, "payment"),
            ),
            Kind::Void => format!(
                "round {round}: void, because {} did not reveal a nonce. The seed has the hash \
                 that was published; nothing was dealt, so nothing is proved",
                all_of(&verdict.late)
            ),
            Kind::Unfinished => {
                format!(
                    "round {round}: its end is missing, so its seed is not known; nothing is judged"
                )
            }
        };
    }
    let mut text = match (verdict.problems.is_empty(), verdict.counts[0]) {
        (true, _) => format!("round {round}: UNDECIDED ({players}). Nothing is wrong, but"),
        (false, 0) => format!("after round {round}: NOT FAIR"),
        (false, _) => format!("round {round}: NOT FAIR ({players})"),
    };
    for words in in_words(&verdict.problems).chain(in_words(&verdict.doubts)) {
        // What stands in a file must not command a terminal.
        text += &format!("\n  {}", crate::failure::visible(&words));
    }
    text
}

fn in_words<T: ToString>(findings: &[T]) -> impl Iterator<Item = String> {
    findings.iter().map(ToString::to_string)
}

fn json(verdict: &Verdict) -> serde_json::Value {
    let [players, cards, payments] = verdict.counts;
    let problems: Vec<String> = in_words(&verdict.problems).collect();
    let doubts: Vec<String> = in_words(&verdict.doubts).collect();
    json!({
        "event": "verdict",
        "round": verdict.round,
        "kind": kind(verdict),
        "fair": verdict.is_fair(),
        "late": verdict.late,
        "players": players,
        "cards": cards,
        "payments": payments,
        "problems": problems,
        "doubts": doubts,
    })
}
