//! What a `Command::Note` of an OUCH session says: the attachment that stands in the journal.
//!
//! Layout: a kind byte, unlike those of FIX's notes and of copies; then fixed fields, little endian, or the message.

use matcher::Timestamp;
use matcher::record::ATTACHMENT_BYTES_MAX;

use super::{FromVenue, Malformed, SystemCode, SystemEvent};
use crate::soup::{SOUP_SESSION_BYTES, SoupSession};

const NS_PER_DAY: u64 = 86_400_000_000_000;

/// Nanoseconds since midnight UTC: the time of every message of ours.
#[must_use]
pub const fn since_midnight(at: Timestamp) -> u64 {
    at.0 % NS_PER_DAY
}

/// The name of a session's numbers: the second in which they began, so that a restart of the venue changes nothing.
#[must_use]
pub fn session_name(begun_at: Timestamp) -> SoupSession {
    let mut name = [b' '; SOUP_SESSION_BYTES];
    let mut rest = begun_at.0 / 1_000_000_000;
    for byte in name.iter_mut().rev() {
        #[allow(clippy::cast_possible_truncation)] // One digit.
        let digit = (rest % 10) as u8;
        *byte = b'0' + digit;
        rest /= 10;
    }
    name
}

/// What an OUCH session tells the journal, and through it the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // All of them are on the stack.
pub enum Note {
    /// A connection speaks for the session: its login is answered when this comes back. Takes no number.
    Login {
        /// Which connection.
        connection: u64,
    },
    /// The client leaves, or we send it away: then the connection is closed when this comes back. Takes no number.
    Logout {
        /// Which connection.
        connection: u64,
        /// Whether it is the client that leaves.
        asked: bool,
    },
    /// A message that is no answer of the engine. Its time is that of its turn.
    Said(FromVenue),
}

mod kind {
    pub(super) const LOGIN: u8 = 48;
    pub(super) const LOGOUT: u8 = 49;
    pub(super) const SAID: u8 = 50;
}

impl Note {
    /// The beginning or the end of a day.
    #[must_use]
    pub fn day(code: SystemCode) -> Note {
        let (timestamp, event_code, options) = (0, code.code(), super::Options::default());
        Note::Said(FromVenue::SystemEvent(SystemEvent { timestamp, event_code, options }))
    }

    /// Writes the attachment; returns its length.
    ///
    /// # Panics
    ///
    /// If it is a message that does not fit: those that we say this way do.
    #[must_use]
    pub fn encode(&self, attachment: &mut [u8; ATTACHMENT_BYTES_MAX]) -> usize {
        let mut bytes = Vec::with_capacity(64);
        match self {
            Note::Login { connection } => {
                bytes.push(kind::LOGIN);
                bytes.extend_from_slice(&connection.to_le_bytes());
            }
            Note::Logout { connection, asked } => {
                bytes.extend_from_slice(&[kind::LOGOUT, u8::from(*asked)]);
                bytes.extend_from_slice(&connection.to_le_bytes());
            }
            Note::Said(message) => {
                bytes.push(kind::SAID);
                message.encode(&mut bytes);
            }
        }
        attachment[..bytes.len()].copy_from_slice(&bytes);
        bytes.len()
    }

    /// Reads an attachment, `None` if it is none of ours.
    #[must_use]
    pub fn decode(attachment: &[u8]) -> Option<Note> {
        let (kind, rest) = attachment.split_first()?;
        Some(match (*kind, rest) {
            (kind::LOGIN, connection) => {
                Note::Login { connection: u64::from_le_bytes(connection.try_into().ok()?) }
            }
            (kind::LOGOUT, [asked @ (0 | 1), connection @ ..]) => Note::Logout {
                connection: u64::from_le_bytes(connection.try_into().ok()?),
                asked: *asked == 1,
            },
            (kind::SAID, message) => Note::Said(FromVenue::decode(message).ok()?),
            _ => return None,
        })
    }

    /// The bytes of a message that stands in an attachment, with the time of its turn.
    ///
    /// # Errors
    ///
    /// If it has none.
    pub fn write_said(
        attachment: &[u8],
        turn_time: Timestamp,
        out: &mut Vec<u8>,
    ) -> Result<(), Malformed> {
        let [kind::SAID, message @ ..] = attachment else { return Err(Malformed::Empty) };
        let at = out.len();
        out.extend_from_slice(message);
        // Of every message of ours the time stands behind the type.
        let time = out.get_mut(at + 1..at + 9).ok_or(Malformed::Empty)?;
        time.copy_from_slice(&since_midnight(turn_time).to_be_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ouch::{Options, RejectReason, Rejected};

    #[test]
    fn a_note_comes_back_and_is_no_note_of_others() {
        let refused = Rejected {
            timestamp: 0,
            user_ref_num: u32::MAX,
            reason: RejectReason::Rate.code(),
            cl_ord_id: *b"fourteen bytes",
            options: Options::default(),
        };
        for note in [
            Note::Login { connection: u64::MAX },
            Note::Logout { connection: 7, asked: true },
            Note::Logout { connection: 7, asked: false },
            Note::day(SystemCode::EndOfDay),
            Note::Said(FromVenue::Rejected(refused)),
        ] {
            let mut attachment = [0; ATTACHMENT_BYTES_MAX];
            let len = note.encode(&mut attachment);
            assert_eq!(Note::decode(&attachment[..len]), Some(note));
            assert_eq!(crate::fix::Note::decode(&attachment[..len]), None);
            assert_eq!(crate::order_entry::Copy::decode(&attachment[..len]), None);
            for short in 0..len {
                assert_ne!(Note::decode(&attachment[..short]), Some(note));
            }
        }
    }

    #[test]
    fn what_is_said_has_the_time_of_its_turn() {
        let mut attachment = [0; ATTACHMENT_BYTES_MAX];
        let len = Note::day(SystemCode::StartOfDay).encode(&mut attachment);
        let mut out = Vec::new();
        let turn_time = Timestamp(3 * NS_PER_DAY + 5);
        Note::write_said(&attachment[..len], turn_time, &mut out).unwrap();
        assert_eq!(out, [b'S', 0, 0, 0, 0, 0, 0, 0, 5, b'S']);
        assert!(Note::write_said(b"x", turn_time, &mut out).is_err());
    }
}
