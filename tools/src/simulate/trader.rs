//! A client that keeps the rules: orders by a seed, and a ledger of what it was told.

use gateway::fix::tag;
use matcher::{SessionId, Timestamp};

use super::ledger::{Kind, Ledger};
use super::net::Net;
use super::plan::{self, Plan, SYMBOLS};
use super::wire::{Stepped, Wire};
use crate::random::Random;

/// One session and whoever speaks for it.
pub(super) struct Trader {
    pub(super) session: SessionId,
    pub(super) ledger: Ledger,
    /// Messages sent that ask for something.
    pub(super) commands: u64,
    pub(super) wire: Wire,
    comp_id: String,
    acts_at: u64,
    next_id: u64,
    pace_ns: u64,
}

impl Trader {
    pub(super) fn new(plan: &Plan, index: usize, random: Random) -> Trader {
        let comp_id = plan::comp_id(index);
        Trader {
            session: SessionId(u32::try_from(index + 1).unwrap_or(0)),
            ledger: Ledger::default(),
            commands: 0,
            wire: Wire::new(&comp_id, plan, random),
            comp_id,
            acts_at: 0,
            next_id: 1,
            pace_ns: plan.pace_ns,
        }
    }

    /// When it wants to be called next.
    pub(super) fn next(&self, now: u64, net: &Net) -> u64 {
        self.wire.next(now, net, self.acts_at)
    }

    /// Does what is due.
    pub(super) fn step(&mut self, now: u64, net: &Net) -> Result<(), String> {
        match self.wire.step(now, net, &mut self.ledger)? {
            Stepped::Waits => {}
            Stepped::Connected { forgot } => {
                if forgot {
                    self.ledger.forget();
                }
                self.acts_at = now + self.wire.random.below(self.pace_ns);
                self.wire.flush(now, net);
            }
            Stepped::Here => {
                let acts = self.wire.client.is_logged_on() && !self.wire.calm;
                if acts && now >= self.acts_at {
                    self.act(now, net);
                }
                self.wire.flush(now, net);
            }
        }
        Ok(())
    }

    /// Orders, or a fault of its own.
    fn act(&mut self, now: u64, net: &Net) {
        self.acts_at = now + 1 + self.wire.random.below(2 * self.pace_ns);
        if self.wire.is_faulty(now, net) {
            return;
        }
        let burst = if self.wire.random.below(5) == 0 { 1 + self.wire.random.below(12) } else { 1 };
        for _ in 0..burst {
            self.ask(now);
        }
    }

    fn id(&mut self) -> String {
        let id = self.next_id;
        self.next_id += 1;
        format!("{}-{id}", self.comp_id)
    }

    fn ask(&mut self, now: u64) {
        self.commands += 1;
        let roll = self.wire.random.below(100);
        let working: Vec<(String, String, u8)> = self
            .ledger
            .working()
            .map(|(_, told)| (told.cl_ord_id.clone(), told.symbol.clone(), told.side))
            .collect();
        let at = usize::try_from(self.wire.random.below(working.len() as u64)).unwrap_or(0);
        match (roll, working.get(at)) {
            (55..70, Some((target, symbol, side))) => self.cancel(now, target, symbol, *side),
            (70..85, Some((target, symbol, side))) => self.replace(now, target, symbol, *side),
            (85..88, Some((target, symbol, side))) => self.status(now, target, symbol, *side),
            (88, _) => self.mass_cancel(now),
            _ => self.enter(now),
        }
    }

    fn price(&mut self, side: u8) -> i64 {
        let away = self.wire.random.between(-6, 10);
        if side == b'1' { 10_000 - away } else { 10_000 + away }
    }

    fn enter(&mut self, now: u64) {
        let id = self.id();
        let side = if self.wire.random.below(2) == 0 { b'1' } else { b'2' };
        let price = self.price(side);
        let qty = 1 + self.wire.random.below(40);
        let symbol = SYMBOLS[usize::try_from(self.wire.random.below(2)).unwrap_or(0)];
        if self.wire.random.below(4) == 0 {
            return self.enter_special(now, &id, (symbol, side), qty);
        }
        let (kind, force) = match self.wire.random.below(20) {
            0 | 1 => (b'1', b'0'),
            2 => (b'1', b'3'),
            3 | 4 => (b'2', b'3'),
            5 => (b'2', b'4'),
            6 | 7 => (b'2', b'1'),
            _ => (b'2', b'0'),
        };
        let post_only = kind == b'2' && force < b'3' && self.wire.random.below(8) == 0;
        let at = Timestamp(now);
        let body = |order: &mut gateway::fix::Encoder<'_>| {
            order.bytes(tag::CL_ORD_ID, id.as_bytes());
            if post_only {
                order.char(tag::EXEC_INST, b'6');
            }
            order.bytes(tag::SYMBOL, symbol.as_bytes()).char(tag::SIDE, side);
            order.utc(tag::TRANSACT_TIME, at).uint(tag::ORDER_QTY, qty);
            order.char(tag::ORD_TYPE, kind);
            if kind == b'2' {
                order.decimal(tag::PRICE, price, 2);
            }
            order.char(tag::TIME_IN_FORCE, force);
        };
        let number = self.wire.client.send(at, b"D", body, &mut self.wire.outbox);
        self.ledger.ask(&id, Kind::New, number.0);
    }

    /// An order that waits, hides, follows or ends by itself; sometimes one that makes no sense.
    fn enter_special(&mut self, now: u64, id: &str, (symbol, side): (&str, u8), qty: u64) {
        let at = Timestamp(now);
        let (limit, stop) = (self.price(side), 10_000 + self.wire.random.between(-8, 8));
        let away = self.wire.random.between(-1, 6) * if side == b'1' { 1 } else { -1 };
        let part = self.wire.random.below(qty + 1);
        let until = Timestamp(now + self.wire.random.below(20) * 1_000_000_000);
        let which = self.wire.random.below(10);
        let body = |order: &mut gateway::fix::Encoder<'_>| {
            order.bytes(tag::CL_ORD_ID, id.as_bytes());
            order.bytes(tag::SYMBOL, symbol.as_bytes()).char(tag::SIDE, side);
            order.utc(tag::TRANSACT_TIME, at).uint(tag::ORDER_QTY, qty);
            match which {
                0 => order.char(tag::ORD_TYPE, b'3').decimal(tag::STOP_PX, stop, 2),
                1 => {
                    order.char(tag::ORD_TYPE, b'4').decimal(tag::STOP_PX, stop, 2);
                    order.decimal(tag::PRICE, limit, 2)
                }
                2 => {
                    order.char(tag::ORD_TYPE, b'P').char(tag::EXEC_INST, b'a');
                    order.decimal(tag::PEG_OFFSET_VALUE, away, 2)
                }
                3 => {
                    order.char(tag::ORD_TYPE, b'P').char(tag::EXEC_INST, b'R');
                    order.decimal(tag::PRICE, limit, 2).decimal(tag::PEG_OFFSET_VALUE, -away, 2)
                }
                4 => order.char(tag::ORD_TYPE, b'P').char(tag::EXEC_INST, b'M'),
                5 => order.char(tag::ORD_TYPE, b'K'),
                6 => {
                    order.char(tag::ORD_TYPE, b'2').decimal(tag::PRICE, limit, 2);
                    order.uint(tag::MAX_FLOOR, part)
                }
                7 => {
                    order.char(tag::ORD_TYPE, b'2').decimal(tag::PRICE, limit, 2);
                    order.uint(tag::MIN_QTY, part)
                }
                8 => {
                    order.char(tag::ORD_TYPE, b'2').decimal(tag::PRICE, limit, 2);
                    order.char(tag::TIME_IN_FORCE, b'6').utc(tag::EXPIRE_TIME, until)
                }
                _ => {
                    order.char(tag::ORD_TYPE, b'2').decimal(tag::PRICE, limit, 2);
                    order.char(tag::TIME_IN_FORCE, if part.is_multiple_of(2) { b'2' } else { b'7' })
                }
            };
        };
        let number = self.wire.client.send(at, b"D", body, &mut self.wire.outbox);
        self.ledger.ask(id, Kind::New, number.0);
    }

    fn cancel(&mut self, now: u64, target: &str, symbol: &str, side: u8) {
        let (id, at) = (self.id(), Timestamp(now));
        let body = |order: &mut gateway::fix::Encoder<'_>| {
            order.bytes(tag::CL_ORD_ID, id.as_bytes());
            order.bytes(tag::ORIG_CL_ORD_ID, target.as_bytes());
            order.bytes(tag::SYMBOL, symbol.as_bytes()).char(tag::SIDE, side);
            order.utc(tag::TRANSACT_TIME, at);
        };
        let number = self.wire.client.send(at, b"F", body, &mut self.wire.outbox);
        self.ledger.ask(&id, Kind::Cancel, number.0);
    }

    fn replace(&mut self, now: u64, target: &str, symbol: &str, side: u8) {
        let (id, at) = (self.id(), Timestamp(now));
        let (qty, price) = (1 + self.wire.random.below(50), self.price(side));
        let body = |order: &mut gateway::fix::Encoder<'_>| {
            order.bytes(tag::CL_ORD_ID, id.as_bytes());
            order.bytes(tag::ORIG_CL_ORD_ID, target.as_bytes());
            order.bytes(tag::SYMBOL, symbol.as_bytes()).char(tag::SIDE, side);
            order.utc(tag::TRANSACT_TIME, at).uint(tag::ORDER_QTY, qty);
            order.char(tag::ORD_TYPE, b'2').decimal(tag::PRICE, price, 2);
        };
        let number = self.wire.client.send(at, b"G", body, &mut self.wire.outbox);
        self.ledger.ask(&id, Kind::Replace, number.0);
    }

    fn status(&mut self, now: u64, target: &str, symbol: &str, side: u8) {
        let at = Timestamp(now);
        // A status request has no ClOrdID of its own: its answer is named by the order's.
        let body = |order: &mut gateway::fix::Encoder<'_>| {
            order.bytes(tag::CL_ORD_ID, target.as_bytes());
            order.bytes(tag::SYMBOL, symbol.as_bytes()).char(tag::SIDE, side);
        };
        let _ = self.wire.client.send(at, b"H", body, &mut self.wire.outbox);
    }

    fn mass_cancel(&mut self, now: u64) {
        let (id, at) = (self.id(), Timestamp(now));
        let one = self.wire.random.below(2) == 0;
        let symbol = SYMBOLS[usize::try_from(self.wire.random.below(2)).unwrap_or(0)];
        let body = |order: &mut gateway::fix::Encoder<'_>| {
            order.bytes(tag::CL_ORD_ID, id.as_bytes());
            order.char(tag::MASS_CANCEL_REQUEST_TYPE, if one { b'1' } else { b'7' });
            if one {
                order.bytes(tag::SYMBOL, symbol.as_bytes());
            }
            order.utc(tag::TRANSACT_TIME, at);
        };
        let number = self.wire.client.send(at, b"q", body, &mut self.wire.outbox);
        self.ledger.ask(&id, Kind::MassCancel, number.0);
    }
}
