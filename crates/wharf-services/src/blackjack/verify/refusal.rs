//! What can be refused, and for which reason.

use super::asked::Said;
use crate::blackjack::grammar::No;
use crate::blackjack::round::Action;

/// Whether a refusal can be about a request, in one's turn (with whether one can double
/// and split) or outside, with a seat or, as far as is known, without.
pub(super) fn can_refuse(
    no: No,
    said: &Said,
    turn: Option<[bool; 2]>,
    is_seated: bool,
    asks_for: impl Fn(&str) -> bool,
) -> bool {
    match (no, said) {
        (No::Request | No::Line, said) => *said == Said::Else,
        (No::Name | No::InUse | No::LoggedIn | No::Full, said) => {
            matches!(said, Said::Hello { .. })
        }
        (No::Login, Said::Hello { .. } | Said::Help | Said::Bye | Said::Else) => false,
        (No::Login | No::Seat | No::Turn, Said::Act(_)) => turn.is_none(),
        (No::Hand, Said::Act(Action::Hit | Action::Stand)) => turn.is_none(),
        (No::Hand | No::Chips, Said::Act(Action::Double)) => turn.is_none_or(|[double, _]| !double),
        (No::Hand | No::Chips, Said::Act(Action::Split)) => turn.is_none_or(|[_, split]| !split),
        (No::Login | No::Seat | No::NotNow | No::Nonce, Said::Reveal { nonce, .. }) => {
            !asks_for(nonce)
        }
        (No::Login, _) => true,
        (No::Seat, said) => matches!(said, Said::Bet { .. } | Said::Leave),
        (No::NotNow, Said::Sit { .. }) => is_seated,
        (No::NotNow, said) => matches!(said, Said::Bet { .. }),
        (No::Table, said) => !is_seated && matches!(said, Said::Sit { .. }),
        (No::Chips | No::HasBet, said) => matches!(said, Said::Bet { .. }),
        (No::NotBroke, said) => *said == Said::Buy,
        (No::Turn | No::Hand | No::Nonce, _) => false,
    }
}

/// Whether a refusal without a request changes nothing.
pub(super) fn is_harmless(no: No) -> bool {
    use No::{Full, InUse, Line, LoggedIn, Name, NotBroke, Request, Table};
    matches!(
        no,
        Request | Line | Name | InUse | LoggedIn | Full | Table | NotBroke
    )
}
