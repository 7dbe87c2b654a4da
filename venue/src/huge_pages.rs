//! Large tables on huge pages.
//!
//! A book that is larger than the caches touches pages all over its tables, and the processor knows the
//! places of few small pages at a time. Where the system gives huge pages to who asks for them
//! (`/sys/kernel/mm/transparent_hugepage/enabled` is `madvise`), this asks, for what is large. A program
//! chooses it with `#[global_allocator]`.
#![allow(unsafe_code)] // An allocator cannot be had without.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::c_void;

use rustix::mm::{Advice, madvise};

/// The smallest allocation that asks, in bytes: twice a huge page of `x86_64` and of most others, so that
/// there is one whole in it wherever it begins.
const HUGE_MIN: usize = 4 << 20;

/// What the system calls a page, in bytes; on a system with larger ones the kernel says no to what does
/// not begin at one, and nothing is lost.
const PAGE: usize = 4096;

/// The system's allocator, with huge pages asked for under what takes 4 MiB and more.
///
/// It touches nothing: a table that has room for a million orders and holds ten still costs the memory
/// of ten, rounded up to a huge page.
#[derive(Clone, Copy, Debug, Default)]
pub struct HugePages;

/// Asks for huge pages under an allocation, if it is large.
fn advise(memory: *mut u8, bytes: usize) -> *mut u8 {
    if bytes >= HUGE_MIN && !memory.is_null() {
        // Whole pages only: what shares its first and its last page is not ours.
        let skipped = memory.addr().wrapping_neg() % PAGE;
        let from = memory.wrapping_add(skipped).cast::<c_void>();
        let len = (bytes - skipped) / PAGE * PAGE;
        // SAFETY: the range is inside of what was just allocated, and the advice changes no byte of it.
        // That a system knows no huge pages is no fault.
        let _ = unsafe { madvise(from, len, Advice::LinuxHugepage) };
    }
    memory
}

// SAFETY: the system's allocator does all the work, with the caller's layout, and what it gave is given on.
unsafe impl GlobalAlloc for HugePages {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        advise(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        advise(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        advise(unsafe { System.realloc(memory, layout, size) }, size)
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(memory, layout) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every byte is there, keeps what was written through growth, and comes zeroed if asked for so:
    /// below and above what is large, at any alignment.
    #[test]
    fn memory_is_memory() {
        for align in [1, 16, 64, 1 << 13] {
            for bytes in [1, PAGE, HUGE_MIN - 1, HUGE_MIN, 2 * HUGE_MIN + 5] {
                let layout = Layout::from_size_align(bytes, align).expect("a layout");
                // SAFETY: the layouts are not empty; each pointer is of the layout that is given with
                // it, and no byte is looked at that is not inside.
                unsafe {
                    let memory = HugePages.alloc_zeroed(layout);
                    assert!(!memory.is_null() && memory.addr().is_multiple_of(align));
                    let is_zero = |at: usize| memory.add(at).read() == 0;
                    assert!((0..bytes).step_by(509).all(is_zero) && is_zero(bytes - 1));
                    memory.add(bytes - 1).write(7);
                    let memory = HugePages.realloc(memory, layout, 3 * bytes);
                    assert!(!memory.is_null() && memory.addr().is_multiple_of(align));
                    assert_eq!(memory.add(bytes - 1).read(), 7);
                    memory.add(3 * bytes - 1).write(9);
                    let wider = Layout::from_size_align(3 * bytes, align).expect("a layout");
                    let memory = HugePages.realloc(memory, wider, bytes);
                    assert_eq!(memory.add(bytes - 1).read(), 7);
                    HugePages.dealloc(memory, layout);
                }
            }
        }
    }
}
