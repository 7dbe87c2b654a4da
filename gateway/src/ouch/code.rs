//! The codes that we send.

/// A price from here on says: market order. Unit: 1/10,000.
pub const MARKET_PRICE: u64 = 2_000_000_000;

/// The other way to say it, of clients whose prices have four bytes.
pub const MARKET_PRICE_SHORT: u64 = 0x7FFF_FFFF;

/// Display: shown with the participant's name; for us the same as Y.
pub const DISPLAY_ATTRIBUTABLE: u8 = b'A';

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident: $repr:ty { $($(#[$code_doc:meta])* $code:ident = $value:literal,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
            #[repr($repr)]
            pub enum $name { $($(#[$code_doc])* $code = $value,)* }

            impl $name {
                /// Every code.
                pub const ALL: &'static [$name] = &[$($name::$code,)*];

                /// The value on the wire.
                #[must_use]
                pub const fn code(self) -> $repr {
                    self as $repr
                }

                /// The code of this value.
                #[must_use]
                pub const fn from_code(value: $repr) -> Option<$name> {
                    match value {
                        $($value => Some($name::$code),)*
                        _ => None,
                    }
                }
            }
        )*
    };
}

codes! {
    /// What a [`SystemEvent`](super::SystemEvent) says.
    SystemCode: u8 {
        /// The numbers begin again.
        StartOfDay = b'S',
        /// No more messages come.
        EndOfDay = b'E',
    }
    /// Whether an accepted order works.
    OrderState: u8 {
        /// It does, or will say how it ends.
        Live = b'L',
        /// It is over already, and nothing more is said of it.
        Dead = b'D',
    }
    /// Why shares are taken off an order.
    CancelReason: u8 {
        /// The client asked.
        User = b'U',
        /// What an immediate order did not trade.
        Immediate = b'I',
        /// Its time is over.
        Timeout = b'T',
        /// The venue or the client's own supervision took it.
        Supervisory = b'S',
        /// It would have traded with the same group.
        SelfMatch = b'Q',
        /// The system had to.
        System = b'Z',
        /// It was for an auction that is over.
        Cross = b'C',
        /// Its price left the band.
        Collars = b'K',
        /// The instrument is halted.
        Halted = b'H',
        /// The market is closed.
        Closed = b'E',
        /// It would have taken, and was not to.
        PostOnly = b'F',
    }
    /// Why a trade is undone.
    BrokenReason: u8 {
        /// Clearly erroneous.
        Erroneous = b'E',
        /// Both sides agreed.
        Consent = b'C',
        /// The venue decided.
        Supervisory = b'S',
        /// Something else.
        External = b'X',
    }
    /// Why an order is told anew.
    RestateReason: u8 {
        /// The next part of it is shown.
        Refresh = b'R',
        /// It is shown at another price.
        DisplayPrice = b'P',
    }
    /// Which side of a trade one was.
    Liquidity: u8 {
        /// It was resting.
        Added = b'A',
        /// It came and took.
        Removed = b'R',
        /// An opening auction.
        Opening = b'O',
        /// A closing auction.
        Closing = b'C',
        /// Another auction.
        Halt = b'H',
        /// It was resting, and not shown.
        AddedHidden = b'J',
    }
    /// Why a request is refused.
    RejectReason: u16 {
        /// No orders are taken at present.
        Closed = 0x02,
        /// The display is not one of ours.
        Display = 0x03,
        /// MaxFloor is not below the quantity, or not allowed here.
        MaxFloor = 0x04,
        /// The peg is not one of ours.
        PegType = 0x05,
        /// The instrument is halted.
        Halted = 0x07,
        /// ISO is not ours.
        Iso = 0x08,
        /// The side is not one of ours, or may not be changed so.
        Side = 0x09,
        /// The venue cannot do it now.
        Processing = 0x0A,
        /// The firm is not the session's, or the session may not.
        NotAuthorized = 0x0C,
        /// The minimum quantity does not go with the order.
        MinQuantity = 0x0D,
        /// Another reason.
        Other = 0x0F,
        /// It cannot be canceled now.
        CancelNotAllowed = 0x10,
        /// It would lock or cross the market and is not to take.
        Crossed = 0x12,
        /// The quantity is not possible.
        Quantity = 0x13,
        /// Orders for this auction are not taken, or not now.
        CrossOrder = 0x14,
        /// It cannot be replaced now.
        ReplaceNotAllowed = 0x15,
        /// We route nowhere.
        Routing = 0x16,
        /// No such symbol.
        Symbol = 0x17,
        /// The price is not possible.
        Price = 0x1D,
        /// Above the quantity allowed to the session.
        SharesLimit = 0x1E,
        /// Above the notional allowed to the session.
        NotionalLimit = 0x1F,
        /// Above the exposure allowed.
        Exposure = 0x20,
        /// The instrument is not one of the session's.
        Restricted = 0x22,
        /// Outside the collar.
        PriceCollar = 0x26,
        /// Too many messages in this second.
        Rate = 0x28,
        /// Market orders are not taken here.
        MarketOrder = 0x2C,
        /// Entry is switched off.
        Disabled = 0x33,
    }
}
