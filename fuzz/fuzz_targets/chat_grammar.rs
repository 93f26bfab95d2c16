//! No line makes the chat's parsers panic, and what they understand they can say again.
//!
//! The input is one line, read as what a client says and as what a server says.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_services::chat::{Reply, Request, is_name};

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    // The framing gives lines without their ends.
    let line = text.split('\n').next().unwrap_or_default();
    if let Ok(request) = Request::parse(line) {
        match request {
            Request::HelloFrom(name) => assert!(is_name(name)),
            Request::Users(_) => {}
            Request::Send { to, text } => {
                assert!(!to.is_empty() && !to.contains(' '));
                assert!(!text.is_empty() && text.trim() == text);
            }
        }
        let mut written = Vec::new();
        request.write(&mut written);
        assert_eq!(Request::parse(one_line(&written)), Ok(request));
    }
    if let Some(reply) = Reply::parse(line) {
        let mut written = Vec::new();
        reply.write(&mut written);
        assert_eq!(Reply::parse(one_line(&written)), Some(reply));
        assert!(reply.names().all(|name| !name.is_empty()));
    }
});

/// What was written, which is one line with its end.
fn one_line(written: &[u8]) -> &str {
    let (end, line) = written.split_last().expect("a line has its end");
    assert!(*end == b'\n' && !line.contains(&b'\n'));
    std::str::from_utf8(line).expect("text was written as text")
}
