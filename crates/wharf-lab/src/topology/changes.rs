//! What is done to links while a lab runs, as people write it.

use std::time::Duration;

use wharf::names::suggest;

use super::{ChangePlan, NodeKind, Topology, file};
use crate::core::Change;
use crate::units::{parse_rate, parse_share, parse_span};

/// A change that cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub struct ChangeError {
    /// What is wrong.
    pub cause: String,
    /// What to write instead, if there is something.
    pub cure: Option<String>,
}

impl Topology {
    /// Reads a change: `at 5s link a-b down`, or `up`, `loss 5%`, `delay 20ms`,
    /// `rate 1mbit`. It holds for both directions.
    ///
    /// # Errors
    /// [`ChangeError`]: it is written in another way, there is no such link, or the
    /// link has no such property.
    pub fn change(&self, text: &str) -> Result<ChangePlan, ChangeError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let wrong = || ChangeError {
            cause: format!("\"{text}\" is no change"),
            cure: Some(
                "write \"at 5s link a-b down\", or up, loss 5%, delay 20ms, rate 1mbit".to_owned(),
            ),
        };
        let ["at", time, "link", ends, rest @ ..] = &words[..] else {
            return Err(wrong());
        };
        let told = |cure: String| ChangeError {
            cause: format!("\"{text}\" is not understood"),
            cure: Some(cure),
        };
        let at: Duration = parse_span(time).map_err(told)?;
        let (first, second) = ends.split_once('-').ok_or_else(wrong)?;
        let link = self.link_between(first, second).ok_or_else(|| {
            let names = self.links.iter().map(|link| {
                let [first, second] = link.ends.map(|end| self.nodes[end].name.as_str());
                format!("{first}-{second}")
            });
            let names: Vec<String> = names.collect();
            let names = || names.iter().map(String::as_str);
            let near = suggest(ends, names()).map(str::to_owned);
            ChangeError {
                cause: format!("there is no link between {first} and {second}"),
                cure: near.or_else(|| Some(format!("one of {}", file::listed(names())))),
            }
        })?;
        let change = match rest {
            ["down"] => Change::Down,
            ["up"] => Change::Up,
            ["loss", share] => Change::Loss(parse_share(share).map_err(told)?),
            ["delay", span] => Change::Delay(parse_span(span).map_err(told)?),
            ["rate", rate] => Change::Rate(parse_rate(rate).map_err(told)?),
            _ => return Err(wrong()),
        };
        let timeless = self.links[link].link.bits_per_second().is_none();
        if timeless && matches!(change, Change::Delay(_) | Change::Rate(_)) {
            return Err(ChangeError {
                cause: format!("the cable {ends} takes no time, and has no rate or delay"),
                cure: Some("change its loss, or cut it".to_owned()),
            });
        }
        Ok(ChangePlan { at, link, change })
    }

    /// Whether this link leads to a shared medium: it takes no time, and its faults
    /// are those of the station.
    pub fn is_attachment(&self, link: usize) -> bool {
        let shared = |end: usize| matches!(self.nodes[end].kind, NodeKind::Shared { .. });
        self.links[link].ends.into_iter().any(shared)
    }
}
