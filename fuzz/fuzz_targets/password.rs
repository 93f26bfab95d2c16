//! The password dialogue: how an attempt is split makes no difference, and what a users
//! file says it says again.
//!
//! The input is where to cut, and then a stream of attempts, which is also read as a
//! users file and as a hash.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_services::password::fuzzing::{Answer, attempts};
use wharf_services::password::{Hash, MAX_ATTEMPT, Secret, Users, is_name};

fuzz_target!(|data: &[u8]| {
    let [first, data @ ..] = data else {
        return;
    };
    let at_once = attempts([data]);
    let size = usize::from(*first).max(1);
    assert_eq!(at_once, attempts(data.chunks(size)), "pieces of {size}");
    for (attempt, answer) in at_once.iter().flatten() {
        // What a client of ours would say is heard as it was said.
        if *answer == Answer::Line
            && let Ok(secret) = Secret::new(attempt.clone())
        {
            let line = [secret.as_bytes(), b"\n"].concat();
            assert_eq!(attempts([&line[..]]), [Some((attempt.clone(), Answer::Line))]);
            assert!(attempt.len() <= MAX_ATTEMPT);
        }
    }
    let text = String::from_utf8_lossy(data);
    if let Ok(hash) = Hash::parse(&text) {
        let written = hash.to_string();
        let again = Hash::parse(&written).expect("a hash that was written is read");
        assert_eq!(again.to_string(), written);
    }
    if let Ok(users) = Users::parse(&text) {
        assert!(users.names().all(is_name));
        let again = Users::parse(&users.to_string()).expect("a file that was written is read");
        assert!(users.names().eq(again.names()));
        assert_eq!(users.has_one_password(), again.has_one_password());
        assert_eq!(users.to_string(), again.to_string());
    }
});
