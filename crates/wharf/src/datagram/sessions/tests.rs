//! Tests of `sessions`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::network::Platform;
use crate::service::Drain;

fn peer(text: &str) -> Endpoint {
    Endpoint::Inet(text.parse().unwrap())
}

fn context() -> Context {
    Context::new(Platform::os(), Drain::new())
}

/// What is in the batch to be sent, as text.
fn outgoing(batch: &Batch) -> Vec<(String, String)> {
    let text = |payload| String::from_utf8_lossy(payload).into_owned();
    let all = batch.outgoing_iter();
    all.map(|out| (out.to.to_string(), text(out.payload)))
        .collect()
}

/// Says "still there?" a second after it last heard something.
#[derive(Default)]
struct Nagging(Option<Instant>);

impl Conversation for Nagging {
    fn receive(&mut self, message: &[u8], now: Instant, out: &mut Outbox) {
        self.0 = Some(now + Duration::from_secs(1));
        out.push(message);
        if message == b"bye" {
            out.end();
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.0
    }

    fn timeout(&mut self, _: Instant, out: &mut Outbox) {
        self.0 = None;
        out.push(b"still there?");
    }
}

#[tokio::test(start_paused = true)]
async fn a_conversation_goes_on_with_each_peer_and_speaks_by_itself() {
    let service = Sessions::new(|_| Nagging::default());
    let mut batch = Batch::with_slots(4, 64);
    batch.push_received(b"one", &peer("127.0.0.1:1"), None);
    batch.push_received(b"bye", &peer("127.0.0.1:2"), None);
    service.receive(&mut batch, &context());
    assert_eq!(outgoing(&batch)[1], ("127.0.0.1:2".into(), "bye".into()));
    assert_eq!(service.counters().live, 1);

    let due = service.deadline().unwrap();
    assert_eq!(due, Instant::now() + Duration::from_secs(1));
    batch.clear();
    service.timeout(due, &mut batch, &context());
    let expected = vec![("127.0.0.1:1".into(), "still there?".into())];
    assert_eq!(outgoing(&batch), expected);
}

#[tokio::test(start_paused = true)]
async fn a_stranger_is_not_sent_more_than_it_sent() {
    let service = Sessions::new(|_| Nagging::default());
    let mut batch = Batch::with_slots(4, 64);
    batch.push_received(b"hi", &peer("192.0.2.1:1"), None);
    service.receive(&mut batch, &context());
    assert_eq!(outgoing(&batch).len(), 1);
    batch.clear();
    service.timeout(service.deadline().unwrap(), &mut batch, &context());
    assert_eq!(outgoing(&batch), []);
    assert_eq!(batch.tally_mut().amplification_refused, 1);
}

/// Passes what it hears on to the peer whose address it hears.
struct Mail {
    me: Endpoint,
    boxes: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
}

impl Conversation for Mail {
    fn receive(&mut self, message: &[u8], _: Instant, out: &mut Outbox) {
        out.trust_peer();
        if let Ok(to) = String::from_utf8_lossy(message).parse().map(Endpoint::Inet) {
            let note = self.me.to_string().into_bytes();
            self.boxes.lock().unwrap().insert(to.to_string(), note);
            out.wake(&to);
        }
    }

    fn timeout(&mut self, _: Instant, out: &mut Outbox) {
        if let Some(note) = self.boxes.lock().unwrap().remove(&self.me.to_string()) {
            out.push(&note);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_conversation_wakes_another_in_the_same_batch() {
    let boxes = Arc::default();
    let service = Sessions::new(move |me: &Endpoint| Mail {
        me: me.clone(),
        boxes: Arc::clone(&boxes),
    });
    let mut batch = Batch::with_slots(4, 64);
    batch.push_received(b"", &peer("192.0.2.1:1"), None);
    batch.push_received(b"192.0.2.1:1", &peer("192.0.2.2:2"), None);
    service.receive(&mut batch, &context());
    let expected = vec![("192.0.2.1:1".into(), "192.0.2.2:2".into())];
    assert_eq!(outgoing(&batch), expected);
}

/// Wakes itself for ever.
struct Restless(Endpoint);

impl Conversation for Restless {
    fn receive(&mut self, _: &[u8], _: Instant, out: &mut Outbox) {
        out.wake(&self.0);
    }

    fn timeout(&mut self, _: Instant, out: &mut Outbox) {
        out.wake(&self.0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_conversation_that_never_rests_does_not_hold_the_others_up() {
    let service = Sessions::new(|me: &Endpoint| Restless(me.clone()));
    let mut batch = Batch::with_slots(4, 64);
    batch.push_received(b"", &peer("192.0.2.1:1"), None);
    service.receive(&mut batch, &context());
    assert_eq!(service.deadline(), Some(Instant::now()));
}
