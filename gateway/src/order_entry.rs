//! FIX application messages → Commands, and Events → FIX application messages: both directions here.
//!
//! A report is a function of the journal alone: of its turn, of the Inputs that the turn names, and of
//! facts that the journal held by then. [`OrderEntry`] is therefore a fold over the journal that keeps
//! only what never changes again ([`Orders`]); the same report made live, after a restart or for a resend is the same
//! bytes but for PossDupFlag(43), OrigSendingTime(122) and SendingTime(52).
//!
//! The rules a counterparty reads are in `FIX-APP.md`.

pub mod copies;
mod echo;
pub mod ouch;
pub mod quotes;
mod reason;
mod report;
mod request;
mod saved;
pub mod shards;

use std::collections::BTreeMap;

use foldhash::quality::RandomState;
use hashbrown::HashMap;
use matcher::record::{ATTACHMENT_BYTES_MAX, decode_event};
use matcher::{
    CancelReason, CancelRequest, Command, Event, Fill, Input, Instrument, InstrumentId, MsgSeqNum,
    Numbering, OrderId, OrderNumber, OrderRef, Phase, Price, Qty, RefusedRequest, RejectReason,
    Replaced, Restated, SessionId, Symbol, Timestamp,
};

use crate::fix::{Header, Identity, Message, Note, Version, tag};
use crate::orders::{Ending, Moment, ORDERS_PER_SESSION_MAX, Orders, Pages, Restatement, terms_of};
use crate::zone::Zone;
use copies::Original;
pub use copies::{CopiedTo, Copy, EventAt};
use echo::{Echoes, echo};
pub use echo::{attached, cl_ord_id_of, first_attached};
use ouch::{Attached, OuchOrders};
use quotes::Quotes;
pub use quotes::{Quoted, is_quiet};
pub use reason::{cxl_rej_reason, mass_cancel_reject_reason, ord_rej_reason};
use report::Report;
use request::Border;

/// ClOrdID(11) and OrigClOrdID(41) are 1 to so many printable ASCII characters.
pub const CL_ORD_ID_BYTES_MAX: usize = 48;
/// Account(1) is 1 to so many printable ASCII characters.
pub const ACCOUNT_BYTES_MAX: usize = 32;
/// A Symbol(55) that we answer for, known or not, is 1 to so many printable ASCII characters.
pub const SYMBOL_BYTES_MAX: usize = 32;
/// OrdStatusReqID(790) is 1 to so many printable ASCII characters.
pub const STATUS_ID_BYTES_MAX: usize = 32;
/// OrderID(37) of a request is 1 to so many printable ASCII characters.
pub const ORDER_ID_BYTES_MAX: usize = 20;
/// BusinessRejectReason(380).
mod business {
    pub(super) const OTHER: u16 = 0;
    pub(super) const UNSUPPORTED_MESSAGE_TYPE: u16 = 3;
    pub(super) const APPLICATION_NOT_AVAILABLE: u16 = 4;
}

/// The instruments, by id and by symbol.
#[derive(Default)]
pub struct Directory {
    /// As they were defined, each with its present phase.
    instruments: Vec<Option<Instrument>>,
    ids: HashMap<Symbol, InstrumentId, RandomState>,
    /// How many instruments are in each phase.
    phases: PhaseCounts,
}

/// How many instruments are in each phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PhaseCounts([u32; Phase::ClosingAuction as usize + 1]);

impl PhaseCounts {
    /// So many are in this one.
    #[must_use]
    pub fn of(&self, phase: Phase) -> u32 {
        self.0[phase as usize]
    }

    /// The phase that all are in.
    #[must_use]
    pub fn common(&self) -> Option<Phase> {
        let mut found = PHASES.into_iter().filter(|phase| self.of(*phase) > 0);
        found.next().filter(|_| found.next().is_none())
    }
}

const PHASES: [Phase; 7] = [
    Phase::Continuous,
    Phase::Halt,
    Phase::Closed,
    Phase::PreOpen,
    Phase::OpeningAuction,
    Phase::VolatilityAuction,
    Phase::ClosingAuction,
];

impl Directory {
    /// The instrument of an id.
    #[must_use]
    pub fn instrument(&self, id: InstrumentId) -> Option<&Instrument> {
        self.instruments.get(id.index())?.as_ref()
    }

    /// The id of a Symbol(55).
    #[must_use]
    pub fn find(&self, symbol: &[u8]) -> Option<InstrumentId> {
        self.ids.get(&Symbol::new(symbol)?).copied()
    }

    /// How many instruments there are. Their ids are those below.
    #[must_use]
    pub fn len(&self) -> u32 {
        u32::try_from(self.instruments.len()).unwrap_or(u32::MAX)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.instruments.is_empty()
    }

    /// How many instruments are in each phase.
    #[must_use]
    pub fn phases(&self) -> PhaseCounts {
        self.phases
    }

    fn define(&mut self, id: InstrumentId, instrument: &Instrument) {
        if self.instruments.len() <= id.index() {
            self.instruments.resize(id.index() + 1, None);
        }
        if let Some(before) = self.instruments[id.index()].replace(*instrument) {
            self.phases.0[before.phase as usize] -= 1;
        }
        self.phases.0[instrument.phase as usize] += 1;
        self.ids.insert(instrument.symbol, id);
    }

    fn set_phase(&mut self, id: InstrumentId, phase: Phase) {
        let Some(Some(instrument)) = self.instruments.get_mut(id.index()) else { return };
        self.phases.0[instrument.phase as usize] -= 1;
        self.phases.0[phase as usize] += 1;
        instrument.phase = phase;
    }
}

/// What a FIX application message asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'m> {
    /// Hand this to the core, with the first `attachment_len` bytes of the attachment. It has its order
    /// number, so nothing else of the session may overtake it.
    Submit {
        /// What is asked.
        command: Command,
        /// Bytes of the attachment.
        attachment_len: usize,
    },
    /// A repeat (PossResend(97)=Y) of what was taken before: no answer.
    Ignore,
    /// Answer Reject(3).
    Reject {
        /// RefTagID(371).
        tag: u32,
        /// SessionRejectReason(373).
        reason: u16,
    },
    /// Answer BusinessMessageReject(j).
    BusinessReject {
        /// BusinessRejectReason(380).
        reason: u16,
        /// BusinessRejectRefID(379), empty if the message has none.
        ref_id: &'m [u8],
        /// Text(58).
        text: &'static str,
    },
}

/// One Event, for one of the sessions it tells.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// Who is told.
    pub session: SessionId,
    /// Journal position of the turn.
    pub position: u64,
    /// The turn's Input.
    pub input: &'a Input,
    /// The Input's attachment.
    pub attachment: &'a [u8],
    /// The Event.
    pub event: &'a Event,
    /// Its place among the Events of the turn, from 0.
    pub event_index: u32,
    /// Records of the Events behind it, as far as its frame of the journal has them.
    pub rest: &'a [u8],
    /// Whose journal all of this is of, and its number there, if not home's.
    pub relayed: Option<shards::Original>,
}

impl Told<'_> {
    /// The number that its own journal gave the message by which its session is told under `msg`.
    #[must_use]
    pub fn own_msg(&self, msg: MsgSeqNum) -> MsgSeqNum {
        self.relayed.map_or(msg, |original| original.msg)
    }

    /// The place in the queue that the order of `number` takes further on in this turn; [`OrderRef::NONE`] if it takes none,
    /// or trades with so many others first that the turn goes on in another frame.
    #[must_use]
    pub fn order_ref(&self, number: OrderNumber) -> OrderRef {
        let mut rest = self.rest;
        while let Ok((event, used)) = decode_event(rest) {
            if let Event::Rested(rested) = event
                && (rested.session, rested.number) == (self.session, number)
            {
                return rested.order_ref;
            }
            rest = rest.get(used..).unwrap_or_default();
        }
        OrderRef::NONE
    }
}

/// The journal, read at a turn's position, however old.
pub trait Inputs {
    /// The Input of the turn at `position`; puts its attachment into `attachment` and says how many bytes
    /// it has. `None` if it cannot be read.
    fn input(
        &mut self,
        position: u64,
        attachment: &mut [u8; ATTACHMENT_BYTES_MAX],
    ) -> Option<(Input, usize)>;

    /// An Event and the Input of its turn; puts the Input's attachment into `attachment` and says how many bytes it
    /// has. `None` if it cannot be read.
    fn event(
        &mut self,
        at: EventAt,
        attachment: &mut [u8; ATTACHMENT_BYTES_MAX],
    ) -> Option<(Input, usize, Event)> {
        let (_, _) = (at, attachment);
        None
    }

    /// Whether the turn at `position` was taken out of the journal, as configured: that its Input cannot be read
    /// is no damage then.
    fn is_gone(&self, _position: u64) -> bool {
        false
    }
}

/// A report needs an Input that cannot be read: the journal is damaged or its disk is. Nothing was written;
/// the session cannot go on past this message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Whose order.
    pub session: SessionId,
    /// Its number.
    pub number: OrderNumber,
    /// Journal position of its Input, `None` if the fold has not seen it.
    pub position: Option<u64>,
}

impl Unreadable {
    /// Whether the Input was taken out of the journal.
    #[must_use]
    pub fn is_gone(&self, inputs: &impl Inputs) -> bool {
        self.position.is_some_and(|position| inputs.is_gone(position))
    }
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Unreadable { session, number, .. } = self;
        match self.position {
            Some(at) => {
                write!(f, "input of order {number} of session {session} at {at} is unreadable")
            }
            None => write!(f, "input of order {number} of session {session} was not seen"),
        }
    }
}

impl std::error::Error for Unreadable {}

/// When the trading day of a date ends, which is when an order with ExpireDate(432) does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayEnd {
    /// What the clocks show then, in seconds from the beginning of the date.
    pub at_s: u32,
    /// Whose clocks.
    pub zone: Zone,
}

impl Default for DayEnd {
    /// With the date, in UTC.
    fn default() -> DayEnd {
        DayEnd { at_s: 86_400, zone: Zone::default() }
    }
}

impl DayEnd {
    /// That of a date, which begins at `midnight` in UTC.
    fn of(&self, midnight: Timestamp) -> Timestamp {
        let local = i64::try_from(midnight.0).unwrap_or(i64::MAX);
        let moment = self.zone.moment(local.saturating_add(i64::from(self.at_s) * 1_000_000_000));
        // Never 0, which would be no time.
        Timestamp(moment.0.max(1))
    }
}

/// What a session's Logons said.
#[derive(Clone, Copy, Default)]
struct Speaking {
    version: Option<Version>,
    begun_at: Timestamp,
    /// How far its drop copy has come, if it ever had one.
    copied: Option<CopiedTo>,
}

/// The instruments and every session's orders, as far as the journal was followed.
pub struct OrderEntry {
    directory: Directory,
    sessions: Vec<Option<Orders>>,
    /// What each session speaks since its last Logon, and since when it has its numbers.
    speaking: Vec<Speaking>,
    day_end: DayEnd,
    quotes: Vec<Quotes>,
    /// Of sessions that speak OUCH; empty for others.
    ouch: Vec<OuchOrders>,
    /// In which call an instrument was that traded in an auction, by turn: a trade does not say it.
    auctions: BTreeMap<(u64, InstrumentId), Phase>,
    /// To write options into.
    ouch_options: Vec<u8>,
    reducing: Option<ouch::Reducing>,
    orders_per_session_max: u32,
    pages: Option<Pages>,
}

impl OrderEntry {
    /// Knows nothing yet. A session may use `orders_per_session_max` order numbers
    /// ([`ORDERS_PER_SESSION_MAX`] at most); what comes after is answered by BusinessMessageReject(j).
    #[must_use]
    pub fn new(orders_per_session_max: u32) -> OrderEntry {
        OrderEntry {
            directory: Directory::default(),
            sessions: Vec::new(),
            speaking: Vec::new(),
            day_end: DayEnd::default(),
            quotes: Vec::new(),
            ouch: Vec::new(),
            auctions: BTreeMap::new(),
            ouch_options: Vec::new(),
            reducing: None,
            orders_per_session_max: orders_per_session_max.min(ORDERS_PER_SESSION_MAX),
            pages: None,
        }
    }

    /// Memory for orders comes from there from now on.
    pub fn use_pages(&mut self, pages: Pages) {
        self.pages = Some(pages);
    }

    /// ExpireDate(432) ends so from now on. What was entered stays as it is.
    pub fn set_day_end(&mut self, day_end: DayEnd) {
        self.day_end = day_end;
    }

    /// The instruments.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// An instrument is in this phase: where the fold began behind the change, as from a snapshot.
    pub fn set_phase(&mut self, instrument: InstrumentId, phase: Phase) {
        self.directory.set_phase(instrument, phase);
    }

    /// The orders of a session, `None` if it is not defined.
    #[must_use]
    pub fn orders(&self, session: SessionId) -> Option<&Orders> {
        self.sessions.get(session.index())?.as_ref()
    }

    /// The version that the numbers of a session belong to, `None` if it never logged on.
    #[must_use]
    pub fn version(&self, session: SessionId) -> Option<Version> {
        self.speaking.get(session.index())?.version
    }

    /// When the numbers of a session began, 0 if that is not known.
    #[must_use]
    pub fn begun_at(&self, session: SessionId) -> Timestamp {
        self.speaking.get(session.index()).map_or(Timestamp(0), |speaking| speaking.begun_at)
    }

    /// How far the drop copy of a session has come, `None` if it never had one.
    #[must_use]
    pub fn copied_to(&self, session: SessionId) -> Option<CopiedTo> {
        self.speaking.get(session.index())?.copied
    }

    /// Puts every ClOrdID into its session's index: a fold leaves them out, because nobody asks for one while
    /// the past is read. The first request does the same for its session, and waits for it.
    pub fn index(&mut self) {
        self.sessions.iter_mut().flatten().for_each(Orders::index);
    }

    /// Reads what [`OrderEntry::event`] is about to change; see [`Orders::touch`].
    #[must_use]
    pub fn touch(&self, event: &Event) -> u64 {
        let touch = |session: SessionId, number| {
            self.orders(session).map_or(0, |orders| orders.touch(number))
        };
        match event {
            Event::Traded(it) => {
                touch(it.maker.session, it.maker.number) ^ touch(it.taker.session, it.taker.number)
            }
            Event::Canceled(it) => touch(it.session, it.number),
            Event::Replaced(it) => touch(it.session, it.old_number),
            _ => 0,
        }
    }

    /// Positions of the Inputs, before the turn at `before`, that reports of that turn and later ones are made
    /// from: [`Orders::needed`] of every session.
    #[must_use]
    pub fn needed(&self, before: u64) -> Vec<u64> {
        self.sessions.iter().flatten().flat_map(|orders| orders.needed(before)).collect()
    }

    /// Follows an Input of the journal. What [`OrderEntry::request`] entered already stays as it is.
    pub fn input(&mut self, position: u64, input: &Input, attachment: &[u8]) {
        self.reducing = None;
        if let Some(attached) = Attached::decode(attachment) {
            self.ouch_input(&attached);
            if let Some(number) = number_of(&input.command) {
                self.ouch_entered(input.session, number, &input.command, &attached);
            }
        }
        if let Some(orders) = orders_mut(&mut self.sessions, input.session)
            && let Some(number) = number_of(&input.command)
        {
            append(orders, self.pages.as_ref(), number, &input.command, attachment);
            orders.journaled(number, position);
            if let Command::New(new) = &input.command
                && quotes::quote_id(attachment).is_some()
            {
                self.quotes_mut(input.session).entered(new, attachment);
            }
        }
        if let Command::Note(numbering) = input.command {
            if *attachment == shards::BEGINS_AGAIN {
                return self.ouch_cleared(input.session);
            }
            self.note(input, numbering, attachment);
            self.ouch_note(input.session, attachment);
            self.copied(position, input.session, attachment);
        }
    }

    fn speaking_mut(&mut self, session: SessionId) -> &mut Speaking {
        let index = session.index();
        if self.speaking.len() <= index {
            self.speaking.resize(index + 1, Speaking::default());
        }
        &mut self.speaking[index]
    }

    /// Follows what is copied, each Event once.
    fn copied(&mut self, position: u64, session: SessionId, attachment: &[u8]) {
        let to = match Copy::decode(attachment) {
            Some(Copy::Begin) => Some(CopiedTo::end_of(position)),
            Some(copy) => copy.part(),
            None => None,
        };
        if to.is_some() {
            self.speaking_mut(session).copied = to;
        }
    }

    /// Follows what the session layer says: a Logon says what is spoken, the first one and a reset begin numbers.
    fn note(&mut self, input: &Input, numbering: Numbering, attachment: &[u8]) {
        let logon = match Note::decode(attachment) {
            Some(Note::Logon { version, .. }) => Some(version),
            _ => None,
        };
        if matches!(numbering, Numbering::Reset | Numbering::Clear) {
            self.ouch_cleared(input.session);
        }
        if let Some(crate::ouch::Note::Login { .. }) = crate::ouch::Note::decode(attachment) {
            let speaking = self.speaking_mut(input.session);
            if speaking.begun_at == Timestamp(0) {
                speaking.begun_at = input.timestamp;
            }
        }
        if logon.is_none() && numbering != Numbering::Clear {
            return;
        }
        let speaking = self.speaking_mut(input.session);
        if speaking.version.is_none() || matches!(numbering, Numbering::Reset | Numbering::Clear) {
            speaking.begun_at = input.timestamp;
        }
        speaking.version = logon.or(speaking.version);
    }

    /// Follows an Event of the journal, after its Input and before any report of it.
    /// `event_index` is its place among the Events of the turn, from 0.
    pub fn event(&mut self, position: u64, input: &Input, event_index: u32, event: &Event) {
        let moment = (position, event_index);
        match event {
            Event::InstrumentDefined { id } => {
                if let Command::DefineInstrument { instrument, .. } = &input.command {
                    self.directory.define(*id, instrument);
                }
            }
            Event::PhaseChanged { instrument, phase, .. } => {
                self.directory.set_phase(*instrument, *phase);
            }
            Event::Uncrossed(uncrossed) => {
                self.auctions.insert((position, uncrossed.instrument), uncrossed.phase);
            }
            Event::SessionDefined { id } => {
                if self.sessions.len() <= id.index() {
                    self.sessions.resize_with(id.index() + 1, || None);
                }
                self.sessions[id.index()].get_or_insert_with(Orders::new);
            }
            Event::Accepted(accepted) => self.with(accepted.session, |orders| {
                orders.accepted(accepted.number, OrderId(input.sequence.0));
            }),
            Event::Rejected(rejected) if rejected.reason != RejectReason::NumberOutOfOrder => {
                self.with(rejected.session, |orders| orders.refused(rejected.number));
            }
            Event::CancelRejected(rejected)
                if rejected.request == CancelRequest::Replace
                    && rejected.reason != RejectReason::NumberOutOfOrder =>
            {
                if let Some(number) = number_of(&input.command) {
                    self.with(rejected.session, |orders| orders.refused(number));
                }
                if rejected.target != OrderNumber::NONE {
                    self.ouch_not_reduced(rejected);
                }
            }
            Event::Replaced(replaced) if !OrderEntry::may_wait(event) => {
                self.with(replaced.session, |orders| {
                    let Replaced { number, price, order_qty, .. } = *replaced;
                    orders.replaced(replaced.old_number, number);
                    restate(orders, number, moment, price, order_qty);
                });
                self.ouch_reduced(replaced);
            }
            Event::Traded(_) | Event::Canceled(_) | Event::Replaced(_) => {
                self.changed(position, event);
            }
            Event::Restated(restated) => {
                self.with(restated.session, |orders| {
                    let Restated { number, price, cum_qty, leaves_qty, .. } = *restated;
                    restate(orders, number, moment, price, sum(cum_qty, leaves_qty));
                });
                self.ouch_decremented(restated);
            }
            Event::Busted(busted) => {
                for part in [&busted.buy, &busted.sell] {
                    self.with(part.session, |orders| orders.busted(part.number, position));
                }
            }
            _ => {}
        }
    }

    /// Whether [`OrderEntry::changed`] may be told of an Event when its Input is not the present one any more: trades, ends and replaces
    /// under a new number. An order that stays in its place may be reduced as its Input says, and nowhere else.
    #[must_use]
    pub fn may_wait(event: &Event) -> bool {
        match event {
            Event::Traded(_) | Event::Canceled(_) => true,
            Event::Replaced(replaced) => replaced.number != replaced.old_number,
            _ => false,
        }
    }

    /// As [`OrderEntry::event`], of those that [`may_wait`](OrderEntry::may_wait), wherever their orders are in memory: what their
    /// Input asked for does not matter. Others change nothing.
    pub fn changed(&mut self, position: u64, event: &Event) {
        match event {
            Event::Traded(traded) => {
                for fill in [&traded.maker, &traded.taker] {
                    self.with(fill.session, |orders| {
                        let Fill { number, cum_qty, notional, leaves_qty, .. } = *fill;
                        orders.traded(number, position, cum_qty, notional, leaves_qty);
                    });
                }
            }
            Event::Canceled(canceled) => self.with(canceled.session, |orders| {
                let ending = match canceled.reason {
                    CancelReason::Expired => Ending::Expired,
                    _ => Ending::Canceled,
                };
                orders.ended(canceled.number, position, ending);
            }),
            Event::Replaced(replaced) if OrderEntry::may_wait(event) => {
                self.with(replaced.session, |orders| {
                    orders.replaced(replaced.old_number, replaced.number);
                });
            }
            _ => {}
        }
    }

    fn with(&mut self, session: SessionId, change: impl FnOnce(&mut Orders)) {
        if let Some(orders) = orders_mut(&mut self.sessions, session) {
            change(orders);
        }
    }
}

/// What an order has in all. Whoever reads a journal folds its events before anybody knows whether an engine gave them.
fn sum(cum_qty: Qty, leaves_qty: Qty) -> Qty {
    Qty::from_lots(cum_qty.lots().saturating_add(leaves_qty.lots()))
}

fn restate(orders: &mut Orders, number: OrderNumber, at: Moment, price: Price, order_qty: Qty) {
    if let Some(terms) = orders.terms(number) {
        let price = terms.has_limit().then_some(price);
        orders.restated(number, at, Restatement { price, order_qty });
    }
}

fn orders_mut(sessions: &mut [Option<Orders>], session: SessionId) -> Option<&mut Orders> {
    sessions.get_mut(session.index())?.as_mut()
}

/// The number that a Command enters.
fn number_of(command: &Command) -> Option<OrderNumber> {
    match command {
        Command::New(new) | Command::NewSpecial(new, _) => Some(new.number),
        Command::Replace(replace) | Command::ReplaceStop(replace, _) => Some(replace.number),
        Command::Refuse { request: RefusedRequest::New(number), .. }
        | Command::Refuse { request: RefusedRequest::Replace { number, .. }, .. } => Some(*number),
        _ => None,
    }
}

/// Enters a number that is the next of its session; the same for a request, which is indexed then, and
/// for the journal.
fn append(
    orders: &mut Orders,
    pages: Option<&Pages>,
    number: OrderNumber,
    command: &Command,
    attachment: &[u8],
) {
    if number.0.checked_sub(1) == Some(orders.last_number().0) {
        let cl_ord_id = echo(attachment, tag::CL_ORD_ID).unwrap_or(&[]);
        let account = echo(attachment, tag::ACCOUNT).unwrap_or(&[]);
        let terms = terms_of(command, orders);
        orders.append_on(pages, cl_ord_id, account, terms);
    }
}

impl OrderEntry {
    /// A FIX application message of `session` → what to do with it.
    ///
    /// `throttled`: the way to the core is nearly full, so new orders and replaces are refused with a
    /// reason. Fields to remember go into `attachment`. An order gets its number here.
    pub fn request<'m>(
        &mut self,
        session: SessionId,
        message: &Message<'m>,
        poss_resend: bool,
        throttled: bool,
        attachment: &mut [u8; ATTACHMENT_BYTES_MAX],
    ) -> Request<'m> {
        let Some(orders) = orders_mut(&mut self.sessions, session) else {
            let reason = business::APPLICATION_NOT_AVAILABLE;
            let ref_id = message.get(tag::CL_ORD_ID).unwrap_or(&[]);
            return Request::BusinessReject { reason, ref_id, text: "session is not open yet" };
        };
        orders.index();
        let mut border = Border {
            directory: &self.directory,
            day_end: &self.day_end,
            orders,
            pages: self.pages.as_ref(),
            orders_max: self.orders_per_session_max,
            poss_resend,
            throttled,
            echoes: Echoes::new(attachment),
        };
        border.answer(message)
    }
}

impl OrderEntry {
    /// Appends the message that tells `told.session` of `told.event`; nothing for an Event that tells no
    /// one or has a session-layer message.
    ///
    /// The fold must have followed the journal up to this Event at least; how much further does not
    /// matter. `header.msg` says which of the two fills is meant when one session is maker and taker.
    ///
    /// An order that ended so long ago that its Input has gone from the journal is not known any more: a status
    /// says so when it is told first, and a trade that is undone is told without the terms of the order.
    ///
    /// # Errors
    ///
    /// If an Input that the report needs cannot be read. If it has gone and this is a resend, what was told
    /// under the number cannot be told again.
    pub fn report(
        &self,
        told: &Told<'_>,
        identity: &Identity,
        header: &Header,
        inputs: &mut impl Inputs,
        out: &mut Vec<u8>,
    ) -> Result<(), Unreadable> {
        let none;
        let orders = match self.orders(told.session) {
            Some(orders) => orders,
            None => {
                none = Orders::new();
                &none
            }
        };
        let msg = told.own_msg(header.msg);
        let (directory, original) = (&self.directory, Original { msg, owner: None });
        let report = Report { directory, orders, told, original, identity, header, out };
        report.tell(inputs)
    }
}
