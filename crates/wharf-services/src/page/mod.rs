//! Page: serves files, or Wharf's own page, over HTTP/1.1.
//!
//! Layout: `path` is what a request means, `conditions` what of a file is sent and
//! `html` the pages that are made; none of them does I/O. `root` opens files and no
//! others, `body` sends them, `reply` puts a response together, `client` is the other
//! side. HTTP itself is hyper's.

mod body;
mod client;
mod conditions;
mod html;
mod path;
mod reply;
mod root;
mod shown;
#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use wharf::connection::{CloseReason, Connection};
use wharf::service::{Context, Service, ServiceError};

pub use client::{FetchError, Fetched, Link, MAX_REDIRECTS, Request, Url, UrlError, fetch};
pub use html::Row;
pub use path::Hidden;
pub use shown::Shown;

use root::Root;

/// How long a client may take for the headers of a request, and be silent between two.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// The headers of a request in bytes, all together; more is answered 431.
pub const MAX_HEADERS: usize = 32 * 1024;

/// Serves files, or Wharf's own page.
///
/// ```
/// use wharf::server::Server;
/// use wharf_services::Page;
/// use wharf_services::page::{Hidden, Row};
///
/// # fn main() -> std::io::Result<()> {
/// let files = Page::files(".".as_ref(), Hidden::No, |shown| println!("{shown}"))?;
/// let own = Page::own(|_| {});
/// own.show_rows(vec![]);
/// let server = Server::new()
///     .serve("page", "tcp::0".parse().unwrap(), files)
///     .serve("page", "tls::0,self-signed".parse().unwrap(), own);
/// # Ok(())
/// # }
/// ```
///
/// Requests other than GET and HEAD are answered 405. Files are read through the
/// context's blocking work; the own page needs none.
#[derive(Clone)]
pub struct Page(Arc<Inner>);

struct Inner {
    content: Content,
    show: Box<dyn Fn(&Shown<'_>) + Send + Sync>,
}

enum Content {
    Own(Mutex<Arc<str>>),
    Files(Arc<Root>, Hidden),
}

impl Page {
    /// Wharf's own page, at `/`. Each reply is reported to `show`, which is called from
    /// the serving threads and must be quick.
    pub fn own(show: impl Fn(&Shown<'_>) + Send + Sync + 'static) -> Self {
        let content = Content::Own(Mutex::new(html::own(&[]).into()));
        Page(Arc::new(Inner {
            content,
            show: Box::new(show),
        }))
    }

    /// The files of a folder, and of those below it.
    ///
    /// A folder is answered with its `index.html`, or with a listing. Symbolic links
    /// are followed by relative ways that stay in the folder, and others are as if they
    /// were not there; those to something hidden are as hidden as that.
    ///
    /// # Errors
    /// Those of open(2) for the folder.
    pub fn files(
        root: &Path,
        hidden: Hidden,
        show: impl Fn(&Shown<'_>) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let content = Content::Files(Arc::new(Root::open(root, hidden)?), hidden);
        Ok(Page(Arc::new(Inner {
            content,
            show: Box::new(show),
        })))
    }

    /// Says what the own page shows, which is known when the server has started. Means
    /// nothing to files.
    pub fn show_rows(&self, rows: Vec<Row>) {
        if let Content::Own(page) = &self.0.content {
            *page.lock().unwrap_or_else(PoisonError::into_inner) = html::own(&rows).into();
        }
    }
}

impl Service for Page {
    async fn serve(&self, peer: &mut Connection, context: &Context) -> Result<(), ServiceError> {
        let at = peer.peer().clone();
        let requests = AtomicU64::new(0);
        let outcome = {
            let service = service_fn(async |request| {
                requests.fetch_add(1, Ordering::Relaxed);
                Ok::<_, std::convert::Infallible>(self.0.answer(request, &at, context).await)
            });
            let mut connection = pin!(
                http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEADER_TIMEOUT)
                    .max_header_size(MAX_HEADERS)
                    // A client that ends its side after its request is answered.
                    .half_close(true)
                    // The clock is the context's.
                    .auto_date_header(false)
                    .serve_connection(TokioIo::new(&mut *peer), service)
            );
            tokio::select! {
                biased;
                outcome = connection.as_mut() => outcome,
                () = context.draining() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            }
        };
        peer.count_messages(requests.into_inner());
        outcome.map_err(|error| blame(&error))
    }
}

/// Whose fault an error of HTTP is.
fn blame(error: &hyper::Error) -> ServiceError {
    if error.is_timeout() {
        return ServiceError::Closed {
            reason: CloseReason::Idle,
            detail: format!("no request within {} s", HEADER_TIMEOUT.as_secs()),
        };
    }
    if error.is_parse() {
        return ServiceError::Protocol(error.to_string());
    }
    let source = std::error::Error::source(error);
    match source.and_then(|source| source.downcast_ref::<io::Error>()) {
        Some(error) => ServiceError::Io(match error.raw_os_error() {
            Some(code) => io::Error::from_raw_os_error(code),
            None => io::Error::new(error.kind(), error.to_string()),
        }),
        None => ServiceError::Closed {
            reason: CloseReason::PeerReset,
            detail: error.to_string(),
        },
    }
}

impl std::fmt::Debug for Page {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Page")
    }
}
