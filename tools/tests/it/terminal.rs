//! `vesta fix connect`, by hand of a script, and what `vesta journal print --fix` says of it afterwards.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use serde_json::Value;
use venue::{Config, Venue};

use crate::support::{Ended, Folder, config_text, make_journal, run, vesta};

/// Runs a script against a venue.
fn script(address: &str, args: &[&str], lines: &str) -> Ended {
    let mut command = vesta();
    command.args(["fix", "connect", address]).args(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    Ended::of(child.wait_with_output().unwrap())
}

/// What was said, without the ClOrdIDs, which have the time in them.
fn words(ended: &Ended) -> Vec<String> {
    let line = |line: &str| match line.rfind(" (") {
        Some(at) => line[..at].trim().to_owned() + line[at..].split_once(')').unwrap().1,
        None => line.trim().to_owned(),
    };
    ended.out.lines().map(line).collect()
}

#[test]
fn a_script_trades_in_every_version() {
    let folder = Folder::new();
    let file = folder.write("vesta.toml", &config_text(&folder, &["A", "B", "C"]));
    let venue = Venue::start(&Config::load(&file).unwrap()).unwrap();
    let address = venue.fix_addr().to_string();
    let lines = "sell BTC-USD 2 @ 100.5   # rests\nlist\nreplace 1 3 @ 101\nbuy BTC-USD 1 @ 101 ioc\n\
                 status 1\ncancel 1\nlist\nquit\nbuy BTC-USD 1 @ 1\n";
    for (sender, version) in [("A", "4.2"), ("B", "4.4"), ("C", "5.0sp2")] {
        let ended = script(&address, &["--sender", sender, "--fix", version], lines);
        ended.assert_good();
        let expected = [
            "-- logged on",
            "1 new              sell 2.0 BTC-USD @ 100.50, 2.0 left, 0.0 done",
            "1 sell 2.0 BTC-USD @ 100.50, 2.0 left, 0.0 done",
            "1 replaced         sell 3.0 BTC-USD @ 101.00, 3.0 left, 0.0 done",
            "3 new              buy 1.0 BTC-USD @ 101.00, 1.0 left, 0.0 done",
            "1 trade 1.0 @ 101.00 sell 3.0 BTC-USD @ 101.00, 2.0 left, 1.0 done",
            "3 trade 1.0 @ 101.00 buy 1.0 BTC-USD @ 101.00, 0.0 left, 1.0 done",
        ];
        let said = words(&ended);
        assert_eq!(said[..expected.len()], expected, "{}", ended.out);
        assert!(said.iter().any(|line| line.starts_with("1 canceled")), "{}", ended.out);
        assert_eq!(said.len(), expected.len() + 2, "nothing is on the book at the end: {said:?}");
    }
    venue.stop().unwrap();

    // The same from the journal: what the client sent is marked.
    let journal = folder.path().join("journal");
    let dir = journal.to_str().unwrap();
    let printed = run(&["journal", "print", dir, "--fix", "B"]);
    printed.assert_good();
    let start = |line: &str| {
        let words: Vec<&str> = line.split(' ').skip(1).filter(|it| !it.is_empty()).collect();
        words[..3].join(" ")
    };
    let order: Vec<String> = printed.out.lines().map(start).collect();
    let expected = [
        "~B → Logon",
        "B ← Logon",
        "~B → NewOrderSingle",
        "B ← ExecutionReport",
        "~B → OrderCancelReplaceRequest",
        "B ← ExecutionReport",
        "~B → NewOrderSingle",
        "B ← ExecutionReport",
        "B ← ExecutionReport",
        "B ← ExecutionReport",
        "~B → OrderStatusRequest",
        "B ← ExecutionReport",
        "~B → OrderCancelRequest",
        "B ← ExecutionReport",
        "~B → Logout",
        "B ← Logout",
    ];
    assert_eq!(order, expected, "{}", printed.out);
    assert!(printed.out.contains(" Symbol=BTC-USD Side=2 OrderQty=2.0 OrdType=2 Price=100.5"));
    let json = run(&["journal", "print", dir, "--fix", "C", "--json"]);
    json.assert_good();
    for line in json.out.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["derived"] == true, line["from"] == "C", "{line}");
    }
    run(&["journal", "print", dir, "--fix", "NOBODY"]).assert_says(2, &["NOBODY"]);
    run(&["journal", "tail", dir, "--fix", "B"]).assert_says(2, &["--session"]);
}

#[test]
fn what_is_refused_is_the_exit_code_and_mass_cancels_are_counted() {
    let folder = Folder::new();
    let file = folder.write("vesta.toml", &config_text(&folder, &["A"]));
    let venue = Venue::start(&Config::load(&file).unwrap()).unwrap();
    let address = venue.fix_addr().to_string();
    let numbers = folder.path().join("numbers");
    let args = ["--sender", "A", "--json", "--numbers", numbers.to_str().unwrap()];
    let ended = script(&address, &args, "buy BTC-USD 1 @ 90\nbuy BTC-USD 1 @ 91\n");
    ended.assert_good();
    let kept = fs::read_to_string(&numbers).unwrap();
    let reports: Vec<Value> =
        ended.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(reports[1]["ExecType"], "0");
    assert_eq!(reports[1]["MsgType"], "8");
    // The numbers go on: no ResetSeqNumFlag, and nothing comes twice.
    let ended =
        script(&address, &args, "cancel all\nbuy NOTHING 1 @ 1\nbuy BTC-USD 1 @ 1.001\nhum\n");
    assert_eq!(ended.code, Some(1), "{}{}", ended.out, ended.err);
    assert!(ended.err.contains("3 requests were refused"), "{}", ended.err);
    assert!(ended.err.contains("hum is not understood"), "{}", ended.err);
    assert_ne!(fs::read_to_string(&numbers).unwrap(), kept);
    assert!(ended.out.contains("\"TotalAffectedOrders\":\"2\""), "{}", ended.out);
    let ended = script(&address, &["--sender", "NOBODY"], "list\n");
    ended.assert_says(1, &["not logged on", "closed the connection"]);
    venue.stop().unwrap();
}

#[test]
fn a_password_comes_from_a_file_or_the_environment_and_goes_under_tls() {
    const PASSWORD: &str = "tr0ub4dor-and-3";
    let folder = Folder::new();
    let mut hasher =
        vesta().arg("password").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    hasher.stdin.take().unwrap().write_all(PASSWORD.as_bytes()).unwrap();
    let hash = Ended::of(hasher.wait_with_output().unwrap()).out;
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let cert = folder.write("cert.pem", &made.cert.pem());
    let key = folder.write("key.pem", &made.signing_key.serialize_pem());
    fs::set_permissions(key, fs::Permissions::from_mode(0o600)).unwrap();
    let tls =
        "tls = { listen = \"127.0.0.1:0\", cert = \"cert.pem\", key = \"key.pem\" }\n[itch.soup]";
    let text = config_text(&folder, &["A"]).replacen("[itch.soup]", tls, 1);
    let text = text + &format!("password = \"{}\"\n", hash.trim_end());
    let file = folder.write("vesta.toml", &text);
    let venue = Venue::start(&Config::load(&file).unwrap()).unwrap();
    let address = venue.tls_addr().unwrap().to_string();
    let secret = folder.write("password", &format!("{PASSWORD}\n"));
    let (cert, secret) = (cert.to_str().unwrap(), secret.to_str().unwrap());

    let args = ["--sender", "A", "--tls", cert, "--password-file", secret];
    let ended = script(&address, &args, "buy BTC-USD 1 @ 90\n");
    ended.assert_good();
    assert!(!ended.out.contains(PASSWORD) && !ended.err.contains(PASSWORD));
    let mut command = vesta();
    command.args(["fix", "connect", &address, "--sender", "A", "--tls", cert]);
    command.args(["--password-env", "FIX_PASSWORD"]).env("FIX_PASSWORD", PASSWORD);
    Ended::of(command.output().unwrap()).assert_good();
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let other = folder.write("other.pem", &other.cert.pem());
    let args = ["--sender", "A", "--tls", other.to_str().unwrap(), "--password-file", secret];
    script(&address, &args, "").assert_says(1, &["not logged on", "certificate"]);
    // Not from the command line: others see it there.
    assert_eq!(
        run(&["fix", "connect", &address, "--sender", "A", "--password", PASSWORD]).code,
        Some(2)
    );
    run(&["fix", "connect", &address, "--sender", "A", "--ask-password"])
        .assert_says(2, &["terminal"]);
    venue.stop().unwrap();
}

#[test]
fn a_conversation_needs_a_whole_journal() {
    let folder = Folder::new();
    let journal = make_journal(&folder);
    let dir = journal.to_str().unwrap();
    let part = folder.path().join("part");
    let part = part.to_str().unwrap();
    run(&["journal", "cut", dir, "--from", "5", "--out", part]).assert_good();
    assert_eq!(run(&["journal", "print", part, "--fix", "MAKER"]).code, Some(1));
    // Without a session, it is the names of the fields.
    let ended = run(&["journal", "print", dir, "--fix"]);
    ended.assert_good();
    assert!(ended.out.contains("ClOrdID=a"), "{}", ended.out);
}
