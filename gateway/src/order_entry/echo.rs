//! Attachments: fields of a request that travel with its Input, to remember or to say again.

use matcher::Command;
use matcher::record::ATTACHMENT_BYTES_MAX;

use super::{
    ACCOUNT_BYTES_MAX, CL_ORD_ID_BYTES_MAX, ORDER_ID_BYTES_MAX, STATUS_ID_BYTES_MAX,
    SYMBOL_BYTES_MAX,
};
use crate::fix::tag;

/// A number longer than this is not said again in a reject.
pub(super) const NUMBER_BYTES_ECHOED: usize = 20;

/// Fields to remember or to say again, as they travel with an Input: tag u16 little endian, length u8,
/// bytes.
pub(super) struct Echoes<'a> {
    bytes: &'a mut [u8; ATTACHMENT_BYTES_MAX],
    len: usize,
}

// The longest: an order refused for what it asks, and a status request.
const _: () = assert!(
    (3 + CL_ORD_ID_BYTES_MAX)
        + (3 + ACCOUNT_BYTES_MAX)
        + (3 + SYMBOL_BYTES_MAX)
        + 3 * (3 + 1)
        + 2 * (3 + NUMBER_BYTES_ECHOED)
        <= ATTACHMENT_BYTES_MAX
);
const _: () = assert!(
    (3 + CL_ORD_ID_BYTES_MAX)
        + (3 + SYMBOL_BYTES_MAX)
        + (3 + 1)
        + (3 + STATUS_ID_BYTES_MAX)
        + (3 + ORDER_ID_BYTES_MAX)
        <= ATTACHMENT_BYTES_MAX
);

impl<'a> Echoes<'a> {
    /// Adds a field to an attachment of `len` bytes, if it has room; returns how many bytes it has then.
    pub(super) fn put_behind(attachment: &mut [u8], len: usize, tag: u32, value: &[u8]) -> usize {
        let (Ok(tag), Ok(value_len)) = (u16::try_from(tag), u8::try_from(value.len())) else {
            return len;
        };
        let end = len + 3 + value.len();
        let Some(field) = attachment.get_mut(len..end) else { return len };
        let [low, high] = tag.to_le_bytes();
        field[..3].copy_from_slice(&[low, high, value_len]);
        field[3..].copy_from_slice(value);
        end
    }

    pub(super) fn new(bytes: &'a mut [u8; ATTACHMENT_BYTES_MAX]) -> Echoes<'a> {
        Echoes { bytes, len: 0 }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    pub(super) fn put(&mut self, tag: u32, value: &[u8]) {
        let tag = u16::try_from(tag).expect("our tags are below 65536").to_le_bytes();
        let len = u8::try_from(value.len()).expect("the border bounds texts");
        let end = self.len + 3 + value.len();
        let field = &mut self.bytes[self.len..end];
        field[..3].copy_from_slice(&[tag[0], tag[1], len]);
        field[3..].copy_from_slice(value);
        self.len = end;
    }

    pub(super) fn put_if(&mut self, tag: u32, value: Option<&[u8]>) {
        if let Some(value) = value {
            self.put(tag, value);
        }
    }
}

/// The first field of an attachment: its tag, its value, and what is behind it.
#[must_use]
pub fn first_attached(attachment: &[u8]) -> Option<(u32, &[u8], &[u8])> {
    let [low, high, len, after @ ..] = attachment else { return None };
    let (value, rest) = after.split_at_checked(usize::from(*len))?;
    Some((u32::from(u16::from_le_bytes([*low, *high])), value, rest))
}

/// The value of a field of a request's attachment.
#[must_use]
pub fn attached(attachment: &[u8], tag: u32) -> Option<&[u8]> {
    echo(attachment, tag)
}

/// The ClOrdID(11) that a request came with; other commands have other attachments.
#[must_use]
pub fn cl_ord_id_of<'a>(command: &Command, attachment: &'a [u8]) -> Option<&'a [u8]> {
    match command {
        Command::New(_) | Command::NewSpecial(..) | Command::Replace(_) => {}
        Command::ReplaceStop(..) | Command::Cancel { .. } | Command::MassCancel(_) => {}
        Command::Reduce(_) => {}
        Command::Status { .. } | Command::Refuse { .. } => {}
        _ => return None,
    }
    echo(attachment, tag::CL_ORD_ID)
}

/// The value of a field of an attachment.
pub(super) fn echo(attachment: &[u8], wanted: u32) -> Option<&[u8]> {
    echo_nth(attachment, wanted, 0)
}

/// The value of a field of an attachment that has it more than once; `nth` counts from 0.
pub(super) fn echo_nth(attachment: &[u8], wanted: u32, nth: usize) -> Option<&[u8]> {
    let (mut rest, mut before) = (attachment, nth);
    while let Some((tag, value, after)) = first_attached(rest) {
        if tag == wanted {
            if before == 0 {
                return Some(value);
            }
            before -= 1;
        }
        rest = after;
    }
    None
}
