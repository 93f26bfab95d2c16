//! From what was typed to the options of the load engine.

use std::time::Duration;

use wharf::framing::{EncodeError, Encoder, Framing};
use wharf_check::load::{
    Amount, Asked, Bulk, Chat, Direction, Exchange, Expect, Messages, Options, Pacing, Rule, Target,
};

use super::args::{BenchArgs, Way};
use super::text::{Content, Expected, Sizes};
use crate::failure::Failure;

/// How many different messages are made up where they need a frame: a prime, so that
/// connections do not move in step.
const MADE_UP: usize = 251;

/// All of them together have about this many bytes at most.
const MADE_UP_BYTES: usize = 32 << 20;

/// Datagrams in flight on a flow at a fixed rate, unless --depth says otherwise.
const DATAGRAMS_IN_FLIGHT: usize = 1_024;

/// Blocks in flight on a connection with --bulk both, unless --depth says otherwise, and the
/// size of one.
const BLOCKS_IN_FLIGHT: usize = 4;
const BLOCK: usize = 64 << 10;

/// The longest reply that is known by a rule, in bytes.
const REPLY_MAX: usize = 1 << 20;

/// How long a reply may take, and a datagram's reply, unless --timeout says otherwise.
const TIMEOUT: Duration = Duration::from_secs(5);
const LOSS_TIMEOUT: Duration = Duration::from_millis(200);

/// The options for one target.
pub(super) fn options(args: &BenchArgs, target: Target) -> Result<Options, Failure> {
    let carrier = match target {
        Target::Udp(_) => Carrier::Datagrams,
        _ => Carrier::Stream,
    };
    let mut options = Options::new(target);
    options.connections = match args.chat {
        true => args.users,
        false => args.connections,
    };
    options.pacing = pacing(args, carrier);
    options.messages = match (args.chat, args.bulk) {
        (true, _) => chat(args),
        (false, Some(way)) => bulk(args, way)?,
        (false, None) => messages(args, carrier)?,
    };
    options.expect = match args.expect() {
        Expected::Upper => Expect::AsciiUpper,
        _ => Expect::Echo,
    };
    options.messages_per_connection = args.churn.then_some(1);
    options.ramp_up = args.ramp_up;
    options.warm_up = args.warmup;
    options.connect_timeout = args.timeout.unwrap_or(TIMEOUT);
    options.reply_timeout = args.timeout.unwrap_or(TIMEOUT);
    options.loss_timeout = args.timeout.unwrap_or(LOSS_TIMEOUT);
    options.late_after = args.late.and_then(|late| late.0);
    options.amount = match args.requests {
        None => Amount::Time(args.lasts()),
        Some(count) => Amount::Requests {
            count: count as u64,
            at_most: args.lasts(),
        },
    };
    Ok(options)
}

/// What carries the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carrier {
    Stream,
    Datagrams,
}

fn pacing(args: &BenchArgs, carrier: Carrier) -> Pacing {
    let Some(rate) = args.rate else {
        let usual = match args.bulk {
            Some(Way::Both) => BLOCKS_IN_FLIGHT,
            _ => 1,
        };
        let depth = args.depth.unwrap_or(usual);
        return Pacing::Closed { depth };
    };
    // The engine's bound is far below.
    let rate = u32::try_from(rate).unwrap_or(u32::MAX);
    let usual = match carrier {
        Carrier::Datagrams if args.message.is_empty() => DATAGRAMS_IN_FLIGHT,
        _ => 1,
    };
    let depth = args.depth.unwrap_or(usual);
    Pacing::Open { rate, depth }
}

/// Bytes without end.
fn bulk(args: &BenchArgs, way: Way) -> Result<Messages, Failure> {
    let direction = match way {
        Way::Both => return Ok(Messages::Size(BLOCK)),
        Way::Send => Direction::Send,
        Way::Receive => Direction::Receive,
    };
    let request = match args.message.first() {
        None => Vec::new(),
        Some(request) => request.read()?,
    };
    Ok(Messages::Bulk(Bulk { direction, request }))
}

fn chat(args: &BenchArgs) -> Messages {
    let mut chat = Chat::default();
    chat.size = *args.size().0.start();
    // Another run may be there at the same time, or not be gone yet.
    chat.prefix = prefix(std::process::id());
    Messages::Chat(chat)
}

/// Letters that differ from process to process.
fn prefix(pid: u32) -> String {
    let letter = |place: u32| char::from(b'a' + (pid / 26_u32.pow(place) % 26) as u8);
    let letters: String = (0..5).map(letter).collect();
    format!("bench{letters}")
}

fn messages(args: &BenchArgs, carrier: Carrier) -> Result<Messages, Failure> {
    let is_plain = args.message.is_empty() && args.frame.is_none();
    let is_computed = matches!(args.expect(), Expected::Echo | Expected::Upper);
    if is_plain && is_computed {
        return Ok(match args.size().one() {
            Some(size) => Messages::Size(size),
            None => Messages::Sizes(args.size().0),
        });
    }
    let framing = args.frame.clone().unwrap_or(Framing::Raw);
    let bodies = bodies(args, &framing)?;
    let rule = match args.expect() {
        Expected::Echo | Expected::Upper | Expected::Text(_) => {
            return script(args, &framing, &bodies);
        }
        Expected::Regex(regex) => {
            let regex = regex.clone();
            Rule::new(move |reply| regex.is_match(reply))
        }
        Expected::Any => Rule::new(|_| true),
    };
    if carrier == Carrier::Stream && framing == Framing::Raw {
        return Err(Failure::usage(format!(
            "--expect {} needs --frame over a stream, to know where a reply ends",
            args.expect()
        ))
        .cure("--frame lines    or another one that the server speaks"));
    }
    Ok(Messages::Asked(Asked {
        requests: requests(args, &framing, &bodies)?,
        framing,
        longest: REPLY_MAX,
        rule,
    }))
}

/// What messages hold.
fn bodies(args: &BenchArgs, framing: &Framing) -> Result<Vec<Vec<u8>>, Failure> {
    match args.message.is_empty() {
        false => args.message.iter().map(Content::read).collect(),
        true => Ok(made_up(&args.size(), framing)),
    }
}

/// Messages with replies that are known byte for byte.
fn script(args: &BenchArgs, framing: &Framing, bodies: &[Vec<u8>]) -> Result<Messages, Failure> {
    let requests = requests(args, framing, bodies)?;
    let exchanges: Result<Vec<_>, Failure> = bodies
        .iter()
        .zip(requests)
        .map(|(body, request)| {
            let reply = match args.expect() {
                Expected::Upper => upper(body),
                Expected::Text(text) => text.clone(),
                _ => body.clone(),
            };
            let reply = framed(framing, &reply).map_err(|error| {
                let cause = format!("the reply does not fit --frame {framing}: {error}");
                Failure::usage(cause).cure("--expect with a reply without its frame")
            })?;
            Ok(Exchange { request, reply })
        })
        .collect();
    Ok(Messages::Script(exchanges?))
}

/// Messages as they are sent.
fn requests(
    args: &BenchArgs,
    framing: &Framing,
    bodies: &[Vec<u8>],
) -> Result<Vec<Vec<u8>>, Failure> {
    let request = |(place, body): (usize, &Vec<u8>)| {
        framed(framing, body).map_err(|error| {
            let cause = format!("a message does not fit --frame {framing}: {error}");
            let failure = Failure::usage(cause);
            match args.message.get(place) {
                None => failure.cure(other_size(error)),
                Some(content) => other_message(failure, error, framing, content, body),
            }
        })
    };
    bodies.iter().enumerate().map(request).collect()
}

/// What to do about a message that was made up and does not fit its frame.
fn other_size(error: EncodeError) -> String {
    match error {
        EncodeError::WrongSize { want, .. } => format!("--size {want}"),
        EncodeError::TooLong { limit, .. } => format!("--size {limit}"),
        EncodeError::ContainsEnd { .. } | EncodeError::EndsInCr => "another --frame".to_owned(),
    }
}

/// What to do about one that was typed, or is in a file: most files end in a line end, which
/// the frame adds itself.
fn other_message(
    failure: Failure,
    error: EncodeError,
    framing: &Framing,
    content: &Content,
    body: &[u8],
) -> Failure {
    if let EncodeError::WrongSize { want, .. } = error {
        return failure.cure(format!("a --message of {want} bytes"));
    }
    if let Content::File(path, _) = content {
        let end = body.iter().rposition(|byte| *byte != b'\n');
        let text = &body[..end.map_or(0, |end| end + 1)];
        // A shell keeps all but these, and a backslash would be read as an escape.
        let can_be_typed = !text.is_empty() && !text.contains(&0) && !text.contains(&b'\\');
        if can_be_typed && framed(framing, text).is_ok() {
            return failure
                .with(
                    "means",
                    "the file has a line end, which the frame adds itself",
                )
                .cure(format!("--message \"$(cat {})\"", path.display()));
        }
    }
    failure.cure("another --message    or    --frame u32 if the server speaks it")
}

fn framed(framing: &Framing, body: &[u8]) -> Result<Vec<u8>, EncodeError> {
    let mut wire = Vec::new();
    Encoder::new(framing).encode(body, &mut wire)?;
    Ok(wire)
}

/// What the service `upper` makes of a message.
fn upper(body: &[u8]) -> Vec<u8> {
    body.utf8_chunks()
        .flat_map(|chunk| {
            let text = chunk.valid().to_uppercase().into_bytes();
            [text, chunk.invalid().to_vec()].concat()
        })
        .collect()
}

/// Text of these sizes that has no end of its framing in it; the same in every run
/// (xorshift64*).
fn made_up(sizes: &Sizes, framing: &Framing) -> Vec<Vec<u8>> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize
    };
    let mut letters: Vec<u8> = (b'!'..=b'~')
        .filter(|letter| match framing {
            Framing::Delimiter(end) => !end.as_bytes().contains(letter),
            _ => true,
        })
        .collect();
    if letters.is_empty() {
        // The end has all of them in it; the encoder tells whether this one alone is its end.
        letters.push(b'a');
    }
    let (least, most) = (*sizes.0.start(), *sizes.0.end());
    let count = (MADE_UP_BYTES / most).clamp(2, MADE_UP);
    (0..count)
        .map(|_| {
            let size = least + random() % (most - least + 1);
            (0..size)
                .map(|_| letters[random() % letters.len()])
                .collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_messages_differ_stay_in_their_range_and_fit_their_frame() {
        let sizes = Sizes(5..=50);
        let framing: Framing = "delimiter=ab".parse().unwrap();
        let all: std::collections::BTreeSet<_> = made_up(&sizes, &framing).into_iter().collect();
        assert_eq!(all.len(), MADE_UP);
        assert!(all.iter().all(|one| (5..=50).contains(&one.len())));
        assert!(all.iter().all(|one| framed(&framing, one).is_ok()));
    }

    #[test]
    fn upper_case_is_that_of_the_service() {
        assert_eq!(upper("aß\u{e9}".as_bytes()), "ASS\u{c9}".as_bytes());
        assert_eq!(upper(b"a\xffb"), b"A\xffB");
    }
}
