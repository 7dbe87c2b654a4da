//! Prices between ticks and OUCH's units, symbols between eight bytes and ours.

use std::fmt;

use matcher::{Instrument, Price, Symbol};

use crate::ouch::MARKET_PRICE;

/// Decimals of a price in OUCH.
const OUCH_DECIMALS: u8 = 4;

/// How OUCH writes the prices of one instrument: in units of 1/10,000, or of the instrument's last decimal if it has more. The
/// same as on the ITCH feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    units_per_tick: u64,
}

impl Scale {
    /// The scale of `instrument`.
    #[must_use]
    #[inline]
    pub fn new(instrument: &Instrument) -> Scale {
        let shift = OUCH_DECIMALS.saturating_sub(instrument.price_decimals);
        let units_per_tick = u64::from(instrument.tick_size.max(1)) * 10_u64.pow(shift.into());
        Scale { units_per_tick }
    }

    /// The price in units; one below zero, which no instrument of OUCH has, is 0.
    #[must_use]
    #[inline]
    pub fn to_units(self, price: Price) -> u64 {
        u64::try_from(price.ticks()).unwrap_or(0).saturating_mul(self.units_per_tick)
    }

    /// The price in ticks, `None` if it is not a whole number of them.
    #[must_use]
    #[inline]
    pub fn to_ticks(self, units: u64) -> Option<Price> {
        if !units.is_multiple_of(self.units_per_tick) {
            return None;
        }
        i64::try_from(units / self.units_per_tick).ok().map(Price::from_ticks)
    }

    /// An offset in ticks, `None` if it is not a whole number of them.
    #[must_use]
    pub fn offset(self, units: i32) -> Option<i64> {
        let ticks = i64::from(units) / i64::try_from(self.units_per_tick).ok()?;
        let whole = ticks.checked_mul(self.units_per_tick.cast_signed()) == Some(i64::from(units));
        whole.then_some(ticks)
    }
}

/// Why an instrument cannot be traded over OUCH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// Its symbol has more than eight characters.
    Symbol,
    /// It may have prices below zero.
    Negative,
    /// Its highest price would be taken for a market order's.
    Price,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unfit::Symbol => "its symbol has more than 8 characters",
            Unfit::Negative => "price_min is below 0",
            Unfit::Price => {
                "price_max is not below 2,000,000,000 units, where prices of OUCH mean the market"
            }
        })
    }
}

impl std::error::Error for Unfit {}

/// Whether everything about an instrument can be said in OUCH.
///
/// # Errors
///
/// Why not.
pub fn check_instrument(instrument: &Instrument) -> Result<(), Unfit> {
    if instrument.symbol.as_bytes().len() > SYMBOL_BYTES {
        return Err(Unfit::Symbol);
    }
    let high = u64::try_from(instrument.price_max.ticks()).map_err(|_| Unfit::Negative)?;
    if instrument.price_min.ticks() < 0 {
        return Err(Unfit::Negative);
    }
    let units = high.checked_mul(Scale::new(instrument).units_per_tick);
    units.filter(|units| *units < MARKET_PRICE).map(|_| ()).ok_or(Unfit::Price)
}

const SYMBOL_BYTES: usize = 8;

/// A symbol as OUCH writes it.
pub struct SymbolOf;

impl SymbolOf {
    /// Padded with spaces; of one that is too long the beginning.
    #[must_use]
    #[inline]
    pub fn padded(symbol: &Symbol) -> [u8; SYMBOL_BYTES] {
        let mut padded = [b' '; SYMBOL_BYTES];
        let bytes = symbol.as_bytes();
        let len = bytes.len().min(SYMBOL_BYTES);
        padded[..len].copy_from_slice(&bytes[..len]);
        padded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instrument(price_decimals: u8, tick_size: u32) -> Instrument {
        let (price_min, price_max) = (Price::from_ticks(1), Price::from_ticks(1_000_000));
        let plain = Instrument::plain("BTC-USD").unwrap();
        Instrument { price_decimals, tick_size, price_min, price_max, ..plain }
    }

    #[test]
    fn prices_are_whole_ticks_or_none() {
        let scale = Scale::new(&instrument(2, 5));
        assert_eq!(scale.to_units(Price::from_ticks(3)), 1_500);
        assert_eq!(scale.to_ticks(1_500), Some(Price::from_ticks(3)));
        assert_eq!(scale.to_ticks(1_400), None);
        assert_eq!(scale.to_ticks(u64::MAX), None);
        assert_eq!(scale.offset(-1_000), Some(-2));
        assert_eq!(scale.offset(-999), None);
        assert_eq!(scale.offset(i32::MIN), None);
        // More decimals than OUCH has: the unit is the instrument's own.
        let scale = Scale::new(&instrument(6, 1));
        assert_eq!(scale.to_units(Price::from_ticks(7)), 7);
    }

    #[test]
    fn what_cannot_be_said_is_found_before() {
        let good = instrument(2, 1);
        assert_eq!(check_instrument(&good), Ok(()));
        let symbol = Symbol::new(b"NINECHARS").unwrap();
        assert_eq!(check_instrument(&Instrument { symbol, ..good }), Err(Unfit::Symbol));
        let low = Instrument { price_min: Price::from_ticks(-1), ..good };
        assert_eq!(check_instrument(&low), Err(Unfit::Negative));
        let up_to = |ticks| Instrument { price_max: Price::from_ticks(ticks), ..good };
        assert_eq!(check_instrument(&up_to(i64::MAX)), Err(Unfit::Price));
        assert_eq!(check_instrument(&up_to(20_000_000)), Err(Unfit::Price), "a market order's");
        assert_eq!(check_instrument(&up_to(19_999_999)), Ok(()));
        let fine = Instrument { price_decimals: 6, ..up_to(2_000_000_000) };
        assert_eq!(check_instrument(&fine), Err(Unfit::Price), "2,000.000000");
        assert_eq!(SymbolOf::padded(&good.symbol), *b"BTC-USD ");
    }
}
