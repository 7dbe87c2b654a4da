//! A market maker quotes around a price that drifts, a taker hits it: `cargo run -p matcher --example backtest`.

#![allow(clippy::print_stdout)] // It is what an example is for.
use matcher::*;

fn main() -> Result<(), RejectReason> {
    let limits = Limits { orders_max: 100, levels_max: 100, instruments_max: 1, sessions_max: 2 };
    let mut market = Market::new(limits)?;
    let gold = market.define(Instrument::plain("GOLD").expect("a symbol"))?;
    let (maker, taker) = (market.session(ParticipantId(1))?, market.session(ParticipantId(2))?);
    let (mut cash, mut position) = (0, 0);

    for step in 0..1_000_u64 {
        market.advance_to(Timestamp(step * 1_000_000));
        let middle = 1_000 + i64::try_from(step % 37).unwrap_or(0);
        market.give(maker, Command::MassCancel(MassCancelScope::Session));
        for (side, price) in [(Side::Buy, middle - 1), (Side::Sell, middle + 1)] {
            let quote = NewOrder::limit(gold, side, Price::from_ticks(price), Qty::from_lots(10));
            market.enter(maker, quote);
        }
        let side = if step % 3 == 0 { Side::Sell } else { Side::Buy };
        let (_, events) = market.enter(taker, NewOrder::market(gold, side, Qty::from_lots(4)));
        for event in events {
            if let Event::Traded(trade) = event {
                let lots = i64::try_from(trade.qty.lots()).unwrap_or(0);
                let bought = if trade.taker_side == Side::Sell { lots } else { -lots };
                position += bought;
                cash -= bought * trade.price.ticks();
            }
        }
    }
    let market = Market::restore(&market.snapshot()).expect("its own bytes");
    let book = market.engine().book(gold).expect("it was defined");
    for level in book.levels(Side::Buy).chain(book.levels(Side::Sell)) {
        println!("{} lots at {}", level.qty.lots(), level.price.ticks());
    }
    println!("the maker holds {position} lots and {cash} in cash");
    Ok(())
}
