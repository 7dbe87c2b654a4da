//! A venue of our own for one command: a fresh journal in temporary folders, ports that were free.

use std::fmt::Write as _;
use std::net::{SocketAddr, SocketAddrV4};
use std::path::Path;

use journal::Reader;
use matcher::{Instrument, Phase, Price, Qty, Symbol};
use venue::snapshots::SnapshotConfig;
use venue::{Config, Durability, Venue};

use crate::failure::Failure;
use crate::ouch_set::OuchLogin;
use crate::replay::{self, Replayed};
use crate::temporary::TemporaryFolder;

/// A venue that leaves nothing behind.
pub struct OwnVenue {
    venue: Venue,
    journal: TemporaryFolder,
    live: TemporaryFolder,
}

/// What a venue of our own trades and with whom.
pub struct Setting<'a> {
    /// For the names of its folders.
    pub what: &'a str,
    /// What has to be true before anybody is told.
    pub durability: Durability,
    /// CompIDs of the sessions that speak FIX.
    pub sessions: &'a [String],
    /// Those of the sessions that speak OUCH, user names as well: at most 6 characters. See [`ouch_login`].
    pub ouch: &'a [String],
    /// Where its feed is multicast, on the loopback, if it is.
    pub multicast: Option<SocketAddrV4>,
    /// What is traded.
    pub instruments: &'a [Instrument],
}

/// CompID of a venue of our own.
pub const COMP_ID: &str = "VESTA";

impl OwnVenue {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// If its folders cannot be made or it does not start.
    pub fn start(setting: &Setting<'_>) -> Result<OwnVenue, Failure> {
        let folder = |error| Failure::failed(format!("no temporary folder: {error}"));
        let journal = TemporaryFolder::new(setting.what).map_err(folder)?;
        let live =
            TemporaryFolder::new_in_memory(&format!("{}-live", setting.what)).map_err(folder)?;
        let text = config_text(setting);
        let config = Config::parse("built-in configuration", &text).map_err(Failure::failed)?;
        let config = Config {
            journal_dir: journal.path().to_path_buf(),
            live_dir: Some(live.path().to_path_buf()),
            // It is read to its end and thrown away.
            snapshots: SnapshotConfig { every_bytes: 0, keep: 1 },
            instruments: setting.instruments.to_vec(),
            ..config
        };
        let venue = Venue::start(&config).map_err(Failure::failed)?;
        Ok(OwnVenue { venue, journal, live })
    }

    /// Where FIX is spoken.
    #[must_use]
    pub fn fix_addr(&self) -> SocketAddr {
        self.venue.fix_addr()
    }

    /// Where OUCH is spoken, if somebody speaks it.
    #[must_use]
    pub fn ouch_addr(&self) -> Option<SocketAddr> {
        self.venue.ouch_addr()
    }

    /// Where ITCH over SoupBinTCP is spoken.
    ///
    /// # Panics
    ///
    /// Never: our configuration has the feed on.
    #[must_use]
    pub fn soup_addr(&self) -> SocketAddr {
        match self.venue.soup_addr() {
            Some(address) => address,
            None => unreachable!("the built-in configuration has a feed"),
        }
    }

    /// Where lost packets of the multicast are asked for.
    #[must_use]
    pub fn requests_addr(&self) -> Option<SocketAddr> {
        self.venue.requests_addr()
    }

    /// Where its journal is.
    #[must_use]
    pub fn journal_dir(&self) -> &Path {
        self.journal.path()
    }

    /// Whether it has stopped by itself, which is a failure.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.venue.wait(std::time::Duration::ZERO)
    }

    /// Stops it and replays its journal.
    ///
    /// # Errors
    ///
    /// If it had failed, fails now, or its journal does not replay.
    pub fn stop_and_replay(self) -> Result<Replayed, Failure> {
        let OwnVenue { venue, journal, live } = self;
        venue.stop().map_err(Failure::failed)?;
        let reader = Reader::open(journal.path(), Some(live.path())).map_err(Failure::failed)?;
        replay::replay(reader, |_| {}).map_err(Failure::failed)
    }

    /// Stops it.
    ///
    /// # Errors
    ///
    /// If it had failed or fails now.
    pub fn stop(self) -> Result<(), Failure> {
        self.venue.stop().map_err(Failure::failed)
    }
}

fn config_text(setting: &Setting<'_>) -> String {
    let durability = match setting.durability {
        Durability::Memory => "memory",
        Durability::Disk => "disk",
    };
    let mut text = format!(
        "[venue]\nname = \"{COMP_ID}\"\nsegment_mib = 16\ndurability = \"{durability}\"\n\
         [limits]\norders = 500000\nlevels = 100000\ninstruments = 64\nsessions = 64\n\
         [fix]\nlisten = \"127.0.0.1:0\"\nplain_passwords = true\n\
         [itch.soup]\nlisten = \"127.0.0.1:0\"\n"
    );
    if !setting.ouch.is_empty() {
        text += "[ouch]\nlisten = \"127.0.0.1:0\"\n";
    }
    if let Some(group) = setting.multicast {
        let _ = write!(
            text,
            "[itch.mold]\ngroup = \"{group}\"\ninterface = \"127.0.0.1\"\nend_s = 1\n\
             requests = \"127.0.0.1:0\"\n"
        );
    }
    for comp_id in setting.sessions {
        let _ = write!(text, "[[session]]\ncomp_id = \"{comp_id}\"\nparticipant = \"{comp_id}\"\n");
    }
    for comp_id in setting.ouch {
        let _ = write!(
            text,
            "[[session]]\ncomp_id = \"{comp_id}\"\nparticipant = \"{comp_id}\"\nprotocol = \"ouch\"\n\
             username = \"{comp_id}\"\npassword = \"{OUCH_PASSWORD}\"\n"
        );
    }
    text
}

/// A venue of our own is on the loopback and in temporary folders: there is nothing to keep from anybody.
const OUCH_PASSWORD: &str = "own";

/// How a session of OUCH logs in to a venue of our own.
#[must_use]
pub fn ouch_login(comp_id: &str) -> OuchLogin {
    OuchLogin { username: comp_id.into(), password: OUCH_PASSWORD.into(), next_sequence: 1 }
}

/// An instrument for the feed and for people: prices with `price_decimals`, whole lots.
///
/// # Panics
///
/// If `symbol` is none.
#[must_use]
pub fn instrument(
    symbol: &str,
    price_decimals: u8,
    qty_decimals: u8,
    price_max: i64,
) -> Instrument {
    let Some(symbol) = Symbol::new(symbol.as_bytes()) else {
        panic!("{symbol:?} is no symbol");
    };
    Instrument {
        symbol,
        price_decimals,
        qty_decimals,
        tick_size: 1,
        lot_size: 1,
        qty_min: Qty::from_lots(1),
        qty_max: Qty::from_lots(10_000_000),
        price_min: Price::from_ticks(1),
        price_max: Price::from_ticks(price_max),
        phase: Phase::Continuous,
    }
}

/// What a recorded flow is played on: a tick of 0.0001, one share a lot.
#[must_use]
pub fn flow_instrument() -> Instrument {
    instrument(FLOW_SYMBOL, 4, 0, 4_000_000_000)
}

/// The same, of prices that OUCH can say.
#[must_use]
pub fn flow_instrument_of_ouch() -> Instrument {
    instrument(FLOW_SYMBOL, 4, 0, OUCH_PRICE_MAX)
}

/// The highest price of OUCH that is none of a market order. Unit: 1/10,000.
const OUCH_PRICE_MAX: i64 = 1_999_999_999;

/// Symbol of [`flow_instrument`].
pub const FLOW_SYMBOL: &str = "FLOW";
