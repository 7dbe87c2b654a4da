//! `vesta reload`: has a running venue read certificates and credentials again.

use std::path::PathBuf;

use clap::Args;

use crate::failure::Failure;
use crate::{operator, say};

/// Has a running venue read its certificate and its credentials again.
///
/// They come from the configuration file and the files that it names, as at a start: passwords, keys and certificates of sessions, and under
/// [fix.tls] the venue's own certificate, its key, and the issuers of clients. If one of them cannot be used, nothing is changed and it is
/// said why. Connections that are open stay as they are; everything else in the file waits for the next start. Run it as the user that
/// the venue runs as, or as one of `[operator] uids`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  vesta reload --config vesta.toml")]
pub struct ReloadArgs {
    /// The configuration file that the venue was started with.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Runs the command.
///
/// # Errors
///
/// If no venue runs with the configuration, or it takes nothing.
pub fn run(args: &ReloadArgs) -> Result<(), Failure> {
    let door = operator::door_of(&args.config)?;
    let done = operator::ask(&door, "reload\n").map_err(Failure::failed)?;
    say!("{done}");
    Ok(())
}
