//! Messages to bytes: exact lengths, big endian.

use matcher::Side;

use crate::message::{
    AddOrder, AddOrderAttributed, Alpha, AuctionCollar, BrokenTrade, CrossTrade, Header,
    MESSAGE_BYTES_MAX, Message, NetOrderImbalance, OperationalHalt, OrderCancel, OrderDelete,
    OrderExecuted, OrderExecutedWithPrice, OrderReplace, RegSho, StockDirectory, SystemEvent,
    Trade, TradingAction,
};

/// The byte of a side: B or S.
pub(crate) const fn side_code(side: Side) -> u8 {
    match side {
        Side::Buy => b'B',
        Side::Sell => b'S',
    }
}

/// Writes fields one after another into a message of `N` bytes.
struct Put<const N: usize> {
    bytes: [u8; N],
    at: usize,
}

impl<const N: usize> Put<N> {
    #[inline(always)]
    fn begin(kind: u8, header: &Header) -> Put<N> {
        let mut put = Put { bytes: [0; N], at: 0 };
        put.u8(kind).u16(header.stock_locate).u16(header.tracking_number);
        let [_, _, time @ ..]: [u8; 8] = header.since_midnight_ns.to_be_bytes();
        put.raw::<6>(&time);
        put
    }
    #[inline(always)]
    fn raw<const M: usize>(&mut self, value: &[u8; M]) -> &mut Self {
        self.bytes[self.at..self.at + M].copy_from_slice(value);
        self.at += M;
        self
    }
    #[inline(always)]
    fn u8(&mut self, value: u8) -> &mut Self {
        self.raw(&[value])
    }
    #[inline(always)]
    fn u16(&mut self, value: u16) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }
    #[inline(always)]
    fn u32(&mut self, value: u32) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }
    #[inline(always)]
    fn u64(&mut self, value: u64) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }
    #[inline(always)]
    fn alpha<const M: usize>(&mut self, value: &Alpha<M>) -> &mut Self {
        self.raw(value.padded())
    }
    #[inline(always)]
    fn finish(&self) -> [u8; N] {
        assert!(self.at == N);
        self.bytes
    }
}

/// Gives each message its length and its `encode`.
macro_rules! layouts {
    ($($message:ident $kind:literal $bytes:literal |$self:ident, $put:ident| $fields:expr;)*) => {
        $(
            impl $message {
                /// The type, the first byte.
                pub const KIND: u8 = $kind;
                /// Its length, the type included.
                pub const BYTES: usize = $bytes;

                /// The message as it stands on the wire.
                #[inline]
                #[must_use]
                pub fn encode(&self) -> [u8; $bytes] {
                    let $self = self;
                    let mut $put = Put::begin($kind, $self.common());
                    $fields;
                    $put.finish()
                }
            }
            const _: () = assert!($bytes <= MESSAGE_BYTES_MAX);
        )*

        /// The length of messages of this type, `None` for a type we do not know.
        #[must_use]
        pub const fn message_bytes(kind: u8) -> Option<usize> {
            match kind {
                $($kind => Some($bytes),)*
                _ => None,
            }
        }

        impl Message {
            /// The type, the first byte.
            #[must_use]
            pub const fn kind(&self) -> u8 {
                match self { $(Message::$message(_) => $kind,)* }
            }

            /// Writes the message into `buf` and returns its bytes there.
            pub fn encode<'b>(&self, buf: &'b mut [u8; MESSAGE_BYTES_MAX]) -> &'b [u8] {
                match self {
                    $(Message::$message(message) => {
                        buf[..$bytes].copy_from_slice(&message.encode());
                        &buf[..$bytes]
                    })*
                }
            }
        }
    };
}

layouts! {
    SystemEvent b'S' 12 |m, put| put.u8(m.event.code());
    StockDirectory b'R' 39 |m, put| {
        put.alpha(&m.stock).u8(m.market_category).u8(m.financial_status);
        put.u32(m.round_lot_size).u8(m.round_lots_only.code()).u8(m.issue_classification);
        put.alpha(&m.issue_sub_type).u8(m.authenticity).u8(m.short_sale_threshold).u8(m.ipo);
        put.u8(m.luld_tier).u8(m.etp).u32(m.etp_leverage).u8(m.inverse.code())
    };
    TradingAction b'H' 25 |m, put| {
        put.alpha(&m.stock).u8(m.status.code()).u8(b' ').alpha(&m.reason)
    };
    RegSho b'Y' 20 |m, put| put.alpha(&m.stock).u8(m.action.code());
    AddOrder b'A' 36 |m, put| put_add(&mut put, m);
    AddOrderAttributed b'F' 40 |m, put| {
        put_add(&mut put, &m.add);
        put.alpha(&m.attribution)
    };
    OrderExecuted b'E' 31 |m, put| put.u64(m.order_ref).u32(m.shares).u64(m.match_number);
    OrderExecutedWithPrice b'C' 36 |m, put| {
        put.u64(m.executed.order_ref).u32(m.executed.shares).u64(m.executed.match_number);
        put.u8(m.printable.code()).u32(m.price)
    };
    OrderCancel b'X' 23 |m, put| put.u64(m.order_ref).u32(m.shares);
    OrderDelete b'D' 19 |m, put| put.u64(m.order_ref);
    OrderReplace b'U' 35 |m, put| {
        put.u64(m.old_order_ref).u64(m.new_order_ref).u32(m.shares).u32(m.price)
    };
    Trade b'P' 44 |m, put| {
        put.u64(m.order_ref).u8(side_code(m.side)).u32(m.shares).alpha(&m.stock);
        put.u32(m.price).u64(m.match_number)
    };
    CrossTrade b'Q' 40 |m, put| {
        put.u64(m.shares).alpha(&m.stock).u32(m.price).u64(m.match_number).u8(m.cross.code())
    };
    BrokenTrade b'B' 19 |m, put| put.u64(m.match_number);
    NetOrderImbalance b'I' 50 |m, put| {
        put.u64(m.paired_shares).u64(m.imbalance_shares).u8(m.direction.code()).alpha(&m.stock);
        put.u32(m.far_price).u32(m.near_price).u32(m.reference_price);
        put.u8(m.cross.code()).u8(m.variation)
    };
    AuctionCollar b'J' 35 |m, put| {
        put.alpha(&m.stock).u32(m.reference_price).u32(m.upper_price).u32(m.lower_price);
        put.u32(m.extension)
    };
    OperationalHalt b'h' 21 |m, put| {
        put.alpha(&m.stock).u8(m.market.code()).u8(m.action.code())
    };
}

#[inline(always)]
fn put_add<const N: usize>(put: &mut Put<N>, add: &AddOrder) {
    put.u64(add.order_ref).u8(side_code(add.side)).u32(add.shares).alpha(&add.stock);
    put.u32(add.price);
}

/// Where the header of a message is; `F` and `C` carry it inside the message they extend.
trait Common {
    fn common(&self) -> &Header;
}

macro_rules! common {
    ($($message:ident $($inner:ident)?;)*) => {
        $(impl Common for $message {
            #[inline(always)]
            fn common(&self) -> &Header {
                &self.$($inner.)?header
            }
        })*
    };
}

common! {
    SystemEvent; StockDirectory; TradingAction; RegSho; AddOrder; AddOrderAttributed add;
    OrderExecuted; OrderExecutedWithPrice executed; OrderCancel; OrderDelete; OrderReplace; Trade;
    CrossTrade; BrokenTrade; NetOrderImbalance; AuctionCollar; OperationalHalt;
}
