//! Opening what cannot be opened, each with its own answer.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use journal::{NotOurs, OpenError, Options};

use crate::support::{SEGMENT_BYTES, TempDir, append, copy_dir, read_log, sizes, sync};

fn error(options: &Options) -> OpenError {
    let error = journal::open(options).map(|_| ()).unwrap_err();
    let text = error.to_string();
    assert!(!text.is_empty() && !text.contains('\n'), "{text}");
    error
}

#[test]
fn a_second_venue_is_kept_out_until_the_first_is_gone() {
    let temp = TempDir::new();
    let opened = temp.open();
    let second = Options { live_dir: temp.path().join("other"), ..temp.options() };
    for options in [temp.options(), second] {
        match error(&options) {
            OpenError::InUse { dir } => assert_eq!(dir, temp.dir()),
            other => panic!("{other}"),
        }
    }
    drop(opened);
    temp.open();
}

#[test]
fn a_folder_without_a_parent_or_that_is_a_file_is_named() {
    let temp = TempDir::new();
    std::fs::write(temp.path().join("file"), "").unwrap();
    for name in ["no/such", "file"] {
        let wrong = temp.path().join(name);
        for options in [
            Options { dir: wrong.clone(), ..temp.options() },
            Options { live_dir: wrong.clone(), ..temp.options() },
        ] {
            match error(&options) {
                OpenError::Dir { dir, .. } => assert_eq!(dir, wrong),
                other => panic!("{other}"),
            }
        }
    }
}

#[test]
fn one_folder_cannot_be_both() {
    let temp = TempDir::new();
    match error(&Options { live_dir: temp.dir(), ..temp.options() }) {
        OpenError::SameDir { dir } => assert_eq!(dir, temp.dir().canonicalize().unwrap()),
        other => panic!("{other}"),
    }
}

#[test]
fn impossible_segments_are_refused() {
    let temp = TempDir::new();
    for segment_bytes in [0, 4096, 65_535, 65_537, SEGMENT_BYTES + 512, (1 << 30) + 4096] {
        match error(&Options { segment_bytes, ..temp.options() }) {
            OpenError::SegmentBytes { configured } => assert_eq!(configured, segment_bytes),
            other => panic!("{other}"),
        }
    }
    assert!(!temp.dir().exists());
}

#[test]
fn what_is_fixed_for_the_life_of_a_log_stays() {
    let temp = TempDir::new();
    drop(temp.open());
    match error(&Options { segment_bytes: 2 * SEGMENT_BYTES, ..temp.options() }) {
        OpenError::SegmentBytesDiffer { dir, found, configured } => {
            assert_eq!((dir, found, configured), (temp.dir(), SEGMENT_BYTES, 2 * SEGMENT_BYTES));
        }
        other => panic!("{other}"),
    }
    match error(&Options { record_version: 7, ..temp.options() }) {
        OpenError::RecordVersion { found, ours, .. } => assert_eq!((found, ours), (1, 7)),
        other => panic!("{other}"),
    }
}

#[test]
fn the_live_log_of_another_journal_is_not_touched() {
    let temp = TempDir::new();
    let mut opened = temp.open();
    append(&mut opened.writer, 1, 64, 64);
    let log_id = opened.log.log_id();
    drop(opened);
    let other = TempDir::new();
    let new = Options { live_dir: temp.live_dir(), ..other.options() };
    match error(&new) {
        OpenError::LiveOfAnother { found, expected, .. } => {
            assert_eq!((found, expected), (log_id, None));
        }
        other => panic!("{other}"),
    }
    let other_id = other.open().log.log_id();
    match error(&new) {
        OpenError::LiveOfAnother { found, expected, .. } => {
            assert_eq!((found, expected), (log_id, Some(other_id)));
        }
        other => panic!("{other}"),
    }
    assert_eq!(sizes(&read_log(&temp.open().log)), [(1, 64)]);
}

/// What was committed and not synced is in the old live folder; a new one must not make it forgotten.
#[test]
fn a_live_log_elsewhere_is_asked_for() {
    let temp = TempDir::new();
    let mut opened = temp.open();
    append(&mut opened.writer, 1, 64, 64);
    sync(&mut opened.syncer);
    append(&mut opened.writer, 2, 64, 64);
    drop(opened);
    let moved = Options { live_dir: temp.path().join("elsewhere"), ..temp.options() };
    match error(&moved) {
        OpenError::LiveElsewhere { found, configured, .. } => {
            assert_eq!((found, configured), (temp.live_dir(), moved.live_dir.clone()));
        }
        other => panic!("{other}"),
    }
    let opened = temp.open();
    assert!(opened.recovery.from_live);
    assert_eq!(sizes(&read_log(&opened.log)), [(1, 64), (2, 64)]);
}

/// The lock file in a copy names the live log of the original, and has a lock of its own.
#[test]
fn a_copy_of_a_journal_that_is_open_does_not_get_its_live_log() {
    let temp = TempDir::new();
    let mut opened = temp.open();
    append(&mut opened.writer, 1, 64, 64);
    sync(&mut opened.syncer);
    let copy = temp.path().join("copy");
    copy_dir(&temp.dir(), &copy);
    append(&mut opened.writer, 2, 64, 64);
    let apart =
        Options { dir: copy.clone(), live_dir: temp.path().join("apart"), ..temp.options() };
    for live_dir in [temp.live_dir(), apart.live_dir.clone()] {
        let options = Options { live_dir, ..apart.clone() };
        let refused = error(&options);
        assert!(refused.to_string().contains("a copy of a journal whose venue, process "));
        match refused {
            OpenError::LiveInUse { dir, live_dir, pid, is_copy: true } => {
                assert_eq!((dir, live_dir), (copy.clone(), temp.live_dir()));
                assert_eq!(pid, Some(std::process::id()));
            }
            other => panic!("{other}"),
        }
    }
    // What the message says to do: the copy has what was on disk.
    std::fs::remove_file(copy.join("lock")).unwrap();
    assert_eq!(sizes(&read_log(&journal::open(&apart).unwrap().log)), [(1, 64)]);

    // Nothing was taken from the original, and what is left of it when it is killed is its own.
    append(&mut opened.writer, 3, 64, 64);
    assert_eq!(sizes(&read_log(&opened.log)), [(1, 64), (2, 64), (3, 64)]);
    drop(opened);
    assert_eq!(sizes(&read_log(&temp.open().log)), [(1, 64), (2, 64), (3, 64)]);
}

#[test]
fn the_live_folder_of_another_journal_that_is_open_is_not_touched() {
    let temp = TempDir::new();
    let mut opened = temp.open();
    append(&mut opened.writer, 1, 64, 64);
    let other = TempDir::new();
    for _ in 0..2 {
        match error(&Options { live_dir: temp.live_dir(), ..other.options() }) {
            OpenError::LiveInUse { live_dir, is_copy: false, .. } => {
                assert_eq!(live_dir, temp.live_dir());
            }
            other => panic!("{other}"),
        }
        // The second time it is a journal that has its own.
        drop(other.open());
    }
    assert_eq!(sizes(&read_log(&opened.log)), [(1, 64)]);
}

/// A live log that the journal went on without says nothing any more, however long it is.
#[test]
fn a_stale_live_log_is_not_believed() {
    let temp = TempDir::new();
    let mut opened = temp.open();
    append(&mut opened.writer, 1, 64, 64);
    sync(&mut opened.syncer);
    append(&mut opened.writer, 2, 128, 64);
    append(&mut opened.writer, 3, 128, 64);
    drop(opened);
    let away = temp.path().join("away");
    rename(&temp.live_dir(), &away);

    let mut opened = temp.open();
    assert_eq!(opened.recovery.last_sequence, 1);
    append(&mut opened.writer, 2, 64, 64);
    sync(&mut opened.syncer);
    drop(opened);
    std::fs::remove_dir_all(temp.live_dir()).unwrap();
    rename(&away, &temp.live_dir());

    let opened = temp.open();
    assert!(!opened.recovery.from_live);
    assert_eq!(sizes(&read_log(&opened.log)), [(1, 64), (2, 64)]);
}

fn rename(from: &Path, to: &Path) {
    std::fs::rename(from, to).unwrap();
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn nobody_else_sees_what_is_in_a_journal_that_is_made() {
    let temp = TempDir::new();
    // A live folder that was there is closed.
    std::fs::create_dir(temp.live_dir()).unwrap();
    std::fs::set_permissions(temp.live_dir(), Permissions::from_mode(0o777)).unwrap();
    let opened = temp.open();
    assert_eq!((mode(&temp.dir()), mode(&temp.live_dir())), (0o700, 0o700));
    let mut files = 0;
    for file in std::fs::read_dir(temp.live_dir()).unwrap() {
        assert_eq!(mode(&file.unwrap().path()), 0o600);
        files += 1;
    }
    assert_eq!(files, 4, "three segments and the control file");
    drop(opened);
    // Who opened it to others meant it.
    std::fs::set_permissions(temp.dir(), Permissions::from_mode(0o750)).unwrap();
    drop(temp.open());
    assert_eq!(mode(&temp.dir()), 0o750);
}

/// Everybody may make a folder in /dev/shm, of the name that a venue's will have.
#[test]
fn what_somebody_put_in_place_of_the_live_log_is_refused() {
    let temp = TempDir::new();
    let (live_dir, victim) = (temp.live_dir(), temp.path().join("victim"));
    std::fs::write(&victim, "precious").unwrap();
    let refused = |file: &Path, why: NotOurs| match error(&temp.options()) {
        OpenError::NotOurs { file: found, why: found_why } => {
            assert_eq!((found.as_path(), found_why), (file, why));
        }
        other => panic!("{other}"),
    };
    for name in ["control", "control.new", "0000000000000000.seg"] {
        let file = live_dir.join(name);
        std::fs::create_dir(&live_dir).unwrap();
        symlink(&victim, &file).unwrap();
        refused(&file, NotOurs::Link);
        std::fs::remove_file(&file).unwrap();
        std::fs::hard_link(&victim, &file).unwrap();
        refused(&file, NotOurs::Names);
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
        refused(&file, NotOurs::NoFile);
        std::fs::remove_dir_all(&live_dir).unwrap();
    }
    let elsewhere = temp.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, &live_dir).unwrap();
    refused(&live_dir, NotOurs::Link);
    std::fs::remove_file(&live_dir).unwrap();
    assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 0);
    assert_eq!(std::fs::read(&victim).unwrap(), b"precious");

    std::fs::create_dir(&live_dir).unwrap();
    let we = std::fs::metadata(&live_dir).unwrap().uid();
    let other = we + 1;
    if std::os::unix::fs::chown(&live_dir, Some(other), None).is_ok() {
        refused(&live_dir, NotOurs::Owner { found: other, we });
        assert_eq!(mode(&live_dir) & 0o700, 0o700);
        std::os::unix::fs::chown(&live_dir, Some(we), None).unwrap();
    } else {
        println!("this user cannot give a folder away: another owner is not tested");
    }
    temp.open();
}

#[test]
fn the_end_is_where_it_was() {
    let temp = TempDir::new();
    let mut opened = temp.open();
    let end = append(&mut opened.writer, 1, 64, 64);
    drop(opened);
    let opened = temp.open();
    assert!(!opened.recovery.created);
    assert_eq!((opened.recovery.end, opened.recovery.cut), (end, None));
    assert_eq!((opened.log.committed(), opened.log.durable()), (end, end));
}

/// A start that fails leaves no empty folder behind where memory is shared.
#[test]
fn a_failed_start_leaves_no_live_folder() {
    let temp = TempDir::new();
    std::fs::create_dir(temp.dir()).unwrap();
    std::fs::write(temp.dir().join("0000000000000000.seg"), [9; 100]).unwrap();
    journal::open(&temp.options()).unwrap_err();
    assert!(!temp.live_dir().exists());
    // One that was there is not ours to remove.
    std::fs::create_dir(temp.live_dir()).unwrap();
    journal::open(&temp.options()).unwrap_err();
    assert!(temp.live_dir().exists());
}
