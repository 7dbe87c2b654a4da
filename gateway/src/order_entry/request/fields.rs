//! The fields of a request as text, and text to values: ids, codes, ticks and lots.

use matcher::{Instrument, Price, Qty, RejectReason};

use crate::fix::{DecimalError, Message, SessionRejectReason, parse_scaled, tag};
use crate::order_entry::{CL_ORD_ID_BYTES_MAX, Request};

/// A field that makes the whole message invalid: Reject(3).
pub(in crate::order_entry) struct BadField {
    pub(in crate::order_entry) tag: u32,
    pub(in crate::order_entry) reason: SessionRejectReason,
}

impl From<BadField> for Request<'_> {
    fn from(bad: BadField) -> Self {
        Request::Reject { tag: bad.tag, reason: bad.reason.code() }
    }
}

/// A value that is well formed, or the market's reason against it.
pub(in crate::order_entry) type Judged<T> = Result<T, RejectReason>;

/// The fields of a request that we know, as text.
#[derive(Default)]
pub(super) struct Asked<'m> {
    pub(super) account: Option<&'m [u8]>,
    pub(super) cl_ord_id: Option<&'m [u8]>,
    pub(super) exec_inst: Option<&'m [u8]>,
    pub(super) expire_time: Option<&'m [u8]>,
    pub(super) expire_date: Option<&'m [u8]>,
    pub(super) max_floor: Option<&'m [u8]>,
    pub(super) min_qty: Option<&'m [u8]>,
    pub(super) order_id: Option<&'m [u8]>,
    pub(super) order_qty: Option<&'m [u8]>,
    pub(super) ord_type: Option<&'m [u8]>,
    pub(super) orig_cl_ord_id: Option<&'m [u8]>,
    pub(super) peg_offset: Option<&'m [u8]>,
    pub(super) price: Option<&'m [u8]>,
    pub(super) stop_px: Option<&'m [u8]>,
    pub(super) side: Option<&'m [u8]>,
    pub(super) symbol: Option<&'m [u8]>,
    pub(super) time_in_force: Option<&'m [u8]>,
    pub(super) mass_cancel_request_type: Option<&'m [u8]>,
    pub(super) ord_status_req_id: Option<&'m [u8]>,
    pub(super) display_indicator: Option<&'m [u8]>,
    pub(super) peg_price_type: Option<&'m [u8]>,
    pub(super) trigger: Triggering<'m>,
    /// A field that would change how the order works, and that we do not do.
    pub(super) unsupported: bool,
}

/// TriggeringInstruction of FIX 5.0 SP2: of it we do stops, that a trade at a price or beyond brings to life.
#[derive(Default)]
pub(super) struct Triggering<'m> {
    pub(super) trigger_type: Option<&'m [u8]>,
    pub(super) price: Option<&'m [u8]>,
    pub(super) direction: Option<&'m [u8]>,
    pub(super) order_type: Option<&'m [u8]>,
    /// One of the fields is there that need TriggerType(1100).
    pub(super) is_asked: bool,
}

impl<'m> Triggering<'m> {
    /// Takes a field; says whether it asks for something that we do not do.
    #[cold]
    fn take(&mut self, tag: u32, value: &'m [u8]) -> bool {
        self.is_asked = true;
        let field = match tag {
            tag::TRIGGER_TYPE => &mut self.trigger_type,
            tag::TRIGGER_PRICE => &mut self.price,
            tag::TRIGGER_PRICE_DIRECTION => &mut self.direction,
            tag::TRIGGER_ORDER_TYPE => &mut self.order_type,
            // TriggerAction activate, TriggerPriceType last trade, TriggerPriceTypeScope none or local: what we do.
            1101 => return value != b"1",
            1107 => return value != b"2",
            1108 => return !matches!(value, b"0" | b"1"),
            _ => return true,
        };
        field.get_or_insert(value);
        tag == tag::TRIGGER_TYPE && value != b"4"
    }
}

impl<'m> Asked<'m> {
    pub(super) fn new(message: &Message<'m>) -> Asked<'m> {
        let mut asked = Asked::default();
        for (tag, value) in message.iter() {
            let field = match tag {
                tag::ACCOUNT => &mut asked.account,
                tag::CL_ORD_ID => &mut asked.cl_ord_id,
                tag::EXEC_INST => &mut asked.exec_inst,
                tag::EXPIRE_TIME => &mut asked.expire_time,
                tag::EXPIRE_DATE => &mut asked.expire_date,
                // FIX 5.0 SP2 has another name for it, and both.
                tag::MAX_FLOOR | tag::DISPLAY_QTY => &mut asked.max_floor,
                tag::MIN_QTY => &mut asked.min_qty,
                tag::PEG_OFFSET_VALUE => &mut asked.peg_offset,
                tag::STOP_PX => &mut asked.stop_px,
                tag::ORDER_ID => &mut asked.order_id,
                tag::ORDER_QTY => &mut asked.order_qty,
                tag::ORD_TYPE => &mut asked.ord_type,
                tag::ORIG_CL_ORD_ID => &mut asked.orig_cl_ord_id,
                tag::PRICE => &mut asked.price,
                tag::SIDE => &mut asked.side,
                tag::SYMBOL => &mut asked.symbol,
                tag::TIME_IN_FORCE => &mut asked.time_in_force,
                tag::MASS_CANCEL_REQUEST_TYPE => &mut asked.mass_cancel_request_type,
                tag::ORD_STATUS_REQ_ID => &mut asked.ord_status_req_id,
                tag::DISPLAY_INDICATOR => &mut asked.display_indicator,
                tag::PEG_PRICE_TYPE => &mut asked.peg_price_type,
                1100..=1114 => {
                    asked.unsupported |= asked.trigger.take(tag, value);
                    continue;
                }
                _ => {
                    asked.unsupported |= changes_the_order(tag, value);
                    continue;
                }
            };
            field.get_or_insert(value);
        }
        asked
    }
}

/// Whether a field asks for something that we do not do: to ignore it would be to work another order
/// than the one that was meant.
fn changes_the_order(tag: u32, value: &[u8]) -> bool {
    match tag {
        // CashOrderQty, EffectiveTime, OrderQty2, MaxShow, DiscretionInst, DiscretionOffsetValue,
        // OrderPercent, Price2, TargetStrategy.
        152 | 168 | 192 | 210 | 388 | 389 | 516 | 640 | 847 => true,
        // The same of FIX 5.0 SP2: StrategyParameters, RefOrderID, most of DisplayInstruction, MatchIncrement,
        // MaxPriceLevels, PriceProtectionScope, the other instrument that a peg follows.
        957 | 1080 | 1082 | 1085..=1090 | 1092 | 1096..=1099 => true,
        // DisplayWhen exhausted, DisplayMethod initial: what an iceberg of ours does.
        1083 => value != b"2",
        1084 => value != b"1",
        // PegMoveType floating, PegOffsetType price, PegLimitType or better, PegRoundDirection more passive,
        // PegScope local: what we do.
        835..=837 => value != b"0",
        838 => value != b"2",
        840 => value != b"1",
        // PriceType per unit, QtyType units: what we take a price and a quantity for.
        423 => value != b"2",
        854 => value != b"0",
        _ => false,
    }
}

pub(in crate::order_entry) fn required(value: Option<&[u8]>, tag: u32) -> Result<&[u8], BadField> {
    value.ok_or(BadField { tag, reason: SessionRejectReason::RequiredTagMissing })
}

/// Text of 1 to `bytes_max` printable ASCII characters.
pub(in crate::order_entry) fn text(
    value: &[u8],
    tag: u32,
    bytes_max: usize,
) -> Result<&[u8], BadField> {
    if value.is_empty() {
        return Err(BadField { tag, reason: SessionRejectReason::TagWithoutValue });
    }
    let printable = value.iter().all(|byte| matches!(byte, b' '..=b'~'));
    if value.len() > bytes_max || !printable {
        return Err(BadField { tag, reason: SessionRejectReason::ValueIncorrect });
    }
    Ok(value)
}

pub(super) fn optional_text(
    value: Option<&[u8]>,
    tag: u32,
    bytes_max: usize,
) -> Result<Option<&[u8]>, BadField> {
    value.map(|value| text(value, tag, bytes_max)).transpose()
}

/// A code of one character, one of `known`.
pub(super) fn code(value: &[u8], tag: u32, known: &[u8]) -> Result<u8, BadField> {
    match value {
        [] => Err(BadField { tag, reason: SessionRejectReason::TagWithoutValue }),
        [code] if known.contains(code) => Ok(*code),
        [_] => Err(BadField { tag, reason: SessionRejectReason::ValueIncorrect }),
        _ => Err(BadField { tag, reason: SessionRejectReason::IncorrectDataFormat }),
    }
}

/// A number in units of the last of `decimals` decimals; `Err` inside: more decimals, or too large.
fn scaled(value: &[u8], tag: u32, decimals: u8) -> Result<Result<i64, DecimalError>, BadField> {
    if value.is_empty() {
        return Err(BadField { tag, reason: SessionRejectReason::TagWithoutValue });
    }
    match parse_scaled(value, decimals) {
        Err(DecimalError::NotANumber) => {
            Err(BadField { tag, reason: SessionRejectReason::IncorrectDataFormat })
        }
        scaled => Ok(scaled),
    }
}

/// A price, as Price(44), in ticks. Without an instrument it is only looked at as text.
pub(in crate::order_entry) fn price(
    value: &[u8],
    tag: u32,
    instrument: Option<&Instrument>,
) -> Result<Judged<Price>, BadField> {
    let decimals = instrument.map_or(9, |instrument| instrument.price_decimals);
    let scaled = scaled(value, tag, decimals)?;
    let Some(instrument) = instrument else { return Ok(Err(RejectReason::UnknownInstrument)) };
    let tick_size = i64::from(instrument.tick_size);
    Ok(match scaled {
        Ok(units) if units % tick_size == 0 => Ok(Price::from_ticks(units / tick_size)),
        Ok(_) | Err(DecimalError::TooPrecise) => Err(RejectReason::PriceOffTick),
        Err(_) => Err(RejectReason::PriceOutOfRange),
    })
}

/// A quantity, as OrderQty(38), in lots. Without an instrument it is only looked at as text.
pub(in crate::order_entry) fn qty(
    value: &[u8],
    tag: u32,
    instrument: Option<&Instrument>,
) -> Result<Judged<Qty>, BadField> {
    let decimals = instrument.map_or(9, |instrument| instrument.qty_decimals);
    let scaled = scaled(value, tag, decimals)?;
    let Some(instrument) = instrument else { return Ok(Err(RejectReason::UnknownInstrument)) };
    let units = match scaled {
        Ok(units) => u64::try_from(units).map_err(|_| RejectReason::QtyZero),
        Err(DecimalError::TooPrecise) => Err(RejectReason::QtyOffLot),
        Err(_) if value.starts_with(b"-") => Err(RejectReason::QtyZero),
        Err(_) => Err(RejectReason::QtyTooLarge),
    };
    let lot_size = u64::from(instrument.lot_size);
    Ok(units.and_then(|units| match units % lot_size {
        0 => Ok(Qty::from_lots(units / lot_size)),
        _ => Err(RejectReason::QtyOffLot),
    }))
}

pub(super) fn cl_ord_id<'m>(asked: &Asked<'m>) -> Result<&'m [u8], BadField> {
    text(required(asked.cl_ord_id, tag::CL_ORD_ID)?, tag::CL_ORD_ID, CL_ORD_ID_BYTES_MAX)
}

pub(super) fn orig_cl_ord_id<'m>(asked: &Asked<'m>) -> Result<&'m [u8], BadField> {
    let orig = required(asked.orig_cl_ord_id, tag::ORIG_CL_ORD_ID)?;
    text(orig, tag::ORIG_CL_ORD_ID, CL_ORD_ID_BYTES_MAX)
}
