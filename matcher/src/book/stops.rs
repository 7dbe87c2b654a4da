//! Election: what a trade does to the stops of its book.

use super::{Sides, Store};
use crate::extras::{Extra, Standing, by_side};
use crate::pool::Id;
use crate::types::{OrderRef, Price, Side};

impl Sides {
    /// A trade was made: it is the last one, elects the stops that it reaches, and moves the peaks.
    #[inline]
    pub(crate) fn note_trade(&mut self, store: &mut Store, price: Price) {
        self.last = Some(price);
        if self.beside.held.len() > 0 {
            self.elect(store, price);
        }
    }

    #[cold]
    fn elect(&mut self, store: &mut Store, price: Price) {
        for side in [Side::Buy, Side::Sell] {
            while let Some(id) = self.reached(store, side, price) {
                self.make_elected(store, id);
            }
        }
        for trails in &mut self.beside.trails {
            trails.on_trade(&mut store.extras.trails, price);
        }
    }

    /// Elects the stops that the last trade has reached: those that were entered, or given another
    /// trigger, while nothing traded. A trailing one is never among them: its trigger is away from
    /// the trades that it has seen.
    pub(crate) fn elect_late(&mut self, store: &mut Store) {
        let Some(last) = self.last else { return };
        for side in [Side::Buy, Side::Sell] {
            while let Some((trigger, _, id)) = self.nearest_fixed(store, side)
                && side.opposite().accepts(trigger, last)
            {
                self.make_elected(store, Id::from_raw(id));
            }
        }
    }

    fn make_elected(&mut self, store: &mut Store, id: Id<Extra>) {
        self.stop_waiting(store, id);
        store.extras[id].standing = Standing::Elected;
        self.beside.elected.push(&mut store.extras, id);
    }

    /// Of the stops at a fixed price the one whose trigger is nearest to the market, then the one that
    /// waits longest: trigger, place, and the name of its extra.
    fn nearest_fixed(&self, store: &Store, side: Side) -> Option<(Price, OrderRef, u32)> {
        let member = &store.extras.members[self.beside.stops[by_side(side)].first().some()?];
        let trigger = super::ladder_key(side.opposite(), Price::from_ticks(member.key()));
        Some((Price::from_ticks(trigger), OrderRef(member.seq()), member.payload))
    }

    /// Of the stops that a trade at `price` reaches the one whose trigger is nearest to the market, then
    /// the one that waits longest.
    fn reached(&mut self, store: &mut Store, side: Side, price: Price) -> Option<Id<Extra>> {
        // A stop to buy is reached by what a sell at its trigger accepts, and the other way round.
        let is_reached = |trigger: Price| side.opposite().accepts(trigger, price);
        let nearer = |trigger: Price| super::ladder_key(side.opposite(), trigger);
        let fixed = self.nearest_fixed(store, side);
        let extras = &mut store.extras;
        let fixed = fixed.filter(|(trigger, ..)| is_reached(*trigger));
        let trailing = self.beside.trails[by_side(side)].triggered(&mut extras.trails, price);
        let trailing = trailing.map(|stop| {
            let id: Id<Extra> = Id::from_raw(stop.order);
            // The peak that it says, not the one it had: where triggers saturate they are equal.
            let peak = stop.peak.unwrap_or_default();
            (trigger_below(side, peak, stop.offset), OrderRef(stop.seq), id.raw())
        });
        let both = fixed.into_iter().chain(trailing);
        let first = both.min_by_key(|(trigger, place, _)| (nearer(*trigger), *place));
        first.map(|(_, _, id)| Id::from_raw(id))
    }
}

/// The trigger of a trailing stop with that peak.
const fn trigger_below(side: Side, peak: Price, offset: u64) -> Price {
    Price::from_ticks(match side {
        Side::Buy => peak.ticks().saturating_add_unsigned(offset),
        Side::Sell => peak.ticks().saturating_sub_unsigned(offset),
    })
}
