//! What is written to stdout: lines for a person, one JSON object for a program.

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::sync::OnceLock;

use serde_json::Value;

use crate::failure::Failure;

/// Writes a line to stdout. What keeps it from being written is told at the end, by
/// [`output::finish`](crate::output::finish): the work goes on.
#[macro_export]
macro_rules! say {
    ($($arg:tt)*) => {
        $crate::output::line(format_args!($($arg)*))
    };
}

/// What kept a line of [`say!`] from being written first.
static LOST: OnceLock<Failure> = OnceLock::new();

/// Writes a line; see [`say!`].
pub fn line(line: fmt::Arguments<'_>) {
    if let Err(error) = writeln!(io::stdout(), "{line}") {
        LOST.get_or_init(|| unwritten(&error));
    }
}

/// How a command has ended that ended well by itself: not well if a line it said is lost. A reader that is
/// gone wanted no more.
///
/// # Errors
///
/// If a line could not be written.
pub fn finish() -> Result<(), Failure> {
    match LOST.get() {
        Some(Failure::Failed(why)) => Err(Failure::Failed(why.clone())),
        _ => Ok(()),
    }
}

/// Why stdout took no more. Only a pipe whose reader is gone is nobody's failure: a disk that is full leaves an
/// output that looks whole and is not.
#[must_use]
pub fn unwritten(error: &io::Error) -> Failure {
    match error.kind() {
        ErrorKind::BrokenPipe => Failure::NobodyReads,
        _ => Failure::Failed(format!("cannot write the output: {error}")),
    }
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
    /// If nobody reads any more, or it cannot be written.
    pub fn line(&mut self, line: std::fmt::Arguments<'_>) -> Result<(), Failure> {
        let _ = writeln!(self.buffer, "{line}"); // Memory takes everything.
        if self.buffer.len() < BUFFER_BYTES { Ok(()) } else { self.flush() }
    }

    /// Writes what is buffered.
    ///
    /// # Errors
    ///
    /// If nobody reads any more, or it cannot be written.
    pub fn flush(&mut self) -> Result<(), Failure> {
        let written = self.out.write_all(&self.buffer).and_then(|()| self.out.flush());
        self.buffer.clear();
        written.map_err(|error| unwritten(&error))
    }

    /// Writes what is buffered, as the last thing.
    ///
    /// # Errors
    ///
    /// If nobody reads any more, or it cannot be written.
    pub fn end(mut self) -> Result<(), Failure> {
        self.flush()
    }
}

impl Default for Lines {
    fn default() -> Lines {
        Lines::new()
    }
}
