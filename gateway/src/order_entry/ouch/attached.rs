//! What an Input of an OUCH session has in its attachment, beside what the tools look for in every attachment.

use crate::fix::tag;
use crate::order_entry::echo::{Echoes, first_attached};
use crate::ouch::{Options, RejectReason};

/// The field of ours: no tag of FIX.
const OUCH: u32 = 0xFFFF;

/// Options of an order, at most: more than those that we take.
pub(super) const OPTIONS_BYTES_MAX: usize = 64;

/// What an order was entered with, as far as a report says it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::order_entry) struct Entered<'a> {
    pub(in crate::order_entry) user_ref_num: u32,
    pub(in crate::order_entry) side: u8,
    pub(in crate::order_entry) time_in_force: u8,
    pub(in crate::order_entry) display: u8,
    pub(in crate::order_entry) capacity: u8,
    pub(in crate::order_entry) iso: u8,
    pub(in crate::order_entry) cross_type: u8,
    /// Why it was refused here, if it was.
    pub(in crate::order_entry) refused: Option<RejectReason>,
    /// Without its padding.
    pub(in crate::order_entry) cl_ord_id: &'a [u8],
    /// The elements of its appendage.
    pub(in crate::order_entry) options: &'a [u8],
}

impl Entered<'_> {
    pub(super) fn padded_cl_ord_id(&self) -> [u8; 14] {
        let mut padded = [b' '; 14];
        let len = self.cl_ord_id.len().min(padded.len());
        padded[..len].copy_from_slice(&self.cl_ord_id[..len]);
        padded
    }

    pub(super) fn options(&self) -> Options {
        Options::decode(self.options).unwrap_or_default()
    }
}

/// Which request an Input came from, and what its report says again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::order_entry) enum Attached<'a> {
    /// Enter.
    Enter(Entered<'a>),
    /// Replace, and the UserRefNum of the order that it was.
    Replace(Entered<'a>, u32),
    /// A Cancel that leaves something, of an order that was to be `before`.
    Reduce { before: u32 },
    /// Modify.
    Modify { before: u32, side: u8 },
    /// MassCancel.
    MassCancel { user_ref_num: u32, firm: [u8; 4], symbol: [u8; 8] },
}

mod kind {
    pub(super) const ENTER: u8 = b'O';
    pub(super) const REPLACE: u8 = b'U';
    pub(super) const REDUCE: u8 = b'X';
    pub(super) const MODIFY: u8 = b'M';
    pub(super) const MASS_CANCEL: u8 = b'C';
}

/// Bytes of the longest: Replace with a text and options.
const BYTES_MAX: usize = 1 + 4 + 4 + 6 + 2 + 1 + 14 + OPTIONS_BYTES_MAX;

const _: () = assert!(
    (3 + BYTES_MAX) + 2 * (3 + 10) + (3 + 8) + (3 + 1) <= matcher::record::ATTACHMENT_BYTES_MAX
);

/// Bytes that grow in place.
struct Put {
    bytes: [u8; BYTES_MAX],
    len: usize,
}

impl Put {
    #[inline]
    fn raw(&mut self, value: &[u8]) {
        self.bytes[self.len..self.len + value.len()].copy_from_slice(value);
        self.len += value.len();
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (value, behind) = rest.split_first_chunk::<N>()?;
    *rest = behind;
    Some(*value)
}

impl<'a> Attached<'a> {
    /// Puts it into the attachment of its Input, in front of everything else: whoever asks whether it is there looks at one
    /// field.
    pub(super) fn put(&self, echoes: &mut Echoes<'_>) {
        let mut put = Put { bytes: [0; BYTES_MAX], len: 0 };
        match self {
            Attached::Enter(entered) => put_entered(&mut put, kind::ENTER, entered, 0),
            Attached::Replace(entered, orig) => {
                put_entered(&mut put, kind::REPLACE, entered, *orig)
            }
            Attached::Reduce { before } => {
                put.raw(&[kind::REDUCE]);
                put.raw(&before.to_le_bytes());
            }
            Attached::Modify { before, side } => {
                put.raw(&[kind::MODIFY, *side]);
                put.raw(&before.to_le_bytes());
            }
            Attached::MassCancel { user_ref_num, firm, symbol } => {
                put.raw(&[kind::MASS_CANCEL]);
                put.raw(&user_ref_num.to_le_bytes());
                put.raw(firm);
                put.raw(symbol);
            }
        }
        echoes.put(OUCH, &put.bytes[..put.len]);
    }

    /// What an attachment has of this, `None` if it is no OUCH request's.
    #[inline]
    pub(in crate::order_entry) fn decode(attachment: &'a [u8]) -> Option<Attached<'a>> {
        let (OUCH, mut rest, _) = first_attached(attachment)? else { return None };
        let [kind] = take(&mut rest)?;
        Some(match kind {
            kind::ENTER => Attached::Enter(take_entered(&mut rest)?.0),
            kind::REPLACE => {
                let (entered, orig) = take_entered(&mut rest)?;
                Attached::Replace(entered, orig)
            }
            kind::REDUCE => Attached::Reduce { before: u32::from_le_bytes(take(&mut rest)?) },
            kind::MODIFY => {
                let [side] = take(&mut rest)?;
                Attached::Modify { side, before: u32::from_le_bytes(take(&mut rest)?) }
            }
            kind::MASS_CANCEL => Attached::MassCancel {
                user_ref_num: u32::from_le_bytes(take(&mut rest)?),
                firm: take(&mut rest)?,
                symbol: take(&mut rest)?,
            },
            _ => return None,
        })
    }
}

#[inline]
fn put_entered(put: &mut Put, kind: u8, entered: &Entered<'_>, orig: u32) {
    let Entered { side, time_in_force, display, capacity, iso, cross_type, .. } = *entered;
    put.raw(&[kind]);
    put.raw(&entered.user_ref_num.to_le_bytes());
    put.raw(&orig.to_le_bytes());
    put.raw(&[side, time_in_force, display, capacity, iso, cross_type]);
    put.raw(&entered.refused.map_or(0, RejectReason::code).to_le_bytes());
    let text = &entered.cl_ord_id[..entered.cl_ord_id.len().min(14)];
    #[allow(clippy::cast_possible_truncation)] // At most 14.
    put.raw(&[text.len() as u8]);
    put.raw(text);
    put.raw(&entered.options[..entered.options.len().min(OPTIONS_BYTES_MAX)]);
}

#[inline]
fn take_entered<'a>(rest: &mut &'a [u8]) -> Option<(Entered<'a>, u32)> {
    let user_ref_num = u32::from_le_bytes(take(rest)?);
    let orig = u32::from_le_bytes(take(rest)?);
    let [side, time_in_force, display, capacity, iso, cross_type] = take(rest)?;
    let refused = RejectReason::from_code(u16::from_le_bytes(take(rest)?));
    let [len] = take(rest)?;
    let (cl_ord_id, options) = rest.split_at_checked(len.into())?;
    let entered = Entered {
        user_ref_num,
        side,
        time_in_force,
        display,
        capacity,
        iso,
        cross_type,
        refused,
        cl_ord_id,
        options,
    };
    Some((entered, orig))
}

/// A UserRefNum as the ClOrdID(11) that tools, and copies over FIX, know an OUCH order by: the number in digits.
pub(super) fn put_user_ref(echoes: &mut Echoes<'_>, tag: u32, user_ref_num: u32) {
    let mut digits = [0; 10];
    let (mut at, mut rest) = (digits.len(), user_ref_num);
    loop {
        at -= 1;
        #[allow(clippy::cast_possible_truncation)] // One digit.
        let digit = (rest % 10) as u8;
        digits[at] = b'0' + digit;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    debug_assert!(tag == tag::CL_ORD_ID || tag == tag::ORIG_CL_ORD_ID);
    echoes.put(tag, &digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order_entry::echo::echo;
    use matcher::record::ATTACHMENT_BYTES_MAX;

    #[test]
    fn what_is_attached_comes_back() {
        let entered = Entered {
            user_ref_num: u32::MAX,
            side: b'T',
            time_in_force: b'6',
            display: b'Y',
            capacity: b'P',
            iso: b'N',
            cross_type: b'N',
            refused: Some(RejectReason::Price),
            cl_ord_id: b"fourteen bytes",
            options: &[7; OPTIONS_BYTES_MAX],
        };
        let bare = Entered { refused: None, cl_ord_id: b"", options: b"", ..entered };
        for attached in [
            Attached::Enter(entered),
            Attached::Enter(bare),
            Attached::Replace(entered, 77),
            Attached::Reduce { before: 100 },
            Attached::Modify { before: 100, side: b'E' },
            Attached::MassCancel { user_ref_num: 5, firm: *b"FIRM", symbol: *b"BTC-USD " },
        ] {
            let mut bytes = [0; ATTACHMENT_BYTES_MAX];
            let mut echoes = Echoes::new(&mut bytes);
            attached.put(&mut echoes);
            put_user_ref(&mut echoes, tag::CL_ORD_ID, u32::MAX);
            put_user_ref(&mut echoes, tag::ORIG_CL_ORD_ID, 0);
            echoes.put(tag::SYMBOL, b"BTC-USD1");
            echoes.put(tag::SIDE, b"1");
            let bytes = echoes.as_bytes();
            assert_eq!(Attached::decode(bytes), Some(attached));
            assert_eq!(echo(bytes, tag::CL_ORD_ID), Some(&b"4294967295"[..]));
            assert_eq!(echo(bytes, tag::ORIG_CL_ORD_ID), Some(&b"0"[..]));
            for len in 0..bytes.len() {
                let _ = Attached::decode(&bytes[..len]);
            }
        }
        assert_eq!(Attached::decode(b""), None);
    }
}
