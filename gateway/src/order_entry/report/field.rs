//! Fields that are worked out: ExecID(17), prices, quantities, AvgPx(6), OrdStatus(39).

use matcher::{Instrument, Notional, Price, Qty};

use super::{Role, exec};
use crate::fix::{Encoder, tag};
use crate::order_entry::Told;
use crate::orders::{Ending, Standing};

/// Decimals that AvgPx(6) has beyond those of a price, at most.
const AVG_PX_EXTRA_DECIMALS: u8 = 8;

/// ExecID(17): Sequence of the turn, place of the Event in it, M or T for the side of a trade. Unique in
/// the venue, and the same whenever the report is made.
pub(super) fn put_exec_id(message: &mut Encoder<'_>, told: &Told<'_>, role: Option<Role>) {
    let letter = role.map(|role| match role {
        Role::Maker => b'M',
        Role::Taker => b'T',
        Role::Bought => b'B',
        Role::Sold => b'S',
    });
    message.pair(tag::EXEC_ID, [told.input.sequence.0, told.event_index.into()], letter);
}

pub(in crate::order_entry) fn put_price(
    message: &mut Encoder<'_>,
    tag: u32,
    price: Price,
    instrument: Option<&Instrument>,
) {
    if let Some(instrument) = instrument {
        // It came from text of 64 bits, so it goes back into them.
        let mantissa = price.ticks().saturating_mul(instrument.tick_size.into());
        message.decimal(tag, mantissa, instrument.price_decimals);
    }
}

/// A quantity; without an instrument there is none but zero.
pub(in crate::order_entry) fn put_qty(
    message: &mut Encoder<'_>,
    tag: u32,
    qty: Qty,
    instrument: Option<&Instrument>,
) {
    let (lot_size, decimals) =
        instrument.map_or((0, 0), |instrument| (instrument.lot_size, instrument.qty_decimals));
    let units = qty.lots().saturating_mul(lot_size.into());
    message.decimal(tag, i64::try_from(units).unwrap_or(i64::MAX), decimals);
}

/// AvgPx(6) = notional / quantity as mantissa and decimals: exact if that takes up to
/// [`AVG_PX_EXTRA_DECIMALS`] decimals more than a price has, else rounded to the nearest of the last one.
pub(super) fn avg_px(
    notional: Notional,
    cum_qty: Qty,
    instrument: Option<&Instrument>,
) -> (i64, u8) {
    let Some(instrument) = instrument else { return (0, 0) };
    let decimals = instrument.price_decimals;
    if cum_qty.is_zero() {
        return (0, 0);
    }
    let total = i128::from(notional.tick_lots()) * i128::from(instrument.tick_size);
    let (magnitude, qty) = (total.unsigned_abs(), u128::from(cum_qty.lots()));
    let (mantissa, extra) = match u64::try_from(magnitude) {
        Ok(magnitude) if magnitude.is_multiple_of(cum_qty.lots()) => {
            (u128::from(magnitude / cum_qty.lots()), 0)
        }
        _ => rounded(magnitude, qty),
    };
    let mantissa = i64::try_from(mantissa).unwrap_or(i64::MAX);
    (if total < 0 { -mantissa } else { mantissa }, decimals + extra)
}

/// A quotient that is no whole number, or of numbers so large that it takes long.
fn rounded(magnitude: u128, qty: u128) -> (u128, u8) {
    let (whole, rest) = (magnitude / qty, magnitude % qty);
    if rest == 0 {
        return (whole, 0);
    }
    let (mut scale, mut extra) = (10u128.pow(AVG_PX_EXTRA_DECIMALS.into()), AVG_PX_EXTRA_DECIMALS);
    while (whole + 1) * scale > u128::from(i64::MAX.unsigned_abs()) && extra > 0 {
        scale /= 10;
        extra -= 1;
    }
    // Divisions of 128 bits take long, and nearly no price needs them.
    let narrow = (u64::try_from(rest * scale + qty / 2), u64::try_from(qty));
    let behind = match narrow {
        (Ok(rest), Ok(qty)) => u128::from(rest / qty),
        _ => (rest * scale + qty / 2) / qty,
    };
    let mantissa = whole * scale + behind;
    match u64::try_from(mantissa) {
        Ok(mut mantissa) => {
            while extra > 0 && mantissa.is_multiple_of(10) {
                mantissa /= 10;
                extra -= 1;
            }
            (mantissa.into(), extra)
        }
        Err(_) => (mantissa, extra),
    }
}

/// OrdStatus(39).
pub(super) fn ord_status(standing: Standing) -> u8 {
    match standing {
        Standing::Unknown | Standing::Refused => exec::REJECTED,
        Standing::Working { traded: false } => exec::NEW,
        Standing::Working { traded: true } => exec::PARTIALLY_FILLED,
        Standing::Done { ending: Ending::Filled, .. } => exec::FILLED,
        Standing::Done { ending: Ending::Canceled, .. } => exec::CANCELED,
        Standing::Done { ending: Ending::Expired, .. } => exec::EXPIRED,
    }
}
