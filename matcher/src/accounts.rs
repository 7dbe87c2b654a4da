//! Risk accounts: what a participant has at work in an instrument, and what it holds there.
//!
//! An account is found by index (a row per participant, an entry per instrument) when an order comes in;
//! from then on the order names it, so that fills and cancels update it without a search. Accounts are
//! never given back: a position outlives its orders.

use std::collections::TryReserveError;

use crate::pool::{Id, Pool, Pooled};
use crate::types::{InstrumentId, ParticipantId, Price, Qty, Side};

/// Accounts at most, whatever participants × instruments is; a new order that would need one more is
/// refused with `TableFull`.
const ACCOUNTS_MAX: u64 = 1 << 22;

/// Accounts that there is room for before the table has to grow.
const ACCOUNTS_RESERVED: u32 = 1 << 16;

/// What a participant has at work in an instrument, and what it holds there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountState {
    /// Working orders.
    pub open_orders: u32,
    /// Lots working to buy.
    pub open_buy_qty: u64,
    /// Lots working to sell.
    pub open_sell_qty: u64,
    /// Leaves × price of the working orders, in ticks × lots.
    pub open_notional: u128,
    /// Lots bought less lots sold.
    pub position: i128,
}

/// A participant in an instrument: one cache line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(64))]
pub(crate) struct Account {
    /// Sum of leaves × value price over the working orders, in ticks × lots. Wide, because each of
    /// 2^28 orders may be worth 2^63.
    pub(crate) open_notional: u128,
    /// Bought less sold. Wide, because nothing bounds how often it trades.
    pub(crate) position: i128,
    /// Sum of the leaves of the working orders to buy, and to sell.
    open_qty: [u64; 2],
    /// Working orders.
    pub(crate) open_orders: u32,
    /// Names its limits; 0: none are set.
    pub(crate) limits: u32,
    pub(crate) participant: ParticipantId,
    pub(crate) instrument: InstrumentId,
}

const _: () = assert!(size_of::<Account>() == 64);

impl Pooled for Account {
    const EMPTY: Account = Account {
        open_notional: 0,
        position: 0,
        open_qty: [0; 2],
        open_orders: 0,
        limits: 0,
        participant: ParticipantId(0),
        instrument: InstrumentId::NONE,
    };

    fn link(&self) -> u32 {
        self.limits
    }

    fn set_link(&mut self, link: u32) {
        self.limits = link;
    }
}

#[inline]
const fn side_index(side: Side) -> usize {
    match side {
        Side::Buy => 0,
        Side::Sell => 1,
    }
}

/// What an order of `qty` is worth at its value price. Exact: 64 × 64 bits.
#[inline]
pub(crate) fn notional_of(qty: Qty, price: Price) -> u128 {
    u128::from(qty.lots()) * u128::from(price.ticks().unsigned_abs())
}

impl Account {
    /// As a reader sees it.
    const fn state(&self) -> AccountState {
        let Account { open_orders, open_qty, open_notional, position, .. } = *self;
        let [open_buy_qty, open_sell_qty] = open_qty;
        AccountState { open_orders, open_buy_qty, open_sell_qty, open_notional, position }
    }

    /// An order begins to work with `qty` at `price`, its value price.
    #[inline]
    pub(crate) fn reserve(&mut self, side: Side, qty: Qty, price: Price) {
        self.open_orders += 1;
        self.open_qty[side_index(side)] += qty.lots();
        self.open_notional += notional_of(qty, price);
    }

    /// `qty` of a working order works no more; the order goes on.
    #[inline]
    pub(crate) fn lessen(&mut self, side: Side, qty: Qty, price: Price) {
        self.open_qty[side_index(side)] -= qty.lots();
        self.open_notional -= notional_of(qty, price);
    }

    /// A working order stops being one, with `qty` left.
    #[inline]
    pub(crate) fn release(&mut self, side: Side, qty: Qty, price: Price) {
        self.open_orders -= 1;
        self.lessen(side, qty, price);
    }

    /// `qty` was bought or sold. What that takes from a working order is [`Account::lessen`]'s.
    #[inline]
    pub(crate) fn fill(&mut self, side: Side, qty: Qty) {
        let qty = i128::from(qty.lots());
        self.position += if matches!(side, Side::Buy) { qty } else { -qty };
    }
}

/// All accounts, and which participant has which in which instrument.
pub(crate) struct Accounts {
    pool: Pool<Account>,
    /// A row of `stride` entries per participant: the account in each instrument, 0 if it has none yet.
    table: Vec<u32>,
    stride: usize,
    /// The row of each participant, sorted.
    rows: Vec<(ParticipantId, u32)>,
}

impl Accounts {
    pub(crate) const fn new() -> Accounts {
        Accounts { pool: Pool::new(), table: Vec::new(), stride: 0, rows: Vec::new() }
    }

    /// Makes room; limits only grow.
    pub(crate) fn grow(
        &mut self,
        sessions_max: u32,
        instruments_max: u32,
    ) -> Result<(), TryReserveError> {
        let wanted = u64::from(sessions_max) * u64::from(instruments_max);
        let max = u32::try_from(wanted.min(ACCOUNTS_MAX)).unwrap_or(u32::MAX);
        self.pool.grow(max, max.min(ACCOUNTS_RESERVED))?;
        let stride = instruments_max as usize;
        if stride != self.stride {
            let mut table = Vec::new();
            table.try_reserve_exact(stride * self.rows.len())?;
            for row in 0..self.rows.len() {
                table.extend_from_slice(&self.table[row * self.stride..][..self.stride]);
                table.resize((row + 1) * stride, 0);
            }
            self.table = table;
            self.stride = stride;
        }
        Ok(())
    }

    /// The row of a participant, a new one if need be.
    pub(crate) fn define(&mut self, participant: ParticipantId) -> Result<u32, TryReserveError> {
        let place = match self.rows.binary_search_by_key(&participant, |(id, _)| *id) {
            Ok(place) => return Ok(self.rows[place].1),
            Err(place) => place,
        };
        self.rows.try_reserve(1)?;
        self.table.try_reserve(self.stride)?;
        let row = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
        self.rows.insert(place, (participant, row));
        self.table.resize(self.rows.len() * self.stride, 0);
        Ok(row)
    }

    /// The account of `row` in `instrument`, which is defined; none if it has none yet.
    #[inline]
    pub(crate) fn find(&self, row: u32, instrument: InstrumentId) -> Id<Account> {
        Id::from_raw(self.table[row as usize * self.stride + instrument.index()])
    }

    /// Opens the account of `row` in `instrument`; none if there is no room for one more.
    #[cold]
    #[inline(never)]
    pub(crate) fn open(
        &mut self,
        row: u32,
        participant: ParticipantId,
        instrument: InstrumentId,
    ) -> Id<Account> {
        if self.pool.is_full() {
            return Id::NONE;
        }
        let account = self.pool.take(Account { participant, instrument, ..Account::EMPTY });
        self.table[row as usize * self.stride + instrument.index()] = account.raw();
        account
    }

    /// What an account says; none was opened: all zeroes.
    pub(crate) fn state(&self, participant: ParticipantId, id: InstrumentId) -> AccountState {
        let place = self.rows.binary_search_by_key(&participant, |(id, _)| *id);
        let account = place.map_or(Id::NONE, |place| self.find(self.rows[place].1, id));
        account.some().map_or_else(AccountState::default, |account| self.pool[account].state())
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, id: Id<Account>) -> &mut Account {
        &mut self.pool[id]
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
        let named = self.table.iter().filter(|account| **account != 0).count();
        assert_eq!(named, self.pool.len() as usize);
        assert_eq!(found[0], Account::EMPTY);
        for (id, found) in (1..).map(Id::from_raw).zip(&found[1..]) {
            let Account { position, limits, participant, instrument, .. } = self.pool[id];
            assert_eq!(
                self.pool[id],
                Account { position, limits, participant, instrument, ..*found }
            );
        }
    }
}
