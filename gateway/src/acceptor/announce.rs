//! What the operator says to sessions: News(B). Each message is a Note of its session, so it has a number, stands in the journal and is
//! told again; who is not there hears it with what was missed.

use std::collections::VecDeque;
use std::sync::Arc;

use matcher::record::ATTACHMENT_BYTES_MAX;
use matcher::{Command, MsgSeqNum, Numbering, SessionId};

use super::{Acceptor, ROOM_FOR_ORDERS, Requests};
use crate::fix::Note;
use crate::network::Network;

/// Headline(148) has so many bytes, at most.
pub const HEADLINE_BYTES_MAX: usize = 64;

/// The text of one announcement, line ends included, at most.
pub const NEWS_BYTES_MAX: usize = 1_024;

/// Text of one message. With a headline and ` (16/16)` behind it there is room for it in a Note.
const PART_BYTES_MAX: usize = 112;

/// Messages of one announcement, at most.
const PARTS_MAX: usize = 16;

const _: () = assert!(HEADLINE_BYTES_MAX + 8 + PART_BYTES_MAX + 4 <= ATTACHMENT_BYTES_MAX);

/// Room in the ring that news leaves to others.
const ROOM_LEFT: usize = 2 * ROOM_FOR_ORDERS;

/// Urgency(61).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Urgency {
    /// 0.
    #[default]
    Normal,
    /// 1: a flash.
    Flash,
    /// 2.
    Background,
}

impl Urgency {
    /// The value of Urgency(61).
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Urgency::Normal => b'0',
            Urgency::Flash => b'1',
            Urgency::Background => b'2',
        }
    }
}

/// Something to say to sessions, as the messages that say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    notes: Vec<Arc<[u8]>>,
}

impl News {
    /// Says `text` under `headline`; a text that is long, or has many lines, becomes several messages, counted behind the
    /// headline.
    ///
    /// # Errors
    ///
    /// What is wrong with one of them.
    pub fn new(urgency: Urgency, headline: &str, text: &str) -> Result<News, &'static str> {
        let is_text = |byte: u8| (b' '..=b'~').contains(&byte);
        if headline.trim().is_empty() || headline.len() > HEADLINE_BYTES_MAX {
            return Err("a headline has 1 to 64 characters");
        }
        if text.trim().is_empty() || text.len() > NEWS_BYTES_MAX {
            return Err("the text has 1 to 1024 characters");
        }
        if !headline.bytes().all(is_text)
            || !text.bytes().all(|byte| byte == b'\n' || is_text(byte))
        {
            return Err("headline and text are printable ASCII characters");
        }
        let parts = parts(text);
        if parts.len() > PARTS_MAX {
            return Err("the text has too many lines");
        }
        let notes = parts.iter().enumerate().map(|(index, part)| {
            let counted = format!("{headline} ({}/{})", index + 1, parts.len());
            let headline = if parts.len() > 1 { counted.as_str() } else { headline };
            let (headline, text) = (headline.as_bytes(), part.as_bytes());
            let mut attachment = [0; ATTACHMENT_BYTES_MAX];
            let len =
                Note::News { urgency: urgency.code(), headline, text }.encode(&mut attachment);
            attachment[..len].into()
        });
        Ok(News { notes: notes.collect() })
    }

    /// How many messages a session gets.
    #[must_use]
    pub fn messages(&self) -> usize {
        self.notes.len()
    }
}

/// The lines of a text in parts that each have room in a message, cut between words where that can be. An empty line is a space,
/// since a field of FIX is not empty.
fn parts(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut put = |piece: &str| {
        let Some(part) = parts.last_mut() else { return };
        if part.is_empty() {
            part.push_str(piece);
        } else if part.len() + 1 + piece.len() <= PART_BYTES_MAX {
            part.push('\n');
            part.push_str(piece);
        } else {
            parts.push(piece.into());
        }
    };
    for line in text.trim_end().split('\n') {
        let mut rest = if line.is_empty() { " " } else { line };
        while rest.len() > PART_BYTES_MAX {
            let cut = rest[..PART_BYTES_MAX].rfind(' ').filter(|cut| *cut > 0);
            let (piece, after) = rest.split_at(cut.unwrap_or(PART_BYTES_MAX));
            put(piece);
            rest = after.strip_prefix(' ').filter(|it| !it.is_empty()).unwrap_or(after);
        }
        put(rest);
    }
    parts
}

/// Messages that wait for room in the ring.
#[derive(Default)]
pub(super) struct Announced(VecDeque<(SessionId, Arc<[u8]>)>);

impl Announced {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<N: Network> Acceptor<N> {
    /// Says `news` to these sessions; `None`: to all. Says to how many: one that never logged on speaks no version yet, and
    /// is not told. `None`: what was announced before still waits.
    pub fn announce(&mut self, to: Option<&[SessionId]>, news: &News) -> Option<usize> {
        if !self.announced.is_empty() {
            return None;
        }
        let mut told = 0;
        for index in 0..self.slots.len() {
            #[allow(clippy::cast_possible_truncation)] // Session ids are u32.
            let id = SessionId(index as u32);
            // OUCH has no message for it.
            let speaks_fix = self.slots[index].as_ref().is_some_and(|slot| slot.ouch.is_none());
            let is_told = to.is_none_or(|to| to.contains(&id)) && speaks_fix;
            if is_told && self.entry.version(id).is_some() {
                told += 1;
                self.announced.0.extend(news.notes.iter().map(|note| (id, Arc::clone(note))));
            }
        }
        Some(told)
    }

    /// Submits what was announced, as far as there is room beside orders.
    #[inline]
    pub(super) fn submit_announced(&mut self, requests: &mut impl Requests) {
        while !self.announced.is_empty() && requests.room() >= ROOM_LEFT {
            let Some((session, note)) = self.announced.0.pop_front() else { return };
            let command = Command::Note(Numbering::Next);
            requests.submit(session, MsgSeqNum::NONE, &command, &note);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_words() {
        assert_eq!(parts("one\n\ntwo\n"), ["one\n \ntwo"]);
        let words = "word ".repeat(100);
        let cut = parts(words.trim_end());
        assert!(cut.iter().all(|part| part.len() <= PART_BYTES_MAX && !part.starts_with(' ')));
        assert_eq!(cut.join(" "), words.trim_end());
        let one = "x".repeat(300);
        assert_eq!(parts(&one).concat(), one);
        let spaces = " ".repeat(300);
        let cut = parts(&(spaces + "x"));
        assert!(cut.iter().all(|part| !part.is_empty() && part.len() <= PART_BYTES_MAX));
    }

    #[test]
    fn what_is_too_long_or_no_text_is_refused() {
        let (long, lines) = ("x".repeat(NEWS_BYTES_MAX), "line\n".repeat(200));
        assert_eq!(News::new(Urgency::Normal, "Head", &long).map(|news| news.messages()), Ok(10));
        assert!(News::new(Urgency::Normal, "Head", &lines).is_ok());
        for (headline, text) in [
            ("", "text"),
            ("  ", "text"),
            ("Head", " \n"),
            ("Head", &*format!("{long}x")),
            (&*"x".repeat(65), "text"),
            ("He\nad", "text"),
            ("Head", "te\u{1}xt"),
            ("Head", "t\u{e9}xt"),
        ] {
            assert!(News::new(Urgency::Flash, headline, text).is_err(), "{headline:?} {text:?}");
        }
    }
}
