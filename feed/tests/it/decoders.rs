//! Decoders that were written without knowledge of us read the same in our bytes as we meant.

use std::ops::ControlFlow;

use feed::decode;
use feed::message::MESSAGE_BYTES_MAX;
use itch5::messages as five;
use itch5::{MessageHandler, Parser};
use itchy::{Body, MessageStream};

use crate::samples::samples;
use crate::support::{Random, unhex};
use crate::text::text_with_time;

/// A file of messages, 2-byte length before each, and what we say is in it. `kinds` are those that
/// the decoder knows.
fn file(kinds: &[u8]) -> (Vec<u8>, Vec<String>) {
    let mut random = Random::new(0xDEC0);
    let samples: Vec<_> =
        samples().into_iter().filter(|(message, _)| kinds.contains(&message.kind())).collect();
    assert_eq!(samples.len(), kinds.len());
    let (mut bytes, mut said) = (Vec::new(), Vec::new());
    for n in 0..2_000 {
        let mut message = unhex(samples[n % samples.len()].1);
        // Any locate, tracking number and time; the fields after them where they are plain numbers.
        for byte in &mut message[1..11] {
            *byte = random.byte();
        }
        if matches!(message[0], b'A' | b'F' | b'E' | b'C' | b'X' | b'D' | b'U' | b'B') {
            for byte in &mut message[11..19] {
                *byte = random.byte();
            }
        }
        let message = decode(&message).unwrap();
        let mut buf = [0; MESSAGE_BYTES_MAX];
        let encoded = message.encode(&mut buf);
        bytes.extend_from_slice(&u16::try_from(encoded.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(encoded);
        said.push(text_with_time(&message));
    }
    (bytes, said)
}

#[test]
fn itchy_reads_what_we_mean() {
    let (bytes, said) = file(b"SRHYAFECXDUPQBIJ");
    let read: Vec<String> = MessageStream::from_reader(&bytes[..])
        .map(|message| itchy_text(&message.unwrap()))
        .collect();
    assert_eq!(read, said);
}

fn itchy_text(message: &itchy::Message) -> String {
    let itchy::Message { tag, stock_locate, tracking_number, timestamp, body } = message;
    let fields = match body {
        Body::SystemEvent { event: itchy::EventCode::StartOfMessages } => " O".to_owned(),
        Body::StockDirectory(m) => {
            let yes_no = |yes: bool| if yes { "Y" } else { "N" };
            assert_eq!(m.market_category, itchy::MarketCategory::Unavailable);
            assert_eq!(m.financial_status, itchy::FinancialStatus::Unavailable);
            assert_eq!(m.issue_classification, itchy::IssueClassification::OtherSecurities);
            assert_eq!(m.issue_subtype, itchy::IssueSubType::NotApplicable);
            assert!(m.authenticity);
            assert_eq!((m.short_sale_threshold, m.ipo_flag, m.etp_flag), (None, None, None));
            assert_eq!(m.luld_ref_price_tier, itchy::LuldRefPriceTier::Na);
            format!(
                " {} [  ] lot {} {} [QZP] [    ] x{} {}",
                m.stock.trim_end(),
                m.round_lot_size,
                yes_no(m.round_lots_only),
                m.etp_leverage_factor,
                yes_no(m.inverse_indicator)
            )
        }
        Body::TradingAction { stock, trading_state: itchy::TradingState::Halted, reason } => {
            format!(" {} H [{}]", stock.trim_end(), reason.trim_end())
        }
        Body::RegShoRestriction { stock, action: itchy::RegShoAction::Intraday } => {
            format!(" {} 1", stock.trim_end())
        }
        Body::AddOrder(m) => {
            let by = m.mpid.map_or(String::new(), |mpid| format!(" by {mpid}"));
            let (stock, price) = (m.stock.trim_end(), m.price.raw());
            format!(" #{} {} {} {stock} @ {price}{by}", m.reference, itchy_side(m.side), m.shares)
        }
        Body::OrderExecuted { reference, executed, match_number } => {
            format!(" #{reference} {executed} match {match_number}")
        }
        Body::OrderExecutedWithPrice { reference, executed, match_number, printable, price } => {
            let printable = if *printable { 'Y' } else { 'N' };
            let price = price.raw();
            format!(" #{reference} {executed} match {match_number} @ {price} printable {printable}")
        }
        Body::OrderCancelled { reference, cancelled } => format!(" #{reference} less {cancelled}"),
        Body::DeleteOrder { reference } => format!(" #{reference}"),
        Body::ReplaceOrder(m) => {
            let (old, new, price) = (m.old_reference, m.new_reference, m.price.raw());
            format!(" #{old} now #{new} {} @ {price}", m.shares)
        }
        Body::NonCrossTrade(m) => format!(
            " #{} {} {} {} @ {} match {}",
            m.reference,
            itchy_side(m.side),
            m.shares,
            m.stock.trim_end(),
            m.price.raw(),
            m.match_number
        ),
        Body::CrossTrade(m) => {
            assert_eq!(m.cross_type, itchy::CrossType::Opening);
            let (stock, price) = (m.stock.trim_end(), m.cross_price.raw());
            format!(" {} {stock} @ {price} match {} cross O", m.shares, m.match_number)
        }
        Body::BrokenTrade { match_number } => format!(" match {match_number}"),
        Body::Imbalance(m) => {
            assert_eq!(m.imbalance_direction, itchy::ImbalanceDirection::Sell);
            assert_eq!(m.cross_type, itchy::CrossType::Closing);
            format!(
                " {} paired {} over {} S far {} near {} reference {} cross C [{}]",
                m.stock.trim_end(),
                m.paired_shares,
                m.imbalance_shares,
                m.far_price.raw(),
                m.near_price.raw(),
                m.current_ref_price.raw(),
                m.price_variation_indicator
            )
        }
        Body::LULDAuctionCollar { stock, ref_price, upper_price, lower_price, extension } => {
            format!(
                " {} reference {} upper {} lower {} extension {extension}",
                stock.trim_end(),
                ref_price.raw(),
                upper_price.raw(),
                lower_price.raw()
            )
        }
        other => panic!("read as {other:?}"),
    };
    format!("{timestamp} {tracking_number} {} {stock_locate}{fields}", char::from(*tag))
}

fn itchy_side(side: itchy::Side) -> char {
    match side {
        itchy::Side::Buy => 'B',
        itchy::Side::Sell => 'S',
    }
}

#[test]
fn itch5_reads_what_we_mean() {
    let (bytes, said) = file(b"SRHYAFECXDUPQBIJh");
    let mut reader = Itch5Reader(Vec::new());
    Parser::new(&bytes).parse_stream(&mut reader).unwrap();
    assert_eq!(reader.0, said);
}

struct Itch5Reader(Vec<String>);

/// One line of text from the accessors of an itch5 message.
macro_rules! read {
    ($($on:ident $kind:literal $message:ident |$m:ident| $fields:expr;)*) => {
        impl MessageHandler for Itch5Reader {
            $(fn $on(&mut self, $m: &five::$message) -> ControlFlow<()> {
                let time = $m.timestamp().to_u64();
                let (locate, tracking) = ($m.stock_locate(), $m.tracking_number());
                let fields: String = $fields;
                self.0.push(format!("{time} {tracking} {} {locate}{fields}", $kind));
                ControlFlow::Continue(())
            })*
        }
    };
}

/// itch5 calls the field differently in this one message.
trait StockLocate {
    fn stock_locate(&self) -> u16;
}

impl StockLocate for five::RegSHORestriction {
    fn stock_locate(&self) -> u16 {
        self.locate_code()
    }
}

fn stock(symbol: &five::Symbol) -> &str {
    symbol.as_str().trim_end()
}

fn five_side(side: &five::BuySellIndicator) -> char {
    match side {
        five::BuySellIndicator::Buy => 'B',
        five::BuySellIndicator::Sell => 'S',
        five::BuySellIndicator::Unknown(byte) => panic!("side {byte}"),
    }
}

read! {
    on_system_event 'S' SystemEvent |m| {
        assert!(matches!(m.event_code(), five::SystemEventCode::StartOfMessages));
        " O".to_owned()
    };
    on_stock_directory 'R' StockDirectory |m| {
        assert!(matches!(m.round_lots_only(), five::RoundLotsOnly::No));
        assert!(matches!(m.authenticity(), five::Authenticity::LiveProduction));
        assert!(matches!(m.inverse_indicator(), five::InverseIndicator::NotInverse));
        format!(
            " {} [  ] lot {} N [QZP] [    ] x{} N",
            stock(m.stock()),
            m.round_lot_size(),
            m.etp_leverage_factor()
        )
    };
    on_stock_trading_action 'H' StockTradingAction |m| {
        assert!(matches!(
            m.reason(),
            five::TradingActionReason::Halted(five::TradingHaltReason::OperationsHalt)
        ));
        format!(" {} H [O1]", stock(m.stock()))
    };
    on_reg_sho_restriction 'Y' RegSHORestriction |m| format!(" {} 1", stock(m.stock()));
    on_add_order_no_mpid_attribution 'A' AddOrderNoMPIDAttribution |m| format!(
        " #{} {} {} {} @ {}",
        m.order_reference_number(),
        five_side(&m.buy_sell_indicator()),
        m.shares(),
        stock(m.stock()),
        m.price().into_u32()
    );
    on_add_order_with_mpid_attribution 'F' AddOrderWithMPIDAttribution |m| format!(
        " #{} {} {} {} @ {} by VSTA",
        m.order_reference_number(),
        five_side(&m.buy_sell_indicator()),
        m.shares(),
        stock(m.stock()),
        m.price().into_u32()
    );
    on_order_executed 'E' OrderExecuted |m| format!(
        " #{} {} match {}", m.order_reference_number(), m.executed_shares(), m.match_number()
    );
    on_order_executed_with_price 'C' OrderExecutedWithPrice |m| {
        assert!(matches!(m.printable(), five::Printable::NonPrintable));
        format!(
            " #{} {} match {} @ {} printable N",
            m.order_reference_number(),
            m.executed_shares(),
            m.match_number(),
            m.execution_price().into_u32()
        )
    };
    on_order_cancel 'X' OrderCancel |m| format!(
        " #{} less {}", m.order_reference_number(), m.cancelled_shares()
    );
    on_order_delete 'D' OrderDelete |m| format!(" #{}", m.order_reference_number());
    on_order_replace 'U' OrderReplace |m| format!(
        " #{} now #{} {} @ {}",
        m.original_order_reference_number(),
        m.new_order_reference_number(),
        m.shares(),
        m.price().into_u32()
    );
    on_trade 'P' Trade |m| format!(
        " #{} {} {} {} @ {} match {}",
        m.order_reference_number(),
        five_side(&m.buy_sell_indicator()),
        m.shares(),
        stock(m.stock()),
        m.price().into_u32(),
        m.match_number()
    );
    on_cross_trade 'Q' CrossTrade |m| {
        assert!(matches!(m.cross_type(), five::CrossType::NasdaqOpeningCross));
        format!(
            " {} {} @ {} match {} cross O",
            m.shares(),
            stock(m.stock()),
            m.cross_price().into_u32(),
            m.match_number()
        )
    };
    on_broken_trade 'B' BrokenTrade |m| format!(" match {}", m.match_number());
    on_net_order_imbalance_indicator 'I' NetOrderImbalanceIndicator |m| {
        assert!(matches!(m.imbalance_direction(), five::ImbalanceDirection::Sell));
        format!(
            " {} paired {} over {} S far {} near {} reference {} cross C [1]",
            stock(m.stock()),
            m.paired_shares(),
            m.imbalance_shares(),
            m.far_price().into_u32(),
            m.near_price().into_u32(),
            m.current_reference_price().into_u32()
        )
    };
    on_luld_auction_collar 'J' LULDAuctionCollar |m| format!(
        " {} reference {} upper {} lower {} extension {}",
        stock(m.stock()),
        m.auction_collar_reference_price().into_u32(),
        m.upper_auction_collar_price().into_u32(),
        m.lower_auction_collar_price().into_u32(),
        m.auction_collar_extension().into_u32()
    );
    on_operational_halt 'h' OperationalHalt |m| {
        assert!(matches!(m.market_code(), five::MarketCode::Nasdaq));
        format!(" {} Q T", stock(m.stock()))
    };
}
