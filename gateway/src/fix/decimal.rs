//! Decimal text to integers, digit by digit: what does not fit is refused, nothing is rounded.

use std::fmt;

use super::message::Value;

/// Why text is not a decimal with so many places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecimalError {
    /// Not a FIX float: an optional `-`, digits, at most one `.`; no `+`, exponent or space.
    NotANumber,
    /// More places than asked for, and not all of them zero.
    TooPrecise,
    /// Does not fit 64 bits.
    Overflow,
}

impl fmt::Display for DecimalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DecimalError::NotANumber => "not a decimal number",
            DecimalError::TooPrecise => "more decimal places than the instrument has",
            DecimalError::Overflow => "number does not fit 64 bits",
        })
    }
}

impl std::error::Error for DecimalError {}

/// `text` × 10^`decimals`: `1.25` with 4 is 12500.
///
/// Leading zeroes, trailing zeroes behind the places, `1.` and `.5` are FIX floats and are accepted.
///
/// # Errors
///
/// Text that is no float, has more places, or is too large.
#[inline]
pub fn parse_scaled(text: &[u8], decimals: u8) -> Result<i64, DecimalError> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let mut value = 0i64;
    let mut places: Option<u8> = None;
    let mut any = false;
    let mut error = None;
    for byte in digits {
        match byte {
            b'0'..=b'9' => {
                any = true;
                let digit = i64::from(byte - b'0');
                match &mut places {
                    Some(places) if *places == decimals => {
                        if digit != 0 {
                            error = error.or(Some(DecimalError::TooPrecise));
                        }
                    }
                    places => {
                        if let Some(places) = places {
                            *places += 1;
                        }
                        match value.checked_mul(10).and_then(|value| value.checked_add(digit)) {
                            Some(next) => value = next,
                            None => error = error.or(Some(DecimalError::Overflow)),
                        }
                    }
                }
            }
            b'.' if places.is_none() => places = Some(0),
            _ => return Err(DecimalError::NotANumber),
        }
    }
    if !any {
        return Err(DecimalError::NotANumber);
    }
    if let Some(error) = error {
        return Err(error);
    }
    for _ in places.unwrap_or(0)..decimals {
        value = value.checked_mul(10).ok_or(DecimalError::Overflow)?;
    }
    Ok(if negative { -value } else { value })
}

/// The highest bit of each byte that is no digit.
#[inline]
pub(super) const fn no_digits(word: u64) -> u64 {
    const ZEROES: u64 = 0x3030_3030_3030_3030;
    const TO_HIGH: u64 = 0x7676_7676_7676_7676;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let digits = word ^ ZEROES;
    // Nothing is carried from one byte to the next.
    (((digits & !HIGH) + TO_HIGH) | digits) & HIGH
}

/// Whether `value` is a number that [`parse_uint`] reads.
#[inline]
pub(super) fn is_uint(value: Value<'_>) -> bool {
    match value.word() {
        Some((word, below)) => no_digits(word) >> below == 0,
        None => parse_uint(value.text()).is_some(),
    }
}

/// Whether `value` is a FIX float, of any size and precision.
#[inline]
pub(super) fn is_float(value: Value<'_>) -> bool {
    if let Some((word, below)) = value.word() {
        let others = no_digits(word) >> below;
        if others == 0 {
            return true;
        }
        // One byte is none, and there are others: it is the point.
        let at = others.trailing_zeros() & !7;
        if others & (others - 1) == 0 && below < 56 && word >> below >> at & 0xff == u64::from(b'.')
        {
            return true;
        }
    }
    is_any_float(value.text())
}

pub(super) fn is_any_float(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let mut points = 0;
    let mut any = false;
    for byte in digits {
        match byte {
            b'0'..=b'9' => any = true,
            b'.' => points += 1,
            _ => return false,
        }
    }
    any && points <= 1
}

/// A number without a sign, up to `u32::MAX`; leading zeroes are accepted.
#[must_use]
#[inline]
pub(crate) fn parse_uint(text: &[u8]) -> Option<u32> {
    if text.is_empty() || text.len() > 20 {
        return None;
    }
    let (mut value, mut all) = (0u64, true);
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        all &= digit <= 9;
        // What would not fit stays too large: it is at least 2^32 before it is shifted out.
        value = value.min(1 << 33).wrapping_mul(10).wrapping_add(digit.into());
    }
    u32::try_from(value).ok().filter(|_| all)
}
