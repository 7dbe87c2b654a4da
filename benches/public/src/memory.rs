//! Memory the way a venue would give it to a core: large tables on huge pages.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::c_void;

use rustix::mm::{Advice, madvise};

/// A huge page, and the smallest allocation that gets them.
const HUGE: usize = 2 << 20;

/// The system's allocator; what is large begins on a huge page and is made of them where the system
/// allows it (`/sys/kernel/mm/transparent_hugepage/enabled` is `madvise` or `always`).
pub(crate) struct HugePages;

impl HugePages {
    fn layout(layout: Layout) -> Layout {
        // An alignment above the size of the type is always a layout, unless the size is absurd.
        if layout.size() < HUGE { layout } else { layout.align_to(HUGE).unwrap_or(layout) }
    }
}

// SAFETY: the system's allocator does the work, with the same layout on the way in and out.
unsafe impl GlobalAlloc for HugePages {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let layout = HugePages::layout(layout);
        // SAFETY: the caller's promise.
        let memory = unsafe { System.alloc(layout) };
        if layout.size() >= HUGE && !memory.is_null() {
            // SAFETY: the range is what was just allocated. That a system knows no huge pages is no
            // fault.
            let _ =
                unsafe { madvise(memory.cast::<c_void>(), layout.size(), Advice::LinuxHugepage) };
        }
        memory
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise; the layout is that of `alloc`.
        unsafe { System.dealloc(memory, HugePages::layout(layout)) };
    }
}

/// Asks for the line of what stands so many values behind `value` and is going to be written. Where memory is
/// taken from front to back not every machine sees that by itself, and none across a page.
#[inline(always)]
pub(crate) fn prefetch_to_write<T>(value: *const T, ahead: usize) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint, whatever the address.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_ET0 }>(
            value.wrapping_add(ahead).cast(),
        );
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (value, ahead);
}

/// The same for what is going to be read.
#[inline(always)]
pub(crate) fn prefetch<T>(value: *const T, ahead: usize) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint, whatever the address.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(
            value.wrapping_add(ahead).cast(),
        );
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (value, ahead);
}
