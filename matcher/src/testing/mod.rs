//! For tests of this and other crates: a slow engine to compare with, seeded order flow, and a runner
//! of scripts that a trader can read.

pub mod flow;
pub mod golden;
pub mod mix;
pub mod reference;

pub use flow::{Flow, Profile, Rng};
pub use mix::{Mix, MixedFlow};
pub use reference::{QueuedOrder, Reference};
