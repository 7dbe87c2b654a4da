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
//! The three types to know: [`Publisher`], [`Message`], [`Mirror`].

mod decode;
mod encode;
pub mod message;
mod mirror;
pub mod mold;
mod publisher;
mod scale;
mod window;

pub use decode::{DecodeError, decode};
pub use encode::message_bytes;
pub use message::Message;
pub use mirror::{Mirror, MirrorError, MirrorLevel, MirrorOrder, Top};
pub use publisher::{MESSAGE_KINDS_PUBLISHED, MessageCount, MessageSink, Publisher, UnfitForFeed};
pub use scale::PriceScale;
pub use window::{Window, WindowMessages};
