//! A place in a journal as somebody writes it: a sequence or a time.

use clap::Args;
use matcher::{Sequence, Timestamp};

use crate::failure::Failure;
use crate::journal_reader::JournalArgs;
use crate::text::{self, Rfc3339};

/// A turn, by its sequence or by its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The turn with this sequence.
    Sequence(Sequence),
    /// Whatever happened at this time.
    Time(Timestamp),
}

impl Moment {
    /// Reads a sequence, `HH:MM:SS[.fraction]` (UTC) of the day that `day` is in, or
    /// `2026-01-02T09:31:07Z`. `option` is the one it was given to.
    ///
    /// # Errors
    ///
    /// How one is written.
    pub fn parse(option: &str, text: &str, day: Timestamp) -> Result<Moment, Failure> {
        if let Ok(sequence) = text.parse() {
            return Ok(Moment::Sequence(Sequence(sequence)));
        }
        text::parse_time(text, day).map(Moment::Time).ok_or_else(|| {
            let wanted = "a sequence, HH:MM:SS[.fraction] or 2026-01-02T09:31:07Z";
            Failure::usage(format!("{option} {text:?} is not {wanted}"))
        })
    }

    /// Says on stderr of which day times without a date are, where the journal has more than one. `asked` are options
    /// and what they were given.
    pub fn tell_day<'a>(
        journal: &JournalArgs,
        asked: impl IntoIterator<Item = (&'a str, Option<&'a String>)>,
    ) {
        let asked = asked.into_iter().filter_map(|(option, text)| Some((option, text?)));
        let asked: Vec<_> = asked.filter(|(_, text)| text::is_time_of_day(text)).collect();
        if asked.is_empty() {
            return;
        }
        // Why it cannot be read says who reads it.
        let Ok(Some((first, last))) = journal.days() else { return };
        for (option, text) in asked {
            if let Some(time) = text::parse_time(text, first).filter(|_| first < last) {
                let (time, last) = (Rfc3339(time), Rfc3339(last));
                eprintln!(
                    "vesta: {option} {text} is {time}: without a date it is of the day on which the journal begins, and \
                     that goes on to {last}"
                );
            }
        }
    }

    /// Whether a turn is before it.
    #[must_use]
    pub fn is_after(self, sequence: Sequence, time: Timestamp) -> bool {
        match self {
            Moment::Sequence(moment) => sequence < moment,
            Moment::Time(moment) => time < moment,
        }
    }

    /// Whether a turn is behind it. A turn at the very time is not.
    #[must_use]
    pub fn is_before(self, sequence: Sequence, time: Timestamp) -> bool {
        match self {
            Moment::Sequence(moment) => sequence > moment,
            Moment::Time(moment) => time > moment,
        }
    }
}

/// From where to where.
#[derive(Args, Clone, Debug, Default)]
pub struct RangeArgs {
    /// First turn: a sequence, or a time: HH:MM:SS[.fraction] (UTC) of the day the journal begins, or
    /// 2026-01-02T09:31:07Z.
    #[arg(long, value_name = "SEQ|TIME")]
    from: Option<String>,
    /// Last turn, likewise.
    #[arg(long, value_name = "SEQ|TIME")]
    to: Option<String>,
}

/// A range of turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    from: Option<Moment>,
    to: Option<Moment>,
}

impl RangeArgs {
    /// Whether it leaves anything out.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.from.is_some() || self.to.is_some()
    }

    /// Says on stderr of which day times without a date are, see [`Moment::tell_day`].
    pub fn tell_day(&self, journal: &JournalArgs) {
        Moment::tell_day(journal, [("--from", self.from.as_ref()), ("--to", self.to.as_ref())]);
    }

    /// The range, in a journal whose first turn is at `first`. Any time will do to check how it is
    /// written.
    ///
    /// # Errors
    ///
    /// If a place is not written as one.
    pub fn range(&self, first: Timestamp) -> Result<Range, Failure> {
        let parse = |option, text: &Option<String>| {
            text.as_ref().map(|text| Moment::parse(option, text, first)).transpose()
        };
        Ok(Range { from: parse("--from", &self.from)?, to: parse("--to", &self.to)? })
    }
}

impl Range {
    /// Whether a turn is before the range.
    #[must_use]
    pub fn is_after(&self, sequence: Sequence, time: Timestamp) -> bool {
        self.from.is_some_and(|from| from.is_after(sequence, time))
    }

    /// Whether a turn is behind the range.
    #[must_use]
    pub fn is_before(&self, sequence: Sequence, time: Timestamp) -> bool {
        self.to.is_some_and(|to| to.is_before(sequence, time))
    }
}
