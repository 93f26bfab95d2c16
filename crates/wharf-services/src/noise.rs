//! Random bytes to every service, over streams and in datagrams: none panics, and
//! every conversation comes to its end.

use proptest::prelude::*;
use wharf::datagram::DatagramService;
use wharf::framing::Framing;
use wharf::service::{AnyService, Framed, Replies};

use crate::Blackjack;
use crate::chat::{Rules, UnreliableChat};
use crate::message::Messages;
use crate::rps::DatagramRps;
use crate::testing::{EVERYWHERE, LOCAL, STRANGER, answers, conversation};
use crate::upper::Letters;
use crate::{
    Chargen, Chat, Daytime, Discard, Echo, Message, Rps, Time, Upper, echo_reply, upper_reply,
};

const FRAMINGS: [&str; 7] = [
    "lines",
    "crlf",
    "u8",
    "u32le",
    "varint",
    "netstring",
    "fixed=3",
];

/// Every service over streams, with every option that changes its way.
fn streams() -> Vec<AnyService> {
    let message = Message::new(|shown| drop(shown.to_string()));
    let mut all = vec![
        AnyService::new(Echo::default()),
        AnyService::new(Echo {
            replies: Replies::Once,
        }),
        AnyService::new(Upper::default()),
        AnyService::new(Upper {
            letters: Letters::Ascii,
            replies: Replies::Once,
        }),
        AnyService::new(message.clone().messages(Messages::One)),
        AnyService::new(Discard::default()),
        AnyService::new(Chargen),
        AnyService::new(Chat::default()),
        AnyService::new(Rps::default()),
        AnyService::new(Blackjack::default()),
        AnyService::new(Daytime),
        AnyService::new(Time),
        #[cfg(unix)]
        AnyService::new(crate::Exec::new("cat", ["-"])),
    ];
    for name in FRAMINGS {
        let framing: Framing = name.parse().unwrap();
        all.push(AnyService::new(Framed::new(framing.clone(), echo_reply)));
        all.push(AnyService::new(Framed::new(framing.clone(), upper_reply)));
        all.push(AnyService::new(message.clone().framing(framing.clone())));
        all.push(AnyService::new(Discard {
            framing: Some(framing),
        }));
    }
    all
}

/// What a service answers to the datagrams of a peer.
type Answers = Box<dyn Fn(&str, &[&[u8]]) -> Vec<Vec<u8>>>;

fn datagrams() -> Vec<Answers> {
    fn of(service: impl DatagramService) -> Answers {
        Box::new(move |peer, sent| answers(&service, peer, sent))
    }
    vec![
        of(Echo::default()),
        of(Upper::default()),
        of(Message::new(|shown| drop(shown.to_string()))),
        of(Discard::default()),
        of(Chargen),
        of(UnreliableChat::new(Rules::default(), 1, |_| {})),
        of(DatagramRps::new(Default::default(), |_| {})),
        of(Daytime),
        of(Time),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn over_streams(
        words in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..4),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            for service in streams() {
                for delivery in EVERYWHERE {
                    // An error is an answer too; a panic or a wait without end is not.
                    let _ = conversation(service.clone(), delivery, &words).await;
                }
            }
        });
    }

    #[test]
    fn in_datagrams(
        sent in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 1..8),
    ) {
        let sent: Vec<&[u8]> = sent.iter().map(Vec::as_slice).collect();
        for service in datagrams() {
            service(LOCAL, &sent);
            let replied: usize = service(STRANGER, &sent).iter().map(Vec::len).sum();
            prop_assert!(replied <= sent.iter().map(|datagram| datagram.len()).sum());
        }
    }
}
