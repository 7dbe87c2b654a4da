//! UTCTimestamp text to and from [`Timestamp`].

use std::cell::Cell;

use matcher::Timestamp;

use super::encode::write_digits;

const NS: u64 = 1_000_000_000;
const DAY_S: u64 = 86_400;

/// `YYYYMMDD-HH:MM:SS.sss`
pub(crate) fn utc_ms(at: Timestamp) -> [u8; 21] {
    let mut text = [b'.'; 21];
    text[..17].copy_from_slice(&second(at));
    write_digits(&mut text[18..], (at.0 % NS) as u32 / 1_000_000);
    text
}

/// A second, and its text.
type Second = (u64, [u8; 17]);

thread_local! {
    /// The last one that was asked for: a thread says the same again and again. It changes no answer.
    static LAST: Cell<Second> = const { Cell::new((0, *b"19700101-00:00:00")) };
}

thread_local! {
    /// The last second that was read, and its text: most of what comes in is of the same. It changes no answer.
    static READ: Cell<Second> = const { Cell::new((0, *b"19700101-00:00:00")) };
}

/// `YYYYMMDD-HH:MM:SS`
#[inline]
pub(super) fn second(at: Timestamp) -> [u8; 17] {
    let total_s = at.0 / NS;
    LAST.with(|last| {
        let (second, text) = last.get();
        if second == total_s { text } else { next_second(last, total_s) }
    })
}

#[cold]
fn next_second(last: &Cell<Second>, total_s: u64) -> [u8; 17] {
    let text = second_text(total_s);
    last.set((total_s, text));
    text
}

fn second_text(total_s: u64) -> [u8; 17] {
    // Both fit: 2^64 ns are less than 2^18 days.
    let (days, second) = ((total_s / DAY_S) as u32, (total_s % DAY_S) as u32);
    let (year, month, day) = civil(days);
    let mut text = *b"00000000-00:00:00";
    write_digits(&mut text[0..4], year);
    write_digits(&mut text[4..6], month);
    write_digits(&mut text[6..8], day);
    write_digits(&mut text[9..11], second / 3600);
    write_digits(&mut text[12..14], second / 60 % 60);
    write_digits(&mut text[15..17], second % 60);
    text
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
    let (date_time, fraction) = text.split_first_chunk::<17>()?;
    let total_s = READ.with(|last| {
        let (second, text) = last.get();
        if text == *date_time { Some(second) } else { read_second(last, date_time) }
    })?;
    let ns = match fraction {
        [] => 0,
        [b'.', digits @ ..] if (1..=9).contains(&digits.len()) => {
            number(digits)? * FRACTIONS[digits.len()]
        }
        _ => return None,
    };
    Some(Timestamp(total_s * NS + ns))
}

/// Nanoseconds of the last of so many digits behind the point.
const FRACTIONS: [u64; 10] = {
    let mut unit = [NS; 10];
    let mut i = 1;
    while i < unit.len() {
        unit[i] = unit[i - 1] / 10;
        i += 1;
    }
    unit
};

/// Reads `YYYYMMDD-HH:MM:SS`, and keeps it.
#[cold]
fn read_second(last: &Cell<Second>, text: &[u8; 17]) -> Option<u64> {
    let (year, month, day) = date(text.first_chunk()?)?;
    let (hour, minute, second) = time_of_day(text.last_chunk()?)?;
    if text[8] != b'-' || !(1970..=2553).contains(&year) {
        return None;
    }
    let total_s = days(year, month, day) * DAY_S + hour * 3600 + minute * 60 + second;
    last.set((total_s, *text));
    Some(total_s)
}

/// The beginning of a date `YYYYMMDD` in UTC. Years 1970 to 2553.
#[must_use]
pub fn parse_date(text: &[u8]) -> Option<Timestamp> {
    let (year, month, day) = date(text.try_into().ok()?)?;
    let is_known = (1970..=2553).contains(&year);
    is_known.then(|| Timestamp(days(year, month, day) * DAY_S * NS))
}

/// Whether [`parse_utc`] reads `text`.
#[inline]
pub(super) fn is_utc(text: &[u8]) -> bool {
    const COLONS: u64 = 0x0000_ff00_00ff_0000;
    // As numbers of two digits, in the bytes where they begin: 23, 59, 60, and how far each is below 128.
    const OF_DAY: u64 = 0x00ff_0000_ff00_00ff;
    const ROOM: u64 = (0x80 + 23) | (0x80 + 59) << 24 | (0x80 + 60) << 48;
    const LATE: u64 = 0x0080_0000_8000_0080;
    let Some((date_time, fraction)) = text.split_first_chunk::<17>() else { return false };
    if READ.with(|last| last.get().1 == *date_time) {
        return is_fraction(text, fraction);
    }
    let (Some(first), Some(last)) = (date_time.first_chunk(), date_time.last_chunk()) else {
        return false;
    };
    let (date, time) = (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
    // Where a colon has to be is a zero for one, and too much for anything else.
    let (date, time) =
        (date ^ u64::from_le_bytes(*b"00000000"), time ^ u64::from_le_bytes(*b"00:00:00"));
    if (above_nine(date) | above_nine(time)) != 0 || time & COLONS != 0 || date_time[8] != b'-' {
        return false;
    }
    let time = time * 10 + (time >> 8);
    if (ROOM - (time & OF_DAY)) & LATE != LATE {
        return false;
    }
    let date = date * 10 + (date >> 8);
    let year = (date & 0xff) * 100 + (date >> 16 & 0xff);
    (1970..=2553).contains(&year)
        && valid_day(year, date >> 32 & 0xff, date >> 48 & 0xff)
        && is_fraction(text, fraction)
}

/// The highest bit of each byte that is above 9.
#[inline]
const fn above_nine(bytes: u64) -> u64 {
    const TO_HIGH: u64 = 0x7676_7676_7676_7676;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    (((bytes & !HIGH) + TO_HIGH) | bytes) & HIGH
}

/// Whether the end of a time is nothing, or a point and one to nine digits.
#[inline]
fn is_fraction(text: &[u8], fraction: &[u8]) -> bool {
    let [point, digits @ ..] = fraction else { return true };
    let Some(last) = text.last_chunk() else { return false };
    match digits.len() {
        // The highest bytes are the digits.
        len @ 1..=8 => {
            let digits = u64::from_le_bytes(*last) ^ u64::from_le_bytes(*b"00000000");
            *point == b'.' && above_nine(digits) >> (64 - 8 * len) == 0
        }
        9 => *point == b'.' && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// The two-digit numbers in eight digits, each in the low byte of a 16-bit lane, the first lowest.
#[inline]
fn pairs(digits: u64) -> Option<[u64; 4]> {
    const SIXES: u64 = 0x7676_7676_7676_7676;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let digits = digits.wrapping_sub(0x3030_3030_3030_3030);
    // A byte that is no digit is above 9 now, or has borrowed from the next and is far above.
    if (digits.wrapping_add(SIXES) | digits) & HIGH != 0 {
        return None;
    }
    let pairs = digits * 10 + (digits >> 8);
    Some([pairs & 0xff, pairs >> 16 & 0xff, pairs >> 32 & 0xff, pairs >> 48 & 0xff])
}

/// `YYYYMMDD`
#[inline]
fn date(text: &[u8; 8]) -> Option<(u64, u64, u64)> {
    let [century, year, month, day] = pairs(u64::from_le_bytes(*text))?;
    let year = century * 100 + year;
    valid_day(year, month, day).then_some((year, month, day))
}

/// `HH:MM:SS`; the leap second among them.
#[inline]
fn time_of_day(text: &[u8; 8]) -> Option<(u64, u64, u64)> {
    let [h, i, first, m, n, second, s, t] = *text;
    let [hour, minute, sec, _] = pairs(u64::from_le_bytes([h, i, m, n, s, t, b'0', b'0']))?;
    let is_one = first == b':' && second == b':' && hour <= 23 && minute <= 59 && sec <= 60;
    is_one.then_some((hour, minute, sec))
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

#[inline]
fn valid_day(year: u64, month: u64, day: u64) -> bool {
    // Every month has these.
    if (1..=28).contains(&day) {
        return (1..=12).contains(&month);
    }
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return false,
    };
    (29..=length).contains(&day)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A second that was read before is known again, and nothing of what stands behind it.
    #[test]
    fn a_second_that_was_read_before_reads_the_same() {
        let texts: [(&[u8], Option<u64>); 9] = [
            (b"20260102-09:31:07", Some(1_767_346_267_000_000_000)),
            (b"20260102-09:31:07.5", Some(1_767_346_267_500_000_000)),
            (b"20260102-09:31:07.123456789", Some(1_767_346_267_123_456_789)),
            (b"20260102-09:31:07.", None),
            (b"20260102-09:31:07,123", None),
            (b"20260102-09:31:07.12x", None),
            (b"20260102-09:31:07.1234567890", None),
            (b"20260102-09:31:60", Some(1_767_346_320_000_000_000)),
            (b"20260102-09:61:07.123", None),
        ];
        for _ in 0..2 {
            for (text, ns) in texts {
                let shown = text.escape_ascii();
                assert_eq!(parse_utc(text), ns.map(Timestamp), "{shown}");
                // Twice, so that it is the last one that was read.
                assert_eq!(parse_utc(text), ns.map(Timestamp), "{shown}");
                assert_eq!(is_utc(text), ns.is_some(), "{shown}");
            }
        }
    }
}
