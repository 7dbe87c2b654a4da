//! `vesta import`: what an exchange recorded becomes a flow that plays to the same trades and books.

use std::fs;
use std::io::Write;

use feed::Message;
use feed::message::{
    AddOrder, Alpha, Header, MESSAGE_BYTES_MAX, OrderCancel, OrderDelete, OrderExecuted,
    OrderReplace,
};
use flate2::Compression;
use flate2::write::GzEncoder;
use matcher::Side;

use crate::support::{Folder, run};

/// Everything that a message file of LOBSTER can say, an order of before its beginning included.
const LOBSTER: &str = "\
34200.004241176,1,11,200,5859400,-1
34200.004241176,1,12,100,5859400,-1
34200.1,1,13,300,5853300,1
34200.2,2,11,50,5859400,-1
34200.3,4,11,150,5859400,-1
34200.4,4,12,40,5859400,-1
34200.5,1,14,10,5859400,-1
34200.6,4,14,10,5859400,-1
34200.7,3,12,60,5859400,-1
34200.8,5,0,7,5856000,1
34200.9,4,99,7,5853300,1
34201.000000001,1,15,5,5853300,-1
34201.5,7,0,0,-1,-1
34202,1,16,25,5853400,1
";

#[test]
fn a_message_file_of_lobster_plays_to_its_trades() {
    let folder = Folder::new();
    let file = folder.write("messages.csv", LOBSTER);
    let out = folder.path().join("flow");
    let (file, dir) = (file.to_str().unwrap(), out.to_str().unwrap());
    let ended = run(&["import", "--format", "lobster", file, "--out", dir, "--json"]);
    ended.assert_good();
    let told = ended.json();
    assert_eq!((&told["commands"], &told["fills"]), (&10.into(), &2.into()), "{told}");
    assert_eq!((&told["unknown"], &told["hidden"]), (&1.into(), &2.into()), "{told}");
    assert_eq!((&told["out_of_turn"], &told["crossing"]), (&1.into(), &1.into()), "{told}");
    let commands = fs::read_to_string(out.join("commands.csv")).unwrap();
    let lines: Vec<&str> = commands.lines().collect();
    assert_eq!(lines[1], "0,34200004241176,NEW,1,,S,5859400,200,,,11");
    assert_eq!(lines[4], "3,34200200000000,REDUCE,1,,S,5859400,50,,,11");
    assert_eq!(lines[5], "4,34200300000000,IOC,4,,B,5859400,150,,,11");
    let rows = fs::read_to_string(out.join("rows.csv")).unwrap();
    assert_eq!(rows.lines().last(), Some("9,import,9,1,A,0,0,5853400,25"));

    let played = run(&["play", dir, "--in-process", "--json"]);
    played.assert_good();
    assert_eq!(played.json()["ok"], true, "{}", played.out);
    // As it was recorded, a thousand times as fast.
    let played = run(&["play", dir, "--speed", "1000", "--json"]);
    played.assert_good();
    let shown = run(&["demo", "--market", dir, "--speed", "1000", "--json"]);
    shown.assert_good();
    let shown = shown.json();
    assert_eq!((&shown["trades"], &shown["orders"]), (&2.into(), &told["commands"]), "{shown}");
    run(&["import", "--format", "lobster", file, "--out", dir]).assert_says(2, &[dir]);
}

/// What is imported can be played: what no venue of ours would take is left out, and counted.
#[test]
fn orders_that_play_has_no_room_for_are_left_out() {
    let folder = Folder::new();
    let mut text = String::new();
    let orders: [(u64, i64); 5] =
        [(10, 0), (10, -5), (10, 4_000_000_001), (10_000_001, 100), (7, 4_000_000_000)];
    for (order, (qty, price)) in (1..).zip(orders) {
        text += &format!("34200.{order},1,{order},{qty},{price},-1\n");
    }
    let file = folder.write("messages.csv", &text);
    let out = folder.path().join("flow");
    let (file, dir) = (file.to_str().unwrap(), out.to_str().unwrap());
    let ended = run(&["import", "--format", "lobster", file, "--out", dir, "--json"]);
    ended.assert_good();
    let told = ended.json();
    assert_eq!((&told["commands"], &told["outside"]), (&1.into(), &4.into()), "{told}");
    let played = run(&["play", dir, "--in-process", "--json"]);
    played.assert_good();
    assert_eq!(played.json()["ok"], true, "{}", played.out);
}

#[test]
fn what_is_not_the_format_is_named_with_its_line() {
    let folder = Folder::new();
    for (text, what) in [
        ("1,1,1\n", "line 1: has 3 fields"),
        ("34200.1,1,1,10,100,2\n", "line 1: direction"),
        ("34200.1,1,1,10,100,1\nx,1,1,10,100,1\n", "line 2: time"),
        ("34200.1,9,1,10,100,1\n", "line 1: type"),
        ("34200.1,1,1,10,100,1\n34200.1,4,1,11,100,1\n", "line 2: order 1 trades 11 of 10"),
        ("34200.1,1,1,10,100,1\n34200.1,2,1,0,100,1\n", "line 2: of order 1 nothing is taken off"),
    ] {
        let file = folder.write("bad.csv", text);
        let out = folder.path().join("out");
        let (file, dir) = (file.to_str().unwrap(), out.to_str().unwrap());
        run(&["import", "--format", "lobster", file, "--out", dir]).assert_says(1, &[file, what]);
        assert!(!out.exists(), "half a flow is left");
    }
}

fn header(locate: u16, second: u64) -> Header {
    let since_midnight_ns = second * 1_000_000_000;
    Header { stock_locate: locate, tracking_number: 0, since_midnight_ns }
}

/// An ITCH file of two stocks: each message behind its length, as our own feed encodes it.
fn itch() -> Vec<u8> {
    let mut file = Vec::new();
    let mut put = |bytes: &[u8]| {
        file.extend(u16::try_from(bytes.len()).unwrap().to_be_bytes());
        file.extend(bytes);
    };
    for (locate, name) in [(7_u16, "OTHER   "), (8, "WANTED  ")] {
        let mut directory = vec![b'R'];
        directory.extend(locate.to_be_bytes());
        directory.extend([0; 8]);
        directory.extend(name.as_bytes());
        directory.resize(39, b' ');
        put(&directory);
    }
    let add = |locate, second, order_ref, side, shares, price| {
        let stock = Alpha::new(if locate == 8 { b"WANTED" } else { b"OTHER" }).unwrap();
        let header = header(locate, second);
        Message::AddOrder(AddOrder { header, order_ref, side, shares, stock, price })
    };
    let executed = |second, order_ref, shares| {
        let header = header(8, second);
        Message::OrderExecuted(OrderExecuted { header, order_ref, shares, match_number: 1 })
    };
    let messages = [
        add(8, 34_200, 1, Side::Sell, 100, 1_000_500),
        add(7, 34_200, 2, Side::Buy, 5, 2_000_000),
        add(8, 34_201, 3, Side::Buy, 30, 1_000_000),
        add(8, 34_201, 4, Side::Sell, 60, 1_000_500),
        executed(34_202, 1, 40),
        Message::OrderCancel(OrderCancel { header: header(8, 34_203), order_ref: 1, shares: 10 }),
        Message::OrderReplace(OrderReplace {
            header: header(8, 34_204),
            old_order_ref: 1,
            new_order_ref: 5,
            shares: 20,
            price: 1_000_500,
        }),
        executed(34_205, 4, 60),
        executed(34_206, 5, 20),
        Message::OrderDelete(OrderDelete { header: header(8, 34_207), order_ref: 3 }),
    ];
    for message in messages {
        put(message.encode(&mut [0; MESSAGE_BYTES_MAX]));
    }
    put(&[b'Z', 0, 8, 1, 2, 3]);
    file
}

#[test]
fn an_itch_file_plays_to_its_trades_packed_or_not() {
    let folder = Folder::new();
    let plain = folder.path().join("day.itch");
    fs::write(&plain, itch()).unwrap();
    let packed = folder.path().join("day.itch.gz");
    let mut encoder = GzEncoder::new(fs::File::create(&packed).unwrap(), Compression::default());
    encoder.write_all(&itch()).unwrap();
    encoder.finish().unwrap();
    let flows = [(plain, "flow"), (packed, "flow2")].map(|(file, name)| {
        let out = folder.path().join(name);
        let (file, dir) = (file.to_str().unwrap(), out.to_str().unwrap());
        let import = ["import", "--format", "itch", file, "--symbol", "WANTED", "--out", dir];
        let ended = run(&[&import[..], &["--json"]].concat());
        ended.assert_good();
        let told = ended.json();
        assert_eq!((&told["commands"], &told["fills"]), (&9.into(), &3.into()), "{told}");
        assert_eq!((&told["unknown"], &told["out_of_turn"]), (&0.into(), &0.into()));
        let played = run(&["play", dir, "--in-process", "--json"]);
        played.assert_good();
        assert_eq!(played.json()["ok"], true, "{}", played.out);
        fs::read_to_string(out.join("commands.csv")).unwrap()
    });
    assert_eq!(flows[0], flows[1]);
    assert!(flows[0].lines().last().unwrap().contains(",CANCEL,"), "{}", flows[0]);

    let plain = folder.path().join("day.itch");
    let (file, none) = (plain.to_str().unwrap(), folder.path().join("none"));
    let none = none.to_str().unwrap();
    let args = ["import", "--format", "itch", file, "--symbol", "ABSENT", "--out", none];
    run(&args).assert_says(1, &["no stock ABSENT"]);
    run(&["import", "--format", "itch", file, "--out", none]).assert_usage();
}
