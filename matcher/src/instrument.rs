//! What is traded: decimals, tick, lot, limits, phase.

use std::fmt;

use crate::types::{Price, Qty, Symbol};

/// A thing traded, with everything that decides whether an order for it is valid.
///
/// One tick is `tick_size` × 10^-`price_decimals` of the quote currency, one lot is `lot_size` ×
/// 10^-`qty_decimals` of the thing traded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instrument {
    /// Symbol(55), unique in the venue.
    pub symbol: Symbol,
    /// Decimals of a price in text, 0 to 9.
    pub price_decimals: u8,
    /// Decimals of a quantity in text, 0 to 9.
    pub qty_decimals: u8,
    /// One tick in units of the last price decimal, at least 1.
    pub tick_size: u32,
    /// One lot in units of the last quantity decimal, at least 1.
    pub lot_size: u32,
    /// Smallest OrderQty(38), at least one lot.
    pub qty_min: Qty,
    /// Largest OrderQty(38).
    pub qty_max: Qty,
    /// Lowest limit price.
    pub price_min: Price,
    /// Highest limit price.
    pub price_max: Price,
    /// Phase at the time of definition, then its present one.
    pub phase: Phase,
}

/// What an instrument does with orders: RULES.md, section 9.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Phase {
    /// Continuous matching.
    Continuous = 1,
    /// No new orders, no replaces, no trades; cancels are taken.
    Halt = 2,
    /// As halted, for the end of the day.
    Closed = 3,
    /// Orders are taken, nothing trades; before the opening auction.
    PreOpen = 4,
    /// The call of the opening auction.
    OpeningAuction = 5,
    /// The call after a price band was reached.
    VolatilityAuction = 6,
    /// The call of the closing auction.
    ClosingAuction = 7,
}

impl Phase {
    /// Whether orders are taken and nothing trades.
    #[must_use]
    pub const fn is_call(self) -> bool {
        matches!(self, Phase::PreOpen) || self.is_auction()
    }

    /// Whether it is the call of an auction.
    #[must_use]
    pub const fn is_auction(self) -> bool {
        matches!(self, Phase::OpeningAuction | Phase::VolatilityAuction | Phase::ClosingAuction)
    }
}

/// How far from the reference price and from the last trade an instrument may trade: RULES.md, section 9.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bands {
    /// Ticks up and down from the static reference price; 0: no static band.
    pub static_ticks: u64,
    /// Ticks up and down from the last trade; 0: no dynamic band.
    pub dynamic_ticks: u64,
    /// What happens at the edge.
    pub action: BandAction,
}

/// What happens where a trade would leave the band.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum BandAction {
    /// Orders priced beyond are rejected; what is left at the edge is canceled.
    Reject = 1,
    /// A volatility auction begins.
    Interrupt = 2,
}

/// Why an [`Instrument`] cannot be defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstrumentError {
    /// `price_decimals` or `qty_decimals` above 9.
    Decimals,
    /// `tick_size` or `lot_size` is zero.
    Step,
    /// `qty_min` is zero or above `qty_max`.
    QtyRange,
    /// `price_min` is above `price_max`.
    PriceRange,
    /// `qty_max` times the largest price does not fit the notional, 2^63 - 1 ticks × lots.
    Notional,
}

impl Instrument {
    /// An instrument with whole numbers for prices and quantities, 1 to 1,000,000 lots an order and
    /// prices of -1,000,000,000 to 1,000,000,000 ticks, in continuous trading. Change what you need:
    /// the fields are public.
    ///
    /// `None` if `symbol` is no [`Symbol`].
    #[must_use]
    pub fn plain(symbol: &str) -> Option<Instrument> {
        Some(Instrument {
            symbol: Symbol::new(symbol.as_bytes())?,
            price_decimals: 0,
            qty_decimals: 0,
            tick_size: 1,
            lot_size: 1,
            qty_min: Qty::from_lots(1),
            qty_max: Qty::from_lots(1_000_000),
            price_min: Price::from_ticks(-1_000_000_000),
            price_max: Price::from_ticks(1_000_000_000),
            phase: Phase::Continuous,
        })
    }

    /// Whether an order may have this limit price.
    #[must_use]
    pub fn has_price(&self, price: Price) -> bool {
        self.price_min <= price && price <= self.price_max
    }

    /// Checks the relations between the fields.
    ///
    /// # Errors
    ///
    /// The first rule that does not hold.
    pub fn validate(&self) -> Result<(), InstrumentError> {
        if self.price_decimals > 9 || self.qty_decimals > 9 {
            return Err(InstrumentError::Decimals);
        }
        if self.tick_size == 0 || self.lot_size == 0 {
            return Err(InstrumentError::Step);
        }
        if self.qty_min.is_zero() || self.qty_min > self.qty_max {
            return Err(InstrumentError::QtyRange);
        }
        if self.price_min > self.price_max {
            return Err(InstrumentError::PriceRange);
        }
        let price =
            self.price_min.ticks().unsigned_abs().max(self.price_max.ticks().unsigned_abs());
        let notional = u128::from(price) * u128::from(self.qty_max.lots());
        if notional > i64::MAX.unsigned_abs().into() {
            return Err(InstrumentError::Notional);
        }
        Ok(())
    }
}

impl fmt::Display for InstrumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            InstrumentError::Decimals => "price and quantity decimals must be 0 to 9",
            InstrumentError::Step => "tick size and lot size must be at least 1",
            InstrumentError::QtyRange => {
                "the smallest quantity must be 1 lot to the largest quantity"
            }
            InstrumentError::PriceRange => "the lowest price must not be above the highest price",
            InstrumentError::Notional => {
                "the largest quantity (lots) times the largest price (ticks) must be below 2^63"
            }
        })
    }
}

impl std::error::Error for InstrumentError {}
