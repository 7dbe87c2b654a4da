//! `vesta check-config`: whether a configuration file can be used.

use std::path::PathBuf;

use clap::Args;
use venue::Config;

use crate::failure::Failure;
use crate::say;

/// Checks a configuration file; an error names its line.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  vesta check-config vesta.toml")]
pub struct CheckConfigArgs {
    /// The file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Runs the command.
///
/// # Errors
///
/// If the file cannot be used.
pub fn run(args: &CheckConfigArgs) -> Result<(), Failure> {
    let config = Config::load(&args.file).map_err(Failure::usage)?;
    say!(
        "{} is good: {} instruments, {} sessions, FIX on {}",
        args.file.display(),
        config.instruments.len(),
        config.sessions.len(),
        config.fix.listen
    );
    Ok(())
}
