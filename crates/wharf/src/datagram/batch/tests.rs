//! Tests of `batch`.

use super::*;

fn peer(text: &str) -> Endpoint {
    Endpoint::Inet(text.parse().unwrap())
}

fn with(payload: &[u8], from: &str) -> Batch {
    let mut batch = Batch::with_slots(4, 64);
    assert!(batch.push_received(payload, &peer(from), None));
    batch
}

#[test]
fn a_stranger_gets_no_more_than_it_sent() {
    let mut batch = with(b"hello", "192.0.2.1:5");
    assert_eq!(batch.reply(0, b"longer"), Queued::Amplifies);
    assert_eq!(batch.reply(0, b"short"), Queued::Yes);
    assert_eq!(batch.reply(0, b""), Queued::Amplifies, "headers count");
    assert_eq!(batch.take_tally().amplification_refused, 2);
    assert_eq!(batch.outgoing(), 1);
}

#[test]
fn two_short_replies_share_the_credit_of_a_long_datagram() {
    let mut batch = with(&[b'x'; 40], "192.0.2.1:5");
    assert_eq!(batch.reply(0, b"one"), Queued::Yes);
    assert_eq!(batch.reply(0, b"two"), Queued::Yes);
    assert_eq!(batch.reply(0, b""), Queued::Amplifies);
}

#[test]
fn a_local_peer_and_a_service_that_may_get_any_answer() {
    let mut batch = with(b"?", "127.0.0.1:5");
    assert_eq!(batch.reply(0, b"a long answer"), Queued::Yes);
    let mut batch = with(b"?", "192.0.2.1:5");
    batch.set_amplification(Amplification::Allowed);
    assert_eq!(batch.reply(0, b"a long answer"), Queued::Yes);
}

#[test]
fn replies_are_bounded_in_number_and_in_bytes() {
    let mut batch = with(b"?", "127.0.0.1:5");
    for _ in 0..limits::DATAGRAM_REPLIES {
        assert_eq!(batch.reply_in_place(0), Queued::Yes);
    }
    assert_eq!(batch.reply_in_place(0), Queued::Full);
    assert_eq!(batch.send(&peer("127.0.0.1:9"), b"x"), Queued::Full);
    batch.clear();
    let large = vec![0; limits::MAX_DATAGRAM];
    let to = peer("127.0.0.1:9");
    let fits = (0..limits::DATAGRAM_REPLIES)
        .take_while(|_| batch.send(&to, &large) == Queued::Yes)
        .count();
    assert_eq!(fits, limits::DATAGRAM_REPLY_BYTES / limits::MAX_DATAGRAM);
    let too_long = vec![0; limits::MAX_DATAGRAM + 1];
    assert_eq!(batch.send(&to, &too_long), Queued::TooLong);
}

#[test]
fn what_is_answered_in_place_is_what_stands_there_when_it_is_sent() {
    let mut batch = with(b"hello", "192.0.2.1:5");
    assert_eq!(batch.reply_in_place_shortened(0, 4), Queued::Yes);
    batch.payload_mut(0).make_ascii_uppercase();
    let next = batch.next_outgoing().unwrap();
    assert_eq!(
        (next.payload, next.to),
        (&b"HELL"[..], &peer("192.0.2.1:5"))
    );
    batch.note_sent(1);
    assert!(batch.next_outgoing().is_none());
}

#[test]
fn a_datagram_longer_than_its_slot_is_counted_and_not_passed_on() {
    let mut batch = Batch::with_slots(2, 4);
    assert!(batch.push_received(b"hello", &peer("192.0.2.1:5"), None));
    assert!(batch.push_received(b"four", &peer("192.0.2.1:5"), None));
    assert_eq!(batch.len(), 1);
    assert_eq!(batch.get(0).payload, b"four");
    assert_eq!(batch.take_tally().truncated, 1);
}

#[test]
fn a_unix_peer_without_a_name_cannot_be_answered() {
    let mut batch = Batch::with_slots(1, 4);
    batch.push_received(b"?", &Endpoint::Unix(UnixName::Unnamed), None);
    assert_eq!(batch.reply_in_place(0), Queued::NoAddress);
    assert_eq!(batch.take_tally().not_queued, 1);
}
