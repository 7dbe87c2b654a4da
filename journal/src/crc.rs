//! CRC32C: of few bytes by the processor's own instruction, of many by `crc-fast`, which is made for them.

/// As many bytes as the instruction, which is eight bytes in three cycles, is faster for.
#[cfg(target_arch = "x86_64")]
const FEW_BYTES: usize = 160;

/// CRC32C (Castagnoli), as everybody computes it.
#[inline]
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if bytes.len() <= FEW_BYTES && std::is_x86_feature_detected!("sse4.2") {
        // SAFETY: the processor has what the function is compiled for, by the line above.
        return unsafe { of_few(bytes) };
    }
    of_many(bytes)
}

/// Not inlined: what it keeps for itself would be kept before few bytes too.
#[inline(never)]
fn of_many(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse4.2")]
fn of_few(bytes: &[u8]) -> u32 {
    use std::arch::x86_64::{_mm_crc32_u8, _mm_crc32_u64};
    let (words, rest) = bytes.as_chunks::<8>();
    let mut crc = u64::from(u32::MAX);
    for word in words {
        crc = _mm_crc32_u64(crc, u64::from_le_bytes(*word));
    }
    #[allow(clippy::cast_possible_truncation)] // The instruction leaves the high half zero.
    let mut crc = crc as u32;
    for byte in rest {
        crc = _mm_crc32_u8(crc, *byte);
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::crc32c;

    #[test]
    fn few_and_many_bytes_have_the_same_checksum() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        let bytes: Vec<u8> =
            (0..1000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
        for len in (0..400).step_by(if cfg!(miri) { 57 } else { 1 }) {
            for from in [0, 1, 7, 100] {
                let bytes = &bytes[from..from + len];
                assert_eq!(crc32c(bytes), crc_fast::crc32_iscsi(bytes), "{len} bytes from {from}");
            }
        }
    }
}
