//! The gateway's part: from the benchmark's messages to Inputs, from Events to its reports.

use std::sync::Arc;

use matcher::{
    Command, Engine, Event, EventSink, Fill, Input, Instrument, InstrumentId, Limits, Liquidity,
    MsgSeqNum, NewOrder, OrderKind, OrderNumber, ParticipantId, Phase, Price, Qty, ReplaceOrder,
    Sequence, SessionId, Side, Symbol, TimeInForce, Timestamp, Traded,
};

use crate::abi::{CancelMsg, ModifyMsg, NewOrderMsg, ReportKind};
use crate::names::{Ids, Names, Note};

/// What the engine is sized for: 25 times the deepest book of the benchmark.
const LIMITS: Limits =
    Limits { orders_max: 1 << 20, levels_max: 1 << 17, instruments_max: 1, sessions_max: 1 };

/// The one instrument.
const BOOK: InstrumentId = InstrumentId(0);

/// The one session.
const CLIENT: SessionId = SessionId(1);

/// Where reports go.
pub trait Outlet {
    /// Everything but a trade.
    fn answer(&mut self, kind: ReportKind, seq: u64, id: u64, side: Side, price: i64, qty: u32);

    /// A trade; the orders by their numbers.
    fn trade(&mut self, seq: u64, maker: OrderNumber, taker: OrderNumber, price: i64, qty: u32);

    /// Shows what was held back.
    fn flush(&mut self);
}

/// The engine, what its gateway knows, and the way out.
pub struct Desk<O> {
    engine: Engine,
    names: Names,
    /// The last Input.
    sequence: u64,
    /// The last order number used up.
    number: u32,
    /// Where reports go.
    pub outlet: O,
}

impl<O: Outlet> Desk<O> {
    /// An engine with one open instrument and one session. `ids` are those of the outlet.
    ///
    /// # Panics
    ///
    /// If the engine refuses its configuration.
    #[must_use]
    pub fn new(outlet: O, ids: Arc<Ids>) -> Desk<O> {
        let (engine, names) = (Engine::new(), Names::new(ids));
        let mut desk = Desk { engine, names, sequence: 0, number: 0, outlet };
        let define_session =
            Command::DefineSession { id: CLIENT, participant: ParticipantId(CLIENT.0) };
        for command in [
            Command::Configure(LIMITS),
            Command::DefineInstrument { id: BOOK, instrument: instrument() },
            define_session,
        ] {
            let input = desk.stamp(SessionId::VENUE, command);
            let mut events = Vec::new();
            desk.engine.apply(&input, &mut events);
            let refused = events.iter().any(|event| matches!(event, Event::CommandRefused { .. }));
            assert!(!refused, "{command:?}: {events:?}");
        }
        desk
    }

    /// What the core does to a Command: its place, and a time that goes on. The client's messages
    /// are counted; the low half is enough, the engine only remembers it.
    #[inline(always)]
    fn stamp(&mut self, session: SessionId, command: Command) -> Input {
        self.sequence = self.sequence.wrapping_add(1);
        let (sequence, timestamp) = (Sequence(self.sequence), Timestamp(self.sequence));
        let inbound = MsgSeqNum(halves(self.sequence)[0]);
        Input { sequence, timestamp, session, inbound, command }
    }

    /// A new order.
    #[inline(always)]
    pub fn enter(&mut self, msg: &NewOrderMsg) {
        let side = side_of(msg.side);
        // A price beyond 32 bits is out of the instrument's range: the note is not read.
        let price = i32::try_from(msg.price_ticks).unwrap_or(0);
        let Some(tag) = self.names.tag(msg.order_id) else { return };
        let number = OrderNumber(self.number + 1);
        if !self.names.claim(tag, number) {
            return;
        }
        self.number = number.0;
        let input = self.stamp(
            CLIENT,
            Command::New(NewOrder {
                number,
                instrument: BOOK,
                side,
                kind: OrderKind::Limit(Price::from_ticks(msg.price_ticks)),
                qty: Qty::from_lots(msg.quantity.into()),
                time_in_force: if msg.ioc == 0 { TimeInForce::Day } else { TimeInForce::Ioc },
                liquidity: Liquidity::Any,
            }),
        );
        let Desk { engine, names, outlet, .. } = self;
        let mut answers = Entering { msg, side, cum_qty: 0, names, outlet };
        engine.apply(&input, &mut answers);
        let cum_qty = answers.cum_qty;
        names.name(tag, number, Note { price, cum_qty, side });
    }

    /// A cancel.
    #[inline(always)]
    pub fn cancel(&mut self, msg: &CancelMsg) {
        let target = self.names.number(msg.order_id);
        let input = self.stamp(CLIENT, Command::Cancel { target });
        let Desk { engine, names, outlet, .. } = self;
        engine.apply(&input, &mut Canceling { msg, names, outlet });
    }

    /// A modify: `new_quantity` is what is to be open, our OrderQty(38) has what was traded in it.
    #[inline(always)]
    pub fn modify(&mut self, msg: &ModifyMsg) {
        let side = side_of(msg.side);
        let target = self.names.number(msg.order_id);
        let cum_qty = u64::from(self.names.note(target).cum_qty);
        let input = self.stamp(
            CLIENT,
            Command::Replace(ReplaceOrder {
                number: OrderNumber::NONE,
                target,
                instrument: BOOK,
                side,
                price: Price::from_ticks(msg.new_price_ticks),
                qty: Qty::from_lots(cum_qty + u64::from(msg.new_quantity)),
            }),
        );
        let Desk { engine, names, outlet, .. } = self;
        engine.apply(&input, &mut Modifying { msg, side, names, outlet });
    }

    /// The best price of a side.
    #[must_use]
    pub fn best(&self, side: Side) -> Option<i64> {
        self.engine.book(BOOK)?.levels(side).next().map(|level| level.price.ticks())
    }

    /// How much rests at a price.
    #[must_use]
    pub fn depth_at(&self, side: Side, price: i64) -> u64 {
        let Some(book) = self.engine.book(BOOK) else { return 0 };
        let level = book.levels(side).find(|level| level.price.ticks() == price);
        level.map_or(0, |level| level.qty.lots())
    }

    /// See [`Engine::check`].
    pub fn check(&self) {
        self.engine.check();
    }
}

/// Answers a new order.
struct Entering<'a, O> {
    msg: &'a NewOrderMsg,
    side: Side,
    /// What the order itself has traded.
    cum_qty: u32,
    names: &'a mut Names,
    outlet: &'a mut O,
}

impl<O: Outlet> EventSink for Entering<'_, O> {
    #[inline(always)]
    fn event(&mut self, event: &Event) {
        let NewOrderMsg { order_id, sequence_number, price_ticks, quantity, .. } = *self.msg;
        match event {
            Event::Accepted(_) => {
                let kind = ReportKind::OrderAck;
                self.outlet.answer(
                    kind,
                    sequence_number,
                    order_id,
                    self.side,
                    price_ticks,
                    quantity,
                );
            }
            Event::Traded(trade) => {
                self.cum_qty = done(&trade.taker);
                report_trade(self.outlet, self.names, sequence_number, trade);
            }
            // What is left of an IOC order.
            Event::Canceled(canceled) => {
                let (kind, left) = (ReportKind::CancelAck, halves(canceled.canceled_qty.lots())[0]);
                self.outlet.answer(kind, sequence_number, order_id, self.side, price_ticks, left);
            }
            // The benchmark has no word for a refused order, and sends none.
            _ => {}
        }
    }
}

/// Answers a cancel.
struct Canceling<'a, O> {
    msg: &'a CancelMsg,
    names: &'a Names,
    outlet: &'a mut O,
}

impl<O: Outlet> EventSink for Canceling<'_, O> {
    #[inline(always)]
    fn event(&mut self, event: &Event) {
        let CancelMsg { order_id, sequence_number } = *self.msg;
        match event {
            Event::Canceled(canceled) => {
                let note = self.names.note(canceled.number);
                let left = halves(canceled.canceled_qty.lots())[0];
                let (kind, price) = (ReportKind::CancelAck, i64::from(note.price));
                self.outlet.answer(kind, sequence_number, order_id, note.side, price, left);
            }
            Event::CancelRejected(_) => {
                let kind = ReportKind::CancelReject;
                self.outlet.answer(kind, sequence_number, order_id, Side::Buy, 0, 0);
            }
            _ => {}
        }
    }
}

/// Answers a modify.
struct Modifying<'a, O> {
    msg: &'a ModifyMsg,
    side: Side,
    names: &'a mut Names,
    outlet: &'a mut O,
}

impl<O: Outlet> EventSink for Modifying<'_, O> {
    #[inline(always)]
    fn event(&mut self, event: &Event) {
        let ModifyMsg { order_id, sequence_number, new_price_ticks, new_quantity, .. } = *self.msg;
        match event {
            Event::Replaced(replaced) => {
                let note = self.names.note_mut(replaced.number);
                // It passed the instrument's range.
                note.price = i32::try_from(new_price_ticks).unwrap_or(0);
                let kind = ReportKind::ModifyAck;
                self.outlet.answer(
                    kind,
                    sequence_number,
                    order_id,
                    self.side,
                    new_price_ticks,
                    new_quantity,
                );
            }
            Event::Traded(trade) => {
                let taker = self.names.note_mut(trade.taker.number);
                taker.cum_qty = done(&trade.taker);
                report_trade(self.outlet, self.names, sequence_number, trade);
            }
            Event::CancelRejected(_) => {
                let kind = ReportKind::ModifyReject;
                self.outlet.answer(kind, sequence_number, order_id, Side::Buy, 0, 0);
            }
            _ => {}
        }
    }
}

#[inline(always)]
fn report_trade<O: Outlet>(outlet: &mut O, names: &mut Names, seq: u64, trade: &Traded) {
    let (maker, taker) = (trade.maker.number, trade.taker.number);
    // One that is filled is never asked for again.
    if !trade.maker.leaves_qty.is_zero() {
        names.note_mut(maker).cum_qty = done(&trade.maker);
    }
    outlet.trade(seq, maker, taker, trade.price.ticks(), halves(trade.qty.lots())[0]);
}

/// What an order has traded: never above `qty_max`.
#[inline]
const fn done(fill: &Fill) -> u32 {
    halves(fill.cum_qty.lots())[0]
}

/// Prices and quantities that fit 32 bits; the product fits the notional.
fn instrument() -> Instrument {
    Instrument {
        symbol: Symbol::new(b"BENCH").expect("a valid symbol"),
        price_decimals: 3,
        qty_decimals: 0,
        tick_size: 5,
        lot_size: 1,
        qty_min: Qty::from_lots(1),
        qty_max: Qty::from_lots(u32::MAX.into()),
        price_min: Price::from_ticks((-i32::MAX).into()),
        price_max: Price::from_ticks(i32::MAX.into()),
        phase: Phase::Continuous,
    }
}

/// The ABI's side.
#[inline]
#[must_use]
pub const fn side_of(side: u8) -> Side {
    if side == 0 { Side::Buy } else { Side::Sell }
}

/// The low and the high half.
#[inline]
const fn halves(value: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
    [u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])]
}
