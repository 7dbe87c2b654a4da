//! `vesta serve`.

use std::net::TcpListener;

use crate::support::{Folder, Running, config_text, run, vesta};

fn serve(folder: &Folder, text: &str) -> Running {
    let file = folder.write("vesta.toml", text);
    Running::start(vesta().args(["serve", "--config"]).arg(file))
}

#[test]
fn a_venue_says_where_it_is_and_stops_in_order() {
    let folder = Folder::new();
    let text = config_text(&folder, &["A"]);
    for (signal, journal) in [("-TERM", "new"), ("-INT", "recovered to sequence")] {
        let mut venue = serve(&folder, &text);
        assert!(venue.line("journal").contains(journal));
        assert!(venue.line("durability").contains("memory"));
        assert!(venue.line("itch").contains("127.0.0.1:"));
        assert!(venue.line("fix").contains("VESTA"));
        venue.signal(signal);
        let ended = venue.end();
        ended.assert_good();
        assert!(ended.out.ends_with("stopped"), "{}", ended.out);
        assert_eq!(ended.err, "");
    }
}

#[test]
fn a_port_in_use_is_named() {
    let folder = Folder::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let text = config_text(&folder, &["A"]).replacen("127.0.0.1:0", &address, 1);
    let ended = serve(&folder, &text).end();
    ended.assert_says(1, &["FIX", &address]);
}

#[test]
fn a_missing_folder_is_named() {
    let folder = Folder::new();
    let text = config_text(&folder, &["A"]).replacen("\"journal\"", "\"no/such/journal\"", 1);
    serve(&folder, &text).end().assert_says(1, &["no/such"]);
}

#[test]
fn a_second_venue_on_the_same_journal_is_refused() {
    let folder = Folder::new();
    let text = config_text(&folder, &["A"]);
    let mut first = serve(&folder, &text);
    first.line("fix");
    serve(&folder, &text).end().assert_says(1, &["journal"]);
    first.signal("-TERM");
    first.end().assert_good();
}

#[test]
fn a_config_that_takes_a_session_away_is_refused() {
    let folder = Folder::new();
    let mut first = serve(&folder, &config_text(&folder, &["A", "B"]));
    first.line("fix");
    first.signal("-TERM");
    first.end().assert_good();
    serve(&folder, &config_text(&folder, &["A"])).end().assert_says(1, &["B"]);
    let file = folder.path().join("vesta.toml");
    // The file alone is good: what it contradicts is the journal.
    run(&["check-config", file.to_str().unwrap()]).assert_good();
}
