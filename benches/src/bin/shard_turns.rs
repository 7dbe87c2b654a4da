//! Turns of one core or of two, one after the other, for tools that count instructions.
//!
//! `shard_turns one|two`: the loop of interest is `benches::shards::Lane::turns`; it says how many commands were in it, of how
//! many cores, and how many Relays beside them.

#![allow(clippy::print_stdout)] // The count is the product.

use benches::orders::SEED;
use benches::shards::Lane;

/// Commands of a core.
const COMMANDS: usize = 200_000;

fn main() {
    let is_two = std::env::args().nth(1).as_deref() == Some("two");
    let mut home = Lane::new("home", SEED, COMMANDS);
    let mut other = is_two.then(|| Lane::new("other", SEED + 1, COMMANDS));
    let (mut commands, mut relays, mut messages) = (0, 0, 0_u64);
    loop {
        let mut filled = home.fill();
        home.turns();
        if let Some(other) = &mut other {
            filled += other.fill();
            other.turns();
            let heard = other.told();
            home.relay(&heard);
            relays += heard.len();
            messages += heard.values().map(|(_, count)| u64::from(*count)).sum::<u64>();
        }
        if filled == 0 {
            break;
        }
        commands += filled;
    }
    home.turns();
    println!("{commands} commands, {relays} relays of {messages} messages");
}
