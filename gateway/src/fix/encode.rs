//! Fields to bytes: appends one message to a buffer.

use matcher::Timestamp;

use super::decode::check_sum;
use super::time;

const SOH: u8 = 1;

/// Digits reserved for BodyLength(9); almost every message has a body of 100 to 999 bytes.
const BODY_LENGTH_DIGITS: usize = 3;

/// Appends one message to a buffer: header fields first, then the body, then [`Encoder::finish`].
///
/// A field with an empty value is not written, since FIX has none. A value must not contain SOH.
#[must_use]
#[derive(Debug)]
pub struct Encoder<'o> {
    out: &'o mut Vec<u8>,
    start: usize,
    body: usize,
}

impl<'o> Encoder<'o> {
    /// Begins a message: 8, 9 and 35.
    #[inline]
    pub fn begin(out: &'o mut Vec<u8>, begin_string: &[u8], msg_type: &[u8]) -> Encoder<'o> {
        let start = out.len();
        out.reserve(512);
        out.extend_from_slice(b"8=");
        out.extend_from_slice(begin_string);
        out.extend_from_slice(b"\x019=000\x01");
        let body = out.len();
        out.extend_from_slice(b"35=");
        out.extend_from_slice(msg_type);
        out.push(SOH);
        Encoder { out, start, body }
    }

    /// A text or data field.
    #[inline]
    pub fn bytes(&mut self, tag: u32, value: &[u8]) -> &mut Self {
        debug_assert!(!value.contains(&SOH));
        if !value.is_empty() {
            self.tag(tag);
            self.out.extend_from_slice(value);
            self.out.push(SOH);
        }
        self
    }

    /// A number without a sign.
    #[inline]
    pub fn uint(&mut self, tag: u32, value: u64) -> &mut Self {
        let mut digits = Digits::new();
        digits.byte(SOH);
        digits.number(value);
        digits.tag(tag);
        self.out.extend_from_slice(digits.text());
        self
    }

    /// A number with a sign.
    #[inline]
    pub fn int(&mut self, tag: u32, value: i64) -> &mut Self {
        self.decimal(tag, value, 0)
    }

    /// One character.
    #[inline]
    pub fn char(&mut self, tag: u32, value: u8) -> &mut Self {
        let mut digits = Digits::new();
        digits.byte(SOH);
        digits.byte(value);
        digits.tag(tag);
        self.out.extend_from_slice(digits.text());
        self
    }

    /// `mantissa` × 10^-`decimals`, with all its decimals: -1 with 2 is `-0.01`, 1250 with 2 is `12.50`.
    ///
    /// # Panics
    ///
    /// If `decimals` is above 18.
    #[inline]
    pub fn decimal(&mut self, tag: u32, mantissa: i64, decimals: u8) -> &mut Self {
        assert!(decimals <= 18);
        let mut digits = Digits::new();
        digits.byte(SOH);
        let mut value = mantissa.unsigned_abs();
        if decimals > 0 {
            for _ in 0..decimals {
                digits.byte(b'0' + (value % 10) as u8);
                value /= 10;
            }
            digits.byte(b'.');
        }
        digits.number(value);
        if mantissa < 0 {
            digits.byte(b'-');
        }
        digits.tag(tag);
        self.out.extend_from_slice(digits.text());
        self
    }

    /// A time in milliseconds: `20260102-09:31:07.123`.
    #[inline]
    pub fn utc(&mut self, tag: u32, at: Timestamp) -> &mut Self {
        self.tag(tag);
        self.out.extend_from_slice(&time::utc_ms(at));
        self.out.push(SOH);
        self
    }

    /// A time in nanoseconds: `20260102-09:31:07.123456789`.
    #[inline]
    pub fn utc_ns(&mut self, tag: u32, at: Timestamp) -> &mut Self {
        self.tag(tag);
        self.out.extend_from_slice(&time::utc_ns(at));
        self.out.push(SOH);
        self
    }

    /// Patches BodyLength(9) and appends CheckSum(10): the message is complete.
    #[inline]
    pub fn finish(self) {
        let Encoder { out, start, mut body } = self;
        let body_bytes = out.len() - body;
        let mut digits = Digits::new();
        digits.number(body_bytes as u64);
        let text = digits.text();
        let at = body - 1 - BODY_LENGTH_DIGITS;
        if text.len() == BODY_LENGTH_DIGITS {
            out[at..at + BODY_LENGTH_DIGITS].copy_from_slice(text);
        } else {
            out.splice(at..at + BODY_LENGTH_DIGITS, text.iter().copied());
            body = body + text.len() - BODY_LENGTH_DIGITS;
        }
        debug_assert_eq!(out.len() - body, body_bytes);
        let sum = check_sum(&out[start..]);
        let digit = |value: u8| b'0' + value % 10;
        out.extend_from_slice(&[
            b'1',
            b'0',
            b'=',
            digit(sum / 100),
            digit(sum / 10),
            digit(sum),
            SOH,
        ]);
    }

    #[inline]
    fn tag(&mut self, tag: u32) {
        let mut digits = Digits::new();
        digits.tag(tag);
        self.out.extend_from_slice(digits.text());
    }
}

/// Text written from its end to its start: a field with a number is one append.
struct Digits {
    bytes: [u8; 48],
    at: usize,
}

impl Digits {
    #[inline]
    fn new() -> Digits {
        Digits { bytes: [0; 48], at: 48 }
    }

    #[inline]
    fn byte(&mut self, byte: u8) {
        self.at -= 1;
        self.bytes[self.at] = byte;
    }

    #[inline]
    fn number(&mut self, mut value: u64) {
        loop {
            self.byte(b'0' + (value % 10) as u8);
            value /= 10;
            if value == 0 {
                break;
            }
        }
    }

    #[inline]
    fn tag(&mut self, tag: u32) {
        self.byte(b'=');
        let mut tag = tag;
        loop {
            self.byte(b'0' + (tag % 10) as u8);
            tag /= 10;
            if tag == 0 {
                break;
            }
        }
    }

    #[inline]
    fn text(&self) -> &[u8] {
        &self.bytes[self.at..]
    }
}
