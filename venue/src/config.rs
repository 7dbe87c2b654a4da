//! The whole configuration as one struct, every default written out.
//!
//! The file is TOML; `venue/vesta.toml` is the commented sample. An unknown key, a wrong type and a
//! value out of range are each one error that names the line.

mod access;
mod ouch;
mod resets;
mod rules;
pub(crate) mod shards;
mod zones;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};

use gateway::acceptor::{CancelRules, DropCopy, Lockout, RateLimit, Rights};
use gateway::address::AddressRange;
use gateway::fix::{Version, Versions, parse_scaled};
use gateway::zone::Recurring;
use matcher::{
    Instrument, LIMITS_MAX, Limits, ParticipantId, Phase, Price, Qty, SelfTradePrevention, Symbol,
};
use serde::Deserialize;
use toml::Spanned;
use zeroize::Zeroizing;

use crate::credentials::{self, Credentials, Password, Secret};
use crate::snapshots::{RetentionConfig, SnapshotConfig};
use crate::tls::{self, TlsFiles};
use access::{FileDropCopy, FilePermission, FileRate};
use ouch::FileProtocol;
use resets::FileReset;
use rules::{FileBands, FileRisk, FileSchedule, FileSelfTrade};
pub use rules::{InstrumentRules, NO_BANDS, PhaseEntry, RiskConfig, ScheduleConfig};
use shards::FileShard;
pub use shards::ShardConfig;

/// The commented sample configuration; also what `vesta demo` starts from.
pub const SAMPLE: &str = include_str!("../vesta.toml");

/// Everything that decides how a venue runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Our CompID, also the name in logs.
    pub name: String,
    /// Where the journal's disk segments are.
    pub journal_dir: PathBuf,
    /// Where the live log is: a memory file system. `None`: a folder under /dev/shm named after
    /// `journal_dir`.
    pub live_dir: Option<PathBuf>,
    /// Bytes of a journal segment.
    pub segment_bytes: u32,
    /// Segments made ahead of the one being written: what the venue still writes while the disk takes nothing.
    pub segments_ahead: u32,
    /// What must be true of a record before anybody is told of it.
    pub durability: Durability,
    /// When snapshots of the journal are made, and how many stay.
    pub snapshots: SnapshotConfig,
    /// How much of the journal stays, and where the rest goes.
    pub retention: RetentionConfig,
    /// Sizes of the engine's tables.
    pub limits: Limits,
    /// How loops are put on threads.
    pub layout: Layout,
    /// What a thread does when it has nothing to do.
    pub wait: Wait,
    /// CPU of the thread that matches, or none: the kernel's choice.
    pub core_cpu: Option<usize>,
    /// CPU of the gateway's thread where it has one of its own.
    pub gateway_cpu: Option<usize>,
    /// CPU of the threads that write and sync the journal and make its segments ahead.
    pub sync_cpu: Option<usize>,
    /// The FIX listener.
    pub fix: Fix,
    /// The OUCH listeners, if any.
    pub ouch: Option<Ouch>,
    /// The ITCH feed over SoupBinTCP, if any.
    pub soup: Option<Soup>,
    /// The ITCH feed over MoldUDP64 multicast, if any.
    pub mold: Option<Mold>,
    /// Snapshots of the feed by GLIMPSE over SoupBinTCP, if any.
    pub glimpse: Option<Soup>,
    /// Reference data of the feed, if any.
    pub reference: Option<ReferenceConfig>,
    /// What happens by the clock.
    pub schedule: ScheduleConfig,
    /// Cores beside the first, each with the instruments, the journal and the feed of its shard.
    pub shards: Vec<ShardConfig>,
    /// The shard of each instrument: 0, or a place in `shards`, from 1.
    pub shard_of: Vec<u8>,
    /// In the configuration of one shard: what is traded on others, and on which.
    pub elsewhere: Vec<(Symbol, u8)>,
    /// What is traded. The order decides the ids: add at the end.
    pub instruments: Vec<Instrument>,
    /// In which currency prices are, by instrument, where that is said.
    pub currencies: Vec<Option<String>>,
    /// Reference price and bands, by instrument; an instrument beyond the end has none.
    pub rules: Vec<InstrumentRules>,
    /// Pre-trade limits of firms.
    pub risk: Vec<RiskConfig>,
    /// Who may log on. The order decides the ids: add at the end.
    pub sessions: Vec<SessionConfig>,
    /// Who may do what operators do.
    pub operator: OperatorConfig,
}

/// Who may do what operators do, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OperatorConfig {
    /// The socket; `None`: one in the folder of the live log, which only the venue's own user may enter.
    pub socket: Option<PathBuf>,
    /// User ids; none: that of the venue.
    pub uids: Vec<u32>,
}

/// What must be true of a record before anybody is told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// It is in the live log: survives the end of the process. The disk follows behind.
    Memory,
    /// It is synced to disk: survives the end of the machine.
    Disk,
}

/// How loops are put on threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// Joined below four CPUs, else split.
    Auto,
    /// Gateway, core and feed take turns on one thread: an order pays no context switch.
    Joined,
    /// Gateway, core and feed have a thread each.
    Split,
}

/// What a thread does when it has nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wait {
    /// Sleeps in the kernel until woken: costs nothing while idle.
    Park,
    /// Looks again after giving the CPU away: for machines shared with little else.
    Yield,
    /// Looks again at once: needs a CPU of its own for each thread.
    Spin,
}

/// The FIX listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Smallest HeartBtInt(108) taken, seconds.
    pub heartbeat_s_min: u32,
    /// Largest HeartBtInt(108) taken, seconds.
    pub heartbeat_s_max: u32,
    /// How far SendingTime(52) may be off, seconds.
    pub latency_s_max: u32,
    /// How long a connection may stay without a Logon, seconds.
    pub logon_timeout_s: u32,
    /// How often a subscriber is told of market data at most, ms.
    pub market_data_ms: u32,
    /// Connections at once.
    pub connections_max: usize,
    /// Of them those without a Logon; the oldest makes room for a new one.
    pub connections_before_logon: usize,
    /// Of them those of one address; `None`: 64, and any number from this machine.
    pub connections_per_address: Option<usize>,
    /// When who fails to log on is locked out.
    pub lockout: Lockout,
    /// Bytes that may wait for a slow peer; beyond them nothing is read from it, and what it is to be told
    /// waits in the journal.
    pub out_buffer_bytes: usize,
    /// How long a peer may take nothing while bytes wait for it before it is cut, seconds.
    pub slow_peer_s: u32,
    /// Orders and replaces of one session over the life of the journal.
    pub orders_per_session_max: u32,
    /// Whether a tag that the session's version of FIX does not know is refused (else ignored).
    pub reject_unknown_tags: bool,
    /// The file with the sessions' secrets, if there is one.
    pub credentials: Option<PathBuf>,
    /// Where it listens under TLS too, if it does, and with which files.
    pub tls: Option<(SocketAddr, TlsFiles)>,
}

/// Order entry by OUCH 5.0 over SoupBinTCP. What is not here is as for FIX.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ouch {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where it listens under TLS too, if it does, and with which files.
    pub tls: Option<(SocketAddr, TlsFiles)>,
}

/// The ITCH feed, or its snapshots, over SoupBinTCP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Soup {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// User name, at most 6 characters; empty: anybody.
    pub username: String,
    /// Password, at most 10 characters.
    pub password: String,
    /// Subscribers at once.
    pub connections_max: usize,
}

/// Reference data of the feed: files in the journal's folder, and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReferenceConfig {
    /// Where they can be had over HTTP, if they can; port 0 takes a free one.
    pub listen: Option<SocketAddr>,
}

/// The ITCH feed over MoldUDP64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mold {
    /// Line A.
    pub line_a: MoldLine,
    /// Line B, if there is one: the same packets.
    pub line_b: Option<MoldLine>,
    /// Hops a packet may take.
    pub ttl: u32,
    /// How long a message waits at most for others to share its packet while more are there, µs.
    pub batch_us: u32,
    /// How long the end of the session is said again when the venue stops, seconds.
    pub end_s: u32,
    /// Where the request server listens, if there is one; port 0 takes a free one.
    pub requests: Option<SocketAddr>,
}

/// One way that multicast packets take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MoldLine {
    /// Multicast group and port.
    pub group: SocketAddrV4,
    /// Address of the interface to send on.
    pub interface: Ipv4Addr,
}

/// Who may log on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionConfig {
    /// The counterparty's CompID.
    pub comp_id: String,
    /// The firm it trades for.
    pub participant: String,
    /// What it proves itself with.
    pub credentials: Credentials,
    /// When its orders are canceled without being asked.
    pub cancel: CancelRules,
    /// Whether a second connection that proves itself takes the place of the first.
    pub takeover: bool,
    /// From where it may log on; empty: from anywhere.
    pub addresses: Vec<AddressRange>,
    /// What it may ask for.
    pub rights: Rights,
    /// How many application messages it may send, if there is a limit.
    pub rate: Option<RateLimit>,
    /// What it is told of the trades and orders of others.
    pub drop_copy: Option<DropCopy>,
    /// Sessions of one group are one owner; 0: the firm is.
    pub group: u32,
    /// What happens where two orders of one owner would trade.
    pub self_trade: SelfTradePrevention,
    /// The versions of FIX that it may log on with.
    pub versions: Versions,
    /// When its numbers start again by the clock, `None`: never.
    pub resets: Option<Recurring>,
    /// Whether the FIX session test cases count where our rules are better: to play them.
    pub conformance: bool,
    /// The firm of its messages, padded, if it speaks OUCH instead of FIX. Its logins have the user name of its credentials.
    pub ouch_firm: Option<[u8; 4]>,
}

/// Why a configuration cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file, or what stands for it.
    pub file: String,
    /// Line, counted from 1, if the error has one.
    pub line: Option<usize>,
    /// What is wrong, and what would be right.
    pub what: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.what),
            None => write!(f, "{}: {}", self.file, self.what),
        }
    }
}

impl std::error::Error for ConfigError {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileConfig {
    #[serde(default)]
    venue: FileVenue,
    #[serde(default)]
    journal: FileJournal,
    #[serde(default)]
    limits: FileLimits,
    #[serde(default)]
    threads: FileThreads,
    fix: FileFix,
    #[serde(default)]
    ouch: Option<Spanned<FileOuch>>,
    #[serde(default)]
    itch: FileItch,
    #[serde(default)]
    schedule: FileSchedule,
    #[serde(default)]
    shard: Vec<Spanned<FileShard>>,
    #[serde(default)]
    instrument: Vec<Spanned<FileInstrument>>,
    #[serde(default)]
    session: Vec<Spanned<FileSession>>,
    #[serde(default)]
    risk: Vec<Spanned<FileRisk>>,
    #[serde(default)]
    operator: FileOperator,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FileOperator {
    socket: Option<PathBuf>,
    uids: Option<Spanned<Vec<u32>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FileVenue {
    name: Spanned<String>,
    journal_dir: PathBuf,
    live_dir: Option<PathBuf>,
    segment_mib: Spanned<u32>,
    segments_ahead: Spanned<u32>,
    durability: Durability,
}

impl Default for FileVenue {
    fn default() -> Self {
        FileVenue {
            name: spanless("VESTA".into()),
            journal_dir: "vesta-journal".into(),
            live_dir: None,
            segment_mib: spanless(64),
            segments_ahead: spanless(2),
            durability: Durability::Disk,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FileJournal {
    snapshot_mib: Spanned<u32>,
    keep_snapshots: Spanned<usize>,
    keep_mib: Spanned<u32>,
    keep_hours: Spanned<u32>,
    archive: Option<Spanned<PathBuf>>,
    archive_command: Option<Spanned<Vec<String>>>,
}

impl Default for FileJournal {
    fn default() -> Self {
        FileJournal {
            snapshot_mib: spanless(1_024),
            keep_snapshots: spanless(3),
            keep_mib: spanless(0),
            keep_hours: spanless(24),
            archive: None,
            archive_command: None,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FileLimits {
    orders: Spanned<u32>,
    levels: Spanned<u32>,
    instruments: Spanned<u32>,
    sessions: Spanned<u32>,
    orders_per_session: Spanned<u32>,
}

impl Default for FileLimits {
    fn default() -> Self {
        FileLimits {
            orders: spanless(1_000_000),
            levels: spanless(250_000),
            instruments: spanless(1_024),
            sessions: spanless(4_096),
            orders_per_session: spanless(10_000_000),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FileThreads {
    layout: Layout,
    wait: Wait,
    core_cpu: Option<usize>,
    gateway_cpu: Option<usize>,
    sync_cpu: Option<usize>,
}

impl Default for FileThreads {
    fn default() -> Self {
        FileThreads {
            layout: Layout::Auto,
            wait: Wait::Park,
            core_cpu: None,
            gateway_cpu: None,
            sync_cpu: None,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileFix {
    listen: SocketAddr,
    #[serde(default = "default_heartbeat_min")]
    heartbeat_s_min: Spanned<u32>,
    #[serde(default = "default_heartbeat_max")]
    heartbeat_s_max: Spanned<u32>,
    #[serde(default = "default_latency")]
    latency_s_max: u32,
    #[serde(default = "default_logon_timeout")]
    logon_timeout_s: u32,
    #[serde(default = "default_market_data_ms")]
    market_data_ms: Spanned<u32>,
    #[serde(default = "default_connections")]
    connections_max: Spanned<usize>,
    #[serde(default = "default_before_logon")]
    connections_before_logon: Spanned<usize>,
    #[serde(default)]
    connections_per_address: Option<Spanned<usize>>,
    #[serde(default = "default_lockout_after")]
    lockout_after: u32,
    #[serde(default = "default_lockout")]
    lockout_s_max: Spanned<u32>,
    #[serde(default = "default_out_buffer")]
    out_buffer_kib: Spanned<usize>,
    #[serde(default = "default_slow_peer")]
    slow_peer_s: Spanned<u32>,
    #[serde(default = "default_true")]
    reject_unknown_tags: bool,
    #[serde(default)]
    credentials: Option<PathBuf>,
    #[serde(default)]
    plain_passwords: bool,
    #[serde(default)]
    tls: Option<FileTls>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileOuch {
    listen: SocketAddr,
    #[serde(default)]
    tls: Option<FileTls>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileTls {
    listen: SocketAddr,
    cert: PathBuf,
    key: PathBuf,
    #[serde(default)]
    client_ca: Option<PathBuf>,
}

impl FileTls {
    fn files(self) -> (SocketAddr, TlsFiles) {
        let FileTls { listen, cert, key, client_ca } = self;
        (listen, TlsFiles { cert, key, client_ca })
    }
}

fn default_heartbeat_min() -> Spanned<u32> {
    spanless(1)
}
fn default_heartbeat_max() -> Spanned<u32> {
    spanless(600)
}
fn default_latency() -> u32 {
    120
}
fn default_logon_timeout() -> u32 {
    10
}
fn default_connections() -> Spanned<usize> {
    spanless(4_096)
}
fn default_before_logon() -> Spanned<usize> {
    spanless(1_024)
}
fn default_lockout_after() -> u32 {
    10
}
fn default_lockout() -> Spanned<u32> {
    spanless(900)
}
fn default_out_buffer() -> Spanned<usize> {
    spanless(1_024)
}
fn default_slow_peer() -> Spanned<u32> {
    spanless(10)
}
fn default_none() -> Spanned<u32> {
    spanless(0)
}
fn default_true() -> bool {
    true
}
fn default_ttl() -> u32 {
    1
}
fn default_batch_us() -> Spanned<u32> {
    spanless(5)
}
fn default_end_s() -> Spanned<u32> {
    spanless(2)
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FileItch {
    soup: Option<Spanned<FileSoup>>,
    mold: Option<Spanned<FileMold>>,
    glimpse: Option<Spanned<FileSoup>>,
    reference: Option<FileReference>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileReference {
    #[serde(default)]
    listen: Option<SocketAddr>,
}

/// What a file says of the feed.
struct Feeds {
    soup: Option<Soup>,
    mold: Option<Mold>,
    glimpse: Option<Soup>,
    reference: Option<ReferenceConfig>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileSoup {
    listen: SocketAddr,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    #[serde(default = "default_soup_connections")]
    connections_max: usize,
}

fn default_market_data_ms() -> Spanned<u32> {
    spanless(10)
}

fn default_soup_connections() -> usize {
    256
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileMold {
    group: SocketAddrV4,
    interface: Ipv4Addr,
    #[serde(default)]
    line_b: Option<Spanned<FileMoldLine>>,
    #[serde(default = "default_ttl")]
    ttl: u32,
    #[serde(default = "default_batch_us")]
    batch_us: Spanned<u32>,
    #[serde(default = "default_end_s")]
    end_s: Spanned<u32>,
    #[serde(default)]
    requests: Option<SocketAddr>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileMoldLine {
    group: SocketAddrV4,
    interface: Ipv4Addr,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileInstrument {
    symbol: String,
    #[serde(default)]
    currency: Option<String>,
    price_decimals: u8,
    #[serde(default)]
    qty_decimals: u8,
    tick_size: String,
    #[serde(default = "default_one")]
    lot_size: String,
    #[serde(default)]
    qty_min: Option<String>,
    qty_max: String,
    #[serde(default)]
    price_min: Option<String>,
    price_max: String,
    #[serde(default)]
    reference_price: Option<String>,
    #[serde(default)]
    bands: Option<FileBands>,
    #[serde(default)]
    shard: Option<Spanned<u8>>,
}

fn default_one() -> String {
    "1".into()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileSession {
    comp_id: String,
    participant: String,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    password: Option<Zeroizing<String>>,
    #[serde(default)]
    certificate: Option<Spanned<String>>,
    #[serde(default)]
    cancel_on_disconnect: bool,
    #[serde(default = "default_true")]
    cancel_on_logout: bool,
    #[serde(default = "default_none")]
    cancel_grace_s: Spanned<u32>,
    #[serde(default = "default_none")]
    cancel_after_s: Spanned<u32>,
    #[serde(default)]
    takeover: Option<Spanned<bool>>,
    #[serde(default)]
    addresses: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    permissions: Option<Spanned<Vec<FilePermission>>>,
    #[serde(default)]
    instruments: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    rate: Option<Spanned<FileRate>>,
    #[serde(default)]
    drop_copy: Option<Spanned<FileDropCopy>>,
    #[serde(default)]
    group: u32,
    #[serde(default)]
    self_trade: FileSelfTrade,
    #[serde(default)]
    versions: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    conformance: bool,
    #[serde(default)]
    reset: Option<Spanned<FileReset>>,
    #[serde(default)]
    protocol: FileProtocol,
    #[serde(default)]
    firm: Option<Spanned<String>>,
}

fn spanless<T>(value: T) -> Spanned<T> {
    Spanned::new(0..0, value)
}

impl Config {
    /// The id of a firm: by the order in which sessions name them, from 1.
    #[must_use]
    pub fn participant(&self, firm: &str) -> Option<ParticipantId> {
        let mut firms: Vec<&str> = Vec::new();
        for session in &self.sessions {
            if !firms.contains(&session.participant.as_str()) {
                firms.push(&session.participant);
            }
        }
        let index = firms.iter().position(|known| *known == firm)?;
        Some(ParticipantId(u32::try_from(index + 1).ok()?))
    }

    /// Reads and checks a configuration file. Relative folders in it are relative to the file.
    ///
    /// # Errors
    ///
    /// If it cannot be read, is not TOML, has an unknown key, or a value is out of range.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        let mut config = Config::read(path)?;
        let of_ouch = config.ouch.as_ref().and_then(|ouch| ouch.tls.as_ref());
        for (_, files) in config.fix.tls.iter().chain(of_ouch) {
            // Used at the start; what is wrong with them is said here.
            tls::server_config(files).map_err(|error| ConfigError {
                file: error.file.display().to_string(),
                line: None,
                what: error.what,
            })?;
        }
        let asks = |tls: Option<&(SocketAddr, TlsFiles)>| {
            tls.is_some_and(|(_, files)| files.client_ca.is_some())
        };
        let (fix_asks, ouch_asks) = (asks(config.fix.tls.as_ref()), asks(of_ouch));
        let is_asked = |session: &SessionConfig| match session.ouch_firm {
            None => fix_asks,
            Some(_) => ouch_asks,
        };
        let shows = |session: &&SessionConfig| session.credentials.certificate.is_some();
        if let Some(session) =
            config.sessions.iter().filter(shows).find(|session| !is_asked(session))
        {
            let table = if session.ouch_firm.is_some() { "[ouch.tls]" } else { "[fix.tls]" };
            let what = format!(
                "session {}: a certificate needs {table} with client_ca, or it could never log on",
                session.comp_id
            );
            return Err(ConfigError { file: path.display().to_string(), line: None, what });
        }
        if let Some(file) = &config.fix.credentials {
            credentials::read(file, &mut config.sessions)?;
        }
        for session in &config.sessions {
            if session.ouch_firm.is_some() && session.credentials.hmac_key.is_some() {
                let comp_id = &session.comp_id;
                let what = format!(
                    "session {comp_id}: a login of SoupBinTCP has no room for the signature of an hmac_key"
                );
                return Err(ConfigError { file: path.display().to_string(), line: None, what });
            }
            if session.takeover && session.credentials.is_open() {
                let comp_id = &session.comp_id;
                let what = format!(
                    "session {comp_id}: takeover = true needs a password, an hmac_key or a certificate: else anybody who \
                     connects ends its connection"
                );
                return Err(ConfigError { file: path.display().to_string(), line: None, what });
            }
        }
        Ok(config)
    }

    /// The same without the files that it names, which not everybody may read who may read this one.
    ///
    /// # Errors
    ///
    /// As [`Config::load`], but for those files.
    pub fn read(path: &Path) -> Result<Config, ConfigError> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path).map(Zeroizing::new).map_err(|error| {
            ConfigError { file: file.clone(), line: None, what: format!("cannot be read: {error}") }
        })?;
        let mut config = Config::parse(&file, &text)?;
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        if let Some(folder) = path.parent() {
            config.journal_dir = folder.join(&config.journal_dir);
            config.live_dir = config.live_dir.map(|dir| folder.join(dir));
            for shard in &mut config.shards {
                shard.live_dir = shard.live_dir.take().map(|dir| folder.join(dir));
            }
            config.retention.archive = config.retention.archive.map(|dir| folder.join(dir));
            config.fix.credentials = config.fix.credentials.map(|file| folder.join(file));
            config.operator.socket = config.operator.socket.map(|socket| folder.join(socket));
            let of_ouch = config.ouch.as_mut().and_then(|ouch| ouch.tls.as_mut());
            for (_, files) in config.fix.tls.iter_mut().chain(of_ouch) {
                files.cert = folder.join(&files.cert);
                files.key = folder.join(&files.key);
                files.client_ca = files.client_ca.as_ref().map(|file| folder.join(file));
            }
        }
        Ok(config)
    }

    /// Reads and checks a configuration from its text; `file` is named in errors. A file with secrets that it
    /// names is not read.
    ///
    /// # Errors
    ///
    /// As [`Config::load`].
    pub fn parse(file: &str, text: &str) -> Result<Config, ConfigError> {
        let parsed: FileConfig = toml::from_str(text).map_err(|error| ConfigError {
            file: file.to_owned(),
            line: error.span().and_then(|span| line_of(text, span.start)),
            what: error.message().replace('\n', " "),
        })?;
        Checker { file, text }.config(parsed)
    }
}

pub(crate) fn line_of(text: &str, offset: usize) -> Option<usize> {
    let before = text.get(..offset)?;
    Some(before.bytes().filter(|byte| *byte == b'\n').count() + 1)
}

/// Turns what the file says into a [`Config`], naming the line of what is wrong.
struct Checker<'a> {
    file: &'a str,
    text: &'a str,
}

impl Checker<'_> {
    fn error(&self, offset: usize, what: impl Into<String>) -> ConfigError {
        let line = if offset == 0 { None } else { line_of(self.text, offset) };
        ConfigError { file: self.file.to_owned(), line, what: what.into() }
    }

    fn range<T: Copy + PartialOrd + fmt::Display>(
        &self,
        value: &Spanned<T>,
        name: &str,
        low: T,
        high: T,
    ) -> Result<T, ConfigError> {
        let got = *value.get_ref();
        if got < low || got > high {
            let what = format!("{name} is {got}; it must be {low} to {high}");
            return Err(self.error(value.span().start, what));
        }
        Ok(got)
    }

    fn config(&self, file: FileConfig) -> Result<Config, ConfigError> {
        let FileLimits { orders, levels, instruments, sessions, .. } = &file.limits;
        let limits = Limits {
            orders_max: self.range(orders, "limits.orders", 1, LIMITS_MAX.orders_max)?,
            levels_max: self.range(levels, "limits.levels", 1, LIMITS_MAX.levels_max)?,
            instruments_max: self.range(
                instruments,
                "limits.instruments",
                1,
                LIMITS_MAX.instruments_max,
            )?,
            sessions_max: self.range(sessions, "limits.sessions", 1, LIMITS_MAX.sessions_max)?,
        };
        let name = file.venue.name.get_ref().clone();
        self.comp_id(&name, "venue.name", file.venue.name.span().start)?;
        let (instruments, rules) = self.instruments(&file.instrument, &limits)?;
        let plain_passwords = file.fix.plain_passwords;
        let sessions = self.sessions(&file, &instruments, plain_passwords, &limits)?;
        let fix = Fix {
            listen: file.fix.listen,
            heartbeat_s_min: self.range(&file.fix.heartbeat_s_min, "heartbeat_s_min", 1, 3_600)?,
            heartbeat_s_max: self.range(&file.fix.heartbeat_s_max, "heartbeat_s_max", 1, 3_600)?,
            latency_s_max: file.fix.latency_s_max,
            logon_timeout_s: file.fix.logon_timeout_s,
            market_data_ms: self.range(&file.fix.market_data_ms, "market_data_ms", 1, 60_000)?,
            connections_max: self.range(&file.fix.connections_max, "connections_max", 1, 65_536)?,
            connections_before_logon: self.range(
                &file.fix.connections_before_logon,
                "connections_before_logon",
                1,
                65_536,
            )?,
            connections_per_address: match &file.fix.connections_per_address {
                Some(most) => Some(self.range(most, "connections_per_address", 1, 65_536)?),
                None => None,
            },
            lockout: Lockout {
                after: file.fix.lockout_after,
                first_ns: 1_000_000_000,
                most_ns: 1_000_000_000
                    * u64::from(self.range(&file.fix.lockout_s_max, "lockout_s_max", 1, 86_400)?),
            },
            out_buffer_bytes: 1024
                * self.range(&file.fix.out_buffer_kib, "out_buffer_kib", 16, 1 << 20)?,
            slow_peer_s: self.range(&file.fix.slow_peer_s, "slow_peer_s", 1, 3_600)?,
            orders_per_session_max: self.range(
                &file.limits.orders_per_session,
                "limits.orders_per_session",
                1,
                u32::MAX - 1,
            )?,
            reject_unknown_tags: file.fix.reject_unknown_tags,
            credentials: file.fix.credentials,
            tls: file.fix.tls.map(FileTls::files),
        };
        if fix.heartbeat_s_min > fix.heartbeat_s_max {
            let at = file.fix.heartbeat_s_min.span().start;
            return Err(self.error(at, "heartbeat_s_min is above heartbeat_s_max"));
        }
        let ouch = self.ouch(file.ouch, (&instruments, &file.instrument), &sessions)?;
        let feeds = self.feed(file.itch, &instruments, &file.instrument)?;
        let currencies = self.currencies(&file.instrument)?;
        let schedule = self.schedule(&file.schedule, &instruments)?;
        let risk = self.risk(&file.risk, &instruments, &sessions)?;
        let retention = self.retention(&file.journal)?;
        let shard_of = self.shard_of(&file.instrument, file.shard.len())?;
        let config = Config {
            name,
            journal_dir: file.venue.journal_dir,
            live_dir: file.venue.live_dir,
            segment_bytes: (1 << 20)
                * self.range(&file.venue.segment_mib, "venue.segment_mib", 1, 1_024)?,
            segments_ahead: self.range(
                &file.venue.segments_ahead,
                "venue.segments_ahead",
                2,
                16,
            )?,
            durability: file.venue.durability,
            snapshots: SnapshotConfig {
                every_bytes: (1 << 20)
                    * u64::from(self.range(
                        &file.journal.snapshot_mib,
                        "journal.snapshot_mib",
                        0,
                        1 << 20,
                    )?),
                keep: self.range(
                    &file.journal.keep_snapshots,
                    "journal.keep_snapshots",
                    1,
                    1_000,
                )?,
            },
            retention,
            limits,
            layout: file.threads.layout,
            wait: file.threads.wait,
            core_cpu: file.threads.core_cpu,
            gateway_cpu: file.threads.gateway_cpu,
            sync_cpu: file.threads.sync_cpu,
            fix,
            ouch,
            soup: feeds.soup,
            mold: feeds.mold,
            glimpse: feeds.glimpse,
            reference: feeds.reference,
            schedule,
            shards: Vec::new(),
            shard_of,
            elsewhere: Vec::new(),
            instruments,
            currencies,
            rules,
            risk,
            operator: self.operator(&file.operator)?,
            sessions,
        };
        let shards = self.shards(file.shard, &config, &file.instrument)?;
        Ok(Config { shards, ..config })
    }

    fn retention(&self, file: &FileJournal) -> Result<RetentionConfig, ConfigError> {
        let FileJournal { keep_mib, keep_hours, archive, archive_command, .. } = file;
        let keep_bytes =
            (1 << 20) * u64::from(self.range(keep_mib, "journal.keep_mib", 0, u32::MAX)?);
        let hours = self.range(keep_hours, "journal.keep_hours", 0, 100_000)?;
        if keep_bytes > 0 && *file.snapshot_mib.get_ref() == 0 {
            let what =
                "keep_mib needs snapshots: what is before the oldest one goes (snapshot_mib is 0)";
            return Err(self.error(keep_mib.span().start, what));
        }
        let named = [
            archive.as_ref().map(|it| ("archive", it.span().start)),
            archive_command.as_ref().map(|it| ("archive_command", it.span().start)),
        ];
        for (name, at) in named.into_iter().flatten() {
            if keep_bytes == 0 {
                let what =
                    format!("{name} is of no use: with keep_mib = 0 the whole journal stays");
                return Err(self.error(at, what));
            }
        }
        let command = archive_command.as_ref().map(Spanned::get_ref);
        if command.is_some_and(|command| command.first().is_none_or(String::is_empty)) {
            let at = archive_command.as_ref().map_or(0, |it| it.span().start);
            let what = "archive_command is a program and its arguments; the file's path comes last";
            return Err(self.error(at, what));
        }
        Ok(RetentionConfig {
            keep_bytes,
            keep_ns: u64::from(hours) * 3_600_000_000_000,
            archive: archive.as_ref().map(|it| it.get_ref().clone()),
            archive_command: command.cloned().unwrap_or_default(),
        })
    }

    fn comp_id(&self, text: &str, name: &str, at: usize) -> Result<(), ConfigError> {
        let good =
            !text.is_empty() && text.len() <= 32 && text.bytes().all(|b| b.is_ascii_graphic());
        if good {
            return Ok(());
        }
        Err(self.error(at, format!("{name} must be 1 to 32 printable characters without a space")))
    }

    fn feed(
        &self,
        itch: FileItch,
        instruments: &[Instrument],
        from: &[Spanned<FileInstrument>],
    ) -> Result<Feeds, ConfigError> {
        let FileItch { soup, mold, glimpse, reference } = itch;
        if soup.is_some() || mold.is_some() || glimpse.is_some() {
            for (instrument, spanned) in instruments.iter().zip(from) {
                feed::Publisher::check(instrument).map_err(|error| {
                    let what =
                        format!("{} cannot be published in ITCH: {error}", instrument.symbol);
                    self.error(spanned.span().start, what)
                })?;
            }
        }
        Ok(Feeds {
            soup: soup.map(|spanned| self.soup(spanned)).transpose()?,
            mold: mold.map(|spanned| self.mold(&spanned)).transpose()?,
            glimpse: glimpse.map(|spanned| self.soup(spanned)).transpose()?,
            reference: reference.map(|FileReference { listen }| ReferenceConfig { listen }),
        })
    }

    fn soup(&self, spanned: Spanned<FileSoup>) -> Result<Soup, ConfigError> {
        let at = spanned.span().start;
        let FileSoup { listen, username, password, connections_max } = spanned.into_inner();
        if username.len() > 6 || password.len() > 10 {
            let what = "SoupBinTCP has 6 characters for the username and 10 for the password";
            return Err(self.error(at, what));
        }
        Ok(Soup { listen, username, password, connections_max })
    }

    fn currencies(
        &self,
        from: &[Spanned<FileInstrument>],
    ) -> Result<Vec<Option<String>>, ConfigError> {
        let currency = |spanned: &Spanned<FileInstrument>| {
            let Some(currency) = &spanned.get_ref().currency else { return Ok(None) };
            let is_good = (1..=8).contains(&currency.len())
                && currency.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
            if is_good {
                return Ok(Some(currency.clone()));
            }
            let what = format!("currency {currency:?} is not 1 to 8 capital letters and digits");
            Err(self.error(spanned.span().start, what))
        };
        from.iter().map(currency).collect()
    }

    fn mold(&self, spanned: &Spanned<FileMold>) -> Result<Mold, ConfigError> {
        let (at, mold) = (spanned.span().start, spanned.get_ref());
        let line = |at: usize, group: SocketAddrV4, interface| {
            if !group.ip().is_multicast() {
                let what = format!("{} is not a multicast address (224.0.0.0/4)", group.ip());
                return Err(self.error(at, what));
            }
            Ok(MoldLine { group, interface })
        };
        let line_a = line(at, mold.group, mold.interface)?;
        let line_b = match &mold.line_b {
            None => None,
            Some(spanned) => {
                let (at, b) = (spanned.span().start, spanned.get_ref());
                let line_b = line(at, b.group, b.interface)?;
                if line_b.group == line_a.group {
                    let what = format!("line A has the group {} too", b.group);
                    return Err(self.error(at, what));
                }
                Some(line_b)
            }
        };
        Ok(Mold {
            line_a,
            line_b,
            ttl: mold.ttl,
            batch_us: self.range(&mold.batch_us, "itch.mold.batch_us", 0, 1_000)?,
            end_s: self.range(&mold.end_s, "itch.mold.end_s", 0, 60)?,
            requests: mold.requests,
        })
    }

    fn time_of_day(&self, text: &Spanned<String>) -> Result<u32, ConfigError> {
        let parts: Vec<Option<u32>> =
            text.get_ref().split(':').map(|part| part.parse::<u32>().ok()).collect();
        match parts[..] {
            [Some(h), Some(m), Some(s)] if h < 24 && m < 60 && s < 60 => Ok((h * 60 + m) * 60 + s),
            _ => Err(self.error(text.span().start, "a time of day is HH:MM:SS")),
        }
    }

    fn instruments(
        &self,
        from: &[Spanned<FileInstrument>],
        limits: &Limits,
    ) -> Result<(Vec<Instrument>, Vec<InstrumentRules>), ConfigError> {
        let mut instruments: Vec<Instrument> = Vec::new();
        let mut rules: Vec<InstrumentRules> = Vec::new();
        for spanned in from {
            let at = spanned.span().start;
            let file = spanned.get_ref();
            let instrument = self.instrument(at, file)?;
            let reference = file.reference_price.as_ref().map(|text| {
                let (symbol, decimals) = (&instrument.symbol, instrument.price_decimals);
                self.steps(at, symbol, "reference_price", text, decimals, instrument.tick_size)
            });
            let reference = reference.transpose()?.map(Price::from_ticks);
            rules.push(self.rules(at, &instrument, reference, file.bands.as_ref())?);
            let qty_max = limits.qty_max();
            if instrument.qty_max > qty_max {
                let (symbol, lots) = (instrument.symbol, qty_max.lots());
                let what = format!(
                    "{symbol}: qty_max × limits.orders must stay below 2^63 lots, \
                     so it is {lots} lots at most"
                );
                return Err(self.error(at, what));
            }
            if instruments.iter().any(|other| other.symbol == instrument.symbol) {
                let what = format!("symbol {} is defined twice", instrument.symbol);
                return Err(self.error(at, what));
            }
            instruments.push(instrument);
        }
        if instruments.len() > limits.instruments_max as usize {
            let what = format!("more than limits.instruments = {}", limits.instruments_max);
            return Err(self.error(0, what));
        }
        Ok((instruments, rules))
    }

    fn instrument(&self, at: usize, file: &FileInstrument) -> Result<Instrument, ConfigError> {
        let symbol = Symbol::new(file.symbol.as_bytes()).ok_or_else(|| {
            self.error(at, "symbol must be 1 to 16 printable characters without a space")
        })?;
        let (price_decimals, qty_decimals) = (file.price_decimals, file.qty_decimals);
        if price_decimals > 9 || qty_decimals > 9 {
            return Err(self.error(at, format!("{symbol}: decimals must be 0 to 9")));
        }
        let tick_size = self.step(at, &symbol, "tick_size", &file.tick_size, price_decimals)?;
        let lot_size = self.step(at, &symbol, "lot_size", &file.lot_size, qty_decimals)?;
        let ticks = |name: &str, text: &str| {
            self.steps(at, &symbol, name, text, price_decimals, tick_size).map(Price::from_ticks)
        };
        let lots = |name: &str, text: &str| {
            let steps = self.steps(at, &symbol, name, text, qty_decimals, lot_size)?;
            u64::try_from(steps)
                .map(Qty::from_lots)
                .map_err(|_| self.error(at, format!("{symbol}: {name} is negative")))
        };
        let instrument = Instrument {
            symbol,
            price_decimals,
            qty_decimals,
            tick_size,
            lot_size,
            qty_min: match &file.qty_min {
                Some(text) => lots("qty_min", text)?,
                None => Qty::from_lots(1),
            },
            qty_max: lots("qty_max", &file.qty_max)?,
            price_min: match &file.price_min {
                Some(text) => ticks("price_min", text)?,
                None => Price::from_ticks(1),
            },
            price_max: ticks("price_max", &file.price_max)?,
            phase: Phase::Continuous,
        };
        instrument.validate().map_err(|error| self.error(at, format!("{symbol}: {error}")))?;
        Ok(instrument)
    }

    /// A tick or lot size as a whole number of last decimals.
    fn step(
        &self,
        at: usize,
        symbol: &Symbol,
        name: &str,
        text: &str,
        decimals: u8,
    ) -> Result<u32, ConfigError> {
        let scaled = parse_scaled(text.as_bytes(), decimals).ok();
        match scaled.and_then(|scaled| u32::try_from(scaled).ok()) {
            Some(step) if step > 0 => Ok(step),
            _ => {
                let what = format!(
                    "{symbol}: {name} {text:?} is not a positive number with {decimals} decimals"
                );
                Err(self.error(at, what))
            }
        }
    }

    /// A price or quantity as a whole number of ticks or lots.
    fn steps(
        &self,
        at: usize,
        symbol: &Symbol,
        name: &str,
        text: &str,
        decimals: u8,
        step: u32,
    ) -> Result<i64, ConfigError> {
        let scaled = parse_scaled(text.as_bytes(), decimals).map_err(|_| {
            self.error(
                at,
                format!("{symbol}: {name} {text:?} is not a number with {decimals} decimals"),
            )
        })?;
        if scaled % i64::from(step) != 0 {
            let what =
                format!("{symbol}: {name} {text:?} is not a multiple of its tick or lot size");
            return Err(self.error(at, what));
        }
        Ok(scaled / i64::from(step))
    }

    fn versions(&self, from: Option<&Spanned<Vec<String>>>) -> Result<Versions, ConfigError> {
        let Some(from) = from else { return Ok(Versions::ALL) };
        let known = |name: &String| Version::of_begin_string(name.as_bytes());
        match from.get_ref().iter().map(known).collect::<Option<Vec<Version>>>() {
            Some(versions) if !versions.is_empty() => Ok(Versions::of(&versions)),
            _ => {
                let names = Version::ALL.map(Version::begin_string).join("\", \"");
                let what = format!("versions are some of \"{names}\"");
                Err(self.error(from.span().start, what))
            }
        }
    }

    fn operator(&self, from: &FileOperator) -> Result<OperatorConfig, ConfigError> {
        let uids = from.uids.as_ref();
        if let Some(uids) = uids.filter(|_| from.socket.is_none()) {
            let what = "operator.uids needs operator.socket: where the socket is without it, only the venue's own \
                        user can reach it";
            return Err(self.error(uids.span().start, what));
        }
        let uids = uids.map(|uids| uids.get_ref().clone()).unwrap_or_default();
        Ok(OperatorConfig { socket: from.socket.clone(), uids })
    }

    fn sessions(
        &self,
        from: &FileConfig,
        instruments: &[Instrument],
        plain_passwords: bool,
        limits: &Limits,
    ) -> Result<Vec<SessionConfig>, ConfigError> {
        let mut sessions: Vec<SessionConfig> = Vec::new();
        let time_zone = self.time_zone(&from.schedule)?;
        for spanned in &from.session {
            let (at, file) = (spanned.span().start, spanned.get_ref());
            self.comp_id(&file.comp_id, "comp_id", at)?;
            self.comp_id(&file.participant, "participant", at)?;
            if sessions.iter().any(|other| other.comp_id == file.comp_id) {
                return Err(self.error(at, format!("comp_id {} is used twice", file.comp_id)));
            }
            let password = file.password.as_ref().map(|text| {
                if plain_passwords && !text.starts_with('$') {
                    return Ok(Password::Plain(Secret::new(text.as_bytes().to_vec())));
                }
                let named = |what| self.error(at, format!("session {}: {what}", file.comp_id));
                Password::parse(text).map_err(named)
            });
            let password = password.transpose()?;
            sessions.push(SessionConfig {
                comp_id: file.comp_id.clone(),
                participant: file.participant.clone(),
                credentials: Credentials {
                    username: file.username.clone(),
                    password,
                    changes: false,
                    hmac_key: None,
                    certificate: match &file.certificate {
                        Some(text) => Some(self.fingerprint(text)?),
                        None => None,
                    },
                },
                cancel: CancelRules {
                    on_disconnect: file.cancel_on_disconnect,
                    on_logout: file.cancel_on_logout,
                    grace_ns: 1_000_000_000
                        * u64::from(self.range(
                            &file.cancel_grace_s,
                            "cancel_grace_s",
                            0,
                            86_400,
                        )?),
                    dead_man_ns: 1_000_000_000
                        * u64::from(self.range(
                            &file.cancel_after_s,
                            "cancel_after_s",
                            0,
                            86_400,
                        )?),
                },
                takeover: file.takeover.as_ref().is_some_and(|takeover| *takeover.get_ref()),
                addresses: self.addresses(file.addresses.as_ref())?,
                rights: self.rights(
                    file.permissions.as_ref(),
                    file.instruments.as_ref(),
                    instruments,
                )?,
                rate: file.rate.as_ref().map(|rate| self.rate(rate)).transpose()?,
                drop_copy: self.drop_copy(file, &from.session)?,
                group: file.group,
                self_trade: file.self_trade.into(),
                versions: self.versions(file.versions.as_ref())?,
                conformance: file.conformance,
                ouch_firm: self.speaks_ouch(at, file, &sessions)?,
                resets: self.resets(file.reset.as_ref(), &time_zone)?,
            });
        }
        if sessions.len() > limits.sessions_max as usize {
            return Err(
                self.error(0, format!("more than limits.sessions = {}", limits.sessions_max))
            );
        }
        Ok(sessions)
    }
}
