//! The mappings, and the only `unsafe`.
//!
//! ```text
//!            one segment of the live log, in memory
//!   0        │frames that are published      │the turn being written │zeroes     │ len
//!            └───────────────────────────────┴───────────────────────┴───────────┘
//!                 never changes again    frontier      only here is there a `&mut`
//!                 `Window::bytes` ≤ committed            (`LiveWriter::slot`)
//! ```
//!
//! Memory orders. The writer fills the bytes of a turn with plain stores, then stores the length of
//! the turn's first frame with Release (what a reader in another process loads with Acquire), then
//! `committed` with Release (what a reader in this process loads with Acquire). Whoever sees either
//! sees every byte before it. On x86 both are plain `mov`s.
//!
//! What every block below leans on: a live file is made by this crate, mapped at its full length, and
//! never truncated or written by anybody else; the flock on the journal's folder keeps a second venue
//! away. Somebody who truncates it by hand under a running venue ends it with SIGBUS; that is beyond
//! what a mapping can guard against.
//!
//! A file on disk is another matter: a disk may fail to give it. So its bytes are looked at only after
//! [`ReadMap::have`] has got them, which is where a read error is told, as an error and not as a signal.
//! What is left is a page that the kernel got, dropped again to use its memory, and then cannot get once more.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSliceMut};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::{Arc, OnceLock};

use memmap2::{Advice, MmapOptions, MmapRaw};
use rustix::fs::OFlags;
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use crate::frame::{FRAME_BYTES_MAX, HEADER_BYTES, u32_at};

/// A position that one thread moves forward and others look at, alone on its cache lines.
///
/// 128 bytes: the adjacent-line prefetcher of x86 fetches pairs.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Cursor(AtomicU64);

impl Cursor {
    pub(crate) fn new(position: u64) -> Cursor {
        Cursor(AtomicU64::new(position))
    }

    #[inline]
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    pub(crate) fn set(&self, position: u64) {
        self.0.store(position, Ordering::Release);
    }
}

/// A file of a live segment, mapped, that only we know of yet.
#[derive(Debug)]
pub(crate) struct Fresh {
    raw: MmapRaw,
    len: u32,
}

impl Fresh {
    /// Maps `file`, which is `len` bytes long.
    pub(crate) fn map(file: &File, len: u32) -> io::Result<Fresh> {
        let raw = MmapOptions::new().len(len as usize).map_raw(file)?;
        Ok(Fresh { raw, len })
    }

    /// Touches every page of a piece that the file has room for: the first write to a page of a mapping
    /// costs up to milliseconds otherwise.
    ///
    /// # Panics
    ///
    /// If it is no piece of the segment.
    pub(crate) fn touch(&mut self, at: u32, len: u32) -> io::Result<()> {
        let (at, len) = (at as usize, len as usize);
        assert!(at + len <= self.len as usize);
        match self.raw.advise_range(Advice::PopulateWrite, at, len) {
            // Kernels before 5.14 do not know the advice.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                for page in self.bytes_mut()[at..at + len].chunks_mut(4096) {
                    page[0] = std::hint::black_box(page[0]);
                }
                Ok(())
            }
            touched => touched,
        }
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: the mapping is `len` bytes long, readable and writable for as long as `self` lives.
        // Nobody else in this process has a reference into it: it was made in `map` and is shared
        // only by `share`, which takes `self`.
        unsafe { std::slice::from_raw_parts_mut(self.raw.as_mut_ptr(), self.len as usize) }
    }

    /// Hands the segment to its writer and its readers. Bytes below `frontier` are published.
    ///
    /// # Panics
    ///
    /// If `committed` says that more of the segment is.
    pub(crate) fn share(
        self,
        index: u64,
        frontier: u32,
        committed: Arc<Cursor>,
    ) -> (Arc<LiveMap>, LiveWriter) {
        let base = index * u64::from(self.len);
        assert!(frontier <= self.len);
        assert!(committed.get() <= base + u64::from(frontier));
        let map = Arc::new(LiveMap {
            raw: self.raw,
            len: self.len,
            index,
            base,
            committed,
            used: AtomicU32::new(self.len),
            turn_end: AtomicU32::new(0),
        });
        (Arc::clone(&map), LiveWriter { map, frontier })
    }
}

/// A live segment, shared by its writer and its readers.
#[derive(Debug)]
pub(crate) struct LiveMap {
    raw: MmapRaw,
    len: u32,
    index: u64,
    base: u64,
    /// Of the whole log. Bytes of this segment below it never change again.
    committed: Arc<Cursor>,
    /// Where the used bytes end, once a later segment is begun.
    pub(crate) used: AtomicU32,
    /// Where the last turn that ends in this segment ends, once a later segment is begun; 0 if none.
    pub(crate) turn_end: AtomicU32,
}

impl LiveMap {
    pub(crate) fn index(&self) -> u64 {
        self.index
    }

    /// The memory of a segment that nobody reads or writes any more, and how many of its bytes were used.
    pub(crate) fn into_fresh(self) -> (Fresh, u32) {
        let used = self.used.into_inner().min(self.len);
        (Fresh { raw: self.raw, len: self.len }, used)
    }
}

/// The right to write one live segment. There is one per segment.
#[derive(Debug)]
pub(crate) struct LiveWriter {
    map: Arc<LiveMap>,
    /// Bytes below are published: no `&mut` to them is given out any more.
    frontier: u32,
}

impl LiveWriter {
    pub(crate) fn map(&self) -> &LiveMap {
        &self.map
    }

    pub(crate) fn frontier(&self) -> u32 {
        self.frontier
    }

    /// Bytes that are not published yet.
    ///
    /// # Panics
    ///
    /// If some of them are, or lie outside the segment.
    #[inline]
    pub(crate) fn slot(&mut self, from: u32, to: u32) -> &mut [u8] {
        assert!(self.frontier <= from && from <= to && to <= self.map.len);
        // SAFETY: in bounds by the assert. Not aliased: readers in this process get bytes below
        // `committed` only (`Window`), which is at most `base + frontier` as long as this segment is
        // the last one (`commit`, `share`), and `&mut self` makes this the only `&mut`. A segment
        // that is not the last one any more is written only while `committed` is still in it.
        unsafe {
            let start = self.map.raw.as_mut_ptr().add(from as usize);
            std::slice::from_raw_parts_mut(start, (to - from) as usize)
        }
    }

    /// Stores the word at `at`, a frame's length or the start of the segment's header, with Release:
    /// a reader in another process that loads it sees everything written before.
    #[inline]
    pub(crate) fn publish(&mut self, at: u32, word: u32) {
        assert!(self.frontier <= at && at.is_multiple_of(8) && at < self.map.len);
        // SAFETY: in bounds and aligned by the assert (the mapping is page-aligned). Other accesses
        // to these four bytes at this moment are atomic loads of other processes; in this process
        // nobody reads past `committed`.
        let place =
            unsafe { AtomicU32::from_ptr(self.map.raw.as_mut_ptr().add(at as usize).cast()) };
        place.store(word.to_le(), Ordering::Release);
    }

    /// Moves the committed cursor to `upto` of this segment: readers in this process see everything
    /// before it from now on.
    ///
    /// The caller has dropped the writers of all earlier segments.
    #[inline]
    pub(crate) fn commit(&mut self, upto: u32) {
        assert!(self.frontier <= upto && upto <= self.map.len);
        self.frontier = upto;
        self.map.committed.set(self.map.base + u64::from(upto));
    }

    /// A turn of one frame, from `at` to `upto`: lets `finish` fill in its header but for the length, and then
    /// publishes and commits it, as [`slot`](LiveWriter::slot), [`publish`](LiveWriter::publish) and
    /// [`commit`](LiveWriter::commit) do with a check each.
    #[inline]
    pub(crate) fn commit_frame(&mut self, at: u32, upto: u32, finish: impl FnOnce(&mut [u8])) {
        let start = self.map.raw.as_mut_ptr();
        assert!(self.frontier <= at && at.is_multiple_of(8) && at < upto && upto <= self.map.len);
        let length = upto - at;
        // SAFETY: in bounds and not aliased, as in `slot`.
        finish(unsafe { std::slice::from_raw_parts_mut(start.add(at as usize), length as usize) });
        // SAFETY: in bounds and aligned, and only loaded atomically, as in `publish`.
        let place = unsafe { AtomicU32::from_ptr(start.add(at as usize).cast()) };
        place.store(length.to_le(), Ordering::Release);
        prefetch(start.wrapping_add(upto as usize + AHEAD_BYTES));
        self.frontier = upto;
        self.map.committed.set(self.map.base + u64::from(upto));
    }
}

/// How far ahead of the writer its cache lines are fetched. Unit: bytes.
///
/// A store to a line that is not there holds up all stores behind it, and those of a few turns fill the processor's store buffer. What
/// the processor fetches by itself ends with the page. 512 and 2,048 gain half as much (`benches/README.md`).
const AHEAD_BYTES: usize = 1024;

/// Fetches the two cache lines at `at`: as much as a turn of one event takes. Of longer turns the processor sees by itself where they go.
#[inline]
fn prefetch(at: *const u8) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        use std::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
        // SAFETY: a hint, wherever it points; every processor of the architecture has it.
        unsafe {
            _mm_prefetch::<_MM_HINT_ET0>(at.cast());
            _mm_prefetch::<_MM_HINT_ET0>(at.wrapping_add(64).cast());
        }
    }
    let _ = at;
}

/// One reader's view of a live segment.
#[derive(Debug)]
pub(crate) struct Window {
    map: Arc<LiveMap>,
    /// Bytes below were committed when we last looked.
    readable: u32,
}

impl Window {
    pub(crate) fn new(map: Arc<LiveMap>) -> Window {
        Window { map, readable: 0 }
    }

    pub(crate) fn map(&self) -> &LiveMap {
        &self.map
    }

    /// How much can be read; looks again only if `wanted` is more than was there the last time.
    #[inline]
    pub(crate) fn readable(&mut self, wanted: u32) -> u32 {
        if self.readable < wanted {
            let committed = self.map.committed.get().saturating_sub(self.map.base);
            self.readable = u32::try_from(committed).unwrap_or(u32::MAX).min(self.map.len);
        }
        self.readable
    }

    /// # Panics
    ///
    /// If the bytes are not known to be readable.
    #[inline]
    pub(crate) fn bytes(&self, from: u32, to: u32) -> &[u8] {
        assert!(from <= to && to <= self.readable);
        // SAFETY: in bounds, since `readable <= len`. `readable` came from an Acquire load of
        // `committed`, so these bytes were written before and are not written again: the writer
        // gives out `&mut` only at and above its frontier. The `Arc` keeps the mapping alive.
        unsafe {
            let start = self.map.raw.as_ptr().add(from as usize);
            std::slice::from_raw_parts(start, (to - from) as usize)
        }
    }
}

/// The kernel is asked for multiples of this: whole pages, as large as they are on most machines. Unit: bytes.
const BLOCK_BYTES: usize = 1 << 14;

/// Blocks got at once for who had the one before: it reads on.
const RUN_BLOCKS: usize = 16;

/// So much is fetched from the disk at once. Unit: bytes.
const PIECE_BYTES: usize = 1 << 18;

/// So many pieces are on their way together.
const AHEAD_PIECES: usize = 4;

/// The kernel reads ahead by itself from here on. Unit: KiB.
///
/// Four times what is told ahead. At 512 it reads no piece before it is asked for (ext4, Linux 6.18).
const READ_AHEAD_KIB_MIN: usize = 4 * AHEAD_PIECES * PIECE_BYTES / 1024;

/// How far the kernel reads ahead in this file at most, 0 if it does not say. Unit: KiB.
fn reads_ahead_kib(file: &File) -> usize {
    let Ok(found) = file.metadata() else { return 0 };
    let (major, minor) = (rustix::fs::major(found.dev()), rustix::fs::minor(found.dev()));
    let said = std::fs::read_to_string(format!("/sys/class/bdi/{major}:{minor}/read_ahead_kb"));
    said.ok().and_then(|said| said.trim().parse().ok()).unwrap_or(0)
}

/// A segment mapped for reading only: one on disk, or a live one of another process.
#[derive(Debug)]
pub(crate) struct ReadMap {
    /// `None` if the file is empty: nothing can be mapped then.
    raw: Option<MmapRaw>,
    len: usize,
    /// A bit for each block that we have: nothing but a shortcut, so no order is needed.
    had: Box<[AtomicU64]>,
    /// The kernel was told to fetch up to here for who reads on.
    told: AtomicUsize,
    file: PathBuf,
    /// What the kernel is told by that it reads ahead, if it reads far enough ahead by itself.
    ahead: OnceLock<File>,
    /// The lock on a live segment.
    _held: Option<File>,
}

/// Opens what has this name for reading: a pipe would keep us waiting for ever otherwise.
fn open_any(file: &Path) -> io::Result<File> {
    #[allow(clippy::cast_possible_wrap)] // Flags.
    let flags = OFlags::NONBLOCK.bits() as i32;
    OpenOptions::new().read(true).custom_flags(flags).open(file)
}

impl ReadMap {
    /// Maps what there is of `file`, up to `max` bytes.
    ///
    /// # Errors
    ///
    /// If it cannot be opened or mapped, or is no file: a pipe of this name would keep us waiting for ever.
    pub(crate) fn open(file: &Path, max: u64) -> io::Result<ReadMap> {
        let opened = open_any(file)?;
        let found = opened.metadata()?;
        if !found.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
        }
        let len = usize::try_from(found.len().min(max)).unwrap_or(usize::MAX);
        let raw = match len {
            0 => None,
            _ => Some(MmapOptions::new().len(len).map_raw_read_only(&opened)?),
        };
        let words = len.div_ceil(BLOCK_BYTES * 64);
        let had = std::iter::repeat_with(|| AtomicU64::new(0)).take(words).collect();
        Ok(ReadMap {
            raw,
            len,
            had,
            told: AtomicUsize::new(0),
            file: file.to_path_buf(),
            ahead: OnceLock::new(),
            _held: None,
        })
    }

    /// Keeps the lock on the file for as long as the mapping is there.
    pub(crate) fn keep(&mut self, held: Option<File>) {
        self._held = held;
    }

    /// Gets the bytes from `from` to `to`, as far as the file has them, if we do not have them yet. Before that, or if
    /// it fails, they are not to be looked at: the kernel has no other answer than SIGBUS then.
    ///
    /// # Errors
    ///
    /// If the disk does not give them, or somebody has cut the file since it was mapped.
    #[inline]
    pub(crate) fn have(&self, from: usize, to: usize) -> io::Result<()> {
        let (first, end) = (from / BLOCK_BYTES, to.min(self.len).div_ceil(BLOCK_BYTES));
        for block in first..end {
            if self.had[block / 64].load(Ordering::Relaxed) >> (block % 64) & 1 == 0 {
                return self.get(block, end);
            }
        }
        Ok(())
    }

    #[cold]
    fn get(&self, first: usize, end: usize) -> io::Result<()> {
        let Some(raw) = &self.raw else { return Ok(()) };
        let had = |block: usize| self.had[block / 64].load(Ordering::Relaxed) >> (block % 64) & 1;
        let reads_on = first > 0 && had(first - 1) == 1;
        let end = if reads_on { end.max(first + RUN_BLOCKS) } else { end };
        let from = first * BLOCK_BYTES;
        let to = (end * BLOCK_BYTES).min(self.len);
        // Piece by piece, the next ones on their way from the disk: without being told the kernel may get page by page,
        // and of what it is told at once it does only a part.
        let ahead = AHEAD_PIECES * PIECE_BYTES;
        let mut told = from;
        if reads_on && to - from <= PIECE_BYTES {
            // Each page is told of once: even one that is there takes the kernel a look.
            told = self.told.load(Ordering::Relaxed).max(from);
            if told < to + ahead / 2 {
                self.fetch_ahead(told, to + ahead);
                self.told.store(to + ahead, Ordering::Relaxed);
                told = to;
            }
        }
        let mut at = from;
        while at < to {
            while told < to && told < at + ahead {
                let piece = PIECE_BYTES.min(to - told);
                self.fetch_ahead(told, told + piece);
                told += piece;
            }
            let piece = PIECE_BYTES.min(to - at);
            match raw.advise_range(Advice::PopulateRead, at, piece) {
                Ok(()) => {}
                // Kernels before 5.14 do not know the advice.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
                Err(error) => {
                    let end = at + piece;
                    let why = format!(
                        "the disk does not give its bytes {at} to {end}, or somebody cut it ({error})"
                    );
                    return Err(io::Error::other(why));
                }
            }
            at += piece;
        }
        for block in first..to.div_ceil(BLOCK_BYTES) {
            self.had[block / 64].fetch_or(1 << (block % 64), Ordering::Relaxed);
        }
        Ok(())
    }

    /// Gets the frame at `at`, if there is one: its length, `None` past the end of the file.
    ///
    /// # Errors
    ///
    /// As [`ReadMap::have`].
    #[inline]
    pub(crate) fn frame(&self, at: u32) -> io::Result<Option<u32>> {
        let from = at as usize;
        self.have(from, from + HEADER_BYTES as usize)?;
        let length = self.length(at);
        if let Some(length) = length.filter(|length| *length <= FRAME_BYTES_MAX) {
            self.have(from, from + length as usize)?;
        }
        Ok(length)
    }

    /// All bytes of the file.
    ///
    /// # Errors
    ///
    /// As [`ReadMap::have`].
    pub(crate) fn all(&self) -> io::Result<&[u8]> {
        self.have(0, self.len)?;
        Ok(self.bytes())
    }

    /// Bytes of the file.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Tells the kernel that single places are read: it fetches those alone, and what [`ReadMap::fetch`] names.
    pub(crate) fn read_places(&self) {
        if let Some(raw) = &self.raw {
            // Only a hint: without it the kernel fetches more than is asked for.
            let _ = raw.advise(Advice::Random);
        }
    }

    /// Takes back what [`ReadMap::read_places`] says.
    pub(crate) fn read_around(&self) {
        if let Some(raw) = &self.raw {
            // Only a hint.
            let _ = raw.advise(Advice::Normal);
        }
    }

    /// Tells the kernel that these bytes are read next; it fetches them and does not wait.
    pub(crate) fn fetch(&self, from: usize, to: usize) {
        let (from, to) = (from / BLOCK_BYTES * BLOCK_BYTES, to.min(self.len));
        if let Some(raw) = &self.raw
            && from < to
        {
            // Only a hint: without it the same bytes come page by page.
            let _ = raw.advise_range(Advice::WillNeed, from, to - from);
        }
    }

    /// As [`ReadMap::fetch`], for who reads from front to back.
    fn fetch_ahead(&self, from: usize, to: usize) {
        let Some(file) = self.ahead.get() else { return self.fetch(from, to) };
        for at in (from..to.min(self.len)).step_by(PIECE_BYTES) {
            // A byte that is there makes the kernel read on, one that is not makes it begin, and neither waits.
            let byte = &mut [0];
            let read =
                preadv2(file, &mut [IoSliceMut::new(byte)], at as u64, ReadWriteFlags::NOWAIT);
            if read == Err(Errno::OPNOTSUPP) {
                // Not on this file system.
                return self.fetch(at, to);
            }
        }
    }

    /// Tells the kernel that the mapping is read from front to back.
    ///
    /// What it is told to fetch it fetches page by page, 0.35 s of a CPU for a GB. What it reads ahead comes in large pieces, a
    /// tenth of that, but only if it may read ahead far enough not to be waited for.
    pub(crate) fn read_ahead(&self) {
        if let Some(raw) = &self.raw {
            // Only a hint: without it the same bytes come more slowly.
            let _ = raw.advise(Advice::Sequential);
            if let Ok(file) = open_any(&self.file)
                && reads_ahead_kib(&file) >= READ_AHEAD_KIB_MIN
            {
                let _ = self.ahead.set(file);
            }
        }
    }

    /// Loads the length word at `at` with Acquire; `None` past the end of the file. Those who look at it
    /// [`have`](ReadMap::have) it.
    #[inline]
    pub(crate) fn length(&self, at: u32) -> Option<u32> {
        let raw = self.raw.as_ref()?;
        if at as usize + 4 > self.len {
            return None;
        }
        assert!(at.is_multiple_of(4));
        // SAFETY: in bounds by the check, aligned by the assert and the page-aligned mapping. The
        // memory is mapped for reading only, so this is no `AtomicU32`; who writes it is another
        // process, and an aligned volatile load of four bytes cannot tear.
        let word = unsafe { raw.as_ptr().add(at as usize).cast::<u32>().read_volatile() };
        fence(Ordering::Acquire);
        Some(u32::from_le(word))
    }

    /// All bytes of the file, of which those are looked at that we [`have`](ReadMap::have).
    ///
    /// The callers look at bytes of frames whose length they loaded, whose checksum they then check,
    /// and at nothing else of a segment that is still being written.
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        let Some(raw) = &self.raw else {
            return &[];
        };
        // SAFETY: the mapping is `len` bytes long and lives as long as `self`. Bytes of published
        // frames do not change (the writer only appends, files are not recycled), and no other bytes
        // decide anything: a frame counts only if its checksum holds. Journal files are not truncated
        // while they are in use.
        unsafe { std::slice::from_raw_parts(raw.as_ptr(), self.len) }
    }
}

/// The words of the control file, mapped: cursors that other processes look at.
#[derive(Debug)]
pub(crate) struct Words {
    raw: MmapRaw,
    len: usize,
    writable: bool,
}

impl Words {
    /// Maps the first `len` bytes of `file`, which must have them.
    pub(crate) fn map(file: &File, len: usize, writable: bool) -> io::Result<Words> {
        if file.metadata()?.len() < len as u64 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut options = MmapOptions::new();
        options.len(len);
        let raw = if writable { options.map_raw(file) } else { options.map_raw_read_only(file) };
        Ok(Words { raw: raw?, len, writable })
    }

    #[inline]
    pub(crate) fn load(&self, at: usize) -> u64 {
        assert!(at + 8 <= self.len && at.is_multiple_of(8));
        // SAFETY: in bounds and aligned by the assert. The memory may be mapped for reading only;
        // an aligned volatile load of eight bytes cannot tear.
        let word = unsafe { self.raw.as_ptr().add(at).cast::<u64>().read_volatile() };
        fence(Ordering::Acquire);
        u64::from_le(word)
    }

    /// # Panics
    ///
    /// If the file was mapped for reading: only the venue stores.
    #[inline]
    pub(crate) fn store(&self, at: usize, value: u64) {
        assert!(self.writable && at + 8 <= self.len && at.is_multiple_of(8));
        // SAFETY: in bounds and aligned by the assert, and writable. Every access to the mapping,
        // here and in other processes, is of such whole words.
        let word = unsafe { AtomicU64::from_ptr(self.raw.as_mut_ptr().add(at).cast()) };
        word.store(value.to_le(), Ordering::Release);
    }
}

/// The length word at `at` of bytes that nobody writes.
pub(crate) fn length_at(bytes: &[u8], at: u32) -> Option<u32> {
    let at = at as usize;
    (at + 4 <= bytes.len()).then(|| u32_at(bytes, at))
}

/// Miri runs these too (`tools/test miri`): whatever order a weak machine may see the stores in, a reader
/// has no byte before it was written, and nobody writes what somebody reads.
#[cfg(test)]
mod tests {
    use super::*;

    // Miri is a thousand times slower.
    const LEN: u32 = if cfg!(miri) { 512 } else { 4096 };
    const TURN: u32 = 64;

    fn segment(index: u64, committed: &Arc<Cursor>) -> (Arc<LiveMap>, LiveWriter) {
        let raw = MmapRaw::from(MmapOptions::new().len(LEN as usize).map_anon().unwrap());
        Fresh { raw, len: LEN }.share(index, 0, Arc::clone(committed))
    }

    fn byte(at: u32) -> u8 {
        u8::try_from(at / TURN).unwrap() + 1
    }

    /// As a turn does it: its bytes, its length, its end.
    fn append(writer: &mut LiveWriter, at: u32) {
        writer.slot(at + 4, at + TURN).fill(byte(at));
        writer.publish(at, TURN);
        writer.commit(at + TURN);
    }

    fn read_all(map: &Arc<LiveMap>) {
        let mut window = Window::new(Arc::clone(map));
        let mut at = 0;
        while at < LEN {
            if window.readable(at + TURN) < at + TURN {
                std::thread::yield_now();
                continue;
            }
            let turn = window.bytes(at, at + TURN);
            assert_eq!(u32_at(turn, 0), TURN);
            assert!(turn[4..].iter().all(|found| *found == byte(at)));
            at += TURN;
        }
    }

    #[test]
    fn readers_see_what_is_committed_and_nothing_else() {
        let committed = Arc::new(Cursor::new(0));
        let (map, mut writer) = segment(0, &committed);
        std::thread::scope(|scope| {
            scope.spawn(|| read_all(&map));
            scope.spawn(|| read_all(&map));
            for at in (0..LEN).step_by(TURN as usize) {
                append(&mut writer, at);
            }
        });
    }

    /// A turn that goes on in the next segment: the first one's bytes come with the second one's.
    #[test]
    fn a_turn_over_two_segments_is_seen_at_once() {
        let committed = Arc::new(Cursor::new(0));
        let (first, mut first_writer) = segment(0, &committed);
        let (second, mut second_writer) = segment(1, &committed);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                read_all(&first);
                read_all(&second);
            });
            scope.spawn(|| {
                // What the syncer reads of a segment that was left.
                while committed.get() < u64::from(LEN) {
                    std::thread::yield_now();
                }
                assert_eq!(first.used.load(Ordering::Relaxed), LEN);
                assert_eq!(first.turn_end.load(Ordering::Relaxed), LEN - TURN);
            });
            for at in (0..LEN - TURN).step_by(TURN as usize) {
                append(&mut first_writer, at);
            }
            let last = LEN - TURN;
            first_writer.slot(last + 4, LEN).fill(byte(last));
            second_writer.slot(4, TURN).fill(byte(0));
            second_writer.publish(0, TURN);
            first_writer.publish(last, TURN);
            first_writer.map().turn_end.store(first_writer.frontier(), Ordering::Relaxed);
            first_writer.map().used.store(LEN, Ordering::Relaxed);
            drop(first_writer);
            second_writer.commit(TURN);
            for at in (TURN..LEN).step_by(TURN as usize) {
                append(&mut second_writer, at);
            }
        });
    }
}
