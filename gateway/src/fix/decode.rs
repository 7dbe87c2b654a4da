//! Bytes to a [`Message`]: a view of the fields, without a copy and without an allocation.
//!
//! What [`decode`] accepts is framed: `8=` and `9=` and `35=` first, BodyLength(9) leads to
//! CheckSum(10), and the sum is right. Fields that break a rule inside a good frame do not stop it:
//! the first one is the message's [`Fault`], because its answer needs the message's number.

mod ends;
mod garbled;
mod split;

use std::fmt;

use super::message::Field;
pub use super::message::{Fields, Message};
use super::tag;
use super::tag::SessionRejectReason;
pub(super) use ends::Ends;
pub use garbled::BadLength;
use garbled::{garbled, skip_bad_length, skip_message};
use split::split_body;

/// Bytes of one message at most, frame included. A message that says it is longer ends the connection.
pub const MESSAGE_BYTES_MAX: usize = 8192;

/// Fields of one message at most.
pub const FIELDS_MAX: usize = 512;

/// Bytes of the value of BeginString(8) at most; `FIXT.1.1` has eight.
const BEGIN_STRING_BYTES_MAX: usize = 16;

/// Digits of BodyLength(9) that we read; leading zeroes are allowed.
const BODY_LENGTH_DIGITS_MAX: usize = 9;

/// `10=ddd|`
const TRAILER_BYTES: usize = 7;

const SOH: u8 = 1;

/// How every message of every version begins; what we look for behind bytes that make no sense.
const START: &[u8] = b"8=FIX";

/// Why bytes from a counterparty are not a message. None of these is our bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The message goes on past the buffer: read more, try again.
    Incomplete,
    /// 8=, 9=, 35= or 10= is wrong: drop the bytes up to `resume_at`, answer nothing, count no number
    /// (FIX 4.4 vol. 2, "garbled message"). `resume_at` is at least 1.
    Garbled {
        /// How many bytes to drop.
        resume_at: usize,
    },
    /// BodyLength(9) says more than [`MESSAGE_BYTES_MAX`]: close the connection.
    TooLong {
        /// What BodyLength(9) says.
        body_bytes: u64,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecodeError::Incomplete => f.write_str("message is not complete yet"),
            DecodeError::Garbled { resume_at } => {
                write!(f, "garbled message, {resume_at} bytes dropped")
            }
            DecodeError::TooLong { body_bytes } => {
                write!(f, "message of {body_bytes} bytes, {MESSAGE_BYTES_MAX} are allowed")
            }
        }
    }
}

impl std::error::Error for DecodeError {}

/// The first field of a well framed message that breaks a rule of the tag=value form: to be answered by
/// Reject(3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// RefTagID(371), `None` if there is no number to name. Signed: a peer can send `-1=x`.
    pub tag: Option<i32>,
    /// SessionRejectReason(373).
    pub reason: SessionRejectReason,
}

impl Fault {
    /// `reason` for `tag`.
    #[must_use]
    pub const fn of(tag: u32, reason: SessionRejectReason) -> Fault {
        Fault { tag: Some(tag.cast_signed()), reason }
    }
}

/// Reads the message at the start of `bytes`; returns it and how many bytes it takes.
///
/// Work is bounded by [`MESSAGE_BYTES_MAX`] a call, and an incomplete message is recognised from its
/// first bytes, so trickled input costs no rescans.
///
/// # Errors
///
/// [`DecodeError`] names what to do with the bytes.
#[inline]
pub fn decode<'a>(
    bytes: &'a [u8],
    fields: &'a mut Fields,
) -> Result<(Message<'a>, usize), DecodeError> {
    decode_as(bytes, fields, BadLength::ItsMessage)
}

/// As [`decode`], where the bytes of a message with a wrong BodyLength(9) end as the definitions of the test cases
/// have it.
///
/// # Errors
///
/// As [`decode`].
#[inline]
pub fn decode_as<'a>(
    bytes: &'a [u8],
    fields: &'a mut Fields,
    bad_length: BadLength,
) -> Result<(Message<'a>, usize), DecodeError> {
    let Fields { fields: slots, ends } = fields;
    let frame = find_frame(bytes, bad_length, ends)?;
    let bytes = &bytes[..frame.end];
    slots[0] = Field { tag: tag::BEGIN_STRING, start: 2, end: frame.begin_end };
    slots[1] =
        Field { tag: tag::BODY_LENGTH, start: frame.begin_end + 3, end: frame.body_start - 1 };
    let (count, fault) = split_body(bytes, &frame, ends, slots);
    Ok((Message { bytes, fields: &slots[..count], fault }, frame.end))
}

/// Where the parts of a good frame are. Offsets fit in 16 bits: [`MESSAGE_BYTES_MAX`] is below 2^16.
struct Frame {
    /// The SOH behind BeginString(8).
    begin_end: u16,
    /// The `35=`.
    body_start: u16,
    /// The `10=`.
    trailer: u16,
    /// Behind the last SOH.
    end: usize,
}

const _: () = assert!(MESSAGE_BYTES_MAX < 1 << 16);

#[inline]
fn find_frame(bytes: &[u8], bad_length: BadLength, ends: &mut Ends) -> Result<Frame, DecodeError> {
    let begin_end = begin_string(bytes)?;
    let (body_bytes, body_start) = body_length(bytes, begin_end + 1)?;
    let known = &bytes[body_start..bytes.len().min(body_start + 3)];
    let msg_type_third = b"35=".starts_with(known);
    let limit = (MESSAGE_BYTES_MAX - TRAILER_BYTES - body_start) as u64;
    if body_bytes > limit {
        return Err(DecodeError::TooLong { body_bytes });
    }
    let trailer = body_start + body_bytes as usize;
    let end = trailer + TRAILER_BYTES;
    let Some(rest) = bytes.get(trailer..end) else {
        return Err(DecodeError::Incomplete);
    };

    let sum_digits = &rest[3..6];
    let framed = bytes[trailer - 1] == SOH
        && rest.starts_with(b"10=")
        && sum_digits.iter().all(u8::is_ascii_digit)
        && rest[6] == SOH;
    if !framed {
        return Err(match bad_length {
            BadLength::ItsMessage => skip_message(bytes, body_start - 1),
            BadLength::ItsLength => skip_bad_length(bytes, body_start.max(trailer - 1)),
        });
    }
    let stated = sum_digits.iter().fold(0u32, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    // The trailer was looked at with the rest, and is not part of the sum.
    let sum = ends.mark(&bytes[..end]).wrapping_sub(check_sum(rest));
    if !msg_type_third || body_bytes < 4 || stated != u32::from(sum) {
        return Err(DecodeError::Garbled { resume_at: end });
    }
    Ok(Frame {
        begin_end: begin_end as u16,
        body_start: body_start as u16,
        trailer: trailer as u16,
        end,
    })
}

/// Where the SOH behind BeginString(8) is.
#[inline]
fn begin_string(bytes: &[u8]) -> Result<usize, DecodeError> {
    // What almost every message begins with is seen at a glance.
    match bytes {
        [b'8', b'=', b'F', b'I', b'X', b'.', b'4', b'.', b'2' | b'4', SOH, ..] => Ok(9),
        [b'8', b'=', b'F', b'I', b'X', b'T', b'.', b'1', b'.', b'1', SOH, ..] => Ok(10),
        _ => begin_string_of_another(bytes),
    }
}

#[cold]
fn begin_string_of_another(bytes: &[u8]) -> Result<usize, DecodeError> {
    if !bytes.starts_with(START) {
        return Err(if START.starts_with(bytes) {
            DecodeError::Incomplete
        } else {
            garbled(bytes)
        });
    }
    let head = &bytes[2..bytes.len().min(3 + BEGIN_STRING_BYTES_MAX)];
    let Some(begin_len) = head.iter().position(|byte| *byte == SOH) else {
        let may_grow = head.len() <= BEGIN_STRING_BYTES_MAX;
        return Err(if may_grow { DecodeError::Incomplete } else { garbled(bytes) });
    };
    if begin_len == 0 || !head[..begin_len].iter().all(u8::is_ascii_graphic) {
        return Err(garbled(bytes));
    }
    Ok(2 + begin_len)
}

/// Reads `9=n|` at `at`; returns n and where the body starts.
#[inline]
fn body_length(bytes: &[u8], at: usize) -> Result<(u64, usize), DecodeError> {
    let rest = &bytes[at..bytes.len().min(at + 3 + BODY_LENGTH_DIGITS_MAX)];
    if !rest.starts_with(b"9=") {
        return Err(if b"9=".starts_with(rest) { DecodeError::Incomplete } else { garbled(bytes) });
    }
    let mut value = 0u64;
    for (i, byte) in rest[2..].iter().enumerate() {
        match byte {
            b'0'..=b'9' if i < BODY_LENGTH_DIGITS_MAX => {
                value = value * 10 + u64::from(byte - b'0')
            }
            &SOH if i > 0 => return Ok((value, at + 2 + i + 1)),
            _ if i == BODY_LENGTH_DIGITS_MAX => {
                return Err(DecodeError::TooLong { body_bytes: value });
            }
            _ => return Err(garbled(bytes)),
        }
    }
    Err(DecodeError::Incomplete)
}

/// The value of CheckSum(10) over `bytes`.
#[must_use]
#[inline]
pub(super) fn check_sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte))
}

#[cfg(test)]
mod tests;
