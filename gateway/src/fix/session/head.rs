//! The header of a message that came in: its fields, and what may be wrong with its ids and times.

use matcher::Timestamp;

use super::{SECOND_NS, Session};
use crate::fix::decimal::parse_uint;
use crate::fix::decode::{Fault, Message};
use crate::fix::tag::{self, SessionRejectReason};
use crate::fix::time::parse_utc;

/// The header fields the session looks at, wherever in the message they stand.
pub(super) struct Head<'m> {
    /// MsgSeqNum(34), `None` if missing or malformed.
    pub(super) number: Option<u32>,
    pub(super) sender: Option<&'m [u8]>,
    pub(super) target: Option<&'m [u8]>,
    pub(super) sending_time: Option<&'m [u8]>,
    pub(super) orig_sending_time: Option<&'m [u8]>,
    pub(super) poss_dup: bool,
    pub(super) poss_resend: bool,
}

impl<'m> Head<'m> {
    #[inline]
    pub(super) fn read(message: &Message<'m>) -> Head<'m> {
        let mut head = Head {
            number: None,
            sender: None,
            target: None,
            sending_time: None,
            orig_sending_time: None,
            poss_dup: false,
            poss_resend: false,
        };
        for (tag, value) in message.iter() {
            match tag {
                tag::MSG_SEQ_NUM if head.number.is_none() => head.number = parse_uint(value),
                tag::SENDER_COMP_ID => head.sender = head.sender.or(Some(value)),
                tag::TARGET_COMP_ID => head.target = head.target.or(Some(value)),
                tag::SENDING_TIME => head.sending_time = head.sending_time.or(Some(value)),
                tag::ORIG_SENDING_TIME => {
                    head.orig_sending_time = head.orig_sending_time.or(Some(value));
                }
                tag::POSS_DUP_FLAG => head.poss_dup = value == b"Y",
                tag::POSS_RESEND => head.poss_resend = value == b"Y",
                _ => {}
            }
        }
        head
    }
}

impl Session {
    pub(super) fn check_sending_time(&self, now: Timestamp, head: &Head<'_>) -> Result<(), ()> {
        // Missing or malformed is the dictionary's business.
        let Some(sent_at) = head.sending_time.and_then(parse_utc) else { return Ok(()) };
        let off_ns = now.0.abs_diff(sent_at.0);
        if off_ns > u64::from(self.profile.latency_s_max) * SECOND_NS { Err(()) } else { Ok(()) }
    }

    pub(super) fn is_other_comp_id(&self, head: &Head<'_>) -> bool {
        let identity = &self.profile.identity;
        // Missing or empty is the dictionary's business.
        let differs = |there: Option<&[u8]>, ours: &[u8]| {
            there.is_some_and(|id| !id.is_empty() && id != ours)
        };
        differs(head.sender, identity.target_comp_id.as_bytes())
            || differs(head.target, identity.sender_comp_id.as_bytes())
    }
}

/// What is wrong with the times of a message that says it was sent before.
pub(super) fn poss_dup_fault(head: &Head<'_>, msg_type: &[u8]) -> Option<Fault> {
    // Gap fills of some engines come without OrigSendingTime(122).
    if !head.poss_dup || msg_type == b"4" {
        return None;
    }
    let Some(orig) = head.orig_sending_time else {
        return Some(Fault::of(tag::ORIG_SENDING_TIME, SessionRejectReason::RequiredTagMissing));
    };
    let later = match (parse_utc(orig), head.sending_time.and_then(parse_utc)) {
        (Some(orig), Some(sending)) => orig > sending,
        // Malformed is the dictionary's business.
        _ => false,
    };
    later.then_some(Fault { tag: None, reason: SessionRejectReason::SendingTimeAccuracy })
}
