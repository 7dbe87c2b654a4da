//! What a venue sets beside definitions: phases by the clock, bands, reference prices, owners, risk limits.

use gateway::order_entry::DayEnd;
use gateway::zone::{Recurring, Zone};
use matcher::{
    BandAction, Bands, Instrument, InstrumentId, Phase, Price, Qty, RiskLimits, SelfTradePrevention,
};
use serde::Deserialize;
use toml::Spanned;

use super::{Checker, ConfigError, SessionConfig, spanless, zones};

/// Nothing off the middle in either way.
pub const NO_BANDS: Bands = Bands { static_ticks: 0, dynamic_ticks: 0, action: BandAction::Reject };

/// What of an instrument can change without a new definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstrumentRules {
    /// Its static reference price, if the file names one.
    pub reference: Option<Price>,
    /// Its price bands.
    pub bands: Bands,
}

impl Default for InstrumentRules {
    fn default() -> Self {
        InstrumentRules { reference: None, bands: NO_BANDS }
    }
}

/// A phase that begins every day at the same time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhaseEntry {
    /// What the clocks of the schedule's zone show then, in seconds after midnight.
    pub at_s: u32,
    /// What begins.
    pub phase: Phase,
    /// Where; `None`: in every instrument.
    pub instruments: Option<Vec<InstrumentId>>,
}

impl ScheduleConfig {
    /// Each day when the clocks show `at_s`.
    #[must_use]
    pub fn daily(&self, at_s: u32) -> Recurring {
        let (first, every_ns) = (i64::from(at_s) * SECOND_NS, i64::from(DAY_S) * SECOND_NS);
        Recurring { first, every_ns, zone: self.zone.clone() }
    }
}

impl PhaseEntry {
    /// Whether it concerns an instrument.
    #[must_use]
    pub fn concerns(&self, id: InstrumentId) -> bool {
        self.instruments.as_ref().is_none_or(|ids| ids.contains(&id))
    }
}

/// What the venue does by the clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleConfig {
    /// Whose clocks the times are of.
    pub zone: Zone,
    /// When day orders expire, as the clocks show it, in seconds after midnight, if ever.
    pub day_end_s: Option<u32>,
    /// When the trading day of a date ends, for ExpireDate(432): as day orders do, or with the date.
    pub date_end: DayEnd,
    /// Phases of the day.
    pub phases: Vec<PhaseEntry>,
    /// How long a volatility auction lasts; 0: until the operator or the schedule ends it.
    pub volatility_auction_s: u32,
    /// How often the indicative price of a call is published; 0: never.
    pub indicative_interval_ms: u32,
}

/// Pre-trade limits of a firm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RiskConfig {
    /// The firm.
    pub participant: String,
    /// In which instrument; `None`: in each that has no limits of its own.
    pub instrument: Option<InstrumentId>,
    /// The limits.
    pub limits: RiskLimits,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct FileSchedule {
    time_zone: Spanned<String>,
    day_end: Option<Spanned<String>>,
    volatility_auction_s: Spanned<u32>,
    indicative_interval_ms: Spanned<u32>,
    phase: Vec<FilePhase>,
}

impl Default for FileSchedule {
    fn default() -> Self {
        FileSchedule {
            time_zone: spanless("UTC".into()),
            day_end: None,
            volatility_auction_s: spanless(120),
            indicative_interval_ms: spanless(1_000),
            phase: Vec::new(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FilePhase {
    at: Spanned<String>,
    phase: FilePhaseName,
    #[serde(default)]
    instruments: Option<Vec<Spanned<String>>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum FilePhaseName {
    PreOpen,
    OpeningAuction,
    Continuous,
    Halt,
    VolatilityAuction,
    ClosingAuction,
    Closed,
}

impl From<FilePhaseName> for Phase {
    fn from(name: FilePhaseName) -> Phase {
        match name {
            FilePhaseName::PreOpen => Phase::PreOpen,
            FilePhaseName::OpeningAuction => Phase::OpeningAuction,
            FilePhaseName::Continuous => Phase::Continuous,
            FilePhaseName::Halt => Phase::Halt,
            FilePhaseName::VolatilityAuction => Phase::VolatilityAuction,
            FilePhaseName::ClosingAuction => Phase::ClosingAuction,
            FilePhaseName::Closed => Phase::Closed,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileBands {
    #[serde(default)]
    static_ticks: u64,
    #[serde(default)]
    dynamic_ticks: u64,
    action: FileBandAction,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum FileBandAction {
    Reject,
    Interrupt,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum FileSelfTrade {
    #[default]
    None,
    CancelNewest,
    CancelOldest,
    CancelBoth,
    Decrement,
}

impl From<FileSelfTrade> for SelfTradePrevention {
    fn from(name: FileSelfTrade) -> SelfTradePrevention {
        match name {
            FileSelfTrade::None => SelfTradePrevention::None,
            FileSelfTrade::CancelNewest => SelfTradePrevention::CancelNewest,
            FileSelfTrade::CancelOldest => SelfTradePrevention::CancelOldest,
            FileSelfTrade::CancelBoth => SelfTradePrevention::CancelBoth,
            FileSelfTrade::Decrement => SelfTradePrevention::Decrement,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileRisk {
    participant: String,
    #[serde(default)]
    instrument: Option<String>,
    #[serde(default)]
    order_qty_max_lots: Option<u64>,
    #[serde(default)]
    order_notional_max: Option<u64>,
    #[serde(default)]
    collar_ticks: Option<u64>,
    #[serde(default)]
    open_orders_max: Option<u32>,
    #[serde(default)]
    open_notional_max: Option<u64>,
    #[serde(default)]
    position_max_lots: Option<u64>,
}

const DAY_S: u32 = 86_400;
const SECOND_NS: i64 = 1_000_000_000;

impl Checker<'_> {
    pub(super) fn schedule(
        &self,
        file: &FileSchedule,
        instruments: &[Instrument],
    ) -> Result<ScheduleConfig, ConfigError> {
        let zone = self.time_zone(file)?;
        let mut phases: Vec<PhaseEntry> = Vec::new();
        for entry in &file.phase {
            let at_s = self.time_of_day(&entry.at)?;
            let ids = entry.instruments.as_ref().map(|symbols| {
                symbols.iter().map(|symbol| self.listed(symbol, instruments)).collect()
            });
            let instruments: Option<Vec<InstrumentId>> = ids.transpose()?;
            let phase = Phase::from(entry.phase);
            let same = |other: &PhaseEntry| {
                let ids = instruments.as_deref().unwrap_or(&[]);
                other.at_s == at_s
                    && (instruments.is_none()
                        || other.instruments.is_none()
                        || ids.iter().any(|id| other.concerns(*id)))
            };
            if phases.iter().any(same) {
                let what = "two phases of an instrument begin at the same time";
                return Err(self.error(entry.at.span().start, what));
            }
            phases.push(PhaseEntry { at_s, phase, instruments });
        }
        let day_end_s = file.day_end.as_ref().map(|text| self.time_of_day(text)).transpose()?;
        let zone_of_end = zone.clone();
        Ok(ScheduleConfig {
            zone,
            day_end_s,
            date_end: DayEnd { at_s: day_end_s.unwrap_or(DAY_S), zone: zone_of_end },
            phases,
            volatility_auction_s: self.range(
                &file.volatility_auction_s,
                "volatility_auction_s",
                0,
                DAY_S,
            )?,
            indicative_interval_ms: match *file.indicative_interval_ms.get_ref() {
                0 => 0,
                _ => self.range(
                    &file.indicative_interval_ms,
                    "indicative_interval_ms",
                    10,
                    3_600_000,
                )?,
            },
        })
    }

    fn listed(
        &self,
        symbol: &Spanned<String>,
        instruments: &[Instrument],
    ) -> Result<InstrumentId, ConfigError> {
        find(symbol.get_ref(), instruments).ok_or_else(|| {
            let what = format!("no instrument {} is defined", symbol.get_ref());
            self.error(symbol.span().start, what)
        })
    }

    /// The zone of the schedule.
    pub(super) fn time_zone(&self, file: &FileSchedule) -> Result<Zone, ConfigError> {
        let text = &file.time_zone;
        let zone = text.get_ref().as_str();
        if zone == "UTC" {
            return Ok(Zone::default());
        }
        if zone.starts_with(|first: char| first.is_ascii_alphabetic()) {
            return zones::named(zone).map_err(|what| self.error(text.span().start, what));
        }
        let east = zone.strip_prefix('+');
        let offset = east.or(zone.strip_prefix('-')).and_then(|offset| {
            let (hours, minutes) = offset.split_once(':')?;
            let two = |digits: &str| {
                let good = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
                good.then(|| digits.parse::<u32>().ok()).flatten()
            };
            let (hours, minutes) = (two(hours)?, two(minutes)?);
            let offset_s = i32::try_from((hours * 60 + minutes) * 60).ok()?;
            (hours <= 14 && minutes < 60).then_some(offset_s)
        });
        match (offset, east) {
            (Some(offset), Some(_)) => Ok(Zone::fixed(offset)),
            (Some(offset), None) => Ok(Zone::fixed(-offset)),
            (None, _) => {
                let what = format!(
                    "time_zone {zone:?} is neither \"UTC\", nor like \"+01:00\", nor a name like \"Europe/London\""
                );
                Err(self.error(text.span().start, what))
            }
        }
    }

    pub(super) fn rules(
        &self,
        at: usize,
        instrument: &Instrument,
        reference: Option<Price>,
        bands: Option<&FileBands>,
    ) -> Result<InstrumentRules, ConfigError> {
        let symbol = instrument.symbol;
        let range = instrument.price_min..=instrument.price_max;
        if reference.is_some_and(|price| !range.contains(&price)) {
            let what = format!("{symbol}: reference_price is outside price_min to price_max");
            return Err(self.error(at, what));
        }
        let bands = match bands {
            None => NO_BANDS,
            Some(bands) => Bands {
                static_ticks: bands.static_ticks,
                dynamic_ticks: bands.dynamic_ticks,
                action: match bands.action {
                    FileBandAction::Reject => BandAction::Reject,
                    FileBandAction::Interrupt => BandAction::Interrupt,
                },
            },
        };
        Ok(InstrumentRules { reference, bands })
    }

    pub(super) fn risk(
        &self,
        from: &[Spanned<FileRisk>],
        instruments: &[Instrument],
        sessions: &[SessionConfig],
    ) -> Result<Vec<RiskConfig>, ConfigError> {
        let mut all: Vec<RiskConfig> = Vec::new();
        for spanned in from {
            let (at, file) = (spanned.span().start, spanned.get_ref());
            let participant = file.participant.clone();
            if !sessions.iter().any(|session| session.participant == participant) {
                return Err(self.error(at, format!("no session is of participant {participant}")));
            }
            let instrument = match &file.instrument {
                None => None,
                Some(symbol) => {
                    let id = find(symbol, instruments).ok_or_else(|| {
                        self.error(at, format!("no instrument {symbol} is defined"))
                    })?;
                    Some(id)
                }
            };
            let same =
                |it: &RiskConfig| it.participant == participant && it.instrument == instrument;
            if all.iter().any(same) {
                let what = format!("limits of participant {participant} are there twice");
                return Err(self.error(at, what));
            }
            let none = RiskLimits::NONE;
            let limits = RiskLimits {
                order_qty_max: file.order_qty_max_lots.map_or(none.order_qty_max, Qty::from_lots),
                order_notional_max: file.order_notional_max.unwrap_or(none.order_notional_max),
                collar_ticks: file.collar_ticks.unwrap_or(none.collar_ticks),
                open_notional_max: file.open_notional_max.unwrap_or(none.open_notional_max),
                position_max: file.position_max_lots.unwrap_or(none.position_max),
                open_orders_max: file.open_orders_max.unwrap_or(none.open_orders_max),
            };
            if limits == none {
                let what = format!("participant {participant}: no limit is named");
                return Err(self.error(at, what));
            }
            all.push(RiskConfig { participant, instrument, limits });
        }
        Ok(all)
    }
}

fn find(symbol: &str, instruments: &[Instrument]) -> Option<InstrumentId> {
    let index = instruments.iter().position(|other| other.symbol.as_str() == symbol)?;
    Some(InstrumentId(u32::try_from(index).ok()?))
}
