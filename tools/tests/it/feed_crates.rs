//! Crates that know nothing of us, over the feed of a venue: each that decodes ITCH makes the venue's book of it, and what receives
//! MoldUDP64 misses nothing on a line that loses packets.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::ops::ControlFlow;
use std::thread;
use std::time::{Duration, Instant};

use itch5::messages as five;
use itch5::{MessageHandler, Parser};
use itchy::{Body, MessageStream};
use moldudp::{MoldUDP64, Packet, RetransmissionPacket, RetransmissionRequest};

use crate::feeding::{binary_file, busy_journal, export, order, resting, sessions, venue};
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

/// Orders that rest: each is a packet of its own, or nearly.
const ORDERS: usize = 900;

/// A line that loses one packet in twenty: passes on to `receiver` what it hears of `line`, up to the end of session, and says how many
/// packets were heard and how many of them lost.
fn lossy(line: &UdpSocket, receiver: SocketAddr, mut seed: u64) -> (usize, usize) {
    let to = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (mut packet, mut heard, mut lost) = ([0; 2_048], 0, 0);
    loop {
        let len = line.recv(&mut packet).unwrap();
        heard += 1;
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        if seed.is_multiple_of(20) {
            lost += 1;
        } else {
            to.send_to(&packet[..len], receiver).unwrap();
        }
        if packet[18..20] == [0xFF; 2] {
            return (heard, lost);
        }
    }
}

/// What a receiver has, whatever came twice or late.
struct Heard {
    session: [u8; 10],
    messages: BTreeMap<u64, Vec<u8>>,
}

impl Heard {
    fn take(&mut self, datagram: &moldudp::Datagram) {
        let packet = Packet::new(datagram.bytes());
        assert_eq!(packet.session_ident_raw(), &self.session);
        for (number, message) in (packet.seq_num()..).zip(packet.iter()) {
            let before = self.messages.insert(number, message.data().to_vec());
            assert!(before.is_none_or(|it| it == message.data()), "{number} is another now");
        }
    }

    /// The first numbers that are missing, up to the highest that came.
    fn first_gap(&self) -> Option<(u64, u16)> {
        let (next, _) = self.messages.keys().zip(1..).find(|(number, wanted)| *number != wanted)?;
        let first = (1..*next).rev().find(|number| self.messages.contains_key(number));
        let first = first.map_or(1, |last| last + 1);
        Some((first, u16::try_from(next - first).unwrap_or(u16::MAX)))
    }

    fn orders(&self) -> usize {
        self.messages.values().filter(|it| it[0] == b'A').count()
    }
}

/// The receiver of moldudp, on a line that loses a packet in twenty, has every message in the end: it asks for each gap that it sees once,
/// and what an answer had no room for its user asks for.
#[test]
fn moldudp_misses_nothing_on_a_line_that_loses_packets() {
    const PATIENCE: Duration = Duration::from_secs(60);
    let folder = Folder::new();
    let (venue, groups) = venue(&folder);
    let line = UdpSocket::bind(groups[0]).unwrap();
    line.join_multicast_v4(groups[0].ip(), &Ipv4Addr::LOCALHOST).unwrap();
    line.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut packet = [0; 2_048];
    line.recv(&mut packet).unwrap();
    let session = *packet.first_chunk::<10>().unwrap();
    let mut heard = Heard { session, messages: BTreeMap::new() };
    let downstream = UdpSocket::bind("127.0.0.1:0").unwrap();
    let receiver = downstream.local_addr().unwrap();
    let asking = UdpSocket::bind("127.0.0.1:0").unwrap();
    let losing = thread::spawn(move || lossy(&line, receiver, 0x9e37_79b9_7f4a_7c15));
    let (datagrams, asked) = MoldUDP64::builder()
        .multicast_addr(groups[0])
        .interface_addr(Ipv4Addr::LOCALHOST)
        .rerequest_server_addrs(Vec::new())
        .expected_session_ident(String::from_utf8(session.to_vec()).unwrap())
        .expected_seq_num(1)
        .build()
        .start_with_sockets(downstream, asking, &[venue.requests_addr().unwrap()])
        .unwrap();
    let mut set = sessions(&venue);
    for n in 0..ORDERS {
        order(&mut set, &format!("m{n}"), &format!("{}.00", 100 + n % 50));
        datagrams.try_iter().for_each(|it| heard.take(&it));
    }
    let begun = Instant::now();
    while heard.orders() < ORDERS || heard.first_gap().is_some() {
        assert!(begun.elapsed() < PATIENCE, "{} of {ORDERS} orders", heard.orders());
        match datagrams.recv_timeout(Duration::from_millis(50)) {
            Ok(datagram) => heard.take(&datagram),
            // A gap at the very end shows itself by a heartbeat, and moldudp asks.
            Err(_) => {
                if let Some((first, count)) = heard.first_gap() {
                    let wanted = RetransmissionPacket::new(session, first, count);
                    asked.send(RetransmissionRequest::new(wanted)).unwrap();
                }
            }
        }
    }
    drop(set);
    venue.stop().unwrap();
    let (packets, lost) = losing.join().unwrap();
    assert!(packets > 300 && lost > packets / 40, "{lost} of {packets}");
    let (file, _) = export(&folder.path().join("journal"), &folder, &[]);
    let all = binary_file(&file);
    let told: Vec<Vec<u8>> = heard.messages.into_values().collect();
    assert!(told == all, "{} messages heard, {} in the file", told.len(), all.len());
    println!("moldudp: {} messages, {lost} of {packets} packets lost", told.len());
}
