//! `vesta check-config`: whether a configuration file can be used.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use venue::Config;
use venue::config::SessionConfig;

use crate::failure::Failure;
use crate::{output, say};

/// Checks a configuration file; an error names its line.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  vesta check-config vesta.toml")]
pub struct CheckConfigArgs {
    /// The file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// End with one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
///
/// If the file cannot be used.
pub fn run(args: &CheckConfigArgs) -> Result<(), Failure> {
    let config = Config::load(&args.file).map_err(|error| {
        if args.json {
            output::json(&json!({ "ok": false, "why": error.to_string() }));
        }
        Failure::usage(error)
    })?;
    say!(
        "{} is good: {} instruments, {} sessions, FIX on {}",
        args.file.display(),
        config.instruments.len(),
        config.sessions.len(),
        config.fix.listen
    );
    if !config.shards.is_empty() {
        let on = |shard: usize| config.of_shard(shard).instruments.len().to_string();
        let on: Vec<String> = (0..=config.shards.len()).map(on).collect();
        say!("shards: {} with {} instruments", on.len(), on.join(", "));
    }
    let sessions = &config.sessions;
    let count = |is: &dyn Fn(&SessionConfig) -> bool| sessions.iter().filter(|it| is(it)).count();
    say!(
        "logon: {} sessions with a password, {} signed, {} with a certificate, {} with nothing",
        count(&|it| it.credentials.password.is_some()),
        count(&|it| it.credentials.hmac_key.is_some()),
        count(&|it| it.credentials.certificate.is_some()),
        count(&|it| it.credentials.is_open())
    );
    let plain = |it: &SessionConfig| {
        it.credentials.password.as_ref().is_some_and(|password| password.plain().is_some())
    };
    if count(&plain) > 0 {
        say!("warning: {} passwords are in plain text, for tries only", count(&plain));
    }
    if let Some((address, _)) = &config.fix.tls {
        say!("FIX under TLS 1.3 on {address}");
    }
    if !config.fix.listen.ip().is_loopback() {
        say!(
            "warning: FIX without TLS on {}: whoever is on the way reads passwords and orders",
            config.fix.listen
        );
    }
    if args.json {
        output::json(&json!({
            "ok": true,
            "instruments": config.instruments.len(),
            "sessions": sessions.len(),
            "plain_passwords": count(&plain),
            "open_sessions": count(&|it| it.credentials.is_open()),
        }));
    }
    Ok(())
}
