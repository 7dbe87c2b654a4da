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
//!
//! ```
//! use matcher::*;
//!
//! let mut inputs = 0;
//! let (mut engine, mut events) = (Engine::new(), Vec::new());
//! let mut give = |session, command| {
//!     inputs += 1;
//!     let sequence = Sequence(inputs);
//!     let (timestamp, inbound) = (Timestamp(0), MsgSeqNum::NONE);
//!     let input = Input { sequence, timestamp, session, inbound, command };
//!     events.clear();
//!     engine.apply(&input, &mut events);
//!     events.clone()
//! };
//! let (venue, instrument) = (SessionId::VENUE, InstrumentId(0));
//! let limits =
//!     Limits { orders_max: 1_000, levels_max: 1_000, instruments_max: 1, sessions_max: 2 };
//! give(venue, Command::Configure(limits));
//! let eurusd = testing::flow::instrument("EURUSD", (1, 1_000_000), 10_000);
//! give(venue, Command::DefineInstrument { id: instrument, instrument: eurusd });
//! for id in [SessionId(1), SessionId(2)] {
//!     give(venue, Command::DefineSession { id, participant: ParticipantId(id.0) });
//! }
//! let limit = |side, ticks, lots| {
//!     Command::New(NewOrder {
//!         number: OrderNumber(1),
//!         instrument,
//!         side,
//!         kind: OrderKind::Limit(Price::from_ticks(ticks)),
//!         qty: Qty::from_lots(lots),
//!         time_in_force: TimeInForce::Day,
//!         liquidity: Liquidity::Any,
//!     })
//! };
//! give(SessionId(1), limit(Side::Sell, 10_850, 100));
//! let answer = give(SessionId(2), limit(Side::Buy, 10_851, 30));
//! let [Event::Accepted(_), Event::Traded(trade)] = answer[..] else { panic!() };
//! assert_eq!((trade.price.ticks(), trade.maker.leaves_qty.lots()), (10_850, 70));
//! ```

mod avl;
mod book;
mod command;
mod engine;
#[cfg_attr(not(test), expect(dead_code, reason = "the auction will ask it"))]
mod equilibrium;
mod event;
mod instrument;
mod ladder;
mod levels;
// Until stops and orders that expire are kept in it.
#[cfg_attr(not(test), expect(dead_code))]
mod ordered;
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
