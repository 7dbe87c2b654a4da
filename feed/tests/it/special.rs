//! Publisher and mirror against the slow engine, with everything that the market knows: icebergs, stops,
//! pegs, auctions, bands, self-trade prevention, busts.

use feed::message::{Message, TradingStatus};
use feed::{MESSAGE_KINDS_PUBLISHED, MessageCount, Publisher};
use matcher::testing::Reference;
use matcher::{
    BandAction, Bands, Bust, Command, Event, InstrumentId, Liquidity, NewOrder, OrderKind,
    OrderNumber, Peg, Permission, PermissionScope, Phase, Price, Qty, ReplaceOrder,
    SelfTradePrevention, SessionId, Side, Terms, TimeInForce, Timestamp, Traded, Trigger,
};

use crate::support::{Market, Random, Turn, instrument, message};

const SESSIONS: u32 = 4;
const PHASES: [Phase; 7] = [
    Phase::Continuous,
    Phase::Halt,
    Phase::Closed,
    Phase::PreOpen,
    Phase::OpeningAuction,
    Phase::VolatilityAuction,
    Phase::ClosingAuction,
];

struct Flow {
    random: Random,
    market: Market<Reference>,
    turns: Vec<Turn>,
    last: Vec<u32>,
    known: Vec<(SessionId, OrderNumber, InstrumentId, Side)>,
    trades: Vec<Traded>,
}

impl Flow {
    fn new(seed: u64) -> Flow {
        let mut market = Market::new();
        let mut turns = vec![market.configure()];
        for (symbol, decimals, tick_size) in
            [("EURUSD", 4, 1), ("BTCUSD", 2, 25), ("NOT-ON-FEED", 4, 1)]
        {
            turns.push(market.define_instrument(instrument(symbol, decimals, tick_size)).1);
        }
        for _ in 0..SESSIONS {
            market.define_session();
        }
        for (session, self_trade) in [
            (1, SelfTradePrevention::Decrement),
            (2, SelfTradePrevention::CancelOldest),
            (3, SelfTradePrevention::CancelBoth),
        ] {
            let set = Command::SetSession { session: SessionId(session), group: 0, self_trade };
            turns.push(market.venue(set));
        }
        let (last, known, trades) = (vec![0; SESSIONS as usize + 1], Vec::new(), Vec::new());
        Flow { random: Random::new(seed), market, turns, last, known, trades }
    }

    fn run(&mut self, turns: usize) {
        for _ in 0..turns {
            let (session, command) = self.command();
            let turn = self.market.turn(session, command);
            self.trades.extend(turn.events.iter().filter_map(|event| match event {
                Event::Traded(traded) => Some(*traded),
                _ => None,
            }));
            self.turns.push(turn);
        }
    }

    fn u32_below(&mut self, n: u32) -> u32 {
        u32::try_from(self.random.below(n.into())).unwrap()
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.random.below(n) == 0
    }

    fn command(&mut self) -> (SessionId, Command) {
        let session = SessionId(1 + self.u32_below(SESSIONS));
        let instrument = InstrumentId(self.u32_below(3));
        match self.random.below(1_000) {
            0..620 => (session, self.new_order(session, instrument)),
            620..700 => {
                let (session, target, ..) = self.target();
                (session, Command::Cancel { target })
            }
            700..900 => self.replace(),
            _ => (SessionId::VENUE, self.govern(session, instrument)),
        }
    }

    fn govern(&mut self, session: SessionId, instrument: InstrumentId) -> Command {
        match self.random.below(100) {
            0..35 => Command::SetPhase { instrument, phase: Phase::Continuous },
            35..55 => {
                let phase = PHASES[self.random.index(PHASES.len())];
                Command::SetPhase { instrument, phase }
            }
            55..70 => Command::PublishIndicative { instrument },
            70..76 => {
                let action =
                    if self.one_in(2) { BandAction::Interrupt } else { BandAction::Reject };
                let ticks = [0, 4, 8][self.random.index(3)];
                let bands = Bands { static_ticks: 0, dynamic_ticks: ticks, action };
                Command::SetBands { instrument, bands }
            }
            76..79 => {
                let price = self.price(Side::Buy);
                Command::SetReference { instrument, price }
            }
            79..85 => Command::Expire,
            85..87 => Command::ExpireDay,
            87..95 if !self.trades.is_empty() => {
                let traded = self.trades[self.random.index(self.trades.len())];
                let (maker, taker) = (traded.maker, traded.taker);
                let (maker, taker) = ((maker.session, maker.number), (taker.session, taker.number));
                let (buy, sell) = match traded.taker_side {
                    Side::Buy => (taker, maker),
                    Side::Sell => (maker, taker),
                };
                let Traded { id: trade, instrument, price, qty, .. } = traded;
                Command::Bust(Bust { trade, instrument, price, qty, buy, sell })
            }
            95..97 => {
                let scope = PermissionScope::Session(session);
                let permission =
                    if self.one_in(4) { Permission::Killed } else { Permission::CancelOnly };
                Command::SetPermission { scope, permission }
            }
            _ => {
                let scope = PermissionScope::Session(session);
                Command::SetPermission { scope, permission: Permission::Trade }
            }
        }
    }

    fn next_number(&mut self, session: SessionId) -> OrderNumber {
        let last = &mut self.last[session.index()];
        *last += 1;
        OrderNumber(*last)
    }

    fn price(&mut self, side: Side) -> Price {
        let offset = i64::try_from(self.random.below(10)).unwrap();
        Price::from_ticks(match side {
            Side::Buy => 9_993 + offset,
            Side::Sell => 10_007 - offset,
        })
    }

    fn qty(&mut self) -> Qty {
        Qty::from_lots(1 + self.random.below(100))
    }

    fn new_order(&mut self, session: SessionId, instrument: InstrumentId) -> Command {
        let side = if self.one_in(2) { Side::Buy } else { Side::Sell };
        let price = self.price(side);
        let number = self.next_number(session);
        self.known.push((session, number, instrument, side));
        let mut new = NewOrder {
            number,
            instrument,
            side,
            kind: OrderKind::Limit(price),
            qty: self.qty(),
            time_in_force: if self.one_in(2) { TimeInForce::Day } else { TimeInForce::Gtc },
            liquidity: Liquidity::Any,
        };
        let mut terms = Terms::NONE;
        match self.random.below(20) {
            0..5 => {}
            5 => new.kind = OrderKind::Market,
            6 => new.kind = OrderKind::MarketToLimit,
            7 => new.liquidity = Liquidity::PostOnly,
            8 => new.liquidity = Liquidity::Slide,
            9 => new.time_in_force = TimeInForce::Ioc,
            10 => {
                new.time_in_force =
                    [TimeInForce::AtOpen, TimeInForce::AtClose, TimeInForce::Gfa, TimeInForce::Fok]
                        [self.random.index(4)];
                if self.one_in(3) {
                    new.kind = OrderKind::Market;
                }
            }
            11 => {
                new.time_in_force = TimeInForce::Gtd;
                terms.expire_at = Timestamp(self.market.now.0 + 1 + self.random.below(300_000));
            }
            12..15 => terms.display_qty = Qty::from_lots(1 + self.random.below(30)),
            15 => terms.min_qty = Qty::from_lots(1 + self.random.below(40)),
            16 => {
                terms.trigger = Trigger::Stop(self.price(side.opposite()));
                if self.one_in(2) {
                    new.kind = OrderKind::Market;
                }
            }
            17 => {
                terms.trigger = Trigger::Trailing(1 + self.random.below(5));
                new.kind = OrderKind::Market;
            }
            peg => {
                let offset = self.random.below(3);
                terms.peg = if peg == 18 { Peg::Primary(offset) } else { Peg::Midpoint(offset) };
                if self.one_in(2) {
                    new.kind = OrderKind::Market;
                }
            }
        }
        if terms == Terms::NONE { Command::New(new) } else { Command::NewSpecial(new, terms) }
    }

    /// Mostly a young order: it may still work.
    fn target(&mut self) -> (SessionId, OrderNumber, InstrumentId, Side) {
        if self.known.is_empty() {
            return (SessionId(1), OrderNumber(1), InstrumentId(0), Side::Buy);
        }
        let back = self.random.index(self.known.len().min(60));
        self.known[self.known.len() - 1 - back]
    }

    fn replace(&mut self) -> (SessionId, Command) {
        let (session, target, instrument, side) = self.target();
        let queue = self.market.engine.queue(instrument, side);
        let resting = queue.iter().find(|order| (order.session, order.number) == (session, target));
        let (mut price, mut qty) = (self.price(side), self.qty());
        if let Some(order) = resting.filter(|_| self.random.below(2) == 0) {
            price = order.price;
            qty = Qty::from_lots(1 + self.random.below(order.leaves_qty.lots()));
        }
        if self.one_in(8) {
            let number = OrderNumber::NONE;
            let replace = ReplaceOrder { number, target, instrument, side, price, qty };
            return (session, Command::Replace(replace));
        }
        let number = self.next_number(session);
        self.known.push((session, number, instrument, side));
        let replace = ReplaceOrder { number, target, instrument, side, price, qty };
        if self.one_in(10) {
            let trigger = self.price(side.opposite());
            return (session, Command::ReplaceStop(replace, trigger));
        }
        (session, Command::Replace(replace))
    }
}

#[test]
fn the_mirror_shows_what_is_displayed_after_every_turn() {
    let mut kinds = [0_u64; 256];
    for seed in [0xFEED, 0xB00C, 0x17C4] {
        println!("seed {seed:#x}");
        let mut flow = Flow::new(seed);
        flow.run(5_000);
        for bytes in flow.turns.iter().flat_map(|turn| &turn.messages) {
            kinds[usize::from(bytes[0])] += 1;
        }
        volumes_agree(&flow);
        every_turn_can_be_encoded_again(&flow);
    }
    for kind in MESSAGE_KINDS_PUBLISHED.iter().filter(|kind| !b"SR".contains(kind)) {
        let count = kinds[usize::from(*kind)];
        assert!(count > 20, "the flow makes {count} '{}'", kind.escape_ascii());
    }
}

/// The shares of `E`, `P` and `Q` are those that were traded, each counted once.
fn volumes_agree(flow: &Flow) {
    let on_feed = |traded: &&Traded| traded.instrument != InstrumentId(2);
    let traded: u64 = flow.trades.iter().filter(on_feed).map(|traded| traded.qty.lots()).sum();
    let volume = |bytes: &Vec<u8>| match message(bytes) {
        Message::OrderExecuted(message) => u64::from(message.shares),
        Message::Trade(message) => u64::from(message.shares),
        Message::CrossTrade(message) => message.shares,
        _ => 0,
    };
    let published: u64 = flow.turns.iter().flat_map(|turn| &turn.messages).map(volume).sum();
    assert_eq!(published, traded);
}

fn every_turn_can_be_encoded_again(flow: &Flow) {
    let mut publisher: Publisher = flow.market.publisher.clone();
    let mut all = MessageCount(0);
    for turn in &flow.turns {
        let mut again: Vec<Vec<u8>> = Vec::new();
        publisher.turn(&turn.input, &turn.events, &mut again);
        assert_eq!(again, turn.messages);
        all.0 += publisher.messages_in_turn(&turn.input, &turn.events);
    }
    assert_eq!(all.0, flow.turns.iter().map(|turn| turn.messages.len() as u64).sum::<u64>());
}

/// Whoever reads in between sees a crossed book only where nothing trades.
#[test]
fn a_volatility_auction_is_told_before_the_order_that_starts_it() {
    let mut market: Market<Reference> = Market::new();
    market.configure();
    let (id, _) = market.define_instrument(instrument("EURUSD", 4, 1));
    market.define_session();
    let action = BandAction::Interrupt;
    let bands = Bands { static_ticks: 5, dynamic_ticks: 0, action };
    market.venue(Command::SetReference { instrument: id, price: Price::from_ticks(100) });
    market.venue(Command::SetBands { instrument: id, bands });
    let limit = |number, side, ticks| {
        Command::New(NewOrder {
            number: OrderNumber(number),
            instrument: id,
            side,
            kind: OrderKind::Limit(Price::from_ticks(ticks)),
            qty: Qty::from_lots(10),
            time_in_force: TimeInForce::Day,
            liquidity: Liquidity::Any,
        })
    };
    market.turn(SessionId(1), limit(1, Side::Sell, 110));
    let turn = market.turn(SessionId(1), limit(2, Side::Buy, 111));
    let messages: Vec<Message> = turn.messages.iter().map(|bytes| message(bytes)).collect();
    let [Message::TradingAction(pause), Message::AddOrder(add)] = messages[..] else {
        panic!("{messages:?}");
    };
    assert_eq!(pause.status, TradingStatus::Paused);
    assert_eq!(add.price, 111);
}
