//! What an order asks for beside side, quantity and price: when it comes to life, what its price follows, how
//! much of it shows, until when it works.

use matcher::{
    Instrument, Liquidity, OrderKind, Peg, Price, Qty, RejectReason, Side, Terms, TimeInForce,
    Timestamp, Trigger,
};

use super::fields::{Asked, BadField, Judged, Triggering, code, price, qty, required};
use crate::fix::{SessionRejectReason, parse_date, parse_utc, tag};
use crate::order_entry::DayEnd;
use crate::orders;

/// What the fields ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asking {
    New,
    Replace,
}

/// What a price follows, from ExecInst(18).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Follows {
    Nothing,
    /// `R`: the best price of its own side.
    Primary,
    /// `M`: the middle of the best prices.
    Midpoint,
    /// `a`: the last trade, from behind, as a stop.
    Trail,
}

impl Follows {
    const fn code(self) -> Option<u8> {
        match self {
            Follows::Nothing => None,
            Follows::Primary => Some(b'R'),
            Follows::Midpoint => Some(b'M'),
            Follows::Trail => Some(b'a'),
        }
    }
}

/// The fields that make an order a special one; `Err` inside is an answer of the market.
pub(super) struct Asks {
    ord_type: u8,
    time_in_force: Option<u8>,
    exec_inst: Judged<(Liquidity, Follows)>,
    stop_px: Option<Judged<Price>>,
    /// Of TriggeringInstruction, if it has one.
    trigger: Option<Activates>,
    peg_offset: Option<Judged<Price>>,
    min_qty: Option<Judged<Qty>>,
    max_floor: Option<Judged<Qty>>,
    expire_at: Option<Judged<Timestamp>>,
}

/// A TriggeringInstruction that makes an order a stop.
struct Activates {
    /// TriggerPriceDirection(1109).
    direction: Option<u8>,
    /// TriggerOrderType(1111).
    order_type: Option<u8>,
}

impl Activates {
    fn new(asked: &Triggering<'_>) -> Result<Option<Activates>, BadField> {
        if !asked.is_asked {
            return Ok(None);
        }
        code(required(asked.trigger_type, tag::TRIGGER_TYPE)?, tag::TRIGGER_TYPE, b"1234")?;
        let one_of = |value: Option<&[u8]>, tag, known| {
            value.map(|value| code(value, tag, known)).transpose()
        };
        Ok(Some(Activates {
            direction: one_of(asked.direction, tag::TRIGGER_PRICE_DIRECTION, b"DU")?,
            order_type: one_of(asked.order_type, tag::TRIGGER_ORDER_TYPE, b"12")?,
        }))
    }

    /// Whether a stop of this OrdType(40) and side is what it asks for.
    fn is_stop(&self, ord_type: u8, side: Side) -> bool {
        let (becomes, from) = match (ord_type, side) {
            (b'3', Side::Buy) => (b'1', b'U'),
            (b'3', Side::Sell) => (b'1', b'D'),
            (_, Side::Buy) => (b'2', b'U'),
            (_, Side::Sell) => (b'2', b'D'),
        };
        self.order_type.is_none_or(|it| it == becomes) && self.direction.is_none_or(|it| it == from)
    }
}

impl Asks {
    pub(super) fn new(
        asked: &Asked<'_>,
        (ord_type, time_in_force): (u8, Option<u8>),
        instrument: Option<&Instrument>,
        day_end: &DayEnd,
    ) -> Result<Asks, BadField> {
        let trigger = Activates::new(&asked.trigger)?;
        let ord_type = match ord_type {
            b'1' | b'2' if trigger.is_some() => ord_type + 2,
            _ => ord_type,
        };
        let price = |value: Option<&[u8]>, tag| {
            value.map(|value| price(value, tag, instrument)).transpose()
        };
        let qty =
            |value: Option<&[u8]>, tag| value.map(|value| qty(value, tag, instrument)).transpose();
        let stop_px = price(asked.stop_px, tag::STOP_PX)?;
        let stop_px = match (stop_px, price(asked.trigger.price, tag::TRIGGER_PRICE)?) {
            (Some(one), Some(other)) if one != other => Some(Err(RejectReason::Contradiction)),
            (one, other) => one.or(other),
        };
        Ok(Asks {
            ord_type,
            time_in_force,
            exec_inst: instructions(asked)?,
            stop_px,
            trigger,
            peg_offset: price(asked.peg_offset, tag::PEG_OFFSET_VALUE)?,
            min_qty: qty(asked.min_qty, tag::MIN_QTY)?,
            max_floor: qty(asked.max_floor, tag::MAX_FLOOR)?,
            expire_at: expire_at(asked, day_end)?,
        })
    }

    /// A field that OrdType(40) needs and that is not there.
    pub(super) fn missing(&self, has_price: bool, request: Asking) -> Option<u32> {
        match (self.ord_type, request) {
            (b'2' | b'4', _) if !has_price => Some(tag::PRICE),
            // A replace keeps the stop price that it does not say: that of a triggered stop cannot be said.
            (_, Asking::New) if self.trigger.is_some() && self.stop_px.is_none() => {
                Some(tag::TRIGGER_PRICE)
            }
            (b'3' | b'4', Asking::New) if self.stop_px.is_none() => Some(tag::STOP_PX),
            _ => None,
        }
    }

    pub(super) fn liquidity(&self) -> Judged<Liquidity> {
        Ok(self.exec_inst?.0)
    }

    pub(super) fn time_in_force(&self) -> Judged<TimeInForce> {
        match self.time_in_force {
            None | Some(b'0') => Ok(TimeInForce::Day),
            Some(b'1') => Ok(TimeInForce::Gtc),
            Some(b'2') => Ok(TimeInForce::AtOpen),
            Some(b'3') => Ok(TimeInForce::Ioc),
            Some(b'4') => Ok(TimeInForce::Fok),
            Some(b'6') => Ok(TimeInForce::Gtd),
            Some(b'7') => Ok(TimeInForce::AtClose),
            Some(b'9') => Ok(TimeInForce::Gfa),
            Some(_) => Err(RejectReason::Unsupported),
        }
    }

    /// What kind of order it is, `limit` its Price(44) where it counts.
    pub(super) fn kind(&self, limit: Option<Judged<Price>>) -> Judged<OrderKind> {
        let limited = || match limit {
            Some(price) => Ok(OrderKind::Limit(price?)),
            None => Err(RejectReason::PriceOutOfRange),
        };
        match self.ord_type {
            b'1' | b'3' => Ok(OrderKind::Market),
            b'2' | b'4' => limited(),
            b'K' => Ok(OrderKind::MarketToLimit),
            b'P' if limit.is_none() => Ok(OrderKind::Market),
            b'P' => limited(),
            _ => Err(RejectReason::Unsupported),
        }
    }

    /// What it asks for beside that.
    pub(super) fn terms(&self, side: Side) -> Judged<Terms> {
        self.triggers(side)?;
        let follows = self.exec_inst?.1;
        let is_stop = matches!(self.ord_type, b'3' | b'4');
        let is_pegged = self.ord_type == b'P';
        if is_pegged != (follows != Follows::Nothing)
            || (self.peg_offset.is_some() && !is_pegged)
            || (self.stop_px.is_some() && !is_stop)
        {
            return Err(RejectReason::Contradiction);
        }
        let trigger = match (self.stop_px, follows) {
            (Some(stop_px), _) => Trigger::Stop(stop_price(stop_px)?),
            (None, Follows::Trail) => {
                Trigger::Trailing(self.distance(side, Side::Buy, RejectReason::TriggerPrice)?)
            }
            _ => Trigger::None,
        };
        let peg = match follows {
            Follows::Primary => {
                Peg::Primary(self.distance(side, Side::Sell, RejectReason::PegOffset)?)
            }
            Follows::Midpoint => {
                Peg::Midpoint(self.distance(side, Side::Sell, RejectReason::PegOffset)?)
            }
            Follows::Nothing | Follows::Trail => Peg::None,
        };
        let as_reason = |qty: Judged<Qty>, reason| match qty {
            Err(RejectReason::QtyZero | RejectReason::QtyTooLarge) => Err(reason),
            judged => judged,
        };
        let min_qty =
            self.min_qty.map_or(Ok(Qty::ZERO), |qty| as_reason(qty, RejectReason::MinQty))?;
        let display_qty = match self.max_floor {
            None => Qty::ZERO,
            // MaxFloor(111)=0 would be an order that nobody sees.
            Some(Ok(Qty::ZERO)) => return Err(RejectReason::DisplayQty),
            Some(qty) => as_reason(qty, RejectReason::DisplayQty)?,
        };
        let expire_at = self.expire_at.unwrap_or(Ok(Timestamp(0)))?;
        Ok(Terms { display_qty, min_qty, expire_at, trigger, peg })
    }

    /// Whether a TriggeringInstruction says what a stop does.
    fn triggers(&self, side: Side) -> Judged<()> {
        match &self.trigger {
            Some(_) if !matches!(self.ord_type, b'3' | b'4') => Err(RejectReason::Contradiction),
            Some(trigger) if !trigger.is_stop(self.ord_type, side) => {
                Err(RejectReason::Unsupported)
            }
            _ => Ok(()),
        }
    }

    /// PegOffsetValue(211) as a distance. That of FIX is added to what is followed: by a `adds` it is not
    /// negative, by the other side not positive.
    fn distance(&self, side: Side, adds: Side, reason: RejectReason) -> Judged<u64> {
        let ticks = match self.peg_offset {
            None => 0,
            Some(Err(RejectReason::PriceOutOfRange)) => return Err(reason),
            Some(offset) => offset?.ticks(),
        };
        let away = if side == adds { ticks } else { ticks.wrapping_neg() };
        u64::try_from(away).map_err(|_| reason)
    }

    /// Whether a replace leaves an order with these terms the order that it is; if so, the stop price that it
    /// is to have.
    pub(super) fn replaced_stop(&self, side: Side, terms: orders::Terms) -> Judged<Option<Price>> {
        self.triggers(side)?;
        let (liquidity, follows) = self.exec_inst?;
        // A market-to-limit order is a limit order once it has its price.
        let same_type = self.ord_type == terms.ord_type()
            || (self.ord_type == b'2' && terms.ord_type() == b'K');
        let same_time = self.time_in_force.is_none_or(|code| code == terms.time_in_force());
        let same_liquidity = match liquidity {
            Liquidity::Any => true,
            Liquidity::PostOnly => terms.is_post_only(),
            Liquidity::Slide => terms.slides(),
        };
        let same_inst =
            same_liquidity && (follows == Follows::Nothing || follows.code() == terms.exec_inst());
        let fixed = [self.min_qty.is_some(), self.max_floor.is_some(), self.peg_offset.is_some()];
        if !same_type
            || !same_time
            || !same_inst
            || self.expire_at.is_some()
            || fixed.contains(&true)
        {
            return Err(RejectReason::Unsupported);
        }
        match self.stop_px {
            Some(_) if !matches!(self.ord_type, b'3' | b'4') => Err(RejectReason::Contradiction),
            Some(stop_px) => Ok(Some(stop_price(stop_px)?)),
            None => Ok(None),
        }
    }
}

fn stop_price(judged: Judged<Price>) -> Judged<Price> {
    match judged {
        Err(RejectReason::PriceOutOfRange) => Err(RejectReason::TriggerPrice),
        judged => judged,
    }
}

/// ExpireTime(126), or the end of ExpireDate(432).
fn expire_at(asked: &Asked<'_>, day_end: &DayEnd) -> Result<Option<Judged<Timestamp>>, BadField> {
    let wrong = |tag| BadField { tag, reason: SessionRejectReason::IncorrectDataFormat };
    let time = match asked.expire_time {
        None => None,
        Some(value) => Some(parse_utc(value).ok_or(wrong(tag::EXPIRE_TIME))?),
    };
    let Some(date) = asked.expire_date else { return Ok(time.map(Ok)) };
    let midnight = parse_date(date).ok_or(wrong(tag::EXPIRE_DATE))?;
    Ok(Some(match time {
        None => Ok(day_end.of(midnight)),
        Some(_) => Err(RejectReason::Contradiction),
    }))
}

/// ExecInst(18), and the fields that say the same or more: PegPriceType(1094), DisplayIndicator(9479).
fn instructions(asked: &Asked<'_>) -> Result<Judged<(Liquidity, Follows)>, BadField> {
    let inst = exec_inst(asked.exec_inst)?;
    let by_type = asked.peg_price_type.map(peg_price_type).transpose()?;
    let indicator = asked.display_indicator;
    let slides = indicator.map(|value| code(value, tag::DISPLAY_INDICATOR, b"S")).transpose()?;
    Ok(inst.and_then(|(liquidity, follows)| {
        let follows = match by_type {
            None => follows,
            Some(by_type) if follows == Follows::Nothing => by_type?,
            Some(by_type) if follows == by_type? => follows,
            Some(_) => return Err(RejectReason::Contradiction),
        };
        match (slides, liquidity) {
            (None, _) => Ok((liquidity, follows)),
            (Some(_), Liquidity::Any) => Err(RejectReason::Contradiction),
            (Some(_), _) => Ok((Liquidity::Slide, follows)),
        }
    }))
}

/// PegPriceType(1094) of FIX 5.0 SP2.
fn peg_price_type(value: &[u8]) -> Result<Judged<Follows>, BadField> {
    Ok(match code(value, tag::PEG_PRICE_TYPE, b"12345789")? {
        b'2' => Ok(Follows::Midpoint),
        b'5' => Ok(Follows::Primary),
        b'8' => Ok(Follows::Trail),
        _ => Err(RejectReason::Unsupported),
    })
}

/// ExecInst(18): post-only, or what a price follows.
fn exec_inst(value: Option<&[u8]>) -> Result<Judged<(Liquidity, Follows)>, BadField> {
    const KNOWN: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSUVWXYZabcde";
    let (mut liquidity, mut follows, mut refused) = (Liquidity::Any, Follows::Nothing, None);
    let instructions = value.into_iter().flat_map(|value| value.split(|byte| *byte == b' '));
    for instruction in instructions {
        let follow = match code(instruction, tag::EXEC_INST, KNOWN)? {
            b'6' => {
                liquidity = Liquidity::PostOnly;
                continue;
            }
            b'R' => Follows::Primary,
            b'M' => Follows::Midpoint,
            b'a' => Follows::Trail,
            _ => {
                refused = Some(RejectReason::Unsupported);
                continue;
            }
        };
        if follows != Follows::Nothing && follows != follow {
            refused = refused.or(Some(RejectReason::Contradiction));
        }
        follows = follow;
    }
    Ok(refused.map_or(Ok((liquidity, follows)), Err))
}
