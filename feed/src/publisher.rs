//! Turns of the journal to messages of the feed.

use std::fmt;

use matcher::{
    Busted, Command, Event, Input, Instrument, InstrumentId, OrderRef, Phase, Price, Priority, Qty,
    Replaced, Replenished, Rested, Side, TradeKind, Traded, Uncrossed,
};

use crate::message::{
    AddOrder, Alpha, BrokenTrade, CrossTrade, CrossType, EventCode, Header, ImbalanceDirection,
    NetOrderImbalance, OrderCancel, OrderDelete, OrderExecuted, OrderExecutedWithPrice,
    OrderReplace, Stock, StockDirectory, SystemEvent, Trade, TradingAction, TradingStatus, YesNo,
};
use crate::scale::PriceScale;

/// Nanoseconds of a day. Source: UTC days as counted by `Timestamp`, without leap seconds.
pub(crate) const DAY_NS: u64 = 86_400_000_000_000;

/// The types of messages that [`Publisher`] sends. The others of [`crate::Message`] say what this venue
/// does not have.
pub const MESSAGE_KINDS_PUBLISHED: &[u8] = b"SRHAECXDUPQBI";

/// Where the publisher puts its messages. Numbering is counting: the n-th message of a journal has
/// number n, from 1.
pub trait MessageSink {
    /// Takes the next message.
    fn message(&mut self, bytes: &[u8]);
}

impl MessageSink for Vec<Vec<u8>> {
    fn message(&mut self, bytes: &[u8]) {
        self.push(bytes.to_vec());
    }
}

/// Counts messages. The bytes are never looked at, so the compiler leaves their making out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageCount(pub u64);

impl MessageSink for MessageCount {
    #[inline]
    fn message(&mut self, _bytes: &[u8]) {
        self.0 += 1;
    }
}

/// Turns the turns of a journal into messages.
///
/// Feed it every turn in order: [`Publisher::input`], [`Publisher::event`] for each Event,
/// [`Publisher::end_turn`]. Its only memory between turns is the directory of instruments. To encode
/// old turns again, clone one that has read up to any later turn (or the same) and start at any
/// turn: definitions never change, so the messages are the same bytes.
///
/// An instrument that does not fit the feed ([`Publisher::check`]) is left out whole. A venue that
/// publishes refuses it in its configuration; a journal may hold one from before.
#[derive(Clone, Debug, Default)]
pub struct Publisher {
    listed: Vec<Option<Listed>>,
    turn: Turn,
}

/// An instrument on the feed.
#[derive(Clone, Copy, Debug)]
struct Listed {
    stock: Stock,
    scale: PriceScale,
    stock_locate: u16,
    phase: Phase,
}

/// What must be known of a turn until its end.
#[derive(Clone, Copy, Debug, Default)]
struct Turn {
    since_midnight_ns: u64,
    first: bool,
    expires_day: bool,
    definition: Option<(InstrumentId, Instrument)>,
    waiting: Option<Waiting>,
}

/// What is not published before the next Event of the turn is seen.
#[derive(Clone, Copy, Debug)]
enum Waiting {
    /// An order was taken off to be entered again: with what rests of it, one message.
    TakenOff(Replaced),
    /// An order rests. If it crosses the other side an auction begins, and the reader is told so first.
    Add(Rested),
    /// The same, of an order that was taken off before.
    Replace(Replaced, Rested),
}

impl Publisher {
    /// Instruments the feed can name: `stock_locate` has 16 bits and 0 means none.
    pub const INSTRUMENTS_MAX: usize = 65_535;

    /// A publisher at the start of a journal.
    #[must_use]
    pub fn new() -> Publisher {
        Publisher::default()
    }

    /// Whether the feed can show `instrument`.
    ///
    /// # Errors
    ///
    /// The first thing about it that does not fit the fields of ITCH 5.0.
    pub fn check(instrument: &Instrument) -> Result<(), UnfitForFeed> {
        let symbol = instrument.symbol.as_bytes();
        Stock::new(symbol).ok_or(UnfitForFeed::Symbol { bytes: symbol.len() })?;
        let qty_max = instrument.qty_max.lots();
        u32::try_from(qty_max).map_err(|_| UnfitForFeed::Qty { lots: qty_max })?;
        let scale = PriceScale::new(instrument);
        let unfit = |price: Price| UnfitForFeed::Price {
            ticks: price.ticks(),
            ticks_max: u64::from(u32::MAX) / scale.units_per_tick(),
        };
        for price in [instrument.price_min, instrument.price_max] {
            scale.to_feed(price).ok_or_else(|| unfit(price))?;
        }
        Ok(())
    }

    /// Begins a turn.
    #[inline]
    pub fn input(&mut self, input: &Input) {
        self.turn = Turn {
            since_midnight_ns: input.timestamp.0 % DAY_NS,
            first: input.sequence.is_first(),
            expires_day: matches!(input.command, Command::ExpireDay),
            definition: match input.command {
                Command::DefineInstrument { id, instrument } => Some((id, instrument)),
                _ => None,
            },
            waiting: None,
        };
    }

    /// Publishes the next Event of the turn.
    #[inline]
    pub fn event<S: MessageSink>(&mut self, event: &Event, out: &mut S) {
        if let Some(waiting) = self.turn.waiting.take()
            && self.continues(&waiting, event, out)
        {
            return;
        }
        match event {
            Event::Traded(traded) => self.trade(traded, out),
            Event::Rested(rested) => self.turn.waiting = Some(Waiting::Add(*rested)),
            Event::Canceled(canceled) => self.delete(canceled.instrument, canceled.order_ref, out),
            Event::Replaced(replaced) => match replaced.priority {
                Priority::Kept => {
                    self.reduce(replaced.instrument, replaced.old_ref, replaced.cut_qty, out);
                }
                Priority::Lost => self.turn.waiting = Some(Waiting::TakenOff(*replaced)),
            },
            Event::Restated(restated) => {
                self.reduce(restated.instrument, restated.order_ref, restated.cut_qty, out);
            }
            Event::Replenished(slice) => self.replenish(slice, out),
            Event::PhaseChanged { instrument, phase, .. } => self.phase(*instrument, *phase, out),
            Event::InstrumentDefined { id } => self.define(*id, out),
            Event::Configured if self.turn.first => {
                self.system(EventCode::StartOfMessages, out);
            }
            Event::CommandRefused { .. } => self.turn.expires_day = false,
            Event::Uncrossed(uncrossed) => self.cross(uncrossed, out),
            Event::Indicative { instrument, phase, price, qty, imbalance, side } => {
                let direction = match (price, side) {
                    (None, _) => ImbalanceDirection::Insufficient,
                    (_, None) => ImbalanceDirection::None,
                    (_, Some(Side::Buy)) => ImbalanceDirection::Buy,
                    (_, Some(Side::Sell)) => ImbalanceDirection::Sell,
                };
                self.indicate(*instrument, *phase, *price, [*qty, *imbalance], direction, out);
            }
            Event::Busted(busted) => self.bust(busted, out),
            // What stands beside the book is not shown, nor are answers to one session.
            Event::Configured
            | Event::SessionDefined { .. }
            | Event::Applied
            | Event::Held(_)
            | Event::Triggered(_)
            | Event::Accepted(_)
            | Event::Rejected(_)
            | Event::CancelRejected(_)
            | Event::MassCanceled { .. }
            | Event::MassCancelRejected { .. }
            | Event::StatusReported(_)
            | Event::Relayed(_)
            | Event::Numbered { .. } => {}
        }
    }

    /// Ends the turn: publishes what waited for a further Event.
    #[inline]
    pub fn end_turn<S: MessageSink>(&mut self, out: &mut S) {
        if let Some(waiting) = self.turn.waiting.take() {
            self.publish(&waiting, out);
        }
        if self.turn.expires_day {
            self.system(EventCode::EndOfMarketHours, out);
        }
        self.turn = Turn::default();
    }

    /// Publishes a whole turn.
    pub fn turn<'e, S: MessageSink>(
        &mut self,
        input: &Input,
        events: impl IntoIterator<Item = &'e Event>,
        out: &mut S,
    ) {
        self.input(input);
        for event in events {
            self.event(event, out);
        }
        self.end_turn(out);
    }

    /// How many messages a turn has. This is publishing without making the bytes, so it cannot disagree
    /// with what is published; an index of the feed over a whole journal is made with it.
    pub fn messages_in_turn<'e>(
        &mut self,
        input: &Input,
        events: impl IntoIterator<Item = &'e Event>,
    ) -> u64 {
        let mut count = MessageCount(0);
        self.turn(input, events, &mut count);
        count.0
    }

    /// The scale of the prices of `stock_locate`, `None` if nothing is listed there.
    #[must_use]
    pub fn scale(&self, stock_locate: u16) -> Option<PriceScale> {
        let index = usize::from(stock_locate).checked_sub(1)?;
        self.listed.get(index)?.map(|listed| listed.scale)
    }

    #[inline]
    fn listed(&self, instrument: InstrumentId) -> Option<&Listed> {
        self.listed.get(instrument.index())?.as_ref()
    }

    #[inline]
    fn header(&self, stock_locate: u16) -> Header {
        let since_midnight_ns = self.turn.since_midnight_ns;
        Header { stock_locate, tracking_number: 0, since_midnight_ns }
    }

    /// Whether `event` goes with what waits; if not, what waits is published.
    #[inline]
    fn continues<S: MessageSink>(&mut self, waiting: &Waiting, event: &Event, out: &mut S) -> bool {
        match (waiting, event) {
            (Waiting::TakenOff(replaced), Event::Rested(rested))
                if replaced.old_ref != OrderRef::NONE
                    && (replaced.session, replaced.number) == (rested.session, rested.number) =>
            {
                self.turn.waiting = Some(Waiting::Replace(*replaced, *rested));
                return true;
            }
            // It slides on its way back: nothing of it is displayed yet.
            (Waiting::TakenOff(replaced), Event::Restated(restated))
                if restated.order_ref == OrderRef::NONE
                    && (replaced.session, replaced.number)
                        == (restated.session, restated.number) =>
            {
                self.turn.waiting = Some(*waiting);
                return true;
            }
            (
                Waiting::Add(rested) | Waiting::Replace(_, rested),
                Event::PhaseChanged { instrument, phase, .. },
            ) if rested.instrument == *instrument => {
                self.phase(*instrument, *phase, out);
                self.publish(waiting, out);
                return true;
            }
            _ => {}
        }
        self.publish(waiting, out);
        false
    }

    /// Publishes what waited.
    #[inline]
    fn publish<S: MessageSink>(&self, waiting: &Waiting, out: &mut S) {
        match waiting {
            Waiting::TakenOff(replaced) => {
                self.delete(replaced.instrument, replaced.old_ref, out);
            }
            Waiting::Add(rested) => {
                let (order_ref, shares) = (rested.order_ref, rested.leaves_qty);
                self.add(rested.instrument, order_ref, rested.side, shares, rested.price, out);
            }
            Waiting::Replace(replaced, rested) => self.replace(replaced, rested, out),
        }
    }

    #[inline]
    pub(crate) fn add<S: MessageSink>(
        &self,
        instrument: InstrumentId,
        order_ref: OrderRef,
        side: Side,
        qty: Qty,
        price: Price,
        out: &mut S,
    ) {
        let Some(listed) = self.listed(instrument) else { return };
        let add = AddOrder {
            header: self.header(listed.stock_locate),
            order_ref: order_ref.0,
            side,
            shares: shares(qty),
            stock: listed.stock,
            price: listed.price(price),
        };
        out.message(&add.encode());
    }

    fn replenish<S: MessageSink>(&self, slice: &Replenished, out: &mut S) {
        self.add(slice.instrument, slice.order_ref, slice.side, slice.qty, slice.price, out);
    }

    #[inline]
    fn trade<S: MessageSink>(&self, traded: &Traded, out: &mut S) {
        let Some(listed) = self.listed(traded.instrument) else { return };
        let executed = |order_ref: OrderRef| OrderExecuted {
            header: self.header(listed.stock_locate),
            order_ref: order_ref.0,
            shares: shares(traded.qty),
            match_number: traded.id.0,
        };
        match traded.kind {
            TradeKind::Continuous if traded.maker_ref != OrderRef::NONE => {
                out.message(&executed(traded.maker_ref).encode());
            }
            TradeKind::Continuous => self.trade_hidden(listed, traded, out),
            TradeKind::Auction => {
                let (printable, price) = (YesNo::No, listed.price(traded.price));
                for order_ref in [traded.maker_ref, traded.taker_ref] {
                    if order_ref != OrderRef::NONE {
                        let executed = executed(order_ref);
                        let crossed = OrderExecutedWithPrice { executed, printable, price };
                        out.message(&crossed.encode());
                    }
                }
            }
        }
    }

    #[cold]
    fn trade_hidden<S: MessageSink>(&self, listed: &Listed, traded: &Traded, out: &mut S) {
        let trade = Trade {
            header: self.header(listed.stock_locate),
            order_ref: 0,
            side: Side::Buy,
            shares: shares(traded.qty),
            stock: listed.stock,
            price: listed.price(traded.price),
            match_number: traded.id.0,
        };
        out.message(&trade.encode());
    }

    #[cold]
    fn cross<S: MessageSink>(&self, uncrossed: &Uncrossed, out: &mut S) {
        let Some(listed) = self.listed(uncrossed.instrument) else { return };
        let cross = CrossTrade {
            header: self.header(listed.stock_locate),
            shares: uncrossed.qty.lots(),
            stock: listed.stock,
            price: listed.price(uncrossed.price),
            match_number: NO_MATCH,
            cross: cross_type(uncrossed.phase),
        };
        out.message(&cross.encode());
    }

    #[cold]
    fn indicate<S: MessageSink>(
        &self,
        instrument: InstrumentId,
        phase: Phase,
        price: Option<Price>,
        [paired, imbalance]: [Qty; 2],
        direction: ImbalanceDirection,
        out: &mut S,
    ) {
        let Some(listed) = self.listed(instrument) else { return };
        let price = price.map_or(0, |price| listed.price(price));
        let imbalance = NetOrderImbalance {
            header: self.header(listed.stock_locate),
            paired_shares: paired.lots(),
            imbalance_shares: imbalance.lots(),
            direction,
            stock: listed.stock,
            far_price: price,
            near_price: price,
            reference_price: price,
            cross: cross_type(phase),
            variation: b' ',
        };
        out.message(&imbalance.encode());
    }

    #[cold]
    fn bust<S: MessageSink>(&self, busted: &Busted, out: &mut S) {
        let Some(listed) = self.listed(busted.instrument) else { return };
        let header = self.header(listed.stock_locate);
        out.message(&BrokenTrade { header, match_number: busted.trade.0 }.encode());
    }

    /// An order without a place was never displayed.
    #[inline]
    fn delete<S: MessageSink>(&self, instrument: InstrumentId, order_ref: OrderRef, out: &mut S) {
        let Some(listed) = self.listed(instrument) else { return };
        if order_ref == OrderRef::NONE {
            return;
        }
        let header = self.header(listed.stock_locate);
        out.message(&OrderDelete { header, order_ref: order_ref.0 }.encode());
    }

    /// Nothing is said of an order without a place, nor of an iceberg's reserve.
    #[inline]
    fn reduce<S: MessageSink>(
        &self,
        instrument: InstrumentId,
        order_ref: OrderRef,
        cut: Qty,
        out: &mut S,
    ) {
        let Some(listed) = self.listed(instrument) else { return };
        if order_ref == OrderRef::NONE || cut.is_zero() {
            return;
        }
        let header = self.header(listed.stock_locate);
        let shares = shares(cut);
        out.message(&OrderCancel { header, order_ref: order_ref.0, shares }.encode());
    }

    #[inline]
    fn replace<S: MessageSink>(&self, replaced: &Replaced, rested: &Rested, out: &mut S) {
        let Some(listed) = self.listed(rested.instrument) else { return };
        assert!(replaced.instrument == rested.instrument);
        let replace = OrderReplace {
            header: self.header(listed.stock_locate),
            old_order_ref: replaced.old_ref.0,
            new_order_ref: rested.order_ref.0,
            shares: shares(rested.leaves_qty),
            price: listed.price(rested.price),
        };
        out.message(&replace.encode());
    }

    #[cold]
    fn define<S: MessageSink>(&mut self, id: InstrumentId, out: &mut S) {
        let Some((defined, instrument)) = self.turn.definition else {
            unreachable!("an instrument is defined by its own command");
        };
        assert!(defined == id);
        let listed = Listed::new(id, &instrument);
        match self.listed.get_mut(id.index()) {
            Some(known) => *known = listed,
            None => {
                assert!(id.index() == self.listed.len());
                self.listed.push(listed);
            }
        }
        let Some(listed) = listed else { return };
        let directory = StockDirectory {
            header: self.header(listed.stock_locate),
            stock: listed.stock,
            market_category: b' ',
            financial_status: b' ',
            round_lot_size: 1,
            round_lots_only: YesNo::No,
            issue_classification: b'Q',
            issue_sub_type: NOT_APPLICABLE,
            authenticity: b'P',
            short_sale_threshold: b' ',
            ipo: b' ',
            luld_tier: b' ',
            etp: b' ',
            etp_leverage: 0,
            inverse: YesNo::No,
        };
        out.message(&directory.encode());
        self.phase(id, listed.phase, out);
    }

    #[cold]
    fn phase<S: MessageSink>(&self, id: InstrumentId, phase: Phase, out: &mut S) {
        let Some(listed) = self.listed(id) else { return };
        let (status, reason) = match phase {
            Phase::Continuous => (TradingStatus::Trading, REASON_NONE),
            Phase::Halt => (TradingStatus::Halted, REASON_HALTED),
            Phase::Closed => (TradingStatus::Halted, REASON_CLOSED),
            Phase::VolatilityAuction => (TradingStatus::Paused, REASON_VOLATILITY),
            Phase::PreOpen | Phase::OpeningAuction | Phase::ClosingAuction => {
                (TradingStatus::QuotationOnly, REASON_NONE)
            }
        };
        let header = self.header(listed.stock_locate);
        out.message(&TradingAction { header, stock: listed.stock, status, reason }.encode());
    }

    #[cold]
    fn system<S: MessageSink>(&self, event: EventCode, out: &mut S) {
        out.message(&SystemEvent { header: self.header(0), event }.encode());
    }
}

impl Listed {
    fn new(id: InstrumentId, instrument: &Instrument) -> Option<Listed> {
        Publisher::check(instrument).ok()?;
        Some(Listed {
            stock: Stock::new(instrument.symbol.as_bytes())?,
            scale: PriceScale::new(instrument),
            stock_locate: u16::try_from(id.0.checked_add(1)?).ok()?,
            phase: instrument.phase,
        })
    }

    /// The engine takes no price outside the range that `check` has seen.
    #[inline]
    fn price(&self, price: Price) -> u32 {
        let Some(price) = self.scale.to_feed(price) else {
            panic!("price of {} ticks of {} is outside its range", price.ticks(), self.stock);
        };
        price
    }
}

/// IssueSubType of what has none.
const NOT_APPLICABLE: Alpha<2> = Alpha::literal(*b"Z ");
/// Reason of a TradingAction: none given.
const REASON_NONE: Alpha<4> = Alpha::literal(*b"    ");
/// Reason of a TradingAction: operational halt.
const REASON_HALTED: Alpha<4> = Alpha::literal(*b"O1  ");
/// Reason of a TradingAction: quotation not available.
const REASON_CLOSED: Alpha<4> = Alpha::literal(*b"M2  ");
/// Reason of a TradingAction: volatility trading pause.
const REASON_VOLATILITY: Alpha<4> = Alpha::literal(*b"LUDP");
/// Match number of a CrossTrade: it is the sum of trades, which have theirs.
const NO_MATCH: u64 = 0;

/// Which cross ends, or would end, a phase.
const fn cross_type(phase: Phase) -> CrossType {
    match phase {
        Phase::PreOpen | Phase::OpeningAuction | Phase::Closed => CrossType::Opening,
        Phase::ClosingAuction => CrossType::Closing,
        Phase::VolatilityAuction | Phase::Halt | Phase::Continuous => CrossType::Halt,
    }
}

/// The engine takes no quantity above `qty_max`, which `check` has seen.
#[inline]
fn shares(qty: Qty) -> u32 {
    let Ok(shares) = u32::try_from(qty.lots()) else {
        panic!("quantity of {} lots is above the largest of its instrument", qty.lots());
    };
    shares
}

/// Why the feed cannot show an instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnfitForFeed {
    /// The symbol is longer than 8 characters.
    Symbol {
        /// How long it is.
        bytes: usize,
    },
    /// `qty_max` does not fit 32 bits.
    Qty {
        /// `qty_max`.
        lots: u64,
    },
    /// `price_min` or `price_max` is negative or does not fit 32 bits in units of the feed.
    Price {
        /// The price.
        ticks: i64,
        /// The largest price that fits.
        ticks_max: u64,
    },
}

impl fmt::Display for UnfitForFeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UnfitForFeed::Symbol { bytes } => {
                write!(f, "symbol has {bytes} characters, the feed shows at most 8")
            }
            UnfitForFeed::Qty { lots } => {
                write!(f, "largest quantity is {lots} lots, the feed shows at most {}", u32::MAX)
            }
            UnfitForFeed::Price { ticks, ticks_max } => {
                write!(f, "price of {ticks} ticks is outside what the feed shows, 0 to {ticks_max}")
            }
        }
    }
}

impl std::error::Error for UnfitForFeed {}
