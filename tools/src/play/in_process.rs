//! A flow through the matcher alone, without a venue around it.

use matcher::{
    Command, Engine, Event, Input, InstrumentId, Limits, Liquidity, MsgSeqNum, NewOrder, OrderKind,
    OrderNumber, ParticipantId, Price, Qty, ReplaceOrder, Sequence, SessionId, Side, TimeInForce,
    Timestamp, Traded,
};

use super::PlayError;
use crate::judge::{Judge, JudgedTrade, Verdict};
use crate::order_flow::{Flow, FlowCommand, Level, Request, Step};
use crate::own_venue;

/// Plays `flow` through an engine and judges every trade and every row.
///
/// # Errors
///
/// If the flow contradicts itself.
pub(super) fn play(flow: &Flow, sessions: usize) -> Result<Verdict, PlayError> {
    let steps = flow.plan(sessions).map_err(PlayError::Plan)?;
    let mut market = Market::new(sessions);
    let mut judge = Judge::new(flow);
    market.book(None, &mut judge);
    // By command: the number its order has, and which order that is.
    let mut numbers = vec![OrderNumber::NONE; steps.len()];
    for (n, (step, command)) in steps.iter().zip(&flow.commands).enumerate() {
        let trades = market.step(n, step, command, &mut numbers, &mut judge);
        judge.trades(n, &trades);
        market.book(Some(n), &mut judge);
    }
    Ok(judge.verdict())
}

/// An engine with one instrument and some sessions.
struct Market {
    engine: Engine,
    sequence: u64,
    /// By session and number: which order of the flow.
    oids: Vec<Vec<u64>>,
    events: Vec<Event>,
}

const INSTRUMENT: InstrumentId = InstrumentId(0);

impl Market {
    fn new(sessions: usize) -> Market {
        let (engine, oids) = (Engine::new(), vec![vec![0]; sessions + 1]);
        let mut market = Market { engine, sequence: 0, oids, events: Vec::new() };
        let limits = Limits {
            orders_max: 1_000_000,
            levels_max: 250_000,
            instruments_max: 1,
            sessions_max: u32::try_from(sessions).unwrap_or(u32::MAX),
        };
        let instrument = own_venue::flow_instrument();
        market.apply(SessionId::VENUE, Command::Configure(limits));
        let define = Command::DefineInstrument { id: INSTRUMENT, instrument };
        market.apply(SessionId::VENUE, define);
        for id in (1..=limits.sessions_max).map(SessionId) {
            let define = Command::DefineSession { id, participant: ParticipantId(id.0) };
            market.apply(SessionId::VENUE, define);
        }
        market
    }

    /// What the engine says to a command, in `self.events`.
    fn apply(&mut self, session: SessionId, command: Command) {
        self.sequence += 1;
        let input = Input {
            sequence: Sequence(self.sequence),
            timestamp: Timestamp(self.sequence),
            session,
            inbound: MsgSeqNum::NONE,
            command,
        };
        self.events.clear();
        self.engine.apply(&input, &mut self.events);
    }

    fn step(
        &mut self,
        n: usize,
        step: &Step,
        command: &FlowCommand,
        numbers: &mut [OrderNumber],
        judge: &mut Judge<'_>,
    ) -> Vec<JudgedTrade> {
        let session = SessionId(u32::try_from(step.session + 1).unwrap_or(u32::MAX));
        let mut trades = Vec::new();
        for request in [step.first.as_ref(), Some(&step.request)].into_iter().flatten() {
            let names = &mut self.oids[session.index()];
            let number = OrderNumber(u32::try_from(names.len()).unwrap_or(u32::MAX));
            let asked = to_command(request, number, numbers);
            if !matches!(request, Request::Cancel { .. }) {
                names.push(command.oid);
                numbers[n] = number;
            }
            self.apply(session, asked);
            for event in &self.events {
                match event {
                    Event::Traded(traded) => trades.push(self.judged(traded)),
                    Event::Rejected(_) | Event::CancelRejected(_) => {
                        judge.wrong(format_args!("command {n} was refused: {event:?}"));
                    }
                    _ => {}
                }
            }
        }
        trades
    }

    fn judged(&self, traded: &Traded) -> JudgedTrade {
        JudgedTrade {
            maker_oid: self.oid(traded.maker.session, traded.maker.number),
            price: traded.price.ticks(),
            qty: traded.qty.lots(),
        }
    }

    fn oid(&self, session: SessionId, number: OrderNumber) -> u64 {
        let names = self.oids.get(session.index());
        names.and_then(|names| names.get(number.0 as usize)).copied().unwrap_or(0)
    }

    fn book(&self, after: Option<usize>, judge: &mut Judge<'_>) {
        if let Some(book) = self.engine.book(INSTRUMENT).filter(|_| judge.wants_book(after)) {
            let level =
                |level: matcher::BookLevel| -> Level { (level.price.ticks(), level.qty.lots()) };
            judge.book(
                after,
                book.levels(Side::Sell).map(level),
                book.levels(Side::Buy).map(level),
            );
        }
    }
}

fn to_command(request: &Request, number: OrderNumber, numbers: &[OrderNumber]) -> Command {
    match *request {
        Request::New { side, price, qty, ioc } => Command::New(NewOrder {
            number,
            instrument: INSTRUMENT,
            side,
            kind: OrderKind::Limit(Price::from_ticks(price)),
            qty: Qty::from_lots(qty),
            time_in_force: if ioc { TimeInForce::Ioc } else { TimeInForce::Gtc },
            liquidity: Liquidity::Any,
        }),
        Request::Cancel { target, .. } => Command::Cancel { target: numbers[target] },
        Request::Replace { target, side, price, order_qty, .. } => Command::Replace(ReplaceOrder {
            number,
            target: numbers[target],
            instrument: INSTRUMENT,
            side,
            price: Price::from_ticks(price),
            qty: Qty::from_lots(order_qty),
        }),
    }
}
