//! alloc
fn main() {}
