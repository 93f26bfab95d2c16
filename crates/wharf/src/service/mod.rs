//! What to say: the traits that a service implements.
//!
//! | a service is | it implements | and is served over |
//! |---|---|---|
//! | a conversation over a byte stream | [`Service`] | tcp, tls, unix, seqpacket |
//! | answers to datagrams | [`DatagramService`](crate::datagram::DatagramService) | udp, unix-dgram |
//! | a function from message to reply | [`Reply`] | all of them |
//! | code that blocks (std `Read`/`Write`) | a closure in [`Blocking`] | tcp, tls, unix, seqpacket |
//!
//! A service sees a [`Connection`] and a [`Context`], never a socket, so it runs on
//! every [`Network`](crate::network::Network).

mod blocking;
mod context;
mod error;
mod pump;
mod reply;

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::connection::Connection;

pub use blocking::{Blocking, BlockingConnection, Timeouts};
pub use context::{Context, Drain, Given};
pub use error::ServiceError;
pub use pump::Pump;
pub use reply::{Framed, Replies, Reply};

/// A conversation with one peer over a byte stream.
///
/// ```
/// use wharf::connection::Connection;
/// use wharf::service::{Context, Service, ServiceError};
///
/// struct Shout;
///
/// impl Service for Shout {
///     async fn serve(&self, peer: &mut Connection, _: &Context) -> Result<(), ServiceError> {
///         while let Some(mut chunk) = peer.read_chunk().await? {
///             chunk.make_ascii_uppercase();
///             peer.write_all(&chunk).await?;
///         }
///         Ok(())
///     }
/// }
/// ```
///
/// When `serve` returns, the server closes the connection in order: what was
/// written reaches the peer, whatever it still sends. The future may be dropped
/// at any await point – by a timeout, a slow reader or the end of a drain.
pub trait Service: Send + Sync + 'static {
    /// Serves one connection to its end.
    ///
    /// # Errors
    /// [`ServiceError`] names whose fault it was; the server turns it into the
    /// [`CloseReason`](crate::connection::CloseReason).
    fn serve(
        &self,
        connection: &mut Connection,
        context: &Context,
    ) -> impl Future<Output = Result<(), ServiceError>> + Send;
}

impl<T: Service> Service for Arc<T> {
    async fn serve(
        &self,
        connection: &mut Connection,
        context: &Context,
    ) -> Result<(), ServiceError> {
        T::serve(self, connection, context).await
    }
}

/// A [`Service`] of any type, so that different ones can stand in one table.
/// It costs one box per connection.
#[derive(Clone)]
pub struct AnyService(Arc<dyn Erased>);

impl AnyService {
    /// Wraps `service`; one that is an `AnyService` already stays what it is.
    pub fn new(service: impl Service) -> Self {
        // A box in a box would cost every message a cache line and a second virtual call.
        match (&service as &dyn Any).downcast_ref::<AnyService>() {
            Some(erased) => erased.clone(),
            None => AnyService(Arc::new(service)),
        }
    }
}

impl Service for AnyService {
    async fn serve(
        &self,
        connection: &mut Connection,
        context: &Context,
    ) -> Result<(), ServiceError> {
        self.0.serve_boxed(connection, context).await
    }
}

impl std::fmt::Debug for AnyService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AnyService")
    }
}

pub(crate) type Serving<'a> = Pin<Box<dyn Future<Output = Result<(), ServiceError>> + Send + 'a>>;

trait Erased: Send + Sync {
    fn serve_boxed<'a>(
        &'a self,
        connection: &'a mut Connection,
        context: &'a Context,
    ) -> Serving<'a>;
}

impl<T: Service> Erased for T {
    fn serve_boxed<'a>(
        &'a self,
        connection: &'a mut Connection,
        context: &'a Context,
    ) -> Serving<'a> {
        Box::pin(self.serve(connection, context))
    }
}

impl AnyService {
    /// The boxed future itself, for the server.
    pub(crate) fn begin<'a>(
        &'a self,
        connection: &'a mut Connection,
        context: &'a Context,
    ) -> Serving<'a> {
        self.0.serve_boxed(connection, context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Silent;

    impl Service for Silent {
        async fn serve(&self, _: &mut Connection, _: &Context) -> Result<(), ServiceError> {
            Ok(())
        }
    }

    #[test]
    fn what_is_erased_already_is_not_wrapped_again() {
        let once = AnyService::new(Silent);
        let twice = AnyService::new(once.clone());
        assert!(Arc::ptr_eq(&once.0, &twice.0));
    }
}
