//! A function from message to reply, served over datagrams.

use super::{Batch, DatagramService};
use crate::service::{Context, Reply};

/// Serves a [`Reply`] over datagrams: each one is a message, and its reply goes
/// back in one datagram, also when it is empty.
///
/// ```
/// use wharf::datagram::Datagrammed;
///
/// let reversed = Datagrammed(|message: &[u8], reply: &mut Vec<u8>| {
///     reply.extend(message.iter().rev());
/// });
/// # fn is_service(_: impl wharf::datagram::DatagramService) {}
/// # is_service(reversed);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Datagrammed<R>(pub R);

impl<R: Reply> DatagramService for Datagrammed<R> {
    fn receive(&self, batch: &mut Batch, _: &Context) {
        for i in 0..batch.len() {
            batch.reply_with(i, |message, reply| self.0.reply(message, reply));
        }
    }
}
