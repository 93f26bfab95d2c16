//! Medians and spreads.

/// The middle half of several values, and their median.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
    pub(crate) count: usize,
}

/// `None` if there are no values.
pub(crate) fn spread(mut values: Vec<f64>) -> Option<Spread> {
    values.retain(|value| value.is_finite());
    values.sort_by(f64::total_cmp);
    (!values.is_empty()).then(|| Spread {
        low: quantile(&values, 0.25),
        median: quantile(&values, 0.5),
        high: quantile(&values, 0.75),
        count: values.len(),
    })
}

/// Between the two nearest of sorted, at least one, values.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = share * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    low + (high - low) * at.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_stand_between_the_nearest_values() {
        let of = |values: &[f64]| {
            let spread = spread(values.to_vec()).unwrap();
            (spread.low, spread.median, spread.high, spread.count)
        };
        assert_eq!(of(&[7.0]), (7.0, 7.0, 7.0, 1));
        assert_eq!(of(&[4.0, 2.0]), (2.5, 3.0, 3.5, 2));
        assert_eq!(of(&[5.0, 1.0, 4.0, 2.0, 3.0]), (2.0, 3.0, 4.0, 5));
        // A ratio to nothing is none.
        assert_eq!(of(&[f64::INFINITY, 1.0, f64::NAN]), (1.0, 1.0, 1.0, 1));
        assert!(spread(vec![f64::NAN]).is_none());
    }
}
