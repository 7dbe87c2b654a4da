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

/// Buffered lines to stdout, for commands whose output may be cut short by their reader (`| head`).
pub struct Lines(io::BufWriter<io::StdoutLock<'static>>);

impl Lines {
    /// Takes stdout until it is dropped.
    #[must_use]
    pub fn new() -> Lines {
        Lines(io::BufWriter::with_capacity(1 << 16, io::stdout().lock()))
    }

    /// Writes one line.
    ///
    /// # Errors
    ///
    /// If nobody reads any more.
    pub fn line(&mut self, line: std::fmt::Arguments<'_>) -> Result<(), Failure> {
        writeln!(self.0, "{line}").map_err(|_| Failure::NobodyReads)
    }

    /// Writes what is buffered.
    ///
    /// # Errors
    ///
    /// If nobody reads any more.
    pub fn end(mut self) -> Result<(), Failure> {
        self.0.flush().map_err(|_| Failure::NobodyReads)
    }
}

impl Default for Lines {
    fn default() -> Lines {
        Lines::new()
    }
}
