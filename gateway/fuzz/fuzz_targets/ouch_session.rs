//! Peers of OUCH that do anything, with the acceptor, the real engine and a journal behind them. What
//! `tests/it/ouch_session.rs` asserts must hold: no message changes or is missing, over kills and logins from any number.

#![no_main]

#[path = "../../tests/it/ouch_session.rs"]
#[allow(dead_code, unused_imports, unreachable_pub)]
mod ouch_session;
#[path = "../../tests/it/ouch_shown.rs"]
#[allow(unreachable_pub)]
mod ouch_shown;
#[path = "../../tests/it/ouch_venue.rs"]
#[allow(dead_code, unused_imports, unreachable_pub)]
mod ouch_venue;
#[path = "../../tests/it/random.rs"]
#[allow(dead_code, unreachable_pub)]
mod random;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    ouch_session::play(data);
});
