//! What a seed stands for: who is there, how long it lasts, and what goes wrong how often.

use std::fmt::Write as _;
use std::path::Path;

use matcher::{InstrumentId, Phase, SelfTradePrevention, SessionId};
use venue::config::PhaseEntry;
use venue::snapshots::RetentionConfig;
use venue::{Config, Durability};

use super::faults::Sabotage;
use crate::random::Random;

/// CompID of the venue.
pub(super) const VENUE: &str = "VESTA";

/// What is traded.
pub(super) const SYMBOLS: [&str; 2] = ["ALPHA", "BETA"];

/// CompID of the one that breaks rules.
pub(super) const HOSTILE: &str = "HOSTILE";

/// CompID of the one that gets drop copies.
pub(super) const COPIES: &str = "COPIES";

/// CompID of the one that has market data.
pub(super) const MARKET: &str = "MARKET";

/// CompID and user name of the one that speaks OUCH.
pub(super) const OUCH: &str = "OUCH";

const SECOND: u64 = 1_000_000_000;

/// 2026-01-02 09:30:00 UTC.
const BEGAN: u64 = 1_767_346_200 * SECOND;

/// The smallest there is: a run crosses many.
const SEGMENT_BYTES: u32 = 64 << 10;

/// What seeds are mixed with to say who is there of those that came later. A number with which the seeds that found something
/// have nobody of them, and so are the runs that they were (`tests/simulate.rs`).
const LATER: u64 = 0x0c0b_1e5b;

/// One run.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) durability: Durability,
    pub(super) traders: usize,
    pub(super) hostile: bool,
    /// Whether somebody gets drop copies, and somebody has market data over FIX.
    pub(super) copies: bool,
    pub(super) market: bool,
    /// Whether somebody speaks OUCH.
    pub(super) ouch: bool,
    pub(super) subscribers: usize,
    pub(super) heartbeat_s: u32,
    /// Between two requests of one trader, about.
    pub(super) pace_ns: u64,
    pub(super) began: u64,
    pub(super) lasts_ns: u64,
    /// Between two ends of the venue, about; 0: none.
    pub(super) crash_ns: u64,
    /// Between two troubles of disk or thread, about; 0: none.
    pub(super) trouble_ns: u64,
    pub(super) client_fault_per_mille: u64,
    /// Between two commands of the operator, about; 0: none.
    pub(super) operator_ns: u64,
    pub(super) cancel_on_disconnect: bool,
    pub(super) self_trade: SelfTradePrevention,
    /// Seconds after the begin when the day ends, if it does.
    pub(super) day_end: Option<u64>,
    pub(super) auctions: bool,
    pub(super) bands: bool,
    pub(super) out_buffer_bytes: usize,
    pub(super) feed_window: (usize, usize),
    /// Bytes of journal between two snapshots, 0: none; and how many stay.
    pub(super) snapshots: (u64, usize),
    /// Bytes and ns of journal that stay, and whether the rest is moved elsewhere; `None`: all of it stays.
    pub(super) retention: Option<(u64, u64, bool)>,
    pub(super) sabotage: Option<Sabotage>,
}

/// CompID of a trader.
pub(super) fn comp_id(index: usize) -> String {
    format!("TRADER{}", index + 1)
}

impl Plan {
    /// CompIDs, the first one that of session 1.
    pub(super) fn sessions(&self) -> Vec<String> {
        let mut names: Vec<String> = (0..self.traders).map(comp_id).collect();
        names.push(HOSTILE.into());
        let others = [(self.copies, COPIES), (self.market, MARKET), (self.ouch, OUCH)];
        names.extend(others.into_iter().filter(|(is, _)| *is).map(|(_, name)| name.into()));
        names
    }

    /// The session of a CompID, if it is there.
    pub(super) fn session(&self, comp_id: &str) -> Option<SessionId> {
        let at = self.sessions().iter().position(|name| name == comp_id)?;
        Some(SessionId(u32::try_from(at + 1).ok()?))
    }

    pub(super) fn new(seed: u64, sabotage: Option<Sabotage>) -> Plan {
        let mut random = Random::new(seed ^ 0x9a1d_51a7);
        let traders = 2 + usize::try_from(random.below(2)).unwrap_or(0);
        let lasts_ns = (8 + random.below(80)) * SECOND;
        let commands = 40 + random.below(260);
        let pace_ns = lasts_ns * traders as u64 / commands;
        let some = |random: &mut Random, of: u64, most: u64| {
            if random.below(of) == 0 { 0 } else { lasts_ns / (1 + random.below(most)) }
        };
        let crash_ns = some(&mut random, 5, 7);
        let trouble_ns = some(&mut random, 4, 6);
        let disk = sabotage.is_some() || random.below(4) > 0;
        let self_trade = match random.below(5) {
            0 => SelfTradePrevention::CancelNewest,
            1 => SelfTradePrevention::CancelOldest,
            2 => SelfTradePrevention::CancelBoth,
            3 => SelfTradePrevention::Decrement,
            _ => SelfTradePrevention::None,
        };
        let mut more = Random::new(seed ^ 0x54a9_5407);
        let every = [0, 3 << 10, 20 << 10, 90 << 10];
        let every = every[usize::try_from(more.below(4)).unwrap_or(0)];
        let keep = 1 + usize::try_from(more.below(3)).unwrap_or(0);
        let mut gone = Random::new(seed ^ 0x7e7a_12ed);
        let stays = [1, 20 << 10, 90 << 10][usize::try_from(gone.below(3)).unwrap_or(0)];
        let age = [0, 0, 10 * SECOND][usize::try_from(gone.below(3)).unwrap_or(0)];
        let moved = gone.below(2) == 0;
        let goes = every > 0 && every < 90 << 10 && gone.below(2) == 0;
        let retention = goes.then_some((stays, age, moved));
        // Segments go one after the other only where there are some.
        let pace_ns = if goes { pace_ns / 4 } else { pace_ns };
        // Of their own, so that a seed without them is the run that it always was.
        let mut listen = Random::new(seed ^ LATER);
        let (copies, market) = (listen.below(4) == 0, listen.below(4) == 0);
        let ouch = listen.below(4) == 0;
        Plan {
            seed,
            copies,
            market,
            ouch,
            snapshots: (every, keep),
            retention,
            durability: if disk { Durability::Disk } else { Durability::Memory },
            traders,
            hostile: random.below(3) == 0,
            subscribers: 1 + usize::try_from(random.below(2)).unwrap_or(0),
            heartbeat_s: [1, 2, 5, 30][usize::try_from(random.below(4)).unwrap_or(0)],
            pace_ns,
            began: BEGAN,
            lasts_ns,
            crash_ns,
            trouble_ns,
            client_fault_per_mille: [0, 10, 40, 100][usize::try_from(random.below(4)).unwrap_or(0)],
            operator_ns: some(&mut random, 3, 20),
            cancel_on_disconnect: random.below(4) == 0,
            self_trade,
            day_end: (random.below(2) == 0).then(|| 1 + random.below(lasts_ns / SECOND)),
            auctions: random.below(3) == 0,
            bands: random.below(3) == 0,
            out_buffer_bytes: if random.below(3) == 0 { 4 << 10 } else { 64 << 10 },
            feed_window: if random.below(2) == 0 { (4 << 10, 64) } else { (256 << 10, 8 << 10) },
            sabotage,
        }
    }

    /// The configuration of its venue.
    pub(super) fn config(&self, journal_dir: &Path, live_dir: &Path) -> Result<Config, String> {
        let durability = match (self.durability, self.sabotage) {
            (Durability::Memory, _) | (_, Some(Sabotage::EarlyRelease)) => "memory",
            (Durability::Disk, _) => "disk",
        };
        let mut text = format!(
            "[venue]\nname = \"{VENUE}\"\ndurability = \"{durability}\"\n\
             [limits]\norders = 400\nlevels = 200\ninstruments = 4\nsessions = 8\n\
             orders_per_session = 100000\n\
             [fix]\nlisten = \"127.0.0.1:1\"\nheartbeat_s_min = 1\nslow_peer_s = 10\n\
             logon_timeout_s = 5\nconnections_max = 24\n\
             connections_before_logon = 16\nlockout_after = 4\nlockout_s_max = 2\n\
             plain_passwords = true\n\
             [itch.soup]\nlisten = \"127.0.0.1:2\"\nconnections_max = 8\n\
             [schedule]\nvolatility_auction_s = 3\nindicative_interval_ms = 700\n"
        );
        for symbol in SYMBOLS {
            let _ = write!(
                text,
                "[[instrument]]\nsymbol = \"{symbol}\"\nprice_decimals = 2\ntick_size = \"0.01\"\n\
                 qty_max = \"1000\"\nprice_max = \"200\"\n"
            );
            if self.bands {
                text += "reference_price = \"100\"\nbands = { static_ticks = 8, action = \"interrupt\" }\n";
            }
        }
        for index in 0..self.traders {
            let comp_id = comp_id(index);
            let _ = write!(
                text,
                "[[session]]\ncomp_id = \"{comp_id}\"\nparticipant = \"{comp_id}\"\n\
                 cancel_on_disconnect = {}\n",
                self.cancel_on_disconnect
            );
        }
        let _ = write!(text, "[[session]]\ncomp_id = \"{HOSTILE}\"\nparticipant = \"{HOSTILE}\"\n");
        for (is_there, comp_id, permission) in [
            (self.copies, COPIES, "drop-copy\"]\ndrop_copy = { of = \"all\", reports = true }"),
            (self.market, MARKET, "market-data\"]"),
        ] {
            if is_there {
                let _ = write!(
                    text,
                    "[[session]]\ncomp_id = \"{comp_id}\"\nparticipant = \"{comp_id}\"\n\
                     permissions = [\"{permission}\n"
                );
            }
        }
        if self.ouch {
            let _ = write!(
                text,
                "[[session]]\ncomp_id = \"{OUCH}\"\nparticipant = \"{OUCH}\"\nprotocol = \"ouch\"\n\
                 username = \"{OUCH}\"\npassword = \"secret\"\ncancel_on_disconnect = {}\n\
                 [ouch]\nlisten = \"127.0.0.1:3\"\n",
                self.cancel_on_disconnect
            );
        }
        let mut config =
            Config::parse("built-in configuration", &text).map_err(|error| error.to_string())?;
        config.journal_dir = journal_dir.to_path_buf();
        config.live_dir = Some(live_dir.to_path_buf());
        config.segment_bytes = SEGMENT_BYTES;
        (config.snapshots.every_bytes, config.snapshots.keep) = self.snapshots;
        if let Some((keep_bytes, keep_ns, moved)) = self.retention {
            let archive = moved.then(|| journal_dir.with_file_name("archive"));
            let archive_command = Vec::new();
            config.retention = RetentionConfig { keep_bytes, keep_ns, archive, archive_command };
        }
        config.fix.out_buffer_bytes = self.out_buffer_bytes;
        for session in &mut config.sessions {
            session.self_trade = self.self_trade;
        }
        let of_day = |seconds: u64| u32::try_from((self.began / SECOND + seconds) % 86_400);
        config.schedule.day_end_s = self.day_end.and_then(|seconds| of_day(seconds).ok());
        if self.auctions {
            let third = self.lasts_ns / SECOND / 3;
            let phases = [
                (0, Phase::PreOpen),
                (third / 2, Phase::OpeningAuction),
                (third, Phase::Continuous),
                (2 * third, Phase::ClosingAuction),
                (2 * third + 2, Phase::Continuous),
            ];
            for (seconds, phase) in phases {
                let instruments = Some(vec![InstrumentId(0)]);
                let at_s = of_day(seconds).unwrap_or(0);
                config.schedule.phases.push(PhaseEntry { at_s, phase, instruments });
            }
        }
        Ok(config)
    }
}
