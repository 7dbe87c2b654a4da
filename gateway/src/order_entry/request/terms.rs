//! What an order asks for beside side, quantity and price: when it comes to life, what its price follows, how
//! much of it shows, until when it works.

use matcher::{
    Instrument, Liquidity, OrderKind, Peg, Price, Qty, RejectReason, Side, Terms, TimeInForce,
    Timestamp, Trigger,
};

use super::fields::{Asked, BadField, Judged, code, price, qty};
use crate::fix::{SessionRejectReason, parse_utc, tag};
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
    peg_offset: Option<Judged<Price>>,
    min_qty: Option<Judged<Qty>>,
    max_floor: Option<Judged<Qty>>,
    expire_at: Option<Timestamp>,
}

impl Asks {
    pub(super) fn new(
        asked: &Asked<'_>,
        (ord_type, time_in_force): (u8, Option<u8>),
        instrument: Option<&Instrument>,
    ) -> Result<Asks, BadField> {
        let price = |value: Option<&[u8]>, tag| {
            value.map(|value| price(value, tag, instrument)).transpose()
        };
        let qty =
            |value: Option<&[u8]>, tag| value.map(|value| qty(value, tag, instrument)).transpose();
        let expire_at = match asked.expire_time {
            None => None,
            Some(value) => Some(parse_utc(value).ok_or(BadField {
                tag: tag::EXPIRE_TIME,
                reason: SessionRejectReason::IncorrectDataFormat,
            })?),
        };
        Ok(Asks {
            ord_type,
            time_in_force,
            exec_inst: exec_inst(asked.exec_inst)?,
            stop_px: price(asked.stop_px, tag::STOP_PX)?,
            peg_offset: price(asked.peg_offset, tag::PEG_OFFSET_VALUE)?,
            min_qty: qty(asked.min_qty, tag::MIN_QTY)?,
            max_floor: qty(asked.max_floor, tag::MAX_FLOOR)?,
            expire_at,
        })
    }

    /// A field that OrdType(40) needs and that is not there.
    pub(super) fn missing(&self, has_price: bool, request: Asking) -> Option<u32> {
        match (self.ord_type, request) {
            (b'2' | b'4', _) if !has_price => Some(tag::PRICE),
            // A replace keeps the stop price that it does not say: that of a triggered stop cannot be said.
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
        let expire_at = self.expire_at.unwrap_or(Timestamp(0));
        Ok(Terms { display_qty, min_qty, expire_at, trigger, peg })
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
    pub(super) fn replaced_stop(&self, terms: orders::Terms) -> Judged<Option<Price>> {
        let (liquidity, follows) = self.exec_inst?;
        // A market-to-limit order is a limit order once it has its price.
        let same_type = self.ord_type == terms.ord_type()
            || (self.ord_type == b'2' && terms.ord_type() == b'K');
        let same_time = self.time_in_force.is_none_or(|code| Some(code) == terms.time_in_force());
        let same_inst = (liquidity == Liquidity::Any || terms.is_post_only())
            && (follows == Follows::Nothing || follows.code() == terms.exec_inst());
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
