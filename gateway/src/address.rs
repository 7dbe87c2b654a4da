//! Internet addresses as ranges: who may connect for what.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

const V4_BITS: u8 = 96;

/// All addresses that begin with the same bits: `192.0.2.0/24`, `2001:db8::/32`, or one address.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AddressRange {
    /// An IPv4 address as IPv6 has it.
    first: u128,
    bits: u8,
}

impl AddressRange {
    /// Whether `address` is one of them.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        (as_v6(address) ^ self.first) & mask(self.bits) == 0
    }
}

/// The network that `address` counts for: itself, or the 64 bits that one subscriber of IPv6 has.
pub(crate) fn network_of(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(_) => as_v6(address),
        IpAddr::V6(_) => as_v6(address) & mask(64),
    }
}

fn as_v6(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn mask(bits: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0)
}

/// Text that is no [`AddressRange`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRange {
    /// It is not written as one.
    Malformed,
    /// Bits are set behind those that count: which of the two is meant?
    BitsBehind,
}

impl fmt::Display for NoRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NoRange::Malformed => "is neither an address nor a range like 192.0.2.0/24",
            NoRange::BitsBehind => "has bits set behind those that count",
        })
    }
}

impl std::error::Error for NoRange {}

impl FromStr for AddressRange {
    type Err = NoRange;

    fn from_str(text: &str) -> Result<AddressRange, NoRange> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
        let address: IpAddr = address.parse().map_err(|_| NoRange::Malformed)?;
        let before = if address.is_ipv4() { V4_BITS } else { 0 };
        let bits = match bits {
            None => 128,
            Some(bits) if bits.len() <= 3 && bits.bytes().all(|byte| byte.is_ascii_digit()) => {
                let bits: u8 = bits.parse().map_err(|_| NoRange::Malformed)?;
                before.checked_add(bits).filter(|bits| *bits <= 128).ok_or(NoRange::Malformed)?
            }
            Some(_) => return Err(NoRange::Malformed),
        };
        let first = as_v6(address);
        if first & !mask(bits) != 0 {
            return Err(NoRange::BitsBehind);
        }
        Ok(AddressRange { first, bits })
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = Ipv6Addr::from_bits(self.first);
        match first.to_ipv4_mapped() {
            Some(first) if self.bits >= V4_BITS => write!(f, "{first}/{}", self.bits - V4_BITS),
            _ => write!(f, "{first}/{}", self.bits),
        }
    }
}

impl fmt::Debug for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> AddressRange {
        text.parse().unwrap_or_else(|error| panic!("{text} {error}"))
    }

    #[test]
    fn a_range_has_its_addresses_and_no_others() {
        for (text, inside, outside) in [
            ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("192.0.2.0/24", "::ffff:192.0.2.9", "::192.0.2.9"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("10.0.0.0/7", "11.255.0.1", "12.0.0.0"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("::1", "::1", "::2"),
        ] {
            assert!(range(text).contains(inside.parse().unwrap()), "{text} {inside}");
            assert!(!range(text).contains(outside.parse().unwrap()), "{text} {outside}");
        }
        assert!(range("::/0").contains("192.0.2.1".parse().unwrap()));
        assert_eq!(range("192.0.2.0/24").to_string(), "192.0.2.0/24");
        assert_eq!(range("2001:db8::/32").to_string(), "2001:db8::/32");
    }

    #[test]
    fn other_text_is_no_range() {
        for text in
            ["", "host", "1.2.3", "1.2.3.4/", "1.2.3.4/33", "::/129", "1.2.3.4/+8", "::1/-1"]
        {
            assert_eq!(text.parse::<AddressRange>(), Err(NoRange::Malformed), "{text}");
        }
        assert_eq!("192.0.2.1/24".parse::<AddressRange>(), Err(NoRange::BitsBehind));
    }

    #[test]
    fn an_address_counts_for_itself_or_its_subscriber() {
        let network = |text: &str| network_of(text.parse().unwrap());
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
        assert_eq!(network("192.0.2.1"), network("::ffff:192.0.2.1"));
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:1"));
        assert_ne!(network("2001:db8:0:1::1"), network("2001:db8:0:2::1"));
    }
}
