//! Random flow through the engine and through the slow reference: equal Events, equal books.

use std::collections::BTreeSet;
use std::env;

use matcher::testing::{Flow, Profile, Reference, flow};
use matcher::{Engine, Event, InstrumentId, Side};

/// Commands per profile; `MATCHER_COMMANDS` sets another number, `MATCHER_SEED` the first seed.
const COMMANDS: u64 = 80_000;

/// Commands after which a flow starts again with the next seed.
const COMMANDS_PER_SEED: u64 = 10_000;

fn number(name: &str, default: u64) -> u64 {
    env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

fn compare(name: &str, profile: &Profile) {
    let first_seed = number("MATCHER_SEED", 1);
    let seeds = number("MATCHER_COMMANDS", COMMANDS).div_ceil(COMMANDS_PER_SEED);
    for seed in first_seed..first_seed + seeds {
        println!("{name} seed {seed}");
        compare_seed(profile.clone(), seed);
    }
}

fn compare_seed(profile: Profile, seed: u64) {
    let instruments = u32::try_from(profile.instruments.len()).unwrap();
    let sessions = profile.sessions;
    let mut flow = Flow::new(profile, seed);
    let (mut engine, mut reference) = (Engine::new(), Reference::new());
    let mut events = Vec::new();
    for n in 0..COMMANDS_PER_SEED {
        let input = flow.input();
        events.clear();
        engine.apply(&input, &mut events);
        assert_eq!(events, reference.apply(&input), "seed {seed}, {input:?}");
        engine.check();
        assert_eq!(engine.orders_len(), reference.orders_len());
        if n % 100 == 0 && n > 20 {
            for id in (0..instruments).map(InstrumentId) {
                compare_books(&engine, &reference, id);
            }
            for id in (1..=sessions).map(matcher::SessionId) {
                let state = engine.session(id).unwrap();
                let counters = (state.last_inbound, state.last_outbound, state.last_number);
                assert_eq!(counters, reference.counters(id));
            }
        }
        for event in &events {
            flow.observe(event);
        }
    }
}

fn compare_books(engine: &Engine, reference: &Reference, id: InstrumentId) {
    let book = engine.book(id).unwrap();
    for side in [Side::Buy, Side::Sell] {
        let queue: Vec<_> = book
            .orders(side)
            .map(|o| (o.session, o.number, o.order_ref, o.price, o.leaves_qty))
            .collect();
        let expected: Vec<_> = reference
            .queue(id, side)
            .iter()
            .map(|o| (o.session, o.number, o.order_ref, o.price, o.leaves_qty))
            .collect();
        assert_eq!(queue, expected);
        let levels: Vec<_> = book.levels(side).collect();
        assert!(levels.windows(2).all(|pair| side.accepts(pair[0].price, pair[1].price)));
        let orders: u32 = levels.iter().map(|level| level.orders).sum();
        assert_eq!(orders as usize, queue.len());
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

/// A flow that asks nothing proves nothing: between them the flows reach every answer there is.
#[test]
fn the_flows_reach_every_kind_of_event_and_every_reason() {
    let mut seen = BTreeSet::new();
    for profile in [Profile::hostile(), Profile::jumpy()] {
        let (mut engine, mut events) = (Engine::new(), Vec::new());
        for input in flow::record(profile, 99, 40_000) {
            engine.apply(&input, &mut events);
        }
        seen.extend(events.iter().map(|event| match event {
            Event::Rejected(event) => format!("rejected {:?}", event.reason),
            Event::Canceled(event) => format!("canceled {:?}", event.reason),
            Event::Replaced(event) => format!("replaced {:?}", event.priority),
            Event::CancelRejected(event) => {
                format!("cancel rejected {:?} {:?}", event.request, event.reason)
            }
            Event::CommandRefused { reason } => format!("refused {reason:?}"),
            Event::MassCancelRejected { reason, .. } => format!("mass cancel rejected {reason:?}"),
            Event::PhaseChanged { phase, .. } => format!("phase {phase:?}"),
            Event::StatusReported(event) => format!("status {}", event.working.is_some()),
            other => format!("{other:?}").split([' ', '(']).next().unwrap().to_owned(),
        }));
    }
    let expected = "
        Configured, InstrumentDefined, SessionDefined, Accepted, Rested, Traded, Numbered,
        MassCanceled, phase Continuous, phase Halt, phase Closed, status true, status false,
        replaced Kept, replaced Lost,
        canceled Requested, canceled MassCancel, canceled Venue, canceled Ioc, canceled Fok,
        canceled Market, canceled Expired,
        rejected UnknownInstrument, rejected NumberOutOfOrder, rejected Halted, rejected Closed,
        rejected QtyZero, rejected QtyTooLarge, rejected PriceOutOfRange, rejected WouldTrade,
        rejected Contradiction, rejected TooManyOrders, rejected TooManyLevels,
        cancel rejected Cancel UnknownOrder, cancel rejected Cancel TooLate,
        cancel rejected Replace UnknownOrder, cancel rejected Replace TooLate,
        cancel rejected Replace NumberOutOfOrder, cancel rejected Replace OrderMismatch,
        cancel rejected Replace QtyBelowCum, cancel rejected Replace QtyZero,
        cancel rejected Replace QtyTooLarge, cancel rejected Replace PriceOutOfRange,
        cancel rejected Replace Halted, cancel rejected Replace Closed,
        cancel rejected Replace WouldTrade, cancel rejected Replace TooManyLevels,
        mass cancel rejected NotPermitted, mass cancel rejected UnknownInstrument,
        refused UnknownSession, refused UnknownInstrument, refused NotPermitted,
        refused IdOutOfOrder, refused BadDefinition, refused DuplicateSymbol, refused TableFull,
        refused LimitsShrink";
    for one in expected.split(',').map(str::trim) {
        assert!(seen.contains(one), "no flow reached: {one}; seen: {seen:#?}");
    }
}
