//! A crowd in the chat: every message accounted for, by the load engine. The full
//! size is `./ci.sh chat`; this is a tenth of it.

use std::time::Duration;

use wharf_check::load::{
    Amount, Chat, ChatCounts, Messages, Options, Pacing, Report, Stalled, Target, run,
};

use crate::support::Server;

fn server() -> (Server, Target) {
    // Tests share a machine: no descriptor limit of the shell's may stand in the way.
    wharf_check::load::raise_descriptor_limit().unwrap();
    let mut server = Server::start(["chat", "tcp:127.0.0.1:0"]);
    let at = server.local();
    let at = at.strip_prefix("tcp:").unwrap_or(&at).parse().unwrap();
    (server, Target::Tcp(at))
}

/// `users` who send `each` messages.
fn talk(target: Target, users: usize, each: u64, chat: Chat, depth: usize) -> Report {
    let mut options = Options::new(target);
    options.connections = users;
    options.messages = Messages::Chat(chat);
    options.messages_per_connection = Some(each);
    options.pacing = Pacing::Closed { depth };
    options.warm_up = Duration::ZERO;
    options.connect_timeout = Duration::from_secs(30);
    options.reply_timeout = Duration::from_secs(30);
    options.amount = Amount::Requests {
        count: users as u64 * each,
        at_most: Duration::from_secs(60),
    };
    run(&options).unwrap()
}

fn all_came(report: &Report, users: usize, each: u64) -> ChatCounts {
    assert!(report.errors.is_empty(), "{}", report.errors);
    assert_eq!(report.messages, users as u64 * each);
    let counts = report.chat.unwrap();
    let wrong = (
        counts.lost,
        counts.doubled,
        counts.reordered,
        counts.altered,
    );
    assert_eq!(wrong, (0, 0, 0, 0));
    counts
}

#[test]
fn twenty_users_who_write_byte_by_byte_lose_nothing() {
    let (_server, target) = server();
    let mut chat = Chat::default();
    chat.write_at_most = Some(1);
    let report = talk(target, 20, 10, chat, 1);
    all_came(&report, 20, 10);
}

#[test]
fn a_thousand_users_at_once_lose_nothing() {
    let (_server, target) = server();
    let report = talk(target, 1_000, 2, Chat::default(), 1);
    assert_eq!(all_came(&report, 1_000, 2).users, 1_000);
}

#[test]
fn a_hundred_users_with_a_thousand_messages_each_lose_nothing() {
    let (_server, target) = server();
    let report = talk(target, 100, 1_000, Chat::default(), 4);
    all_came(&report, 100, 1_000);
}

#[test]
fn one_who_never_reads_is_a_slow_reader_and_the_others_lose_nothing() {
    let (mut server, target) = server();
    let mut chat = Chat::default();
    chat.size = 20_000;
    chat.stalled = Stalled { users: 1, every: 2 };
    let report = talk(target, 50, 40, chat, 2);
    let counts = all_came(&report, 50, 40);
    assert_eq!(counts.stalled_closed, 1, "{counts:?}");
    assert!(counts.stalled_rejected > 0, "{counts:?}");
    assert_eq!(server.closed(), "slow-reader");
}
