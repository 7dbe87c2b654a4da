//! Event → OUCH message. Each Event that has a number of the session's becomes one message, so the number of SoupBinTCP is
//! the number in the journal.

use matcher::record::ATTACHMENT_BYTES_MAX;
use matcher::{
    Accepted, BustedPart, CancelRequest, Canceled, Command, Event, Fill, Instrument, MsgSeqNum,
    OrderKind, OrderNumber, Phase, Replaced, RestateReason as Why, Restated, TradeKind, Traded,
};

use super::attached::Attached;
use super::reason::cancel_reason;
use super::{OuchOrders, Scale, SymbolOf, reject_reason};
use crate::order_entry::{Inputs, OrderEntry, Told, Unreadable, number_of, shards};
use crate::ouch::{
    self, AiqCanceled, BrokenReason, BrokenTrade, CancelReject, Executed, FromVenue, Liquidity,
    MARKET_PRICE, MassCancelResponse, Modified, Note, Options, OrderRestated, OrderState,
    RejectReason, RestateReason, since_midnight,
};

/// AiqStrategy of a decrement of both. Source: OUCH 5.0, AIQ Canceled.
const AIQ_DECREMENT_BOTH: u8 = b'D';

const BLANK: [u8; 14] = [b' '; 14];

/// One message that is written.
struct Report<'a> {
    entry: &'a OrderEntry,
    facts: &'a OuchOrders,
    told: &'a Told<'a>,
    msg: MsgSeqNum,
    timestamp: u64,
}

const NO_FACTS: &OuchOrders =
    &OuchOrders { pages: Vec::new(), len: 0, before: 0, past: 0, disabled: false };

impl OrderEntry {
    /// Appends the OUCH message that tells `told.session` of `told.event` under number `msg`: exactly one, whatever the Event.
    ///
    /// As with [`OrderEntry::report`], the fold must have followed the journal up to this Event at least.
    ///
    /// # Errors
    ///
    /// If an Input that the report needs cannot be read.
    pub fn ouch_report(
        &self,
        told: &Told<'_>,
        msg: MsgSeqNum,
        inputs: &mut impl Inputs,
        out: &mut Vec<u8>,
    ) -> Result<(), Unreadable> {
        let msg = told.own_msg(msg);
        let turn_time = told.input.timestamp;
        let facts = self.ouch.get(told.session.index()).unwrap_or(NO_FACTS);
        let timestamp = since_midnight(turn_time);
        let report = Report { entry: self, facts, told, msg, timestamp };
        match told.event {
            Event::Accepted(accepted) => report.accepted(accepted, out),
            Event::Traded(traded) => report.executed(traded, out),
            Event::Canceled(canceled) => report.canceled(canceled, out),
            Event::Replaced(replaced) => report.replaced(replaced, out),
            Event::Numbered { .. } => {
                let at = out.len();
                if Note::write_said(told.attachment, turn_time, out).is_err() {
                    // A session that spoke FIX has notes that say nothing here, and is not logged on.
                    out.truncate(at);
                    report.rejected(0, RejectReason::Other, BLANK, out);
                }
            }
            Event::Rejected(rejected) => match Attached::decode(told.attachment) {
                Some(Attached::Enter(entered)) => {
                    let reason = entered.refused.unwrap_or(reject_reason(rejected.reason));
                    let cl_ord_id = entered.padded_cl_ord_id();
                    report.rejected(entered.user_ref_num, reason, cl_ord_id, out);
                }
                _ => report.rejected(0, reject_reason(rejected.reason), BLANK, out),
            },
            Event::CancelRejected(rejected) => match Attached::decode(told.attachment) {
                Some(Attached::Replace(entered, _))
                    if rejected.request == CancelRequest::Replace =>
                {
                    let reason = entered.refused.unwrap_or(reject_reason(rejected.reason));
                    let cl_ord_id = entered.padded_cl_ord_id();
                    report.rejected(entered.user_ref_num, reason, cl_ord_id, out);
                }
                _ => report.cancel_rejected(rejected.target, out),
            },
            Event::MassCanceled { .. } => {
                let (user_ref_num, firm, symbol) = report.mass_cancel();
                let options = Options::default();
                MassCancelResponse { timestamp, user_ref_num, firm, symbol, options }.encode(out);
            }
            Event::MassCancelRejected { reason, .. } => {
                let (user_ref_num, ..) = report.mass_cancel();
                report.rejected(user_ref_num, reject_reason(*reason), BLANK, out);
            }
            Event::Restated(restated) => report.restated(restated, out),
            Event::Busted(busted) => {
                let is_it = |part: &BustedPart| part.session == told.session && part.msg == msg;
                let part = if is_it(&busted.buy) { &busted.buy } else { &busted.sell };
                report.broken(part, busted.trade.0, inputs, out)?;
            }
            Event::Triggered(triggered) => report.told_anew(triggered.number, out),
            Event::StatusReported(status) => report.told_anew(status.target, out),
            // These tell nobody.
            _ => report.told_anew(OrderNumber::NONE, out),
        }
        Ok(())
    }
}

impl Report<'_> {
    fn user_ref(&self, number: OrderNumber) -> u32 {
        self.facts.of(number).map_or(0, |fact| fact.user_ref)
    }

    fn instrument(&self, id: matcher::InstrumentId) -> Option<&Instrument> {
        self.entry.directory.instrument(id)
    }

    fn units(&self, id: matcher::InstrumentId, price: matcher::Price) -> u64 {
        self.instrument(id).map_or(0, |instrument| Scale::new(instrument).to_units(price))
    }

    fn symbol(&self, id: matcher::InstrumentId) -> [u8; 8] {
        self.instrument(id).map_or([b' '; 8], |instrument| SymbolOf::padded(&instrument.symbol))
    }

    fn accepted(&self, accepted: &Accepted, out: &mut Vec<u8>) {
        let (Some(Attached::Enter(entered)), Command::New(new) | Command::NewSpecial(new, _)) =
            (Attached::decode(self.told.attachment), &self.told.input.command)
        else {
            return self.told_anew(accepted.number, out);
        };
        let price = match new.kind {
            OrderKind::Limit(price) => self.units(new.instrument, price),
            _ => MARKET_PRICE,
        };
        let message = ouch::Accepted {
            timestamp: self.timestamp,
            user_ref_num: entered.user_ref_num,
            side: entered.side,
            quantity: shares(new.qty),
            symbol: self.symbol(new.instrument),
            price,
            time_in_force: entered.time_in_force,
            display: entered.display,
            order_ref: self.told.order_ref(accepted.number).0,
            capacity: entered.capacity,
            iso: entered.iso,
            cross_type: entered.cross_type,
            order_state: OrderState::Live.code(),
            cl_ord_id: entered.padded_cl_ord_id(),
            options: entered.options(),
        };
        message.encode(out);
    }

    fn replaced(&self, replaced: &Replaced, out: &mut Vec<u8>) {
        let timestamp = self.timestamp;
        let user_ref_num = self.user_ref(replaced.number);
        match Attached::decode(self.told.attachment) {
            Some(Attached::Replace(entered, orig_user_ref_num)) => {
                let terms = self.entry.orders(self.told.session);
                let terms = terms.and_then(|orders| orders.terms(replaced.number));
                let has_limit = terms.is_none_or(crate::orders::Terms::has_limit);
                let units = self.units(replaced.instrument, replaced.price);
                let kept = replaced.priority == matcher::Priority::Kept;
                let order_ref =
                    if kept { replaced.old_ref } else { self.told.order_ref(replaced.number) };
                let message = ouch::Replaced {
                    timestamp,
                    orig_user_ref_num,
                    user_ref_num: entered.user_ref_num,
                    side: entered.side,
                    quantity: shares(replaced.leaves_qty),
                    symbol: self.symbol(replaced.instrument),
                    price: if has_limit { units } else { MARKET_PRICE },
                    time_in_force: entered.time_in_force,
                    display: entered.display,
                    order_ref: order_ref.0,
                    capacity: entered.capacity,
                    iso: entered.iso,
                    cross_type: entered.cross_type,
                    order_state: OrderState::Live.code(),
                    cl_ord_id: entered.padded_cl_ord_id(),
                    options: entered.options(),
                };
                message.encode(out);
            }
            Some(Attached::Modify { side, .. }) => {
                let (quantity, options) = (shares(replaced.leaves_qty), Options::default());
                Modified { timestamp, user_ref_num, side, quantity, options }.encode(out);
            }
            _ => {
                let less = replaced.old_leaves_qty.checked_sub(replaced.leaves_qty);
                let quantity = shares(less.unwrap_or_default());
                if quantity == 0 {
                    // It had become as small as that while the request was on its way.
                    return self.cancel_rejected(replaced.number, out);
                }
                let (reason, options) = (ouch::CancelReason::User.code(), Options::default());
                ouch::Canceled { timestamp, user_ref_num, quantity, reason, options }.encode(out);
            }
        }
    }

    fn executed(&self, traded: &Traded, out: &mut Vec<u8>) {
        let Traded { maker, taker, .. } = traded;
        let is_it = |fill: &Fill| fill.session == self.told.session && fill.msg == self.msg;
        let (fill, is_maker) = if is_it(maker) { (maker, true) } else { (taker, false) };
        let liquidity = match (traded.kind, is_maker) {
            (TradeKind::Auction, _) => self.auction(traded.instrument),
            (TradeKind::Continuous, true) if traded.maker_ref == matcher::OrderRef::NONE => {
                Liquidity::AddedHidden
            }
            (TradeKind::Continuous, true) => Liquidity::Added,
            (TradeKind::Continuous, false) => Liquidity::Removed,
        };
        let message = Executed {
            timestamp: self.timestamp,
            user_ref_num: self.user_ref(fill.number),
            quantity: shares(traded.qty),
            price: self.units(traded.instrument, traded.price),
            liquidity_flag: liquidity.code(),
            match_number: traded.id.0,
            options: Options::default(),
        };
        message.encode(out);
    }

    /// Which auction this turn was. While it is told the instrument is still in that call; later it is remembered.
    fn auction(&self, instrument: matcher::InstrumentId) -> Liquidity {
        let known = self.entry.auctions.get(&(self.told.position, instrument)).copied();
        match known.or(self.instrument(instrument).map(|it| it.phase)) {
            Some(Phase::PreOpen | Phase::OpeningAuction) => Liquidity::Opening,
            Some(Phase::ClosingAuction) => Liquidity::Closing,
            _ => Liquidity::Halt,
        }
    }

    fn canceled(&self, canceled: &Canceled, out: &mut Vec<u8>) {
        let Told { input, session, .. } = *self.told;
        let by_venue = matches!(input.command, Command::MassCancel(_))
            && input.inbound == MsgSeqNum::NONE
            && *self.told.attachment != shards::ASKED;
        let asked = input.session == session && !by_venue;
        let terms = self.entry.orders(session).and_then(|orders| orders.terms(canceled.number));
        let timed = terms.is_some_and(|terms| terms.time_in_force() == b'6');
        let message = ouch::Canceled {
            timestamp: self.timestamp,
            user_ref_num: self.user_ref(canceled.number),
            quantity: shares(canceled.canceled_qty),
            reason: cancel_reason(canceled.reason, asked, timed).code(),
            options: Options::default(),
        };
        message.encode(out);
    }

    /// Self-trade prevention took quantity off. At which price they would have traded the Event says only for the order that
    /// was resting.
    fn restated(&self, restated: &Restated, out: &mut Vec<u8>) {
        if restated.reason != Why::SelfTrade {
            return self.told_anew(restated.number, out);
        }
        let input = self.told.input;
        let is_taker = input.session == self.told.session
            && number_of(&input.command) == Some(restated.number);
        let (price, liquidity) = if is_taker {
            (0, Liquidity::Removed)
        } else {
            (self.units(restated.instrument, restated.price), Liquidity::Added)
        };
        let message = AiqCanceled {
            timestamp: self.timestamp,
            user_ref_num: self.user_ref(restated.number),
            decrement_shares: shares(restated.cut_qty),
            reason: ouch::CancelReason::SelfMatch.code(),
            prevented_shares: shares(restated.cut_qty),
            execution_price: price,
            liquidity_flag: liquidity.code(),
            aiq_strategy: AIQ_DECREMENT_BOTH,
            options: Options::default(),
        };
        message.encode(out);
    }

    fn broken(
        &self,
        part: &BustedPart,
        match_number: u64,
        inputs: &mut impl Inputs,
        out: &mut Vec<u8>,
    ) -> Result<(), Unreadable> {
        let session = self.told.session;
        let position = self.entry.orders(session).and_then(|it| it.position(part.number));
        let mut buffer = [0; ATTACHMENT_BYTES_MAX];
        let cl_ord_id = match position.and_then(|at| inputs.input(at, &mut buffer)) {
            Some((_, len)) => match Attached::decode(buffer.get(..len).unwrap_or_default()) {
                Some(Attached::Enter(entered) | Attached::Replace(entered, _)) => {
                    entered.padded_cl_ord_id()
                }
                _ => BLANK,
            },
            // An order that ended so long ago that its Input has gone is not known any more.
            None if position.is_some_and(|at| inputs.is_gone(at)) => BLANK,
            None => return Err(Unreadable { session, number: part.number, position }),
        };
        let message = BrokenTrade {
            timestamp: self.timestamp,
            user_ref_num: self.user_ref(part.number),
            match_number,
            reason: BrokenReason::Supervisory.code(),
            cl_ord_id,
            options: Options::default(),
        };
        message.encode(out);
        Ok(())
    }

    fn mass_cancel(&self) -> (u32, [u8; 4], [u8; 8]) {
        match Attached::decode(self.told.attachment) {
            Some(Attached::MassCancel { user_ref_num, firm, symbol }) => {
                (user_ref_num, firm, symbol)
            }
            _ => (0, [b' '; 4], [b' '; 8]),
        }
    }

    fn rejected(
        &self,
        user_ref_num: u32,
        reason: RejectReason,
        cl_ord_id: [u8; 14],
        out: &mut Vec<u8>,
    ) {
        let (timestamp, options) = (self.timestamp, Options::default());
        let reason = reason.code();
        ouch::Rejected { timestamp, user_ref_num, reason, cl_ord_id, options }.encode(out);
    }

    fn cancel_rejected(&self, target: OrderNumber, out: &mut Vec<u8>) {
        let (timestamp, options) = (self.timestamp, Options::default());
        let user_ref_num = self.user_ref(target);
        CancelReject { timestamp, user_ref_num, options }.encode(out);
    }

    /// What has no message of its own.
    fn told_anew(&self, number: OrderNumber, out: &mut Vec<u8>) {
        let restated = OrderRestated {
            timestamp: self.timestamp,
            user_ref_num: self.user_ref(number),
            reason: RestateReason::DisplayPrice.code(),
            options: Options::default(),
        };
        FromVenue::OrderRestated(restated).encode(out);
    }
}

fn shares(qty: matcher::Qty) -> u32 {
    u32::try_from(qty.lots()).unwrap_or(u32::MAX)
}
