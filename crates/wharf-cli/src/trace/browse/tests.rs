//! The screen on a terminal in memory.

use super::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use wharf_wire::application::Dissectors;
use wharf_wire::build::TcpModel;
use wharf_wire::conversation::Direction;
use wharf_wire::frame::Timestamp;

fn trace() -> Trace {
    let ends = ["127.0.0.1:51876", "127.0.0.1:12000"].map(|end| end.parse().unwrap());
    let mut model = TcpModel::new(ends[0], ends[1], 1460);
    let at = |micros: u64| Timestamp::from_nanos(1_764_000_000_000_000_000 + micros * 1_000);
    let mut trace = Trace::new(Dissectors::standard());
    trace.push(model.syn(at(0)));
    trace.push(model.syn_ack(at(10)));
    trace.push(model.ack(at(20), Direction::Forward));
    for frame in model.data(at(300), Direction::Forward, b"hello\n") {
        trace.push(frame);
    }
    trace.push(model.ack(at(310), Direction::Backward));
    trace.name(ends[0], "client");
    trace.name(ends[1], "server");
    trace.finish();
    trace
}

fn screen(browser: &Browser<'_>, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| browser.draw(frame)).unwrap();
    terminal.backend().to_string()
}

fn press(browser: &mut Browser<'_>, code: KeyCode) -> bool {
    browser.press(KeyEvent::new(code, KeyModifiers::NONE))
}

#[test]
fn moving_in_one_pane_moves_in_all() {
    let trace = trace();
    let mut browser = Browser::new(&trace, Look::plain(80));
    for _ in 0..3 {
        assert!(press(&mut browser, KeyCode::Down));
    }
    assert_eq!(browser.step().number(), 4);
    // The data is selected; one byte back is the end of TCP's header.
    assert_eq!(browser.byte, 54);
    press(&mut browser, KeyCode::BackTab);
    press(&mut browser, KeyCode::Left);
    let rows = browser.rows();
    let Row::Field(_, field) = &rows[browser.row] else {
        panic!("no field")
    };
    assert_eq!(field.name, "urgent");
    let text = screen(&browser, 120, 36);
    assert!(text.contains("Urgent Pointer = 0"), "{text}");
    // In the layers the byte follows.
    press(&mut browser, KeyCode::BackTab);
    press(&mut browser, KeyCode::Up);
    assert_eq!(browser.byte, 50);
    // The ladder stays in its conversation, and ends there.
    press(&mut browser, KeyCode::BackTab);
    press(&mut browser, KeyCode::End);
    assert_eq!(browser.step().number(), 5);
    assert!(!press(&mut browser, KeyCode::Char('q')));
}

#[test]
fn it_is_drawn_at_every_size() {
    let trace = trace();
    let mut browser = Browser::new(&trace, Look::plain(80));
    browser.select_frame(3);
    for (width, height) in [(1, 1), (20, 5), (60, 20), (100, 8), (300, 100)] {
        for pane in Pane::ALL {
            browser.pane = pane;
            screen(&browser, width, height);
        }
    }
    browser.pane = Pane::Frames;
    let ascii = Look {
        glyphs: Glyphs::Ascii,
        ..Look::plain(80)
    };
    let plain = screen(&Browser::new(&trace, ascii), 120, 40);
    assert!(plain.is_ascii(), "{plain}");
    insta::assert_snapshot!("browse-120x40", screen(&browser, 120, 40));
    insta::assert_snapshot!("browse-80x40", screen(&browser, 80, 40));
}

/// On a small screen the pane that is used has room, and each other shows what is selected.
#[test]
fn every_pane_can_be_used_on_a_small_screen() {
    let trace = trace();
    let mut browser = Browser::new(&trace, Look::plain(80));
    browser.select_frame(3);
    for (width, height) in [(60, 24), (80, 24), (100, 30), (200, 60)] {
        browser.pane = Pane::Layers;
        let text = screen(&browser, width, height);
        // The data is selected in the layers, its frame in the frames and in the ladder.
        for words in ["▶ layers", "DATA · 6 B", "#4 ", "DATA 6 ", "68 65"] {
            assert!(text.contains(words), "{words} at {width}x{height}:\n{text}");
        }
        let fields = ["checksum", "urgent", "window"].map(|name| text.contains(name));
        assert_eq!(fields, [true; 3], "{text}");
        insta::assert_snapshot!(format!("browse-{width}x{height}"), text);
    }
}

#[test]
fn notes_and_keys_are_a_key_away() {
    let trace = trace();
    assert!(!trace.notes.is_empty());
    let mut browser = Browser::new(&trace, Look::plain(80));
    assert!(screen(&browser, 80, 24).contains("? keys, 1 note"));
    press(&mut browser, KeyCode::Char('?'));
    insta::assert_snapshot!("browse-told-80x24", screen(&browser, 80, 24));
    // Any key goes back; none of them does anything else.
    assert!(press(&mut browser, KeyCode::Char('q')));
    assert!(screen(&browser, 80, 24).contains("▶ frames"));
}
