//! The journal as every reading command opens and walks it.

use std::fs::File;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use journal::{OpenError, ReadError, Reader, Snapshots};
use matcher::{Sequence, Timestamp};
use venue::turns::read_head;
use venue::{Names, snapshots};

use crate::failure::Failure;
use crate::{scan, text};

/// Which journal to read.
#[derive(Args, Clone, Debug)]
pub struct JournalArgs {
    /// Folder of the journal: the `journal_dir` of its venue.
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Folder of the live log, if the journal's lock file does not say it.
    #[arg(long, value_name = "DIR")]
    pub live_dir: Option<PathBuf>,
}

impl JournalArgs {
    /// The live log's folder: the one given; or the one that the lock file of a venue that runs names, since that of a copy names
    /// another journal's; or the default one, if it is there.
    #[must_use]
    pub fn live_dir(&self) -> Option<PathBuf> {
        if self.live_dir.is_some() {
            return self.live_dir.clone();
        }
        let named = journal::live_dir_of(&self.dir).filter(|dir| dir.is_dir() && self.is_in_use());
        named.or_else(|| venue::default_live_dir(&self.dir).filter(|dir| dir.is_dir()))
    }

    /// Opens it.
    ///
    /// # Errors
    ///
    /// If there is none, or none that this build reads.
    pub fn open(&self) -> Result<Reader, Failure> {
        if !self.dir.is_dir() {
            return Err(Failure::usage(format!("{}: there is no such folder", self.dir.display())));
        }
        self.open_it().map_err(|error| match error {
            OpenError::Journal(ReadError::Absent { .. }) if !self.has_segments() => {
                Failure::usage(error)
            }
            error => Failure::failed(error),
        })
    }

    fn has_segments(&self) -> bool {
        let is_segment = |name: &Path| name.extension().is_some_and(|ending| ending == "seg");
        let entries = std::fs::read_dir(&self.dir).into_iter().flatten();
        entries.flatten().any(|entry| is_segment(&entry.path()))
    }

    /// Names that were defined in segments of `reader`'s journal that have gone, as its oldest good snapshot has
    /// them. None, if it begins with the first: it tells them itself.
    #[must_use]
    pub fn names(&self, reader: &Reader) -> Names {
        if reader.is_whole() {
            return Names::default();
        }
        let snapshots = Snapshots::to_read(&self.dir, reader.log_id());
        snapshots::oldest_names(&snapshots).unwrap_or_default()
    }

    /// Where a journal begins whose first segments have gone, in words; `None`: with turn 1.
    #[must_use]
    pub fn beginning(reader: &Reader) -> Option<String> {
        let retained = reader.retained().filter(|_| !reader.is_whole())?;
        let went = match retained.archive() {
            Some(folder) => format!("the older ones were moved to {}", folder.display()),
            None => "the older ones were removed".into(),
        };
        Some(format!("the journal begins with segment {}: {went}", reader.first_segment()))
    }

    /// Says on stderr where the journal begins, if that is not with turn 1: for commands whose output is for programs.
    pub fn tell_beginning(reader: &Reader) {
        if let Some(begins) = JournalArgs::beginning(reader) {
            eprintln!("vesta: {begins}");
        }
    }

    /// The folders of the journals of other shards of the venue, in order.
    #[must_use]
    pub fn shards(&self) -> Vec<PathBuf> {
        let folders = (1..matcher::SHARDS_MAX).map(|shard| self.dir.join(format!("shard-{shard}")));
        folders.filter(|folder| folder.is_dir()).collect()
    }

    /// Whether a process has the journal open to write to it: whoever has holds the lock on its file `lock`. A number of a
    /// process says less, for it may be another's by now.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        let Ok(file) = File::open(self.dir.join("lock")) else { return false };
        // A venue that starts just now tries again for longer than we have it.
        match file.try_lock_shared() {
            Ok(()) => {
                let _ = file.unlock();
                false
            }
            // Where locks are not told, it may be.
            Err(_) => true,
        }
    }

    /// The time of the first turn, and that of the last if it is of another day; of a day in between, if that is seen
    /// sooner. `None` without a turn.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn days(&self) -> Result<Option<(Timestamp, Timestamp)>, Failure> {
        let mut reader = self.open()?;
        let Some(first) = next_time(&mut reader)? else { return Ok(None) };
        // Only what is in the last one is read, and from an earlier one only if a turn goes on through the last.
        for segment in scan::segments(&reader)?.iter().rev() {
            reader.seek(scan::start(&reader, segment));
            let mut last = None;
            while let Some(time) = next_time(&mut reader)? {
                last = Some(time);
                if text::day(time) != text::day(first) {
                    break;
                }
            }
            if let Some(last) = last {
                let is_later = text::day(last) != text::day(first);
                return Ok(Some((first, if is_later { last } else { first })));
            }
        }
        Ok(Some((first, first)))
    }

    /// Opens it for who needs it from its first turn on.
    ///
    /// # Errors
    ///
    /// As [`JournalArgs::open`], and if what was before its first turn is not in it.
    pub fn open_to_replay(&self) -> Result<Reader, Failure> {
        if let Some(begins) = JournalArgs::beginning(&self.open()?) {
            return Err(Failure::failed(format!(
                "{begins}. This needs it from turn 1 on: put the older segments and these into one folder"
            )));
        }
        let first = self.open()?.next().map_err(Failure::failed)?.map(|frame| frame.sequence);
        match first {
            Some(first) if !Sequence(first).is_first() => Err(Failure::failed(format!(
                "the journal is a part that begins with sequence {first}: what was before is not in \
                 it, so it can be printed, verified and exported, not replayed"
            ))),
            _ => self.open(),
        }
    }

    fn open_it(&self) -> Result<Reader, OpenError> {
        Reader::open(&self.dir, self.live_dir().as_deref())
    }
}

/// The time of the next turn that begins, `None` if there is none.
fn next_time(reader: &mut Reader) -> Result<Option<Timestamp>, Failure> {
    while let Some(frame) = reader.next().map_err(Failure::failed)? {
        if frame.first {
            let head = read_head(&frame).map_err(Failure::failed)?;
            return Ok(Some(head.input.timestamp));
        }
    }
    Ok(None)
}

/// A progress bar on stderr over `bytes`; invisible where stderr is no terminal.
#[must_use]
pub fn progress(bytes: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr_with_hz(10));
    let template = "{bar:40} {bytes}/{total_bytes} {binary_bytes_per_sec} {eta}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

/// The same over a journal of which only a part is read: how long it is is not looked up for nobody.
#[must_use]
pub fn progress_in(reader: &Reader) -> ProgressBar {
    if std::io::stderr().is_terminal() {
        progress(reader.bytes_total())
    } else {
        ProgressBar::hidden()
    }
}

/// The same for who writes lines all the time: invisible where stdout is a terminal too.
#[must_use]
pub fn progress_beside_lines(bytes: u64) -> ProgressBar {
    if std::io::stdout().is_terminal() { ProgressBar::hidden() } else { progress(bytes) }
}
