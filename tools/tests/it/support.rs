//! Folders, processes and small venues for the tests.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use std::{fs, io};

use gateway::fix::tag;
use journal::Options;
use serde_json::Value;
use tools::fix_conn::{FixSet, FixTarget, Heard, Login};
use venue::{Config, Venue, clock};

/// A folder of one test, gone at its end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("it-{}-{n}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The binary under test.
pub(crate) fn vesta() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vesta"));
    command.stdin(Stdio::null());
    command
}

/// What a command said and how it ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    pub(crate) fn of(output: Output) -> Ended {
        Ended {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The JSON object that it ended with.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let last = self.out.lines().last().unwrap_or_default();
        serde_json::from_str(last).unwrap_or_else(|_| panic!("no JSON in {}{}", self.out, self.err))
    }

    #[track_caller]
    pub(crate) fn assert_good(&self) {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.err);
    }

    /// It was called wrongly.
    #[track_caller]
    pub(crate) fn assert_usage(&self) {
        assert_eq!(self.code, Some(2), "{}{}", self.out, self.err);
        assert!(self.err.contains("Usage"), "{}", self.err);
    }

    /// It ended with `code` and one line on stderr that has all of `words` in it.
    #[track_caller]
    pub(crate) fn assert_says(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        assert_eq!(self.err.lines().count(), 1, "{}", self.err);
        assert!(self.err.starts_with("vesta: "), "{}", self.err);
        for word in words {
            assert!(self.err.contains(word), "no {word:?} in {}", self.err);
        }
    }
}

/// Runs the binary to its end.
pub(crate) fn run(args: &[&str]) -> Ended {
    Ended::of(vesta().args(args).output().unwrap())
}

/// Runs the binary where no file can grow: a disk that is full, without one.
pub(crate) fn run_without_room(args: &[&str]) -> Ended {
    let mut command = Command::new("sh");
    // Without the signal the write says that there is no room.
    command.args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$@\"", "sh"]);
    command.arg(env!("CARGO_BIN_EXE_vesta")).args(args).stdin(Stdio::null());
    Ended::of(command.output().unwrap())
}

/// A running `vesta`, killed if the test ends first.
pub(crate) struct Running {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Running {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Running { child, lines }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Reads lines up to one that begins with `start`.
    #[track_caller]
    pub(crate) fn line(&mut self, start: &str) -> String {
        for line in self.lines.by_ref() {
            let line = line.unwrap();
            if line.starts_with(start) {
                return line;
            }
        }
        panic!("it ended without a line {start:?}");
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Ended {
        let rest: Vec<String> = self.lines.by_ref().map(|line| line.unwrap()).collect();
        let mut err = String::new();
        io::Read::read_to_string(&mut self.child.stderr.take().unwrap(), &mut err).unwrap();
        let code = self.child.wait().unwrap().code();
        Ended { code, out: rest.join("\n"), err }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Says past the test harness that a test had not what it needs.
pub(crate) fn skipped(what: &str) {
    let _ = writeln!(io::stderr(), "\nSKIPPED {what}");
}

/// A configuration in `folder` with a journal and a live log of its own and free ports.
pub(crate) fn config_text(folder: &Folder, sessions: &[&str]) -> String {
    let mut text = format!(
        "[venue]\njournal_dir = \"journal\"\nlive_dir = \"{}\"\nsegment_mib = 1\n\
         durability = \"memory\"\n\
         [limits]\norders = 1000\nlevels = 1000\ninstruments = 4\nsessions = 8\n\
         [fix]\nlisten = \"127.0.0.1:0\"\n[itch.soup]\nlisten = \"127.0.0.1:0\"\n\
         [[instrument]]\nsymbol = \"BTC-USD\"\nprice_decimals = 2\nqty_decimals = 1\n\
         tick_size = \"0.01\"\nlot_size = \"0.1\"\nqty_max = \"1000\"\nprice_max = \"100000\"\n",
        folder.path().join("live").display()
    );
    for comp_id in sessions {
        text += &format!("[[session]]\ncomp_id = \"{comp_id}\"\nparticipant = \"FIRM\"\n");
    }
    text
}

/// A venue in this process, and its two sessions.
pub(crate) struct Market {
    venue: Venue,
    set: FixSet,
    /// Every application message that a session heard, as it came.
    pub(crate) heard: Vec<(usize, Vec<u8>)>,
}

/// The sessions of a [`Market`].
pub(crate) const MAKER: usize = 0;
pub(crate) const TAKER: usize = 1;

impl Market {
    /// Opens one on `folder`/journal.
    pub(crate) fn open(folder: &Folder) -> Market {
        Market::open_with(folder, "")
    }

    /// The same with more in the `[venue]` part of its configuration; the sessions begin with number 1 again.
    pub(crate) fn open_with(folder: &Folder, more: &str) -> Market {
        let text = config_text(folder, &["MAKER", "TAKER"]);
        let file =
            folder.write("vesta.toml", &text.replacen("[limits]", &format!("{more}[limits]"), 1));
        let venue = Venue::start(&Config::load(&file).unwrap()).unwrap();
        let target = FixTarget {
            address: venue.fix_addr(),
            comp_id: "VESTA".into(),
            reset: !more.is_empty(),
            patience: Duration::from_secs(10),
        };
        let logins = ["MAKER", "TAKER"].map(Login::plain);
        let set = FixSet::connect(target, &logins).unwrap();
        Market { venue, set, heard: Vec::new() }
    }

    /// Enters a limit order and waits for a report.
    pub(crate) fn order(&mut self, session: usize, id: &str, side: u8, qty: &str, price: &str) {
        order(&mut self.set, session, id, side, qty, price);
        self.hear(1);
    }

    /// Cancels a buy order and waits for a report.
    pub(crate) fn cancel(&mut self, session: usize, id: &str, target: &str) {
        self.cancel_side(session, id, target, b'1');
    }

    /// Cancels an order and waits for a report.
    pub(crate) fn cancel_side(&mut self, session: usize, id: &str, target: &str, side: u8) {
        let now = clock::now();
        self.set.send(session, now, b"F", |cancel| {
            cancel.bytes(tag::CL_ORD_ID, id.as_bytes());
            cancel.bytes(tag::ORIG_CL_ORD_ID, target.as_bytes());
            cancel.bytes(tag::SYMBOL, b"BTC-USD").char(tag::SIDE, side);
            cancel.utc(tag::TRANSACT_TIME, now);
        });
        self.hear(1);
    }

    /// Replaces an order and waits for a report.
    pub(crate) fn replace(
        &mut self,
        (session, id, target): (usize, &str, &str),
        (side, qty, price): (u8, &str, &str),
    ) {
        let now = clock::now();
        self.set.send(session, now, b"G", |replace| {
            replace.bytes(tag::CL_ORD_ID, id.as_bytes());
            replace.bytes(tag::ORIG_CL_ORD_ID, target.as_bytes());
            replace.bytes(tag::SYMBOL, b"BTC-USD").char(tag::SIDE, side);
            replace.utc(tag::TRANSACT_TIME, now).bytes(tag::ORDER_QTY, qty.as_bytes());
            replace.char(tag::ORD_TYPE, b'2').bytes(tag::PRICE, price.as_bytes());
            replace.char(tag::TIME_IN_FORCE, b'1');
        });
        self.hear(1);
    }

    /// Waits for at least so many reports.
    fn hear(&mut self, reports: usize) {
        let until = self.heard.len() + reports;
        while self.heard.len() < until {
            let heard = &mut self.heard;
            self.set
                .poll(Some(Duration::from_secs(10)), &mut |session, message| match message {
                    Heard::Application(message) => heard.push((session, message.bytes().to_vec())),
                    other => panic!("{other:?}"),
                })
                .unwrap();
        }
    }

    /// Everything that was on its way is here: each session asked for one thing more and heard of it.
    pub(crate) fn settle(&mut self) {
        for (session, id) in [(MAKER, "settle-m"), (TAKER, "settle-t")] {
            self.order(session, id, b'1', "0.1", "1.00");
            let field = format!("\x0111={id}\x01").into_bytes();
            let has = |message: &[u8]| message.windows(field.len()).any(|part| part == field);
            while !self.heard.iter().any(|(_, message)| has(message)) {
                self.hear(1);
            }
        }
    }

    /// Logs out, stops the venue and says where the journal is.
    pub(crate) fn close(mut self, folder: &Folder) -> PathBuf {
        self.set.logout(Duration::from_secs(10), &mut |_, _| {});
        self.venue.stop().unwrap();
        assert!(!folder.path().join("live").exists(), "a stop in order leaves no live log");
        folder.path().join("journal")
    }
}

/// How a journal in a folder is cut that is to have many segments.
pub(crate) fn small_segments(folder: &Folder) -> Options {
    Options {
        dir: folder.path().join("journal"),
        live_dir: folder.path().join("live"),
        segment_bytes: 64 << 10,
        record_version: matcher::record::RECORD_VERSION,
        live_segments_kept: 0,
        written_ahead: false,
        first_sequence: 1,
    }
}

/// Makes a journal in `folder`/journal: two sessions, three resting orders, a trade, a cancel.
pub(crate) fn make_journal(folder: &Folder) -> PathBuf {
    let mut market = Market::open(folder);
    market.order(MAKER, "a", b'2', "1.5", "50000.00");
    market.order(MAKER, "b", b'2', "2.0", "50000.00");
    market.order(MAKER, "c", b'1', "7.0", "49999.99");
    market.order(TAKER, "d", b'1', "2.5", "50000.00");
    market.cancel(MAKER, "e", "c");
    market.close(folder)
}

fn order(set: &mut FixSet, session: usize, id: &str, side: u8, qty: &str, price: &str) {
    let now = clock::now();
    set.send(session, now, b"D", |order| {
        order.bytes(tag::CL_ORD_ID, id.as_bytes()).bytes(tag::SYMBOL, b"BTC-USD");
        order.char(tag::SIDE, side).utc(tag::TRANSACT_TIME, now);
        order.bytes(tag::ORDER_QTY, qty.as_bytes()).char(tag::ORD_TYPE, b'2');
        order.bytes(tag::PRICE, price.as_bytes()).char(tag::TIME_IN_FORCE, b'1');
    });
}
