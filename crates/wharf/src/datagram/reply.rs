//! A function from message to reply, served over datagrams.

use super::{Batch, DatagramService};
use crate::service::{Context, Reply};

/// Serves a [`Reply`] over datagrams: each one is a message, and its reply goes
/// back in one datagram, also when it is empty.
///
/// ```
/// use wharf::datagram::Datagrammed;
/// use wharf::service::Reply;
///
/// struct Reversed;
///
/// impl Reply for Reversed {
///     fn reply(&self, message: &[u8], out: &mut Vec<u8>) {
///         out.extend(message.iter().rev());
///     }
/// }
///
/// let service = Datagrammed(Reversed);
/// # let _ = service;
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Datagrammed<R>(pub R);

impl<R: Reply> DatagramService for Datagrammed<R> {
    fn receive(&self, batch: &mut Batch, _: &Context) {
        for i in 0..batch.len() {
            batch.reply_with(i, |message, out| self.0.reply(message, out));
        }
    }
}
