//! The referee without a network: what each line causes, and what holds whatever
//! players do in whatever order.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::games::Door;

const NAMES: [&str; 4] = ["ann", "ben", "carl", "dora"];

/// A referee and its clients.
struct World {
    referee: Referee,
    now: Instant,
    members: Vec<MemberId>,
    /// Matches won, lost and drawn by name, as the players were told.
    told: BTreeMap<String, [u64; 3]>,
}

impl World {
    fn new(members: usize) -> Self {
        let mut referee = Referee::new(Rules::default());
        referee.desk.dice().stir(&[7; 32]);
        let enter = |_| referee.desk.enter(Door::Nobody);
        let members = (0..members).map(enter).collect();
        World {
            referee,
            now: Instant::now(),
            members,
            told: BTreeMap::new(),
        }
    }

    /// Players with these names.
    fn of(names: &[&str]) -> Self {
        let mut world = World::new(names.len());
        for (seat, name) in names.iter().enumerate() {
            world.say(seat, &format!("HELLO {name} key"));
            world.hears(seat, &[&format!("WELCOME {name} key")]);
        }
        world
    }

    fn say(&mut self, seat: usize, line: &str) {
        self.referee.advance(self.now);
        self.referee.line(self.members[seat], line, self.now);
    }

    /// Everything that waits for a member, without the words for people.
    fn heard(&mut self, seat: usize) -> Vec<String> {
        let bytes = self.referee.desk.take(self.members[seat]);
        let text = String::from_utf8(bytes).unwrap();
        let player = self.referee.desk.player_of(self.members[seat]);
        for line in text.lines() {
            let reply = Reply::parse(line).unwrap_or_else(|| panic!("{line:?} is a reply"));
            if let (Reply::Over { outcome, .. }, Some(player)) = (reply, player) {
                let name = self.referee.desk.name(player).to_owned();
                self.told.entry(name).or_default()[match outcome {
                    Outcome::Win => 0,
                    Outcome::Lose => 1,
                    Outcome::Draw => 2,
                }] += 1;
            }
        }
        let fields = |line: &str| line.split(" -- ").next().unwrap_or_default().to_owned();
        text.lines().map(fields).collect()
    }

    fn hears(&mut self, seat: usize, expected: &[&str]) {
        assert_eq!(self.heard(seat), expected, "member {seat}");
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.referee.advance(self.now);
    }

    /// The connection of a member ends, and another one begins in its place.
    fn reconnect(&mut self, seat: usize) {
        self.referee.advance(self.now);
        self.heard(seat);
        self.referee.hang_up(self.members[seat], self.now);
        self.heard(seat);
        self.referee.desk.leave(self.members[seat]);
        self.members[seat] = self.referee.desk.enter(Door::Nobody);
    }
}

#[test]
fn two_players_are_matched_and_their_moves_are_secret_until_both_are_in() {
    let mut world = World::of(&["ann", "ben"]);
    world.say(0, "PLAY");
    world.hears(0, &["WAITING 300"]);
    world.say(1, "play");
    world.hears(0, &["MATCH ann ben 3", "ROUND 1 30 0 0"]);
    world.hears(1, &["MATCH ben ann 3", "ROUND 1 30 0 0"]);
    world.say(1, "ROCK");
    world.hears(1, &["MOVED ROCK"]);
    world.hears(0, &["READY ben"]);
    world.say(1, "PAPER");
    world.hears(1, &["NO MOVED"]);
    world.say(0, "SCISSORS");
    let result = [
        "MOVED SCISSORS",
        "RESULT 1 SCISSORS ROCK LOSE 0 1",
        "ROUND 2 30 0 1",
    ];
    world.hears(0, &result);
    world.hears(1, &["RESULT 1 ROCK SCISSORS WIN 1 0", "ROUND 2 30 1 0"]);
    world.say(0, "P");
    world.say(1, "R");
    world.say(0, "P");
    world.say(1, "R");
    let end = world.heard(0);
    assert_eq!(end.last().unwrap(), "OVER SCORE WIN 2 1");
    assert_eq!(world.heard(1).last().unwrap(), "OVER SCORE LOSE 1 2");
    world.say(0, "ROCK");
    world.hears(0, &["NO NOT-NOW"]);
    world.say(0, "TOP");
    world.hears(0, &["TOP 2", "SCORE 1 ann 1 0 0", "SCORE 2 ben 0 1 0"]);
}

#[test]
fn one_can_be_asked_for_by_name() {
    let mut world = World::of(&["ann", "ben", "carl"]);
    world.say(0, "PLAY BEN");
    world.hears(0, &["WAITING 300 ben"]);
    world.hears(1, &["INVITE ann 300"]);
    world.say(2, "PLAY");
    world.hears(2, &["WAITING 300"]);
    // Who is asked for by name and asks for anybody gets whoever waits for anybody.
    world.say(1, "PLAY ann");
    world.hears(1, &["MATCH ben ann 3", "ROUND 1 30 0 0"]);
    world.heard(0);
    for (line, answer) in [
        ("PLAY ann", "NO NOT-NOW"),
        ("LEAVE", "IDLE"),
        ("PLAY ann", "NO BUSY"),
        ("PLAY carl", "NO NOBODY"),
        ("PLAY nobody", "NO NOBODY"),
        ("LEAVE", "NO NOT-NOW"),
        ("HELLO dora", "NO LOGGED-IN"),
        ("AGAIN", "IDLE"),
    ] {
        world.say(2, line);
        world.hears(2, &[answer]);
    }
    world.say(1, "LEAVE");
    world.hears(1, &["OVER LEFT LOSE 0 0"]);
    world.hears(0, &["OVER LEFT WIN 0 0"]);
}

#[test]
fn who_waits_can_play_the_house_meanwhile() {
    let mut world = World::of(&["ann", "ben"]);
    for wait in ["PLAY", "PLAY ben"] {
        world.say(0, wait);
        world.heard(0);
        world.say(0, "PLAY ben");
        world.hears(0, &["NO NOT-NOW"]);
        world.say(0, "play House");
        world.hears(0, &["MATCH ann house 3", "ROUND 1 30 0 0"]);
        // She waits for nobody any more.
        world.heard(1);
        world.say(1, "PLAY");
        world.hears(1, &["WAITING 300"]);
        world.say(1, "LEAVE");
        world.say(0, "LEAVE");
        world.heard(0);
        world.heard(1);
        assert!(world.referee.due.is_empty() && world.referee.invitations.is_empty());
    }
}

#[test]
fn nobody_waits_for_ever() {
    let mut world = World::of(&["ann", "ben"]);
    world.say(0, "PLAY ben");
    world.heard(0);
    world.wait(Duration::from_millis(299_999));
    world.hears(0, &[]);
    world.wait(Duration::from_millis(1));
    world.hears(0, &["NO NO-MATCH"]);
    world.say(0, "PLAY ben");
    world.heard(0);
    world.reconnect(1);
    world.hears(0, &["NO NOBODY"]);
    assert!(world.referee.due.is_empty() && world.referee.invitations.is_empty());
}

#[test]
fn who_does_not_move_loses_and_who_goes_away_may_come_back_in_time() {
    let mut world = World::of(&["ann", "ben"]);
    world.say(0, "PLAY");
    world.say(1, "PLAY");
    world.say(0, "ROCK");
    world.wait(Duration::from_secs(30));
    assert_eq!(
        world.heard(1)[3..],
        ["RESULT 1 - ROCK LOSE 0 1", "ROUND 2 30 0 1"]
    );
    world.heard(0);
    world.say(0, "ROCK");
    world.heard(0);
    world.reconnect(1);
    world.hears(0, &["AWAY ben 30"]);
    world.wait(Duration::from_secs(29));
    world.hears(0, &[]);
    world.say(1, "HELLO ben wrong");
    world.hears(1, &["NO IN-USE"]);
    world.say(1, "HELLO ben key");
    world.hears(
        1,
        &[
            "WELCOME ben key",
            "MATCH ben ann 3",
            "ROUND 2 30 0 1",
            "READY ann",
        ],
    );
    world.hears(0, &["BACK ben", "ROUND 2 30 1 0", "MOVED ROCK"]);
    world.reconnect(1);
    world.hears(0, &["AWAY ben 1"]);
    world.wait(Duration::from_secs(1));
    world.hears(0, &["OVER AWAY WIN 1 0"]);
    world.say(1, "HELLO ben key");
    world.hears(1, &["WELCOME ben key"]);
}

#[test]
fn who_stayed_hears_what_is_in_when_the_other_comes_back() {
    let mut world = World::of(&["ann", "ben"]);
    world.say(0, "PLAY");
    world.say(1, "PLAY");
    let leave_and_return = |world: &mut World| {
        world.reconnect(0);
        world.say(0, "HELLO ann key");
        world.heard(0);
        world.heard(1)
    };
    let heard = leave_and_return(&mut world);
    assert_eq!(heard[2..], ["AWAY ann 30", "BACK ann", "ROUND 1 30 0 0"]);
    world.say(0, "ROCK");
    world.hears(1, &["READY ann"]);
    let round = ["AWAY ann 30", "BACK ann", "ROUND 1 30 0 0"];
    let heard = leave_and_return(&mut world);
    assert_eq!(heard, [&round[..], &["READY ann"]].concat());
    // Both are gone: who comes back first hears that the other is away still.
    world.reconnect(1);
    world.reconnect(0);
    world.say(1, "HELLO ben key");
    assert_eq!(
        world.heard(1)[2..],
        ["ROUND 1 30 0 0", "READY ann", "AWAY ann 30"]
    );
    world.say(1, "SCISSORS");
    let heard = world.heard(1);
    assert_eq!(
        heard[..2],
        ["MOVED SCISSORS", "RESULT 1 SCISSORS ROCK LOSE 0 1"]
    );
}

#[test]
fn nobody_holds_a_match_up_by_coming_and_going() {
    let mut world = World::of(&["ann", "ben"]);
    world.say(0, "PLAY");
    world.say(1, "PLAY");
    world.say(0, "ROCK");
    world.wait(Duration::from_secs(29));
    world.heard(0);
    world.reconnect(1);
    world.say(1, "HELLO ben key");
    // The clock goes on from where it stood.
    assert_eq!(world.heard(1)[2], "ROUND 1 1 0 0");
    let back = ["AWAY ben 30", "BACK ben", "ROUND 1 1 0 0", "MOVED ROCK"];
    world.hears(0, &back);
    world.wait(Duration::from_secs(29));
    assert_eq!(world.heard(0)[0], "RESULT 1 ROCK - WIN 1 0");
}

#[test]
fn a_key_takes_a_name_over_from_a_connection_that_hangs() {
    let mut world = World::of(&["ann", "ben"]);
    world.say(0, "PLAY house");
    world.heard(0);
    world.say(1, "BYE");
    let other = world.referee.desk.enter(Door::Nobody);
    world.members.push(other);
    world.say(2, "HELLO ann key");
    let heard = world.heard(2);
    assert_eq!(
        heard,
        ["WELCOME ann key", "MATCH ann house 3", "ROUND 1 30 0 0"]
    );
    assert_eq!(
        world.referee.desk.ending(world.members[0]),
        Some(Ending::Finished)
    );
}

#[test]
fn a_stranger_is_told_to_log_in_and_every_mistake_has_its_reason() {
    let mut world = World::new(2);
    for (line, answer) in [
        ("PLAY", "NO LOGIN"),
        ("ROCK", "NO LOGIN"),
        ("", "NO REQUEST"),
        ("GET / HTTP/1.1", "NO REQUEST"),
        ("HELLO", "NO REQUEST"),
        ("HELLO 1a", "NO NAME"),
        ("HELLO House", "NO IN-USE"),
        ("HELLO ann key", "WELCOME ann key"),
        ("HELLO ann", "WELCOME ann key"),
    ] {
        world.say(0, line);
        world.hears(0, &[answer]);
    }
    world.say(1, "HELLO ANN");
    world.hears(1, &["NO IN-USE"]);
    world.say(1, "HELP");
    assert_eq!(world.heard(1).len(), HELP.len());
    world.say(1, "BYE");
    world.hears(1, &["BYE"]);
}

#[test]
fn the_house_shows_all_three() {
    let mut world = World::of(&["ann"]);
    let mut shown = BTreeMap::new();
    for _ in 0..60 {
        world.say(0, "PLAY house");
        world.say(0, "ROCK");
        for line in world.heard(0) {
            if let Some(Reply::Result { moves, .. }) = Reply::parse(&line) {
                *shown.entry(moves[1].unwrap().word()).or_insert(0) += 1;
            }
        }
        world.say(0, "LEAVE");
        world.heard(0);
    }
    assert!(
        shown.len() == 3 && shown.values().all(|count| *count > 5),
        "{shown:?}"
    );
}

/// Something that happens.
#[derive(Clone, Debug)]
enum Step {
    Say(usize, &'static str),
    Hello(usize, usize),
    Wait(u64),
    Reconnect(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let line = prop_oneof![
        4 => prop::sample::select(vec!["ROCK", "PAPER", "SCISSORS"]),
        3 => prop::sample::select(vec!["PLAY", "PLAY house", "PLAY ann", "PLAY ben"]),
        1 => prop::sample::select(vec!["LEAVE", "TOP", "AGAIN", "HELP", "", "x", "BYE"]),
    ];
    prop_oneof![
        12 => (0..5_usize, line).prop_map(|(seat, line)| Step::Say(seat, line)),
        3 => (0..5_usize, 0..NAMES.len()).prop_map(|(seat, name)| Step::Hello(seat, name)),
        2 => (0..40_u64).prop_map(Step::Wait),
        1 => (0..5_usize).prop_map(Step::Reconnect),
    ]
}

/// The moves that are in of the match of a player, as the referee knows them.
fn moves_in(world: &World, seat: usize) -> Option<[bool; 2]> {
    let player = world.referee.desk.player_of(world.members[seat])?;
    let Place::Playing(index, side) = world.referee.place(player) else {
        return None;
    };
    let bout = &world.referee.matches.get(index)?.bout;
    Some([
        bout.shown(side).is_some(),
        bout.shown(side.other()).is_some(),
    ])
}

fn happen(world: &mut World, step: &Step) {
    match step {
        Step::Say(seat, line) => {
            let before = moves_in(world, *seat);
            world.say(*seat, line);
            let is_move = ["ROCK", "PAPER", "SCISSORS"].contains(line);
            let heard = world.heard(*seat);
            assert!(!heard.is_empty(), "{line:?} has an answer");
            let results = heard
                .iter()
                .filter(|line| line.starts_with("RESULT"))
                .count();
            // A round ends by a move only as the second one.
            let ends = is_move && before == Some([false, true]);
            assert_eq!(results, usize::from(ends), "{line:?} {before:?} {heard:?}");
        }
        Step::Hello(seat, name) => {
            world.say(*seat, &format!("HELLO {} key", NAMES[*name]));
            assert!(!world.heard(*seat).is_empty());
        }
        Step::Wait(seconds) => world.wait(Duration::from_secs(*seconds)),
        Step::Reconnect(seat) => world.reconnect(*seat),
    }
    for seat in 0..world.members.len() {
        world.heard(seat);
        if world.referee.desk.ending(world.members[seat]).is_some() {
            world.reconnect(seat);
        }
    }
}

proptest! {
    #[test]
    fn every_line_has_an_answer_and_the_books_balance(
        steps in prop::collection::vec(step(), 0..150)
    ) {
        let mut world = World::new(5);
        for step in &steps {
            happen(&mut world, step);
        }
        // Whoever is still in a match or waits: time ends all of it.
        for _ in 0..10 {
            world.wait(Duration::from_secs(400));
        }
        for seat in 0..5 {
            world.heard(seat);
        }
        prop_assert!(world.referee.matches.is_empty() && world.referee.due.is_empty());
        prop_assert!(world.referee.anybody.is_none() && world.referee.invitations.is_empty());
        // Every match that was reported stands in both accounts, and nothing else does.
        let mut counted: BTreeMap<String, [u64; 3]> = BTreeMap::new();
        for words in world.referee.desk.told() {
            let words: Vec<&str> = words.split(' ').collect();
            let (one, two, rows) = match words[..] {
                [winner, "beat", loser, ..] => (winner, loser, [0, 1]),
                [one, "and", two, "drew", ..] => (one, two, [2, 2]),
                _ => continue,
            };
            counted.entry(one.to_owned()).or_default()[rows[0]] += 1;
            counted.entry(two.to_owned()).or_default()[rows[1]] += 1;
        }
        for (name, account) in world.referee.desk.accounts() {
            prop_assert_eq!(counted.get(name).copied().unwrap_or_default(), account.matches);
            prop_assert_eq!(account.place, Place::Idle);
            let told = world.told.get(name).copied().unwrap_or_default();
            // Who was not connected was told nothing, and never more than happened.
            for (told, counted) in told.iter().zip(account.matches) {
                prop_assert!(*told <= counted, "{}", name);
            }
        }
    }
}
