//! `vesta news`: says something to the sessions of a running venue.

use std::io::Read;
use std::path::PathBuf;

use clap::{ArgGroup, Args, ValueEnum};
use gateway::acceptor::{NEWS_BYTES_MAX, News, Urgency};

use crate::failure::Failure;
use crate::{operator, say};

/// Says something to the sessions of a running venue: News(B) over FIX.
///
/// It has a number in each session and stands in the journal: who is not there is told with what it missed. Run it as the user
/// that the venue runs as, or as one of `[operator] uids`.
#[derive(Args, Debug)]
#[command(
    group = ArgGroup::new("to").required(true).args(["all", "participant", "session"]),
    after_help = "Examples:\n  vesta news --config vesta.toml --all 'Maintenance' 'The venue stops at 22:00 UTC.'\n  \
                  vesta news --config vesta.toml --session CLIENT1 --urgency flash 'Limits' - < text.txt"
)]
pub struct NewsArgs {
    /// The configuration file that the venue was started with.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,

    /// To every session that ever logged on.
    #[arg(long)]
    all: bool,

    /// To all sessions of a firm.
    #[arg(long, value_name = "NAME")]
    participant: Option<String>,

    /// To one session, by its CompID.
    #[arg(long, value_name = "COMPID")]
    session: Option<String>,

    /// Urgency(61).
    #[arg(long, default_value = "normal")]
    urgency: How,

    /// Headline(148): 1 to 64 printable ASCII characters.
    headline: String,

    /// 1 to 1024 printable ASCII characters, with line ends; `-`: what is piped in. A long text becomes several messages.
    text: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum How {
    Normal,
    Flash,
    Background,
}

/// Runs the command.
///
/// # Errors
///
/// If the configuration or the text cannot be used, no venue runs with it, or it does not tell.
pub fn run(args: &NewsArgs) -> Result<(), Failure> {
    let door = operator::door_of(&args.config)?;
    let text = match args.text.as_str() {
        "-" => piped()?,
        text => text.to_owned(),
    };
    let (urgency, word) = match args.urgency {
        How::Normal => (Urgency::Normal, "normal"),
        How::Flash => (Urgency::Flash, "flash"),
        How::Background => (Urgency::Background, "background"),
    };
    let news = News::new(urgency, &args.headline, &text).map_err(Failure::usage)?;
    let to = match (&args.participant, &args.session) {
        (Some(name), _) => format!("participant {name}"),
        (_, Some(name)) => format!("session {name}"),
        _ => "all".into(),
    };
    let request = format!("news {word} {to}\n{}\n{text}", args.headline);
    let sessions = operator::ask(&door, &request).map_err(Failure::failed)?;
    say!("told {sessions} sessions, in {} messages each", news.messages());
    Ok(())
}

fn piped() -> Result<String, Failure> {
    let mut text = String::new();
    let most = u64::try_from(NEWS_BYTES_MAX).unwrap_or(u64::MAX) + 1;
    std::io::stdin().lock().take(most).read_to_string(&mut text).map_err(Failure::failed)?;
    Ok(text)
}
