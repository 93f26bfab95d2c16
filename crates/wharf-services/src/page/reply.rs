//! From a request to its response.

use std::io;

use bytes::Bytes;
use hyper::header::{
    ACCEPT_RANGES, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, DATE, ETAG, HOST, HeaderName, HeaderValue, LAST_MODIFIED, LOCATION,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::{HeaderMap, Method, Response, StatusCode, Uri, Version};
use std::sync::{Arc, PoisonError};
use wharf::network::Endpoint;
use wharf::service::Context;

use super::body::Body;
use super::conditions::{Facts, Verdict};
use super::path::{self, Refused, Wanted, encoded};
use super::root::{Listing, Opened, Root};
use super::shown::Shown;
use super::{Content, Inner, html};

/// Pages of ours need no script and nothing from elsewhere.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

type Reply = Response<Body>;

impl Inner {
    /// Answers one request.
    pub(super) async fn answer(
        &self,
        request: hyper::Request<hyper::body::Incoming>,
        peer: &Endpoint,
        context: &Context,
    ) -> Reply {
        let (head, _) = request.into_parts();
        let mut reply = match head.method {
            _ if !names_one_host(head.version, &head.headers) => {
                failure_because(StatusCode::BAD_REQUEST, "A request names one host.")
            }
            Method::GET | Method::HEAD => self.find(&head.uri, &head.headers, context).await,
            _ => not_allowed(),
        };
        if head.method == Method::HEAD {
            // The headers stay those of a GET, the length among them.
            *reply.body_mut() = Body::empty();
        }
        set(
            &mut reply,
            DATE,
            &httpdate::fmt_http_date(context.wall_time()),
        );
        set(&mut reply, X_CONTENT_TYPE_OPTIONS, "nosniff");
        (self.show)(&Shown {
            peer,
            method: head.method.as_str(),
            path: head.uri.path(),
            status: reply.status().as_u16(),
        });
        reply
    }

    async fn find(&self, uri: &Uri, headers: &HeaderMap, context: &Context) -> Reply {
        let path = uri.path();
        match &self.content {
            Content::Own(page) if path == "/" => {
                let page = page.lock().unwrap_or_else(PoisonError::into_inner);
                made(StatusCode::OK, page.to_string())
            }
            Content::Own(_) => failure(StatusCode::NOT_FOUND),
            Content::Files(root, hidden) => match path::parse(path, *hidden) {
                Ok(wanted) => file(root, wanted, uri.query(), headers, context).await,
                Err(Refused::Malformed) => failure(StatusCode::BAD_REQUEST),
                Err(Refused::NotThere) => failure(StatusCode::NOT_FOUND),
            },
        }
    }
}

/// RFC 9112, section 3.2: a request of HTTP/1.1 without a Host is wrong, and every one
/// with two.
fn names_one_host(version: Version, headers: &HeaderMap) -> bool {
    match headers.get_all(HOST).iter().count() {
        0 => version < Version::HTTP_11,
        count => count == 1,
    }
}

/// What stands at some names.
enum Found {
    File(Opened, Vec<u8>),
    Listing(Vec<Vec<u8>>, Listing),
    /// A folder that was asked for without a slash.
    Elsewhere(String),
}

async fn file(
    root: &Arc<Root>,
    wanted: Wanted,
    query: Option<&str>,
    headers: &HeaderMap,
    context: &Context,
) -> Reply {
    let root = Arc::clone(root);
    let found = context.blocking(move || look_up(&root, wanted)).await;
    match found.unwrap_or_else(|| Err(io::ErrorKind::Other.into())) {
        Ok(Found::File(opened, name)) => send(opened, &name, headers, context),
        Ok(Found::Listing(names, listing)) => made(StatusCode::OK, html::listing(&names, &listing)),
        Ok(Found::Elsewhere(mut location)) => {
            if let Some(query) = query {
                location += &format!("?{query}");
            }
            let mut reply = failure(StatusCode::MOVED_PERMANENTLY);
            set(&mut reply, LOCATION, &location);
            reply
        }
        Err(error) => failure(status_of(&error)),
    }
}

/// Opens what is wanted; it blocks.
fn look_up(root: &Root, wanted: Wanted) -> io::Result<Found> {
    let Wanted {
        mut names,
        is_folder,
    } = wanted;
    let opened = root.find(&names)?;
    if !opened.about.is_dir() {
        if !opened.about.is_file() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        if is_folder {
            return Err(io::ErrorKind::NotFound.into());
        }
        let name = names.pop().unwrap_or_default();
        return Ok(Found::File(opened, name));
    }
    if !is_folder {
        return Ok(Found::Elsewhere(format!("/{}/", encoded(&names))));
    }
    names.push(b"index.html".to_vec());
    match root.find(&names) {
        Ok(index) if index.about.is_file() => Ok(Found::File(index, b"index.html".to_vec())),
        _ => {
            names.pop();
            let listing = root.list(&names)?;
            Ok(Found::Listing(names, listing))
        }
    }
}

fn send(opened: Opened, name: &[u8], headers: &HeaderMap, context: &Context) -> Reply {
    let facts = Facts {
        length: opened.about.len(),
        modified: opened.about.modified().ok(),
    };
    let (status, start, length) = match facts.judge(headers) {
        Verdict::Whole => (StatusCode::OK, 0, facts.length),
        Verdict::Part(range) => (
            StatusCode::PARTIAL_CONTENT,
            *range.start(),
            range.end() - range.start() + 1,
        ),
        Verdict::NotModified => {
            return with_facts(
                Response::new(Body::empty()),
                StatusCode::NOT_MODIFIED,
                &facts,
            );
        }
        Verdict::Failed => return failure(StatusCode::PRECONDITION_FAILED),
        Verdict::Unsatisfiable => {
            let mut reply = failure(StatusCode::RANGE_NOT_SATISFIABLE);
            set(
                &mut reply,
                CONTENT_RANGE,
                &format!("bytes */{}", facts.length),
            );
            return reply;
        }
    };
    let body = Body::file(opened.file, start, length, context);
    let mut reply = with_facts(Response::new(body), status, &facts);
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {start}-{}/{}", start + length - 1, facts.length);
        set(&mut reply, CONTENT_RANGE, &range);
    }
    set(&mut reply, ACCEPT_RANGES, "bytes");
    set(&mut reply, CONTENT_TYPE, &kind_of(name));
    set(&mut reply, CONTENT_LENGTH, &length.to_string());
    reply
}

/// The media type by the name, as [`mime_guess`] knows it; text is UTF-8.
fn kind_of(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name);
    let kind = mime_guess::from_path(&*name).first_or_octet_stream();
    let is_text = kind.type_() == "text"
        || matches!(
            kind.essence_str(),
            "application/javascript" | "application/json" | "image/svg+xml"
        );
    match is_text {
        true => format!("{}; charset=utf-8", kind.essence_str()),
        false => kind.essence_str().to_owned(),
    }
}

fn with_facts(mut reply: Reply, status: StatusCode, facts: &Facts) -> Reply {
    *reply.status_mut() = status;
    if let Some(tag) = facts.tag() {
        set(&mut reply, ETAG, &tag);
    }
    if let Some(changed) = facts.seconds() {
        set(&mut reply, LAST_MODIFIED, &httpdate::fmt_http_date(changed));
    }
    reply
}

/// A page of ours.
fn made(status: StatusCode, html: String) -> Reply {
    let length = html.len();
    let mut reply = Response::new(Body::Bytes(Bytes::from(html)));
    *reply.status_mut() = status;
    set(&mut reply, CONTENT_TYPE, "text/html; charset=utf-8");
    set(&mut reply, CONTENT_LENGTH, &length.to_string());
    set(&mut reply, CONTENT_SECURITY_POLICY, POLICY);
    set(&mut reply, CACHE_CONTROL, "no-cache");
    reply
}

fn failure(status: StatusCode) -> Reply {
    failure_because(
        status,
        match status {
            StatusCode::NOT_FOUND => "There is nothing of this name here.",
            StatusCode::FORBIDDEN => "This server may not read it.",
            StatusCode::BAD_REQUEST => "That is no path.",
            StatusCode::METHOD_NOT_ALLOWED => "Pages can be read here, and nothing else.",
            StatusCode::MOVED_PERMANENTLY => "It is a folder: its path ends in a slash.",
            StatusCode::PRECONDITION_FAILED => "It has changed.",
            StatusCode::RANGE_NOT_SATISFIABLE => "It has no such bytes.",
            _ => "The server could not read it.",
        },
    )
}

fn failure_because(status: StatusCode, why: &str) -> Reply {
    let words = status.canonical_reason().unwrap_or("Failure");
    made(status, html::failure(status.as_u16(), words, why))
}

fn not_allowed() -> Reply {
    let mut reply = failure(StatusCode::METHOD_NOT_ALLOWED);
    set(&mut reply, ALLOW, "GET, HEAD");
    reply
}

fn status_of(error: &io::Error) -> StatusCode {
    use io::ErrorKind as Kind;
    let leads_out = [
        rustix::io::Errno::XDEV,
        rustix::io::Errno::LOOP,
        rustix::io::Errno::NAMETOOLONG,
    ];
    let code = error.raw_os_error();
    if leads_out
        .iter()
        .any(|errno| Some(errno.raw_os_error()) == code)
    {
        return StatusCode::NOT_FOUND;
    }
    match error.kind() {
        Kind::NotFound | Kind::NotADirectory | Kind::InvalidInput => StatusCode::NOT_FOUND,
        Kind::PermissionDenied => StatusCode::FORBIDDEN,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn set(reply: &mut Reply, name: HeaderName, value: &str) {
    // What is set here has no control characters; a value that has is left out.
    if let Ok(value) = HeaderValue::from_str(value) {
        reply.headers_mut().insert(name, value);
    }
}
