//! A place in a journal as somebody writes it: a sequence or a time.

use clap::Args;
use matcher::{Sequence, Timestamp};

use crate::failure::Failure;
use crate::text;

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
