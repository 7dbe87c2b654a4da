//! Snapshots: however often a state is a file in between, it is the same state; what cannot be used is
//! passed over and named.

use std::path::Path;
use std::sync::Arc;

use journal::storage::Disk;
use journal::{Log, Opened, Prepared, Reader, SnapshotHead, Snapshots, Synced};
use matcher::testing::flow::{Profile, Rng, record};
use matcher::testing::mix::{self, Mix};
use matcher::{Engine, Input, Sequence};
use venue::replay::{Nobody, Replay, ReplayError, StateHash};
use venue::ring::{Requests, ring};
use venue::snapshots::{
    KeepError, Keeper, NotRetired, Refused, RetentionConfig, SnapshotConfig, Unusable, index,
    oldest_index, state_hashes,
};
use venue::{Core, Turned};

use crate::folder::Folder;

/// All parts but the hashes of states gone by, which tell how often snapshots were made.
const PARTS: [u32; 5] = [1, 2, 3, 4, 5];
const HASHES: u32 = 6;

const CONFIG: SnapshotConfig = SnapshotConfig { every_bytes: 1 << 30, keep: 100 };

pub(crate) struct Bench {
    pub(crate) core: Core,
    ring: Requests,
    pub(crate) log: Log,
    pub(crate) snapshots: Snapshots,
    syncer: journal::Syncer,
    preparer: journal::Preparer,
    pub(crate) retirer: journal::Retirer,
    sent: u64,
}

impl Bench {
    pub(crate) fn open(folder: &Folder) -> Bench {
        Bench::open_with(&folder.journal())
    }

    pub(crate) fn open_with(options: &journal::Options) -> Bench {
        let Opened { writer, syncer, preparer, retirer, log, snapshots, .. } =
            journal::open(options).unwrap();
        let mut replay = Replay::new();
        replay_all(&log, &mut replay).unwrap();
        let (ring, taken) = ring(1 << 12);
        let last = replay.place();
        let core = Core::new(replay.into_engine(), writer, vec![taken], last);
        Bench { core, ring, log, snapshots, syncer, preparer, retirer, sent: 0 }
    }

    /// Sends the commands through the ring, each with a ClOrdID and an account as the gateway has them.
    pub(crate) fn run(&mut self, inputs: &[Input]) {
        for input in inputs {
            self.sent += 1;
            // Some names come twice.
            let text = format!("ID{}", self.sent - u64::from(self.sent.is_multiple_of(97)));
            let mut attachment = vec![11, 0, u8::try_from(text.len()).unwrap()];
            attachment.extend_from_slice(text.as_bytes());
            attachment.extend_from_slice(&[1, 0, 3, b'A', b'C', b'C']);
            let (session, inbound) = (input.session, input.inbound);
            while !self.ring.push(session, inbound, &input.command, &attachment) {
                self.turn();
            }
        }
        while self.core.turns(64) != Turned::Idle {
            self.turn();
        }
        self.turn();
    }

    fn turn(&mut self) {
        self.core.turns(64);
        while self.preparer.step().unwrap() == Prepared::Made {}
        while matches!(self.syncer.step().unwrap(), Synced::Advanced(_)) {}
    }

    fn keeper(&self, config: SnapshotConfig) -> Keeper {
        self.keeper_of(config, RetentionConfig::default())
    }

    pub(crate) fn keeper_of(&self, config: SnapshotConfig, retention: RetentionConfig) -> Keeper {
        let retention = (self.retirer.clone(), retention);
        Keeper::new(&self.log, (&self.snapshots, config), retention, 1_000_000)
    }

    /// The state that a snapshot of now has, made from what there is.
    fn snapshot_state(&self) -> u64 {
        self.keeper(CONFIG).make(|| true).unwrap().unwrap().state.hash
    }

    /// A snapshot of now; its state is the core's.
    fn snapshot(&self) -> u64 {
        let made = self.keeper(CONFIG).make(|| true).unwrap().unwrap();
        let hash = self.core.engine().state_hash();
        assert_eq!(made.state, StateHash { sequence: self.core.sequence(), hash });
        assert!(made.refused.is_empty(), "{:?}", made.refused);
        made.state.sequence.0
    }
}

fn replay_all(log: &Log, replay: &mut Replay) -> Result<(), ReplayError> {
    let mut tail = log.tail(log.start());
    while let Some(frame) = tail.next(log.committed()).unwrap() {
        replay.frame(&frame, &mut Nobody)?;
    }
    Ok(())
}

/// The flows that the states of these tests come from.
fn flows() -> Vec<Vec<Input>> {
    let mut flows =
        vec![record(Profile::standard(), 3, 3_000), record(Profile::hostile(), 4, 3_000)];
    flows.extend(Mix::all().into_iter().zip(5..).map(|(mix, seed)| mix::record(mix, seed, 3_000)));
    flows
}

fn parts(snapshots: &Snapshots, sequence: u64) -> Vec<Vec<u8>> {
    let snapshot = snapshots.open(sequence).unwrap();
    PARTS.iter().map(|kind| snapshot.part(*kind).unwrap().to_vec()).collect()
}

/// The same journal with no snapshots, in another folder.
fn without_snapshots(folder: &Folder) -> Folder {
    let other = Folder::new();
    copy(&folder.journal().dir, &other.journal().dir, |name| !name.ends_with(".snap"));
    other
}

fn copy(from: &Path, to: &Path, wanted: impl Fn(&str) -> bool) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let name = entry.unwrap().file_name();
        if name != "lock" && wanted(name.to_str().unwrap()) {
            std::fs::copy(from.join(&name), to.join(&name)).unwrap();
        }
    }
}

#[test]
fn a_state_that_was_a_file_many_times_is_the_one_that_never_was() {
    for inputs in flows() {
        let folder = Folder::new();
        let mut bench = Bench::open(&folder);
        let mut last = 0;
        for some in inputs.chunks(700) {
            bench.run(some);
            last = bench.snapshot();
        }
        assert!(bench.snapshots.list().unwrap().len() >= 5);
        let in_steps = parts(&bench.snapshots, last);
        drop(bench);

        let at_once = without_snapshots(&folder);
        let bench = Bench::open(&at_once);
        assert_eq!(bench.snapshot(), last);
        assert_eq!(bench.snapshots.list().unwrap(), [last]);
        assert!(parts(&bench.snapshots, last) == in_steps);
    }
}

#[test]
fn a_long_way_makes_snapshots_in_between_and_the_oldest_go() {
    let folder = Folder::new();
    let mut bench = Bench::open(&folder);
    bench.run(&record(Profile::standard(), 7, 20_000));
    let length = bench.log.durable().0;
    let config = SnapshotConfig { every_bytes: length / 6, keep: 3 };
    let mut keeper = bench.keeper(config);
    assert!(keeper.is_due());
    let made = keeper.make(|| true).unwrap().unwrap();
    assert_eq!(made.state.sequence, bench.core.sequence());
    assert!(!keeper.is_due() && !keeper.is_due_at_end());
    assert!(keeper.make(|| true).unwrap().is_none(), "nothing came since");
    assert_eq!(bench.snapshots.list().unwrap().len(), 3);
    // The hashes of those that went are known to the last.
    let (hashes, refused) = known_hashes(&folder, &bench);
    assert_eq!((hashes.len(), refused.len()), (6, 0));
    let mut replay = Replay::new();
    replay.expect(&hashes);
    replay_all(&bench.log, &mut replay).unwrap();
    assert_eq!(replay.expected(), 0);

    bench.run(&record(Profile::standard(), 7, 20_100)[20_000..]);
    let keeper = bench.keeper(config);
    assert!(!keeper.is_due());
    assert_eq!(keeper.is_due_at_end(), bench.log.durable() > made.position);
}

#[test]
fn who_is_told_to_stop_makes_none() {
    let folder = Folder::new();
    let mut bench = Bench::open(&folder);
    bench.run(&record(Profile::standard(), 7, 6_000));
    assert!(bench.keeper(CONFIG).make(|| false).unwrap().is_none());
    assert!(bench.snapshots.list().unwrap().is_empty());
}

fn known_hashes(folder: &Folder, bench: &Bench) -> (Vec<StateHash>, Vec<Refused>) {
    let mut reader = Reader::open(&folder.journal().dir, None).unwrap();
    state_hashes(&mut reader, &bench.snapshots)
}

/// The newest snapshot before `at`, for who only reads the journal; and that it goes on right.
fn read_from(folder: &Folder, log_id: u64, at: u64) -> (Option<Sequence>, Engine, Vec<Refused>) {
    let mut reader = Reader::open(&folder.journal().dir, None).unwrap();
    let snapshots = Snapshots::to_read(&folder.journal().dir, log_id);
    let fits = |head: &SnapshotHead| head.sequence <= at;
    let (found, refused) = index(&mut reader, &snapshots, fits);
    let begun = found.as_ref().map(|index| index.replay.place().0);
    let mut replay = found.map_or_else(Replay::new, |index| index.replay);
    while replay.place().0.0 < at {
        let frame = reader.next().unwrap().unwrap();
        replay.frame(&frame, &mut Nobody).unwrap();
    }
    (begun, replay.into_engine(), refused)
}

/// A venue starts from the newest ones alone; a reader of the past begins at any.
#[test]
fn old_ones_serve_readers() {
    let folder = Folder::new();
    let mut bench = Bench::open(&folder);
    let mut made = Vec::new();
    for some in mix::record(Mix::everything(), 13, 2_400).chunks(600) {
        bench.run(some);
        let config = SnapshotConfig { every_bytes: 1 << 30, keep: 1 };
        let snapshot = bench.keeper(config).make(|| true).unwrap().unwrap();
        made.push(snapshot.state);
    }
    let sequences: Vec<u64> = made.iter().map(|state| state.sequence.0).collect();
    assert_eq!(bench.snapshots.list().unwrap(), sequences[sequences.len() - 1..]);
    assert_eq!(bench.snapshots.list_all().unwrap(), sequences);
    let log_id = bench.log.log_id();
    for state in made {
        let (begun, engine, refused) = read_from(&folder, log_id, state.sequence.0);
        assert_eq!((begun, refused.len()), (Some(state.sequence), 0));
        assert_eq!(engine.state_hash(), state.hash);
    }
}

#[test]
fn a_reader_begins_at_the_newest_that_fits_and_passes_bad_ones_over() {
    let folder = Folder::new();
    let mut bench = Bench::open(&folder);
    let mut ends = Vec::new();
    for some in mix::record(Mix::everything(), 11, 2_400).chunks(800) {
        bench.run(some);
        ends.push((bench.snapshot(), bench.core.engine().state_hash()));
    }
    let log_id = bench.log.log_id();
    let (end, hash) = *ends.last().unwrap();
    for (sequence, hash) in &ends {
        let (begun, engine, refused) = read_from(&folder, log_id, *sequence);
        assert_eq!((begun, refused.len()), (Some(Sequence(*sequence)), 0));
        assert_eq!(engine.state_hash(), *hash);
    }
    let (begun, ..) = read_from(&folder, log_id, ends[1].0 - 1);
    assert_eq!(begun, Some(Sequence(ends[0].0)));
    let (begun, ..) = read_from(&folder, log_id, ends[0].0 - 1);
    assert_eq!(begun, None);

    // A bit of the newest is wrong, then the one before is cut, then the first is of a newer version.
    let damage = |sequence: u64, change: fn(&mut Vec<u8>)| {
        let path = bench.snapshots.path(sequence);
        let mut bytes = std::fs::read(&path).unwrap();
        change(&mut bytes);
        std::fs::write(&path, bytes).unwrap();
    };
    damage(ends[3].0, |bytes| bytes[600] ^= 4);
    damage(ends[2].0, |bytes| bytes.truncate(500));
    damage(ends[1].0, |bytes| bytes[8] = 9);
    let (begun, engine, refused) = read_from(&folder, log_id, end);
    assert_eq!((begun, engine.state_hash()), (Some(Sequence(ends[0].0)), hash));
    let why: Vec<String> = refused.iter().map(ToString::to_string).collect();
    assert_eq!(
        why,
        [
            format!("the snapshot of sequence {end} is damaged in part 1: passed over"),
            format!("the snapshot of sequence {} ends too early: passed over", ends[2].0),
            format!(
                "the snapshot of sequence {} has version 9, this program knows up to 1: passed over",
                ends[1].0
            ),
        ]
    );
    // The keeper goes back as far, and its next one is good.
    bench.run(&record(Profile::standard(), 5, 10)[..3]);
    let made = bench.keeper(CONFIG).make(|| true).unwrap().unwrap();
    assert_eq!(made.refused.len(), 3);
    let (begun, _, refused) = read_from(&folder, log_id, made.state.sequence.0);
    assert_eq!((begun, refused.len()), (Some(made.state.sequence), 0));
}

/// A backup of the journal is brought back and another day is traded on it: the snapshots of the first
/// one are of turns that this journal has never seen, though it is the same log.
#[test]
fn a_snapshot_of_another_history_is_passed_over() {
    let folder = Folder::new();
    let inputs = record(Profile::standard(), 13, 1_200);
    let mut bench = Bench::open(&folder);
    bench.run(&inputs[..400]);
    let first = bench.snapshot();
    drop(bench);
    let restored = Folder::new();
    copy(&folder.journal().dir, &restored.journal().dir, |_| true);

    let mut bench = Bench::open(&folder);
    bench.run(&inputs[400..800]);
    let second = bench.snapshot();
    drop(bench);
    let mut bench = Bench::open(&restored);
    let name = Path::new(bench.snapshots.path(second).file_name().unwrap()).to_owned();
    std::fs::copy(folder.journal().dir.join(&name), restored.journal().dir.join(&name)).unwrap();
    // Beyond the end of the journal.
    let (begun, _, refused) = read_from(&restored, bench.log.log_id(), first);
    assert_eq!((begun, refused.len()), (Some(Sequence(first)), 0));
    bench.run(&inputs[800..900]);
    let made = bench.keeper(CONFIG).make(|| true).unwrap().unwrap();
    assert!(matches!(made.refused[..], [Refused { why: Unusable::OtherHistory, .. }]));
    // Long passed, and still of another history.
    bench.run(&inputs[800..]);
    assert!(bench.core.sequence().0 > second);
    std::fs::remove_file(bench.snapshots.path(made.state.sequence.0)).unwrap();
    let (begun, engine, refused) =
        read_from(&restored, bench.log.log_id(), bench.core.sequence().0);
    assert_eq!(begun, Some(Sequence(first)));
    assert!(matches!(refused[..], [Refused { why: Unusable::OtherHistory, .. }]));
    let (hashes, refused) = known_hashes(&restored, &bench);
    assert_eq!((hashes.len(), refused.len()), (1, 1), "its states are no more believed");
    assert_eq!(engine.state_hash(), bench.core.engine().state_hash());
}

/// Whatever stands in the parts, with every checksum right: an answer, never a panic.
#[test]
fn hostile_parts_are_refused_or_read() {
    let folder = Folder::new();
    let mut bench = Bench::open(&folder);
    bench.run(&mix::record(Mix::everything(), 17, 400));
    let sequence = bench.snapshot();
    let whole = bench.snapshots.open(sequence).unwrap();
    let head = *whole.head();
    let all: Vec<(u32, Vec<u8>)> = PARTS
        .iter()
        .chain(&[HASHES])
        .map(|kind| (*kind, whole.part(*kind).unwrap().to_vec()))
        .collect();
    let (mut rng, mut refused) = (Rng::new(19), 0);
    let tries = 1_000;
    for _ in 0..tries {
        let mut parts = all.clone();
        let victim = rng.index(parts.len());
        let bytes = &mut parts[victim].1;
        match rng.index(4) {
            0 => bytes.truncate(rng.index(bytes.len())),
            1 => bytes.push(7),
            _ => {
                for _ in 0..=rng.index(3) {
                    let at = rng.index(bytes.len());
                    bytes[at] = [0, 1, 2, 0x7f, 0x80, 0xff][rng.index(6)];
                }
            }
        }
        let changed = parts != all;
        let mut writer = bench.snapshots.write(&head).unwrap();
        for (kind, bytes) in &parts {
            writer.part(*kind, |out| out(bytes));
        }
        writer.finish().unwrap();
        // With nothing after it a keeper only loads it, and goes back to the start if it cannot.
        match bench.keeper(CONFIG).make(|| true).unwrap() {
            None => {}
            Some(made) => {
                assert!(changed);
                assert_eq!(made.refused.len(), 1);
                refused += 1;
            }
        }
    }
    assert!(refused > tries / 3, "{refused} of {tries}");
}

/// A state that differs while all events are the same is found out by its hash, where it was made.
#[test]
fn a_replay_that_gives_another_state_says_where() {
    let folder = Folder::new();
    let mut bench = Bench::open(&folder);
    bench.run(&record(Profile::standard(), 23, 500));
    let middle = bench.snapshot();
    bench.run(&record(Profile::standard(), 23, 600)[500..]);
    bench.snapshot();
    let (mut hashes, _) = known_hashes(&folder, &bench);
    assert_eq!(hashes.len(), 2);
    hashes[0].hash ^= 1;
    let mut replay = Replay::new();
    replay.expect(&hashes);
    let found = replay_all(&bench.log, &mut replay);
    let Err(ReplayError::State { sequence, said, found }) = found else { panic!("{found:?}") };
    assert_eq!((sequence, said), (Sequence(middle), found ^ 1));
}

/// Frames that do not follow the snapshot are not applied to it.
#[test]
fn a_gap_behind_a_snapshot_is_an_error() {
    let folder = Folder::new();
    let mut bench = Bench::open(&folder);
    bench.run(&record(Profile::standard(), 29, 100));
    let mut replay = Replay::resume(Engine::new(), (Sequence(5), matcher::Timestamp(0)));
    let found = replay_all(&bench.log, &mut replay);
    assert!(matches!(found, Err(ReplayError::Gap { expected: Sequence(6), found: Sequence(1) })));
    let disk = Arc::new(Disk);
    assert!(Snapshots::new(&folder.journal().dir, 1, disk).list().unwrap().is_empty());
}

/// How much stays of a journal: what the newest part of it, its time, the oldest snapshot and working orders
/// need.
#[test]
fn what_is_kept_decides_what_goes() {
    let folder = Folder::new();
    let mut options = folder.journal();
    (options.segment_bytes, options.live_segments_kept) = (64 << 10, 0);
    let mut bench = Bench::open_with(&options);
    let inputs = record(Profile::standard(), 31, 12_000);
    let config = SnapshotConfig { every_bytes: 1 << 30, keep: 2 };
    let archive = folder.path().join("archive");
    let retention = |keep_bytes, keep_ns| RetentionConfig {
        keep_bytes,
        keep_ns,
        archive: Some(archive.clone()),
        archive_command: Vec::new(),
    };
    let retire = |bench: &Bench, retention| {
        let made = bench.keeper_of(config, retention).make(|| true).unwrap().unwrap();
        made.retired.transpose().unwrap().map(|retired| retired.first)
    };
    bench.run(&inputs[..6_000]);
    assert_eq!(retire(&bench, retention(1, 0)), None, "one snapshot is not enough");
    bench.run(&inputs[6_000..9_000]);
    let ends: Vec<u64> = {
        let all = bench.snapshots.list().unwrap();
        all.iter().map(|it| bench.snapshots.head(*it).unwrap().last_frame.0 >> 16).collect()
    };
    assert_eq!(retire(&bench, retention(0, 0)), None, "all of it stays");
    bench.run(&inputs[9_000..9_100]);
    assert_eq!(retire(&bench, retention(1 << 40, 0)), None, "so much stays");
    bench.run(&inputs[9_100..9_200]);
    assert_eq!(retire(&bench, retention(1, u64::MAX)), None, "what is so young stays");
    bench.run(&inputs[9_200..9_300]);
    let snapshots = bench.snapshots.list().unwrap();
    let oldest = bench.snapshots.head(snapshots[0]).unwrap().last_frame.0 >> 16;
    assert!(oldest > ends[0] && snapshots.len() == 2);
    // The older of the two that stay is the one before this one's own.
    let newest = bench.snapshots.head(snapshots[1]).unwrap().last_frame.0 >> 16;
    // Where a long turn goes over the beginning of a segment, the log begins with no such one.
    let possible = newest.min(bench.retirer.last_possible());
    let possible = bench.retirer.last_with_turn(possible).unwrap();
    let first = retire(&bench, retention(1, 0)).unwrap();
    assert_eq!(first, possible, "up to the oldest snapshot that stays");
    assert!(first > ends[0]);
    assert_eq!(bench.log.first_segment(), first);

    // What works goes on to be known; and every replay from the oldest snapshot is right.
    let kept = bench.log.retained().unwrap();
    let book_orders = bench.core.engine().orders_len();
    assert!(!kept.is_empty() && kept.len() <= 2 * book_orders + 3_000, "{}", kept.len());
    bench.run(&inputs[9_300..]);
    let mut reader = Reader::open(&folder.journal().dir, None).unwrap();
    let snapshots = Snapshots::to_read(&folder.journal().dir, bench.log.log_id());
    let mut replay = oldest_index(&mut reader, &snapshots).0.unwrap().replay;
    while let Some(frame) = reader.next().unwrap() {
        replay.frame(&frame, &mut Nobody).unwrap();
    }
    assert_eq!(replay.engine().state_hash(), bench.core.engine().state_hash());

    // A damaged snapshot is one that a start may need: nothing goes before there are two good ones.
    let all = bench.snapshots.list().unwrap();
    let path = bench.snapshots.path(all[1]);
    let good = std::fs::read(&path).unwrap();
    let mut bad = good.clone();
    bad[700] ^= 1;
    std::fs::write(&path, &bad).unwrap();
    let made = bench.keeper_of(config, retention(1, 0)).make(|| true).unwrap().unwrap();
    assert_eq!(made.refused.len(), 1);
    assert!(matches!(made.retired, Some(Err(NotRetired::Snapshot(..)))), "{:?}", made.retired);
    assert_eq!(bench.log.first_segment(), first);

    // With every snapshot bad there is nothing to make one from, until the segments are put back.
    bench.run(&inputs[..3]);
    for sequence in bench.snapshots.list().unwrap() {
        std::fs::write(bench.snapshots.path(sequence), &bad).unwrap();
    }
    let why = match bench.keeper_of(config, retention(1, 0)).make(|| true) {
        Err(KeepError::Headless(why)) => why.to_string(),
        other => panic!("{other:?}"),
    };
    assert!(why.contains(&format!("begins with segment {first}")), "{why}");
    assert!(why.contains(archive.to_str().unwrap()), "{why}");
    let hash = bench.core.engine().state_hash();
    drop(bench);
    copy(&archive, &options.dir, |_| true);
    let bench = Bench::open_with(&options);
    assert!(bench.log.is_whole());
    assert_eq!(bench.core.engine().state_hash(), hash);
    assert_eq!(bench.snapshot_state(), hash);
}

/// A program that says no keeps its segment, and with it all of them.
#[test]
fn a_command_is_asked_and_its_no_counts() {
    let folder = Folder::new();
    let mut options = folder.journal();
    options.segment_bytes = 64 << 10;
    let mut bench = Bench::open_with(&options);
    let inputs = record(Profile::standard(), 37, 6_000);
    let config = SnapshotConfig { every_bytes: 1 << 30, keep: 1 };
    let list = folder.path().join("asked");
    let with = |script: &str| RetentionConfig {
        keep_bytes: 1,
        archive_command: ["/bin/sh", "-c", script, list.to_str().unwrap()].map(Into::into).to_vec(),
        ..RetentionConfig::default()
    };
    bench.run(&inputs[..5_000]);
    let no = with("exit 3");
    let made = bench.keeper_of(config, no).make(|| true).unwrap().unwrap();
    let why = made.retired.unwrap().unwrap_err().to_string();
    assert!(why.contains("0000000000000000.seg") && why.contains("exit status: 3"), "{why}");
    bench.run(&inputs[5_000..5_100]);
    let none =
        RetentionConfig { archive_command: vec!["/there/is/no/such/program".into()], ..with("") };
    let made = bench.keeper_of(config, none).make(|| true).unwrap().unwrap();
    let why = made.retired.unwrap().unwrap_err().to_string();
    assert!(why.contains("cannot run /there/is/no/such/program"), "{why}");
    assert!(bench.log.is_whole());
    bench.run(&inputs[5_100..5_200]);
    // The file's path is one argument, whatever is in it.
    let yes = with("test -s \"$1\" && echo \"$1\" >> \"$0\"");
    let made = bench.keeper_of(config, yes).make(|| true).unwrap().unwrap();
    let retired = made.retired.unwrap().unwrap();
    assert!(retired.first > 2 && retired.archive.is_none());
    let asked = std::fs::read_to_string(&list).unwrap();
    assert_eq!(asked.lines().count() as u64, retired.first);
    for (index, line) in asked.lines().enumerate() {
        assert_eq!(Path::new(line), options.dir.join(format!("{index:016}.seg")));
    }
}
