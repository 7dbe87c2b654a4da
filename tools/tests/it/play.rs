//! `vesta play`: a small flow of our own, and the recorded ones where they are.

use std::path::{Path, PathBuf};

use venue::{Config, Venue};

use crate::address::own_address;
use crate::support::{Ended, Folder, config_text, run, skipped, vesta};

const COMMANDS: &str = "\
n,ts,cmd,oid,old,side,price,qty,flag,msg,src_id
0,0,NEW,1,,S,1000100,100,,,
1,1,NEW,2,,S,1000100,50,,,
2,2,NEW,3,,B,999900,80,,,
3,3,REDUCE,1,,S,1000100,40,,,
4,4,IOC,4,,B,1000100,30,,,
5,5,REPLACE,5,1,S,1000100,20,,,
6,6,IOC,6,,B,1000200,60,,,
7,7,REPLACE,7,5,S,1000300,25,,,
8,8,NEW,8,,B,1000300,30,,,
9,9,IOC,9,,S,1000300,3,,,
10,10,IOC,10,,S,1000500,3,,,
11,11,REDUCE,3,,B,999900,80,,,
12,12,REPLACE,11,8,B,1000250,9,,,
13,13,NEW,12,,S,1000260,9,,,
14,14,REPLACE,13,12,S,1000250,5,,,
15,15,CANCEL,11,,B,1000250,4,,,
";

const FILLS: &str = "\
n,maker_oid,price,qty
4,1,1000100,30
6,2,1000100,50
6,5,1000100,10
8,7,1000300,25
9,8,1000300,3
14,11,1000250,5
";

const ROWS: &str = "\
after_n,oracle,row,depth,kind,ask1,askq1,bid1,bidq1,...
-1,t,0,1,A,0,0,0,0
0,t,1,1,A,1000100,100,0,0
3,t,2,1,R,1000100,110,999900,80
4,t,3,1,A,1000100,80,999900,80
5,t,4,1,A,1000100,70,999900,80
6,t,5,2,A,1000100,10,999900,80,0,0,0,0
7,t,6,1,A,1000300,25,999900,80
8,t,7,2,A,0,0,1000300,5,0,0,999900,80
9,t,8,1,A,0,0,1000300,2
10,t,9,1,A,0,0,1000300,2
11,t,10,2,A,0,0,1000300,2,0,0,0,0
12,t,11,1,A,0,0,1000250,9
13,t,12,1,A,1000260,9,1000250,9
14,t,13,1,A,0,0,1000250,4
15,t,14,1,A,0,0,0,0
";

fn flow(folder: &Folder, commands: &str, fills: &str, rows: &str) -> String {
    folder.write("commands.csv", commands);
    folder.write("fills.csv", fills);
    folder.write("rows.csv", rows);
    folder.path().to_str().unwrap().to_owned()
}

const WAYS: [&[&str]; 4] =
    [&["--in-process"], &["--durability", "memory"], &["--ouch"], &["--durability", "disk"]];

fn play(dir: &str, way: &[&str]) -> Ended {
    run(&[&["play", dir, "--json"], way].concat())
}

#[test]
fn a_flow_holds_in_process_over_fix_and_over_ouch() {
    let folder = Folder::new();
    let dir = flow(&folder, COMMANDS, FILLS, ROWS);
    for way in WAYS {
        let ended = play(&dir, way);
        ended.assert_good();
        let json = ended.json();
        assert_eq!(json["commands"], 16, "{way:?}");
        assert_eq!((&json["trades_checked"], &json["trades_wrong"]), (&6.into(), &0.into()));
        assert_eq!((&json["rows_checked"], &json["rows_wrong"]), (&15.into(), &0.into()));
    }
}

#[test]
fn what_is_wrong_is_found_and_named() {
    let wrong = |old: &str, new: &str, fills: bool| {
        let text = if fills { FILLS } else { ROWS };
        assert!(text.contains(old));
        text.replacen(old, new, 1)
    };
    for (fills, rows, words) in [
        // A book row of another quantity.
        (
            FILLS.to_owned(),
            wrong("4,t,3,1,A,1000100,80", "4,t,3,1,A,1000100,81", false),
            "after command 4",
        ),
        // A level that is not there.
        (
            FILLS.to_owned(),
            wrong("9,t,8,1,A,0,0,1000300,2", "9,t,8,1,A,0,0,0,0", false),
            "after command 9",
        ),
        // A trade that is expected and does not happen.
        (wrong("14,11,", "13,11,1000260,1\n14,11,", true), ROWS.to_owned(), "command 13"),
        // A trade at another price.
        (wrong("9,8,1000300,3", "9,8,1000299,3", true), ROWS.to_owned(), "command 9"),
    ] {
        let folder = Folder::new();
        let dir = flow(&folder, COMMANDS, &fills, &rows);
        for way in &WAYS[..3] {
            let ended = play(&dir, way);
            ended.assert_says(1, &[words]);
            let json = ended.json();
            assert_eq!(json["ok"], false, "{way:?}");
            let found =
                json["trades_wrong"].as_u64().unwrap() + json["rows_wrong"].as_u64().unwrap();
            assert!(found > 0, "{way:?}: {json}");
        }
    }
}

#[test]
fn a_file_that_is_not_the_format_is_named_with_its_line() {
    for (old, new, line, words) in [
        ("1,1,NEW,2", "2,1,NEW,2", 3, "n is 2"),
        ("NEW,3,,B", "NEW,3,,X", 4, "side"),
        ("REDUCE,1,,S", "REDUCE,1,7,S", 5, "old"),
        ("IOC,4,,B,1000100,30", "IOC,4,,B,1000100", 6, "10 fields"),
        ("REPLACE,5,1", "SWAP,5,1", 7, "SWAP"),
        ("1000200,60", "1000200,-60", 8, "qty"),
    ] {
        let folder = Folder::new();
        assert!(COMMANDS.contains(old));
        let dir = flow(&folder, &COMMANDS.replacen(old, new, 1), FILLS, ROWS);
        let place = format!("commands.csv:{line}: ");
        play(&dir, WAYS[0]).assert_says(2, &[&place, words]);
    }
    let folder = Folder::new();
    let dir = flow(&folder, COMMANDS, "n,maker_oid,price,qty\n99,1,1,1\n", ROWS);
    play(&dir, WAYS[0]).assert_says(2, &["fills.csv:2: "]);
    let dir = flow(&folder, COMMANDS, FILLS, "after_n,oracle,row,depth,kind,\n0,t,0,2,A,1,1,1,1\n");
    play(&dir, WAYS[0]).assert_says(2, &["rows.csv:2: "]);
    play("no-such-flow", WAYS[0]).assert_says(2, &["no-such-flow", "commands.csv"]);
}

#[test]
fn a_flow_that_contradicts_itself_is_refused() {
    for (old, new, n) in [
        // More is taken off than is left; an order of the other side; one that is not there.
        ("1000100,40,,,", "1000100,400,,,", 3),
        ("CANCEL,11,,B", "CANCEL,11,,S", 15),
        ("REPLACE,7,5", "REPLACE,7,77", 7),
    ] {
        let folder = Folder::new();
        assert!(COMMANDS.contains(old));
        let dir = flow(&folder, &COMMANDS.replacen(old, new, 1), FILLS, ROWS);
        play(&dir, WAYS[0]).assert_says(2, &[&format!("command {n}: ")]);
    }
}

#[test]
fn a_play_leaves_nothing_behind() {
    let (folder, temp) = (Folder::new(), Folder::new());
    let dir = flow(&folder, COMMANDS, FILLS, ROWS);
    let ended =
        Ended::of(vesta().args(["play", &dir]).env("TMPDIR", temp.path()).output().unwrap());
    ended.assert_good();
    assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 0);
}

/// The folder of the recorded flows: `VESTA_ORDER_FLOW`, or beside the workspace.
fn recorded() -> PathBuf {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/order-flow");
    std::env::var_os("VESTA_ORDER_FLOW").map_or(beside, PathBuf::from)
}

/// Into a venue that runs, by its file and by its addresses: the second time UserRefNums and messages are not the first.
#[test]
fn a_flow_holds_over_ouch_in_a_venue_that_runs() {
    let (folder, flows) = (Folder::new(), Folder::new());
    let dir = flow(&flows, COMMANDS, FILLS, ROWS);
    let [ouch, soup] = [own_address(), own_address()].map(|address| address.to_string());
    let text = config_text(&folder, &["NOBODY"]);
    let text = text.replace("[fix]\n", "[fix]\nplain_passwords = true\n");
    let text = text.replace(
        "[itch.soup]\nlisten = \"127.0.0.1:0\"",
        &format!("[itch.soup]\nlisten = \"{soup}\"\n[ouch]\nlisten = \"{ouch}\""),
    );
    let text = text.replace("price_decimals = 2\nqty_decimals = 1", "price_decimals = 4");
    let mut text = text.replace("\"0.01\"\nlot_size = \"0.1\"", "\"0.0001\"");
    let btc =
        text[text.find("[[instrument]]").unwrap()..text.find("[[session]]").unwrap()].to_owned();
    text += &btc.replace("BTC-USD", "ETH-USD");
    for name in ["ONE", "TWO"] {
        text += &format!(
            "[[session]]\ncomp_id = \"{name}\"\nparticipant = \"{name}\"\nprotocol = \"ouch\"\n\
             username = \"{name}\"\npassword = \"secret\"\n"
        );
    }
    let file = folder.write("vesta.toml", &text);
    let venue = Venue::start(&Config::load(&file).unwrap()).unwrap();
    let by_file = ["play", &dir, "--json", "--ouch", "--config", file.to_str().unwrap()];
    let to = ["--connect", &ouch, "--feed", &soup, "--symbol", "ETH-USD"];
    let as_who = ["--sender", "ONE", "--sender", "TWO", "--password-env", "PLAY_PASSWORD"];
    let by_address = [&["play", &dir, "--json", "--ouch"][..], &to, &as_who].concat();
    for args in [&by_file[..], &by_address] {
        let ended = Ended::of(vesta().args(args).env("PLAY_PASSWORD", "secret").output().unwrap());
        ended.assert_good();
        let json = ended.json();
        assert_eq!((&json["trades_checked"], &json["rows_checked"]), (&6.into(), &15.into()));
        // The question for the next UserRefNum was answered twice, and the marker has two reports.
        let reports = json["reports"].as_u64().unwrap();
        let said_again = json["reports_repeated"].as_u64().unwrap();
        assert!(said_again >= reports + 4, "{said_again} of {reports}");
        assert_eq!((&json["reports_missing"], &json["reports_renumbered"]), (&0.into(), &0.into()));
    }
    let wrong =
        Ended::of(vesta().args(&by_address).env("PLAY_PASSWORD", "guess").output().unwrap());
    wrong.assert_says(1, &["not authorized"]);
    venue.stop().unwrap();
}

#[test]
fn what_ouch_cannot_say_is_refused_before_anything_is_sent() {
    let folder = Folder::new();
    for (old, new, words) in [
        ("0,0,NEW,1,,S,1000100,100", "0,0,NEW,1,,S,2000000000,100", "its price"),
        ("2,2,NEW,3,,B,999900,80", "2,2,NEW,3,,B,999900,1000000", "its quantity"),
    ] {
        assert!(COMMANDS.contains(old));
        let dir = flow(&folder, &COMMANDS.replacen(old, new, 1), FILLS, ROWS);
        play(&dir, &["--ouch"]).assert_says(2, &[words, "OUCH"]);
    }
}

fn play_recorded(name: &str, trades: u64, rows: u64) {
    let dir = recorded().join(name);
    if !dir.is_dir() {
        return skipped(&format!(
            "the recorded flow {name}: {} is not there (VESTA_ORDER_FLOW names its folder)",
            recorded().display()
        ));
    }
    for way in &WAYS[..3] {
        let ended = play(dir.to_str().unwrap(), way);
        ended.assert_good();
        let json = ended.json();
        assert_eq!((&json["trades_checked"], &json["trades_wrong"]), (&trades.into(), &0.into()));
        assert_eq!((&json["rows_checked"], &json["rows_wrong"]), (&rows.into(), &0.into()));
    }
}

#[test]
fn the_first_minute_of_aapl_holds() {
    play_recorded("aapl-2012-06-21-open", 98, 957);
}

#[test]
fn a_day_of_amzn_holds() {
    play_recorded("amzn-2012-06-21", 8_965, 55_014);
}
