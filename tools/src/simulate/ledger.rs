//! What a client was told: every message by its number, every order by what the reports say of it.
//!
//! The ledger outlives connections, restarts and crashes. Number N means the same message for ever; an
//! order is told once; its quantities add up.

use std::collections::{BTreeMap, BTreeSet};

use gateway::fix::{Message, tag};

/// The trade, in a fill.
const SECONDARY_EXEC_ID: u32 = 527;

/// Tags that a message said again may have otherwise: 8 9 10 34 43 49 52 56 122.
const FRAME: [u32; 9] = [
    tag::BEGIN_STRING,
    tag::BODY_LENGTH,
    tag::CHECK_SUM,
    tag::MSG_SEQ_NUM,
    tag::POSS_DUP_FLAG,
    tag::SENDER_COMP_ID,
    tag::SENDING_TIME,
    tag::TARGET_COMP_ID,
    tag::ORIG_SENDING_TIME,
];

/// What stands under a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Nothing was heard under it.
    Nothing,
    /// A message of the session layer, or its place.
    Admin,
    /// A message that comes again when it is asked for: its type, its fields, and when it was sent first.
    Message(Vec<u8>),
}

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    New,
    Replace,
    Cancel,
    MassCancel,
}

#[derive(Clone, Debug)]
struct Asked {
    kind: Kind,
    number: u32,
    answered: bool,
    /// We do not know any more whether we said it.
    unsure: bool,
}

/// An order, as its reports tell it.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) cl_ord_id: String,
    pub(super) symbol: String,
    pub(super) side: u8,
    pub(super) qty: u64,
    pub(super) cum: u64,
    pub(super) leaves: u64,
    pub(super) done: bool,
}

/// What one session was told, and what it asked.
#[derive(Default)]
pub(super) struct Ledger {
    /// By number.
    said: Vec<Said>,
    asked: BTreeMap<String, Asked>,
    orders: BTreeMap<u64, Told>,
    /// Trades and the order whose side it was.
    fills: BTreeMap<(u64, u64), u64>,
    /// Messages that have gone from the journal: who asks for them gets their numbers filled over.
    gone: BTreeSet<u32>,
    /// The last application message that was taken.
    taken_to: usize,
    /// Some that had gone were put back.
    pub(super) is_put_back: bool,
    /// One of those that have gone was never taken: what is true is not known here any more.
    pub(super) blind: bool,
}

/// Whether it is the status of an order of which the journal had no more when it was first told.
fn is_too_old(fields: &[u8]) -> bool {
    const TOO_OLD: &[u8] = b"|58=too long ago";
    fields.windows(TOO_OLD.len()).any(|part| part == TOO_OLD)
}

fn text(message: &Message<'_>, of: u32) -> String {
    String::from_utf8_lossy(message.get(of).unwrap_or_default()).into_owned()
}

fn number(message: &Message<'_>, of: u32) -> Result<u64, String> {
    let text = text(message, of);
    text.parse().map_err(|_| format!("{of}={text} is no number in {}", show(message)))
}

/// A message, for people.
pub(super) fn show(message: &Message<'_>) -> String {
    String::from_utf8_lossy(message.bytes()).replace('\u{1}', "|")
}

impl Ledger {
    /// Looks at a message as it comes in, in whatever order.
    pub(super) fn heard(&mut self, message: &Message<'_>) -> Result<(), String> {
        let Ok(at) = number(message, tag::MSG_SEQ_NUM) else { return Ok(()) };
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        let again = message.get(tag::POSS_DUP_FLAG) == Some(b"Y");
        match message.msg_type() {
            b"4" => {
                let next = usize::try_from(number(message, tag::NEW_SEQ_NO)?).unwrap_or(at);
                for filled in at..next {
                    let has_gone = self.has_gone(filled);
                    let excused = has_gone || self.may_be_gone(filled);
                    match self.place(filled) {
                        Said::Message(_) if !excused => {
                            return Err(format!(
                                "number {filled} was a message and is filled over by {}",
                                show(message)
                            ));
                        }
                        Said::Message(_) => {
                            // Heard behind a gap, on a connection that ended before the gap was filled.
                            self.blind |= filled > self.taken_to;
                            continue;
                        }
                        Said::Nothing if has_gone => self.blind = true,
                        Said::Nothing | Said::Admin => {}
                    }
                    *self.place(filled) = Said::Admin;
                }
                Ok(())
            }
            // Market data is told once, as the session layer is.
            b"0" | b"1" | b"2" | b"5" | b"A" | b"W" | b"X" | b"Y" => {
                if let Said::Message(was) = self.place(at) {
                    let was = String::from_utf8_lossy(was).into_owned();
                    return Err(format!("number {at} was {was} and is now {}", show(message)));
                }
                *self.place(at) = Said::Admin;
                Ok(())
            }
            _ => {
                let mut fields = message.msg_type().to_vec();
                for (tag, value) in message.iter() {
                    if !FRAME.contains(&tag) {
                        fields.extend_from_slice(format!("|{tag}=").as_bytes());
                        fields.extend_from_slice(value);
                    }
                }
                let sent = if again { tag::ORIG_SENDING_TIME } else { tag::SENDING_TIME };
                fields.extend_from_slice(b"|first sent ");
                fields.extend_from_slice(message.get(sent).unwrap_or_default());
                let was_gone = self.has_gone(at);
                // A status that could not be told in full when it was asked for is, once what it tells is back.
                let may_tell_more = self.is_put_back && fields.starts_with(b"8|");
                match self.place(at) {
                    // Its segment was put back.
                    place @ Said::Admin if was_gone => *place = Said::Message(fields),
                    place @ Said::Nothing => *place = Said::Message(fields),
                    Said::Admin => {
                        return Err(format!(
                            "number {at} was of the session layer and is now {}",
                            show(message)
                        ));
                    }
                    Said::Message(was) if *was == fields => {}
                    Said::Message(was) if may_tell_more && is_too_old(was) => *was = fields,
                    Said::Message(was) => {
                        let was = String::from_utf8_lossy(was).into_owned();
                        return Err(format!("number {at} was {was} and is now {}", show(message)));
                    }
                }
                Ok(())
            }
        }
    }

    /// These have gone from the journal; what went before stays gone.
    pub(super) fn let_go(&mut self, gone: impl Iterator<Item = u32>) {
        self.gone.extend(gone);
    }

    fn has_gone(&self, at: usize) -> bool {
        u32::try_from(at).is_ok_and(|at| self.gone.contains(&at))
    }

    /// Whether a message may be filled over although its turn is there: a status of an order that is not.
    fn may_be_gone(&self, at: usize) -> bool {
        let is_status = |said: &Said| match said {
            Said::Message(fields) => fields.windows(6).any(|window| window == b"|150=I"),
            _ => false,
        };
        !self.gone.is_empty() && self.said.get(at).is_some_and(is_status)
    }

    /// Whether this number may be filled over for good.
    pub(super) fn is_excused(&self, number: u32, is_status: bool) -> bool {
        self.gone.contains(&number) || (is_status && !self.gone.is_empty())
    }

    fn place(&mut self, at: usize) -> &mut Said {
        // No venue numbers so far in a run; who says so breaks the protocol elsewhere.
        let at = at.min(1 << 20);
        if self.said.len() <= at {
            self.said.resize(at + 1, Said::Nothing);
        }
        &mut self.said[at]
    }

    /// What was heard, by number.
    pub(super) fn said(&self) -> impl Iterator<Item = (u32, &Said)> {
        (0..).zip(&self.said)
    }

    pub(super) fn said_at(&self, number: u32) -> &Said {
        self.said.get(number as usize).unwrap_or(&Said::Nothing)
    }

    /// We ask for something under this ClOrdID, in our message `number`.
    pub(super) fn ask(&mut self, cl_ord_id: &str, kind: Kind, number: u32) {
        let asked = Asked { kind, number, answered: false, unsure: false };
        self.asked.insert(cl_ord_id.to_owned(), asked);
    }

    /// We lost what we had sent: who asks for it again gets nothing.
    pub(super) fn forget(&mut self) {
        for asked in self.asked.values_mut().filter(|asked| !asked.answered) {
            asked.unsure = true;
        }
    }

    /// What was asked and has no answer.
    pub(super) fn unanswered(&self) -> impl Iterator<Item = &str> {
        let waits = |(_, asked): &(&String, &Asked)| !asked.answered && !asked.unsure;
        self.asked.iter().filter(waits).map(|(cl_ord_id, _)| cl_ord_id.as_str())
    }

    /// Orders that work, as far as we were told.
    pub(super) fn working(&self) -> impl Iterator<Item = (u64, &Told)> {
        self.orders.iter().filter(|(_, told)| !told.done).map(|(id, told)| (*id, told))
    }

    /// The sides of trades that we were told of: trade and order to quantity.
    pub(super) fn fills(&self) -> &BTreeMap<(u64, u64), u64> {
        &self.fills
    }

    fn answer(&mut self, message: &Message<'_>, kinds: &[Kind]) -> Result<(), String> {
        let cl_ord_id = text(message, tag::CL_ORD_ID);
        match self.asked.get_mut(&cl_ord_id) {
            Some(asked) if !kinds.contains(&asked.kind) => {
                Err(format!("{:?} {cl_ord_id} is answered by {}", asked.kind, show(message)))
            }
            Some(asked) if asked.answered => {
                Err(format!("{cl_ord_id} is answered twice, now by {}", show(message)))
            }
            Some(asked) => {
                asked.answered = true;
                Ok(())
            }
            None => Err(format!("nobody asked for {}", show(message))),
        }
    }

    /// Takes an application message, the next in order, exactly once.
    pub(super) fn taken(&mut self, message: &Message<'_>) -> Result<(), String> {
        self.pass(message);
        let taken = self.take_it(message);
        // Who missed an order's beginning cannot say what is wrong with the rest.
        if self.blind { Ok(()) } else { taken }
    }

    /// An application message was taken, the next in order.
    pub(super) fn pass(&mut self, message: &Message<'_>) {
        if let Ok(number) = number(message, tag::MSG_SEQ_NUM) {
            self.taken_to = usize::try_from(number).unwrap_or(usize::MAX);
        }
    }

    fn take_it(&mut self, message: &Message<'_>) -> Result<(), String> {
        match message.msg_type() {
            b"8" => self.report(message),
            b"9" => self.answer(message, &[Kind::Cancel, Kind::Replace]),
            b"r" => self.answer(message, &[Kind::MassCancel]),
            // They name our message by its number.
            b"j" | b"3" => {
                let number = number(message, tag::REF_SEQ_NUM)?;
                for asked in self.asked.values_mut() {
                    if u64::from(asked.number) == number {
                        asked.answered = true;
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn report(&mut self, message: &Message<'_>) -> Result<(), String> {
        let exec_type = message.get(tag::EXEC_TYPE).unwrap_or_default();
        if exec_type == b"8" {
            return self.answer(message, &[Kind::New]);
        }
        // A status of an order that is unknown, or known by another name now.
        if exec_type == b"I" && message.get(tag::ORD_STATUS) == Some(b"8") {
            return Ok(());
        }
        let wrong = |what: &str| Err(format!("{what}: {}", show(message)));
        let id = number(message, tag::ORDER_ID)?;
        let (qty, cum) = (number(message, tag::ORDER_QTY)?, number(message, tag::CUM_QTY)?);
        let leaves = number(message, tag::LEAVES_QTY)?;
        if exec_type == b"0" {
            self.answer(message, &[Kind::New])?;
            if self.orders.contains_key(&id) {
                return wrong("an order is told twice");
            }
            if cum != 0 || leaves != qty {
                return wrong("a new order that is not all to do");
            }
            let told = Told {
                cl_ord_id: text(message, tag::CL_ORD_ID),
                symbol: text(message, tag::SYMBOL),
                side: message.get(tag::SIDE).and_then(|side| side.first()).copied().unwrap_or(b'?'),
                qty,
                cum,
                leaves,
                done: false,
            };
            self.orders.insert(id, told);
            return Ok(());
        }
        let Some(order) = self.orders.get_mut(&id) else {
            return wrong("a report of an order that we were never told of");
        };
        match exec_type {
            b"F" => {
                let last = number(message, tag::LAST_QTY)?;
                if order.done || last == 0 || cum != order.cum + last || qty != cum + leaves {
                    return wrong(&format!("a fill that does not add up with {order:?}"));
                }
                (order.cum, order.leaves, order.qty) = (cum, leaves, qty);
                order.done = leaves == 0;
                let trade = number(message, SECONDARY_EXEC_ID)?;
                if self.fills.insert((trade, id), last).is_some() {
                    return wrong("a trade is told twice");
                }
            }
            b"4" | b"C" => {
                if order.done || cum != order.cum || leaves != 0 {
                    return wrong(&format!("a cancel that does not add up with {order:?}"));
                }
                (order.done, order.leaves) = (true, 0);
                let asked = self.asked.get(&text(message, tag::CL_ORD_ID));
                if asked.is_some_and(|asked| asked.kind == Kind::Cancel) {
                    self.answer(message, &[Kind::Cancel])?;
                }
            }
            b"5" => {
                if order.done || cum != order.cum || qty != cum + leaves {
                    return wrong(&format!("a replace that does not add up with {order:?}"));
                }
                order.cl_ord_id = text(message, tag::CL_ORD_ID);
                (order.qty, order.leaves, order.done) = (qty, leaves, leaves == 0);
                self.answer(message, &[Kind::Replace])?;
            }
            b"D" => {
                if order.done || cum != order.cum || qty != cum + leaves {
                    return wrong(&format!("a change that does not add up with {order:?}"));
                }
                (order.qty, order.leaves) = (qty, leaves);
            }
            b"I" => {
                let works = !order.done && order.leaves > 0;
                if cum != order.cum || (works && leaves != order.leaves) || (!works && leaves != 0)
                {
                    return wrong(&format!("a status that does not add up with {order:?}"));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
