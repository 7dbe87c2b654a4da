//! What the engine says of itself to those who ask: the gateway at logon, the venue for its clock.

use matcher::{
    Command, Engine, Event, Instrument, InstrumentId, Limits, Market, NewOrder, OrderNumber,
    ParticipantId, Permission, PermissionScope, Price, Qty, RejectReason, ReplaceOrder, RiskLimits,
    SelfTradePrevention, SessionId, SessionSettings, Side, Terms, TimeInForce, Timestamp,
};

const LIMITS: Limits = Limits { orders_max: 9, levels_max: 9, instruments_max: 2, sessions_max: 2 };
const FIRM: ParticipantId = ParticipantId(7);
const ANN: SessionId = SessionId(1);
const NOBODY: SessionId = SessionId(2);
const GOLD: InstrumentId = InstrumentId(0);
const NONE: InstrumentId = InstrumentId(1);

fn market() -> Market {
    let mut market = Market::new(LIMITS).unwrap();
    assert_eq!(market.define(Instrument::plain("GOLD").unwrap()), Ok(GOLD));
    assert_eq!(market.session(FIRM), Ok(ANN));
    market
}

fn order(price: i64) -> NewOrder {
    let (price, qty) = (Price::from_ticks(price), Qty::from_lots(5));
    NewOrder { time_in_force: TimeInForce::Gtc, ..NewOrder::limit(GOLD, Side::Buy, price, qty) }
}

#[test]
fn orders_levels_and_whose_they_are() {
    let mut market = market();
    let has_orders = |engine: &Engine| [ANN, NOBODY].map(|id| engine.session_has_orders(id));
    assert_eq!(has_orders(market.engine()), [false, false]);
    assert_eq!((market.engine().orders_len(), market.engine().levels_len()), (0, 0));
    for price in [10, 10, 11, 12] {
        market.enter(ANN, order(price));
    }
    assert_eq!(has_orders(market.engine()), [true, false]);
    assert_eq!((market.engine().orders_len(), market.engine().levels_len()), (4, 3));
    for number in 1..=4 {
        market.cancel(ANN, OrderNumber(number));
    }
    assert_eq!(has_orders(market.engine()), [false, false]);
    assert_eq!((market.engine().orders_len(), market.engine().levels_len()), (0, 0));
}

#[test]
fn what_the_venue_has_set() {
    let mut market = market();
    let plain = SessionSettings {
        group: 0,
        self_trade: SelfTradePrevention::None,
        permission: Permission::Trade,
    };
    assert_eq!(market.engine().session_settings(ANN), Some(plain));
    assert_eq!(market.engine().session_settings(NOBODY), None);
    let self_trade = SelfTradePrevention::CancelBoth;
    market.venue(Command::SetSession { session: ANN, group: 3, self_trade });
    let (scope, permission) = (PermissionScope::Session(ANN), Permission::CancelOnly);
    market.venue(Command::SetPermission { scope, permission });
    let set = SessionSettings { group: 3, self_trade, permission };
    assert_eq!(market.engine().session_settings(ANN), Some(set));

    assert_eq!(market.engine().risk_limits(FIRM, GOLD), Some(RiskLimits::NONE));
    assert_eq!(market.engine().risk_limits(FIRM, NONE), None);
    let limits = RiskLimits { open_orders_max: 3, ..RiskLimits::NONE };
    market.venue(Command::SetRisk { participant: FIRM, instrument: GOLD, limits });
    assert_eq!(market.engine().risk_limits(FIRM, GOLD), Some(limits));
}

#[test]
fn when_the_next_order_expires() {
    let mut market = market();
    assert_eq!(market.engine().next_expiry(), None);
    for (price, at) in [(10, 300), (11, 200), (12, 400)] {
        let until = NewOrder { time_in_force: TimeInForce::Gtd, ..order(price) };
        let terms = Terms { expire_at: Timestamp(at), ..Terms::NONE };
        market.enter_special(ANN, until, terms);
    }
    for at in [200, 300, 400] {
        assert_eq!(market.engine().next_expiry(), Some(Timestamp(at)));
        market.advance_to(Timestamp(at));
        let events = market.venue(Command::Expire);
        let canceled = events.iter().filter(|event| matches!(event, Event::Canceled(_)));
        assert_eq!(canceled.count(), 1, "{events:?}");
    }
    assert_eq!(market.engine().next_expiry(), None);
}

/// A larger table of orders makes the largest quantity smaller: what is left of all of them together has
/// to fit. An instrument that is defined keeps what it promised.
#[test]
fn limits_grow_as_far_as_the_quantities_of_the_instruments_let_them() {
    let mut market = Market::new(LIMITS).unwrap();
    let qty_max = LIMITS.qty_max();
    let widest = |qty_max| {
        let plain = Instrument::plain("WIDE").unwrap();
        Instrument {
            qty_max,
            price_min: Price::from_ticks(0),
            price_max: Price::from_ticks(0),
            ..plain
        }
    };
    let too_wide = widest(qty_max + Qty::from_lots(1));
    assert_eq!(market.define(too_wide), Err(RejectReason::BadDefinition));
    market.define(widest(qty_max)).unwrap();
    assert!(matches!(market.venue(Command::Configure(LIMITS)), [Event::Configured]));
    let more = Limits { orders_max: LIMITS.orders_max + 1, ..LIMITS };
    let [Event::CommandRefused { reason }] = market.venue(Command::Configure(more)) else {
        panic!("the instrument's largest quantity does not fit any more")
    };
    assert_eq!(*reason, RejectReason::BadDefinition);
}

/// Each order has the next number of its session, each Input the next place of all.
#[test]
fn a_market_numbers_what_it_is_given() {
    let mut market = market();
    let (first, _) = market.enter(ANN, order(10));
    let (second, _) = market.enter(ANN, order(11));
    assert_eq!((first, second), (OrderNumber(1), OrderNumber(2)));
    let NewOrder { number, instrument, side, qty, .. } = order(11);
    let (target, price) = (second, Price::from_ticks(12));
    let replace = ReplaceOrder { number, target, instrument, side, price, qty };
    let (third, events) = market.replace(ANN, replace);
    let [Event::Replaced(event), ..] = events else { panic!("{events:?}") };
    assert_eq!((third, event.old_number, event.number), (OrderNumber(3), second, third));
    let [one, other] = [first, third].map(|number| {
        let [Event::Canceled(event)] = market.cancel(ANN, number) else { panic!("it works") };
        event.order_id.0
    });
    assert_eq!(other, one + 1);
}
