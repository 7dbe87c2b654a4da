//! The messages of ITCH 5.0 as plain types, in the order of their bytes.
//!
//! Numbers are as they stand on the wire: `shares` are lots of the instrument, `price` counts units of
//! [`crate::PriceScale`]. Byte tables are in `PROTOCOL.md`. Message `O` (direct listing price
//! discovery) is left out on purpose: several decoders in use fail on it.

use std::fmt;

use matcher::Side;

/// Bytes of the longest message, [`NetOrderImbalance`].
pub const MESSAGE_BYTES_MAX: usize = 50;

/// Text of exactly `N` bytes: printable ASCII, left justified, padded with spaces.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Alpha<const N: usize>([u8; N]);

/// Symbol of an instrument on the feed.
pub type Stock = Alpha<8>;

impl<const N: usize> Alpha<N> {
    /// Nothing but padding.
    pub const BLANK: Alpha<N> = Alpha([b' '; N]);

    /// `text` padded with spaces, or `None` if it is too long or not printable ASCII.
    #[must_use]
    pub fn new(text: &[u8]) -> Option<Alpha<N>> {
        let mut bytes = [b' '; N];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        Alpha::from_padded(bytes)
    }

    /// The field as it stands on the wire, or `None` if it is not printable ASCII.
    #[must_use]
    pub fn from_padded(bytes: [u8; N]) -> Option<Alpha<N>> {
        bytes.iter().all(|byte| (b' '..=b'~').contains(byte)).then_some(Alpha(bytes))
    }

    /// A field of our own making.
    pub(crate) const fn literal(bytes: [u8; N]) -> Alpha<N> {
        Alpha(bytes)
    }

    /// The bytes with their padding.
    #[must_use]
    pub const fn padded(&self) -> &[u8; N] {
        &self.0
    }

    /// The text without its padding.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.trim_ascii_end()
    }

    /// The text without its padding.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or("?")
    }
}

impl<const N: usize> fmt::Debug for Alpha<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl<const N: usize> fmt::Display for Alpha<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident { $($(#[$code_doc:meta])* $code:ident = $byte:literal,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
            #[repr(u8)]
            pub enum $name { $($(#[$code_doc])* $code = $byte,)* }

            impl $name {
                /// Every code.
                pub const ALL: &'static [$name] = &[$($name::$code,)*];

                /// The byte on the wire.
                #[must_use]
                pub const fn code(self) -> u8 {
                    self as u8
                }

                /// The code of this byte.
                #[must_use]
                pub const fn from_code(byte: u8) -> Option<$name> {
                    match byte {
                        $($byte => Some($name::$code),)*
                        _ => None,
                    }
                }
            }
        )*
    };
}

codes! {
    /// What a [`SystemEvent`] says.
    EventCode {
        /// The first message of all.
        StartOfMessages = b'O',
        /// The system takes orders.
        StartOfSystemHours = b'S',
        /// The market opens.
        StartOfMarketHours = b'Q',
        /// The market closes.
        EndOfMarketHours = b'M',
        /// The system takes no more orders.
        EndOfSystemHours = b'E',
        /// The last message of all.
        EndOfMessages = b'C',
    }
    /// Whether an instrument trades.
    TradingStatus {
        /// No trading.
        Halted = b'H',
        /// Paused by a price band.
        Paused = b'P',
        /// Orders are taken, nothing trades.
        QuotationOnly = b'Q',
        /// Continuous trading.
        Trading = b'T',
    }
    /// Short sale price test.
    RegShoAction {
        /// None.
        None = b'0',
        /// In effect since today.
        InEffect = b'1',
        /// Still in effect.
        StillInEffect = b'2',
    }
    /// Yes or no.
    YesNo {
        /// Yes.
        Yes = b'Y',
        /// No.
        No = b'N',
    }
    /// Which cross.
    CrossType {
        /// Opening.
        Opening = b'O',
        /// Closing.
        Closing = b'C',
        /// After a halt, or of a new issue.
        Halt = b'H',
        /// Extended trading close; only in [`NetOrderImbalance`].
        Extended = b'A',
    }
    /// Which side a call auction has too much of.
    ImbalanceDirection {
        /// More to buy.
        Buy = b'B',
        /// More to sell.
        Sell = b'S',
        /// Balanced.
        None = b'N',
        /// Too few orders to tell.
        Insufficient = b'O',
        /// Paused.
        Paused = b'P',
    }
    /// Which market an [`OperationalHalt`] speaks of.
    MarketCode {
        /// Q.
        Q = b'Q',
        /// B.
        B = b'B',
        /// X.
        X = b'X',
    }
    /// What an [`OperationalHalt`] says.
    HaltAction {
        /// Halted.
        Halted = b'H',
        /// Resumed.
        Resumed = b'T',
    }
}

/// What every message begins with, after its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The instrument: `InstrumentId` + 1; 0 where no instrument is concerned.
    pub stock_locate: u16,
    /// Ours is always 0.
    pub tracking_number: u16,
    /// Nanoseconds since midnight UTC, below 2^48.
    pub since_midnight_ns: u64,
}

/// `S`: the phase of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemEvent {
    /// `stock_locate` is 0.
    pub header: Header,
    /// The phase.
    pub event: EventCode,
}

/// `R`: an instrument exists.
///
/// Codes that only describe a security are bytes as they stand on the wire, not checked beyond being
/// printable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StockDirectory {
    /// Names the `stock_locate` of the instrument.
    pub header: Header,
    /// Its symbol.
    pub stock: Stock,
    /// Q G S N A P Z V or space.
    pub market_category: u8,
    /// N D E Q S G H J K C or space.
    pub financial_status: u8,
    /// Of our instruments 1: `shares` count lots already.
    pub round_lot_size: u32,
    /// Whether only round lots are taken.
    pub round_lots_only: YesNo,
    /// For example C common stock.
    pub issue_classification: u8,
    /// For example `Z`, not applicable.
    pub issue_sub_type: Alpha<2>,
    /// P live, T test.
    pub authenticity: u8,
    /// Y N or space.
    pub short_sale_threshold: u8,
    /// Y N or space.
    pub ipo: u8,
    /// 1 2 or space.
    pub luld_tier: u8,
    /// Y N or space.
    pub etp: u8,
    /// Leverage of an exchange traded product.
    pub etp_leverage: u32,
    /// Whether it moves against its index.
    pub inverse: YesNo,
}

/// `H`: an instrument trades or stopped trading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TradingAction {
    /// Which instrument, when.
    pub header: Header,
    /// Its symbol.
    pub stock: Stock,
    /// Its state from now on.
    pub status: TradingStatus,
    /// Why.
    pub reason: Alpha<4>,
}

/// `Y`: short sale restriction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegSho {
    /// Which instrument, when.
    pub header: Header,
    /// Its symbol.
    pub stock: Stock,
    /// The restriction from now on.
    pub action: RegShoAction,
}

/// `A`: an order stands on the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddOrder {
    /// Which instrument, when.
    pub header: Header,
    /// Names the order in the messages after this one.
    pub order_ref: u64,
    /// On which side.
    pub side: Side,
    /// How much.
    pub shares: u32,
    /// Symbol of the instrument.
    pub stock: Stock,
    /// At which price.
    pub price: u32,
}

/// `F`: an order stands on the book, with its owner shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddOrderAttributed {
    /// What an `A` would say.
    pub add: AddOrder,
    /// The participant.
    pub attribution: Alpha<4>,
}

/// `E`: a resting order traded at its own price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderExecuted {
    /// Which instrument, when.
    pub header: Header,
    /// The maker.
    pub order_ref: u64,
    /// How much, to be taken off.
    pub shares: u32,
    /// The trade.
    pub match_number: u64,
}

/// `C`: a resting order traded at another price than it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderExecutedWithPrice {
    /// What an `E` would say.
    pub executed: OrderExecuted,
    /// `No`: a bulk print follows, do not count this one as volume.
    pub printable: YesNo,
    /// The price of the trade.
    pub price: u32,
}

/// `X`: a resting order got smaller and kept its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderCancel {
    /// Which instrument, when.
    pub header: Header,
    /// The order.
    pub order_ref: u64,
    /// How much, to be taken off.
    pub shares: u32,
}

/// `D`: a resting order is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderDelete {
    /// Which instrument, when.
    pub header: Header,
    /// The order.
    pub order_ref: u64,
}

/// `U`: a resting order is gone and another stands at the end of its queue instead. Side and symbol
/// carry over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderReplace {
    /// Which instrument, when.
    pub header: Header,
    /// The order that is gone.
    pub old_order_ref: u64,
    /// The order that stands now.
    pub new_order_ref: u64,
    /// How much of it.
    pub shares: u32,
    /// At which price.
    pub price: u32,
}

/// `P`: a trade with an order that was not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trade {
    /// Which instrument, when.
    pub header: Header,
    /// Always 0.
    pub order_ref: u64,
    /// Always `Buy`.
    pub side: Side,
    /// How much.
    pub shares: u32,
    /// Symbol of the instrument.
    pub stock: Stock,
    /// At which price.
    pub price: u32,
    /// The trade.
    pub match_number: u64,
}

/// `Q`: an auction traded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrossTrade {
    /// Which instrument, when.
    pub header: Header,
    /// How much; 64 bits here.
    pub shares: u64,
    /// Symbol of the instrument.
    pub stock: Stock,
    /// At which price.
    pub price: u32,
    /// The trade.
    pub match_number: u64,
    /// Which auction.
    pub cross: CrossType,
}

/// `B`: a trade is taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenTrade {
    /// Which instrument, when.
    pub header: Header,
    /// The trade.
    pub match_number: u64,
}

/// `I`: what an auction would trade now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetOrderImbalance {
    /// Which instrument, when.
    pub header: Header,
    /// How much would trade.
    pub paired_shares: u64,
    /// How much would not.
    pub imbalance_shares: u64,
    /// On which side.
    pub direction: ImbalanceDirection,
    /// Symbol of the instrument.
    pub stock: Stock,
    /// Price with auction orders alone.
    pub far_price: u32,
    /// Price with all orders.
    pub near_price: u32,
    /// Price the imbalance is counted at.
    pub reference_price: u32,
    /// Which auction.
    pub cross: CrossType,
    /// How far `near_price` is from `reference_price`: L 1 to 9 A B C or space.
    pub variation: u8,
}

/// `J`: the price range of the auction that ends a trading pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuctionCollar {
    /// Which instrument, when.
    pub header: Header,
    /// Symbol of the instrument.
    pub stock: Stock,
    /// Middle of the range.
    pub reference_price: u32,
    /// Top of the range.
    pub upper_price: u32,
    /// Bottom of the range.
    pub lower_price: u32,
    /// How often it was widened.
    pub extension: u32,
}

/// `h`: one market of several halts or resumes an instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperationalHalt {
    /// Which instrument, when.
    pub header: Header,
    /// Symbol of the instrument.
    pub stock: Stock,
    /// Which market.
    pub market: MarketCode,
    /// Halted or resumed.
    pub action: HaltAction,
}

/// One message of the feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// `S`
    SystemEvent(SystemEvent),
    /// `R`
    StockDirectory(StockDirectory),
    /// `H`
    TradingAction(TradingAction),
    /// `Y`
    RegSho(RegSho),
    /// `A`
    AddOrder(AddOrder),
    /// `F`
    AddOrderAttributed(AddOrderAttributed),
    /// `E`
    OrderExecuted(OrderExecuted),
    /// `C`
    OrderExecutedWithPrice(OrderExecutedWithPrice),
    /// `X`
    OrderCancel(OrderCancel),
    /// `D`
    OrderDelete(OrderDelete),
    /// `U`
    OrderReplace(OrderReplace),
    /// `P`
    Trade(Trade),
    /// `Q`
    CrossTrade(CrossTrade),
    /// `B`
    BrokenTrade(BrokenTrade),
    /// `I`
    NetOrderImbalance(NetOrderImbalance),
    /// `J`
    AuctionCollar(AuctionCollar),
    /// `h`
    OperationalHalt(OperationalHalt),
}

impl Message {
    /// What the message begins with.
    #[must_use]
    pub const fn header(&self) -> &Header {
        match self {
            Message::SystemEvent(message) => &message.header,
            Message::StockDirectory(message) => &message.header,
            Message::TradingAction(message) => &message.header,
            Message::RegSho(message) => &message.header,
            Message::AddOrder(message) => &message.header,
            Message::AddOrderAttributed(message) => &message.add.header,
            Message::OrderExecuted(message) => &message.header,
            Message::OrderExecutedWithPrice(message) => &message.executed.header,
            Message::OrderCancel(message) => &message.header,
            Message::OrderDelete(message) => &message.header,
            Message::OrderReplace(message) => &message.header,
            Message::Trade(message) => &message.header,
            Message::CrossTrade(message) => &message.header,
            Message::BrokenTrade(message) => &message.header,
            Message::NetOrderImbalance(message) => &message.header,
            Message::AuctionCollar(message) => &message.header,
            Message::OperationalHalt(message) => &message.header,
        }
    }
}
