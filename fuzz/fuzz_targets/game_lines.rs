//! No line makes the games' parsers panic, and what they understand they can say again.
//!
//! The input is lines. Each is read as what a player says and as what a server says, and
//! all of them together by the player's side and by the judge of a round.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tokio::time::Instant;
use wharf_services::{blackjack, rps};

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let now = Instant::now();
    let (mut player, mut guest) = (rps::Client::default(), blackjack::Client::default());
    let mut judge = blackjack::Verifier::default();
    for line in text.split('\n') {
        if let Some(request) = rps::Request::parse(line) {
            let said = request.to_string();
            assert_eq!(rps::Request::parse(one_line(&said)), Some(request));
        }
        if let Some(reply) = rps::Reply::parse(line) {
            let said = reply.to_string();
            assert_eq!(rps::Reply::parse(one_line(&said)), Some(reply));
        }
        if let Some(request) = blackjack::Request::parse(line) {
            let said = request.to_string();
            assert_eq!(blackjack::Request::parse(one_line(&said)), Some(request));
        }
        // What is no request is answered, too.
        guest.said(line);
        judge.say(line);
        if let Some(reply) = blackjack::Reply::parse(line) {
            let said = reply.to_string();
            assert_eq!(blackjack::Reply::parse(one_line(&said)), Some(reply));
        }
        let before = player.phase;
        if player.receive(line, now).is_err() {
            assert_eq!(player.phase, before, "what is not understood changes nothing");
        }
        let _ = guest.receive(line, now);
        let _ = judge.hear(line);
    }
    let _ = judge.finish();
});

/// What was written, which is one line without its end.
fn one_line(written: &str) -> &str {
    assert!(!written.contains('\n'), "{written:?} is one line");
    written
}
