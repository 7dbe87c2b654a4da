//! Random flow through the engine and through the slow reference: equal Events, equal books.
//!
//! By hand: `VESTA_PROFILE=stops VESTA_SEED=1 VESTA_SEEDS=20 VESTA_COMMANDS=20000 cargo test -p matcher
//! --test it differential_by_hand -- --nocapture`; `VESTA_WITHOUT=Peg,Phase` leaves topics out, and
//! `VESTA_SHRINK=0` only says that a case fails, at once.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::env;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use matcher::record::event_bytes;
use matcher::testing::{Flow, Mix, MixedFlow, Profile, QueuedOrder, Reference, flow, mix};
use matcher::{
    BookLevel, BookOrder, Command, Engine, Event, Input, InstrumentId, Qty, RejectReason,
    SessionId, Side,
};

use crate::shrink::{shrink, told};

/// Commands per profile; `VESTA_COMMANDS` sets another number, `VESTA_SEED` the first seed.
const COMMANDS: u64 = 80_000;

/// Commands after which a flow starts again with the next seed.
const COMMANDS_PER_SEED: u64 = 10_000;

/// Seeds of each mix, and commands of each of them.
const MIX_SEEDS: u64 = 8;
const MIX_COMMANDS: u64 = 4_000;

fn number(name: &str, default: u64) -> u64 {
    env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

/// The engine and the reference side by side.
#[derive(Default)]
struct Pair {
    engine: Engine,
    reference: Reference,
    events: Vec<Event>,
}

/// What the two do not agree about.
struct Disagreement {
    /// Index of the Input.
    at: usize,
    what: String,
}

impl Pair {
    /// Both apply the Input. Where they differ: how.
    fn apply(&mut self, input: &Input) -> Result<(), String> {
        self.events.clear();
        let bytes_max = self.engine.events_bytes_max(input);
        self.engine.apply(input, &mut self.events);
        let bytes: u64 = self.events.iter().map(|event| event_bytes(event) as u64).sum();
        if bytes > bytes_max {
            return Err(format!("{bytes} bytes of events, at most {bytes_max} were promised"));
        }
        let expected = self.reference.apply(input);
        if self.events != expected {
            return Err(answers(&self.events, &expected));
        }
        self.engine.check();
        let (is, should) = (self.engine.orders_len(), self.reference.orders_len());
        if is != should {
            return Err(format!("the engine has {is} orders, the reference {should}"));
        }
        Ok(())
    }

    fn compare_state(&self) -> Result<(), String> {
        for (id, _) in self.engine.instruments() {
            self.compare_book(id)?;
        }
        for id in (1..).map(SessionId).take(self.engine.sessions_len()) {
            let state = self.engine.session(id).expect("it is defined");
            let is = (state.last_inbound, state.last_outbound, state.last_number);
            let should = self.reference.counters(id);
            if is != should {
                return Err(format!("session {id} of the engine: {is:?}, reference: {should:?}"));
            }
            for (instrument, _) in self.engine.instruments() {
                let is = self.engine.account(state.participant, instrument).expect("as above");
                let should = self.reference.account(state.participant, instrument);
                if is != should {
                    return Err(format!(
                        "account of session {id} in {instrument}\n  engine:    {is:?}\n  reference: {should:?}"
                    ));
                }
            }
        }
        Ok(())
    }

    fn compare_book(&self, id: InstrumentId) -> Result<(), String> {
        let book = self.engine.book(id).expect("it is defined");
        for side in [Side::Buy, Side::Sell] {
            let is: Vec<QueuedOrder> = book.orders(side).map(queued).collect();
            let should = self.reference.queue(id, side);
            if is != should {
                return Err(format!(
                    "{side:?} of {id}\n  engine:    {is:?}\n  reference: {should:?}"
                ));
            }
            let levels: Vec<BookLevel> = match side {
                Side::Buy => book.bids().collect(),
                Side::Sell => book.asks().collect(),
            };
            if levels != levels_of(&should) || !book.levels(side).eq(levels.iter().copied()) {
                return Err(format!("{side:?} levels of {id}: {levels:?}"));
            }
        }
        Ok(())
    }
}

fn queued(order: BookOrder) -> QueuedOrder {
    let BookOrder { session, number, order_ref, price, leaves_qty, displayed_qty, .. } = order;
    QueuedOrder { session, number, order_ref, price, displayed_qty, leaves_qty }
}

fn levels_of(queue: &[QueuedOrder]) -> Vec<BookLevel> {
    let level = |orders: &[QueuedOrder]| BookLevel {
        price: orders[0].price,
        qty: orders.iter().fold(Qty::ZERO, |sum, order| sum + order.displayed_qty),
        orders: u32::try_from(orders.len()).expect("orders_max is a u32"),
    };
    queue.chunk_by(|one, other| one.price == other.price).map(level).collect()
}

fn answers(engine: &[Event], reference: &[Event]) -> String {
    let mut text = String::new();
    for n in 0..engine.len().max(reference.len()) {
        let tell = |events: &[Event]| events.get(n).map_or("–".into(), |e| format!("{e:?}"));
        let (is, should) = (tell(engine), tell(reference));
        if is == should {
            text += &format!("  both:      {is}\n");
        } else {
            text += &format!("  engine:    {is}\n  reference: {should}\n");
        }
    }
    text
}

/// The first disagreement over these Inputs; a panic of either is one.
fn disagreement(inputs: &[Input]) -> Option<Disagreement> {
    let at = Cell::new(0);
    let run = || {
        let mut pair = Pair::default();
        inputs.iter().enumerate().try_for_each(|(n, input)| {
            at.set(n);
            pair.apply(input)?;
            pair.compare_state()
        })
    };
    let what = match panic::catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(())) => return None,
        Ok(Err(what)) => what,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            format!("  panic: {}", text.unwrap_or("?"))
        }
    };
    Some(Disagreement { at: at.get(), what })
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs what may panic again and again, without a word about it.
fn quietly<T>(run: impl FnOnce() -> T) -> T {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                loud(info);
            }
        }));
    });
    QUIET.set(true);
    let result = run();
    QUIET.set(false);
    result
}

/// Runs one seed of a mix; a failing case as a short list of commands.
fn compare_mix(mix: &Mix, seed: u64, commands: u64) -> Result<(), String> {
    let mut flow = MixedFlow::new(mix.clone(), seed);
    let opening = flow.opening_len();
    let mut inputs = Vec::new();
    let run = || {
        let mut pair = Pair::default();
        for n in 0..commands + opening as u64 {
            let input = flow.input();
            inputs.push(input);
            pair.apply(&input)?;
            if n % 20 == 0 {
                pair.compare_state()?;
            }
            pair.events.iter().for_each(|event| flow.observe(event));
        }
        pair.compare_state()
    };
    if matches!(quietly(|| panic::catch_unwind(AssertUnwindSafe(run))), Ok(Ok(()))) {
        return Ok(());
    }
    if number("VESTA_SHRINK", 1) == 0 {
        return Err(format!("{} seed {seed}: not shrunk", mix.name));
    }
    quietly(|| {
        let short = shrink(inputs, opening, |inputs| disagreement(inputs).is_some());
        let found = disagreement(&short).expect("the shrunk case fails as the long one did");
        let list: Vec<String> = short[..=found.at].iter().map(told).collect();
        Err(format!("{} seed {seed}:\n{}\n{}", mix.name, list.join("\n"), found.what))
    })
}

/// Runs seeds of a mix, up to the first that fails.
fn compare_seeds(mix: &Mix, first: u64, seeds: u64, commands: u64) {
    for seed in first..first + seeds {
        println!("{} seed {seed}", mix.name);
        if let Err(text) = compare_mix(mix, seed, commands) {
            panic!("{text}");
        }
    }
}

/// Runs an ordinary profile, whose flow is too long to be shrunk.
fn compare(name: &str, profile: &Profile) {
    let first_seed = number("VESTA_SEED", 1);
    let seeds = number("VESTA_COMMANDS", COMMANDS).div_ceil(COMMANDS_PER_SEED);
    for seed in first_seed..first_seed + seeds {
        println!("{name} seed {seed}");
        let mut flow = Flow::new(profile.clone(), seed);
        let mut pair = Pair::default();
        for n in 0..COMMANDS_PER_SEED {
            let input = flow.input();
            let agreed = pair.apply(&input);
            agreed.unwrap_or_else(|what| panic!("seed {seed}, {input:?}\n{what}"));
            if n % 100 == 0 {
                pair.compare_state().unwrap_or_else(|what| panic!("seed {seed}\n{what}"));
            }
            pair.events.iter().for_each(|event| flow.observe(event));
        }
    }
}

#[test]
fn an_ordinary_market_is_matched_by_the_rules() {
    let profile = Profile { resting: 250, ..Profile::standard() };
    compare("standard", &profile);
}

#[test]
fn a_hostile_flow_is_answered_by_the_rules() {
    compare("hostile", &Profile::hostile());
}

#[test]
fn a_jumping_market_is_matched_by_the_rules() {
    compare("jumpy", &Profile::jumpy());
}

/// A test for each mix, so that they run side by side and fail by name.
macro_rules! mixes {
    ($($test:ident: $name:literal;)*) => {
        $(
            #[test]
            fn $test() {
                let mix = Mix::named($name).expect("the name of a profile");
                let (seed, seeds) = (number("VESTA_SEED", 1), number("VESTA_SEEDS", MIX_SEEDS));
                compare_seeds(&mix, seed, seeds, number("VESTA_COMMANDS", MIX_COMMANDS));
            }
        )*

        #[test]
        fn every_mix_has_its_test() {
            let names: Vec<_> = Mix::all().iter().map(|mix| mix.name).collect();
            assert_eq!(names, [$($name),*]);
        }
    };
}

mixes! {
    special_orders_are_handled_by_the_rules: "special";
    auctions_are_held_by_the_rules: "auctions";
    stops_are_elected_by_the_rules: "stops";
    pegs_follow_the_market_by_the_rules: "pegs";
    icebergs_are_refilled_by_the_rules: "icebergs";
    self_trades_are_prevented_by_the_rules: "selftrade";
    risk_is_limited_by_the_rules: "risky";
    everything_at_once_goes_by_the_rules: "everything";
}

/// A profile, a seed and a length from the environment; what it finds is shrunk and printed.
#[test]
fn differential_by_hand() {
    let name = env::var("VESTA_PROFILE").unwrap_or_else(|_| "everything".into());
    let left_out = env::var("VESTA_WITHOUT").unwrap_or_default();
    let mix = Mix::named(&name).expect("the name of a profile");
    let mix = mix.without(&left_out.split(',').collect::<Vec<_>>());
    let (seed, seeds) = (number("VESTA_SEED", 1_000), number("VESTA_SEEDS", 1));
    compare_seeds(&mix, seed, seeds, number("VESTA_COMMANDS", MIX_COMMANDS));
}

/// What kind of answer it is.
fn kind(event: &Event) -> String {
    match event {
        Event::Rejected(event) => format!("rejected {:?}", event.reason),
        Event::Canceled(event) => format!("canceled {:?}", event.reason),
        Event::Replaced(event) => format!("replaced {:?}", event.priority),
        Event::CancelRejected(event) => {
            format!("cancel rejected {:?} {:?}", event.request, event.reason)
        }
        Event::CommandRefused { reason } => format!("refused {reason:?}"),
        Event::MassCancelRejected { reason, .. } => format!("mass cancel rejected {reason:?}"),
        Event::PhaseChanged { phase, reason, .. } => format!("phase {phase:?} {reason:?}"),
        Event::StatusReported(event) => format!("status {}", event.working.is_some()),
        Event::Held(event) => format!("held {:?}", event.reason),
        Event::Restated(event) => format!("restated {:?}", event.reason),
        Event::Traded(event) => format!("traded {:?}", event.kind),
        Event::Uncrossed(event) => format!("uncrossed {}", event.side.is_some()),
        Event::Indicative { price, .. } => format!("indicative {}", price.is_some()),
        Event::Configured
        | Event::InstrumentDefined { .. }
        | Event::SessionDefined { .. }
        | Event::Applied
        | Event::Accepted(_)
        | Event::Rested(_)
        | Event::Triggered(_)
        | Event::Replenished(_)
        | Event::Busted(_)
        | Event::MassCanceled { .. }
        | Event::Relayed(_)
        | Event::Numbered { .. } => {
            format!("{event:?}").split([' ', '(']).next().unwrap_or_default().to_owned()
        }
    }
}

/// The Inputs of short runs of every flow.
fn all_flows() -> Vec<Vec<Input>> {
    let mut flows: Vec<_> = [Profile::hostile(), Profile::jumpy()]
        .into_iter()
        .map(|profile| flow::record(profile, 99, 40_000))
        .collect();
    for mix in Mix::all() {
        flows.extend((1..=16).map(|seed| mix::record(mix.clone(), seed, 1_500)));
        // Some answers are given only where nothing has traded yet.
        flows.extend((17..=80).map(|seed| mix::record(mix.clone(), seed, 150)));
    }
    flows
}

/// Reasons that the engine never gives of its own accord, or that no flow can reach.
const NOT_REACHED: [(RejectReason, &str); 8] = [
    (RejectReason::PriceOffTick, "the border's: prices are ticks here"),
    (RejectReason::QtyOffLot, "the border's: quantities are lots here"),
    (RejectReason::DuplicateClOrdId, "the border's: orders have numbers here"),
    (RejectReason::BadClOrdId, "the border's: orders have numbers here"),
    (RejectReason::Throttled, "the border's: its ring is full"),
    (RejectReason::JournalFull, "the border's: the journal has no room"),
    (RejectReason::Unsupported, "the border's: everything that a Command can say is supported"),
    (RejectReason::NumbersExhausted, "takes 2^32 orders of one session"),
];

/// A flow that asks nothing proves nothing: between them the flows reach every answer there is.
#[test]
fn the_flows_reach_every_kind_of_event_and_every_reason() {
    let mut seen = BTreeSet::new();
    for inputs in all_flows() {
        let (mut engine, mut events) = (Engine::new(), Vec::new());
        for input in inputs {
            engine.apply(&input, &mut events);
            // What the border refuses has any reason.
            if !matches!(input.command, Command::Refuse { .. }) {
                seen.extend(events.iter().map(kind));
            }
            events.clear();
        }
    }
    let expected = "
        Configured, InstrumentDefined, SessionDefined, Applied, Accepted, Rested, Triggered,
        Replenished, Busted, MassCanceled, Numbered,
        held Stop, held Peg, held Waiting, held Auction,
        restated SelfTrade, restated MarketToLimit, restated Slide,
        traded Continuous, traded Auction, uncrossed true, uncrossed false,
        indicative true, indicative false, status true, status false,
        replaced Kept, replaced Lost,
        phase Continuous Command, phase Halt Command, phase Closed Command, phase PreOpen Command,
        phase OpeningAuction Command, phase VolatilityAuction Command,
        phase ClosingAuction Command, phase VolatilityAuction Volatility,
        canceled Requested, canceled MassCancel, canceled Venue, canceled Ioc, canceled Fok,
        canceled Market, canceled Expired, canceled MinQty, canceled SelfTrade,
        canceled PriceBand, canceled KillSwitch, canceled AuctionEnd, canceled NoRoom,
        rejected UnknownInstrument, rejected NumberOutOfOrder, rejected Halted, rejected Closed,
        rejected QtyZero, rejected QtyTooSmall, rejected QtyTooLarge, rejected PriceOutOfRange,
        rejected WouldTrade, rejected Contradiction, rejected TooManyOrders,
        rejected TooManyLevels, rejected WrongPhase, rejected PriceBand, rejected DisplayQty,
        rejected MinQty, rejected ExpireTime, rejected TriggerPrice, rejected PegOffset,
        rejected NoReference, rejected RiskOrderQty, rejected RiskOrderNotional,
        rejected RiskCollar, rejected RiskOpenOrders, rejected RiskOpenNotional,
        rejected RiskPosition, rejected CancelOnly, rejected KillSwitch,
        cancel rejected Cancel UnknownOrder, cancel rejected Cancel TooLate,
        cancel rejected Replace UnknownOrder, cancel rejected Replace TooLate,
        cancel rejected Replace NumberOutOfOrder, cancel rejected Replace OrderMismatch,
        cancel rejected Replace QtyBelowCum, cancel rejected Replace QtyZero,
        cancel rejected Replace QtyTooSmall, cancel rejected Replace QtyTooLarge,
        cancel rejected Replace PriceOutOfRange, cancel rejected Replace PriceBand,
        cancel rejected Replace Halted, cancel rejected Replace Closed,
        cancel rejected Replace CancelOnly, cancel rejected Replace WouldTrade,
        cancel rejected Replace TooManyLevels,
        cancel rejected Replace NotAStop, cancel rejected Replace TriggerPrice,
        cancel rejected Replace DisplayQty, cancel rejected Replace NoReference,
        cancel rejected Replace RiskOrderQty, cancel rejected Replace RiskOrderNotional,
        cancel rejected Replace RiskCollar, cancel rejected Replace RiskOpenOrders,
        cancel rejected Replace RiskOpenNotional, cancel rejected Replace RiskPosition,
        mass cancel rejected NotPermitted, mass cancel rejected UnknownInstrument,
        refused UnknownSession, refused UnknownInstrument, refused NotPermitted,
        refused IdOutOfOrder, refused BadDefinition, refused DuplicateSymbol, refused TableFull,
        refused LimitsShrink, refused WrongPhase, refused UnknownParticipant,
        refused UnknownTrade, refused AlreadyBusted, refused QtyZero";
    let missing: Vec<_> =
        expected.split(',').map(str::trim).filter(|one| !seen.contains(*one)).collect();
    assert!(missing.is_empty(), "no flow reached: {missing:?}; seen: {seen:#?}");
    for reason in RejectReason::ALL {
        let excused = NOT_REACHED.iter().find(|(other, _)| other == reason);
        let name = format!(" {reason:?}");
        let given = seen.iter().any(|one| one.ends_with(&name) && !one.starts_with("canceled"));
        assert_eq!(given, excused.is_none(), "{reason:?}: {excused:?}");
    }
}
