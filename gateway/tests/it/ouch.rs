//! OUCH: each message as its table says, there and back, and nothing else taken for one.

use gateway::order_entry::ouch::reject_reason;
use gateway::ouch::{self, FromClient, FromVenue, Malformed, Options, tag};

use crate::random::Random;

const DOCUMENT: &str = include_str!("../../OUCH.md");

/// Kind, name, bytes without an appendage, fields.
type Layout = (u8, &'static str, usize, &'static [(&'static str, usize, usize)]);

macro_rules! layouts {
    ($($name:ident)*) => { [$((ouch::$name::KIND, stringify!($name), ouch::$name::BYTES, ouch::$name::FIELDS),)*] };
}

fn from_client() -> Vec<Layout> {
    layouts![Enter Replace Cancel Modify MassCancel DisableOrderEntry EnableOrderEntry AccountQuery]
        .to_vec()
}

fn from_venue() -> Vec<Layout> {
    layouts![
        SystemEvent Accepted Replaced Canceled AiqCanceled Executed BrokenTrade Rejected CancelPending CancelReject
        PriorityUpdate Modified OrderRestated MassCancelResponse DisableResponse EnableResponse AccountQueryResponse
    ]
    .to_vec()
}

#[test]
fn the_document_has_the_layout_of_each_message() {
    for (kind, name, bytes, fields) in from_client().into_iter().chain(from_venue()) {
        let head = format!("### `{}` {name}, {bytes} bytes\n", kind.escape_ascii());
        let at = DOCUMENT.find(&head).unwrap_or_else(|| panic!("no {head}"));
        let rest = DOCUMENT[at + head.len()..].split("\n#").next().unwrap();
        let rows = rest.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
        let rows = rows.take_while(|line| line.starts_with('|'));
        let told: Vec<(String, usize, usize)> = rows
            .map(|row| {
                let cells: Vec<&str> = row.split('|').map(str::trim).collect();
                (cells[3].to_owned(), cells[1].parse().unwrap(), cells[2].parse().unwrap())
            })
            .collect();
        let ours: Vec<(String, usize, usize)> =
            fields.iter().map(|(field, at, len)| ((*field).to_owned(), *at, *len)).collect();
        assert_eq!(told, ours, "{name}");
    }
}

/// Whatever the core says has a reason in OUCH, and the document says which.
#[test]
fn the_document_has_the_reason_for_each_of_the_core() {
    let at = DOCUMENT.find("## Reasons of the core").unwrap();
    let rows = DOCUMENT[at..].lines().filter(|line| line.starts_with("| ")).skip(1);
    let ours = matcher::RejectReason::ALL.iter();
    let ours = ours.map(|it| format!("| {} | {:?} |", it.text(), reject_reason(*it)));
    assert_eq!(rows.collect::<Vec<_>>(), ours.collect::<Vec<_>>());
}

macro_rules! codes {
    ($($name:ident)*) => {
        [$((stringify!($name), ouch::$name::ALL.iter().map(|it| (u64::from(it.code()), format!("{it:?}"))).collect::<Vec<_>>()),)*]
    };
}

#[test]
fn the_document_has_each_code() {
    for (name, ours) in
        codes![SystemCode OrderState CancelReason BrokenReason RestateReason Liquidity RejectReason]
    {
        let at = DOCUMENT.find(&format!("**{name}**")).unwrap();
        let rows =
            DOCUMENT[at..].lines().skip(1).skip_while(|line| !line.starts_with("|---")).skip(1);
        let told: Vec<(u64, String)> = rows
            .take_while(|line| line.starts_with('|'))
            .map(|row| {
                let cells: Vec<&str> = row.split('|').map(str::trim).collect();
                let code = cells[1].trim_matches('`');
                let code = match code.strip_prefix("0x") {
                    Some(digits) => u64::from_str_radix(digits, 16).unwrap(),
                    None => u64::from(code.as_bytes()[0]),
                };
                (code, cells[2].to_owned())
            })
            .collect();
        assert_eq!(told, ours, "{name}");
    }
}

/// Options of all tags, chosen by bits.
fn options(bits: u32) -> Options {
    let on = |bit: u32| bits >> bit & 1 == 1;
    let some = |bit, value| on(bit).then_some(value);
    Options {
        secondary_order_ref: on(0).then_some(u64::MAX - 3),
        firm: on(1).then_some(*b"FIRM"),
        min_qty: some(2, 100),
        customer_type: on(3).then_some(b'R'),
        max_floor: some(4, 200),
        price_type: on(5).then_some(b'P'),
        peg_offset: on(6).then_some(-100),
        discretion_price: on(7).then_some(7),
        discretion_price_type: on(8).then_some(b'L'),
        discretion_peg_offset: on(9).then_some(i32::MIN),
        post_only: on(10).then_some(b'P'),
        random_reserves: some(11, 10),
        route: on(12).then_some(*b"SCAN"),
        expire_time: some(13, 57_600),
        trade_now: on(14).then_some(b'Y'),
        handle_inst: on(15).then_some(b'I'),
        bbo_weight: on(16).then_some(b'0'),
        display_quantity: some(17, 5),
        display_price: on(18).then_some(1_000_000),
        group_id: on(19).then_some(12),
        shares_located: on(20).then_some(b'Y'),
        locate_broker: on(21).then_some(*b"BRKR"),
        side: on(22).then_some(b'B'),
        user_ref_idx: on(23).then_some(3),
    }
}

fn random_message(random: &mut Random, layout: &Layout, options: &Options) -> Vec<u8> {
    let mut bytes = vec![layout.0];
    bytes.extend((1..layout.2).map(|_| random.next().to_le_bytes()[0]));
    let mut appendage = Vec::new();
    options.encode(&mut appendage);
    bytes.extend(u16::try_from(appendage.len()).unwrap().to_be_bytes());
    bytes.extend(appendage);
    bytes
}

/// Whether the length of an appendage may be left out.
fn is_tailless(kind: u8, is_client: bool) -> bool {
    if is_client { b"XMQ".contains(&kind) } else { b"SCDBJPITMQ".contains(&kind) }
}

fn again(bytes: &[u8], is_client: bool) -> Result<Vec<u8>, Malformed> {
    let mut out = Vec::new();
    if is_client {
        FromClient::decode(bytes)?.encode(&mut out);
    } else {
        FromVenue::decode(bytes)?.encode(&mut out);
    }
    Ok(out)
}

/// Whatever its fields hold a message is read and written again as it was, and every other length is refused.
#[test]
fn each_message_there_and_back_and_at_every_other_length() {
    let mut random = Random::new(5);
    let client = from_client().into_iter().map(|layout| (layout, true));
    let both = client.chain(from_venue().into_iter().map(|layout| (layout, false)));
    for (layout, is_client) in both {
        let (kind, name, fields, _) = layout;
        for round in 0..200_u64 {
            let bits = match round {
                0 => 0,
                1 => u32::MAX,
                _ => u32::try_from(random.next() & 0xff_ffff).unwrap(),
            };
            let bytes = random_message(&mut random, &layout, &options(bits));
            let without = &bytes[..fields];
            let written = again(&bytes, is_client).unwrap_or_else(|why| panic!("{name}: {why}"));
            if bits & 0xff_ffff == 0 && is_tailless(kind, is_client) {
                assert_eq!(written, without, "{name}");
                assert_eq!(again(without, is_client).unwrap(), without, "{name}");
            } else {
                assert_eq!(written, bytes, "{name}");
                assert!(bytes.len() <= ouch::MESSAGE_BYTES_MAX);
            }
            if round > 3 {
                continue;
            }
            for len in 0..bytes.len() {
                let cut = again(&bytes[..len], is_client);
                let whole = len == fields && is_tailless(kind, is_client);
                assert_eq!(cut.is_ok(), whole, "{name}, {len} of {} bytes: {cut:?}", bytes.len());
            }
            let longer = [&bytes[..], &[0]].concat();
            assert!(again(&longer, is_client).is_err(), "{name} with a byte too many");
        }
    }
}

#[test]
fn an_option_is_known_comes_once_and_has_its_length() {
    let base = {
        let layout = from_client()[0];
        let mut random = Random::new(1);
        let mut bytes = random_message(&mut random, &layout, &Options::default());
        bytes.truncate(layout.2);
        bytes
    };
    let with = |appendage: &[u8]| {
        let len = u16::try_from(appendage.len()).unwrap().to_be_bytes();
        FromClient::decode(&[&base[..], &len, appendage].concat())
    };
    let is_bad = |appendage: &[u8], tag: u8| {
        assert_eq!(with(appendage).unwrap_err(), Malformed::Option { kind: b'O', tag });
    };
    assert!(with(&[5, tag::MIN_QTY, 0, 0, 0, 9]).is_ok());
    is_bad(&[4, tag::MIN_QTY, 0, 0, 9], tag::MIN_QTY);
    is_bad(&[5, tag::MIN_QTY, 0, 0, 9], tag::MIN_QTY);
    is_bad(&[2, tag::POST_ONLY, b'P', 2, tag::POST_ONLY, b'P'], tag::POST_ONLY);
    is_bad(&[2, 8, 0], 8);
    is_bad(&[2, 200, 0], 200);
    is_bad(&[0], 0);
    is_bad(&[9], 0);
    // Of a message of another direction only the type counts.
    assert_eq!(FromClient::decode(b"A").unwrap_err(), Malformed::Kind(b'A'));
    assert_eq!(FromVenue::decode(b"O").unwrap_err(), Malformed::Kind(b'O'));
    assert_eq!(FromClient::decode(b"").unwrap_err(), Malformed::Empty);
}

#[test]
fn no_bytes_are_too_strange() {
    let mut random = Random::new(77);
    let mut read = 0;
    for _ in 0..200_000 {
        let len = usize::try_from(random.next() % 80).unwrap();
        let mut bytes: Vec<u8> = (0..len).map(|_| random.next().to_le_bytes()[0]).collect();
        if let Some(first) = bytes.first_mut() {
            *first = b"OUXMCDEQSAJPITRGKB"[usize::try_from(random.next() % 18).unwrap()];
        }
        read += u32::from(again(&bytes, true).is_ok()) + u32::from(again(&bytes, false).is_ok());
    }
    assert!(read > 100, "{read}");
}

/// Bytes as another implementation writes them, put together by hand from the public tables.
#[test]
fn an_order_and_its_answer_byte_for_byte() {
    let order = ouch::Enter {
        user_ref_num: 1,
        side: b'B',
        quantity: 100,
        symbol: *b"BTC-USD ",
        price: 500_000_000,
        time_in_force: b'0',
        display: b'Y',
        capacity: b'P',
        iso: b'N',
        cross_type: b'N',
        cl_ord_id: *b"first         ",
        options: Options { post_only: Some(b'P'), ..Options::default() },
    };
    let mut bytes = Vec::new();
    order.encode(&mut bytes);
    let wanted = b"O\x00\x00\x00\x01B\x00\x00\x00\x64BTC-USD \x00\x00\x00\x00\x1d\xcd\x65\x000YPNNfirst         \x00\x03\x02\x0cP";
    assert_eq!(bytes.escape_ascii().to_string(), wanted.escape_ascii().to_string());
    let executed = ouch::Executed {
        timestamp: 34_200_000_000_000,
        user_ref_num: 1,
        quantity: 40,
        price: 500_000_000,
        liquidity_flag: ouch::Liquidity::Removed.code(),
        match_number: 77,
        options: Options::default(),
    };
    bytes.clear();
    executed.encode(&mut bytes);
    let wanted = b"E\x00\x00\x1f\x1a\xce\xd9\xf0\x00\x00\x00\x00\x01\x00\x00\x00\x28\x00\x00\x00\x00\x1d\xcd\x65\x00R\x00\x00\x00\x00\x00\x00\x00\x4d\x00\x00";
    assert_eq!(bytes.escape_ascii().to_string(), wanted.escape_ascii().to_string());
    assert_eq!(FromVenue::decode(&bytes).unwrap(), FromVenue::Executed(executed));
}
