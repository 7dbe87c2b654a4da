//! Which orders the turns between two snapshots are about: who follows one order through the journal leaves out the
//! stretches that do not name it.
//!
//! Numbers are dense: those that a stretch gives out are a range for each session, and named without a list. What else
//! it names are orders that were there before: at most those that rested at its beginning, and old ones that somebody
//! asks for in vain.

use gateway::saved::{NotSaved, Saved};
use matcher::{Event, LIMITS_MAX, OrderNumber, OrderRef, Sequence, SessionId};

use crate::named::{is_about, requested};
use crate::turns::{Follower, TurnHead};

const VERSION: u64 = 1;

/// Older orders of one stretch at most. With more of them it is taken to name every order.
const OLDER_MAX: usize = 1 << 22;

/// So many more are noted before those that were noted twice are taken out.
const NOTED_MORE: usize = 1 << 16;

/// All older orders are in the list.
const WHOLE: u64 = 1;
/// Every place that an order took on a book was a new one.
const NEW_PLACES: u64 = 2;

/// The orders that a stretch of turns names, as it goes on.
pub(crate) struct Mentions {
    /// The last turn before the stretch.
    after: Sequence,
    /// The first number that it gives out, and the last one from there on that it names, by session; 0: none.
    given: Vec<(u32, u32)>,
    /// Session and number of what else it names; some are noted more than once.
    older: Vec<u64>,
    /// When these are next taken out.
    tidy_at: usize,
    flags: u64,
    /// The highest place in a queue that was given out by now.
    place: OrderRef,
}

impl Mentions {
    /// Of what follows the turn `after`, when `place` was the last one given out ([`matcher::Engine::places`]).
    pub(crate) fn new(after: Sequence, place: OrderRef) -> Mentions {
        let (given, older) = (Vec::new(), Vec::new());
        let flags = WHOLE | NEW_PLACES;
        Mentions { after, given, older, tidy_at: NOTED_MORE, flags, place }
    }

    /// Begins the next stretch, after the turn `after`.
    pub(crate) fn begin(&mut self, after: Sequence) {
        *self = Mentions::new(after, self.place);
    }

    fn request(&mut self, session: SessionId, number: OrderNumber) {
        // Ids are dense, and no journal of ours has more; what names others is listed.
        if session.0 <= LIMITS_MAX.sessions_max {
            let index = session.index();
            if self.given.len() <= index {
                self.given.resize(index + 1, (0, 0));
            }
            let (first, _) = &mut self.given[index];
            if *first == 0 {
                *first = number.0;
            }
        }
        self.note(session, number);
    }

    fn note(&mut self, session: SessionId, number: OrderNumber) {
        if let Some((first, last)) = self.given.get_mut(session.index())
            && *first != 0
            && number.0 >= *first
        {
            *last = number.0.max(*last);
            return;
        }
        let named = key(session, number);
        // A request and its events follow one another.
        let is_noted = number == OrderNumber::NONE || self.older.last() == Some(&named);
        if !is_noted && self.flags & WHOLE != 0 {
            self.older.push(named);
            if self.older.len() >= self.tidy_at {
                self.tidy();
            }
        }
    }

    fn tidy(&mut self) {
        self.older.sort_unstable();
        self.older.dedup();
        self.tidy_at = self.older.len() * 2 + NOTED_MORE;
        if self.older.len() > OLDER_MAX {
            self.flags &= !WHOLE;
            self.older = Vec::new();
        }
    }

    /// About so many bytes it is saved as.
    pub(crate) fn bytes(&self) -> u64 {
        (self.older.len() * 8 + self.given.len() * 16) as u64
    }

    fn placed(&mut self, order_ref: OrderRef) {
        if order_ref <= self.place {
            // It waited beside the book and takes the place that it kept.
            self.flags &= !NEW_PLACES;
        }
        self.place = order_ref.max(self.place);
    }

    /// 8 bytes version, 8 the last turn before the stretch, 8 flags; then 8 bytes, how many sessions, and each 16: its
    /// id, first, last, zero; 8 bytes, how many older orders, and each 8: number, session, in order.
    pub(crate) fn save(&mut self, out: &mut dyn FnMut(&[u8])) {
        self.tidy();
        let given = (0_u32..).zip(&self.given).filter(|(_, (first, _))| *first != 0);
        for word in [VERSION, self.after.0, self.flags, given.clone().count() as u64] {
            out(&word.to_le_bytes());
        }
        for (session, (first, last)) in given {
            for word in [session, *first, *last, 0] {
                out(&word.to_le_bytes());
            }
        }
        out(&(self.older.len() as u64).to_le_bytes());
        for named in &self.older {
            out(&named.to_le_bytes());
        }
    }
}

const fn key(session: SessionId, number: OrderNumber) -> u64 {
    (session.0 as u64) << 32 | number.0 as u64
}

impl Follower for Mentions {
    #[inline]
    fn input(&mut self, head: &TurnHead) {
        let session = head.input.session;
        let (entered, target) = requested(&head.input.command);
        if let Some(entered) = entered {
            self.request(session, entered);
        }
        if let Some(target) = target {
            self.note(session, target);
        }
    }

    #[inline]
    fn event(&mut self, _: &TurnHead, _: u32, event: &Event) {
        let _ = is_about(event, |session, number| {
            self.note(session, number);
            false
        });
        match event {
            Event::Rested(it) => self.placed(it.order_ref),
            Event::Replenished(it) => self.placed(it.order_ref),
            // The place is new, but given out later to the book.
            Event::Held(it) => self.place = self.place.max(it.order_ref),
            _ => {}
        }
    }

    fn end_turn(&mut self, _: &TurnHead) {}
}

/// The orders that a stretch names, as saved.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mentioned<'a> {
    pub(crate) after: Sequence,
    flags: u64,
    given: &'a [[u8; 16]],
    older: &'a [[u8; 8]],
}

impl<'a> Mentioned<'a> {
    /// What [`Mentions::save`] gave these bytes. Nothing is copied; that lists are in order is believed.
    ///
    /// # Errors
    ///
    /// If the bytes are not as long as they say, or of another version.
    pub(crate) fn load(bytes: &'a [u8]) -> Result<Mentioned<'a>, NotSaved> {
        let saved = &mut Saved::new(bytes);
        if saved.u64()? != VERSION {
            return Err(NotSaved);
        }
        let (after, flags) = (Sequence(saved.u64()?), saved.u64()?);
        let count = saved.count(16)?;
        let (given, _) = saved.bytes(count * 16)?.as_chunks();
        let count = saved.count(8)?;
        let (older, _) = saved.bytes(count * 8)?.as_chunks();
        saved.end()?;
        Ok(Mentioned { after, flags, given, older })
    }

    /// Whether the stretch may be about this order. If not, it is not.
    pub(crate) fn names(&self, session: SessionId, number: OrderNumber) -> bool {
        if self.flags & WHOLE == 0 {
            return true;
        }
        let word = |entry: &[u8; 16], at: usize| {
            let [a, b, c, d] = [entry[at], entry[at + 1], entry[at + 2], entry[at + 3]];
            u32::from_le_bytes([a, b, c, d])
        };
        let at = self.given.binary_search_by_key(&session.0, |entry| word(entry, 0));
        let is_given = at.is_ok_and(|at| {
            let given = &self.given[at];
            word(given, 4) <= number.0 && number.0 <= word(given, 8)
        });
        let named = key(session, number);
        is_given || self.older.binary_search_by_key(&named, |it| u64::from_le_bytes(*it)).is_ok()
    }

    /// Whether no order took a place on a book that it had before it stood there: then nobody came to stand before an
    /// order that was there.
    pub(crate) const fn gives_new_places(&self) -> bool {
        self.flags & NEW_PLACES != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved(mentions: &mut Mentions) -> Vec<u8> {
        let mut bytes = Vec::new();
        mentions.save(&mut |some| bytes.extend_from_slice(some));
        bytes
    }

    #[test]
    fn what_is_noted_is_named_and_what_is_given_out() {
        let mut mentions = Mentions::new(Sequence(7), OrderRef(0));
        for (session, number) in [(1, 10), (1, 11), (3, 5)] {
            mentions.request(SessionId(session), OrderNumber(number));
        }
        for (session, number) in [(1, 3), (1, 11), (1, 3), (2, 8), (1, 3), (3, 4), (3, 7)] {
            mentions.note(SessionId(session), OrderNumber(number));
        }
        let bytes = saved(&mut mentions);
        let mentioned = Mentioned::load(&bytes).unwrap();
        assert_eq!((mentioned.after, mentioned.older.len()), (Sequence(7), 3));
        let names = |session, number| mentioned.names(SessionId(session), OrderNumber(number));
        for (session, number) in [(1, 3), (1, 10), (1, 11), (2, 8), (3, 4), (3, 5), (3, 6)] {
            assert!(names(session, number), "{session}:{number}");
        }
        for (session, number) in [(1, 2), (1, 9), (1, 12), (2, 7), (2, 9), (3, 3), (3, 8), (4, 5)] {
            assert!(!names(session, number), "{session}:{number}");
        }
        for len in 0..bytes.len() {
            assert!(Mentioned::load(&bytes[..len]).is_err(), "{len} bytes");
        }
    }

    #[test]
    fn a_place_that_was_kept_is_told() {
        let mut mentions = Mentions::new(Sequence(0), OrderRef(0));
        (1..5).for_each(|place| mentions.placed(OrderRef(place)));
        assert!(Mentioned::load(&saved(&mut mentions)).unwrap().gives_new_places());
        mentions.placed(OrderRef(3));
        assert!(!Mentioned::load(&saved(&mut mentions)).unwrap().gives_new_places());
        // The next stretch begins anew, and knows how far places are.
        mentions.begin(Sequence(9));
        mentions.placed(OrderRef(5));
        assert!(Mentioned::load(&saved(&mut mentions)).unwrap().gives_new_places());
        mentions.begin(Sequence(10));
        mentions.placed(OrderRef(4));
        assert!(!Mentioned::load(&saved(&mut mentions)).unwrap().gives_new_places());
    }

    #[test]
    fn too_many_older_orders_are_all_orders() {
        let mut mentions = Mentions::new(Sequence(0), OrderRef(0));
        mentions.request(SessionId(1), OrderNumber(u32::MAX));
        for number in 1..=2 * u32::try_from(OLDER_MAX).unwrap() {
            mentions.note(SessionId(1), OrderNumber(number));
        }
        let bytes = saved(&mut mentions);
        assert!(bytes.len() < 1_000);
        let mentioned = Mentioned::load(&bytes).unwrap();
        assert!(mentioned.names(SessionId(2), OrderNumber(1)));
    }
}
