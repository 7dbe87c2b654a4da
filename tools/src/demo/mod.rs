//! `vesta demo`: a whole venue with simulated traders, to look at.

mod market;
mod recorded;
mod subscriber;
mod tape;

use std::io::{IsTerminal, stdout};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use venue::Durability;

use self::market::{MAKERS, Market, TAKERS};
use self::recorded::Recorded;
use self::subscriber::Subscriber;
use self::tape::Tape;
use crate::failure::Failure;
use crate::fix_conn::{FixSet, FixTarget, Heard, Login};
use crate::interrupt::Interrupt;
use crate::ouch_set::{OuchSaid, OuchSet, OuchTarget};
use crate::own_venue::{self, COMP_ID, OwnVenue, Setting};
use crate::play::PATIENCE;
use crate::replay::Replayed;
use crate::{output, say, text};

/// Longest sleep of the loop: what the feed says is seen within this.
const LOOK: Duration = Duration::from_millis(10);

/// How long a multicast that is there may say nothing: its heartbeat comes every second.
const SILENCE: Duration = Duration::from_secs(3);

/// Between two pictures on a terminal, and between two lines elsewhere.
const PICTURE: Duration = Duration::from_millis(200);
const LINE: Duration = Duration::from_secs(1);

/// Starts a venue with makers that quote over OUCH and takers that trade over FIX, and shows what its feed says.
///
/// The feed is heard as anybody would hear it: from the multicast, on the loopback; from SoupBinTCP where that cannot be.
/// Everything is temporary: nothing stays behind, also after Ctrl-C. At the end the journal is replayed.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  vesta demo --for 10s --json\n  vesta demo --market amzn --speed 100"
)]
pub struct DemoArgs {
    /// For how long. [default: until Ctrl-C]
    #[arg(long = "for", value_name = "TIME", value_parser = text::parse_duration)]
    time: Option<Duration>,
    /// Requests a second, all traders together.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    rate: u32,
    /// A recorded day instead of simulated traders: a folder that `vesta import` made.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["rate", "seed"])]
    market: Option<PathBuf>,
    /// So many times as fast as the day was: 1 to 1000.
    #[arg(long, value_name = "TIMES", default_value_t = 1, requires = "market",
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    speed: u32,
    /// Seed of what the traders do.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// End with one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
///
/// If the venue does not start or fails, the feed cannot be true, or the journal does not replay.
pub fn run(args: &DemoArgs) -> Result<(), Failure> {
    let interrupt = Interrupt::catch().map_err(Failure::failed)?;
    let recorded = args.market.as_ref().map(|dir| Recorded::read(dir, args.speed));
    let mut recorded = recorded.transpose()?;
    let mut market = if recorded.is_some() { Market::recorded() } else { Market::new(args.seed) };
    let instruments: Vec<_> = market.listings.iter().map(|listing| listing.instrument).collect();
    let takers = TAKERS.map(String::from);
    // Who does what was recorded speaks FIX.
    let makers = if recorded.is_some() { Vec::new() } else { MAKERS.map(String::from).to_vec() };
    let group = subscriber::group();
    let own = OwnVenue::start(&Setting {
        what: "demo",
        durability: Durability::Memory,
        sessions: &takers,
        ouch: &makers,
        multicast: group,
        instruments: &instruments,
    })?;
    let ouch = own.ouch_addr().map_or_else(String::new, |address| format!("OUCH on {address}, "));
    let mold = match group {
        Some(group) => format!("MoldUDP64 to {group}"),
        None => "no multicast on the loopback".into(),
    };
    say!(
        "FIX on {}, {ouch}ITCH on {} and {mold}, journal in {}",
        own.fix_addr(),
        own.soup_addr(),
        own.journal_dir().display()
    );
    let mut desk = Desk::open(&own, &makers, &mut market)?;
    let mut feed = Subscriber::open(&own, group)?;
    let mut tape = Tape::new(instruments);
    let mut screen = Screen::new(tape.instruments());
    // A venue that stops at once would not have heard of us.
    let until = Instant::now() + SILENCE;
    while tape.messages == 0 && !interrupt.is_set() && !own.has_failed() {
        desk.look(&mut feed, &mut market, &mut tape, LOOK)?;
        if Instant::now() >= until && feed.is_multicast() {
            say!("nothing is heard from the multicast: the feed is read over SoupBinTCP");
            feed = Subscriber::open(&own, None)?;
        }
    }
    let began = Instant::now();
    let gap = Duration::from_secs(1) / args.rate;
    let mut due = began;
    while !interrupt.is_set() && args.time.is_none_or(|time| began.elapsed() < time) {
        let now = Instant::now();
        let wait = match &mut recorded {
            Some(recorded) => recorded.play(&mut market, &mut desk.takers, began.elapsed()),
            None => {
                while due <= now {
                    if let Some(makers) = &mut desk.makers {
                        market.step(&mut desk.takers, makers);
                    }
                    due += gap;
                }
                due - now
            }
        };
        desk.look(&mut feed, &mut market, &mut tape, LOOK.min(wait))?;
        if own.has_failed() || recorded.as_ref().is_some_and(Recorded::is_over) {
            break;
        }
        screen.show(&market, &tape, began.elapsed());
    }
    let elapsed = began.elapsed();
    // What is under way still comes.
    let until = Instant::now() + Duration::from_secs(2);
    while market.open() > 0 && Instant::now() < until && !own.has_failed() {
        desk.look(&mut feed, &mut market, &mut tape, LOOK)?;
    }
    screen.end();
    desk.leave();
    let replayed = own.stop_and_replay().inspect_err(|why| {
        if args.json {
            output::json(&json!({ "ok": false, "replay_ok": false, "why": why.to_string() }));
        }
    })?;
    feed.end(&mut tape);
    tell(args, &market, (&tape, feed.name()), &replayed, elapsed)
}

/// Where the traders sit: the sessions of both protocols, which wait for the venue in one place.
struct Desk {
    takers: FixSet,
    makers: Option<OuchSet>,
}

impl Desk {
    fn open(own: &OwnVenue, makers: &[String], market: &mut Market) -> Result<Desk, Failure> {
        let (comp_id, address) = (COMP_ID.into(), own.fix_addr());
        let target = FixTarget { address, comp_id, reset: false, patience: PATIENCE };
        let logins = TAKERS.map(Login::plain);
        let takers = FixSet::connect(target, &logins).map_err(Failure::failed)?;
        let Some(address) = own.ouch_addr() else { return Ok(Desk { takers, makers: None }) };
        let beside = (takers.registry().map_err(Failure::failed)?, takers.sessions());
        let target = OuchTarget { address, patience: PATIENCE };
        let logins: Vec<_> = makers.iter().map(|it| own_venue::ouch_login(it)).collect();
        let mut said = |session: usize, said: OuchSaid<'_>| market.said(session, said);
        let makers = OuchSet::connect_beside(beside, target, &logins, &mut said);
        Ok(Desk { takers, makers: Some(makers.map_err(Failure::failed)?) })
    }

    /// Sends, hears, and reads the feed.
    fn look(
        &mut self,
        feed: &mut Subscriber,
        market: &mut Market,
        tape: &mut Tape,
        timeout: Duration,
    ) -> Result<(), Failure> {
        if let Some(makers) = &mut self.makers {
            makers.flush().map_err(Failure::failed)?;
        }
        let mut heard = |_: usize, heard: Heard<'_>| match heard {
            Heard::Application(message) => market.heard(&message),
            Heard::Repeated(_) | Heard::Rejected(_) => {}
        };
        self.takers.poll(Some(timeout), &mut heard).map_err(Failure::failed)?;
        if let Some(makers) = &mut self.makers {
            let mut said = |session: usize, said: OuchSaid<'_>| market.said(session, said);
            makers.poll(None, &mut said).map_err(Failure::failed)?;
        }
        feed.poll(tape)
    }

    fn leave(&mut self) {
        self.takers.logout(Duration::from_secs(2), &mut |_, _| {});
        if let Some(makers) = &mut self.makers {
            makers.log_out(Duration::from_secs(2));
        }
    }
}

fn tell(
    args: &DemoArgs,
    market: &Market,
    (tape, feed): (&Tape, &str),
    replayed: &Replayed,
    elapsed: Duration,
) -> Result<(), Failure> {
    let percentile = |percentile| market.latency.value_at_percentile(percentile);
    let (p50, p99) = (percentile(50.0), percentile(99.0));
    let (orders, reports) = (text::count(market.orders), text::count(market.reports));
    say!(
        "{} trades, {orders} requests, {reports} reports in {:.1} s",
        text::count(tape.trades),
        elapsed.as_secs_f64()
    );
    say!("request to first report: p50 {} µs, p99 {} µs", text::us(p50), text::us(p99));
    say!(
        "journal replayed: {} commands, {} events, all as written",
        text::count(replayed.commands),
        text::count(replayed.events)
    );
    let why = match (&tape.wrong, market.open(), tape.trades) {
        (Some(wrong), ..) => Some(format!("the feed cannot be true: {wrong:?}")),
        (None, open, _) if open > 0 => Some(format!("{open} requests have no answer")),
        (None, _, 0) => Some("nothing traded in this time".into()),
        _ => None,
    };
    if args.json {
        output::json(&json!({
            "ok": why.is_none(),
            "trades": tape.trades,
            "orders": market.orders,
            "reports": market.reports,
            "feed": feed,
            "feed_messages": tape.messages,
            "elapsed_ms": u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            "p50_us": p50 as f64 / 1_000.0,
            "p99_us": p99 as f64 / 1_000.0,
            "replay_ok": true,
            "replayed": replayed.commands,
        }));
    }
    why.map_or(Ok(()), |why| Err(Failure::Failed(why)))
}

/// The live view: a block of lines on a terminal, a line now and then elsewhere.
struct Screen {
    lines: Option<(MultiProgress, Vec<ProgressBar>)>,
    shown: Duration,
    seen: (u64, u64),
    next: usize,
}

impl Screen {
    fn new(instruments: usize) -> Screen {
        let lines = stdout().is_terminal().then(|| {
            let block = MultiProgress::with_draw_target(ProgressDrawTarget::stdout_with_hz(10));
            let style = ProgressStyle::with_template("{msg}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner());
            let lines = (0..=instruments)
                .map(|_| block.add(ProgressBar::new_spinner().with_style(style.clone())))
                .collect();
            (block, lines)
        });
        Screen { lines, shown: Duration::ZERO, seen: (0, 0), next: 0 }
    }

    fn show(&mut self, market: &Market, tape: &Tape, at: Duration) {
        let since = at - self.shown;
        let pause = if self.lines.is_some() { PICTURE } else { LINE };
        if since < pause {
            return;
        }
        let rate = |now: u64, before: u64| (now - before) as f64 / since.as_secs_f64();
        let percentile = |at| text::us(market.latency.value_at_percentile(at));
        let status = format!(
            "{:>5.1} s  {} trades  {:.0} requests/s  {:.0} reports/s  p50 {} µs  p99 {} µs",
            at.as_secs_f64(),
            text::count(tape.trades),
            rate(market.orders, self.seen.0),
            rate(market.reports, self.seen.1),
            percentile(50.0),
            percentile(99.0)
        );
        if let Some((_, lines)) = &self.lines {
            for (index, line) in lines.iter().take(tape.instruments()).enumerate() {
                line.set_message(tape.line(index));
            }
            if let Some(last) = lines.last() {
                last.set_message(status);
            }
        } else {
            say!("{status}  {}", tape.line(self.next % tape.instruments()));
            self.next += 1;
        }
        self.shown = at;
        self.seen = (market.orders, market.reports);
    }

    /// Leaves the last picture on the terminal.
    fn end(&self) {
        if let Some((_, lines)) = &self.lines {
            for line in lines {
                line.abandon();
            }
        }
    }
}
