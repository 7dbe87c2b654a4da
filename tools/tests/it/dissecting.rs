//! `vesta export --format pcap`, as Wireshark's own dissectors see it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use crate::support::{Ended, Folder, MAKER, Market, TAKER, run, skipped};

/// Packets, or messages in them, that a dissector has something against.
const FAULTS: &str = "_ws.malformed || _ws.expert.severity >= 6291456 || fix.checksum_bad == 1 \
                      || tcp.checksum.status == 0 || ip.checksum.status == 0";

/// Those that are FIX, with everything right.
const GOOD: &str = "fix.checksum_good == 1 && tcp.checksum.status == 1 && ip.checksum.status == 1";

/// Runs tshark with its FIX dissector; `None` where there is none.
fn dissect(capture: &Path, args: &[&str]) -> Option<String> {
    let output = Command::new("tshark")
        .arg("-r")
        .arg(capture)
        .args(["-d", "tcp.port==5001,fix"])
        .args(["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"])
        .args(args)
        .output();
    let Ok(output) = output else {
        skipped("the capture under tshark: there is none (apt-get install tshark)");
        return None;
    };
    let ended = Ended::of(output);
    ended.assert_good();
    Some(ended.out)
}

/// Every message of some thousand is one to a dissector that knows nothing of us, in streams without a
/// fault.
#[test]
fn wireshark_reads_the_sessions() {
    let folder = Folder::new();
    let mut market = Market::open(&folder);
    for round in 0..600 {
        market.order(MAKER, &format!("m{round}"), b'2', "1.5", "50000.00");
        market.order(TAKER, &format!("t{round}"), b'1', "1.0", "50000.00");
        if round % 3 == 0 {
            let (id, old) = (format!("r{round}"), format!("m{round}"));
            market.replace((MAKER, &id, &old), (b'2', "1.2", "50000.00"));
            market.cancel_side(MAKER, &format!("c{round}"), &id, b'2');
        } else {
            market.cancel_side(MAKER, &format!("c{round}"), &format!("m{round}"), b'2');
        }
    }
    let heard = market.heard.len();
    let journal = market.close(&folder);
    let dir = journal.to_str().unwrap();
    let capture = folder.path().join("sessions.pcap");
    let file = capture.to_str().unwrap();
    let ended = run(&["export", dir, "--format", "pcap", "--out", file, "--json"]);
    ended.assert_good();
    let (ours, theirs) = (&ended.json()["messages"], &ended.json()["client_messages"]);
    let messages = ours.as_u64().unwrap() + theirs.as_u64().unwrap();

    let types = ["-Y", "fix", "-T", "fields", "-E", "occurrence=a", "-e", "fix.MsgType"];
    let Some(types) = dissect(&capture, &types) else { return };
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    for kind in types.split(['\n', ',']).filter(|kind| !kind.is_empty()) {
        *seen.entry(kind).or_default() += 1;
    }
    assert_eq!(seen.values().sum::<u64>(), messages, "{seen:?}");
    assert!(messages > 3_000 && seen["8"] >= heard as u64, "{heard} were heard of {seen:?}");
    assert_eq!((seen["D"], seen["F"], seen["G"]), (1_200, 600, 200));
    assert_eq!(dissect(&capture, &["-Y", FAULTS]).unwrap(), "");
    let frames = |filter| dissect(&capture, &["-Y", filter]).unwrap().lines().count();
    assert_eq!(frames(GOOD), frames("fix"));

    // It would say so: a byte of one message is another.
    let mut bytes = std::fs::read(&capture).unwrap();
    let at = bytes.windows(5).position(|part| part == b"\x0111=t").unwrap() + 4;
    bytes[at] = b'Z';
    std::fs::write(&capture, bytes).unwrap();
    assert_eq!(dissect(&capture, &["-Y", FAULTS]).unwrap().lines().count(), 1);
}
