//! A request → what it asks for, or why it cannot be asked.

use super::{Answer, Asked, Content, REQUEST_ID_BYTES_MAX, TRADING_SESSION_ID, Topic};
use crate::fix::{Message, SessionRejectReason, tag};
use crate::order_entry::{Directory, SYMBOL_BYTES_MAX};

/// Instruments in a fragment of a SecurityList(y): some 6 KiB.
pub(super) const FRAGMENT: u32 = 40;

/// Why a request is not answered by what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Reject(3).
    Field {
        /// RefTagID(371).
        tag: u32,
        /// SessionRejectReason(373).
        reason: SessionRejectReason,
    },
    /// BusinessMessageReject(j).
    Business {
        /// BusinessRejectReason(380).
        reason: u16,
        /// Text(58).
        text: &'static str,
    },
}

/// BusinessRejectReason(380): Unknown ID.
const UNKNOWN_ID: u16 = 1;

/// What `message` asks for, one of those that this module knows.
pub(crate) fn asked(message: &Message<'_>, directory: &Directory) -> Result<Asked, Refused> {
    match message.msg_type() {
        b"x" => list(message, directory),
        b"c" => definition(message, directory),
        b"e" => security_status(message, directory),
        _ => trading_session_status(message),
    }
}

/// The id that a request has, if it has one: BusinessRejectRefID(379).
pub(crate) fn id_of<'m>(message: &Message<'m>) -> &'m [u8] {
    let tag = match message.msg_type() {
        b"x" | b"c" => tag::SECURITY_REQ_ID,
        b"e" => tag::SECURITY_STATUS_REQ_ID,
        b"g" => tag::TRAD_SES_REQ_ID,
        _ => tag::MD_REQ_ID,
    };
    message.get(tag).unwrap_or_default()
}

/// A text of 1 to `bytes_max` printable ASCII characters.
pub(crate) fn text<'m>(
    message: &Message<'m>,
    tag: u32,
    bytes_max: usize,
) -> Result<&'m [u8], Refused> {
    let missing = Refused::Field { tag, reason: SessionRejectReason::RequiredTagMissing };
    let value = message.get(tag).ok_or(missing)?;
    if value.len() > bytes_max || !value.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err(Refused::Field { tag, reason: SessionRejectReason::ValueIncorrect });
    }
    Ok(value)
}

fn list(message: &Message<'_>, directory: &Directory) -> Result<Asked, Refused> {
    let id = text(message, tag::SECURITY_REQ_ID, REQUEST_ID_BYTES_MAX)?.to_vec();
    let content = match message.get(tag::SECURITY_LIST_REQUEST_TYPE) {
        _ if message.get(tag::SUBSCRIPTION_REQUEST_TYPE) == Some(b"2") => Content::Refused(""),
        Some(b"0") => one(message, directory)?,
        Some(b"4") => Content::From(0),
        _ => Content::Refused(""),
    };
    let left = match content {
        Content::From(_) => directory.len().div_ceil(FRAGMENT).max(1),
        _ => 1,
    };
    Ok(Asked::Once(Answer::List { id, content, left }))
}

fn definition(message: &Message<'_>, directory: &Directory) -> Result<Asked, Refused> {
    let id = text(message, tag::SECURITY_REQ_ID, REQUEST_ID_BYTES_MAX)?.to_vec();
    let content = match message.get(tag::SECURITY_REQUEST_TYPE) {
        _ if message.get(tag::SUBSCRIPTION_REQUEST_TYPE) == Some(b"2") => {
            Content::Refused("definitions do not change: there is nothing to end")
        }
        Some(b"0" | b"1" | b"4") => one(message, directory)?,
        Some(b"3" | b"8") if !directory.is_empty() => Content::From(0),
        Some(b"3" | b"8") => Content::Refused("there are no instruments"),
        _ => Content::Refused("ask for one instrument or for all of them"),
    };
    let left = match content {
        Content::From(_) => directory.len(),
        _ => 1,
    };
    Ok(Asked::Once(Answer::Definitions { id, content, left }))
}

/// The instrument that a message names.
fn one(message: &Message<'_>, directory: &Directory) -> Result<Content, Refused> {
    let symbol = text(message, tag::SYMBOL, SYMBOL_BYTES_MAX)?;
    let unknown = || Content::Unknown(symbol.to_vec());
    Ok(directory.find(symbol).map_or_else(unknown, Content::One))
}

fn security_status(message: &Message<'_>, directory: &Directory) -> Result<Asked, Refused> {
    let id = text(message, tag::SECURITY_STATUS_REQ_ID, REQUEST_ID_BYTES_MAX)?.to_vec();
    let symbol = text(message, tag::SYMBOL, SYMBOL_BYTES_MAX)?;
    let instrument = directory.find(symbol).ok_or_else(|| symbol.to_vec());
    let is_known = instrument.is_ok();
    let answer = Answer::Security { id, instrument, unsolicited: false };
    Ok(subscription(message, Topic::Security, answer, is_known))
}

fn trading_session_status(message: &Message<'_>) -> Result<Asked, Refused> {
    let id = text(message, tag::TRAD_SES_REQ_ID, REQUEST_ID_BYTES_MAX)?.to_vec();
    let refused = match message.get(tag::TRADING_SESSION_ID) {
        None | Some(TRADING_SESSION_ID) => None,
        // FIX 4.2 has no word for it in the answer.
        Some(_) if message.begin_string() == b"FIX.4.2" => {
            let text = "unknown TradingSessionID: there is one, 1";
            return Err(Refused::Business { reason: UNKNOWN_ID, text });
        }
        Some(_) => Some(text(message, tag::TRADING_SESSION_ID, REQUEST_ID_BYTES_MAX)?.to_vec()),
    };
    let is_known = refused.is_none();
    let answer = Answer::TradingSession { id, refused, unsolicited: false };
    Ok(subscription(message, Topic::TradingSession, answer, is_known))
}

fn subscription(message: &Message<'_>, topic: Topic, answer: Answer, is_known: bool) -> Asked {
    match message.get(tag::SUBSCRIPTION_REQUEST_TYPE) {
        Some(b"2") => Asked::Unsubscribe(topic, answer.id().to_vec()),
        Some(b"1") if is_known => Asked::Subscribe(answer),
        _ => Asked::Once(answer),
    }
}
