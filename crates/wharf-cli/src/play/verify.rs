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

/// The longest line that is looked at; those of the protocol are under 300 bytes.
const MAX_LINE: u64 = 4 * 1024;

/// Judges every round of a transcript.
pub(super) fn run(common: &Common, file: &Path) -> Result<Exit, Failure> {
    let verdicts = match file.as_os_str() == "-" {
        true => verdicts(&mut io::stdin().lock()),
        false => File::open(file).and_then(|file| verdicts(&mut BufReader::new(file))),
    };
    let verdicts = verdicts.map_err(|error| {
        let cause = format!("cannot read {}: {}", file.display(), words(&error));
        Failure::new(Exit::Failed, cause)
    })?;
    for verdict in &verdicts {
        let line = match common.json {
            true => json(verdict).to_string(),
            false => text(verdict),
        };
        match writeln!(io::stdout(), "{line}") {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Exit::Done),
            other => other?,
        }
    }
    conclude(&verdicts)
}

/// Good if every round was fair, or void as it may be, and there was one.
fn conclude(verdicts: &[Verdict]) -> Result<Exit, Failure> {
    let number = |is_so: fn(&Verdict) -> bool| {
        let those = verdicts.iter().filter(|verdict| is_so(verdict));
        those.count() as u64
    };
    let unfair = number(|verdict| !verdict.problems.is_empty());
    let undecided = number(Verdict::is_undecided);
    let over = number(|verdict| verdict.kind != Kind::Unfinished);
    match (unfair, undecided, over) {
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
                "it happens with an honest server, too, where lines cross on their way",
            ))
        }
        (unfair, ..) => {
            let rounds = count(unfair, "round");
            let cause = format!("{rounds} not as it should be");
            Err(Failure::new(Exit::CheckFailed, cause))
        }
    }
}

fn verdicts(transcript: &mut impl BufRead) -> io::Result<Vec<Verdict>> {
    let mut verifier = Verifier::default();
    let mut verdicts = Vec::new();
    loop {
        let mut line = Vec::new();
        let read = io::Read::take(&mut *transcript, MAX_LINE).read_until(b'\n', &mut line)?;
        if read == 0 {
            verdicts.extend(verifier.finish());
            return Ok(verdicts);
        }
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end();
        // A line without anything is one that is answered, too.
        match line.strip_prefix('>') {
            Some(said) => verifier.say(said.strip_prefix(' ').unwrap_or(said)),
            None => {
                let heard = line.strip_prefix("< ").unwrap_or(line);
                verdicts.extend(verifier.hear(heard));
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
