//! An order as somebody names it, and which records of a journal are about it.

use gateway::order_entry::cl_ord_id_of;
use matcher::{Event, OrderId, OrderNumber, SessionId};
use venue::Names;
use venue::named::{is_about, requested};
use venue::turns::TurnHead;

use crate::failure::Failure;

/// How an order is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderName {
    /// By OrderID(37).
    Id(OrderId),
    /// By its session and its number there.
    Number(String, OrderNumber),
    /// By ClOrdID(11) and, where it was given, its session.
    ClOrdId(Vec<u8>, Option<String>),
}

impl OrderName {
    /// Reads `ORDERID` or `COMPID:NUMBER`.
    ///
    /// # Errors
    ///
    /// How one is written.
    pub fn parse(text: &str) -> Result<OrderName, Failure> {
        if let Ok(id) = text.parse() {
            return Ok(OrderName::Id(OrderId(id)));
        }
        let number = text.rsplit_once(':').and_then(|(comp_id, number)| {
            let number = number.parse().ok().filter(|number| *number != 0)?;
            Some(OrderName::Number(comp_id.to_owned(), OrderNumber(number)))
        });
        number.ok_or_else(|| {
            let wanted = "an OrderID or COMPID:NUMBER";
            Failure::usage(format!("{text:?} is not {wanted}; a ClOrdID comes with its session"))
        })
    }

    /// Whether the request of this turn, which takes `number`, is the one that is named.
    #[must_use]
    pub fn is_meant(&self, head: &TurnHead, number: OrderNumber, names: &Names) -> bool {
        let session = names.session(head.input.session);
        match self {
            OrderName::Id(id) => id.0 == head.input.sequence.0,
            OrderName::Number(comp_id, wanted) => *wanted == number && *comp_id == *session,
            OrderName::ClOrdId(wanted, comp_id) => {
                comp_id.as_ref().is_none_or(|comp_id| *comp_id == *session)
                    && cl_ord_id_of(&head.input.command, head.attachment()) == Some(wanted)
            }
        }
    }
}

impl std::fmt::Display for OrderName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            OrderName::Id(id) => write!(f, "order {id}"),
            OrderName::Number(comp_id, number) => write!(f, "order {comp_id}:{number}"),
            OrderName::ClOrdId(id, None) => write!(f, "order with ClOrdID {}", id.escape_ascii()),
            OrderName::ClOrdId(id, Some(comp_id)) => {
                write!(f, "order with ClOrdID {} of {comp_id}", id.escape_ascii())
            }
        }
    }
}

/// Follows one order through a journal: its numbers change with each replace.
#[derive(Clone, Debug)]
pub struct OrderTrack {
    name: OrderName,
    /// Its session, from its first request on.
    session: Option<SessionId>,
    numbers: Vec<OrderNumber>,
    order_id: Option<OrderId>,
}

impl OrderTrack {
    /// Of the order with this name.
    #[must_use]
    pub fn new(name: OrderName) -> OrderTrack {
        OrderTrack { name, session: None, numbers: Vec::new(), order_id: None }
    }

    /// What it was asked for by.
    #[must_use]
    pub fn name(&self) -> &OrderName {
        &self.name
    }

    /// The session of the order, once it has been seen.
    #[must_use]
    pub fn session(&self) -> Option<SessionId> {
        self.session
    }

    /// The numbers of the order up to now.
    #[must_use]
    pub fn numbers(&self) -> &[OrderNumber] {
        &self.numbers
    }

    /// OrderID(37), once the order was accepted.
    #[must_use]
    pub fn order_id(&self) -> Option<OrderId> {
        self.order_id
    }

    /// Whether this is a number of the order.
    #[must_use]
    pub fn is_ours(&self, session: SessionId, number: OrderNumber) -> bool {
        number != OrderNumber::NONE
            && self.session == Some(session)
            && self.numbers.contains(&number)
    }

    /// An Input; says whether it is about the order.
    pub fn input(&mut self, head: &TurnHead, names: &Names) -> bool {
        let session = head.input.session;
        let (entered, target) = requested(&head.input.command);
        let target = target.unwrap_or(OrderNumber::NONE);
        if self.session.is_none()
            && let Some(entered) = entered
            && self.name.is_meant(head, entered, names)
        {
            self.session = Some(session);
            // Of a replace that is named, the order it means is the same one.
            self.numbers.extend([target, entered].iter().filter(|it| **it != OrderNumber::NONE));
            return true;
        }
        self.is_ours(session, target)
            || entered.is_some_and(|entered| self.is_ours(session, entered))
    }

    /// An Event; says whether it is about the order.
    pub fn event(&mut self, head: &TurnHead, event: &Event) -> bool {
        let about = is_about(event, |session, number| self.is_ours(session, number));
        match event {
            Event::Accepted(_) if about => self.order_id = Some(OrderId(head.input.sequence.0)),
            Event::Replaced(it) if about => {
                self.order_id = Some(it.order_id);
                if !self.numbers.contains(&it.number) {
                    self.numbers.push(it.number);
                }
            }
            _ => {}
        }
        about
    }
}
