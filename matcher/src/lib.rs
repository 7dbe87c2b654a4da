//! The matching core: [`Engine::apply`] takes one [`Input`] and gives its [`Event`]s.
//!
//! What it promises:
//!
//! * **Deterministic.** No clock, no randomness, no I/O, no floats, no iteration over a hash map. Time,
//!   [`Sequence`] and ids come in with the Input; the same Inputs give the same Events on any machine.
//! * **Bounded.** Memory is taken when [`Command::Configure`] says how much; at a bound a command is
//!   refused with a [`RejectReason`]. What few venues need so much of begins smaller and doubles: accounts
//!   from 65,536 on, nodes of the tree of prices, order numbers of a session.
//! * **Total.** Every Input has an answer; no Input can make it panic.
//! * **Saved and compared.** [`Engine::save`] writes all that decides future answers, [`Engine::load`] goes
//!   on from it, and [`Engine::state_hash`] names it: `SNAPSHOT.md`, beside this crate's manifest.
//!
//! The three types to know: [`Engine`], [`Command`], [`Event`].
//!
//! A book in a backtest is a [`Market`], which numbers the Inputs itself; `examples/backtest.rs` is a
//! whole program of 40 lines. What each command does is in `RULES.md`, beside this crate's manifest.
//!
//! ```
//! use matcher::*;
//!
//! let limits = Limits { orders_max: 1_000, levels_max: 1_000, instruments_max: 1, sessions_max: 2 };
//! let mut engine = Engine::new();
//! let mut events = Vec::new();
//! // Who gives the Inputs gives them their places and their times.
//! let command = Command::Configure(limits);
//! let (sequence, timestamp) = (Sequence(1), Timestamp(1_700_000_000_000_000_000));
//! let (session, inbound) = (SessionId::VENUE, MsgSeqNum::NONE);
//! engine.apply(&Input { sequence, timestamp, session, inbound, command }, &mut events);
//! assert_eq!(events, [Event::Configured]);
//! ```

mod accounts;
mod avl;
mod book;
mod command;
mod engine;
mod equilibrium;
mod event;
mod extras;
mod instrument;
mod ladder;
mod levels;
mod market;
mod ordered;
mod orders;
mod pegs;
mod pool;
mod prefetch;
pub mod record;
mod sessions;
mod snapshot;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod trailing;
mod tree;
mod types;

pub use accounts::AccountState;
pub use book::{Book, BookLevel, BookOrder};
pub use command::*;
pub use engine::{Ahead, Engine, LIMITS_MAX, Wanted};
pub use event::*;
pub use instrument::*;
pub use market::Market;
pub use sessions::{SessionSettings, SessionState};
pub use snapshot::{SNAPSHOT_VERSION, SnapshotError};
pub use types::*;
