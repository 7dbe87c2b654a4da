//! `vesta load`.

use clap::Args;

use crate::failure::Failure;

/// Later.
#[derive(Args, Debug)]
pub struct LoadArgs {}

/// Runs the command.
///
/// # Errors
///
/// Always, for now.
pub fn run(_: &LoadArgs) -> Result<(), Failure> {
    Err(Failure::usage("not there yet"))
}
