//! Pages: `wharf serve page` against curl, wget, nc and a browser, and `wharf get`.

mod support;

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use support::{Ended, Process, Server, Stream, run, wharf};

/// A folder with a site in it.
struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    fn new() -> Site {
        let site = Site {
            folder: tempfile::tempdir().unwrap(),
        };
        site.write("root/a.txt", &"0123456789".repeat(20_000));
        site.write("root/docs/index.html", "<h1>docs</h1>");
        site.write("root/docs/deep/b.css", "p {}");
        site.write("root/.hidden", "secret");
        site.write("outside", "secret");
        std::os::unix::fs::symlink("../outside", site.path("root/link")).unwrap();
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        std::fs::write(self.path(name), text).unwrap();
    }

    fn serve(&self) -> (Server, String) {
        let mut server = Server::start(["page", "tcp:127.0.0.1:0", "--root", &self.text("root")]);
        let url = format!("http://{}", server.local());
        (server, url)
    }
}

fn tool(program: &str, arguments: &[&str]) -> Ended {
    run(Command::new(program).args(arguments), "")
}

fn get(arguments: &[&str]) -> Ended {
    run(wharf(["get"]).args(arguments), "")
}

#[test]
fn curl_gets_files_parts_and_what_is_new() {
    let site = Site::new();
    let (_server, url) = site.serve();
    let file = format!("{url}/a.txt");
    let saved = site.text("saved");
    let ended = tool("curl", &["-sSf", "-o", &saved, &file]);
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert_eq!(
        std::fs::read(&saved).unwrap(),
        std::fs::read(site.path("root/a.txt")).unwrap()
    );
    // A download that was cut short goes on where it stopped.
    std::fs::write(&saved, "0123456789".repeat(1_000)).unwrap();
    let ended = tool("curl", &["-sSf", "-C", "-", "-o", &saved, &file]);
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert_eq!(std::fs::read(&saved).unwrap().len(), 200_000);
    let status = |arguments: &[&str]| {
        let mut all = vec![
            "-sS",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code} %{size_download}",
        ];
        all.extend(arguments);
        tool("curl", &all).stdout.trim().to_owned()
    };
    assert_eq!(status(&["-z", &saved, &file]), "304 0");
    assert_eq!(status(&["-I", &file]), "200 0");
    assert_eq!(status(&["-r", "0-9", &file]), "206 10");
    assert_eq!(status(&["-L", &format!("{url}/docs")]), "200 13");
    assert_eq!(
        status(&["-X", "DELETE", &file]).split(' ').next(),
        Some("405")
    );
    let secret =
        |path: &str| tool("curl", &["-sS", "--path-as-is", &format!("{url}{path}")]).stdout;
    for path in [
        "/../outside",
        "/%2e%2e/outside",
        "/link",
        "/.hidden",
        "/..%5coutside",
        "/%252e%252e/outside",
    ] {
        assert!(!secret(path).contains("secret"), "{path}");
    }
}

#[test]
fn wget_mirrors_a_site_by_its_listings() {
    let site = Site::new();
    let (_server, url) = site.serve();
    let copy = site.text("copy");
    let ended = tool(
        "wget",
        &["-q", "-r", "-np", "-nH", "-P", &copy, &format!("{url}/")],
    );
    assert_eq!(ended.code(), 0, "{ended:?}");
    let same = |name: &str| {
        let copied = std::fs::read(Path::new(&copy).join(name)).unwrap();
        assert_eq!(
            copied,
            std::fs::read(site.path("root").join(name)).unwrap(),
            "{name}"
        );
    };
    same("a.txt");
    same("docs/index.html");
    assert!(!Path::new(&copy).join(".hidden").exists());
    assert!(!Path::new(&copy).join("link").exists());
}

#[test]
fn nc_speaks_http_by_hand() {
    let site = Site::new();
    let (mut server, url) = site.serve();
    let port = url.rsplit_once(':').unwrap().1;
    let mut nc = Command::new("nc");
    let ended = run(
        nc.args(["-N", "127.0.0.1", port]),
        "GET /docs/ HTTP/1.1\r\nHost: x\r\n\r\n",
    );
    assert!(ended.stdout.starts_with("HTTP/1.1 200 OK"), "{ended:?}");
    assert!(ended.stdout.ends_with("<h1>docs</h1>\n"), "{ended:?}");
    server.process.wait_for_event("shown", |event| {
        let text = event["text"].as_str()?;
        (event["service"] == "page" && text.starts_with("200 GET /docs/ for 127.0.0.1:"))
            .then_some(())
    });
    assert_eq!(server.closed(), "peer-closed");
}

/// The whole page as a browser builds it. `ci.sh` installs the browser, so where it runs
/// there is one; who runs the tests alone may not have it.
#[test]
fn a_browser_shows_the_own_page() {
    if tool("sh", &["-c", "command -v chromium"]).code() != 0 {
        let is_ci = std::env::var_os("CI").is_some();
        assert!(!is_ci, "chromium is missing, and nothing was looked at");
        eprintln!("skipped: no chromium here");
        return;
    }
    let mut server = Server::start(["page", "tcp:127.0.0.1:0"]);
    let url = format!("http://{}/", server.local());
    let profile = tempfile::tempdir().unwrap();
    let user = format!("--user-data-dir={}", profile.path().display());
    let mut flags = vec![
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        &user,
    ];
    let screenshot = std::env::var("WHARF_SCREENSHOT").map(|file| format!("--screenshot={file}"));
    match &screenshot {
        Ok(option) => flags.extend([&**option, "--window-size=1200,1000"]),
        Err(_) => flags.push("--dump-dom"),
    }
    let ended = run(Command::new("chromium").args(flags).arg(&url), "");
    assert_eq!(ended.code(), 0, "{ended:?}");
    if screenshot.is_err() {
        assert!(ended.stdout.contains("<h1>Wharf</h1>"), "{ended:?}");
        assert!(
            ended
                .stdout
                .contains("page<span class=\"about\">serves pages over HTTP"),
            "{ended:?}"
        );
    }
    // Nothing but the page, and the icon that browsers ask for, is asked for.
    server.process.wait_for_event("shown", |event| {
        event["text"]
            .as_str()?
            .starts_with("200 GET / for ")
            .then_some(())
    });
}

#[test]
fn the_own_page_tells_what_runs_here() {
    let mut server = Server::start(["page", "tcp:127.0.0.1:0"]);
    let url = format!("http://{}/", server.local());
    let ended = get(&[&url]);
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert!(ended.stdout.starts_with("<!doctype html>"), "{ended:?}");
    let port = url.trim_end_matches('/').rsplit_once(':').unwrap().1;
    assert!(
        ended.stdout.contains(&format!("wharf get :{port}")),
        "{ended:?}"
    );
    assert_eq!(get(&[&format!("{url}x")]).code(), 22);
}

#[test]
fn get_writes_a_file_and_never_over_one() {
    let site = Site::new();
    let (_server, url) = site.serve();
    let file = format!("{url}/a.txt");
    let saved = site.text("saved");
    let ended = get(&[&file, "-o", &saved]);
    assert_eq!((ended.code(), &*ended.stdout), (0, ""), "{ended:?}");
    assert!(ended.stderr.starts_with("wrote 195.3 KiB to "), "{ended:?}");
    assert_eq!(std::fs::read(&saved).unwrap().len(), 200_000);
    std::fs::write(&saved, "mine").unwrap();
    let ended = get(&[&file, "-o", &saved]);
    assert_eq!(ended.code(), 1, "{ended:?}");
    assert!(ended.stderr.contains("is there already"), "{ended:?}");
    assert_eq!(std::fs::read_to_string(&saved).unwrap(), "mine");
    let ended = get(&[&file, "-o", &saved, "--overwrite"]);
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert_eq!(std::fs::read(&saved).unwrap().len(), 200_000);
    // A page that is not there, or too large, leaves no file and the old one as it is.
    let ended = get(&[&format!("{url}/nothing"), "-o", &site.text("none")]);
    assert_eq!(ended.code(), 22, "{ended:?}");
    let ended = get(&[&file, "-o", &site.text("none"), "--max-size", "1k"]);
    assert_eq!(ended.code(), 1, "{ended:?}");
    assert!(ended.stderr.contains("is larger than"), "{ended:?}");
    assert!(!site.path("none").exists());
    assert_eq!(std::fs::read_dir(site.folder.path()).unwrap().count(), 3);
}

#[test]
fn get_follows_redirects_and_not_without_end() {
    let site = Site::new();
    let (_server, url) = site.serve();
    let ended = get(&[&format!("{url}/docs")]);
    assert_eq!(
        (ended.code(), &*ended.stdout),
        (0, "<h1>docs</h1>\n"),
        "{ended:?}"
    );
    let mut exec = wharf(["--json", "serve", "exec", "tcp:127.0.0.1:0", "--"]);
    let answer = "read line; printf 'HTTP/1.1 302 Found\\r\\nLocation: /x\\r\\nContent-Length: 0\\r\\n\\r\\n'";
    exec.args(["sh", "-c", answer]);
    let mut round = Server {
        process: Process::start(&mut exec),
    };
    let url = format!("http://{}/", round.local());
    let ended = get(&[&url]);
    assert_eq!(ended.code(), 1, "{ended:?}");
    assert!(
        ended.stderr.contains("led to more than 10 others"),
        "{ended:?}"
    );
    let ended = get(&[&url, "--max-redirects", "0", "--head"]);
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert!(ended.stdout.contains("location: /x\n"), "{ended:?}");
}

#[test]
fn get_over_tls_is_verified() {
    let mut server = Server::start(["page", "tls:127.0.0.1:0,self-signed"]);
    let (local, pin) = server.process.wait_for_event("listening", |event| {
        let local = event["local"].as_str()?.to_owned();
        Some((local, event["fingerprint"].as_str()?.to_owned()))
    });
    let ended = get(&[&format!("https://{local}/x")]);
    assert_eq!(ended.code(), 35, "{ended:?}");
    // The cure is a whole command: a URL has no place for a pin.
    let cure = format!("  try      wharf get tls:{local},pin={pin}/x    (if");
    assert!(ended.stderr.contains(&cure), "{ended:?}");
    let ended = get(&[&format!("tls:{local},pin={pin}/"), "-v"]);
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert!(ended.stderr.contains("* tls "), "{ended:?}");
}

#[test]
fn get_opens_a_gate_before_the_pages() {
    let site = Site::new();
    let users = site.text("users");
    let ended = run(
        &mut wharf(["password", "add", &users, "ann"]),
        "open sesame\n",
    );
    assert_eq!(ended.code(), 0, "{ended:?}");
    let root = site.text("root");
    let mut server = Server::start(["page", "tcp:127.0.0.1:0", "--root", &root, "--gate", &users]);
    let url = format!("http://{}/docs", server.local());
    let fetch = |line: &str| run(&mut wharf(["get", &url, "--password-from", "-"]), line);
    // The redirect from /docs to /docs/ asks for the password once more.
    let ended = fetch("ann open sesame\n");
    assert_eq!(
        (ended.code(), &*ended.stdout),
        (0, "<h1>docs</h1>\n"),
        "{ended:?}"
    );
    let ended = fetch("ann open\n");
    assert_eq!((ended.code(), &*ended.stdout), (67, ""), "{ended:?}");
    // Without a password nothing is served: an HTTP request is a wrong attempt.
    let ended = get(&[&url]);
    assert_eq!((ended.code(), &*ended.stdout), (67, ""), "{ended:?}");
    let cure = format!("wharf get {url} --password-from ask");
    assert!(ended.stderr.contains(&cure), "{ended:?}");
}

#[test]
fn get_tells_the_story_of_the_lecture() {
    let site = Site::new();
    let (_server, url) = site.serve();
    let port = url.rsplit_once(':').unwrap().1;
    let ended = get(&["-v", &format!("http://localhost:{port}/docs/")]);
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert_eq!(ended.stdout, "<h1>docs</h1>\n");
    let story: Vec<&str> = ended.stderr.lines().collect();
    let at = |start: &str| {
        let found = story.iter().position(|line| line.starts_with(start));
        found.unwrap_or_else(|| panic!("no {start:?} in {story:#?}"))
    };
    let order = [
        at("* page "),
        at("* name        localhost is "),
        at(&format!("* port        {port}")),
        at("* connection  127.0.0.1:"),
        at("* request     GET /docs/ HTTP/1.1"),
        at("* reply       HTTP/1.1 200 OK"),
        at(&format!("* sockets     127.0.0.1:{port} listens")),
        at("* body "),
        at("* in all "),
    ];
    assert!(order.is_sorted(), "{story:#?}");
    assert!(
        ended
            .stderr
            .contains(&format!("127.0.0.1:{port} to 127.0.0.1:")),
        "{story:#?}"
    );
    for line in [order[1], order[3], order[5], order[8]] {
        let last = story[line].split_whitespace().last().unwrap();
        assert!(
            matches!(last, "us" | "ms" | "s"),
            "no time in {}",
            story[line]
        );
    }
}

/// The lecture's second socket: the one that listens stays, and accept gives another
/// one for each client.
#[test]
fn a_second_client_is_accepted_while_the_first_is_still_connected() {
    let site = Site::new();
    let (mut server, url) = site.serve();
    let address = url.strip_prefix("http://").unwrap().to_owned();
    let first = TcpStream::connect(&address).unwrap();
    let mut opened = |client: &TcpStream| {
        let peer = client.local_addr().unwrap().to_string();
        server.process.wait_for_event("opened", |event| {
            (event["peer"] == *peer).then(|| event["local"].as_str().unwrap().to_owned())
        })
    };
    let first_local = opened(&first);
    let second = TcpStream::connect(&address).unwrap();
    let second_local = opened(&second);
    // Both accepted sockets, and the listening one, have the same local endpoint.
    assert_eq!((&first_local, &second_local), (&address, &address));
    assert_eq!(get(&[&format!("{url}/docs/")]).stdout, "<h1>docs</h1>\n");
    drop((first, second));
}

#[test]
fn get_answers_in_json() {
    let site = Site::new();
    let (_server, url) = site.serve();
    let ended = run(
        &mut wharf(["--json", "get", "-v", &format!("{url}/docs")]),
        "",
    );
    // With -v too the object is all there is.
    assert_eq!((ended.code(), &*ended.stderr), (0, ""), "{ended:?}");
    let object: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(object["event"], "fetched");
    assert_eq!(
        (&object["status"], &object["reason"]),
        (&200.into(), &"OK".into())
    );
    assert_eq!(object["url"], format!("{url}/docs/"));
    assert_eq!(
        object["redirects"],
        serde_json::json!([format!("{url}/docs")])
    );
    assert_eq!(
        (&object["body"], &object["body_bytes"]),
        (&"<h1>docs</h1>".into(), &13.into())
    );
    assert!(
        object["peer"]
            .as_str()
            .is_some_and(|peer| url.ends_with(peer))
    );
    for name in [
        "resolve_seconds",
        "connect_seconds",
        "wait_seconds",
        "body_seconds",
        "total_seconds",
    ] {
        assert!(
            object[name].as_f64().is_some_and(|seconds| seconds >= 0.0),
            "{name}"
        );
    }
    let headers = object["headers"].as_array().unwrap();
    assert!(
        headers
            .iter()
            .any(|pair| pair[0] == "content-length" && pair[1] == "13")
    );
    for name in ["local", "tls", "tls_seconds", "file"] {
        assert!(object.get(name).is_some(), "{name}");
    }
}

#[test]
fn get_fails_with_a_cause() {
    let ended = get(&["ftp://localhost/"]);
    assert_eq!(ended.code(), 2, "{ended:?}");
    assert!(
        ended.stderr.contains("ftp: is not spoken here"),
        "{ended:?}"
    );
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let port = free.port();
    for (url, cure) in [
        (
            format!("http://{free}/"),
            format!("wharf serve page {port} "),
        ),
        (
            format!("https://{free}/"),
            format!("wharf serve page tls::{port},self-signed "),
        ),
    ] {
        let ended = get(&[&url]);
        assert_eq!(ended.code(), 7, "{ended:?}");
        assert!(ended.stderr.contains(&cure), "{ended:?}");
    }
    let mut silent = Server::start(["discard", "tcp:127.0.0.1:0"]);
    let ended = get(&[&format!("http://{}/", silent.local()), "--timeout", "300ms"]);
    assert_eq!(ended.code(), 28, "{ended:?}");
    let mut echo = Server::start(["echo", "tcp:127.0.0.1:0"]);
    let ended = get(&[&format!("http://{}/", echo.local())]);
    assert_eq!(ended.code(), 4, "{ended:?}");
    assert!(ended.stderr.contains("did not answer in HTTP"), "{ended:?}");
}

#[test]
fn a_root_that_is_none_is_told() {
    let ended = run(&mut wharf(["serve", "page", "0", "--root", "/nowhere"]), "");
    assert_eq!(ended.code(), 1, "{ended:?}");
    assert!(ended.stderr.contains("cannot serve /nowhere"), "{ended:?}");
    let ended = run(&mut wharf(["serve", "echo", "0", "--root", "/tmp"]), "");
    assert_eq!(ended.code(), 2, "{ended:?}");
    let mut process = Process::start(&mut wharf(["serve", "page", "0"]));
    process.wait_for(|stream, line| {
        (stream == Stream::Out && line.starts_with("page ") && line.contains("wharf get :"))
            .then_some(())
    });
}
