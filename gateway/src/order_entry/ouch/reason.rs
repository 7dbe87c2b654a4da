//! [`matcher::RejectReason`] and [`matcher::CancelReason`] in the codes of OUCH.

use crate::ouch::{CancelReason, RejectReason};

/// The reason of a Rejected for one of the core.
#[must_use]
pub const fn reject_reason(reason: matcher::RejectReason) -> RejectReason {
    use matcher::RejectReason as R;
    match reason {
        R::UnknownInstrument => RejectReason::Symbol,
        R::UnknownSession | R::NotPermitted => RejectReason::NotAuthorized,
        R::UnknownOrder | R::TooLate | R::OrderMismatch | R::NotAStop => {
            RejectReason::ReplaceNotAllowed
        }
        R::Halted => RejectReason::Halted,
        R::Closed | R::WrongPhase => RejectReason::Closed,
        R::QtyZero | R::QtyTooSmall | R::QtyTooLarge | R::QtyOffLot | R::QtyBelowCum => {
            RejectReason::Quantity
        }
        R::PriceOutOfRange | R::PriceOffTick | R::TriggerPrice => RejectReason::Price,
        R::PriceBand | R::RiskCollar => RejectReason::PriceCollar,
        R::WouldTrade => RejectReason::Crossed,
        R::DisplayQty => RejectReason::MaxFloor,
        R::MinQty => RejectReason::MinQuantity,
        R::PegOffset => RejectReason::PegType,
        R::NoReference => RejectReason::MarketOrder,
        R::RiskOrderQty => RejectReason::SharesLimit,
        R::RiskOrderNotional => RejectReason::NotionalLimit,
        R::RiskOpenOrders | R::RiskOpenNotional | R::RiskPosition => RejectReason::Exposure,
        R::CancelOnly | R::KillSwitch => RejectReason::Disabled,
        R::NumberOutOfOrder | R::TooManyOrders | R::TooManyLevels | R::Throttled => {
            RejectReason::Processing
        }
        R::JournalFull | R::NumbersExhausted | R::TableFull => RejectReason::Processing,
        R::IdOutOfOrder | R::BadDefinition | R::DuplicateSymbol | R::LimitsShrink => {
            RejectReason::Processing
        }
        R::Contradiction | R::DuplicateClOrdId | R::Unsupported | R::BadClOrdId => {
            RejectReason::Other
        }
        R::ExpireTime | R::UnknownTrade | R::AlreadyBusted | R::UnknownParticipant => {
            RejectReason::Other
        }
    }
}

/// The reason of a Canceled for one of the core; `asked`: the client's own request took it, and did not come from the venue
/// on its behalf. `timed`: the order had a time of its own.
#[must_use]
pub(super) const fn cancel_reason(
    reason: matcher::CancelReason,
    asked: bool,
    timed: bool,
) -> CancelReason {
    use matcher::CancelReason as C;
    match reason {
        C::Requested | C::MassCancel if asked => CancelReason::User,
        C::Requested | C::MassCancel | C::Venue | C::KillSwitch => CancelReason::Supervisory,
        C::Ioc | C::Fok | C::Market | C::MinQty => CancelReason::Immediate,
        C::Expired if timed => CancelReason::Timeout,
        C::Expired => CancelReason::Closed,
        C::SelfTrade => CancelReason::SelfMatch,
        C::PriceBand => CancelReason::Collars,
        C::AuctionEnd => CancelReason::Cross,
        C::NoRoom => CancelReason::System,
    }
}
