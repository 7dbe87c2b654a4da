//! Messages of OUCH as a person reads them.

use gateway::ouch::{FromVenue, RejectReason};

/// A message in a line: without its time, and with what differs from run to run left out.
pub(crate) fn shown(message: &FromVenue) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    let code = |byte: u8| char::from(byte);
    match message {
        FromVenue::SystemEvent(it) => format!("system {}", code(it.event_code)),
        FromVenue::Accepted(it) => format!(
            "accepted {} {} {} {} @ {} {} state {} ref {} {}",
            it.user_ref_num,
            code(it.side),
            it.quantity,
            text(&it.symbol),
            it.price,
            code(it.time_in_force),
            code(it.order_state),
            if it.order_ref > 0 { "+" } else { "0" },
            text(&it.cl_ord_id)
        ),
        FromVenue::Replaced(it) => format!(
            "replaced {} -> {} {} {} {} @ {} ref {} {}",
            it.orig_user_ref_num,
            it.user_ref_num,
            code(it.side),
            it.quantity,
            text(&it.symbol),
            it.price,
            if it.order_ref > 0 { "+" } else { "0" },
            text(&it.cl_ord_id)
        ),
        FromVenue::Canceled(it) => {
            format!("canceled {} {} {}", it.user_ref_num, it.quantity, code(it.reason))
        }
        FromVenue::AiqCanceled(it) => format!(
            "aiq {} {} {} at {}",
            it.user_ref_num,
            it.decrement_shares,
            code(it.liquidity_flag),
            it.execution_price
        ),
        FromVenue::Executed(it) => format!(
            "executed {} {} @ {} {}",
            it.user_ref_num,
            it.quantity,
            it.price,
            code(it.liquidity_flag)
        ),
        FromVenue::BrokenTrade(it) => {
            format!("broken {} {} {}", it.user_ref_num, code(it.reason), text(&it.cl_ord_id))
        }
        FromVenue::Rejected(it) => {
            let reason = RejectReason::from_code(it.reason).unwrap();
            format!("rejected {} {reason:?} {}", it.user_ref_num, text(&it.cl_ord_id))
        }
        FromVenue::CancelPending(it) => format!("cancel pending {}", it.user_ref_num),
        FromVenue::CancelReject(it) => format!("cancel rejected {}", it.user_ref_num),
        FromVenue::PriorityUpdate(it) => format!("priority {}", it.user_ref_num),
        FromVenue::Modified(it) => {
            format!("modified {} {} {}", it.user_ref_num, code(it.side), it.quantity)
        }
        FromVenue::OrderRestated(it) => format!("restated {}", it.user_ref_num),
        FromVenue::MassCancelResponse(it) => {
            format!("mass canceled {} [{}] [{}]", it.user_ref_num, text(&it.firm), text(&it.symbol))
        }
        FromVenue::DisableResponse(it) => format!("disabled {}", it.user_ref_num),
        FromVenue::EnableResponse(it) => format!("enabled {}", it.user_ref_num),
        FromVenue::AccountQueryResponse(it) => format!("next {}", it.next_user_ref_num),
    }
}
