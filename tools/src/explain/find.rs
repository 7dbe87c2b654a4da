//! Where in a journal the order is that somebody names.

use journal::Frame;
use matcher::record::{Record, decode};
use matcher::{Command, Event, OrderNumber, Sequence, SessionId};
use venue::turns::{Cutter, Follower, TurnHead, read_head};

use crate::describe;
use crate::failure::Failure;
use crate::journal_reader::JournalArgs;
use crate::order_name::{OrderName, requested};
use crate::scan::{self, kind, scan, u32_at};

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
        match meant(journal, sequence)? {
            Meant::Order(sequence) => return Ok(sequence),
            Meant::Number(comp_id, number) => name = OrderName::Number(comp_id, number),
            Meant::Nothing(what) => {
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
    requests: Vec<(SessionId, Sequence)>,
}

/// The sequence of the last request with this name that enters, changes or means an order.
fn request(journal: &JournalArgs, name: &OrderName) -> Result<u64, Failure> {
    let seen = scan(journal, |seen: &mut Seen, frame| seen.look(frame, name), |_| {})?;
    let comp_id = match name {
        OrderName::Id(_) => None,
        OrderName::Number(comp_id, _) => Some(comp_id),
        OrderName::ClOrdId(_, comp_id) => comp_id.as_ref(),
    };
    let sessions: Vec<&(SessionId, String)> = seen.iter().flat_map(|it| &it.sessions).collect();
    let comp_id_of = |id| sessions.iter().find(|(known, _)| *known == id).map(|(_, name)| name);
    if let Some(comp_id) = comp_id
        && !sessions.iter().any(|(_, known)| known == comp_id)
    {
        return Err(Failure::usage(format!("the journal knows no session {comp_id}")));
    }
    let mut wanted: Vec<(SessionId, Sequence)> =
        seen.iter().flat_map(|it| it.requests.clone()).collect();
    wanted.retain(|(id, _)| comp_id.is_none_or(|comp_id| comp_id_of(*id) == Some(comp_id)));
    let Some((session, sequence)) = wanted.last() else {
        return Err(Failure::usage(format!("the journal knows no {name}")));
    };
    if wanted.iter().any(|(other, _)| other != session) {
        let mut all: Vec<&str> =
            wanted.iter().filter_map(|(id, _)| comp_id_of(*id)).map(String::as_str).collect();
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
                    _ => is_called(frame, name),
                };
                if hit {
                    let session = SessionId(u32_at(record, 4));
                    self.requests.push((session, Sequence(frame.sequence)));
                }
            }
            kind::CANCEL | kind::STATUS if is_called(frame, name) => {
                let session = SessionId(u32_at(record, 4));
                self.requests.push((session, Sequence(frame.sequence)));
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

fn is_called(frame: &Frame<'_>, name: &OrderName) -> bool {
    let OrderName::ClOrdId(wanted, _) = name else { return false };
    let Ok((Record::Input { attachment, .. }, _)) = decode(Sequence(frame.sequence), frame.payload)
    else {
        return false;
    };
    describe::attached(attachment, 11) == Some(wanted)
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
pub(super) fn one_turn(
    journal: &JournalArgs,
    sequence: u64,
    follower: &mut impl Follower,
) -> Result<(), Failure> {
    let mut reader = journal.open()?;
    let segments = scan::segments(&reader)?;
    let Some(segment) = scan::segment_of(&segments, sequence) else { return Ok(()) };
    reader.seek(scan::start(&reader, segment));
    let mut cutter = Cutter::default();
    while let Some(frame) = reader.next().map_err(Failure::failed)? {
        if frame.sequence > sequence {
            break;
        }
        if frame.sequence == sequence {
            cutter.frame(&frame, follower).map_err(Failure::failed)?;
        }
    }
    Ok(())
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
    let any = OrderName::Number(String::new(), OrderNumber::NONE);
    let seen = scan(journal, |seen: &mut Seen, frame| seen.look(frame, &any), |_| {})?;
    let mut sessions = seen.into_iter().flat_map(|it| it.sessions);
    let found = sessions.find(|(id, _)| *id == session).map(|(_, comp_id)| comp_id);
    found.ok_or_else(|| {
        Failure::failed(format!("the journal does not say who session {session} is"))
    })
}
