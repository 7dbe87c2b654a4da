//! Bytes to messages. The bytes may come from anybody.

use std::fmt;

use matcher::Side;

use crate::encode::message_bytes;
use crate::message::{
    AddOrder, AddOrderAttributed, Alpha, AuctionCollar, BrokenTrade, CrossTrade, CrossType,
    EventCode, HaltAction, Header, ImbalanceDirection, MarketCode, Message, NetOrderImbalance,
    OperationalHalt, OrderCancel, OrderDelete, OrderExecuted, OrderExecutedWithPrice, OrderReplace,
    RegSho, RegShoAction, StockDirectory, SystemEvent, Trade, TradingAction, TradingStatus, YesNo,
};

/// Why bytes are not one message. After [`DecodeError::UnknownKind`] a reader may go on with the next
/// message; after the others the sender does not speak ITCH 5.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// Not even a type.
    Empty,
    /// A type we do not know: skip the message, its length is that of its frame.
    UnknownKind(u8),
    /// The length is not that of the type.
    Length {
        /// The type.
        kind: u8,
        /// Bytes there should be.
        expected: usize,
        /// Bytes there are.
        found: usize,
    },
    /// A field holds a code that is not defined, or text that is not printable ASCII.
    Field {
        /// The type.
        kind: u8,
        /// Offset of the field in the message.
        offset: usize,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecodeError::Empty => f.write_str("empty message"),
            DecodeError::UnknownKind(kind) => {
                write!(f, "unknown message type '{}'", kind.escape_ascii())
            }
            DecodeError::Length { kind, expected, found } => {
                let kind = kind.escape_ascii();
                write!(f, "message '{kind}' has {found} bytes instead of {expected}")
            }
            DecodeError::Field { kind, offset } => {
                let kind = kind.escape_ascii();
                write!(f, "message '{kind}' has an undefined code at offset {offset}")
            }
        }
    }
}

impl std::error::Error for DecodeError {}

/// Reads the message that is exactly `bytes`; frames are the transport's business.
///
/// # Errors
///
/// If the bytes are no message of ITCH 5.0 that we know.
#[inline]
pub fn decode(bytes: &[u8]) -> Result<Message, DecodeError> {
    let kind = *bytes.first().ok_or(DecodeError::Empty)?;
    let expected = message_bytes(kind).ok_or(DecodeError::UnknownKind(kind))?;
    if bytes.len() != expected {
        return Err(DecodeError::Length { kind, expected, found: bytes.len() });
    }
    let mut get = Get { bytes, at: 1 };
    let message = body(kind, &mut get)?;
    assert!(get.at == expected);
    Ok(message)
}

fn body(kind: u8, get: &mut Get<'_>) -> Result<Message, DecodeError> {
    let header = get.header();
    Ok(match kind {
        SystemEvent::KIND => {
            Message::SystemEvent(SystemEvent { header, event: get.code(EventCode::from_code)? })
        }
        StockDirectory::KIND => Message::StockDirectory(StockDirectory {
            header,
            stock: get.alpha()?,
            market_category: get.code(printable)?,
            financial_status: get.code(printable)?,
            round_lot_size: get.u32(),
            round_lots_only: get.code(YesNo::from_code)?,
            issue_classification: get.code(printable)?,
            issue_sub_type: get.alpha()?,
            authenticity: get.code(printable)?,
            short_sale_threshold: get.code(printable)?,
            ipo: get.code(printable)?,
            luld_tier: get.code(printable)?,
            etp: get.code(printable)?,
            etp_leverage: get.u32(),
            inverse: get.code(YesNo::from_code)?,
        }),
        TradingAction::KIND => {
            let (stock, status) = (get.alpha()?, get.code(TradingStatus::from_code)?);
            let _reserved: [u8; 1] = get.raw();
            Message::TradingAction(TradingAction { header, stock, status, reason: get.alpha()? })
        }
        RegSho::KIND => Message::RegSho(RegSho {
            header,
            stock: get.alpha()?,
            action: get.code(RegShoAction::from_code)?,
        }),
        AddOrder::KIND => Message::AddOrder(get.add(header)?),
        AddOrderAttributed::KIND => Message::AddOrderAttributed(AddOrderAttributed {
            add: get.add(header)?,
            attribution: get.alpha()?,
        }),
        OrderExecuted::KIND => Message::OrderExecuted(get.executed(header)),
        OrderExecutedWithPrice::KIND => Message::OrderExecutedWithPrice(OrderExecutedWithPrice {
            executed: get.executed(header),
            printable: get.code(YesNo::from_code)?,
            price: get.u32(),
        }),
        OrderCancel::KIND => {
            Message::OrderCancel(OrderCancel { header, order_ref: get.u64(), shares: get.u32() })
        }
        OrderDelete::KIND => Message::OrderDelete(OrderDelete { header, order_ref: get.u64() }),
        OrderReplace::KIND => Message::OrderReplace(OrderReplace {
            header,
            old_order_ref: get.u64(),
            new_order_ref: get.u64(),
            shares: get.u32(),
            price: get.u32(),
        }),
        Trade::KIND => Message::Trade(Trade {
            header,
            order_ref: get.u64(),
            side: get.code(side)?,
            shares: get.u32(),
            stock: get.alpha()?,
            price: get.u32(),
            match_number: get.u64(),
        }),
        CrossTrade::KIND => Message::CrossTrade(CrossTrade {
            header,
            shares: get.u64(),
            stock: get.alpha()?,
            price: get.u32(),
            match_number: get.u64(),
            cross: get.code(CrossType::from_code)?,
        }),
        BrokenTrade::KIND => Message::BrokenTrade(BrokenTrade { header, match_number: get.u64() }),
        NetOrderImbalance::KIND => Message::NetOrderImbalance(NetOrderImbalance {
            header,
            paired_shares: get.u64(),
            imbalance_shares: get.u64(),
            direction: get.code(ImbalanceDirection::from_code)?,
            stock: get.alpha()?,
            far_price: get.u32(),
            near_price: get.u32(),
            reference_price: get.u32(),
            cross: get.code(CrossType::from_code)?,
            variation: get.code(printable)?,
        }),
        AuctionCollar::KIND => Message::AuctionCollar(AuctionCollar {
            header,
            stock: get.alpha()?,
            reference_price: get.u32(),
            upper_price: get.u32(),
            lower_price: get.u32(),
            extension: get.u32(),
        }),
        OperationalHalt::KIND => Message::OperationalHalt(OperationalHalt {
            header,
            stock: get.alpha()?,
            market: get.code(MarketCode::from_code)?,
            action: get.code(HaltAction::from_code)?,
        }),
        _ => return Err(DecodeError::UnknownKind(kind)),
    })
}

const fn printable(byte: u8) -> Option<u8> {
    match byte {
        b' '..=b'~' => Some(byte),
        _ => None,
    }
}

const fn side(byte: u8) -> Option<Side> {
    match byte {
        b'B' => Some(Side::Buy),
        b'S' => Some(Side::Sell),
        _ => None,
    }
}

/// Reads fields one after another. The length of the message has been checked against its type.
struct Get<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Get<'_> {
    #[inline(always)]
    fn raw<const N: usize>(&mut self) -> [u8; N] {
        let mut value = [0; N];
        value.copy_from_slice(&self.bytes[self.at..self.at + N]);
        self.at += N;
        value
    }
    #[inline(always)]
    fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.raw())
    }
    #[inline(always)]
    fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.raw())
    }
    #[inline(always)]
    fn u64(&mut self) -> u64 {
        u64::from_be_bytes(self.raw())
    }
    #[inline(always)]
    fn error(&self, field_bytes: usize) -> DecodeError {
        DecodeError::Field { kind: self.bytes[0], offset: self.at - field_bytes }
    }
    #[inline(always)]
    fn code<T>(&mut self, from_code: fn(u8) -> Option<T>) -> Result<T, DecodeError> {
        let [byte] = self.raw();
        from_code(byte).ok_or_else(|| self.error(1))
    }
    #[inline(always)]
    fn alpha<const N: usize>(&mut self) -> Result<Alpha<N>, DecodeError> {
        Alpha::from_padded(self.raw()).ok_or_else(|| self.error(N))
    }
    fn header(&mut self) -> Header {
        let (stock_locate, tracking_number) = (self.u16(), self.u16());
        let [a, b, c, d, e, f] = self.raw();
        let since_midnight_ns = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
        Header { stock_locate, tracking_number, since_midnight_ns }
    }
    fn add(&mut self, header: Header) -> Result<AddOrder, DecodeError> {
        Ok(AddOrder {
            header,
            order_ref: self.u64(),
            side: self.code(side)?,
            shares: self.u32(),
            stock: self.alpha()?,
            price: self.u32(),
        })
    }
    fn executed(&mut self, header: Header) -> OrderExecuted {
        OrderExecuted {
            header,
            order_ref: self.u64(),
            shares: self.u32(),
            match_number: self.u64(),
        }
    }
}
