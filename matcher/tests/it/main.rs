//! The tests of the matcher, through `apply` and through bytes.
#![allow(missing_docs, unreachable_pub)]

mod differential;
mod properties;
mod records;
mod scripts;
