//! Numbers and times as a person reads and writes them.

use std::fmt;
use std::time::Duration;

use gateway::fix::decimal::parse_scaled;
use matcher::{Instrument, Price, Qty, Timestamp};

const SECOND_NS: u64 = 1_000_000_000;
const DAY_NS: u64 = 86_400 * SECOND_NS;

/// An integer in units of the last of `decimals` places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    /// The digits.
    pub mantissa: i128,
    /// Places behind the point.
    pub decimals: u8,
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.mantissa.unsigned_abs().to_string();
        let places = usize::from(self.decimals);
        let padded = format!("{digits:0>width$}", width = places + 1);
        let (whole, rest) = padded.split_at(padded.len() - places);
        let point = if places == 0 { "" } else { "." };
        f.pad_integral(self.mantissa >= 0, "", &format!("{whole}{point}{rest}"))
    }
}

/// A price in the instrument's decimals.
#[must_use]
pub fn price(price: Price, instrument: &Instrument) -> Decimal {
    Decimal {
        mantissa: i128::from(price.ticks()) * i128::from(instrument.tick_size),
        decimals: instrument.price_decimals,
    }
}

/// A quantity in the instrument's decimals.
#[must_use]
pub fn qty(qty: Qty, instrument: &Instrument) -> Decimal {
    Decimal {
        mantissa: i128::from(qty.lots()) * i128::from(instrument.lot_size),
        decimals: instrument.qty_decimals,
    }
}

/// A time as `2026-01-02T09:31:07.123456789Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rfc3339(pub Timestamp);

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = date_of(self.0.0 / DAY_NS);
        let of_day = TimeOfDay(self.0);
        write!(f, "{year:04}-{month:02}-{day:02}T{of_day}Z")
    }
}

/// The time of day, UTC, as `09:31:07.123456789`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeOfDay(pub Timestamp);

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, ns) = (self.0.0 % DAY_NS / SECOND_NS, self.0.0 % SECOND_NS);
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "{hours:02}:{minutes:02}:{seconds:02}.{ns:09}")
    }
}

/// Reads `HH:MM:SS[.fraction]` as a time of the day (UTC) that `day` is in, or RFC 3339 in UTC
/// (`2026-01-02T09:31:07Z`).
#[must_use]
pub fn parse_time(text: &str, day: Timestamp) -> Option<Timestamp> {
    let Some((date, time)) = text.split_once(['T', ' ']) else {
        let since_midnight_ns = parse_time_of_day(text)?;
        return Some(Timestamp(day.0 / DAY_NS * DAY_NS + since_midnight_ns));
    };
    let time = time.strip_suffix('Z').or_else(|| time.strip_suffix("+00:00"))?;
    let days = days_of(date)?;
    Some(Timestamp(days.checked_mul(DAY_NS)?.checked_add(parse_time_of_day(time)?)?))
}

/// Whether it is a time without a date.
#[must_use]
pub fn is_time_of_day(text: &str) -> bool {
    parse_time_of_day(text).is_some()
}

/// The day that a time is in, counted from 1970-01-01.
#[must_use]
pub fn day(time: Timestamp) -> u64 {
    time.0 / DAY_NS
}

fn parse_time_of_day(text: &str) -> Option<u64> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let parts: Vec<&str> = clock.split(':').collect();
    let [hours, minutes, seconds] = parts[..] else { return None };
    let two = |digits: &str, below: u64| {
        let good = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<u64>().ok().filter(|value| good && *value < below)
    };
    let seconds = (two(hours, 24)? * 60 + two(minutes, 60)?) * 60 + two(seconds, 60)?;
    let good = (1..=9).contains(&fraction.len()) && fraction.bytes().all(|b| b.is_ascii_digit());
    let scaled = good.then(|| parse_scaled(format!("0.{fraction}").as_bytes(), 9).ok())??;
    Some(seconds * SECOND_NS + u64::try_from(scaled).ok()?)
}

/// Year, month, day of a day counted from 1970-01-01.
///
/// The calendar repeats every 400 years (146,097 days); years are counted from March here, so that
/// the leap day is a year's last.
fn date_of(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // From 0000-03-01 to 1970-01-01.
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next, month, day)
}

/// The inverse of [`date_of`], for `YYYY-MM-DD` from 1970 on.
fn days_of(date: &str) -> Option<u64> {
    let parts: Vec<&str> = date.split('-').collect();
    let [year, month, day] = parts[..] else { return None };
    if (year.len(), month.len(), day.len()) != (4, 2, 2) {
        return None;
    }
    let wanted = (year.parse().ok()?, month.parse().ok()?, day.parse().ok()?);
    // At most two guesses off: a year has 365 or 366 days.
    let (year, month, day): (u64, u64, u64) = wanted;
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let first = (year - 1970) * 365 + (month - 1) * 28;
    let last = (year - 1970) * 366 + month * 31 + 31;
    let days: Vec<u64> = (first..=last).collect();
    let at = days.binary_search_by(|days| date_of(*days).cmp(&wanted)).ok()?;
    Some(days[at])
}

/// Reads a time span: `500ms`, `10s`, `2m`.
///
/// # Errors
///
/// A line that says how one is written.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let ms = match unit {
        "ms" => 1,
        "s" | "" => 1_000,
        "m" => 60_000,
        _ => 0,
    };
    let value: Option<u64> = number.parse().ok();
    match value.and_then(|value| value.checked_mul(ms)) {
        Some(ms) if ms > 0 => Ok(Duration::from_millis(ms)),
        _ => Err("a time is written 500ms, 10s or 2m".into()),
    }
}

/// Nanoseconds as microseconds with one place.
#[must_use]
pub fn us(ns: u64) -> String {
    format!("{}.{}", ns / 1_000, ns % 1_000 / 100)
}

/// A count with thousands separated: `1,234,567`.
#[must_use]
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_and_read_back() {
        for (text, ns) in [
            ("1970-01-01T00:00:00.000000000Z", 0),
            ("2000-02-29T23:59:59.999999999Z", 951_868_799_999_999_999),
            ("2026-01-02T09:31:07.123456789Z", 1_767_346_267_123_456_789),
            ("2100-03-01T00:00:00.000000000Z", 4_107_542_400_000_000_000),
        ] {
            assert_eq!(Rfc3339(Timestamp(ns)).to_string(), text);
            assert_eq!(parse_time(text, Timestamp(0)), Some(Timestamp(ns)));
        }
        let day = Timestamp(1_767_346_267_123_456_789);
        let at = parse_time("09:31:07.5", day).expect("a time of day");
        assert_eq!(Rfc3339(at).to_string(), "2026-01-02T09:31:07.500000000Z");
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "9:31:07",
            "24:00:00",
            "09:60:00",
            "09:31:60",
            "09:31",
            "09:31:07.",
            "+9:31:07",
            "2026-02-30T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-02T09:31:07",
            "1969-12-31T00:00:00Z",
            "2026-01-02T09:31:07+01:00",
            "09:31:07.1234567890",
        ] {
            assert_eq!(parse_time(text, Timestamp(0)), None, "{text}");
        }
    }

    #[test]
    fn decimals_keep_their_places() {
        let text = |mantissa, decimals| Decimal { mantissa, decimals }.to_string();
        assert_eq!(text(-1, 2), "-0.01");
        assert_eq!(text(10_850, 4), "1.0850");
        assert_eq!(text(7, 0), "7");
        assert_eq!(format!("{:>8}", Decimal { mantissa: -150, decimals: 1 }), "   -15.0");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(999), "999");
    }
}
