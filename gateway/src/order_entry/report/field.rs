//! Fields that are worked out: ExecID(17), prices, quantities, AvgPx(6), OrdStatus(39).

use matcher::{Instrument, Notional, Price, Qty};

use super::{Role, exec};
use crate::fix::Encoder;
use crate::order_entry::Told;
use crate::orders::{Ending, Standing};

/// Decimals that AvgPx(6) has beyond those of a price, at most.
const AVG_PX_EXTRA_DECIMALS: u8 = 8;

/// ExecID(17): Sequence of the turn, place of the Event in it, M or T for the side of a trade. Unique in
/// the venue, and the same whenever the report is made.
pub(super) struct ExecId {
    bytes: [u8; 34],
    at: usize,
}

impl ExecId {
    pub(super) fn new(told: &Told<'_>, role: Option<Role>) -> ExecId {
        let mut id = ExecId { bytes: [0; 34], at: 34 };
        match role {
            Some(Role::Maker) => id.byte(b'M'),
            Some(Role::Taker) => id.byte(b'T'),
            Some(Role::Bought) => id.byte(b'B'),
            Some(Role::Sold) => id.byte(b'S'),
            None => {}
        }
        id.number(told.event_index.into());
        id.byte(b'-');
        id.number(told.input.sequence.0);
        id
    }

    fn byte(&mut self, byte: u8) {
        self.at -= 1;
        self.bytes[self.at] = byte;
    }

    fn number(&mut self, mut value: u64) {
        loop {
            self.byte(b'0' + u8::try_from(value % 10).unwrap_or(0));
            value /= 10;
            if value == 0 {
                break;
            }
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[self.at..]
    }
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
    let qty = u128::from(cum_qty.lots());
    let magnitude = total.unsigned_abs();
    let (whole, rest) = match (u64::try_from(magnitude), cum_qty.lots()) {
        (Ok(magnitude), lots) => (u128::from(magnitude / lots), u128::from(magnitude % lots)),
        (Err(_), _) => (magnitude / qty, magnitude % qty),
    };
    let (mut mantissa, mut extra) = (whole, 0);
    if rest != 0 {
        let mut scale = 10u128.pow(AVG_PX_EXTRA_DECIMALS.into());
        extra = AVG_PX_EXTRA_DECIMALS;
        while (whole + 1) * scale > u128::from(i64::MAX.unsigned_abs()) && extra > 0 {
            scale /= 10;
            extra -= 1;
        }
        mantissa = whole * scale + (rest * scale + qty / 2) / qty;
        while extra > 0 && mantissa % 10 == 0 {
            mantissa /= 10;
            extra -= 1;
        }
    }
    let mantissa = i64::try_from(mantissa).unwrap_or(i64::MAX);
    (if total < 0 { -mantissa } else { mantissa }, decimals + extra)
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
