//! `vesta load`: open-loop FIX load, latency from the intended send time.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use gateway::fix::tag;
use hdrhistogram::Histogram;
use matcher::Side;
use serde_json::{Value, json};
use venue::clock;

use crate::failure::Failure;
use crate::fix_conn::{FixSet, FixTarget, Heard, Login};
use crate::interrupt::Interrupt;
use crate::own_venue::{self, FLOW_SYMBOL, OwnVenue, Setting};
use crate::play::{DurabilityArg, PATIENCE};
use crate::random::Random;
use crate::{output, say, text};

/// Within this of the next send we look again at once: a sleep may take a millisecond too long.
const NEAR: Duration = Duration::from_millis(2);

/// How long answers may still come after the last send.
const DRAIN: Duration = Duration::from_secs(5);

/// Requests without an answer at most; beyond that the venue has stopped answering.
const OPEN_MAX: usize = 1 << 20;

/// Sends orders at a fixed rate and measures how long the first execution report takes, from the
/// moment each order was meant to be sent: a stall of the venue cannot hide.
///
/// Open loop: the rate does not wait for answers. The sender looks at the clock without sleeping near
/// each send, so it takes a CPU at high rates.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  vesta load --rate 5000 --for 10s --json\n  \
                        vesta load --addr 127.0.0.1:5001 --sender CLIENT1 --rate 1000 --for 30s")]
pub struct LoadArgs {
    /// FIX port of a running venue; without it a venue of its own is started.
    #[arg(long, value_name = "HOST:PORT", requires = "sender")]
    addr: Option<SocketAddr>,
    /// CompID of a session there; may be given several times.
    #[arg(long, value_name = "COMPID")]
    sender: Vec<String>,
    /// CompID of that venue.
    #[arg(long, value_name = "COMPID", default_value = own_venue::COMP_ID)]
    target: String,
    /// Instrument of that venue; the default is one of the sample configuration.
    #[arg(long, default_value = "BTC-USD")]
    symbol: String,
    /// Price to trade around there, a whole number.
    #[arg(long, value_name = "PRICE", default_value_t = 50_000, value_parser = clap::value_parser!(u32).range(100..))]
    price: u32,
    /// Requests a second, over all sessions.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    rate: u32,
    /// For how long.
    #[arg(long = "for", value_name = "TIME", default_value = "10s", value_parser = text::parse_duration)]
    time: Duration,
    /// Sessions of the venue of its own.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=60))]
    sessions: u32,
    /// What to send.
    #[arg(long, value_enum, default_value = "mix")]
    flow: FlowKind,
    /// What must be true before the venue of its own says anything.
    #[arg(long, value_enum, default_value = "memory")]
    durability: DurabilityArg,
    /// Seed of the mix.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// End with one JSON object.
    #[arg(long)]
    json: bool,
}

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FlowKind {
    /// Orders that rest.
    Rest,
    /// A resting order, then one that trades with it, and so on.
    Cross,
    /// An order that rests, then its cancel, and so on.
    Cancel,
    /// 45 % orders that rest, 45 % cancels of them, 10 % that trade.
    Mix,
}

/// Runs the command.
///
/// # Errors
///
/// If the venue cannot be reached, cuts us, or leaves a request without an answer.
pub fn run(args: &LoadArgs) -> Result<(), Failure> {
    let interrupt = Interrupt::catch().map_err(Failure::failed)?;
    let own = if args.addr.is_none() { Some(start_own(args)?) } else { None };
    let (address, comp_ids) = match (&own, args.addr) {
        (Some(own), _) => (own.fix_addr(), own_comp_ids(args.sessions)),
        (None, Some(address)) => (address, args.sender.clone()),
        (None, None) => unreachable!("one of them is there"),
    };
    let logins: Vec<Login> = comp_ids.into_iter().map(Login::plain).collect();
    let comp_id = args.target.clone();
    let target = FixTarget { address, comp_id, reset: own.is_none(), patience: PATIENCE };
    let mut set = FixSet::connect(target, &logins).map_err(Failure::failed)?;
    let mut load = Load::new(args, logins.len(), own.is_some());
    load.drive(&mut set, &interrupt)?;
    set.logout(Duration::from_secs(2), &mut |_, _| {});
    if let Some(own) = own {
        own.stop()?;
    }
    load.tell(args.json)
}

fn own_comp_ids(sessions: u32) -> Vec<String> {
    (1..=sessions).map(|index| format!("LOAD{index}")).collect()
}

fn start_own(args: &LoadArgs) -> Result<OwnVenue, Failure> {
    OwnVenue::start(&Setting {
        what: "load",
        durability: args.durability.into(),
        sessions: &own_comp_ids(args.sessions),
        ouch: &[],
        multicast: None,
        instruments: &[own_venue::flow_instrument()],
    })
}

/// A request under way.
#[derive(Clone, Copy, Debug)]
struct Open {
    intended: Instant,
}

struct Load<'a> {
    args: &'a LoadArgs,
    sessions: usize,
    random: Random,
    symbol: &'a str,
    price: i64,
    prefix: String,
    sent: u64,
    answered: u64,
    refused: u64,
    open: HashMap<u64, Open>,
    /// Resting orders that may be canceled: session, number, side.
    resting: Vec<(usize, u64, Side, i64)>,
    /// In nanoseconds.
    latency: Histogram<u64>,
    elapsed: Duration,
}

impl<'a> Load<'a> {
    fn new(args: &'a LoadArgs, sessions: usize, own: bool) -> Load<'a> {
        let Ok(latency) = Histogram::new_with_bounds(100, 60_000_000_000, 3) else {
            unreachable!("the bounds are good");
        };
        Load {
            args,
            sessions,
            random: Random::new(args.seed),
            symbol: if own { FLOW_SYMBOL } else { &args.symbol },
            price: i64::from(args.price),
            // A name that no earlier load on the same venue has used.
            prefix: format!("{:x}-", clock::now().0 / 1_000_000),
            sent: 0,
            answered: 0,
            refused: 0,
            open: HashMap::new(),
            resting: Vec::new(),
            latency,
            elapsed: Duration::ZERO,
        }
    }

    fn drive(&mut self, set: &mut FixSet, interrupt: &Interrupt) -> Result<(), Failure> {
        let began = Instant::now();
        let total = u64::from(self.args.rate) * self.args.time.as_millis() as u64 / 1_000;
        let gap_ns = 1_000_000_000_f64 / f64::from(self.args.rate);
        let due = |n: u64| began + Duration::from_nanos((n as f64 * gap_ns) as u64);
        while self.sent < total && !interrupt.is_set() {
            let now = Instant::now();
            let mut next = due(self.sent);
            // All that is due goes out in one write a session.
            while next <= now && self.sent < total {
                self.send(set, next);
                next = due(self.sent);
            }
            if self.open.len() > OPEN_MAX {
                return Err(Failure::failed(format!("{OPEN_MAX} requests without an answer")));
            }
            let left = next.saturating_duration_since(Instant::now());
            let sleep = left.checked_sub(NEAR).unwrap_or(Duration::ZERO);
            self.hear(set, sleep)?;
        }
        self.elapsed = began.elapsed();
        let until = Instant::now() + DRAIN;
        while !self.open.is_empty() && Instant::now() < until {
            self.hear(set, Duration::from_millis(10))?;
        }
        Ok(())
    }

    fn hear(&mut self, set: &mut FixSet, timeout: Duration) -> Result<(), Failure> {
        let Load { prefix, open, latency, answered, refused, .. } = self;
        let mut heard = |_: usize, heard: Heard<'_>| {
            let Heard::Application(message) = heard else { return };
            let id = message.get(tag::CL_ORD_ID).and_then(|id| number_of(id, prefix));
            // A report to a maker names an order that is answered already.
            let Some(request) = id.and_then(|id| open.remove(&id)) else { return };
            let ns = u64::try_from(request.intended.elapsed().as_nanos()).unwrap_or(u64::MAX);
            latency.saturating_record(ns);
            *answered += 1;
            let rejected = message.get(tag::EXEC_TYPE) == Some(b"8");
            *refused += u64::from(rejected || message.msg_type() != b"8");
        };
        set.poll(Some(timeout), &mut heard).map_err(Failure::failed)
    }

    fn send(&mut self, set: &mut FixSet, intended: Instant) {
        let n = self.sent;
        self.sent += 1;
        self.open.insert(n, Open { intended });
        let session = usize::try_from(n).unwrap_or(0) % self.sessions;
        let chance = self.random.below(100);
        let pair = n / 2 % 2;
        let (cancel, cross) = match self.args.flow {
            FlowKind::Rest => (false, false),
            FlowKind::Cross => (false, n % 2 == 1),
            FlowKind::Cancel => (n % 2 == 1, false),
            FlowKind::Mix => (chance < 45, chance >= 90),
        };
        if cancel && !self.resting.is_empty() {
            let index = match self.args.flow {
                FlowKind::Mix => self.random.below(self.resting.len() as u64) as usize,
                _ => self.resting.len() - 1,
            };
            let (session, target, side, _) = self.resting.swap_remove(index);
            return self.cancel(set, n, session, target, side);
        }
        let side = if pair == 0 { Side::Buy } else { Side::Sell };
        let away = if self.args.flow == FlowKind::Cross { 0 } else { self.random.between(1, 50) };
        if cross {
            // The other side of the last resting order, at its price, whoever is first there.
            let last = match self.args.flow {
                FlowKind::Cross => self.resting.pop(),
                _ => self.best(side.opposite()),
            };
            let (_, _, resting, price) = last.unwrap_or((0, 0, side.opposite(), self.price));
            return self.enter(set, n, session, resting.opposite(), price, b'3');
        }
        let price = match side {
            Side::Buy => self.price - away,
            Side::Sell => self.price + away,
        };
        self.resting.push((session, n, side, price));
        self.enter(set, n, session, side, price, b'1');
    }

    /// The resting order that a taker of the other side trades with; it is filled then.
    fn best(&mut self, side: Side) -> Option<(usize, u64, Side, i64)> {
        let orders = self.resting.iter().enumerate().filter(|(_, order)| order.2 == side);
        let (index, _) = orders.min_by_key(|(index, order)| match side {
            Side::Buy => (-order.3, order.1, *index),
            Side::Sell => (order.3, order.1, *index),
        })?;
        Some(self.resting.swap_remove(index))
    }

    fn enter(
        &self,
        set: &mut FixSet,
        n: u64,
        session: usize,
        side: Side,
        price: i64,
        time_in_force: u8,
    ) {
        let now = clock::now();
        let id = format!("{}{n}", self.prefix);
        set.send(session, now, b"D", |order| {
            order.bytes(tag::CL_ORD_ID, id.as_bytes());
            order.bytes(tag::SYMBOL, self.symbol.as_bytes());
            order.char(tag::SIDE, fix_side(side)).utc(tag::TRANSACT_TIME, now);
            order.uint(tag::ORDER_QTY, 1).char(tag::ORD_TYPE, b'2');
            order.decimal(tag::PRICE, price, 0).char(tag::TIME_IN_FORCE, time_in_force);
        });
    }

    fn cancel(&self, set: &mut FixSet, n: u64, session: usize, target: u64, side: Side) {
        let now = clock::now();
        let (id, target) = (format!("{}{n}", self.prefix), format!("{}{target}", self.prefix));
        set.send(session, now, b"F", |cancel| {
            cancel.bytes(tag::CL_ORD_ID, id.as_bytes());
            cancel.bytes(tag::ORIG_CL_ORD_ID, target.as_bytes());
            cancel.bytes(tag::SYMBOL, self.symbol.as_bytes());
            cancel.char(tag::SIDE, fix_side(side)).utc(tag::TRANSACT_TIME, now);
        });
    }

    fn tell(&self, json: bool) -> Result<(), Failure> {
        let seconds = self.elapsed.as_secs_f64().max(1e-9);
        let rate = self.sent as f64 / seconds;
        let us = |percentile| text::us(self.latency.value_at_percentile(percentile));
        let max = text::us(self.latency.max());
        say!("{} requests in {seconds:.2} s, {rate:.0}/s", text::count(self.sent));
        say!(
            "{} answered, {} refused, {} without an answer",
            text::count(self.answered),
            text::count(self.refused),
            text::count(self.open.len() as u64)
        );
        say!("latency from the intended send time to the first report, µs:");
        say!(
            "  p50 {}  p90 {}  p99 {}  p99.9 {}  max {max}",
            us(50.0),
            us(90.0),
            us(99.0),
            us(99.9)
        );
        let ok = self.open.is_empty() && self.sent > 0;
        if json {
            output::json(&self.json(ok, rate));
        }
        if ok {
            return Ok(());
        }
        Err(Failure::failed(format!("{} requests have no answer", self.open.len())))
    }

    fn json(&self, ok: bool, rate: f64) -> Value {
        let us = |percentile| self.latency.value_at_percentile(percentile) as f64 / 1_000.0;
        json!({
            "ok": ok,
            "requests": self.sent,
            "answered": self.answered,
            "refused": self.refused,
            "rate_asked": self.args.rate,
            "rate": rate.round(),
            "sessions": self.sessions,
            "elapsed_ms": self.elapsed.as_millis() as u64,
            "p50_us": us(50.0),
            "p90_us": us(90.0),
            "p99_us": us(99.0),
            "p99_9_us": us(99.9),
            "max_us": self.latency.max() as f64 / 1_000.0,
        })
    }
}

fn fix_side(side: Side) -> u8 {
    match side {
        Side::Buy => b'1',
        Side::Sell => b'2',
    }
}

fn number_of(cl_ord_id: &[u8], prefix: &str) -> Option<u64> {
    std::str::from_utf8(cl_ord_id).ok()?.strip_prefix(prefix)?.parse().ok()
}
