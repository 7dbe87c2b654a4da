//! Holds what a venue did against what a recorded flow expects.

use std::fmt;

use crate::order_flow::{Flow, FlowFill, Level};

/// What was checked and how much of it was wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Commands done.
    pub commands: u64,
    /// Trades held against fills.csv, the missing ones included.
    pub trades: u64,
    /// Of these, how many were not as expected.
    pub trades_wrong: u64,
    /// Rows of rows.csv held against the book.
    pub rows: u64,
    /// Of these, how many were not as expected.
    pub rows_wrong: u64,
    /// The first thing that was wrong.
    pub first_wrong: Option<String>,
}

/// One trade, as the venue told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JudgedTrade {
    /// The order that was resting, 0 if unknown.
    pub maker_oid: u64,
    /// In 1/10,000.
    pub price: i64,
    /// In shares.
    pub qty: u64,
}

/// Judges a play, command by command.
pub struct Judge<'f> {
    flow: &'f Flow,
    verdict: Verdict,
}

impl<'f> Judge<'f> {
    /// A judge who has seen nothing yet.
    #[must_use]
    pub fn new(flow: &'f Flow) -> Judge<'f> {
        Judge { flow, verdict: Verdict::default() }
    }

    /// Command `n` made exactly these trades.
    pub fn trades(&mut self, n: usize, trades: &[JudgedTrade]) {
        self.verdict.commands += 1;
        let expected = self.flow.fills_of(n);
        for index in 0..expected.len().max(trades.len()) {
            self.verdict.trades += 1;
            let (want, got) = (expected.get(index), trades.get(index));
            let same = |want: &FlowFill, got: &JudgedTrade| {
                (want.maker_oid, want.price, want.qty) == (got.maker_oid, got.price, got.qty)
            };
            if !matches!((want, got), (Some(want), Some(got)) if same(want, got)) {
                self.verdict.trades_wrong += 1;
                self.wrong(format_args!(
                    "trade {index} of command {n}: {got:?} instead of {want:?}"
                ));
            }
        }
    }

    /// Whether the book after command `n` is asked for.
    #[must_use]
    pub fn wants_book(&self, after: Option<usize>) -> bool {
        !self.flow.rows_after(after).is_empty()
    }

    /// The book after command `n`, best levels first.
    pub fn book(
        &mut self,
        after: Option<usize>,
        asks: impl Iterator<Item = Level>,
        bids: impl Iterator<Item = Level>,
    ) {
        let rows = self.flow.rows_after(after);
        let depth = rows.iter().map(|row| row.asks.len()).max().unwrap_or(0);
        let (asks, bids): (Vec<Level>, Vec<Level>) =
            (asks.take(depth).collect(), bids.take(depth).collect());
        for row in rows {
            self.verdict.rows += 1;
            for (side, want, got) in [("asks", &row.asks, &asks), ("bids", &row.bids, &bids)] {
                let wrong = (0..want.len()).find(|level| want[*level] != got.get(*level).copied());
                if let Some(level) = wrong {
                    self.verdict.rows_wrong += 1;
                    let (got, want) = (got.get(level), want[level]);
                    let after = after.map_or(-1, |n| i64::try_from(n).unwrap_or(i64::MAX));
                    self.wrong(format_args!(
                        "{side} level {level} after command {after}: {got:?} instead of {want:?}"
                    ));
                    break;
                }
            }
        }
    }

    /// Something else is wrong.
    pub fn wrong(&mut self, what: fmt::Arguments<'_>) {
        self.verdict.wrong(what);
    }

    /// What was found.
    #[must_use]
    pub fn verdict(self) -> Verdict {
        self.verdict
    }
}

impl Verdict {
    /// Something else is wrong.
    pub fn wrong(&mut self, what: fmt::Arguments<'_>) {
        self.first_wrong.get_or_insert_with(|| what.to_string());
    }

    /// Whether everything that `flow` expects was checked and holds.
    #[must_use]
    pub fn holds(&self, flow: &Flow) -> bool {
        self.first_wrong.is_none()
            && self.commands == flow.commands.len() as u64
            && self.trades == flow.fills.len() as u64
            && self.rows == flow.rows.len() as u64
    }
}
