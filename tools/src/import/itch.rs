//! Nasdaq TotalView-ITCH 5.0 as it is handed out in files: length (2 bytes, big endian), message.
//!
//! Only what changes the book of one stock is looked at; messages of other kinds, and fields behind those
//! that we know, are passed over.

use std::io::{ErrorKind, Read};

use matcher::Side;

use super::flow::Recorder;

/// Messages are at most so long; a longer one says that this is no such file.
const MESSAGE_BYTES_MAX: usize = 256;

const STOCK_BYTES: usize = 8;

/// Kinds of messages that are looked at.
const CHANGES: &[u8] = b"AFECXDUPQ";

/// Reads a whole file.
pub(super) fn read(
    mut input: impl Read,
    symbol: &str,
    recorder: &mut Recorder,
) -> Result<(), String> {
    let mut wanted = [b' '; STOCK_BYTES];
    let name = wanted.get_mut(..symbol.len()).ok_or("a symbol has at most 8 characters")?;
    name.copy_from_slice(symbol.as_bytes());
    let (mut locate, mut at) = (None, 0_u64);
    let mut buffer = [0; MESSAGE_BYTES_MAX];
    loop {
        let mut length = [0; 2];
        match input.read_exact(&mut length) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(error.to_string()),
        }
        let len = usize::from(u16::from_be_bytes(length));
        let fault = |what: String| format!("message at byte {at}: {what}");
        // Some files end with an empty message.
        if len == 0 {
            break;
        }
        let message = buffer
            .get_mut(..len)
            .ok_or_else(|| fault(format!("{len} bytes: this is no ITCH 5.0")))?;
        input.read_exact(message).map_err(|error| fault(error.to_string()))?;
        take(message, &wanted, &mut locate, recorder).map_err(fault)?;
        at += 2 + len as u64;
    }
    locate.map(|_| ()).ok_or_else(|| format!("no stock {symbol} in the file"))
}

fn take(
    message: &[u8],
    wanted: &[u8; STOCK_BYTES],
    locate: &mut Option<u64>,
    recorder: &mut Recorder,
) -> Result<(), String> {
    let field = |at: usize, len: usize| -> Result<u64, String> {
        let bytes = message.get(at..at + len).ok_or("is too short for its kind")?;
        Ok(bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    };
    let kind = message[0];
    let stock = field(1, 2)?;
    if kind == b'R' {
        if message.get(11..11 + STOCK_BYTES) == Some(wanted) {
            *locate = Some(stock);
        }
        return Ok(());
    }
    if *locate != Some(stock) || !CHANGES.contains(&kind) {
        return Ok(());
    }
    let ts = field(5, 6)?;
    let order = || field(11, 8);
    match kind {
        b'A' | b'F' => {
            let side = match message.get(19) {
                Some(b'B') => Side::Buy,
                Some(b'S') => Side::Sell,
                other => return Err(format!("side is {other:?}")),
            };
            recorder.add(ts, order()?, (side, price(field(32, 4)?)?, field(20, 4)?))
        }
        b'E' | b'C' => recorder.execute(ts, order()?, field(19, 4)?),
        b'X' => recorder.cancel(ts, order()?, Some(field(19, 4)?)),
        b'D' => recorder.cancel(ts, order()?, None),
        b'U' => {
            let (new, qty) = (field(19, 8)?, field(27, 4)?);
            recorder.replace(ts, (order()?, new), (price(field(31, 4)?)?, qty))
        }
        _ => {
            recorder.hidden();
            Ok(())
        }
    }
}

fn price(raw: u64) -> Result<i64, String> {
    i64::try_from(raw).map_err(|_| format!("price is {raw}"))
}
