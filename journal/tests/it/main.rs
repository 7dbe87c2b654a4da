//! What a venue, and the day after a crash, can see of a journal.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

mod append;
mod bits;
mod cache;
mod crash;
mod damage;
mod follow;
mod format;
mod full;
mod lanes;
mod open;
mod prepare;
mod retire;
mod snapshots;
mod support;
