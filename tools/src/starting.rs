//! Whether a venue finds in a journal what it starts from.

use journal::{ReadError, Reader, Snapshots, frame_checksum};
use matcher::Sequence;
use matcher::record::RECORD_VERSION;
use venue::snapshots::{Refused, Unusable};

use crate::failure::Failure;
use crate::journal_reader::JournalArgs;

/// The snapshots of a journal that are there whole, every byte of them read: not those of which only an index is left.
pub struct Starts {
    /// Those that can be started from.
    pub good: usize,
    /// Those that a start passes over.
    pub refused: Vec<Refused>,
}

impl Starts {
    /// Looks at all of them.
    ///
    /// # Errors
    ///
    /// If the folder or the journal cannot be read, or the journal does not begin with turn 1 and none of them is good:
    /// no venue starts on it then, however sound it is.
    pub fn check(journal: &JournalArgs) -> Result<Starts, Failure> {
        let mut reader = journal.open()?;
        let snapshots = Snapshots::to_read(&journal.dir, reader.log_id());
        let mut starts = Starts { good: 0, refused: Vec::new() };
        for sequence in snapshots.list().map_err(Failure::failed)? {
            match look(&snapshots, sequence, &mut reader) {
                Ok(()) => starts.good += 1,
                // A venue that runs took it away meanwhile.
                Err(_) if !snapshots.path(sequence).exists() => {}
                Err(why) => starts.refused.push(Refused { sequence: Sequence(sequence), why }),
            }
        }
        match JournalArgs::beginning(&reader) {
            Some(begins) if starts.good == 0 => {
                let why = starts.refused.iter().map(|refused| format!("; {refused}"));
                Err(Failure::failed(format!(
                    "{begins}, and there is no good snapshot: no venue starts on it. Put the older segments back{}",
                    why.collect::<String>()
                )))
            }
            _ => Ok(starts),
        }
    }
}

/// Whether one is whole, and of the history that the journal has.
fn look(snapshots: &Snapshots, sequence: u64, reader: &mut Reader) -> Result<(), Unusable> {
    let head = *snapshots.open(sequence)?.head();
    if head.record_version != RECORD_VERSION {
        return Err(Unusable::RecordVersion(head.record_version));
    }
    reader.seek(head.last_frame);
    let is_ours = match reader.next() {
        Ok(Some(frame)) => {
            let is_last = frame.last && frame.sequence == sequence;
            is_last && frame.end() == head.position && frame_checksum(&frame) == head.last_checksum
        }
        Ok(None) | Err(ReadError::NoFrame { .. }) => false,
        Err(error) => return Err(error.into()),
    };
    if is_ours { Ok(()) } else { Err(Unusable::OtherHistory) }
}
