//! `vesta import`: a recorded day of an exchange as an order flow that `vesta play` replays.

mod flow;
mod itch;
mod lobster;

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use flate2::read::MultiGzDecoder;
use serde_json::json;

use crate::failure::Failure;
use crate::unfinished::Unfinished;
use crate::{output, say, text};

use flow::Recorder;

/// Turns a file of an exchange's records into a folder of order commands, with the trades and the top of
/// the book that they must give, for `vesta play`.
///
/// Orders of the exchange that are not in the file, hidden ones and auctions are left out. An execution
/// becomes an IOC order of the other side. A file may be compressed by gzip.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  vesta import --format lobster AMZN_2012-06-21_message_10.csv --out amzn\n  \
                        vesta import --format itch 01302020.NASDAQ_ITCH50.gz --symbol AAPL --out aapl\n  \
                        vesta play amzn --speed 100"
)]
pub struct ImportArgs {
    /// The file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What it is.
    #[arg(long, value_enum)]
    format: Format,
    /// Which stock of an ITCH file.
    #[arg(long, required_if_eq("format", "itch"))]
    symbol: Option<String>,
    /// Folder to make, with commands.csv, fills.csv and rows.csv.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// End with one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A message file of LOBSTER: time, type, order, size, price, direction.
    Lobster,
    /// Nasdaq TotalView-ITCH 5.0: each message behind its length in two bytes.
    Itch,
}

/// Runs the command.
///
/// # Errors
///
/// If the file is not of its format, or the folder cannot be made.
pub fn run(args: &ImportArgs) -> Result<(), Failure> {
    let input = open(&args.file)?;
    let (unfinished, ()) = Unfinished::make(&args.out, |dir| fs::create_dir(dir))?;
    let mut recorder = Recorder::create(unfinished.path())?;
    let read = match (args.format, &args.symbol) {
        (Format::Itch, Some(symbol)) => itch::read(input, symbol, &mut recorder),
        _ => lobster::read(input, &mut recorder),
    };
    read.map_err(|why| Failure::failed(format!("{}: {why}", args.file.display())))?;
    let done = recorder.end()?;
    unfinished.finish()?;
    say!(
        "{} commands, {} trades in {}: vesta play {}",
        text::count(done.commands),
        text::count(done.fills),
        args.out.display(),
        args.out.display()
    );
    for (count, what) in [
        (done.unknown, "records of orders that the file does not enter"),
        (done.hidden, "trades with hidden orders, and other records without an order"),
        (done.out_of_turn, "executions of an order that was not the first: taken off instead"),
        (done.crossing, "orders that would have traded with one that is there: left out"),
        (done.outside, "orders of a price or a quantity that `vesta play` has no room for"),
    ] {
        if count > 0 {
            say!("left out: {} {what}", text::count(count));
        }
    }
    if args.json {
        output::json(&json!({
            "commands": done.commands,
            "fills": done.fills,
            "unknown": done.unknown,
            "hidden": done.hidden,
            "out_of_turn": done.out_of_turn,
            "crossing": done.crossing,
            "outside": done.outside,
        }));
    }
    Ok(())
}

/// The bytes of a file, unpacked if it is packed.
fn open(path: &Path) -> Result<Box<dyn Read>, Failure> {
    let io = |error| Failure::usage(format!("cannot read {}: {error}", path.display()));
    let mut head = [0; 2];
    let is_gzip = match File::open(path).map_err(io)?.read_exact(&mut head) {
        Ok(()) => head == [0x1f, 0x8b],
        Err(_) => false,
    };
    let file = BufReader::with_capacity(1 << 18, File::open(path).map_err(io)?);
    Ok(if is_gzip { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) })
}
