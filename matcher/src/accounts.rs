//! Risk accounts: what a participant has at work in an instrument, and what it holds there.
//!
//! An account is found by index (a row per participant, an entry per instrument) when an order comes in;
//! from then on the order names it, so that fills and cancels update it without a search. Accounts are
//! never given back: a position outlives its orders.

use std::collections::TryReserveError;
use std::mem::offset_of;

use crate::book::{ladder_key, side_index};
use crate::command::{Permission, RiskLimits};
use crate::event::RejectReason;
use crate::pool::{Id, Pool, Pooled};
use crate::prefetch::prefetch_at;
use crate::types::{InstrumentId, ParticipantId, Price, Qty, Side};

/// Accounts at most, whatever participants × instruments is; a new order that would need one more is
/// refused with `TableFull`.
const ACCOUNTS_MAX: u64 = 1 << 22;

/// Accounts that there is room for before the table has to grow.
const ACCOUNTS_RESERVED: u32 = 1 << 16;

/// What a participant has at work in an instrument, and what it holds there: RULES.md, section 10.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountState {
    /// Working orders.
    pub open_orders: u32,
    /// Lots working to buy.
    pub open_buy_qty: u64,
    /// Lots working to sell.
    pub open_sell_qty: u64,
    /// Leaves × value price of the working orders, in ticks × lots.
    pub open_notional: u128,
    /// Lots bought less lots sold.
    pub position: i128,
}

/// A participant in an instrument. The first cache line is what orders and fills change, and enough of
/// its limits to let nearly every order in; the second is the limits themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(64))]
pub(crate) struct Account {
    /// Sum of leaves × value price over the working orders, in ticks × lots. Wide, because each of
    /// 2^28 orders may be worth 2^63.
    open_notional: u128,
    /// Bought less sold. Wide, because nothing bounds how often it trades.
    position: i128,
    /// Sum of the leaves of the working orders to buy, and to sell: below 2^63, see [`Limits::qty_max`].
    ///
    /// [`Limits::qty_max`]: crate::Limits::qty_max
    open_qty: [u64; 2],
    pub(crate) open_orders: u32,
    /// Which of its limits are any: the bits of [`limit`].
    limited: u8,
    /// Whether its limits are its own, or its participant's.
    limits_own: bool,
    sure: Sure,
    limits: RiskLimits,
    pub(crate) participant: ParticipantId,
    pub(crate) instrument: InstrumentId,
}

const _: () = assert!(size_of::<Account>() == 128 && offset_of!(Account, limits) == 64);

/// Orders that no limit can be in the way of: there is room below all limits for so many, of that size
/// each, on either side.
///
/// Each order that comes in takes one away or, where that is not sure, all; what leaves makes only more
/// room. So it stays true, and nearly every order is let in by a look at it alone. It decides nothing:
/// whoever is not within asks the sums themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sure {
    /// Of one order, in lots.
    qty_max: Rough,
    /// Of one order.
    notional_max: Rough,
    /// What its price may be beyond the middle, in ticks.
    collar: Rough,
    orders: u8,
}

impl Sure {
    const NONE: Sure =
        Sure { qty_max: Rough(0), notional_max: Rough(0), collar: Rough(0), orders: 0 };

    /// How many orders at most: an account that is near a limit looks in vain so seldom.
    const ORDERS: u8 = 64;

    /// How much larger than the order that asks each of them may be: sizes differ.
    const LARGER: u64 = 16;
}

/// A bound in two bytes: exact up to 1,023, else up to a 512th below what it stands for, never above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rough(u16);

impl Rough {
    const DIGITS: u32 = 10;

    #[inline]
    fn below(bound: u64) -> Rough {
        let shift = (u64::BITS - bound.leading_zeros()).saturating_sub(Rough::DIGITS);
        let digits = u16::try_from(bound >> shift).unwrap_or(0);
        Rough(digits << 6 | u16::try_from(shift).unwrap_or(0))
    }

    #[inline(always)]
    const fn get(self) -> u64 {
        (self.0 as u64 >> 6) << (self.0 & 0x3f)
    }
}

impl Pooled for Account {
    const EMPTY: Account = Account {
        open_notional: 0,
        position: 0,
        open_qty: [0; 2],
        open_orders: 0,
        participant: ParticipantId(0),
        instrument: InstrumentId::NONE,
        limited: 0,
        limits_own: false,
        sure: Sure::NONE,
        limits: RiskLimits::NONE,
    };

    fn link(&self) -> u32 {
        self.open_orders
    }

    fn set_link(&mut self, link: u32) {
        self.open_orders = link;
    }
}

/// Bits for the limits that cost something to check, or that cannot be checked where they are none.
mod limit {
    pub(super) const ORDER_QTY: u8 = 1;
    pub(super) const ORDER_NOTIONAL: u8 = 2;
    pub(super) const COLLAR: u8 = 4;
    pub(super) const OPEN_ORDERS: u8 = 8;
    pub(super) const OPEN_NOTIONAL: u8 = 16;
    pub(super) const POSITION: u8 = 32;
    /// Those that need a price to value the order with.
    pub(super) const VALUED: u8 = ORDER_NOTIONAL | COLLAR | OPEN_NOTIONAL;
}

/// Which limits are any.
fn limited(limits: &RiskLimits) -> u8 {
    let none = RiskLimits::NONE;
    let bit = |limited: bool, bit| if limited { bit } else { 0 };
    bit(limits.order_qty_max != none.order_qty_max, limit::ORDER_QTY)
        | bit(limits.order_notional_max != none.order_notional_max, limit::ORDER_NOTIONAL)
        | bit(limits.collar_ticks != none.collar_ticks, limit::COLLAR)
        | bit(limits.open_orders_max != none.open_orders_max, limit::OPEN_ORDERS)
        | bit(limits.open_notional_max != none.open_notional_max, limit::OPEN_NOTIONAL)
        | bit(limits.position_max != none.position_max, limit::POSITION)
}

/// What an order is valued at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Worth {
    /// So much a lot.
    At(Price),
    /// Nobody knows, and somebody might ask.
    Unknown,
    /// Nobody asks: a market-to-limit order that finds no price.
    Nothing,
}

/// An order that asks its account whether it may come in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exposure {
    pub(crate) side: Side,
    /// What would work.
    pub(crate) qty: Qty,
    /// Its limit price, if it has one.
    pub(crate) limit: Option<Price>,
    pub(crate) worth: Worth,
}

/// What an order of `qty` is worth at its value price. `Instrument::validate` bounds it to 2^63 - 1; the
/// product is that of the order's own notional, so that a fill multiplies once.
#[inline]
pub(crate) const fn notional_of(qty: Qty, price: Price) -> u64 {
    price.ticks().wrapping_mul(qty.lots().cast_signed()).unsigned_abs()
}

impl Account {
    /// As a reader sees it.
    const fn state(&self) -> AccountState {
        let Account { open_orders, open_qty, open_notional, position, .. } = *self;
        let [open_buy_qty, open_sell_qty] = open_qty;
        AccountState { open_orders, open_buy_qty, open_sell_qty, open_notional, position }
    }

    /// Lots that work on a side.
    pub(crate) const fn open_qty(&self, side: Side) -> u64 {
        self.open_qty[side_index(side)]
    }

    /// Lots bought less lots sold.
    pub(crate) const fn position(&self) -> i128 {
        self.position
    }

    pub(crate) const fn set_position(&mut self, position: i128) {
        self.take_unsure();
        self.position = position;
    }

    /// Its limits, if they are its own.
    pub(crate) fn own_limits(&self) -> Option<&RiskLimits> {
        self.limits_own.then_some(&self.limits)
    }

    /// Whether any of its limits is one.
    #[inline]
    pub(crate) const fn is_limited(&self) -> bool {
        self.limited != 0
    }

    /// Whether no limit can be in the way of a limit order; if so, [`Account::reserve_sure`] may follow.
    /// It sees less than [`Account::admit`], which decides where this says no: limits that are none it
    /// does not understand. `middle` is as there.
    #[inline(always)]
    pub(crate) fn surely_admits(
        &mut self,
        side: Side,
        qty: Qty,
        price: Price,
        middle: impl FnOnce() -> Option<Price>,
    ) -> bool {
        if !self.is_limited() {
            return true;
        }
        let middle = middle();
        let sure = &mut self.sure;
        let is_sure = sure.orders != 0
            && qty.lots() <= sure.qty_max.get()
            && notional_of(qty, price) <= sure.notional_max.get()
            && is_near(side, price, middle, sure.collar.get());
        if !is_sure {
            return self.is_within_now(side, qty, price, middle);
        }
        sure.orders -= 1;
        true
    }

    /// An order comes in that [`Account::surely_admits`] was not asked about.
    #[inline]
    pub(crate) const fn take_unsure(&mut self) {
        self.sure.orders = 0;
    }

    /// The same, asking the sums.
    #[cold]
    #[inline(never)]
    fn is_within_now(&mut self, side: Side, qty: Qty, price: Price, middle: Option<Price>) -> bool {
        self.take_unsure();
        if !self.is_within(side, qty, price, middle) {
            return false;
        }
        let larger = Sure::LARGER;
        // Of this order too, which is not in the sums yet.
        let sure = self.sure_of(
            qty.lots().saturating_mul(larger),
            notional_of(qty, price).saturating_mul(larger),
        );
        // This order is one of them only if it is no larger than they are: the maxima are rounded down, and
        // bounded by the limits of an order and by what a number holds.
        let is_one =
            qty.lots() <= sure.qty_max.get() && notional_of(qty, price) <= sure.notional_max.get();
        if is_one && self.holds(&sure) {
            self.sure = Sure { orders: sure.orders - 1, ..sure };
        }
        true
    }

    /// As many orders as an account is ever sure of, none of them larger than so, or than its limits
    /// say.
    fn sure_of(&self, qty_max: u64, notional_max: u64) -> Sure {
        let limits = &self.limits;
        // So that the sum of all of them has no way to be too large for a number.
        let qty_max = qty_max.min(u32::MAX.into());
        Sure {
            qty_max: Rough::below(qty_max.min(limits.order_qty_max.lots())),
            notional_max: Rough::below(notional_max.min(limits.order_notional_max)),
            collar: Rough::below(limits.collar_ticks),
            orders: Sure::ORDERS,
        }
    }

    /// Whether such orders could all come in, on either side.
    fn holds(&self, sure: &Sure) -> bool {
        let (limits, orders) = (&self.limits, u64::from(sure.orders));
        let open_notional = u128::from(orders) * u128::from(sure.notional_max.get());
        let qty = Qty::from_lots(orders * sure.qty_max.get());
        let reach = self.reach(Side::Buy, qty).max(self.reach(Side::Sell, qty));
        u64::from(self.open_orders) + orders <= limits.open_orders_max.into()
            && self.open_notional.wrapping_add(open_notional) <= limits.open_notional_max.into()
            && reach <= limits.position_max.into()
    }

    /// Whether no limit is in the way of a limit order. As [`Account::admit`], but that it takes limits
    /// that are none for very large ones.
    pub(crate) fn is_within(
        &self,
        side: Side,
        qty: Qty,
        price: Price,
        middle: Option<Price>,
    ) -> bool {
        let (limits, notional) = (&self.limits, notional_of(qty, price));
        qty <= limits.order_qty_max
            && notional <= limits.order_notional_max
            && self.open_orders < limits.open_orders_max
            && self.open_notional.wrapping_add(notional.into()) <= limits.open_notional_max.into()
            && self.reach(side, qty) <= limits.position_max.into()
            && !beyond(side, price, middle, limits.collar_ticks)
    }

    /// Decides whether an order may come in, with RULES.md's checks of section 10 in their order.
    /// `middle`: what a collar is held against, Last or else the static reference.
    pub(crate) fn admit(
        &self,
        order: &Exposure,
        middle: impl FnOnce() -> Option<Price>,
    ) -> Result<(), RejectReason> {
        if !self.is_limited() {
            return Ok(());
        }
        let Exposure { side, qty, limit: price, worth } = *order;
        let (limits, limited) = (&self.limits, self.limited);
        if qty > limits.order_qty_max {
            return Err(RejectReason::RiskOrderQty);
        }
        let mut open_notional = 0;
        if limited & limit::VALUED != 0 {
            match worth {
                Worth::Unknown => return Err(RejectReason::NoReference),
                Worth::Nothing => open_notional = self.open_notional,
                Worth::At(value) => {
                    let notional = notional_of(qty, value);
                    if notional > limits.order_notional_max {
                        return Err(RejectReason::RiskOrderNotional);
                    }
                    open_notional = self.open_notional + u128::from(notional);
                }
            }
            if let Some(price) = price
                && limited & limit::COLLAR != 0
                && beyond(side, price, middle(), limits.collar_ticks)
            {
                return Err(RejectReason::RiskCollar);
            }
        }
        if self.open_orders >= limits.open_orders_max {
            return Err(RejectReason::RiskOpenOrders);
        }
        if limited & limit::OPEN_NOTIONAL != 0 && open_notional > limits.open_notional_max.into() {
            return Err(RejectReason::RiskOpenNotional);
        }
        if limited & limit::POSITION != 0 && self.reach(side, qty) > limits.position_max.into() {
            return Err(RejectReason::RiskPosition);
        }
        Ok(())
    }

    /// The position, long for buys and short for sells, that there would be if everything traded that
    /// works on that side, and `qty` more. Wrapping, because nothing here can: quantities of orders stay
    /// below 2^63 together, and 2^64 trades of that size below 2^127.
    #[inline]
    fn reach(&self, side: Side, qty: Qty) -> i128 {
        let open = i128::from(self.open_qty[side_index(side)].wrapping_add(qty.lots()));
        // No branch: which side comes next cannot be foretold.
        let mask = -i128::from(side == Side::Sell);
        open.wrapping_add((self.position ^ mask).wrapping_sub(mask))
    }

    /// An order begins to work with `qty` at `price`, its value price.
    #[inline]
    pub(crate) fn reserve(&mut self, side: Side, qty: Qty, price: Price) {
        self.take_unsure();
        self.reserve_sure(side, qty, price);
    }

    /// The same for an order that [`Account::surely_admits`] has let in with no less, or after
    /// [`Account::take_unsure`].
    #[inline(always)]
    pub(crate) fn reserve_sure(&mut self, side: Side, qty: Qty, price: Price) {
        self.open_orders += 1;
        self.open_qty[side_index(side)] += qty.lots();
        self.open_notional += u128::from(notional_of(qty, price));
    }

    /// `qty` of a working order works no more; the order goes on.
    #[inline(always)]
    pub(crate) fn lessen(&mut self, side: Side, qty: Qty, price: Price) {
        self.open_qty[side_index(side)] -= qty.lots();
        self.open_notional -= u128::from(notional_of(qty, price));
    }

    /// A working order stops being one, with `qty` left.
    #[inline(always)]
    pub(crate) fn release(&mut self, side: Side, qty: Qty, price: Price) {
        self.open_orders -= 1;
        self.lessen(side, qty, price);
    }

    /// `qty` was bought or sold. What that takes from a working order is [`Account::lessen`]'s.
    #[inline]
    pub(crate) fn fill(&mut self, side: Side, qty: Qty) {
        self.take_unsure();
        self.fill_sure(side, qty);
    }

    /// The same of an order that [`Account::surely_admits`] has let in with no less, or after
    /// [`Account::take_unsure`], or of one that worked: what it could reach it could before.
    #[inline(always)]
    pub(crate) fn fill_sure(&mut self, side: Side, qty: Qty) {
        let qty = i128::from(qty.lots());
        self.position += if matches!(side, Side::Buy) { qty } else { -qty };
    }

    fn limit(&mut self, limits: &RiskLimits) {
        self.limits = *limits;
        self.limited = limited(limits);
        // An equal share for each of as many orders as it may be sure of, so that the first of them does
        // not have to ask.
        let orders = u64::from(Sure::ORDERS);
        let qty_max = limits.position_max / orders;
        let sure = self.sure_of(qty_max, limits.open_notional_max / orders);
        // Without limits nobody counts down.
        let is_sure = self.is_limited() && self.holds(&sure);
        self.sure = if is_sure { sure } else { Sure::NONE };
    }
}

/// Whether `price` is further beyond `middle`, in the direction in which it trades, than `ticks`.
#[inline]
fn beyond(side: Side, price: Price, middle: Option<Price>, ticks: u64) -> bool {
    middle.is_some_and(|middle| {
        let (price, middle) = (ladder_key(side, price), ladder_key(side, middle));
        price < middle && middle.abs_diff(price) > ticks
    })
}

/// Whether `price` is not further beyond `middle` than `ticks`; if that is hard to say, no.
#[inline(always)]
fn is_near(side: Side, price: Price, middle: Option<Price>, ticks: u64) -> bool {
    let Some(middle) = middle else { return true };
    let beyond = ladder_key(side, middle).checked_sub(ladder_key(side, price));
    // No branch for its sign: which side of the market a price is on cannot be foretold.
    beyond.is_some_and(|beyond| beyond.max(0).cast_unsigned() <= ticks)
}

/// What holds for all accounts of a participant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Firm {
    pub(crate) participant: ParticipantId,
    /// Of the accounts that have none of their own, and of those to come.
    limits: RiskLimits,
    pub(crate) permission: Permission,
}

impl Firm {
    /// The limits of its accounts that have none of their own.
    pub(crate) const fn limits(&self) -> &RiskLimits {
        &self.limits
    }
}

/// All accounts, and which participant has which in which instrument.
pub(crate) struct Accounts {
    pool: Pool<Account>,
    /// A row of `stride` entries per participant: the account in each instrument, none if it has none
    /// yet.
    table: Vec<Id<Account>>,
    stride: usize,
    /// By row.
    firms: Vec<Firm>,
    /// The row of each participant, sorted.
    rows: Vec<(ParticipantId, u32)>,
}

impl Accounts {
    pub(crate) const fn new() -> Accounts {
        Accounts {
            pool: Pool::new(),
            table: Vec::new(),
            stride: 0,
            firms: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// Makes room; limits only grow.
    pub(crate) fn grow(
        &mut self,
        sessions_max: u32,
        instruments_max: u32,
    ) -> Result<(), TryReserveError> {
        let wanted = u64::from(sessions_max) * u64::from(instruments_max);
        let max = u32::try_from(wanted.min(ACCOUNTS_MAX)).unwrap_or(u32::MAX);
        let stride = instruments_max as usize;
        let mut table = Vec::new();
        if stride != self.stride {
            table.try_reserve_exact(stride * self.rows.len())?;
        }
        // If there is no memory for this either, nothing has changed.
        self.pool.grow(max, max.min(ACCOUNTS_RESERVED))?;
        if stride != self.stride {
            for row in 0..self.rows.len() {
                table.extend_from_slice(&self.table[row * self.stride..][..self.stride]);
                table.resize((row + 1) * stride, Id::NONE);
            }
            self.table = table;
            self.stride = stride;
        }
        Ok(())
    }

    /// The row of a participant.
    pub(crate) fn row(&self, participant: ParticipantId) -> Option<u32> {
        let place = self.rows.binary_search_by_key(&participant, |(id, _)| *id).ok()?;
        Some(self.rows[place].1)
    }

    /// The row of a participant, a new one if need be.
    pub(crate) fn define(&mut self, participant: ParticipantId) -> Result<u32, TryReserveError> {
        let place = match self.rows.binary_search_by_key(&participant, |(id, _)| *id) {
            Ok(place) => return Ok(self.rows[place].1),
            Err(place) => place,
        };
        self.rows.try_reserve(1)?;
        self.firms.try_reserve(1)?;
        self.table.try_reserve(self.stride)?;
        let row = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
        self.rows.insert(place, (participant, row));
        let (limits, permission) = (RiskLimits::NONE, Permission::Trade);
        self.firms.push(Firm { participant, limits, permission });
        self.table.resize(self.rows.len() * self.stride, Id::NONE);
        Ok(row)
    }

    #[inline]
    pub(crate) fn firm(&self, row: u32) -> &Firm {
        &self.firms[row as usize]
    }

    #[inline]
    pub(crate) fn firm_mut(&mut self, row: u32) -> &mut Firm {
        &mut self.firms[row as usize]
    }

    /// By row: in order of the first session of each.
    pub(crate) fn firms(&self) -> &[Firm] {
        &self.firms
    }

    /// How many accounts are opened.
    pub(crate) const fn len(&self) -> u32 {
        self.pool.len()
    }

    /// The accounts that are opened: by row, then by instrument.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Account> {
        self.table.iter().filter_map(|id| id.some()).map(|id| &self.pool[id])
    }

    /// The account of `row` in `instrument`, which is defined; none if it has none yet.
    #[inline(always)]
    pub(crate) fn find(&self, row: u32, instrument: InstrumentId) -> Id<Account> {
        self.table[row as usize * self.stride + instrument.index()]
    }

    /// Where the account of `row` in `instrument` is named; anything for what is not defined.
    #[inline]
    pub(crate) fn place(&self, row: u32, instrument: InstrumentId) -> usize {
        (row as usize).wrapping_mul(self.stride).wrapping_add(instrument.index())
    }

    /// What is named there; none if there is no such place.
    #[inline]
    pub(crate) fn glance(&self, place: usize) -> Id<Account> {
        self.table.get(place).copied().unwrap_or(Id::NONE)
    }

    /// Asks for the memory of that place.
    #[inline]
    pub(crate) fn prefetch_place(&self, place: usize) {
        prefetch_at(&self.table, place);
    }

    /// Asks for the memory of what orders look at of an account.
    #[inline]
    pub(crate) fn prefetch(&self, account: Id<Account>) {
        self.pool.prefetch(account);
    }

    /// Opens the account of `row` in `instrument`, which it has not; none if there is no room.
    #[cold]
    #[inline(never)]
    pub(crate) fn open(&mut self, row: u32, instrument: InstrumentId) -> Id<Account> {
        if self.pool.is_full() {
            return Id::NONE;
        }
        let id = self.pool.take(self.unopened(row, instrument));
        self.table[row as usize * self.stride + instrument.index()] = id;
        id
    }

    /// Looks at the account of `row` in `instrument`, or at what it would be if it was opened.
    #[inline]
    pub(crate) fn look_at<R>(
        &self,
        row: u32,
        instrument: InstrumentId,
        look: impl FnOnce(&Account) -> R,
    ) -> R {
        match self.find(row, instrument).some() {
            Some(id) => look(&self.pool[id]),
            None => look(&self.unopened(row, instrument)),
        }
    }

    fn unopened(&self, row: u32, instrument: InstrumentId) -> Account {
        let Firm { participant, limits, .. } = *self.firm(row);
        let mut account = Account { participant, instrument, ..Account::EMPTY };
        account.limit(&limits);
        account
    }

    /// How many accounts more can be opened.
    pub(crate) const fn room(&self) -> u32 {
        self.pool.room()
    }

    /// The account of `row` in `instrument`, opened if need be; none if there is no room.
    #[inline]
    pub(crate) fn find_or_open(&mut self, row: u32, instrument: InstrumentId) -> Id<Account> {
        let account = self.find(row, instrument);
        if account.is_some() { account } else { self.open(row, instrument) }
    }

    /// Gives an account limits of its own.
    pub(crate) fn limit(&mut self, account: Id<Account>, limits: &RiskLimits) {
        let account = &mut self.pool[account];
        account.limits_own = true;
        account.limit(limits);
    }

    /// Limits all accounts of a participant that have no limits of their own, and those to come.
    pub(crate) fn limit_all(&mut self, row: u32, limits: &RiskLimits) {
        self.firm_mut(row).limits = *limits;
        for account in &self.table[row as usize * self.stride..][..self.stride] {
            if account.is_some() && !self.pool[*account].limits_own {
                self.pool[*account].limit(limits);
            }
        }
    }

    #[inline]
    pub(crate) fn get(&self, id: Id<Account>) -> &Account {
        &self.pool[id]
    }

    #[inline(always)]
    pub(crate) fn get_mut(&mut self, id: Id<Account>) -> &mut Account {
        &mut self.pool[id]
    }

    /// What an account says; none was opened: all zeroes.
    pub(crate) fn state(&self, participant: ParticipantId, id: InstrumentId) -> AccountState {
        let account = self.row(participant).and_then(|row| self.find(row, id).some());
        account.map_or_else(AccountState::default, |account| self.pool[account].state())
    }

    /// The limits of an account, opened or not; none at all if the participant has no session.
    pub(crate) fn limits(&self, participant: ParticipantId, id: InstrumentId) -> RiskLimits {
        let Some(row) = self.row(participant) else { return RiskLimits::NONE };
        let account = self.find(row, id).some();
        account.map_or(self.firm(row).limits, |account| self.pool[account].limits)
    }

    /// Holds what the accounts say against `orders`: account, side, leaves and value price of each
    /// working order.
    ///
    /// # Panics
    ///
    /// If something does not agree.
    pub(crate) fn check(&self, orders: impl Iterator<Item = (Id<Account>, Side, Qty, Price)>) {
        let mut found = vec![Account::EMPTY; self.pool.len() as usize + 1];
        for (account, side, qty, price) in orders {
            found[account.raw() as usize].reserve(side, qty, price);
        }
        assert_eq!(found[0], Account::EMPTY, "every order has an account");
        let mut named = 0;
        for (row, firm) in (0..).zip(&self.firms) {
            assert_eq!(self.row(firm.participant), Some(row));
            for instrument in (0..).map(InstrumentId).take(self.stride) {
                let Some(id) = self.find(row, instrument).some() else { continue };
                let (is, should) = (&self.pool[id], &found[id.raw() as usize]);
                named += 1;
                assert_eq!((is.participant, is.instrument), (firm.participant, instrument));
                assert_eq!(is.open_orders, should.open_orders);
                assert_eq!(is.open_qty, should.open_qty);
                assert_eq!(is.open_notional, should.open_notional);
                assert_eq!(is.limited, limited(&is.limits));
                assert!(is.sure.orders == 0 || is.holds(&is.sure));
                assert!(is.limits_own || is.limits == firm.limits);
            }
        }
        assert_eq!(named, self.pool.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rough_bound_is_at_most_a_512th_below() {
        let around = |bits: u32| {
            let power = 1_u64 << bits;
            [power - 1, power, power + 1, power | (power >> 1), power | (power - 1)]
        };
        for bound in (0..64).flat_map(around).chain([0, 1_023, 1_024, 1_000_000, u64::MAX]) {
            let rough = Rough::below(bound).get();
            assert!(rough <= bound && bound - rough <= bound / 512, "{bound} became {rough}");
            assert!(bound > 1_023 || rough == bound, "{bound} became {rough}");
        }
    }

    #[test]
    fn a_limited_account_is_sure_of_its_first_orders() {
        let limits = RiskLimits {
            order_qty_max: Qty::from_lots(100),
            order_notional_max: 1_000,
            collar_ticks: 5,
            open_orders_max: 1_000,
            open_notional_max: 6_400,
            position_max: 640,
        };
        let mut account = Account::EMPTY;
        account.limit(&limits);
        let sure = account.sure;
        // A 64th of what the sums leave room for.
        assert_eq!((sure.orders, sure.qty_max.get(), sure.notional_max.get()), (64, 10, 100));
        assert_eq!(sure.collar.get(), 5);
        let admits = |account: &mut Account, qty, ticks| {
            account.surely_admits(Side::Buy, Qty::from_lots(qty), Price::from_ticks(ticks), || None)
        };
        assert!(admits(&mut account, 10, 10));
        assert_eq!(account.sure.orders, 63);
        // Larger: it asks the sums, is let in, and is the first of those that are sure now.
        assert!(admits(&mut account, 11, 1));
        assert_eq!((account.sure.orders, account.sure.qty_max.get()), (0, 10));
        account.limit(&RiskLimits { position_max: 64 * 48, ..limits });
        account.take_unsure();
        assert!(admits(&mut account, 3, 1));
        assert_eq!((account.sure.orders, account.sure.qty_max.get()), (63, 48));
        // What it holds already leaves less than a 64th.
        account.set_position(500);
        account.limit(&limits);
        assert_eq!(account.sure, Sure::NONE);
        account.set_position(0);
        // Fewer than 64 orders at most: there is nothing to be sure of.
        account.limit(&RiskLimits { open_orders_max: 63, ..limits });
        assert_eq!(account.sure, Sure::NONE);
        account.limit(&RiskLimits::NONE);
        assert_eq!(account.sure, Sure::NONE);
    }
}
