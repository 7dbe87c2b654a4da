//! `vesta check-config` and wrong usage.

use crate::support::{Folder, config_text, run};

#[test]
fn the_sample_configuration_is_good() {
    let folder = Folder::new();
    let file = folder.write("vesta.toml", venue::config::SAMPLE);
    let ended = run(&["check-config", file.to_str().unwrap()]);
    ended.assert_good();
    assert!(ended.out.contains("2 instruments, 2 sessions"), "{}", ended.out);
    let told = run(&["check-config", file.to_str().unwrap(), "--json"]).json();
    assert_eq!((&told["ok"], &told["instruments"]), (&true.into(), &2.into()), "{told}");
}

/// Replaces text that must be there.
fn with(text: &str, old: &str, new: &str) -> String {
    assert!(text.contains(old), "{old:?}");
    text.replacen(old, new, 1)
}

#[test]
fn an_error_names_file_and_line() {
    let folder = Folder::new();
    let text = config_text(&folder, &["A"]);
    let line_of =
        |text: &str, what: &str| 1 + text.lines().position(|line| line.contains(what)).unwrap();
    for (old, new, word) in [
        ("segment_mib", "segment_mub", "segment_mub"),
        ("\"memory\"", "\"paper\"", "paper"),
        ("orders = 1000", "orders = 0", "limits.orders"),
        ("127.0.0.1:0", "localhost", "socket address"),
        ("segment_mib = 1", "segment_mib = x", ""),
    ] {
        let bad = with(&text, old, new);
        let file = folder.write("bad.toml", &bad);
        let ended = run(&["check-config", file.to_str().unwrap()]);
        let place = format!("bad.toml:{}: ", line_of(&bad, new));
        ended.assert_says(2, &[&place, word]);
    }
}

#[test]
fn a_definition_that_cannot_be_names_its_table() {
    let folder = Folder::new();
    let text = config_text(&folder, &["A", "A"]);
    let file = folder.write("twice.toml", &text);
    let ended = run(&["check-config", file.to_str().unwrap()]);
    ended.assert_says(2, &["twice.toml:", "A is used twice"]);
    let ended = run(&["check-config", file.to_str().unwrap(), "--json"]);
    ended.assert_says(2, &["A is used twice"]);
    assert_eq!(ended.json()["ok"], false);

    let text = with(&config_text(&folder, &["A"]), "tick_size = \"0.01\"", "tick_size = \"0.001\"");
    let file = folder.write("tick.toml", &text);
    let ended = run(&["check-config", file.to_str().unwrap()]);
    ended.assert_says(2, &["tick.toml:", "BTC-USD", "tick_size"]);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let folder = Folder::new();
    let file = folder.path().join("absent.toml");
    for command in ["check-config", "serve"] {
        let mut args = vec![command];
        args.extend((command == "serve").then_some("--config"));
        args.push(file.to_str().unwrap());
        run(&args).assert_says(2, &["absent.toml", "cannot be read"]);
    }
}

#[test]
fn every_command_has_help_with_an_example() {
    for command in ["serve", "check-config", "demo", "play", "load", "replay", "book"] {
        let ended = run(&[command, "--help"]);
        ended.assert_good();
        assert!(ended.out.contains("Example"), "{command}: {}", ended.out);
        assert!(ended.out.contains(&format!("vesta {command}")), "{command}: {}", ended.out);
    }
    for command in ["stat", "print", "verify"] {
        let ended = run(&["journal", command, "--help"]);
        ended.assert_good();
        assert!(ended.out.contains("Example"), "{command}: {}", ended.out);
    }
}

#[test]
fn wrong_usage_ends_with_2() {
    for args in
        [&["no-such-command"][..], &["serve"], &["demo", "--for", "soon"], &["load", "--rate", "0"]]
    {
        let ended = run(args);
        assert_eq!(ended.code, Some(2), "{args:?}: {}", ended.err);
    }
}
