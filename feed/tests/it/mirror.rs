//! The mirror refuses what cannot be true, and is as it was afterwards.

use feed::message::{
    AddOrder, Alpha, Header, Message, OrderCancel, OrderDelete, OrderExecuted,
    OrderExecutedWithPrice, OrderReplace, StockDirectory, TradingAction, TradingStatus, YesNo,
};
use feed::{Mirror, MirrorError, MirrorLevel};
use matcher::Side;

fn header(stock_locate: u16) -> Header {
    Header { stock_locate, tracking_number: 0, since_midnight_ns: 0 }
}

fn directory(stock_locate: u16, stock: &[u8]) -> Message {
    Message::StockDirectory(StockDirectory {
        header: header(stock_locate),
        stock: Alpha::new(stock).unwrap(),
        market_category: b' ',
        financial_status: b' ',
        round_lot_size: 1,
        round_lots_only: YesNo::No,
        issue_classification: b'Q',
        issue_sub_type: Alpha::BLANK,
        authenticity: b'P',
        short_sale_threshold: b' ',
        ipo: b' ',
        luld_tier: b' ',
        etp: b' ',
        etp_leverage: 0,
        inverse: YesNo::No,
    })
}

fn action(stock: &[u8], status: TradingStatus) -> Message {
    let stock = Alpha::new(stock).unwrap();
    Message::TradingAction(TradingAction { header: header(1), stock, status, reason: Alpha::BLANK })
}

fn add(order_ref: u64, side: Side, shares: u32, price: u32) -> Message {
    let stock = Alpha::new(b"EURUSD").unwrap();
    Message::AddOrder(AddOrder { header: header(1), order_ref, side, shares, stock, price })
}

fn execute(order_ref: u64, shares: u32) -> OrderExecuted {
    OrderExecuted { header: header(1), order_ref, shares, match_number: 1 }
}

fn less(order_ref: u64, shares: u32) -> Message {
    Message::OrderCancel(OrderCancel { header: header(1), order_ref, shares })
}

fn delete(stock_locate: u16, order_ref: u64) -> Message {
    Message::OrderDelete(OrderDelete { header: header(stock_locate), order_ref })
}

fn replace(old_order_ref: u64, new_order_ref: u64, shares: u32, price: u32) -> Message {
    let header = header(1);
    Message::OrderReplace(OrderReplace { header, old_order_ref, new_order_ref, shares, price })
}

/// Bids 1: 50 @ 100, 2: 60 @ 100, 3: 10 @ 99; asks 4: 70 @ 101.
fn mirror() -> Mirror {
    let mut mirror = Mirror::with_orders_max(5);
    for message in [
        directory(1, b"EURUSD"),
        directory(2, b"USDJPY"),
        action(b"EURUSD", TradingStatus::Trading),
        add(1, Side::Buy, 50, 100),
        add(2, Side::Buy, 60, 100),
        add(3, Side::Buy, 10, 99),
        add(4, Side::Sell, 70, 101),
    ] {
        mirror.apply(&message).unwrap();
    }
    mirror
}

fn book(mirror: &Mirror) -> Vec<(u64, u32, u32)> {
    [Side::Buy, Side::Sell]
        .into_iter()
        .flat_map(|side| mirror.orders(1, side))
        .map(|order| (order.order_ref, order.shares, order.price))
        .collect()
}

fn refs(mirror: &Mirror) -> Vec<u64> {
    book(mirror).iter().map(|order| order.0).collect()
}

#[test]
fn orders_stand_in_price_time_order() {
    let mut mirror = mirror();
    let level = |price, shares, orders| Some(MirrorLevel { price, shares, orders });
    assert_eq!(mirror.best(1).bid, level(100, 110, 2));
    assert_eq!(mirror.best(1).ask, level(101, 70, 1));
    assert_eq!(book(&mirror), [(1, 50, 100), (2, 60, 100), (3, 10, 99), (4, 70, 101)]);

    mirror.apply(&less(1, 20)).unwrap();
    mirror.apply(&replace(2, 5, 60, 99)).unwrap();
    assert_eq!(book(&mirror), [(1, 30, 100), (3, 10, 99), (5, 60, 99), (4, 70, 101)]);

    mirror.apply(&Message::OrderExecuted(execute(1, 30))).unwrap();
    mirror.apply(&delete(1, 3)).unwrap();
    assert_eq!(book(&mirror), [(5, 60, 99), (4, 70, 101)]);
    assert_eq!(mirror.orders_len(), 2);
    assert_eq!(mirror.order(5).unwrap().shares, 60);
    assert_eq!(mirror.order(3), None);
    assert_eq!(mirror.stock_locate(b"USDJPY"), Some(2));
    assert_eq!(mirror.stock_locate(b"GBPUSD"), None);
}

#[test]
fn a_replace_at_the_bound_takes_the_place_of_the_old_order() {
    let mut mirror = mirror();
    mirror.apply(&add(5, Side::Sell, 1, 102)).unwrap();
    mirror.apply(&replace(5, 6, 2, 103)).unwrap();
    let full = MirrorError::TooManyOrders { orders_max: 5 };
    assert_eq!(mirror.apply(&add(7, Side::Sell, 1, 102)), Err(full));
}

#[test]
fn what_cannot_be_true_is_refused_and_changes_nothing() {
    let mut mirror = mirror();
    let before = book(&mirror);
    let elsewhere = |stock_locate, stock: &[u8]| {
        Message::AddOrder(AddOrder {
            header: header(stock_locate),
            order_ref: 9,
            side: Side::Buy,
            shares: 1,
            stock: Alpha::new(stock).unwrap(),
            price: 1,
        })
    };
    let executed = |order_ref, shares| Message::OrderExecuted(execute(order_ref, shares));
    let too_many =
        |order_ref, shares, leaves| MirrorError::TooManyShares { order_ref, shares, leaves };
    for (message, error) in [
        (elsewhere(3, b"EURUSD"), MirrorError::UnknownInstrument { stock_locate: 3 }),
        (elsewhere(0, b"EURUSD"), MirrorError::UnknownInstrument { stock_locate: 0 }),
        (elsewhere(2, b"EURUSD"), MirrorError::OtherStock { stock_locate: 2 }),
        (directory(1, b"GBPUSD"), MirrorError::OtherStock { stock_locate: 1 }),
        (directory(0, b"GBPUSD"), MirrorError::UnknownInstrument { stock_locate: 0 }),
        (action(b"GBPUSD", TradingStatus::Halted), MirrorError::OtherStock { stock_locate: 1 }),
        (add(4, Side::Sell, 1, 102), MirrorError::DuplicateOrder { order_ref: 4 }),
        (add(9, Side::Sell, 0, 102), MirrorError::NoShares { order_ref: 9 }),
        (
            add(9, Side::Sell, 1, 100),
            MirrorError::Crossed { order_ref: 9, price: 100, against: 100 },
        ),
        (
            add(9, Side::Buy, 1, 102),
            MirrorError::Crossed { order_ref: 9, price: 102, against: 101 },
        ),
        (executed(9, 1), MirrorError::UnknownOrder { order_ref: 9 }),
        (executed(1, 0), MirrorError::NoShares { order_ref: 1 }),
        (executed(1, 51), too_many(1, 51, 50)),
        (executed(2, 1), MirrorError::OutOfPriority { order_ref: 2, first: 1 }),
        (executed(3, 1), MirrorError::OutOfPriority { order_ref: 3, first: 1 }),
        (less(9, 1), MirrorError::UnknownOrder { order_ref: 9 }),
        (less(1, 0), MirrorError::NoShares { order_ref: 1 }),
        (less(1, 51), too_many(1, 51, 50)),
        (delete(1, 9), MirrorError::UnknownOrder { order_ref: 9 }),
        (delete(2, 1), MirrorError::OtherInstrument { order_ref: 1, stock_locate: 2 }),
        (replace(9, 10, 1, 99), MirrorError::UnknownOrder { order_ref: 9 }),
        (replace(1, 2, 1, 99), MirrorError::DuplicateOrder { order_ref: 2 }),
        (replace(1, 1, 1, 99), MirrorError::DuplicateOrder { order_ref: 1 }),
        (replace(1, 9, 0, 99), MirrorError::NoShares { order_ref: 9 }),
        (replace(1, 9, 1, 101), MirrorError::Crossed { order_ref: 9, price: 101, against: 101 }),
    ] {
        assert_eq!(mirror.apply(&message), Err(error), "{message:?}");
        assert_eq!(book(&mirror), before, "{message:?}");
        assert!(!error.to_string().is_empty());
    }
}

#[test]
fn a_trade_at_another_price_may_skip_the_queue() {
    let mut mirror = mirror();
    let message =
        OrderExecutedWithPrice { executed: execute(2, 60), printable: YesNo::Yes, price: 99 };
    mirror.apply(&Message::OrderExecutedWithPrice(message)).unwrap();
    assert_eq!(book(&mirror), [(1, 50, 100), (3, 10, 99), (4, 70, 101)]);
}

/// A call phase collects orders of both sides; they need not fit together before it trades.
#[test]
fn a_book_may_be_crossed_while_nothing_trades() {
    let mut mirror = mirror();
    mirror.apply(&action(b"EURUSD", TradingStatus::QuotationOnly)).unwrap();
    mirror.apply(&add(5, Side::Sell, 1, 90)).unwrap();
    assert_eq!(mirror.best(1).ask.unwrap().price, 90);
    assert_eq!(mirror.status(1), Some(TradingStatus::QuotationOnly));

    let opens = action(b"EURUSD", TradingStatus::Trading);
    let crossed = MirrorError::OpensCrossed { stock_locate: 1 };
    assert_eq!(mirror.apply(&opens), Err(crossed));
    assert_eq!(mirror.status(1), Some(TradingStatus::QuotationOnly));
    mirror.apply(&delete(1, 5)).unwrap();
    mirror.apply(&opens).unwrap();
}

/// Who waited for an auction had a place before it was shown.
#[test]
fn in_a_call_the_lower_order_ref_is_first() {
    let mut mirror = Mirror::new();
    mirror.apply(&directory(1, b"EURUSD")).unwrap();
    mirror.apply(&action(b"EURUSD", TradingStatus::QuotationOnly)).unwrap();
    for order_ref in [5, 9, 7, 2, 8, 1] {
        mirror.apply(&add(order_ref, Side::Buy, 1, 100)).unwrap();
    }
    assert_eq!(refs(&mirror), [1, 2, 5, 7, 8, 9]);
    for order_ref in [1, 9, 7] {
        mirror.apply(&delete(1, order_ref)).unwrap();
    }
    mirror.apply(&add(6, Side::Buy, 1, 100)).unwrap();
    assert_eq!(refs(&mirror), [2, 5, 6, 8]);

    mirror.apply(&action(b"EURUSD", TradingStatus::Trading)).unwrap();
    mirror.apply(&add(3, Side::Buy, 1, 100)).unwrap();
    assert_eq!(refs(&mirror), [2, 5, 6, 8, 3]);
}

/// Of an iceberg all that is displayed can go, and more comes after.
#[test]
fn a_cancel_of_all_shares_takes_the_order_off() {
    let mut mirror = mirror();
    mirror.apply(&less(1, 50)).unwrap();
    assert_eq!(book(&mirror), [(2, 60, 100), (3, 10, 99), (4, 70, 101)]);
    assert_eq!(mirror.order(1), None);
}
