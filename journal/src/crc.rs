//! CRC32C: of few bytes by the processor's own instruction, of many by `crc-fast`, which is made for them.

/// As many bytes as the instruction, which is eight bytes in three cycles, is faster for.
#[cfg(target_arch = "x86_64")]
const FEW_BYTES: usize = 160;

/// CRC32C (Castagnoli), as everybody computes it.
#[inline]
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if bytes.len() <= FEW_BYTES
        && std::is_x86_feature_detected!("sse4.2")
        && std::is_x86_feature_detected!("pclmulqdq")
    {
        // SAFETY: the processor has what the function is compiled for, by the line above.
        return unsafe { of_few(bytes) };
    }
    crc_fast::crc32_iscsi(bytes)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse4.2,pclmulqdq")]
fn of_few(bytes: &[u8]) -> u32 {
    use std::arch::x86_64::{_mm_crc32_u8, _mm_crc32_u64};
    let (words, rest) = bytes.as_chunks::<8>();
    let mut crc = u64::from(u32::MAX);
    if words.len() < THREE_CHAINS {
        for word in words {
            crc = _mm_crc32_u64(crc, u64::from_le_bytes(*word));
        }
    } else {
        crc = in_three_chains(words);
    }
    #[allow(clippy::cast_possible_truncation)] // The instruction leaves the high half zero.
    let mut crc = crc as u32;
    for byte in rest {
        crc = _mm_crc32_u8(crc, *byte);
    }
    !crc
}

/// As many words as it takes for three chains to be faster than one.
#[cfg(target_arch = "x86_64")]
const THREE_CHAINS: usize = 7;

/// The register after `words`, at least [`THREE_CHAINS`]. The instruction takes three cycles and a new one can
/// begin in each: three thirds are computed side by side, and the first two shifted over what follows them.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse4.2,pclmulqdq")]
fn in_three_chains(words: &[[u8; 8]]) -> u64 {
    use std::arch::x86_64::{
        _mm_clmulepi64_si128, _mm_crc32_u64, _mm_cvtsi64_si128, _mm_cvtsi128_si64, _mm_xor_si128,
    };
    let third = (words.len() - 1) / 3;
    let (first, others) = words.split_at(third);
    let (second, others) = others.split_at(third);
    let (third_words, more) = others.split_at(third);
    let (mut a, mut b, mut c) = (u64::from(u32::MAX), 0, 0);
    for ((first, second), third) in first.iter().zip(second).zip(third_words) {
        a = _mm_crc32_u64(a, u64::from_le_bytes(*first));
        b = _mm_crc32_u64(b, u64::from_le_bytes(*second));
        c = _mm_crc32_u64(c, u64::from_le_bytes(*third));
    }
    let Some((last, more)) = more.split_last() else { return c };
    for word in more {
        c = _mm_crc32_u64(c, u64::from_le_bytes(*word));
    }
    let shifted = |crc: u64, over: usize| {
        let crc = _mm_cvtsi64_si128(crc.cast_signed());
        let by = _mm_cvtsi64_si128(i64::from(SHIFTS[over]));
        _mm_clmulepi64_si128::<0>(crc, by)
    };
    let shifted =
        _mm_xor_si128(shifted(a, words.len() - third), shifted(b, words.len() - 2 * third));
    let shifted = _mm_cvtsi128_si64(shifted).cast_unsigned();
    _mm_crc32_u64(c, u64::from_le_bytes(*last) ^ shifted)
}

/// What a register is multiplied with to be that of so many words later, the last of which is still to come:
/// x^(64 n - 33) modulo the polynomial, as reflected as that.
#[cfg(target_arch = "x86_64")]
const SHIFTS: [u32; FEW_BYTES / 8 + 1] = {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    let mut shifts = [0; FEW_BYTES / 8 + 1];
    let mut words = 1;
    while words < shifts.len() {
        let (mut power, mut bits) = (1_u32 << 31, 64 * words - 33);
        while bits > 0 {
            power = if power & 1 == 1 { power >> 1 ^ POLYNOMIAL } else { power >> 1 };
            bits -= 1;
        }
        shifts[words] = power;
        words += 1;
    }
    shifts
};

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
