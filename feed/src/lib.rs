//! The market data feed: what happened in the books, as ITCH 5.0 messages, out of the journal.
//!
//! What it promises:
//!
//! * **A pure function of the journal.** [`Publisher`] turns a turn into the same messages whenever it
//!   is asked: live, after a restart, or for a subscriber that wants message 1 again.
//! * **Readable by strangers.** Only message types of ITCH 5.0 with the layouts of ITCH 5.0, so decoders
//!   that know nothing of us read it (two of them run in the tests). `PROTOCOL.md` has the tables.
//! * **Checkable.** [`Mirror`] rebuilds every book from the messages and refuses what cannot be.
//!
//! No sockets, no threads, no clock: the venue owns them, `now` is an argument.
//!
//! The four types to know: [`Publisher`], [`Message`], [`Mirror`], and for who reads the multicast
//! [`Receiver`](receiver::Receiver).
//!
//! ```
//! use feed::{Message, Mirror, Publisher, decode};
//! use matcher::{Command, Engine, Limits};
//! # use matcher::{Input, MsgSeqNum, Sequence, SessionId, Timestamp};
//! # let limits = Limits { orders_max: 9, levels_max: 9, instruments_max: 1, sessions_max: 1 };
//! # let input = Input {
//! #     sequence: Sequence(1),
//! #     timestamp: Timestamp(34_200_000_000_000),
//! #     session: SessionId::VENUE,
//! #     inbound: MsgSeqNum::NONE,
//! #     command: Command::Configure(limits),
//! # };
//! let (mut engine, mut events) = (Engine::new(), Vec::new());
//! engine.apply(&input, &mut events);
//!
//! let mut messages: Vec<Vec<u8>> = Vec::new();
//! Publisher::new().turn(&input, &events, &mut messages);
//!
//! let mut mirror = Mirror::new();
//! for bytes in &messages {
//!     let message = decode(bytes)?;
//!     assert!(matches!(message, Message::SystemEvent(_)));
//!     mirror.apply(&message)?;
//! }
//! assert_eq!(messages.len(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod decode;
mod depth;
mod encode;
pub mod glimpse;
pub mod message;
mod mirror;
pub mod mold;
mod publisher;
pub mod receiver;
mod scale;
mod window;

pub use decode::{DecodeError, decode};
pub use depth::Depth;
pub use encode::message_bytes;
pub use message::Message;
pub use mirror::{Mirror, MirrorError, MirrorLevel, MirrorOrder, Top};
pub use publisher::{MESSAGE_KINDS_PUBLISHED, MessageCount, MessageSink, Publisher, UnfitForFeed};
pub use scale::PriceScale;
pub use window::{Window, WindowMessages};
