//! Order entry by OUCH: what a market maker sees of a real venue, over its port.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use gateway::fix::tag;
use gateway::ouch::{
    AccountQuery, Cancel, DisableOrderEntry, EnableOrderEntry, Enter, FromClient, FromVenue,
    MARKET_PRICE, MassCancel, Modify, Options, Replace,
};
use gateway::soup::{SoupClientConfig, SoupClose, SoupReject};
use tools::fix_conn::{FixSet, FixTarget, Heard, Login};
use tools::ouch_conn::{OuchConn, OuchError, OuchHeard};
use tools::ouch_set::{OuchLogin, OuchSaid, OuchSet, OuchTarget};
use venue::{Config, Venue, clock};

use crate::clients;
use crate::line::{Cut, Line};
use crate::support::{Folder, Running, config_text, run, vesta};
use ouch_shown::shown;

#[path = "../../../gateway/tests/it/ouch_shown.rs"]
mod ouch_shown;

/// How long a test waits for what must come. Only a failing test ever waits that long.
const PATIENCE: Duration = Duration::from_secs(20);

/// A venue with a FIX session TAKER and OUCH sessions MAKER and OTHER; `more` goes into MAKER's entry.
pub(crate) fn text(folder: &Folder, more: &str) -> String {
    let text = config_text(folder, &["TAKER"]);
    let text = text.replace("[fix]\n", "[fix]\nplain_passwords = true\nlockout_after = 3\n");
    let text = text.replace("qty_decimals = 1", "qty_decimals = 0").replace("\"0.1\"", "\"1\"");
    let text = text.replace("qty_max = \"1000\"", "qty_max = \"100000\"");
    let text = text.replace("[[instrument]]", "[ouch]\nlisten = \"127.0.0.1:0\"\n[[instrument]]");
    let session = |name: &str, more: &str| {
        format!(
            "[[session]]\ncomp_id = \"{name}\"\nparticipant = \"{name}\"\nprotocol = \"ouch\"\n\
             username = \"{name}\"\npassword = \"secret\"\n{more}"
        )
    };
    text + &session("MAKER", more) + &session("OTHER", "firm = \"OTHR\"\n")
}

pub(crate) fn start(folder: &Folder, text: &str) -> Venue {
    let file = folder.write("vesta.toml", text);
    Venue::start(&Config::load(&file).unwrap()).unwrap()
}

pub(crate) fn login(name: &str, next: u64) -> SoupClientConfig {
    SoupClientConfig::new(name.as_bytes(), b"secret", next)
}

pub(crate) fn log_in(address: SocketAddr, name: &str, next: u64) -> OuchConn {
    OuchConn::log_in(address, login(name, next), PATIENCE).unwrap()
}

/// A limit order for the day.
pub(crate) fn order(user_ref_num: u32, side: u8, quantity: u32, price: u64) -> Enter {
    Enter {
        user_ref_num,
        side,
        quantity,
        symbol: *b"BTC-USD ",
        price: price * 100,
        time_in_force: b'0',
        display: b'Y',
        capacity: b'P',
        iso: b'N',
        cross_type: b'N',
        cl_ord_id: *b"text          ",
        options: Options::default(),
    }
}

pub(crate) fn replace(
    orig_user_ref_num: u32,
    user_ref_num: u32,
    quantity: u32,
    price: u64,
) -> FromClient {
    FromClient::Replace(Replace {
        orig_user_ref_num,
        user_ref_num,
        quantity,
        price: price * 100,
        time_in_force: b'0',
        display: b'Y',
        iso: b'N',
        cl_ord_id: *b"another       ",
        options: Options::default(),
    })
}

pub(crate) fn cancel(user_ref_num: u32, quantity: u32) -> FromClient {
    FromClient::Cancel(Cancel { user_ref_num, quantity, options: Options::default() })
}

pub(crate) fn mass_cancel(user_ref_num: u32, symbol: [u8; 8]) -> FromClient {
    let (firm, options) = (*b"    ", Options::default());
    FromClient::MassCancel(MassCancel { user_ref_num, firm, symbol, options })
}

pub(crate) const ALL: [u8; 8] = [b' '; 8];

/// The next message.
pub(crate) fn said(conn: &mut OuchConn) -> (u64, FromVenue) {
    loop {
        match conn.hear().unwrap() {
            OuchHeard::Said { sequence, message } => return (sequence, message),
            OuchHeard::Debug(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// The next message as a line that a person can read.
pub(crate) fn line(conn: &mut OuchConn) -> String {
    shown(&said(conn).1)
}

/// A counterparty over FIX.
pub(crate) fn taker(venue: &Venue) -> FixSet {
    let target = FixTarget {
        address: venue.fix_addr(),
        comp_id: "VESTA".into(),
        reset: false,
        patience: PATIENCE,
    };
    FixSet::connect(target, &[Login::plain("TAKER")]).unwrap()
}

/// The counterparty's limit order, and its reports up to the last of them.
pub(crate) fn take(
    taker: &mut FixSet,
    id: &str,
    side: u8,
    qty: u32,
    price: u64,
    reports: usize,
) -> Vec<String> {
    let now = clock::now();
    taker.send(0, now, b"D", |order| {
        order.bytes(tag::CL_ORD_ID, id.as_bytes()).bytes(tag::SYMBOL, b"BTC-USD");
        order.char(tag::SIDE, side).utc(tag::TRANSACT_TIME, now);
        order.uint(tag::ORDER_QTY, qty.into()).char(tag::ORD_TYPE, b'2');
        order.bytes(tag::PRICE, format!("{}.{:02}", price / 100, price % 100).as_bytes());
        order.char(tag::TIME_IN_FORCE, b'1');
    });
    let mut heard = Vec::new();
    while heard.len() < reports {
        let mut hear = |_: usize, said: Heard<'_>| {
            let Heard::Application(message) = said else { panic!("{said:?}") };
            let field =
                |tag| String::from_utf8_lossy(message.get(tag).unwrap_or_default()).into_owned();
            heard.push(format!("{}{}", field(tag::EXEC_TYPE), field(tag::LAST_QTY)));
        };
        taker.poll(Some(PATIENCE), &mut hear).unwrap();
    }
    heard
}

#[test]
fn a_market_maker_trades_with_a_fix_session() {
    let folder = Folder::new();
    let venue = start(&folder, &text(&folder, ""));
    let mut maker = log_in(venue.ouch_addr().unwrap(), "maker", 1);
    assert_eq!(line(&mut maker), "system S");
    maker.send(&FromClient::Enter(order(1, b'S', 100, 5_000_000))).unwrap();
    assert_eq!(line(&mut maker), "accepted 1 S 100 BTC-USD @ 500000000 0 state L ref + text");
    let mut taker = taker(&venue);
    assert_eq!(take(&mut taker, "a", b'1', 30, 5_000_000, 2), ["0", "F30"]);
    assert_eq!(line(&mut maker), "executed 1 30 @ 500000000 A");
    // It takes what the other side has left.
    take(&mut taker, "b", b'1', 50, 4_999_999, 1);
    maker.send(&FromClient::Enter(order(2, b'S', 60, 4_999_999))).unwrap();
    assert_eq!(line(&mut maker), "accepted 2 S 60 BTC-USD @ 499999900 0 state L ref + text");
    assert_eq!(line(&mut maker), "executed 2 50 @ 499999900 R");
    maker.send(&cancel(1, 0)).unwrap();
    assert_eq!(line(&mut maker), "canceled 1 70 U");
    venue.stop().unwrap();
}

#[test]
fn every_request_has_its_answer() {
    let folder = Folder::new();
    let venue = start(&folder, &text(&folder, ""));
    let mut maker = log_in(venue.ouch_addr().unwrap(), "MAKER", 1);
    assert_eq!(line(&mut maker), "system S");
    let mut ask = |message: &FromClient| {
        maker.send(message).unwrap();
        line(&mut maker)
    };
    let accepted = |user_ref: u32, qty: u32, price: u64| {
        format!("accepted {user_ref} B {qty} BTC-USD @ {price} 0 state L ref + text")
    };
    let bid = |user_ref, qty, price| FromClient::Enter(order(user_ref, b'B', qty, price));
    assert_eq!(ask(&bid(1, 100, 100)), accepted(1, 100, 10_000));
    assert_eq!(ask(&replace(1, 2, 80, 100)), "replaced 1 -> 2 B 80 BTC-USD @ 10000 ref + another");
    assert_eq!(ask(&replace(2, 3, 90, 101)), "replaced 2 -> 3 B 90 BTC-USD @ 10100 ref + another");
    assert_eq!(ask(&cancel(3, 40)), "canceled 3 50 U");
    // A short sale, whose mark changes.
    let sale = FromClient::Enter(order(4, b'T', 10, 200));
    assert_eq!(ask(&sale), "accepted 4 T 10 BTC-USD @ 20000 0 state L ref + text");
    let modify = |user_ref_num, side, quantity| {
        FromClient::Modify(Modify { user_ref_num, side, quantity, options: Options::default() })
    };
    assert_eq!(ask(&modify(4, b'E', 10)), "modified 4 E 10");
    assert_eq!(ask(&modify(4, b'S', 7)), "modified 4 S 7");
    assert_eq!(ask(&modify(4, b'S', 8)), "cancel rejected 4");
    assert_eq!(ask(&modify(4, b'B', 7)), "cancel rejected 4");
    let options = Options::default();
    assert_eq!(ask(&FromClient::AccountQuery(AccountQuery { options })), "next 5");
    let firm = *b"    ";
    let disable =
        FromClient::DisableOrderEntry(DisableOrderEntry { user_ref_num: 5, firm, options });
    assert_eq!(ask(&disable), "disabled 5");
    assert_eq!(ask(&bid(6, 1, 100)), "rejected 6 Disabled text");
    assert_eq!(ask(&replace(3, 7, 90, 101)), "rejected 7 Disabled another");
    let enable = FromClient::EnableOrderEntry(EnableOrderEntry { user_ref_num: 8, firm, options });
    assert_eq!(ask(&enable), "enabled 8");
    let not_ours =
        FromClient::EnableOrderEntry(EnableOrderEntry { user_ref_num: 9, firm: *b"ELSE", options });
    assert_eq!(ask(&not_ours), "rejected 9 NotAuthorized ");
    // Both orders, then the answer.
    maker.send(&mass_cancel(10, ALL)).unwrap();
    assert_eq!(line(&mut maker), "canceled 3 40 U");
    assert_eq!(line(&mut maker), "canceled 4 7 U");
    assert_eq!(line(&mut maker), "mass canceled 10 [] []");
    maker.send(&mass_cancel(11, *b"NOTHING ")).unwrap();
    assert_eq!(line(&mut maker), "rejected 11 Symbol ");
    let side = Options { side: Some(b'B'), ..options };
    let one_side = MassCancel { user_ref_num: 12, firm, symbol: ALL, options: side };
    maker.send(&FromClient::MassCancel(one_side)).unwrap();
    assert_eq!(line(&mut maker), "rejected 12 Other ");
    venue.stop().unwrap();
}

/// Whatever is asked wrongly has a reason of its own, and uses its number up.
#[test]
fn every_fault_has_its_reason() {
    let folder = Folder::new();
    let venue = start(&folder, &text(&folder, ""));
    let mut maker = log_in(venue.ouch_addr().unwrap(), "MAKER", 1);
    assert_eq!(line(&mut maker), "system S");
    let none = Options::default();
    let with = |options| Enter { options, ..order(0, b'B', 10, 100) };
    let base = order(0, b'B', 10, 100);
    let wrong = [
        (Enter { side: b'X', ..base }, "Side"),
        (Enter { quantity: 0, ..base }, "Quantity"),
        (Enter { quantity: 1_000_000, ..base }, "Quantity"),
        (Enter { quantity: 100_001, ..base }, "Quantity"),
        (Enter { symbol: *b"NOTHING ", ..base }, "Symbol"),
        (Enter { symbol: ALL, ..base }, "Symbol"),
        (Enter { price: 10_001, ..base }, "Price"),
        (Enter { price: 0, ..base }, "Price"),
        (Enter { time_in_force: b'5', ..base }, "Other"),
        (Enter { time_in_force: b'6', ..base }, "Other"),
        (Enter { display: b'N', ..base }, "Display"),
        (Enter { display: b'?', ..base }, "Display"),
        (Enter { capacity: b'?', ..base }, "Other"),
        (Enter { iso: b'Y', ..base }, "Iso"),
        (Enter { cross_type: b'R', ..base }, "CrossOrder"),
        (with(Options { firm: Some(*b"ELSE"), ..none }), "NotAuthorized"),
        (with(Options { route: Some(*b"SCAN"), ..none }), "Routing"),
        (with(Options { max_floor: Some(0), ..none }), "MaxFloor"),
        (with(Options { random_reserves: Some(1), ..none }), "MaxFloor"),
        (with(Options { min_qty: Some(11), ..none }), "MinQuantity"),
        (with(Options { price_type: Some(b'P'), ..none }), "PegType"),
        (with(Options { peg_offset: Some(100), ..none }), "PegType"),
        (with(Options { expire_time: Some(86_400), ..none }), "Other"),
        (with(Options { trade_now: Some(b'Y'), ..none }), "Other"),
        (with(Options { group_id: Some(1), ..none }), "Other"),
        (with(Options { post_only: Some(b'?'), ..none }), "Other"),
    ];
    let mut user_ref_num = 0;
    for (enter, reason) in wrong {
        user_ref_num += 1;
        maker.send(&FromClient::Enter(Enter { user_ref_num, ..enter })).unwrap();
        assert_eq!(line(&mut maker), format!("rejected {user_ref_num} {reason} text"));
    }
    // The numbers are used up: nothing comes of saying one again.
    maker.send(&FromClient::Enter(order(user_ref_num, b'B', 10, 100))).unwrap();
    maker.send(&FromClient::Enter(order(user_ref_num + 1, b'S', 10, 100))).unwrap();
    assert!(line(&mut maker).starts_with(&format!("accepted {} S", user_ref_num + 1)));
    // Post-only against it, and a replace that asks for what only a new order can have.
    let post_only = with(Options { post_only: Some(b'P'), ..none });
    let user_ref_num = user_ref_num + 2;
    maker.send(&FromClient::Enter(Enter { user_ref_num, ..post_only })).unwrap();
    assert_eq!(line(&mut maker), format!("rejected {user_ref_num} Crossed text"));
    let FromClient::Replace(mut other) = replace(user_ref_num - 1, user_ref_num + 1, 5, 100) else {
        unreachable!()
    };
    other.options.min_qty = Some(2);
    maker.send(&FromClient::Replace(other)).unwrap();
    let reason = "ReplaceNotAllowed";
    assert_eq!(line(&mut maker), format!("rejected {} {reason} another", user_ref_num + 1));
    // Of a numbering that the session has not.
    let index = with(Options { user_ref_idx: Some(3), ..none });
    maker.send(&FromClient::Enter(Enter { user_ref_num: 9_000, ..index })).unwrap();
    assert_eq!(line(&mut maker), "rejected 9000 Other text");
    maker.send(&FromClient::AccountQuery(AccountQuery { options: none })).unwrap();
    assert_eq!(line(&mut maker), format!("next {}", user_ref_num + 2));
    venue.stop().unwrap();
}

#[test]
fn a_number_that_is_too_low_is_a_retransmission() {
    let folder = Folder::new();
    let venue = start(&folder, &text(&folder, ""));
    let mut maker = log_in(venue.ouch_addr().unwrap(), "MAKER", 1);
    assert_eq!(line(&mut maker), "system S");
    for user_ref in [5, 5, 4, 1] {
        maker.put(&FromClient::Enter(order(user_ref, b'B', 10, 100)));
    }
    // Unknown orders and dead ones are passed over in silence, and take no number.
    maker.put(&cancel(77, 0));
    maker.put(&replace(77, 6, 10, 100));
    maker.put(&cancel(5, 0));
    maker.put(&FromClient::Enter(order(6, b'B', 11, 100)));
    maker.flush().unwrap();
    assert!(line(&mut maker).starts_with("accepted 5 B 10"));
    assert_eq!(line(&mut maker), "canceled 5 10 U");
    assert!(line(&mut maker).starts_with("accepted 6 B 11"));
    maker.send(&cancel(5, 0)).unwrap();
    maker.send(&replace(5, 7, 10, 100)).unwrap();
    maker.send(&FromClient::Enter(order(7, b'B', 12, 100))).unwrap();
    assert!(line(&mut maker).starts_with("accepted 7 B 12"));
    venue.stop().unwrap();
}

/// A client of several sessions knows what is open of an order, and that nothing will come of what it asked of one that had
/// ended: of a replace, of what would have replaced that, of a cancel of it. Their numbers are not used up.
#[test]
fn what_came_too_late_is_passed_over() {
    let folder = Folder::new();
    let venue = start(&folder, &text(&folder, ""));
    let target = OuchTarget { address: venue.ouch_addr().unwrap(), patience: PATIENCE };
    let login = OuchLogin { username: "MAKER".into(), password: "secret".into(), next_sequence: 1 };
    let mut told: Vec<String> = Vec::new();
    let note = |told: &mut Vec<String>, said: OuchSaid<'_>| {
        told.push(match said {
            OuchSaid::Message { message, answers: Some(tag), leaves, .. } => {
                format!("{} answers {tag}, leaves {leaves}", shown(message))
            }
            OuchSaid::Message { message, leaves, .. } => {
                format!("{}, leaves {leaves}", shown(message))
            }
            OuchSaid::PassedOver(tag) => format!("{tag} passed over"),
        });
    };
    let mut set = OuchSet::connect(target, &[login], &mut |_, said| note(&mut told, said)).unwrap();
    let mut hear = |set: &mut OuchSet, lines: usize| {
        while told.len() < lines {
            set.poll(Some(PATIENCE), &mut |_, said| note(&mut told, said)).unwrap();
        }
        std::mem::take(&mut told)
    };
    let accepted = |number: u32, quantity: u32, tag: u64| {
        format!(
            "accepted {number} S {quantity} BTC-USD @ 10000 0 state L ref + text answers {tag}, \
             leaves {quantity}"
        )
    };
    set.send(0, 11, FromClient::Enter(order(1, b'S', 10, 100)));
    assert_eq!(hear(&mut set, 2), ["system S, leaves 0", &*accepted(1, 10, 11)]);
    assert_eq!((set.leaves(0, 1), set.waiting(0)), (10, 0));
    let mut taker = taker(&venue);
    take(&mut taker, "a", b'1', 4, 100, 2);
    assert_eq!(hear(&mut set, 1), ["executed 1 4 @ 10000 A, leaves 6"]);
    // One turn tells both sides: what is asked behind the taker's fill comes to an order that has ended.
    take(&mut taker, "b", b'1', 6, 100, 2);
    set.send(0, 12, replace(1, 2, 10, 101));
    set.send(0, 13, replace(2, 3, 10, 102));
    set.send(0, 14, cancel(3, 0));
    set.send(0, 15, FromClient::Enter(order(2, b'S', 5, 100)));
    assert_eq!(
        hear(&mut set, 5),
        [
            "executed 1 6 @ 10000 A, leaves 0",
            "12 passed over",
            "13 passed over",
            "14 passed over",
            &*accepted(2, 5, 15),
        ]
    );
    assert_eq!((set.leaves(0, 1), set.leaves(0, 2), set.waiting(0)), (0, 5, 0));
    set.log_out(PATIENCE);
    venue.stop().unwrap();
}

/// The client loses its line, the venue is stopped and started: from any number on comes what came before, byte for byte.
#[test]
fn what_was_said_is_said_again_from_any_number() {
    let folder = Folder::new();
    let text = text(&folder, "").replace("[limits]", "[journal]\nsnapshot_mib = 1\n[limits]");
    let venue = start(&folder, &text);
    let mut maker = log_in(venue.ouch_addr().unwrap(), "MAKER", 1);
    let mut all = vec![said(&mut maker)];
    let mut taker = taker(&venue);
    for n in 0..60_u32 {
        let user_ref = 3 * n + 1;
        maker.put(&FromClient::Enter(order(user_ref, b'S', 10, 200 + u64::from(n % 7))));
        maker.put(&replace(user_ref, user_ref + 1, 9, 201));
        maker.put(&cancel(user_ref + 1, 5));
        maker.flush().unwrap();
        (0..3).for_each(|_| all.push(said(&mut maker)));
    }
    take(&mut taker, "x", b'1', 100, 300, 2);
    all.extend((0..20).map(|_| said(&mut maker)));
    maker.send(&mass_cancel(1_000, ALL)).unwrap();
    all.extend((0..41).map(|_| said(&mut maker)));
    let (numbers, session) = (1..=u64::try_from(all.len()).unwrap(), maker.session().unwrap());
    assert!(all.iter().map(|(number, _)| *number).eq(numbers), "no holes");
    drop(maker);
    venue.stop().unwrap();
    let venue = start(&folder, &text);
    let address = venue.ouch_addr().unwrap();
    for from in [1, 2, 40, all.len()] {
        let config = SoupClientConfig {
            session: Some(session),
            ..login("maker", u64::try_from(from).unwrap())
        };
        let mut maker = OuchConn::log_in(address, config, PATIENCE).unwrap();
        for told in &all[from - 1..] {
            assert_eq!(&said(&mut maker), told);
        }
        maker.log_out().unwrap();
    }
    // Only what is new, and beyond what there is.
    let mut maker = log_in(address, "MAKER", 0);
    assert_eq!(maker.next_sequence(), all.len() as u64 + 1);
    maker.send(&FromClient::Enter(order(2_000, b'B', 1, 100))).unwrap();
    assert_eq!(said(&mut maker).0, all.len() as u64 + 1);
    maker.log_out().unwrap();
    let refused = |config| match OuchConn::log_in(address, config, PATIENCE) {
        Err(OuchError::Closed(SoupClose::Rejected(why))) => why,
        other => panic!("{:?}", other.map(|_| ())),
    };
    let beyond = login("maker", all.len() as u64 + 9);
    assert_eq!(refused(beyond), SoupReject::SessionNotAvailable);
    let yesterday = SoupClientConfig { session: Some(*b"1234567890"), ..login("maker", 1) };
    assert_eq!(refused(yesterday), SoupReject::SessionNotAvailable);
    venue.stop().unwrap();
    // From a snapshot too an order of before has its name.
    let venue = start(&folder, &text);
    assert!(venue.from_snapshot().is_some());
    let mut maker = log_in(venue.ouch_addr().unwrap(), "MAKER", 0);
    maker.send(&replace(2_000, 2_001, 7, 101)).unwrap();
    assert_eq!(line(&mut maker), "replaced 2000 -> 2001 B 7 BTC-USD @ 10100 ref + another");
    maker.send(&cancel(2_001, 3)).unwrap();
    assert_eq!(line(&mut maker), "canceled 2001 4 U");
    venue.stop().unwrap();
}

/// Who is told of others over FIX knows an OUCH order by its UserRefNum.
#[test]
fn a_drop_copy_over_fix_has_ouch_orders() {
    let folder = Folder::new();
    let risk = "[[session]]\ncomp_id = \"RISK\"\nparticipant = \"DESK\"\npermissions = [\"drop-copy\"]\n\
                drop_copy = { of = [\"MAKER\"], trades = true, reports = true }\n";
    let venue = start(&folder, &(text(&folder, "") + risk));
    let target = FixTarget {
        address: venue.fix_addr(),
        comp_id: "VESTA".into(),
        reset: false,
        patience: PATIENCE,
    };
    let mut risk = FixSet::connect(target, &[Login::plain("RISK")]).unwrap();
    let mut maker = log_in(venue.ouch_addr().unwrap(), "MAKER", 1);
    assert_eq!(line(&mut maker), "system S");
    maker.send(&FromClient::Enter(order(7, b'S', 10, 200))).unwrap();
    maker.send(&replace(7, 9, 8, 201)).unwrap();
    maker.send(&FromClient::Enter(order(10, b'S', 10, 0))).unwrap();
    let mut other = log_in(venue.ouch_addr().unwrap(), "OTHER", 0);
    other.send(&FromClient::Enter(order(1, b'B', 3, 201))).unwrap();
    let mut copies = Vec::new();
    while copies.len() < 5 {
        let mut hear = |_: usize, said: Heard<'_>| {
            let Heard::Application(copy) = said else { panic!("{said:?}") };
            let field =
                |tag| String::from_utf8_lossy(copy.get(tag).unwrap_or_default()).into_owned();
            let fields = [tag::MSG_TYPE, tag::CL_ORD_ID, tag::SYMBOL, tag::SIDE, tag::EXEC_TYPE];
            copies.push(fields.map(field).join(" "));
        };
        risk.poll(Some(PATIENCE), &mut hear).unwrap();
    }
    copies.sort();
    assert_eq!(
        copies,
        [
            "8 10 BTC-USD 2 8",
            "8 7 BTC-USD 2 0",
            "8 9 BTC-USD 2 5",
            "8 9 BTC-USD 2 F",
            "AE 9 BTC-USD 2 "
        ]
    );
    venue.stop().unwrap();
}

#[test]
fn who_is_not_known_is_kept_out_and_locked_out() {
    let folder = Folder::new();
    let venue = start(&folder, &text(&folder, "addresses = [\"127.0.0.0/8\"]\n"));
    let address = venue.ouch_addr().unwrap();
    let tries = |name: &str, password: &str| {
        let config = SoupClientConfig::new(name.as_bytes(), password.as_bytes(), 1);
        match OuchConn::log_in(address, config, PATIENCE) {
            Ok(_) => Ok(()),
            Err(OuchError::Closed(SoupClose::Rejected(why))) => Err(why),
            Err(other) => panic!("{other}"),
        }
    };
    // Case does not count, neither in the name nor in a password that is kept without capitals.
    assert_eq!(tries("mAkEr", "SECRET"), Ok(()));
    let refused = Err(SoupReject::NotAuthorized);
    assert_eq!(tries("nobody", "secret"), refused);
    assert_eq!(tries("TAKER", ""), refused, "it speaks FIX");
    assert_eq!(tries("maker", "secrets"), refused);
    // The third failure of this address in a row; it is turned away before it has said a word.
    let config = SoupClientConfig::new(b"maker", b"secret", 1);
    match OuchConn::log_in(address, config, PATIENCE) {
        Err(OuchError::Lost { .. }) => {}
        other => panic!("{:?}", other.map(|_| ())),
    }
    venue.stop().unwrap();
}

/// What is no SoupBinTCP, and what is no OUCH inside of it: the others do not notice.
#[test]
fn garbage_is_answered_and_bounded() {
    let folder = Folder::new();
    let venue = start(&folder, &text(&folder, ""));
    let address = venue.ouch_addr().unwrap();
    let mut other = log_in(address, "OTHER", 1);
    assert_eq!(line(&mut other), "system S");
    for garbage in [
        &b"8=FIX.4.4\x019=5\x01"[..],
        b"\x00\x00",
        b"\xff\xff\xff\xff",
        b"\x00\x2fU",
        b"\x00\x05Lmaker",
    ] {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(garbage).unwrap();
        let mut rest = Vec::new();
        // Closed at once, or with a login rejected.
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.is_empty() || rest == b"\x00\x02JA", "{rest:?}");
    }
    let mut maker = log_in(address, "MAKER", 1);
    assert_eq!(line(&mut maker), "system S");
    maker.put_raw(b"\x00\x02UZ\x00\x05UO\x00\x00\x01\x00\x01U");
    maker.flush().unwrap();
    for what in ["unknown type 'Z'", "message 'O' of 4 bytes", "empty message"] {
        let OuchHeard::Debug(text) = maker.hear().unwrap() else { panic!("no reason") };
        assert!(text.contains(what), "{text}");
    }
    // It is still there.
    maker.send(&FromClient::Enter(order(1, b'B', 10, 100))).unwrap();
    assert!(line(&mut maker).starts_with("accepted 1"));
    // But not after a packet that is none, and not after very many of these.
    maker.put_raw(b"\x00\x01S");
    maker.flush().unwrap();
    let OuchHeard::Debug(text) = maker.hear().unwrap() else { panic!("no reason") };
    assert_eq!(text, "unexpected packet 'S'");
    assert!(matches!(maker.hear(), Err(OuchError::Lost { .. })));
    let mut maker = log_in(address, "MAKER", 0);
    for _ in 0..1_001 {
        maker.put_raw(b"\x00\x02UZ");
    }
    maker.flush().unwrap();
    let ended = loop {
        match maker.hear() {
            Ok(OuchHeard::Debug(_)) => {}
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
    };
    assert!(matches!(ended, OuchError::Lost { .. }), "{ended}");
    other.send(&FromClient::Enter(order(1, b'B', 10, 90))).unwrap();
    assert!(line(&mut other).starts_with("accepted 1"));
    venue.stop().unwrap();
}

#[test]
fn orders_end_with_the_connection_where_that_is_agreed() {
    let folder = Folder::new();
    let venue = start(&folder, &text(&folder, "cancel_on_disconnect = true\n"));
    let address = venue.ouch_addr().unwrap();
    let mut maker = log_in(address, "MAKER", 1);
    assert_eq!(line(&mut maker), "system S");
    maker.send(&FromClient::Enter(order(1, b'B', 10, 100))).unwrap();
    assert!(line(&mut maker).starts_with("accepted 1"));
    drop(maker);
    let mut maker = log_in(address, "MAKER", 3);
    assert_eq!(line(&mut maker), "canceled 1 10 S");
    maker.send(&FromClient::Enter(order(2, b'B', 10, 100))).unwrap();
    assert!(line(&mut maker).starts_with("accepted 2"));
    maker.log_out().unwrap();
    let mut maker = log_in(address, "MAKER", 5);
    assert_eq!(line(&mut maker), "canceled 2 10 S");
    venue.stop().unwrap();
}

/// Ten thousand resting orders go with one command, and each of them is told.
#[test]
fn a_mass_cancel_tells_each_order() {
    const ORDERS: u32 = 10_000;
    let folder = Folder::new();
    let text = text(&folder, "").replace("orders = 1000\n", "orders = 20000\n");
    let venue = start(&folder, &text);
    let mut maker = log_in(venue.ouch_addr().unwrap(), "MAKER", 1);
    assert_eq!(line(&mut maker), "system S");
    for user_ref in 1..=ORDERS {
        maker.put(&FromClient::Enter(order(user_ref, b'B', 10, 100 + u64::from(user_ref % 50))));
        if user_ref % 500 == 0 {
            maker.flush().unwrap();
            (0..500).for_each(|_| assert!(line(&mut maker).starts_with("accepted")));
        }
    }
    maker.send(&mass_cancel(ORDERS + 1, *b"BTC-USD ")).unwrap();
    for user_ref in 1..=ORDERS {
        assert_eq!(line(&mut maker), format!("canceled {user_ref} 10 U"));
    }
    assert_eq!(line(&mut maker), format!("mass canceled {} [] [BTC-USD]", ORDERS + 1));
    venue.stop().unwrap();
}

#[test]
fn options_are_done_or_refused_and_said_again() {
    let folder = Folder::new();
    let venue = start(&folder, &text(&folder, ""));
    let mut maker = log_in(venue.ouch_addr().unwrap(), "MAKER", 1);
    assert_eq!(line(&mut maker), "system S");
    let mut taker = taker(&venue);
    take(&mut taker, "best", b'2', 5, 110, 1);
    let none = Options::default();
    let iceberg = Options { max_floor: Some(10), firm: Some(*b"MAKE"), ..none };
    let immediate = Enter { time_in_force: b'3', ..order(2, b'B', 9, 110) };
    let at_any_price = Enter { price: MARKET_PRICE, ..order(3, b'B', 1, 0) };
    let pegged = Options { price_type: Some(b'R'), peg_offset: Some(-200), ..none };
    let timed = Options { expire_time: Some(86_399), ..none };
    let asked = [
        Enter { options: Options { max_floor: Some(10), ..none }, ..order(1, b'B', 30, 100) },
        Enter { options: Options { min_qty: Some(6), ..none }, ..immediate },
        at_any_price,
        Enter { options: pegged, display: b'N', price: MARKET_PRICE, ..order(4, b'B', 7, 0) },
        Enter { options: timed, time_in_force: b'6', ..order(5, b'B', 8, 90) },
        Enter { cross_type: b'C', ..order(6, b'B', 8, 90) },
        Enter { options: iceberg, ..order(7, b'B', 30, 100) },
    ];
    let mut heard = Vec::new();
    for enter in asked {
        maker.send(&FromClient::Enter(enter)).unwrap();
        let (_, message) = said(&mut maker);
        if let FromVenue::Accepted(accepted) = message {
            assert_eq!(accepted.options, enter.options, "{}", enter.user_ref_num);
        }
        heard.push(shown(&message));
        if matches!(enter.user_ref_num, 2 | 3) {
            heard.push(line(&mut maker));
        }
    }
    assert_eq!(
        heard,
        [
            "accepted 1 B 30 BTC-USD @ 10000 0 state L ref + text",
            "accepted 2 B 9 BTC-USD @ 11000 3 state L ref 0 text",
            "canceled 2 9 I",
            "accepted 3 B 1 BTC-USD @ 2000000000 0 state L ref 0 text",
            "executed 3 1 @ 11000 R",
            "accepted 4 B 7 BTC-USD @ 2000000000 0 state L ref 0 text",
            "accepted 5 B 8 BTC-USD @ 9000 6 state L ref + text",
            "accepted 6 B 8 BTC-USD @ 9000 0 state L ref 0 text",
            // The firm of this session is longer than four characters, so no message can name it.
            "rejected 7 NotAuthorized text",
        ]
    );
    venue.stop().unwrap();
}

/// `vesta serve` is killed in the middle of a burst, again and again. With the number that it expects next the client gets
/// what it has not seen, once; what it sends again is passed over or taken, and in the end each order has one answer.
#[test]
fn a_killed_venue_says_exactly_what_was_missed() {
    const ORDERS: u32 = 4_000;
    let folder = Folder::new();
    let text = text(&folder, "").replace("orders = 1000\n", "orders = 20000\n");
    let file = folder.write("vesta.toml", &text);
    let mut told: Vec<(u64, FromVenue)> = Vec::new();
    let (mut session, mut next_order, mut answered) = (None, 1, 0);
    for round in 0..5_u32 {
        let (running, address) = serve(&file);
        let config = SoupClientConfig { session, ..login("maker", told.len() as u64 + 1) };
        let mut maker = OuchConn::log_in(address, config, PATIENCE).unwrap();
        session = maker.session();
        // Everything without an answer goes again, whether the venue had it or not.
        let last_round = round == 4;
        let most = if last_round { ORDERS } else { ORDERS * (round + 1) / 5 };
        next_order = next_order.min(answered + 1);
        let enough = if last_round { most } else { most - 150 };
        while answered < enough {
            while next_order <= most && next_order < answered + 400 {
                maker.put(&FromClient::Enter(order(next_order, b'B', 10, 100)));
                next_order += 1;
            }
            maker.flush().unwrap();
            let (sequence, message) = said(&mut maker);
            assert_eq!(sequence, told.len() as u64 + 1);
            if let FromVenue::Accepted(accepted) = &message {
                answered = accepted.user_ref_num;
            }
            told.push((sequence, message));
        }
        if last_round {
            running.signal("-TERM");
            running.end();
        } else {
            // With orders on their way in and reports on their way out.
            running.signal("-KILL");
            drop(running);
        }
    }
    let mut user_refs = told.iter().filter_map(|(_, message)| match message {
        FromVenue::Accepted(accepted) => Some(accepted.user_ref_num),
        other => {
            assert_eq!(shown(other), "system S");
            None
        }
    });
    assert!(user_refs.by_ref().eq(1..=ORDERS), "each order once, in order");
    // From the beginning, once more: the same.
    let (running, address) = serve(&file);
    let mut maker = log_in(address, "MAKER", 1);
    for message in &told {
        assert_eq!(&said(&mut maker), message);
    }
    drop(running);
}

/// Nasdaq's own library, over a line that is cut with orders on it and once more with reports on it.
#[test]
fn the_client_on_nasdaq_protocols_is_told_everything_once() {
    const ORDERS: u32 = 400;
    const CUTS: &[Cut] = &[Cut::Asked(9_999), Cut::Told(20_001)];
    let Some(mut client) = clients::python("nasdaq_protocols") else { return };
    let folder = Folder::new();
    let venue = start(&folder, &text(&folder, ""));
    let mut taker = taker(&venue);
    take(&mut taker, "all", b'1', ORDERS, 10_000, 1);
    let lines = Line::new(venue.ouch_addr().unwrap(), CUTS);
    client.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/trade_ouch.py"));
    let said = clients::say(&mut client, &lines, &["maker", "secret", &ORDERS.to_string()]);
    let mut expected = vec!["1 SystemEvent 0".to_owned()];
    for n in 1..=ORDERS {
        expected.push(format!("{} OrderAccepted {n}", 2 * n));
        expected.push(format!("{} OrderExecuted {n}", 2 * n + 1));
    }
    assert_eq!(said.lines().collect::<Vec<_>>(), expected);
    assert!(lines.connections() > CUTS.len(), "{} connections", lines.connections());
    venue.stop().unwrap();
}

/// What the document shows is what happens, with the configuration beside it.
#[test]
fn the_example_of_the_document_trades_with_itself() {
    const DOCUMENT: &str = include_str!("../../../gateway/OUCH.md");
    let blocks = |start: &str| -> Vec<&str> {
        let rest = DOCUMENT.split(start).skip(1);
        rest.map(|block| block.split("```").next().unwrap()).collect()
    };
    let [config] = blocks("```toml\n")[..] else { panic!("one configuration") };
    Config::parse("vesta.toml", config).unwrap();
    let folder = Folder::new();
    let live = format!("[venue]\nlive_dir = \"{}\"\n", folder.path().join("live").display());
    let config = config.replace(":5001", ":0").replace(":5005", ":0").replace("[venue]\n", &live);
    let venue = start(&folder, &config);
    let [buys, sells] = blocks("```console\n")[..] else { panic!("two sides") };
    let shown = |block: &str, who: &str| -> Vec<String> {
        let mut lines = block.lines().skip_while(|line| !line.contains("trade_ouch.py"));
        let asked = lines.next().unwrap();
        assert!(asked.contains(&format!(" {who} secret 2")), "{asked}");
        lines.map(str::to_owned).collect()
    };
    let next = |conn: &mut OuchConn| match said(conn) {
        (n, FromVenue::SystemEvent(_)) => format!("{n} SystemEvent 0"),
        (n, FromVenue::Accepted(it)) => format!("{n} OrderAccepted {}", it.user_ref_num),
        (n, FromVenue::Executed(it)) => format!("{n} OrderExecuted {}", it.user_ref_num),
        other => panic!("{other:?}"),
    };
    let enter = |conn: &mut OuchConn, side| {
        for n in [1, 2] {
            conn.send(&FromClient::Enter(order(n, side, 1, 10_000))).unwrap();
        }
    };
    let address = venue.ouch_addr().unwrap();
    let mut buyer = log_in(address, "buyer", 1);
    enter(&mut buyer, b'B');
    let mut bought: Vec<String> = (0..3).map(|_| next(&mut buyer)).collect();
    let mut seller = log_in(address, "seller", 1);
    enter(&mut seller, b'S');
    let sold: Vec<String> = (0..5).map(|_| next(&mut seller)).collect();
    bought.extend((0..2).map(|_| next(&mut buyer)));
    assert_eq!((bought, sold), (shown(buys, "buyer"), shown(sells, "seller")));
    // The journal has what they said to each other.
    venue.stop().unwrap();
    let journal = folder.path().join("journal");
    let ended = run(&["journal", "print", journal.to_str().unwrap(), "--fix", "BUYER"]);
    ended.assert_good();
    let lines: Vec<&str> = ended.out.lines().collect();
    // A login, two orders, and what it heard.
    assert_eq!(lines.len(), 1 + 2 + 5, "{}", ended.out);
    assert!(lines[2].contains("~BUYER → Enter user_ref_num=1 side=B quantity=1 "), "{}", lines[2]);
}

/// Our messages in the eyes of the crate slouch, and its messages in ours: over a venue, each kind that it knows.
#[test]
fn slouch_reads_and_writes_what_we_do() {
    use slouch::msg::{
        AccountQuery, CancelOrder, DisableOrderEntry, EnableOrderEntry, EnterOrder, MassCancel,
        ModifyOrder, OuchRequest, OuchResponse, ReplaceOrder, TagValue,
    };
    use slouch::types as theirs;

    let folder = Folder::new();
    // Symbols are letters there.
    let venue = start(&folder, &text(&folder, "firm = \"MAKE\"\n").replace("BTC-USD", "BTCUSD"));
    let mut maker = log_in(venue.ouch_addr().unwrap(), "MAKER", 1);
    assert_eq!(line(&mut maker), "system S");
    let user_ref = |n: u32| theirs::UserRefNum::parse(&n.to_be_bytes()).unwrap().1;
    let (firm, symbol) =
        (|| theirs::Mpid::from("MAKE").unwrap(), || theirs::StockSymbol::from("BTCUSD").unwrap());
    let price = |units: u64| theirs::Price::parse(&units.to_be_bytes()).unwrap().1;
    let enter = |n: u32, side, qty| {
        EnterOrder::assert_new(
            user_ref(n),
            side,
            qty,
            symbol(),
            price(1_000_000),
            theirs::TimeInForce::Day,
            theirs::Display::Visible,
            theirs::Capacity::Principal,
            false,
            theirs::CrossType::ContinuousMarket,
            theirs::OrderToken::from("token").unwrap(),
        )
    };
    let mut iceberg = enter(2, theirs::Side::Buy, 50);
    iceberg.add_option(TagValue::MaxFloor(5)).unwrap();
    let replaced = ReplaceOrder::assert_new(
        user_ref(2),
        user_ref(3),
        40,
        price(990_000),
        theirs::TimeInForce::Day,
        theirs::Display::Visible,
        false,
        theirs::OrderToken::from("other").unwrap(),
    );
    let requests = [
        OuchRequest::EnterOrder(enter(1, theirs::Side::SellShort, 10)),
        OuchRequest::EnterOrder(iceberg),
        OuchRequest::ReplaceOrder(replaced),
        OuchRequest::CancelOrder(CancelOrder::assert_new(user_ref(3), 30)),
        OuchRequest::ModifyOrder(ModifyOrder::assert_new(user_ref(3), theirs::Side::Sell, 3)),
        OuchRequest::DisableOrderEntry(DisableOrderEntry::new(user_ref(4), firm())),
        OuchRequest::EnterOrder(enter(5, theirs::Side::Sell, 10)),
        OuchRequest::EnableOrderEntry(EnableOrderEntry::new(user_ref(6), firm())),
        OuchRequest::AccountQuery(AccountQuery::new()),
        OuchRequest::MassCancel(MassCancel::new(user_ref(7), firm(), symbol())),
    ];
    let mut kinds = String::new();
    for (request, answers) in requests.iter().zip([1, 3, 1, 1, 1, 1, 1, 1, 1, 2]) {
        let bytes = request.encode();
        let ours = FromClient::decode(&bytes).unwrap_or_else(|why| panic!("{request}: {why}"));
        maker.send(&ours).unwrap();
        for _ in 0..answers {
            let (_, message) = said(&mut maker);
            let mut bytes = Vec::new();
            message.encode(&mut bytes);
            let (rest, response) = OuchResponse::parse(&bytes).unwrap();
            // It leaves the length of an appendage of nothing where it stands.
            assert!(rest.is_empty() || rest == [0, 0], "{rest:?} behind {response:?}");
            assert!(!matches!(response, OuchResponse::Unknown(..)), "{response:?}");
            kinds.push(char::from(bytes[0]));
        }
    }
    // The first two trade with each other: nobody prevents that here.
    assert_eq!(kinds, "AAEEUCIGJKQCX");
    venue.stop().unwrap();
}

/// A venue of its own process, and where it speaks OUCH.
pub(crate) fn serve(file: &std::path::Path) -> (Running, SocketAddr) {
    let mut running = Running::start(vesta().arg("serve").arg("--config").arg(file));
    let line = running.line("ouch ");
    let address = line.split(' ').next_back().unwrap().parse().unwrap();
    running.line("fix ");
    (running, address)
}

/// Who does not read is not waited for, and gets all of it when it reads on: here a day that no buffer holds.
#[test]
fn a_slow_reader_gets_everything_in_the_end() {
    const ROUNDS: u32 = 60_000;
    let folder = Folder::new();
    let text = text(&folder, "").replace("[fix]\n", "[fix]\nout_buffer_kib = 16\n");
    let venue = start(&folder, &text);
    let address = venue.ouch_addr().unwrap();
    let mut maker = log_in(address, "MAKER", 0);
    assert_eq!(line(&mut maker), "system S");
    for n in 1..=ROUNDS {
        maker.put(&FromClient::Enter(order(n, b'B', 10, 100)));
        maker.put(&cancel(n, 0));
        if n % 500 == 0 {
            maker.flush().unwrap();
            (0..1_000).for_each(|_| assert!(said(&mut maker).0 > 0));
        }
    }
    drop(maker);
    let mut slow = log_in(address, "MAKER", 1);
    let mut other = log_in(address, "OTHER", 1);
    assert_eq!(line(&mut other), "system S");
    for n in 1..=2_000 {
        other.send(&FromClient::Enter(order(n, b'B', 1, 50))).unwrap();
        assert!(line(&mut other).starts_with("accepted"));
        other.send(&cancel(n, 0)).unwrap();
        assert!(line(&mut other).starts_with("canceled"));
    }
    assert_eq!(line(&mut slow), "system S");
    for n in 1..=ROUNDS {
        assert!(line(&mut slow).starts_with(&format!("accepted {n} ")));
        assert_eq!(line(&mut slow), format!("canceled {n} 10 U"));
    }
    venue.stop().unwrap();
}

/// What a Cancel or a Modify said of one order is that order's after a restart, and no other's.
#[test]
fn what_is_said_of_an_order_is_no_others_after_a_restart() {
    let folder = Folder::new();
    let text = text(&folder, "");
    let modify = |user_ref_num, side, quantity| {
        FromClient::Modify(Modify { user_ref_num, side, quantity, options: Options::default() })
    };
    let say = |client: &mut OuchConn, message: FromClient| {
        client.send(&message).unwrap();
        line(client)
    };
    let venue = start(&folder, &text);
    let clients =
        |venue: &Venue| ["MAKER", "OTHER"].map(|name| log_in(venue.ouch_addr().unwrap(), name, 0));
    let [mut maker, mut other] = clients(&venue);
    for client in [&mut maker, &mut other] {
        assert!(line(client).starts_with("system"));
    }
    // A buy of one is made smaller, a sale of each is marked, all in one stretch of the journal.
    say(&mut maker, FromClient::Enter(order(1, b'B', 50, 90)));
    say(&mut maker, FromClient::Enter(order(2, b'S', 50, 110)));
    say(&mut other, FromClient::Enter(order(1, b'S', 500, 120)));
    say(&mut maker, cancel(1, 40));
    say(&mut maker, modify(2, b'T', 45));
    for quantity in (430..500).rev() {
        let said = say(&mut other, modify(1, b'E', quantity));
        assert!(said.starts_with("modified"), "{said}");
    }
    drop((maker, other));
    venue.stop().unwrap();

    let venue = start(&folder, &text);
    let [mut maker, mut other] = clients(&venue);
    let said = say(&mut maker, replace(1, 3, 30, 91));
    assert!(said.starts_with("replaced 1 -> 3 B 30"), "{said}");
    let said = say(&mut maker, replace(2, 4, 30, 111));
    assert!(said.starts_with("replaced 2 -> 4 T 30"), "{said}");
    let said = say(&mut other, replace(1, 2, 30, 121));
    assert!(said.starts_with("replaced 1 -> 2 E 30"), "{said}");
    venue.stop().unwrap();
}
