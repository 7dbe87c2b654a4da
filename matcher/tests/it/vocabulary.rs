//! The words that everything else is said in: what a definition may be, and what a person reads.

use std::collections::BTreeSet;

use matcher::{
    Instrument, InstrumentError, InstrumentId, Limits, NewOrder, OrderKind, OrderNumber, Phase,
    Price, Qty, RejectReason, Side, Symbol, TimeInForce,
};

fn gold() -> Instrument {
    Instrument::plain("GOLD").unwrap()
}

const fn price(ticks: i64) -> Price {
    Price::from_ticks(ticks)
}

const fn lots(lots: u64) -> Qty {
    Qty::from_lots(lots)
}

#[test]
fn a_definition_is_held_against_each_of_its_rules() {
    use InstrumentError::{Decimals, Notional, PriceRange, QtyRange, Step};
    for (is, should) in [
        (gold(), Ok(())),
        (Instrument { price_decimals: 9, qty_decimals: 9, ..gold() }, Ok(())),
        (Instrument { price_decimals: 10, ..gold() }, Err(Decimals)),
        (Instrument { price_decimals: 11, ..gold() }, Err(Decimals)),
        (Instrument { qty_decimals: 10, ..gold() }, Err(Decimals)),
        (Instrument { qty_decimals: 11, ..gold() }, Err(Decimals)),
        (Instrument { tick_size: 0, ..gold() }, Err(Step)),
        (Instrument { lot_size: 0, ..gold() }, Err(Step)),
        (Instrument { tick_size: 2, lot_size: 2, ..gold() }, Ok(())),
        (Instrument { qty_min: lots(0), ..gold() }, Err(QtyRange)),
        (Instrument { qty_min: lots(5), qty_max: lots(5), ..gold() }, Ok(())),
        (Instrument { qty_min: lots(6), qty_max: lots(5), ..gold() }, Err(QtyRange)),
        (Instrument { price_min: price(5), price_max: price(5), ..gold() }, Ok(())),
        (Instrument { price_min: price(6), price_max: price(5), ..gold() }, Err(PriceRange)),
        // Of two rules the first.
        (Instrument { qty_decimals: 10, tick_size: 0, ..gold() }, Err(Decimals)),
        (Instrument { lot_size: 0, qty_min: lots(0), ..gold() }, Err(Step)),
    ] {
        assert_eq!(is.validate(), should, "{is:?}");
    }
    // The largest price times the largest quantity, whatever its sign, fits 2^63 - 1.
    let most = i64::MAX.unsigned_abs();
    for (low, high, qty, should) in [
        (0, i64::MAX, 1, Ok(())),
        (0, i64::MAX, 2, Err(Notional)),
        (-i64::MAX, 0, 1, Ok(())),
        (i64::MIN, 0, 1, Err(Notional)),
        (0, i64::MAX / 7, 7, Ok(())),
        (0, i64::MAX / 7 + 1, 7, Err(Notional)),
        (-i64::MAX / 7, 5, 7, Ok(())),
        (-i64::MAX / 7, 5, 8, Err(Notional)),
        (0, 1, most, Ok(())),
        (0, 1, most + 1, Err(Notional)),
        (0, 0, u64::MAX, Ok(())),
    ] {
        let is = Instrument {
            price_min: price(low),
            price_max: price(high),
            qty_min: lots(1),
            qty_max: lots(qty),
            ..gold()
        };
        assert_eq!(is.validate(), should, "{is:?}");
    }
}

#[test]
fn a_plain_instrument_is_what_it_says() {
    let is = gold();
    assert_eq!(is.symbol.as_str(), "GOLD");
    assert_eq!((is.qty_min, is.qty_max), (lots(1), lots(1_000_000)));
    for (ticks, has) in [
        (-1_000_000_001, false),
        (-1_000_000_000, true),
        (0, true),
        (1_000_000_000, true),
        (1_000_000_001, false),
    ] {
        assert_eq!(is.has_price(price(ticks)), has, "{ticks}");
    }
    assert_eq!(Instrument::plain(""), None);
    assert_eq!(Instrument::plain("seventeen letters"), None);
}

#[test]
fn phases_are_calls_and_auctions() {
    let calls = [
        (Phase::Continuous, false, false),
        (Phase::Halt, false, false),
        (Phase::Closed, false, false),
        (Phase::PreOpen, true, false),
        (Phase::OpeningAuction, true, true),
        (Phase::VolatilityAuction, true, true),
        (Phase::ClosingAuction, true, true),
    ];
    for (phase, is_call, is_auction) in calls {
        assert_eq!((phase.is_call(), phase.is_auction()), (is_call, is_auction), "{phase:?}");
    }
}

/// What all orders together work, one that comes in included, stays below 2^63.
#[test]
fn the_largest_quantity_is_a_share_of_all_there_is() {
    for orders_max in [0, 1, 6, 1_000_000, u32::MAX] {
        let limits = Limits { orders_max, levels_max: 1, instruments_max: 1, sessions_max: 1 };
        let (qty, orders) = (u128::from(limits.qty_max().lots()), u128::from(orders_max) + 1);
        assert!(qty * orders < 1 << 63, "{orders_max}");
        assert!((qty + 1) * orders >= 1 << 63, "{orders_max}");
    }
}

#[test]
fn orders_begin_as_they_are_named() {
    let (id, side) = (InstrumentId(3), Side::Sell);
    let limit = NewOrder::limit(id, side, price(-7), lots(5));
    assert_eq!((limit.number, limit.instrument), (OrderNumber::NONE, id));
    assert_eq!((limit.side, limit.qty), (side, lots(5)));
    assert_eq!((limit.kind, limit.time_in_force), (OrderKind::Limit(price(-7)), TimeInForce::Day));
    let market = NewOrder::market(id, side, lots(5));
    let kind = OrderKind::Market;
    assert_eq!(market, NewOrder { kind, time_in_force: TimeInForce::Ioc, ..limit });
}

/// Every reason and every error has a line of its own, and is printed as that.
#[test]
fn what_is_wrong_is_said_in_words() {
    let mut lines = BTreeSet::new();
    for reason in RejectReason::ALL {
        assert_eq!(reason.to_string(), reason.text());
        assert!(lines.insert(reason.to_string()), "{reason}");
        assert_eq!(RejectReason::from_code(reason.code()), Some(*reason));
    }
    for error in [
        InstrumentError::Decimals,
        InstrumentError::Step,
        InstrumentError::QtyRange,
        InstrumentError::PriceRange,
        InstrumentError::Notional,
    ] {
        assert!(lines.insert(error.to_string()), "{error}");
    }
    assert!(lines.iter().all(|line| line.len() > 4), "{lines:?}");
}

#[test]
fn a_symbol_is_its_letters() {
    for text in ["A", "GOLD", "SIXTEEN-LETTERS!"] {
        let symbol = Symbol::new(text.as_bytes()).unwrap();
        assert_eq!((symbol.as_bytes(), symbol.as_str()), (text.as_bytes(), text));
        assert_eq!(format!("{symbol}"), text);
        assert_eq!(format!("{symbol:>17}"), format!("{text:>17}"));
        assert!(symbol.padded().starts_with(text.as_bytes()));
    }
    for text in ["", "SEVENTEEN-LETTERS", "A B", "\u{e4}"] {
        assert_eq!(Symbol::new(text.as_bytes()), None);
    }
}

#[test]
fn quantities_and_sides_count() {
    assert_eq!(lots(5).checked_sub(lots(5)), Some(lots(0)));
    assert_eq!(lots(5).checked_sub(lots(3)), Some(lots(2)));
    assert_eq!(lots(5).checked_sub(lots(6)), None);
    for (side, limit, other, accepts) in [
        (Side::Buy, 10, 10, true),
        (Side::Buy, 10, 9, true),
        (Side::Buy, 10, 11, false),
        (Side::Sell, 10, 10, true),
        (Side::Sell, 10, 11, true),
        (Side::Sell, 10, 9, false),
    ] {
        assert_eq!(side.accepts(price(limit), price(other)), accepts);
        assert_ne!(side.opposite(), side);
    }
    for (time_in_force, rests) in [
        (TimeInForce::Day, true),
        (TimeInForce::Gtc, true),
        (TimeInForce::Gtd, true),
        (TimeInForce::Ioc, false),
        (TimeInForce::Fok, false),
        (TimeInForce::AtOpen, true),
        (TimeInForce::AtClose, true),
        (TimeInForce::Gfa, true),
    ] {
        assert_eq!(time_in_force.rests(), rests, "{time_in_force:?}");
    }
}
