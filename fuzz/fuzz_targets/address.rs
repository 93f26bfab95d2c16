//! No text makes the address parser panic, and what it accepts reads back as itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf::address::Address;

fuzz_target!(|text: &str| {
    let Ok(address) = text.parse::<Address>() else {
        return;
    };
    let shown = address.to_string();
    match shown.parse::<Address>() {
        Ok(again) => assert_eq!(again.to_string(), shown, "from {text:?}"),
        Err(error) => panic!("{text:?} is shown as {shown:?}, which gives: {error}"),
    }
});
