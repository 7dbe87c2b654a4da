//! Time zones by name, from the IANA time zone database: the system's, or where it has none the one of this program.

use gateway::zone::Zone;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Up to when changes are known ahead. A venue is started again before.
///
/// Unit: seconds since 1970 UTC: the year 2200. Rules that go on for ever are in the database as rules.
const KNOWN_UNTIL_S: i64 = 7_258_118_400;

/// The zone of this name.
///
/// # Errors
///
/// If there is none.
pub(super) fn named(name: &str) -> Result<Zone, String> {
    let zone = TimeZone::get(name)
        .map_err(|_| format!("time_zone {name:?} is not in the time zone database"))?;
    let began = Timestamp::UNIX_EPOCH;
    let east_s = zone.to_offset(began).seconds();
    let changes = zone
        .following(began)
        .map(|change| (change.timestamp().as_second(), change.offset().seconds()));
    let mut known: Vec<(i64, i32)> = Vec::new();
    for (at_s, east_s) in changes.take_while(|(at_s, _)| *at_s < KNOWN_UNTIL_S) {
        // Some change the name of the time, and not the time.
        if known.last().is_none_or(|(_, before)| *before != east_s) {
            known.push((at_s, east_s));
        }
    }
    Ok(Zone::changing(east_s, &known))
}
