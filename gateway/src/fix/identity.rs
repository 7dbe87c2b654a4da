//! Who speaks to whom, and the header of every message we write.

use std::fmt;

use matcher::{MsgSeqNum, Timestamp};

use super::encode::Encoder;
use super::tag;
use super::version::Version;

/// A CompID: 1 to 32 printable ASCII characters, stored in place.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CompId {
    len: u8,
    bytes: [u8; CompId::BYTES_MAX],
}

impl CompId {
    /// Characters at most.
    pub const BYTES_MAX: usize = 32;

    /// `text` stored in place, or `None` if it is empty, too long, or not printable ASCII.
    #[must_use]
    pub fn new(text: &[u8]) -> Option<CompId> {
        let len = u8::try_from(text.len()).ok()?;
        if text.is_empty() || !text.iter().all(u8::is_ascii_graphic) {
            return None;
        }
        let mut bytes = [0; CompId::BYTES_MAX];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        Some(CompId { len, bytes })
    }

    /// The text.
    #[must_use]
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl fmt::Debug for CompId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&String::from_utf8_lossy(self.as_bytes()), f)
    }
}

impl fmt::Display for CompId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&String::from_utf8_lossy(self.as_bytes()))
    }
}

/// The two ends of a session, as they stand in the messages we write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// BeginString(8), and what the body of a message may have.
    pub version: Version,
    /// SenderCompID(49) of what we write: ourselves.
    pub sender_comp_id: CompId,
    /// TargetCompID(56) of what we write: the counterparty.
    pub target_comp_id: CompId,
}

impl Identity {
    /// The identity with these names, or `None` if one of them is no [`CompId`].
    #[must_use]
    pub fn new(version: Version, sender: &[u8], target: &[u8]) -> Option<Identity> {
        Some(Identity {
            version,
            sender_comp_id: CompId::new(sender)?,
            target_comp_id: CompId::new(target)?,
        })
    }

    /// Begins a message with its header: 8 9 35 34 49 52 56, in a resend also 43 and 122.
    #[inline]
    pub fn begin<'o>(&self, out: &'o mut Vec<u8>, msg_type: &[u8], header: &Header) -> Encoder<'o> {
        let begin_string = self.version.begin_string().as_bytes();
        let mut message = Encoder::begin(out, begin_string, msg_type);
        message.uint(tag::MSG_SEQ_NUM, u64::from(header.msg.0));
        if header.resend {
            message.char(tag::POSS_DUP_FLAG, b'Y');
        }
        message.bytes(tag::SENDER_COMP_ID, self.sender_comp_id.as_bytes());
        let sending_time = if header.resend { header.now } else { header.sending_time };
        message.utc(tag::SENDING_TIME, sending_time);
        message.bytes(tag::TARGET_COMP_ID, self.target_comp_id.as_bytes());
        if header.resend {
            message.utc(tag::ORIG_SENDING_TIME, header.sending_time);
        }
        message
    }
}

/// What the header of a message says besides its identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// MsgSeqNum(34).
    pub msg: MsgSeqNum,
    /// When its turn was: SendingTime(52), in a resend OrigSendingTime(122).
    pub sending_time: Timestamp,
    /// Whether it is sent again: PossDupFlag(43)=Y.
    pub resend: bool,
    /// SendingTime(52) of a resend.
    pub now: Timestamp,
}
