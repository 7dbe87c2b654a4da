//! `vesta demo`.

use clap::Args;

use crate::failure::Failure;

/// Later.
#[derive(Args, Debug)]
pub struct DemoArgs {}

/// Runs the command.
///
/// # Errors
///
/// Always, for now.
pub fn run(_: &DemoArgs) -> Result<(), Failure> {
    Err(Failure::usage("not there yet"))
}
