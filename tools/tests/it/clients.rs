//! The example clients, on engines of others and on ours: they lose the line in the middle of a burst, twice, and are told
//! everything exactly once.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{panic, thread};

use gateway::fix::tag;
use tools::fix_conn::{FixSet, FixTarget, Heard, Login};
use venue::{Config, Venue, clock};

use crate::line::{Cut, Line};
use crate::support::{Ended, Folder, config_text, run, skipped};

// What runs in another process with other engines runs in this one with ours.
#[path = "../../examples/trade.rs"]
mod trade;

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");

const ORDERS: usize = 200;

/// Orders are lost with the first connection, reports with the second.
const CUTS: &[Cut] = &[Cut::Asked(9_999), Cut::Told(20_001)];

const VERSIONS: [&str; 3] = ["4.2", "4.4", "5.0sp2"];

/// Who sells as much as all orders buy.
struct Maker {
    set: FixSet,
    rests: bool,
    /// ExecID(17) of each fill.
    sold: BTreeSet<Vec<u8>>,
}

impl Maker {
    /// Logs on, and enters the order.
    fn new(target: FixTarget) -> Maker {
        let mut set = FixSet::connect(target, &[Login::plain("MAKER")]).unwrap();
        let now = clock::now();
        set.send(0, now, b"D", |order| {
            order.bytes(tag::CL_ORD_ID, b"all").bytes(tag::SYMBOL, b"BTC-USD");
            order.char(tag::SIDE, b'2').utc(tag::TRANSACT_TIME, now);
            order.uint(tag::ORDER_QTY, ORDERS as u64).char(tag::ORD_TYPE, b'2');
            order.uint(tag::PRICE, 100).char(tag::TIME_IN_FORCE, b'1');
        });
        Maker { set, rests: false, sold: BTreeSet::new() }
    }

    /// Hears what comes within `most`, and says what is due: a client may take longer than the venue waits for that.
    fn hear(&mut self, most: Duration) {
        let (rests, sold) = (&mut self.rests, &mut self.sold);
        let mut heard = |_: usize, heard: Heard<'_>| {
            let Heard::Application(report) = heard else { return };
            match report.get(tag::EXEC_TYPE) {
                Some(b"0") => *rests = true,
                Some(b"F") => {
                    let new = sold.insert(report.get(tag::EXEC_ID).unwrap().to_vec());
                    assert!(new, "{report:?} twice");
                }
                _ => panic!("{report:?}"),
            }
        };
        if self.set.poll(Some(most), &mut heard).is_err() {
            // The machine stood still for so long that one took the other for dead.
            self.set.reconnect(&mut heard).unwrap();
        }
    }
}

/// A venue with a maker, and a client trades with it over a line that breaks. `client`
/// gets the address and its CompID and gives what the client said, `None` if there is no such client.
fn trades(version: &str, client: impl FnOnce(&Line, &str) -> Option<String> + Send) {
    let folder = Folder::new();
    let file = folder.write("vesta.toml", &config_text(&folder, &["MAKER", "CLIENT"]));
    let venue = Venue::start(&Config::load(&file).unwrap()).unwrap();
    let mut maker = Maker::new(FixTarget {
        address: venue.fix_addr(),
        comp_id: "VESTA".into(),
        reset: false,
        patience: Duration::from_secs(60),
    });
    while !maker.rests {
        maker.hear(Duration::from_secs(20));
    }
    let line = Line::new(venue.fix_addr(), CUTS);
    let said = thread::scope(|scope| {
        let client = scope.spawn(|| client(&line, "CLIENT"));
        while !client.is_finished() {
            maker.hear(Duration::from_millis(50));
        }
        client.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked))
    });
    if let Some(said) = said {
        let fill = if version == "4.2" { "2" } else { "F" };
        let (mut told, mut exec_ids) = (BTreeMap::<&str, Vec<&str>>::new(), BTreeSet::new());
        for report in said.lines() {
            let [id, exec_id, exec_type] = report.split(' ').collect::<Vec<_>>()[..] else {
                panic!("{report}")
            };
            assert!(exec_ids.insert(exec_id), "{report} twice");
            told.entry(id).or_default().push(exec_type);
        }
        assert_eq!(told.len(), ORDERS);
        assert!(told.values().all(|types| *types == ["0", fill]), "{told:?}");
        assert!(line.connections() > CUTS.len(), "{} connections", line.connections());
        while maker.sold.len() < ORDERS {
            maker.hear(Duration::from_secs(20));
        }
    }
    venue.stop().unwrap();
}

pub(crate) fn python(module: &str) -> Option<Command> {
    let python = env::var("VESTA_PYTHON").unwrap_or_else(|_| "python3".into());
    let import = format!("import {module}");
    let has = Command::new(&python).args(["-c", &import]).stderr(Stdio::null()).status();
    if has.is_ok_and(|status| status.success()) {
        return Some(Command::new(&python));
    }
    let package = module.replace('_', "-");
    skipped(&format!(
        "the example client on {package}: {python} has it not (pip install {package})"
    ));
    None
}

/// Runs a client to its end; what it said.
pub(crate) fn say(command: &mut Command, line: &Line, args: &[&str]) -> String {
    let (host, port) = (line.address.ip().to_string(), line.address.port().to_string());
    command.args([host, port]).args(args).stdin(Stdio::null());
    let ended = Ended::of(command.output().unwrap());
    ended.assert_good();
    ended.out
}

/// A folder for an engine with the dictionaries of the venue.
fn engine_folder() -> Folder {
    let folder = Folder::new();
    for name in ["4.2", "4.4", "fixt1.1", "5.0sp2"] {
        let ended = run(&["fix", "dictionary", name]);
        ended.assert_good();
        folder.write(&format!("{name}.xml"), &ended.out);
    }
    folder
}

#[test]
fn the_client_on_our_own_machine_is_told_everything_once() {
    for version in VERSIONS {
        trades(version, |line, comp_id| {
            let mut out = Vec::new();
            let (address, orders) = (line.address.to_string(), ORDERS.to_string());
            trade::run(&[&address, version, comp_id, &orders], &mut out).unwrap();
            Some(String::from_utf8(out).unwrap())
        });
    }
}

#[test]
fn the_client_on_simplefix_is_told_everything_once() {
    for version in VERSIONS {
        trades(version, |line, comp_id| {
            let mut client = python("simplefix")?;
            client.arg(Path::new(EXAMPLES).join("trade_simplefix.py"));
            Some(say(&mut client, line, &[version, comp_id, &ORDERS.to_string()]))
        });
    }
}

#[test]
fn the_client_on_quickfix_in_python_is_told_everything_once() {
    for version in VERSIONS {
        trades(version, |line, comp_id| {
            let mut client = python("quickfix")?;
            client.arg(Path::new(EXAMPLES).join("trade_quickfix.py"));
            let (orders, folder) = (ORDERS.to_string(), engine_folder());
            let folder = folder.path().to_str().unwrap();
            Some(say(&mut client, line, &[version, comp_id, &orders, folder]))
        });
    }
}

/// The client in C++, compiled; `None` where it cannot be.
fn compiled(folder: &Folder) -> Option<PathBuf> {
    let program = folder.path().join("trade_quickfix");
    let mut compiler = Command::new("g++");
    compiler.args(["-std=c++14", "-O1", "-w", "-o"]).arg(&program);
    compiler.arg(Path::new(EXAMPLES).join("trade_quickfix.cpp"));
    let output = compiler.args(["-lquickfix", "-lpthread"]).output().ok();
    let Some(output) = output.filter(|_| Path::new("/usr/include/quickfix/Session.h").exists())
    else {
        skipped(
            "the example client on QuickFIX in C++: no g++ or no QuickFIX (apt-get install g++ \
             libquickfix-dev)",
        );
        return None;
    };
    Ended::of(output).assert_good();
    Some(program)
}

#[test]
fn the_client_on_quickfix_in_cpp_is_told_everything_once() {
    let folder = Folder::new();
    let Some(program) = compiled(&folder) else { return };
    for version in VERSIONS {
        trades(version, |line, comp_id| {
            let (orders, folder) = (ORDERS.to_string(), engine_folder());
            let folder = folder.path().to_str().unwrap();
            let mut client = Command::new(&program);
            Some(say(&mut client, line, &[version, comp_id, &orders, folder]))
        });
    }
}
