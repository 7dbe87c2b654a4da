//! How large a turn may get is known before, and is no larger than what the books give reason for: of
//! each command so many cancels, and so many Events of any kind. That no command goes beyond it, the
//! differential tests hold at every turn.

use matcher::record::{CANCELED_BYTES, EVENT_BYTES_MAX};
use matcher::{
    Bust, CancelReason, Command, Event, Input, Instrument, InstrumentId, Limits, Market,
    MassCancelScope, MsgSeqNum, NewOrder, Numbering, OrderNumber, ParticipantId, Peg, Permission,
    PermissionScope, Phase, Price, Qty, RefusedRequest, RejectReason, ReplaceOrder, RiskLimits,
    SelfTradePrevention, Sequence, SessionId, Side, Terms, TimeInForce, Timestamp, TradeId,
    Trigger,
};

const X: InstrumentId = InstrumentId(0);
const ANN: SessionId = SessionId(1);
const BOB: SessionId = SessionId(2);
const VENUE: SessionId = SessionId::VENUE;

/// A command that concerns one order or none, matching aside.
const FEW: u64 = 4;

fn market() -> Market {
    let limits = Limits { orders_max: 50, levels_max: 50, instruments_max: 1, sessions_max: 2 };
    let mut market = Market::new(limits).unwrap();
    market.define(Instrument::plain("X").unwrap()).unwrap();
    for id in [1, 2] {
        market.session(ParticipantId(id)).unwrap();
    }
    market
}

fn buy(lots: u64) -> NewOrder {
    NewOrder::limit(X, Side::Buy, Price::from_ticks(100), Qty::from_lots(lots))
}

/// Cancels and other Events that `command` may make happen at `now`: exactly so many.
#[track_caller]
fn may(market: &Market, now: u64, session: SessionId, command: Command, most: (u64, u64)) {
    let (sequence, timestamp, inbound) = (Sequence(1_000), Timestamp(now), MsgSeqNum::NONE);
    let input = Input { sequence, timestamp, session, inbound, command };
    let (canceled, others) = most;
    let bytes = canceled * CANCELED_BYTES as u64 + others * EVENT_BYTES_MAX as u64;
    assert_eq!(market.engine().events_bytes_max(&input), bytes, "{command:?}");
}

/// So many orders that work, with so many slices yet to display, and one order more: two meet or a slice
/// is displayed, four Events each; each comes to life and ends, two Events.
const fn everything(orders: u64, slices: u64) -> u64 {
    4 * (orders + 1 + slices) + 2 * (orders + 1) + FEW
}

fn replace(target: u32, lots: u64) -> Command {
    let (number, target) = (OrderNumber(40), OrderNumber(target));
    let (price, qty) = (Price::from_ticks(100), Qty::from_lots(lots));
    Command::Replace(ReplaceOrder { number, target, instrument: X, side: Side::Buy, price, qty })
}

fn is_resting(events: &[Event]) -> bool {
    matches!(events, [Event::Accepted(_), Event::Rested(_) | Event::Held(_)])
}

/// What the venue says of itself, whatever works.
fn commands_that_are_few() -> Vec<(SessionId, Command)> {
    let limits = Limits { orders_max: 50, levels_max: 50, instruments_max: 1, sessions_max: 2 };
    let (price, qty) = (Price::from_ticks(100), Qty::from_lots(1));
    let [buy, sell] = [(ANN, OrderNumber(1)), (BOB, OrderNumber(1))];
    let (participant, limits_of_risk) = (ParticipantId(1), RiskLimits::NONE);
    let (scope, permission) = (PermissionScope::Session(ANN), Permission::CancelOnly);
    let request = RefusedRequest::MassCancel;
    vec![
        (VENUE, Command::Configure(limits)),
        (VENUE, Command::DefineInstrument { id: X, instrument: Instrument::plain("X").unwrap() }),
        (VENUE, Command::DefineSession { id: ANN, participant }),
        (VENUE, Command::SetRisk { participant, instrument: X, limits: limits_of_risk }),
        (VENUE, Command::SetPermission { scope, permission }),
        (VENUE, Command::SetPermission { scope, permission: Permission::Trade }),
        (VENUE, Command::PublishIndicative { instrument: X }),
        (VENUE, Command::Bust(Bust { trade: TradeId(1), instrument: X, price, qty, buy, sell })),
        (ANN, Command::Status { target: OrderNumber(1) }),
        (ANN, Command::Refuse { request, reason: RejectReason::Throttled }),
        (ANN, Command::Note(Numbering::Next)),
    ]
}

#[test]
fn what_is_of_nobody_is_little() {
    let mut market = market();
    for entered in [0, 3] {
        for _ in 0..entered {
            assert!(is_resting(market.enter(ANN, buy(5)).1));
        }
        for (session, command) in commands_that_are_few() {
            may(&market, 0, session, command, (0, FEW));
        }
        // Nobody's orders, and orders for nothing.
        for session in [VENUE, SessionId(3)] {
            may(&market, 0, session, Command::New(buy(5)), (0, FEW));
            may(&market, 0, session, replace(1, 5), (0, FEW));
        }
        let elsewhere = NewOrder { instrument: InstrumentId(1), ..buy(5) };
        may(&market, 0, ANN, Command::New(elsewhere), (0, FEW));
        for target in [0, 9] {
            may(&market, 0, ANN, replace(target, 5), (0, FEW));
        }
        for phase in [Phase::Continuous, Phase::Halt] {
            let command = Command::SetPhase { instrument: InstrumentId(1), phase };
            may(&market, 0, VENUE, command, (0, FEW));
        }
    }
}

#[test]
fn a_plain_order_meets_no_more_than_its_lots_and_no_more_than_work() {
    let mut market = market();
    may(&market, 0, BOB, Command::New(buy(9)), (0, FEW));
    for _ in 0..3 {
        assert!(is_resting(market.enter(ANN, buy(5)).1));
    }
    for (lots, meets) in [(1, 1), (2, 2), (3, 3), (9, 3)] {
        may(&market, 0, BOB, Command::New(buy(lots)), (0, FEW + meets));
        may(&market, 0, BOB, Command::NewSpecial(buy(lots), Terms::NONE), (0, FEW + meets));
        may(&market, 0, ANN, replace(1, lots), (0, FEW + meets));
    }
}

#[test]
fn what_takes_orders_off_takes_off_what_works() {
    let mut market = market();
    for orders in 0..3 {
        may(&market, 0, ANN, Command::Cancel { target: OrderNumber(1) }, (1, FEW));
        let (scope, permission) = (PermissionScope::Group(1), Permission::Killed);
        let (session, self_trade) = (ANN, SelfTradePrevention::None);
        for (session, command) in [
            (ANN, Command::MassCancel(MassCancelScope::Session)),
            (ANN, Command::MassCancel(MassCancelScope::SessionInstrument(X))),
            (VENUE, Command::MassCancel(MassCancelScope::Instrument(X))),
            (VENUE, Command::SetPermission { scope, permission }),
            (VENUE, Command::SetSession { session, group: 0, self_trade }),
            (VENUE, Command::ExpireDay),
        ] {
            may(&market, 0, session, command, (orders, FEW));
        }
        assert!(is_resting(market.enter(ANN, buy(5)).1));
    }
}

#[test]
fn what_meets_anything_counts_all_orders_and_all_slices() {
    let mut market = market();
    let iceberg = |lots, display| {
        let display_qty = Qty::from_lots(display);
        (buy(lots), Terms { display_qty, ..Terms::NONE })
    };
    let new = |(order, terms)| Command::NewSpecial(order, terms);
    // Of a hundred lots ten at a time, and one slice for what is left over.
    may(&market, 0, ANN, new(iceberg(100, 10)), (0, everything(0, 11)));
    may(&market, 0, ANN, new(iceberg(u64::MAX, 1)), (0, everything(0, 10_001)));
    assert!(is_resting(market.enter(ANN, buy(5)).1));
    let (order, terms) = iceberg(100, 10);
    assert!(is_resting(market.enter_special(ANN, order, terms).1));
    // The book is special, nine slices are to come.
    may(&market, 0, BOB, Command::New(buy(1)), (0, everything(2, 9)));
    may(&market, 0, ANN, replace(1, 1), (0, everything(2, 9)));
    may(&market, 0, ANN, new(iceberg(100, 10)), (0, everything(2, 9 + 11)));
    // An iceberg that is replaced may have any number of slices.
    may(&market, 0, ANN, replace(2, 1), (0, everything(2, 9 + 10_000)));
    let stop = |target| match replace(target, 1) {
        Command::Replace(replace) => Command::ReplaceStop(replace, Price::from_ticks(1)),
        other => other,
    };
    may(&market, 0, ANN, stop(2), (0, everything(2, 9 + 10_000)));
}

#[test]
fn who_does_not_trade_with_himself_may_meet_anybody() {
    let mut market = market();
    assert!(is_resting(market.enter(ANN, buy(5)).1));
    let (session, self_trade) = (ANN, SelfTradePrevention::CancelBoth);
    let set = Command::SetSession { session, group: 0, self_trade };
    assert_eq!(market.venue(set), [Event::Applied]);
    may(&market, 0, ANN, Command::New(buy(5)), (0, everything(1, 0)));
    may(&market, 0, BOB, Command::New(buy(5)), (0, FEW + 1));
    assert!(is_resting(market.enter(ANN, buy(5)).1));
    // The first order was entered before; the session is asked, as it is when the replace is handled.
    may(&market, 0, ANN, replace(2, 5), (0, everything(2, 10_000)));
    may(&market, 0, ANN, replace(1, 5), (0, everything(2, 0)));
}

#[test]
fn pegs_that_meet_are_counted_where_there_are_two_and_stops_with_them() {
    let mut market = market();
    let primary = Terms { peg: Peg::Primary(3), ..Terms::NONE };
    let cancel = Command::Cancel { target: OrderNumber(1) };
    let bands = Command::SetReference { instrument: X, price: Price::from_ticks(9) };
    for (pegs, others) in [(0, FEW), (1, FEW), (2, FEW + 8), (3, FEW + 12)] {
        may(&market, 0, ANN, cancel, (1, others));
        may(&market, 0, VENUE, bands, (0, others));
        may(&market, 0, VENUE, Command::ExpireDay, (pegs, others));
        assert!(is_resting(market.enter_special(ANN, buy(5), primary).1));
    }
    let market_order = NewOrder::market(X, Side::Buy, Qty::from_lots(5));
    let stays = NewOrder { time_in_force: TimeInForce::Day, ..market_order };
    for trigger in [Trigger::Stop(Price::from_ticks(200)), Trigger::Trailing(9)] {
        let terms = Terms { trigger, ..Terms::NONE };
        let (number, events) = market.enter_special(ANN, stays, terms);
        assert!(is_resting(events));
        may(&market, 0, ANN, cancel, (1, everything(5, 0)));
        may(&market, 0, VENUE, bands, (0, everything(5, 0)));
        let [Event::Canceled(event)] = market.cancel(ANN, number) else { panic!("it is off") };
        assert_eq!(event.reason, CancelReason::Requested);
        may(&market, 0, VENUE, bands, (0, FEW + 16));
    }
}

#[test]
fn what_is_due_is_counted_with_every_command_but_a_note() {
    let mut market = market();
    let due = 500;
    let terms = Terms { expire_at: Timestamp(due), ..Terms::NONE };
    let new = NewOrder { time_in_force: TimeInForce::Gtd, ..buy(5) };
    for _ in 0..2 {
        assert!(is_resting(market.enter_special(ANN, new, terms).1));
    }
    assert!(is_resting(market.enter(ANN, buy(5)).1));
    let status = Command::Status { target: OrderNumber(1) };
    may(&market, due - 1, ANN, status, (0, FEW));
    may(&market, due, ANN, status, (2, 2 * FEW));
    may(&market, due, ANN, Command::Note(Numbering::Next), (0, FEW));
    for now in [due - 1, due] {
        may(&market, now, VENUE, Command::Expire, (2, 2 * FEW));
    }
    may(&market, due, ANN, Command::Cancel { target: OrderNumber(1) }, (3, 2 * FEW));
}

#[test]
fn a_phase_lets_in_who_waits_or_uncrosses() {
    let mut market = market();
    assert!(is_resting(market.enter(ANN, buy(5)).1));
    let new = NewOrder { time_in_force: TimeInForce::AtClose, ..buy(5) };
    for _ in 0..2 {
        assert!(is_resting(market.enter(ANN, new).1));
    }
    let to = |phase| Command::SetPhase { instrument: X, phase };
    let uncross = everything(3, 0);
    may(&market, 0, VENUE, to(Phase::Continuous), (0, uncross));
    let calls = [Phase::PreOpen, Phase::OpeningAuction, Phase::VolatilityAuction];
    for phase in calls.into_iter().chain([Phase::ClosingAuction, Phase::Halt, Phase::Closed]) {
        may(&market, 0, VENUE, to(phase), (0, FEW + 2));
    }
    for (phase, closes) in [
        (Phase::ClosingAuction, uncross),
        (Phase::OpeningAuction, uncross),
        (Phase::Halt, FEW + 2),
        (Phase::PreOpen, FEW + 2),
    ] {
        assert!(matches!(market.venue(to(phase)), [Event::PhaseChanged { .. }, ..]));
        may(&market, 0, VENUE, to(Phase::Closed), (0, closes));
    }
}

/// An order that came in by the general way, because the book was in a call, is plain when that is over.
#[test]
fn a_book_is_plain_again_after_a_call() {
    let mut market = market();
    for phase in [Phase::PreOpen, Phase::Continuous] {
        let events = market.venue(Command::SetPhase { instrument: X, phase });
        assert!(matches!(events, [Event::PhaseChanged { .. }]));
        if phase == Phase::PreOpen {
            assert!(is_resting(market.enter(ANN, buy(5)).1));
            may(&market, 0, BOB, Command::New(buy(5)), (0, everything(1, 0)));
        }
    }
    may(&market, 0, BOB, Command::New(buy(5)), (0, FEW + 1));
}
