//! What a snapshot says of an order fits together, or is refused: orders written down by the tables of
//! SNAPSHOT.md, each right as it is and wrong with one thing changed. And accounts.

use matcher::{
    Command, Instrument, InstrumentId, Limits, Market, NewOrder, ParticipantId, Phase, Price, Qty,
    Side, SnapshotError, TimeInForce,
};

use super::snapshot::{load, save, signed, word_at};

/// Where an order stands.
const DISPLAYED: u8 = 0;
const STOP: u8 = 1;
const TRAILING: u8 = 2;
const ELECTED: u8 = 3;
const PEG: u8 = 4;
const WAITING: u8 = 5;
const MARKET: u8 = 6;

/// What it follows.
const NOTHING: u8 = 0;
const A_STOP: u8 = 1;
const A_TRAIL: u8 = 2;
const PRIMARY: u8 = 3;
const MIDPOINT: u8 = 4;

/// Times in force.
const DAY: u8 = 0;
const AT_OPEN: u8 = 2;
const GTD: u8 = 6;
const AT_CLOSE: u8 = 7;
const GFA: u8 = 10;

const QTY_MIN: u64 = 3;
const QTY_MAX: u64 = 1_000_000;
const PRICE_MIN: i64 = -40;
const PRICE_MAX: i64 = 1_000;
const OFFSET_MAX: u64 = 1 << 62;

/// An order as the table has it.
#[derive(Clone, Copy, Debug)]
struct Row {
    number: u32,
    place: u64,
    qty: u64,
    /// It has a limit price; its word is there without, too.
    limited: bool,
    price: i64,
    side: u8,
    time_in_force: u8,
    stands: u8,
    follows: u8,
    /// Bits of what it has that nothing is said of here.
    more: u8,
    traded: Option<(u64, i64)>,
    /// What it displays at most, and what is not displayed.
    iceberg: Option<(u64, u64)>,
    expires: Option<(u64, u64)>,
    value: Option<i64>,
    peak: Option<i64>,
    followed: u64,
}

const LIMIT: Row = Row {
    number: 1,
    place: 1,
    qty: 50,
    limited: true,
    price: 10,
    side: 1,
    time_in_force: DAY,
    stands: DISPLAYED,
    follows: NOTHING,
    more: 0,
    traded: None,
    iceberg: None,
    expires: None,
    value: None,
    peak: None,
    followed: 0,
};

/// Without a limit price, and held.
const HELD: Row = Row { limited: false, price: 0, ..LIMIT };

const ICEBERG: Row = Row { qty: 5, iceberg: Some((7, 60)), ..LIMIT };
const FIXED: Row = Row { stands: STOP, follows: A_STOP, followed: 12, value: Some(10), ..LIMIT };
const TRAIL: Row = Row { stands: TRAILING, follows: A_TRAIL, followed: 4, ..HELD };
const PEGGED: Row = Row { stands: PEG, follows: PRIMARY, followed: 4, ..HELD };
const WAITS: Row = Row { stands: WAITING, time_in_force: GFA, ..HELD };
const IN_A_CALL: Row = Row { stands: MARKET, ..HELD };

impl Row {
    fn words(&self) -> Vec<u64> {
        let blocks = [
            self.traded.map(|(qty, notional)| vec![qty, notional.cast_unsigned()]),
            self.iceberg.map(|(display, reserve)| vec![display, reserve]),
            self.expires.map(|(at, place)| vec![at, place]),
            self.value.map(|price| vec![price.cast_unsigned()]),
            self.peak.map(|price| vec![price.cast_unsigned()]),
        ];
        let mut has = self.more | u8::from(self.limited);
        for (bit, block) in (1..).zip(&blocks) {
            has |= u8::from(block.is_some()) << bit;
        }
        let Row { side, time_in_force, stands, follows, .. } = *self;
        let codes = [side, time_in_force, 0, 0, stands, has, follows, 0];
        let price = self.price.cast_unsigned();
        let session_and_number = 1 | u64::from(self.number) << 32;
        let mut words = vec![session_and_number, 77, self.place, self.qty, price, 0];
        words.push(u64::from_le_bytes(codes));
        words.extend(blocks.into_iter().flatten().flatten());
        words.extend((follows != NOTHING).then_some(self.followed));
        words
    }
}

/// The snapshot of an engine before the opening, in front of its orders.
struct Snapshot {
    head: Vec<u8>,
}

impl Snapshot {
    /// Two participants with accounts, who have traded at 10 or never.
    fn of_an_instrument(has_last: bool) -> Snapshot {
        let limits = Limits { orders_max: 3, levels_max: 1, instruments_max: 1, sessions_max: 3 };
        let mut market = Market::new(limits).unwrap();
        let gold = Instrument {
            qty_min: Qty::from_lots(QTY_MIN),
            qty_max: Qty::from_lots(QTY_MAX),
            price_min: Price::from_ticks(PRICE_MIN),
            price_max: Price::from_ticks(PRICE_MAX),
            ..Instrument::plain("GOLD").unwrap()
        };
        let instrument = market.define(gold).unwrap();
        let [ann, bob] = [1, 2].map(|id| market.session(ParticipantId(id)).unwrap());
        let time_in_force = if has_last { TimeInForce::Day } else { TimeInForce::Ioc };
        for (session, side) in [(ann, Side::Buy), (bob, Side::Sell)] {
            let (price, qty) = (Price::from_ticks(10), Qty::from_lots(5));
            let order = NewOrder::limit(instrument, side, price, qty);
            market.enter(session, NewOrder { time_in_force, ..order });
            market.enter(session, NewOrder { time_in_force: TimeInForce::Ioc, ..order });
        }
        market.venue(Command::SetPhase { instrument, phase: Phase::PreOpen });
        let mut head = save(market.engine());
        head.truncate(head.len() - 8);
        // Places, which a market in which nobody ever rested has not given.
        head[40..48].copy_from_slice(&9_u64.to_le_bytes());
        assert_eq!(word_at(&head, 72), 0, "no orders");
        Snapshot { head }
    }

    /// The same in continuous trading.
    fn in_continuous_trading(mut self) -> Snapshot {
        // The last part is the instrument.
        let at = self.head.len() - 96 + 18;
        assert_eq!(self.head[at], Phase::PreOpen as u8);
        self.head[at] = Phase::Continuous as u8;
        self
    }

    /// The same, and the first session has used as many order numbers.
    fn after_numbers(mut self, last_number: u8) -> Snapshot {
        // Behind the head and two sessions, in the first of their numbers.
        let at = 80 + 2 * 16 + 8;
        assert_eq!(word_at(&self.head, at), 2);
        self.head[at] = last_number;
        self
    }

    /// The bytes with these orders, the last of which is elected if it says so.
    fn with(&self, rows: &[Row]) -> Vec<u8> {
        let mut bytes = self.head.clone();
        let is_elected = rows.last().is_some_and(|row| row.stands == ELECTED);
        bytes[72] = u8::try_from(rows.len()).unwrap();
        bytes[76] = u8::from(is_elected);
        let mut words: Vec<u64> = rows.iter().flat_map(Row::words).collect();
        if is_elected {
            words.push(words[words.len() - rows[rows.len() - 1].words().len()]);
        }
        // Room for the hash.
        words.push(0);
        bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        signed(bytes)
    }

    fn takes(&self, name: &str, rows: &[Row]) {
        let bytes = self.with(rows);
        let engine = load(&bytes).unwrap_or_else(|error| panic!("{name}: {error} {rows:?}"));
        engine.check();
        assert!(save(&engine) == bytes, "{name}");
    }

    /// Refuses a single order when so many of its words are read.
    fn refuses_after(&self, words: usize, name: &str, row: &Row) {
        let offset = self.head.len() + 8 * (words - 1);
        let error = load(&self.with(&[*row])).err();
        assert_eq!(error, Some(SnapshotError::Word { offset }), "{name}: {row:?}");
    }

    /// Refuses a single order when all of it is read.
    fn refuses(&self, name: &str, row: Row) {
        self.refuses_after(row.words().len(), name, &row);
    }
}

#[test]
fn a_name_a_place_and_a_quantity_that_cannot_be() {
    let gold = Snapshot::of_an_instrument(false);
    gold.takes("first", &[LIMIT]);
    gold.takes("second", &[Row { number: 2, ..LIMIT }]);
    gold.refuses_after(1, "no number", &Row { number: 0, ..LIMIT });
    gold.refuses_after(1, "a number to come", &Row { number: 3, ..LIMIT });
    gold.takes("the last place", &[Row { place: 9, ..LIMIT }]);
    gold.refuses_after(3, "no place", &Row { place: 0, ..LIMIT });
    gold.refuses_after(3, "a place to come", &Row { place: 10, ..LIMIT });
    gold.refuses_after(4, "nothing works", &Row { qty: 0, ..LIMIT });
    gold.refuses_after(7, "no side", &Row { side: 0, ..LIMIT });
    gold.refuses_after(7, "it never rests", &Row { time_in_force: 3, ..LIMIT });
    gold.refuses_after(7, "it stands nowhere", &Row { stands: 7, ..LIMIT });
    gold.refuses_after(7, "it has something unknown", &Row { more: 64, ..LIMIT });
    gold.refuses("it follows something unknown", Row { follows: 5, ..LIMIT });
}

#[test]
fn prices_of_the_instrument_alone() {
    let gold = Snapshot::of_an_instrument(true);
    for price in [PRICE_MIN, PRICE_MAX] {
        gold.takes("limit", &[Row { price, ..LIMIT }]);
        let value = Some(price);
        gold.takes("trigger", &[Row { followed: price.cast_unsigned(), value, ..FIXED }]);
        gold.takes("peak", &[Row { peak: value, ..TRAIL }]);
    }
    for price in [PRICE_MIN - 1, PRICE_MAX + 1] {
        gold.refuses_after(7, "limit", &Row { price, ..LIMIT });
        gold.refuses("trigger", Row { followed: price.cast_unsigned(), ..FIXED });
        gold.refuses("value", Row { value: Some(price), ..FIXED });
        gold.refuses("peak", Row { peak: Some(price), ..TRAIL });
    }
    gold.takes("no limit", &[PEGGED]);
    gold.refuses_after(7, "a price that is no limit", &Row { price: 10, ..PEGGED });
}

#[test]
fn what_has_traded_is_a_quantity_at_prices_of_the_instrument() {
    let gold = Snapshot::of_an_instrument(true);
    for notional in [3 * PRICE_MIN, 0, 3 * PRICE_MAX] {
        gold.takes("traded", &[Row { traded: Some((3, notional)), ..LIMIT }]);
    }
    for traded in [(0, 0), (3, 3 * PRICE_MIN - 1), (3, 3 * PRICE_MAX + 1), (0, 1), (0, -1)] {
        gold.refuses_after(9, "traded", &Row { traded: Some(traded), ..LIMIT });
    }
}

#[test]
fn quantities_of_the_instrument_alone() {
    let gold = Snapshot::of_an_instrument(true);
    let all = [
        Row { qty: QTY_MAX, ..LIMIT },
        Row { qty: QTY_MAX - 900, traded: Some((900, 0)), ..LIMIT },
        Row { qty: 5, traded: Some((900, 0)), iceberg: Some((100, QTY_MAX - 905)), ..LIMIT },
        // As many slices as there may be.
        Row { qty: 5, iceberg: Some((7, 69_995)), ..LIMIT },
        Row { qty: 5, iceberg: Some((7, 69_000)), traded: Some((995, 0)), ..LIMIT },
        // The last slice, and a whole one that is the smallest.
        Row { qty: 5, iceberg: Some((7, 0)), ..LIMIT },
        Row { qty: QTY_MIN, iceberg: Some((QTY_MIN, 9)), ..LIMIT },
    ];
    for row in all {
        gold.takes("quantity", &[row]);
        let Row { traded, iceberg, .. } = row;
        if let Some((qty, notional)) = traded {
            let traded = Some((qty + 70_000_000, notional));
            gold.refuses("too much traded", Row { traded, ..row });
        }
        if let Some((display, reserve)) = iceberg {
            let iceberg = Some((display, reserve + 70_000_000));
            gold.refuses("too much in reserve", Row { iceberg, ..row });
        }
    }
    gold.refuses("one too much", Row { qty: QTY_MAX + 1, ..LIMIT });
    gold.refuses("both too much", Row { qty: QTY_MAX - 900, traded: Some((901, 0)), ..LIMIT });
    let traded = Some((900, 0));
    let iceberg = Some((100, QTY_MAX - 904));
    gold.refuses("all three too much", Row { qty: 5, traded, iceberg, ..LIMIT });
    let ends = u64::MAX;
    gold.refuses("sums beyond a word", Row { qty: ends, traded: Some((ends, 0)), ..LIMIT });
    gold.refuses("a slice too many", Row { qty: 5, iceberg: Some((7, 69_996)), ..LIMIT });
    let traded = Some((996, 0));
    gold.refuses("with what traded", Row { qty: 5, iceberg: Some((7, 69_000)), traded, ..LIMIT });
    gold.refuses("a slice too large", Row { qty: 8, ..ICEBERG });
    gold.refuses("too little displayed", Row { qty: 2, iceberg: Some((2, 60)), ..LIMIT });
    gold.refuses_after(8, "nothing displayed", &Row { iceberg: Some((0, 60)), ..ICEBERG });
    let limit = ICEBERG.iceberg;
    for held in [FIXED, PEGGED, IN_A_CALL] {
        gold.takes("held", &[held]);
        gold.refuses("an iceberg that is held", Row { qty: 5, iceberg: limit, ..held });
    }
}

#[test]
fn times_in_force_go_with_where_an_order_stands() {
    let gold = Snapshot::of_an_instrument(true);
    gold.takes("iceberg", &[ICEBERG]);
    for time_in_force in [AT_OPEN, AT_CLOSE, GFA] {
        gold.takes("auction", &[Row { time_in_force, ..LIMIT }]);
        gold.refuses("iceberg for an auction", Row { time_in_force, ..ICEBERG });
    }
    for time_in_force in [AT_CLOSE, GFA] {
        gold.takes("waiting", &[Row { time_in_force, ..WAITS }]);
    }
    for time_in_force in [DAY, AT_OPEN] {
        gold.refuses("nothing to wait for", Row { time_in_force, ..WAITS });
    }
    for time_in_force in [AT_OPEN, AT_CLOSE, GFA] {
        let held = [FIXED, Row { peak: Some(10), ..TRAIL }, PEGGED];
        for row in held.into_iter().chain([Row { stands: ELECTED, ..FIXED }]) {
            gold.takes("held", &[row]);
            gold.refuses("held for an auction", Row { time_in_force, ..row });
        }
    }
    let expires = Some((1_000, 9));
    for row in [LIMIT, ICEBERG, FIXED, PEGGED] {
        let gtd = Row { time_in_force: GTD, ..row };
        gold.takes("until", &[Row { expires, ..gtd }]);
        gold.refuses("until never", gtd);
        gold.refuses("it does not expire", Row { expires, ..row });
    }
    let gtd = Row { time_in_force: GTD, ..LIMIT };
    gold.refuses_after(8, "until the beginning", &Row { expires: Some((0, 9)), ..gtd });
    for place in [0, 10] {
        gold.refuses_after(9, "expires at no place", &Row { expires: Some((5, place)), ..gtd });
    }
}

#[test]
fn what_an_order_follows_goes_with_where_it_stands() {
    let gold = Snapshot::of_an_instrument(true);
    let peak = Some(10);
    let trail = Row { peak, ..TRAIL };
    let elected = [Row { stands: ELECTED, ..FIXED }, Row { stands: ELECTED, ..TRAIL }];
    let pegs = [PEGGED, Row { follows: MIDPOINT, ..PEGGED }, Row { limited: true, ..PEGGED }];
    let held = [FIXED, Row { limited: false, price: 0, ..FIXED }, trail, WAITS, IN_A_CALL];
    for row in [LIMIT].into_iter().chain(elected).chain(pegs).chain(held) {
        gold.takes("right", &[row]);
    }
    gold.takes("waiting at a limit", &[Row { limited: true, ..WAITS }]);
    gold.refuses("a market order at a limit", Row { limited: true, ..IN_A_CALL });
    gold.refuses("displayed at no price", Row { limited: false, price: 0, ..LIMIT });
    gold.refuses("displayed and valued", Row { value: Some(10), ..LIMIT });
    // Each of them follows what each of the others follows.
    let follows = [
        (DISPLAYED, vec![NOTHING]),
        (STOP, vec![A_STOP]),
        (TRAILING, vec![A_TRAIL]),
        (ELECTED, vec![A_STOP, A_TRAIL]),
        (PEG, vec![PRIMARY, MIDPOINT]),
        (WAITING, vec![NOTHING]),
        (MARKET, vec![NOTHING]),
    ];
    let rights = [LIMIT, FIXED, trail, elected[0], elected[1], PEGGED, WAITS, IN_A_CALL];
    for row in rights {
        let right = &follows[usize::from(row.stands)].1;
        for other in [NOTHING, A_STOP, A_TRAIL, PRIMARY, MIDPOINT] {
            let other = Row { follows: other, followed: 4, ..row };
            let takes_limit = other.follows != A_TRAIL || !other.limited;
            if !right.contains(&other.follows) {
                gold.refuses("follows what it cannot", other);
            } else if takes_limit {
                gold.takes("follows what it can", &[other]);
            }
        }
    }
    gold.refuses("a trailing stop at a limit", Row { limited: true, ..trail });
    gold.refuses("elected at a limit", Row { limited: true, ..elected[1] });
    for row in [trail, elected[1], pegs[0], pegs[1]] {
        gold.takes("far away", &[Row { followed: OFFSET_MAX, ..row }]);
        gold.refuses("too far away", Row { followed: OFFSET_MAX + 1, ..row });
    }
    for row in [trail, elected[1]] {
        gold.refuses("no distance", Row { followed: 0, ..row });
    }
    gold.takes("a peg at no distance", &[Row { followed: 0, ..PEGGED }]);
    gold.refuses("elected by a price that is none", Row { followed: 1_001, ..elected[0] });
}

/// A call is over when trading is continuous, and whoever came for it is gone.
#[test]
fn nobody_is_in_a_call_that_is_over() {
    let open = Snapshot::of_an_instrument(true).in_continuous_trading();
    for row in [LIMIT, ICEBERG, FIXED, PEGGED, WAITS] {
        open.takes("right", &[row]);
    }
    for time_in_force in [AT_OPEN, AT_CLOSE, GFA] {
        open.refuses("in the book for an auction", Row { time_in_force, ..LIMIT });
    }
    open.refuses("a market order that waits for a price", IN_A_CALL);
}

/// A trailing stop has a peak from the first trade on, and nobody else has one.
#[test]
fn peaks_are_those_of_trailing_stops() {
    for has_last in [false, true] {
        let gold = Snapshot::of_an_instrument(has_last);
        let peaks = [None, Some(10)];
        let right = peaks[usize::from(has_last)];
        gold.takes("peak", &[Row { peak: right, ..TRAIL }]);
        gold.refuses("peak or none", Row { peak: peaks[usize::from(!has_last)], ..TRAIL });
        for row in [LIMIT, FIXED, PEGGED, IN_A_CALL] {
            gold.takes("no peak", &[row]);
            gold.refuses("a peak", Row { peak: Some(10), ..row });
        }
    }
}

/// The queue of elected stops has those that say so, each once.
#[test]
fn only_elected_orders_are_in_the_queue_of_those() {
    let gold = Snapshot::of_an_instrument(true);
    let elected = Row { stands: ELECTED, ..FIXED };
    let second = Row { number: 2, place: 2, ..elected };
    let of = |rows: &[Row], names: &[u64]| {
        let mut bytes = gold.with(rows);
        bytes.truncate(
            gold.head.len() + rows.iter().map(|row| 8 * row.words().len()).sum::<usize>(),
        );
        bytes[76] = u8::try_from(names.len()).unwrap();
        bytes.extend(names.iter().chain(&[0]).flat_map(|word| word.to_le_bytes()));
        signed(bytes)
    };
    let name = |row: &Row| row.words()[0];
    let (one, other) = (name(&elected), name(&second));
    for names in [[one, other], [other, one]] {
        let bytes = of(&[elected, second], &names);
        let engine = load(&bytes).unwrap();
        engine.check();
        assert!(save(&engine) == bytes);
    }
    let refused = |rows: &[Row], names: &[u64]| {
        let bytes = of(rows, names);
        let offset = bytes.len() - 16;
        assert_eq!(load(&bytes).err(), Some(SnapshotError::Word { offset }), "{rows:?} {names:?}");
    };
    refused(&[elected, second], &[one, one]);
    refused(&[elected], &[one, one]);
    refused(&[elected], &[one, other]);
    refused(&[elected], &[one, 0]);
    refused(&[elected], &[one, 9]);
    for row in [LIMIT, Row { time_in_force: GFA, ..LIMIT }, FIXED, PEGGED, WAITS, IN_A_CALL] {
        refused(&[row], &[one]);
    }
    // One that is elected and in no queue.
    let bytes = of(&[elected, second], &[one]);
    assert_eq!(load(&bytes).err(), Some(SnapshotError::NotCanonical));
}

/// Orders come in order of their numbers, far from each other or not.
#[test]
fn orders_that_are_not_in_order_are_refused() {
    let gold = Snapshot::of_an_instrument(true).after_numbers(250);
    for numbers in [[1, 2], [1, 64], [1, 65], [1, 250], [63, 64], [120, 250]] {
        let [one, other] = [1, 2].map(|place| Row { number: 0, place, ..LIMIT });
        let both = |[first, second]: [u32; 2]| {
            gold.with(&[Row { number: first, ..one }, Row { number: second, ..other }])
        };
        let engine = load(&both(numbers)).unwrap();
        engine.check();
        let [first, second] = numbers;
        let error = load(&both([second, first])).err();
        assert_eq!(error, Some(SnapshotError::NotCanonical), "{numbers:?}");
    }
    // Nobody is found under a number that nobody has, whoever came in what order.
    let elected = Row { stands: ELECTED, ..FIXED };
    let [last, first] = [(200, 1), (1, 2)].map(|(number, place)| Row { number, place, ..elected });
    let mut bytes = gold.with(&[last, first]);
    let at = bytes.len() - 16;
    assert_eq!(word_at(&bytes, at) >> 32, 1);
    bytes[at + 4] = 65;
    assert_eq!(load(&signed(bytes)).err(), Some(SnapshotError::Word { offset: at }));
}

/// An account is one of a participant that is there in an instrument that is there, once, and its position
/// is one that trades can give.
#[test]
fn accounts_that_cannot_be() {
    let gold = Snapshot::of_an_instrument(true);
    // Behind head, two sessions with their numbers and two participants.
    let at = 80 + 2 * 32 + 2 * 56;
    let with = |at: usize, bytes: &[u8]| {
        let mut head = gold.head.clone();
        head[at..at + bytes.len()].copy_from_slice(bytes);
        load(&Snapshot { head }.with(&[LIMIT]))
    };
    let most = 1_i128 << 126;
    for position in [5, -5, 1 << 64, -1 << 64, (1 << 70) + 9, most, -most] {
        let engine = with(at + 8, &position.to_le_bytes()).unwrap();
        let account = engine.account(ParticipantId(1), InstrumentId(0)).unwrap();
        assert_eq!(account.position, position);
        assert_eq!(save(&engine)[at + 8..at + 24], position.to_le_bytes());
    }
    for position in [most + 1, -most - 1, i128::MAX, i128::MIN] {
        let error = with(at + 8, &position.to_le_bytes()).err();
        assert_eq!(error, Some(SnapshotError::Word { offset: at + 16 }), "{position}");
    }
    // Another participant's, another instrument's, the first one again.
    for (at, value) in [(at, 9_u32), (at + 4, 1), (at + 4, u32::MAX), (at + 32, 1)] {
        let error = with(at, &value.to_le_bytes()).err();
        assert_eq!(error, Some(SnapshotError::Word { offset: at / 8 * 8 }), "{at}");
    }
    assert_eq!(with(at + 24, &[2]).err(), Some(SnapshotError::Word { offset: at + 24 }));
}

/// Levels are those that there is room for, and not one more.
#[test]
fn there_is_room_for_as_many_levels_as_the_engine_has() {
    let gold = Snapshot::of_an_instrument(true);
    let second = Row { number: 2, place: 2, ..LIMIT };
    gold.takes("one level", &[LIMIT, second]);
    for other in [Row { price: 11, ..second }, Row { side: 2, ..second }] {
        let bytes = gold.with(&[LIMIT, other]);
        assert_eq!(load(&bytes).err(), Some(SnapshotError::NotCanonical), "{other:?}");
    }
    for again in [LIMIT, Row { number: 1, place: 2, ..LIMIT }, Row { number: 2, ..LIMIT }] {
        let bytes = gold.with(&[LIMIT, again]);
        assert_eq!(load(&bytes).err(), Some(SnapshotError::NotCanonical), "{again:?}");
    }
    let id = InstrumentId(1);
    let mut elsewhere = gold.with(&[LIMIT]);
    let at = gold.head.len() + 40;
    elsewhere[at..at + 4].copy_from_slice(&id.0.to_le_bytes());
    let error = load(&signed(elsewhere)).err();
    assert_eq!(error, Some(SnapshotError::Word { offset: at }));
}
