//! What accounts, permissions and refusals promise, over random flow.

use std::collections::{BTreeMap, BTreeSet};

use matcher::testing::{Mix, MixedFlow, flow};
use matcher::{
    AccountState, BookLevel, BookOrder, Bust, Command, Engine, Event, Input, InstrumentId, Limits,
    Liquidity, MsgSeqNum, NewOrder, OrderKind, OrderNumber, ParticipantId, Permission,
    PermissionScope, Price, Qty, RejectReason, RiskLimits, Sequence, SessionId, SessionSettings,
    Side, TimeInForce, Timestamp, TradeId,
};

const COMMANDS: usize = 8_000;
const SEEDS: u64 = 5;

/// Runs mixes of flow; `look` sees each Input, the engine after it, and the Events.
fn run(names: &[&str], mut look: impl FnMut(&Input, &Engine, &[Event])) {
    for name in names {
        for seed in 1..=SEEDS {
            println!("{name} seed {seed}");
            let mut flow = MixedFlow::new(Mix::named(name).expect("the name of a profile"), seed);
            let mut engine = Engine::new();
            let mut events = Vec::new();
            for _ in 0..COMMANDS {
                let input = flow.input();
                events.clear();
                engine.apply(&input, &mut events);
                look(&input, &engine, &events);
                events.iter().for_each(|event| flow.observe(event));
            }
        }
    }
}

/// Who trades: the participants of all sessions.
fn participants(engine: &Engine) -> BTreeSet<ParticipantId> {
    let ids = (1..).map(SessionId).take(engine.sessions_len());
    ids.map(|id| engine.session(id).expect("it is defined").participant).collect()
}

#[test]
fn positions_are_the_sums_of_what_was_traded_and_not_busted() {
    let mut positions: BTreeMap<(ParticipantId, InstrumentId), i128> = BTreeMap::new();
    run(&["risky", "everything", "auctions", "selftrade"], |_, engine, events| {
        if matches!(events, [Event::Configured]) {
            positions.clear();
        }
        let mut add = |session, id: InstrumentId, lots: i128| {
            let participant = engine.session(session).expect("it traded").participant;
            *positions.entry((participant, id)).or_default() += lots;
        };
        for event in events {
            match event {
                Event::Traded(e) => {
                    let (buyer, seller) = match e.taker_side {
                        Side::Buy => (e.taker.session, e.maker.session),
                        Side::Sell => (e.maker.session, e.taker.session),
                    };
                    add(buyer, e.instrument, e.qty.lots().into());
                    add(seller, e.instrument, -i128::from(e.qty.lots()));
                }
                Event::Busted(e) => {
                    add(e.buy.session, e.instrument, -i128::from(e.qty.lots()));
                    add(e.sell.session, e.instrument, e.qty.lots().into());
                }
                _ => {}
            }
        }
        for (id, _) in engine.instruments() {
            let mut sum = 0;
            for participant in participants(engine) {
                let is = engine.account(participant, id).expect("it is defined").position;
                assert_eq!(is, positions.get(&(participant, id)).copied().unwrap_or(0));
                sum += is;
            }
            assert_eq!(sum, 0, "what one bought another sold");
        }
    });
}

/// All that a refusal must leave as it is.
#[derive(Debug, PartialEq)]
struct Seen {
    accounts: Vec<(Option<AccountState>, Option<RiskLimits>)>,
    sessions: Vec<Option<SessionSettings>>,
    books: Vec<(Vec<BookLevel>, Vec<BookOrder>)>,
    orders: usize,
}

fn see(engine: &Engine) -> Seen {
    let participants = participants(engine);
    let ids = || engine.instruments().map(|(id, _)| id);
    let sessions = (1..).map(SessionId).take(engine.sessions_len());
    let sides = [Side::Buy, Side::Sell];
    let books = ids().filter_map(|id| engine.book(id));
    Seen {
        accounts: ids()
            .flat_map(|id| participants.iter().map(move |participant| (*participant, id)))
            .map(|(of, id)| (engine.account(of, id), engine.risk_limits(of, id)))
            .collect(),
        sessions: sessions.map(|id| engine.session_settings(id)).collect(),
        books: books
            .flat_map(|book| {
                sides.map(|side| (book.levels(side).collect(), book.orders(side).collect()))
            })
            .collect(),
        orders: engine.orders_len(),
    }
}

#[test]
fn a_refusal_leaves_everything_as_it_was() {
    let mut before = see(&Engine::new());
    let mut refused = 0;
    run(&["risky", "everything"], |input, engine, events| {
        let after = see(engine);
        let is_refused = matches!(
            events,
            [Event::Rejected(_) | Event::CancelRejected(_) | Event::CommandRefused { .. }]
        );
        if is_refused && engine.instruments().len() > 0 {
            assert_eq!(before, after, "{input:?} {events:?}");
            refused += 1;
        }
        before = after;
    });
    assert!(refused > COMMANDS);
}

#[test]
fn the_flows_reach_every_answer_of_risk_permissions_and_busts() {
    let (mut rejected, mut replaces, mut refused) =
        (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut done = BTreeSet::new();
    run(&["risky", "everything"], |_, _, events| {
        for event in events {
            match event {
                Event::Rejected(e) => rejected.insert(e.reason.code()),
                Event::CancelRejected(e) => replaces.insert(e.reason.code()),
                Event::CommandRefused { reason } => refused.insert(reason.code()),
                Event::Applied => done.insert("applied"),
                Event::Busted(_) => done.insert("busted"),
                Event::Canceled(e) if e.reason == matcher::CancelReason::KillSwitch => {
                    done.insert("killed")
                }
                _ => continue,
            };
        }
    });
    let of_orders = [
        RejectReason::RiskOrderQty,
        RejectReason::RiskOrderNotional,
        RejectReason::RiskCollar,
        RejectReason::RiskOpenOrders,
        RejectReason::RiskOpenNotional,
        RejectReason::RiskPosition,
        RejectReason::CancelOnly,
        RejectReason::KillSwitch,
    ];
    for reason in of_orders {
        assert!(rejected.contains(&reason.code()), "no order was rejected with {reason:?}");
        assert!(replaces.contains(&reason.code()), "no replace was rejected with {reason:?}");
    }
    assert!(rejected.contains(&RejectReason::NoReference.code()));
    for reason in [
        RejectReason::UnknownTrade,
        RejectReason::AlreadyBusted,
        RejectReason::UnknownSession,
        RejectReason::UnknownInstrument,
        RejectReason::UnknownParticipant,
        RejectReason::QtyZero,
        RejectReason::BadDefinition,
    ] {
        assert!(refused.contains(&reason.code()), "no command was refused with {reason:?}");
    }
    assert_eq!(done.len(), 3);
}

/// An engine with one instrument and the sessions 1 to `sessions`; gives one command's last answer.
fn small(sessions: u32) -> impl FnMut(SessionId, Command) -> Event {
    let (mut engine, mut sequence) = (Engine::new(), 0);
    let mut give = move |session, command| {
        sequence += 1;
        let (sequence, timestamp, inbound) = (Sequence(sequence), Timestamp(0), MsgSeqNum::NONE);
        let mut events = Vec::new();
        engine.apply(&Input { sequence, timestamp, session, inbound, command }, &mut events);
        events.pop().expect("every Input has an answer")
    };
    let limits =
        Limits { orders_max: 9, levels_max: 9, instruments_max: 1, sessions_max: sessions };
    give(SessionId::VENUE, Command::Configure(limits));
    let instrument = flow::instrument("X", (1, 9), 9);
    let id = InstrumentId(0);
    give(SessionId::VENUE, Command::DefineInstrument { id, instrument });
    for id in (1..=sessions).map(SessionId) {
        let participant = ParticipantId(id.0);
        give(SessionId::VENUE, Command::DefineSession { id, participant });
    }
    give
}

const FULL: Event = Event::CommandRefused { reason: RejectReason::TableFull };

/// What session 2 buys of session 1 in the tests below.
struct Trade {
    instrument: InstrumentId,
    price: Price,
    qty: Qty,
}

const TRADE: Trade =
    Trade { instrument: InstrumentId(0), price: Price::from_ticks(5), qty: Qty::from_lots(1) };

/// Lets [`TRADE`] happen, with orders of this number.
fn trade(give: &mut impl FnMut(SessionId, Command) -> Event, number: OrderNumber) {
    let Trade { instrument, price, qty } = TRADE;
    for (session, side) in [(SessionId(1), Side::Sell), (SessionId(2), Side::Buy)] {
        let kind = OrderKind::Limit(price);
        let (time_in_force, liquidity) = (TimeInForce::Day, Liquidity::Any);
        let new = NewOrder { number, instrument, side, kind, qty, time_in_force, liquidity };
        give(session, Command::New(new));
    }
}

/// A bust that names others than those who traded opens their accounts: the last two that there is room
/// for, or some before those.
#[test]
fn a_bust_opens_accounts_up_to_the_last() {
    for sessions in 4..8 {
        let mut give = small(sessions);
        let Trade { instrument, price, qty } = TRADE;
        let number = OrderNumber(1);
        trade(&mut give, number);
        let (trade, buy, sell) = (TradeId(1), (SessionId(4), number), (SessionId(3), number));
        let bust = Bust { trade, instrument, price, qty, buy, sell };
        assert!(matches!(give(SessionId::VENUE, Command::Bust(bust)), Event::Busted(_)));
    }
}

#[test]
fn the_tables_of_busts_and_of_groups_end_where_the_rules_say() {
    let mut give = small(2);
    let Trade { instrument, price, qty } = TRADE;
    for n in 1..=65_537 {
        let number = OrderNumber(n);
        trade(&mut give, number);
        let (buy, sell) = ((SessionId(2), number), (SessionId(1), number));
        let bust = Bust { trade: TradeId(n.into()), instrument, price, qty, buy, sell };
        let answer = give(SessionId::VENUE, Command::Bust(bust));
        assert_eq!(matches!(answer, Event::Busted(_)), n <= 65_536);
        assert_eq!(answer == FULL, n > 65_536);
    }
    let mut permit = |group, permission| {
        let scope = PermissionScope::Group(group);
        give(SessionId::VENUE, Command::SetPermission { scope, permission })
    };
    for group in (1..=65_536).rev() {
        assert_eq!(permit(group, Permission::CancelOnly), Event::Applied);
    }
    assert_eq!(permit(65_537, Permission::CancelOnly), FULL);
    assert_eq!(permit(65_537, Permission::Trade), Event::Applied);
    assert_eq!(permit(7, Permission::Killed), Event::Applied);
    assert_eq!(permit(8, Permission::Trade), Event::Applied);
    assert_eq!(permit(65_537, Permission::CancelOnly), Event::Applied);
}
