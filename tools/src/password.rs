//! `vesta password`: what a venue keeps of a password, or a key for logons by HMAC.

use std::io::{BufRead, IsTerminal, Write};

use clap::Args;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use venue::credentials::{PASSWORD_BYTES_MAX, Password, judge_new, new_key};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::say;

/// Hashes a password for a venue's configuration.
///
/// The password is read from the terminal, twice and unseen, or from the first line of what is piped in; never from
/// the command line, which every user of the machine can see.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  vesta password\n  vesta password < password.txt\n  vesta password --hmac-key"
)]
pub struct PasswordArgs {
    /// Make a new key for logons by HMAC instead.
    #[arg(long)]
    hmac_key: bool,
}

/// Runs the command.
///
/// # Errors
///
/// If the password cannot be used, or the two are not the same.
pub fn run(args: &PasswordArgs) -> Result<(), Failure> {
    if args.hmac_key {
        say!("{}", new_key().map_err(Failure::failed)?);
        return Ok(());
    }
    let password = read()?;
    judge_new(password.as_bytes()).map_err(Failure::usage)?;
    say!("{}", Password::hash(password.as_bytes()).map_err(Failure::failed)?);
    Ok(())
}

fn read() -> Result<Zeroizing<String>, Failure> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return line("");
    }
    let _unseen = Unseen::begin()?;
    let password = line("password: ")?;
    if *password != *line("again: ")? {
        return Err(Failure::usage("the two are not the same"));
    }
    Ok(password)
}

/// Asks at the terminal, once and unseen.
///
/// # Errors
///
/// If there is no terminal, or nothing comes.
pub(crate) fn ask(what: &str) -> Result<Zeroizing<String>, Failure> {
    let _unseen = Unseen::begin()?;
    line(&format!("{what}: "))
}

fn line(prompt: &str) -> Result<Zeroizing<String>, Failure> {
    let mut terminal = std::io::stderr();
    let _ = write!(terminal, "{prompt}");
    // Room for all of it: a text that grows leaves copies behind.
    let mut text = Zeroizing::new(String::with_capacity(PASSWORD_BYTES_MAX + 3));
    let read = std::io::stdin().lock().read_line(&mut text).map_err(Failure::failed)?;
    if !prompt.is_empty() {
        let _ = writeln!(terminal);
    }
    if read == 0 {
        return Err(Failure::usage("no password was given"));
    }
    let end = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(end);
    Ok(text)
}

/// What is typed is not shown, as long as this lives.
struct Unseen(Termios);

impl Unseen {
    fn begin() -> Result<Unseen, Failure> {
        let before = tcgetattr(std::io::stdin()).map_err(Failure::failed)?;
        let mut unseen = before.clone();
        unseen.local_modes.remove(LocalModes::ECHO);
        tcsetattr(std::io::stdin(), OptionalActions::Flush, &unseen).map_err(Failure::failed)?;
        Ok(Unseen(before))
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Flush, &self.0);
    }
}
