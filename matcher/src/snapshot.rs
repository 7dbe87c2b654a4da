//! A snapshot: all that decides the answers of an engine, as one stream of words, and their hash.
//!
//! The stream is little endian and made of words of 64 bits; `SNAPSHOT.md` has its tables. It says nothing
//! of slots, pools and windows, so that two engines with the same state give the same bytes, whatever
//! happened to them before. What is walked over is written once ([`Engine::save`] and
//! [`Engine::state_hash`] are one walk), and each part is read where it is written.
//!
//! [`Engine::save`]: crate::Engine::save
//! [`Engine::state_hash`]: crate::Engine::state_hash

use std::collections::TryReserveError;
use std::fmt;

use crate::command::{Limits, RiskLimits};
use crate::types::{Price, Qty};

/// Version of the stream, in its second word.
pub const SNAPSHOT_VERSION: u32 = 1;

/// The first word.
const MAGIC: u64 = u64::from_le_bytes(*b"VestaSnp");

const WORD: usize = size_of::<u64>();

/// Why bytes are no snapshot of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotError {
    /// They do not begin as one.
    Magic,
    /// They are one of another version.
    Version(u32),
    /// They end too early, or go on behind the end: so many bytes.
    Length(usize),
    /// The hash at the end is not that of what is before it.
    Hash {
        /// What the last word says.
        said: u64,
        /// What the others give.
        found: u64,
    },
    /// The engine has larger tables than the reader has room for.
    Limits(Limits),
    /// There is not that much memory.
    Memory,
    /// A word says what cannot be.
    Word {
        /// Where it begins.
        offset: usize,
    },
    /// Every word could be, but an engine would not be saved like this.
    NotCanonical,
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SnapshotError::Magic => f.write_str("these bytes are no snapshot"),
            SnapshotError::Version(version) => {
                write!(f, "snapshot of version {version}, not {SNAPSHOT_VERSION}")
            }
            SnapshotError::Length(len) => write!(f, "{len} bytes are not the length of a snapshot"),
            SnapshotError::Hash { said, found } => {
                write!(f, "snapshot with hash {found:016x} says {said:016x}")
            }
            SnapshotError::Limits(limits) => write!(
                f,
                "snapshot of tables too large: {} orders, {} levels, {} instruments, {} sessions",
                limits.orders_max, limits.levels_max, limits.instruments_max, limits.sessions_max
            ),
            SnapshotError::Memory => f.write_str("there is not enough memory for the snapshot"),
            SnapshotError::Word { offset } => {
                write!(f, "word of the snapshot at offset {offset} cannot be")
            }
            SnapshotError::NotCanonical => f.write_str("snapshot is not in its canonical order"),
        }
    }
}

impl std::error::Error for SnapshotError {}

impl From<TryReserveError> for SnapshotError {
    fn from(_: TryReserveError) -> SnapshotError {
        SnapshotError::Memory
    }
}

/// The hash of a stream of words: four lanes that take a word in turn, so that no word waits for the one
/// before it.
///
/// A stream that differs in one word alone has another hash, always: each step keeps different things
/// different.
#[derive(Clone, Copy)]
pub(crate) struct Hash {
    /// The one whose turn it is first.
    lanes: [u64; 4],
}

impl Hash {
    pub(crate) const NEW: Hash = Hash { lanes: [0; 4] };

    #[inline]
    const fn add(&mut self, word: u64) {
        let [turn, one, two, three] = self.lanes;
        self.lanes = [one, two, three, mix(turn, word)];
    }

    pub(crate) fn value(self) -> u64 {
        self.lanes.into_iter().fold(0, mix)
    }
}

/// For a given `lane` no two words give the same, and the other way round; each bit of both reaches all
/// bits.
#[inline]
const fn mix(lane: u64, word: u64) -> u64 {
    let mut bits = (lane ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// What takes the words of a walk.
pub(crate) trait Words {
    fn word(&mut self, word: u64);

    #[inline]
    fn pair(&mut self, low: u32, high: u32) {
        self.word(u64::from(low) | u64::from(high) << 32);
    }

    #[inline]
    fn codes(&mut self, codes: [u8; WORD]) {
        self.word(u64::from_le_bytes(codes));
    }

    #[inline]
    fn signed(&mut self, value: i64) {
        self.word(value.cast_unsigned());
    }

    #[inline]
    fn price(&mut self, price: Price) {
        self.signed(price.ticks());
    }

    #[inline]
    fn qty(&mut self, qty: Qty) {
        self.word(qty.lots());
    }

    /// What begins every stream.
    fn head(&mut self) {
        self.word(MAGIC);
        self.pair(SNAPSHOT_VERSION, 0);
    }

    fn limits(&mut self, limits: &Limits) {
        self.pair(limits.orders_max, limits.levels_max);
        self.pair(limits.instruments_max, limits.sessions_max);
    }

    fn risk_limits(&mut self, limits: &RiskLimits) {
        self.qty(limits.order_qty_max);
        self.word(limits.order_notional_max);
        self.word(limits.collar_ticks);
        self.word(limits.open_notional_max);
        self.word(limits.position_max);
        self.pair(limits.open_orders_max, 0);
    }
}

/// Takes the hash of the words alone.
impl Words for Hash {
    #[inline]
    fn word(&mut self, word: u64) {
        self.add(word);
    }
}

const BLOCK_BYTES: usize = 4096;

/// Gives the words as bytes, in blocks.
pub(crate) struct Writer<'a, F> {
    out: &'a mut F,
    block: [u8; BLOCK_BYTES],
    len: usize,
    hash: Hash,
}

impl<'a, F: FnMut(&[u8])> Writer<'a, F> {
    pub(crate) const fn new(out: &'a mut F) -> Writer<'a, F> {
        Writer { out, block: [0; BLOCK_BYTES], len: 0, hash: Hash::NEW }
    }

    /// Ends the stream with its hash.
    pub(crate) fn end(mut self) {
        self.word(self.hash.value());
        (self.out)(&self.block[..self.len]);
    }
}

impl<F: FnMut(&[u8])> Words for Writer<'_, F> {
    #[inline]
    fn word(&mut self, word: u64) {
        if self.len == BLOCK_BYTES {
            (self.out)(&self.block);
            self.len = 0;
        }
        self.hash.add(word);
        self.block[self.len..self.len + WORD].copy_from_slice(&word.to_le_bytes());
        self.len += WORD;
    }
}

/// Reads the words of a stream whose hash is right.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    /// Where the next word begins.
    at: usize,
}

impl<'a> Reader<'a> {
    /// Looks at what begins and ends every stream; returns what is between, and the hash.
    pub(crate) fn open(bytes: &'a [u8]) -> Result<(Reader<'a>, u64), SnapshotError> {
        let length = SnapshotError::Length(bytes.len());
        if bytes.len() < WORD || word_at(bytes, 0) != MAGIC {
            return Err(SnapshotError::Magic);
        }
        // Something stands before the hash.
        if !bytes.len().is_multiple_of(WORD) || bytes.len() == WORD {
            return Err(length);
        }
        let mut reader = Reader { bytes: &bytes[..bytes.len() - WORD], at: WORD };
        let (version, rest) = reader.pair()?;
        if version != SNAPSHOT_VERSION || rest != 0 {
            return Err(SnapshotError::Version(version));
        }
        let said = word_at(bytes, bytes.len() - WORD);
        check_hash(bytes)?;
        Ok((reader, said))
    }

    /// Reads words whose hash has been checked, the last of which is that hash.
    pub(crate) fn of(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes: &bytes[..bytes.len().saturating_sub(WORD)], at: 0 }
    }

    /// The word just read cannot be.
    pub(crate) const fn refuse(&self) -> SnapshotError {
        SnapshotError::Word { offset: self.at - WORD }
    }

    /// What the word just read says, or nothing that can be.
    pub(crate) fn known<T>(&self, said: Option<T>) -> Result<T, SnapshotError> {
        said.ok_or(self.refuse())
    }

    pub(crate) fn end(&self) -> Result<(), SnapshotError> {
        if self.at == self.bytes.len() {
            Ok(())
        } else {
            Err(SnapshotError::Length(self.bytes.len() + WORD))
        }
    }

    #[inline]
    pub(crate) fn word(&mut self) -> Result<u64, SnapshotError> {
        if self.at == self.bytes.len() {
            return Err(SnapshotError::Length(self.bytes.len() + WORD));
        }
        let word = word_at(self.bytes, self.at);
        self.at += WORD;
        Ok(word)
    }

    #[inline]
    pub(crate) fn pair(&mut self) -> Result<(u32, u32), SnapshotError> {
        let [a, b, c, d, e, f, g, h] = self.codes()?;
        Ok((u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])))
    }

    /// Half a word; the other half is zero.
    pub(crate) fn half(&mut self) -> Result<u32, SnapshotError> {
        match self.pair()? {
            (half, 0) => Ok(half),
            _ => Err(self.refuse()),
        }
    }

    #[inline]
    pub(crate) fn codes(&mut self) -> Result<[u8; WORD], SnapshotError> {
        self.word().map(u64::to_le_bytes)
    }

    /// A word of at most `max`.
    pub(crate) fn at_most(&mut self, max: u64) -> Result<u64, SnapshotError> {
        let word = self.word()?;
        self.known((word <= max).then_some(word))
    }

    pub(crate) fn signed(&mut self) -> Result<i64, SnapshotError> {
        self.word().map(u64::cast_signed)
    }

    pub(crate) fn price(&mut self) -> Result<Price, SnapshotError> {
        self.signed().map(Price::from_ticks)
    }

    pub(crate) fn qty(&mut self) -> Result<Qty, SnapshotError> {
        self.word().map(Qty::from_lots)
    }

    pub(crate) fn limits(&mut self) -> Result<Limits, SnapshotError> {
        let (orders_max, levels_max) = self.pair()?;
        let (instruments_max, sessions_max) = self.pair()?;
        Ok(Limits { orders_max, levels_max, instruments_max, sessions_max })
    }

    pub(crate) fn risk_limits(&mut self) -> Result<RiskLimits, SnapshotError> {
        Ok(RiskLimits {
            order_qty_max: self.qty()?,
            order_notional_max: self.word()?,
            collar_ticks: self.word()?,
            open_notional_max: self.word()?,
            position_max: self.word()?,
            open_orders_max: self.half()?,
        })
    }
}

/// The hash of whole words.
pub(crate) fn hash_of(bytes: &[u8]) -> u64 {
    let mut hash = Hash::NEW;
    for at in (0..bytes.len()).step_by(WORD) {
        hash.add(word_at(bytes, at));
    }
    hash.value()
}

/// Whether whole words, one at least, end with the hash of those before the last.
pub(crate) fn check_hash(bytes: &[u8]) -> Result<(), SnapshotError> {
    let (words, _) = bytes.split_at(bytes.len() - WORD);
    let (said, found) = (word_at(bytes, words.len()), hash_of(words));
    if said == found { Ok(()) } else { Err(SnapshotError::Hash { said, found }) }
}

/// The word that begins at `at`; it ends before `bytes` do.
#[inline]
fn word_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; WORD];
    word.copy_from_slice(&bytes[at..at + WORD]);
    u64::from_le_bytes(word)
}

/// The one of `all` whose code is `code`.
pub(crate) fn decode<T: Copy>(all: &[T], code: u8, code_of: impl Fn(T) -> u8) -> Option<T> {
    all.iter().copied().find(|value| code_of(*value) == code)
}
