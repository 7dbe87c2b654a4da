//! The one hint to the processor: a line of memory will be wanted soon.
//!
//! It changes no value and no answer. Where there is no such instruction it does nothing.
#![allow(unsafe_code)] // The instruction takes an address; nothing else here is unsafe.

/// Asks for the cache line of `value`.
#[inline(always)]
pub(crate) fn prefetch<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing that the program could see and faults at no address; every
    // x86_64 has it.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(value).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}

/// Asks for the cache line of an element, if there is one.
#[inline(always)]
pub(crate) fn prefetch_at<T>(values: &[T], index: usize) {
    if let Some(value) = values.get(index) {
        prefetch(value);
    }
}

/// One of two, without a branch: for who cannot foretell which.
#[inline(always)]
pub(crate) const fn select(first: bool, a: u32, b: u32) -> u32 {
    let mask = (first as u32).wrapping_neg();
    (a & mask) | (b & !mask)
}
