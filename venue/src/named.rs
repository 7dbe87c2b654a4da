//! Which orders a record of the journal is about.

use matcher::{Command, Event, OrderNumber, ReduceOrder, RefusedRequest, SessionId};

/// The number that a request takes in its session, and the order that it means.
#[must_use]
pub fn requested(command: &Command) -> (Option<OrderNumber>, Option<OrderNumber>) {
    let some = |number| (number != OrderNumber::NONE).then_some(number);
    match command {
        Command::New(new) | Command::NewSpecial(new, _) => (some(new.number), None),
        Command::Replace(replace) | Command::ReplaceStop(replace, _) => {
            (some(replace.number), some(replace.target))
        }
        Command::Cancel { target }
        | Command::Status { target }
        | Command::Reduce(ReduceOrder { target, .. }) => (None, some(*target)),
        Command::Refuse { request, .. } => match *request {
            RefusedRequest::New(number) => (some(number), None),
            RefusedRequest::Cancel { target } => (None, some(target)),
            RefusedRequest::Replace { number, target } => (some(number), some(target)),
            RefusedRequest::MassCancel => (None, None),
        },
        _ => (None, None),
    }
}

/// Whether an Event is about an order whose numbers are `ours`. A trade is about two, a replace about both numbers of one:
/// the second is asked for only if the first is not ours.
#[must_use]
pub fn is_about(event: &Event, mut ours: impl FnMut(SessionId, OrderNumber) -> bool) -> bool {
    match event {
        Event::Accepted(it) => ours(it.session, it.number),
        Event::Rejected(it) => ours(it.session, it.number),
        Event::Rested(it) => ours(it.session, it.number),
        Event::Held(it) => ours(it.session, it.number),
        Event::Triggered(it) => ours(it.session, it.number),
        Event::Restated(it) => ours(it.session, it.number),
        Event::Replenished(it) => ours(it.session, it.number),
        Event::Traded(it) => {
            ours(it.maker.session, it.maker.number) || ours(it.taker.session, it.taker.number)
        }
        Event::Busted(it) => {
            ours(it.buy.session, it.buy.number) || ours(it.sell.session, it.sell.number)
        }
        Event::Canceled(it) => ours(it.session, it.number),
        Event::Replaced(it) => ours(it.session, it.old_number) || ours(it.session, it.number),
        Event::CancelRejected(it) => ours(it.session, it.target),
        Event::StatusReported(it) => ours(it.session, it.target),
        _ => false,
    }
}
