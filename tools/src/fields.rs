//! The fields of a record under the names that FIX gives them, for filters, programs and exports.
//!
//! One list of columns serves JSON, CSV and Parquet, so a name means the same in all of them. Where FIX
//! has no word the journal's own stands.

use gateway::fix::tag;
use gateway::order_entry::attached;
use matcher::{
    Command, Event, Fill, InstrumentId, MassCancelScope, NewOrder, OrderKind, OrderNumber, Price,
    Qty, RefusedRequest, ReplaceOrder, SessionId, Side, Terms, Trigger,
};
use serde_json::{Map, Value, json};
use venue::Names;
use venue::turns::TurnHead;

use crate::describe;
use crate::text::{self, Decimal, Rfc3339};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole number, not negative.
    Number,
    /// A decimal number.
    Decimal,
    /// Nanoseconds since 1970 UTC.
    Time,
    /// Words.
    Text,
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// Of a [`Kind::Number`].
    Number(u64),
    /// Of a [`Kind::Decimal`].
    Decimal(Decimal),
    /// Of a [`Kind::Time`].
    Time(matcher::Timestamp),
    /// Of a [`Kind::Text`].
    Text(String),
}

macro_rules! columns {
    ($($name:ident $fix:literal $kind:ident $doc:literal;)*) => {
        /// A column, in the order of [`COLUMNS`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Column { $(#[doc = $doc] $name,)* }

        /// Every column: its name, what it holds, what it means.
        pub const COLUMNS: &[(Column, &str, Kind, &str)] =
            &[$((Column::$name, $fix, Kind::$kind, $doc),)*];
    };
}

columns! {
    Sequence "Sequence" Number "place of the turn in the order of all turns";
    Time "TransactTime" Time "when the core took the Input";
    Record "Record" Text "input or event";
    Index "EventIndex" Number "which event of its turn, from 0";
    KindOf "Kind" Text "kind of the record, as `journal stat` counts them";
    CompId "CompID" Text "session that asked (input) or that is told (event); of a trade the taker's";
    MsgSeqNum "MsgSeqNum" Number "34 of the message that asked or that tells";
    Number "OrderNumber" Number "number of the order in its session";
    ClOrdId "ClOrdID" Text "11 of the request";
    Target "TargetNumber" Number "number of the order that a request means, or that a replace renames";
    OrigClOrdId "OrigClOrdID" Text "41 of the request";
    OrderId "OrderID" Number "37: sequence of the Input that created the order";
    OrderRef "OrderRef" Number "place in the queue";
    Symbol "Symbol" Text "55";
    Side "Side" Text "54: buy or sell; of a trade the taker's, of an auction that of the surplus";
    OrdType "OrdType" Text "40";
    TimeInForce "TimeInForce" Text "59";
    ExecInst "ExecInst" Text "18";
    OrderQty "OrderQty" Decimal "38";
    Price "Price" Decimal "44";
    StopPx "StopPx" Decimal "99";
    DisplayQty "DisplayQty" Decimal "1138";
    MinQty "MinQty" Decimal "110";
    ExpireTime "ExpireTime" Time "126";
    LastQty "LastQty" Decimal "32: quantity of the trade";
    LastPx "LastPx" Decimal "31: price of the trade";
    LeavesQty "LeavesQty" Decimal "151: still working; of a rest what is displayed";
    CumQty "CumQty" Decimal "14: done over the life of the order";
    CanceledQty "CanceledQty" Decimal "how much was taken off";
    TradeId "SecondaryExecID" Number "527: the trade";
    ContraCompId "ContraCompID" Text "of a trade: the maker's session";
    ContraMsgSeqNum "ContraMsgSeqNum" Number "34 of the maker's report";
    ContraNumber "ContraOrderNumber" Number "the maker's number of the order";
    ContraOrderId "ContraOrderID" Number "37 of the maker's order";
    ContraOrderRef "ContraOrderRef" Number "the maker's place in the queue";
    ContraLeavesQty "ContraLeavesQty" Decimal "151 of the maker";
    ContraCumQty "ContraCumQty" Decimal "14 of the maker";
    Text "Text" Text "58: the reason, or the words of a command of the venue";
}

/// The fields of one record that have a value.
#[derive(Clone, Debug, Default)]
pub struct Record(Vec<(Column, Field)>);

impl Record {
    /// The fields of an Input.
    #[must_use]
    pub fn input(head: &TurnHead, names: &Names) -> Record {
        let mut record = Record::head(head, "input");
        let input = &head.input;
        record.text(Column::KindOf, describe::command_kind(&input.command));
        record.who(input.session, OrderNumber::NONE, input.inbound.0, names);
        record.instrument(describe::command_instrument(&input.command), names);
        if !matches!(input.command, Command::Note(_) | Command::DefineSession { .. }) {
            for (column, tag) in
                [(Column::ClOrdId, tag::CL_ORD_ID), (Column::OrigClOrdId, tag::ORIG_CL_ORD_ID)]
            {
                if let Some(text) = attached(head.attachment(), tag) {
                    record.text(column, &text.escape_ascii().to_string());
                }
            }
        }
        record.command(&input.command, names);
        match input.command {
            Command::New(_) | Command::NewSpecial(..) | Command::Cancel { .. } => {}
            Command::Replace(_) | Command::ReplaceStop(..) | Command::Status { .. } => {}
            Command::Reduce(_) => {}
            Command::Refuse { reason, .. } => record.text(Column::Text, reason.text()),
            _ => record.text(Column::Text, &describe::command(&input.command, names)),
        }
        record
    }

    /// The fields of an Event.
    #[must_use]
    pub fn event(head: &TurnHead, index: u32, event: &Event, names: &Names) -> Record {
        let mut record = Record::head(head, "event");
        record.push(Column::Index, Field::Number(u64::from(index)));
        record.text(Column::KindOf, describe::event_kind(event));
        record.instrument(describe::event_instrument(event), names);
        record.happened(event, names);
        record
    }

    /// The field of `column`.
    #[must_use]
    pub fn get(&self, column: Column) -> Option<&Field> {
        self.0.iter().find_map(|(at, field)| (*at == column).then_some(field))
    }

    /// A JSON object with the fields there are.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut map = Map::new();
        for (column, name, ..) in COLUMNS {
            if let Some(field) = self.get(*column) {
                map.insert((*name).into(), field.json());
            }
        }
        Value::Object(map)
    }

    /// `Name=value` of the fields behind the first ones, which every line begins with.
    #[must_use]
    pub fn words(&self) -> String {
        let mut words = Vec::new();
        for (column, name, ..) in COLUMNS.iter().filter(|it| it.0 > Column::Index) {
            if let Some(field) = self.get(*column) {
                words.push(format!("{name}={field}"));
            }
        }
        words.join(" ")
    }

    fn head(head: &TurnHead, record: &str) -> Record {
        let mut fields = Record(Vec::with_capacity(24));
        fields.push(Column::Sequence, Field::Number(head.input.sequence.0));
        fields.push(Column::Time, Field::Time(head.input.timestamp));
        fields.text(Column::Record, record);
        fields
    }

    fn push(&mut self, column: Column, field: Field) {
        self.0.push((column, field));
    }

    fn text(&mut self, column: Column, text: &str) {
        self.push(column, Field::Text(text.into()));
    }

    fn number(&mut self, column: Column, number: u64) {
        if number != 0 {
            self.push(column, Field::Number(number));
        }
    }

    fn who(&mut self, session: SessionId, number: OrderNumber, msg: u32, names: &Names) {
        self.text(Column::CompId, &names.session(session));
        self.number(Column::Number, number.0.into());
        self.number(Column::MsgSeqNum, msg.into());
    }

    fn instrument(&mut self, id: Option<InstrumentId>, names: &Names) {
        if let Some(instrument) = id.and_then(|id| names.instruments.get(id.index())) {
            self.text(Column::Symbol, instrument.symbol.as_str());
        }
    }

    fn side(&mut self, side: Side) {
        self.text(Column::Side, describe::side(side));
    }

    fn price(&mut self, column: Column, price: Price, id: InstrumentId, names: &Names) {
        let instrument = names.instruments.get(id.index());
        let raw = Decimal { mantissa: price.ticks().into(), decimals: 0 };
        self.push(column, Field::Decimal(instrument.map_or(raw, |it| text::price(price, it))));
    }

    fn qty(&mut self, column: Column, qty: Qty, id: InstrumentId, names: &Names) {
        let instrument = names.instruments.get(id.index());
        let raw = Decimal { mantissa: qty.lots().into(), decimals: 0 };
        self.push(column, Field::Decimal(instrument.map_or(raw, |it| text::qty(qty, it))));
    }

    fn command(&mut self, command: &Command, names: &Names) {
        match command {
            Command::New(new) => self.new_order(new, names),
            Command::NewSpecial(new, terms) => {
                self.new_order(new, names);
                self.terms(terms, new.instrument, names);
            }
            Command::Replace(replace) => self.replace(replace, names),
            Command::ReplaceStop(replace, trigger) => {
                self.replace(replace, names);
                self.price(Column::StopPx, *trigger, replace.instrument, names);
            }
            Command::Cancel { target } | Command::Status { target } => {
                self.number(Column::Target, target.0.into());
            }
            // Without its instrument the quantity is known in lots only.
            Command::Reduce(reduce) => {
                self.number(Column::Target, reduce.target.0.into());
                self.text(Column::Text, &format!("to {} lots", reduce.qty.lots()));
            }
            Command::Refuse { request, .. } => {
                let (number, target) = refused(request);
                self.number(Column::Number, number.0.into());
                self.number(Column::Target, target.0.into());
            }
            Command::MassCancel(MassCancelScope::Session) => {}
            _ => {}
        }
    }

    fn new_order(&mut self, new: &NewOrder, names: &Names) {
        self.number(Column::Number, new.number.0.into());
        self.side(new.side);
        let ord_type = match new.kind {
            OrderKind::Limit(_) => "limit",
            OrderKind::Market => "market",
            OrderKind::MarketToLimit => "market-to-limit",
        };
        self.text(Column::OrdType, ord_type);
        self.text(Column::TimeInForce, describe::time_in_force_word(new.time_in_force));
        if let Some(word) = describe::liquidity_word(new.liquidity) {
            self.text(Column::ExecInst, word);
        }
        self.qty(Column::OrderQty, new.qty, new.instrument, names);
        if let OrderKind::Limit(price) = new.kind {
            self.price(Column::Price, price, new.instrument, names);
        }
    }

    fn terms(&mut self, terms: &Terms, id: InstrumentId, names: &Names) {
        if !terms.display_qty.is_zero() {
            self.qty(Column::DisplayQty, terms.display_qty, id, names);
        }
        if !terms.min_qty.is_zero() {
            self.qty(Column::MinQty, terms.min_qty, id, names);
        }
        if terms.expire_at.0 != 0 {
            self.push(Column::ExpireTime, Field::Time(terms.expire_at));
        }
        if let Trigger::Stop(price) = terms.trigger {
            self.price(Column::StopPx, price, id, names);
        }
        let words = describe::terms_words(terms, id, names);
        self.text(Column::Text, words.trim_start());
    }

    fn replace(&mut self, replace: &ReplaceOrder, names: &Names) {
        self.number(Column::Number, replace.number.0.into());
        self.number(Column::Target, replace.target.0.into());
        self.side(replace.side);
        self.qty(Column::OrderQty, replace.qty, replace.instrument, names);
        self.price(Column::Price, replace.price, replace.instrument, names);
    }

    fn happened(&mut self, event: &Event, names: &Names) {
        match event {
            Event::Accepted(it) => self.who(it.session, it.number, it.msg.0, names),
            Event::Rejected(it) => {
                self.who(it.session, it.number, it.msg.0, names);
                self.text(Column::Text, it.reason.text());
            }
            Event::Rested(it) => {
                self.who(it.session, it.number, 0, names);
                self.side(it.side);
                self.number(Column::OrderRef, it.order_ref.0);
                self.price(Column::Price, it.price, it.instrument, names);
                self.qty(Column::LeavesQty, it.leaves_qty, it.instrument, names);
            }
            Event::Traded(it) => {
                self.side(it.taker_side);
                self.number(Column::TradeId, it.id.0);
                self.price(Column::LastPx, it.price, it.instrument, names);
                self.qty(Column::LastQty, it.qty, it.instrument, names);
                self.number(Column::OrderRef, it.taker_ref.0);
                self.fill(&it.taker, it.instrument, names);
                self.number(Column::ContraOrderRef, it.maker_ref.0);
                self.contra(&it.maker, it.instrument, names);
            }
            Event::Canceled(it) => {
                self.who(it.session, it.number, it.msg.0, names);
                self.number(Column::OrderId, it.order_id.0);
                self.number(Column::OrderRef, it.order_ref.0);
                self.qty(Column::CanceledQty, it.canceled_qty, it.instrument, names);
                self.qty(Column::CumQty, it.cum_qty, it.instrument, names);
                self.text(Column::Text, describe::cancel_reason(it.reason));
            }
            Event::Replaced(it) => {
                self.who(it.session, it.number, it.msg.0, names);
                self.number(Column::Target, it.old_number.0.into());
                self.number(Column::OrderId, it.order_id.0);
                self.number(Column::OrderRef, it.old_ref.0);
                self.price(Column::Price, it.price, it.instrument, names);
                self.qty(Column::OrderQty, it.order_qty, it.instrument, names);
                self.qty(Column::LeavesQty, it.leaves_qty, it.instrument, names);
                self.text(Column::Text, describe::priority(it.priority));
            }
            Event::CancelRejected(it) => {
                self.who(it.session, OrderNumber::NONE, it.msg.0, names);
                self.number(Column::Target, it.target.0.into());
                self.text(Column::Text, it.reason.text());
            }
            Event::MassCanceled { session, msg, orders } => {
                self.who(*session, OrderNumber::NONE, msg.0, names);
                self.text(Column::Text, &format!("{orders} orders"));
            }
            Event::MassCancelRejected { session, msg, reason } => {
                self.who(*session, OrderNumber::NONE, msg.0, names);
                self.text(Column::Text, reason.text());
            }
            Event::StatusReported(it) => {
                self.who(it.session, OrderNumber::NONE, it.msg.0, names);
                self.number(Column::Target, it.target.0.into());
                self.number(Column::OrderId, it.working.as_ref().map_or(0, |it| it.order_id.0));
            }
            Event::Numbered { session, msg } => {
                self.who(*session, OrderNumber::NONE, msg.0, names);
            }
            Event::Relayed(it) => {
                self.who(it.session, OrderNumber::NONE, it.msg.0, names);
                let what = format!("{} messages of shard {} from {}", it.count, it.shard, it.first);
                self.text(Column::Text, &what);
            }
            Event::CommandRefused { reason } => self.text(Column::Text, reason.text()),
            _ => self.by_itself(event, names),
        }
    }

    /// What happens to orders and books without a request that names them.
    fn by_itself(&mut self, event: &Event, names: &Names) {
        match event {
            Event::Held(it) => {
                self.who(it.session, it.number, 0, names);
                self.side(it.side);
                self.number(Column::OrderRef, it.order_ref.0);
                self.qty(Column::LeavesQty, it.leaves_qty, it.instrument, names);
                self.text(Column::Text, describe::held_reason(it.reason));
            }
            Event::Triggered(it) => {
                self.who(it.session, it.number, it.msg.0, names);
                self.number(Column::OrderId, it.order_id.0);
                self.qty(Column::LeavesQty, it.leaves_qty, it.instrument, names);
            }
            Event::Restated(it) => {
                self.who(it.session, it.number, it.msg.0, names);
                self.number(Column::OrderId, it.order_id.0);
                self.number(Column::OrderRef, it.order_ref.0);
                self.price(Column::Price, it.price, it.instrument, names);
                self.qty(Column::CanceledQty, it.cut_qty, it.instrument, names);
                self.qty(Column::LeavesQty, it.leaves_qty, it.instrument, names);
                self.qty(Column::CumQty, it.cum_qty, it.instrument, names);
                self.text(Column::Text, describe::restate_reason(it.reason));
            }
            Event::Replenished(it) => {
                self.who(it.session, it.number, 0, names);
                self.side(it.side);
                self.number(Column::OrderRef, it.order_ref.0);
                self.price(Column::Price, it.price, it.instrument, names);
                self.qty(Column::LeavesQty, it.qty, it.instrument, names);
            }
            Event::Busted(it) => {
                self.who(it.buy.session, it.buy.number, it.buy.msg.0, names);
                self.number(Column::TradeId, it.trade.0);
                self.price(Column::LastPx, it.price, it.instrument, names);
                self.qty(Column::LastQty, it.qty, it.instrument, names);
                self.text(Column::ContraCompId, &names.session(it.sell.session));
                self.number(Column::ContraNumber, it.sell.number.0.into());
                self.number(Column::ContraMsgSeqNum, it.sell.msg.0.into());
            }
            Event::Uncrossed(it) => {
                self.price(Column::LastPx, it.price, it.instrument, names);
                self.qty(Column::LastQty, it.qty, it.instrument, names);
                self.text(Column::Text, &describe::event(event, names));
            }
            _ => self.text(Column::Text, &describe::event(event, names)),
        }
    }

    fn fill(&mut self, fill: &Fill, id: InstrumentId, names: &Names) {
        self.who(fill.session, fill.number, fill.msg.0, names);
        self.number(Column::OrderId, fill.order_id.0);
        self.qty(Column::LeavesQty, fill.leaves_qty, id, names);
        self.qty(Column::CumQty, fill.cum_qty, id, names);
    }

    fn contra(&mut self, fill: &Fill, id: InstrumentId, names: &Names) {
        self.text(Column::ContraCompId, &names.session(fill.session));
        self.number(Column::ContraNumber, fill.number.0.into());
        self.number(Column::ContraMsgSeqNum, fill.msg.0.into());
        self.number(Column::ContraOrderId, fill.order_id.0);
        self.qty(Column::ContraLeavesQty, fill.leaves_qty, id, names);
        self.qty(Column::ContraCumQty, fill.cum_qty, id, names);
    }
}

/// The number that a refused request takes, and the order it means.
#[must_use]
pub fn refused(request: &RefusedRequest) -> (OrderNumber, OrderNumber) {
    match *request {
        RefusedRequest::New(number) => (number, OrderNumber::NONE),
        RefusedRequest::Cancel { target } => (OrderNumber::NONE, target),
        RefusedRequest::Replace { number, target } => (number, target),
        RefusedRequest::MassCancel => (OrderNumber::NONE, OrderNumber::NONE),
    }
}

impl Field {
    /// Numbers as numbers, decimals and times as text: no digit is lost.
    #[must_use]
    pub fn json(&self) -> Value {
        match self {
            Field::Number(number) => json!(number),
            Field::Decimal(decimal) => json!(decimal.to_string()),
            Field::Time(time) => json!(Rfc3339(*time).to_string()),
            Field::Text(text) => json!(text),
        }
    }
}

impl std::fmt::Display for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Field::Number(number) => number.fmt(f),
            Field::Decimal(decimal) => decimal.fmt(f),
            Field::Time(time) => Rfc3339(*time).fmt(f),
            // A blank inside would look like the next field.
            Field::Text(text) if text.contains([' ', '"']) => write!(f, "{text:?}"),
            Field::Text(text) => f.write_str(text),
        }
    }
}
