//! How much a command may make happen at most, before it does: who writes Events down where there is
//! little room asks for it.

use std::ops::Add;

use super::Engine;
use crate::command::{Command, Input, MassCancelScope, Permission, ReplaceOrder};
use crate::extras::SLICES_MAX;
use crate::instrument::Phase;
use crate::record::{CANCELED_BYTES, EVENT_BYTES_MAX};
use crate::types::{InstrumentId, OrderNumber, Qty, SessionId};

/// Events of a command that concerns one order or none, matching aside.
const FEW: u64 = 4;

/// How much a command may make happen: cancels, and Events of any kind.
#[derive(Clone, Copy, Debug)]
struct Most {
    canceled: u64,
    others: u64,
}

impl Most {
    const NOTHING: Most = Most { canceled: 0, others: 0 };

    const fn few(others: u64) -> Most {
        Most { canceled: 0, others: others + FEW }
    }
}

impl Add for Most {
    type Output = Most;

    fn add(self, other: Most) -> Most {
        Most { canceled: self.canceled + other.canceled, others: self.others + other.others }
    }
}

/// How large a turn may get.
impl Engine {
    /// Bytes that the records of all Events of `input` take at most, if it is applied next.
    ///
    /// It is cheap and no estimate: no command goes beyond it, but few come near. It counts what works:
    /// whatever trades or meets its owner's orders uses somebody up, an order or a slice of an iceberg.
    /// For [`Command::Expire`] it counts all orders that ever expire, whatever time it is.
    #[must_use]
    pub fn events_bytes_max(&self, input: &Input) -> u64 {
        let Most { canceled, others } = self.most(input) + self.due(input);
        let bytes = |count: u64, each: usize| count.saturating_mul(each as u64);
        bytes(canceled, CANCELED_BYTES).saturating_add(bytes(others, EVENT_BYTES_MAX))
    }

    /// What is due goes before a command: see [`Engine::apply`]. What expires may set off as much as a
    /// command does, and leaves less that works behind.
    fn due(&self, input: &Input) -> Most {
        let may_expire = self.store.extras.may_expire(input.timestamp);
        match input.command {
            Command::Note(_) => Most::NOTHING,
            Command::Expire => Most { canceled: self.expiring_len(), ..self.settling() },
            _ if may_expire => Most { canceled: self.expiring_len(), ..self.settling() },
            _ => Most::NOTHING,
        }
    }

    fn expiring_len(&self) -> u64 {
        self.store.extras.expiring_len().into()
    }

    fn most(&self, input: &Input) -> Most {
        let orders = u64::from(self.store.orders.len());
        let canceled = |canceled| Most { canceled, ..self.settling() };
        match input.command {
            Command::New(new) => self.of_order(input.session, new.instrument, new.qty, 0),
            Command::NewSpecial(new, terms) => {
                let slices = slices(new.qty, terms.display_qty);
                self.of_order(input.session, new.instrument, new.qty, slices)
            }
            Command::Replace(replace) | Command::ReplaceStop(replace, _) => {
                self.of_replace(input.session, &replace)
            }
            Command::Cancel { .. } | Command::Reduce(_) => canceled(1),
            Command::MassCancel(
                MassCancelScope::Session | MassCancelScope::SessionInstrument(_),
            )
            | Command::MassCancel(MassCancelScope::Instrument(_))
            | Command::SetPermission { permission: Permission::Killed, .. }
            | Command::SetSession { .. }
            | Command::ExpireDay => canceled(orders),
            Command::SetPhase { instrument, phase } => self.of_phase(instrument, phase),
            Command::SetBands { .. } | Command::SetReference { .. } => self.settling(),
            Command::Configure(_)
            | Command::DefineInstrument { .. }
            | Command::DefineSession { .. }
            | Command::Status { .. }
            | Command::Refuse { .. }
            | Command::Note(_)
            | Command::Relay(_)
            | Command::Expire
            | Command::SetRisk { .. }
            | Command::SetPermission { .. }
            | Command::PublishIndicative { .. }
            | Command::Bust(_) => Most::few(0),
        }
    }

    /// Everything that works is used up, and as much of a new order with so many slices.
    fn everything(&self, slices: u64) -> Most {
        let orders = u64::from(self.store.orders.len()) + 1;
        let slices = self.store.extras.slices + slices;
        // Two orders meet: a trade or a cut of each, and who displays its next slice. An auction tells
        // its outcome once for every time that it has to look again.
        let meetings = 4 * (orders + slices);
        // An order comes to life, and rests or ends.
        Most::few(meetings + 2 * orders)
    }

    /// What may follow where nothing has come in: pegs that meet, and the stops that they elect.
    fn settling(&self) -> Most {
        let extras = &self.store.extras;
        let pegs = u64::from(extras.pegs.len());
        match pegs {
            0 | 1 => Most::few(0),
            _ if extras.trails.len() == 0 && extras.members.len() == 0 => Most::few(4 * pegs),
            _ => self.everything(0),
        }
    }

    fn of_order(&self, session: SessionId, id: InstrumentId, qty: Qty, slices: u64) -> Most {
        let is_known = self.store.sessions.is_counterparty(session);
        let Some(book) = self.books.get(id.index()).filter(|_| is_known) else {
            return Most::few(0);
        };
        let trades_with_all = self.store.sessions.self_trade_key(session).0 == 0;
        if book.special == 0 && trades_with_all && slices == 0 {
            // A trade takes a lot at least, and an order.
            return Most::few(qty.lots().min(self.store.orders.len().into()));
        }
        self.everything(slices)
    }

    fn of_replace(&self, session: SessionId, replace: &ReplaceOrder) -> Most {
        let ReplaceOrder { target, instrument, qty, .. } = *replace;
        let known = self.store.sessions.is_counterparty(session) && target != OrderNumber::NONE;
        let Some(slot) = known.then(|| self.store.sessions.find(session, target).ok()).flatten()
        else {
            return Most::few(0);
        };
        let order = &self.store.orders[slot];
        if order.extra == 0 && order.stp_key == 0 {
            return self.of_order(session, instrument, qty, 0);
        }
        self.everything(u64::try_from(SLICES_MAX).unwrap_or(u64::MAX))
    }

    fn of_phase(&self, id: InstrumentId, phase: Phase) -> Most {
        let Some(book) = self.books.get(id.index()) else { return Most::few(0) };
        let uncrosses = phase == Phase::Continuous
            || phase == Phase::Closed && book.instrument.phase.is_auction();
        // Who has waited for a call comes in.
        if uncrosses { self.everything(0) } else { Most::few(self.store.extras.len().into()) }
    }
}

/// Slices of an iceberg.
fn slices(qty: Qty, display_qty: Qty) -> u64 {
    let slices = qty.lots().checked_div(display_qty.lots()).unwrap_or(0);
    slices.min(u64::try_from(SLICES_MAX).unwrap_or(u64::MAX)) + u64::from(slices != 0)
}
