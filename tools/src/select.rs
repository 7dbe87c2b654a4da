//! A journal read from its beginning, and the turns that a filter lets through.

use journal::Reader;
use matcher::Event;
use venue::Names;
use venue::turns::{Cutter, Follower, TurnHead};

use crate::failure::Failure;
use crate::filter::Filter;

/// A whole turn that is asked for.
pub struct Turn<'a> {
    /// Its Input.
    pub head: &'a TurnHead,
    /// Its Events, in order.
    pub events: &'a [Event],
    /// Names, as far as the journal has told them.
    pub names: &'a Names,
    /// Which of its records are asked for.
    pub filter: &'a Filter,
}

/// Takes the turns that are asked for.
pub trait Turns {
    /// Every turn of the journal, asked for or not: for whoever has to know what was before.
    fn every(&mut self, _head: &TurnHead, _events: &[Event]) {}

    /// The next one.
    ///
    /// # Errors
    ///
    /// Why no more is wanted.
    fn turn(&mut self, turn: &Turn<'_>) -> Result<(), Failure>;
}

/// Reads turns and passes on those that the filter lets through.
pub struct Select {
    /// What the journal has told of sessions and instruments.
    pub names: Names,
    /// The filter.
    pub filter: Filter,
    cutter: Cutter,
    buffer: Buffer,
}

#[derive(Default)]
struct Buffer {
    head: Option<TurnHead>,
    events: Vec<Event>,
    is_whole: bool,
}

impl Follower for Buffer {
    fn input(&mut self, head: &TurnHead) {
        self.head = Some(*head);
        self.events.clear();
        self.is_whole = false;
    }

    fn event(&mut self, _: &TurnHead, _: u32, event: &Event) {
        self.events.push(*event);
    }

    fn end_turn(&mut self, _: &TurnHead) {
        self.is_whole = true;
    }
}

impl Select {
    /// With nothing read yet.
    #[must_use]
    pub fn new(filter: Filter) -> Select {
        let (names, cutter, buffer) = (Names::default(), Cutter::default(), Buffer::default());
        Select { names, filter, cutter, buffer }
    }

    /// Reads on to the present end of the journal, or until no later turn can be asked for. `progress`
    /// is told the position reached.
    ///
    /// # Errors
    ///
    /// If the journal cannot be read, or `turns` wants no more.
    pub fn read(
        &mut self,
        reader: &mut Reader,
        turns: &mut (impl Turns + ?Sized),
        mut progress: impl FnMut(u64),
    ) -> Result<(), Failure> {
        while self.step(reader, turns, &mut progress)? {}
        Ok(())
    }

    /// Reads one frame; says whether there was one, and more may be asked for.
    ///
    /// # Errors
    ///
    /// As [`Select::read`].
    pub fn step(
        &mut self,
        reader: &mut Reader,
        turns: &mut (impl Turns + ?Sized),
        mut progress: impl FnMut(u64),
    ) -> Result<bool, Failure> {
        let Some(frame) = reader.next().map_err(Failure::failed)? else { return Ok(false) };
        self.cutter.frame(&frame, &mut self.buffer).map_err(Failure::failed)?;
        if frame.sequence.is_multiple_of(1 << 14) {
            progress(frame.end().0);
        }
        let Some(head) = self.buffer.head.filter(|_| self.buffer.is_whole) else {
            return Ok(true);
        };
        let (names, filter) = (&mut self.names, &mut self.filter);
        names.input(&head);
        for (index, event) in (0..).zip(&self.buffer.events) {
            names.event(&head, index, event);
        }
        names.end_turn(&head);
        filter.input(&head, names);
        for event in &self.buffer.events {
            filter.event(&head, event, names);
        }
        if filter.is_past() {
            return Ok(false);
        }
        turns.every(&head, &self.buffer.events);
        if filter.shows_turn() {
            turns.turn(&Turn { head: &head, events: &self.buffer.events, names, filter })?;
        }
        Ok(true)
    }
}
