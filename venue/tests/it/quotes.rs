//! Quotes through whole venues: in every layout, over restarts, with what was told told again.

use venue::snapshots::SnapshotConfig;
use venue::{Config, Durability, Layout, Venue};

use crate::folder::Folder;
use crate::loopback::{config, fields, replays};
use crate::peer::{Got, Peer};

fn with_quotes(folder: &Folder) -> Config {
    let mut config = config(folder);
    config.sessions[0].rights.quote = true;
    config
}

fn quote(peer: &mut Peer, id: &str, level: &str, btc: [&str; 4], eth: [&str; 4]) {
    let mut body = vec![(117, id), (301, level), (296, "1"), (302, "s"), (304, "2"), (295, "2")];
    for (entry, symbol, [bid, bid_size, offer, offer_size]) in
        [("1", "BTC-USD", btc), ("2", "ETH-USD", eth)]
    {
        body.extend([(299, entry), (55, symbol)]);
        let prices = [(132, bid), (134, bid_size), (133, offer), (135, offer_size)];
        body.extend(prices.into_iter().filter(|(_, value)| !value.is_empty()));
    }
    peer.send("i", &body);
}

/// The next message that is no gap fill; those before it must lead up to it.
fn told(peer: &mut Peer, next: &mut u32) -> Got {
    loop {
        let got = peer.report();
        if got.msg_type() == "4" {
            assert_eq!((got.seq(), got.get(123)), (*next, "Y"), "{got:?}");
            *next = got.get(36).parse().unwrap();
            continue;
        }
        assert_eq!(got.seq(), *next, "{got:?}");
        *next += 1;
        return got;
    }
}

#[test]
fn quotes_are_orders_that_a_restart_knows() {
    for (layout, durability, every_bytes) in [
        (Layout::Joined, Durability::Memory, 0),
        (Layout::Joined, Durability::Disk, 1 << 12),
        (Layout::Split, Durability::Memory, 1 << 12),
        (Layout::Split, Durability::Disk, 0),
    ] {
        let folder = Folder::new();
        let snapshots = SnapshotConfig { every_bytes, keep: 2 };
        let config = Config { layout, durability, snapshots, ..with_quotes(&folder) };
        let venue = Venue::start(&config).unwrap();
        let (mut maker, _) = Peer::log_on(venue.fix_addr(), "CLIENT1", 1);
        let (mut taker, _) = Peer::log_on(venue.fix_addr(), "CLIENT2", 1);
        let mut next = 2;
        let btc = ["100", "1", "101", "1"];
        quote(&mut maker, "q1", "2", btc, ["10", "5", "11", "5"]);
        let ack = told(&mut maker, &mut next);
        assert_eq!(fields(&ack, &[35, 34, 117, 297]), ["b", "6", "q1", "0"]);
        taker.order("t1", "1", "0.25", "101");
        while taker.report().get(39) != "2" {}
        let fill = told(&mut maker, &mut next);
        let expected = ["8", "F", "q1", "1", "2", "0.2500", "0.7500"];
        assert_eq!(fields(&fill, &[35, 150, 11, 526, 54, 32, 151]), expected);
        // The offer was touched: it is anew. Everything else stays, with its place.
        quote(&mut maker, "q2", "2", btc, ["10", "5", "11", "5"]);
        let ack = told(&mut maker, &mut next);
        assert_eq!(fields(&ack, &[35, 34, 117, 297]), ["b", "10", "q2", "0"]);
        maker.send("a", &[(649, "s"), (55, "BTC-USD")]);
        let status = told(&mut maker, &mut next);
        assert_eq!(fields(&status, &[35, 34, 649, 117, 297]), ["AI", "11", "s", "q2", "16"]);
        let stands = ["100.00", "1.0000", "101.00", "1.0000"];
        assert_eq!(fields(&status, &[132, 134, 133, 135]), stands);
        let next_out = maker.next_out;
        drop(maker);
        let taker_next = taker.log_out();
        venue.stop().unwrap();

        let venue = Venue::start(&config).unwrap();
        assert_eq!(venue.from_snapshot().is_some(), every_bytes > 0);
        let (mut maker, answer) = Peer::log_on(venue.fix_addr(), "CLIENT1", next_out);
        maker.send("2", &[(7, "2"), (16, "11")]);
        let mut again = 2;
        let first = told(&mut maker, &mut again);
        assert_eq!(fields(&first, &[35, 34, 43, 117]), ["b", "6", "Y", "q1"]);
        assert_eq!(told(&mut maker, &mut again).body(), fill.body());
        assert_eq!(fields(&told(&mut maker, &mut again), &[35, 34, 117]), ["b", "10", "q2"]);
        assert_eq!(told(&mut maker, &mut again).body(), status.body());
        // What stands is known: one bid and one offer, and the next quote takes their places.
        let mut next = answer.seq() + 1;
        quote(&mut maker, "q3", "2", ["100", "1", "102", "2"], ["10", "5", "", ""]);
        assert_eq!(told(&mut maker, &mut next).get(117), "q3");
        let (mut taker, _) = Peer::log_on(venue.fix_addr(), "CLIENT2", taker_next);
        taker.order("t2", "1", "9", "102");
        while taker.report().get(14) != "2.0000" {}
        let fill = told(&mut maker, &mut next);
        assert_eq!(fields(&fill, &[150, 11, 39, 31, 14]), ["F", "q3", "2", "102.00", "2.0000"]);
        maker.send("Z", &[(117, "z"), (298, "4")]);
        assert_eq!(fields(&told(&mut maker, &mut next), &[35, 117, 297]), ["b", "z", "4"]);
        maker.send("q", &[(11, "all"), (530, "7"), (60, "20260101-00:00:00")]);
        assert_eq!(fields(&told(&mut maker, &mut next), &[35, 533]), ["r", "0"]);
        maker.log_out();
        taker.log_out();
        venue.stop().unwrap();
        replays(&config);
    }
}

/// A lost connection takes quotes off as it does orders; who comes back finds its numbers filled over.
#[test]
fn quotes_go_with_their_connection() {
    let folder = Folder::new();
    let mut config = with_quotes(&folder);
    config.sessions[0].cancel.on_disconnect = true;
    let venue = Venue::start(&config).unwrap();
    let (mut maker, _) = Peer::log_on(venue.fix_addr(), "CLIENT1", 1);
    quote(&mut maker, "q1", "0", ["100", "1", "101", "1"], ["10", "5", "11", "5"]);
    // Nothing is said to it, so its numbers are not either before something is.
    maker.send("1", &[(112, "here?")]);
    let fill = maker.read();
    assert_eq!(fields(&fill, &[35, 34, 36, 123]), ["4", "2", "6", "Y"]);
    assert_eq!(fields(&maker.read(), &[35, 34, 112]), ["0", "6", "here?"]);
    let next_out = maker.next_out;
    drop(maker);
    let (mut maker, answer) = loop {
        let mut peer = Peer::connect(venue.fix_addr(), "CLIENT1", next_out);
        peer.send("A", &[(98, "0"), (108, "30")]);
        // The end of the connection before may not have been seen.
        if let Some(answer) = peer.try_read() {
            break (peer, answer);
        }
    };
    assert_eq!(answer.seq(), 11);
    maker.send("2", &[(7, "2"), (16, "10")]);
    assert_eq!(fields(&maker.report(), &[35, 34, 36]), ["4", "2", "7"]);
    for seq in ["7", "8", "9", "10"] {
        let canceled = maker.report();
        assert_eq!(fields(&canceled, &[34, 150, 11, 58]), [seq, "4", "q1", "mass cancel"]);
    }
    maker.log_out();
    venue.stop().unwrap();
}
