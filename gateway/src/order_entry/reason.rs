//! [`RejectReason`] in the words of FIX 4.4 and 5.0. Text(58) always says it exactly.

use matcher::RejectReason;

/// OrdRejReason(103) of an ExecutionReport(8).
#[must_use]
pub const fn ord_rej_reason(reason: RejectReason) -> u16 {
    use RejectReason as R;
    match reason {
        R::Throttled | R::JournalFull | R::TooManyOrders | R::TooManyLevels => 0,
        R::NumbersExhausted | R::NotPermitted | R::CancelOnly | R::KillSwitch => 0,
        R::UnknownInstrument => 1,
        R::Halted | R::Closed | R::WrongPhase => 2,
        R::QtyTooLarge | R::RiskOrderQty | R::RiskOrderNotional | R::RiskCollar => 3,
        R::RiskOpenOrders | R::RiskOpenNotional | R::RiskPosition => 3,
        R::UnknownOrder => 5,
        R::DuplicateClOrdId => 6,
        R::Unsupported | R::Contradiction => 11,
        R::QtyZero | R::QtyTooSmall | R::QtyOffLot | R::DisplayQty | R::MinQty => 13,
        _ => 99,
    }
}

/// CxlRejReason(102) of an OrderCancelReject(9).
#[must_use]
pub const fn cxl_rej_reason(reason: RejectReason) -> u16 {
    use RejectReason as R;
    match reason {
        R::TooLate => 0,
        R::UnknownOrder => 1,
        R::Throttled | R::JournalFull | R::TooManyOrders | R::TooManyLevels => 2,
        R::NumbersExhausted | R::NotPermitted | R::CancelOnly | R::KillSwitch => 2,
        R::Halted | R::Closed | R::WrongPhase => 2,
        R::RiskOrderQty | R::RiskOrderNotional | R::RiskCollar => 2,
        R::RiskOpenOrders | R::RiskOpenNotional | R::RiskPosition => 2,
        R::DuplicateClOrdId => 6,
        _ => 99,
    }
}

/// MassCancelRejectReason(532) of an OrderMassCancelReport(r).
#[must_use]
pub const fn mass_cancel_reject_reason(reason: RejectReason) -> u16 {
    match reason {
        RejectReason::Unsupported => 0,
        RejectReason::UnknownInstrument => 1,
        _ => 99,
    }
}
