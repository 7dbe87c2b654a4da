//! `FORMAT.md` is true: its example is read, its tables are compared with what is written.

use journal::{Position, Reader};

use crate::support::{SEGMENT_BYTES, TempDir, append, prepare, sync};

const FORMAT: &str = include_str!("../../FORMAT.md");

/// CRC32C as the document describes it, a bit at a time.
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            let odd = crc & 1 == 1;
            crc >>= 1;
            if odd {
                crc ^= 0x82f6_3b78;
            }
        }
    }
    !crc
}

/// The bytes of the example in the document.
fn example() -> Vec<u8> {
    let text = FORMAT.split("```text\n").nth(1).unwrap().split("```").next().unwrap();
    let mut bytes = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let at = usize::from_str_radix(words.next().unwrap(), 16).unwrap();
        assert_eq!(at, bytes.len());
        bytes.extend(words.map(|word| u8::from_str_radix(word, 16).unwrap()));
    }
    bytes
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

#[test]
fn the_example_is_a_journal() {
    let temp = TempDir::new();
    std::fs::create_dir(temp.dir()).unwrap();
    let mut segment = example();
    assert_eq!(segment.len(), 64 + 48);
    segment.resize(SEGMENT_BYTES as usize, 0);
    std::fs::write(temp.dir().join("0000000000000000.seg"), &segment).unwrap();

    let mut reader = Reader::open(&temp.dir(), None).unwrap();
    assert_eq!(reader.log_id(), 0x0123_4567_89ab_cdef);
    let frame = reader.next().unwrap().unwrap();
    assert_eq!((frame.position, frame.sequence, frame.term), (Position(64), 1, 0));
    assert_eq!((frame.first, frame.last), (true, true));
    assert_eq!(frame.payload, &segment[0x58..0x70]);
    assert_eq!(reader.next().unwrap(), None);
    assert_eq!(reader.tail_cut(), None);

    let opened = temp.open();
    assert_eq!(opened.recovery.last_sequence, 1);
}

#[test]
fn the_steps_of_the_example_give_its_checksum() {
    assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    let segment = example();
    let steps = [
        crc32c(&segment[0x10..0x20]),
        crc32c(&segment[0x48..0x70]),
        0x40,
        0x30_u32.rotate_left(16),
    ];
    let checksum = steps.iter().fold(0, |sum, step| sum ^ step);
    assert_eq!(checksum, u32_at(&segment, 0x44));
    for value in steps.into_iter().chain([checksum]) {
        assert!(FORMAT.contains(&format!("| {value:08x} |")), "{value:08x}");
    }
}

/// A reader written from the document alone, over a journal with every kind of frame.
#[test]
fn what_is_written_is_what_the_document_says() {
    let temp = TempDir::new();
    let mut opened = temp.open();
    let mut sizes = Vec::new();
    for sequence in 1..=30 {
        prepare(&mut opened.preparer);
        let bytes = [16, 100_000, 8000, 5000][sequence as usize % 4];
        append(&mut opened.writer, sequence, bytes, 1000);
        sizes.push(bytes);
        sync(&mut opened.syncer);
    }
    let log_id = opened.log.log_id();
    let committed = opened.log.committed();

    let control = std::fs::read(temp.live_dir().join("control")).unwrap();
    assert_eq!(&control[..8], b"VESTACTL");
    assert_eq!(control.len(), 256);
    assert_eq!(u32_at(&control, 8), 1);
    assert_eq!(u32_at(&control, 12), SEGMENT_BYTES);
    assert_eq!(u64_at(&control, 16), log_id);
    assert_eq!(u64_at(&control, 32), u64::from(std::process::id()));
    assert_eq!((u64_at(&control, 64), u64_at(&control, 128)), (committed.0, committed.0));
    let lock = std::fs::read_to_string(temp.dir().join("lock")).unwrap();
    let instance = format!("instance {:016x}\nlive ", u64_at(&control, 24));
    assert!(lock.starts_with(&instance), "{lock}");
    let (lines, check) = lock.split_at(lock.rfind("check ").unwrap());
    assert_eq!(check, format!("check {:08x}\n", crc32c(lines.as_bytes())));
    assert_eq!(u64_at(&control, 40), u64::from(crc32c(&control[..32])));

    let (mut sequence, mut turn_bytes, mut seals, mut index, mut end) = (1, 0, 0, 0, 0);
    let mut found = Vec::new();
    'segments: loop {
        let file = temp.dir().join(format!("{index:016}.seg"));
        let segment = std::fs::read(file).unwrap();
        assert_eq!(segment.len(), SEGMENT_BYTES as usize);
        if segment[..64] == [0; 64] {
            break;
        }
        assert_eq!(&segment[..8], b"VESTAJNL");
        assert_eq!(u32_at(&segment, 8), 1 | 1 << 16);
        assert_eq!(u32_at(&segment, 12), SEGMENT_BYTES);
        assert_eq!((u64_at(&segment, 16), u64_at(&segment, 24)), (log_id, index));
        assert_eq!(u64_at(&segment, 32), sequence + u64::from(turn_bytes > 0));
        assert_eq!(u32_at(&segment, 60), crc32c(&segment[..60]));
        let seed = crc32c(&segment[16..32]);
        let mut at = 64;
        while at + 24 <= segment.len() {
            let length = u32_at(&segment, at) as usize;
            if length == 0 {
                break 'segments;
            }
            let sum = crc32c(&segment[at + 8..at + length]);
            let sum = sum ^ seed ^ at as u32 ^ (length as u32).rotate_left(16);
            assert_eq!(u32_at(&segment, at + 4), sum);
            assert_eq!(u64_at(&segment, at + 8), sequence);
            assert_eq!(u32_at(&segment, at + 16), 0);
            let (kind, flags) = (segment[at + 20], segment[at + 21]);
            let behind = 64 * u64::from(segment[at + 22]) + 64 * 256 * u64::from(segment[at + 23]);
            // Each turn was synced before the next: behind is at most the turn's own bytes.
            assert!(behind <= 3 * u64::from(SEGMENT_BYTES));
            if kind == 2 {
                assert_eq!((length, flags), (24, 0));
                seals += 1;
                break;
            }
            assert_eq!(kind, 1);
            assert_eq!(flags & 1 == 1, turn_bytes == 0);
            turn_bytes += length - 24;
            at += length;
            end = index * u64::from(SEGMENT_BYTES) + at as u64;
            if flags & 2 == 2 {
                found.push(std::mem::take(&mut turn_bytes));
                sequence += 1;
            }
        }
        index += 1;
    }
    assert_eq!(found, sizes);
    assert_eq!(end, committed.0);
    assert!(seals > 3);
}
