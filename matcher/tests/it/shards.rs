//! What the engine does for a venue of more than one core: numbers for messages of another, and names that no other gives.

use matcher::testing::reference::Reference;
use matcher::{
    Bust, Command, Engine, Event, Input, Instrument, InstrumentId, Limits, MsgSeqNum, NewOrder,
    Numbering, OrderNumber, OrderRef, ParticipantId, Phase, Price, Qty, RejectReason, Relay,
    Relayed, SHARDS_MAX, Sequence, SessionId, Side, Symbol, Timestamp, TradeId,
};

const ANN: SessionId = SessionId(1);

/// An engine and its reference that begin behind `before`, with an instrument and a session.
struct World {
    engine: Engine,
    reference: Reference,
    last: Sequence,
}

impl World {
    fn new(before: Sequence) -> World {
        let mut world = World { engine: Engine::new(), reference: Reference::new(), last: before };
        let (orders_max, levels_max, instruments_max, sessions_max) = (100, 100, 2, 2);
        let limits = Limits { orders_max, levels_max, instruments_max, sessions_max };
        let instrument = Instrument {
            symbol: Symbol::new(b"X").unwrap(),
            price_decimals: 2,
            qty_decimals: 0,
            tick_size: 1,
            lot_size: 1,
            qty_min: Qty::from_lots(1),
            qty_max: Qty::from_lots(1_000),
            price_min: Price::from_ticks(1),
            price_max: Price::from_ticks(1_000),
            phase: Phase::Continuous,
        };
        let participant = ParticipantId(1);
        world.give(SessionId::VENUE, 0, Command::Configure(limits));
        let id = InstrumentId(0);
        world.give(SessionId::VENUE, 0, Command::DefineInstrument { id, instrument });
        world.give(SessionId::VENUE, 0, Command::DefineSession { id: ANN, participant });
        world
    }

    fn give(&mut self, session: SessionId, inbound: u32, command: Command) -> Vec<Event> {
        self.last = Sequence(self.last.0 + 1);
        let (sequence, inbound) = (self.last, MsgSeqNum(inbound));
        let input = Input { sequence, timestamp: Timestamp(1), session, inbound, command };
        let mut events = Vec::new();
        self.engine.apply(&input, &mut events);
        assert_eq!(events, self.reference.apply(&input));
        events
    }

    fn order(&mut self, number: u32, side: Side) -> Vec<Event> {
        let new = NewOrder::limit(InstrumentId(0), side, Price::from_ticks(5), Qty::from_lots(1));
        let number = OrderNumber(number);
        self.give(ANN, number.0, Command::New(NewOrder { number, ..new }))
    }
}

#[test]
fn messages_of_another_shard_take_numbers_among_the_others() {
    let mut world = World::new(Sequence(0));
    world.give(ANN, 1, Command::Note(Numbering::Next));
    let (shard, first, count) = (3, MsgSeqNum(7), 5);
    let events = world.give(ANN, 9, Command::Relay(Relay { shard, first, count }));
    let msg = MsgSeqNum(2);
    assert_eq!(events, [Event::Relayed(Relayed { session: ANN, shard, first, msg, count })]);
    let next = world.give(ANN, 10, Command::Note(Numbering::Next));
    assert_eq!(next, [Event::Numbered { session: ANN, msg: MsgSeqNum(7) }]);
    let state = world.engine.session(ANN).unwrap();
    assert_eq!((state.last_inbound, state.last_outbound), (MsgSeqNum(10), MsgSeqNum(7)));
    // The venue has no messages.
    let relay = Command::Relay(Relay { shard, first, count });
    let refused = world.give(SessionId::VENUE, 0, relay);
    assert_eq!(refused, [Event::CommandRefused { reason: RejectReason::NotPermitted }]);
}

#[test]
fn what_shards_name_is_named_once() {
    let last = SHARDS_MAX - 1;
    for shard in [0, 1, last] {
        let before = Sequence::before_shard(shard);
        assert_eq!((before.before_journal(), before.shard()), (before, shard.into()));
        let mut world = World::new(before);
        let (first, second) = (world.order(1, Side::Buy), world.order(2, Side::Sell));
        let [Event::Accepted(_), Event::Rested(rested)] = first[..] else { panic!("{first:?}") };
        assert_eq!(rested.order_ref, OrderRef(before.0 + 1));
        let [Event::Accepted(_), Event::Traded(traded)] = second[..] else { panic!("{second:?}") };
        assert_eq!(traded.id, TradeId(before.0 + 1));
        assert_eq!(
            (traded.maker.order_id.0, traded.taker.order_id.0),
            (before.0 + 4, before.0 + 5)
        );
        // As a snapshot has it.
        let mut bytes = Vec::new();
        world.engine.save(&mut |part| bytes.extend_from_slice(part));
        let loaded = Engine::load(&bytes, &matcher::LIMITS_MAX).unwrap();
        assert_eq!(loaded.state_hash(), world.engine.state_hash());
        // A trade of another shard is none of this.
        let bust = |trade| {
            let (price, qty) = (Price::from_ticks(5), Qty::from_lots(1));
            let (buy, sell) = ((ANN, OrderNumber(1)), (ANN, OrderNumber(2)));
            Command::Bust(Bust { trade, instrument: InstrumentId(0), price, qty, buy, sell })
        };
        for other in [before.0, before.0 + 2] {
            let refused = world.give(SessionId::VENUE, 0, bust(TradeId(other)));
            assert_eq!(refused, [Event::CommandRefused { reason: RejectReason::UnknownTrade }]);
        }
        assert!(matches!(world.give(SessionId::VENUE, 0, bust(traded.id))[..], [Event::Busted(_)]));
    }
    assert!(Sequence::before_shard(SHARDS_MAX).0 <= 1 << 52, "formats with 53 bits hold them");
    assert!(Sequence(1).is_first() && !Sequence(2).is_first());
}
