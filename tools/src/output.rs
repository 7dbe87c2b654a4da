//! What is written to stdout: lines for a person, one JSON object for a program.

use std::io::{self, Write};

use serde_json::Value;

use crate::failure::Failure;

/// Writes a line to stdout. A reader that is gone is no error here: the work goes on.
#[macro_export]
macro_rules! say {
    ($($arg:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($arg)*);
    }};
}

/// Writes the JSON object that a measuring or checking command ends with.
///
/// It is the last line of stdout, without a line break inside.
pub fn json(value: &Value) {
    say!("{value}");
}

/// Bytes that are kept back at most.
const BUFFER_BYTES: usize = 1 << 16;

/// Buffered lines to stdout, for commands whose output may be cut short by their reader (`| head`).
/// Only whole lines are written at once.
pub struct Lines {
    out: io::StdoutLock<'static>,
    buffer: Vec<u8>,
}

impl Lines {
    /// Takes stdout until it is dropped.
    #[must_use]
    pub fn new() -> Lines {
        Lines { out: io::stdout().lock(), buffer: Vec::with_capacity(BUFFER_BYTES + 1024) }
    }

    /// Writes one line.
    ///
    /// # Errors
    ///
    /// If nobody reads any more.
    pub fn line(&mut self, line: std::fmt::Arguments<'_>) -> Result<(), Failure> {
        let _ = writeln!(self.buffer, "{line}"); // Memory takes everything.
        if self.buffer.len() < BUFFER_BYTES { Ok(()) } else { self.flush() }
    }

    /// Writes what is buffered.
    ///
    /// # Errors
    ///
    /// If nobody reads any more.
    pub fn flush(&mut self) -> Result<(), Failure> {
        let written = self.out.write_all(&self.buffer).and_then(|()| self.out.flush());
        self.buffer.clear();
        written.map_err(|_| Failure::NobodyReads)
    }

    /// Writes what is buffered, as the last thing.
    ///
    /// # Errors
    ///
    /// If nobody reads any more.
    pub fn end(mut self) -> Result<(), Failure> {
        self.flush()
    }
}

impl Default for Lines {
    fn default() -> Lines {
        Lines::new()
    }
}
