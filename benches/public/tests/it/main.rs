//! The benchmark's ABI, driven as its harness drives it.

#![allow(clippy::unwrap_used)] // A test that cannot go on fails.
#![allow(unsafe_code)] // The ABI is called as C calls it.

mod abi;
mod desk;
mod names;
mod ring;
