//! A flow over OUCH.
//!
//! A message of OUCH does not say which turn of the core told it, but the requests come to the venue one session at a time and
//! in their order, so the place of a request is that of its turn. At the end each session logs in once more and has
//! everything said again from its first message on: byte for byte, under the same numbers, and no more between.

use std::time::{Duration, Instant};

use gateway::ouch::{
    AccountQuery, Cancel, CancelReason, Enter, FromClient, FromVenue, Liquidity, MARKET_PRICE,
    Options, RejectReason, Replace, SystemCode,
};
use matcher::Side;

use super::PlayError;
use super::driver::{OrderEntry, RequestId};
use super::record::{Fill, Record, Report, ReportId, Told};
use crate::order_flow::{PlanError, Request, Step};
use crate::ouch_conn::OuchError;
use crate::ouch_set::{OuchLogin, OuchSaid, OuchSet, OuchTarget};

/// Quantities of OUCH are below this. Unit: shares.
const QUANTITY_END: u64 = 1_000_000;

/// Characters of a symbol.
const SYMBOL_BYTES: usize = 8;

/// How long a venue that is there may take for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// Longest sleep in the poll: our heartbeat is due after a second of silence.
const POLL: Duration = Duration::from_millis(500);

/// Tag of the question for the next UserRefNum; no request of a play has it.
const QUERY: u64 = u64::MAX;

/// Time in force: for the day, or immediate.
const DAY: u8 = b'0';
const IMMEDIATE: u8 = b'3';

/// Sessions over which a flow is played.
pub(super) struct OverOuch<'a> {
    set: OuchSet,
    target: &'a OuchTarget,
    logins: &'a [OuchLogin],
    symbol: [u8; SYMBOL_BYTES],
    sessions: Vec<Session>,
    /// By command: the UserRefNum that its order has afterwards.
    named: Vec<u32>,
}

/// One session of a play.
#[derive(Default)]
struct Session {
    /// UserRefNum of the first request that has one.
    first_ref: u32,
    /// The requests that have one, in order.
    requests: Vec<RequestId>,
    /// Number of the first message, 0 before it came.
    first_sequence: u64,
    /// Every message, in order.
    heard: Vec<Vec<u8>>,
}

impl<'a> OverOuch<'a> {
    /// Whether OUCH can say all of it.
    pub(super) fn check(steps: &[Step], symbol: &str) -> Result<(), PlayError> {
        if symbol.len() > SYMBOL_BYTES {
            let what = format!("{symbol} has more than the {SYMBOL_BYTES} characters of OUCH");
            return Err(PlayError::Venue(what));
        }
        let unfit = |request: &Request| match *request {
            Request::New { price, qty, .. } | Request::Replace { price, order_qty: qty, .. } => {
                let low = u64::try_from(price).is_ok_and(|units| units < MARKET_PRICE);
                if !low {
                    return Some("its price is none of OUCH: 0 to 199,999.9999");
                }
                (qty >= QUANTITY_END).then_some("its quantity is none of OUCH: below 1,000,000")
            }
            Request::Cancel { .. } => None,
        };
        for (n, step) in steps.iter().enumerate() {
            if let Some(what) = unfit(&step.request) {
                return Err(PlayError::Plan(PlanError { n, what }));
            }
        }
        Ok(())
    }

    /// Logs in, and asks each session for its next UserRefNum.
    pub(super) fn connect(
        target: &'a OuchTarget,
        logins: &'a [OuchLogin],
        symbol: &str,
    ) -> Result<OverOuch<'a>, PlayError> {
        let mut sessions: Vec<Session> = logins.iter().map(|_| Session::default()).collect();
        let mut said = |session: usize, said: OuchSaid<'_>| {
            if let OuchSaid::Message { sequence, message, bytes, answers, .. } = said {
                sessions[session].keep(sequence, bytes);
                if let (Some(QUERY), FromVenue::AccountQueryResponse(it)) = (answers, message) {
                    sessions[session].first_ref = it.next_user_ref_num;
                }
            }
        };
        let connected = OuchSet::connect(target.clone(), logins, &mut said);
        let mut set = connected.map_err(PlayError::Ouch)?;
        for session in 0..logins.len() {
            let options = Options::default();
            set.send(session, QUERY, FromClient::AccountQuery(AccountQuery { options }));
        }
        let until = Instant::now() + ANSWER_MAX;
        loop {
            let waiting = (0..logins.len()).map(|session| set.waiting(session)).sum();
            if waiting == 0 {
                break;
            }
            if Instant::now() >= until {
                return Err(PlayError::NoAnswer { waiting });
            }
            poll(&mut set, POLL, &mut said)?;
        }
        let mut padded = [b' '; SYMBOL_BYTES];
        for (to, byte) in padded.iter_mut().zip(symbol.bytes()) {
            *to = byte;
        }
        Ok(OverOuch { set, target, logins, symbol: padded, sessions, named: Vec::new() })
    }
}

impl OrderEntry for OverOuch<'_> {
    fn ask(&mut self, id: RequestId, session: usize, request: &Request) {
        let OverOuch { set, sessions, symbol, named, .. } = self;
        let of = |target: usize| named.get(target).copied().unwrap_or(0);
        let options = Options::default();
        let mut cl_ord_id = [b' '; 14];
        for (to, byte) in cl_ord_id.iter_mut().zip(id.n.to_string().bytes()) {
            *to = byte;
        }
        let (message, name) = match *request {
            Request::New { side, price, qty, ioc } => {
                let user_ref_num = sessions[session].name(id);
                let enter = Enter {
                    user_ref_num,
                    side: if side == Side::Buy { b'B' } else { b'S' },
                    quantity: shares(qty),
                    symbol: *symbol,
                    price: units(price),
                    time_in_force: if ioc { IMMEDIATE } else { DAY },
                    display: b'Y',
                    capacity: b'P',
                    iso: b'N',
                    cross_type: b'N',
                    cl_ord_id,
                    options,
                };
                (FromClient::Enter(enter), user_ref_num)
            }
            Request::Cancel { target, .. } => {
                let user_ref_num = of(target);
                (FromClient::Cancel(Cancel { user_ref_num, quantity: 0, options }), user_ref_num)
            }
            // There are two ways to make an order smaller at its place; both are taken.
            Request::Replace { target, order_qty, keeps_place: true, .. } if id.n % 2 == 1 => {
                let (user_ref_num, quantity) = (of(target), shares(order_qty));
                (FromClient::Cancel(Cancel { user_ref_num, quantity, options }), user_ref_num)
            }
            Request::Replace { target, price, order_qty, .. } => {
                let user_ref_num = sessions[session].name(id);
                let replace = Replace {
                    orig_user_ref_num: of(target),
                    user_ref_num,
                    quantity: shares(order_qty),
                    price: units(price),
                    time_in_force: DAY,
                    display: b'Y',
                    iso: b'N',
                    cl_ord_id,
                    options,
                };
                (FromClient::Replace(replace), user_ref_num)
            }
        };
        if !id.is_first {
            named.resize(id.n + 1, 0);
            named[id.n] = name;
        }
        set.send(session, id.place(), message);
    }

    fn hear(&mut self, timeout: Duration, record: &mut Record) -> Result<usize, PlayError> {
        let OverOuch { set, sessions, .. } = self;
        let is_again = set.reconnects() > 0;
        let mut answered = 0;
        let mut said = |session: usize, said: OuchSaid<'_>| match said {
            OuchSaid::PassedOver(place) => {
                answered += 1;
                let RequestId { n, .. } = RequestId::at(place);
                record.wrong(format_args!("nothing was said to a request of command {n}"));
            }
            OuchSaid::Message { sequence, message, bytes, answers, leaves } => {
                if !sessions[session].keep(sequence, bytes) {
                    record.wrong(format_args!("message {sequence} is not the next: {message:?}"));
                }
                let answers = answers.map(RequestId::at);
                answered += usize::from(answers.is_some());
                let told = Told { session, number: sequence };
                match sessions[session].read(message, (answers, leaves), told) {
                    Read::Report(id, report) => {
                        if !record.report(id, told, report) {
                            record.wrong(format_args!("it was said before: {message:?}"));
                        }
                        if let FromVenue::Rejected(it) = message {
                            let reason = RejectReason::from_code(it.reason);
                            record.wrong(format_args!("an order was rejected, {reason:?}: {it:?}"));
                        }
                    }
                    Read::Nothing => {}
                    // A Cancel that was on its way when the line was lost, and asked again: the first one was answered.
                    Read::Wrong
                        if is_again
                            && answers.is_none()
                            && matches!(message, FromVenue::CancelReject(_)) => {}
                    Read::Wrong => record.wrong(format_args!("the venue said {message:?}")),
                }
            }
        };
        poll(set, timeout, &mut said)?;
        Ok(answered)
    }

    fn has_gap(&self) -> bool {
        // What it has missed a session does not know, but it comes behind the login.
        false
    }

    fn reconnects(&self) -> u64 {
        self.set.reconnects()
    }

    fn end(mut self, record: &mut Record) -> Result<(), PlayError> {
        self.set.log_out(Duration::from_secs(2));
        let from_first = |(login, session): (&OuchLogin, &Session)| OuchLogin {
            next_sequence: session.first_sequence,
            ..login.clone()
        };
        let logins: Vec<OuchLogin> =
            self.logins.iter().zip(&self.sessions).map(from_first).collect();
        let mut next: Vec<usize> = vec![0; logins.len()];
        let sessions = &self.sessions;
        let mut said = |session: usize, said: OuchSaid<'_>| {
            let OuchSaid::Message { sequence, bytes, .. } = said else { return };
            let (Session { first_sequence, heard, .. }, next) =
                (&sessions[session], &mut next[session]);
            // What has come since is not ours to judge: a logout may have canceled orders.
            if let Some(before) = heard.get(*next) {
                let same = sequence == first_sequence + *next as u64 && before == bytes;
                record.again(same);
            }
            *next += 1;
        };
        let connected = OuchSet::connect(self.target.clone(), &logins, &mut said);
        let mut set = connected.map_err(PlayError::Ouch)?;
        let until = Instant::now() + ANSWER_MAX;
        let ends = |set: &OuchSet, session: usize| {
            let Session { first_sequence, heard, .. } = &sessions[session];
            set.next_sequence(session) >= first_sequence + heard.len() as u64
        };
        while !(0..logins.len()).all(|session| ends(&set, session)) {
            if Instant::now() >= until {
                let waiting = (0..logins.len()).filter(|session| !ends(&set, *session)).count();
                return Err(PlayError::NotAgain { sessions: waiting });
            }
            poll(&mut set, POLL, &mut said)?;
        }
        set.log_out(Duration::from_secs(2));
        Ok(())
    }
}

/// What a message is to a play.
enum Read {
    Report(ReportId, Report),
    Nothing,
    Wrong,
}

impl Session {
    /// The next UserRefNum, for this request.
    fn name(&mut self, id: RequestId) -> u32 {
        let user_ref_num = self.first_ref + u32::try_from(self.requests.len()).unwrap_or(u32::MAX);
        self.requests.push(id);
        user_ref_num
    }

    fn named(&self, user_ref_num: u32) -> Option<RequestId> {
        let at = user_ref_num.checked_sub(self.first_ref)?;
        self.requests.get(usize::try_from(at).ok()?).copied()
    }

    /// Keeps a message; says whether it is the one after those before.
    fn keep(&mut self, sequence: u64, bytes: &[u8]) -> bool {
        if self.heard.is_empty() {
            self.first_sequence = sequence;
        }
        let is_next = sequence == self.first_sequence + self.heard.len() as u64;
        self.heard.push(bytes.to_vec());
        is_next
    }

    fn read(
        &self,
        message: &FromVenue,
        (answers, leaves): (Option<RequestId>, u32),
        told: Told,
    ) -> Read {
        // A Canceled has no number of its own: that of the request that it answers does.
        let answered = answers.map_or(0, RequestId::place);
        let (user_ref_num, exec_type, mark, tells) = match message {
            FromVenue::Accepted(it) => (it.user_ref_num, b'0', it.timestamp, 0),
            FromVenue::Replaced(it) => (it.user_ref_num, b'5', it.timestamp, 0),
            FromVenue::Rejected(it) => (it.user_ref_num, b'8', it.timestamp, 0),
            FromVenue::Executed(it) => (it.user_ref_num, b'F', it.timestamp, it.match_number),
            FromVenue::Canceled(it) if it.reason == CancelReason::Immediate.code() => {
                (it.user_ref_num, b'4', it.timestamp, 0)
            }
            FromVenue::Canceled(it) if answers.is_some() => {
                let exec_type = if leaves == 0 { b'4' } else { b'5' };
                (it.user_ref_num, exec_type, it.timestamp, answered)
            }
            FromVenue::SystemEvent(it) if it.event_code == SystemCode::StartOfDay.code() => {
                return Read::Nothing;
            }
            // Asked again over a lost connection, it is answered again.
            FromVenue::AccountQueryResponse(_) => return Read::Nothing,
            _ => return Read::Wrong,
        };
        let Some(request) = answers.or(self.named(user_ref_num)) else { return Read::Wrong };
        let fill = match message {
            FromVenue::Executed(it) => match Liquidity::from_code(it.liquidity_flag) {
                Some(flag @ (Liquidity::Added | Liquidity::Removed)) => Some(Fill {
                    id: it.match_number,
                    is_maker: flag == Liquidity::Added,
                    price: i64::try_from(it.price).unwrap_or(i64::MAX),
                    qty: it.quantity.into(),
                }),
                _ => return Read::Wrong,
            },
            _ => None,
        };
        // Whose order was resting is told in the turn of the other side.
        let is_maker = fill.is_some_and(|fill| fill.is_maker);
        let report = Report {
            request,
            turn: if is_maker { u64::MAX } else { request.place() },
            turn_mark: mark,
            index: told.number,
            exec_type,
            leaves: leaves.into(),
            fill,
        };
        let order = (told.session as u64) << 32 | u64::from(user_ref_num);
        Read::Report(ReportId(tells, order, exec_type), report)
    }
}

/// Sends, and takes what comes within `timeout`; over a lost connection a new one is made.
fn poll(
    set: &mut OuchSet,
    timeout: Duration,
    said: &mut impl FnMut(usize, OuchSaid<'_>),
) -> Result<(), PlayError> {
    match set.poll(Some(timeout), said) {
        Ok(()) => Ok(()),
        Err(error @ OuchError::Message { .. }) => Err(PlayError::Ouch(error)),
        Err(OuchError::Lost { .. } | OuchError::Closed(_)) => {
            set.reconnect(said).map_err(PlayError::Ouch)
        }
    }
}

fn shares(qty: u64) -> u32 {
    u32::try_from(qty).unwrap_or(u32::MAX)
}

fn units(price: i64) -> u64 {
    u64::try_from(price).unwrap_or(MARKET_PRICE)
}
