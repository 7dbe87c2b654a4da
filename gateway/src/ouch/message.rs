//! The messages as plain types, their fields in the order of their bytes.

use std::fmt;

use super::options::{APPENDAGE_BYTES_MAX, Field, Options};

/// Bytes of the longest message: [`Replaced`] with every option.
pub const MESSAGE_BYTES_MAX: usize = Replaced::BYTES + 2 + APPENDAGE_BYTES_MAX;

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Not even a type.
    Empty,
    /// A type that the other side does not send.
    Kind(u8),
    /// The length is not that of the type and its appendage.
    Length {
        /// The type.
        kind: u8,
        /// Bytes there are.
        found: usize,
    },
    /// An option is not known, comes twice, or has another length.
    Option {
        /// The type of the message.
        kind: u8,
        /// The tag of the option, 0 where there is none.
        tag: u8,
    },
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::Empty => f.write_str("an empty message"),
            Malformed::Kind(kind) => {
                write!(f, "a message of the unknown type '{}'", kind.escape_ascii())
            }
            Malformed::Length { kind, found } => {
                let kind = kind.escape_ascii();
                write!(f, "a message '{kind}' of {found} bytes, which is not its length")
            }
            Malformed::Option { kind, tag } => {
                let kind = kind.escape_ascii();
                write!(
                    f,
                    "a message '{kind}' with option {tag}, unknown, twice or of a wrong length"
                )
            }
        }
    }
}

impl std::error::Error for Malformed {}

/// Whether a message has the length of its appendage although there is none.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tail {
    /// Two bytes, 0 for none.
    Always,
    /// Both are left out if there is none; two bytes of 0 are read all the same.
    IfAny,
}

/// The appendage behind the fields of a message of this type.
#[inline]
fn read_tail(kind: u8, bytes: &[u8], fields: usize, tail: Tail) -> Result<Options, Malformed> {
    let length = Malformed::Length { kind, found: bytes.len() };
    let rest = bytes.get(fields..).ok_or(length)?;
    if rest.is_empty() {
        return if tail == Tail::IfAny { Ok(Options::default()) } else { Err(length) };
    }
    let (len, appendage) = rest.split_first_chunk::<2>().ok_or(length)?;
    if appendage.len() != usize::from(u16::from_be_bytes(*len)) {
        return Err(length);
    }
    if appendage.is_empty() {
        return Ok(Options::default());
    }
    Options::decode(appendage).map_err(|tag| Malformed::Option { kind, tag })
}

#[inline]
fn write_tail(options: &Options, tail: Tail, out: &mut Vec<u8>) {
    let at = out.len();
    out.extend_from_slice(&[0; 2]);
    options.encode(out);
    let len = out.len() - at - 2;
    if len == 0 && tail == Tail::IfAny {
        out.truncate(at);
        return;
    }
    #[allow(clippy::cast_possible_truncation)] // APPENDAGE_BYTES_MAX.
    let len = len as u16;
    out[at..at + 2].copy_from_slice(&len.to_be_bytes());
}

macro_rules! messages {
    ($($(#[$enum_doc:meta])* $direction:ident {
        $($(#[$doc:meta])* $name:ident $kind:literal $tail:ident {
            $($(#[$field_doc:meta])* $field:ident: $type:ty,)*
        })*
    })*) => {$(
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            pub struct $name {
                $($(#[$field_doc])* pub $field: $type,)*
                /// What stands behind.
                pub options: Options,
            }

            impl $name {
                /// The type, the first byte.
                pub const KIND: u8 = $kind;

                /// Bytes of the type and the fields, without an appendage.
                pub const BYTES: usize = 1 $(+ <$type as Field>::BYTES)*;

                /// Name, offset and bytes of each field.
                pub const FIELDS: &'static [(&'static str, usize, usize)] = {
                    const TYPES: &[(&str, usize)] = &[$((stringify!($field), <$type as Field>::BYTES),)*];
                    const PLACED: [(&str, usize, usize); TYPES.len()] = {
                        let mut placed = [("", 0, 0); TYPES.len()];
                        let (mut n, mut at) = (0, 1);
                        while n < placed.len() {
                            placed[n] = (TYPES[n].0, at, TYPES[n].1);
                            at += TYPES[n].1;
                            n += 1;
                        }
                        placed
                    };
                    &PLACED
                };

                /// From all bytes of the message, the type included.
                ///
                /// # Errors
                ///
                /// If they are not one of this type.
                #[inline]
                pub fn decode(bytes: &[u8]) -> Result<$name, Malformed> {
                    let kind = *bytes.first().ok_or(Malformed::Empty)?;
                    let length = Malformed::Length { kind, found: bytes.len() };
                    if kind != $kind {
                        return Err(Malformed::Kind(kind));
                    }
                    #[allow(unused_mut)] // One has no fields.
                    let mut fields = bytes.get(1..$name::BYTES).ok_or(length)?;
                    $(
                        let value;
                        (value, fields) = fields.split_at(<$type as Field>::BYTES);
                        let $field = Field::get(value).ok_or(length)?;
                    )*
                    debug_assert!(fields.is_empty());
                    let options = read_tail($kind, bytes, $name::BYTES, Tail::$tail)?;
                    Ok($name { $($field,)* options })
                }

                /// Appends the message.
                #[inline]
                pub fn encode(&self, out: &mut Vec<u8>) {
                    out.push($kind);
                    $(self.$field.put(out);)*
                    write_tail(&self.options, Tail::$tail, out);
                }
            }
        )*

        $(#[$enum_doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(clippy::large_enum_variant)] // All of them are on the stack.
        pub enum $direction {
            $($(#[$doc])* $name($name),)*
        }

        impl $direction {
            /// From all bytes of a message.
            ///
            /// # Errors
            ///
            /// If they are none of these.
            #[inline]
            pub fn decode(bytes: &[u8]) -> Result<$direction, Malformed> {
                match bytes.first() {
                    $(Some(&$kind) => $name::decode(bytes).map($direction::$name),)*
                    Some(kind) => Err(Malformed::Kind(*kind)),
                    None => Err(Malformed::Empty),
                }
            }

            /// Appends the message.
            pub fn encode(&self, out: &mut Vec<u8>) {
                match self { $($direction::$name(message) => message.encode(out),)* }
            }

            /// Its name.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self { $($direction::$name(_) => stringify!($name),)* }
            }

            /// Hands over the name and the value of each field, and of each option that is there, for a person.
            pub fn show(&self, each: &mut dyn FnMut(&'static str, String)) {
                match self {
                    $($direction::$name(message) => {
                        $(each(stringify!($field), Field::show(message.$field));)*
                        message.options.show(each);
                    })*
                }
            }
        }
    )*};
}

messages! {
    /// What a client sends, in `U` packets.
    FromClient {
        /// A new order.
        Enter b'O' Always {
            /// The client's number of it.
            user_ref_num: u32,
            /// B, S, T sell short, E sell short exempt.
            side: u8,
            /// Unit: shares, above 0 and below 1,000,000.
            quantity: u32,
            /// Padded with spaces.
            symbol: [u8; 8],
            /// Unit: 1/10,000; from [`MARKET_PRICE`](super::MARKET_PRICE) on a market order.
            price: u64,
            /// 0 day, 3 IOC, 5 GTX, 6 GTT, E after hours.
            time_in_force: u8,
            /// Y, N, A.
            display: u8,
            /// A, P, R, O.
            capacity: u8,
            /// Y, N.
            iso: u8,
            /// N, O, C, H, S, R, E, A.
            cross_type: u8,
            /// The client's text for it, padded.
            cl_ord_id: [u8; 14],
        }
        /// An order in place of another one.
        Replace b'U' Always {
            /// Number of the order.
            orig_user_ref_num: u32,
            /// Its number from now on.
            user_ref_num: u32,
            /// What has traded included. Unit: shares.
            quantity: u32,
            /// Unit: 1/10,000.
            price: u64,
            /// 0, 3, 5, 6.
            time_in_force: u8,
            /// Y, N, A.
            display: u8,
            /// Y, N.
            iso: u8,
            /// The client's text for it, padded.
            cl_ord_id: [u8; 14],
        }
        /// Less of an order, or nothing.
        Cancel b'X' IfAny {
            /// Number of the order.
            user_ref_num: u32,
            /// What it is to be, with what has traded; 0: nothing is left. Unit: shares.
            quantity: u32,
        }
        /// Another kind of sale, or less, at the same place.
        Modify b'M' IfAny {
            /// Number of the order.
            user_ref_num: u32,
            /// S, T, E.
            side: u8,
            /// What it is to be, with what has traded. Unit: shares.
            quantity: u32,
        }
        /// All orders, or those of a symbol or side.
        MassCancel b'C' Always {
            /// Number of the request.
            user_ref_num: u32,
            /// The firm, padded.
            firm: [u8; 4],
            /// Padded; spaces: of every symbol.
            symbol: [u8; 8],
        }
        /// No more orders are taken of the firm's session.
        DisableOrderEntry b'D' Always {
            /// Number of the request.
            user_ref_num: u32,
            /// The firm, padded.
            firm: [u8; 4],
        }
        /// They are taken again.
        EnableOrderEntry b'E' Always {
            /// Number of the request.
            user_ref_num: u32,
            /// The firm, padded.
            firm: [u8; 4],
        }
        /// Which number is the next.
        AccountQuery b'Q' IfAny {}
    }

    /// What the venue says, in `S` packets.
    FromVenue {
        /// Begin and end of the day.
        SystemEvent b'S' IfAny {
            /// Unit: ns since midnight.
            timestamp: u64,
            /// A [`SystemCode`](super::SystemCode).
            event_code: u8,
        }
        /// An order is taken.
        Accepted b'A' Always {
            /// Unit: ns since midnight.
            timestamp: u64,
            /// Its number.
            user_ref_num: u32,
            /// As it was entered.
            side: u8,
            /// Unit: shares.
            quantity: u32,
            /// Padded.
            symbol: [u8; 8],
            /// As it was taken. Unit: 1/10,000.
            price: u64,
            /// As it was entered.
            time_in_force: u8,
            /// As it was entered.
            display: u8,
            /// The number that ITCH shows, 0 if it is not shown.
            order_ref: u64,
            /// As it was entered.
            capacity: u8,
            /// As it was entered.
            iso: u8,
            /// As it was entered.
            cross_type: u8,
            /// An [`OrderState`](super::OrderState).
            order_state: u8,
            /// As it was entered.
            cl_ord_id: [u8; 14],
        }
        /// An order is in place of another one.
        Replaced b'U' Always {
            /// Unit: ns since midnight.
            timestamp: u64,
            /// The number that it had.
            orig_user_ref_num: u32,
            /// Its number.
            user_ref_num: u32,
            /// As it was entered.
            side: u8,
            /// What is open. Unit: shares.
            quantity: u32,
            /// Padded.
            symbol: [u8; 8],
            /// Unit: 1/10,000.
            price: u64,
            /// As it was entered.
            time_in_force: u8,
            /// As it was entered.
            display: u8,
            /// The number that ITCH shows, 0 if it is not shown.
            order_ref: u64,
            /// As it was entered.
            capacity: u8,
            /// As it was entered.
            iso: u8,
            /// As it was entered.
            cross_type: u8,
            /// An [`OrderState`](super::OrderState).
            order_state: u8,
            /// As it was entered.
            cl_ord_id: [u8; 14],
        }
        /// Shares were taken off an order.
        Canceled b'C' IfAny {
            /// Unit: ns since midnight.
            timestamp: u64,
            /// Number of the order.
            user_ref_num: u32,
            /// So many. Unit: shares.
            quantity: u32,
            /// A [`CancelReason`](super::CancelReason).
            reason: u8,
        }
        /// Shares were taken off an order that would have traded with its own group.
        AiqCanceled b'D' IfAny {
            /// Unit: ns since midnight.
            timestamp: u64,
            /// Number of the order.
            user_ref_num: u32,
            /// So many. Unit: shares.
            decrement_shares: u32,
            /// [`CancelReason::SelfMatch`](super::CancelReason).
            reason: u8,
            /// So many would have traded. Unit: shares.
            prevented_shares: u32,
            /// At this price. Unit: 1/10,000.
            execution_price: u64,
            /// A [`Liquidity`](super::Liquidity).
            liquidity_flag: u8,
            /// What was done.
            aiq_strategy: u8,
        }
        /// An order traded.
        Executed b'E' Always {
            /// Unit: ns since midnight.
            timestamp: u64,
            /// Number of the order.
            user_ref_num: u32,
            /// In this trade. Unit: shares.
            quantity: u32,
            /// Unit: 1/10,000.
            price: u64,
            /// A [`Liquidity`](super::Liquidity).
            liquidity_flag: u8,
            /// The same for both sides and on ITCH.
            match_number: u64,
        }
        /// A trade was undone.
        BrokenTrade b'B' IfAny {
            /// Unit: ns since midnight.
            timestamp: u64,
            /// Number of the order.
            user_ref_num: u32,
            /// That of the trade.
            match_number: u64,
            /// A [`BrokenReason`](super::BrokenReason).
            reason: u8,
            /// As it was entered.
            cl_ord_id: [u8; 14],
        }
        /// A request is refused.
        Rejected b'J' IfAny {
            /// Unit: ns since midnight.
            timestamp: u64,
            /// Number of the request.
            user_ref_num: u32,
            /// A [`RejectReason`](super::RejectReason).
            reason: u16,
            /// As it was entered; spaces where a request has none.
            cl_ord_id: [u8; 14],
        }
        /// A cancel waits.
        CancelPending b'P' IfAny {
            /// Unit: ns since midnight.
            timestamp: u64,
            /// Number of the order.
            user_ref_num: u32,
        }
        /// A cancel is refused.
        CancelReject b'I' IfAny {
            /// Unit: ns since midnight.
            timestamp: u64,
            /// Number of the order.
            user_ref_num: u32,
        }
        /// An order has another number on the feed.
        PriorityUpdate b'T' IfAny {
            /// Unit: ns since midnight.
            timestamp: u64,
            /// Number of the order.
            user_ref_num: u32,
            /// Unit: 1/10,000.
            price: u64,
            /// Y, N, A, Z.
            display: u8,
            /// The new number.
            order_ref: u64,
        }
        /// An order was modified.
        Modified b'M' IfAny {
            /// Unit: ns since midnight.
            timestamp: u64,
            /// Number of the order.
            user_ref_num: u32,
            /// As it is now.
            side: u8,
            /// What is open. Unit: shares.
            quantity: u32,
        }
        /// An order is told anew.
        OrderRestated b'R' Always {
            /// Unit: ns since midnight.
            timestamp: u64,
            /// Number of the order.
            user_ref_num: u32,
            /// A [`RestateReason`](super::RestateReason).
            reason: u8,
        }
        /// A mass cancel is done; the [`Canceled`] of each order came before.
        MassCancelResponse b'X' Always {
            /// Unit: ns since midnight.
            timestamp: u64,
            /// Number of the request.
            user_ref_num: u32,
            /// As it was asked.
            firm: [u8; 4],
            /// As it was asked.
            symbol: [u8; 8],
        }
        /// Order entry is off.
        DisableResponse b'G' Always {
            /// Unit: ns since midnight.
            timestamp: u64,
            /// Number of the request.
            user_ref_num: u32,
            /// As it was asked.
            firm: [u8; 4],
        }
        /// Order entry is on again.
        EnableResponse b'K' Always {
            /// Unit: ns since midnight.
            timestamp: u64,
            /// Number of the request.
            user_ref_num: u32,
            /// As it was asked.
            firm: [u8; 4],
        }
        /// Which number is the next.
        AccountQueryResponse b'Q' IfAny {
            /// Unit: ns since midnight.
            timestamp: u64,
            /// It is above every number that was used.
            next_user_ref_num: u32,
        }
    }
}
