//! Daytime (RFC 867): the date and the time in one line of text.
//!
//! Over streams the line is sent and the connection closed; over datagrams each
//! one is answered by the line.

use wharf::connection::Connection;
use wharf::datagram::{Batch, DatagramService};
use wharf::service::{Context, Service, ServiceError};

use crate::date::{Utc, unix_seconds};
use crate::loops::may_loop;

/// Says the date and the time, in UTC:
/// `Saturday, November 21, 2026 08:29:00-UTC`, CR and LF.
///
/// It is the first of the two forms that the RFC shows ("Weekday, Month Day, Year
/// Time-Zone").
///
/// ```
/// use wharf::server::Server;
/// use wharf_services::Daytime;
///
/// let server = Server::new()
///     .serve("daytime", "tcp::0".parse().unwrap(), Daytime)
///     .serve_datagrams("daytime", "udp::0".parse().unwrap(), Daytime);
/// ```
///
/// The line is longer than the empty datagram that clients send. A peer on
/// another machine gets it only for a datagram that is at least as long: half a
/// date would be wrong, and a longer answer would serve attacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Daytime;

fn line(context: &Context) -> String {
    format!("{}\r\n", Utc::from_unix(unix_seconds(context.wall_time())))
}

impl Service for Daytime {
    async fn serve(&self, peer: &mut Connection, context: &Context) -> Result<(), ServiceError> {
        Ok(peer.write_all(line(context).as_bytes()).await?)
    }
}

impl DatagramService for Daytime {
    fn receive(&self, batch: &mut Batch, context: &Context) {
        let line = line(context);
        for i in 0..batch.len() {
            if !may_loop(batch.get(i).peer) {
                // The batch itself refuses what would be too long.
                batch.reply(i, line.as_bytes());
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

    fn is_a_line(text: &[u8]) -> bool {
        let text = std::str::from_utf8(text).unwrap();
        text.ends_with("-UTC\r\n") && text.split(", ").count() == 3
    }

    #[tokio::test]
    async fn one_line_and_goodbye() {
        for delivery in EVERYWHERE {
            assert!(is_a_line(&heard(Daytime, delivery, &["ignored"]).await));
        }
        for address in STREAMS {
            // The client says nothing and does not end its stream.
            let (mut client, _running) = client_of(address, Daytime).await;
            assert!(is_a_line(&everything(&mut client).await), "{address}");
        }
    }

    #[test]
    fn strangers_get_it_for_a_datagram_of_its_length() {
        assert!(is_a_line(&answers(&Daytime, LOCAL, &[b""])[0]));
        assert!(answers(&Daytime, STRANGER, &[b"now?"]).is_empty());
        assert!(is_a_line(&answers(&Daytime, STRANGER, &[&[b' '; 60]])[0]));
    }
}
