//! OUCH 5.0 (revision 1.04): the messages of a market maker's order entry, inside SoupBinTCP.
//!
//! ```text
//! SoupBinTCP `U` packet │ kind │ fields, big endian │ length │ length tag value │ length tag value …
//!            `S` packet │        message.rs          │        options.rs
//! ```
//!
//! What comes from a client is read with the codes as they stand ([`Enter::side`] is a byte): an undefined code has
//! an answer of its own in the application layer, a wrong length has none. Byte tables: `OUCH.md`.

mod code;
mod message;
mod note;
mod options;

pub use code::{
    BrokenReason, CancelReason, DISPLAY_ATTRIBUTABLE, Liquidity, MARKET_PRICE, MARKET_PRICE_SHORT,
    OrderState, RejectReason, RestateReason, SystemCode,
};
pub use message::{
    Accepted, AccountQuery, AccountQueryResponse, AiqCanceled, BrokenTrade, Cancel, CancelPending,
    CancelReject, Canceled, DisableOrderEntry, DisableResponse, EnableOrderEntry, EnableResponse,
    Enter, Executed, FromClient, FromVenue, MESSAGE_BYTES_MAX, Malformed, MassCancel,
    MassCancelResponse, Modified, Modify, OrderRestated, PriorityUpdate, Rejected, Replace,
    Replaced, SystemEvent,
};
pub use note::{Note, session_name, since_midnight};
pub use options::{APPENDAGE_BYTES_MAX, Options, tag};
