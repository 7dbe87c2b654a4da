//! One look at the bytes of a message: their sum, and a bit for each SOH. Where a field begins is known from the bits, not from the
//! end of the field before it, so that the processor reads several at a time.

use super::{MESSAGE_BYTES_MAX, SOH};

/// Bytes of a block: a bit of a word for each.
const BLOCK: usize = 64;

const BLOCKS: usize = MESSAGE_BYTES_MAX / BLOCK;

const _: () = assert!(MESSAGE_BYTES_MAX.is_multiple_of(BLOCK));

const ONES: u64 = 0x0101_0101_0101_0101;

/// The bit of each byte among eight.
const PLACES: [u8; BLOCK] = {
    let mut bits = [0; BLOCK];
    let mut i = 0;
    while i < BLOCK {
        bits[i] = 1 << (i % 8);
        i += 1;
    }
    bits
};

/// Zeroes, then ones: a block of it from `n` on keeps the last `n` bytes of a block.
const LAST: [u8; 2 * BLOCK] = {
    let mut bytes = [0; 2 * BLOCK];
    let mut i = BLOCK;
    while i < 2 * BLOCK {
        bytes[i] = u8::MAX;
        i += 1;
    }
    bytes
};

/// Where the SOHs of a message are; used again for the next.
#[derive(Clone, Copy)]
pub(in crate::fix) struct Ends([u64; BLOCKS]);

impl Ends {
    pub(in crate::fix) const fn new() -> Ends {
        Ends([0; BLOCKS])
    }

    /// Marks the SOHs of a message of at most [`MESSAGE_BYTES_MAX`] bytes; returns the sum of its bytes.
    #[inline]
    pub(super) fn mark(&mut self, bytes: &[u8]) -> u8 {
        let (blocks, rest) = bytes.as_chunks::<BLOCK>();
        let mut sum = 0u8;
        for (block, ends) in blocks.iter().zip(&mut self.0) {
            let (part, marked) = look(block);
            sum = sum.wrapping_add(part);
            *ends = marked;
        }
        if !rest.is_empty() {
            let (part, marked) = match bytes.last_chunk::<BLOCK>() {
                Some(last) => last_of(last, rest.len()),
                None => few(rest),
            };
            sum = sum.wrapping_add(part);
            self.0[blocks.len()] = marked;
        }
        sum
    }

    /// The SOHs from `at` on, in turn.
    #[inline]
    pub(super) fn from(&self, at: usize) -> Walk<'_> {
        let word = at / BLOCK;
        Walk { ends: &self.0, word, left: self.0[word] & (u64::MAX << (at % BLOCK)) }
    }
}

/// What is left of the SOHs.
pub(super) struct Walk<'a> {
    ends: &'a [u64; BLOCKS],
    word: usize,
    left: u64,
}

impl Walk<'_> {
    /// The next one. There is one: whoever asks has not come to the end of the message, which is one.
    #[inline]
    pub(super) fn next(&mut self) -> usize {
        while self.left == 0 {
            self.word += 1;
            self.left = self.ends[self.word];
        }
        let bit = self.left.trailing_zeros() as usize;
        self.left &= self.left - 1;
        self.word * BLOCK + bit
    }
}

/// The sum of a block, and its SOHs.
#[inline]
fn look(block: &[u8; BLOCK]) -> (u8, u64) {
    // These two loops are ones that the compiler does for many bytes at once.
    let sum = block.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    let mut bits = [0; BLOCK];
    for (bit, (byte, place)) in bits.iter_mut().zip(block.iter().zip(&PLACES)) {
        *bit = if *byte == SOH { *place } else { 0 };
    }
    // Eight bytes have different bits: their sum is all of them.
    let (words, _) = bits.as_chunks::<8>();
    let eights = words.iter().map(|word| u64::from_le_bytes(*word).wrapping_mul(ONES) >> 56);
    (sum, (0..).step_by(8).zip(eights).fold(0, |ends, (shift, eight)| ends | eight << shift))
}

/// The same of the last `count` bytes of a block, as if they were the first of one.
#[inline]
fn last_of(block: &[u8; BLOCK], count: usize) -> (u8, u64) {
    let kept: &[u8; BLOCK] = LAST[count..].first_chunk().unwrap_or(&[0; BLOCK]);
    let mut only = [0; BLOCK];
    for i in 0..BLOCK {
        only[i] = block[i] & kept[i];
    }
    let (sum, ends) = look(&only);
    (sum, ends >> (BLOCK - count))
}

/// The same of a message shorter than a block.
#[cold]
fn few(bytes: &[u8]) -> (u8, u64) {
    let mut block = [0; BLOCK];
    block[..bytes.len()].copy_from_slice(bytes);
    look(&block)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes in which every value, SOH above all, is at every place sooner or later.
    fn bytes(seed: &mut u64, len: usize) -> Vec<u8> {
        let mut next = || {
            *seed ^= *seed << 13;
            *seed ^= *seed >> 7;
            *seed ^= *seed << 17;
            *seed
        };
        (0..len).map(|_| if next() % 5 == 0 { SOH } else { next() as u8 }).collect()
    }

    #[test]
    fn each_soh_is_marked_and_all_is_summed() {
        let mut seed = 0x9e37_79b9_7f4a_7c15;
        let mut ends = Ends::new();
        for len in (1..=300).chain([MESSAGE_BYTES_MAX - 1, MESSAGE_BYTES_MAX]) {
            let mut text = bytes(&mut seed, len);
            text[len - 1] = SOH;
            let sum = text.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
            assert_eq!(ends.mark(&text), sum, "{len}");
            for from in [0, len / 3, len - 1] {
                let wanted: Vec<usize> = (from..len).filter(|at| text[*at] == SOH).collect();
                let mut walk = ends.from(from);
                let found: Vec<usize> = wanted.iter().map(|_| walk.next()).collect();
                assert_eq!(found, wanted, "{len}");
            }
        }
    }
}
