//! Where in a journal the order is that somebody names.

use gateway::fix::tag;
use gateway::order_entry::attached;
use journal::{Frame, Position, Reader, SnapshotHead, Snapshots};
use matcher::record::attachment;
use matcher::{Command, Event, OrderNumber, Sequence, SessionId};
use venue::Names;
use venue::named::requested;
use venue::snapshots;
use venue::turns::{Cutter, Follower, TurnHead, read_head};

use crate::describe;
use crate::failure::Failure;
use crate::journal_reader::JournalArgs;
use crate::order_name::OrderName;
use crate::scan::{self, Span, kind, scan_spans, u32_at};

/// The sequence of the request that entered the order that is named.
///
/// # Errors
///
/// If the journal has no such order.
pub(super) fn find(journal: &JournalArgs, name: &OrderName) -> Result<u64, Failure> {
    let mut name = name.clone();
    // A replace that is named leads to the order it means, and that may have been replaced before.
    loop {
        let sequence = match &name {
            OrderName::Id(id) => id.0,
            OrderName::Number(..) | OrderName::ClOrdId(..) => request(journal, &name)?,
        };
        let mut reader = journal.open()?;
        let first = reader.next().map_err(Failure::failed)?.map(|frame| frame.sequence);
        if let (Some(first), Some(begins)) = (first, JournalArgs::beginning(&reader))
            && sequence < first
        {
            let what = format!("sequence {sequence} is not in the journal any more: {begins}");
            return Err(Failure::usage(what));
        }
        match meant(journal, sequence)? {
            Meant::Order(sequence) => return Ok(sequence),
            Meant::Number(comp_id, number) => name = OrderName::Number(comp_id, number),
            Meant::Nothing(what) => {
                // Numbers of each shard's journal are its own.
                let own = Sequence(first.unwrap_or_default()).shard();
                let what = match Sequence(sequence).shard() {
                    shard if shard == own => what,
                    shard => {
                        format!("it is one of shard {shard}, and this is shard {own}'s journal")
                    }
                };
                return Err(Failure::usage(format!("sequence {sequence} is no order: {what}")));
            }
        }
    }
}

/// What the requests of a segment say that may be the one.
#[derive(Default)]
struct Seen {
    /// Session and names of each definition.
    sessions: Vec<(SessionId, String)>,
    /// Requests that take a number.
    numbered: Vec<(SessionId, Sequence)>,
    /// Others: cancels, status requests.
    others: Vec<(SessionId, Sequence)>,
}

/// The sequence of the last request with this name that takes a number, or else of the last one that means
/// an order.
///
/// Indexes say where it cannot be; where there are none, everything is looked through.
fn request(journal: &JournalArgs, name: &OrderName) -> Result<u64, Failure> {
    let (before, spans) = where_asked(journal, name)?;
    let seen = scan_spans(journal, &spans, |seen: &mut Seen, it| seen.look(it, name), |_| {})?;
    let comp_id = match name {
        OrderName::Id(_) => None,
        OrderName::Number(comp_id, _) => Some(comp_id),
        OrderName::ClOrdId(_, comp_id) => comp_id.as_ref(),
    };
    let before = before.sessions.into_iter().map(|(comp_id, _)| comp_id);
    let before = (1..).map(SessionId).zip(before);
    let before: Vec<(SessionId, String)> = before.collect();
    let sessions: Vec<&(SessionId, String)> =
        before.iter().chain(seen.iter().flat_map(|it| &it.sessions)).collect();
    let comp_id_of = |id| sessions.iter().find(|(known, _)| *known == id).map(|(_, name)| name);
    if let Some(comp_id) = comp_id
        && !sessions.iter().any(|(_, known)| known == comp_id)
    {
        return Err(Failure::usage(format!("the journal knows no session {comp_id}")));
    }
    let of = |requests: fn(&Seen) -> &Vec<(SessionId, Sequence)>| {
        let mut wanted: Vec<(SessionId, Sequence)> =
            seen.iter().flat_map(|it| requests(it).clone()).collect();
        wanted.retain(|(id, _)| comp_id.is_none_or(|comp_id| comp_id_of(*id) == Some(comp_id)));
        wanted
    };
    let mut wanted = of(|seen| &seen.numbered);
    if wanted.is_empty() {
        wanted = of(|seen| &seen.others);
    }
    last_of(journal, &wanted, name, |id| comp_id_of(id).cloned())
}

/// What is to be looked through for a name, and who is known without that.
fn where_asked(journal: &JournalArgs, name: &OrderName) -> Result<(Names, Vec<Span>), Failure> {
    let mut reader = journal.open()?;
    let snapshots = Snapshots::to_read(&journal.dir, reader.log_id());
    let known = snapshots::newest_names(&mut reader, &snapshots);
    let known = known.unwrap_or_else(|| journal.names(&reader));
    let (mut from, mut spans) = (reader.start(), Vec::new());
    match name {
        OrderName::ClOrdId(id, _) => {
            let mut after = Sequence(0);
            for mark in snapshots::called_marks(&mut reader, &snapshots) {
                for (begin, end) in mark.called_at(id, after, from) {
                    spans.extend(scan::spans(&reader, begin, end));
                }
                (from, after) = (mark.head().position, Sequence(mark.head().sequence));
            }
        }
        OrderName::Number(comp_id, number) => {
            let index = known.sessions.iter().position(|(it, _)| it == comp_id);
            let session = index.and_then(|index| u32::try_from(index + 1).ok()).map(SessionId);
            if let Some(session) = session {
                let asked = (session, *number);
                from = where_numbered(&mut reader, &snapshots, asked, &mut spans);
            }
        }
        OrderName::Id(_) => {}
    }
    let end = scan::end(&reader)?;
    spans.extend(scan::spans(&reader, from, end));
    Ok((known, spans))
}

/// Adds the spans of stretches that name an order of this session; says where nothing is known any more.
fn where_numbered(
    reader: &mut Reader,
    snapshots: &Snapshots,
    (session, number): (SessionId, OrderNumber),
    spans: &mut Vec<Span>,
) -> Position {
    let (mut from, mut after) = (reader.start(), Sequence(0));
    for mark in snapshots::marks(reader, snapshots, after) {
        let SnapshotHead { position, sequence, .. } = *mark.head();
        if mark.after() > after || mark.names(session, number) {
            spans.extend(scan::spans(reader, from, position));
        }
        (from, after) = (position, Sequence(sequence));
    }
    from
}

/// The last of the requests, if all are of one session.
fn last_of(
    journal: &JournalArgs,
    wanted: &[(SessionId, Sequence)],
    name: &OrderName,
    comp_id_of: impl Fn(SessionId) -> Option<String>,
) -> Result<u64, Failure> {
    let Some((session, sequence)) = wanted.last() else {
        let begins = JournalArgs::beginning(&journal.open()?);
        let begins = begins.map_or(String::new(), |begins| format!("; {begins}"));
        return Err(Failure::usage(format!("the journal knows no {name}{begins}")));
    };
    if wanted.iter().any(|(other, _)| other != session) {
        let mut all: Vec<String> = wanted.iter().filter_map(|(id, _)| comp_id_of(*id)).collect();
        all.sort_unstable();
        all.dedup();
        let what = format!("several sessions have an {name}: say --session {}", all.join(" or "));
        return Err(Failure::usage(what));
    }
    Ok(sequence.0)
}

impl Seen {
    fn look(&mut self, frame: &Frame<'_>, name: &OrderName) {
        let record = frame.payload;
        if !frame.first || record.len() < 32 {
            return;
        }
        match record[2] {
            kind::DEFINE_SESSION => self.session(frame),
            kind::NEW | kind::NEW_SPECIAL | kind::REPLACE | kind::REPLACE_STOP | kind::REFUSE => {
                let hit = match name {
                    OrderName::Number(_, number) => u32_at(record, 24) == number.0,
                    _ => is_called(record, name),
                };
                if hit {
                    let session = SessionId(u32_at(record, 4));
                    let numbered = record[2] != kind::REFUSE || u32_at(record, 24) != 0;
                    let requests = if numbered { &mut self.numbered } else { &mut self.others };
                    requests.push((session, Sequence(frame.sequence)));
                }
            }
            kind::CANCEL | kind::STATUS if is_called(record, name) => {
                let session = SessionId(u32_at(record, 4));
                self.others.push((session, Sequence(frame.sequence)));
            }
            _ => {}
        }
    }

    fn session(&mut self, frame: &Frame<'_>) {
        let Ok(head) = read_head(frame) else { return };
        if let Command::DefineSession { id, .. } = head.input.command {
            let comp_id = head.attachment().split(|byte| *byte == 0).next().unwrap_or_default();
            self.sessions.push((id, String::from_utf8_lossy(comp_id).into_owned()));
        }
    }
}

/// Whether a request has this ClOrdID. It is not decoded: all requests of a span are asked.
fn is_called(record: &[u8], name: &OrderName) -> bool {
    let OrderName::ClOrdId(wanted, _) = name else { return false };
    let found = attachment(record).and_then(|attachment| attached(attachment, tag::CL_ORD_ID));
    found == Some(wanted)
}

/// What a request is about.
enum Meant {
    /// The order that was entered with this sequence.
    Order(u64),
    /// An order of this session.
    Number(String, OrderNumber),
    /// No order; what it is.
    Nothing(String),
}

/// The order that the turn `sequence` enters, or means.
fn meant(journal: &JournalArgs, sequence: u64) -> Result<Meant, Failure> {
    let mut turn = One::default();
    one_turn(journal, sequence, &mut turn)?;
    let Some(head) = turn.head else {
        return Ok(Meant::Nothing("the journal has no such turn".into()));
    };
    let (number, target) = requested(&head.input.command);
    if let Some(id) = turn.replaced {
        return Ok(Meant::Order(id));
    }
    match (&head.input.command, target, number) {
        (_, Some(target), _) => Ok(Meant::Number(comp_id(journal, head.input.session)?, target)),
        (_, None, Some(_)) => Ok(Meant::Order(sequence)),
        (command, None, None) => {
            Ok(Meant::Nothing(format!("it is a {} request", describe::command_kind(command))))
        }
    }
}

/// One turn of the journal.
fn one_turn(
    journal: &JournalArgs,
    sequence: u64,
    follower: &mut impl Follower,
) -> Result<(), Failure> {
    let mut reader = journal.open()?;
    let snapshots = Snapshots::to_read(&journal.dir, reader.log_id());
    let segments = scan::segments(&reader)?;
    let Some(segment) = scan::segment_of(&segments, sequence) else { return Ok(()) };
    let start = scan::start(&reader, segment);
    let nearer = snapshots::begins_before(&mut reader, &snapshots, Sequence(sequence));
    turn_from(reader, nearer.map_or(start, |nearer| nearer.max(start)), sequence, follower)
}

/// The same where it is known where it begins.
pub(super) fn turn_at(
    journal: &JournalArgs,
    (sequence, position): (u64, Position),
    follower: &mut impl Follower,
) -> Result<(), Failure> {
    turn_from(journal.open()?, position, sequence, follower)
}

fn turn_from(
    mut reader: Reader,
    from: Position,
    sequence: u64,
    follower: &mut impl Follower,
) -> Result<(), Failure> {
    reader.seek(from);
    let mut cutter = Cutter::default();
    while let Some(frame) = reader.next().map_err(Failure::failed)? {
        if frame.sequence > sequence {
            break;
        }
        if frame.sequence == sequence {
            cutter.frame(&frame, follower).map_err(Failure::failed)?;
            if frame.last {
                break;
            }
        }
    }
    Ok(())
}

/// The request of a turn, `None` if the journal does not have it.
pub(super) fn entered(journal: &JournalArgs, sequence: u64) -> Result<Option<TurnHead>, Failure> {
    let mut turn = One::default();
    one_turn(journal, sequence, &mut turn)?;
    Ok(turn.head)
}

#[derive(Default)]
struct One {
    head: Option<TurnHead>,
    /// The order that it renames.
    replaced: Option<u64>,
}

impl Follower for One {
    fn input(&mut self, head: &TurnHead) {
        self.head = Some(*head);
    }

    fn event(&mut self, _: &TurnHead, _: u32, event: &Event) {
        if let Event::Replaced(replaced) = event {
            self.replaced = Some(replaced.order_id.0);
        }
    }

    fn end_turn(&mut self, _: &TurnHead) {}
}

fn comp_id(journal: &JournalArgs, session: SessionId) -> Result<String, Failure> {
    // Only who came since the newest snapshot is not known there.
    let mut reader = journal.open()?;
    let snapshots = Snapshots::to_read(&journal.dir, reader.log_id());
    let known = snapshots::newest_names(&mut reader, &snapshots).unwrap_or_default();
    let index = session.index().checked_sub(1);
    if let Some((comp_id, _)) = index.and_then(|index| known.sessions.get(index)) {
        return Ok(comp_id.clone());
    }
    let heads = scan::rules(journal)?;
    let mut sessions = heads.iter().filter_map(|head| match head.input.command {
        Command::DefineSession { id, .. } if id == session => Some(head.attachment()),
        _ => None,
    });
    let named = sessions.next().and_then(|names| names.split(|byte| *byte == 0).next());
    let named = named.map(|name| String::from_utf8_lossy(name).into_owned());
    named.ok_or_else(|| {
        Failure::failed(format!("the journal does not say who session {session} is"))
    })
}
