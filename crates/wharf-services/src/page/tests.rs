//! The page service as clients see it: requests and replies byte by byte.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;
use wharf::connection::CloseReason;
use wharf::network::{ConnectOptions, MemoryNetwork, Network, memory::Delivery};
use wharf::server::{Event, Server};

use super::*;
use crate::testing::{EVERYWHERE, STREAMS, client_of, context, conversation, everything, heard_at};

/// A folder with some files, and the page service over it.
fn site() -> (tempfile::TempDir, Page) {
    site_with(Hidden::No)
}

fn site_with(hidden: Hidden) -> (tempfile::TempDir, Page) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    let write = |path: &str, text: &[u8]| {
        let path: &Path = Path::new(path);
        std::fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
        std::fs::write(root.join(path), text).unwrap();
    };
    write("a.txt", b"0123456789");
    write("with/index.html", b"<h1>index</h1>");
    write("without/b c.css", b"p {}");
    write("large", &[b'x'; 200_000]);
    write(".hidden", b"secret");
    write(".git/config", b"secret");
    std::fs::write(folder.path().join("outside"), "secret").unwrap();
    std::os::unix::fs::symlink("../outside", root.join("link")).unwrap();
    std::os::unix::fs::symlink(".git", root.join("repository")).unwrap();
    let page = Page::files(&root, hidden, |_| {}).unwrap();
    (folder, page)
}

/// What comes back for raw bytes, and how the service ended.
async fn raw(page: &Page, request: &str) -> (String, Option<CloseReason>) {
    let (heard, outcome) = conversation(page.clone(), Delivery::AsSent, &[request]).await;
    let reason = outcome.err().map(|error| error.reason());
    (String::from_utf8_lossy(&heard).into_owned(), reason)
}

async fn get(page: &Page, path: &str, headers: &str) -> String {
    raw(
        page,
        &format!("GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n"),
    )
    .await
    .0
}

fn header<'a>(reply: &'a str, name: &str) -> Option<&'a str> {
    let (head, _) = reply.split_once("\r\n\r\n")?;
    head.lines()
        .find_map(|line| line.strip_prefix(&format!("{name}: ")))
}

fn body(reply: &str) -> &str {
    reply.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

#[tokio::test]
async fn a_file_comes_whole_with_its_type_and_length() {
    let (_folder, page) = site();
    let reply = get(&page, "/a.txt", "").await;
    assert!(reply.starts_with("HTTP/1.1 200 OK\r\n"), "{reply}");
    assert_eq!(
        header(&reply, "content-type"),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(header(&reply, "content-length"), Some("10"));
    assert_eq!(header(&reply, "x-content-type-options"), Some("nosniff"));
    assert!(header(&reply, "date").unwrap().ends_with(" GMT"));
    assert_eq!(body(&reply), "0123456789");
    let reply = get(&page, "/large", "").await;
    assert_eq!(
        header(&reply, "content-type"),
        Some("application/octet-stream")
    );
    assert_eq!(body(&reply).len(), 200_000);
    let reply = get(&page, "/without/b%20c.css", "").await;
    assert_eq!(
        header(&reply, "content-type"),
        Some("text/css; charset=utf-8")
    );
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let (_folder, page) = site();
    for path in ["/a.txt", "/without/", "/nothing"] {
        let with = get(&page, path, "").await;
        let (without, _) = raw(&page, &format!("HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
        assert_eq!(body(&without), "");
        for name in ["content-length", "content-type"] {
            assert_eq!(header(&with, name), header(&without, name), "{path}");
        }
    }
}

#[tokio::test]
async fn a_folder_is_its_index_or_its_listing() {
    let (_folder, page) = site();
    assert_eq!(body(&get(&page, "/with/", "").await), "<h1>index</h1>");
    let reply = get(&page, "/with", "").await;
    assert!(reply.starts_with("HTTP/1.1 301 "), "{reply}");
    assert_eq!(header(&reply, "location"), Some("/with/"));
    // What a form or a script has put behind it is not lost.
    let reply = get(&page, "/with?x=1&y=%20", "").await;
    assert_eq!(header(&reply, "location"), Some("/with/?x=1&y=%20"));
    let listing = get(&page, "/without/", "").await;
    assert!(
        listing.contains("href=\"./b%20c.css\">b c.css</a>"),
        "{listing}"
    );
    assert!(
        header(&listing, "content-security-policy")
            .unwrap()
            .starts_with("default-src 'none'")
    );
    let root = get(&page, "/", "").await;
    assert!(
        root.contains("href=\"./a.txt\"") && root.contains("href=\"./with/\""),
        "{root}"
    );
    for hidden in [".hidden", ".git", "link", "outside", "repository"] {
        assert!(!root.contains(hidden), "{hidden}");
    }
}

#[tokio::test]
async fn parts_and_conditions_are_answered() {
    let (_folder, page) = site();
    let part = get(&page, "/a.txt", "Range: bytes=2-4\r\n").await;
    assert!(part.starts_with("HTTP/1.1 206 "), "{part}");
    assert_eq!(
        (header(&part, "content-range"), body(&part)),
        (Some("bytes 2-4/10"), "234")
    );
    let part = get(&page, "/large", "Range: bytes=-70000\r\n").await;
    assert_eq!(body(&part).len(), 70_000);
    let none = get(&page, "/a.txt", "Range: bytes=10-\r\n").await;
    assert!(none.starts_with("HTTP/1.1 416 "), "{none}");
    assert_eq!(header(&none, "content-range"), Some("bytes */10"));
    let whole = get(&page, "/a.txt", "").await;
    let (tag, date) = (
        header(&whole, "etag").unwrap(),
        header(&whole, "last-modified").unwrap(),
    );
    for condition in [
        format!("If-None-Match: {tag}\r\n"),
        format!("If-Modified-Since: {date}\r\n"),
    ] {
        let same = get(&page, "/a.txt", &condition).await;
        assert!(same.starts_with("HTTP/1.1 304 "), "{same}");
        assert_eq!((header(&same, "etag"), body(&same)), (Some(tag), ""));
    }
    let other = get(&page, "/a.txt", "If-Match: \"x\"\r\n").await;
    assert!(other.starts_with("HTTP/1.1 412 "), "{other}");
}

#[tokio::test]
async fn nothing_outside_the_root_and_nothing_hidden_is_had() {
    let (_folder, page) = site();
    for path in [
        "/../outside",
        "/with/../../outside",
        "/%2e%2e/outside",
        "/..%2foutside",
        "/%2e%2e%2foutside",
        "/..%5coutside",
        "/..\\outside",
        "/%252e%252e/outside",
        "/..%252foutside",
        "//outside",
        "/link",
        "/./../outside",
        "/.hidden",
        "/%2ehidden",
        "/.git/config",
        "/repository",
        "/repository/",
        "/repository/config",
        "/a.txt/",
        "/a.txt/..",
        "/a.txt%00",
        "/%00",
        "/..%00/outside",
        "/....//outside",
        "/%c0%ae%c0%ae/outside",
        "http://x/../outside",
        "http://x/%2e%2e/outside",
        "http://x/link",
        "*",
        "outside",
        "../outside",
        "/%2e%2e;/outside",
        "/..;/outside",
        "/with/%2e%2e/%2e%2e/outside",
    ] {
        let (reply, _) = raw(&page, &format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
        let status = reply.get(9..12).unwrap_or_default().to_owned();
        assert!(matches!(&*status, "400" | "404"), "{path}: {reply}");
        assert!(!reply.contains("secret"), "{path}: {reply}");
    }
    // With raw bytes that no client would send.
    for path in [&b"/..\x00/outside"[..], b"/\xff", b"/../\xe2\x80\xae"] {
        let request = [b"GET ", path, b" HTTP/1.1\r\nHost: x\r\n\r\n"].concat();
        let (reply, _) = conversation(page.clone(), Delivery::AsSent, &[request]).await;
        assert!(!String::from_utf8_lossy(&reply).contains("secret"));
    }
    let (_folder, page) = site_with(Hidden::Served);
    assert_eq!(body(&get(&page, "/.hidden", "").await), "secret");
    assert!(!get(&page, "/../outside", "").await.contains("secret"));
}

#[tokio::test]
async fn only_reading_is_allowed_and_only_http_is_spoken() {
    let (_folder, page) = site();
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"] {
        let request = format!("{method} /a.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
        let (reply, _) = raw(&page, &request).await;
        assert!(reply.starts_with("HTTP/1.1 405 "), "{method}: {reply}");
        assert_eq!(header(&reply, "allow"), Some("GET, HEAD"));
    }
    let (reply, reason) = raw(&page, "HELLO-FROM ann\n\n").await;
    assert!(reply.starts_with("HTTP/1.1 400 "), "{reply}");
    assert_eq!(reason, Some(CloseReason::ProtocolError));
    let long = format!(
        "GET / HTTP/1.1\r\nX: {}\r\n\r\n",
        "x".repeat(2 * MAX_HEADERS)
    );
    let (reply, reason) = raw(&page, &long).await;
    assert!(reply.starts_with("HTTP/1.1 431 "), "{reply}");
    assert_eq!(reason, Some(CloseReason::ProtocolError));
}

#[tokio::test]
async fn a_request_names_one_host() {
    let (_folder, page) = site();
    for (version, hosts, status) in [
        ("1.1", "Host: x\r\n", "200"),
        ("1.1", "Host:\r\n", "200"),
        ("1.1", "", "400"),
        ("1.1", "Host: x\r\nHost: x\r\n", "400"),
        ("1.0", "", "200"),
        ("1.0", "Host: x\r\n", "200"),
        ("1.0", "Host: x\r\nhost: y\r\n", "400"),
    ] {
        let request = format!("GET /a.txt HTTP/{version}\r\n{hosts}\r\n");
        let (reply, _) = raw(&page, &request).await;
        assert_eq!(reply.get(9..12), Some(status), "{request}{reply}");
    }
}

#[tokio::test]
async fn requests_in_one_connection_are_answered_in_order() {
    let (_folder, page) = site();
    for delivery in EVERYWHERE {
        let words = "GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\nGET /with/ HTTP/1.1\r\nHost: x\r\n\r\n";
        let (heard, outcome) = conversation(page.clone(), delivery, &[words]).await;
        outcome.unwrap();
        let heard = String::from_utf8(heard).unwrap();
        let first = heard.find("0123456789").unwrap();
        assert!(heard[first..].contains("<h1>index</h1>"), "{heard}");
    }
    let (old, _) = raw(&page, "GET /a.txt HTTP/1.0\r\n\r\n").await;
    assert!(
        old.starts_with("HTTP/1.0 200 ") && old.ends_with("0123456789"),
        "{old}"
    );
}

#[tokio::test]
async fn it_speaks_over_every_stream_of_the_system() {
    for address in STREAMS {
        let (_folder, page) = site();
        let heard = heard_at(address, page, b"GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(heard.ends_with(b"0123456789"), "{address}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_ask_is_closed_as_idle() {
    let (_client, mut server) = MemoryNetwork::new().pair();
    let began = Instant::now();
    let page = Page::own(|_| {});
    let outcome = page.serve(&mut server, &context()).await;
    assert_eq!(outcome.unwrap_err().reason(), CloseReason::Idle);
    assert_eq!(began.elapsed(), HEADER_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_closed_as_a_slow_reader() {
    let (folder, page) = site();
    // More than fits on the way.
    std::fs::write(folder.path().join("root/huge"), vec![b'x'; 8 << 20]).unwrap();
    let network = MemoryNetwork::new();
    let (closed, mut closing) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::on(network.clone())
        .serve("page", "tcp:127.0.0.1:8080".parse().unwrap(), page)
        .observer(move |event: &Event<'_>| {
            if let Event::Closed { reason, .. } = event {
                closed.send(*reason).unwrap();
            }
        });
    let running = server.start().await.unwrap();
    let at = &running.endpoints()[0].local;
    let options = ConnectOptions::default();
    let mut deaf = network.connect(at, &options).await.unwrap();
    let request = b"GET /huge HTTP/1.1\r\nHost: x\r\n\r\n";
    deaf.write_all(request).await.unwrap();
    assert_eq!(closing.recv().await, Some(CloseReason::SlowReader));
}

#[tokio::test]
async fn the_own_page_runs_on_a_network_in_memory_and_the_client_reads_it() {
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = Arc::clone(&seen);
    let page = Page::own(move |shown| log.lock().unwrap().push(shown.to_string()));
    page.show_rows(vec![Row {
        service: "upper".into(),
        about: "sends text back in upper case".into(),
        over: "tcp".into(),
        places: "10.0.0.1:12000".into(),
        command: "wharf connect 10.0.0.1:12000".into(),
    }]);
    let network = MemoryNetwork::new();
    let server =
        Server::on(network.clone()).serve("page", "tcp:127.0.0.1:8080".parse().unwrap(), page);
    let running = server.start().await.unwrap();
    let at = &running.endpoints()[0].local;
    let connection = network
        .connect(at, &ConnectOptions::default())
        .await
        .unwrap();
    let url: Url = "http://127.0.0.1:8080/".parse().unwrap();
    let mut reply = fetch(connection, &url, Request::Get).await.unwrap();
    assert_eq!((reply.status, reply.reason()), (200, "OK"));
    let mut html = Vec::new();
    while let Some(bytes) = reply.next().await.unwrap() {
        html.extend_from_slice(&bytes);
    }
    assert_eq!(reply.length(), Some(html.len() as u64));
    assert!(
        String::from_utf8(html)
            .unwrap()
            .contains("wharf connect 10.0.0.1:12000")
    );
    assert!(
        reply
            .link()
            .sent
            .starts_with(b"GET / HTTP/1.1\r\nhost: 127.0.0.1:8080\r\n")
    );
    assert!(reply.link().received_at >= reply.link().sent_at);
    let seen = seen.lock().unwrap().clone();
    assert!(seen[0].starts_with("200 GET / for "), "{seen:?}");
}

#[tokio::test]
async fn the_client_notices_a_reply_that_is_cut_short_and_one_that_is_none() {
    struct Says(&'static str);
    impl Service for Says {
        async fn serve(&self, peer: &mut Connection, _: &Context) -> Result<(), ServiceError> {
            peer.read_chunk().await?;
            Ok(peer.write_all(self.0.as_bytes()).await?)
        }
    }
    let url: Url = "http://localhost/".parse().unwrap();
    let ask = async |says| {
        let (client, running) = client_of("tcp:127.0.0.1:0", Says(says)).await;
        let mut reply = fetch(client, &url, Request::Get).await?;
        while reply.next().await?.is_some() {}
        drop(running);
        Ok(reply.status)
    };
    assert_eq!(
        ask("HTTP/1.1 200 OK\r\n\r\nto the end").await.ok(),
        Some(200)
    );
    let short = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf";
    assert!(matches!(ask(short).await, Err(FetchError::Closed)));
    assert!(matches!(ask("").await, Err(FetchError::Closed)));
    assert!(matches!(
        ask("SSH-2.0-x\r\n").await,
        Err(FetchError::Protocol(_))
    ));
}

#[tokio::test]
async fn a_drain_lets_a_download_end_and_closes_idle_clients() {
    let (_folder, page) = site();
    let server = Server::new().serve("page", "tcp:127.0.0.1:0".parse().unwrap(), page);
    let running = server.start().await.unwrap();
    let at = running.endpoints()[0].local.clone();
    let connect = async || {
        wharf::network::Os
            .connect(&at, &ConnectOptions::default())
            .await
            .unwrap()
    };
    let mut idle = connect().await;
    idle.write_all(b"GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    idle.read_chunk().await.unwrap().unwrap();
    let mut busy = connect().await;
    busy.write_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut heard = busy.read_chunk().await.unwrap().unwrap().to_vec();
    let drained = tokio::spawn(async move { running.drain().await });
    heard.extend(everything(&mut busy).await);
    assert!(heard.len() > 200_000);
    everything(&mut idle).await;
    let report = tokio::time::timeout(Duration::from_secs(5), drained)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(report.cut_off, 0);
}
