//! Which shard a request is for, where there is more than one: each has the journal, the books and the order numbers of its own
//! instruments, and so an [`OrderEntry`] of its own. The first is *home*: it has what is no order's, and gives all numbers
//! that a session sees.
//!
//! A ClOrdID belongs to the shard that knows it: one that is used again goes there and is refused there, so that a name
//! never means two orders.

use matcher::{MsgSeqNum, SessionId};

use super::echo::Echoes;
use super::{OrderEntry, orders_mut};
use crate::fix::{Message, tag};
use crate::ouch::FromClient;

/// Attachment of a Note in the journal of a shard that is not home: the numbers of its session begin again, and what OUCH
/// named orders by names nothing any more. The kinds of other notes are others.
pub const BEGINS_AGAIN: [u8; 1] = [80];

/// Attachment of a Note where there are shards: the disk of this one has no room for the cancel of all orders of its session, which
/// waits until it has.
pub const WAITS: [u8; 1] = [81];

/// Attachment of a cancel that has waited, and that [`WAITS`] told of.
pub const WAITED: [u8; 1] = [82];

/// Attachment of a cancel of all orders of a session that the session asked for: its number is home's.
pub const ASKED: [u8; 1] = [83];

/// Messages of a session from the journal of a shard that is not home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Original {
    /// Which shard, from 1.
    pub shard: usize,
    /// The number that the message has there.
    pub msg: MsgSeqNum,
}

/// The shard that a FIX message is for: 0 is `home`, 1 the first of `others`.
pub fn of_fix(
    home: &mut OrderEntry,
    others: &mut [OrderEntry],
    session: SessionId,
    message: &Message<'_>,
) -> usize {
    let field = |tag| message.get(tag).unwrap_or_default();
    match message.msg_type() {
        b"D" => of_name(home, others, session, field(tag::CL_ORD_ID))
            .unwrap_or_else(|| of_symbol(others, field(tag::SYMBOL))),
        b"G" => of_name(home, others, session, field(tag::CL_ORD_ID))
            .or_else(|| of_name(home, others, session, field(tag::ORIG_CL_ORD_ID)))
            .unwrap_or_default(),
        b"F" => of_name(home, others, session, field(tag::ORIG_CL_ORD_ID)).unwrap_or_default(),
        b"H" => of_name(home, others, session, field(tag::CL_ORD_ID)).unwrap_or_default(),
        b"q" => of_symbol(others, field(tag::SYMBOL)),
        _ => 0,
    }
}

/// The shard that an OUCH message is for.
pub fn of_ouch(
    home: &OrderEntry,
    others: &[OrderEntry],
    session: SessionId,
    message: &FromClient,
) -> usize {
    let of_order = |user_ref| {
        let all = std::iter::once(home).chain(others);
        all.into_iter().position(|entry| entry.knows_user_ref(session, user_ref))
    };
    match message {
        FromClient::Enter(it) => of_symbol(others, it.symbol.trim_ascii_end()),
        FromClient::MassCancel(it) => of_symbol(others, it.symbol.trim_ascii_end()),
        FromClient::Replace(it) => of_order(it.orig_user_ref_num).unwrap_or_default(),
        FromClient::Cancel(it) => of_order(it.user_ref_num).unwrap_or_default(),
        FromClient::Modify(it) => of_order(it.user_ref_num).unwrap_or_default(),
        _ => 0,
    }
}

/// The one that trades what has this symbol; home, if none does.
fn of_symbol(others: &[OrderEntry], symbol: &[u8]) -> usize {
    let others = others.iter();
    others
        .map(OrderEntry::directory)
        .position(|it| it.find(symbol).is_some())
        .map_or(0, |at| at + 1)
}

/// The one that knows an order of the session by this ClOrdID(11).
fn of_name(
    home: &mut OrderEntry,
    others: &mut [OrderEntry],
    session: SessionId,
    cl_ord_id: &[u8],
) -> Option<usize> {
    std::iter::once(home).chain(others).position(|entry| {
        orders_mut(&mut entry.sessions, session).is_some_and(|orders| {
            orders.index();
            orders.find(cl_ord_id).is_some()
        })
    })
}

/// Adds to the attachment of a mass cancel, which has `len` bytes, how many orders went on other shards. Returns how many
/// bytes it has then.
#[must_use]
pub fn put_affected_elsewhere(attachment: &mut [u8], len: usize, orders: u64) -> usize {
    Echoes::put_behind(attachment, len, tag::TOTAL_AFFECTED_ORDERS, orders.to_string().as_bytes())
}
