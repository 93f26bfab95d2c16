//! The table of exact behaviour, row by row, over TCP and under both policies.

use super::*;

/// What one client says before its end of stream, and what it hears until the end.
struct Row {
    says: &'static str,
    /// With the policy that keeps a refused client.
    kept: &'static str,
    /// With the one that closes it.
    closed: &'static str,
}

/// A row in which the policy makes no difference.
const fn row(says: &'static str, hears: &'static str) -> Row {
    Row {
        says,
        kept: hears,
        closed: hears,
    }
}

/// A login that is refused; a good one follows it.
const fn refused(says: &'static str, kept: &'static str, closed: &'static str) -> Row {
    Row { says, kept, closed }
}

const BODY: &str = "BAD-RQST-BODY\nHELLO zed\n";
const BODY_CLOSED: &str = "BAD-RQST-BODY\n";

const ROWS: &[Row] = &[
    // The name: letters and digits, a limited length.
    row("HELLO-FROM Zed0\n", "HELLO Zed0\n"),
    refused("HELLO-FROM\nHELLO-FROM zed\n", BODY, BODY_CLOSED),
    refused("HELLO-FROM \nHELLO-FROM zed\n", BODY, BODY_CLOSED),
    refused("HELLO-FROM a b\nHELLO-FROM zed\n", BODY, BODY_CLOSED),
    refused("HELLO-FROM a,b\nHELLO-FROM zed\n", BODY, BODY_CLOSED),
    refused("HELLO-FROM a@b\nHELLO-FROM zed\n", BODY, BODY_CLOSED),
    refused("HELLO-FROM a_b\nHELLO-FROM zed\n", BODY, BODY_CLOSED),
    refused("HELLO-FROM é\nHELLO-FROM zed\n", BODY, BODY_CLOSED),
    refused(
        "HELLO-FROM 12345678901234567890123456789012345678901234567890123456789012345\n\
         HELLO-FROM zed\n",
        BODY,
        BODY_CLOSED,
    ),
    // Trailing junk; CR LF is a line end.
    refused("HELLO-FROM bob!!!\nHELLO-FROM zed\n", BODY, BODY_CLOSED),
    row("HELLO-FROM bob\r\n", "HELLO bob\n"),
    // Unknown headers, and requests before the login, never close.
    row(
        "hello-from zed\nNONSENSE\n\nWHO\nLIST\nSEND ben hi\nHELLO-FROM zed\n",
        "BAD-RQST-HDR\nBAD-RQST-HDR\nBAD-RQST-HDR\nBAD-RQST-HDR\nBAD-RQST-HDR\nBAD-RQST-HDR\nHELLO zed\n",
    ),
    row(
        "HELLO-FROM zed\nwho\nNONSENSE\n\n",
        "HELLO zed\nBAD-RQST-HDR\nBAD-RQST-HDR\nBAD-RQST-HDR\n",
    ),
    // A second login.
    row(
        "HELLO-FROM zed\nHELLO-FROM zeb\nHELLO-FROM zed\n",
        "HELLO zed\nBAD-RQST-HDR\nBAD-RQST-HDR\n",
    ),
    // A name in use: a user's, and a bot's in any letter case.
    refused(
        "HELLO-FROM ben\nHELLO-FROM zed\n",
        "IN-USE\nHELLO zed\n",
        "IN-USE\n",
    ),
    refused(
        "HELLO-FROM EchoBot\nHELLO-FROM zed\n",
        "IN-USE\nHELLO zed\n",
        "IN-USE\n",
    ),
    row("HELLO-FROM Ben\n", "HELLO Ben\n"),
    // WHO and LIST, alone and with fields.
    row(
        "HELLO-FROM zed\nWHO\nLIST\nWHO x\nLIST x\n",
        "HELLO zed\nWHO-OK echobot,delaybot,ben,zed\nLIST-OK echobot,delaybot,ben,zed\n\
         BAD-RQST-HDR\nBAD-RQST-HDR\n",
    ),
    // SEND without its fields, and with spaces.
    row(
        "HELLO-FROM zed\nSEND\nSEND ben\nSEND ben \nSENDX ben hi\n",
        "HELLO zed\nBAD-RQST-BODY\nBAD-RQST-BODY\nBAD-RQST-BODY\nBAD-RQST-HDR\n",
    ),
    row(
        "HELLO-FROM zed\nSEND zed   a  b  \n",
        "HELLO zed\nSEND-OK\nDELIVERY zed a  b\n",
    ),
    // SEND-OK before the DELIVERY that it caused; to oneself, and to a bot.
    row(
        "HELLO-FROM zed\nSEND zed 1\nSEND ECHOBOT 2\n",
        "HELLO zed\nSEND-OK\nDELIVERY zed 1\nSEND-OK\nDELIVERY echobot 2\n",
    ),
    // Nobody of that name, in the dialect that was used last.
    row(
        "HELLO-FROM zed\nSEND nobody hi\nLIST\nSEND nobody hi\nWHO\nSEND BEN hi\n",
        "HELLO zed\nUNKNOWN\nLIST-OK echobot,delaybot,ben,zed\nBAD-DEST-USER\n\
         WHO-OK echobot,delaybot,ben,zed\nUNKNOWN\n",
    ),
    // A last line without an end, before the half-close.
    row(
        "HELLO-FROM zed\nSEND zed last",
        "HELLO zed\nSEND-OK\nDELIVERY zed last\n",
    ),
];

/// How the bytes are cut on their way in.
#[derive(Clone, Copy, Debug)]
enum Cut {
    /// All in one write.
    Joined,
    /// A byte a write.
    Bytes,
}

/// What a client hears that says `bytes`.
async fn dialogue(place: &Place<Os>, bytes: &[u8], cut: Cut) -> String {
    let mut connection = place.connect().await.connection;
    match cut {
        Cut::Joined => connection.write_all(bytes).await.unwrap(),
        Cut::Bytes => {
            for byte in bytes {
                // A server that closed takes no more.
                if connection.write_all(&[*byte]).await.is_err() {
                    break;
                }
            }
        }
    }
    let _ = connection.finish().await;
    let mut heard = Vec::new();
    // What was said after the close may come back as a reset.
    while let Ok(Some(chunk)) = connection.read_chunk().await {
        heard.extend_from_slice(&chunk);
    }
    String::from_utf8(heard).unwrap()
}

async fn over_tcp(refused: Refused, rules: Rules) -> Place<Os> {
    Place::open(Os, "tcp:127.0.0.1:0", Rules { refused, ..rules }).await
}

/// A name is free again when the server saw its connection end.
async fn until_gone(place: &Place<Os>, leaves: usize) {
    loop {
        let left = {
            let shown = place.shown.lock().unwrap();
            shown.iter().filter(|line| line.contains(" left")).count()
        };
        if left >= leaves {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn every_row_under_both_policies_however_it_is_cut() {
    for policy in [Refused::Keep, Refused::Close] {
        let place = over_tcp(policy, Rules::default()).await;
        let _ben = place.user("ben").await;
        let mut leaves = 0;
        for row in ROWS {
            let expected = match policy {
                Refused::Keep => row.kept,
                Refused::Close => row.closed,
            };
            for cut in [Cut::Joined, Cut::Bytes] {
                let heard = dialogue(&place, row.says.as_bytes(), cut).await;
                assert_eq!(heard, expected, "{:?} {policy:?} {cut:?}", row.says);
                leaves += usize::from(expected.contains("HELLO "));
                until_gone(&place, leaves).await;
            }
        }
    }
}

#[tokio::test]
async fn bytes_that_are_no_utf8_are_replaced_under_both_policies() {
    for policy in [Refused::Keep, Refused::Close] {
        let place = over_tcp(policy, Rules::default()).await;
        let heard = dialogue(
            &place,
            b"HELLO-FROM zed\nSEND zed a\xff\xc3b\n",
            Cut::Joined,
        )
        .await;
        assert_eq!(
            heard,
            "HELLO zed\nSEND-OK\nDELIVERY zed a\u{fffd}\u{fffd}b\n"
        );
    }
}

#[tokio::test]
async fn a_line_of_a_megabyte_is_skipped_under_both_policies() {
    for policy in [Refused::Keep, Refused::Close] {
        let place = over_tcp(policy, Rules::default()).await;
        let long = "x".repeat(1 << 20);
        let says = format!("HELLO-FROM zed\nSEND zed {long}\nWHO\n");
        let heard = dialogue(&place, says.as_bytes(), Cut::Joined).await;
        assert_eq!(
            heard,
            "HELLO zed\nBAD-RQST-BODY\nWHO-OK echobot,delaybot,zed\n"
        );
    }
}

#[tokio::test]
async fn full_is_busy_and_closed_under_both_policies() {
    for policy in [Refused::Keep, Refused::Close] {
        for rules in [
            Rules {
                max_users: 1,
                ..Rules::default()
            },
            Rules {
                per_address: Some(1),
                ..Rules::default()
            },
        ] {
            let place = over_tcp(policy, rules).await;
            let mut ben = place.user("ben").await;
            let mut zed = place.connect().await;
            zed.say("HELLO-FROM zed\n").await;
            zed.hears("BUSY").await;
            zed.hears_the_end().await;
            // The one that was first stays.
            ben.say("SEND ben hi\n").await;
            ben.hears("SEND-OK").await;
            ben.hears("DELIVERY ben hi").await;
        }
    }
}
