//! What the versions of FIX say differently: the same Event in the words of each.
//!
//! Only FIX 5.0 has a word for a triggered order. FIX 4.2 tells what kind of message a report is by ExecTransType(20)
//! and has neither trades nor statuses among its ExecTypes; its lists of reasons are shorter. Text(58) says the reason exactly in all.

use matcher::RejectReason;

use super::{Execution, exec};
use crate::fix::{Version, tag};
use crate::order_entry::reason;

/// ExecTransType(20).
mod exec_trans {
    pub(super) const NEW: u8 = b'0';
    pub(super) const CANCEL: u8 = b'1';
    pub(super) const STATUS: u8 = b'3';
}

/// ExecRestatementReason(378) for what the venue did on its own: market option. FIX 4.2, whose list ends with 5, calls
/// it broker option.
const MARKET_OPTION: u16 = 8;
const BROKER_OPTION: u16 = 4;
const FIX42_RESTATEMENT_MAX: u16 = 5;

const TRIGGERED: &str = "the stop order is triggered";

/// What kind of report it is.
pub(super) struct Said {
    pub(super) exec_trans_type: Option<u8>,
    pub(super) exec_type: u8,
    pub(super) restatement: Option<u16>,
    pub(super) text: &'static str,
}

#[inline]
pub(super) fn exec_type(version: Version, execution: &Execution<'_>) -> Said {
    let Execution { exec_type, restatement, text, .. } = *execution;
    match (version, exec_type) {
        (Version::Fix42, _) => fix42_exec_type(execution),
        (Version::Fix44, exec::TRIGGERED) => Said {
            exec_trans_type: None,
            exec_type: exec::RESTATED,
            restatement: Some(MARKET_OPTION),
            text: TRIGGERED,
        },
        _ => Said { exec_trans_type: None, exec_type, restatement, text },
    }
}

fn fix42_exec_type(execution: &Execution<'_>) -> Said {
    let Execution { exec_type, ord_status, restatement, text, .. } = *execution;
    let restatement = restatement.map(|reason| match reason {
        0..=FIX42_RESTATEMENT_MAX => reason,
        _ => BROKER_OPTION,
    });
    let (exec_trans_type, exec_type, restatement, text) = match exec_type {
        exec::TRADE => (exec_trans::NEW, ord_status, restatement, text),
        exec::TRADE_CANCEL => (exec_trans::CANCEL, ord_status, restatement, text),
        exec::STATUS => (exec_trans::STATUS, ord_status, restatement, text),
        exec::TRIGGERED => (exec_trans::NEW, exec::RESTATED, Some(BROKER_OPTION), TRIGGERED),
        other => (exec_trans::NEW, other, restatement, text),
    };
    Said { exec_trans_type: Some(exec_trans_type), exec_type, restatement, text }
}

/// The field that names the trade, the same for both of its sides: TrdMatchID(880) came with FIX 5.0, FIX 4.2
/// has none.
#[inline]
pub(super) fn trade_tag(version: Version) -> Option<u32> {
    match version {
        Version::Fix42 => None,
        Version::Fix44 => Some(tag::SECONDARY_EXEC_ID),
        Version::Fix50Sp2 => Some(tag::TRD_MATCH_ID),
    }
}

/// OrdRejReason(103).
pub(super) fn ord_rej_reason(version: Version, reason: RejectReason) -> u16 {
    const FIX42_MAX: u16 = 8;
    match reason::ord_rej_reason(reason) {
        // Broker option.
        beyond if version == Version::Fix42 && beyond > FIX42_MAX => 0,
        reason => reason,
    }
}

/// CxlRejReason(102).
pub(super) fn cxl_rej_reason(version: Version, reason: RejectReason) -> u16 {
    const FIX42_MAX: u16 = 3;
    match reason::cxl_rej_reason(reason) {
        // Broker option.
        beyond if version == Version::Fix42 && beyond > FIX42_MAX => 2,
        reason => reason,
    }
}

/// OrdType(40), TimeInForce(59), ExecInst(18): an order that was entered in another version may have one that this
/// has no word for.
pub(super) fn has(version: Version, tag: u32, code: u8) -> bool {
    match (tag, code) {
        (tag::TIME_IN_FORCE, b'7') | (tag::EXEC_INST, b'a') => version > Version::Fix42,
        (tag::TIME_IN_FORCE, b'9') => version > Version::Fix44,
        _ => true,
    }
}

/// OrdType(40): FIX 4.2 has no market-to-limit order; once it has its price, it is a limit order.
pub(super) fn ord_type(version: Version, ord_type: u8, has_limit: bool) -> u8 {
    match (version, ord_type) {
        (Version::Fix42, b'K') if has_limit => b'2',
        (Version::Fix42, b'K') => b'1',
        _ => ord_type,
    }
}
