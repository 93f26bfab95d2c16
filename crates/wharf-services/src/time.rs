//! Time (RFC 868): the seconds since 1900 as a number of 32 bits, big endian.
//!
//! Over streams the four bytes are sent and the connection closed; over datagrams
//! each one is answered by them.

use std::time::SystemTime;

use wharf::connection::Connection;
use wharf::datagram::{Batch, DatagramService};
use wharf::service::{Context, Service, ServiceError};

use crate::date::unix_seconds;
use crate::loops::may_loop;

/// Seconds from the beginning of 1900 to that of 1970 (RFC 868).
const FROM_1900_TO_1970: i64 = 2_208_988_800;

/// Says the time as a number.
///
/// ```
/// use wharf::server::Server;
/// use wharf_services::Time;
///
/// let server = Server::new()
///     .serve("time", "tcp::0".parse().unwrap(), Time)
///     .serve_datagrams("time", "udp::0".parse().unwrap(), Time);
/// ```
///
/// 32 bits are full on 7 February 2036 at 06:28:16 UTC; from then on the number
/// begins again at 0, and clients have to know in which turn they live, as with
/// NTP (RFC 5905, section 6). [`seconds_since_1900`] does the same.
///
/// A peer on another machine gets the number only for a datagram of at least four
/// bytes, so that no answer is longer than what it answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Time;

/// The number for `time`: seconds since 1900, modulo 2³².
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
/// use wharf_services::time::seconds_since_1900;
///
/// assert_eq!(seconds_since_1900(UNIX_EPOCH), 2_208_988_800);
/// let full = UNIX_EPOCH + Duration::from_secs(2_085_978_496);
/// assert_eq!(seconds_since_1900(full), 0);
/// ```
pub fn seconds_since_1900(time: SystemTime) -> u32 {
    // The cast takes the low 32 bits, which is the modulus.
    unix_seconds(time).wrapping_add(FROM_1900_TO_1970) as u32
}

fn number(context: &Context) -> [u8; 4] {
    seconds_since_1900(context.wall_time()).to_be_bytes()
}

impl Service for Time {
    async fn serve(&self, peer: &mut Connection, context: &Context) -> Result<(), ServiceError> {
        Ok(peer.write_all(&number(context)).await?)
    }
}

impl DatagramService for Time {
    fn receive(&self, batch: &mut Batch, context: &Context) {
        let number = number(context);
        for i in 0..batch.len() {
            if !may_loop(batch.get(i).peer) {
                // The batch itself refuses what would be too long.
                batch.reply(i, &number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{
        EVERYWHERE, LOCAL, STRANGER, STREAMS, answers, client_of, everything, heard,
    };

    /// Whether these are four bytes of a moment ago.
    fn is_now(bytes: &[u8]) -> bool {
        let said = u32::from_be_bytes(bytes.try_into().unwrap());
        seconds_since_1900(SystemTime::now()).wrapping_sub(said) < 60
    }

    #[tokio::test]
    async fn four_bytes_and_goodbye() {
        for delivery in EVERYWHERE {
            assert!(is_now(&heard(Time, delivery, &["ignored"]).await));
        }
        for address in STREAMS {
            // The client says nothing and does not end its stream.
            let (mut client, _running) = client_of(address, Time).await;
            assert!(is_now(&everything(&mut client).await), "{address}");
        }
    }

    #[test]
    fn strangers_get_it_for_four_bytes() {
        assert!(is_now(&answers(&Time, LOCAL, &[b""])[0]));
        assert!(answers(&Time, STRANGER, &[b"now"]).is_empty());
        assert!(is_now(&answers(&Time, STRANGER, &[b"now?"])[0]));
    }
}
