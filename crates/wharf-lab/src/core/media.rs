//! The media of the lectures, with their rates.
//!
//! Delays follow from a usual length and the speed of the signal: two thirds of
//! light in copper and glass (200 m/µs), light itself by radio (300 m/µs).

use std::time::Duration;

use super::link::Link;

/// What a link can be made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// A telephone pair with a modem at 2,400 bit/s, 5 km to the exchange.
    TwistedPairSlow,
    /// The same pair with the fastest modem of the lectures, 33,600 bit/s.
    TwistedPair,
    /// Coaxial cable at 10 Mbit/s, 500 m (10BASE5).
    Coax,
    /// Optical fibre at 1 Gbit/s, 10 km (1000BASE-LX).
    Fibre,
    /// A wireless LAN: 54 Mbit/s in the air, frames lost and delayed by its neighbours.
    Wireless,
    /// A geostationary satellite: 10 Mbit/s over 2 × 35,786 km.
    Satellite,
}

impl Medium {
    /// All media.
    pub const ALL: [Medium; 6] = [
        Medium::TwistedPairSlow,
        Medium::TwistedPair,
        Medium::Coax,
        Medium::Fibre,
        Medium::Wireless,
        Medium::Satellite,
    ];

    /// The name by which files and commands know it.
    pub fn name(self) -> &'static str {
        match self {
            Medium::TwistedPairSlow => "twisted-pair-2400",
            Medium::TwistedPair => "twisted-pair",
            Medium::Coax => "coax",
            Medium::Fibre => "fibre",
            Medium::Wireless => "wireless",
            Medium::Satellite => "satellite",
        }
    }

    /// The medium of this name.
    pub fn named(name: &str) -> Option<Medium> {
        Medium::ALL.into_iter().find(|medium| medium.name() == name)
    }

    /// A link of this medium.
    pub fn link(self) -> Link {
        let link = |rate, delay| Link::default().rate(rate).delay(delay).medium(self.name());
        match self {
            Medium::TwistedPairSlow => link(2_400, Duration::from_micros(25)),
            Medium::TwistedPair => link(33_600, Duration::from_micros(25)),
            Medium::Coax => link(10_000_000, Duration::from_nanos(2_500)),
            Medium::Fibre => link(1_000_000_000, Duration::from_micros(50)),
            Medium::Wireless => link(54_000_000, Duration::from_nanos(100))
                .jitter(Duration::from_millis(3))
                .loss(0.01),
            // Room for the bandwidth-delay product: 10 Mbit/s · 480 ms = 600 kB.
            Medium::Satellite => link(10_000_000, Duration::from_millis(239)).queue(1 << 20),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_medium_is_found_by_its_name() {
        for medium in Medium::ALL {
            assert_eq!(Medium::named(medium.name()), Some(medium));
            assert_eq!(medium.link().medium_name(), medium.name());
        }
        assert_eq!(Medium::named("string"), None);
    }

    #[test]
    fn media_have_the_rates_of_the_lectures_and_the_delay_of_their_length() {
        let micros = |nanos: u64| nanos as f64 / 1e3;
        for (medium, rate, metres, speed) in [
            (Medium::TwistedPairSlow, 2_400, 5_000.0, 200.0),
            (Medium::TwistedPair, 33_600, 5_000.0, 200.0),
            (Medium::Coax, 10_000_000, 500.0, 200.0),
            (Medium::Fibre, 1_000_000_000, 10_000.0, 200.0),
            (Medium::Wireless, 54_000_000, 30.0, 300.0),
            (Medium::Satellite, 10_000_000, 2.0 * 35_786_000.0, 300.0),
        ] {
            let link = medium.link();
            assert_eq!(link.bits_per_second(), Some(rate), "{medium:?}");
            let delay = micros(link.propagation().as_nanos() as u64);
            let wanted = metres / speed;
            assert!(
                (delay / wanted - 1.0).abs() < 0.01,
                "{medium:?}: {delay} us"
            );
        }
    }
}
