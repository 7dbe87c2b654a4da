//! The appendage: options behind a message, each a length, a tag and a value.

/// Bytes of the longest appendage: every tag once.
pub const APPENDAGE_BYTES_MAX: usize = 192;

macro_rules! options {
    ($($(#[$doc:meta])* $field:ident $name:ident = $tag:literal: $type:ty,)*) => {
        /// The numbers of the options.
        pub mod tag {
            $($(#[$doc])* pub const $name: u8 = $tag;)*
        }

        /// What stands behind a message; nothing by default.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Options {
            $($(#[$doc])* pub $field: Option<$type>,)*
        }

        impl Options {
            /// Reads the elements of an appendage, its length already taken off. The tag that stands at fault: one
            /// whose length is not its own, that comes twice, or that we do not know.
            ///
            /// # Errors
            ///
            /// That tag; 0 where not even one is there.
            pub fn decode(mut bytes: &[u8]) -> Result<Options, u8> {
                let mut options = Options::default();
                while let Some((len, rest)) = bytes.split_first() {
                    let element = rest.get(..usize::from(*len)).ok_or(rest.first().copied().unwrap_or(0))?;
                    let (tag, value) = element.split_first().ok_or(0)?;
                    let fresh = match *tag {
                        $($tag => {
                            let value = Field::get(value).ok_or($tag)?;
                            options.$field.replace(value).is_none()
                        })*
                        unknown => return Err(unknown),
                    };
                    if !fresh {
                        return Err(*tag);
                    }
                    bytes = &rest[element.len()..];
                }
                Ok(options)
            }

            /// Hands over the name and the value of each that is there, for a person.
            pub fn show(&self, each: &mut dyn FnMut(&'static str, String)) {
                $(
                    if let Some(value) = self.$field {
                        each(stringify!($field), Field::show(value));
                    }
                )*
            }

            /// Appends the elements, without their length.
            pub fn encode(&self, out: &mut Vec<u8>) {
                $(
                    if let Some(value) = self.$field {
                        #[allow(clippy::cast_possible_truncation)] // At most 8.
                        out.extend_from_slice(&[1 + <$type as Field>::BYTES as u8, $tag]);
                        value.put(out);
                    }
                )*
            }
        }

        const _: () = assert!($((2 + <$type as Field>::BYTES) +)* 0 <= APPENDAGE_BYTES_MAX);
    };
}

/// A value of fixed length, big endian.
pub(super) trait Field: Copy {
    /// Its bytes.
    const BYTES: usize;

    /// From exactly that many.
    fn get(bytes: &[u8]) -> Option<Self>;

    /// Appends them.
    fn put(self, out: &mut Vec<u8>);

    /// For a person: a number, the letter of a code, text without its padding.
    fn show(self) -> String;
}

macro_rules! numbers {
    ($($type:ty)*) => {$(
        impl Field for $type {
            const BYTES: usize = size_of::<$type>();

            #[inline(always)]
            fn get(bytes: &[u8]) -> Option<$type> {
                Some(<$type>::from_be_bytes(bytes.try_into().ok()?))
            }

            #[inline(always)]
            fn put(self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_be_bytes());
            }

            fn show(self) -> String {
                self.to_string()
            }
        }
    )*};
}

numbers! { u16 u32 u64 i32 }

impl Field for u8 {
    const BYTES: usize = 1;

    #[inline(always)]
    fn get(bytes: &[u8]) -> Option<u8> {
        let [byte] = bytes else { return None };
        Some(*byte)
    }

    #[inline(always)]
    fn put(self, out: &mut Vec<u8>) {
        out.push(self);
    }

    fn show(self) -> String {
        if self.is_ascii_graphic() { char::from(self).to_string() } else { self.to_string() }
    }
}

impl<const N: usize> Field for [u8; N] {
    const BYTES: usize = N;

    #[inline(always)]
    fn get(bytes: &[u8]) -> Option<[u8; N]> {
        bytes.try_into().ok()
    }

    #[inline(always)]
    fn put(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self);
    }

    fn show(self) -> String {
        self.trim_ascii_end().escape_ascii().to_string()
    }
}

options! {
    /// The other number of the order.
    secondary_order_ref SECONDARY_ORDER_REF = 1: u64,
    /// The firm, padded.
    firm FIRM = 2: [u8; 4],
    /// Less is not to be traded at first. Unit: shares.
    min_qty MIN_QTY = 3: u32,
    /// R retail, N not.
    customer_type CUSTOMER_TYPE = 4: u8,
    /// So much is shown at a time. Unit: shares.
    max_floor MAX_FLOOR = 5: u32,
    /// L limit, P market peg, R primary peg, M midpoint, …
    price_type PRICE_TYPE = 6: u8,
    /// Added to what is followed. Unit: 1/10,000.
    peg_offset PEG_OFFSET = 7: i32,
    /// Not ours.
    discretion_price DISCRETION_PRICE = 9: u64,
    /// Not ours.
    discretion_price_type DISCRETION_PRICE_TYPE = 10: u8,
    /// Not ours.
    discretion_peg_offset DISCRETION_PEG_OFFSET = 11: i32,
    /// P: not to take; N: may.
    post_only POST_ONLY = 12: u8,
    /// The part shown is chosen at random up to so much. Unit: shares.
    random_reserves RANDOM_RESERVES = 13: u32,
    /// Where to.
    route ROUTE = 14: [u8; 4],
    /// Of an order with a time. Unit: seconds since midnight.
    expire_time EXPIRE_TIME = 15: u32,
    /// Y or N.
    trade_now TRADE_NOW = 16: u8,
    /// How it is handled.
    handle_inst HANDLE_INST = 17: u8,
    /// Where it stood against the best prices.
    bbo_weight BBO_WEIGHT = 18: u8,
    /// So much is shown now. Unit: shares.
    display_quantity DISPLAY_QUANTITY = 22: u32,
    /// The price at which it is shown. Unit: 1/10,000.
    display_price DISPLAY_PRICE = 23: u64,
    /// The group of a self-match or of a mass cancel.
    group_id GROUP_ID = 24: u16,
    /// Y or N.
    shares_located SHARES_LOCATED = 25: u8,
    /// Who located them.
    locate_broker LOCATE_BROKER = 26: [u8; 4],
    /// Of a mass cancel: only this side.
    side SIDE = 27: u8,
    /// One of several numberings of one session.
    user_ref_idx USER_REF_IDX = 28: u8,
}
