//! Names, what is in force, and state hashes as bytes.
//!
//! Names and what is in force are commands that would make them so, as records of the journal: 8 bytes version, 8 bytes
//! and 8 bytes when the log began and when day orders expired last (each 0: never), and the records. A time 0 of the
//! journal's own cannot be told from none; no clock shows it.

use gateway::acceptor::{LAST_CONNECTION_BYTES, LastConnection};
use gateway::saved::{NotSaved, Saved};
use matcher::record::{INPUT_BYTES_MAX, decode_input, encode_input};
use matcher::{
    Command, Input, InstrumentId, MsgSeqNum, Numbering, ParticipantId, Sequence, SessionId,
    Timestamp,
};

use crate::in_force::InForce;
use crate::recovery::{Names, session_attachment, session_names};
use crate::replay::StateHash;

const VERSION: u64 = 1;

fn save_command(
    timestamp: Timestamp,
    command: &Command,
    attachment: &[u8],
    out: &mut dyn FnMut(&[u8]),
) {
    save_of(SessionId::VENUE, timestamp, command, attachment, out);
}

fn save_of(
    session: SessionId,
    timestamp: Timestamp,
    command: &Command,
    attachment: &[u8],
    out: &mut dyn FnMut(&[u8]),
) {
    let inbound = MsgSeqNum::NONE;
    let input = Input { sequence: Sequence(0), timestamp, session, inbound, command: *command };
    let mut record = [0; INPUT_BYTES_MAX];
    let len = encode_input(&input, attachment, &mut record);
    out(&record[..len]);
}

pub(super) fn save_names(names: &Names, in_force: &InForce, out: &mut dyn FnMut(&[u8])) {
    let time = |time: Option<Timestamp>| time.map_or(0, |time| time.0);
    for word in [VERSION, time(names.began), time(names.expired)] {
        out(&word.to_le_bytes());
    }
    for (id, instrument) in (0..).map(InstrumentId).zip(&names.instruments) {
        let command = Command::DefineInstrument { id, instrument: *instrument };
        save_command(Timestamp(0), &command, &[], out);
    }
    for (id, (comp_id, firm)) in (1..).map(SessionId).zip(&names.sessions) {
        // The participant's number is the engine's to know.
        let command = Command::DefineSession { id, participant: ParticipantId(0) };
        save_command(Timestamp(0), &command, &session_attachment(comp_id, firm), out);
    }
    for (since, command) in in_force.commands() {
        save_command(since, &command, &[], out);
    }
    for (session, last) in &in_force.connections {
        let note = Command::Note(Numbering::Next);
        save_of(*session, Timestamp(0), &note, &last.encode(), out);
    }
}

pub(super) fn load_names(bytes: &[u8]) -> Result<(Names, InForce), NotSaved> {
    let saved = &mut Saved::new(bytes);
    if saved.u64()? != VERSION {
        return Err(NotSaved);
    }
    let (mut names, mut in_force) = (Names::default(), InForce::default());
    let mut time = || saved.u64().map(|time| (time > 0).then_some(Timestamp(time)));
    (names.began, names.expired) = (time()?, time()?);
    let mut rest = saved.rest();
    while !rest.is_empty() {
        let (input, attachment, used) = decode_input(Sequence(0), rest).map_err(|_| NotSaved)?;
        let good = match &input.command {
            Command::DefineInstrument { id, instrument } => {
                names.instruments.push(*instrument);
                id.index() + 1 == names.instruments.len() && instrument.validate().is_ok()
            }
            Command::DefineSession { id, .. } => {
                names.sessions.push(session_names(attachment));
                id.index() == names.sessions.len()
            }
            Command::Note(_) => {
                let last = LastConnection::decode(attachment).ok_or(NotSaved)?;
                in_force.connected(input.session, last);
                attachment.len() == LAST_CONNECTION_BYTES && input.session != SessionId::VENUE
            }
            command => in_force.take(input.timestamp, command),
        };
        if !good {
            return Err(NotSaved);
        }
        rest = &rest[used..];
    }
    if in_force.phases.len() != names.instruments.len() {
        return Err(NotSaved);
    }
    Ok((names, in_force))
}

/// State hashes that are kept at most; then every second one goes.
const CHECKPOINTS_MAX: usize = 4_096;

/// The hashes of states gone by, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Checkpoints(Vec<StateHash>);

impl Checkpoints {
    /// Turns between two hashes, beside those of snapshots.
    const EVERY: u64 = 1 << 20;

    /// Whether the state after this turn is one to remember.
    pub(crate) const fn is_due(sequence: Sequence) -> bool {
        sequence.0.is_multiple_of(Checkpoints::EVERY)
    }

    pub(crate) fn all(&self) -> &[StateHash] {
        &self.0
    }

    pub(crate) fn push(&mut self, hash: StateHash) {
        if self.0.len() == CHECKPOINTS_MAX {
            let mut keep = false;
            self.0.retain(|_| {
                keep = !keep;
                keep
            });
        }
        self.0.push(hash);
    }

    pub(super) fn save(&self, out: &mut dyn FnMut(&[u8])) {
        for known in &self.0 {
            out(&known.sequence.0.to_le_bytes());
            out(&known.hash.to_le_bytes());
        }
    }

    pub(super) fn load(bytes: &[u8]) -> Result<Checkpoints, NotSaved> {
        let saved = &mut Saved::new(bytes);
        let mut checkpoints = Checkpoints::default();
        while !saved.rest().is_empty() {
            let known = StateHash { sequence: Sequence(saved.u64()?), hash: saved.u64()? };
            let after = checkpoints.0.last().is_none_or(|last| last.sequence < known.sequence);
            if !after || checkpoints.0.len() == CHECKPOINTS_MAX {
                return Err(NotSaved);
            }
            checkpoints.0.push(known);
        }
        Ok(checkpoints)
    }
}
