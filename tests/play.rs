//! `wharf play` on a terminal and in a pipe, against the house and against others.

#[path = "support/lossy.rs"]
mod lossy;
#[path = "support/screen.rs"]
mod screen;
mod support;

use std::net::UdpSocket;
use std::time::Instant;

use lossy::Lossy;
use screen::Terminal;
use support::{DEADLINE, Process, Server, run, wharf};

/// Types `key` until the screen shows one of these.
#[track_caller]
fn until_one_of(terminal: &mut Terminal, texts: &[&str]) -> String {
    terminal.wait_until(|screen| texts.iter().any(|text| screen.contents().contains(text)));
    let shown = terminal.text();
    let found = texts.iter().find(|text| shown.contains(**text));
    (*found.unwrap()).to_owned()
}

#[test]
fn a_match_against_the_house_needs_no_server() {
    let mut terminal = Terminal::wharf(&["play", "rps", "--as", "ann"], 80, 24);
    terminal.shows("your move in round 1").shows("house");
    let began = Instant::now();
    for round in 2.. {
        terminal.type_in("r");
        let next = format!("your move in round {round}");
        let shown = until_one_of(
            &mut terminal,
            &[&next, "you win the match", "you lose the match"],
        );
        if shown != next {
            break;
        }
        assert!(began.elapsed() < DEADLINE, "a match has an end");
    }
    terminal
        .shows("Enter play again")
        .type_in("t")
        .shows("player");
    // A key that comes together with a change of size would wait for the next one.
    terminal.type_in(" ").resize(100, 30).shows("play again");
    terminal.type_in("q");
    let (status, _) = terminal.end();
    assert!(status.success());
}

#[test]
fn a_round_of_blackjack_against_the_house_is_dealt_again() {
    let mut terminal = Terminal::wharf(&["play", "blackjack", "--as", "ann", "--ascii"], 80, 24);
    terminal
        .shows("your bet:  10")
        .type_in("+")
        .shows("your bet:  15");
    terminal.type_in("-").shows("your bet:  10").type_in("\r");
    let fair = "ok: dealt again and found fair";
    while until_one_of(&mut terminal, &["> your turn", fair]) != fair {
        terminal.type_in("s");
        terminal.wait_until(|screen| !screen.contents().contains("> your turn"));
    }
    terminal.shows(".-----.").shows("your bet:");
    terminal.type_in("\u{3}");
    let (status, _) = terminal.end();
    assert_eq!(status.exit_code(), 130);
}

#[test]
fn two_people_play_at_a_referees() {
    let mut server = Server::start(["rps", "tcp:127.0.0.1:0", "--best-of", "1"]);
    let at = format!("127.0.0.1:{}", server.port());
    let mut ann = Terminal::wharf(&["play", "rps", &at, "--as", "ann"], 80, 24);
    ann.shows("waiting for the next player");
    let mut ben = Terminal::wharf(&["play", "rps", &at, "--as", "ben"], 80, 24);
    ann.shows("your move in round 1");
    ben.shows("your move in round 1").type_in("p");
    ann.shows("ben has moved")
        .type_in("r")
        .shows("you lose the match, 0:1");
    ben.shows("you win the match, 1:0").type_in("q");
    let (status, screen) = ben.end();
    assert!(status.success());
    let left = screen.screen().contents();
    assert!(left.contains("to come back:  --as ben --key "), "{left}");
    ann.type_in("q");
    assert!(ann.end().0.success());
}

#[test]
fn a_terminal_is_given_back_when_the_server_ends_and_on_a_signal() {
    let mut server = Server::start(["rps", "tcp:127.0.0.1:0", "--drain-timeout", "100ms"]);
    let at = format!("127.0.0.1:{}", server.port());
    let mut ann = Terminal::wharf(&["play", "rps", &at, "--as", "ann"], 80, 24);
    ann.shows("waiting for the next player");
    let mut ben = Terminal::wharf(&["play", "rps", &at, "--as", "ben"], 80, 24);
    ben.shows("your move in round 1");
    let pid = ann.pid().to_string();
    assert!(
        std::process::Command::new("kill")
            .args(["-s", "TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(ann.end().0.exit_code(), 130);
    drop(server.stop());
    assert_eq!(ben.end().0.exit_code(), 4);
}

#[test]
fn in_a_pipe_a_word_is_a_move_and_a_sentence_comes_back() {
    let ended = run(
        &mut wharf(["play", "rps", "--as", "ann"]),
        &"rock\n".repeat(50),
    );
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert!(
        ended.stdout.contains("against house, best of 3\n"),
        "{ended:?}"
    );
    assert!(
        ended
            .stdout
            .contains("round 1: rock, paper or scissors?\nround 1: "),
        "{ended:?}"
    );
    assert!(ended.stdout.contains(" the match, "), "{ended:?}");
    // A move after the match is refused; nothing of the protocol is told.
    assert!(
        ended.stdout.contains("there is no round now\n"),
        "{ended:?}"
    );
    for word in ["RESULT", " -- ", "AGAIN", "NOT-NOW"] {
        assert!(!ended.stdout.contains(word), "{word}: {ended:?}");
    }
}

/// A referee that says what it is told to, to one player.
struct Script(std::net::TcpStream);

impl Script {
    fn says(&mut self, lines: &[&str]) -> &mut Self {
        use std::io::Write;
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        self.0.write_all(text.as_bytes()).unwrap();
        self
    }

    fn hears(&mut self, expected: &str) -> &mut Self {
        use std::io::Read;
        let mut heard = vec![0; expected.len() + 1];
        self.0.read_exact(&mut heard).unwrap();
        assert_eq!(String::from_utf8(heard).unwrap(), format!("{expected}\n"));
        self
    }

    fn hears_nothing(&mut self) -> &mut Self {
        use std::io::Read;
        let silence = std::time::Duration::from_millis(300);
        self.0.set_read_timeout(Some(silence)).unwrap();
        let heard = self.0.read(&mut [0]);
        assert!(heard.is_err(), "{heard:?}");
        self.0.set_read_timeout(Some(DEADLINE)).unwrap();
        self
    }
}

#[test]
fn a_word_in_a_pipe_waits_for_the_answer_to_the_one_before_whatever_others_do() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap().to_string();
    let mut ann = Process::start(&mut wharf(["play", "rps", &at, "--as", "ann"]));
    ann.type_in("rock\npaper\n");
    let (peer, _) = listener.accept().unwrap();
    peer.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut referee = Script(peer);
    referee.says(&["RPS 1 3"]).hears("HELLO ann");
    referee.says(&["WELCOME ann key"]).hears("PLAY");
    referee.says(&["MATCH ann ben 3", "ROUND 1 30 0 0"]);
    referee.hears("ROCK");
    // What the other does is no answer; the second word is for the second round.
    referee.says(&["READY ben"]).hears_nothing();
    let result = "RESULT 1 ROCK SCISSORS WIN 1 0";
    referee.says(&["MOVED ROCK", result, "ROUND 2 30 1 0"]);
    referee.hears("PAPER");
}

#[test]
fn a_recorded_round_is_fair_and_a_changed_one_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("round.txt").display().to_string();
    let play = ["play", "blackjack", "--as", "ann", "--record", &file];
    let ended = run(&mut wharf(play), "10\nstand\n5\nstand\nquit\n");
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert!(
        ended.stdout.contains("dealt again and found fair"),
        "{ended:?}"
    );
    let again = run(&mut wharf(play), "");
    assert!(
        again.stderr.contains("cannot write"),
        "never overwritten: {again:?}"
    );

    let verified = run(&mut wharf(["play", "verify", &file]), "");
    assert_eq!(verified.code(), 0, "{verified:?}");
    assert!(
        verified.stdout.starts_with("round 1: fair. "),
        "{verified:?}"
    );

    let transcript = std::fs::read_to_string(&file).unwrap();
    let pay = transcript
        .lines()
        .find(|line| line.starts_with("< PAY "))
        .unwrap();
    let forged = transcript.replacen(pay, "< PAY ann 1 WIN 10 999", 1);
    let verified = run(&mut wharf(["--json", "play", "verify", "-"]), &forged);
    assert_eq!(verified.code(), 5, "{verified:?}");
    let verdict: serde_json::Value =
        serde_json::from_str(verified.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&verdict["event"], &verdict["fair"]),
        (&"verdict".into(), &false.into())
    );
    assert!(
        verdict["problems"][0].as_str().unwrap().contains("999"),
        "{verdict}"
    );

    let nothing = run(&mut wharf(["play", "verify", "-"]), "hello\n");
    assert_eq!(nothing.code(), 5, "{nothing:?}");
}

/// The example of the documentation, as ann wrote it down.
fn example() -> String {
    let page = std::fs::read_to_string(support::root().join("docs/protocols/blackjack.md"));
    let page = page.unwrap();
    let (_, example) = page.split_once("```blackjack\n").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    let ann = example.lines().filter_map(|line| line.strip_prefix("A: "));
    ann.map(|line| format!("{line}\n")).collect()
}

#[test]
fn no_part_of_a_line_of_the_server_is_a_line_of_the_player() {
    // Ann did not say HIT; the server hides it behind as much as is looked at.
    let honest = example();
    let turn = "< TURN ann 1 30 HIT,STAND,DOUBLE";
    let hit = "> HIT\n< ACT ann 1 HIT\n";
    assert!(honest.contains(&format!("{turn}\n{hit}")), "{honest}");
    let silent = honest.replacen(hit, "< ACT ann 1 HIT\n", 1);
    for length in [
        0,
        512,
        4 * 1024 - 2,
        4 * 1024,
        4 * 1024 + 2,
        64 * 1024,
        1024 * 1024,
    ] {
        let room = usize::saturating_sub(length, turn.len() + 4);
        let long = format!("{turn} -- {}> HIT", "x".repeat(room));
        let forged = silent.replacen(turn, &long, 1);
        let verified = run(&mut wharf(["play", "verify", "-"]), &forged);
        assert_eq!(verified.code(), 5, "{length}: {verified:?}");
        let own = "ACT ann 1 HIT   is not what you sent";
        assert!(verified.stdout.contains(own), "{length}: {verified:?}");
    }
    // Words for people are of any length.
    let long = format!("{turn} -- {}", "x".repeat(1024 * 1024));
    let wordy = run(
        &mut wharf(["play", "verify", "-"]),
        &honest.replacen(turn, &long, 1),
    );
    assert_eq!(wordy.code(), 0, "{wordy:?}");
}

/// A server counts them: the line is too long, and is refused.
#[test]
fn spaces_at_the_end_of_what_was_said_are_said() {
    let honest = example();
    let bets = honest.find("< BETS 1").unwrap();
    let long = format!("> BALANCE{}\n< NO LINE\n", " ".repeat(2_000));
    let verified = run(
        &mut wharf(["play", "verify", "-"]),
        &[&honest[..bets], &long, &honest[bets..]].concat(),
    );
    assert_eq!(verified.code(), 0, "{verified:?}");
}

#[test]
fn a_transcript_may_end_within_a_line() {
    let honest = example();
    let told = "the last line has no end and is left out";
    for (cut, is_cut) in [
        ("< BALANCE 90\n", false),
        ("< BALANCE 9", true),
        ("< BAL", true),
    ] {
        let end = honest.find("< END 1\n").unwrap();
        let end = end + honest[end..].find(cut).unwrap() + cut.len();
        let verified = run(&mut wharf(["play", "verify", "-"]), &honest[..end]);
        assert_eq!(verified.code(), 0, "{cut:?}: {verified:?}");
        assert!(
            verified.stdout.starts_with("round 1: fair."),
            "{verified:?}"
        );
        assert_eq!(
            verified.stderr.contains(told),
            is_cut,
            "{cut:?}: {verified:?}"
        );
    }
}

#[test]
fn a_round_that_a_cut_connection_ends_is_not_good() {
    let honest = example();
    // Ann's bet is in it, and then there is nothing more.
    let end = honest.find("< SEED").unwrap();
    let cut = run(&mut wharf(["play", "verify", "-"]), &honest[..end]);
    assert_eq!(cut.code(), 5, "{cut:?}");
    let told = "round 1: UNDECIDED (2 players). Nothing is wrong, but\n  your bet is in it";
    assert!(cut.stdout.starts_with(told), "{cut:?}");
    // Nor is it after a round that was fair.
    let second = honest.find("> LEAVE").unwrap();
    let bet = "> BET 10\n< BET 1 ann 10 -\n";
    let two = format!("{}{bet}", &honest[..second]);
    let cut = run(&mut wharf(["play", "verify", "-"]), &two);
    assert_eq!(cut.code(), 5, "{cut:?}");
    assert!(cut.stdout.starts_with("round 1: fair."), "{cut:?}");
    assert!(cut.stdout.contains("\nround 2: UNDECIDED"), "{cut:?}");
    // Who only looked on has lost nothing.
    let looked = format!("{}< BET 2 ben 5 -\n", &honest[..second]);
    let looked = run(&mut wharf(["play", "verify", "-"]), &looked);
    assert_eq!(looked.code(), 0, "{looked:?}");
    assert!(
        looked.stdout.contains("round 2: its end is missing"),
        "{looked:?}"
    );
}

#[test]
fn a_verdict_comes_as_soon_as_the_round_is_over() {
    let mut verify = Process::start(&mut wharf(["play", "verify", "-"]));
    verify.type_in(&example());
    verify.wait_for(|_, line| line.starts_with("round 1: fair.").then_some(()));
    let ended = verify.end();
    assert_eq!(ended.code(), 0, "{ended:?}");
}

#[test]
fn a_round_that_cannot_be_decided_is_neither_fair_nor_forged() {
    let honest = example();
    let fair = run(&mut wharf(["play", "verify", "-"]), &honest);
    assert_eq!(fair.code(), 0, "{fair:?}");

    // The nonce in the clear was on its way when the commitment came.
    let bet = "> BET 10 lucky\n";
    let crossed = honest.replacen(bet, "", 1);
    let crossed = crossed.replacen("< BETS 1 ", &format!("{bet}< BETS 1 "), 1);
    let undecided = run(&mut wharf(["play", "verify", "-"]), &crossed);
    assert_eq!(undecided.code(), 5, "{undecided:?}");
    let told =
        "round 1: UNDECIDED (2 players). Nothing is wrong, but\n  BET 1 ann 10 lucky   you sent";
    assert!(undecided.stdout.starts_with(told), "{undecided:?}");
    assert!(
        undecided.stderr.contains("nobody can say that it was fair"),
        "{undecided:?}"
    );
    let json = run(&mut wharf(["--json", "play", "verify", "-"]), &crossed);
    let verdict: serde_json::Value =
        serde_json::from_str(json.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(verdict["fair"], false);
    assert_eq!(verdict["problems"], serde_json::json!([]));
    assert_eq!(verdict["doubts"].as_array().unwrap().len(), 1, "{verdict}");

    // What is wrong after the last round is no part of it.
    let after = honest + "< BALANCE 1\n";
    let after = run(&mut wharf(["play", "verify", "-"]), &after);
    assert_eq!(after.code(), 5, "{after:?}");
    assert!(after.stdout.starts_with("round 1: fair."), "{after:?}");
    assert!(
        after.stdout.contains("\nafter round 2: NOT FAIR"),
        "{after:?}"
    );
}

/// A line for `--password-from` and a users file that it opens.
fn gate(folder: &std::path::Path) -> (String, String) {
    let path = |name: &str| folder.join(name).display().to_string();
    let (users, secret) = (path("users"), path("secret"));
    let added = run(
        &mut wharf(["password", "add", &users, "ann"]),
        "open sesame\n",
    );
    assert_eq!(added.code(), 0, "{added:?}");
    std::fs::write(&secret, "ann open sesame\n").unwrap();
    (users, secret)
}

#[test]
fn both_games_are_played_behind_a_gate() {
    let folder = tempfile::tempdir().unwrap();
    let (users, secret) = gate(folder.path());
    let played = "dealt again and found fair";
    for (game, words, told) in [
        ("rps", "quit\n", ""),
        ("blackjack", "5\nstand\nquit\n", played),
    ] {
        let mut server = Server::start([game, "tcp:127.0.0.1:0", "--gate", &users]);
        let at = server.local();
        let play = ["play", game, &at, "--as", "ann", "--password-from"];
        let ended = run(wharf(play).arg(&secret), words);
        assert_eq!(ended.code(), 0, "{ended:?}");
        assert!(ended.stdout.contains(told), "{ended:?}");
        assert!(!ended.stdout.contains("granted"), "{ended:?}");
        let play = ["play", game, &at, "--as", "ben", "--password-from"];
        let typed = run(wharf(play).arg("-"), &format!("ann open sesame\n{words}"));
        assert_eq!(typed.code(), 0, "{typed:?}");
        let denied = run(wharf(play).arg("-"), "ann guess\n");
        assert_eq!((denied.code(), &*denied.stdout), (67, ""), "{denied:?}");
        assert!(
            denied.stderr.contains("access denied") && !denied.stderr.contains("guess"),
            "{denied:?}"
        );
        assert_eq!(server.stop().code(), 0);
    }
}

#[test]
fn two_people_play_behind_a_gate() {
    let folder = tempfile::tempdir().unwrap();
    let (users, secret) = gate(folder.path());
    let mut server = Server::start(["rps", "tcp:127.0.0.1:0", "--best-of", "1", "--gate", &users]);
    let at = server.local();
    let play = |name| {
        let arguments = ["play", "rps", &at, "--as", name, "--password-from", &secret];
        Terminal::wharf(&arguments, 80, 24)
    };
    let mut ann = play("ann");
    ann.shows("waiting for the next player");
    let mut ben = play("ben");
    ben.shows("your move in round 1").type_in("p");
    ann.shows("ben has moved")
        .type_in("r")
        .shows("you lose the match, 0:1");
    ben.shows("you win the match, 1:0");
}

#[test]
fn two_people_play_over_udp_through_loss_and_both_hear_every_round() {
    let mut server = Server::start(["rps", "udp:127.0.0.1:0"]);
    let port = server.port();
    let relays = [Lossy::to(&port, 1), Lossy::to(&port, 2)];
    let at = |index: usize| format!("udp:{}", relays[index].address);
    let play =
        |index: usize, name| Terminal::wharf(&["play", "rps", &at(index), "--as", name], 80, 24);
    let mut ann = play(0, "ann");
    ann.shows("waiting for the next player");
    let mut ben = play(1, "ben");
    for (round, score) in [(1, "1 : 0"), (2, "")] {
        let question = format!("your move in round {round}");
        ann.shows(&question).type_in("p");
        ben.shows(&question).shows("ann has moved").type_in("r");
        if !score.is_empty() {
            ann.shows(score);
        }
    }
    ann.shows("you win the match, 2:0");
    ben.shows("you lose the match, 0:2").type_in("q");
    ann.type_in("q");
    for terminal in [ann, ben] {
        let (status, screen) = terminal.end();
        assert!(status.success());
        assert!(screen.screen().contents().contains("to come back:  --as "));
    }
    assert!(relays.iter().all(|relay| relay.lost() > 0));
    // The goodbyes arrived: the names are free for whoever has the key.
    let events = server.stop();
    assert!(events.stdout.contains("ann beat ben 2:0"), "{events:?}");
}

#[test]
fn in_a_pipe_over_udp_a_referee_that_is_started_anew_is_joined_again() {
    let mut server = Server::start(["rps", "udp:127.0.0.1:0"]);
    let at = format!("udp:127.0.0.1:{}", server.port());
    let mut ann = Process::start(&mut wharf(["play", "rps", &at, "--as", "ann", "--plain"]));
    let tells = |ann: &mut Process, words: &str| {
        ann.wait_for(|_, line| (line == words).then_some(()));
    };
    tells(&mut ann, "waiting for the next player");
    assert_eq!(server.stop().code(), 0);
    let _server = Server::start(["rps", &at]);
    tells(&mut ann, "you are ann");
    tells(&mut ann, "play, play NAME, play house, top or quit?");
    ann.type_in("play house\nrock\n");
    ann.wait_for(|_, line| line.starts_with("round 1: ").then_some(()));
    ann.type_in("leave\nquit\n");
    let ended = ann.end();
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert!(ended.stdout.contains("you lose the match"), "{ended:?}");
}

#[test]
fn over_udp_nobody_there_is_said_at_once() {
    let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = format!("udp:{}", free.local_addr().unwrap());
    drop(free);
    let ended = run(&mut wharf(["play", "rps", &at]), "");
    assert_eq!(ended.code(), 7, "{ended:?}");
    assert!(
        ended.stderr.contains("means    nothing listens there")
            && ended
                .stderr
                .contains("try      wharf serve rps udp:127.0.0.1:"),
        "{ended:?}"
    );
}

#[test]
fn what_is_no_game_is_said_so() {
    let mut server = Server::start(["daytime", "tcp:127.0.0.1:0"]);
    let at = format!("127.0.0.1:{}", server.port());
    let ended = run(&mut wharf(["play", "rps", &at]), "");
    assert_eq!(ended.code(), 4, "{ended:?}");
    assert!(
        ended.stderr.contains("that server does not speak"),
        "{ended:?}"
    );
    let bad = run(&mut wharf(["play", "rps", "--as", "1"]), "");
    assert_eq!(bad.code(), 2, "{bad:?}");
    let udp = run(&mut wharf(["play", "blackjack", "udp::5380"]), "");
    assert_eq!(udp.code(), 2, "{udp:?}");
    for game in ["rps", "blackjack"] {
        let refused = run(&mut wharf(["play", game, "127.0.0.1:1"]), "");
        assert_eq!(refused.code(), 7, "{refused:?}");
        let cure = format!("wharf serve {game} 1 ");
        assert!(refused.stderr.contains(&cure), "{refused:?}");
    }
}

#[test]
fn a_referee_that_was_never_there_and_one_that_crashed_are_told_over_udp() {
    let referee = UdpSocket::bind("127.0.0.1:0").unwrap();
    referee.set_read_timeout(Some(DEADLINE)).unwrap();
    let address = format!("udp:{}", referee.local_addr().unwrap());
    let mut player = Process::start(&mut wharf(["play", "rps", &address, "--as", "ann"]));
    // It answers twice, and then nobody is there any more.
    for answer in ["RPS 1 3", "WELCOME ann key"] {
        let mut request = [0; 512];
        let (_, from) = referee.recv_from(&mut request).unwrap();
        let text = String::from_utf8_lossy(&request);
        let number = text.split([' ', '\n']).next().unwrap();
        let datagram = format!("{number}\n{answer}\n");
        referee.send_to(datagram.as_bytes(), from).unwrap();
    }
    drop(referee);
    let cause = |_, line: &str| line.contains("refused, where a referee was").then_some(());
    player.wait_for(cause);
    let ended = player.end();
    assert_eq!(ended.code(), 7, "{ended:?}");
    assert!(ended.stderr.contains("it ended or crashed"), "{ended:?}");
    assert!(
        ended.stderr.contains(&format!("wharf serve rps {address}")),
        "{ended:?}"
    );

    // The port is closed now.
    for game in [&["play", "rps"][..], &["chat"]] {
        let ended = run(wharf(game.iter()).args([&*address, "--as", "ann"]), "");
        assert_eq!(ended.code(), 7, "{ended:?}");
        assert!(ended.stderr.contains("connection refused"), "{ended:?}");
        assert!(ended.stderr.contains("nothing listens there"), "{ended:?}");
        let cure = format!("wharf serve {} {address}", game.last().unwrap());
        assert!(ended.stderr.contains(&cure), "{ended:?}");
    }
}
