//! What a `Command::Note` says: the attachment that stands in the journal, and the message it becomes.
//!
//! Layout: a kind byte, then fixed fields little endian, then texts as (length u8, bytes).

use matcher::record::ATTACHMENT_BYTES_MAX;

use super::decode::Message;
use super::identity::{Header, Identity};
use super::tag;
use super::tag::SessionRejectReason;
use super::version::{APPL_VER_ID, Version};

/// The last SessionRejectReason(373) of FIX 4.2: invalid MsgType.
const FIX42_REJECT_REASON_MAX: u16 = 11;

/// The last reason of FIX 4.2 against a quote: not authorized.
const QUOTE_REASON_MAX: u8 = 9;

/// Longest routing id that a Reject(3) sends back; a longer one is left out.
const ROUTING_BYTES_MAX: usize = 16;

/// Longest RefMsgType(372) that is sent back; a longer one is cut.
const REF_MSG_TYPE_BYTES_MAX: usize = 12;

/// Longest TestReqID(112) that a Note can carry. The session refuses a longer one.
pub(super) const TEST_REQ_ID_BYTES_MAX: usize = 180;

/// The routing tags of a message as we write it: the received ones turned round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Routing<'a> {
    /// OnBehalfOfCompID(115), OnBehalfOfSubID(116), OnBehalfOfLocationID(144); empty is absent.
    pub on_behalf_of: [&'a [u8]; 3],
    /// DeliverToCompID(128), DeliverToSubID(129), DeliverToLocationID(145); empty is absent.
    pub deliver_to: [&'a [u8]; 3],
}

const ON_BEHALF_OF: [u32; 3] =
    [tag::ON_BEHALF_OF_COMP_ID, tag::ON_BEHALF_OF_SUB_ID, tag::ON_BEHALF_OF_LOCATION_ID];
const DELIVER_TO: [u32; 3] =
    [tag::DELIVER_TO_COMP_ID, tag::DELIVER_TO_SUB_ID, tag::DELIVER_TO_LOCATION_ID];

impl<'a> Routing<'a> {
    /// The way back to where `message` came from.
    #[must_use]
    pub fn reversed(message: &Message<'a>) -> Routing<'a> {
        let mut routing = Routing::default();
        for (tag, value) in message.iter() {
            let place = if let Some(i) = DELIVER_TO.iter().position(|there| *there == tag) {
                &mut routing.on_behalf_of[i]
            } else if let Some(i) = ON_BEHALF_OF.iter().position(|there| *there == tag) {
                &mut routing.deliver_to[i]
            } else {
                continue;
            };
            if value.len() <= ROUTING_BYTES_MAX {
                *place = value;
            }
        }
        routing
    }
}

/// A message that takes an outbound number and is no answer of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note<'a> {
    /// Logon(A), our answer.
    Logon {
        /// HeartBtInt(108).
        heartbeat_s: u32,
        /// ResetSeqNumFlag(141)=Y.
        reset: bool,
        /// Which connection of the session it is meant for.
        connection: u64,
        /// What the session speaks from here on.
        version: Version,
        /// NextExpectedMsgSeqNum(789), 0 if the peer's Logon had none.
        next_expected: u32,
        /// NewPassword(925) of the peer's Logon is the password now: SessionStatus(1409)=1.
        password_changed: bool,
    },
    /// Logout(5).
    Logout {
        /// Text(58), may be empty.
        text: &'a [u8],
        /// Which connection of the session it is meant for.
        connection: u64,
        /// SessionStatus(1409), 0 for none.
        status: u8,
    },
    /// Heartbeat(0).
    Heartbeat {
        /// TestReqID(112), empty when nobody asked.
        test_req_id: &'a [u8],
    },
    /// TestRequest(1).
    TestRequest {
        /// TestReqID(112).
        id: u64,
    },
    /// ResendRequest(2) from `begin` to the end.
    ResendRequest {
        /// BeginSeqNo(7).
        begin: u32,
    },
    /// Reject(3).
    Reject {
        /// RefSeqNum(45).
        ref_msg: u32,
        /// RefTagID(371).
        ref_tag: Option<i32>,
        /// SessionRejectReason(373).
        reason: u16,
        /// RefMsgType(372).
        ref_msg_type: &'a [u8],
        /// Text(58); empty means the name of the reason.
        text: &'a [u8],
        /// Where the refused message came from.
        routing: Routing<'a>,
    },
    /// BusinessMessageReject(j): an application message, sent again when asked for.
    BusinessReject {
        /// RefSeqNum(45).
        ref_msg: u32,
        /// RefMsgType(372).
        ref_msg_type: &'a [u8],
        /// BusinessRejectRefID(379), may be empty.
        ref_id: &'a [u8],
        /// BusinessRejectReason(380).
        reason: u16,
        /// Text(58), may be empty.
        text: &'a [u8],
    },
    /// UserResponse(BF): an application message, sent again when asked for.
    UserResponse {
        /// UserRequestID(923).
        request_id: &'a [u8],
        /// Username(553).
        username: &'a [u8],
        /// UserStatus(926).
        status: u8,
        /// UserStatusText(927), may be empty.
        text: &'a [u8],
    },
    /// News(B): an application message, sent again when asked for.
    News {
        /// Urgency(61).
        urgency: u8,
        /// Headline(148).
        headline: &'a [u8],
        /// Each line is a Text(58).
        text: &'a [u8],
    },
    /// MassQuoteAcknowledgement(b): an application message, sent again when asked for.
    QuoteAck {
        /// QuoteID(117).
        quote_id: &'a [u8],
        /// QuoteStatus(297).
        status: u8,
        /// QuoteRejectReason(300), 0 for none.
        reason: u8,
        /// QuoteResponseLevel(301).
        level: u8,
        /// QuoteSetID(302), QuoteEntryID(299) and QuoteEntryRejectReason(368) of the entry that is refused.
        entry: Option<(&'a [u8], &'a [u8], u8)>,
        /// Text(58), may be empty.
        text: &'a [u8],
    },
    /// QuoteStatusReport(AI): an application message, sent again when asked for.
    QuoteStatus(QuoteStatus<'a>),
    /// A message whose words are not in the journal: market data, reference data. What is said under the number is
    /// said when it comes, and never again.
    Passing,
}

/// What a session's quote in an instrument is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuoteStatus<'a> {
    /// QuoteStatusReqID(649), may be empty.
    pub request_id: &'a [u8],
    /// QuoteID(117).
    pub quote_id: &'a [u8],
    /// Symbol(55).
    pub symbol: &'a [u8],
    /// QuoteStatus(297).
    pub status: u8,
    /// Price and quantity of bid and offer, without their decimal points; `None`: that side does not work.
    pub sides: [Option<(i64, i64)>; 2],
    /// Decimals of the prices and of the quantities.
    pub decimals: [u8; 2],
    /// Text(58), may be empty.
    pub text: &'a [u8],
}

mod kind {
    pub(super) const LOGON: u8 = 1;
    pub(super) const LOGOUT: u8 = 2;
    pub(super) const HEARTBEAT: u8 = 3;
    pub(super) const TEST_REQUEST: u8 = 4;
    pub(super) const RESEND_REQUEST: u8 = 5;
    pub(super) const REJECT: u8 = 6;
    pub(super) const BUSINESS_REJECT: u8 = 7;
    pub(super) const PASSING: u8 = 16;
    pub(super) const USER_RESPONSE: u8 = 17;
    pub(super) const NEWS: u8 = 18;
    pub(super) const QUOTE_ACK: u8 = 19;
    pub(super) const QUOTE_STATUS: u8 = 20;
}

/// A flag of a Logon beside ResetSeqNumFlag(141)=Y, which is 1.
const PASSWORD_CHANGED: u8 = 2;

/// SessionStatus(1409): session password changed.
const SESSION_PASSWORD_CHANGED: u64 = 1;

/// Longest Text(58) of a Logout; a longer one is cut.
const LOGOUT_TEXT_BYTES_MAX: usize = ATTACHMENT_BYTES_MAX - 11;

/// More decimals no number is written with.
const DECIMALS_MAX: u8 = 18;

const NO_TAG: i32 = i32::MIN;

impl<'a> Note<'a> {
    /// Writes the attachment; returns its length. Texts are cut to fit.
    #[must_use]
    pub fn encode(&self, attachment: &mut [u8; ATTACHMENT_BYTES_MAX]) -> usize {
        let mut put = Put { bytes: attachment, at: 0 };
        match *self {
            Note::Logon {
                heartbeat_s,
                reset,
                connection,
                version,
                next_expected,
                password_changed,
            } => {
                let changed = if password_changed { PASSWORD_CHANGED } else { 0 };
                put.raw(&[kind::LOGON, u8::from(reset) | changed]);
                put.raw(&heartbeat_s.to_le_bytes());
                put.raw(&connection.to_le_bytes());
                put.raw(&[version.code()]);
                put.raw(&next_expected.to_le_bytes());
            }
            Note::Logout { text, connection, status } => {
                put.raw(&[kind::LOGOUT]);
                put.raw(&connection.to_le_bytes());
                put.text(cut(text, LOGOUT_TEXT_BYTES_MAX));
                if status > 0 {
                    put.raw(&[status]);
                }
            }
            Note::Heartbeat { test_req_id } => {
                put.raw(&[kind::HEARTBEAT]);
                put.text(test_req_id);
            }
            Note::TestRequest { id } => {
                put.raw(&[kind::TEST_REQUEST]);
                put.raw(&id.to_le_bytes());
            }
            Note::ResendRequest { begin } => {
                put.raw(&[kind::RESEND_REQUEST]);
                put.raw(&begin.to_le_bytes());
            }
            Note::Reject { ref_msg, ref_tag, reason, ref_msg_type, text, routing } => {
                put.raw(&[kind::REJECT]);
                put.raw(&ref_msg.to_le_bytes());
                put.raw(&ref_tag.unwrap_or(NO_TAG).to_le_bytes());
                put.raw(&reason.to_le_bytes());
                put.text(cut(ref_msg_type, REF_MSG_TYPE_BYTES_MAX));
                for id in routing.on_behalf_of.iter().chain(&routing.deliver_to) {
                    put.text(cut(id, ROUTING_BYTES_MAX));
                }
                put.text(text);
            }
            Note::BusinessReject { ref_msg, ref_msg_type, ref_id, reason, text } => {
                put.raw(&[kind::BUSINESS_REJECT]);
                put.raw(&ref_msg.to_le_bytes());
                put.raw(&reason.to_le_bytes());
                put.text(cut(ref_msg_type, REF_MSG_TYPE_BYTES_MAX));
                put.text(cut(ref_id, 64));
                put.text(text);
            }
            Note::Passing => put.raw(&[kind::PASSING]),
            Note::QuoteAck { quote_id, status, reason, level, entry, text } => {
                let (set, id, code) = entry.unwrap_or((b"", b"", 0));
                put.raw(&[kind::QUOTE_ACK, status, reason, level, code]);
                put.text(quote_id);
                put.text(set);
                put.text(id);
                put.text(text);
            }
            Note::QuoteStatus(QuoteStatus {
                request_id,
                quote_id,
                symbol,
                status,
                sides,
                decimals,
                text,
            }) => {
                let has = sides.map(|side| u8::from(side.is_some()));
                put.raw(&[kind::QUOTE_STATUS, status, has[0], has[1], decimals[0], decimals[1]]);
                for (price, qty) in sides.into_iter().flatten() {
                    put.raw(&price.to_le_bytes());
                    put.raw(&qty.to_le_bytes());
                }
                for it in [request_id, quote_id, symbol, text] {
                    put.text(it);
                }
            }
            Note::News { urgency, headline, text } => {
                put.raw(&[kind::NEWS, urgency]);
                put.text(headline);
                put.text(text);
            }
            Note::UserResponse { request_id, username, status, text } => {
                put.raw(&[kind::USER_RESPONSE, status]);
                put.text(request_id);
                put.text(username);
                put.text(text);
            }
        }
        put.at
    }

    /// Reads an attachment, `None` if it is none of ours.
    #[must_use]
    pub fn decode(attachment: &'a [u8]) -> Option<Note<'a>> {
        let mut get = Get { bytes: attachment };
        let [kind] = get.raw()?;
        Some(match kind {
            kind::LOGON => {
                let [flags] = get.raw()?;
                let (reset, password_changed) = (flags & 1 != 0, flags & PASSWORD_CHANGED != 0);
                let heartbeat_s = u32::from_le_bytes(get.raw()?);
                let connection = u64::from_le_bytes(get.raw()?);
                // Journals of before there was more than one version say no more.
                let (version, next_expected) = match get.raw() {
                    Some([code]) => (Version::of_code(code)?, u32::from_le_bytes(get.raw()?)),
                    None => (Version::Fix44, 0),
                };
                Note::Logon {
                    heartbeat_s,
                    reset,
                    connection,
                    version,
                    next_expected,
                    password_changed,
                }
            }
            kind::LOGOUT => {
                let connection = u64::from_le_bytes(get.raw()?);
                let text = get.text()?;
                let status = get.raw().map_or(0, |[status]| status);
                Note::Logout { text, connection, status }
            }
            kind::HEARTBEAT => Note::Heartbeat { test_req_id: get.text()? },
            kind::TEST_REQUEST => Note::TestRequest { id: u64::from_le_bytes(get.raw()?) },
            kind::RESEND_REQUEST => Note::ResendRequest { begin: u32::from_le_bytes(get.raw()?) },
            kind::REJECT => {
                let ref_msg = u32::from_le_bytes(get.raw()?);
                let ref_tag = i32::from_le_bytes(get.raw()?);
                let reason = u16::from_le_bytes(get.raw()?);
                let ref_msg_type = get.text()?;
                let mut routing = Routing::default();
                for id in routing.on_behalf_of.iter_mut().chain(&mut routing.deliver_to) {
                    *id = get.text()?;
                }
                let ref_tag = (ref_tag != NO_TAG).then_some(ref_tag);
                Note::Reject { ref_msg, ref_tag, reason, ref_msg_type, routing, text: get.text()? }
            }
            kind::BUSINESS_REJECT => Note::BusinessReject {
                ref_msg: u32::from_le_bytes(get.raw()?),
                reason: u16::from_le_bytes(get.raw()?),
                ref_msg_type: get.text()?,
                ref_id: get.text()?,
                text: get.text()?,
            },
            kind::PASSING => Note::Passing,
            kind::QUOTE_ACK => {
                let [status, reason, level, code] = get.raw()?;
                let (quote_id, set, id) = (get.text()?, get.text()?, get.text()?);
                let entry = (code != 0).then_some((set, id, code));
                Note::QuoteAck { quote_id, status, reason, level, entry, text: get.text()? }
            }
            kind::QUOTE_STATUS => {
                let [status, has_bid, has_offer, price_decimals, qty_decimals] = get.raw()?;
                if price_decimals.max(qty_decimals) > DECIMALS_MAX {
                    return None;
                }
                let mut sides = [None; 2];
                for (has, side) in [has_bid, has_offer].into_iter().zip(&mut sides) {
                    if has != 0 {
                        let price = i64::from_le_bytes(get.raw()?);
                        *side = Some((price, i64::from_le_bytes(get.raw()?)));
                    }
                }
                let decimals = [price_decimals, qty_decimals];
                let (request_id, quote_id, symbol) = (get.text()?, get.text()?, get.text()?);
                let text = get.text()?;
                let known = QuoteStatus { request_id, quote_id, symbol, status, ..<_>::default() };
                Note::QuoteStatus(QuoteStatus { sides, decimals, text, ..known })
            }
            kind::NEWS => {
                let [urgency] = get.raw()?;
                Note::News { urgency, headline: get.text()?, text: get.text()? }
            }
            kind::USER_RESPONSE => {
                let [status] = get.raw()?;
                let (request_id, username) = (get.text()?, get.text()?);
                Note::UserResponse { request_id, username, status, text: get.text()? }
            }
            _ => return None,
        })
    }

    /// Whether it is an application message: sent again when asked for. The others are gap-filled.
    #[must_use]
    pub fn is_application(&self) -> bool {
        matches!(
            self,
            Note::BusinessReject { .. }
                | Note::UserResponse { .. }
                | Note::News { .. }
                | Note::QuoteAck { .. }
                | Note::QuoteStatus(_)
        )
    }

    /// MsgType(35) of the message.
    #[must_use]
    pub fn msg_type(&self) -> &'static [u8] {
        match self {
            Note::Logon { .. } => b"A",
            Note::Logout { .. } => b"5",
            // What is left of a message that is not said again.
            Note::Heartbeat { .. } | Note::Passing => b"0",
            Note::TestRequest { .. } => b"1",
            Note::ResendRequest { .. } => b"2",
            Note::Reject { .. } => b"3",
            Note::BusinessReject { .. } => b"j",
            Note::UserResponse { .. } => b"BF",
            Note::News { .. } => b"B",
            Note::QuoteAck { .. } => b"b",
            Note::QuoteStatus(_) => b"AI",
        }
    }

    /// Appends the message to `out`.
    pub fn write(&self, identity: &Identity, header: &Header, out: &mut Vec<u8>) {
        let mut message = identity.begin(out, self.msg_type(), header);
        match *self {
            Note::Logon { heartbeat_s, reset, next_expected, password_changed, .. } => {
                message.uint(tag::ENCRYPT_METHOD, 0);
                message.uint(tag::HEART_BT_INT, heartbeat_s.into());
                if reset {
                    message.char(tag::RESET_SEQ_NUM_FLAG, b'Y');
                }
                if next_expected > 0 {
                    message.uint(tag::NEXT_EXPECTED_MSG_SEQ_NUM, next_expected.into());
                }
                if identity.version == Version::Fix50Sp2 {
                    message.bytes(tag::DEFAULT_APPL_VER_ID, APPL_VER_ID);
                    if password_changed {
                        message.uint(tag::SESSION_STATUS, SESSION_PASSWORD_CHANGED);
                    }
                }
            }
            Note::Logout { text, status, .. } => {
                message.bytes(tag::TEXT, text);
                if status > 0 && identity.version == Version::Fix50Sp2 {
                    message.uint(tag::SESSION_STATUS, status.into());
                }
            }
            Note::Heartbeat { test_req_id } => {
                message.bytes(tag::TEST_REQ_ID, test_req_id);
            }
            Note::Passing => {}
            Note::QuoteAck { quote_id, status, reason, level, entry, text } => {
                // FIX 4.2 has no code for other reasons; Text(58) says it.
                let has = |code: &u8| {
                    *code != 0 && (identity.version > Version::Fix42 || *code <= QUOTE_REASON_MAX)
                };
                message.bytes(tag::QUOTE_ID, quote_id).uint(tag::QUOTE_STATUS, status.into());
                if has(&reason) {
                    message.uint(tag::QUOTE_REJECT_REASON, reason.into());
                }
                message.uint(tag::QUOTE_RESPONSE_LEVEL, level.into());
                message.bytes(tag::TEXT, text);
                if let Some((set, id, code)) = entry {
                    message.uint(tag::NO_QUOTE_SETS, 1).bytes(tag::QUOTE_SET_ID, set);
                    message.uint(tag::TOT_NO_QUOTE_ENTRIES, 1).uint(tag::NO_QUOTE_ENTRIES, 1);
                    message.bytes(tag::QUOTE_ENTRY_ID, id);
                    if has(&code) {
                        message.uint(tag::QUOTE_ENTRY_REJECT_REASON, code.into());
                    }
                }
            }
            Note::QuoteStatus(QuoteStatus {
                request_id,
                quote_id,
                symbol,
                status,
                sides,
                decimals,
                text,
            }) => {
                message.bytes(tag::QUOTE_STATUS_REQ_ID, request_id);
                message.bytes(tag::QUOTE_ID, quote_id).bytes(tag::SYMBOL, symbol);
                let [bid, offer] = sides;
                let [price_decimals, qty_decimals] = decimals;
                for (side, tag) in [(bid, tag::BID_PX), (offer, tag::OFFER_PX)] {
                    if let Some((price, _)) = side {
                        message.decimal(tag, price, price_decimals);
                    }
                }
                for (side, tag) in [(bid, tag::BID_SIZE), (offer, tag::OFFER_SIZE)] {
                    if let Some((_, qty)) = side {
                        message.decimal(tag, qty, qty_decimals);
                    }
                }
                message.utc(tag::TRANSACT_TIME, header.sending_time);
                message.uint(tag::QUOTE_STATUS, status.into()).bytes(tag::TEXT, text);
            }
            Note::News { urgency, headline, text } => {
                message.utc(tag::ORIG_TIME, header.sending_time).char(tag::URGENCY, urgency);
                message.bytes(tag::HEADLINE, headline);
                let lines = || text.split(|byte| *byte == b'\n');
                message.uint(tag::NO_LINES_OF_TEXT, lines().count() as u64);
                for line in lines() {
                    message.bytes(tag::TEXT, line);
                }
            }
            Note::UserResponse { request_id, username, status, text } => {
                message.bytes(tag::USERNAME, username);
                message.bytes(tag::USER_REQUEST_ID, request_id);
                message.uint(tag::USER_STATUS, status.into());
                message.bytes(tag::USER_STATUS_TEXT, text);
            }
            Note::TestRequest { id } => {
                message.uint(tag::TEST_REQ_ID, id);
            }
            Note::ResendRequest { begin } => {
                message.uint(tag::BEGIN_SEQ_NO, begin.into()).uint(tag::END_SEQ_NO, 0);
            }
            Note::Reject { ref_msg, ref_tag, reason, ref_msg_type, text, routing } => {
                for (tag, id) in ON_BEHALF_OF.iter().zip(routing.on_behalf_of) {
                    message.bytes(*tag, id);
                }
                for (tag, id) in DELIVER_TO.iter().zip(routing.deliver_to) {
                    message.bytes(*tag, id);
                }
                message.uint(tag::REF_SEQ_NUM, ref_msg.into());
                let name =
                    SessionRejectReason::from_code(reason).map_or("", |reason| reason.text());
                message.bytes(tag::TEXT, if text.is_empty() { name.as_bytes() } else { text });
                if let Some(ref_tag) = ref_tag {
                    message.int(tag::REF_TAG_ID, ref_tag.into());
                }
                message.bytes(tag::REF_MSG_TYPE, ref_msg_type);
                // FIX 4.2 has no codes for what comes behind it; Text(58) says it.
                if identity.version != Version::Fix42 || reason <= FIX42_REJECT_REASON_MAX {
                    message.uint(tag::SESSION_REJECT_REASON, reason.into());
                }
            }
            Note::BusinessReject { ref_msg, ref_msg_type, ref_id, reason, text } => {
                message.uint(tag::REF_SEQ_NUM, ref_msg.into());
                message.bytes(tag::TEXT, text);
                message.bytes(tag::REF_MSG_TYPE, ref_msg_type);
                message.bytes(tag::BUSINESS_REJECT_REF_ID, ref_id);
                message.uint(tag::BUSINESS_REJECT_REASON, reason.into());
            }
        }
        message.finish();
    }
}

fn cut(text: &[u8], bytes_max: usize) -> &[u8] {
    &text[..text.len().min(bytes_max)]
}

struct Put<'p> {
    bytes: &'p mut [u8; ATTACHMENT_BYTES_MAX],
    at: usize,
}

impl Put<'_> {
    fn raw(&mut self, value: &[u8]) {
        self.bytes[self.at..self.at + value.len()].copy_from_slice(value);
        self.at += value.len();
    }

    /// Length and bytes, cut to what is left.
    fn text(&mut self, text: &[u8]) {
        let text = cut(text, ATTACHMENT_BYTES_MAX - self.at - 1);
        self.raw(&[text.len() as u8]);
        self.raw(text);
    }
}

const _: () = {
    // The fixed part of the longest note, and room for a text behind it.
    let routing = 6 * (1 + ROUTING_BYTES_MAX);
    assert!(1 + 4 + 4 + 2 + 1 + REF_MSG_TYPE_BYTES_MAX + routing + 1 + 40 <= ATTACHMENT_BYTES_MAX);
    assert!(2 + TEST_REQ_ID_BYTES_MAX <= ATTACHMENT_BYTES_MAX);
    assert!(ATTACHMENT_BYTES_MAX <= 255);
};

struct Get<'a> {
    bytes: &'a [u8],
}

impl<'a> Get<'a> {
    fn raw<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (value, rest) = self.bytes.split_first_chunk::<N>()?;
        self.bytes = rest;
        Some(*value)
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let [len] = self.raw()?;
        let (text, rest) = self.bytes.split_at_checked(usize::from(len))?;
        self.bytes = rest;
        Some(text)
    }
}
