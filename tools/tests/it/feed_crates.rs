//! Crates that decode ITCH and know nothing of us, over the feed of a venue: each makes the venue's book of it.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;

use itch5::messages as five;
use itch5::{MessageHandler, Parser};
use itchy::{Body, MessageStream};

use crate::feeding::{busy_journal, export, resting};
use crate::support::Folder;

/// Orders that rest by their reference: side, price on the feed, shares.
#[derive(Default)]
struct Book {
    orders: BTreeMap<u64, (char, u64, u64)>,
    messages: usize,
    executed: u64,
}

impl Book {
    fn add(&mut self, reference: u64, side: char, price: u64, shares: u64) {
        assert!(
            self.orders.insert(reference, (side, price, shares)).is_none(),
            "{reference} twice"
        );
    }

    fn less(&mut self, reference: u64, shares: u64) {
        let order = self.orders.get_mut(&reference).unwrap();
        order.2 = order.2.checked_sub(shares).unwrap();
        if order.2 == 0 {
            self.orders.remove(&reference);
        }
    }

    fn executed(&mut self, reference: u64, shares: u64) {
        self.less(reference, shares);
        self.executed += shares;
    }

    fn delete(&mut self, reference: u64) {
        assert!(self.orders.remove(&reference).is_some(), "{reference} is not there");
    }

    fn replace(&mut self, old: u64, new: u64, price: u64, shares: u64) {
        let (side, ..) = self.orders.remove(&old).unwrap();
        self.add(new, side, price, shares);
    }

    /// As the venue's own book is told, but in the order of the text.
    fn resting(&self) -> Vec<String> {
        let line = |(reference, (side, price, shares)): (&u64, &(char, u64, u64))| {
            format!("{side} {price} {reference} {shares}")
        };
        let mut lines: Vec<String> = self.orders.iter().map(line).collect();
        lines.sort();
        lines
    }
}

fn by_itchy(file: &[u8]) -> Book {
    let mut book = Book::default();
    for message in MessageStream::from_reader(file) {
        book.messages += 1;
        match message.unwrap().body {
            Body::AddOrder(it) => {
                let side = match it.side {
                    itchy::Side::Buy => 'B',
                    itchy::Side::Sell => 'S',
                };
                book.add(it.reference, side, it.price.raw().into(), it.shares.into());
            }
            Body::OrderExecuted { reference, executed, .. }
            | Body::OrderExecutedWithPrice { reference, executed, .. } => {
                book.executed(reference, executed.into());
            }
            Body::OrderCancelled { reference, cancelled } => book.less(reference, cancelled.into()),
            Body::DeleteOrder { reference } => book.delete(reference),
            Body::ReplaceOrder(it) => {
                book.replace(
                    it.old_reference,
                    it.new_reference,
                    it.price.raw().into(),
                    it.shares.into(),
                );
            }
            _ => {}
        }
    }
    book
}

impl MessageHandler for Book {
    fn on_add_order_no_mpid_attribution(
        &mut self,
        it: &five::AddOrderNoMPIDAttribution,
    ) -> ControlFlow<()> {
        let side = match it.buy_sell_indicator() {
            five::BuySellIndicator::Buy => 'B',
            five::BuySellIndicator::Sell => 'S',
            five::BuySellIndicator::Unknown(byte) => panic!("side {byte}"),
        };
        let price = it.price().into_u32();
        self.add(it.order_reference_number(), side, price.into(), it.shares().into());
        ControlFlow::Continue(())
    }

    fn on_order_executed(&mut self, it: &five::OrderExecuted) -> ControlFlow<()> {
        self.executed(it.order_reference_number(), it.executed_shares().into());
        ControlFlow::Continue(())
    }

    fn on_order_executed_with_price(
        &mut self,
        it: &five::OrderExecutedWithPrice,
    ) -> ControlFlow<()> {
        self.executed(it.order_reference_number(), it.executed_shares().into());
        ControlFlow::Continue(())
    }

    fn on_order_cancel(&mut self, it: &five::OrderCancel) -> ControlFlow<()> {
        self.less(it.order_reference_number(), it.cancelled_shares().into());
        ControlFlow::Continue(())
    }

    fn on_order_delete(&mut self, it: &five::OrderDelete) -> ControlFlow<()> {
        self.delete(it.order_reference_number());
        ControlFlow::Continue(())
    }

    fn on_order_replace(&mut self, it: &five::OrderReplace) -> ControlFlow<()> {
        let (old, new) = (it.original_order_reference_number(), it.new_order_reference_number());
        self.replace(old, new, it.price().into_u32().into(), it.shares().into());
        ControlFlow::Continue(())
    }
}

#[test]
fn itchy_and_itch5_make_the_venues_book() {
    let folder = Folder::new();
    let journal = busy_journal(&folder, 300);
    let (file, told) = export(&journal, &folder, &[]);
    let file = fs::read(file).unwrap();
    let mut expected = resting(&journal);
    expected.sort();
    assert!(expected.len() > 5);
    let itchy = by_itchy(&file);
    assert_eq!(told["messages"], itchy.messages);
    assert_eq!(itchy.resting(), expected);
    let mut itch5 = Book::default();
    Parser::new(&file).parse_stream(&mut itch5).unwrap();
    assert_eq!(itch5.resting(), expected);
    assert!(itchy.executed > 0 && itchy.executed == itch5.executed);
}
