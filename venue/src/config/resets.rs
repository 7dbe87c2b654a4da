//! When the numbers of a FIX session start again by the clock.

use gateway::zone::{Recurring, Zone};
use serde::Deserialize;
use toml::Spanned;

use super::{Checker, ConfigError};

const SECOND_NS: i64 = 1_000_000_000;
const DAY_S: i64 = 86_400;
const WEEK_S: i64 = 7 * DAY_S;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileReset {
    at: Spanned<String>,
    #[serde(default)]
    day: Option<FileDay>,
}

/// 1970-01-01 was a Thursday.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
enum FileDay {
    Thursday,
    Friday,
    Saturday,
    Sunday,
    Monday,
    Tuesday,
    Wednesday,
}

impl Checker<'_> {
    /// The times of a reset; they are those of the clocks of `zone`.
    pub(super) fn resets(
        &self,
        from: Option<&Spanned<FileReset>>,
        zone: &Zone,
    ) -> Result<Option<Recurring>, ConfigError> {
        let Some(file) = from.map(Spanned::get_ref) else { return Ok(None) };
        let of_day_s = i64::from(self.time_of_day(&file.at)?);
        let (local_s, every_s) = match file.day {
            None => (of_day_s, DAY_S),
            Some(day) => (i64::from(day as u8) * DAY_S + of_day_s, WEEK_S),
        };
        let (first, every_ns) = (local_s * SECOND_NS, every_s * SECOND_NS);
        Ok(Some(Recurring { first, every_ns, zone: zone.clone() }))
    }
}
