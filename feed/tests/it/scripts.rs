//! Golden scripts: commands, `----`, the messages that are published. `UPDATE_GOLDEN=1` rewrites them.
//!
//! `a1` is order 1 of session a; prices in ticks, quantities in lots. After every command the mirror is
//! compared with the engine; the slow engine of the matcher's tests must say the same.

use std::collections::HashMap;
use std::fmt::Write;
use std::path::PathBuf;

use matcher::testing::Reference;
use matcher::{
    BandAction, Bands, Bust, Command, Engine, InstrumentId, Liquidity, MassCancelScope, NewOrder,
    OrderKind, OrderNumber, Peg, Phase, Price, Qty, ReplaceOrder, SelfTradePrevention, SessionId,
    Side, Terms, TimeInForce, Timestamp, TradeId, Trigger,
};

use crate::support::{Books, Market, instrument, message};
use crate::text::{side, text};

/// 2026-01-01 00:00 UTC, in seconds since 1970.
const MIDNIGHT_S: u64 = 1_767_225_600;

#[test]
fn scripts_end_as_written() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 8);
    for path in paths {
        let script = std::fs::read_to_string(&path).unwrap();
        let played = play::<Engine>(&script);
        assert_eq!(play::<Reference>(&script), played, "{}", path.display());
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, played).unwrap();
        } else {
            assert_eq!(played, script, "{}", path.display());
        }
    }
}

/// The script with what really comes out.
fn play<B: Books>(script: &str) -> String {
    let mut desk = Desk::<B>::new();
    let mut played = String::new();
    let mut said: Option<String> = None;
    let mut in_output = false;
    for line in script.lines() {
        match line {
            "----" => {
                let said = said.take().unwrap_or_default();
                let said = if said.is_empty() { "(nothing)\n" } else { &said };
                writeln!(played, "----\n{}", said.trim_end()).unwrap();
                in_output = true;
            }
            "" => {
                played.push('\n');
                in_output = false;
            }
            _ if in_output => {}
            _ => {
                writeln!(played, "{line}").unwrap();
                if !line.starts_with('#') {
                    desk.command(line, said.get_or_insert_default());
                }
            }
        }
    }
    played
}

/// Takes commands as text.
struct Desk<B> {
    market: Market<B>,
    instruments: HashMap<String, InstrumentId>,
    last: InstrumentId,
    orders: HashMap<String, (InstrumentId, Side)>,
}

impl<B: Books> Desk<B> {
    fn new() -> Desk<B> {
        let mut market = Market::new();
        assert_eq!(market.configure().messages.len(), 1);
        for _ in 0..26 {
            market.define_session();
        }
        let (instruments, orders) = (HashMap::new(), HashMap::new());
        Desk { market, instruments, last: InstrumentId(0), orders }
    }

    fn command(&mut self, line: &str, said: &mut String) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let turn = match words.as_slice() {
            ["at", time] => {
                self.market.now = Timestamp(parse_time(time));
                return;
            }
            ["instrument", symbol, rest @ ..] => {
                let (decimals, tick_size, state) = match rest {
                    ["decimals", decimals, "tick", tick, state @ ..] => {
                        (decimals.parse().unwrap(), tick.parse().unwrap(), state)
                    }
                    _ => panic!("{line}"),
                };
                let mut definition = instrument(symbol, decimals, tick_size);
                if let [state] = state {
                    definition.phase = parse_state(state);
                }
                let (id, turn) = self.market.define_instrument(definition);
                self.instruments.insert((*symbol).to_owned(), id);
                self.last = id;
                turn
            }
            [
                state @ ("open" | "halt" | "close" | "pre-open" | "opening-auction"
                | "closing-auction" | "volatility-auction"),
                symbol,
            ] => {
                let (instrument, phase) = (self.instruments[*symbol], parse_state(state));
                self.market.venue(Command::SetPhase { instrument, phase })
            }
            ["indicative", symbol] => {
                let instrument = self.instruments[*symbol];
                self.market.venue(Command::PublishIndicative { instrument })
            }
            ["interrupt-beyond", ticks, "of", price] => {
                let (instrument, price) = (self.last, Price::from_ticks(price.parse().unwrap()));
                let (static_ticks, action) = (ticks.parse().unwrap(), BandAction::Interrupt);
                let bands = Bands { static_ticks, dynamic_ticks: 0, action };
                self.market.venue(Command::SetReference { instrument, price });
                self.market.venue(Command::SetBands { instrument, bands })
            }
            ["decrement", who] => {
                let self_trade = SelfTradePrevention::Decrement;
                let session = session(who);
                self.market.venue(Command::SetSession { session, group: 0, self_trade })
            }
            ["bust", trade, qty, "@", price, buyer, seller] => {
                self.market.venue(Command::Bust(Bust {
                    trade: TradeId(trade.parse().unwrap()),
                    instrument: self.last,
                    price: Price::from_ticks(price.parse().unwrap()),
                    qty: Qty::from_lots(qty.parse().unwrap()),
                    buy: (session(buyer), number(buyer)),
                    sell: (session(seller), number(seller)),
                }))
            }
            ["expire-day"] => self.market.venue(Command::ExpireDay),
            ["mass-cancel", who] => match self.instruments.get(*who) {
                Some(id) => {
                    self.market.venue(Command::MassCancel(MassCancelScope::Instrument(*id)))
                }
                None => {
                    let session = session(who);
                    self.market.turn(session, Command::MassCancel(MassCancelScope::Session))
                }
            },
            ["cancel", order] => {
                let target = number(order);
                self.market.turn(session(order), Command::Cancel { target })
            }
            ["replace", old, new, qty, "@", price] => {
                let (instrument, side) = self.orders[*old];
                self.orders.insert((*new).to_owned(), (instrument, side));
                let replace = ReplaceOrder {
                    number: number(new),
                    target: number(old),
                    instrument,
                    side,
                    price: Price::from_ticks(price.parse().unwrap()),
                    qty: Qty::from_lots(qty.parse().unwrap()),
                };
                self.market.turn(session(old), Command::Replace(replace))
            }
            [word @ ("buy" | "sell"), order, qty, rest @ ..] => {
                let side = if *word == "buy" { Side::Buy } else { Side::Sell };
                let (new, terms) = self.new_order(side, order, qty, rest);
                let command = match terms {
                    Terms::NONE => Command::New(new),
                    terms => Command::NewSpecial(new, terms),
                };
                self.market.turn(session(order), command)
            }
            ["book"] => {
                self.book(said);
                return;
            }
            _ => panic!("{line}"),
        };
        for bytes in turn.messages {
            writeln!(said, "{}", text(&message(&bytes))).unwrap();
        }
    }

    fn new_order(
        &mut self,
        side: Side,
        order: &str,
        qty: &str,
        rest: &[&str],
    ) -> (NewOrder, Terms) {
        let mut new = NewOrder {
            number: number(order),
            instrument: self.last,
            side,
            kind: OrderKind::Market,
            qty: Qty::from_lots(qty.parse().unwrap()),
            time_in_force: TimeInForce::Day,
            liquidity: Liquidity::Any,
        };
        let mut terms = Terms::NONE;
        let mut words = rest.iter();
        while let Some(word) = words.next() {
            let mut next = || words.next().unwrap().parse::<u64>().unwrap();
            let price = |ticks: u64| Price::from_ticks(ticks.try_into().unwrap());
            match *word {
                "@" => new.kind = OrderKind::Limit(price(next())),
                "display" => terms.display_qty = Qty::from_lots(next()),
                "stop" => terms.trigger = Trigger::Stop(price(next())),
                "primary" => terms.peg = Peg::Primary(next()),
                "midpoint" => terms.peg = Peg::Midpoint(next()),
                "at-close" => new.time_in_force = TimeInForce::AtClose,
                "slide" => new.liquidity = Liquidity::Slide,
                "in" => new.instrument = self.instruments[*words.next().unwrap()],
                "gtc" => new.time_in_force = TimeInForce::Gtc,
                "ioc" => new.time_in_force = TimeInForce::Ioc,
                "fok" => new.time_in_force = TimeInForce::Fok,
                "post-only" => new.liquidity = Liquidity::PostOnly,
                "market" => {}
                word => panic!("{word}"),
            }
        }
        self.orders.insert(order.to_owned(), (new.instrument, side));
        (new, terms)
    }

    /// The book of the mirror, best first, with the queue of each level.
    fn book(&self, said: &mut String) {
        let locate = u16::try_from(self.last.0 + 1).unwrap();
        for which in [Side::Buy, Side::Sell] {
            let mut orders = self.market.mirror.orders(locate, which);
            for level in self.market.mirror.levels(locate, which) {
                let (price, shares) = (level.price, level.shares);
                write!(said, "{} {shares} @ {price}:", side(which)).unwrap();
                for order in orders.by_ref().take(level.orders as usize) {
                    write!(said, " #{} {}", order.order_ref, order.shares).unwrap();
                }
                said.push('\n');
            }
        }
    }
}

fn session(order: &str) -> SessionId {
    SessionId(u32::from(order.as_bytes()[0] - b'a') + 1)
}

fn number(order: &str) -> OrderNumber {
    OrderNumber(order[1..].parse().unwrap())
}

fn parse_state(state: &str) -> Phase {
    match state {
        "open" => Phase::Continuous,
        "halt" => Phase::Halt,
        "close" => Phase::Closed,
        "pre-open" => Phase::PreOpen,
        "opening-auction" => Phase::OpeningAuction,
        "closing-auction" => Phase::ClosingAuction,
        "volatility-auction" => Phase::VolatilityAuction,
        _ => panic!("{state}"),
    }
}

fn parse_time(time: &str) -> u64 {
    let parts: Vec<u64> = time.split(':').map(|part| part.parse().unwrap()).collect();
    (MIDNIGHT_S + parts[0] * 3_600 + parts[1] * 60 + parts[2]) * 1_000_000_000
}
