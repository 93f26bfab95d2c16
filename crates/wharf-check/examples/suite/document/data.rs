//! The measurements, to be asked.

use std::collections::{BTreeMap, BTreeSet};

use crate::plan::SECTIONS;
use crate::record::{Figures, Outcome, Record};
use crate::statistics::{Spread, spread};

type Key = (String, String, String);

/// All measurements by section, row and peer, one per round.
pub(crate) struct Data(BTreeMap<Key, BTreeMap<usize, Outcome>>);

impl Data {
    pub(crate) fn of(records: Vec<Record>) -> Self {
        let mut all = BTreeMap::<Key, BTreeMap<usize, Outcome>>::new();
        for one in records {
            all.entry((one.section, one.row, one.peer))
                .or_default()
                .insert(one.round, one.outcome);
        }
        Data(all)
    }

    /// How many rounds of the suite there are.
    pub(crate) fn rounds(&self) -> usize {
        let rounds = SECTIONS.iter().map(|section| self.rounds_of(section.name));
        rounds.max().unwrap_or(0)
    }

    /// How many rounds of a section there are.
    pub(crate) fn rounds_of(&self, section: &str) -> usize {
        let of_section = self.0.iter().filter(|(key, _)| key.0 == section);
        let rounds: BTreeSet<_> = of_section.flat_map(|(_, rounds)| rounds.keys()).collect();
        rounds.len()
    }

    /// The rows of a section, by name.
    pub(crate) fn rows_of(&self, section: &str) -> BTreeSet<&str> {
        let of_section = self.0.keys().filter(|key| key.0 == section);
        of_section.map(|key| key.1.as_str()).collect()
    }

    pub(crate) fn has_section(&self, section: &str) -> bool {
        self.0.keys().any(|key| key.0 == section)
    }

    pub(crate) fn has_peer(&self, section: &str, peer: &str) -> bool {
        self.0.keys().any(|key| key.0 == section && key.2 == peer)
    }

    /// One figure of a peer over all rounds.
    pub(crate) fn figure(
        &self,
        section: &str,
        row: &str,
        peer: &str,
        figure: fn(&Figures) -> f64,
    ) -> Option<Spread> {
        let values = self.by_round(section, row, peer, figure);
        spread(values.into_values().collect())
    }

    /// One figure of a peer to that of another in the same round.
    pub(crate) fn ratio(
        &self,
        section: &str,
        row: &str,
        pair: (&str, &str),
        figure: fn(&Figures) -> f64,
    ) -> Option<Spread> {
        self.within_rounds(section, row, pair, figure, |value, base| value / base)
    }

    /// How much more one figure of a peer is than that of another in the same round.
    pub(crate) fn difference(
        &self,
        section: &str,
        row: &str,
        pair: (&str, &str),
        figure: fn(&Figures) -> f64,
    ) -> Option<Spread> {
        self.within_rounds(section, row, pair, figure, |value, base| value - base)
    }

    fn within_rounds(
        &self,
        section: &str,
        row: &str,
        (peer, base): (&str, &str),
        figure: fn(&Figures) -> f64,
        compared: impl Fn(f64, f64) -> f64,
    ) -> Option<Spread> {
        let bases = self.by_round(section, row, base, figure);
        let all = self
            .by_round(section, row, peer, figure)
            .into_iter()
            .filter_map(|(round, value)| Some(compared(value, *bases.get(&round)?)))
            .collect();
        spread(all)
    }

    /// Why a peer failed on a row, if it did.
    pub(crate) fn failure(&self, section: &str, row: &str, peer: &str) -> Option<&str> {
        self.outcomes(section, row, peer)?
            .values()
            .find_map(|outcome| match outcome {
                Outcome::Failure(failure) => Some(failure.as_str()),
                Outcome::Figures(_) => None,
            })
    }

    /// Every failure: section, row, peer, and the first in words.
    pub(crate) fn failures(&self) -> Vec<(&str, &str, &str, &str)> {
        self.0
            .keys()
            .filter_map(|(section, row, peer)| {
                let failure = self.failure(section, row, peer)?;
                Some((section.as_str(), row.as_str(), peer.as_str(), failure))
            })
            .collect()
    }

    fn by_round(
        &self,
        section: &str,
        row: &str,
        peer: &str,
        figure: fn(&Figures) -> f64,
    ) -> BTreeMap<usize, f64> {
        let figures = |(round, outcome): (&usize, &Outcome)| match outcome {
            Outcome::Figures(figures) => Some((*round, figure(figures))),
            Outcome::Failure(_) => None,
        };
        self.outcomes(section, row, peer)
            .map(|outcomes| outcomes.iter().filter_map(figures).collect())
            .unwrap_or_default()
    }

    fn outcomes(&self, section: &str, row: &str, peer: &str) -> Option<&BTreeMap<usize, Outcome>> {
        self.0.get(&(section.into(), row.into(), peer.into()))
    }
}
