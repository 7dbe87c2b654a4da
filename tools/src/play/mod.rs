//! `vesta play`: a recorded order flow, held against what the exchange it comes from did.

mod driver;
mod in_process;
mod over_fix;
mod over_ouch;
mod record;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use venue::config::SessionConfig;
use venue::{Config, Durability};

pub use self::driver::{Entry, Played, Target};
pub(crate) use self::over_fix::write_terms;
use crate::failure::Failure;
use crate::fix_conn::{FixError, FixTarget, Login};
use crate::interrupt::Interrupt;
use crate::itch_conn::ItchError;
use crate::judge::Verdict;
use crate::order_flow::{Flow, PlanError};
use crate::ouch_conn::OuchError;
use crate::ouch_set::{OuchLogin, OuchTarget};
use crate::own_venue::{self, FLOW_SYMBOL, OwnVenue, Setting};
use crate::replay::Replayed;
use crate::{output, say, text};

/// Sessions of a play that has the choice.
pub const SESSIONS: usize = 4;

/// How long a play waits for a venue that is not there.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Plays a folder of recorded order commands and checks every trade and every book row beside them.
///
/// Without --config or --connect it starts a venue of its own in temporary folders. A connection that
/// is lost is made again, the session goes on where it was.
///
/// Over OUCH a NEW is an Enter for the day, an IOC an Enter with time in force 3, a CANCEL a Cancel to 0; a REDUCE is a Replace with less at
/// the same price where its number is even, else a Cancel down to the rest; a REPLACE is a Replace. What would be less at the same price and is to lose
/// its place all the same is a Cancel and an Enter. At the end each session logs in once more from its first message on, and all must
/// be said again byte for byte.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  vesta play flows/amzn --in-process --json\n  \
                        vesta play flows/amzn --durability disk\n  \
                        vesta play flows/amzn --connect 127.0.0.1:5001 --feed 127.0.0.1:5010 \
                        --symbol FLOW --sender CLIENT1 --sender CLIENT2\n  \
                        vesta play flows/amzn --ouch")]
pub struct PlayArgs {
    /// Folder with commands.csv, fills.csv and rows.csv.
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Into the matcher alone, without a venue.
    #[arg(long, conflicts_with_all = ["config", "connect", "durability", "rate"])]
    in_process: bool,
    /// Over OUCH 5.0 instead of FIX.
    #[arg(long, conflicts_with = "in_process")]
    ouch: bool,
    /// Into the running venue that this file configures, over all its sessions of FIX, or with --ouch of OUCH.
    #[arg(long, value_name = "FILE", conflicts_with = "connect")]
    config: Option<PathBuf>,
    /// Into the running venue whose FIX port this is, or with --ouch its OUCH port.
    #[arg(long, value_name = "HOST:PORT", requires_all = ["feed", "sender"])]
    connect: Option<SocketAddr>,
    /// ITCH over SoupBinTCP of that venue.
    #[arg(long, value_name = "HOST:PORT")]
    feed: Option<SocketAddr>,
    /// CompID of a session there, or with --ouch its user name; give several to spread the orders.
    #[arg(long, value_name = "COMPID")]
    sender: Vec<String>,
    /// With --ouch and --connect: the password of these sessions is in this variable of the environment.
    #[arg(long, value_name = "NAME", requires_all = ["ouch", "connect"])]
    password_env: Option<String>,
    /// CompID of that venue.
    #[arg(long, value_name = "COMPID", default_value = own_venue::COMP_ID)]
    target: String,
    /// Instrument of the running venue: price decimals 4 at most, lots of 1, an empty book. [default:
    /// the first of --config]
    #[arg(long)]
    symbol: Option<String>,
    /// What must be true before the venue of its own says anything.
    #[arg(long, value_enum, default_value = "memory")]
    durability: DurabilityArg,
    /// Commands a second at most. [default: as fast as the answers come]
    #[arg(long, value_name = "N")]
    rate: Option<u32>,
    /// At the times that the commands have, so many times as fast: 1 to 1000.
    #[arg(long, value_name = "TIMES", conflicts_with_all = ["rate", "in_process"],
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    speed: Option<u32>,
    /// Only the first N commands.
    #[arg(long, value_name = "N")]
    commands: Option<usize>,
    /// End with one JSON object.
    #[arg(long)]
    json: bool,
}

/// See [`Durability`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DurabilityArg {
    /// In the live log: survives the process.
    Memory,
    /// Synced to disk: survives the machine.
    Disk,
}

impl From<DurabilityArg> for Durability {
    fn from(arg: DurabilityArg) -> Durability {
        match arg {
            DurabilityArg::Memory => Durability::Memory,
            DurabilityArg::Disk => Durability::Disk,
        }
    }
}

/// A play.
#[derive(Clone, Debug)]
pub struct Options {
    /// What to play.
    pub flow: Flow,
    /// Where.
    pub place: Place,
    /// Commands a second at most; not in process.
    pub rate: Option<u32>,
    /// So many times as fast as it was recorded at most; not in process.
    pub speed: Option<u32>,
    /// Whether a progress bar is shown if stderr is a terminal.
    pub progress: bool,
}

/// Where a flow is played.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // There is one of it.
pub enum Place {
    /// Into the matcher alone.
    InProcess,
    /// Into a venue of our own, in temporary folders, that is stopped and replayed at the end.
    Own {
        /// Of its journal.
        durability: Durability,
        /// Over OUCH instead of FIX.
        ouch: bool,
    },
    /// Into a running venue. Its book of the instrument must be empty.
    Running(Target),
}

/// What came of a play.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Whether all that was expected was checked, and all of it holds.
    pub holds: bool,
    /// Trades, rows, reports. In process only the verdict and the time are filled in.
    pub played: Played,
    /// The replay of our own venue's journal.
    pub replayed: Option<Replayed>,
}

/// Why a play came to no end.
#[derive(Debug)]
pub enum PlayError {
    /// The flow contradicts itself.
    Plan(PlanError),
    /// The FIX sessions.
    Fix(FixError),
    /// The OUCH sessions.
    Ouch(OuchError),
    /// The feed.
    Feed(ItchError),
    /// Our own venue did not start, failed, or its journal does not replay.
    Venue(String),
    /// The venue is there but does not answer.
    NoAnswer {
        /// Requests without an answer.
        waiting: usize,
    },
    /// What was said is not said again.
    NotAgain {
        /// To so many sessions.
        sessions: usize,
    },
    /// Its caller did not want it to go on.
    Interrupted,
    /// The order that marks the end in the feed was not accepted.
    NoMarker,
    /// The feed does not come to the order that marks the end.
    FeedEnds {
        /// Its reference.
        marker: u64,
    },
}

impl fmt::Display for PlayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlayError::Plan(error) => error.fmt(f),
            PlayError::Fix(error) => error.fmt(f),
            PlayError::Ouch(error) => error.fmt(f),
            PlayError::Feed(error) => error.fmt(f),
            PlayError::Venue(why) => f.write_str(why),
            PlayError::NoAnswer { waiting } => {
                write!(f, "the venue leaves {waiting} requests open")
            }
            PlayError::NotAgain { sessions } => {
                write!(f, "the venue does not say again what it said to {sessions} sessions")
            }
            PlayError::Interrupted => f.write_str("interrupted"),
            PlayError::NoMarker => f.write_str("the order that marks the end was not accepted"),
            PlayError::FeedEnds { marker } => {
                write!(f, "the feed does not come to order {marker}, which marks the end")
            }
        }
    }
}

impl std::error::Error for PlayError {}

/// Plays.
///
/// # Errors
///
/// If it came to no end. What is wrong in the results is in the [`Outcome`].
pub fn run(options: &Options) -> Result<Outcome, PlayError> {
    run_with(options, &mut |_| true)
}

/// Plays; `on_command` is told the number of each command before it is sent and says whether to go on
/// (not in process).
///
/// # Errors
///
/// As [`run`].
pub fn run_with(
    options: &Options,
    on_command: &mut dyn FnMut(usize) -> bool,
) -> Result<Outcome, PlayError> {
    let flow = &options.flow;
    let bar = bar(flow.commands.len(), options.progress);
    let Options { rate, speed, .. } = *options;
    let pace = driver::Pace { rate, speed, on_command, bar: &bar };
    let (played, replayed) = match &options.place {
        Place::InProcess => {
            let began = Instant::now();
            let verdict = in_process::play(flow, SESSIONS)?;
            (Played { verdict, elapsed: began.elapsed(), ..Played::default() }, None)
        }
        Place::Running(target) => (driver::play(flow, target, pace)?, None),
        Place::Own { durability, ouch } => {
            let failed = |failure: Failure| PlayError::Venue(failure.to_string());
            let own = start_own(*durability, *ouch).map_err(failed)?;
            let played = driver::play(flow, &own_target(&own), pace)?;
            (played, Some(own.stop_and_replay().map_err(failed)?))
        }
    };
    bar.finish_and_clear();
    Ok(Outcome { holds: played.verdict.holds(flow), played, replayed })
}

fn comp_ids() -> Vec<String> {
    (1..=SESSIONS).map(|index| format!("PLAY{index}")).collect()
}

fn start_own(durability: Durability, ouch: bool) -> Result<OwnVenue, Failure> {
    let (what, sessions) = ("play", comp_ids());
    let (fix, ouch): (&[String], &[String]) =
        if ouch { (&[], &sessions) } else { (&sessions, &[]) };
    let instruments = [match ouch {
        [] => own_venue::flow_instrument(),
        _ => own_venue::flow_instrument_of_ouch(),
    }];
    OwnVenue::start(&Setting {
        what,
        durability,
        sessions: fix,
        ouch,
        multicast: None,
        instruments: &instruments,
    })
}

fn own_target(own: &OwnVenue) -> Target {
    let entry = match own.ouch_addr() {
        None => Entry::Fix {
            target: FixTarget {
                address: own.fix_addr(),
                comp_id: own_venue::COMP_ID.into(),
                reset: false,
                patience: PATIENCE,
            },
            logins: comp_ids().into_iter().map(Login::plain).collect(),
            prefix: String::new(),
        },
        Some(address) => Entry::Ouch {
            target: OuchTarget { address, patience: PATIENCE },
            logins: comp_ids().iter().map(|comp_id| own_venue::ouch_login(comp_id)).collect(),
        },
    };
    Target {
        entry,
        soup: own.soup_addr(),
        soup_login: (String::new(), String::new()),
        symbol: FLOW_SYMBOL.into(),
    }
}

fn bar(commands: usize, progress: bool) -> ProgressBar {
    if !progress {
        return ProgressBar::hidden();
    }
    let target = ProgressDrawTarget::stderr_with_hz(10);
    let bar = ProgressBar::with_draw_target(Some(commands as u64), target);
    if let Ok(style) =
        ProgressStyle::with_template("{bar:40} {pos}/{len} commands, {per_sec} {eta}")
    {
        bar.set_style(style);
    }
    bar
}

/// Runs the command.
///
/// # Errors
///
/// If the flow cannot be read, the play came to no end, or something of it is wrong.
pub fn command(args: &PlayArgs) -> Result<(), Failure> {
    let flow = Flow::read(&args.dir).map_err(Failure::usage)?;
    let flow = match args.commands {
        Some(commands) => flow.cut(commands),
        None => flow,
    };
    let PlayArgs { rate, speed, .. } = *args;
    let options = Options { flow, place: place(args)?, rate, speed, progress: true };
    let interrupt = Interrupt::catch().map_err(Failure::failed)?;
    let outcome =
        run_with(&options, &mut |_| !interrupt.is_set()).map_err(|error| match error {
            PlayError::Plan(_) => Failure::usage(error),
            error => Failure::failed(error),
        })?;
    tell(&outcome, &options.flow);
    if args.json {
        output::json(&to_json(&outcome, args.in_process));
    }
    match (&outcome.played.verdict.first_wrong, outcome.holds) {
        (_, true) => Ok(()),
        (Some(wrong), false) => Err(Failure::failed(wrong)),
        (None, false) => Err(Failure::failed("not everything was checked")),
    }
}

fn place(args: &PlayArgs) -> Result<Place, Failure> {
    if args.in_process {
        return Ok(Place::InProcess);
    }
    if let (Some(address), Some(soup)) = (args.connect, args.feed) {
        let symbol = args.symbol.clone();
        let entry = if args.ouch {
            let password = args.password_env.as_ref().map(std::env::var).transpose();
            let password =
                password.map_err(|error| Failure::usage(format!("--password-env: {error}")))?;
            let login =
                |username: &String| ouch_login(username, password.clone().unwrap_or_default());
            ouch_entry(address, args.sender.iter().map(login).collect())
        } else {
            fix_entry(address, &args.target, args.sender.iter().map(Login::plain).collect())
        };
        return Ok(Place::Running(Target {
            entry,
            soup,
            soup_login: (String::new(), String::new()),
            symbol: symbol.ok_or_else(|| Failure::usage("--connect needs --symbol"))?,
        }));
    }
    let Some(file) = &args.config else {
        return Ok(Place::Own { durability: args.durability.into(), ouch: args.ouch });
    };
    let config = Config::load(file).map_err(Failure::usage)?;
    let unfit = |what: &str| Failure::usage(format!("{}: {what}", file.display()));
    let first = config.instruments.first().map(|it| it.symbol.as_str().to_owned());
    let soup =
        config.soup.as_ref().ok_or_else(|| unfit("has no [itch.soup] to read the book from"))?;
    let ours = |session: &&SessionConfig| session.ouch_firm.is_some() == args.ouch;
    let sessions = config.sessions.iter().filter(ours);
    if sessions.clone().next().is_none() {
        return Err(unfit(if args.ouch { "has no sessions of OUCH" } else { "has no sessions" }));
    }
    // Username and password, as far as a session has them.
    let credentials = |session: &SessionConfig| {
        let known = &session.credentials;
        let password = known.password.as_ref().map(|password| password.plain().map(str::to_owned));
        if known.hmac_key.is_some() || password == Some(None) {
            let comp_id = &session.comp_id;
            let what = format!("cannot log on as {comp_id}: its secret is not in the file");
            return Err(unfit(&what));
        }
        Ok((known.username.clone(), password.flatten()))
    };
    let entry = if args.ouch {
        let login = |session: &SessionConfig| {
            let (username, password) = credentials(session)?;
            Ok(ouch_login(&username.unwrap_or_default(), password.unwrap_or_default()))
        };
        let ouch = config.ouch.as_ref().ok_or_else(|| unfit("has no [ouch]"))?;
        ouch_entry(ouch.listen, sessions.map(login).collect::<Result<_, Failure>>()?)
    } else {
        let login = |session: &SessionConfig| {
            let (username, password) = credentials(session)?;
            Ok(Login { username, password, ..Login::plain(&session.comp_id) })
        };
        let logins = sessions.map(login).collect::<Result<_, Failure>>()?;
        fix_entry(config.fix.listen, &config.name, logins)
    };
    Ok(Place::Running(Target {
        entry,
        soup: soup.listen,
        soup_login: (soup.username.clone(), soup.password.clone()),
        symbol: args.symbol.clone().or(first).ok_or_else(|| unfit("has no instruments"))?,
    }))
}

fn fix_entry(address: SocketAddr, comp_id: &str, logins: Vec<Login>) -> Entry {
    let comp_id = comp_id.into();
    Entry::Fix {
        target: FixTarget { address, comp_id, reset: true, patience: PATIENCE },
        logins,
        // A name that no earlier play into the same venue has used.
        prefix: format!("{:x}-", venue::clock::now().0 / 1_000_000),
    }
}

fn ouch_entry(address: SocketAddr, logins: Vec<OuchLogin>) -> Entry {
    Entry::Ouch { target: OuchTarget { address, patience: PATIENCE }, logins }
}

/// A login that wants only what is new.
fn ouch_login(username: &str, password: String) -> OuchLogin {
    OuchLogin { username: username.into(), password, next_sequence: 0 }
}

fn tell(outcome: &Outcome, flow: &Flow) {
    let Played { verdict, reports, reconnects, elapsed, .. } = &outcome.played;
    let Verdict { commands, trades, trades_wrong, rows, rows_wrong, .. } = verdict;
    say!("{} commands in {:.2} s", text::count(*commands), elapsed.as_secs_f64());
    say!("{} of {} trades checked, {trades_wrong} wrong", text::count(*trades), flow.fills.len());
    say!("{} of {} book rows checked, {rows_wrong} wrong", text::count(*rows), flow.rows.len());
    if *reports > 0 {
        say!(
            "{} execution reports, {} missing; {} messages said again, {} renumbered; {reconnects} reconnects",
            text::count(*reports),
            outcome.played.reports_missing,
            text::count(outcome.played.reports_repeated),
            outcome.played.reports_renumbered
        );
    }
    if let Some(replayed) = &outcome.replayed {
        say!("journal replayed: {} events, all as written", text::count(replayed.events));
    }
}

fn to_json(outcome: &Outcome, in_process: bool) -> Value {
    let Played { verdict, elapsed, .. } = &outcome.played;
    let mut value = json!({
        "ok": outcome.holds,
        "in_process": in_process,
        "commands": verdict.commands,
        "trades_checked": verdict.trades,
        "trades_wrong": verdict.trades_wrong,
        "rows_checked": verdict.rows,
        "rows_wrong": verdict.rows_wrong,
        "first_wrong": verdict.first_wrong,
        "elapsed_ms": u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
    });
    if !in_process {
        let played = &outcome.played;
        value["reports"] = played.reports.into();
        value["reports_missing"] = played.reports_missing.into();
        value["reports_repeated"] = played.reports_repeated.into();
        value["reports_renumbered"] = played.reports_renumbered.into();
        value["reconnects"] = played.reconnects.into();
        value["replayed"] = outcome.replayed.as_ref().map(|it| it.commands).into();
    }
    value
}
