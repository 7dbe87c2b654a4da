//! What can be traded and in which state it is: SecurityListRequest(x), SecurityDefinitionRequest(c),
//! SecurityStatusRequest(e), TradingSessionStatusRequest(g), and what answers them.
//!
//! Answers are made of what the gateway knows of the journal when their numbers come, and are never said again: whoever
//! comes back asks for the present. `FIX-MARKET.md` has what a counterparty reads.

mod answer;
mod request;

use matcher::{InstrumentId, Phase};

use crate::order_entry::PhaseCounts;
pub(crate) use answer::Known;
pub(crate) use request::{Refused, asked, id_of, text};

/// Ids of requests are 1 to so many printable ASCII characters.
pub(crate) const REQUEST_ID_BYTES_MAX: usize = 32;

/// TradingSessionID(336): the one session that the venue has, FIX's "day".
pub(crate) const TRADING_SESSION_ID: &[u8] = b"1";

/// What a request asks for.
#[derive(Debug)]
pub(crate) enum Asked {
    /// This, once.
    Once(Answer),
    /// This, now and whenever it changes.
    Subscribe(Answer),
    /// No more of what was asked for in a request with this id.
    Unsubscribe(Topic, Vec<u8>),
}

/// What can be subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Topic {
    /// The state of an instrument.
    Security,
    /// That of the venue.
    TradingSession,
}

/// What is to be said, as far as it was not yet. One message each time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// SecurityList(y), a fragment at a time.
    List {
        /// SecurityReqID(320).
        id: Vec<u8>,
        /// What is in it.
        content: Content,
        /// Messages left.
        left: u32,
    },
    /// SecurityDefinition(d), an instrument at a time.
    Definitions {
        /// SecurityReqID(320).
        id: Vec<u8>,
        /// What is defined.
        content: Content,
        /// Messages left.
        left: u32,
    },
    /// SecurityStatus(f).
    Security {
        /// SecurityStatusReqID(324).
        id: Vec<u8>,
        /// Which one, or the symbol that nobody knows.
        instrument: Result<InstrumentId, Vec<u8>>,
        /// Nobody asked just now: UnsolicitedIndicator(325)=Y.
        unsolicited: bool,
    },
    /// TradingSessionStatus(h).
    TradingSession {
        /// TradSesReqID(335).
        id: Vec<u8>,
        /// There is no such session.
        refused: Option<Vec<u8>>,
        /// Nobody asked just now: UnsolicitedIndicator(325)=Y.
        unsolicited: bool,
    },
}

/// The instruments of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// All from this one on.
    From(u32),
    /// One.
    One(InstrumentId),
    /// None: there is none of this symbol.
    Unknown(Vec<u8>),
    /// None: it cannot be asked so, for this reason.
    Refused(&'static str),
}

impl Answer {
    /// Messages that are left of it.
    pub(crate) fn left(&self) -> u32 {
        match self {
            Answer::List { left, .. } | Answer::Definitions { left, .. } => *left,
            Answer::Security { .. } | Answer::TradingSession { .. } => 1,
        }
    }

    /// Whether the message that was said was its last.
    pub(crate) fn is_done(&self) -> bool {
        match self {
            Answer::List { left, .. } | Answer::Definitions { left, .. } => *left == 0,
            Answer::Security { .. } | Answer::TradingSession { .. } => true,
        }
    }

    /// The id of the request.
    pub(crate) fn id(&self) -> &[u8] {
        match self {
            Answer::List { id, .. }
            | Answer::Definitions { id, .. }
            | Answer::Security { id, .. }
            | Answer::TradingSession { id, .. } => id,
        }
    }

    /// What changes of it can be subscribed to.
    pub(crate) fn topic(&self) -> Option<Topic> {
        match self {
            Answer::List { .. } | Answer::Definitions { .. } => None,
            Answer::Security { .. } => Some(Topic::Security),
            Answer::TradingSession { .. } => Some(Topic::TradingSession),
        }
    }

    /// The same, unasked.
    pub(crate) fn unsolicited(mut self) -> Answer {
        if let Answer::Security { unsolicited, .. } | Answer::TradingSession { unsolicited, .. } =
            &mut self
        {
            *unsolicited = true;
        }
        self
    }
}

/// TradSesStatus(340) of the venue, and TradingSessionSubID(625) if all instruments are in one phase.
///
/// The venue is open while one instrument trades, or has an auction because of its volatility; else what comes first of
/// pre-open, pre-close and halted decides.
pub(crate) fn trading_session(phases: PhaseCounts) -> (u8, Option<&'static [u8]>) {
    let any = |which: &[Phase]| which.iter().any(|phase| phases.of(*phase) > 0);
    let status = if any(&[Phase::Continuous, Phase::VolatilityAuction]) {
        2
    } else if any(&[Phase::PreOpen, Phase::OpeningAuction]) {
        4
    } else if any(&[Phase::ClosingAuction]) {
        5
    } else if any(&[Phase::Halt]) {
        1
    } else {
        3
    };
    (status, phases.common().and_then(sub_id))
}

/// TradingSessionSubID(625) of a phase, if FIX has one for it.
pub(crate) fn sub_id(phase: Phase) -> Option<&'static [u8]> {
    match phase {
        Phase::PreOpen => Some(b"1"),
        Phase::OpeningAuction => Some(b"2"),
        Phase::Continuous => Some(b"3"),
        Phase::ClosingAuction => Some(b"4"),
        Phase::Closed => Some(b"5"),
        Phase::VolatilityAuction => Some(b"6"),
        Phase::Halt => None,
    }
}

/// What a phase is called in Text(58).
pub(crate) fn phase_name(phase: Phase) -> &'static [u8] {
    match phase {
        Phase::Continuous => b"continuous trading",
        Phase::Halt => b"halt",
        Phase::Closed => b"closed",
        Phase::PreOpen => b"pre-open",
        Phase::OpeningAuction => b"opening auction",
        Phase::VolatilityAuction => b"volatility auction",
        Phase::ClosingAuction => b"closing auction",
    }
}
