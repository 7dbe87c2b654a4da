//! The market's day as a BinaryFILE of ITCH 5.0: messages, each with its length in two bytes before it.

use std::io::Write;

use feed::glimpse::{SNAPSHOT_END, Standing};
use feed::{MessageSink, Publisher};
use matcher::Event;
use venue::turns::TurnHead;

use crate::failure::Failure;
use crate::select::{Turn, Turns};

/// Writes the messages of the turns that are asked for, and before them what stands then.
pub(super) struct BinaryFile<W: Write> {
    out: W,
    publisher: Publisher,
    /// Of the present turn.
    messages: Vec<Vec<u8>>,
    /// After the turn before, until the first that is asked for.
    standing: Option<Standing>,
    /// Messages written.
    pub(super) count: u64,
    /// Of them those that stood before the first turn.
    pub(super) stood: u64,
}

impl<W: Write> BinaryFile<W> {
    pub(super) fn new(out: W) -> BinaryFile<W> {
        let (publisher, standing) = (Publisher::new(), Some(Standing::new()));
        BinaryFile { out, publisher, messages: Vec::new(), standing, count: 0, stood: 0 }
    }

    pub(super) fn end(mut self) -> Result<(), Failure> {
        self.out.flush().map_err(Failure::failed)
    }
}

fn write(out: &mut impl Write, message: &[u8]) -> std::io::Result<()> {
    #[allow(clippy::cast_possible_truncation)] // Tens of bytes.
    let length = message.len() as u16;
    out.write_all(&length.to_be_bytes())?;
    out.write_all(message)
}

impl<W: Write> Turns for BinaryFile<W> {
    fn every(&mut self, head: &TurnHead, events: &[Event]) {
        if let Some(standing) = &mut self.standing {
            self.messages.iter().for_each(|message| standing.message(message));
        }
        self.messages.clear();
        self.publisher.turn(&head.input, events, &mut self.messages);
    }

    fn turn(&mut self, turn: &Turn<'_>) -> Result<(), Failure> {
        if let Some(standing) = self.standing.take() {
            if let Some(error) = standing.failed() {
                return Err(Failure::failed(format!("the books cannot be true: {error}")));
            }
            let mut written = Ok(());
            if standing.next() > 1 {
                standing.snapshot(turn.head.input.timestamp, |message| {
                    // It says where to go on, and no decoder of ITCH knows it.
                    if message[0] != SNAPSHOT_END && written.is_ok() {
                        written = write(&mut self.out, message);
                        self.stood += 1;
                    }
                });
            }
            written.map_err(Failure::failed)?;
            self.count = self.stood;
        }
        for message in &self.messages {
            write(&mut self.out, message).map_err(Failure::failed)?;
            self.count += 1;
        }
        Ok(())
    }
}
