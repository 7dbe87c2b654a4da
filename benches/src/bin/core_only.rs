//! The core and nothing else, for a look at its system calls.
//!
//! It fills a ring with 1,000,000 requests, says so in one write, takes and journals them all, and
//! says so in a second write. What a trace shows between the two is what the core asks of the kernel:
//!
//! ```text
//! strace -f target/release/core_only 2>&1 | sed -n '/-- begin/,/-- end/p'
//! strace -c -f target/release/core_only      # with and without the argument `0`
//! ```
//!
//! The argument is the number of requests.

use std::io::Write;

use benches::orders::{SEED, STANDARD, requests, stream};
use benches::rig::{Folder, core, push};
use venue::Turned;

const REQUESTS: usize = 1_000_000;

fn main() {
    let count = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(REQUESTS);
    let list = requests(&stream(&STANDARD, SEED, REQUESTS).operations, 64).list;
    let folder = Folder::in_memory("core");
    // Three segments are made when the log is opened: enough without a helper.
    let opened = folder.open(256 << 20);
    let (mut core, mut ring) = core(opened.writer, 64, 4 * REQUESTS);
    for request in list.iter().take(count) {
        assert!(push(&mut ring, request));
    }
    let before = core.sequence().0;
    let mut stderr = std::io::stderr();
    stderr.write_all(b"-- begin\n").expect("stderr");
    while core.turns(256) != Turned::Idle {}
    stderr.write_all(b"-- end\n").expect("stderr");
    assert_eq!(core.sequence().0 - before, count.min(REQUESTS) as u64);
    assert_eq!(core.refused_for_room(), 0);
}
