//! What operators do to a running venue: who did it stands in the journal before it is done.

use std::fmt;

use matcher::record::ATTACHMENT_BYTES_MAX;

/// First byte of the attachment of a Note of the venue that says what an operator did.
const KIND: u8 = 64;

/// Bytes in front of the text.
const HEAD_BYTES: usize = 5;

/// What an operator did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// His user id on the venue's machine, as the kernel said it.
    pub uid: u32,
    /// What.
    pub what: String,
}

impl Action {
    /// The attachment: 1 kind, 4 uid, and the text, cut to what there is room for.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![KIND];
        bytes.extend_from_slice(&self.uid.to_le_bytes());
        let mut end = self.what.len().min(ATTACHMENT_BYTES_MAX - HEAD_BYTES);
        while !self.what.is_char_boundary(end) {
            end -= 1;
        }
        bytes.extend_from_slice(&self.what.as_bytes()[..end]);
        bytes
    }

    /// What [`Action::encode`] gave, `None` if it is something else.
    #[must_use]
    pub fn decode(attachment: &[u8]) -> Option<Action> {
        let (head, text) = attachment.split_at_checked(HEAD_BYTES)?;
        let uid = u32::from_le_bytes(*head.last_chunk()?);
        let what = str::from_utf8(text).ok()?.to_owned();
        (head[0] == KIND).then_some(Action { uid, what })
    }
}

/// Why something that an operator asked for was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotDone {
    /// The way to the journal is full: try again.
    Busy,
    /// What is in force stays so, for this reason.
    Refused(String),
    /// The venue ends.
    Ended,
}

impl fmt::Display for NotDone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotDone::Busy => f.write_str("the venue is busy: try again"),
            NotDone::Refused(why) => f.write_str(why),
            NotDone::Ended => f.write_str("the venue ends"),
        }
    }
}

impl std::error::Error for NotDone {}

/// What [`crate::Venue::reload`] has taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Sessions whose credentials are others now.
    pub sessions: usize,
    /// The certificate, its key and the issuers of clients were read again.
    pub certificate: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_survives_the_journal() {
        for (uid, what) in [(0, ""), (1_001, "news all: Halt"), (u32::MAX, &"ü".repeat(200))] {
            let action = Action { uid, what: what.into() };
            let bytes = action.encode();
            assert!(bytes.len() <= ATTACHMENT_BYTES_MAX);
            let read = Action::decode(&bytes).unwrap();
            assert_eq!(read.uid, uid);
            assert!(what.starts_with(&read.what) && read.what.len() >= what.len().min(180));
        }
        assert_eq!(Action::decode(&[KIND, 1, 2, 3]), None);
        assert_eq!(Action::decode(&[KIND - 1, 1, 2, 3, 4]), None);
        assert_eq!(Action::decode(&[KIND, 0, 0, 0, 0, 0xff]), None);
    }
}
