//! FIX 4.2, 4.4 and 5.0 SP2 over FIXT.1.1: the codec, the dictionaries and the session machine. No sockets, no clock.
//!
//! * [`decode()`] makes a [`Message`] of bytes, [`Encoder`] makes bytes of fields.
//! * [`Session`] is our side of one counterparty's session: it takes `(now, message)` and calls a
//!   [`Shell`]. Whatever needs an outbound number is submitted to the core as a [`Note`] and written
//!   when the journal says its number.
//! * [`Client`](client::Client) is the other side, for our own tools and tests.

pub mod client;
pub mod decimal;
pub mod decode;
pub mod dictionary;
pub mod encode;
pub mod identity;
mod message;
pub mod note;
pub mod session;
pub mod tag;
mod time;
pub mod version;

pub(crate) use decimal::parse_uint;
pub use decimal::{DecimalError, parse_scaled};
pub use decode::{
    BadLength, DecodeError, FIELDS_MAX, Fault, Fields, MESSAGE_BYTES_MAX, Message, decode,
    decode_as,
};
pub use dictionary::UnknownTags;
pub use encode::Encoder;
pub use identity::{CompId, Header, Identity};
pub use note::{Note, Routing};
pub use session::{
    After, CloseReason, Conduct, LogonRefusal, NewPassword, Profile, Session, Shell, Taken,
};
pub use tag::SessionRejectReason;
pub(crate) use time::utc_ms;
pub use time::{parse_date, parse_utc};
pub use version::{Version, Versions};
