//! What the terminal client has asked and was told.

use std::collections::{BTreeMap, BTreeSet};

use gateway::fix::client::Client;
use gateway::fix::decode::Message;
use gateway::fix::tag;
use gateway::fix::version::Version;
use serde_json::{Map, Value};
use venue::clock;

use super::command::{HELP, Said, Typing, has_mass_cancel, read};
use super::connect::named;
use crate::failure::Failure;
use crate::output::Lines;

/// As long as anybody could want.
const FOR_EVER: std::time::Duration = std::time::Duration::from_secs(7 * 86_400);

/// Orders and answers of one session.
pub(super) struct Desk {
    version: Version,
    json: bool,
    /// What begins every ClOrdID of this run: no other run of the session has it.
    prefix: String,
    requests: u32,
    /// By the number of its entry; ClOrdIDs to it.
    orders: BTreeMap<u32, Order>,
    by_id: BTreeMap<String, u32>,
    /// ClOrdIDs of requests that have no answer yet.
    open: BTreeSet<String>,
    refused: u64,
    /// Lines to be shown.
    said: Vec<String>,
}

#[derive(Clone, Debug, Default)]
struct Order {
    id: String,
    side: String,
    symbol: String,
    qty: String,
    price: String,
    leaves_qty: String,
    cum_qty: String,
    status: String,
}

impl Order {
    /// New, partially filled, replaced.
    fn works(&self) -> bool {
        matches!(&*self.status, "0" | "1" | "5") && self.leaves_qty != "0"
    }
}

impl Desk {
    pub(super) fn new(version: Version, json: bool) -> Desk {
        // Milliseconds since 1970 in a short form: ClOrdIDs are never used twice in a session.
        let prefix = format!("{:x}", clock::now().0 / 1_000_000);
        Desk {
            version,
            json,
            prefix,
            requests: 0,
            orders: BTreeMap::new(),
            by_id: BTreeMap::new(),
            open: BTreeSet::new(),
            refused: 0,
            said: Vec::new(),
        }
    }

    /// Whether a request has no answer yet.
    pub(super) fn waits(&self) -> bool {
        !self.open.is_empty()
    }

    /// Requests that were refused, by the venue or here.
    pub(super) fn refused(&self) -> u64 {
        self.refused
    }

    /// Something about the line, for a person.
    pub(super) fn note(&mut self, text: &str) -> Result<(), Failure> {
        if self.json {
            self.said.push(serde_json::json!({ "line": text }).to_string());
        } else {
            self.said.push(format!("-- {text}"));
        }
        self.flush()
    }

    /// Shows what there is to be shown.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        let mut lines = Lines::new();
        self.said.drain(..).try_for_each(|line| lines.line(format_args!("{line}")))?;
        lines.end()
    }

    /// Deals with a line that was typed; a request goes to `out`.
    pub(super) fn command(
        &mut self,
        line: &str,
        client: &mut Client,
        out: &mut Vec<u8>,
    ) -> Result<Typing, Failure> {
        let typing = match read(line).and_then(|said| self.act(said, client, out)) {
            Ok(typing) => typing,
            Err(why) => {
                self.refused += 1;
                eprintln!("vesta: {why}");
                Typing::GoOn
            }
        };
        self.flush()?;
        Ok(typing)
    }

    fn act(
        &mut self,
        said: Said,
        client: &mut Client,
        out: &mut Vec<u8>,
    ) -> Result<Typing, String> {
        let now = clock::now();
        match said {
            Said::Nothing => {}
            Said::Enter(enter) => {
                let id = self.next_id();
                let number = self.requests;
                self.by_id.insert(id.clone(), number);
                self.orders.insert(number, Order { id: id.clone(), ..Order::default() });
                let handling = self.version == Version::Fix42;
                client.send(
                    now,
                    b"D",
                    |order| {
                        order.bytes(tag::CL_ORD_ID, id.as_bytes());
                        if handling {
                            order.char(tag::HANDL_INST, b'1');
                        }
                        if enter.post_only {
                            order.char(tag::EXEC_INST, b'6');
                        }
                        order.bytes(tag::SYMBOL, enter.symbol.as_bytes());
                        order.char(tag::SIDE, enter.side).utc(tag::TRANSACT_TIME, now);
                        order.bytes(tag::ORDER_QTY, enter.qty.as_bytes());
                        match &enter.price {
                            Some(price) => {
                                order.char(tag::ORD_TYPE, b'2').bytes(tag::PRICE, price.as_bytes())
                            }
                            None => order.char(tag::ORD_TYPE, b'1'),
                        };
                        order.char(tag::TIME_IN_FORCE, enter.time_in_force);
                    },
                    out,
                );
                self.open.insert(id);
            }
            Said::Replace { order, qty, price } => {
                let (number, of) = self.find(&order)?;
                let id = self.next_id();
                self.by_id.insert(id.clone(), number);
                let price = price.unwrap_or_else(|| of.price.clone());
                let handling = self.version == Version::Fix42;
                client.send(
                    now,
                    b"G",
                    |replace| {
                        replace.bytes(tag::CL_ORD_ID, id.as_bytes());
                        replace.bytes(tag::ORIG_CL_ORD_ID, of.id.as_bytes());
                        if handling {
                            replace.char(tag::HANDL_INST, b'1');
                        }
                        replace.bytes(tag::SYMBOL, of.symbol.as_bytes());
                        replace.bytes(tag::SIDE, of.side.as_bytes()).utc(tag::TRANSACT_TIME, now);
                        replace.bytes(tag::ORDER_QTY, qty.as_bytes()).char(tag::ORD_TYPE, b'2');
                        replace.bytes(tag::PRICE, price.as_bytes());
                    },
                    out,
                );
                self.open.insert(id);
            }
            Said::Cancel { order } => {
                let (_, of) = self.find(&order)?;
                let id = self.next_id();
                client.send(
                    now,
                    b"F",
                    |cancel| {
                        cancel.bytes(tag::CL_ORD_ID, id.as_bytes());
                        cancel.bytes(tag::ORIG_CL_ORD_ID, of.id.as_bytes());
                        cancel.bytes(tag::SYMBOL, of.symbol.as_bytes());
                        cancel.bytes(tag::SIDE, of.side.as_bytes()).utc(tag::TRANSACT_TIME, now);
                    },
                    out,
                );
                self.open.insert(id);
            }
            Said::CancelAll if !has_mass_cancel(self.version) => {
                return Err("FIX 4.2 has no mass cancel: cancel each order".into());
            }
            Said::CancelAll => {
                let id = self.next_id();
                client.send(
                    now,
                    b"q",
                    |cancel| {
                        cancel.bytes(tag::CL_ORD_ID, id.as_bytes()).utc(tag::TRANSACT_TIME, now);
                        cancel.char(tag::MASS_CANCEL_REQUEST_TYPE, b'7');
                    },
                    out,
                );
                self.open.insert(id);
            }
            Said::Status { order } => {
                let (_, of) = self.find(&order)?;
                client.send(
                    now,
                    b"H",
                    |status| {
                        status.bytes(tag::CL_ORD_ID, of.id.as_bytes());
                        status.bytes(tag::SYMBOL, of.symbol.as_bytes());
                        status.bytes(tag::SIDE, of.side.as_bytes());
                    },
                    out,
                );
                self.open.insert(of.id);
            }
            Said::List => self.list(),
            Said::Watch(time) => return Ok(Typing::Watch(time.unwrap_or(FOR_EVER))),
            Said::Help => self.said.extend(HELP.lines().map(str::to_owned)),
            Said::Quit => return Ok(Typing::Quit),
        }
        Ok(Typing::GoOn)
    }

    fn next_id(&mut self) -> String {
        self.requests += 1;
        format!("{}-{}", self.prefix, self.requests)
    }

    /// An order that was told of here, by its number or its present or former ClOrdID.
    fn find(&self, name: &str) -> Result<(u32, Order), String> {
        let number = name.parse().ok().filter(|number| self.orders.contains_key(number));
        let number = number.or_else(|| self.by_id.get(name).copied());
        let found = number.and_then(|number| Some((number, self.orders.get(&number)?.clone())));
        match found {
            Some((_, order)) if order.symbol.is_empty() => {
                Err(format!("order {name} was not answered yet"))
            }
            Some(found) => Ok(found),
            None => Err(format!("no order {name} was told of here: list")),
        }
    }

    fn list(&mut self) {
        for (number, order) in self.orders.iter().filter(|(_, order)| order.works()) {
            self.said.push(if self.json {
                serde_json::json!({
                    "order": number, "ClOrdID": order.id, "Side": order.side, "Symbol": order.symbol,
                    "OrderQty": order.qty, "Price": order.price, "LeavesQty": order.leaves_qty,
                    "CumQty": order.cum_qty,
                })
                .to_string()
            } else {
                format!("{number:>4} {}", order.words())
            });
        }
    }

    /// An application message or a Reject of the venue.
    pub(super) fn hear(&mut self, message: &Message<'_>) {
        let text = |tag| String::from_utf8_lossy(message.get(tag).unwrap_or_default()).into_owned();
        let mut number = None;
        let answered = self.open.remove(&text(tag::CL_ORD_ID));
        match message.msg_type() {
            b"8" => number = Some(self.report(message)),
            b"3" => {
                // It does not say whose: everything that is open may be it.
                self.refused += 1;
                self.open.clear();
            }
            b"j" => {
                self.refused += 1;
                if !self.open.remove(&text(tag::BUSINESS_REJECT_REF_ID)) {
                    self.open.clear();
                }
            }
            b"9" => self.refused += 1,
            b"r" if text(tag::MASS_CANCEL_RESPONSE) == "0" => self.refused += 1,
            _ => {}
        }
        let refused = message.msg_type() == b"8" && text(tag::EXEC_TYPE) == "8";
        self.refused += u64::from(refused && answered);
        let line = self.show(message, number);
        self.said.push(line);
    }

    /// Takes what a report says of its order; says its number here.
    fn report(&mut self, message: &Message<'_>) -> u32 {
        let text = |tag| String::from_utf8_lossy(message.get(tag).unwrap_or_default()).into_owned();
        let (id, before) = (text(tag::CL_ORD_ID), text(tag::ORIG_CL_ORD_ID));
        let exec_type = text(tag::EXEC_TYPE);
        let known = self.by_id.get(&id).or_else(|| self.by_id.get(&before)).copied();
        let number = known.unwrap_or_else(|| {
            // Entered by another run of this session.
            self.requests += 1;
            self.requests
        });
        let order = self.orders.entry(number).or_default();
        // The ClOrdID of a cancel does not become the order's.
        if exec_type != "4" || before.is_empty() {
            order.id.clone_from(&id);
        }
        self.by_id.insert(id, number);
        order.side = text(tag::SIDE);
        order.symbol = text(tag::SYMBOL);
        order.qty = text(tag::ORDER_QTY);
        order.price = text(tag::PRICE);
        order.leaves_qty = text(tag::LEAVES_QTY);
        order.cum_qty = text(tag::CUM_QTY);
        order.status = text(tag::ORD_STATUS);
        number
    }

    fn show(&self, message: &Message<'_>, number: Option<u32>) -> String {
        let fields = named(message, self.version);
        if self.json {
            let mut object = Map::new();
            fields.into_iter().for_each(|(name, value)| {
                object.insert(name, Value::String(value));
            });
            return Value::Object(object).to_string();
        }
        let text = |tag| String::from_utf8_lossy(message.get(tag).unwrap_or_default());
        let why = match text(tag::TEXT) {
            why if why.is_empty() => String::new(),
            why => format!(": {why}"),
        };
        let order = number.and_then(|number| Some((number, self.orders.get(&number)?)));
        if let Some((number, order)) = order {
            let words = order.words();
            let last = || format!("{} @ {}", text(tag::LAST_QTY), text(tag::LAST_PX));
            let what = match (&*text(tag::EXEC_TYPE), &*text(tag::ORD_STATUS)) {
                ("0", _) => "new".into(),
                ("F", _) | ("1" | "2", _) => format!("trade {}", last()),
                ("4", _) => "canceled".into(),
                ("5", _) => "replaced".into(),
                ("8", _) => "refused".into(),
                ("C", _) => "expired".into(),
                ("D", _) => "changed".into(),
                ("H", _) => format!("trade taken back {}", last()),
                ("I", _) | ("3", _) => "status".into(),
                ("L", _) => "triggered".into(),
                (other, _) => format!("ExecType {other}"),
            };
            return format!("{number:>4} {what:<16} {words}{why}");
        }
        let name = self.version.dictionary().message_name(message.msg_type());
        let name = name.unwrap_or("message");
        match message.msg_type() {
            b"9" => format!("     refused          {}{why}", text(tag::ORIG_CL_ORD_ID)),
            b"r" if text(tag::MASS_CANCEL_RESPONSE) == "0" => format!("     refused{why}"),
            b"r" => format!("     {} orders canceled", text(tag::TOTAL_AFFECTED_ORDERS)),
            _ => {
                let words = fields.iter().skip(3).map(|(name, value)| format!(" {name}={value}"));
                format!("     {name}{}", words.collect::<String>())
            }
        }
    }
}

impl Order {
    fn words(&self) -> String {
        let side = if self.side == "1" { "buy" } else { "sell" };
        let price = if self.price.is_empty() { "market" } else { &*self.price };
        format!(
            "{side} {} {} @ {price}, {} left, {} done ({})",
            self.qty, self.symbol, self.leaves_qty, self.cum_qty, self.id
        )
    }
}
