//! OUCH messages → Commands, and Events → OUCH messages: both directions here.
//!
//! As with FIX a report is a function of the journal alone. What a report says again of a request stands in the attachment of its
//! Input; what is kept beside [`crate::orders::Orders`] is what a later request needs and does not say: which order a UserRefNum
//! names, and its instrument, side, price and size.
//!
//! The rules a counterparty reads are in `OUCH.md`.

mod asked;
mod attached;
mod reason;
mod report;
mod request;
mod saved;
mod scale;

use matcher::{
    CancelRejected, Command, InstrumentId, OrderNumber, Price, Replaced, Restated, SessionId,
};

use super::OrderEntry;
use crate::ouch::{FromVenue, Note};
pub(super) use attached::Attached;
pub use reason::reject_reason;
pub use request::{Asks, OuchRequest};
pub use scale::{Scale, SymbolOf, Unfit, check_instrument};

/// Facts in one allocation: growing never moves what is there.
const FACTS_PER_PAGE: usize = 256;

/// Quantities of OUCH orders are below this. Unit: shares, which are lots here. Source: OUCH 5.0, Enter Order.
pub const QUANTITY_END: u32 = 1_000_000;

/// What a later request about an order needs, by the number it was entered under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fact {
    user_ref: u32,
    /// [`InstrumentId::NONE`]: it never became an order.
    instrument: InstrumentId,
    price: Price,
    /// What it is to be, with what has traded, as far as was asked.
    qty: u32,
    /// B, S, T, E.
    side: u8,
    time_in_force: u8,
    capacity: u8,
    cross_type: u8,
}

const _: () = assert!(size_of::<Fact>() == 24);

/// One session's orders as OUCH knows them, beside its [`crate::orders::Orders`]. 24 bytes a number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct OuchOrders {
    pages: Vec<Vec<Fact>>,
    len: usize,
    /// The order number that comes before that of the first fact: those of before spoke FIX.
    before: u32,
    /// Facts of before the numbers began again: their UserRefNums name nothing any more.
    past: usize,
    /// Order entry is switched off by the client.
    disabled: bool,
}

impl OuchOrders {
    fn fact(&self, index: usize) -> Option<&Fact> {
        self.pages.get(index / FACTS_PER_PAGE)?.get(index % FACTS_PER_PAGE)
    }

    fn index_of(&self, number: OrderNumber) -> Option<usize> {
        let index = number.0.checked_sub(self.before + 1)? as usize;
        (index < self.len).then_some(index)
    }

    fn of(&self, number: OrderNumber) -> Option<&Fact> {
        self.fact(self.index_of(number)?)
    }

    fn of_mut(&mut self, number: OrderNumber) -> Option<&mut Fact> {
        let index = self.index_of(number)?;
        self.pages.get_mut(index / FACTS_PER_PAGE)?.get_mut(index % FACTS_PER_PAGE)
    }

    fn push(&mut self, fact: Fact) {
        match self.pages.last_mut() {
            Some(page) if page.len() < FACTS_PER_PAGE => page.push(fact),
            _ => {
                let mut page = Vec::with_capacity(FACTS_PER_PAGE);
                page.push(fact);
                self.pages.push(page);
            }
        }
        self.len += 1;
    }

    /// What `number` was entered as; told again, it changes nothing.
    fn enter(&mut self, number: OrderNumber, fact: Fact) {
        if self.len == 0 {
            self.before = number.0.saturating_sub(1);
        }
        // Orders of a time when the session spoke FIX have no UserRefNum.
        while self.before as usize + self.len + 1 < number.0 as usize {
            let user_ref = self.len.checked_sub(1).and_then(|last| self.fact(last));
            let user_ref = user_ref.map_or(0, |last| last.user_ref);
            self.push(Fact { user_ref, instrument: InstrumentId::NONE, qty: 0, ..fact });
        }
        if self.before as usize + self.len + 1 == number.0 as usize {
            self.push(fact);
        }
    }

    /// The order that `user_ref` was given to since the numbers began. Nothing is hashed: UserRefNums rise with order
    /// numbers, mostly by one.
    fn find(&self, user_ref: u32) -> Option<OrderNumber> {
        let last = self.len.checked_sub(1).filter(|last| *last >= self.past)?;
        let steps = self.fact(last)?.user_ref.checked_sub(user_ref)? as usize;
        // It cannot be further from the end than there are numbers between.
        let (mut low, mut high) = (self.past.max(last.saturating_sub(steps)), last + 1);
        if self.fact(low)?.user_ref < user_ref {
            while low < high {
                let middle = low.midpoint(high);
                if self.fact(middle)?.user_ref < user_ref {
                    low = middle + 1;
                } else {
                    high = middle;
                }
            }
        }
        let fact = self.fact(low)?;
        let number = self.before + u32::try_from(low + 1).ok()?;
        (fact.user_ref == user_ref).then_some(OrderNumber(number))
    }
}

impl OrderEntry {
    fn ouch_mut(&mut self, session: SessionId) -> &mut OuchOrders {
        let index = session.index();
        if self.ouch.len() <= index {
            self.ouch.resize_with(index + 1, OuchOrders::default);
        }
        &mut self.ouch[index]
    }

    /// Whether a client has switched the entry of orders off.
    #[must_use]
    pub fn is_entry_disabled(&self, session: SessionId) -> bool {
        self.ouch.get(session.index()).is_some_and(|orders| orders.disabled)
    }

    /// Whether a UserRefNum names an order.
    pub(super) fn knows_user_ref(&self, session: SessionId, user_ref: u32) -> bool {
        self.ouch.get(session.index()).is_some_and(|orders| orders.find(user_ref).is_some())
    }

    /// Follows an Input of an OUCH session that enters `number`.
    pub(super) fn ouch_entered(
        &mut self,
        session: SessionId,
        number: OrderNumber,
        command: &Command,
        attached: &Attached<'_>,
    ) {
        let (Attached::Enter(entered) | Attached::Replace(entered, _)) = attached else { return };
        self.ouch_mut(session).enter(number, Fact::of(command, entered));
    }

    /// Follows a note of an OUCH session.
    pub(super) fn ouch_note(&mut self, session: SessionId, attachment: &[u8]) {
        let Some(Note::Said(said)) = Note::decode(attachment) else { return };
        match said {
            FromVenue::DisableResponse(_) => self.ouch_mut(session).disabled = true,
            FromVenue::EnableResponse(_) => self.ouch_mut(session).disabled = false,
            _ => {}
        }
    }

    /// The numbers of a session begin again: what was named before is not any more.
    pub(super) fn ouch_cleared(&mut self, session: SessionId) {
        if let Some(orders) = self.ouch.get_mut(session.index()) {
            orders.past = orders.len;
            orders.disabled = false;
        }
    }

    /// Follows what an Input of an OUCH session says of an order that is to be smaller.
    pub(super) fn ouch_input(&mut self, attached: &Attached<'_>) {
        self.reducing = match *attached {
            Attached::Reduce { before } => Some(Reducing { before, side: None }),
            Attached::Modify { before, side } => Some(Reducing { before, side: Some(side) }),
            _ => None,
        };
    }

    /// Follows an order that is smaller now, or has another side.
    pub(super) fn ouch_reduced(&mut self, replaced: &Replaced) {
        let Some(Reducing { side, .. }) = self.reducing else { return };
        let Some(orders) = self.ouch.get_mut(replaced.session.index()) else { return };
        let Some(fact) = orders.of_mut(replaced.number) else { return };
        fact.qty = fact.qty.min(u32::try_from(replaced.order_qty.lots()).unwrap_or(u32::MAX));
        fact.side = side.unwrap_or(fact.side);
    }

    /// Follows an order that was to become smaller and did not.
    pub(super) fn ouch_not_reduced(&mut self, rejected: &CancelRejected) {
        let Some(Reducing { before, .. }) = self.reducing else { return };
        let Some(orders) = self.ouch.get_mut(rejected.session.index()) else { return };
        if let Some(fact) = orders.of_mut(rejected.target) {
            fact.qty = fact.qty.max(before);
        }
    }

    /// Follows self-trade prevention, which makes an order smaller.
    pub(super) fn ouch_decremented(&mut self, restated: &Restated) {
        let Some(orders) = self.ouch.get_mut(restated.session.index()) else { return };
        if let Some(fact) = orders.of_mut(restated.number) {
            let qty = super::sum(restated.cum_qty, restated.leaves_qty).lots();
            fact.qty = fact.qty.min(u32::try_from(qty).unwrap_or(u32::MAX));
        }
    }
}

/// What the Input of the present turn says of an order that is to be smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reducing {
    /// What it was to be.
    before: u32,
    /// What it is from then on, if that is said.
    side: Option<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(user_ref: u32) -> Fact {
        let (instrument, price) = (InstrumentId(0), Price::from_ticks(1));
        let (side, time_in_force, capacity, cross_type) = (b'B', b'0', b'P', b'N');
        Fact { user_ref, instrument, price, qty: 5, side, time_in_force, capacity, cross_type }
    }

    /// Whatever is left out between them, each UserRefNum is found, and no other.
    #[test]
    fn user_ref_nums_are_found_dense_or_with_holes() {
        for step in [1, 2, 7] {
            let mut orders = OuchOrders::default();
            let user_ref = |n: u32| n * step + n / 300;
            for n in 1..=2_000 {
                orders.enter(OrderNumber(n + 9), fact(user_ref(n)));
            }
            let known: Vec<u32> = (1..=2_000).map(user_ref).collect();
            for wanted in 0..user_ref(2_001) + 5 {
                let number = known.binary_search(&wanted).ok();
                let number = number.map(|at| OrderNumber(u32::try_from(at).unwrap() + 10));
                assert_eq!(orders.find(wanted), number, "{wanted}, steps of {step}");
            }
            assert_eq!(orders.of(OrderNumber(9)), None);
            assert_eq!(orders.of(OrderNumber(2_010)), None);
            // Told again, nothing changes.
            let before = orders.clone();
            orders.enter(OrderNumber(77), fact(1_000_000));
            assert_eq!(orders, before);
        }
    }

    #[test]
    fn numbers_that_began_again_name_nothing_of_before() {
        let mut orders = OuchOrders::default();
        (1..=5).for_each(|n| orders.enter(OrderNumber(n), fact(n)));
        orders.past = orders.len;
        assert_eq!(orders.find(3), None);
        // A time in between when the session spoke FIX.
        orders.enter(OrderNumber(9), fact(2));
        orders.enter(OrderNumber(10), fact(3));
        assert_eq!(orders.find(3), Some(OrderNumber(10)));
        assert_eq!(orders.find(2), Some(OrderNumber(9)));
        assert_eq!(orders.find(1), None);
        assert_eq!(orders.of(OrderNumber(7)).map(|fact| fact.instrument), Some(InstrumentId::NONE));
    }
}
