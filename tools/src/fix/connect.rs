//! `vesta fix connect`: a session by hand or from a script.

use std::fmt::Write as _;
use std::fs;
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use gateway::fix::client::{Client, ClientConfig, Health, Incoming};
use gateway::fix::decode::{DecodeError, Fields, Message, decode};
use gateway::fix::identity::CompId;
use gateway::fix::version::Version;
use matcher::MsgSeqNum;
use venue::clock;
use venue::credentials::signer;
use zeroize::Zeroizing;

use super::command::{HELP, Typing};
use super::desk::Desk;
use super::link::{Link, Ready, Tls, Typed};
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::password;

/// How long an answer to a request of a script may take.
const ANSWER: Duration = Duration::from_secs(20);

/// Between two attempts to come back after a lost line.
const RETRY: Duration = Duration::from_millis(500);

/// At most so long before the signals are looked at.
const LOOK: Duration = Duration::from_millis(250);

#[derive(Args, Debug)]
pub(super) struct ConnectArgs {
    /// Where the venue speaks FIX.
    address: SocketAddr,
    /// Who we are: SenderCompID(49).
    #[arg(long, value_name = "COMPID")]
    sender: String,
    /// Who the venue is: TargetCompID(56).
    #[arg(long, value_name = "COMPID", default_value = "VESTA")]
    target: String,
    /// What to speak.
    #[arg(long, value_enum, default_value = "4.4")]
    fix: Spoken,
    /// Speak under TLS, and trust who is in this file, or whom they have signed (PEM).
    #[arg(long, value_name = "FILE")]
    tls: Option<PathBuf>,
    /// Under TLS: the name in the venue's certificate.
    #[arg(long, value_name = "NAME", default_value = "localhost")]
    server_name: String,
    /// Username(553).
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
    /// The password is the first line of this file.
    #[arg(long, value_name = "FILE", group = "secret")]
    password_file: Option<PathBuf>,
    /// The password is in this variable of the environment.
    #[arg(long, value_name = "VARIABLE", group = "secret")]
    password_env: Option<String>,
    /// Ask for the password at the terminal.
    #[arg(long, group = "secret")]
    ask_password: bool,
    /// Sign Logons (HMAC-SHA256) with the key that is the first line of this file, as `vesta password --hmac-key` prints it.
    #[arg(long, value_name = "FILE", group = "key")]
    hmac_key_file: Option<PathBuf>,
    /// The key is in this variable of the environment.
    #[arg(long, value_name = "VARIABLE", group = "key")]
    hmac_key_env: Option<String>,
    /// Ask for the key at the terminal.
    #[arg(long, group = "key")]
    ask_hmac_key: bool,
    /// Keep the numbers of the session in this file: what was told while nobody listened is heard at the next Logon. Without
    /// it both sides begin with 1 (ResetSeqNumFlag(141)=Y).
    #[arg(long, value_name = "FILE")]
    numbers: Option<PathBuf>,
    /// HeartBtInt(108), seconds.
    #[arg(long, value_name = "S", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3600))]
    heartbeat: u32,
    /// A JSON object for each message, with FIX's names.
    #[arg(long)]
    json: bool,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum Spoken {
    #[value(name = "4.2")]
    Fix42,
    #[value(name = "4.4")]
    Fix44,
    #[value(name = "5.0sp2")]
    Fix50Sp2,
}

impl Spoken {
    fn version(self) -> Version {
        match self {
            Spoken::Fix42 => Version::Fix42,
            Spoken::Fix44 => Version::Fix44,
            Spoken::Fix50Sp2 => Version::Fix50Sp2,
        }
    }
}

pub(super) fn connect(args: &ConnectArgs) -> Result<(), Failure> {
    let interrupt = Interrupt::catch().map_err(Failure::failed)?;
    let tls = args.tls.as_ref().map(|file| Tls::new(file, &args.server_name)).transpose()?;
    let mut terminal = Terminal {
        address: args.address,
        tls,
        client: client(args)?,
        numbers: args.numbers.clone(),
        desk: Desk::new(args.fix.version(), args.json),
        outbox: Vec::new(),
        inbox: Vec::new(),
        fields: Box::new(Fields::new()),
        interrupt,
    };
    let mut link = terminal.log_on(None)?;
    let talked = terminal.talk(&mut link, args.json);
    terminal.log_out(&mut link);
    terminal.keep_numbers()?;
    talked?;
    match terminal.desk.refused() {
        0 => Ok(()),
        1 => Err(Failure::failed("a request was refused")),
        count => Err(Failure::failed(format!("{count} requests were refused"))),
    }
}

fn client(args: &ConnectArgs) -> Result<Client, Failure> {
    let comp_id = |text: &str| {
        CompId::new(text.as_bytes()).ok_or_else(|| Failure::usage(format!("{text:?} is no CompID")))
    };
    let (next_out, next_in) = match &args.numbers {
        Some(file) => read_numbers(file)?,
        None => (1, 1),
    };
    let from = (&args.password_file, &args.password_env, args.ask_password);
    let password = secret("password", from)?;
    let from = (&args.hmac_key_file, &args.hmac_key_env, args.ask_hmac_key);
    let key = secret("key", from)?;
    let client = Client::new(ClientConfig {
        version: args.fix.version(),
        sender: comp_id(&args.sender)?,
        target: comp_id(&args.target)?,
        username: args.username.clone().map(String::into_bytes),
        password: password.map(|text| text.as_bytes().to_vec()),
        heartbeat_s: args.heartbeat,
        reset: args.numbers.is_none(),
        next_out: MsgSeqNum(next_out),
        next_in: MsgSeqNum(next_in),
    });
    Ok(match key {
        Some(key) => client.signed_by(signer(&key).map_err(Failure::usage)?),
        None => client,
    })
}

/// A secret, from wherever others do not see it: never the command line.
fn secret(
    what: &str,
    (file, variable, ask): (&Option<PathBuf>, &Option<String>, bool),
) -> Result<Option<Zeroizing<String>>, Failure> {
    let text = if let Some(file) = file {
        let text = fs::read_to_string(file).map(Zeroizing::new);
        text.map_err(|error| Failure::usage(format!("{}: {error}", file.display())))?
    } else if let Some(variable) = variable {
        let text = std::env::var(variable).map(Zeroizing::new);
        text.map_err(|error| Failure::usage(format!("{variable}: {error}")))?
    } else if ask {
        if !std::io::stdin().is_terminal() {
            let why = format!("there is no terminal to ask for the {what} at: take it from a file");
            return Err(Failure::usage(why));
        }
        password::ask(what)?
    } else {
        return Ok(None);
    };
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(Some(Zeroizing::new(line.to_owned()))),
        _ => Err(Failure::usage(format!("the {what} is empty"))),
    }
}

/// The numbers of our next message and of the venue's.
fn read_numbers(file: &PathBuf) -> Result<(u32, u32), Failure> {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok((1, 1)),
        Err(error) => return Err(Failure::usage(format!("{}: {error}", file.display()))),
    };
    let mut words = text.split_whitespace().map(str::parse);
    match (words.next(), words.next(), words.next()) {
        (Some(Ok(out @ 1..)), Some(Ok(incoming @ 1..)), None) => Ok((out, incoming)),
        _ => Err(Failure::usage(format!("{}: not the two numbers of a session", file.display()))),
    }
}

struct Terminal {
    address: SocketAddr,
    tls: Option<Tls>,
    client: Client,
    numbers: Option<PathBuf>,
    desk: Desk,
    outbox: Vec<u8>,
    inbox: Vec<u8>,
    fields: Box<Fields>,
    interrupt: Interrupt,
}

/// Why a line is over.
enum Over {
    /// Try again.
    Lost(String),
    /// The venue said Logout with this text.
    LoggedOut(String),
}

impl Terminal {
    /// Connects and logs on; again and again until somebody interrupts, if there was a connection before.
    fn log_on(&mut self, lost: Option<String>) -> Result<Link, Failure> {
        let mut why = lost;
        loop {
            if let Some(why) = &why {
                self.desk.note(&format!("the line is lost: {why}"))?;
            }
            let tried = self.try_log_on();
            let error = match tried {
                Ok(link) => {
                    self.desk.note(if why.is_some() { "back again" } else { "logged on" })?;
                    return Ok(link);
                }
                Err(Over::LoggedOut(text)) => {
                    return Err(Failure::failed(format!("the venue said Logout: {text}")));
                }
                Err(Over::Lost(error)) => error,
            };
            if why.is_none() || self.interrupt.is_set() {
                return Err(Failure::failed(format!("not logged on: {error}")));
            }
            why = Some(error);
            std::thread::park_timeout(RETRY);
        }
    }

    fn try_log_on(&mut self) -> Result<Link, Over> {
        let lost = |error: std::io::Error| {
            Over::Lost(match error.kind() {
                std::io::ErrorKind::UnexpectedEof => {
                    "the venue closed the connection: its log says why".into()
                }
                _ => error.to_string(),
            })
        };
        let mut link = Link::connect(self.address, self.tls.as_ref()).map_err(lost)?;
        self.outbox.clear();
        self.inbox.clear();
        self.client.logon(clock::now(), &mut self.outbox);
        let until = Instant::now() + ANSWER;
        while !self.client.is_logged_on() {
            if self.interrupt.is_set() || Instant::now() >= until {
                return Err(Over::Lost("no answer to the Logon".into()));
            }
            link.send(&self.outbox).map_err(lost)?;
            self.outbox.clear();
            if link.wait(false, LOOK).map_err(lost)?.venue {
                self.hear(&mut link)?;
            }
        }
        Ok(link)
    }

    /// Takes commands and shows what the venue says, until there are no more.
    fn talk(&mut self, link: &mut Link, json: bool) -> Result<(), Failure> {
        let by_hand = std::io::stdin().is_terminal();
        if by_hand && !json {
            print!("{HELP}");
        }
        let mut typed = Typed::default();
        // A script's next command waits for the answer to the one before.
        let mut watch_until: Option<Instant> = None;
        let mut asked_at = Instant::now();
        loop {
            if self.interrupt.is_set() {
                return Ok(());
            }
            if watch_until.is_some_and(|until| until <= Instant::now()) {
                watch_until = None;
            }
            let waits = !by_hand && self.desk.waits();
            if waits && asked_at.elapsed() > ANSWER {
                return Err(Failure::failed("the venue does not answer"));
            }
            if watch_until.is_none() && !waits {
                if let Some(line) = typed.line() {
                    asked_at = Instant::now();
                    match self.desk.command(&line, &mut self.client, &mut self.outbox)? {
                        Typing::GoOn => {}
                        Typing::Watch(time) => watch_until = Some(asked_at + time),
                        Typing::Quit => return Ok(()),
                    }
                    if let Err(error) = link.send(&self.outbox) {
                        *link = self.come_back(error.to_string())?;
                    }
                    self.outbox.clear();
                    self.keep_numbers()?;
                    continue;
                }
                if typed.is_over() {
                    return Ok(());
                }
            }
            let ready = match self.listen(link, typed.wants_more(), watch_until) {
                Ok(ready) => ready,
                Err(Over::Lost(why)) => {
                    *link = self.come_back(why)?;
                    continue;
                }
                Err(Over::LoggedOut(text)) => {
                    return Err(Failure::failed(format!("the venue said Logout: {text}")));
                }
            };
            if ready.typed {
                typed.fill().map_err(Failure::usage)?;
            }
            if ready.venue {
                self.desk.flush()?;
                self.keep_numbers()?;
            }
        }
    }

    fn come_back(&mut self, why: String) -> Result<Link, Failure> {
        self.client.disconnected();
        self.log_on(Some(why))
    }

    /// Waits a little for something, and deals with what the venue says.
    fn listen(
        &mut self,
        link: &mut Link,
        typing: bool,
        until: Option<Instant>,
    ) -> Result<Ready, Over> {
        let lost = |error: std::io::Error| Over::Lost(error.to_string());
        let left = until.map_or(LOOK, |until| until.saturating_duration_since(Instant::now()));
        let ready = link.wait(typing, left.min(LOOK)).map_err(lost)?;
        if ready.venue {
            self.hear(link)?;
        }
        if self.client.tick(clock::now(), &mut self.outbox) == Health::Silent {
            return Err(Over::Lost("the venue is silent".into()));
        }
        link.send(&self.outbox).map_err(lost)?;
        self.outbox.clear();
        Ok(ready)
    }

    fn hear(&mut self, link: &mut Link) -> Result<(), Over> {
        let mut buffer = [0; 16 << 10];
        let read = link.read(&mut buffer).map_err(|error| {
            Over::Lost(match error.kind() {
                std::io::ErrorKind::UnexpectedEof => "the venue closed the connection".into(),
                _ => error.to_string(),
            })
        })?;
        self.inbox.extend_from_slice(&buffer[..read]);
        let (now, mut used) = (clock::now(), 0);
        loop {
            let queued = self.client.next_queued();
            let bytes = queued.as_deref().unwrap_or(&self.inbox[used..]);
            let (message, len) = match decode(bytes, &mut self.fields) {
                Ok(decoded) => decoded,
                Err(DecodeError::Incomplete) => break,
                Err(error) => return Err(Over::Lost(error.to_string())),
            };
            used += if queued.is_none() { len } else { 0 };
            match self.client.receive(now, &message, &mut self.outbox) {
                Incoming::Application(message) | Incoming::Rejected(message) => {
                    self.desk.hear(&message);
                }
                Incoming::LoggedOut { text } => {
                    let text = text.escape_ascii().to_string();
                    let _ = link.send(&self.outbox);
                    return Err(Over::LoggedOut(text));
                }
                Incoming::Broken(breach) => return Err(Over::Lost(breach.to_string())),
                Incoming::LoggedOn | Incoming::Admin | Incoming::Duplicate | Incoming::Kept => {}
            }
        }
        self.inbox.drain(..used);
        Ok(())
    }

    /// Says Logout and hears what still comes.
    fn log_out(&mut self, link: &mut Link) {
        if !self.client.is_logged_on() {
            return;
        }
        self.client.logout(clock::now(), &mut self.outbox);
        let until = Instant::now() + ANSWER;
        let _ = link.send(&self.outbox);
        self.outbox.clear();
        while Instant::now() < until && !self.interrupt.is_set() {
            match link.wait(false, LOOK) {
                Ok(Ready { venue: false, .. }) => {}
                Ok(_) if self.hear(link).is_ok() => {}
                _ => break,
            }
        }
        let _ = self.desk.flush();
    }

    /// Writes the numbers of the session: all of them or as they were.
    fn keep_numbers(&self) -> Result<(), Failure> {
        let Some(file) = &self.numbers else { return Ok(()) };
        let mut text = String::new();
        let _ = writeln!(text, "{} {}", self.client.next_out(), self.client.next_in());
        let failed = |error| Failure::failed(format!("{}: {error}", file.display()));
        let mut beside = file.clone().into_os_string();
        beside.push(".new");
        let write = || {
            let mut new = fs::File::create(&beside)?;
            new.write_all(text.as_bytes())?;
            fs::rename(&beside, file)
        };
        write().map_err(failed)
    }
}

/// What a message says, by the names of its fields: `ClOrdID=…`.
pub(super) fn named(message: &Message<'_>, version: Version) -> Vec<(String, String)> {
    let dictionary = version.dictionary();
    let name = |tag| dictionary.field_name(tag).map_or_else(|| tag.to_string(), str::to_owned);
    let fields = message.iter().map(|(tag, value)| (name(tag), value.escape_ascii().to_string()));
    fields.collect()
}
