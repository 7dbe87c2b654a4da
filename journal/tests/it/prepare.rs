//! The segment after the next is made piece by piece, in good time, and at once when it is late.

use journal::{Opened, Options, Prepared};

use crate::support::{TempDir, append, prepare, sync};

const PIECE: u64 = 1 << 20;
const SEGMENT: u32 = 4 << 20;

#[test]
fn a_live_segment_grows_by_pieces_while_another_one_is_ready() {
    let temp = TempDir::new();
    let options = Options { segment_bytes: SEGMENT, ..temp.options() };
    let Opened { log, mut writer, mut syncer, mut preparer, .. } = journal::open(&options).unwrap();
    assert!(prepare(&mut preparer));
    let mut sequence = 0;
    // Into the next segment, a bit.
    while log.committed().0 <= u64::from(SEGMENT) {
        sequence += 1;
        append(&mut writer, sequence, 60_000, 60_000);
        sync(&mut syncer);
    }
    let next = options.live_dir.join(format!("{:016x}.seg", 3));
    let len = || std::fs::metadata(&next).map_or(0, |file| file.len());
    assert_eq!(len(), 0);
    for piece in 1..=3 {
        assert_eq!(preparer.step().unwrap(), Prepared::Made);
        assert_eq!(len(), piece * PIECE);
        assert!(preparer.is_wanted());
    }
    assert_eq!(preparer.step().unwrap(), Prepared::Made);
    assert_eq!(len(), SEGMENT.into());
    assert!(!preparer.is_wanted());
}

#[test]
fn a_live_segment_is_made_at_once_when_none_is_ready() {
    let temp = TempDir::new();
    let options = Options { segment_bytes: SEGMENT, ..temp.options() };
    let Opened { log, mut writer, mut syncer, mut preparer, .. } = journal::open(&options).unwrap();
    assert!(prepare(&mut preparer));
    let mut sequence = 0;
    while log.committed().0 <= 2 * u64::from(SEGMENT) {
        sequence += 1;
        append(&mut writer, sequence, 60_000, 60_000);
        sync(&mut syncer);
    }
    let next = options.live_dir.join(format!("{:016x}.seg", 3));
    // An old one goes first.
    while !next.exists() {
        assert_eq!(preparer.step().unwrap(), Prepared::Made);
    }
    assert_eq!(std::fs::metadata(&next).unwrap().len(), SEGMENT.into());
    // Now that one is ready, the one after it comes by pieces.
    assert_eq!(preparer.step().unwrap(), Prepared::Made);
    let later = options.live_dir.join(format!("{:016x}.seg", 4));
    assert_eq!(std::fs::metadata(later).unwrap().len(), PIECE);
}
