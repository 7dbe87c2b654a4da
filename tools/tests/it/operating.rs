//! What operators do to a venue that runs: by whom it may be done, and what it leaves behind.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::Stdio;

use crate::secrets::{connect, password, read_until, send, serve};
use crate::support::{Ended, Folder, Running, config_text, run, skipped, vesta};

const OLD: &str = "correct horse battery";
const NEW: &str = "staple and a new horse";

fn own(folder: &Folder, name: &str, text: &str) -> String {
    let path = folder.write(name, text);
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The venue's certificate and its key in `folder`; also `name`, which a client trusts.
fn certify(folder: &Folder, name: &str) -> String {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    own(folder, "cert.pem", &made.cert.pem());
    own(folder, "key.pem", &made.signing_key.serialize_pem());
    own(folder, name, &made.cert.pem())
}

fn credentials(folder: &Folder, secret: &str) {
    let hash = password(&[], &format!("{secret}\n")).out;
    let text = format!("[[credential]]\ncomp_id = \"A\"\npassword = \"{}\"\n", hash.trim_end());
    own(folder, "credentials.toml", &text);
}

/// A terminal of session A, under TLS.
fn terminal(address: &str, trusts: &str, secret: &str) -> Ended {
    let mut command = vesta();
    command.args(["fix", "connect", address, "--sender", "A", "--tls", trusts]);
    command.args(["--password-env", "FIX_PASSWORD"]).env("FIX_PASSWORD", secret);
    Ended::of(command.output().unwrap())
}

fn printed(folder: &Folder) -> String {
    let journal = folder.path().join("journal");
    let ended = run(&["journal", "print", journal.to_str().unwrap()]);
    ended.assert_good();
    ended.out
}

fn me() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Certificates and passwords change under a venue that runs: what cannot be used changes nothing, who is there stays, and the journal
/// says by whom it was asked.
#[test]
fn certificates_and_credentials_are_read_again() {
    let folder = Folder::new();
    let first = certify(&folder, "first.pem");
    credentials(&folder, OLD);
    let tls = "credentials = \"credentials.toml\"\n\
               tls = { listen = \"127.0.0.1:0\", cert = \"cert.pem\", key = \"key.pem\" }\n[itch.soup]";
    let text = config_text(&folder, &["A", "B"]).replacen("[itch.soup]", tls, 1);
    let file = folder.write("vesta.toml", &text);
    let config = file.to_str().unwrap();
    let reload = || run(&["reload", "--config", config]);
    reload().assert_says(1, &["no venue is running there"]);
    let mut venue = Running::start(vesta().args(["serve", "--config", config]));
    let under_tls = venue.line("tls").rsplit_once(' ').unwrap().1.to_owned();
    let line = venue.line("fix");
    let address = line.split_whitespace().find(|word| word.starts_with("127.")).unwrap();
    let address = address.trim_end_matches(',').to_owned();

    // Somebody who is there all the time.
    let mut there = connect(&address);
    send(&mut there, 1, "A", &[(98, "0"), (108, "30"), (554, OLD)]);
    assert!(read_until(&mut there, "A"));
    let mut next = 2;
    let mut is_there = |round: &str| {
        send(&mut there, next, "1", &[(112, round)]);
        next += 1;
        assert!(read_until(&mut there, "0"), "{round}");
    };

    for (name, wrong) in [
        ("cert.pem", "no certificate"),
        ("key.pem", "no key"),
        ("credentials.toml", "[[credential]]\ncomp_id = \"A\"\npassword = \"open sesame\"\n"),
        ("credentials.toml", ""),
        ("vesta.toml", "nothing of a configuration"),
    ] {
        let path = folder.path().join(name);
        let good = fs::read_to_string(&path).unwrap();
        fs::write(&path, wrong).unwrap();
        let refused = reload();
        if name == "vesta.toml" {
            // Nobody even knows where the venue is.
            refused.assert_says(2, &["vesta.toml"]);
        } else {
            let why = if wrong.is_empty() {
                "session A has credentials and would have none"
            } else {
                name
            };
            refused.assert_says(1, &["nothing is changed", why]);
        }
        assert!(!refused.err.contains("sesame"), "{}", refused.err);
        fs::write(&path, good).unwrap();
        is_there(name);
    }
    // A key that belongs to another certificate.
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = fs::read_to_string(folder.path().join("key.pem")).unwrap();
    fs::write(folder.path().join("key.pem"), other.signing_key.serialize_pem()).unwrap();
    reload().assert_says(1, &["nothing is changed", "key.pem", "does not go with"]);
    fs::write(folder.path().join("key.pem"), key).unwrap();
    // Another session is another start.
    let more = text.clone() + "[[session]]\ncomp_id = \"C\"\nparticipant = \"FIRM\"\n";
    fs::write(&file, more).unwrap();
    reload().assert_says(1, &["nothing is changed", "another start"]);
    fs::write(&file, &text).unwrap();
    let same = reload();
    same.assert_good();
    assert!(same.out.contains("0 sessions have other credentials"), "{}", same.out);

    let second = certify(&folder, "second.pem");
    credentials(&folder, NEW);
    terminal(&under_tls, &second, NEW).assert_says(1, &["certificate"]);
    let done = reload();
    done.assert_good();
    let said = "the certificate is read again, 1 sessions have other credentials now";
    assert!(done.out.contains(said), "{}", done.out);
    is_there("read again");
    send(&mut there, next, "5", &[]);
    assert!(!read_until(&mut there, "A"), "it is closed");
    terminal(&under_tls, &first, NEW).assert_says(1, &["certificate"]);
    terminal(&under_tls, &second, OLD).assert_says(1, &["not logged on"]);
    terminal(&under_tls, &second, NEW).assert_good();
    venue.signal("-TERM");
    let ended = venue.end();
    assert_eq!(ended.code, Some(0), "{}", ended.err);

    let asked = printed(&folder);
    let line = format!("operator, user id {}: reload", me());
    assert_eq!(asked.matches(&line).count(), 8, "{asked}");
    run(&["replay", folder.path().join("journal").to_str().unwrap(), "--verify"]).assert_good();
}

/// Runs the binary as another user.
fn run_as(uid: u32, args: &[&str]) -> Ended {
    let mut command = vesta();
    command.args(args).uid(uid).gid(uid);
    Ended::of(command.output().unwrap())
}

/// Who it is, the kernel says; who may, the configuration says.
#[test]
fn only_operators_operate() {
    const OPERATOR: u32 = 65_533;
    const NOBODY: u32 = 65_534;
    if me() != 0 {
        return skipped("operators with user ids of their own: only root can run as another user");
    }
    let folder = Folder::new();
    let operator = format!("[operator]\nsocket = \"door\"\nuids = [{OPERATOR}]\n[limits]");
    let text = config_text(&folder, &["A"]).replacen("[limits]", &operator, 1);
    let file = folder.write("vesta.toml", &text);
    let config = file.to_str().unwrap();
    let (venue, _) = serve(&file);
    if run_as(NOBODY, &["--version"]).code != Some(0) {
        return skipped(
            "operators with user ids of their own: others cannot run the binary where it is",
        );
    }
    let news = ["news", "--config", config, "--all", "Head", "text"];
    for (uid, args) in [
        (NOBODY, &news[..]),
        (NOBODY, &["reload", "--config", config]),
        // Not even the venue's own user, if it is not among them.
        (me(), &news[..]),
    ] {
        run_as(uid, args).assert_says(1, &[&format!("id {uid} is no operator of this venue")]);
    }
    for _ in 0..20 {
        run_as(NOBODY, &news).assert_says(1, &["no operator"]);
    }
    run_as(OPERATOR, &news).assert_good();
    run_as(OPERATOR, &["reload", "--config", config]).assert_good();
    venue.signal("-TERM");
    let ended = venue.end();
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.err.contains(&format!("id {NOBODY} asked as an operator")), "{}", ended.err);
    assert!(!folder.path().join("door").exists());
    let asked = printed(&folder);
    for (uid, what) in [(OPERATOR, "news to all: Head"), (OPERATOR, "reload")] {
        assert!(asked.contains(&format!("operator, user id {uid}: {what}")), "{asked}");
    }
    assert_eq!(asked.matches("operator, user id").count(), 2, "{asked}");

    // Nobody else could reach it where it is by itself; what is no socket stays.
    let alone = text.replace("socket = \"door\"\n", "");
    own(&folder, "alone.toml", &alone);
    let alone = folder.path().join("alone.toml");
    run(&["check-config", alone.to_str().unwrap()]).assert_says(2, &["operator.socket"]);
    folder.write("door", "precious");
    let (venue, _) = serve(&file);
    venue.signal("-TERM");
    assert!(venue.end().err.contains("door is no socket"));
    assert_eq!(fs::read_to_string(folder.path().join("door")).unwrap(), "precious");
}

/// Two venues of one socket: the second does not take it from the first, and whoever says nothing there holds up nobody.
#[test]
fn an_operators_socket_is_one_venues() {
    let folder = Folder::new();
    let with_door = |folder: &Folder, door: &str| {
        let door = format!("[operator]\nsocket = \"{door}\"\n[limits]");
        folder.write("vesta.toml", &config_text(folder, &["A"]).replacen("[limits]", &door, 1))
    };
    let file = with_door(&folder, "door");
    let door = folder.path().join("door");
    let (first, _) = serve(&file);
    let other = Folder::new();
    let (second, _) = serve(&with_door(&other, door.to_str().unwrap()));
    // More than there are places for.
    let silent: Vec<UnixStream> = (0..60).map(|_| UnixStream::connect(&door).unwrap()).collect();
    run(&["reload", "--config", file.to_str().unwrap()]).assert_good();
    second.signal("-TERM");
    let ended = second.end();
    assert!(ended.err.contains("door is the socket of another venue that runs"), "{}", ended.err);
    run(&["reload", "--config", file.to_str().unwrap()]).assert_good();
    drop(silent);
    first.signal("-TERM");
    assert_eq!(first.end().code, Some(0));
    assert!(!door.exists());
}

/// A key from a file or the environment signs what the venue asks for; another key does not.
#[test]
fn a_terminal_signs_its_logons() {
    let folder = Folder::new();
    let key = password(&["--hmac-key"], "").out;
    let hash = password(&[], &format!("{OLD}\n")).out;
    let (key_text, hash) = (key.trim_end(), hash.trim_end());
    let text = format!(
        "[[credential]]\ncomp_id = \"A\"\npassword = \"{hash}\"\nhmac_key = \"{key_text}\"\n"
    );
    own(&folder, "credentials.toml", &text);
    let text = config_text(&folder, &["A"]);
    let text = text.replacen("[fix]\n", "[fix]\ncredentials = \"credentials.toml\"\n", 1);
    let (venue, address) = serve(&folder.write("vesta.toml", &text));
    let secret = own(&folder, "key", &key);
    let (start, with) = (["fix", "connect", &address, "--sender", "A"], ["--password-env", "P"]);
    let script = |args: &[&str], lines: &str| {
        let mut command = vesta();
        command.args(start).args(with).args(args).env("P", OLD).env("KEY", key.trim_end());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        Ended::of(child.wait_with_output().unwrap())
    };
    for args in [&["--hmac-key-file", &secret][..], &["--hmac-key-env", "KEY"]] {
        let ended = script(args, "buy BTC-USD 1 @ 90\n");
        ended.assert_good();
        assert!(ended.out.contains("1 new"), "{}", ended.out);
        assert!(!ended.out.contains(key.trim_end()) && !ended.err.contains(key.trim_end()));
    }
    for version in ["4.2", "5.0sp2"] {
        script(&["--hmac-key-env", "KEY", "--fix", version], "").assert_good();
    }
    script(&[], "").assert_says(1, &["not logged on"]);
    let other = password(&["--hmac-key"], "").out;
    let other = own(&folder, "other", &other);
    script(&["--hmac-key-file", &other], "").assert_says(1, &["not logged on"]);
    let short = own(&folder, "short", "AAECAwQFBgc=\n");
    script(&["--hmac-key-file", &short], "").assert_says(2, &["hmac_key"]);
    script(&["--ask-hmac-key"], "").assert_says(2, &["terminal"]);
    // Not from the command line: others see it there.
    assert_eq!(script(&["--hmac-key", key.trim_end()], "").code, Some(2));
    venue.signal("-TERM");
    venue.end();
}
