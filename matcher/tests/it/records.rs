//! Bytes of Inputs and Events: what is written is read back, and no bytes can do harm.

use std::collections::BTreeMap;

use matcher::record::{
    ATTACHMENT_BYTES_MAX, EVENT_BYTES_MAX, INPUT_BYTES_MAX, Record, RecordError, WANTED_BYTES,
    decode, decode_event, decode_input, encode_event, encode_input, event_bytes, record_bytes,
    stamp_input, wanted,
};
use matcher::testing::{Profile, Rng, flow};
use matcher::{
    BandAction, Bands, Bust, Busted, BustedPart, CancelReason, Canceled, Command, Engine, Event,
    Fill, Held, HeldReason, Input, InstrumentId, Liquidity, MsgSeqNum, NewOrder, Notional, OrderId,
    OrderKind, OrderNumber, OrderRef, ParticipantId, Peg, Permission, PermissionScope, Phase,
    PhaseReason, Price, Priority, Qty, ReduceOrder, RejectReason, Rejected, Relay, Relayed,
    ReplaceOrder, Replaced, Replenished, RestateReason, Restated, RiskLimits, SelfTradePrevention,
    Sequence, SessionId, Side, Terms, TimeInForce, Timestamp, TradeId, TradeKind, Traded, Trigger,
    Triggered, Uncrossed, Wanted,
};

const FORMAT: &str = include_str!("../../../journal/FORMAT.md");

fn encoded_input(input: &Input, attachment: &[u8]) -> Vec<u8> {
    let mut out = [0xff; INPUT_BYTES_MAX];
    let len = encode_input(input, attachment, &mut out);
    out[..len].to_vec()
}

fn encoded_event(event: &Event) -> Vec<u8> {
    let mut out = vec![0xff; event_bytes(event)];
    encode_event(event, &mut out);
    out
}

/// Up to 40 records of every kind and code there is, from a hostile flow.
fn samples() -> (Vec<Input>, Vec<Event>) {
    let (mut inputs, mut events): (BTreeMap<_, Vec<_>>, BTreeMap<_, Vec<_>>) = Default::default();
    for profile in [Profile::hostile(), Profile::standard()] {
        let mut engine = Engine::new();
        for input in flow::record(profile, 17, 20_000) {
            let mut answer = Vec::new();
            engine.apply(&input, &mut answer);
            let head = encoded_input(&input, &[])[2..4].to_vec();
            inputs.entry(head).or_default().push(input);
            for event in answer {
                events.entry(encoded_event(&event)[2..4].to_vec()).or_default().push(event);
            }
        }
    }
    for input in inputs_of_every_code() {
        inputs.entry(encoded_input(&input, &[])[2..4].to_vec()).or_default().insert(0, input);
    }
    for event in events_of_every_code() {
        events.entry(encoded_event(&event)[2..4].to_vec()).or_default().insert(0, event);
    }
    let kinds = |map: Vec<&Vec<u8>>| {
        let mut kinds: Vec<u8> = map.iter().map(|head| head[0]).collect();
        kinds.dedup();
        kinds
    };
    assert_eq!(kinds(inputs.keys().collect()), (1..=24).collect::<Vec<u8>>());
    assert_eq!(kinds(events.keys().collect()), (64..=88).collect::<Vec<u8>>());
    (
        inputs.into_values().flat_map(|v| v.into_iter().take(40)).collect(),
        events.into_values().flat_map(|v| v.into_iter().take(40)).collect(),
    )
}

const PHASES: [Phase; 7] = [
    Phase::Continuous,
    Phase::Halt,
    Phase::Closed,
    Phase::PreOpen,
    Phase::OpeningAuction,
    Phase::VolatilityAuction,
    Phase::ClosingAuction,
];

/// Numbers that no two fields share, so that a field in the place of another is seen.
fn price(ticks: i64) -> Price {
    Price::from_ticks(-0x0102_0304_0506_0700 - ticks)
}

fn qty(lots: u64) -> Qty {
    Qty::from_lots(0x8877_6655_4433_2200 + lots)
}

/// Commands with every code that the flows of the tests do not make, or hardly make.
fn commands() -> Vec<Command> {
    let instrument = InstrumentId(0x0a0b_0c0d);
    let new = NewOrder {
        number: OrderNumber(11),
        instrument,
        side: Side::Sell,
        kind: OrderKind::Limit(price(1)),
        qty: qty(1),
        time_in_force: TimeInForce::Day,
        liquidity: Liquidity::Any,
    };
    let replace = ReplaceOrder {
        number: OrderNumber(12),
        target: OrderNumber(13),
        instrument,
        side: Side::Buy,
        price: price(2),
        qty: qty(2),
    };
    let terms = Terms {
        display_qty: qty(3),
        min_qty: qty(4),
        expire_at: Timestamp(u64::MAX - 5),
        trigger: Trigger::Stop(price(6)),
        peg: Peg::Primary(1 << 63),
    };
    let mut commands = vec![
        Command::NewSpecial(new, terms),
        Command::NewSpecial(new, Terms::NONE),
        Command::ReplaceStop(replace, price(7)),
        Command::Reduce(ReduceOrder { target: OrderNumber(u32::MAX - 3), qty: qty(10) }),
        Command::Relay(Relay { shard: 255, first: MsgSeqNum(u32::MAX), count: u32::MAX - 1 }),
        Command::SetReference { instrument, price: price(8) },
        Command::PublishIndicative { instrument },
        Command::Expire,
        Command::Bust(Bust {
            trade: TradeId(14),
            instrument,
            price: price(9),
            qty: qty(5),
            buy: (SessionId(15), OrderNumber(16)),
            sell: (SessionId(17), OrderNumber(18)),
        }),
        Command::SetRisk {
            participant: ParticipantId(19),
            instrument,
            limits: RiskLimits {
                order_qty_max: qty(6),
                order_notional_max: 20,
                collar_ticks: 21,
                open_notional_max: 22,
                position_max: 23,
                open_orders_max: 24,
            },
        },
        Command::SetRisk {
            participant: ParticipantId(19),
            instrument: InstrumentId::NONE,
            limits: RiskLimits::NONE,
        },
    ];
    for kind in [OrderKind::Market, OrderKind::MarketToLimit] {
        commands.push(Command::New(NewOrder { kind, ..new }));
    }
    for time_in_force in [
        TimeInForce::Gtc,
        TimeInForce::Ioc,
        TimeInForce::Fok,
        TimeInForce::AtOpen,
        TimeInForce::Gtd,
        TimeInForce::AtClose,
        TimeInForce::Gfa,
    ] {
        commands.push(Command::New(NewOrder { time_in_force, ..new }));
    }
    for liquidity in [Liquidity::PostOnly, Liquidity::Slide] {
        commands.push(Command::New(NewOrder { liquidity, ..new }));
    }
    for trigger in [Trigger::None, Trigger::Trailing(u64::MAX)] {
        commands.push(Command::NewSpecial(new, Terms { trigger, ..terms }));
    }
    for peg in [Peg::None, Peg::Midpoint(25)] {
        commands.push(Command::NewSpecial(new, Terms { peg, ..terms }));
    }
    for phase in PHASES {
        commands.push(Command::SetPhase { instrument, phase });
        let instrument = flow::instrument("XYZ", (-5, 5), 100);
        let instrument = matcher::Instrument { phase, ..instrument };
        commands.push(Command::DefineInstrument { id: InstrumentId(3), instrument });
    }
    for action in [BandAction::Reject, BandAction::Interrupt] {
        let bands = Bands { static_ticks: 26, dynamic_ticks: 27, action };
        commands.push(Command::SetBands { instrument, bands });
    }
    for self_trade in [
        SelfTradePrevention::None,
        SelfTradePrevention::CancelNewest,
        SelfTradePrevention::CancelOldest,
        SelfTradePrevention::CancelBoth,
        SelfTradePrevention::Decrement,
    ] {
        commands.push(Command::SetSession { session: SessionId(28), group: 29, self_trade });
    }
    for scope in [
        PermissionScope::Session(SessionId(30)),
        PermissionScope::Participant(ParticipantId(31)),
        PermissionScope::Group(32),
        PermissionScope::Instrument(instrument),
    ] {
        for permission in [Permission::Trade, Permission::CancelOnly, Permission::Killed] {
            commands.push(Command::SetPermission { scope, permission });
        }
    }
    commands
}

fn inputs_of_every_code() -> Vec<Input> {
    let input = |command| Input {
        sequence: Sequence(7),
        timestamp: Timestamp(8),
        session: SessionId(9),
        inbound: MsgSeqNum(10),
        command,
    };
    commands().into_iter().map(input).collect()
}

/// The same of Events.
fn events_of_every_code() -> Vec<Event> {
    let (session, number, msg) = (SessionId(1), OrderNumber(2), MsgSeqNum(3));
    let (order_id, instrument) = (OrderId(4), InstrumentId(5));
    let part =
        |n| BustedPart { session: SessionId(n), number: OrderNumber(n + 1), msg: MsgSeqNum(n + 2) };
    let triggered = Triggered { session, number, msg, order_id, instrument, leaves_qty: qty(1) };
    let mut events = vec![
        Event::Applied,
        Event::Triggered(triggered),
        Event::Relayed(Relayed {
            session,
            shard: 255,
            first: MsgSeqNum(u32::MAX),
            msg: MsgSeqNum(7),
            count: u32::MAX - 1,
        }),
        Event::Busted(Busted {
            trade: TradeId(6),
            instrument,
            price: price(1),
            qty: qty(2),
            buy: part(10),
            sell: part(20),
        }),
    ];
    for phase in PHASES {
        for reason in [PhaseReason::Command, PhaseReason::Volatility] {
            events.push(Event::PhaseChanged { instrument, phase, reason });
        }
        for side in [None, Some(Side::Buy), Some(Side::Sell)] {
            let (price, qty, imbalance) = (price(2), qty(3), qty(4));
            let uncrossed = Uncrossed { instrument, phase, price, qty, imbalance, side };
            events.push(Event::Uncrossed(uncrossed));
            for price in [None, Some(price)] {
                events.push(Event::Indicative { instrument, phase, price, qty, imbalance, side });
            }
        }
    }
    for side in [Side::Buy, Side::Sell] {
        for reason in [HeldReason::Stop, HeldReason::Peg, HeldReason::Waiting, HeldReason::Auction]
        {
            let (order_ref, leaves_qty) = (OrderRef(7), qty(5));
            events.push(Event::Held(Held {
                session,
                number,
                instrument,
                side,
                reason,
                order_ref,
                leaves_qty,
            }));
        }
        let (order_ref, price, qty) = (OrderRef(8), price(3), qty(6));
        let slice = Replenished { session, number, instrument, side, order_ref, price, qty };
        events.push(Event::Replenished(slice));
        for kind in [TradeKind::Continuous, TradeKind::Auction] {
            let fill = |n: u32| Fill {
                session: SessionId(n),
                number: OrderNumber(n + 1),
                msg: MsgSeqNum(n + 2),
                order_id: OrderId(u64::from(n) + 3),
                leaves_qty: Qty::from_lots(u64::from(n) + 4),
                cum_qty: Qty::from_lots(u64::from(n) + 5),
                notional: Notional::from_tick_lots(-i64::from(n)),
            };
            events.push(Event::Traded(Traded {
                id: TradeId(9),
                instrument,
                taker_side: side,
                kind,
                price,
                qty,
                maker_ref: OrderRef(10),
                taker_ref: OrderRef(11),
                maker: fill(100),
                taker: fill(200),
            }));
        }
    }
    for reason in [RestateReason::SelfTrade, RestateReason::MarketToLimit, RestateReason::Slide] {
        events.push(Event::Restated(Restated {
            session,
            number,
            msg,
            order_id,
            instrument,
            reason,
            order_ref: OrderRef(12),
            price: price(4),
            cut_qty: qty(7),
            leaves_qty: qty(8),
            cum_qty: qty(9),
            notional: Notional::from_tick_lots(-13),
        }));
    }
    for reason in [
        CancelReason::Requested,
        CancelReason::MassCancel,
        CancelReason::Venue,
        CancelReason::Ioc,
        CancelReason::Fok,
        CancelReason::Market,
        CancelReason::Expired,
        CancelReason::MinQty,
        CancelReason::SelfTrade,
        CancelReason::PriceBand,
        CancelReason::KillSwitch,
        CancelReason::AuctionEnd,
        CancelReason::NoRoom,
    ] {
        events.push(Event::Canceled(Canceled {
            session,
            number,
            msg,
            order_id,
            instrument,
            order_ref: OrderRef(14),
            reason,
            canceled_qty: qty(10),
            cum_qty: qty(11),
            notional: Notional::from_tick_lots(15),
        }));
    }
    for priority in [Priority::Kept, Priority::Lost] {
        events.push(Event::Replaced(Replaced {
            session,
            old_number: OrderNumber(16),
            number,
            msg,
            order_id,
            instrument,
            priority,
            old_ref: OrderRef(17),
            price: price(5),
            order_qty: qty(12),
            leaves_qty: qty(13),
            old_leaves_qty: qty(14),
            cut_qty: qty(15),
            notional: Notional::from_tick_lots(18),
        }));
    }
    for reason in RejectReason::ALL {
        events.push(Event::Rejected(Rejected { session, number, msg, reason: *reason }));
    }
    events
}

/// Kind, length, fields as (offset, length).
type Row = (u8, usize, Vec<(usize, usize)>);

/// Rows of FORMAT.md's tables of Inputs or Events.
fn rows(kinds: std::ops::RangeInclusive<u8>, length_cell: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    for line in FORMAT.lines() {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let kind = cells.first().and_then(|cell| cell.parse().ok());
        let Some(kind) = kind.filter(|kind| kinds.contains(kind)) else { continue };
        let Some(Ok(length)) = cells.get(length_cell).map(|cell| cell.parse()) else { continue };
        let fields = cells[length_cell + 1].split(" · ").filter(|field| !field.is_empty());
        let number = |word: Option<&str>| word.unwrap().parse().unwrap();
        let fields = fields.map(|field| {
            let mut words = field.split(' ');
            (number(words.next()), number(words.next()))
        });
        rows.push((kind, length, fields.collect()));
    }
    rows
}

#[test]
fn lengths_are_those_of_the_documented_format() {
    let (inputs, events) = samples();
    let mut bytes: BTreeMap<u8, usize> = BTreeMap::new();
    for input in &inputs {
        let bytes_of = encoded_input(input, &[]);
        assert_eq!(*bytes.entry(bytes_of[2]).or_insert(bytes_of.len()), bytes_of.len());
    }
    for event in &events {
        let bytes_of = encoded_event(event);
        assert_eq!(*bytes.entry(bytes_of[2]).or_insert(bytes_of.len()), bytes_of.len());
    }
    let inputs = rows(1..=63, 3);
    let events = rows(64..=127, 4);
    assert_eq!(inputs.len() + events.len(), bytes.len());
    for (kind, length, fields, head) in inputs
        .iter()
        .map(|(kind, length, fields)| (kind, length + 24, fields, 0))
        .chain(events.iter().map(|(kind, length, fields)| (kind, *length, fields, 8)))
    {
        assert_eq!(bytes.get(kind), Some(&length), "kind {kind}");
        let mut at = head;
        for (offset, len) in fields {
            assert_eq!(*offset, at, "kind {kind}");
            at += len;
        }
        assert_eq!(at, if head == 0 { length - 24 } else { length }, "kind {kind}");
    }
}

/// Every place of a code, with every byte: it is read and written as the same, or it is no code and the error
/// names the place.
#[test]
fn undefined_codes_are_refused_by_place() {
    let inputs: Vec<Vec<u8>> =
        inputs_of_every_code().iter().map(|input| encoded_input(input, &[])).collect();
    let events: Vec<Vec<u8>> = events_of_every_code().iter().map(encoded_event).collect();
    let mut refused: BTreeMap<(u8, usize), usize> = BTreeMap::new();
    for bytes in inputs.iter().chain(&events) {
        for at in 3..bytes.len() {
            let undefined = (0..=u8::MAX).filter(|value| {
                let mut changed = bytes.clone();
                changed[at] = *value;
                match decode(Sequence(7), &changed) {
                    Err(RecordError::Field { offset, .. }) => {
                        // A code of several bytes is named by its last one.
                        let width = if bytes[2] == 2 { 16 } else { 2 };
                        assert!((at..at + width).contains(&usize::from(offset)), "{bytes:?} {at}");
                        true
                    }
                    _ => false,
                }
            });
            let undefined = undefined.count();
            if undefined > 0 {
                refused.entry((bytes[2], at)).or_insert(undefined);
            }
        }
    }
    // Kind, offset of the code, values that it cannot have.
    for (place, undefined) in [
        ((4, 3), 256 - 7),
        ((5, 48), 256 - 3),
        ((5, 49), 256 - 8),
        ((5, 50), 256 - 3),
        ((13, 96), 256 - 3),
        ((13, 97), 256 - 3),
        ((14, 3), 256 - 2),
        ((15, 3), 256 - 2),
        ((17, 3), 256 - 5),
        ((19, 3), 256 - 3),
        ((19, 28), 256 - 4),
        ((67, 3), 256 - 7),
        ((67, 8), 256 - 2),
        ((72, 3), 256 - 4),
        ((73, 3), 256 - 13),
        ((81, 3), 256 - 8),
        ((83, 3), 256 - 3),
        ((84, 3), 256 - 2),
        ((85, 3), 256 - 3),
        ((85, 32), 256 - 7),
        ((86, 3), 256 - 6),
        ((86, 32), 256 - 7),
    ] {
        assert_eq!(refused.get(&place), Some(&undefined), "{place:?}");
    }
}

#[test]
fn what_is_written_is_read_back() {
    let (inputs, events) = samples();
    for input in &inputs {
        for attachment in [&b""[..], b"1", b"12345678", &[7; ATTACHMENT_BYTES_MAX]] {
            let bytes = encoded_input(input, attachment);
            assert!(bytes.len().is_multiple_of(8));
            assert_eq!(record_bytes(&bytes), Ok(bytes.len()));
            assert_eq!(decode_input(input.sequence, &bytes), Ok((*input, attachment, bytes.len())));
            let record = Record::Input { input: *input, attachment };
            assert_eq!(decode(input.sequence, &bytes), Ok((record, bytes.len())));
        }
    }
    for event in &events {
        let bytes = encoded_event(event);
        assert!(bytes.len().is_multiple_of(8) && bytes.len() <= EVENT_BYTES_MAX);
        assert_eq!(decode_event(&bytes), Ok((*event, bytes.len())));
        assert_eq!(decode(Sequence(1), &bytes), Ok((Record::Event(*event), bytes.len())));
    }
}

#[test]
fn records_follow_one_another() {
    let (inputs, events) = samples();
    let (input, event) = (&inputs[100], &events[100]);
    let mut bytes = encoded_input(input, b"abc");
    bytes.extend(encoded_event(event));
    let (_, len) = decode(input.sequence, &bytes).unwrap();
    assert_eq!(
        decode(input.sequence, &bytes[len..]),
        Ok((Record::Event(*event), bytes.len() - len))
    );
}

#[test]
fn a_stamp_is_the_timestamp_of_the_input() {
    let (inputs, _) = samples();
    for input in &inputs {
        let mut bytes = encoded_input(input, b"x");
        stamp_input(&mut bytes, Timestamp(u64::MAX - 1));
        let stamped = Input { timestamp: Timestamp(u64::MAX - 1), ..*input };
        assert_eq!(decode_input(input.sequence, &bytes).unwrap().0, stamped);
    }
}

#[test]
fn padding_is_zero() {
    let (inputs, events) = samples();
    for input in &inputs {
        let bytes = encoded_input(input, b"x");
        assert_eq!(bytes, {
            let mut out = [0; INPUT_BYTES_MAX];
            let len = encode_input(input, b"x", &mut out);
            out[..len].to_vec()
        });
    }
    for event in &events {
        let mut out = vec![0; event_bytes(event)];
        encode_event(event, &mut out);
        assert_eq!(out, encoded_event(event));
    }
}

/// Whatever is read from bytes can be written, and is then read as the same.
fn assert_harmless(bytes: &[u8]) {
    match decode(Sequence(9), bytes) {
        Ok((Record::Input { input, attachment }, len)) => {
            assert!(len <= bytes.len());
            let again = encoded_input(&input, attachment);
            assert_eq!(decode_input(Sequence(9), &again).unwrap().0, input);
        }
        Ok((Record::Event(event), len)) => {
            assert!(len <= bytes.len());
            assert_eq!(decode_event(&encoded_event(&event)).unwrap().0, event);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    let _ = decode_input(Sequence(9), bytes);
    let _ = decode_event(bytes);
}

/// Who has room for a record has room for the largest there is, and no more; of what he wants who looks
/// ahead all is in the record of a plain order.
#[test]
fn room_for_a_record_is_that_of_the_largest() {
    let inputs = inputs_of_every_code();
    let largest = inputs.iter().map(|it| encoded_input(it, &[7; ATTACHMENT_BYTES_MAX]).len());
    assert_eq!(largest.max(), Some(INPUT_BYTES_MAX));
    let plain = inputs.iter().find(|it| matches!(it.command, Command::New(_))).unwrap();
    assert_eq!(encoded_input(plain, b"").len(), WANTED_BYTES);
}

/// Who looks ahead at bytes wants what he would want who looks at the Command.
#[test]
fn a_record_wants_what_its_command_wants() {
    for input in inputs_of_every_code() {
        let mut bytes = encoded_input(&input, b"\xff attachment \xff of the border");
        bytes.resize(bytes.len().max(WANTED_BYTES), 0xff);
        let wanted = wanted(bytes.first_chunk().unwrap());
        assert_eq!(wanted, Wanted::by(input.session, &input.command), "{input:?}");
    }
    // Whatever it says of noise, it says.
    let _ = wanted(&[0xff; WANTED_BYTES]);
}

#[test]
fn a_record_that_breaks_off_is_an_error() {
    let (inputs, events) = samples();
    let records = inputs.iter().map(|input| encoded_input(input, b"attached"));
    for bytes in records.chain(events.iter().map(encoded_event)) {
        for len in 0..bytes.len() {
            let broken = decode(Sequence(1), &bytes[..len]);
            assert!(matches!(broken, Err(RecordError::Length { .. })), "{len}: {broken:?}");
            // Also when its own length says that this is all.
            if len >= 8 {
                let mut short = bytes[..len].to_vec();
                short[..2].copy_from_slice(&u16::try_from(len).unwrap().to_le_bytes());
                let broken = decode(Sequence(1), &short);
                assert!(matches!(broken, Err(RecordError::Length { .. })), "{len}: {broken:?}");
            }
        }
    }
}

#[test]
fn a_changed_byte_is_an_error_or_another_value() {
    let (inputs, events) = samples();
    let records = inputs.iter().step_by(7).map(|input| encoded_input(input, b"attached"));
    let mut rng = Rng::new(1);
    for bytes in records.chain(events.iter().step_by(7).map(encoded_event)) {
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            for bit in 0..8 {
                changed[at] = bytes[at] ^ (1 << bit);
                assert_harmless(&changed);
            }
            changed[at] = u8::try_from(rng.below(256)).unwrap();
            assert_harmless(&changed);
            for value in [0, 0x7f, 0xff] {
                changed[at] = value;
                assert_harmless(&changed);
            }
        }
    }
}

#[test]
fn noise_is_an_error_or_a_value() {
    let mut rng = Rng::new(2);
    for _ in 0..200_000 {
        let len = rng.index(40) * 8;
        let mut bytes: Vec<u8> = (0..len / 8).flat_map(|_| rng.bits().to_le_bytes()).collect();
        if len >= 8 {
            // Plausible at first sight: a length, a kind.
            bytes[..2].copy_from_slice(&u16::try_from(len).unwrap().to_le_bytes());
            bytes[2] = u8::try_from(rng.below(90)).unwrap();
            bytes[3] &= 3;
        }
        assert_harmless(&bytes);
    }
}

#[test]
fn a_wrong_code_names_its_place() {
    let (inputs, _) = samples();
    let bytes = encoded_input(&inputs[0], b"");
    let mut other = bytes.clone();
    other[2] = 63;
    assert_eq!(decode(Sequence(1), &other), Err(RecordError::Kind(63)));
    assert_eq!(decode_event(&bytes), Err(RecordError::Kind(bytes[2])));
    let new = inputs.iter().find(|i| matches!(i.command, matcher::Command::New(_))).unwrap();
    let mut bytes = encoded_input(new, b"");
    bytes[3] = 9;
    assert_eq!(decode(Sequence(1), &bytes), Err(RecordError::Field { kind: 5, offset: 3 }));
    let mut bytes = encoded_input(new, b"");
    bytes[49] = 5;
    let error = decode(Sequence(1), &bytes).unwrap_err();
    assert_eq!(error, RecordError::Field { kind: 5, offset: 49 });
    assert_eq!(error.to_string(), "record of kind 5 has an undefined code at offset 49");
}

/// A length is a multiple of eight, of what is there, and not nothing.
#[test]
fn a_length_that_is_none_is_refused() {
    let mut bytes = [7; 32];
    for len in 0_u16..=48 {
        bytes[..2].copy_from_slice(&len.to_le_bytes());
        let expected = match len {
            8 | 16 | 24 | 32 => Ok(len.into()),
            _ => Err(RecordError::Length { kind: 7 }),
        };
        assert_eq!(record_bytes(&bytes), expected, "{len}");
    }
    for short in 0..8 {
        assert_eq!(record_bytes(&bytes[..short]), Err(RecordError::Length { kind: 0 }));
    }
}
