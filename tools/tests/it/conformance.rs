//! The acceptance definitions of the FIX session test cases, played against a running venue.
//!
//! Definitions and their player are not part of the project. They are looked for in `../shared/tools/fix_at`
//! or where `VESTA_FIX_AT` says; more versions than its own in folders of `VESTA_FIX_DEFINITIONS`. What is not
//! there is told as SKIPPED.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs, thread};

use serde_json::Value;

use crate::support::{Ended, Folder, Running, config_text, skipped, vesta};

/// Definitions that wait for heartbeats: half a minute in which nobody is busy. Over restarts they are played
/// only if `VESTA_CONFORMANCE` says `all`.
const SLOW: [&str; 2] = ["4a_NoDataSentDuringHeartBtInt", "6_SendTestRequest"];

/// Its ClOrdID must be one that the session never used, and with [`Reset::Flag`] all definitions share one
/// session: it goes first. Ours remembers ClOrdIDs over a reset of the numbers.
const FRESH: &str = "19b_PossResendMessageThatHasNotBeenSent";

/// Its Logon has MsgSeqNum(34)=5, which cannot have ResetSeqNumFlag(141)=Y.
const NO_RESET: &str = "1a_ValidLogonMsgSeqNumTooHigh";

/// How the numbers begin at 1 for each definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reset {
    /// Each connection is another session.
    Unique,
    /// One session for all, whose Logons have ResetSeqNumFlag(141)=Y.
    Flag,
}

/// Where the definitions and their player are.
struct Definitions {
    player: PathBuf,
    /// SenderCompID(49) that they have.
    sender: String,
    /// Of one version, in the order to play them.
    files: Vec<PathBuf>,
}

impl Definitions {
    fn of(version: &str) -> Option<Definitions> {
        let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/tools/fix_at");
        let fix_at = env::var_os("VESTA_FIX_AT").map_or(beside, PathBuf::from);
        let player = fix_at.join("run.py");
        let more = env::var_os("VESTA_FIX_DEFINITIONS").map(PathBuf::from);
        let folders = [Some(fix_at.join("defs")), more].into_iter().flatten();
        let folder = folders.map(|folder| folder.join(version)).find(|folder| folder.is_dir());
        let python = Command::new("python3").arg("--version").stdout(Stdio::null()).status();
        let (Some(folder), true, Ok(_)) = (folder, player.is_file(), python) else {
            skipped(&format!(
                "the FIX session test cases of {version}: they are in neither VESTA_FIX_AT/defs nor \
                 VESTA_FIX_DEFINITIONS, or their player or python3 is missing"
            ));
            return None;
        };
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<PathBuf> =
            entries.filter(|path| path.extension().is_some_and(|it| it == "def")).collect();
        files.sort_by_key(|path| (name(path) != FRESH, path.clone()));
        let sender = version.replace("fix", "tw").to_uppercase();
        Some(Definitions { player, sender, files })
    }

    /// Plays `files` against the venue at `port`; returns what became of each. `from` is the number of the first
    /// session that they log on as.
    fn play(&self, files: &[&Path], port: &str, reset: Reset, from: usize) -> Vec<Played> {
        let results = Folder::new();
        let json = results.path().join("results.json");
        let mut command = Command::new("python3");
        command.arg(&self.player).args(["--port", port, "--target", "VESTA", "--app", "er"]);
        command.args(["--def-target", "ISLD", "--def-sender", &self.sender]);
        command.args(["--quiet", "--verbose", "--json"]).arg(&json);
        match reset {
            Reset::Unique => command.args([
                "--reset",
                "unique",
                "--sender",
                "C{n}",
                "--start-n",
                &from.to_string(),
            ]),
            Reset::Flag => command.args(["--reset", "flag", "--sender", &format!("C{from}")]),
        };
        // An order that we take: a limit order in our instrument.
        command.args(["--set-tag", "D.40:1=2;D.55:INTC=BTC-USD"]);
        command.args(["--add-tag", "D.38=1;D.44=100", "--defs"]).args(files);
        let ended = Ended::of(command.stdin(Stdio::null()).output().unwrap());
        let text = fs::read_to_string(&json);
        let text = text.unwrap_or_else(|_| panic!("{}{}", ended.out, ended.err));
        let results: Value = serde_json::from_str(&text).unwrap();
        let played = results["results"].as_array().unwrap().iter();
        let played = played.map(|result| Played {
            name: name(Path::new(result["path"].as_str().unwrap())).to_owned(),
            status: result["status"].as_str().unwrap().to_owned(),
            said: ended.out.clone(),
        });
        played.collect()
    }
}

/// What became of one definition.
struct Played {
    name: String,
    status: String,
    /// What the player said about it, and about those played with it.
    said: String,
}

fn name(path: &Path) -> &str {
    path.file_stem().and_then(|name| name.to_str()).unwrap_or_default()
}

/// Sessions that each definition may log on as.
const SESSIONS_EACH: usize = 4;

/// Sessions for more definitions than a version has.
const SESSIONS: usize = 64 * SESSIONS_EACH;

fn config(folder: &Folder) -> PathBuf {
    let names: Vec<String> = (1..=SESSIONS).map(|n| format!("C{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let text = config_text(folder, &names);
    let text = text.replacen("sessions = 8", "sessions = 1000", 1);
    let session = "[[session]]\n";
    folder.write("vesta.toml", &text.replace(session, &format!("{session}conformance = true\n")))
}

fn serve(file: &Path) -> (Running, String) {
    let mut venue = Running::start(vesta().args(["serve", "--config"]).arg(file));
    let line = venue.line("fix");
    let address = line.split(' ').find(|word| word.starts_with("127.0.0.1:")).unwrap();
    let port = address.trim_end_matches(',').rsplit(':').next().unwrap().to_owned();
    (venue, port)
}

fn stop(venue: Running) {
    venue.signal("-TERM");
    venue.end().assert_good();
}

/// All definitions against one venue; meanwhile the slow ones, each in a session of its own.
fn in_one_go(definitions: &Definitions, reset: Reset) -> Vec<Played> {
    let folder = Folder::new();
    let (venue, port) = serve(&config(&folder));
    let files = definitions.files.iter().map(PathBuf::as_path);
    let (slow, quick): (Vec<_>, Vec<_>) = files.partition(|path| SLOW.contains(&name(path)));
    let played = thread::scope(|scope| {
        let slow = (1..).zip(slow).map(|(n, file)| {
            let (from, port) = (1 + n * SESSIONS_EACH, &port);
            scope.spawn(move || definitions.play(&[file], port, reset, SESSIONS - from))
        });
        let slow: Vec<_> = slow.collect();
        let mut played = definitions.play(&quick, &port, reset, 1);
        played.extend(slow.into_iter().flat_map(|it| it.join().unwrap()));
        played
    });
    stop(venue);
    played
}

/// Each definition against a venue that was started for it, on the journal of those before.
fn with_restarts(definitions: &Definitions, reset: Reset) -> Vec<Played> {
    let folder = Folder::new();
    let config = config(&folder);
    let mut played = Vec::new();
    let all = env::var_os("VESTA_CONFORMANCE").is_some_and(|it| it == "all");
    for (n, file) in definitions.files.iter().enumerate() {
        if SLOW.contains(&name(file)) && !all {
            continue;
        }
        let from = if reset == Reset::Unique { 1 + n * SESSIONS_EACH } else { 1 };
        let (venue, port) = serve(&config);
        played.extend(definitions.play(&[file], &port, reset, from));
        stop(venue);
    }
    played
}

/// Every definition passed, but for the one that cannot be played with `reset`.
#[track_caller]
fn assert_passed(version: &str, definitions: &Definitions, reset: Reset, played: &[Played]) {
    assert!(played.len() >= definitions.files.len() - SLOW.len());
    for one in played {
        let expected = if (reset, &*one.name) == (Reset::Flag, NO_RESET) { "skip" } else { "pass" };
        assert_eq!(one.status, expected, "{version} {}, {reset:?}:\n{}", one.name, one.said);
    }
}

/// Plays the definitions of `version` in both ways at once.
fn conforms(version: &str, play: fn(&Definitions, Reset) -> Vec<Played>) {
    let Some(definitions) = Definitions::of(version) else { return };
    assert!(definitions.files.len() >= 58, "{} definitions", definitions.files.len());
    thread::scope(|scope| {
        for reset in [Reset::Unique, Reset::Flag] {
            let definitions = &definitions;
            scope.spawn(move || {
                assert_passed(version, definitions, reset, &play(definitions, reset));
            });
        }
    });
}

#[test]
fn fix44_conforms() {
    conforms("fix44", in_one_go);
}

#[test]
fn fix44_conforms_over_restarts() {
    conforms("fix44", with_restarts);
}

#[test]
fn fix42_conforms() {
    conforms("fix42", in_one_go);
}

#[test]
fn fix42_conforms_over_restarts() {
    conforms("fix42", with_restarts);
}

#[test]
fn fix50sp2_conforms() {
    conforms("fix50sp2", in_one_go);
}

#[test]
fn fix50sp2_conforms_over_restarts() {
    conforms("fix50sp2", with_restarts);
}
