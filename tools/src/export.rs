//! `vesta export`: a journal, or a part of it, in the formats of others.

#[cfg(feature = "dbn")]
mod dbn;
mod itch;
pub(crate) mod packets;
#[cfg(feature = "parquet")]
mod parquet;
pub(crate) mod sessions;
mod soup;
mod table;

use std::io::BufWriter;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::failure::Failure;
use crate::filter::FilterArgs;
use crate::journal_reader::{JournalArgs, progress};
use crate::select::{Select, Turns};
use crate::unfinished::{NamedFile, Unfinished};
use crate::{output, say, text};

use sessions::{Packets, Sessions};
use table::{Style, Table};

/// Writes a journal as CSV, JSON lines, Parquet, a capture of its sessions, market by order, or the
/// messages of its feed.
///
/// `csv` and `jsonl` have a record a line, with FIX's names. `pcap` has every message of the gateway byte
/// for byte, and what came in put together again from what the journal keeps; the TCP around them is made
/// up, with right numbers and checksums. Sessions of FIX are on port 5001, those of OUCH on port 5020. `itch` is a BinaryFILE: each message of ITCH 5.0 after its length in
/// two bytes; with --from it begins with the instruments and orders that stand then.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  vesta export journal --format csv --kind traded --out trades.csv\n  \
                        vesta export journal --format pcap --session CLIENT1 --out client1.pcap\n  \
                        vesta export journal --itch --from 2026-01-02T00:00:00Z --out friday.itch"
)]
pub struct ExportArgs {
    #[command(flatten)]
    journal: JournalArgs,
    /// What to write.
    #[arg(long, value_enum, required_unless_present = "itch")]
    format: Option<Format>,
    /// The same as --format itch.
    #[arg(long, conflicts_with = "format")]
    itch: bool,
    /// The file; it must not be there yet.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Our CompID in a capture: the `name` of the venue, which the journal does not hold.
    #[arg(long, value_name = "COMPID", default_value = "VESTA")]
    name: String,
    #[command(flatten)]
    filter: FilterArgs,
    /// End with one JSON object.
    #[arg(long)]
    json: bool,
}

/// The formats there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A record a line, all columns.
    Csv,
    /// A JSON object a line.
    Jsonl,
    /// The FIX sessions as packets.
    Pcap,
    /// Apache Parquet: the columns of the CSV with their types (feature `parquet`).
    Parquet,
    /// Databento's market by order (feature `dbn`).
    Dbn,
    /// The messages of the feed, ITCH 5.0, as a BinaryFILE.
    Itch,
}

/// Runs the command.
///
/// # Errors
///
/// If the journal cannot be read to its end, or the file not be written.
pub fn run(args: &ExportArgs) -> Result<(), Failure> {
    let format = args.format.filter(|_| !args.itch).unwrap_or(Format::Itch);
    is_built(format)?;
    if format == Format::Itch && !args.filter.is_range() {
        return Err(Failure::usage("a BinaryFILE has the whole market: only --from and --to"));
    }
    let mut select = Select::new(args.filter.filter()?);
    let mut reader = args.journal.open()?;
    let inputs = args.journal.open()?;
    if matches!(format, Format::Pcap | Format::Dbn | Format::Itch) {
        // What works and what it is called is of before.
        args.journal.open_to_replay()?;
    }
    JournalArgs::tell_beginning(&reader);
    args.filter.tell_day(&args.journal);
    select.names = args.journal.names(&reader);
    let (unfinished, file) = Unfinished::make(&args.out, NamedFile::create)?;
    let out = BufWriter::with_capacity(1 << 16, file);
    let bar = progress(reader.bytes_total());
    let mut read =
        |turns: &mut dyn Turns| select.read(&mut reader, turns, |at| bar.set_position(at));
    let mut more = json!({});
    let (word, count) = match format {
        Format::Csv | Format::Jsonl => {
            let style = if format == Format::Csv { Style::Csv } else { Style::Json };
            let mut table = Table::new(out, style)?;
            read(&mut table)?;
            let records = table.records;
            table.end()?;
            ("records", records)
        }
        Format::Pcap => {
            let mut sessions = Sessions::new(Packets::new(out)?, inputs, &args.name);
            read(&mut sessions)?;
            let (packets, (ours, theirs)) = (sessions.sink.packets(), sessions.messages);
            sessions.sink.end()?;
            say!("{} messages of ours, {} of clients", text::count(ours), text::count(theirs));
            more = json!({ "messages": ours, "client_messages": theirs });
            ("packets", packets)
        }
        Format::Itch => {
            let mut file = itch::BinaryFile::new(out);
            read(&mut file)?;
            let (count, stood) = (file.count, file.stood);
            file.end()?;
            more = json!({ "stood_before": stood });
            ("messages", count)
        }
        #[cfg(feature = "parquet")]
        Format::Parquet => {
            let mut table = parquet::Parquet::new(out)?;
            read(&mut table)?;
            let records = table.records;
            table.end()?;
            ("records", records)
        }
        #[cfg(feature = "dbn")]
        Format::Dbn => {
            let mut books = dbn::Mbo::new(out, &args.journal)?;
            read(&mut books)?;
            let records = books.records;
            books.end()?;
            ("records", records)
        }
        #[cfg(not(all(feature = "parquet", feature = "dbn")))]
        #[allow(unreachable_patterns)] // One of them may be built.
        Format::Parquet | Format::Dbn => return is_built(format),
    };
    bar.finish_and_clear();
    select.filter.end(&select.names)?;
    unfinished.finish()?;
    say!("{} {word} in {}", text::count(count), args.out.display());
    if args.json {
        more[word] = count.into();
        more["file"] = args.out.display().to_string().into();
        output::json(&more);
    }
    Ok(())
}

/// Whether this build writes the format; two of them bring so many crates that a build without is the
/// usual one.
fn is_built(format: Format) -> Result<(), Failure> {
    let feature = match format {
        Format::Parquet if !cfg!(feature = "parquet") => "parquet",
        Format::Dbn if !cfg!(feature = "dbn") => "dbn",
        _ => return Ok(()),
    };
    Err(Failure::usage(format!(
        "this build does not write {feature}: cargo build --release -p tools --features {feature}"
    )))
}
