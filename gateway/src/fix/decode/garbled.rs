//! Bytes that are no message: where to read on.

use super::{DecodeError, MESSAGE_BYTES_MAX, SOH, START};

/// Bytes of CheckSum(10) behind a wrong BodyLength(9) at most.
const CHECK_SUM_BYTES_MAX: usize = 16;

/// What a message whose BodyLength(9) leads nowhere takes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadLength {
    /// Itself: what follows its CheckSum(10), or begins inside of what it says is its body, is read.
    ItsMessage,
    /// All that it says is its body, up to the next CheckSum(10): 2m of the FIX session test cases.
    ItsLength,
}

/// A message whose BodyLength(9) leads nowhere ends with its CheckSum(10), or where another one begins: whichever
/// comes first, and nothing behind it is looked at.
#[cold]
pub(super) fn skip_message(bytes: &[u8], from: usize) -> DecodeError {
    skip(bytes, from, BadLength::ItsMessage)
}

/// A message whose BodyLength(9) leads nowhere takes everything up to the end of the next CheckSum(10),
/// as QuickFIX has it (2m of the FIX session test cases): too short a length loses this message, too
/// long a length loses the next one with it. The gap that leaves is asked for again.
#[cold]
pub(super) fn skip_bad_length(bytes: &[u8], from: usize) -> DecodeError {
    skip(bytes, from, BadLength::ItsLength)
}

fn skip(bytes: &[u8], from: usize, takes: BadLength) -> DecodeError {
    let until = bytes.len().min(from + MESSAGE_BYTES_MAX);
    let mut at = from;
    while let Some(next) = bytes[at..until].iter().position(|byte| *byte == SOH) {
        at += next + 1;
        let rest = &bytes[at..];
        if takes == BadLength::ItsMessage && rest.starts_with(START) {
            return DecodeError::Garbled { resume_at: at };
        }
        let Some(value) = rest.strip_prefix(b"10=") else { continue };
        let sum = &value[..value.len().min(CHECK_SUM_BYTES_MAX)];
        match sum.iter().position(|byte| *byte == SOH) {
            Some(len) => return DecodeError::Garbled { resume_at: at + 3 + len + 1 },
            None if sum.len() == value.len() => return DecodeError::Incomplete,
            None => {}
        }
    }
    if until - from < MESSAGE_BYTES_MAX { DecodeError::Incomplete } else { garbled(bytes) }
}

/// Nothing usable here: go on at the next `8=FIX`, or at what may become one.
#[cold]
pub(super) fn garbled(bytes: &[u8]) -> DecodeError {
    let next = bytes[1..].windows(START.len()).position(|five| five == START).map(|at| at + 1);
    let resume_at = next.unwrap_or_else(|| {
        let tail = bytes.len().saturating_sub(START.len() - 1).max(1);
        (tail..bytes.len()).find(|at| START.starts_with(&bytes[*at..])).unwrap_or(bytes.len())
    });
    DecodeError::Garbled { resume_at }
}
