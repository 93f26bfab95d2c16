//! The other side: fetches a page over a connection.
//!
//! A connection is given by whoever opened it, so that a name, its addresses, the
//! connection and TLS can be told apart; here are URLs, one request and its reply.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{self, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body as _, Frame, Incoming};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONTENT_LENGTH, HOST, LOCATION, USER_AGENT};
use hyper::{HeaderMap, Method, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;
use wharf::address::{Address, AddressError, Port, Scheme};
use wharf::connection::Connection;

use crate::password::DENIED;

/// How many redirects are followed at most; browsers follow 20.
pub const MAX_REDIRECTS: usize = 10;

/// How much of the bytes on the wire is kept to be shown, in each direction.
const KEPT: usize = 16 * 1024;

/// What a reply may have in front of its body, in bytes.
const MAX_HEAD: usize = 64 * 1024;

/// Where a page is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Where to connect.
    pub address: Address,
    /// The value of the Host header.
    pub host: String,
    /// Path and query, for the request.
    pub path: String,
}

/// Text that says no page.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// Only http and https are spoken.
    #[error("{0}: is not spoken here; http: and https: are")]
    Scheme(String),
    /// It holds a name or a password, which a command line must not.
    #[error("a URL must not hold a name or a password")]
    User,
    /// The address is none.
    #[error("{0}")]
    Address(#[from] AddressError),
    /// The path cannot be asked for.
    #[error("{0:?} is no path")]
    Path(String),
    /// It is not an address of byte streams.
    #[error("a page comes over a byte stream, not over {0}:")]
    Datagrams(&'static str),
}

impl std::str::FromStr for Url {
    type Err = UrlError;

    /// Reads `http://HOST[:PORT]/PATH`, `https://…`, or one of Wharf's addresses with a
    /// path behind it: `:8080/x`, `example.org/`, `tls:example.org:443,pin=HASH/x`.
    fn from_str(text: &str) -> Result<Url, UrlError> {
        let (text, _) = text.split_once('#').unwrap_or((text, ""));
        let scheme = text.split_once("://");
        match scheme {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => {
                Url::of(rest, Scheme::Tcp)
            }
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => {
                Url::of(rest, Scheme::Tls)
            }
            Some((scheme, _)) if scheme.chars().all(|letter| letter.is_ascii_alphanumeric()) => {
                Err(UrlError::Scheme(scheme.to_owned()))
            }
            _ => match text.strip_prefix("tls:") {
                Some(rest) => Url::of(rest, Scheme::Tls),
                None => Url::of(text, Scheme::Tcp),
            },
        }
    }
}

impl Url {
    /// Reads what follows the scheme.
    fn of(text: &str, scheme: Scheme) -> Result<Url, UrlError> {
        let end = text.find(['/', '?']).unwrap_or(text.len());
        let (authority, path) = text.split_at(end);
        if authority.contains('@') {
            return Err(UrlError::User);
        }
        let usual = match scheme {
            Scheme::Tls => 443,
            _ => 80,
        };
        let (place, options) = match authority.split_once(',') {
            Some((place, options)) => (place, format!(",{options}")),
            None => (authority, String::new()),
        };
        let place = with_port(place, usual);
        let address: Address = format!("{}:{place}{options}", scheme.as_str()).parse()?;
        if address.scheme.is_datagram() {
            return Err(UrlError::Datagrams(address.scheme.as_str()));
        }
        Ok(Url {
            host: host_header(&address, &place, usual),
            address,
            path: path_of(path)?,
        })
    }

    /// Where a redirect from here leads.
    ///
    /// # Errors
    /// Those of reading it.
    pub fn join(&self, location: &str) -> Result<Url, UrlError> {
        let (location, _) = location.split_once('#').unwrap_or((location, ""));
        if location.contains("://") && !location.starts_with('/') && !location.starts_with('?') {
            return location.parse();
        }
        if let Some(rest) = location.strip_prefix("//") {
            return Url::of(rest, self.address.scheme);
        }
        let (here, _) = self.path.split_once('?').unwrap_or((&self.path, ""));
        let path = match location.chars().next() {
            Some('/') => location.to_owned(),
            Some('?') => format!("{here}{location}"),
            None => here.to_owned(),
            Some(_) => {
                let (folder, _) = here.rsplit_once('/').unwrap_or(("", ""));
                format!("{folder}/{location}")
            }
        };
        Ok(Url {
            path: path_of(&without_dots(&path))?,
            ..self.clone()
        })
    }

    /// Whether it is asked for over TLS.
    pub fn is_secure(&self) -> bool {
        self.address.scheme == Scheme::Tls
    }

    /// The port, where it is a number.
    pub fn port(&self) -> Option<u16> {
        match self.address.port() {
            Some(Port::Number(port)) => Some(*port),
            _ => None,
        }
    }
}

impl std::fmt::Display for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.is_secure() { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.host, self.path)
    }
}

/// The place with a port behind it.
fn with_port(place: &str, usual: u16) -> String {
    let behind_brackets = place.rsplit(']').next().unwrap_or(place);
    let is_number = !place.is_empty() && place.bytes().all(|byte| byte.is_ascii_digit());
    match behind_brackets.contains(':') || is_number {
        true => place.to_owned(),
        false if place.is_empty() => format!("localhost:{usual}"),
        false => format!("{place}:{usual}"),
    }
}

fn host_header(address: &Address, place: &str, usual: u16) -> String {
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) => (host, port),
        None => ("", place),
    };
    let host = if host.is_empty() { "localhost" } else { host };
    match address.port() {
        Some(Port::Number(number)) if *number == usual => host.to_owned(),
        _ => format!("{host}:{port}"),
    }
}

/// A path that can stand in a request: it begins with a slash, and what may not stand
/// there is escaped.
fn path_of(text: &str) -> Result<String, UrlError> {
    let mut path = String::new();
    if !text.starts_with('/') {
        path.push('/');
    }
    for letter in text.chars() {
        match letter {
            ' ' | '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}' => path += &escaped(letter),
            letter if letter.is_control() => return Err(UrlError::Path(text.to_owned())),
            letter if letter.is_ascii() => path.push(letter),
            letter => path += &escaped(letter),
        }
    }
    Ok(path)
}

fn escaped(letter: char) -> String {
    let mut bytes = [0; 4];
    let bytes = letter.encode_utf8(&mut bytes).bytes();
    bytes.map(|byte| format!("%{byte:02X}")).collect()
}

/// A path without `.` and `..` (RFC 3986, section 5.2.4).
fn without_dots(path: &str) -> String {
    let (path, query) = match path.split_once('?') {
        Some((path, query)) => (path, format!("?{query}")),
        None => (path, String::new()),
    };
    let mut parts: Vec<&str> = Vec::new();
    let mut ends_in_folder = false;
    for part in path.split('/').skip(1) {
        ends_in_folder = matches!(part, "." | "..");
        match part {
            "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let end = if ends_in_folder && !parts.is_empty() {
        "/"
    } else {
        ""
    };
    format!("/{}{end}{query}", parts.join("/"))
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// The page.
    Get,
    /// Its headers only.
    Head,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The connection failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The peer closed before the reply was whole.
    #[error("the server closed the connection before its reply was whole")]
    Closed,
    /// A gate stands before the server, and took the request for a wrong password.
    #[error("a gate asks for a password first")]
    Gate,
    /// What came is no HTTP.
    #[error("the server did not answer in HTTP: {0}")]
    Protocol(String),
}

/// The bytes of a connection as they went over it, and when.
#[derive(Clone, Debug, Default)]
pub struct Link {
    /// The first bytes that were sent.
    pub sent: Vec<u8>,
    /// The first bytes that came.
    pub received: Vec<u8>,
    /// When the last byte of the request went.
    pub sent_at: Option<Instant>,
    /// When the first byte of the reply came.
    pub received_at: Option<Instant>,
}

/// A reply whose head has come; its body is read with [`Fetched::next`].
pub struct Fetched {
    /// Its status.
    pub status: u16,
    /// Its headers, in order, with the bytes that are no text replaced.
    pub headers: Vec<(String, String)>,
    body: Option<Incoming>,
    driver: Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>,
    link: Arc<Mutex<Link>>,
    length: Option<u64>,
}

/// Asks for a page and waits for the head of the reply.
///
/// Not cancel safe: the connection is gone with the future. It has no timeout of its own.
///
/// # Errors
/// [`FetchError`].
pub async fn fetch(
    connection: Connection,
    url: &Url,
    request: Request,
) -> Result<Fetched, FetchError> {
    let link = Arc::new(Mutex::new(Link::default()));
    let recorded = Recorded {
        connection,
        link: Arc::clone(&link),
    };
    let (mut sender, driver) = http1::Builder::new()
        .max_buf_size(MAX_HEAD)
        .handshake::<_, Nothing>(TokioIo::new(recorded))
        .await
        .map_err(|error| failure(&error))?;
    let mut driver: Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>> = Box::pin(driver);
    let asked = hyper::Request::builder()
        .method(match request {
            Request::Get => Method::GET,
            Request::Head => Method::HEAD,
        })
        .uri(&url.path)
        .header(HOST, &url.host)
        .header(USER_AGENT, concat!("wharf/", env!("CARGO_PKG_VERSION")))
        .header(ACCEPT, "*/*")
        .body(Nothing)
        .map_err(|error| FetchError::Protocol(error.to_string()))?;
    let mut reply = Box::pin(sender.send_request(asked));
    let reply = poll_fn(|cx| {
        let ended = driver.as_mut().poll(cx);
        match (reply.as_mut().poll(cx), ended) {
            (Poll::Pending, Poll::Ready(Ok(()))) => Poll::Ready(Err(FetchError::Closed)),
            (Poll::Pending, Poll::Ready(Err(error))) => Poll::Ready(Err(failure(&error))),
            (outcome, _) => outcome.map_err(|error| failure(&error)),
        }
    })
    .await
    .map_err(|error| match is_gate(&link) {
        true => FetchError::Gate,
        false => error,
    })?;
    let (head, body) = reply.into_parts();
    Ok(Fetched {
        status: head.status.as_u16(),
        length: length_of(&head.headers),
        headers: texts(&head.headers),
        body: Some(body),
        driver,
        link,
    })
}

/// Whether what came is the answer of a gate to an attempt.
fn is_gate(link: &Mutex<Link>) -> bool {
    let link = link.lock().unwrap_or_else(PoisonError::into_inner);
    link.received.starts_with(DENIED.as_bytes())
}

impl Fetched {
    /// The next part of the body; `None` at its end. Cancel safe.
    ///
    /// # Errors
    /// [`FetchError`]; a body that ends before its announced length is
    /// [`FetchError::Closed`].
    pub async fn next(&mut self) -> Result<Option<Bytes>, FetchError> {
        loop {
            let Some(body) = &mut self.body else {
                return Ok(None);
            };
            let driver = &mut self.driver;
            let frame = poll_fn(|cx| {
                // It is polled again and again until the body has ended, and not after
                // its own end: the body says how that was.
                if !Pin::new(&mut *body).is_end_stream() {
                    let _ = driver.as_mut().poll(cx);
                }
                Pin::new(&mut *body).poll_frame(cx)
            })
            .await;
            match frame.transpose().map_err(|error| failure(&error))? {
                None => self.body = None,
                Some(frame) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }

    /// The words of the status.
    pub fn reason(&self) -> &'static str {
        let status = StatusCode::from_u16(self.status).ok();
        status
            .and_then(|status| status.canonical_reason())
            .unwrap_or_default()
    }

    /// The length of the body, where the server announced it.
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// The first header of this name, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| &**value)
    }

    /// Where the page is instead, if the status says so.
    pub fn redirect(&self) -> Option<&str> {
        matches!(self.status, 301 | 302 | 303 | 307 | 308)
            .then(|| self.header(LOCATION.as_str()))
            .flatten()
    }

    /// What went over the connection so far, and when.
    pub fn link(&self) -> Link {
        self.link
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl std::fmt::Debug for Fetched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetched")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

fn length_of(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), text(value.as_bytes())))
        .collect()
}

fn failure(error: &hyper::Error) -> FetchError {
    if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        return FetchError::Closed;
    }
    let source = std::error::Error::source(error);
    match source.and_then(|source| source.downcast_ref::<io::Error>()) {
        // A body that ends before its length.
        Some(error) if error.kind() == io::ErrorKind::UnexpectedEof => FetchError::Closed,
        Some(error) => FetchError::Io(match error.raw_os_error() {
            Some(code) => io::Error::from_raw_os_error(code),
            None => io::Error::new(error.kind(), error.to_string()),
        }),
        None => FetchError::Protocol(error.to_string()),
    }
}

/// A request without a body.
struct Nothing;

impl hyper::body::Body for Nothing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut task::Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        true
    }
}

/// A connection that keeps the first bytes of both directions.
struct Recorded {
    connection: Connection,
    link: Arc<Mutex<Link>>,
}

fn keep(kept: &mut Vec<u8>, bytes: &[u8]) {
    let room = KEPT.saturating_sub(kept.len());
    kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
}

impl AsyncRead for Recorded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
        space: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = space.filled().len();
        ready!(Pin::new(&mut self.connection).poll_read(cx, space))?;
        let bytes = &space.filled()[before..];
        if !bytes.is_empty() {
            let mut link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
            link.received_at.get_or_insert_with(Instant::now);
            keep(&mut link.received, bytes);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Recorded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut self.connection).poll_write(cx, bytes))?;
        let mut link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        link.sent_at = Some(Instant::now());
        keep(&mut link.sent, &bytes[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn urls_and_addresses_with_a_path_are_both_understood() {
        for (text, address, whole) in [
            (
                "http://example.org",
                "tcp:example.org:80",
                "http://example.org/",
            ),
            (
                "http://example.org:8080/a?b#c",
                "tcp:example.org:8080",
                "http://example.org:8080/a?b",
            ),
            (
                "HTTPS://example.org/",
                "tls:example.org:443",
                "https://example.org/",
            ),
            ("http://[::1]/x", "tcp:[::1]:80", "http://[::1]/x"),
            (
                "http://[::1]:8080?q",
                "tcp:[::1]:8080",
                "http://[::1]:8080/?q",
            ),
            (":8080/x y", "tcp::8080", "http://localhost:8080/x%20y"),
            ("8080", "tcp::8080", "http://localhost:8080/"),
            (
                "example.org/grün",
                "tcp:example.org:80",
                "http://example.org/gr%C3%BCn",
            ),
            (
                "tls::8443,insecure/x",
                "tls::8443,insecure",
                "https://localhost:8443/x",
            ),
        ] {
            let url = url(text);
            assert_eq!(url.address.to_string(), address, "{text}");
            assert_eq!(url.to_string(), whole, "{text}");
        }
    }

    #[test]
    fn what_is_no_page_is_refused() {
        let error = |text: &str| text.parse::<Url>().unwrap_err();
        assert_eq!(error("ftp://x/"), UrlError::Scheme("ftp".into()));
        assert_eq!(error("http://ann:secret@x/"), UrlError::User);
        assert!(matches!(error("http://x:99999/"), UrlError::Address(_)));
        assert!(matches!(error("http://x/a\r\nHost: y"), UrlError::Path(_)));
    }

    #[test]
    fn redirects_lead_where_rfc_3986_says() {
        let here = url("http://a/b/c/d?q");
        for (location, there) in [
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g/"),
            ("?y", "http://a/b/c/d?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("", "http://a/b/c/d"),
            ("..", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../../../g", "http://a/g"),
            ("https://h/x#f", "https://h/x"),
            ("/x?u=http://y", "http://a/x?u=http://y"),
        ] {
            assert_eq!(
                here.join(location).unwrap().to_string(),
                there,
                "{location}"
            );
        }
    }
}
