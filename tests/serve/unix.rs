//! A socket in the file system: whose file it is, and when it goes.

use std::os::unix::net::UnixListener;

use crate::peer::{converse, unix};
use crate::support::{Server, run, wharf};

#[test]
fn the_file_is_removed_when_the_server_stops() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let mut server = Server::start(["echo", path.to_str().unwrap()]);
    let mut peer = unix(&server.local());
    converse(&mut peer, b"hello", b"hello");
    drop(peer);
    assert!(path.exists());
    assert_eq!(server.stop().code(), 0);
    assert!(!path.exists());
}

#[test]
fn a_stale_file_is_replaced_and_a_live_one_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    // std leaves the file behind: nobody listens there any more.
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let mut server = Server::start(["echo", path.to_str().unwrap()]);
    let local = server.local();
    converse(&mut unix(&local), b"hello", b"hello");

    let second = run(&mut wharf(["serve", "echo", path.to_str().unwrap()]), "");
    assert_eq!(second.code(), 3, "{second:?}");
    assert!(second.stderr.contains("in use"), "{second:?}");
    let holder = format!("held by  wharf (pid {})", server.process.pid());
    assert!(second.stderr.contains(&holder), "{second:?}");
    assert!(
        second.stderr.contains(": address already in use\n"),
        "{second:?}"
    );
    let cure = format!("  try      wharf serve echo {}.2\n", path.display());
    assert!(second.stderr.contains(&cure), "{second:?}");
    converse(&mut unix(&local), b"still here", b"still here");
}

#[test]
fn a_regular_file_is_never_touched() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("precious");
    std::fs::write(&path, "data").unwrap();
    for scheme in ["unix", "unix-dgram", "seqpacket"] {
        let address = format!("{scheme}:{}", path.display());
        let ended = run(&mut wharf(["serve", "echo", &address]), "");
        assert_eq!(ended.code(), 3, "{ended:?}");
        assert!(
            ended
                .stderr
                .contains("the file exists and is not a socket; it was left as it is"),
            "{ended:?}"
        );
        assert!(
            ended.stderr.contains("or remove the file yourself"),
            "{ended:?}"
        );
        assert!(!ended.stderr.contains("held by"), "{ended:?}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "data");
    }
}

#[test]
fn a_directory_that_is_missing_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing");
    let address = missing.join("s").display().to_string();
    let ended = run(&mut wharf(["serve", "echo", &address]), "");
    assert_eq!(ended.code(), 3, "{ended:?}");
    assert!(
        ended.stderr.contains(&format!(
            "o such file or directory\n  try      mkdir -p {}\n",
            missing.display()
        )),
        "{ended:?}"
    );
}
