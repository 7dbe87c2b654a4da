//! A record a line: CSV with all columns, JSON with the fields there are.

use std::io::Write;

use crate::describe;
use crate::failure::Failure;
use crate::fields::{COLUMNS, Field, Record};
use crate::select::{Turn, Turns};
use crate::text::Rfc3339;

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Csv,
    Json,
}

/// Writes the records that are asked for.
pub(super) struct Table<W> {
    out: W,
    style: Style,
    /// Lines written, the head of a CSV file not counted.
    pub(super) records: u64,
}

impl<W: Write> Table<W> {
    pub(super) fn new(mut out: W, style: Style) -> Result<Table<W>, Failure> {
        if style == Style::Csv {
            let names: Vec<&str> = COLUMNS.iter().map(|(_, name, ..)| *name).collect();
            writeln!(out, "{}", names.join(",")).map_err(Failure::failed)?;
        }
        Ok(Table { out, style, records: 0 })
    }

    pub(super) fn end(mut self) -> Result<(), Failure> {
        self.out.flush().map_err(Failure::failed)
    }

    fn record(&mut self, record: &Record) -> Result<(), Failure> {
        self.records += 1;
        let written = match self.style {
            Style::Json => writeln!(self.out, "{}", record.json()),
            Style::Csv => {
                let cell = |field: Option<&Field>| field.map_or(String::new(), cell);
                let cells: Vec<String> =
                    COLUMNS.iter().map(|(column, ..)| cell(record.get(*column))).collect();
                writeln!(self.out, "{}", cells.join(","))
            }
        };
        written.map_err(Failure::failed)
    }
}

impl<W: Write> Turns for Table<W> {
    fn turn(&mut self, turn: &Turn<'_>) -> Result<(), Failure> {
        let Turn { head, events, names, filter } = turn;
        if filter.shows_kind(describe::command_kind(&head.input.command)) {
            self.record(&Record::input(head, names))?;
        }
        for (index, event) in (0..).zip(*events) {
            if filter.shows_kind(describe::event_kind(event)) {
                self.record(&Record::event(head, index, event, names))?;
            }
        }
        Ok(())
    }
}

/// A cell as RFC 4180 has it.
fn cell(field: &Field) -> String {
    match field {
        Field::Number(number) => number.to_string(),
        Field::Decimal(decimal) => decimal.to_string(),
        Field::Time(time) => Rfc3339(*time).to_string(),
        Field::Text(text) if text.contains([',', '"', '\n', '\r']) => {
            format!("\"{}\"", text.replace('"', "\"\""))
        }
        Field::Text(text) => text.clone(),
    }
}
