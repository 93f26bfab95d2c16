//! The two users that are always there and answer everybody.

use crate::chat::rules::Bots;

/// A user that is a program of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bot {
    /// Sends everything back.
    Echo,
    /// Sends everything back twice, in three pieces that are no lines: it teaches
    /// that what one `recv` gives is not a message.
    Delay,
}

impl Bot {
    /// The bots, as they stand in the list of users.
    pub(crate) const ALL: [Bot; 2] = [Bot::Echo, Bot::Delay];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Bot::Echo => "echobot",
            Bot::Delay => "delaybot",
        }
    }

    /// The bot of this name, in any letter case.
    pub(crate) fn find(name: &str, bots: Bots) -> Option<Bot> {
        let same = |bot: &Bot| bot.name().eq_ignore_ascii_case(name);
        match bots {
            Bots::Present => Bot::ALL.into_iter().find(same),
            Bots::Absent => None,
        }
    }
}

/// Cuts two copies of a line into delaybot's pieces: half a line · the rest and
/// the start of the second copy · the rest. Never within a character: a client
/// that decodes each piece by itself is to learn about lines, not about UTF-8.
pub(crate) fn pieces(line: &str) -> [Vec<u8>; 3] {
    let (start, rest) = line.split_at(line.floor_char_boundary(line.len() / 2));
    [
        start.as_bytes().to_vec(),
        [rest, start].concat().into_bytes(),
        rest.as_bytes().to_vec(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bots_are_found_in_any_letter_case() {
        assert_eq!(Bot::find("ECHObot", Bots::Present), Some(Bot::Echo));
        assert_eq!(Bot::find("DelayBot", Bots::Present), Some(Bot::Delay));
        assert_eq!(Bot::find("echobot2", Bots::Present), None);
        assert_eq!(Bot::find("echobot", Bots::Absent), None);
    }

    #[test]
    fn the_pieces_are_two_whole_copies_cut_between_characters() {
        let line = "DELIVERY delaybot ééééééééééééé\n";
        let pieces = pieces(line);
        assert_eq!(pieces.concat(), line.repeat(2).into_bytes());
        for piece in pieces {
            let piece = String::from_utf8(piece).expect("whole characters");
            assert!(!piece.is_empty() && !piece.starts_with('\n'));
        }
    }
}
