//! The matching core: [`Engine::apply`] takes one [`Input`] and gives its [`Event`]s.
//!
//! What it promises:
//!
//! * **Deterministic.** No clock, no randomness, no I/O, no floats, no iteration over a hash map. Time,
//!   [`Sequence`] and ids come in with the Input; the same Inputs give the same Events on any machine.
//! * **Bounded.** Memory is taken when [`Command::Configure`] says how much; at a bound a command is
//!   refused with a [`RejectReason`].
//! * **Total.** Every Input has an answer; no Input can make it panic.
//!
//! The three types to know: [`Engine`], [`Command`], [`Event`].

mod book;
mod command;
mod engine;
mod event;
mod instrument;
mod ladder;
mod levels;
mod orders;
mod pool;
pub mod record;
mod sessions;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod tree;
mod types;

pub use book::{Book, BookLevel, BookOrder};
pub use command::*;
pub use engine::{Engine, LIMITS_MAX};
pub use event::*;
pub use instrument::*;
pub use sessions::SessionState;
pub use types::*;
