//! Prices between ticks and the 32 bits they have on the feed.

use matcher::{Instrument, Price};

/// Decimals of a price on an ITCH 5.0 feed.
const ITCH_DECIMALS: u8 = 4;

/// How the feed writes the prices of one instrument: as counts of 10^-[`PriceScale::decimals`] of the
/// quote currency.
///
/// ITCH 5.0 prices have 4 decimals. An instrument with more is published in units of its own last
/// decimal; a reader learns that from reference data, the messages look the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriceScale {
    decimals: u8,
    units_per_tick: u64,
}

impl PriceScale {
    /// The scale of `instrument`.
    #[must_use]
    pub fn new(instrument: &Instrument) -> PriceScale {
        let decimals = instrument.price_decimals.max(ITCH_DECIMALS);
        let shift = u32::from(decimals - instrument.price_decimals);
        let units_per_tick = u64::from(instrument.tick_size.max(1)) * 10_u64.pow(shift);
        PriceScale { decimals, units_per_tick }
    }

    /// Decimals of a published price: 4, or more if the instrument has more.
    #[must_use]
    pub const fn decimals(self) -> u8 {
        self.decimals
    }

    /// What one tick is on the feed.
    #[must_use]
    pub const fn units_per_tick(self) -> u64 {
        self.units_per_tick
    }

    /// The price as published, `None` if it is negative or does not fit.
    #[inline]
    #[must_use]
    pub fn to_feed(self, price: Price) -> Option<u32> {
        let ticks = u64::try_from(price.ticks()).ok()?;
        u32::try_from(ticks.checked_mul(self.units_per_tick)?).ok()
    }

    /// The price in ticks, `None` if it is not a whole number of them.
    #[must_use]
    pub fn to_ticks(self, price: u32) -> Option<Price> {
        let units = u64::from(price);
        if units % self.units_per_tick != 0 {
            return None;
        }
        i64::try_from(units / self.units_per_tick).ok().map(Price::from_ticks)
    }
}
