//! A configuration is right, or one error that names the line.

use venue::Config;
use venue::config::SAMPLE;

fn error(text: &str) -> String {
    Config::parse("vesta.toml", text).unwrap_err().to_string()
}

/// The sample with one line put in place of another.
fn changed(from: &str, to: &str) -> String {
    assert_eq!(SAMPLE.matches(from).count(), 1, "{from}");
    SAMPLE.replace(from, to)
}

fn line_of(text: &str) -> usize {
    SAMPLE.lines().position(|line| line.contains(text)).unwrap() + 1
}

#[test]
fn the_sample_is_right_and_says_the_defaults() {
    let sample = Config::parse("vesta.toml", SAMPLE).unwrap();
    let least = Config::parse("least.toml", "[fix]\nlisten = \"127.0.0.1:5001\"\n").unwrap();
    assert_eq!(sample.limits, least.limits);
    assert_eq!(sample.fix, least.fix);
    assert_eq!(sample.durability, least.durability);
    assert_eq!((sample.layout, sample.wait), (least.layout, least.wait));
    assert_eq!(sample.segment_bytes, least.segment_bytes);
    assert_eq!((sample.instruments.len(), sample.sessions.len()), (2, 2));
}

#[test]
fn an_unknown_key_names_its_line() {
    let text = changed("segment_mib = 64 ", "segment_gib = 64 ");
    let line = line_of("segment_mib = 64 ");
    let error = error(&text);
    assert!(error.starts_with(&format!("vesta.toml:{line}: ")), "{error}");
    assert!(error.contains("segment_gib"), "{error}");
}

#[test]
fn what_is_wrong_names_its_line_and_what_would_be_right() {
    let cases = [
        ("segment_mib = 64 ", "segment_mib = 0 ", "it must be 1 to 1024"),
        ("durability = \"disk\" ", "durability = \"ram\" ", "memory"),
        ("heartbeat_s_min = 1 ", "heartbeat_s_min = 700 ", "above heartbeat_s_max"),
        ("name = \"VESTA\" ", "name = \"V V\" ", "printable"),
        ("listen = \"127.0.0.1:5001\"", "listen = \"localhost\"", "socket address"),
    ];
    for (from, to, needs) in cases {
        let error = error(&changed(from, to));
        let line = line_of(from);
        assert!(error.starts_with(&format!("vesta.toml:{line}: ")), "{to}: {error}");
        assert!(error.contains(needs), "{to}: {error}");
    }
}

#[test]
fn instruments_that_cannot_be_are_refused() {
    let cases = [
        (
            "tick_size = \"0.01\"\nlot_size = \"0.0001\"",
            "tick_size = \"0.001\"\nlot_size = \"0.0001\"",
            "tick_size",
        ),
        ("qty_max = \"1000\"", "qty_max = \"0\"", "quantity"),
        ("price_max = \"200000\"", "price_max = \"200000.005\"", "price_max"),
        ("price_max = \"200000\"", "price_max = \"90000000\"", "ITCH"),
        ("symbol = \"ETH-USD\"", "symbol = \"BTC-USD\"", "twice"),
        ("comp_id = \"CLIENT2\"", "comp_id = \"CLIENT1\"", "twice"),
    ];
    for (from, to, needs) in cases {
        let error = error(&changed(from, to));
        assert!(error.contains(needs), "{to}: {error}");
        assert!(error.starts_with("vesta.toml:"), "{error}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let path = std::path::Path::new("no/such/vesta.toml");
    let error = Config::load(path).unwrap_err().to_string();
    assert!(error.starts_with("no/such/vesta.toml: cannot be read"), "{error}");
}
