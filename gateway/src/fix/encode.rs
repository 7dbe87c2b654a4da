//! Fields to bytes: appends one message to a buffer.

use matcher::Timestamp;

use super::decode::check_sum;
use super::time;

const SOH: u8 = 1;

/// Digits reserved for BodyLength(9); almost every message has a body of 100 to 999 bytes.
const BODY_LENGTH_DIGITS: usize = 3;

/// Room made at a time: more than almost every message has.
const ROOM_BYTES: usize = 512;

/// `4294967295=`
const TAG_BYTES_MAX: usize = 11;

/// Digits of `u64::MAX`.
const DIGITS_MAX: usize = 20;

/// Appends one message to a buffer: header fields first, then the body, then [`Encoder::finish`].
///
/// A field with an empty value is not written, since FIX has none. A value must not contain SOH.
#[must_use]
#[derive(Debug)]
pub struct Encoder<'o> {
    /// The message so far, and zeroes behind it: room that needs no further check of its capacity.
    out: &'o mut Vec<u8>,
    start: usize,
    body: usize,
    at: usize,
}

impl<'o> Encoder<'o> {
    /// Begins a message: 8, 9 and 35.
    #[inline]
    pub fn begin(out: &'o mut Vec<u8>, begin_string: &[u8], msg_type: &[u8]) -> Encoder<'o> {
        let start = out.len();
        let mut message = Encoder { out, start, body: 0, at: start };
        message.room(ROOM_BYTES - 1);
        message.raw(b"8=");
        message.text(begin_string);
        message.raw(b"\x019=000\x01");
        message.body = message.at;
        message.raw(b"35=");
        message.text(msg_type);
        message.byte(SOH);
        message
    }

    /// Begins fields without a message around them: the body of one that gets its header later.
    pub fn body(out: &'o mut Vec<u8>) -> Encoder<'o> {
        let start = out.len();
        Encoder { out, start, body: start, at: start }
    }

    /// Ends what [`Encoder::body`] began.
    pub fn end(self) {
        self.out.truncate(self.at);
    }

    /// Fields that [`Encoder::body`] wrote.
    pub fn fields(&mut self, fields: &[u8]) -> &mut Self {
        self.room(fields.len());
        self.text(fields);
        self
    }

    /// A text or data field.
    #[inline]
    pub fn bytes(&mut self, tag: u32, value: &[u8]) -> &mut Self {
        debug_assert!(!value.contains(&SOH) || is_data(tag));
        if !value.is_empty() {
            self.room(TAG_BYTES_MAX + value.len() + 1);
            self.tag(tag);
            self.text(value);
            self.byte(SOH);
        }
        self
    }

    /// A number without a sign.
    #[inline]
    pub fn uint(&mut self, tag: u32, value: u64) -> &mut Self {
        self.room(TAG_BYTES_MAX + DIGITS_MAX + 1);
        self.tag(tag);
        self.number(value);
        self.byte(SOH);
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
        self.room(TAG_BYTES_MAX + 2);
        self.tag(tag);
        self.raw(&[value, SOH]);
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
        self.room(TAG_BYTES_MAX + 1 + DIGITS_MAX + 1 + 1);
        self.tag(tag);
        if mantissa < 0 {
            self.byte(b'-');
        }
        self.scaled(mantissa.unsigned_abs(), decimals.into());
        self.byte(SOH);
        self
    }

    /// A time in milliseconds: `20260102-09:31:07.123`.
    #[inline]
    pub fn utc(&mut self, tag: u32, at: Timestamp) -> &mut Self {
        self.room(TAG_BYTES_MAX + 21 + 1);
        self.tag(tag);
        self.second(at);
        self.fraction::<3>((at.0 % 1_000_000_000) as u32 / 1_000_000);
        self.byte(SOH);
        self
    }

    /// The day of a time: `20260102`.
    pub fn date(&mut self, tag: u32, at: Timestamp) -> &mut Self {
        self.bytes(tag, &time::utc_ms(at)[..8])
    }

    /// A time in nanoseconds: `20260102-09:31:07.123456789`.
    #[inline]
    pub fn utc_ns(&mut self, tag: u32, at: Timestamp) -> &mut Self {
        self.room(TAG_BYTES_MAX + 27 + 1);
        self.tag(tag);
        self.second(at);
        self.fraction::<9>((at.0 % 1_000_000_000) as u32);
        self.byte(SOH);
        self
    }

    /// Two numbers with a `-` between and perhaps a letter behind.
    #[inline]
    pub fn pair(&mut self, tag: u32, numbers: [u64; 2], letter: Option<u8>) -> &mut Self {
        self.room(TAG_BYTES_MAX + 2 * DIGITS_MAX + 3);
        self.tag(tag);
        self.number(numbers[0]);
        self.byte(b'-');
        self.number(numbers[1]);
        if let Some(letter) = letter {
            self.byte(letter);
        }
        self.byte(SOH);
        self
    }

    /// Patches BodyLength(9) and appends CheckSum(10): the message is complete.
    #[inline]
    pub fn finish(mut self) {
        self.room(DIGITS_MAX + 7);
        let body_bytes = self.at - self.body;
        let length_at = self.body - 1 - BODY_LENGTH_DIGITS;
        if (100..1000).contains(&body_bytes) {
            write_digits(&mut self.out[length_at..self.body - 1], body_bytes as u32);
        } else {
            self.finish_length(length_at, body_bytes);
        }
        let sum = check_sum(&self.out[self.start..self.at]);
        self.raw(b"10=000\x01");
        let digits = self.at - 4..self.at - 1;
        write_digits(&mut self.out[digits], sum.into());
        self.out.truncate(self.at);
    }

    /// A body of less than 100 or more than 999 bytes moves to fit the length in front of it.
    fn finish_length(&mut self, length_at: usize, body_bytes: usize) {
        let digits = digit_count(body_bytes as u64);
        let body = length_at + digits + 1;
        self.out.copy_within(self.body - 1..self.at, body - 1);
        write_digits(&mut self.out[length_at..length_at + digits], body_bytes as u32);
        self.at = body + body_bytes;
        self.body = body;
    }

    /// Makes room for `bytes` more.
    #[inline(always)]
    fn room(&mut self, bytes: usize) {
        if self.out.len() - self.at < bytes {
            self.grow(bytes);
        }
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, bytes: usize) {
        self.out.resize(self.at + bytes.max(ROOM_BYTES), 0);
    }

    #[inline(always)]
    fn byte(&mut self, byte: u8) {
        self.out[self.at] = byte;
        self.at += 1;
    }

    #[inline(always)]
    fn raw<const N: usize>(&mut self, bytes: &[u8; N]) {
        self.out[self.at..self.at + N].copy_from_slice(bytes);
        self.at += N;
    }

    #[inline(always)]
    fn text(&mut self, bytes: &[u8]) {
        copy_text(&mut self.out[self.at..self.at + bytes.len()], bytes);
        self.at += bytes.len();
    }

    /// `YYYYMMDD-HH:MM:SS`, which is nearly always that of the time before.
    #[inline(always)]
    fn second(&mut self, at: Timestamp) {
        let text = time::second(at);
        self.raw(&text);
    }

    #[inline(always)]
    fn fraction<const N: usize>(&mut self, value: u32) {
        let mut text = [0; N];
        write_digits(&mut text, value);
        self.byte(b'.');
        self.raw(&text);
    }

    /// `value` × 10^-`decimals`, with all its decimals.
    #[inline(always)]
    fn scaled(&mut self, value: u64, decimals: usize) {
        let Ok(value) = u32::try_from(value) else { return self.scaled_long(value, decimals) };
        if decimals == 0 {
            return self.number(value.into());
        }
        let whole = digit_count(value.into()).saturating_sub(decimals).max(1);
        let place = &mut self.out[self.at..self.at + whole + 1 + decimals];
        let (front, behind) = place.split_at_mut(whole + 1);
        let rest = write_digits(behind, value);
        front[whole] = b'.';
        write_digits(&mut front[..whole], rest);
        self.at += whole + 1 + decimals;
    }

    #[cold]
    fn scaled_long(&mut self, value: u64, decimals: usize) {
        let one = POWERS[decimals];
        self.number(value / one);
        if decimals > 0 {
            self.byte(b'.');
            self.padded(value % one, decimals);
        }
    }

    /// `tag=`; folds to one store where the tag is a constant.
    #[inline(always)]
    fn tag(&mut self, tag: u32) {
        let digit = |value: u32| b'0' + (value % 10) as u8;
        match tag {
            0..10 => self.raw(&[digit(tag), b'=']),
            10..100 => self.raw(&[digit(tag / 10), digit(tag), b'=']),
            100..1000 => self.raw(&[digit(tag / 100), digit(tag / 10), digit(tag), b'=']),
            _ => {
                self.number(tag.into());
                self.byte(b'=');
            }
        }
    }

    #[inline(always)]
    fn number(&mut self, value: u64) {
        if value < 10 {
            return self.byte(b'0' + value as u8);
        }
        self.padded(value, digit_count(value));
    }

    #[inline(always)]
    fn padded(&mut self, value: u64, digits: usize) {
        let place = &mut self.out[self.at..self.at + digits];
        match u32::try_from(value) {
            Ok(value) => _ = write_digits(place, value),
            Err(_) => write_long(place, value),
        }
        self.at += digits;
    }
}

/// 10^0 to 10^18.
const POWERS: [u64; 19] = {
    let mut powers = [1; 19];
    let mut i = 1;
    while i < powers.len() {
        powers[i] = powers[i - 1] * 10;
        i += 1;
    }
    powers
};

#[inline(always)]
fn digit_count(value: u64) -> usize {
    value.checked_ilog10().unwrap_or(0) as usize + 1
}

/// Fills `place` with the last digits of `value`; returns those in front of them.
#[inline(always)]
pub(super) fn write_digits(place: &mut [u8], mut value: u32) -> u32 {
    let mut pairs = place.rchunks_exact_mut(2);
    for pair in pairs.by_ref() {
        pair.copy_from_slice(&PAIRS[(value % 100) as usize]);
        value /= 100;
    }
    if let [first] = pairs.into_remainder() {
        *first = b'0' + (value % 10) as u8;
        value /= 10;
    }
    value
}

/// Copies a text to a place as long as it is. Most are so short that a call to copy them costs more than they do.
#[inline(always)]
fn copy_text(place: &mut [u8], text: &[u8]) {
    let len = text.len();
    match len {
        0 => {}
        1 => place[0] = text[0],
        2..4 => copy_ends::<2>(place, text),
        4..8 => copy_ends::<4>(place, text),
        8..=16 => copy_ends::<8>(place, text),
        _ => place.copy_from_slice(text),
    }
}

/// Copies the first and the last `N` bytes, which together are all.
#[inline(always)]
fn copy_ends<const N: usize>(place: &mut [u8], text: &[u8]) {
    if let (Some(to), Some(from)) = (place.first_chunk_mut::<N>(), text.first_chunk::<N>()) {
        *to = *from;
    }
    if let (Some(to), Some(from)) = (place.last_chunk_mut::<N>(), text.last_chunk::<N>()) {
        *to = *from;
    }
}

/// As [`write_digits`], for numbers of more than 32 bits.
#[cold]
fn write_long(place: &mut [u8], mut value: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// `00` to `99`.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut i = 0;
    while i < 100 {
        pairs[i] = [b'0' + (i / 10) as u8, b'0' + (i % 10) as u8];
        i += 1;
    }
    pairs
};

/// Tags of data fields, whose values may contain SOH.
fn is_data(tag: u32) -> bool {
    (tag > 0) && super::dictionary::data_tag_of(tag - 1) == Some(tag) || tag == 89
}
