//! OUCH message → Command.

use matcher::record::ATTACHMENT_BYTES_MAX;
use matcher::{
    Command, InstrumentId, Liquidity, MassCancelScope, MsgSeqNum, NewOrder, Numbering, OrderKind,
    OrderNumber, Peg, Price, Qty, ReduceOrder, RefusedRequest, ReplaceOrder, SessionId, Side,
    Terms, TimeInForce, Timestamp, Trigger,
};

use super::attached::{Attached, Entered, OPTIONS_BYTES_MAX, put_user_ref};
use super::{Fact, OuchOrders, QUANTITY_END, Scale};
use crate::fix::tag;
use crate::order_entry::echo::Echoes;
use crate::order_entry::{Directory, OrderEntry, append, orders_mut};
use crate::orders::{Orders, Pages, Standing};
use crate::ouch::{
    AccountQueryResponse, Cancel, CancelReject, DISPLAY_ATTRIBUTABLE, DisableOrderEntry,
    DisableResponse, EnableOrderEntry, EnableResponse, Enter, FromClient, FromVenue, MARKET_PRICE,
    MassCancel, Modify, Note, Options, RejectReason, Rejected, Replace,
};

/// After every turn that there is.
const LAST: u64 = u64::MAX - 1;

const NS_PER_SECOND: u64 = 1_000_000_000;
const NS_PER_DAY: u64 = 86_400 * NS_PER_SECOND;

/// Seconds of a day: an ExpireTime is below.
const DAY_S: u32 = 86_400;

/// The highest UserRefNum: there is always one above it that is none.
const USER_REF_MAX: u32 = u32::MAX - 1;

/// CustomerType: a retail order, which the market knows nothing of. What stands for the others differs between clients.
const RETAIL: u8 = b'R';

/// What the session around a message says of it.
pub struct Asks<'a> {
    /// When it came.
    pub now: Timestamp,
    /// The highest UserRefNum that was used.
    pub last_user_ref: u32,
    /// The firm of the session, padded.
    pub firm: [u8; 4],
    /// The way to the core is nearly full: new orders and replaces are refused.
    pub throttled: bool,
    /// It is beyond the session's rate.
    pub over_rate: bool,
    /// The client has switched the entry of orders off, on another shard.
    pub disabled: bool,
    /// The session may enter and replace orders …
    pub trade: bool,
    /// … or at least cancel them; who may trade may this too.
    pub cancel: bool,
    /// Whether it may trade what has this symbol.
    pub may_trade: &'a dyn Fn(&[u8]) -> bool,
}

/// What an OUCH message asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OuchRequest {
    /// Hand this to the core, with the first `attachment_len` bytes of the attachment.
    Submit {
        /// The UserRefNum that it uses up, or `NONE`.
        inbound: MsgSeqNum,
        /// What is asked.
        command: Command,
        /// Bytes of the attachment.
        attachment_len: usize,
    },
    /// A retransmission, or nothing is left to do: no answer.
    Ignore,
}

/// Why an order is refused before it comes to the core: in our words, which the journal has, and in OUCH's.
struct Refused {
    core: matcher::RejectReason,
    code: RejectReason,
}

fn no(core: matcher::RejectReason, code: RejectReason) -> Refused {
    Refused { core, code }
}

fn unsupported(code: RejectReason) -> Refused {
    no(matcher::RejectReason::Unsupported, code)
}

/// What one message of one session can reach.
struct Border<'a> {
    directory: &'a Directory,
    orders: &'a mut Orders,
    pages: Option<&'a Pages>,
    facts: &'a mut OuchOrders,
    orders_max: u32,
    asks: &'a Asks<'a>,
    attachment: &'a mut [u8; ATTACHMENT_BYTES_MAX],
    options: &'a mut Vec<u8>,
}

impl OrderEntry {
    /// An OUCH message of `session` → what to do with it. Fields to remember go into `attachment`. An order gets its number
    /// here.
    pub fn ouch_request(
        &mut self,
        session: SessionId,
        message: &FromClient,
        asks: &Asks<'_>,
        attachment: &mut [u8; ATTACHMENT_BYTES_MAX],
    ) -> OuchRequest {
        self.ouch_mut(session);
        let Some(orders) = orders_mut(&mut self.sessions, session) else {
            return OuchRequest::Ignore;
        };
        let mut border = Border {
            directory: &self.directory,
            orders,
            pages: self.pages.as_ref(),
            facts: &mut self.ouch[session.index()],
            orders_max: self.orders_per_session_max,
            asks,
            attachment,
            options: &mut self.ouch_options,
        };
        border.answer(message)
    }
}

impl Border<'_> {
    fn answer(&mut self, message: &FromClient) -> OuchRequest {
        let (user_ref_num, options, cl_ord_id) = match message {
            FromClient::Enter(it) => (it.user_ref_num, &it.options, it.cl_ord_id),
            FromClient::Replace(it) => (it.user_ref_num, &it.options, it.cl_ord_id),
            FromClient::MassCancel(it) => (it.user_ref_num, &it.options, BLANK),
            FromClient::DisableOrderEntry(it) => (it.user_ref_num, &it.options, BLANK),
            FromClient::EnableOrderEntry(it) => (it.user_ref_num, &it.options, BLANK),
            FromClient::Cancel(cancel) => return self.cancel(cancel),
            FromClient::Modify(modify) => return self.modify(modify),
            FromClient::AccountQuery(query) => return self.account_query(&query.options),
        };
        if options.user_ref_idx.is_some_and(|index| index != 0) {
            // Of a numbering that is not there: nothing of ours is used up.
            return self.reject((user_ref_num, MsgSeqNum::NONE), RejectReason::Other, cl_ord_id);
        }
        if user_ref_num <= self.asks.last_user_ref {
            return OuchRequest::Ignore;
        }
        if user_ref_num > USER_REF_MAX {
            // Used up, it would leave the session without a number for anything.
            return self.reject((user_ref_num, MsgSeqNum::NONE), RejectReason::Other, cl_ord_id);
        }
        match message {
            FromClient::Enter(enter) => self.enter(enter),
            FromClient::Replace(replace) => self.replace(replace),
            FromClient::MassCancel(mass_cancel) => self.mass_cancel(mass_cancel),
            FromClient::DisableOrderEntry(disable) => self.disable(disable),
            FromClient::EnableOrderEntry(enable) => self.enable(enable),
            FromClient::Cancel(_) | FromClient::Modify(_) | FromClient::AccountQuery(_) => {
                OuchRequest::Ignore
            }
        }
    }

    /// Why an order in `symbol` is not even looked at, if so.
    fn refusal(&self, symbol: &[u8]) -> Option<RejectReason> {
        if self.asks.over_rate {
            return Some(RejectReason::Rate);
        }
        if !self.asks.trade {
            return Some(RejectReason::NotAuthorized);
        }
        if self.facts.disabled || self.asks.disabled {
            return Some(RejectReason::Disabled);
        }
        if self.orders.last_number().0 >= self.orders_max {
            return Some(RejectReason::Processing);
        }
        (!(self.asks.may_trade)(symbol)).then_some(RejectReason::Restricted)
    }

    fn enter(&mut self, enter: &Enter) -> OuchRequest {
        let symbol = enter.symbol.trim_ascii_end();
        if let Some(reason) = self.refusal(symbol) {
            return self.reject_used(enter.user_ref_num, reason, enter.cl_ord_id);
        }
        let number = OrderNumber(self.orders.last_number().0 + 1);
        self.encode_options(&enter.options);
        let (command, refused) = match self.new_order(enter, symbol, number) {
            Ok(command) => (command, None),
            Err(Refused { core: reason, code }) => {
                (Command::Refuse { request: RefusedRequest::New(number), reason }, Some(code))
            }
        };
        let entered = Entered {
            user_ref_num: enter.user_ref_num,
            side: enter.side,
            time_in_force: enter.time_in_force,
            display: enter.display,
            capacity: enter.capacity,
            iso: enter.iso,
            cross_type: enter.cross_type,
            refused,
            cl_ord_id: unpadded(&enter.cl_ord_id),
            options: if refused.is_some() { b"" } else { self.options.as_slice() },
        };
        let mut echoes = Echoes::new(self.attachment);
        Attached::Enter(entered).put(&mut echoes);
        put_user_ref(&mut echoes, tag::CL_ORD_ID, enter.user_ref_num);
        put_symbol(&mut echoes, symbol, enter.side);
        append(self.orders, self.pages, number, &command, echoes.as_bytes());
        self.facts.enter(number, Fact::of(&command, &entered));
        submit(MsgSeqNum(enter.user_ref_num), command, &echoes)
    }

    fn encode_options(&mut self, options: &Options) {
        self.options.clear();
        options.encode(self.options);
    }

    fn new_order(
        &self,
        enter: &Enter,
        symbol: &[u8],
        number: OrderNumber,
    ) -> Result<Command, Refused> {
        use matcher::RejectReason as R;
        if self.asks.throttled {
            return Err(no(R::Throttled, RejectReason::Processing));
        }
        let id = self.directory.find(symbol);
        let definition = id.and_then(|id| self.directory.instrument(id));
        let (Some(instrument), Some(definition)) = (id, definition) else {
            return Err(no(R::UnknownInstrument, RejectReason::Symbol));
        };
        let side = side_of(enter.side).ok_or(unsupported(RejectReason::Side))?;
        let qty = quantity(enter.quantity)?;
        if !matches!(enter.capacity, b'A' | b'P' | b'R' | b'O') {
            return Err(unsupported(RejectReason::Other));
        }
        if enter.iso != b'N' {
            return Err(unsupported(RejectReason::Iso));
        }
        let time_in_force = time_in_force(enter.time_in_force, enter.cross_type)?;
        let scale = Scale::new(definition);
        let kind = if enter.price >= MARKET_PRICE {
            OrderKind::Market
        } else {
            let price = scale.to_ticks(enter.price);
            OrderKind::Limit(price.ok_or(no(R::PriceOffTick, RejectReason::Price))?)
        };
        let terms = self.terms(&enter.options, side, scale)?;
        is_displayed(enter.display, terms.peg)?;
        let liquidity = match enter.options.post_only {
            None | Some(b'N') => Liquidity::Any,
            Some(b'P') => Liquidity::PostOnly,
            Some(_) => return Err(unsupported(RejectReason::Other)),
        };
        let new = NewOrder { number, instrument, side, kind, qty, time_in_force, liquidity };
        Ok(if terms == Terms::NONE { Command::New(new) } else { Command::NewSpecial(new, terms) })
    }

    /// What the options ask for; those that say what we do not do are refused, never passed over.
    fn terms(&self, options: &Options, side: Side, scale: Scale) -> Result<Terms, Refused> {
        use matcher::RejectReason as R;
        if self.options.len() > OPTIONS_BYTES_MAX {
            return Err(unsupported(RejectReason::Other));
        }
        if options.firm.is_some_and(|firm| !self.is_own_firm(firm)) {
            return Err(no(R::NotPermitted, RejectReason::NotAuthorized));
        }
        if options.route.is_some() {
            return Err(unsupported(RejectReason::Routing));
        }
        if options.random_reserves.is_some() {
            return Err(unsupported(RejectReason::MaxFloor));
        }
        let foreign = options.discretion_price.is_some()
            || options.discretion_price_type.is_some()
            || options.discretion_peg_offset.is_some()
            || options.handle_inst.is_some()
            || options.bbo_weight.is_some()
            || options.group_id.is_some()
            || options.secondary_order_ref.is_some()
            || options.display_quantity.is_some()
            || options.display_price.is_some()
            || options.side.is_some()
            || options.trade_now.is_some_and(|it| it != b'N')
            || options.customer_type == Some(RETAIL);
        if foreign {
            return Err(unsupported(RejectReason::Other));
        }
        let expire_at = match options.expire_time {
            None => Timestamp(0),
            Some(second) if second < DAY_S => {
                let midnight = self.asks.now.0 - self.asks.now.0 % NS_PER_DAY;
                // Never 0, which would be none.
                Timestamp((midnight + u64::from(second) * NS_PER_SECOND).max(1))
            }
            Some(_) => return Err(no(R::ExpireTime, RejectReason::Other)),
        };
        let lots = |shares: Option<u32>| Qty::from_lots(shares.unwrap_or(0).into());
        if options.max_floor == Some(0) {
            // Nobody would see it.
            return Err(no(R::DisplayQty, RejectReason::MaxFloor));
        }
        Ok(Terms {
            display_qty: lots(options.max_floor),
            min_qty: lots(options.min_qty),
            expire_at,
            trigger: Trigger::None,
            peg: peg(options, side, scale)?,
        })
    }

    /// Spaces stand for the session's own.
    fn is_own_firm(&self, firm: [u8; 4]) -> bool {
        firm == [b' '; 4] || firm == self.asks.firm
    }

    /// The order that a UserRefNum names, if it may still work.
    fn working(&self, user_ref_num: u32) -> Option<(OrderNumber, Fact)> {
        let number = self.facts.find(user_ref_num)?;
        let fact = *self.facts.of(number)?;
        let standing = self.orders.standing_at(number, LAST);
        let works = matches!(standing, Standing::Working { .. } | Standing::Unknown)
            && fact.instrument != InstrumentId::NONE
            && self.orders.present(number) == number;
        works.then_some((number, fact))
    }

    fn replace(&mut self, replace: &Replace) -> OuchRequest {
        let Some((target, fact)) = self.working(replace.orig_user_ref_num) else {
            return OuchRequest::Ignore;
        };
        let (user_ref_num, cl_ord_id) = (replace.user_ref_num, replace.cl_ord_id);
        let Some(definition) = self.directory.instrument(fact.instrument) else {
            return OuchRequest::Ignore;
        };
        let symbol = definition.symbol;
        if let Some(reason) = self.refusal(symbol.as_bytes()) {
            return self.reject_used(user_ref_num, reason, cl_ord_id);
        }
        let number = OrderNumber(self.orders.last_number().0 + 1);
        self.encode_options(&replace.options);
        let scale = Scale::new(definition);
        let (command, refused) = match self.replaced(replace, (number, target), &fact, scale) {
            Ok(command) => (command, None),
            Err(Refused { core: reason, code }) => {
                let request = RefusedRequest::Replace { number, target };
                (Command::Refuse { request, reason }, Some(code))
            }
        };
        let entered = Entered {
            user_ref_num,
            side: fact.side,
            time_in_force: replace.time_in_force,
            display: replace.display,
            capacity: fact.capacity,
            iso: replace.iso,
            cross_type: fact.cross_type,
            refused,
            cl_ord_id: unpadded(&cl_ord_id),
            options: if refused.is_some() { b"" } else { self.options.as_slice() },
        };
        let mut echoes = Echoes::new(self.attachment);
        Attached::Replace(entered, replace.orig_user_ref_num).put(&mut echoes);
        put_user_ref(&mut echoes, tag::CL_ORD_ID, user_ref_num);
        put_user_ref(&mut echoes, tag::ORIG_CL_ORD_ID, replace.orig_user_ref_num);
        put_symbol(&mut echoes, symbol.as_bytes(), fact.side);
        append(self.orders, self.pages, number, &command, echoes.as_bytes());
        self.facts.enter(number, Fact::of(&command, &entered));
        submit(MsgSeqNum(user_ref_num), command, &echoes)
    }

    fn replaced(
        &self,
        replace: &Replace,
        (number, target): (OrderNumber, OrderNumber),
        fact: &Fact,
        scale: Scale,
    ) -> Result<Command, Refused> {
        use matcher::RejectReason as R;
        if self.asks.throttled {
            return Err(no(R::Throttled, RejectReason::Processing));
        }
        let terms = self.orders.terms(target);
        let post_only = terms.is_some_and(crate::orders::Terms::is_post_only);
        // What is not price or quantity stays what it is; to change it takes a new order.
        let asked = Options {
            firm: replace.options.firm.filter(|firm| !self.is_own_firm(*firm)),
            post_only: replace.options.post_only.filter(|it| (*it == b'P') != post_only),
            customer_type: replace.options.customer_type.filter(|it| *it == RETAIL),
            user_ref_idx: None,
            ..replace.options
        };
        if asked != Options::default() || replace.time_in_force != fact.time_in_force {
            return Err(unsupported(RejectReason::ReplaceNotAllowed));
        }
        if replace.iso != b'N' {
            return Err(unsupported(RejectReason::Iso));
        }
        let hidden = terms.is_some_and(|terms| terms.ord_type() == b'P');
        is_displayed(replace.display, if hidden { Peg::Midpoint(0) } else { Peg::None })?;
        let qty = quantity(replace.quantity)?;
        let price = if terms.is_some_and(|terms| !terms.has_limit()) {
            Price::default()
        } else {
            let limit = Some(replace.price).filter(|units| *units < MARKET_PRICE);
            let ticks = limit.and_then(|units| scale.to_ticks(units));
            ticks.ok_or(no(R::PriceOffTick, RejectReason::Price))?
        };
        let (instrument, side) = (fact.instrument, fact.core_side());
        let replace = ReplaceOrder { number, target, instrument, side, price, qty };
        Ok(Command::Replace(replace))
    }

    fn cancel(&mut self, cancel: &Cancel) -> OuchRequest {
        let Cancel { user_ref_num, quantity, .. } = *cancel;
        let Some((target, fact)) = self.working(user_ref_num) else { return OuchRequest::Ignore };
        if self.may_not_cancel(&cancel.options) {
            return self.cancel_reject(user_ref_num);
        }
        if quantity > 0 && quantity >= fact.qty {
            return OuchRequest::Ignore;
        }
        self.reduce(target, quantity, Attached::Reduce { before: fact.qty })
    }

    fn may_not_cancel(&self, options: &Options) -> bool {
        self.asks.over_rate
            || !(self.asks.trade || self.asks.cancel)
            || options.user_ref_idx.is_some_and(|index| index != 0)
    }

    /// Takes an order down to `quantity`, or off: the core knows whether that is no more than what it has traded.
    fn reduce(
        &mut self,
        target: OrderNumber,
        quantity: u32,
        attached: Attached<'_>,
    ) -> OuchRequest {
        let mut echoes = Echoes::new(self.attachment);
        if quantity == 0 {
            return submit(MsgSeqNum::NONE, Command::Cancel { target }, &echoes);
        }
        attached.put(&mut echoes);
        if let Some(known) = self.facts.of_mut(target) {
            // The next one of these may come before the answer to this one.
            known.qty = quantity;
        }
        let qty = Qty::from_lots(quantity.into());
        submit(MsgSeqNum::NONE, Command::Reduce(ReduceOrder { target, qty }), &echoes)
    }

    fn modify(&mut self, modify: &Modify) -> OuchRequest {
        let Modify { user_ref_num, side, quantity, .. } = *modify;
        let Some((target, fact)) = self.working(user_ref_num) else { return OuchRequest::Ignore };
        let is_sale = |side| side_of(side) == Some(Side::Sell);
        let goes = side == fact.side || (is_sale(side) && is_sale(fact.side));
        if self.may_not_cancel(&modify.options) || !goes || quantity > fact.qty {
            return self.cancel_reject(user_ref_num);
        }
        if quantity == fact.qty && side == fact.side {
            return OuchRequest::Ignore;
        }
        if let Some(known) = self.facts.of_mut(target) {
            known.side = side;
        }
        // The core knows nothing of the mark, but whether the order still works.
        self.reduce(target, quantity, Attached::Modify { before: fact.qty, side })
    }

    fn mass_cancel(&mut self, mass_cancel: &MassCancel) -> OuchRequest {
        let MassCancel { user_ref_num, firm, symbol, options } = *mass_cancel;
        if self.asks.over_rate {
            return self.reject_used(user_ref_num, RejectReason::Rate, BLANK);
        }
        let own = self.is_own_firm(firm);
        if !own || !(self.asks.trade || self.asks.cancel) {
            return self.reject_used(user_ref_num, RejectReason::NotAuthorized, BLANK);
        }
        let text = symbol.trim_ascii_end();
        let refused = |reason| Command::Refuse { request: RefusedRequest::MassCancel, reason };
        let asked = Options { user_ref_idx: None, ..options };
        let command = match text {
            // One side, or one group: never wider than it was asked for.
            _ if asked != Options::default() => refused(matcher::RejectReason::Unsupported),
            b"" => Command::MassCancel(MassCancelScope::Session),
            _ => match self.directory.find(text) {
                Some(id) => Command::MassCancel(MassCancelScope::SessionInstrument(id)),
                None => refused(matcher::RejectReason::UnknownInstrument),
            },
        };
        let mut echoes = Echoes::new(self.attachment);
        Attached::MassCancel { user_ref_num, firm, symbol }.put(&mut echoes);
        put_user_ref(&mut echoes, tag::CL_ORD_ID, user_ref_num);
        submit(MsgSeqNum(user_ref_num), command, &echoes)
    }

    fn disable(&mut self, disable: &DisableOrderEntry) -> OuchRequest {
        let DisableOrderEntry { user_ref_num, firm, options } = *disable;
        if let Some(reason) = self.may_not_switch(firm, &options) {
            return self.reject_used(user_ref_num, reason, BLANK);
        }
        self.facts.disabled = true;
        let (timestamp, options) = (0, Options::default());
        let response = DisableResponse { timestamp, user_ref_num, firm, options };
        self.say(MsgSeqNum(user_ref_num), FromVenue::DisableResponse(response))
    }

    fn enable(&mut self, enable: &EnableOrderEntry) -> OuchRequest {
        let EnableOrderEntry { user_ref_num, firm, options } = *enable;
        if let Some(reason) = self.may_not_switch(firm, &options) {
            return self.reject_used(user_ref_num, reason, BLANK);
        }
        self.facts.disabled = false;
        let (timestamp, options) = (0, Options::default());
        let response = EnableResponse { timestamp, user_ref_num, firm, options };
        self.say(MsgSeqNum(user_ref_num), FromVenue::EnableResponse(response))
    }

    /// Why order entry is not switched, if so.
    fn may_not_switch(&self, firm: [u8; 4], options: &Options) -> Option<RejectReason> {
        if self.asks.over_rate {
            return Some(RejectReason::Rate);
        }
        let asked = Options { user_ref_idx: None, ..*options };
        if !self.is_own_firm(firm) {
            return Some(RejectReason::NotAuthorized);
        }
        (asked != Options::default()).then_some(RejectReason::Other)
    }

    fn account_query(&mut self, options: &Options) -> OuchRequest {
        if options.user_ref_idx.is_some_and(|index| index != 0) {
            return self.reject((0, MsgSeqNum::NONE), RejectReason::Other, BLANK);
        }
        if self.asks.over_rate {
            return self.reject((0, MsgSeqNum::NONE), RejectReason::Rate, BLANK);
        }
        let next_user_ref_num = self.asks.last_user_ref.saturating_add(1);
        let (timestamp, options) = (0, Options::default());
        let response = AccountQueryResponse { timestamp, next_user_ref_num, options };
        self.say(MsgSeqNum::NONE, FromVenue::AccountQueryResponse(response))
    }

    fn reject_used(
        &mut self,
        user_ref_num: u32,
        reason: RejectReason,
        cl_ord_id: [u8; 14],
    ) -> OuchRequest {
        self.reject((user_ref_num, MsgSeqNum(user_ref_num)), reason, cl_ord_id)
    }

    /// A Rejected that says so, and what it uses up.
    fn reject(
        &mut self,
        (user_ref_num, inbound): (u32, MsgSeqNum),
        reason: RejectReason,
        cl_ord_id: [u8; 14],
    ) -> OuchRequest {
        let (timestamp, reason, options) = (0, reason.code(), Options::default());
        let rejected = Rejected { timestamp, user_ref_num, reason, cl_ord_id, options };
        self.say(inbound, FromVenue::Rejected(rejected))
    }

    fn cancel_reject(&mut self, user_ref_num: u32) -> OuchRequest {
        let (timestamp, options) = (0, Options::default());
        let rejected = CancelReject { timestamp, user_ref_num, options };
        self.say(MsgSeqNum::NONE, FromVenue::CancelReject(rejected))
    }

    fn say(&mut self, inbound: MsgSeqNum, message: FromVenue) -> OuchRequest {
        let attachment_len = Note::Said(message).encode(self.attachment);
        OuchRequest::Submit { inbound, command: Command::Note(Numbering::Next), attachment_len }
    }
}

/// The ClOrdID of a request that has none.
const BLANK: [u8; 14] = [b' '; 14];

/// A text without the spaces behind it, and only those.
fn unpadded(text: &[u8]) -> &[u8] {
    let len = text.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last + 1);
    &text[..len]
}

fn submit(inbound: MsgSeqNum, command: Command, echoes: &Echoes<'_>) -> OuchRequest {
    OuchRequest::Submit { inbound, command, attachment_len: echoes.as_bytes().len() }
}

/// What no Command says of an order that is refused, for those who are told of it over FIX.
fn put_symbol(echoes: &mut Echoes<'_>, symbol: &[u8], side: u8) {
    if !symbol.is_empty() && symbol.iter().all(u8::is_ascii_graphic) {
        echoes.put(tag::SYMBOL, symbol);
    }
    match side_of(side) {
        Some(Side::Buy) => echoes.put(tag::SIDE, b"1"),
        Some(Side::Sell) => echoes.put(tag::SIDE, b"2"),
        None => {}
    }
}

/// A short sale is a sale: the mark stays with the order, the market has no rule about it.
fn side_of(code: u8) -> Option<Side> {
    match code {
        b'B' => Some(Side::Buy),
        b'S' | b'T' | b'E' => Some(Side::Sell),
        _ => None,
    }
}

impl Fact {
    /// What is known of an order that this entered.
    pub(super) fn of(command: &Command, entered: &Entered<'_>) -> Fact {
        let lots = |qty: Qty| u32::try_from(qty.lots()).unwrap_or(u32::MAX);
        let (instrument, price, qty) = match command {
            Command::New(new) | Command::NewSpecial(new, _) => {
                let price = match new.kind {
                    OrderKind::Limit(price) => price,
                    _ => Price::default(),
                };
                (new.instrument, price, lots(new.qty))
            }
            Command::Replace(replace) => (replace.instrument, replace.price, lots(replace.qty)),
            _ => (InstrumentId::NONE, Price::default(), 0),
        };
        Fact {
            user_ref: entered.user_ref_num,
            instrument,
            price,
            qty,
            side: entered.side,
            time_in_force: entered.time_in_force,
            capacity: entered.capacity,
            cross_type: entered.cross_type,
        }
    }

    fn core_side(&self) -> Side {
        side_of(self.side).unwrap_or(Side::Buy)
    }
}

fn quantity(shares: u32) -> Result<Qty, Refused> {
    let reason = match shares {
        0 => matcher::RejectReason::QtyZero,
        1..QUANTITY_END => return Ok(Qty::from_lots(shares.into())),
        _ => matcher::RejectReason::QtyTooLarge,
    };
    Err(no(reason, RejectReason::Quantity))
}

/// How long it works: the codes of TimeInForce and CrossType together say it.
fn time_in_force(code: u8, cross_type: u8) -> Result<TimeInForce, Refused> {
    Ok(match (cross_type, code) {
        (b'N', b'0') => TimeInForce::Day,
        (b'N', b'3') => TimeInForce::Ioc,
        (b'N', b'6') => TimeInForce::Gtd,
        (b'N', _) => return Err(unsupported(RejectReason::Other)),
        (b'O', b'0' | b'3') => TimeInForce::AtOpen,
        (b'C', b'0' | b'3') => TimeInForce::AtClose,
        (b'H', b'0' | b'3') => TimeInForce::Gfa,
        _ => return Err(unsupported(RejectReason::CrossOrder)),
    })
}

/// A pegged order is not shown here, every other is.
fn is_displayed(display: u8, peg: Peg) -> Result<(), Refused> {
    let shown = matches!(display, b'Y' | DISPLAY_ATTRIBUTABLE);
    let hidden = display == b'N';
    let good = if peg == Peg::None { shown } else { hidden };
    if good { Ok(()) } else { Err(unsupported(RejectReason::Display)) }
}

/// What its price follows. That of OUCH is added to what is followed; ours is a distance away from the market.
fn peg(options: &Options, side: Side, scale: Scale) -> Result<Peg, Refused> {
    let wrong = no(matcher::RejectReason::PegOffset, RejectReason::PegType);
    let offset = match options.peg_offset {
        None => 0,
        Some(units) => match scale.offset(units) {
            Some(ticks) => ticks,
            None => return Err(wrong),
        },
    };
    let away = if side == Side::Buy { -offset } else { offset };
    let distance = u64::try_from(away);
    match (options.price_type, distance) {
        (None | Some(b'L'), Ok(_)) if options.peg_offset.is_none() => Ok(Peg::None),
        (Some(b'R'), Ok(distance)) => Ok(Peg::Primary(distance)),
        (Some(b'M'), Ok(distance)) => Ok(Peg::Midpoint(distance)),
        (None | Some(b'R' | b'M' | b'L'), _) => Err(wrong),
        _ => Err(unsupported(RejectReason::PegType)),
    }
}
