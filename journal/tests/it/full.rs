//! The live folder's memory file system without room: said, and never SIGBUS.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use journal::{OpenError, Opened, Options, Prepared};

use crate::support::{SEGMENT_BYTES, TempDir, append, prepare, read_log, sizes, sync};

/// Set in the process that sees a small file system: where it is.
const SMALL_ENV: &str = "VESTA_JOURNAL_TEST_SMALL";

/// Unit: bytes.
const SMALL_BYTES: u64 = 512 << 10;
const PAGE_BYTES: u64 = 4096;

/// This test runs itself once more in a mount namespace of its own, with a small file system in it.
#[test]
fn a_full_live_folder_is_said_at_every_page() {
    if let Some(small) = std::env::var_os(SMALL_ENV) {
        return fill_page_by_page(&PathBuf::from(small));
    }
    in_a_small_file_system("a_full_live_folder_is_said_at_every_page");
}

/// Runs a test of this file once more, with [`SMALL_ENV`], in a mount namespace of its own.
#[allow(clippy::print_stdout)] // What is not tested is told.
fn in_a_small_file_system(test: &str) {
    let temp = TempDir::new();
    let mount = format!("mount -t tmpfs -o size={SMALL_BYTES} none \"$0\"");
    let namespace = |script: String| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
        command.arg(script).arg(temp.path());
        command
    };
    if !namespace(mount.clone()).stderr(Stdio::null()).status().is_ok_and(|it| it.success()) {
        println!("no mount namespace for this user: a full live folder is not tested");
        return;
    }
    let status = namespace(format!("{mount} && exec \"$@\""))
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &format!("full::{test}"), "--nocapture"])
        .env(SMALL_ENV, temp.path())
        .stdout(Stdio::null())
        .status();
    let status = status.unwrap();
    assert!(status.success(), "{status}");
}

/// Segments kept for readers that are behind make room for the writer: with room for three it goes on for ever.
#[test]
fn three_live_segments_are_enough() {
    let Some(small) = std::env::var_os(SMALL_ENV) else {
        return in_a_small_file_system("three_live_segments_are_enough");
    };
    let small = PathBuf::from(small);
    let disk = TempDir::new();
    let options = Options { live_dir: small.join("live"), live_segments_kept: 2, ..disk.options() };
    // Three segments, the control file, and less than one more.
    let left = 3 * u64::from(SEGMENT_BYTES) + 8 * PAGE_BYTES;
    std::fs::write(small.join("filler"), vec![1; (SMALL_BYTES - left) as usize]).unwrap();
    let Opened { log, mut writer, mut syncer, mut preparer, .. } = journal::open(&options).unwrap();
    let mut turns = Vec::new();
    for sequence in 1..=20 * 31 {
        assert!(writer.room() >= 4096, "wedged after {} turns", turns.len());
        append(&mut writer, sequence, 2000, 2000);
        turns.push((sequence, 2000));
        sync(&mut syncer);
        let ready = preparer.ready();
        prepare(&mut preparer);
        assert!(preparer.ready() >= ready);
    }
    // Who reads from the start has the disk.
    assert_eq!(sizes(&read_log(&log)), turns);
}

fn fill_page_by_page(small: &Path) {
    let disk = TempDir::new();
    let options = Options { live_dir: small.join("live"), ..disk.options() };
    let filler = small.join("filler");
    let (mut full_at_open, mut full_later, mut turns) = (0, 0, Vec::new());
    for pages in (0..SMALL_BYTES / PAGE_BYTES).rev() {
        let left = pages * PAGE_BYTES;
        std::fs::write(&filler, vec![1; (SMALL_BYTES - left - PAGE_BYTES) as usize]).unwrap();
        match journal::open(&options) {
            Err(OpenError::NoSpace { dir, needed }) => {
                assert_eq!(dir, options.live_dir);
                assert_eq!(needed, 3 * u64::from(SEGMENT_BYTES));
                full_at_open += 1;
            }
            // Not even for the folder, or the control file.
            Err(OpenError::Dir { dir, error }) if left < 4 * PAGE_BYTES => {
                assert_eq!(dir, options.live_dir, "{error}");
                full_at_open += 1;
            }
            Err(error) => panic!("{left} bytes left: {error}"),
            Ok(opened) => full_later += u64::from(use_all(opened, &options, &mut turns, &filler)),
        }
        // What is live is on disk: the next round begins with an empty folder.
        std::fs::remove_file(&filler).unwrap();
        let _ = std::fs::remove_dir_all(&options.live_dir);
    }
    assert!(full_at_open > 40 && full_later > 40, "{full_at_open}, {full_later}");
    assert_eq!(sizes(&read_log(&journal::open(&options).unwrap().log)), turns);
}

/// Writes to the last page of all there is room for, then makes room and goes on; whether there was none.
fn use_all(
    mut opened: Opened,
    options: &Options,
    turns: &mut Vec<(u64, usize)>,
    filler: &Path,
) -> bool {
    let mut was_full = false;
    let mut next = |opened: &mut Opened| {
        let sequence = turns.len() as u64 + 1;
        append(&mut opened.writer, sequence, 2000, 2000);
        turns.push((sequence, 2000));
    };
    // Up to ten segments: nothing is dropped, since nothing is durable.
    for _ in 0..10 * 31 {
        loop {
            match opened.preparer.step().unwrap() {
                Prepared::Made => {}
                Prepared::Idle => break,
                Prepared::NoSpace { what, needed } => {
                    assert_eq!(
                        (what, needed),
                        (options.live_dir.clone(), u64::from(SEGMENT_BYTES))
                    );
                    was_full = true;
                    break;
                }
            }
        }
        if opened.writer.room() < 4096 {
            break;
        }
        next(&mut opened);
    }
    if was_full {
        // By itself: as soon as there is room, a segment is made.
        std::fs::write(filler, "").unwrap();
        sync(&mut opened.syncer);
        while opened.preparer.step().unwrap() == Prepared::Made {}
        assert!(opened.writer.room() > u64::from(SEGMENT_BYTES));
        next(&mut opened);
    }
    sync(&mut opened.syncer);
    assert_eq!(sizes(&read_log(&opened.log)), *turns);
    was_full
}
