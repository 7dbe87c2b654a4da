//! A list of Inputs that goes wrong, made short enough to read.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use matcher::{
    Command, Input, Liquidity, NewOrder, OrderKind, OrderNumber, Peg, RefusedRequest, ReplaceOrder,
    Sequence, SessionId, Side, Terms, TimeInForce, Timestamp, Trigger,
};

/// Drops Inputs as long as what is left still `fails`; the first `opening` of them stay.
pub(crate) fn shrink(
    inputs: Vec<Input>,
    opening: usize,
    fails: impl Fn(&[Input]) -> bool,
) -> Vec<Input> {
    let mut inputs = inputs;
    let mut chunk = (inputs.len() - opening).next_power_of_two();
    while chunk > 0 {
        let mut from = opening;
        let mut shorter = false;
        while from < inputs.len() {
            let kept = |at: usize| !(from..from + chunk).contains(&at);
            let fewer = without(&inputs, kept);
            if fails(&fewer) {
                inputs = fewer;
                shorter = true;
            } else {
                from += chunk;
            }
        }
        if chunk > 1 || !shorter {
            chunk /= 2;
        }
    }
    inputs
}

/// The Inputs that are kept, with order numbers and targets that fit again.
fn without(inputs: &[Input], kept: impl Fn(usize) -> bool) -> Vec<Input> {
    let mut left = Vec::new();
    let mut counters: BTreeMap<SessionId, (u32, u32)> = BTreeMap::new();
    let mut names: BTreeMap<(SessionId, OrderNumber), OrderNumber> = BTreeMap::new();
    for (at, input) in inputs.iter().enumerate() {
        let mut input = *input;
        let session = input.session;
        let (number, target) = numbers(&mut input.command);
        if let Some(target) = target {
            *target = names.get(&(session, *target)).copied().unwrap_or(OrderNumber(0));
        }
        let (old, new) = counters.entry(session).or_default();
        if let Some(number) = number {
            if number.0 == *old + 1 {
                *old += 1;
                if kept(at) {
                    *new += 1;
                    names.insert((session, *number), OrderNumber(*new));
                    *number = OrderNumber(*new);
                }
            } else if number.0 > *old {
                *number = OrderNumber((number.0 - *old).saturating_add(*new));
            }
        }
        if kept(at) {
            input.sequence = Sequence(left.len() as u64 + 1);
            left.push(input);
        }
    }
    left
}

type Named<'a> = Option<&'a mut OrderNumber>;

/// The number that a command uses up, and the order that it means.
fn numbers(command: &mut Command) -> (Named<'_>, Named<'_>) {
    let some = |number| Some(number).filter(|number: &&mut OrderNumber| number.0 != 0);
    match command {
        Command::New(new) | Command::NewSpecial(new, _) => (Some(&mut new.number), None),
        Command::Replace(replace) | Command::ReplaceStop(replace, _) => {
            (some(&mut replace.number), Some(&mut replace.target))
        }
        Command::Cancel { target } | Command::Status { target } => (None, Some(target)),
        Command::Reduce(reduce) => (None, Some(&mut reduce.target)),
        Command::Refuse { request, .. } => match request {
            RefusedRequest::New(number) => (Some(number), None),
            RefusedRequest::Replace { number, target } => (some(number), Some(target)),
            RefusedRequest::Cancel { target } => (None, Some(target)),
            RefusedRequest::MassCancel => (None, None),
        },
        _ => (None, None),
    }
}

/// One Input in one line.
pub(crate) fn told(input: &Input) -> String {
    let mut line = match input.session {
        SessionId::VENUE => format!("{:>4} venue ", input.sequence),
        session => format!("{:>4} s{session} ", input.sequence),
    };
    let written = match &input.command {
        Command::New(new) => tell_order(&mut line, new, &Terms::NONE),
        Command::NewSpecial(new, terms) => tell_order(&mut line, new, terms),
        Command::Cancel { target } => write!(line, "cancel #{target}"),
        Command::Reduce(reduce) => {
            write!(line, "reduce #{} to {}", reduce.target, reduce.qty.lots())
        }
        Command::Replace(replace) => tell_replace(&mut line, replace),
        Command::ReplaceStop(replace, stop) => {
            tell_replace(&mut line, replace).and_then(|()| write!(line, " stop {}", stop.ticks()))
        }
        Command::DefineInstrument { id, instrument: i } => write!(
            line,
            "define instrument {id}: prices {}..={}, quantities {}..={}, {:?}",
            i.price_min.ticks(),
            i.price_max.ticks(),
            i.qty_min.lots(),
            i.qty_max.lots(),
            i.phase
        ),
        Command::Expire => write!(line, "Expire at {}", clock(input.timestamp)),
        other => write!(line, "{other:?}"),
    };
    written.expect("a String takes all");
    line
}

fn clock(timestamp: Timestamp) -> u64 {
    timestamp.0.saturating_sub(1_700_000_000_000_000_000)
}

fn tell_replace(line: &mut String, replace: &ReplaceOrder) -> std::fmt::Result {
    let ReplaceOrder { number, target, instrument, side, price, qty } = replace;
    let (price, qty) = (price.ticks(), qty.lots());
    write!(line, "replace #{target} by #{number}: {side:?} {qty} @ {price} on {instrument}")
}

fn tell_order(line: &mut String, new: &NewOrder, terms: &Terms) -> std::fmt::Result {
    let side = if new.side == Side::Buy { "buy" } else { "sell" };
    write!(line, "{side} #{} {} ", new.number, new.qty.lots())?;
    match new.kind {
        OrderKind::Limit(price) => write!(line, "@ {}", price.ticks())?,
        kind => write!(line, "{kind:?}")?,
    }
    if new.time_in_force != TimeInForce::Day {
        write!(line, " {:?}", new.time_in_force)?;
    }
    if new.liquidity != Liquidity::Any {
        write!(line, " {:?}", new.liquidity)?;
    }
    if !terms.display_qty.is_zero() {
        write!(line, " display {}", terms.display_qty.lots())?;
    }
    if !terms.min_qty.is_zero() {
        write!(line, " min {}", terms.min_qty.lots())?;
    }
    if terms.trigger != Trigger::None {
        write!(line, " {:?}", terms.trigger)?;
    }
    if terms.peg != Peg::None {
        write!(line, " peg {:?}", terms.peg)?;
    }
    if terms.expire_at.0 != 0 {
        write!(line, " until {}", clock(terms.expire_at))?;
    }
    write!(line, " on {}", new.instrument)
}

#[test]
fn numbers_fit_again_where_inputs_were_dropped() {
    let inputs = matcher::testing::flow::record(matcher::testing::Profile::standard(), 7, 500);
    let opening = inputs.len() - 500;
    let is_cancel = |input: &Input| matches!(input.command, Command::Cancel { .. });
    // It "fails" while it has a cancel that is answered by a Canceled.
    let fails = |inputs: &[Input]| {
        let (mut engine, mut events) = (matcher::Engine::new(), Vec::new());
        inputs.iter().any(|input| {
            events.clear();
            engine.apply(input, &mut events);
            is_cancel(input) && matches!(events[..], [matcher::Event::Canceled(_)])
        })
    };
    assert!(fails(&inputs));
    let short = shrink(inputs, opening, fails);
    assert_eq!(short.len(), opening + 2, "{short:#?}");
    assert!(
        told(&short[opening]).contains("#1 ") && told(&short[opening + 1]).ends_with("cancel #1")
    );
}
