//! One message of each type, by its fields and by its bytes.

use feed::message::{
    AddOrder, AddOrderAttributed, Alpha, AuctionCollar, BrokenTrade, CrossTrade, CrossType,
    EventCode, HaltAction, Header, ImbalanceDirection, MarketCode, Message, NetOrderImbalance,
    OperationalHalt, OrderCancel, OrderDelete, OrderExecuted, OrderExecutedWithPrice, OrderReplace,
    RegSho, RegShoAction, Stock, StockDirectory, SystemEvent, Trade, TradingAction, TradingStatus,
    YesNo,
};
use matcher::Side;

const REF: u64 = 0x0102_0304_0506_0708;
const MATCH: u64 = 0x1112_1314_1516_1718;

fn header(stock_locate: u16) -> Header {
    // 09:30:00.123456789.
    Header { stock_locate, tracking_number: 0, since_midnight_ns: 34_200_123_456_789 }
}

fn stock() -> Stock {
    Alpha::new(b"EURUSD").unwrap()
}

fn add(side: Side) -> AddOrder {
    let (shares, price) = (100, 10_850);
    AddOrder { header: header(7), order_ref: REF, side, shares, stock: stock(), price }
}

fn executed() -> OrderExecuted {
    OrderExecuted { header: header(7), order_ref: REF, shares: 40, match_number: MATCH }
}

/// The bytes were put together from the tables by hand, not by the encoder.
pub(crate) fn samples() -> Vec<(Message, &'static str)> {
    let (header, stock) = (header(7), stock());
    vec![
        (
            Message::SystemEvent(SystemEvent {
                header: Header { stock_locate: 0, ..header },
                event: EventCode::StartOfMessages,
            }),
            "53 0000 0000 1f1ad635bd15 4f",
        ),
        (
            Message::StockDirectory(StockDirectory {
                header,
                stock,
                market_category: b' ',
                financial_status: b' ',
                round_lot_size: 1,
                round_lots_only: YesNo::No,
                issue_classification: b'Q',
                issue_sub_type: Alpha::new(b"Z").unwrap(),
                authenticity: b'P',
                short_sale_threshold: b' ',
                ipo: b' ',
                luld_tier: b' ',
                etp: b' ',
                etp_leverage: 0,
                inverse: YesNo::No,
            }),
            "52 0007 0000 1f1ad635bd15 4555525553442020 20 20 00000001 4e 51 5a20 50 20 20 20 20 \
             00000000 4e",
        ),
        (
            Message::TradingAction(TradingAction {
                header,
                stock,
                status: TradingStatus::Halted,
                reason: Alpha::new(b"O1").unwrap(),
            }),
            "48 0007 0000 1f1ad635bd15 4555525553442020 48 20 4f312020",
        ),
        (
            Message::RegSho(RegSho { header, stock, action: RegShoAction::InEffect }),
            "59 0007 0000 1f1ad635bd15 4555525553442020 31",
        ),
        (
            Message::AddOrder(add(Side::Buy)),
            "41 0007 0000 1f1ad635bd15 0102030405060708 42 00000064 4555525553442020 00002a62",
        ),
        (
            Message::AddOrderAttributed(AddOrderAttributed {
                add: add(Side::Sell),
                attribution: Alpha::new(b"VSTA").unwrap(),
            }),
            "46 0007 0000 1f1ad635bd15 0102030405060708 53 00000064 4555525553442020 00002a62 \
             56535441",
        ),
        (
            Message::OrderExecuted(executed()),
            "45 0007 0000 1f1ad635bd15 0102030405060708 00000028 1112131415161718",
        ),
        (
            Message::OrderExecutedWithPrice(OrderExecutedWithPrice {
                executed: executed(),
                printable: YesNo::No,
                price: 10_849,
            }),
            "43 0007 0000 1f1ad635bd15 0102030405060708 00000028 1112131415161718 4e 00002a61",
        ),
        (
            Message::OrderCancel(OrderCancel { header, order_ref: REF, shares: 60 }),
            "58 0007 0000 1f1ad635bd15 0102030405060708 0000003c",
        ),
        (
            Message::OrderDelete(OrderDelete { header, order_ref: REF }),
            "44 0007 0000 1f1ad635bd15 0102030405060708",
        ),
        (
            Message::OrderReplace(OrderReplace {
                header,
                old_order_ref: REF,
                new_order_ref: REF + 1,
                shares: 100,
                price: 10_851,
            }),
            "55 0007 0000 1f1ad635bd15 0102030405060708 0102030405060709 00000064 00002a63",
        ),
        (
            Message::Trade(Trade {
                header,
                order_ref: 0,
                side: Side::Buy,
                shares: 100,
                stock,
                price: 10_850,
                match_number: MATCH,
            }),
            "50 0007 0000 1f1ad635bd15 0000000000000000 42 00000064 4555525553442020 00002a62 \
             1112131415161718",
        ),
        (
            Message::CrossTrade(CrossTrade {
                header,
                shares: 5_000_000_000,
                stock,
                price: 10_850,
                match_number: MATCH,
                cross: CrossType::Opening,
            }),
            "51 0007 0000 1f1ad635bd15 000000012a05f200 4555525553442020 00002a62 \
             1112131415161718 4f",
        ),
        (
            Message::BrokenTrade(BrokenTrade { header, match_number: MATCH }),
            "42 0007 0000 1f1ad635bd15 1112131415161718",
        ),
        (
            Message::NetOrderImbalance(NetOrderImbalance {
                header,
                paired_shares: 5_000_000_000,
                imbalance_shares: 300,
                direction: ImbalanceDirection::Sell,
                stock,
                far_price: 10_840,
                near_price: 10_845,
                reference_price: 10_850,
                cross: CrossType::Closing,
                variation: b'1',
            }),
            "49 0007 0000 1f1ad635bd15 000000012a05f200 000000000000012c 53 4555525553442020 \
             00002a58 00002a5d 00002a62 43 31",
        ),
        (
            Message::AuctionCollar(AuctionCollar {
                header,
                stock,
                reference_price: 10_850,
                upper_price: 11_393,
                lower_price: 10_308,
                extension: 2,
            }),
            "4a 0007 0000 1f1ad635bd15 4555525553442020 00002a62 00002c81 00002844 00000002",
        ),
        (
            Message::OperationalHalt(OperationalHalt {
                header,
                stock,
                market: MarketCode::Q,
                action: HaltAction::Resumed,
            }),
            "68 0007 0000 1f1ad635bd15 4555525553442020 51 54",
        ),
    ]
}
