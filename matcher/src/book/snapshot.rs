//! A book's part of a snapshot: its instrument, and its orders as each of them stands.

use super::{Sides, Store, ladder_key};
use crate::command::{Liquidity, Peg, Permission, Trigger};
use crate::extras::{Extra, OFFSET_MAX, SLICES_MAX, Standing, by_side, is_for_auction};
use crate::instrument::{BandAction, Bands, Instrument, Phase};
use crate::orders::{Done, Order};
use crate::pool::{Id, Pooled};
use crate::snapshot::{Reader, SnapshotError, Words, decode};
use crate::types::{
    InstrumentId, Notional, OrderId, OrderNumber, OrderRef, Price, Qty, SessionId, Side, Symbol,
    TimeInForce, Timestamp,
};

/// Bits of what an order has beside what every order has. What follows them follows in this order.
mod has {
    /// It has a limit price.
    pub(super) const LIMIT: u8 = 1;
    /// It has traded: quantity and notional follow.
    pub(super) const TRADED: u8 = 2;
    /// It is an iceberg: what it displays and what is left beside follow.
    pub(super) const RESERVE: u8 = 4;
    /// It expires at a time: that and its place among those that expire follow.
    pub(super) const EXPIRY: u8 = 8;
    /// It is held, and its risk is valued at a price, which follows.
    pub(super) const VALUE: u8 = 16;
    /// It is a trailing stop that has seen a price: the best follows.
    pub(super) const PEAK: u8 = 32;
    pub(super) const ALL: u8 = 63;
}

/// What a held order follows: its trigger or its peg.
mod follows {
    pub(super) const NOTHING: u8 = 0;
    pub(super) const STOP: u8 = 1;
    pub(super) const TRAILING: u8 = 2;
    pub(super) const PRIMARY: u8 = 3;
    pub(super) const MIDPOINT: u8 = 4;
}

/// Bits of what an instrument has.
mod known {
    pub(super) const LAST: u8 = 1;
    pub(super) const REFERENCE: u8 = 2;
    pub(super) const ALL: u8 = 3;
}

/// An order that was read: what its place in its book depends on, the first that counts first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stand {
    pub(crate) instrument: InstrumentId,
    /// Of a held order 0.
    key: i64,
    pub(crate) place: OrderRef,
    slot: u32,
    side: Side,
}

/// What only some orders have, as it is written.
struct Special {
    standing: Standing,
    limit: Option<Price>,
    display_qty: Qty,
    reserve: Qty,
    expire_at: Timestamp,
    expire_seq: OrderRef,
    value_price: Option<Price>,
    peak: Option<Price>,
    follows: u8,
    followed: u64,
}

impl Store {
    /// Walks over a working order.
    #[inline]
    pub(crate) fn save_order<W: Words>(&self, books: &[Sides], slot: Id<Order>, out: &mut W) {
        let order = &self.orders[slot];
        out.pair(order.session.0, order.number.0);
        out.word(order.order_id.0);
        out.word(order.order_ref.0);
        out.qty(order.leaves_qty);
        let group = if order.flags & Order::GROUP_KEY == 0 { 0 } else { order.stp_key };
        if order.extra != 0 {
            return self.save_special(books, order, group, out);
        }
        let level = &self.levels.pool[order.level];
        out.price(level.price());
        out.pair(level.instrument.0, group);
        let has = has::LIMIT | if order.done.is_some() { has::TRADED } else { 0 };
        out.codes(codes(order, level.side, Standing::Displayed, has, follows::NOTHING));
        self.save_done(order, out);
    }

    fn save_done<W: Words>(&self, order: &Order, out: &mut W) {
        if order.done.is_some() {
            let Done { cum_qty, notional } = self.orders.done(order.done);
            out.qty(cum_qty);
            out.signed(notional.tick_lots());
        }
    }

    #[cold]
    #[inline(never)]
    fn save_special<W: Words>(&self, books: &[Sides], order: &Order, group: u32, out: &mut W) {
        let extra = &self.extras[Id::from_raw(order.extra)];
        let Extra { instrument, side, standing, trigger, peg, .. } = *extra;
        let is_displayed = standing == Standing::Displayed;
        let trails = &books[instrument.index()].beside.trails[by_side(side)];
        let peak = match standing {
            Standing::Trailing => trails.peak_of(&self.extras.trails, Id::from_raw(extra.member)),
            _ => None,
        };
        let limit = match order.level.some() {
            Some(level) => Some(self.levels.pool[level].price()),
            None => extra.limit,
        };
        let value_price = extra.value_price.filter(|_| !is_displayed);
        let (follows, followed) = match (trigger, peg) {
            (Trigger::Stop(price), _) => (follows::STOP, price.ticks().cast_unsigned()),
            (Trigger::Trailing(offset), _) => (follows::TRAILING, offset),
            (Trigger::None, Peg::Primary(offset)) => (follows::PRIMARY, offset),
            (Trigger::None, Peg::Midpoint(offset)) => (follows::MIDPOINT, offset),
            (Trigger::None, Peg::None) => (follows::NOTHING, 0),
        };
        let bit = |is_there: bool, bit| if is_there { bit } else { 0 };
        let has = bit(limit.is_some(), has::LIMIT)
            | bit(order.done.is_some(), has::TRADED)
            | bit(!extra.display_qty.is_zero(), has::RESERVE)
            | bit(extra.expire_at.0 != 0, has::EXPIRY)
            | bit(value_price.is_some(), has::VALUE)
            | bit(peak.is_some(), has::PEAK);
        out.price(limit.unwrap_or_default());
        out.pair(instrument.0, group);
        out.codes(codes(order, side, standing, has, follows));
        self.save_done(order, out);
        if has & has::RESERVE != 0 {
            out.qty(extra.display_qty);
            out.qty(extra.reserve);
        }
        if has & has::EXPIRY != 0 {
            out.word(extra.expire_at.0);
            out.word(extra.expire_seq.0);
        }
        if let Some(price) = value_price {
            out.price(price);
        }
        if let Some(price) = peak {
            out.price(price);
        }
        if follows != follows::NOTHING {
            out.word(followed);
        }
    }

    /// Reads an order of one of `books`, which stands nowhere yet.
    pub(crate) fn load_order(
        &mut self,
        books: &[Sides],
        reader: &mut Reader<'_>,
    ) -> Result<(Id<Order>, Stand), SnapshotError> {
        let (session, number) = reader.pair()?;
        let (session, number) = (SessionId(session), OrderNumber(number));
        let state = self.sessions.state(session).filter(|_| session != SessionId::VENUE);
        let used = reader.known(state)?.last_number;
        if number == OrderNumber::NONE || number > used || self.orders.is_full() {
            return Err(reader.refuse());
        }
        let order_id = OrderId(reader.word()?);
        let place = self.load_place(reader)?;
        let leaves_qty = reader.qty()?;
        if leaves_qty.is_zero() {
            return Err(reader.refuse());
        }
        let price = reader.price()?;
        let (instrument, group) = reader.pair()?;
        let instrument = InstrumentId(instrument);
        let book = reader.known(books.get(instrument.index()))?;
        let account = self.accounts.find(self.sessions.account_row(session), instrument);
        let account = reader.known(account.some())?;
        let [side, time_in_force, liquidity, mode, standing, has, follows, 0] = reader.codes()?
        else {
            return Err(reader.refuse());
        };
        let side = reader.known(decode(&[Side::Buy, Side::Sell], side, |it| it as u8))?;
        let time_in_force = decode(&TIMES_IN_FORCE, time_in_force, |it| it as u8);
        let time_in_force = reader.known(time_in_force)?;
        let liquidity = reader.known(decode(&LIQUIDITIES, liquidity, |it| it as u8))?;
        let standing = reader.known(decode(&STANDINGS, standing, code_of))?;
        let stp = self.sessions.self_trade_of(session, group, mode);
        let (stp_key, flags) = reader.known(stp)?;
        let limit = (has & has::LIMIT != 0).then_some(price);
        if has & !has::ALL != 0 || !is_price(&book.instrument, price, limit) {
            return Err(reader.refuse());
        }
        let done = load_done(reader, &book.instrument, has & has::TRADED)?;
        let special = self.load_special(reader, (standing, limit), has, follows)?;
        if !special.fits(book, leaves_qty, done.cum_qty, time_in_force) {
            return Err(reader.refuse());
        }
        let done = self.orders.keep_done(Id::NONE, done);
        let (slot, order) = self.orders.take();
        *order = Order {
            leaves_qty,
            order_id,
            order_ref: place,
            session,
            number,
            account,
            stp_key,
            done,
            time_in_force,
            liquidity,
            flags,
            ..Order::EMPTY
        };
        let is_displayed = standing == Standing::Displayed;
        let extra = Extra { order: slot, instrument, side, ..special.extra() };
        if !is_displayed || extra.matters_displayed(time_in_force) {
            self.orders[slot].extra = self.extras.restore(extra).raw();
        }
        let key = if is_displayed { ladder_key(side, price) } else { 0 };
        Ok((slot, Stand { instrument, key, place, slot: slot.raw(), side }))
    }

    fn load_place(&self, reader: &mut Reader<'_>) -> Result<OrderRef, SnapshotError> {
        let place = OrderRef(reader.at_most(self.places)?);
        reader.known((place != OrderRef::NONE).then_some(place))
    }

    fn load_special(
        &self,
        reader: &mut Reader<'_>,
        (standing, limit): (Standing, Option<Price>),
        has: u8,
        follows: u8,
    ) -> Result<Special, SnapshotError> {
        let mut special = Special {
            standing,
            limit,
            display_qty: Qty::ZERO,
            reserve: Qty::ZERO,
            expire_at: Timestamp(0),
            expire_seq: OrderRef::NONE,
            value_price: None,
            peak: None,
            follows,
            followed: 0,
        };
        if has & has::RESERVE != 0 {
            special.display_qty = reader.qty()?;
            reader.known((!special.display_qty.is_zero()).then_some(()))?;
            special.reserve = reader.qty()?;
        }
        if has & has::EXPIRY != 0 {
            special.expire_at = Timestamp(reader.word()?);
            reader.known((special.expire_at.0 != 0).then_some(()))?;
            special.expire_seq = self.load_place(reader)?;
        }
        if has & has::VALUE != 0 {
            special.value_price = Some(reader.price()?);
        }
        if has & has::PEAK != 0 {
            special.peak = Some(reader.price()?);
        }
        if follows != follows::NOTHING {
            special.followed = reader.word()?;
        }
        Ok(special)
    }
}

impl Special {
    const fn trigger(&self) -> Trigger {
        match self.follows {
            follows::STOP => Trigger::Stop(Price::from_ticks(self.followed.cast_signed())),
            follows::TRAILING => Trigger::Trailing(self.followed),
            _ => Trigger::None,
        }
    }

    const fn peg(&self) -> Peg {
        match self.follows {
            follows::PRIMARY => Peg::Primary(self.followed),
            follows::MIDPOINT => Peg::Midpoint(self.followed),
            _ => Peg::None,
        }
    }

    /// Whether an order in `book` can be like this.
    fn fits(
        &self,
        book: &Sides,
        leaves_qty: Qty,
        cum_qty: Qty,
        time_in_force: TimeInForce,
    ) -> bool {
        let instrument = &book.instrument;
        let is_peak = self.standing == Standing::Trailing && book.last.is_some();
        self.stands_by(book)
            && self.is_sliced_well(instrument, leaves_qty, cum_qty)
            && (self.expire_at.0 != 0) == (time_in_force == TimeInForce::Gtd)
            && self.goes_with(instrument.phase, time_in_force)
            && (self.display_qty.is_zero() || !is_for_auction(time_in_force))
            && (self.standing != Standing::Displayed || self.value_price.is_none())
            && self.peak.is_some() == is_peak
            && [self.peak, self.value_price].iter().flatten().all(|it| instrument.has_price(*it))
    }

    /// Whether limit, trigger and peg are those of its standing.
    fn stands_by(&self, book: &Sides) -> bool {
        let is_offset = self.followed <= OFFSET_MAX;
        let is_trigger = match self.trigger() {
            Trigger::None => false,
            Trigger::Stop(price) => book.instrument.has_price(price),
            Trigger::Trailing(offset) => is_offset && offset != 0 && self.limit.is_none(),
        };
        let follows_nothing = self.follows == follows::NOTHING;
        match self.standing {
            Standing::Lifted => false,
            Standing::Displayed => follows_nothing && self.limit.is_some(),
            Standing::Stop => is_trigger && self.follows == follows::STOP,
            Standing::Trailing => is_trigger && self.follows == follows::TRAILING,
            Standing::Elected => is_trigger,
            Standing::Peg => is_offset && self.peg() != Peg::None,
            Standing::Waiting => follows_nothing,
            Standing::Market => follows_nothing && self.limit.is_none(),
        }
    }

    /// Whether an order with that time in force can stand there. Who came for an auction is in a call and
    /// gone after it, or waits for one; who came for the opening was let in at once.
    fn goes_with(&self, phase: Phase, time_in_force: TimeInForce) -> bool {
        match self.standing {
            Standing::Waiting => {
                matches!(time_in_force, TimeInForce::AtClose | TimeInForce::Gfa)
            }
            Standing::Displayed => phase != Phase::Continuous || !is_for_auction(time_in_force),
            Standing::Market => phase != Phase::Continuous,
            _ => !is_for_auction(time_in_force),
        }
    }

    /// Whether quantity, slice and reserve are what the instrument and the bound of slices let them be.
    fn is_sliced_well(&self, instrument: &Instrument, leaves_qty: Qty, cum_qty: Qty) -> bool {
        let Special { display_qty, reserve, .. } = *self;
        let wide = |qty: Qty| u128::from(qty.lots());
        let ordered = wide(leaves_qty) + wide(reserve) + wide(cum_qty);
        let is_iceberg = self.standing == Standing::Displayed
            && display_qty >= instrument.qty_min
            && leaves_qty <= display_qty
            && ordered <= SLICES_MAX * wide(display_qty);
        ordered <= wide(instrument.qty_max) && (is_iceberg || display_qty.is_zero())
    }

    fn extra(&self) -> Extra {
        // The queue of elected orders is not known yet.
        let is_elected = self.standing == Standing::Elected;
        Extra {
            standing: if is_elected { Standing::Lifted } else { self.standing },
            trigger: self.trigger(),
            peak: self.peak,
            peg: self.peg(),
            limit: self.limit,
            display_qty: self.display_qty,
            reserve: self.reserve,
            value_price: self.value_price,
            expire_at: self.expire_at,
            expire_seq: self.expire_seq,
            ..Extra::EMPTY
        }
    }
}

impl Sides {
    /// Walks over the instrument.
    pub(crate) fn save<W: Words>(&self, out: &mut W) {
        let Instrument { symbol, price_decimals, qty_decimals, tick_size, lot_size, .. } =
            self.instrument;
        let Instrument { qty_min, qty_max, price_min, price_max, phase, .. } = self.instrument;
        let Bands { static_ticks, dynamic_ticks, action } = self.beside.bands;
        let [one, other] = halves(*symbol.padded());
        out.codes(one);
        out.codes(other);
        let known = if self.last.is_some() { known::LAST } else { 0 }
            | if self.reference.is_some() { known::REFERENCE } else { 0 };
        let (phase, permission) = (phase as u8, self.permission as u8);
        out.codes([price_decimals, qty_decimals, phase, permission, action as u8, known, 0, 0]);
        out.pair(tick_size, lot_size);
        out.qty(qty_min);
        out.qty(qty_max);
        out.price(price_min);
        out.price(price_max);
        out.price(self.last.unwrap_or_default());
        out.price(self.reference.unwrap_or_default());
        out.word(static_ticks);
        out.word(dynamic_ticks);
    }

    /// An empty book of an instrument whose definition may still not be valid.
    pub(crate) fn load_instrument(
        id: InstrumentId,
        reader: &mut Reader<'_>,
    ) -> Result<Sides, SnapshotError> {
        let padded = joined([reader.codes()?, reader.codes()?]);
        let len = padded.iter().position(|byte| *byte == 0).unwrap_or(padded.len());
        let symbol = Symbol::new(&padded[..len]).filter(|symbol| *symbol.padded() == padded);
        let symbol = reader.known(symbol)?;
        let [price_decimals, qty_decimals, phase, permission, action, known, 0, 0] =
            reader.codes()?
        else {
            return Err(reader.refuse());
        };
        let phase = reader.known(decode(&PHASES, phase, |phase| phase as u8))?;
        let permission = reader.known(Permission::from_code(permission))?;
        let actions = [BandAction::Reject, BandAction::Interrupt];
        let action = reader.known(decode(&actions, action, |action| action as u8))?;
        reader.known((known & !known::ALL == 0).then_some(()))?;
        let (tick_size, lot_size) = reader.pair()?;
        let instrument = Instrument {
            symbol,
            price_decimals,
            qty_decimals,
            tick_size,
            lot_size,
            qty_min: reader.qty()?,
            qty_max: reader.qty()?,
            price_min: reader.price()?,
            price_max: reader.price()?,
            phase,
        };
        let mut book = Sides::new(id, instrument);
        book.permission = permission;
        book.last = load_price(reader, &instrument, known & known::LAST)?;
        book.reference = load_price(reader, &instrument, known & known::REFERENCE)?;
        let (static_ticks, dynamic_ticks) = (reader.word()?, reader.word()?);
        book.beside.bands = Bands { static_ticks, dynamic_ticks, action };
        Ok(book)
    }

    /// Puts an order that was read where it stood. Those whose place is better came before.
    ///
    /// `None` if there is no room for it. [`Sides::mark`] follows when all stand.
    pub(crate) fn stand(&mut self, store: &mut Store, stand: &Stand) -> Option<()> {
        let Stand { side, key, slot, place, .. } = *stand;
        let slot = Id::from_raw(slot);
        let Order { leaves_qty, account, extra, time_in_force, .. } = store.orders[slot];
        let id: Id<Extra> = Id::from_raw(extra);
        let Extra { standing, reserve, value_price, .. } = match id.some() {
            Some(id) => store.extras[id],
            None => Extra { standing: Standing::Displayed, ..Extra::EMPTY },
        };
        self.beside.extras += u32::from(id.is_some());
        let mut value = value_price.unwrap_or_default();
        if standing == Standing::Displayed {
            value = Price::from_ticks(ladder_key(side, Price::from_ticks(key)));
            if store.levels.pool.is_full() && !self.has_level(&store.levels, side, value) {
                return None;
            }
            let level_id = self.level_for(&mut store.levels, side, value);
            let level = &mut store.levels.pool[level_id];
            store.orders[slot].level = level_id;
            store.orders[slot].prev = level.tail;
            level.append(&mut store.orders, slot, leaves_qty);
            level.hidden += reserve.lots();
            if is_for_auction(time_in_force) {
                let member =
                    self.beside.ending.insert(&mut store.extras.ending, 0, place.0, id.raw());
                store.extras[id].ending = member;
            }
        } else {
            self.beside.held.push(&mut store.orders, slot);
            // One that is elected comes into its queue later.
            if standing != Standing::Lifted {
                self.await_its_time(store, slot, place);
            }
        }
        store.accounts.get_mut(account).reserve(side, leaves_qty + reserve, value);
        Some(())
    }

    /// Puts an elected order at the end of the queue of those; `None` if it is none, or is in it.
    pub(crate) fn stand_elected(&mut self, store: &mut Store, slot: Id<Order>) -> Option<()> {
        let id: Id<Extra> = Id::from_raw(store.orders[slot].extra);
        if id.is_none() || store.extras[id].standing != Standing::Lifted {
            return None;
        }
        store.extras[id].standing = Standing::Elected;
        self.beside.elected.push(&mut store.extras, id);
        Some(())
    }
}

/// Whether a price is one of the instrument, if it is one, and else zero.
fn is_price(instrument: &Instrument, price: Price, known: Option<Price>) -> bool {
    match known {
        Some(price) => instrument.has_price(price),
        None => price == Price::default(),
    }
}

fn codes(order: &Order, side: Side, standing: Standing, has: u8, follows: u8) -> [u8; 8] {
    let Order { time_in_force, liquidity, flags, .. } = *order;
    let mode = flags & Order::SELF_TRADE;
    let standing = code_of(standing);
    [side as u8, time_in_force as u8, liquidity as u8, mode, standing, has, follows, 0]
}

/// What an order has traded, which is no more than its instrument lets it.
fn load_done(
    reader: &mut Reader<'_>,
    instrument: &Instrument,
    has: u8,
) -> Result<Done, SnapshotError> {
    if has == 0 {
        return Ok(Done::EMPTY);
    }
    let (cum_qty, notional) = (reader.qty()?, reader.signed()?);
    let at = |price: Price| i128::from(price.ticks()) * i128::from(cum_qty.lots());
    let is_possible = !cum_qty.is_zero()
        && at(instrument.price_min) <= notional.into()
        && at(instrument.price_max) >= notional.into();
    let done = Done { cum_qty, notional: Notional::from_tick_lots(notional) };
    reader.known(is_possible.then_some(done))
}

/// A price that is there if `known` is not zero, and zero otherwise.
fn load_price(
    reader: &mut Reader<'_>,
    instrument: &Instrument,
    known: u8,
) -> Result<Option<Price>, SnapshotError> {
    let price = reader.price()?;
    let known = (known != 0).then_some(price);
    reader.known(is_price(instrument, price, known).then_some(known))
}

fn halves(bytes: [u8; 16]) -> [[u8; 8]; 2] {
    [0, 8].map(|from| std::array::from_fn(|at| bytes[from + at]))
}

fn joined(halves: [[u8; 8]; 2]) -> [u8; 16] {
    std::array::from_fn(|at| halves[at / 8][at % 8])
}

const PHASES: [Phase; 7] = [
    Phase::Continuous,
    Phase::Halt,
    Phase::Closed,
    Phase::PreOpen,
    Phase::OpeningAuction,
    Phase::VolatilityAuction,
    Phase::ClosingAuction,
];

/// Those that rest.
const TIMES_IN_FORCE: [TimeInForce; 6] = [
    TimeInForce::Day,
    TimeInForce::Gtc,
    TimeInForce::Gtd,
    TimeInForce::AtOpen,
    TimeInForce::AtClose,
    TimeInForce::Gfa,
];

const LIQUIDITIES: [Liquidity; 3] = [Liquidity::Any, Liquidity::PostOnly, Liquidity::Slide];

const STANDINGS: [Standing; 7] = [
    Standing::Displayed,
    Standing::Stop,
    Standing::Trailing,
    Standing::Elected,
    Standing::Peg,
    Standing::Waiting,
    Standing::Market,
];

const fn code_of(standing: Standing) -> u8 {
    match standing {
        Standing::Displayed => 0,
        Standing::Stop => 1,
        Standing::Trailing => 2,
        Standing::Elected => 3,
        Standing::Peg => 4,
        Standing::Waiting => 5,
        Standing::Market => 6,
        // No order is between two commands.
        Standing::Lifted => u8::MAX,
    }
}
