//! Session scripts: what a counterparty sends, and what it gets.
//!
//! Scripts are in `tests/scripts`, named after the FIX session test cases. Lines above `----` happen,
//! lines below are what comes of them; an empty line ends the block. `UPDATE_GOLDEN=1` writes the lower
//! part anew.
//!
//! ```text
//! at 09:30:05            time passes; timers fire when they are due
//! connect                a connection is made; the next recv is its first message
//! recv D 34=2 11=a …     a message arrives: 8, 9, 49, 52, 56 and 10 are added unless given
//! recv 0 34=2 -56        … without 56; in values `_` is a space and `|` is SOH
//! version FIX.4.2        BeginString(8) of what arrives from here on
//! raw 8=FIX.4.4|9=5|…    bytes arrive as written
//! +recv …                arrives, but the core answers only after the next line without a plus
//! other A 34=1 …         first message of a second connection of the same session
//! disconnect             the connection breaks
//! restart                the venue stops and comes back with what the journal holds
//! profile password=x     terms of the session, before the first connect
//! stop TEXT              the venue shuts down
//! profile reset=x/n      numbers start again at time x and every n seconds before and after it
//! ----
//! send 8 34=2 …          a message leaves: 8, 9, 49, 52, 56 and 10 are checked, not shown
//! close                  the connection is closed by us
//! refused …              a Logon is refused: closed in silence
//! ```

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use gateway::fix::{
    After, CloseReason, Conduct, DecodeError, Fields, Header, Identity, LogonRefusal, Message,
    Note, Profile, Session, Shell, Taken, UnknownTags, Version, Versions, decode, decode_as,
    parse_utc,
};
use gateway::zone::{Recurring, Zone};
use matcher::{
    Command, Engine, Event, Input, Limits, MsgSeqNum, Numbering, OrderNumber, ParticipantId,
    RefusedRequest, RejectReason, Sequence, SessionId, Timestamp,
};

pub(crate) const SESSION: SessionId = SessionId(1);
const SECOND_NS: u64 = 1_000_000_000;
const DAY: &str = "20260102-";

/// What has a number, for resends.
struct Sent {
    msg: MsgSeqNum,
    turn_time: Timestamp,
    /// Attachment of the note, or ClOrdID(11) of the order that was answered.
    attachment: Vec<u8>,
    is_note: bool,
}

/// A venue of one session: the real engine gives the numbers; orders are all answered "unknown symbol".
pub(crate) struct Venue {
    pub(crate) now: Timestamp,
    pub(crate) session: Session,
    pub(crate) sent: Vec<u8>,
    profile: Profile,
    engine: Engine,
    sequence: u64,
    shell: Asked,
    journal: Vec<Sent>,
    input: Vec<u8>,
    connected: bool,
    /// When the numbers began.
    begun_at: Option<Timestamp>,
    /// BeginString(8) of what arrives.
    version: Version,
    /// Lines for the script: closes and refusals, in their place among the bytes sent.
    said: String,
}

/// What the session asked for and the core has not seen yet.
#[derive(Default)]
struct Asked {
    submits: Vec<(MsgSeqNum, Command, Vec<u8>)>,
    resends: Vec<(MsgSeqNum, MsgSeqNum)>,
    close: Option<CloseReason>,
    orders: u32,
}

impl Shell for Asked {
    fn submit(&mut self, inbound: MsgSeqNum, command: &Command, attachment: &[u8]) {
        self.submits.push((inbound, *command, attachment.to_vec()));
    }

    fn application<'m>(
        &mut self,
        inbound: MsgSeqNum,
        message: &Message<'m>,
        poss_resend: bool,
    ) -> Taken<'m> {
        let cl_ord_id = message.get(11).unwrap_or_default();
        match (message.msg_type(), cl_ord_id) {
            (b"D", b"seen") if poss_resend => Taken::Ignored,
            (b"D", b"reject-38") => Taken::Reject { tag: 38, reason: 1 },
            (b"D", _) => {
                self.orders += 1;
                let request = RefusedRequest::New(OrderNumber(self.orders));
                let command = Command::Refuse { request, reason: RejectReason::UnknownInstrument };
                self.submit(inbound, &command, cl_ord_id);
                Taken::Submitted
            }
            _ => Taken::BusinessReject { reason: 5, text: "no", ref_id: cl_ord_id },
        }
    }

    fn resend(&mut self, begin: MsgSeqNum, end: MsgSeqNum) {
        self.resends.push((begin, end));
    }

    fn close(&mut self, why: CloseReason) {
        self.close = Some(why);
    }
}

impl Venue {
    pub(crate) fn new(now: Timestamp, profile: Profile) -> Venue {
        let mut venue = Venue {
            now,
            session: Session::new(profile.clone(), MsgSeqNum::NONE, MsgSeqNum::NONE),
            sent: Vec::new(),
            profile,
            engine: Engine::new(),
            sequence: 0,
            shell: Asked::default(),
            journal: Vec::new(),
            input: Vec::new(),
            connected: false,
            begun_at: None,
            version: Version::Fix44,
            said: String::new(),
        };
        let limits = Limits { orders_max: 16, levels_max: 16, instruments_max: 1, sessions_max: 1 };
        venue.apply(SessionId::VENUE, MsgSeqNum::NONE, Command::Configure(limits));
        let participant = ParticipantId(1);
        let define = Command::DefineSession { id: SESSION, participant };
        venue.apply(SessionId::VENUE, MsgSeqNum::NONE, define);
        venue
    }

    fn apply(&mut self, session: SessionId, inbound: MsgSeqNum, command: Command) -> Vec<Event> {
        self.sequence += 1;
        let sequence = Sequence(self.sequence);
        let input = Input { sequence, timestamp: self.now, session, inbound, command };
        let mut events = Vec::new();
        self.engine.apply(&input, &mut events);
        events
    }

    /// The core takes what was submitted, the journal is tailed, answers are written.
    pub(crate) fn turn(&mut self) {
        loop {
            for (begin, end) in std::mem::take(&mut self.shell.resends) {
                self.resend(begin, end);
            }
            let submits = std::mem::take(&mut self.shell.submits);
            if submits.is_empty() {
                break;
            }
            for (inbound, command, attachment) in submits {
                self.follow(command, &attachment);
                for event in self.apply(SESSION, inbound, command) {
                    self.tell(&event, &attachment);
                }
            }
        }
        if let Some(why) = self.shell.close.take() {
            self.say(&format!("close {why:?}"));
            self.disconnect();
        }
    }

    /// As order entry and the acceptor do it: what begins the numbers, and what was said under those before.
    fn follow(&mut self, command: Command, attachment: &[u8]) {
        let Command::Note(numbering) = command else { return };
        let logon = matches!(Note::decode(attachment), Some(Note::Logon { .. }));
        if let Numbering::Reset | Numbering::Clear = numbering {
            self.journal.clear();
            self.begun_at = Some(self.now);
        } else if logon {
            self.begun_at.get_or_insert(self.now);
        }
        self.session.began(self.begun_at.unwrap_or(Timestamp(0)));
        if numbering == Numbering::Clear {
            self.say("numbers start again");
            self.session.cleared(self.now);
        }
    }

    fn tell(&mut self, event: &Event, attachment: &[u8]) {
        let (msg, is_note) = match event {
            Event::Numbered { msg, .. } => (*msg, true),
            Event::Rejected(rejected) => (rejected.msg, false),
            other => panic!("unexpected {other:?}"),
        };
        let turn_time = self.now;
        let expected = self.journal.last().map_or(1, |sent| sent.msg.0 + 1);
        assert_eq!(msg.0, expected, "numbers have no holes");
        self.journal.push(Sent { msg, turn_time, attachment: attachment.to_vec(), is_note });
        self.session.numbered(msg);
        if is_note {
            let note = Note::decode(attachment).expect("a note of ours");
            let mut bytes = Vec::new();
            let after = self.session.note(self.now, turn_time, msg, &note, &mut bytes);
            self.write(&bytes);
            if after == After::CloseWhenWritten {
                self.say("close");
                self.disconnect();
            }
        } else if self.session.is_active() {
            let header = Header { msg, sending_time: turn_time, resend: false, now: self.now };
            self.report(attachment, &header);
            self.session.wrote(self.now);
        }
    }

    fn report(&mut self, cl_ord_id: &[u8], header: &Header) {
        let identity = *self.session.identity();
        let mut bytes = Vec::new();
        let mut report = identity.begin(&mut bytes, b"8", header);
        report.bytes(11, cl_ord_id).char(39, b'8');
        report.finish();
        self.write(&bytes);
    }

    /// As the acceptor does it: reports again, everything else filled.
    fn resend(&mut self, begin: MsgSeqNum, end: MsgSeqNum) {
        assert!(begin.0 >= 1 && begin <= end && end <= self.session.last_outbound());
        let mut filled_from = None;
        for number in begin.0..=end.0 {
            let sent = &self.journal[number as usize - 1];
            let (msg, attachment) = (sent.msg, sent.attachment.clone());
            let header = Header { msg, sending_time: sent.turn_time, resend: true, now: self.now };
            let note = if sent.is_note { Note::decode(&attachment) } else { None };
            if note.is_some_and(|note| !note.is_application()) {
                filled_from.get_or_insert(msg);
                continue;
            }
            if let Some(from) = filled_from.take() {
                self.gap_fill(from, msg);
            }
            match note {
                Some(note) => {
                    let mut bytes = Vec::new();
                    note.write(self.session.identity(), &header, &mut bytes);
                    self.write(&bytes);
                }
                None => self.report(&attachment, &header),
            }
        }
        if let Some(from) = filled_from {
            self.gap_fill(from, MsgSeqNum(end.0 + 1));
        }
    }

    fn gap_fill(&mut self, from: MsgSeqNum, next: MsgSeqNum) {
        let mut bytes = Vec::new();
        self.session.gap_fill(from, next, self.now, &mut bytes);
        self.write(&bytes);
    }

    fn write(&mut self, bytes: &[u8]) {
        self.sent.extend_from_slice(bytes);
        let mut rest = bytes;
        let mut fields = Fields::new();
        while !rest.is_empty() {
            let (message, used) = decode(rest, &mut fields).expect("what we write can be read");
            let text = self.check_and_show(&message);
            self.say(&text);
            rest = &rest[used..];
        }
    }

    /// Checks the header of a message of ours and shows the rest.
    fn check_and_show(&self, message: &Message<'_>) -> String {
        let identity = self.session.identity();
        assert_eq!(message.begin_string(), identity.version.begin_string().as_bytes());
        // Reports are order entry's: here is a short one.
        if message.msg_type() != b"8" {
            assert_eq!(identity.version.dictionary().check_sent(message), Ok(()), "{message:?}");
        }
        assert_eq!(message.get(49), Some(identity.sender_comp_id.as_bytes()));
        assert_eq!(message.get(56), Some(identity.target_comp_id.as_bytes()));
        assert_eq!(message.get(52).and_then(parse_utc), Some(self.now));
        assert_eq!(message.fault(), None);
        let mut line = format!("send {}", String::from_utf8_lossy(message.msg_type()));
        for (tag, value) in message.iter() {
            let value = String::from_utf8_lossy(value);
            match tag {
                8 | 9 | 10 | 35 | 49 | 52 | 56 => {}
                122 => write!(line, " 122={}", value.trim_start_matches(DAY)).unwrap(),
                _ => write!(line, " {tag}={}", value.replace(' ', "_")).unwrap(),
            }
        }
        line
    }

    fn say(&mut self, line: &str) {
        self.said.push_str(line);
        self.said.push('\n');
    }

    pub(crate) fn connect(&mut self) {
        assert!(!self.connected, "connected already");
        self.connected = true;
    }

    pub(crate) fn is_open(&self) -> bool {
        self.connected
    }

    pub(crate) fn disconnect(&mut self) {
        self.connected = false;
        self.input.clear();
        if self.session.is_connected() {
            self.session.disconnected();
        }
    }

    /// The venue comes back; the session knows what the engine knows.
    fn restart(&mut self) {
        self.disconnect();
        self.shell.submits.clear();
        let state = self.engine.session(SESSION).expect("it is defined");
        let notes = self.journal.iter().filter(|sent| sent.is_note);
        let mut logons = notes.filter_map(|sent| match Note::decode(&sent.attachment) {
            Some(Note::Logon { version, .. }) => Some(version),
            _ => None,
        });
        self.profile.identity.version = logons.next_back().unwrap_or_default();
        self.session = Session::new(self.profile.clone(), state.last_inbound, state.last_outbound);
        self.session.began(self.begun_at.unwrap_or(Timestamp(0)));
    }

    /// Bytes arrive; whole messages are taken at once.
    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        if !self.connected {
            return;
        }
        self.input.extend_from_slice(bytes);
        let mut fields = Box::new(Fields::new());
        while self.connected {
            let input = std::mem::take(&mut self.input);
            let bad_length = self.session.bad_length();
            let used = match decode_as(&input, &mut fields, bad_length) {
                Ok((message, used)) => {
                    self.take(&message);
                    used
                }
                Err(DecodeError::Incomplete) => {
                    self.input = input;
                    break;
                }
                Err(DecodeError::Garbled { resume_at }) => {
                    assert!(resume_at >= 1 && resume_at <= input.len());
                    if !self.session.is_connected() {
                        self.say("refused garbled");
                        self.disconnect();
                    }
                    resume_at
                }
                Err(DecodeError::TooLong { .. }) => {
                    self.say("close too long");
                    self.disconnect();
                    break;
                }
            };
            self.input = input[used..].to_vec();
        }
    }

    fn take(&mut self, message: &Message<'_>) {
        if !self.session.is_connected() {
            match self.session.check_logon(self.now, message) {
                Ok(()) => self.session.connect(self.now),
                Err(refusal) => return self.refuse(refusal),
            }
        }
        self.session.receive(self.now, message, &mut self.shell);
        assert!(self.shell.submits.len() <= 4096);
        let mut fields = Box::new(Fields::new());
        while let Some(bytes) = self.session.next_queued() {
            let (message, _) = decode(&bytes, &mut fields).expect("it was decoded before");
            self.session.receive(self.now, &message, &mut self.shell);
        }
    }

    /// The bytes of a message in the version of the script.
    fn message(&self, words: &str) -> Vec<u8> {
        match self.version {
            _ if words.contains(" 8=") => message(self.now, words),
            version => message(self.now, &format!("{words} 8={}", version.begin_string())),
        }
    }

    fn refuse(&mut self, refusal: LogonRefusal) {
        self.say(&format!("refused {refusal}"));
        self.disconnect();
    }

    /// Time passes; timers fire when they are due.
    pub(crate) fn pass(&mut self, until: Timestamp) {
        while let Some(reset) = self.session.next_reset(self.now).filter(|at| *at <= until) {
            self.pass_to(reset);
            let said = self.said.len();
            self.session.tick(self.now, &mut self.shell);
            self.reset_by_clock();
            if self.said.len() > said {
                let at = self.clock();
                self.said.insert_str(said, &format!("{at}\n"));
            }
        }
        self.pass_to(until);
    }

    /// What the acceptor does when it has time.
    fn reset_by_clock(&mut self) {
        self.turn();
        self.session.reset_by_clock(self.now, &mut self.shell);
        self.turn();
    }

    fn pass_to(&mut self, until: Timestamp) {
        for _ in 0..100_000 {
            let Some(due) = self.session.deadline().filter(|due| *due <= until) else { break };
            self.now = self.now.max(due);
            let (before, said) = (self.session.deadline(), self.said.len());
            self.session.tick(self.now, &mut self.shell);
            self.turn();
            if self.said.len() > said {
                let at = self.clock();
                self.said.insert_str(said, &format!("{at}\n"));
            }
            assert_ne!(before, self.session.deadline(), "a tick moves the deadline");
        }
        self.now = until;
    }

    fn clock(&self) -> String {
        let ms = self.now.0 / 1_000_000 % 86_400_000;
        let (s, ms) = (ms / 1000, ms % 1000);
        format!("at {:02}:{:02}:{:02}.{ms:03}", s / 3600, s / 60 % 60, s % 60)
    }

    fn stop(&mut self, text: &str) {
        self.session.stop(self.now, text.as_bytes(), &mut self.shell);
    }
}

pub(crate) fn profile() -> Profile {
    Profile {
        identity: Identity::new(Version::Fix44, b"VESTA", b"C1").unwrap(),
        versions: Versions::ALL,
        username: None,
        password: None,
        heartbeat_s_min: 1,
        heartbeat_s_max: 60,
        latency_s_max: 120,
        unknown_tags: UnknownTags::Reject,
        conduct: Conduct::Venue,
        resets: None,
    }
}

pub(crate) fn time(text: &str) -> Timestamp {
    parse_utc(format!("{DAY}{text}").as_bytes()).unwrap_or_else(|| panic!("no time: {text}"))
}

fn stamp(at: Timestamp) -> String {
    let s = at.0 / SECOND_NS % 86_400;
    format!("{DAY}{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
}

/// `D 34=2 11=a` of a script as bytes: see the module's text.
pub(crate) fn message(now: Timestamp, words: &str) -> Vec<u8> {
    let mut words = words.split_whitespace();
    let msg_type = words.next().expect("a message type");
    let mut given: Vec<(String, String)> = Vec::new();
    let mut left_out = Vec::new();
    for word in words {
        if let Some((tag, value)) = word.split_once('=') {
            let value = match value.strip_suffix('s').and_then(|s| s.parse::<i64>().ok()) {
                Some(s) if matches!(tag, "52" | "122") => {
                    stamp(Timestamp(now.0.checked_add_signed(s * 1_000_000_000).unwrap()))
                }
                _ => value.replace('_', " ").replace('|', "\u{1}"),
            };
            given.push((tag.to_owned(), value));
        } else {
            left_out.push(word.strip_prefix('-').expect("tag=value or -tag"));
        }
    }
    let has = |given: &[(String, String)], tag: &str| given.iter().any(|(there, _)| there == tag);
    let mut frame = |tag: &str| {
        let at = given.iter().position(|(there, _)| there == tag)?;
        Some(given.remove(at).1)
    };
    let begin_string = frame("8").unwrap_or_else(|| "FIX.4.4".to_owned());
    let (length, sum) = (frame("9"), frame("10"));
    let now_text = stamp(now);
    let mut defaults: Vec<(String, String)> = Vec::new();
    for (tag, value) in [("49", "C1"), ("52", now_text.as_str()), ("56", "VESTA")] {
        if !has(&given, tag) && !left_out.contains(&tag) {
            defaults.push((tag.to_owned(), value.to_owned()));
        }
    }
    let at = usize::from(given.first().is_some_and(|(tag, _)| tag == "34"));
    given.splice(at..at, defaults);
    let mut body = format!("35={msg_type}\u{1}");
    for (tag, value) in given {
        write!(body, "{tag}={value}\u{1}").unwrap();
    }
    let length = length.unwrap_or_else(|| body.len().to_string());
    let text = format!("8={begin_string}\u{1}9={length}\u{1}{body}");
    let sum = sum.unwrap_or_else(|| {
        format!("{:03}", text.bytes().fold(0u8, |sum, byte| sum.wrapping_add(byte)))
    });
    format!("{text}10={sum}\u{1}").into_bytes()
}

fn play(script: &str) -> String {
    let mut venue = Venue::new(time("09:30:00"), profile());
    let mut out = String::new();
    for block in script.split("\n\n").map(str::trim_matches_newlines) {
        if !block.lines().any(|line| !line.starts_with('#')) {
            writeln!(out, "{block}\n").unwrap();
            continue;
        }
        let input: Vec<&str> = block.lines().take_while(|line| *line != "----").collect();
        for line in &input {
            writeln!(out, "{line}").unwrap();
            step(&mut venue, line);
        }
        let said = std::mem::take(&mut venue.said);
        writeln!(out, "----\n{said}").unwrap();
    }
    let _ = out.pop();
    out
}

trait TrimNewlines {
    fn trim_matches_newlines(&self) -> &str;
}

impl TrimNewlines for str {
    fn trim_matches_newlines(&self) -> &str {
        self.trim_matches('\n')
    }
}

fn step(venue: &mut Venue, line: &str) {
    let (held, line) = match line.strip_prefix('+') {
        Some(line) => (true, line),
        None => (false, line),
    };
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    match verb {
        "#" | "" => return,
        "at" => venue.pass(time(rest)),
        "connect" => venue.connect(),
        "disconnect" => venue.disconnect(),
        "restart" => venue.restart(),
        "stop" => venue.stop(rest),
        "recv" => {
            let bytes = venue.message(rest);
            venue.receive(&bytes);
        }
        "version" => {
            venue.version = Version::of_begin_string(rest.as_bytes()).expect("a BeginString");
        }
        "raw" => venue.receive(rest.replace('|', "\u{1}").as_bytes()),
        "other" => {
            let bytes = venue.message(rest);
            let mut fields = Fields::new();
            let (message, _) = decode(&bytes, &mut fields).unwrap();
            match venue.session.check_logon(venue.now, &message) {
                Ok(()) => venue.say("other: taken"),
                Err(refusal) => venue.say(&format!("other: refused {refusal}")),
            }
        }
        "profile" => {
            for word in rest.split_whitespace() {
                let (key, value) = word.split_once('=').unwrap();
                match key {
                    "username" => venue.profile.username = Some(value.into()),
                    "password" => venue.profile.password = Some(value.into()),
                    "heartbeat_s_min" => venue.profile.heartbeat_s_min = value.parse().unwrap(),
                    "latency_s_max" => venue.profile.latency_s_max = value.parse().unwrap(),
                    "reset" => {
                        let (at, every_s) = value.split_once('/').unwrap();
                        let every_ns = every_s.parse::<u64>().unwrap() * SECOND_NS;
                        venue.profile.resets = Some(Recurring {
                            first: time(at).0.cast_signed(),
                            every_ns: every_ns.cast_signed(),
                            zone: Zone::default(),
                        });
                    }
                    "conduct" => venue.profile.conduct = Conduct::Conformance,
                    "unknown_tags" => venue.profile.unknown_tags = UnknownTags::Ignore,
                    "versions" => {
                        let version = |name: &str| Version::of_begin_string(name.as_bytes());
                        let versions: Option<Vec<_>> = value.split(',').map(version).collect();
                        venue.profile.versions = Versions::of(&versions.unwrap());
                    }
                    _ => panic!("no such setting: {key}"),
                }
            }
            venue.restart();
        }
        _ => panic!("no such verb: {verb}"),
    }
    if !held {
        venue.reset_by_clock();
    }
}

#[test]
fn scripts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let mut paths: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 40, "scripts are missing");
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut wrong = Vec::new();
    for path in paths {
        let script = fs::read_to_string(&path).unwrap();
        let played = play(&script);
        if update {
            fs::write(&path, played).unwrap();
        } else if script != played {
            wrong.push(format!("{}:\n{played}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "scripts differ:\n{}", wrong.join("\n"));
}
