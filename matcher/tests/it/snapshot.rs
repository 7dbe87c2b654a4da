//! Snapshots: what is saved is all there is, what is loaded goes on as if nothing had happened, and bytes
//! that are none are refused.

use std::collections::BTreeSet;

use matcher::testing::{Flow, Mix, MixedFlow, Profile, Rng};
use matcher::{
    Bust, Command, Engine, Event, Input, Instrument, InstrumentId, LIMITS_MAX, Limits, Market,
    MassCancelScope, MsgSeqNum, NewOrder, OrderNumber, ParticipantId, Permission, PermissionScope,
    Phase, Price, Qty, RefusedRequest, RejectReason, RiskLimits, SNAPSHOT_VERSION, Sequence,
    SessionId, Side, SnapshotError, Terms, TimeInForce, Timestamp, TradeId,
};

/// Any of the flows.
enum AnyFlow {
    Ordinary(Box<Flow>),
    Mixed(Box<MixedFlow>),
}

impl AnyFlow {
    /// One of every profile.
    fn all(seed: u64) -> Vec<(String, AnyFlow)> {
        let ordinary = [
            ("standard", Profile { resting: 150, ..Profile::standard() }),
            ("hostile", Profile::hostile()),
            ("jumpy", Profile::jumpy()),
        ];
        let ordinary = ordinary.into_iter().map(|(name, profile)| {
            (name.to_owned(), AnyFlow::Ordinary(Box::new(Flow::new(profile, seed))))
        });
        let mixed = Mix::all()
            .into_iter()
            .map(|mix| (mix.name.to_owned(), AnyFlow::Mixed(Box::new(MixedFlow::new(mix, seed)))));
        ordinary.chain(mixed).collect()
    }

    fn input(&mut self) -> Input {
        match self {
            AnyFlow::Ordinary(flow) => flow.input(),
            AnyFlow::Mixed(flow) => flow.input(),
        }
    }

    fn observe(&mut self, event: &Event) {
        match self {
            AnyFlow::Ordinary(flow) => flow.observe(event),
            AnyFlow::Mixed(flow) => flow.observe(event),
        }
    }
}

pub(super) fn save(engine: &Engine) -> Vec<u8> {
    let mut bytes = Vec::new();
    engine.save(&mut |block: &[u8]| bytes.extend_from_slice(block));
    bytes
}

pub(super) fn load(bytes: &[u8]) -> Result<Engine, SnapshotError> {
    Engine::load(bytes, &LIMITS_MAX)
}

pub(super) fn word_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

/// The hash as SNAPSHOT.md tells it.
fn hash(bytes: &[u8]) -> u64 {
    let mix = |lane: u64, word: u64| {
        let mut x = (lane ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    };
    let (mut lanes, words) = ([0; 4], bytes.len() / 8);
    for n in 0..words {
        lanes[n % 4] = mix(lanes[n % 4], word_at(bytes, n * 8));
    }
    (0..4).fold(0, |hash, n| mix(hash, lanes[(words + n) % 4]))
}

/// The same bytes with the hash that they should have.
pub(super) fn signed(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.len() - 8;
    let hash = hash(&bytes[..end]);
    bytes[end..].copy_from_slice(&hash.to_le_bytes());
    bytes
}

/// At random points the engine is saved and loaded; both go on, and answer alike.
#[test]
fn a_loaded_engine_goes_on_as_the_one_that_was_saved() {
    for seed in 1..=3 {
        for (name, mut flow) in AnyFlow::all(seed) {
            println!("{name} seed {seed}");
            let mut rng = Rng::new(seed);
            let mut engine = Engine::new();
            let mut twin = load(&save(&engine)).unwrap();
            let (mut events, mut answers) = (Vec::new(), Vec::new());
            for _ in 0..3_000 {
                let input = flow.input();
                events.clear();
                answers.clear();
                engine.apply(&input, &mut events);
                twin.apply(&input, &mut answers);
                assert_eq!(answers, events, "{name} seed {seed}: {input:?}");
                events.iter().for_each(|event| flow.observe(event));
                if rng.percent(10) {
                    assert_eq!(twin.state_hash(), engine.state_hash());
                }
                if rng.percent(4) {
                    let bytes = save(&engine);
                    let said = word_at(&bytes, bytes.len() - 8);
                    assert_eq!(said, engine.state_hash());
                    assert_eq!(said, hash(&bytes[..bytes.len() - 8]));
                    // The twin's slots differ from the engine's, its bytes do not.
                    assert!(save(&twin) == bytes, "{name} seed {seed}");
                    twin = load(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
                    twin.check();
                    assert!(save(&twin) == bytes, "{name} seed {seed}");
                }
            }
        }
    }
}

/// It is the hash of the stream without the numbers of sessions.
#[test]
fn the_hash_of_the_book_is_in_the_bytes() {
    for mix in Mix::all() {
        let engine = engine_of(mix).0;
        let bytes = save(&engine);
        let (sessions, end) = (engine.sessions_len(), bytes.len() - 8);
        let numbers = 80 + 16 * sessions..80 + 32 * sessions;
        let without = [&bytes[..numbers.start], &bytes[numbers.end..end]].concat();
        assert_eq!(engine.book_hash(), hash(&without));
    }
}

/// Why the engine did nothing; `None` if it did.
fn refused(events: &[Event]) -> Option<RejectReason> {
    match events {
        [Event::Rejected(event)] => Some(event.reason),
        [Event::CancelRejected(event)] => Some(event.reason),
        [Event::MassCancelRejected { reason, .. } | Event::CommandRefused { reason }] => {
            Some(*reason)
        }
        _ => None,
    }
}

/// A refused command changes the numbers that it used up and nothing else; every reason that the flows
/// reach is one.
#[test]
fn a_refused_command_changes_nothing_but_numbers() {
    let mut reasons = BTreeSet::new();
    for seed in 1..=2 {
        for (name, mut flow) in AnyFlow::all(seed) {
            println!("{name} seed {seed}");
            let (mut engine, mut events) = (Engine::new(), Vec::new());
            let mut before = engine.book_hash();
            for _ in 0..6_000 {
                let input = flow.input();
                events.clear();
                engine.apply(&input, &mut events);
                events.iter().for_each(|event| flow.observe(event));
                let after = engine.book_hash();
                if let Some(reason) = refused(&events) {
                    assert_eq!(after, before, "{name} seed {seed}: {input:?} {events:?}");
                    if !matches!(input.command, Command::Refuse { .. }) {
                        reasons.insert(reason.code());
                    }
                }
                before = after;
            }
        }
    }
    let missing: Vec<RejectReason> = RejectReason::ALL
        .iter()
        .copied()
        .filter(|reason| !reasons.contains(&reason.code()))
        .filter(|reason| !OF_THE_BORDER.contains(reason) && !BY_HAND.contains(reason))
        .collect();
    assert!(missing.is_empty(), "no flow reaches {missing:?}");
}

/// Reasons that the engine never gives: it passes on what the border says in a `Refuse`.
const OF_THE_BORDER: [RejectReason; 7] = [
    RejectReason::PriceOffTick,
    RejectReason::QtyOffLot,
    RejectReason::DuplicateClOrdId,
    RejectReason::BadClOrdId,
    RejectReason::Throttled,
    RejectReason::JournalFull,
    RejectReason::Unsupported,
];

/// Reasons that no flow reaches: an instrument is never defined twice, four billion orders are never
/// sent, tables run out of levels before orders, and there is a last price before there are limits.
const BY_HAND: [RejectReason; 4] = [
    RejectReason::DuplicateSymbol,
    RejectReason::NumbersExhausted,
    RejectReason::TooManyOrders,
    RejectReason::NoReference,
];

/// Gives a command that is refused with `reason`, and sees that only numbers change.
fn refuse(market: &mut Market, session: SessionId, command: Command, reason: RejectReason) {
    let before = market.engine().book_hash();
    let events = market.give(session, command).to_vec();
    assert_eq!(refused(&events), Some(reason), "{command:?} {events:?}");
    assert_eq!(market.engine().book_hash(), before, "{command:?}");
}

#[test]
fn what_the_border_refuses_changes_nothing_but_numbers() {
    let (mut market, ..) = small_market();
    let session = SessionId(1);
    market.enter(session, order(10));
    for reason in RejectReason::ALL {
        let number = market.next_number(session);
        let target = OrderNumber(1);
        let requests = [
            RefusedRequest::New(number),
            RefusedRequest::Cancel { target },
            RefusedRequest::Replace { number: OrderNumber(number.0 + 1), target },
            RefusedRequest::MassCancel,
        ];
        for request in requests {
            let before = market.engine().state_hash();
            let command = Command::Refuse { request, reason: *reason };
            refuse(&mut market, session, command, *reason);
            assert_ne!(market.engine().state_hash(), before);
        }
    }
}

#[test]
fn reasons_that_no_flow_reaches_change_nothing_but_numbers() {
    let (mut market, id) = small_market();
    let (session, venue) = (SessionId(1), SessionId::VENUE);
    let instrument = *market.engine().instrument(id).unwrap();
    let again = Command::DefineInstrument { id: InstrumentId(1), instrument };
    refuse(&mut market, venue, again, RejectReason::DuplicateSymbol);

    // The participant has no account there yet, and gets none by being refused.
    let participant = ParticipantId(1);
    let limits = RiskLimits { order_notional_max: 1_000, ..RiskLimits::NONE };
    let instrument = InstrumentId::NONE;
    market.venue(Command::SetRisk { participant, instrument, limits });
    let new = NewOrder::market(id, Side::Buy, Qty::from_lots(1));
    let number = market.next_number(session);
    let command = Command::New(NewOrder { number, ..new });
    refuse(&mut market, session, command, RejectReason::NoReference);

    market.enter(session, order(10));
    market.enter(session, order(11));
    let number = market.next_number(session);
    let command = Command::New(NewOrder { number, ..order(12) });
    refuse(&mut market, session, command, RejectReason::TooManyOrders);

    // A session that has used all its numbers is one that says so in its snapshot.
    let mut bytes = save(market.engine());
    let last_number = 80 + 2 * 16 + 8;
    assert_eq!(word_at(&bytes, last_number), number.0.into());
    bytes[last_number..last_number + 4].fill(0xff);
    let mut engine = load(&signed(bytes)).unwrap();
    let (before, mut events) = (engine.book_hash(), Vec::new());
    let (sequence, timestamp, inbound) = (Sequence(9), Timestamp(9), MsgSeqNum(9));
    engine.apply(&Input { sequence, timestamp, session, inbound, command }, &mut events);
    assert_eq!(refused(&events), Some(RejectReason::NumbersExhausted));
    assert_eq!(engine.book_hash(), before);
}

/// Two sessions of two participants, one instrument, room for two orders.
fn small_market() -> (Market, InstrumentId) {
    let limits = Limits { orders_max: 2, levels_max: 4, instruments_max: 2, sessions_max: 3 };
    let mut market = Market::new(limits).unwrap();
    let id = market.define(Instrument::plain("GOLD").unwrap()).unwrap();
    market.session(ParticipantId(1)).unwrap();
    market.session(ParticipantId(2)).unwrap();
    (market, id)
}

fn order(price: i64) -> NewOrder {
    let (price, qty) = (Price::from_ticks(price), Qty::from_lots(5));
    NewOrder::limit(InstrumentId(0), Side::Buy, price, qty)
}

/// An engine with a little of everything, and what would come next.
fn rich_engine() -> (Engine, Vec<Input>) {
    engine_of(Mix::everything())
}

fn engine_of(mix: Mix) -> (Engine, Vec<Input>) {
    let mut flow = MixedFlow::new(mix, 4);
    let (mut engine, mut events) = (Engine::new(), Vec::new());
    for _ in 0..1_400 {
        engine.apply(&flow.input(), &mut events);
        events.drain(..).for_each(|event| flow.observe(&event));
    }
    let next = (0..40).map(|_| flow.input()).collect();
    (engine, next)
}

#[test]
fn bytes_that_were_cut_or_changed_are_refused() {
    let bytes = save(&rich_engine().0);
    assert!(load(&bytes).is_ok());
    for len in 0..bytes.len() {
        assert!(load(&bytes[..len]).is_err(), "{len} bytes");
    }
    for more in 1..=24 {
        let longer = [&bytes[..], &vec![0; more]].concat();
        assert!(load(&longer).is_err(), "{more} bytes more");
    }
    // A word more or less before a hash that is right.
    let words = &bytes[..bytes.len() - 8];
    for made_up in [[words, &[0; 16]].concat(), words.to_vec(), bytes[..24].to_vec()] {
        let len = made_up.len();
        let error = load(&signed(made_up)).err().unwrap();
        assert_eq!(error, SnapshotError::Length(len), "{error}");
        assert_eq!(error.to_string(), format!("{len} bytes are not the length of a snapshot"));
    }
    let mut bytes = bytes;
    for at in 0..bytes.len() {
        for bit in 0..8 {
            bytes[at] ^= 1 << bit;
            let error = load(&bytes).err().unwrap_or_else(|| panic!("bit {bit} at {at}"));
            match at {
                0..8 => assert_eq!(error, SnapshotError::Magic),
                8..16 => assert!(matches!(error, SnapshotError::Version(_))),
                _ => assert!(matches!(error, SnapshotError::Hash { .. })),
            }
            bytes[at] ^= 1 << bit;
        }
    }
}

/// The bytes with these words instead of those, which stand in one place.
fn with_words(bytes: &[u8], of: &[u64], to: &[u64]) -> Vec<u8> {
    let words: Vec<u64> = (0..bytes.len() / 8).map(|n| word_at(bytes, n * 8)).collect();
    let places: Vec<usize> =
        (0..=words.len() - of.len()).filter(|at| words[*at..].starts_with(of)).collect();
    assert_eq!(places.len(), 1, "{of:?} in {words:?}");
    let mut bytes = bytes.to_vec();
    for (n, word) in to.iter().enumerate() {
        let at = (places[0] + n) * 8;
        bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
    }
    signed(bytes)
}

/// Busted trades and restricted groups come in order, each once, and no two orders expire at one time
/// with one sequence: else two different streams of bytes would be one engine.
#[test]
fn lists_out_of_order_are_refused() {
    let limits = Limits { orders_max: 9, levels_max: 9, instruments_max: 1, sessions_max: 2 };
    let mut market = Market::new(limits).unwrap();
    let instrument = market.define(Instrument::plain("GOLD").unwrap()).unwrap();
    let [ann, bob] = [1, 2].map(|id| market.session(ParticipantId(id)).unwrap());
    let until = Timestamp(0x7e57_0001);
    for _ in 0..2 {
        let new = NewOrder { time_in_force: TimeInForce::Gtd, ..order(3) };
        let terms = Terms { expire_at: until, ..Terms::NONE };
        assert!(!market.enter_special(ann, new, terms).1.is_empty());
    }
    for _ in 0..302 {
        market.enter(ann, NewOrder { side: Side::Sell, ..order(5) });
        market.enter(bob, order(5));
    }
    for trade in [301, 302].map(TradeId) {
        let (price, qty) = (Price::from_ticks(5), Qty::from_lots(1));
        let (buy, sell) = ((bob, OrderNumber(1)), (ann, OrderNumber(1)));
        let bust = Bust { trade, instrument, price, qty, buy, sell };
        assert!(matches!(market.venue(Command::Bust(bust)), [Event::Busted(_)]));
    }
    let groups = [0x0067_0001, 0x0067_0002];
    for group in groups {
        let (scope, permission) = (PermissionScope::Group(group), Permission::CancelOnly);
        assert_eq!(market.venue(Command::SetPermission { scope, permission }), [Event::Applied]);
    }
    let bytes = save(market.engine());
    assert!(load(&bytes).is_ok());

    let refused = |of: &[u64], to: &[u64]| {
        let error = load(&with_words(&bytes, of, to)).err();
        let Some(SnapshotError::Word { offset }) = error else { panic!("{to:?}: {error:?}") };
        // The error says which word it is: one of these.
        assert!(to.contains(&word_at(&with_words(&bytes, of, to), offset)), "{to:?}: {offset}");
    };
    for trades in [[301, 301], [302, 302], [302, 301]] {
        refused(&[301, 302], &trades);
    }
    // With the code of the permission, which is 1.
    let two @ [one, other] = groups.map(|group| u64::from(group) | 1 << 32);
    for groups in [[one, one], [other, other], [other, one]] {
        refused(&two, &groups);
    }
    refused(&two, &[one, groups[1].into()]);

    let again = with_words(&bytes, &[until.0, 2], &[until.0, 1]);
    assert_eq!(load(&again).err(), Some(SnapshotError::NotCanonical));
}

/// Bytes that somebody made, with a hash that is right: they are refused, or they are an engine whose
/// parts agree, which is saved as these bytes and goes on without a panic. A test for each mix, so that
/// they run side by side.
#[test]
fn made_up_bytes_of_everything_are_refused_or_are_an_engine() {
    make_up(Mix::everything());
}

#[test]
fn made_up_bytes_of_auctions_are_refused_or_are_an_engine() {
    make_up(Mix::auctions());
}

#[test]
fn made_up_bytes_of_stops_are_refused_or_are_an_engine() {
    make_up(Mix::stops());
}

#[test]
fn made_up_bytes_of_pegs_are_refused_or_are_an_engine() {
    make_up(Mix::pegs());
}

#[test]
fn made_up_bytes_of_owners_are_refused_or_are_an_engine() {
    make_up(Mix::selftrade());
}

fn make_up(mix: Mix) {
    let name = mix.name;
    let (engine, next) = engine_of(mix);
    let (bytes, room) = (save(&engine), engine.limits());
    let mut loaded = 0;
    let mut attempt = |bytes: Vec<u8>| {
        let bytes = signed(bytes);
        let Ok(mut engine) = Engine::load(&bytes, &room) else { return };
        engine.check();
        assert!(save(&engine) == bytes);
        let mut events = Vec::new();
        let last = next.last().unwrap();
        for input in &next {
            engine.apply(input, &mut events);
            events.clear();
        }
        for command in the_day_goes_on() {
            let (session, inbound) = (SessionId::VENUE, MsgSeqNum::NONE);
            engine.apply(&Input { session, inbound, command, ..*last }, &mut events);
            engine.check();
        }
        loaded += 1;
    };
    let words = bytes.len() / 8 - 1;
    let mut rng = Rng::new(7);
    for n in 2..words {
        let (at, word) = (n * 8, word_at(&bytes, n * 8));
        let mut put = |word: u64| {
            let mut bytes = bytes.clone();
            bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
            attempt(bytes);
        };
        (0..16).for_each(|_| put(word ^ 1 << rng.below(64)));
        [0, 1, u64::MAX, 1 << 63, word.wrapping_add(1), word.wrapping_sub(1), !word]
            .into_iter()
            .for_each(&mut put);
        // Another word of the same stream, which may well fit.
        (0..4).for_each(|_| put(word_at(&bytes, 8 * rng.index(words))));
    }
    for _ in 0..2_000 {
        let mut bytes = bytes.clone();
        for _ in 0..=rng.index(3) {
            let (from, to) = (8 * (2 + rng.index(words - 2)), 8 * (2 + rng.index(words - 2)));
            let word: [u8; 8] = bytes[from..from + 8].try_into().unwrap();
            bytes[to..to + 8].copy_from_slice(&word);
        }
        attempt(bytes);
    }
    println!("{name}: {loaded} of them are engines");
    assert!(loaded > 500, "{name}: {loaded}");
}

/// Commands that walk over everything that an engine has.
fn the_day_goes_on() -> Vec<Command> {
    let mut commands = Vec::new();
    for instrument in (0..4).map(InstrumentId) {
        for phase in [Phase::ClosingAuction, Phase::Continuous, Phase::PreOpen, Phase::Continuous] {
            commands.push(Command::SetPhase { instrument, phase });
        }
        commands.push(Command::PublishIndicative { instrument });
    }
    commands.push(Command::Expire);
    commands.push(Command::ExpireDay);
    commands.extend(
        (0..4).map(|id| Command::MassCancel(MassCancelScope::Instrument(InstrumentId(id)))),
    );
    commands
}

#[test]
fn an_engine_too_large_for_the_reader_is_refused() {
    let engine = rich_engine().0;
    let (bytes, limits) = (save(&engine), engine.limits());
    let smaller = [
        Limits { orders_max: limits.orders_max - 1, ..limits },
        Limits { levels_max: limits.levels_max - 1, ..limits },
        Limits { instruments_max: limits.instruments_max - 1, ..limits },
        Limits { sessions_max: limits.sessions_max - 1, ..limits },
    ];
    for room in smaller {
        assert_eq!(Engine::load(&bytes, &room).err(), Some(SnapshotError::Limits(limits)));
    }
    assert!(Engine::load(&bytes, &limits).is_ok());
}

#[test]
fn a_snapshot_of_another_version_says_so() {
    let mut bytes = save(&Engine::new());
    assert_eq!(word_at(&bytes, 8), SNAPSHOT_VERSION.into());
    bytes[8] += 1;
    let error = load(&signed(bytes)).err().unwrap();
    assert_eq!(error, SnapshotError::Version(SNAPSHOT_VERSION + 1));
    assert_eq!(load(b"VestaSnp").err(), Some(SnapshotError::Length(8)));
    assert_eq!(load(b"").err(), Some(SnapshotError::Magic));
}

/// A market is restored with its clock and its count of Inputs, and refused if they were touched.
#[test]
fn a_market_goes_on_where_it_was() {
    let (mut market, _) = small_market();
    market.advance_to(Timestamp(77));
    market.enter(SessionId(1), order(10));
    let bytes = market.snapshot();
    let mut again = Market::restore(&bytes).unwrap();
    assert_eq!(again.snapshot(), bytes);
    for market in [&mut market, &mut again] {
        let sell = NewOrder { side: Side::Sell, ..order(9) };
        market.enter(SessionId(2), sell);
    }
    assert_eq!(again.snapshot(), market.snapshot());
    for at in 0..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        assert!(Market::restore(&bytes).is_err(), "{at}");
        assert!(Market::restore(&bytes[..at]).is_err(), "{at}");
    }
}

/// Session, number, place and quantity of each order of a queue.
type Queue = Vec<(u32, u32, u64, u64)>;

/// The displayed orders as somebody reads them who has SNAPSHOT.md and nothing else: by instrument and
/// side, best price first, then by place.
fn displayed(bytes: &[u8]) -> Vec<[Queue; 2]> {
    let half = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let count = |at: usize| usize::try_from(half(at)).unwrap();
    let (sessions, participants, groups) = (count(48), count(52), count(56));
    let (accounts, busts, instruments, orders) = (count(60), count(64), count(68), count(72));
    let mut at = 80 + 32 * sessions + 56 * participants + 8 * groups;
    for _ in 0..accounts {
        at += if word_at(bytes, at + 24) == 1 { 80 } else { 32 };
    }
    at += 8 * busts + 96 * instruments;
    let mut rows = Vec::new();
    for _ in 0..orders {
        let (side, stands, has, follows) =
            (bytes[at + 48], bytes[at + 52], bytes[at + 53], bytes[at + 54]);
        let (price, place) = (word_at(bytes, at + 32).cast_signed(), word_at(bytes, at + 16));
        let better = i128::from(price) * if side == 1 { -1 } else { 1 };
        if stands == 0 {
            let row = (half(at), half(at + 4), place, word_at(bytes, at + 24));
            rows.push((count(at + 40), usize::from(side - 1), better, place, row));
        }
        let blocks = [0, 16, 16, 16, 8, 8];
        at += 56 + usize::from(follows != 0) * 8;
        at += (0..6).map(|bit| usize::from(has >> bit & 1) * blocks[bit]).sum::<usize>();
    }
    at += 8 * count(76);
    assert_eq!(at + 8, bytes.len(), "the parts are as long as SNAPSHOT.md says");
    rows.sort_unstable();
    let mut queues = vec![[Vec::new(), Vec::new()]; instruments];
    for (instrument, side, _, _, row) in rows {
        queues[instrument][side].push(row);
    }
    queues
}

#[test]
fn the_book_can_be_read_by_the_tables_alone() {
    for mix in Mix::all() {
        println!("{}", mix.name);
        let (engine, _) = engine_of(mix);
        let read = displayed(&save(&engine));
        let mut seen = 0;
        for (id, _) in engine.instruments() {
            for (n, side) in [Side::Buy, Side::Sell].into_iter().enumerate() {
                let orders = engine.book(id).unwrap().orders(side).map(|order| {
                    let displayed_qty = order.displayed_qty.lots();
                    (order.session.0, order.number.0, order.order_ref.0, displayed_qty)
                });
                let queue: Queue = orders.collect();
                assert_eq!(read[id.index()][n], queue);
                seen += queue.len();
            }
        }
        assert!(seen > 0);
    }
}
