//! Answers → messages.

use matcher::{Instrument, InstrumentId, Phase};

use super::request::FRAGMENT;
use super::{Answer, Content, TRADING_SESSION_ID, phase_name, sub_id, trading_session};
use crate::fix::{Encoder, Header, Identity, Version, tag};
use crate::order_entry::Directory;

/// SecurityRequestResult(560).
mod result {
    pub(super) const VALID: u64 = 0;
    pub(super) const INVALID: u64 = 1;
    pub(super) const NONE_FOUND: u64 = 2;
}

/// SecurityResponseType(323).
mod response {
    pub(super) const AS_IS: u64 = 1;
    pub(super) const LISTED: u64 = 4;
    pub(super) const REFUSED: u64 = 5;
    pub(super) const NO_MATCH: u64 = 6;
}

/// SecurityTradingStatus(326): nobody knows the instrument.
const UNKNOWN: u64 = 20;

/// What answers are made of.
pub(crate) struct Known<'a> {
    pub(crate) directory: &'a Directory,
    pub(crate) identity: &'a Identity,
    pub(crate) header: &'a Header,
}

impl Known<'_> {
    /// Appends the next message of an answer. The caller counts: [`Answer::left`] was not zero.
    pub(crate) fn say(&self, answer: &mut Answer, out: &mut Vec<u8>) {
        match answer {
            Answer::List { id, content, left } => self.list(id, content, left, out),
            Answer::Definitions { id, content, left } => self.definition(id, content, left, out),
            Answer::Security { id, instrument, unsolicited } => {
                self.security(id, instrument, *unsolicited, out);
            }
            Answer::TradingSession { id, refused, unsolicited } => {
                self.trading_session(id, refused.as_deref(), *unsolicited, out);
            }
        }
    }

    fn begin<'o>(&self, msg_type: &[u8], out: &'o mut Vec<u8>) -> Encoder<'o> {
        self.identity.begin(out, msg_type, self.header)
    }

    fn list(&self, id: &[u8], content: &mut Content, left: &mut u32, out: &mut Vec<u8>) {
        *left = left.saturating_sub(1);
        let mut message = self.begin(b"y", out);
        message.bytes(tag::SECURITY_REQ_ID, id);
        message.uint(tag::SECURITY_RESPONSE_ID, self.header.msg.0.into());
        let one = |id: InstrumentId| self.directory.instrument(id);
        let (found, total): (Vec<&Instrument>, u32) = match content {
            Content::From(from) => {
                let ids = *from..from.saturating_add(FRAGMENT).min(self.directory.len());
                *from = ids.end;
                let found = ids.filter_map(|id| one(InstrumentId(id))).collect();
                (found, self.directory.len())
            }
            Content::One(id) => (one(*id).into_iter().collect(), 1),
            Content::Unknown(_) | Content::Refused(_) => (Vec::new(), 0),
        };
        let outcome = match content {
            Content::Refused(_) => result::INVALID,
            _ if found.is_empty() => result::NONE_FOUND,
            _ => result::VALID,
        };
        message.uint(tag::SECURITY_REQUEST_RESULT, outcome);
        if !found.is_empty() {
            message.uint(tag::TOT_NO_RELATED_SYM, total.into());
            message.char(tag::LAST_FRAGMENT, if *left == 0 { b'Y' } else { b'N' });
            message.uint(tag::NO_RELATED_SYM, found.len() as u64);
        }
        for instrument in found {
            message.bytes(tag::SYMBOL, instrument.symbol.as_bytes());
            self.terms(&mut message, instrument);
        }
        message.finish();
    }

    fn definition(&self, id: &[u8], content: &mut Content, left: &mut u32, out: &mut Vec<u8>) {
        *left = left.saturating_sub(1);
        let total = if let Content::From(_) = content { self.directory.len() } else { 1 };
        let (instrument, response, text) = match content {
            Content::From(from) => {
                let found = self.directory.instrument(InstrumentId(*from));
                *from = from.saturating_add(1);
                // FIX 4.4 has no word for the answer to a request for all.
                let listed = self.identity.version != Version::Fix44;
                let response = if listed { response::LISTED } else { response::AS_IS };
                (found, response, "")
            }
            Content::One(id) => (self.directory.instrument(*id), response::AS_IS, ""),
            Content::Unknown(_) => (None, response::NO_MATCH, "unknown symbol"),
            Content::Refused(text) => (None, response::REFUSED, *text),
        };
        let mut message = self.begin(b"d", out);
        message.bytes(tag::SECURITY_REQ_ID, id);
        message.uint(tag::SECURITY_RESPONSE_ID, self.header.msg.0.into());
        message.uint(tag::SECURITY_RESPONSE_TYPE, response);
        if self.identity.version == Version::Fix42 {
            message.uint(tag::TOT_NO_RELATED_SYM, instrument.map_or(0, |_| total.into()));
        }
        match (instrument, &*content) {
            (Some(instrument), _) => {
                message.bytes(tag::SYMBOL, instrument.symbol.as_bytes());
                self.terms(&mut message, instrument);
            }
            (None, Content::Unknown(symbol)) => {
                message.bytes(tag::SYMBOL, symbol).bytes(tag::TEXT, text.as_bytes());
            }
            (None, _) => {
                message.bytes(tag::TEXT, text.as_bytes());
            }
        }
        message.finish();
    }

    /// What an order in an instrument must keep to, as far as the version has fields for it, and in words.
    fn terms(&self, message: &mut Encoder<'_>, instrument: &Instrument) {
        let Instrument { tick_size, lot_size, price_decimals, qty_decimals, .. } = *instrument;
        let units = |steps: i64, size: u32| steps.saturating_mul(size.into());
        let lots = |lots: u64| units(i64::try_from(lots).unwrap_or(i64::MAX), lot_size);
        match self.identity.version {
            Version::Fix42 => {}
            Version::Fix44 => {
                message.decimal(tag::ROUND_LOT, lot_size.into(), qty_decimals);
                let least = lots(instrument.qty_min.lots());
                message.decimal(tag::MIN_TRADE_VOL, least, qty_decimals);
            }
            Version::Fix50Sp2 => {
                message.decimal(tag::MIN_PRICE_INCREMENT, tick_size.into(), price_decimals);
            }
        }
        let price = |ticks: i64| decimal(units(ticks, tick_size), price_decimals);
        let qty = |count: u64| decimal(lots(count), qty_decimals);
        let text = format!(
            "tick {}, lot {}, quantity {} to {}, price {} to {}",
            decimal(tick_size.into(), price_decimals),
            decimal(lot_size.into(), qty_decimals),
            qty(instrument.qty_min.lots()),
            qty(instrument.qty_max.lots()),
            price(instrument.price_min.ticks()),
            price(instrument.price_max.ticks()),
        );
        message.bytes(tag::TEXT, text.as_bytes());
    }

    fn security(
        &self,
        id: &[u8],
        instrument: &Result<InstrumentId, Vec<u8>>,
        unsolicited: bool,
        out: &mut Vec<u8>,
    ) {
        let known = instrument.as_ref().ok().and_then(|id| self.directory.instrument(*id));
        let mut message = self.begin(b"f", out);
        message.bytes(tag::SECURITY_STATUS_REQ_ID, id);
        let unknown: &[u8] = instrument.as_ref().err().map_or(b"", |symbol| symbol);
        message.bytes(tag::SYMBOL, known.map_or(unknown, |known| known.symbol.as_bytes()));
        if unsolicited {
            message.char(tag::UNSOLICITED_INDICATOR, b'Y');
        }
        let status = known.map_or(UNKNOWN, |known| self.trading_status(known.phase));
        message.uint(tag::SECURITY_TRADING_STATUS, status);
        if self.identity.version > Version::Fix42 {
            if let Some(sub_id) = known.and_then(|known| sub_id(known.phase)) {
                message.bytes(tag::TRADING_SESSION_SUB_ID, sub_id);
            }
            let text = known.map_or(&b"unknown symbol"[..], |known| phase_name(known.phase));
            message.bytes(tag::TEXT, text);
        }
        message.finish();
    }

    /// SecurityTradingStatus(326). FIX 4.2 has no word for what comes before an opening.
    fn trading_status(&self, phase: Phase) -> u64 {
        match phase {
            Phase::Continuous => 17,
            Phase::Halt => 2,
            Phase::Closed => 18,
            Phase::PreOpen if self.identity.version > Version::Fix42 => 21,
            Phase::OpeningAuction if self.identity.version > Version::Fix42 => 22,
            Phase::PreOpen
            | Phase::OpeningAuction
            | Phase::VolatilityAuction
            | Phase::ClosingAuction => 5,
        }
    }

    fn trading_session(
        &self,
        id: &[u8],
        refused: Option<&[u8]>,
        unsolicited: bool,
        out: &mut Vec<u8>,
    ) {
        let mut message = self.begin(b"h", out);
        message.bytes(tag::TRAD_SES_REQ_ID, id);
        message.bytes(tag::TRADING_SESSION_ID, refused.unwrap_or(TRADING_SESSION_ID));
        if refused.is_some() {
            message.uint(tag::TRAD_SES_STATUS, 6);
            message.uint(tag::TRAD_SES_STATUS_REJ_REASON, 1);
            return message.finish();
        }
        message.uint(tag::TRAD_SES_METHOD, 1);
        if unsolicited {
            message.char(tag::UNSOLICITED_INDICATOR, b'Y');
        }
        let phases = self.directory.phases();
        let (status, sub_id) = trading_session(phases);
        message.uint(tag::TRAD_SES_STATUS, status.into());
        if let Some(sub_id) = sub_id.filter(|_| self.identity.version > Version::Fix42) {
            message.bytes(tag::TRADING_SESSION_SUB_ID, sub_id);
        }
        message.bytes(tag::TEXT, phases.common().map_or(b"instruments differ", phase_name));
        message.finish();
    }
}

/// A number with all its decimals, as [`Encoder::decimal`] writes it.
fn decimal(mantissa: i64, decimals: u8) -> String {
    let one = 10_u64.pow(decimals.into());
    let (sign, value) = (if mantissa < 0 { "-" } else { "" }, mantissa.unsigned_abs());
    if decimals == 0 {
        return format!("{sign}{value}");
    }
    format!("{sign}{}.{:0width$}", value / one, value % one, width = usize::from(decimals))
}
