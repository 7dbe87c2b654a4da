//! Message files of LOBSTER: a line an event, `time,type,order,size,price,direction`.
//!
//! Time in seconds since midnight with a fraction, price in 1/10,000, direction 1 buy, -1 sell (of the
//! order, not of who took it). Type 1 a new order, 2 less of one, 3 one is gone, 4 one traded, 5 a hidden
//! one traded, 6 an auction, 7 a halt.

use std::io::{BufRead, BufReader, Read};

use gateway::fix::decimal::parse_scaled;
use matcher::Side;

use super::flow::Recorder;

/// Reads a whole file.
pub(super) fn read(input: impl Read, recorder: &mut Recorder) -> Result<(), String> {
    for (number, line) in (1..).zip(BufReader::new(input).lines()) {
        let line = line.map_err(|error| error.to_string())?;
        if !line.trim().is_empty() {
            event(line.trim(), recorder).map_err(|what| format!("line {number}: {what}"))?;
        }
    }
    Ok(())
}

fn event(line: &str, recorder: &mut Recorder) -> Result<(), String> {
    let fields: Vec<&str> = line.split(',').collect();
    // Newer files name the market maker in a seventh field.
    let [time, kind, order, size, price, direction, ..] = fields[..] else {
        return Err(format!("has {} fields instead of 6", fields.len()));
    };
    let whole = |name: &str, text: &str| -> Result<i64, String> {
        text.trim().parse().map_err(|_| format!("{name} is {text:?}"))
    };
    let natural = |name: &str, text: &str| -> Result<u64, String> {
        text.trim().parse().map_err(|_| format!("{name} is {text:?}"))
    };
    let ts = nanoseconds(time.trim()).ok_or_else(|| format!("time is {time:?}"))?;
    let side = match direction.trim() {
        "1" => Side::Buy,
        "-1" => Side::Sell,
        other => return Err(format!("direction is {other:?}")),
    };
    match kind.trim() {
        "1" => {
            let (order, qty) = (natural("order", order)?, natural("size", size)?);
            recorder.add(ts, order, (side, whole("price", price)?, qty))
        }
        "2" => recorder.cancel(ts, natural("order", order)?, Some(natural("size", size)?)),
        "3" => recorder.cancel(ts, natural("order", order)?, None),
        "4" => recorder.execute(ts, natural("order", order)?, natural("size", size)?),
        "5" | "6" | "7" => {
            recorder.hidden();
            Ok(())
        }
        other => Err(format!("type is {other:?}")),
    }
}

/// Seconds with a fraction of any length; what is below a nanosecond is cut off.
fn nanoseconds(text: &str) -> Option<u64> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction = fraction.get(..fraction.len().min(9))?;
    let padded = format!("{seconds}.{fraction:0<9}");
    u64::try_from(parse_scaled(padded.as_bytes(), 9).ok()?).ok()
}
