//! What the publisher refuses, scales and repeats; what it says of a turn is in the scripts.

use feed::{MessageCount, PriceScale, Publisher, UnfitForFeed};
use matcher::{
    Command, Event, Instrument, InstrumentId, Limits, Phase, PhaseReason, Price, Qty, RejectReason,
    Symbol,
};

use crate::support::{input, instrument, message};
use crate::text::{text, text_with_time};

#[test]
fn an_instrument_that_does_not_fit_is_refused_with_a_reason() {
    let good = instrument("EURUSD", 4, 1);
    let price = Price::from_ticks;
    let symbol = |text: &[u8]| Symbol::new(text).unwrap();
    for fits in [
        good,
        Instrument { symbol: symbol(b"ABCDEFGH"), ..good },
        Instrument { qty_max: Qty::from_lots(u32::MAX.into()), ..good },
        Instrument { price_max: price(i64::from(u32::MAX)), ..good },
        Instrument { price_decimals: 0, price_max: price(429_496), ..good },
        Instrument { price_decimals: 9, price_max: price(i64::from(u32::MAX)), ..good },
    ] {
        assert_eq!(Publisher::check(&fits), Ok(()), "{fits:?}");
    }
    let unfit = |ticks, ticks_max| UnfitForFeed::Price { ticks, ticks_max };
    for (unfit, error, said) in [
        (
            Instrument { symbol: symbol(b"ABCDEFGHI"), ..good },
            UnfitForFeed::Symbol { bytes: 9 },
            "symbol has 9 characters, the feed shows at most 8",
        ),
        (
            Instrument { qty_max: Qty::from_lots(1 << 32), ..good },
            UnfitForFeed::Qty { lots: 1 << 32 },
            "largest quantity is 4294967296 lots, the feed shows at most 4294967295",
        ),
        (
            Instrument { price_min: price(-1), ..good },
            unfit(-1, u32::MAX.into()),
            "price of -1 ticks is outside what the feed shows, 0 to 4294967295",
        ),
        (
            Instrument { price_decimals: 0, tick_size: 5, price_max: price(85_900), ..good },
            unfit(85_900, 85_899),
            "price of 85900 ticks is outside what the feed shows, 0 to 85899",
        ),
        (
            Instrument { price_max: price(i64::MAX), tick_size: u32::MAX, ..good },
            unfit(i64::MAX, 1),
            "price of 9223372036854775807 ticks is outside what the feed shows, 0 to 1",
        ),
    ] {
        assert_eq!(Publisher::check(&unfit), Err(error));
        assert_eq!(error.to_string(), said);
    }
    // Not even a definition that the engine would refuse makes it fall over.
    let absurd = Instrument { tick_size: 0, price_decimals: 255, ..good };
    assert_eq!(Publisher::check(&absurd), Ok(()));
}

#[test]
fn prices_have_four_decimals_or_those_of_the_instrument() {
    // (price decimals, tick size, ticks, decimals on the feed, price on the feed)
    for (price_decimals, tick_size, ticks, decimals, published) in [
        (4, 1, 10_850, 4, 10_850),    // 1.0850
        (2, 1, 58_533, 4, 5_853_300), // 585.33
        (2, 25, 2_341, 4, 5_852_500), // 585.25
        (0, 5, 8, 4, 400_000),        // 40
        (5, 1, 108_501, 5, 108_501),  // 1.08501
        (8, 10, 7, 8, 70),            // 0.00000070
    ] {
        let scale = PriceScale::new(&instrument("X", price_decimals, tick_size));
        let price = Price::from_ticks(ticks);
        assert_eq!(scale.decimals(), decimals);
        assert_eq!(scale.to_feed(price), Some(published));
        assert_eq!(scale.to_ticks(published), Some(price));
        if scale.units_per_tick() > 1 {
            assert_eq!(scale.to_ticks(published + 1), None);
        }
    }
    let scale = PriceScale::new(&instrument("X", 4, 1));
    assert_eq!(scale.to_feed(Price::from_ticks(-1)), None);
    assert_eq!(scale.to_feed(Price::from_ticks(1 << 32)), None);
    assert_eq!(scale.to_feed(Price::MAX), None);
}

fn configure() -> Command {
    let (orders_max, levels_max, instruments_max, sessions_max) = (1, 1, 1, 1);
    Command::Configure(Limits { orders_max, levels_max, instruments_max, sessions_max })
}

#[test]
fn time_is_since_midnight_utc() {
    let day = 86_400_000_000_000;
    for (timestamp, expected) in
        [(20_455 * day, 0), (20_455 * day + day - 1, day - 1), (20_456 * day, 0), (3, 3)]
    {
        let mut out: Vec<Vec<u8>> = Vec::new();
        let input = input(1, timestamp, configure());
        Publisher::new().turn(&input, &[Event::Configured], &mut out);
        assert_eq!(text_with_time(&message(&out[0])), format!("{expected} 0 S 0 O"));
    }
}

/// Tables may grow in a later turn; that is no new start for those who listen.
#[test]
fn messages_start_once() {
    let mut out: Vec<Vec<u8>> = Vec::new();
    let mut publisher = Publisher::new();
    publisher.turn(&input(1, 0, configure()), &[Event::Configured], &mut out);
    publisher.turn(&input(2, 0, configure()), &[Event::Configured], &mut out);
    assert_eq!(out.len(), 1);
}

#[test]
fn a_refused_end_of_day_is_not_told() {
    let mut out = MessageCount(0);
    let refused = Event::CommandRefused { reason: RejectReason::NotPermitted };
    let mut publisher = Publisher::new();
    publisher.turn(&input(2, 0, Command::ExpireDay), &[refused], &mut out);
    assert_eq!(out, MessageCount(0));
    publisher.turn(&input(3, 0, Command::ExpireDay), &[], &mut out);
    assert_eq!(out, MessageCount(1));
}

/// A later turn may know more instruments than the one that is encoded again.
#[test]
fn old_turns_are_encoded_again_by_a_publisher_that_has_read_on() {
    let mut publisher = Publisher::new();
    let turns: Vec<_> = (0..3)
        .map(|id| {
            let instrument = instrument(["AAA", "BBB", "CCC"][id], 4, 1);
            let id = InstrumentId(u32::try_from(id).unwrap());
            let define = Command::DefineInstrument { id, instrument };
            (input(2 + u64::from(id.0), 5, define), [Event::InstrumentDefined { id }])
        })
        .collect();
    let mut first: Vec<Vec<u8>> = Vec::new();
    for (input, events) in &turns {
        publisher.turn(input, events, &mut first);
    }
    let mut again: Vec<Vec<u8>> = Vec::new();
    for (input, events) in &turns[1..] {
        publisher.clone().turn(input, events, &mut again);
    }
    assert_eq!(again, first[2..]);
    let said: Vec<String> = first[4..].iter().map(|bytes| text(&message(bytes))).collect();
    assert_eq!(said, ["R 3 CCC [  ] lot 1 N [QZP] [    ] x0 N", "H 3 CCC T []"]);
}

#[test]
fn an_instrument_that_does_not_fit_leaves_no_trace() {
    let mut publisher = Publisher::new();
    let mut out = MessageCount(0);
    let id = InstrumentId(0);
    let define = Command::DefineInstrument { id, instrument: instrument("TOO-LONG-1", 4, 1) };
    publisher.turn(&input(2, 0, define), &[Event::InstrumentDefined { id }], &mut out);
    let (phase, reason) = (Phase::Halt, PhaseReason::Command);
    let halt = Command::SetPhase { instrument: id, phase };
    let events = [Event::PhaseChanged { instrument: id, phase, reason }];
    assert_eq!(publisher.messages_in_turn(&input(3, 0, halt), &events), 0);
    assert_eq!(out, MessageCount(0));
    assert_eq!(publisher.scale(1), None);
}
