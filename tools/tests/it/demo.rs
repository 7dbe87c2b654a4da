//! `vesta demo` and `vesta load`.

use std::path::Path;

use crate::support::{Ended, Folder, Running, vesta};

/// Nothing of process `id` is left in `temp` or in the memory file system.
fn assert_nothing_left(temp: &Folder, id: u32) {
    let left: Vec<_> =
        std::fs::read_dir(temp.path()).unwrap().map(|it| it.unwrap().path()).collect();
    assert!(left.is_empty(), "{left:?}");
    let shm = Path::new("/dev/shm");
    if shm.is_dir() {
        let mark = format!("-{id}-");
        let mine = |it: &std::fs::DirEntry| {
            let name = it.file_name().into_string().unwrap_or_default();
            name.starts_with("vesta-") && name.contains(&mark)
        };
        assert!(!std::fs::read_dir(shm).unwrap().filter_map(Result::ok).any(|it| mine(&it)));
    }
}

#[test]
fn a_demo_trades_replays_and_leaves_nothing() {
    let temp = Folder::new();
    let mut demo = vesta();
    demo.args(["demo", "--for", "2s", "--json"]).env("TMPDIR", temp.path());
    let demo = Running::start(&mut demo);
    let id = demo.id();
    let ended = demo.end();
    ended.assert_good();
    let json = ended.json();
    assert_eq!(json["ok"], true);
    assert_eq!(json["replay_ok"], true);
    for count in ["trades", "orders", "reports", "feed_messages"] {
        assert!(json[count].as_u64().unwrap() > 0, "{count}: {json}");
    }
    let feed = json["feed"].as_str().unwrap();
    assert!(["multicast", "soup"].contains(&feed), "{json}");
    assert!(json["p99_us"].as_f64().unwrap() >= json["p50_us"].as_f64().unwrap());
    assert!(json["replayed"].as_u64().unwrap() > json["orders"].as_u64().unwrap());
    assert_nothing_left(&temp, id);
}

#[test]
fn a_demo_that_is_interrupted_leaves_nothing() {
    for signal in ["-INT", "-TERM"] {
        let temp = Folder::new();
        let mut demo = vesta();
        demo.args(["demo", "--json", "--rate", "1000"]).env("TMPDIR", temp.path());
        let mut demo = Running::start(&mut demo);
        let id = demo.id();
        demo.line("  ");
        demo.signal(signal);
        let ended = demo.end();
        ended.assert_good();
        assert_eq!(ended.json()["replay_ok"], true);
        assert_nothing_left(&temp, id);
    }
}

#[test]
fn a_load_measures_every_request() {
    for flow in ["rest", "cross", "cancel", "mix"] {
        let temp = Folder::new();
        let mut load = vesta();
        load.args([
            "load",
            "--rate",
            "500",
            "--for",
            "500ms",
            "--sessions",
            "2",
            "--flow",
            flow,
            "--json",
        ]);
        let ended = Ended::of(load.env("TMPDIR", temp.path()).output().unwrap());
        ended.assert_good();
        let json = ended.json();
        assert_eq!(json["requests"], 250, "{flow}: {json}");
        assert_eq!(json["answered"], 250, "{flow}: {json}");
        let percentile = |name: &str| json[name].as_f64().unwrap();
        let names = ["p50_us", "p90_us", "p99_us", "p99_9_us", "max_us"];
        assert!(percentile("p50_us") > 0.0, "{flow}: {json}");
        assert!(names.is_sorted_by(|a, b| percentile(a) <= percentile(b)), "{flow}: {json}");
    }
}
