//! `vesta watch`: the ladder of an instrument, from the multicast.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write, stdout};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use feed::message::TradingStatus;
use feed::{Message, MirrorLevel};
use matcher::{Instrument, Side};
use serde_json::{Value, json};
use venue::Config;

use crate::failure::Failure;
use crate::feed_client::{FeedClient, FeedTarget};
use crate::interrupt::Interrupt;
use crate::output::{self, unwritten};
use crate::say;
use crate::text::{Decimal, parse_duration};

/// How long a poll waits, so that Ctrl-C is heard.
const POLL: Duration = Duration::from_millis(50);

/// Shows the best levels of an instrument as they change.
///
/// It listens to the multicast of a venue (both lines, if there are two), begins with a snapshot by GLIMPSE, and asks
/// the request server for what was lost. On a terminal the ladder stays where it is and changes; elsewhere each change
/// of the best prices is a line. Ctrl-C ends it.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  vesta watch BTC-USD --config vesta.toml\n  \
                        vesta watch BTC-USD --line-a 239.192.0.1:5011 --line-b 239.192.0.2:5011 \\\n      \
                        --requests 127.0.0.1:5012 --glimpse 127.0.0.1:5013")]
pub struct WatchArgs {
    /// Which instrument.
    symbol: String,
    /// Take the addresses and decimals from the venue's configuration.
    #[arg(long, value_name = "FILE", required_unless_present = "line_a")]
    config: Option<PathBuf>,
    /// Multicast group and port of line A.
    #[arg(long, value_name = "GROUP:PORT", conflicts_with = "config")]
    line_a: Option<SocketAddrV4>,
    /// Multicast group and port of line B.
    #[arg(long, value_name = "GROUP:PORT", conflicts_with = "config")]
    line_b: Option<SocketAddrV4>,
    /// The request server.
    #[arg(long, value_name = "ADDR", conflicts_with = "config")]
    requests: Option<SocketAddr>,
    /// GLIMPSE.
    #[arg(long, value_name = "ADDR", conflicts_with = "config")]
    glimpse: Option<SocketAddr>,
    /// Address of the interface to listen on; without it that of the configuration, or 127.0.0.1.
    #[arg(long, value_name = "ADDR")]
    interface: Option<Ipv4Addr>,
    /// Levels of each side.
    #[arg(long, value_name = "N", default_value_t = 10)]
    levels: usize,
    /// Longest pace of changes.
    #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = parse_duration)]
    every: Duration,
    /// Show the ladder once and end.
    #[arg(long)]
    once: bool,
    /// End with one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
///
/// If there is no multicast to listen to, or the session has no such instrument.
pub fn run(args: &WatchArgs) -> Result<(), Failure> {
    let (target, instrument) = target(args)?;
    let interrupt = Interrupt::catch().map_err(Failure::failed)?;
    let mut client = FeedClient::new(target).map_err(Failure::failed)?;
    let decimals = Decimals::of(instrument.as_ref());
    let mut screen = Screen::new(stdout().is_terminal() && !args.once);
    let mut ladder = Ladder::new(args, decimals);
    let mut next = Instant::now();
    while !interrupt.is_set() && !client.receiver().is_complete() {
        let polled = client.poll(POLL, &mut |_, message| ladder.heard(message));
        polled.map_err(Failure::failed)?;
        if !client.receiver().is_current() || Instant::now() < next {
            continue;
        }
        next = Instant::now() + args.every;
        if ladder.look(&client)? && !args.once {
            ladder.show(&mut screen)?;
        }
        if args.once {
            break;
        }
    }
    screen.end()?;
    if args.once {
        ladder.lines().iter().for_each(|line| say!("{line}"));
    }
    if args.json {
        let stats = client.receiver().stats();
        let mut value = ladder.json();
        value["next"] = client.receiver().next().into();
        value["messages"] = stats.messages.into();
        value["requests"] = stats.requests.into();
        value["snapshots"] = stats.snapshots.into();
        output::json(&value);
    }
    Ok(())
}

fn target(args: &WatchArgs) -> Result<(FeedTarget, Option<Instrument>), Failure> {
    let Some(file) = &args.config else {
        let Some(line_a) = args.line_a else { return Err(Failure::usage("no line A")) };
        let target = FeedTarget {
            line_a,
            line_b: args.line_b,
            interface: args.interface.unwrap_or(Ipv4Addr::LOCALHOST),
            requests: args.requests,
            glimpse: args.glimpse,
            login: (String::new(), String::new()),
        };
        return Ok((target, None));
    };
    let config = Config::read(file).map_err(Failure::usage)?;
    let is_it = |it: &Instrument| it.symbol.as_str() == args.symbol;
    let Some(at) = config.instruments.iter().position(is_it) else {
        return Err(Failure::usage(format!("{}: it has no {}", file.display(), args.symbol)));
    };
    let instrument = &config.instruments[at];
    // Each shard has a feed of its own.
    let shard = config.shard_of[at];
    let config = config.of_shard(shard.into());
    let Some(mold) = &config.mold else {
        let what = match shard {
            0 => "it has no [itch.mold]".into(),
            _ => format!("the [[shard]] of {}, {shard}, has no itch.mold", args.symbol),
        };
        return Err(Failure::usage(format!("{}: {what}", file.display())));
    };
    let login = config.glimpse.clone().map(|glimpse| (glimpse.username, glimpse.password));
    let target = FeedTarget {
        line_a: mold.line_a.group,
        line_b: mold.line_b.map(|line| line.group),
        interface: args.interface.unwrap_or(mold.line_a.interface),
        requests: mold.requests,
        glimpse: config.glimpse.as_ref().map(|glimpse| glimpse.listen),
        login: login.unwrap_or_default(),
    };
    Ok((target, Some(*instrument)))
}

/// How numbers of the feed are written.
#[derive(Clone, Copy)]
struct Decimals {
    /// Of a price on the feed.
    price: u8,
    qty: u8,
    lot_size: u32,
}

impl Decimals {
    /// Without the instrument: prices as they stand on the feed, and lots.
    fn of(instrument: Option<&Instrument>) -> Decimals {
        match instrument {
            None => Decimals { price: 4, qty: 0, lot_size: 1 },
            Some(it) => Decimals {
                price: it.price_decimals.max(4),
                qty: it.qty_decimals,
                lot_size: it.lot_size,
            },
        }
    }

    fn price(self, units: u32) -> Decimal {
        Decimal { mantissa: units.into(), decimals: self.price }
    }

    fn qty(self, lots: u64) -> Decimal {
        let mantissa = i128::from(lots) * i128::from(self.lot_size);
        Decimal { mantissa, decimals: self.qty }
    }
}

/// What is shown.
struct Ladder<'a> {
    args: &'a WatchArgs,
    decimals: Decimals,
    stock_locate: Option<u16>,
    /// Asks, best first, and bids, best first.
    levels: [Vec<MirrorLevel>; 2],
    status: Option<TradingStatus>,
    /// Shares and match number of the last trade that was heard.
    last: Option<(u32, u64)>,
    next: u64,
}

impl<'a> Ladder<'a> {
    fn new(args: &'a WatchArgs, decimals: Decimals) -> Ladder<'a> {
        let levels = [Vec::new(), Vec::new()];
        Ladder { args, decimals, stock_locate: None, levels, status: None, last: None, next: 0 }
    }

    fn heard(&mut self, message: &Message) {
        if let Message::OrderExecuted(executed) = message
            && Some(executed.header.stock_locate) == self.stock_locate
        {
            self.last = Some((executed.shares, executed.match_number));
        }
    }

    /// Looks at the books; says whether something is new.
    fn look(&mut self, client: &FeedClient) -> Result<bool, Failure> {
        let (mirror, symbol) = (client.receiver().mirror(), &self.args.symbol);
        if self.stock_locate.is_none() {
            self.stock_locate = mirror.stock_locate(symbol.as_bytes());
        }
        let Some(locate) = self.stock_locate else {
            return Err(Failure::failed(format!("the feed has no {symbol}")));
        };
        let side = |side| mirror.levels(locate, side).take(self.args.levels).collect();
        let levels = [side(Side::Sell), side(Side::Buy)];
        let status = mirror.status(locate);
        self.next = client.receiver().next();
        let is_new = levels != self.levels || status != self.status;
        (self.levels, self.status) = (levels, status);
        Ok(is_new)
    }

    /// As on a screen: the best levels of both sides meet in the middle.
    fn lines(&self) -> Vec<String> {
        let state = match self.status {
            Some(TradingStatus::Trading) => "",
            Some(TradingStatus::QuotationOnly) => "  call",
            Some(TradingStatus::Paused) => "  volatility auction",
            Some(TradingStatus::Halted) | None => "  halted",
        };
        let mut lines = vec![format!("{}  next message {}{state}", self.args.symbol, self.next)];
        let [asks, bids] = &self.levels;
        let line = |word, level: &MirrorLevel| {
            let (price, qty) = (self.decimals.price(level.price), self.decimals.qty(level.shares));
            format!("{word} {price:>16} {qty:>16} {:>6}", level.orders)
        };
        lines.extend(asks.iter().rev().map(|level| line("ask", level)));
        lines.push(match self.last {
            Some((shares, number)) => {
                format!("--- trade {number} of {}", self.decimals.qty(shares.into()))
            }
            None => "---".into(),
        });
        lines.extend(bids.iter().map(|level| line("bid", level)));
        lines
    }

    fn show(&self, screen: &mut Screen) -> Result<(), Failure> {
        if screen.is_terminal {
            return screen.draw(&self.lines());
        }
        let [asks, bids] = &self.levels;
        let best = |levels: &[MirrorLevel]| match levels.first() {
            Some(level) => {
                let price = self.decimals.price(level.price);
                format!("{} @ {price}", self.decimals.qty(level.shares))
            }
            None => "-".into(),
        };
        screen.line(&format!(
            "{} {} | {} ({})",
            self.args.symbol,
            best(bids),
            best(asks),
            self.next
        ))
    }

    fn json(&self) -> Value {
        let levels = |levels: &[MirrorLevel]| -> Vec<Value> {
            let level = |level: &MirrorLevel| {
                json!({
                    "price": self.decimals.price(level.price).to_string(),
                    "qty": self.decimals.qty(level.shares).to_string(),
                    "orders": level.orders,
                })
            };
            levels.iter().map(level).collect()
        };
        let [asks, bids] = &self.levels;
        json!({ "symbol": self.args.symbol, "asks": levels(asks), "bids": levels(bids) })
    }
}

/// Where it is shown: lines that stay in their place on a terminal, lines one after another elsewhere.
struct Screen {
    is_terminal: bool,
    drawn: usize,
}

impl Screen {
    fn new(is_terminal: bool) -> Screen {
        Screen { is_terminal, drawn: 0 }
    }

    fn draw(&mut self, lines: &[String]) -> Result<(), Failure> {
        let mut text = String::new();
        if self.drawn > 0 {
            // Up to the first line of what was drawn, and away with it.
            let _ = write!(text, "\x1b[{}F\x1b[J", self.drawn);
        } else {
            text.push_str("\x1b[?25l");
        }
        for line in lines {
            let _ = writeln!(text, "{line}");
        }
        self.drawn = lines.len();
        Screen::write(&text)
    }

    fn line(&mut self, line: &str) -> Result<(), Failure> {
        Screen::write(&format!("{line}\n"))
    }

    /// The cursor is there again.
    fn end(&mut self) -> Result<(), Failure> {
        if self.drawn > 0 { Screen::write("\x1b[?25h") } else { Ok(()) }
    }

    fn write(text: &str) -> Result<(), Failure> {
        let mut out = stdout();
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| unwritten(&error))
    }
}
