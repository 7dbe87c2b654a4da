//! What the benches share: rounds and their spread, streams of orders, a journal to write to.
//!
//! What it promises: integer arithmetic throughout, seeds fixed, inputs made before the clock starts,
//! and every figure printed with its smallest, middle and largest round. `README.md` has the method.
//! Memory comes from the same allocator as in the `vesta` program.

#![allow(clippy::print_stdout)] // The figures are the product.

pub mod batches;
pub mod fill;
pub mod floor;
pub mod machine;
pub mod measure;
pub mod orders;
pub mod rig;
pub mod shards;
pub mod text;
pub mod trader;

#[global_allocator]
static MEMORY: venue::huge_pages::HugePages = venue::huge_pages::HugePages;
