//! What another build answers to the requests of a journal, as a stream between two processes.
//!
//! ```text
//! head:   8 bytes "VESTAANS", 2 bytes version of the stream, 2 bytes version of the records, 4 bytes length of
//!         the name, the name of the build
//! a turn: 8 bytes sequence, 4 bytes length, its Events as records
//! end:    8 bytes zero, 4 bytes zero
//! ```

use std::io::{BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use journal::Reader;
use matcher::record::RECORD_VERSION;

use super::side::{Journal, Rerun, Source, Turn};
use crate::failure::Failure;
use crate::journal_reader::JournalArgs;
use crate::output::unwritten;

const MAGIC: &[u8; 8] = b"VESTAANS";
const VERSION: u16 = 1;

/// Bytes of a name at most.
const NAME_BYTES_MAX: u32 = 1 << 10;

/// Bytes of the Events of a turn at most: far more than a journal's memory lets a turn have.
const EVENTS_BYTES_MAX: u32 = 1 << 30;

/// Writes what this build answers to the requests that `reader` gives.
///
/// # Errors
///
/// If the journal cannot be read to its end, or the answers not be written.
pub(super) fn answer(reader: Reader) -> Result<(), Failure> {
    let mut out = std::io::BufWriter::with_capacity(1 << 20, std::io::stdout().lock());
    let name = venue::build::text();
    let mut head = MAGIC.to_vec();
    head.extend_from_slice(&VERSION.to_le_bytes());
    head.extend_from_slice(&RECORD_VERSION.to_le_bytes());
    head.extend_from_slice(&u32::try_from(name.len()).unwrap_or(0).to_le_bytes());
    head.extend_from_slice(name.as_bytes());
    let gone = |error| unwritten(&error);
    out.write_all(&head).map_err(gone)?;
    let mut rerun = Rerun::new(reader);
    while rerun.next()? {
        let turn = rerun.turn();
        let events = turn.event_bytes();
        let len = u32::try_from(events.len()).map_err(Failure::failed)?;
        out.write_all(&turn.sequence.to_le_bytes()).map_err(gone)?;
        out.write_all(&len.to_le_bytes()).map_err(gone)?;
        out.write_all(events).map_err(gone)?;
    }
    out.write_all(&[0; 12]).and_then(|()| out.flush()).map_err(gone)
}

/// The requests of a journal, answered by another binary.
pub(super) struct Other {
    journal: Journal,
    child: Child,
    out: BufReader<ChildStdout>,
    turn: Turn,
    /// Which build it says it is.
    pub(super) name: String,
}

impl Other {
    /// Starts `binary` on the journal.
    ///
    /// # Errors
    ///
    /// If it cannot be started, is none that can answer, or writes other records than this build.
    pub(super) fn start(binary: &Path, journal: &JournalArgs) -> Result<Other, Failure> {
        let reader = journal.open_to_replay()?;
        let mut command = Command::new(binary);
        command.arg("replay").arg(&journal.dir).arg("--answers");
        if let Some(live_dir) = &journal.live_dir {
            command.arg("--live-dir").arg(live_dir);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let cannot = |error| Failure::usage(format!("cannot run {}: {error}", binary.display()));
        let mut child = command.spawn().map_err(cannot)?;
        let Some(out) = child.stdout.take() else {
            return Err(Failure::failed("the other build has no output"));
        };
        let mut other = Other {
            journal: Journal::new(reader),
            child,
            out: BufReader::with_capacity(1 << 20, out),
            turn: Turn::default(),
            name: String::new(),
        };
        other.head(binary)?;
        Ok(other)
    }

    fn head(&mut self, binary: &Path) -> Result<(), Failure> {
        let mut head = [0; 16];
        let is_head = self.out.read_exact(&mut head).is_ok() && head.starts_with(MAGIC);
        let [.., v0, v1, r0, r1, n0, n1, n2, n3] = head;
        let (version, records) = (u16::from_le_bytes([v0, v1]), u16::from_le_bytes([r0, r1]));
        let len = u32::from_le_bytes([n0, n1, n2, n3]);
        if !is_head || version != VERSION || len > NAME_BYTES_MAX {
            return Err(Failure::usage(format!(
                "{} does not answer as `vesta replay --answers` of this build does: it is another program, or a \
                 build with another stream of answers; `vesta diff A --replay` with that build compares them too",
                binary.display()
            )));
        }
        let mut name = vec![0; len as usize];
        self.out.read_exact(&mut name).map_err(Failure::failed)?;
        self.name = String::from_utf8_lossy(&name).into_owned();
        if records != RECORD_VERSION {
            return Err(Failure::usage(format!(
                "{} ({}) writes records of version {records}, this build {RECORD_VERSION}: their events cannot be \
                 compared",
                binary.display(),
                self.name
            )));
        }
        Ok(())
    }

    /// Why it ended too early.
    fn broken(&mut self) -> Failure {
        let status = self.child.wait().map_or_else(|error| error.to_string(), |it| it.to_string());
        let after = self.turn.sequence;
        Failure::failed(format!(
            "the other build stopped answering after sequence {after}: {status}"
        ))
    }
}

impl Source for Other {
    fn next(&mut self) -> Result<bool, Failure> {
        let more = self.journal.next()?;
        let mut head = [0; 12];
        if self.out.read_exact(&mut head).is_err() {
            return Err(self.broken());
        }
        let (sequence, len) = head.split_at(8);
        let sequence = sequence.try_into().map_or(0, u64::from_le_bytes);
        let len = len.try_into().map_or(0, u32::from_le_bytes);
        if !more || sequence == 0 {
            // Of a journal that grows, what came meanwhile is not compared.
            return Ok(false);
        }
        let asked = self.journal.turn();
        if sequence != asked.sequence || len > EVENTS_BYTES_MAX {
            return Err(Failure::failed(format!(
                "the other build answers sequence {sequence} where the journal has {}",
                asked.sequence
            )));
        }
        self.turn.asked_as(asked);
        if self.turn.answer(len, &mut self.out).is_err() {
            return Err(self.broken());
        }
        Ok(true)
    }

    fn turn(&self) -> &Turn {
        &self.turn
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        // It may have more to say that nobody wants.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
