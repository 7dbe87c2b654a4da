//! UTCTimestamp text to and from [`Timestamp`].

use matcher::Timestamp;

use super::encode::write_digits;

const NS: u64 = 1_000_000_000;
const DAY_S: u64 = 86_400;

/// `YYYYMMDD-HH:MM:SS.sss`
#[inline]
pub(crate) fn utc_ms(at: Timestamp) -> [u8; 21] {
    let mut text = [0; 21];
    seconds(at, &mut text);
    write_digits(&mut text[18..21], (at.0 % NS) as u32 / 1_000_000);
    text
}

/// `YYYYMMDD-HH:MM:SS.nnnnnnnnn`
#[inline]
pub(super) fn utc_ns(at: Timestamp) -> [u8; 27] {
    let mut text = [0; 27];
    seconds(at, &mut text);
    write_digits(&mut text[18..27], (at.0 % NS) as u32);
    text
}

/// `YYYYMMDD-HH:MM:SS.` at the start of `text`.
#[inline]
fn seconds(at: Timestamp, text: &mut [u8]) {
    let total_s = at.0 / NS;
    // Both fit: 2^64 ns are less than 2^18 days.
    let (days, second) = ((total_s / DAY_S) as u32, (total_s % DAY_S) as u32);
    let (year, month, day) = civil(days);
    text[..18].copy_from_slice(b"00000000-00:00:00.");
    write_digits(&mut text[0..4], year);
    write_digits(&mut text[4..6], month);
    write_digits(&mut text[6..8], day);
    write_digits(&mut text[9..11], second / 3600);
    write_digits(&mut text[12..14], second / 60 % 60);
    write_digits(&mut text[15..17], second % 60);
}

/// Year, month and day of a day counted from 1970-01-01. The year starts in March here, so that the leap
/// day is its last.
#[inline]
fn civil(days: u32) -> (u32, u32, u32) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year_of_era + carry, month, day)
}

/// Days since 1970-01-01, the other way round.
#[inline]
fn days(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Reads a UTCTimestamp: `YYYYMMDD-HH:MM:SS` with no fraction or one of 1 to 9 digits. The leap second
/// `:60` is read as the second after `:59`. Years 1970 to 2553.
#[must_use]
#[inline]
pub fn parse_utc(text: &[u8]) -> Option<Timestamp> {
    let (date_time, fraction) = text.split_at_checked(17)?;
    if date_time[8] != b'-' || date_time[11] != b':' || date_time[14] != b':' {
        return None;
    }
    let year = number(&date_time[..4])?;
    let month = number(&date_time[4..6])?;
    let day = number(&date_time[6..8])?;
    let hour = number(&date_time[9..11])?;
    let minute = number(&date_time[12..14])?;
    let second = number(&date_time[15..17])?;
    if !(1970..=2553).contains(&year) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    if !valid_day(year, month, day) {
        return None;
    }
    let ns = match fraction {
        [] => 0,
        [b'.', digits @ ..] if (1..=9).contains(&digits.len()) => {
            (digits.len()..9).fold(number(digits)?, |ns, _| ns * 10)
        }
        _ => return None,
    };
    let total_s = days(year, month, day) * DAY_S + hour * 3600 + minute * 60 + second;
    Some(Timestamp(total_s * NS + ns))
}

/// The beginning of a date `YYYYMMDD` in UTC. Years 1970 to 2553.
#[must_use]
pub fn parse_date(text: &[u8]) -> Option<Timestamp> {
    if !is_date(text) {
        return None;
    }
    let (year, month, day) = (number(&text[..4])?, number(&text[4..6])?, number(&text[6..8])?);
    let is_known = (1970..=2553).contains(&year);
    is_known.then(|| Timestamp(days(year, month, day) * DAY_S * NS))
}

/// Whether `text` is `YYYYMMDD`.
pub(super) fn is_date(text: &[u8]) -> bool {
    text.len() == 8
        && matches!(
            (number(&text[..4]), number(&text[4..6]), number(&text[6..8])),
            (Some(year), Some(month), Some(day)) if valid_day(year, month, day)
        )
}

/// Whether `text` is `YYYYMM`, `YYYYMMDD` or `YYYYMMwN`.
pub(super) fn is_month(text: &[u8]) -> bool {
    match text.len() {
        6 => matches!(number(&text[4..]), Some(1..=12)) && number(&text[..4]).is_some(),
        8 if text[6] == b'w' => is_month(&text[..6]) && (b'1'..=b'5').contains(&text[7]),
        _ => is_date(text),
    }
}

fn valid_day(year: u64, month: u64, day: u64) -> bool {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return false,
    };
    (1..=length).contains(&day)
}

#[inline]
fn number(digits: &[u8]) -> Option<u64> {
    let mut value = 0;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u64::from(digit);
    }
    Some(value)
}
