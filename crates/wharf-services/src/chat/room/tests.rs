//! The rows of the protocol's table of exact behaviour, each as a dialogue.

use super::*;
use crate::chat::rules::Bots;

/// A room in which members are known by a number.
struct Scene {
    room: Room<u32>,
    fx: Effects<u32>,
    now: Instant,
}

impl Scene {
    fn new(rules: Rules) -> Self {
        Scene {
            room: Room::new(rules),
            fx: Effects::default(),
            now: Instant::now(),
        }
    }

    fn enter(&mut self) -> MemberId {
        let handle = u32::try_from(self.room.members.len()).unwrap();
        self.room.enter(handle, None)
    }

    fn enter_from(&mut self, address: &str) -> MemberId {
        self.room.enter(0, Some(address.parse().unwrap()))
    }

    /// A member that is logged in.
    fn user(&mut self, name: &str) -> MemberId {
        let id = self.enter();
        assert_eq!(
            self.ask(id, &format!("HELLO-FROM {name}")),
            format!("HELLO {name}\n")
        );
        id
    }

    /// Says a line and gives everything that then waits for the member.
    fn ask(&mut self, id: MemberId, line: &str) -> String {
        let verdict = self.room.line(id, line.as_bytes(), &mut self.fx);
        let heard = self.heard(id);
        match verdict {
            Verdict::Stays => heard,
            Verdict::Closes(_) => heard + "(closed)",
        }
    }

    fn heard(&mut self, id: MemberId) -> String {
        let mut heard = Vec::new();
        while let Some(output) = self.room.take(id, self.now).unwrap() {
            heard.extend(output.bytes);
        }
        String::from_utf8(heard).unwrap()
    }
}

fn strict() -> Rules {
    Rules {
        refused: Refused::Close,
        ..Rules::default()
    }
}

/// What a client that is not logged in is answered, by default and by the strict policy.
#[test]
fn before_login() {
    let too_long = format!("HELLO-FROM {}", "x".repeat(65));
    for (line, kept, closed) in [
        ("HELLO-FROM Bob2", "HELLO Bob2\n", "HELLO Bob2\n"),
        ("HELLO-FROM", "BAD-RQST-BODY\n", "BAD-RQST-BODY\n(closed)"),
        ("HELLO-FROM ", "BAD-RQST-BODY\n", "BAD-RQST-BODY\n(closed)"),
        (
            "HELLO-FROM a b",
            "BAD-RQST-BODY\n",
            "BAD-RQST-BODY\n(closed)",
        ),
        (
            "HELLO-FROM a,b",
            "BAD-RQST-BODY\n",
            "BAD-RQST-BODY\n(closed)",
        ),
        (
            "HELLO-FROM a@b",
            "BAD-RQST-BODY\n",
            "BAD-RQST-BODY\n(closed)",
        ),
        (
            "HELLO-FROM a_b",
            "BAD-RQST-BODY\n",
            "BAD-RQST-BODY\n(closed)",
        ),
        ("HELLO-FROM é", "BAD-RQST-BODY\n", "BAD-RQST-BODY\n(closed)"),
        (
            "HELLO-FROM bob!!!",
            "BAD-RQST-BODY\n",
            "BAD-RQST-BODY\n(closed)",
        ),
        (&too_long, "BAD-RQST-BODY\n", "BAD-RQST-BODY\n(closed)"),
        ("HELLO-FROM ann", "IN-USE\n", "IN-USE\n(closed)"),
        ("HELLO-FROM Ann", "HELLO Ann\n", "HELLO Ann\n"),
        ("HELLO-FROM echobot", "IN-USE\n", "IN-USE\n(closed)"),
        ("HELLO-FROM DELAYbot", "IN-USE\n", "IN-USE\n(closed)"),
        ("hello-from bob", "BAD-RQST-HDR\n", "BAD-RQST-HDR\n"),
        ("NONSENSE", "BAD-RQST-HDR\n", "BAD-RQST-HDR\n"),
        ("", "BAD-RQST-HDR\n", "BAD-RQST-HDR\n"),
        ("WHO", "BAD-RQST-HDR\n", "BAD-RQST-HDR\n"),
        ("LIST", "BAD-RQST-HDR\n", "BAD-RQST-HDR\n"),
        ("SEND ann hi", "BAD-RQST-HDR\n", "BAD-RQST-HDR\n"),
        ("SEND", "BAD-RQST-HDR\n", "BAD-RQST-HDR\n"),
    ] {
        for (rules, expected) in [(Rules::default(), kept), (strict(), closed)] {
            let mut scene = Scene::new(rules);
            scene.user("ann");
            let bob = scene.enter();
            assert_eq!(scene.ask(bob, line), expected, "{line:?}");
        }
    }
}

/// What a user is answered; the policy makes no difference.
#[test]
fn after_login() {
    for (line, expected) in [
        ("HELLO-FROM carl", "BAD-RQST-HDR\n"),
        ("HELLO-FROM", "BAD-RQST-HDR\n"),
        ("WHO", "WHO-OK echobot,delaybot,ben,ann\n"),
        ("LIST", "LIST-OK echobot,delaybot,ben,ann\n"),
        ("WHO x", "BAD-RQST-HDR\n"),
        ("LIST x", "BAD-RQST-HDR\n"),
        ("who", "BAD-RQST-HDR\n"),
        ("", "BAD-RQST-HDR\n"),
        ("SEND", "BAD-RQST-BODY\n"),
        ("SEND ben", "BAD-RQST-BODY\n"),
        ("SEND ben ", "BAD-RQST-BODY\n"),
        ("SENDX ben hi", "BAD-RQST-HDR\n"),
        ("SEND ben hi", "SEND-OK\n"),
        ("SEND nobody hi", "UNKNOWN\n"),
        ("SEND Ben hi", "UNKNOWN\n"),
        ("SEND ann hi", "SEND-OK\nDELIVERY ann hi\n"),
        ("SEND ECHOBOT hi", "SEND-OK\nDELIVERY echobot hi\n"),
        ("SEND delaybot hi", "SEND-OK\nDELIVERY d"),
    ] {
        for rules in [Rules::default(), strict()] {
            let mut scene = Scene::new(rules);
            scene.user("ben");
            let ann = scene.user("ann");
            assert_eq!(scene.ask(ann, line), expected, "{line:?}");
        }
    }
}

#[test]
fn text_is_trimmed_at_both_ends_and_keeps_its_inner_spaces() {
    let mut scene = Scene::new(Rules::default());
    let ben = scene.user("ben");
    let ann = scene.user("ann");
    assert_eq!(scene.ask(ann, "SEND ben   a  b  "), "SEND-OK\n");
    assert_eq!(scene.heard(ben), "DELIVERY ann a  b\n");
    assert_eq!(scene.fx.rung[..], [0]);
}

#[test]
fn bytes_that_are_no_utf8_are_replaced() {
    let mut scene = Scene::new(Rules::default());
    let ann = scene.user("ann");
    scene.room.line(ann, b"SEND ann a\xffb", &mut scene.fx);
    assert_eq!(scene.heard(ann), "SEND-OK\nDELIVERY ann a\u{fffd}b\n");
}

#[test]
fn a_line_that_is_too_long_is_a_bad_body_and_the_connection_lives() {
    let mut scene = Scene::new(strict());
    let ann = scene.enter();
    scene.room.line_too_long(ann);
    assert_eq!(scene.heard(ann), "BAD-RQST-BODY\n");
    assert_eq!(scene.ask(ann, "HELLO-FROM ann"), "HELLO ann\n");
}

#[test]
fn the_dialect_is_the_one_that_was_used_last() {
    let list = Rules {
        dialect: Dialect::List,
        ..Rules::default()
    };
    for (rules, first) in [(Rules::default(), "UNKNOWN\n"), (list, "BAD-DEST-USER\n")] {
        let mut scene = Scene::new(rules);
        let ann = scene.user("ann");
        assert_eq!(scene.ask(ann, "SEND x hi"), first);
        assert!(scene.ask(ann, "LIST").starts_with("LIST-OK "));
        assert_eq!(scene.ask(ann, "SEND x hi"), "BAD-DEST-USER\n");
        assert!(scene.ask(ann, "WHO").starts_with("WHO-OK "));
        assert_eq!(scene.ask(ann, "SEND x hi"), "UNKNOWN\n");
    }
}

#[test]
fn after_a_name_in_use_another_one_can_be_tried() {
    let mut scene = Scene::new(Rules::default());
    let first = scene.user("ann");
    let second = scene.enter();
    assert_eq!(scene.ask(second, "HELLO-FROM ann"), "IN-USE\n");
    assert_eq!(scene.ask(second, "HELLO-FROM anne"), "HELLO anne\n");
    scene.room.leave(first, &mut scene.fx);
    let third = scene.user("ann");
    assert_eq!(
        scene.ask(third, "WHO"),
        "WHO-OK echobot,delaybot,anne,ann\n"
    );
}

#[test]
fn a_full_room_is_busy_and_closes_by_either_policy() {
    for rules in [Rules::default(), strict()] {
        let mut scene = Scene::new(Rules {
            max_users: 1,
            ..rules
        });
        let ann = scene.user("ann");
        let ben = scene.enter();
        assert_eq!(scene.ask(ben, "HELLO-FROM ben"), "BUSY\n(closed)");
        scene.room.leave(ben, &mut scene.fx);
        scene.room.leave(ann, &mut scene.fx);
        scene.user("ben");
    }
}

#[test]
fn an_address_has_its_share_and_the_new_one_is_refused() {
    let mut scene = Scene::new(Rules {
        per_address: Some(1),
        ..Rules::default()
    });
    let ann = scene.enter_from("192.0.2.1");
    assert_eq!(scene.ask(ann, "HELLO-FROM ann"), "HELLO ann\n");
    let ben = scene.enter_from("192.0.2.1");
    assert_eq!(scene.ask(ben, "HELLO-FROM ben"), "BUSY\n(closed)");
    let carl = scene.enter_from("192.0.2.2");
    assert_eq!(scene.ask(carl, "HELLO-FROM carl"), "HELLO carl\n");
    assert!(scene.room.is_user(ann));
    scene.room.leave(ann, &mut scene.fx);
    assert_eq!(scene.ask(ben, "HELLO-FROM ben"), "HELLO ben\n");
}

#[test]
fn without_bots_their_names_are_free() {
    let mut scene = Scene::new(Rules {
        bots: Bots::Absent,
        ..Rules::default()
    });
    let ann = scene.user("ann");
    assert_eq!(scene.ask(ann, "WHO"), "WHO-OK ann\n");
    assert_eq!(scene.ask(ann, "SEND echobot hi"), "UNKNOWN\n");
    scene.user("echobot");
}

#[test]
fn a_user_that_does_not_read_is_cut_and_its_name_is_free() {
    let mut scene = Scene::new(Rules {
        max_waiting_messages: 2,
        ..Rules::default()
    });
    let ben = scene.user("ben");
    let ann = scene.user("ann");
    for expected in ["SEND-OK\n", "SEND-OK\n", "UNKNOWN\n", "UNKNOWN\n"] {
        assert_eq!(scene.ask(ann, "SEND ben hi"), expected);
    }
    assert_eq!(
        scene.room.take(ben, scene.now),
        Err(SlowReader(2 * "DELIVERY ann hi\n".len()))
    );
    assert_eq!(scene.ask(ann, "WHO"), "WHO-OK echobot,delaybot,ann\n");
    scene.user("ben");
    // The one that was cut leaves, which changes nothing for its namesake.
    assert!(scene.room.leave(ben, &mut scene.fx).is_empty());
    assert_eq!(scene.ask(ann, "SEND ben hi"), "SEND-OK\n");
    let slow = scene.fx.told.iter().filter(|told| {
        let Told::Left { name, why, .. } = told else {
            return false;
        };
        &**name == "ben" && *why == Leave::SlowReader
    });
    assert_eq!(slow.count(), 1);
}

#[test]
fn a_user_that_asks_without_reading_is_held_up() {
    let mut scene = Scene::new(Rules::default());
    let ann = scene.user("ann");
    let mut asked = 0;
    while !scene.room.is_clogged(ann) {
        scene.room.line(ann, b"WHO", &mut scene.fx);
        asked += 1;
    }
    assert!((1_000..5_000).contains(&asked));
    scene.heard(ann);
    assert!(!scene.room.is_clogged(ann));
}

#[test]
fn words_are_told_only_when_asked_for() {
    for (report, expected) in [(Report::Presence, 0), (Report::Messages, 1)] {
        let mut scene = Scene::new(Rules {
            report,
            ..Rules::default()
        });
        let ann = scene.user("ann");
        scene.ask(ann, "SEND echobot secret");
        let said = scene.fx.told.iter();
        let said = said.filter(|told| matches!(told, Told::Said { .. }));
        assert_eq!(said.count(), expected);
    }
}
