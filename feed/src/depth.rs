//! How much is displayed at which price, from the Events of the journal themselves: for readers inside the venue, who
//! need neither messages nor the orders behind a price.

use std::collections::BTreeMap;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use matcher::{
    BookLevel, Engine, Event, InstrumentId, OrderRef, Price, Priority, Qty, Side, TradeKind,
};

/// The prices of every book, in ticks and lots.
///
/// Give it every Event in order. It shows what [`crate::Mirror`] shows of the messages, and also instruments that the
/// messages have no room for. Memory: some 40 bytes a displayed order, 48 bytes a price.
///
/// The journal is believed: an Event that cannot be true of the books is our bug.
#[derive(Clone, Debug, Default)]
pub struct Depth {
    /// By instrument: bids, asks.
    books: Vec<[BTreeMap<Price, Level>; 2]>,
    orders: HashMap<OrderRef, Displayed, FixedState>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Level {
    lots: u64,
    orders: u32,
}

/// What is displayed of an order.
#[derive(Clone, Copy, Debug)]
struct Displayed {
    instrument: InstrumentId,
    side: Side,
    price: Price,
    qty: Qty,
}

impl Depth {
    /// What is displayed in the books of `engine`.
    #[must_use]
    pub fn of(engine: &Engine) -> Depth {
        let mut depth = Depth::default();
        for (instrument, _) in engine.instruments() {
            let Some(book) = engine.book(instrument) else { continue };
            for side in [Side::Buy, Side::Sell] {
                for order in book.orders(side) {
                    depth.add(order.order_ref, instrument, side, order.price, order.displayed_qty);
                }
            }
        }
        depth
    }

    /// Takes the next Event. Returns the instrument whose prices it may have changed.
    pub fn event(&mut self, event: &Event) -> Option<InstrumentId> {
        match event {
            Event::Rested(it) => {
                self.add(it.order_ref, it.instrument, it.side, it.price, it.leaves_qty);
                Some(it.instrument)
            }
            Event::Replenished(it) => {
                self.add(it.order_ref, it.instrument, it.side, it.price, it.qty);
                Some(it.instrument)
            }
            Event::Traded(it) => {
                self.reduce(it.maker_ref, it.qty);
                if it.kind == TradeKind::Auction {
                    self.reduce(it.taker_ref, it.qty);
                }
                Some(it.instrument)
            }
            Event::Canceled(it) => {
                self.remove(it.order_ref);
                Some(it.instrument)
            }
            Event::Replaced(it) => {
                match it.priority {
                    Priority::Kept => self.reduce(it.old_ref, it.cut_qty),
                    Priority::Lost => self.remove(it.old_ref),
                }
                Some(it.instrument)
            }
            Event::Restated(it) => {
                self.reduce(it.order_ref, it.cut_qty);
                Some(it.instrument)
            }
            _ => None,
        }
    }

    /// The prices of one side, best first.
    pub fn levels(
        &self,
        instrument: InstrumentId,
        side: Side,
    ) -> impl Iterator<Item = BookLevel> + '_ {
        let book = self.books.get(instrument.index());
        let bids = book.filter(|_| side == Side::Buy).map(|[bids, _]| bids.iter().rev());
        let asks = book.filter(|_| side == Side::Sell).map(|[_, asks]| asks.iter());
        let all = bids.into_iter().flatten().chain(asks.into_iter().flatten());
        all.map(|(price, level)| BookLevel {
            price: *price,
            qty: Qty::from_lots(level.lots),
            orders: level.orders,
        })
    }

    /// How many orders are displayed.
    #[must_use]
    pub fn orders_len(&self) -> usize {
        self.orders.len()
    }

    fn add(
        &mut self,
        order_ref: OrderRef,
        instrument: InstrumentId,
        side: Side,
        price: Price,
        qty: Qty,
    ) {
        if self.books.len() <= instrument.index() {
            self.books.resize_with(instrument.index() + 1, Default::default);
        }
        let level = self.ladder(instrument, side).entry(price).or_default();
        level.lots += qty.lots();
        level.orders += 1;
        let before = self.orders.insert(order_ref, Displayed { instrument, side, price, qty });
        assert!(before.is_none(), "place {} is displayed already", order_ref.0);
    }

    /// An order without a place was never displayed.
    fn reduce(&mut self, order_ref: OrderRef, by: Qty) {
        if order_ref == OrderRef::NONE || by.is_zero() {
            return;
        }
        let Some(order) = self.orders.get_mut(&order_ref) else {
            panic!("place {} is not displayed", order_ref.0);
        };
        assert!(by <= order.qty, "place {} displays less", order_ref.0);
        order.qty -= by;
        let Displayed { instrument, side, price, qty } = *order;
        if qty.is_zero() {
            self.orders.remove(&order_ref);
        }
        self.take_off(instrument, side, price, by, qty.is_zero());
    }

    fn remove(&mut self, order_ref: OrderRef) {
        if let Some(order) = self.orders.remove(&order_ref) {
            let Displayed { instrument, side, price, qty } = order;
            self.take_off(instrument, side, price, qty, true);
        }
    }

    fn take_off(
        &mut self,
        instrument: InstrumentId,
        side: Side,
        price: Price,
        qty: Qty,
        is_gone: bool,
    ) {
        let ladder = self.ladder(instrument, side);
        let Some(level) = ladder.get_mut(&price) else {
            panic!("no level at {} ticks", price.ticks());
        };
        level.lots -= qty.lots();
        level.orders -= u32::from(is_gone);
        if level.orders == 0 {
            assert!(level.lots == 0, "a level of no orders");
            ladder.remove(&price);
        }
    }

    fn ladder(&mut self, instrument: InstrumentId, side: Side) -> &mut BTreeMap<Price, Level> {
        let [bids, asks] = &mut self.books[instrument.index()];
        match side {
            Side::Buy => bids,
            Side::Sell => asks,
        }
    }
}
