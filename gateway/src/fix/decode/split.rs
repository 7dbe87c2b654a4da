//! The body of a good frame → where its fields are, and what is wrong with the first that breaks a rule.

use super::{Ends, FIELDS_MAX, Fault, Frame, SOH, TRAILER_BYTES};
use crate::fix::dictionary::data_tag_of;
use crate::fix::message::Field;
use crate::fix::tag::{self, SessionRejectReason};

/// Writes the positions of the fields from `35=` on into `slots`; returns how many there are now.
#[inline]
pub(super) fn split_body(
    bytes: &[u8],
    frame: &Frame,
    ends: &Ends,
    slots: &mut [Field; FIELDS_MAX],
) -> (usize, Option<Fault>) {
    let trailer = usize::from(frame.trailer);
    let mut count = 2;
    let mut at = usize::from(frame.body_start);
    let mut walk = ends.from(at);
    // This loop knows only what almost every field is, and stops at any other.
    while at < trailer {
        let Some((number, start)) = tag_at(bytes, at) else { break };
        let end = walk.next();
        if start == end || data_tag_of(number).is_some() {
            break;
        }
        let Some(slot) = slots.get_mut(count) else { break };
        *slot = Field { tag: number, start: start as u16, end: end as u16 };
        count += 1;
        at = end + 1;
    }
    if at < trailer {
        return split_rest(bytes, (trailer, at), ends, (slots, count));
    }
    last_field(trailer, slots, (count, None))
}

/// CheckSum(10), which has been looked at.
#[inline]
fn last_field(
    trailer: usize,
    slots: &mut [Field; FIELDS_MAX],
    (count, fault): (usize, Option<Fault>),
) -> (usize, Option<Fault>) {
    let Some(slot) = slots.get_mut(count) else { return too_many(fault) };
    *slot = Field {
        tag: tag::CHECK_SUM,
        start: trailer as u16 + 3,
        end: (trailer + TRAILER_BYTES) as u16 - 1,
    };
    (count + 1, fault)
}

/// The same as [`split_body`] from the field at `at` on, whatever the fields are.
#[inline(never)]
fn split_rest(
    bytes: &[u8],
    (trailer, mut at): (usize, usize),
    ends: &Ends,
    (slots, mut count): (&mut [Field; FIELDS_MAX], usize),
) -> (usize, Option<Fault>) {
    let mut fault = None;
    let mut data: Option<(u32, usize)> = None;
    let mut walk = ends.from(at);
    while at < trailer {
        let mut end = walk.next();
        let Some((number, start)) = tag_of_any(bytes, at) else {
            fault = fault.or(Some(bad_tag(&bytes[at..end])));
            at = end + 1;
            continue;
        };
        if let Some((data_tag, len)) = data.take()
            && data_tag == number
        {
            // The SOH in front of 10= is the last that a value may end with.
            let stated = start + len;
            if stated < trailer && bytes[stated] == SOH {
                walk = ends.from(stated);
                end = walk.next();
            } else {
                fault = fault.or(Some(Fault::of(number, SessionRejectReason::IncorrectDataFormat)));
            }
        }
        if start == end {
            fault = fault.or(Some(Fault::of(number, SessionRejectReason::TagWithoutValue)));
        }
        if let Some(data_tag) = data_tag_of(number) {
            data = parse_len(&bytes[start..end]).map(|len| (data_tag, len));
        }
        let Some(slot) = slots.get_mut(count) else { return too_many(fault) };
        *slot = Field { tag: number, start: start as u16, end: end as u16 };
        count += 1;
        at = end + 1;
    }
    last_field(trailer, slots, (count, fault))
}

#[cold]
fn too_many(fault: Option<Fault>) -> (usize, Option<Fault>) {
    (FIELDS_MAX, fault.or(Some(Fault { tag: None, reason: SessionRejectReason::Other })))
}

/// The tag at `at`, if it has one to four digits, and where its value begins. Most have two.
#[inline]
fn tag_at(bytes: &[u8], at: usize) -> Option<(u32, usize)> {
    let text: &[u8; 5] = bytes.get(at..at + 5)?.first_chunk()?;
    // Written out: as a loop over an iterator it took twice as long.
    let [first, second, third, fourth, fifth] = *text;
    let digit = |byte: u8| {
        let digit = u32::from(byte.wrapping_sub(b'0'));
        (digit <= 9).then_some(digit)
    };
    let number = digit(first).filter(|digit| *digit > 0)?;
    if second == b'=' {
        return Some((number, at + 2));
    }
    let number = number * 10 + digit(second)?;
    if third == b'=' {
        return Some((number, at + 3));
    }
    let number = number * 10 + digit(third)?;
    if fourth == b'=' {
        return Some((number, at + 4));
    }
    let number = number * 10 + digit(fourth)?;
    (fifth == b'=').then_some((number, at + 5))
}

/// The same for a tag of any length up to nine digits.
fn tag_of_any(bytes: &[u8], at: usize) -> Option<(u32, usize)> {
    let rest = &bytes[at..];
    let len = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=9).contains(&len) || rest[0] == b'0' || rest.get(len) != Some(&b'=') {
        return None;
    }
    let number = rest[..len].iter().fold(0, |number, digit| 10 * number + u32::from(digit - b'0'));
    Some((number, at + len + 1))
}

/// Length of a data field; longer than a message is no length.
pub(super) fn parse_len(text: &[u8]) -> Option<usize> {
    if text.is_empty() || text.len() > 5 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(text.iter().fold(0, |len, digit| len * 10 + usize::from(digit - b'0')))
}

/// `field` has no usable tag: what to call it in the Reject.
#[cold]
pub(super) fn bad_tag(field: &[u8]) -> Fault {
    let text = field.split(|byte| *byte == b'=').next().unwrap_or(field);
    let tag = std::str::from_utf8(text).ok().and_then(|text| text.parse::<i32>().ok());
    Fault { tag, reason: SessionRejectReason::InvalidTag }
}
