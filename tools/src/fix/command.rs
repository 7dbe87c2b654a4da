//! What can be typed into the terminal client.

use std::time::Duration;

use gateway::fix::version::Version;

/// Every command, with an example each.
pub(super) const HELP: &str = "\
buy SYMBOL QTY @ PRICE [gtc|ioc|fok] [post]   buy BTC-USD 1.5 @ 100 ioc
buy SYMBOL QTY                                buy BTC-USD 1.5              a market order
sell …                                        sell BTC-USD 1 @ 101
replace ORDER QTY [@ PRICE]                   replace 1 2 @ 100.50
cancel ORDER | all                            cancel 1                     cancel all
status ORDER                                  status 1
list                                          what works, as far as it was told here
watch [SECONDS]                               shows what comes; a script without a time: until it is interrupted
help, quit
An ORDER is its number here (1 is the first one entered) or its ClOrdID.
";

/// What to do after a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Typing {
    GoOn,
    /// Shows what comes for so long.
    Watch(Duration),
    Quit,
}

/// A command that is understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Nothing,
    Enter(Enter),
    Replace { order: String, qty: String, price: Option<String> },
    Cancel { order: String },
    CancelAll,
    Status { order: String },
    List,
    Watch(Option<Duration>),
    Help,
    Quit,
}

/// An order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Enter {
    /// Side(54).
    pub(super) side: u8,
    pub(super) symbol: String,
    pub(super) qty: String,
    /// `None`: at the market.
    pub(super) price: Option<String>,
    /// TimeInForce(59).
    pub(super) time_in_force: u8,
    pub(super) post_only: bool,
}

/// Longest time to watch.
const WATCH_S_MAX: u64 = 7 * 86_400;

/// A decimal as FIX writes it. What it has to be beyond that, the venue says.
fn decimal(text: &str) -> Result<String, String> {
    let is_digit = |byte: u8| byte.is_ascii_digit();
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = digits.bytes().all(|byte| is_digit(byte) || byte == b'.')
        && digits.bytes().any(is_digit)
        && digits.matches('.').count() <= 1;
    match plain && text.len() <= 32 {
        true => Ok(text.to_owned()),
        false => Err(format!("{text} is no number")),
    }
}

/// A symbol or an id: what may stand in a field of FIX.
fn word(text: &str) -> Result<String, String> {
    match text.len() <= 48 && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(text.to_owned()),
        false => Err(format!("{text} is no symbol and no id")),
    }
}

/// Reads a line. From `#` on it is a comment.
pub(super) fn read(line: &str) -> Result<Said, String> {
    let line = line.split('#').next().unwrap_or_default();
    let words: Vec<&str> = line.split_whitespace().collect();
    Ok(match words[..] {
        [] => Said::Nothing,
        [side @ ("buy" | "sell"), symbol, qty, ref rest @ ..] => {
            let (price, rest) = match rest {
                ["@", price, rest @ ..] => (Some(decimal(price)?), rest),
                rest => (None, rest),
            };
            let mut enter = Enter {
                side: if side == "buy" { b'1' } else { b'2' },
                symbol: word(symbol)?,
                qty: decimal(qty)?,
                price,
                time_in_force: b'0',
                post_only: false,
            };
            for word in rest {
                match *word {
                    "gtc" => enter.time_in_force = b'1',
                    "ioc" => enter.time_in_force = b'3',
                    "fok" => enter.time_in_force = b'4',
                    "post" => enter.post_only = true,
                    other => return Err(format!("{other} is not understood: help")),
                }
            }
            Said::Enter(enter)
        }
        ["replace", order, qty] => {
            Said::Replace { order: word(order)?, qty: decimal(qty)?, price: None }
        }
        ["replace", order, qty, "@", price] => {
            Said::Replace { order: word(order)?, qty: decimal(qty)?, price: Some(decimal(price)?) }
        }
        ["cancel", "all"] => Said::CancelAll,
        ["cancel", order] => Said::Cancel { order: word(order)? },
        ["status", order] => Said::Status { order: word(order)? },
        ["list"] => Said::List,
        ["watch"] => Said::Watch(None),
        ["watch", seconds] => match seconds.parse() {
            Ok(seconds @ 0..=WATCH_S_MAX) => Said::Watch(Some(Duration::from_secs(seconds))),
            _ => return Err(format!("{seconds} is no number of seconds")),
        },
        ["help" | "?"] => Said::Help,
        ["quit" | "exit"] => Said::Quit,
        _ => return Err(format!("{} is not understood: help", line.trim())),
    })
}

/// Whether a version has mass cancels.
pub(super) fn has_mass_cancel(version: Version) -> bool {
    version > Version::Fix42
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_of_the_help_is_understood() {
        let examples = [
            "buy BTC-USD 1.5 @ 100 ioc",
            "buy BTC-USD 1.5",
            "sell BTC-USD 1 @ 101",
            "replace 1 2 @ 100.50",
            "cancel 1",
            "cancel all",
            "status 1",
            "list",
            "help",
            "quit",
        ];
        for example in examples {
            assert!(HELP.contains(example), "{example}");
            assert!(!matches!(read(example), Ok(Said::Nothing) | Err(_)), "{example}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let lines = [
            "buy",
            "buy BTC-USD",
            "buy BTC-USD 1 @",
            "buy BTC-USD x @ 1",
            "buy BTC-USD 1 @ 1 2",
            "buy BTC-USD 1 @ 1.2.3",
            "buy BTC-USD . @ 1",
            "buy BTC-USD 1\u{1}44=2 @ 1",
            "buy Bü 1",
            "replace 1",
            "cancel",
            "watch -1",
            "watch 999999999",
            "order",
        ];
        for line in lines {
            assert!(read(line).is_err(), "{line}");
        }
        assert_eq!(read("  # nothing"), Ok(Said::Nothing));
        let post = read("sell X 1 @ 2 gtc post # why").unwrap();
        let Said::Enter(order) = post else { panic!("{post:?}") };
        assert!(order.post_only && order.time_in_force == b'1' && order.side == b'2');
    }
}
