//! The full-screen client as it looks, without a terminal.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use std::time::Duration;

use wharf::network::Endpoint;
use wharf_services::chat::client::{Check, Denied, Event, Lost, Message};

use super::log::Tone;
use super::model::{Action, Model, Prompt};
use super::view;

fn model() -> Model {
    let mut model = Model::new(":5378".to_owned(), "ann".to_owned(), None);
    model.event(Event::LoggedIn("ann".to_owned()));
    let users = ["echobot", "ann", "ben"].map(str::to_owned).to_vec();
    model.event(Event::Users(users));
    model
}

fn hear(model: &mut Model, from: &str, text: &str) -> Option<Action> {
    model.event(Event::Message(Message {
        from: from.to_owned(),
        text: text.to_owned(),
        check: Check::Stream,
    }))
}

fn press(model: &mut Model, code: KeyCode) -> Option<Action> {
    model.key(KeyEvent::new(code, KeyModifiers::NONE))
}

fn enter(model: &mut Model, text: &str) -> Option<Action> {
    model.paste(text);
    press(model, KeyCode::Enter)
}

fn picture(model: &mut Model, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal
        .draw(|frame| view::draw(frame, model, view::Paint::Plain))
        .unwrap();
    let buffer = terminal.backend().buffer();
    let rows = buffer.content.chunks(usize::from(width));
    rows.map(|row| {
        let row: String = row.iter().map(|cell| cell.symbol()).collect();
        row.trim_end().to_owned() + "\n"
    })
    .collect()
}

#[test]
fn what_is_said_and_who_is_here_is_shown() {
    let mut model = model();
    hear(&mut model, "ben", "hello");
    let picture = picture(&mut model, 80, 12);
    let lines: Vec<&str> = picture.lines().collect();
    assert!(lines[0].starts_with(" ann at :5378 ") && lines[0].ends_with("● online"));
    assert!(lines[1].ends_with(" │ 3 here"), "{picture}");
    assert!(lines[2].ends_with(" │ echobot"), "{picture}");
    assert!(lines[3].ends_with(" │ ann (you)"), "{picture}");
    assert!(lines[9].contains("ben │ hello  "), "{picture}");
    assert!(lines[10].starts_with("── everybody ──"), "{picture}");
    assert_eq!(lines[11], ">");
}

#[test]
fn others_cannot_forge_the_screen() {
    let mut model = model();
    hear(
        &mut model,
        "ben",
        "a\u{1b}[2Jb\r\n12:00 ann │ c\u{202e}d\u{9b}31m\t\u{7}e",
    );
    hear(&mut model, "x\u{1b}[H", "hi");
    let picture = picture(&mut model, 120, 10);
    assert!(!picture.chars().any(|c| c != '\n' && c.is_control()));
    assert!(!picture.contains('\u{202e}'));
    assert!(
        picture.contains("a\\u{1b}[2Jb\\n12:00 ann │ c\\u{202e}d\\u{9b}31m\\t\\u{7}e"),
        "{picture}"
    );
    assert!(picture.contains("\"x\\\\u{1b}[H\""), "{picture}");
}

#[test]
fn every_size_is_drawn() {
    let mut model = model();
    hear(
        &mut model,
        "ben",
        "日本語 is wide, and 👩\u{200d}👩\u{200d}👧 is one character",
    );
    hear(&mut model, "averyveryveryverylongname", &"word ".repeat(40));
    model.note(
        "a note that is somewhat longer than narrow screens are wide",
        Tone::Bad,
    );
    model.paste("@ben 日本語");
    for width in [1, 2, 5, 10, 19, 20, 21, 35, 36, 37, 59, 60, 61, 80, 200] {
        for height in [1, 2, 3, 4, 5, 6, 7, 24, 60] {
            picture(&mut model, width, height);
        }
    }
}

#[test]
fn scrolling_stays_within_the_log_and_counts_what_comes_below() {
    let mut model = model();
    for number in 0..100 {
        hear(&mut model, "ben", &format!("message {number}"));
    }
    picture(&mut model, 80, 24);
    press(&mut model, KeyCode::PageUp);
    let before = picture(&mut model, 80, 24);
    assert!(!before.contains("message 99"), "{before}");
    assert!(before.contains("message 79"), "{before}");
    hear(&mut model, "ben", "the newest");
    let after = picture(&mut model, 80, 24);
    assert!(after.contains("↓ 1 new"), "{after}");
    assert!(
        after.contains("1 unread") && after.contains("ben ●1"),
        "{after}"
    );
    assert!(after.contains("message 79"), "{after}");
    assert!(
        !after.contains("message 80"),
        "what is read stays in place: {after}"
    );
    for _ in 0..50 {
        press(&mut model, KeyCode::PageUp);
        picture(&mut model, 80, 24);
    }
    let oldest = picture(&mut model, 80, 24);
    assert!(
        oldest.contains("you are ann") && oldest.contains("message 0 "),
        "{oldest}"
    );
    press(&mut model, KeyCode::Esc);
    let newest = picture(&mut model, 80, 24);
    assert!(
        newest.contains("the newest") && !newest.contains("unread"),
        "{newest}"
    );
}

#[test]
fn a_pinned_conversation_is_alone_and_the_others_wait() {
    let mut model = model();
    hear(&mut model, "echobot", "from the bot");
    assert_eq!(enter(&mut model, "/pin ben"), None);
    hear(&mut model, "echobot", "while pinned");
    hear(&mut model, "ben", "from ben");
    let shown = picture(&mut model, 80, 24);
    assert!(
        shown.contains("from ben") && !shown.contains("from the bot"),
        "{shown}"
    );
    assert!(
        shown.contains("1 unread") && shown.contains("echobot ●1"),
        "{shown}"
    );
    assert!(
        shown.contains("── with ben ──") && shown.contains("@ben >"),
        "{shown}"
    );
    let send = enter(&mut model, "hi ben");
    let to = |to: &str, text: &str| {
        let (to, text) = (to.to_owned(), text.to_owned());
        Some(Action::Send { to, text })
    };
    assert_eq!(send, to("ben", "hi ben"));
    model.key(KeyEvent::new(KeyCode::Char('n'), KeyModifiers::CONTROL));
    let shown = picture(&mut model, 80, 24);
    assert!(
        shown.contains("while pinned") && !shown.contains("unread"),
        "{shown}"
    );
    press(&mut model, KeyCode::Esc);
    assert_eq!(model.pinned, None);
    assert_eq!(enter(&mut model, "to nobody"), None);
    assert_eq!(model.editor.text(), "to nobody", "it comes back");
    model.editor.set("");
    assert_eq!(enter(&mut model, "@ben  hi"), to("ben", "hi"));
}

#[test]
fn tab_completes_names_and_commands() {
    let mut model = model();
    for (typed, completed) in [
        ("@e", "@echobot "),
        ("B", "@ben "),
        ("/pi", "/pin "),
        ("/pin b", "/pin ben "),
        ("!w", "!who "),
        ("@ben hello @ec", "@ben hello @echobot "),
        ("@ben ec", "@ben ec"),
        ("@x", "@x"),
    ] {
        model.editor.set("");
        model.paste(typed);
        press(&mut model, KeyCode::Tab);
        assert_eq!(model.editor.text(), completed);
    }
}

#[test]
fn a_refused_name_is_asked_for_again() {
    let mut model = Model::new(":5378".to_owned(), "ann".to_owned(), None);
    let name = "ann".to_owned();
    let why = Denied::InUse;
    model.event(Event::Refused { name, why });
    let shown = picture(&mut model, 80, 10);
    assert!(
        shown.contains("no login as ann: the name is in use"),
        "{shown}"
    );
    assert!(shown.contains("name > ann"), "{shown}");
    assert_eq!(enter(&mut model, "_2"), None);
    model.editor.set("");
    assert_eq!(
        enter(&mut model, "ann2"),
        Some(Action::LogIn("ann2".to_owned()))
    );
    model.event(Event::LoggedIn("ann2".to_owned()));
    assert_eq!(model.prompt, Prompt::Message);
}

#[test]
fn what_was_being_typed_is_there_again_once_another_name_is_found() {
    let mut model = model();
    model.paste("@ben half a line");
    let refused = |name: &str| Event::Refused {
        name: name.to_owned(),
        why: Denied::InUse,
    };
    model.event(refused("ann"));
    assert_eq!(model.editor.text(), "ann");
    model.editor.set("");
    assert_eq!(enter(&mut model, "/help"), None);
    assert!(picture(&mut model, 80, 10).contains("type a name to log in under"));
    assert!(enter(&mut model, "ann2").is_some());
    model.event(refused("ann2"));
    model.editor.set("");
    assert!(enter(&mut model, "ann3").is_some());
    model.paste(" and the rest");
    model.event(Event::LoggedIn("ann3".to_owned()));
    assert_eq!(model.editor.text(), "@ben half a line and the rest");
}

#[test]
fn a_server_that_stays_silent_is_told_of_once() {
    let mut model = model();
    let tried_in_vain = |model: &mut Model| {
        let again = Some(Duration::from_secs(1));
        let why = Lost::Silent(Duration::from_secs(5));
        model.event(Event::Lost { why, again });
        let server = "127.0.0.1:5382".parse().map(Endpoint::Inet).unwrap();
        model.event(Event::Connected(server));
    };
    (0..5).for_each(|_| tried_in_vain(&mut model));
    let shown = picture(&mut model, 80, 24);
    assert_eq!(shown.matches("did not answer").count(), 1, "{shown}");
    model.event(Event::LoggedIn("ann".to_owned()));
    tried_in_vain(&mut model);
    let shown = picture(&mut model, 80, 24);
    assert_eq!(shown.matches("did not answer").count(), 2, "{shown}");
}

#[test]
fn a_paste_that_is_too_long_is_told() {
    let mut model = model();
    model.paste(&"y".repeat(100_000));
    let shown = picture(&mut model, 80, 10);
    assert!(shown.contains("a line has 65536 bytes at most"), "{shown}");
}

#[test]
fn who_comes_and_goes_is_told_but_not_the_first_list() {
    let mut model = model();
    let users = |names: &[&str]| Event::Users(names.iter().map(ToString::to_string).collect());
    model.event(users(&["echobot", "ann", "carl"]));
    let shown = picture(&mut model, 80, 24);
    assert!(
        shown.contains("carl is here now") && shown.contains("ben left"),
        "{shown}"
    );
    assert!(!shown.contains("echobot is here now"), "{shown}");
    // A message of somebody who is not on the list yet.
    assert_eq!(hear(&mut model, "dora", "hi"), Some(Action::Who));
    let many: Vec<String> = (0..500).map(|n| format!("user{n}")).collect();
    model.event(Event::Users(many));
    let shown = picture(&mut model, 80, 24);
    assert!(
        shown.contains("500 came") && shown.contains("carl left"),
        "{shown}"
    );
    assert!(shown.contains("and 481 more"), "{shown}");
}

#[test]
fn the_list_is_asked_for_once_however_much_newcomers_say() {
    let mut model = model();
    let asked = |model: &mut Model| {
        let heard = (0..1_000).map(|n| hear(model, &format!("dora{}", n % 10), "hi"));
        heard.filter(Option::is_some).count()
    };
    assert_eq!(asked(&mut model), 1);
    // The answer is from before they came: the next word asks once more.
    model.event(Event::Users(vec!["ann".to_owned()]));
    assert_eq!(asked(&mut model), 1);
}

#[test]
fn an_endless_message_is_shown_as_its_beginning() {
    let mut model = model();
    hear(&mut model, "ben", &"\u{1b}".repeat(60_000));
    let heard = model.log.newest(None).next().unwrap();
    let text = format!("{heard:?}");
    assert!(text.len() < 40_000, "{}", text.len());
    assert!(picture(&mut model, 80, 12).contains("bytes more)"));
}
