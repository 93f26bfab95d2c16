//! Upper: text comes back in upper case.
//!
//! Over streams text in UTF-8 is changed as it comes, also when a character is
//! split over two reads; bytes that are no UTF-8 pass untouched. Over datagrams
//! each one comes back as one. `text` is the state machine without I/O.

mod text;

use wharf::connection::Connection;
use wharf::datagram::{Batch, DatagramService};
use wharf::limits;
use wharf::network::StreamKind;
use wharf::service::{Context, Replies, Service, ServiceError};

use crate::loops::may_loop;

pub use text::{Growth, Uppercase};

/// What an idle connection may keep of its output buffer, in bytes.
const OUTPUT_KEPT: usize = 512;

/// The longest datagram that a grown answer may be: UDP's longest over IPv4,
/// 65,535 bytes less 20 of IP and 8 of UDP (RFC 791, RFC 768).
const LONGEST_GROWN: usize = 65_507;

/// Sends text back in upper case.
///
/// ```
/// use wharf::server::Server;
/// use wharf_services::Upper;
/// use wharf_services::upper::Letters;
///
/// let ascii = Upper { letters: Letters::Ascii, ..Upper::default() };
/// let server = Server::new()
///     .serve("upper", "tcp::0".parse().unwrap(), Upper::default())
///     .serve_datagrams("upper", "udp::0".parse().unwrap(), ascii);
/// ```
///
/// The upper case of some characters takes more bytes: `ŉ` has 2, `ʼN` has 3. A
/// datagram of a peer on another machine must not be answered by a longer one, so
/// where the answer would be longer such characters come back unchanged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Upper {
    /// Which letters are changed.
    pub letters: Letters,
    /// How often a connection is answered. A reply is what one read gave, so
    /// [`Replies::Once`] does what the simplest server does: recv, send, close.
    /// Datagrams are always all answered.
    pub replies: Replies,
}

/// Which letters have an upper case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Letters {
    /// Those of Unicode, in text that is UTF-8; as [`str::to_uppercase`].
    #[default]
    Unicode,
    /// `a` to `z` alone. Nothing changes its length.
    Ascii,
}

impl Service for Upper {
    async fn serve(&self, peer: &mut Connection, _: &Context) -> Result<(), ServiceError> {
        let mut text = Uppercase::new();
        let mut output = Vec::new();
        // Where reads keep boundaries, or only one is answered, text ends with it.
        let ends_with_read = peer.kind() == StreamKind::Packets || self.replies == Replies::Once;
        while let Some(mut chunk) = peer.read_chunk().await? {
            if self.letters == Letters::Ascii || text.takes_as_ascii(&chunk) {
                chunk.make_ascii_uppercase();
                peer.write_all(&chunk).await?;
            } else {
                text.push(&chunk, &mut output);
                if ends_with_read {
                    text.finish(&mut output);
                }
                // The buffer is not needed while the peer makes room.
                drop(chunk);
                peer.write_all(&output).await?;
                output.clear();
                output.shrink_to(OUTPUT_KEPT);
            }
            if self.replies == Replies::Once {
                return Ok(());
            }
        }
        text.finish(&mut output);
        peer.write_all(&output).await?;
        Ok(())
    }
}

impl DatagramService for Upper {
    fn receive(&self, batch: &mut Batch, _: &Context) {
        for i in 0..batch.len() {
            let datagram = batch.get(i);
            if may_loop(datagram.peer) {
                continue;
            }
            if self.letters == Letters::Ascii || datagram.payload.is_ascii() {
                batch.payload_mut(i).make_ascii_uppercase();
                batch.reply_in_place(i);
                continue;
            }
            let longest = longest_answer(batch, i);
            batch.reply_with(i, |message, reply| {
                upper_reply(message, reply);
                if reply.len() > longest {
                    reply.clear();
                    append(message, reply, Growth::Keep);
                }
            });
        }
    }
}

/// How long the answer to datagram `i` may be, in bytes.
fn longest_answer(batch: &Batch, i: usize) -> usize {
    let datagram = batch.get(i);
    let length = datagram.payload.len();
    let trusted = datagram.peer.is_local()
        || batch.amplification() == wharf::datagram::Amplification::Allowed;
    if trusted {
        length.clamp(LONGEST_GROWN, limits::MAX_DATAGRAM)
    } else {
        length
    }
}

/// Upper case as a [`Reply`](wharf::service::Reply), for any framing.
///
/// ```
/// let mut reply = Vec::new();
/// wharf_services::upper_reply("straße".as_bytes(), &mut reply);
/// assert_eq!(reply, b"STRASSE");
/// ```
pub fn upper_reply(message: &[u8], reply: &mut Vec<u8>) {
    append(message, reply, Growth::Allow);
}

/// As [`upper_reply`], for `a` to `z` alone.
pub fn upper_ascii_reply(message: &[u8], reply: &mut Vec<u8>) {
    reply.extend(message.iter().map(u8::to_ascii_uppercase));
}

fn append(message: &[u8], reply: &mut Vec<u8>, growth: Growth) {
    let mut text = Uppercase::with_growth(growth);
    text.push(message, reply);
    text.finish(reply);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{EVERYWHERE, LOCAL, STRANGER, STREAMS, answers, heard, heard_at};

    #[tokio::test]
    async fn the_dialogues_of_the_documentation() {
        let page = include_str!("../../../../docs/protocols/upper.md");
        crate::testing::replay(page, async |_| {
            crate::testing::stage(Upper::default()).await
        })
        .await;
    }

    #[tokio::test]
    async fn text_is_changed_however_it_is_split() {
        for delivery in EVERYWHERE {
            let words = ["grüße aus der straße, ", "ŉ und ", "ελλάς"];
            let heard = heard(Upper::default(), delivery, &words).await;
            assert_eq!(
                String::from_utf8(heard).unwrap(),
                "GRÜSSE AUS DER STRASSE, ʼN UND ΕΛΛΆΣ",
                "{delivery:?}"
            );
        }
    }

    #[tokio::test]
    async fn other_bytes_pass_also_half_a_character_at_the_end() {
        for delivery in EVERYWHERE {
            let heard = heard(Upper::default(), delivery, &[b"a\xff\xc3(b\xc3"]).await;
            assert_eq!(heard, b"A\xff\xc3(B\xc3", "{delivery:?}");
        }
    }

    #[tokio::test]
    async fn ascii_leaves_other_letters_alone() {
        let ascii = Upper {
            letters: Letters::Ascii,
            ..Upper::default()
        };
        for delivery in EVERYWHERE {
            let heard = heard(ascii, delivery, &["grün"]).await;
            assert_eq!(heard, "GRüN".as_bytes(), "{delivery:?}");
        }
    }

    #[tokio::test]
    async fn it_speaks_over_every_stream_of_the_system() {
        for address in STREAMS {
            let heard = heard_at(address, Upper::default(), "grün".as_bytes()).await;
            assert_eq!(heard, "GRÜN".as_bytes(), "{address}");
        }
    }

    #[tokio::test]
    async fn once_is_one_read_one_write_and_goodbye() {
        let once = Upper {
            replies: Replies::Once,
            ..Upper::default()
        };
        assert_eq!(heard_at("tcp:127.0.0.1:0", once, b"hello").await, b"HELLO");
    }

    #[test]
    fn datagrams_of_strangers_never_grow() {
        let sent = ["hello", "straße", "ŉ ŉ", "ı ŉ"].map(str::as_bytes);
        let to = |peer| {
            let replies = answers(&Upper::default(), peer, &sent);
            replies
                .into_iter()
                .map(|reply| String::from_utf8(reply).unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(to(LOCAL), ["HELLO", "STRASSE", "ʼN ʼN", "I ʼN"]);
        assert_eq!(to(STRANGER), ["HELLO", "STRASSE", "ŉ ŉ", "I ʼN"]);
    }

    #[test]
    fn a_datagram_that_would_outgrow_udp_keeps_its_length() {
        let sent = "ŉ".repeat(30_000);
        let replies = answers(&Upper::default(), LOCAL, &[sent.as_bytes()]);
        assert_eq!(replies, [sent.as_bytes()]);
    }
}
