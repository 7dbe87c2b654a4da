//! A message as a line that a person can read.

use feed::message::{AddOrder, Message, OrderExecuted};
use matcher::Side;

/// The message without its time.
pub(crate) fn text(message: &Message) -> String {
    let kind = char::from(message.kind());
    format!("{kind} {}{}", message.header().stock_locate, fields(message))
}

/// The message with its time, to compare with what other decoders make of the bytes.
pub(crate) fn text_with_time(message: &Message) -> String {
    let header = message.header();
    let time = header.since_midnight_ns;
    format!("{time} {} {}", header.tracking_number, text(message))
}

fn fields(message: &Message) -> String {
    let c = char::from;
    match message {
        Message::SystemEvent(m) => format!(" {}", c(m.event.code())),
        Message::StockDirectory(m) => format!(
            " {} [{}{}] lot {} {} [{}{}{}] [{}{}{}{}] x{} {}",
            m.stock,
            c(m.market_category),
            c(m.financial_status),
            m.round_lot_size,
            c(m.round_lots_only.code()),
            c(m.issue_classification),
            m.issue_sub_type,
            c(m.authenticity),
            c(m.short_sale_threshold),
            c(m.ipo),
            c(m.luld_tier),
            c(m.etp),
            m.etp_leverage,
            c(m.inverse.code()),
        ),
        Message::TradingAction(m) => {
            format!(" {} {} [{}]", m.stock, c(m.status.code()), m.reason)
        }
        Message::RegSho(m) => format!(" {} {}", m.stock, c(m.action.code())),
        Message::AddOrder(m) => add(m),
        Message::AddOrderAttributed(m) => format!("{} by {}", add(&m.add), m.attribution),
        Message::OrderExecuted(m) => executed(m),
        Message::OrderExecutedWithPrice(m) => {
            let printable = c(m.printable.code());
            format!("{} @ {} printable {printable}", executed(&m.executed), m.price)
        }
        Message::OrderCancel(m) => format!(" #{} less {}", m.order_ref, m.shares),
        Message::OrderDelete(m) => format!(" #{}", m.order_ref),
        Message::OrderReplace(m) => {
            format!(" #{} now #{} {} @ {}", m.old_order_ref, m.new_order_ref, m.shares, m.price)
        }
        Message::Trade(m) => format!(
            " #{} {} {} {} @ {} match {}",
            m.order_ref,
            side(m.side),
            m.shares,
            m.stock,
            m.price,
            m.match_number
        ),
        Message::CrossTrade(m) => format!(
            " {} {} @ {} match {} cross {}",
            m.shares,
            m.stock,
            m.price,
            m.match_number,
            c(m.cross.code())
        ),
        Message::BrokenTrade(m) => format!(" match {}", m.match_number),
        Message::NetOrderImbalance(m) => format!(
            " {} paired {} over {} {} far {} near {} reference {} cross {} [{}]",
            m.stock,
            m.paired_shares,
            m.imbalance_shares,
            c(m.direction.code()),
            m.far_price,
            m.near_price,
            m.reference_price,
            c(m.cross.code()),
            c(m.variation)
        ),
        Message::AuctionCollar(m) => format!(
            " {} reference {} upper {} lower {} extension {}",
            m.stock, m.reference_price, m.upper_price, m.lower_price, m.extension
        ),
        Message::OperationalHalt(m) => {
            format!(" {} {} {}", m.stock, c(m.market.code()), c(m.action.code()))
        }
    }
}

fn add(m: &AddOrder) -> String {
    format!(" #{} {} {} {} @ {}", m.order_ref, side(m.side), m.shares, m.stock, m.price)
}

fn executed(m: &OrderExecuted) -> String {
    format!(" #{} {} match {}", m.order_ref, m.shares, m.match_number)
}

pub(crate) fn side(side: Side) -> char {
    match side {
        Side::Buy => 'B',
        Side::Sell => 'S',
    }
}
