//! What the feed shows: books and the latest trades.

use feed::{Message, Mirror, MirrorError, MirrorLevel};
use matcher::Instrument;

use crate::text::Decimal;

/// Everything that the feed has told.
pub(super) struct Tape {
    instruments: Vec<Instrument>,
    mirror: Mirror,
    /// By instrument: price and quantity of the latest trade.
    last: Vec<Option<(u32, u32)>>,
    pub(super) trades: u64,
    pub(super) messages: u64,
    /// The first message that cannot be true.
    pub(super) wrong: Option<MirrorError>,
}

impl Tape {
    pub(super) fn new(instruments: Vec<Instrument>) -> Tape {
        let last = vec![None; instruments.len()];
        Tape { instruments, mirror: Mirror::new(), last, trades: 0, messages: 0, wrong: None }
    }

    pub(super) fn message(&mut self, message: &Message) {
        self.messages += 1;
        if let Message::OrderExecuted(executed) = message {
            self.trades += 1;
            let locate = usize::from(executed.header.stock_locate);
            let order = self.mirror.order(executed.order_ref);
            if let (Some(last), Some(order)) = (self.last.get_mut(locate.wrapping_sub(1)), order) {
                *last = Some((order.price, executed.shares));
            }
        }
        if let Err(error) = self.mirror.apply(message) {
            self.wrong.get_or_insert(error);
        }
    }

    /// One line for an instrument: best bid and ask, latest trade.
    pub(super) fn line(&self, index: usize) -> String {
        let instrument = &self.instruments[index];
        let locate = u16::try_from(index + 1).unwrap_or(u16::MAX);
        let top = self.mirror.best(locate);
        let side = |level: Option<MirrorLevel>| match level {
            Some(level) => (qty(level.shares, instrument), price(level.price, instrument)),
            None => ("-".into(), "-".into()),
        };
        let ((bid_qty, bid), (ask_qty, ask)) = (side(top.bid), side(top.ask));
        let last = self.last[index].map_or_else(String::new, |(last, shares)| {
            format!("last {} @ {}", qty(shares.into(), instrument), price(last, instrument))
        });
        let symbol = instrument.symbol;
        format!("{symbol:<8} {bid_qty:>9} {bid:>10} | {ask:<10} {ask_qty:<9} {last}")
    }

    pub(super) fn instruments(&self) -> usize {
        self.instruments.len()
    }
}

/// A price of the feed, which has four decimals.
fn price(units: u32, instrument: &Instrument) -> String {
    let scale = 10_i128.pow(u32::from(4_u8.saturating_sub(instrument.price_decimals)));
    let mantissa = i128::from(units) / scale;
    Decimal { mantissa, decimals: instrument.price_decimals }.to_string()
}

fn qty(shares: u64, instrument: &Instrument) -> String {
    Decimal { mantissa: shares.into(), decimals: instrument.qty_decimals }.to_string()
}
