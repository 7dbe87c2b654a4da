//! Which turns and records of a journal somebody wants to see.

use clap::Args;
use matcher::{Event, InstrumentId, SessionId, Timestamp};
use venue::Names;
use venue::turns::TurnHead;

use crate::describe;
use crate::failure::Failure;
use crate::journal_reader::JournalArgs;
use crate::moment::{Range, RangeArgs};
use crate::order_name::{OrderName, OrderTrack};

/// What to show; without any of these, everything.
#[derive(Args, Clone, Debug, Default)]
pub struct FilterArgs {
    #[command(flatten)]
    range: RangeArgs,
    /// Only turns that this session asked for or is told of.
    #[arg(long, value_name = "COMPID")]
    session: Option<String>,
    /// Only turns of this instrument.
    #[arg(long, value_name = "SYMBOL")]
    symbol: Option<String>,
    /// Only turns about this order: an OrderID(37), or COMPID:NUMBER.
    #[arg(long, value_name = "ORDER", conflicts_with = "cl_ord_id")]
    order: Option<String>,
    /// Only turns about the order with this ClOrdID(11); --session says whose.
    #[arg(long, value_name = "ID")]
    cl_ord_id: Option<String>,
    /// Only records of these kinds, separated by commas; `journal stat` has the words.
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    kind: Vec<String>,
}

impl FilterArgs {
    /// The same of one session alone.
    #[must_use]
    pub fn of_session(&self, comp_id: &str) -> FilterArgs {
        FilterArgs { session: Some(comp_id.to_owned()), ..self.clone() }
    }

    /// Says on stderr of which day times without a date are, where the journal has more than one.
    pub fn tell_day(&self, journal: &JournalArgs) {
        self.range.tell_day(journal);
    }

    /// Whether what is asked for can be told of a turn without those before it.
    #[must_use]
    pub fn knows_turns_alone(&self) -> bool {
        self.order.is_none() && self.cl_ord_id.is_none() && !self.range.is_given()
    }

    /// Whether turns are asked for by their place or time alone.
    #[must_use]
    pub fn is_range(&self) -> bool {
        let FilterArgs { session, symbol, order, cl_ord_id, kind, .. } = self;
        let names = [session, symbol, order, cl_ord_id];
        names.iter().all(|name| name.is_none()) && kind.is_empty()
    }

    /// The filter, or what is wrong with it.
    ///
    /// # Errors
    ///
    /// If a place, an order or a kind is not written as one.
    pub fn filter(&self) -> Result<Filter, Failure> {
        self.range.range(Timestamp(0))?;
        for kind in &self.kind {
            if !describe::COMMAND_KINDS.contains(&&**kind)
                && !describe::EVENT_KINDS.contains(&&**kind)
            {
                return Err(Failure::usage(format!(
                    "--kind {kind:?} is none of {}",
                    [describe::COMMAND_KINDS, describe::EVENT_KINDS].concat().join(" ")
                )));
            }
        }
        let named = match (&self.order, &self.cl_ord_id) {
            (Some(order), _) => Some(OrderName::parse(order)?),
            (None, Some(id)) => {
                Some(OrderName::ClOrdId(id.clone().into_bytes(), self.session.clone()))
            }
            (None, None) => None,
        };
        Ok(Filter {
            args: self.clone(),
            range: None,
            order: named.map(OrderTrack::new),
            state: State::default(),
            session_met: false,
        })
    }
}

/// Decides turn by turn.
#[derive(Clone, Debug)]
pub struct Filter {
    args: FilterArgs,
    /// Known with the first turn of the journal.
    range: Option<Range>,
    order: Option<OrderTrack>,
    state: State,
    /// A turn was the session's: in a part of a journal that does not define it, it goes by its number.
    session_met: bool,
}

/// What was seen of the present turn.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    inside: bool,
    past: bool,
    session: bool,
    symbol: bool,
    order: bool,
    kind: bool,
}

impl Filter {
    /// A turn begins.
    pub fn input(&mut self, head: &TurnHead, names: &Names) {
        let (sequence, time) = (head.input.sequence, head.input.timestamp);
        if self.range.is_none() {
            // Times of day are of the day that the journal begins; how they are written was checked.
            self.range = self.args.range.range(time).ok();
        }
        let past = self.range.is_some_and(|range| range.is_before(sequence, time));
        let inside = !past && !self.range.is_some_and(|range| range.is_after(sequence, time));
        self.state = State { inside, past, ..State::default() };
        self.state.kind = self.shows_kind(describe::command_kind(&head.input.command));
        self.session(head.input.session, names);
        self.symbol(describe::command_instrument(&head.input.command), names);
        self.state.order = self.order.as_mut().is_none_or(|order| order.input(head, names));
    }

    /// Its next event.
    pub fn event(&mut self, head: &TurnHead, event: &Event, names: &Names) {
        for (session, _) in event.recipients().into_iter().flatten() {
            self.session(session, names);
        }
        self.symbol(describe::event_instrument(event), names);
        self.state.kind |= self.shows_kind(describe::event_kind(event));
        if let Some(order) = &mut self.order {
            self.state.order |= order.event(head, event);
        }
    }

    /// Whether the turn that just ended is asked for.
    #[must_use]
    pub fn shows_turn(&self) -> bool {
        let State { inside, session, symbol, order, kind, .. } = self.state;
        inside && session && symbol && order && kind
    }

    /// Whether records of this kind are asked for.
    #[must_use]
    pub fn shows_kind(&self, kind: &str) -> bool {
        self.args.kind.is_empty() || self.args.kind.iter().any(|wanted| wanted == kind)
    }

    /// Whether what this session asks and is told is asked for.
    #[must_use]
    pub fn shows_session(&self, id: SessionId, names: &Names) -> bool {
        self.args.session.as_deref().is_none_or(|wanted| *names.session(id) == *wanted)
    }

    /// Whether what concerns this instrument is asked for.
    #[must_use]
    pub fn shows_instrument(&self, id: InstrumentId, names: &Names) -> bool {
        let found = names.instruments.get(id.index());
        self.args
            .symbol
            .as_deref()
            .is_none_or(|wanted| found.is_some_and(|found| found.symbol.as_str() == wanted))
    }

    /// Whether the present turn is in the range of sequences and times.
    #[must_use]
    pub fn is_inside(&self) -> bool {
        self.state.inside
    }

    /// Whether no later turn can be asked for.
    #[must_use]
    pub fn is_past(&self) -> bool {
        self.state.past
    }

    /// Says what the journal does not know, at its end.
    ///
    /// # Errors
    ///
    /// If it knows no such instrument, session or order.
    pub fn end(&self, names: &Names) -> Result<(), Failure> {
        if let Some(symbol) = &self.args.symbol
            && names.instrument(symbol).is_none()
        {
            return Err(Failure::usage(format!("the journal knows no instrument {symbol}")));
        }
        if let Some(order) =
            self.order.as_ref().filter(|it| it.session().is_none() && !self.is_past())
        {
            let name = order.name();
            return Err(Failure::usage(format!("the journal has no request of an {name}")));
        }
        let known = |wanted: &str| names.sessions.iter().any(|(comp_id, _)| comp_id == wanted);
        match &self.args.session {
            Some(comp_id) if comp_id != "VENUE" && !self.session_met && !known(comp_id) => {
                Err(Failure::usage(format!("the journal knows no session {comp_id}")))
            }
            _ => Ok(()),
        }
    }

    fn session(&mut self, id: SessionId, names: &Names) {
        let is_its = self.shows_session(id, names);
        self.state.session |= is_its;
        self.session_met |= is_its;
    }

    fn symbol(&mut self, id: Option<InstrumentId>, names: &Names) {
        let shows = |id| self.shows_instrument(id, names);
        self.state.symbol |= id.map_or(self.args.symbol.is_none(), shows);
    }
}
