//! OUCH sessions and time: logins, silence, limits, the end of a day, auctions; and peers that do anything at all.

use gateway::acceptor::{CancelRules, OverRate, RateLimit, Rights, SessionSetup};
use gateway::ouch::{
    AccountQuery, Cancel, DisableOrderEntry, Enter, FromClient, FromVenue, MARKET_PRICE,
    MassCancel, Modify, Options, Replace,
};
use gateway::soup::{SoupClient, SoupClientConfig};
use gateway::zone::{Recurring, Zone};
use matcher::{
    Bust, Command, InstrumentId, MsgSeqNum, OrderNumber, ParticipantId, Permission,
    PermissionScope, Phase, Price, Qty, SelfTradePrevention, SessionId, Symbol, TradeId,
};

use crate::ouch_venue::{OPEN, OuchClient, OuchVenue, SECOND, order, setup, two};
use crate::random::Random;

fn enter(user_ref_num: u32, side: u8, quantity: u32, ticks: u64) -> FromClient {
    FromClient::Enter(order(user_ref_num, side, quantity, ticks))
}

fn cancel(user_ref_num: u32, quantity: u32) -> FromClient {
    FromClient::Cancel(Cancel { user_ref_num, quantity, options: Options::default() })
}

fn replace(orig_user_ref_num: u32, user_ref_num: u32, quantity: u32, ticks: u64) -> FromClient {
    FromClient::Replace(Replace {
        orig_user_ref_num,
        user_ref_num,
        quantity,
        price: ticks * 100,
        time_in_force: b'0',
        display: b'Y',
        iso: b'N',
        cl_ord_id: *b"another       ",
        options: Options::default(),
    })
}

fn mass_cancel(user_ref_num: u32) -> FromClient {
    let (firm, symbol, options) = (*b"FIRM", [b' '; 8], Options::default());
    FromClient::MassCancel(MassCancel { user_ref_num, firm, symbol, options })
}

fn query() -> FromClient {
    FromClient::AccountQuery(AccountQuery { options: Options::default() })
}

#[test]
fn heartbeats_go_out_and_silence_ends_a_connection() {
    let mut venue = OuchVenue::new(two);
    let mut client = venue.log_in(1, 1);
    // Both sides are quiet and there: nobody is cut.
    for _ in 0..120 {
        venue.pass(SECOND / 2);
        assert_eq!(client.tick(venue.now), None, "the venue is silent");
        assert!(venue.hear(&mut client).is_empty() && !client.is_cut());
    }
    venue.pass(14 * SECOND);
    assert!(!client.is_cut());
    venue.pass(2 * SECOND);
    assert!(client.is_cut(), "silent for longer than 15 s");
    assert!(venue.notices().contains("silent for 15000 ms"));
    // One that is not read is not known to be silent.
    let client = venue.log_in(1, 1);
    venue.hold(Some(SessionId(1)));
    for _ in 0..60 {
        venue.pass(SECOND);
    }
    assert!(!client.is_cut());
    venue.hold(None);
    venue.pass(14 * SECOND);
    assert!(!client.is_cut());
    venue.pass(2 * SECOND);
    assert!(client.is_cut());
    // A client of 4.10 says how long.
    let mut client = venue.connect(1);
    let config =
        SoupClientConfig { timeout_ms: Some(3_000), ..SoupClientConfig::new(b"m1", b"", 0) };
    client.client = SoupClient::new(config);
    let mut login = Vec::new();
    client.client.login(&mut login);
    client.raw(&login);
    venue.settle();
    assert_eq!(venue.hear(&mut client), ["in"]);
    venue.pass(2 * SECOND);
    assert!(!client.is_cut());
    venue.pass(2 * SECOND);
    assert!(client.is_cut());
    // And who never logs in is not waited for.
    let client = venue.connect(2);
    venue.pass(9 * SECOND);
    assert!(!client.is_cut());
    venue.pass(2 * SECOND);
    assert!(client.is_cut());
}

#[test]
fn a_session_has_one_connection_or_the_last_one() {
    fn setups() -> Vec<SessionSetup> {
        vec![setup(1), SessionSetup { takeover: true, ..setup(2) }]
    }
    let mut venue = OuchVenue::new(setups);
    let (first, mut second) = (venue.log_in(1, 1), venue.connect_wanting(1, 1));
    venue.settle();
    assert_eq!(venue.hear(&mut second), ["closed: login rejected: not authorized", "cut"]);
    assert!(!first.is_cut());
    let first = venue.log_in(2, 1);
    let mut second = venue.log_in(2, 1);
    assert!(first.is_cut());
    assert_eq!(venue.ask(&mut second, &[query()]), ["next 1"]);
}

#[test]
fn permissions_hold_over_ouch() {
    fn setups() -> Vec<SessionSetup> {
        let cancels = Rights { trade: false, ..Rights::default() };
        let nothing = Rights { trade: false, cancel: false, ..Rights::default() };
        let symbol = Symbol::new(b"ETH-USD").unwrap();
        let some = Rights { instruments: vec![symbol], ..Rights::default() };
        vec![
            SessionSetup { rights: cancels, ..setup(1) },
            SessionSetup { rights: nothing, ..setup(2) },
            SessionSetup { rights: some, ..setup(3) },
        ]
    }
    let mut venue = OuchVenue::new(setups);
    let mut client = venue.log_in(1, 1);
    let heard = venue.ask(&mut client, &[enter(1, b'B', 1, 100), mass_cancel(2), query()]);
    assert_eq!(heard, ["rejected 1 NotAuthorized text", "mass canceled 2 [FIRM] []", "next 3"]);
    let mut client = venue.log_in(2, 1);
    let heard = venue.ask(&mut client, &[mass_cancel(1), query()]);
    assert_eq!(heard, ["rejected 1 NotAuthorized ", "next 2"]);
    let mut client = venue.log_in(3, 1);
    let ether = Enter { symbol: *b"ETH-USD ", ..order(2, b'B', 1, 100) };
    let heard = venue.ask(&mut client, &[enter(1, b'B', 1, 100), FromClient::Enter(ether)]);
    assert_eq!(heard[0], "rejected 1 Restricted text");
    assert!(heard[1].starts_with("accepted 2 B 1 ETH-USD"), "{heard:?}");
}

#[test]
fn who_sends_too_much_is_refused_delayed_or_logged_out() {
    fn setups() -> Vec<SessionSetup> {
        let rate = |over| Some(RateLimit { per_s: 2, burst: 3, over });
        vec![
            SessionSetup { rate: rate(OverRate::Reject), ..setup(1) },
            SessionSetup { rate: rate(OverRate::Delay), ..setup(2) },
            SessionSetup { rate: rate(OverRate::Disconnect), ..setup(3) },
        ]
    }
    let mut venue = OuchVenue::new(setups);
    let burst: Vec<FromClient> = (1..=4).map(|n| enter(n, b'B', 1, 100)).collect();
    let mut client = venue.log_in(1, 1);
    let heard = venue.ask(&mut client, &burst);
    assert!(heard[2].starts_with("accepted 3"));
    assert_eq!(heard[3..], ["rejected 4 Rate text"]);
    // Cancels have a limit of their own; what is beyond that has an answer too.
    let cancels: Vec<FromClient> = [1, 2, 3, 3].map(|n| cancel(n, 0)).to_vec();
    let heard = venue.ask(&mut client, &cancels[..2]);
    assert_eq!(heard, ["canceled 1 1 U", "canceled 2 1 U"]);

    let mut client = venue.log_in(2, 1);
    let heard = venue.ask(&mut client, &burst);
    assert_eq!(heard.len(), 3, "{heard:?}");
    venue.pass(SECOND);
    assert!(venue.hear(&mut client)[0].starts_with("accepted 4"));

    let mut client = venue.log_in(3, 1);
    let heard = venue.ask(&mut client, &burst);
    assert!(heard[0].starts_with("debug limit of 2 messages a second"), "{heard:?}");
    assert_eq!(heard.len(), 5, "what was taken has its answers: {heard:?}");
    assert!(client.is_cut());
}

/// Numbers begin again ten seconds after the opening, every day.
fn with_days() -> Vec<SessionSetup> {
    let resets = Recurring {
        first: (OPEN.0 + 10 * SECOND).cast_signed(),
        every_ns: (86_400 * SECOND).cast_signed(),
        zone: Zone::default(),
    };
    let cancel = CancelRules { on_disconnect: true, on_logout: true, ..CancelRules::default() };
    let mut setups = vec![setup(1), setup(2), SessionSetup { cancel, ..setup(3) }];
    setups.iter_mut().for_each(|setup| setup.profile.resets = Some(resets.clone()));
    setups
}

/// Who is logged in is told that the day ends, and of its orders before that: nothing is left that the numbers of the next
/// day could mean.
#[test]
fn a_day_ends_and_another_begins() {
    let mut venue = OuchVenue::new(with_days);
    let mut client = venue.log_in(1, 1);
    let yesterday = client.client.session();
    let gtt = Options { expire_time: Some(86_399), ..Options::default() };
    let timed = Enter { time_in_force: b'6', options: gtt, ..order(7, b'B', 5, 100) };
    let heard = venue.ask(&mut client, &[FromClient::Enter(timed)]);
    assert!(heard[0].starts_with("accepted 7"));
    venue.pass(10 * SECOND);
    venue.settle();
    let heard = venue.hear(&mut client);
    assert_eq!(heard, ["canceled 7 5 S", "system E", "closed: end of session", "cut"]);
    venue.settle();
    venue.seen.clear();
    let mut client = venue.connect_wanting(1, 1);
    venue.settle();
    assert_eq!(venue.hear(&mut client), ["in", "system S"]);
    assert_ne!(client.client.session(), yesterday);
    // What was named before is not any more; numbers begin at 1.
    let heard = venue.ask(&mut client, &[cancel(7, 0), enter(1, b'B', 5, 90), mass_cancel(2)]);
    assert!(heard[0].starts_with("accepted 1"), "{heard:?}");
    assert_eq!(heard[1..], ["canceled 1 5 U", "mass canceled 2 [FIRM] []"]);
    client.hang_up();
    venue.settle();
    venue.kill();
    let mut client = venue.log_in(1, 2);
    assert_eq!(venue.ask(&mut client, &[query()]), ["next 3"]);
    let again = venue.told_again(SessionId(1));
    assert_eq!(again, venue.seen[&SessionId(1)]);
    venue.saved_and_loaded();
}

/// What is sent while the end of the day is on its way is not taken: nobody would hear what comes of it.
#[test]
fn nothing_is_taken_behind_the_end_of_a_day() {
    let mut venue = OuchVenue::new(with_days);
    let (mut one, mut third) = (venue.log_in(1, 1), venue.log_in(3, 1));
    venue.ask(&mut one, &[enter(1, b'B', 5, 90)]);
    venue.ask(&mut third, &[enter(1, b'B', 7, 90)]);
    let commands = venue.commands();
    venue.now.0 = OPEN.0 + 10 * SECOND;
    // Its way to the core is long: the end is asked for, and the client has not heard of it.
    one.put(&enter(2, b'B', 5, 91));
    venue.take();
    (3..300).for_each(|n| one.put(&enter(n, b'B', 5, 91)));
    venue.take();
    venue.settle();
    let heard = venue.hear(&mut one);
    let end = ["system E", "closed: end of session", "cut"];
    assert_eq!(heard[heard.len() - 3..], end, "{heard:?}");
    let count = |what: &str| heard.iter().filter(|line| line.starts_with(what)).count();
    assert_eq!((count("accepted"), count("canceled")), (1, 2), "{heard:?}");
    // Cancel on disconnect has nothing left to do behind it.
    let heard = venue.hear(&mut third);
    assert_eq!(heard[..2], ["canceled 1 7 S", "system E"]);
    assert_eq!(venue.commands(), commands + 4, "an order, two ends, a lost connection");
    for number in [1, 3] {
        let mut client = venue.connect_wanting(number, 1);
        venue.settle();
        venue.seen.remove(&SessionId(number));
        assert_eq!(venue.hear(&mut client), ["in", "system S"]);
        assert_eq!(venue.ask(&mut client, &[mass_cancel(1)]), ["mass canceled 1 [FIRM] []"]);
    }
}

/// Who is not logged in when the numbers begin again has no orders from before either.
#[test]
fn orders_end_with_their_numbers_whoever_is_there() {
    let mut venue = OuchVenue::new(with_days);
    let (mut one, mut other) = (venue.log_in(1, 1), venue.log_in(2, 1));
    venue.ask(&mut one, &[enter(1, b'S', 9, 100)]);
    one.log_out();
    venue.settle();
    venue.ask(&mut other, &[enter(1, b'B', 4, 100)]);
    venue.pass(10 * SECOND);
    venue.settle();
    venue.seen.clear();
    let mut one = venue.connect_wanting(1, 1);
    venue.settle();
    assert_eq!(venue.hear(&mut one), ["in", "system S"]);
    let mut other = venue.connect_wanting(2, 1);
    venue.settle();
    venue.hear(&mut other);
    let heard = venue.ask(&mut other, &[enter(1, b'B', 4, 100)]);
    assert_eq!(heard.len(), 1, "nothing is there to trade with: {heard:?}");
    let heard = venue.ask(&mut one, &[cancel(1, 0), mass_cancel(1)]);
    assert_eq!(heard, ["mass canceled 1 [FIRM] []"]);
    // Told again from the journal alone, also by a gateway that begins between the two.
    venue.kill();
    venue.log_in(1, 2);
    assert_eq!(venue.told_again(SessionId(1)), venue.seen[&SessionId(1)]);
}

#[test]
fn each_auction_has_its_flag_also_when_it_is_told_again() {
    let mut venue = OuchVenue::new(two);
    let (mut buyer, mut seller) = (venue.log_in(1, 1), venue.log_in(2, 1));
    let instrument = InstrumentId(0);
    let mut user_ref = 0;
    for (phase, flag) in [
        (Phase::OpeningAuction, 'O'),
        (Phase::ClosingAuction, 'C'),
        (Phase::VolatilityAuction, 'H'),
    ] {
        user_ref += 1;
        venue.govern(Command::SetPhase { instrument, phase });
        venue.ask(&mut buyer, &[enter(user_ref, b'B', 5, 100)]);
        venue.ask(&mut seller, &[enter(user_ref, b'S', 5, 100)]);
        venue.govern(Command::SetPhase { instrument, phase: Phase::Continuous });
        venue.settle();
        for client in [&mut buyer, &mut seller] {
            let executed = format!("executed {user_ref} 5 @ 10000 {flag}");
            assert_eq!(venue.hear(client), [executed]);
        }
    }
    venue.kill();
    for number in [1, 2] {
        venue.log_in(number, 1);
        let session = SessionId(number);
        assert_eq!(venue.told_again(session), venue.seen[&session]);
    }
    venue.saved_and_loaded();
}

#[test]
fn what_the_venue_does_to_orders_is_told() {
    let mut venue = OuchVenue::new(two);
    let (mut one, mut other) = (venue.log_in(1, 1), venue.log_in(2, 1));
    // Self-trade prevention that makes both smaller.
    let (session, group) = (SessionId(1), 0);
    venue.govern(Command::SetSession {
        session,
        group,
        self_trade: SelfTradePrevention::Decrement,
    });
    let heard = venue.ask(&mut one, &[enter(1, b'S', 5, 100), enter(2, b'B', 8, 100)]);
    assert_eq!(
        heard[1..],
        ["accepted 2 B 8 BTC-USD @ 10000 0 state L ref + text", "canceled 1 5 Q", "aiq 2 5 R at 0"]
    );
    // It is smaller now: to make it as small as that is nothing.
    let heard = venue.ask(&mut one, &[cancel(2, 3), enter(3, b'S', 2, 100)]);
    assert_eq!(heard[1..], ["aiq 2 2 A at 10000", "canceled 3 2 Q"]);
    // A trade, and it is undone.
    let heard = venue.ask(&mut other, &[enter(1, b'S', 1, 100)]);
    assert_eq!(heard[1..], ["executed 1 1 @ 10000 R"]);
    assert_eq!(venue.hear(&mut one), ["executed 2 1 @ 10000 A"]);
    let bust = Bust {
        trade: TradeId(1),
        instrument: InstrumentId(0),
        price: Price::from_ticks(100),
        qty: Qty::from_lots(1),
        buy: (SessionId(1), OrderNumber(2)),
        sell: (SessionId(2), OrderNumber(1)),
    };
    venue.govern(Command::Bust(bust));
    venue.settle();
    assert_eq!(venue.hear(&mut one), ["broken 2 S text"]);
    assert_eq!(venue.hear(&mut other), ["broken 1 S text"]);
    // A halt, the end of the day, and the kill switch.
    let heard = venue.ask(&mut one, &[enter(4, b'B', 4, 90), enter(5, b'B', 4, 90)]);
    assert_eq!(heard.len(), 2);
    let instrument = InstrumentId(0);
    venue.govern(Command::SetPhase { instrument, phase: Phase::Halt });
    let heard = venue.ask(&mut one, &[enter(6, b'B', 1, 90), replace(4, 7, 9, 91), cancel(4, 1)]);
    assert_eq!(heard, ["rejected 6 Halted text", "rejected 7 Halted another", "canceled 4 3 U"]);
    assert_eq!(venue.ask(&mut one, &[cancel(4, 0)]), ["canceled 4 1 U"]);
    venue.govern(Command::ExpireDay);
    venue.settle();
    assert_eq!(venue.hear(&mut one), ["canceled 5 4 E"]);
    venue.govern(Command::SetPhase { instrument, phase: Phase::Continuous });
    assert_eq!(venue.ask(&mut one, &[enter(8, b'B', 4, 90)]).len(), 1);
    let scope = PermissionScope::Participant(ParticipantId(1));
    venue.govern(Command::SetPermission { scope, permission: Permission::Killed });
    venue.settle();
    assert_eq!(venue.hear(&mut one), ["canceled 8 4 S"]);
    assert_eq!(venue.ask(&mut one, &[enter(9, b'B', 4, 90)]), ["rejected 9 Disabled text"]);
    for session in [SessionId(1), SessionId(2)] {
        assert_eq!(venue.told_again(session), venue.seen[&session]);
    }
    venue.saved_and_loaded();
}

/// How much has traded only the core knows: a fill that comes first takes nothing from a cancel, nor more of the order.
#[test]
fn a_fill_that_races_a_cancel_leaves_no_more_than_was_asked() {
    let mut venue = OuchVenue::new(two);
    let (mut one, mut other) = (venue.log_in(1, 1), venue.log_in(2, 1));
    venue.ask(&mut one, &[enter(1, b'B', 100, 100)]);
    // Both on their way at once: 60 trade before the core sees that 50 are to be left.
    other.put(&enter(1, b'S', 60, 100));
    venue.take();
    one.put(&cancel(1, 50));
    venue.settle();
    assert_eq!(venue.hear(&mut one), ["executed 1 60 @ 10000 A", "canceled 1 40 U"]);
    assert_eq!(venue.ask(&mut one, &[cancel(1, 0), replace(1, 2, 90, 100)]), [""; 0]);
    // Nothing is there any more.
    let immediate = Enter { time_in_force: b'3', ..order(2, b'S', 10, 100) };
    let heard = venue.ask(&mut other, &[FromClient::Enter(immediate)]);
    assert_eq!(heard.last().unwrap(), "canceled 2 10 I");
    // A fill that leaves something of what was asked for.
    venue.ask(&mut one, &[enter(2, b'B', 100, 100)]);
    other.put(&enter(3, b'S', 60, 100));
    venue.take();
    one.put(&cancel(2, 80));
    venue.settle();
    assert_eq!(venue.hear(&mut one), ["executed 2 60 @ 10000 A", "canceled 2 20 U"]);
    assert_eq!(venue.ask(&mut one, &[cancel(2, 80)]), [""; 0], "it is no larger than that");
    // No more than what has traded: nothing is left.
    assert_eq!(venue.ask(&mut one, &[cancel(2, 60)]), ["canceled 2 20 U"]);
    assert_eq!(venue.ask(&mut one, &[query()]), ["next 3"]);
    venue.saved_and_loaded();
}

/// What takes quantity off without a trade while a cancel is on its way does not make the order larger again.
#[test]
fn a_cancel_never_makes_an_order_larger() {
    let mut venue = OuchVenue::new(two);
    let mut one = venue.log_in(1, 1);
    let (session, group) = (SessionId(1), 0);
    let self_trade = SelfTradePrevention::Decrement;
    venue.govern(Command::SetSession { session, group, self_trade });
    venue.ask(&mut one, &[enter(1, b'B', 10, 100)]);
    let heard = venue.ask(&mut one, &[enter(2, b'S', 4, 100), cancel(1, 8)]);
    assert_eq!(heard[1..], ["aiq 1 4 A at 10000", "canceled 2 4 Q", "cancel rejected 1"]);
    assert_eq!(venue.ask(&mut one, &[cancel(1, 0)]), ["canceled 1 6 U"]);
    assert_eq!(venue.told_again(session), venue.seen[&session]);
}

/// The mark is not the core's, but whether the order still works is.
#[test]
fn the_mark_of_an_order_that_is_gone_is_not_changed() {
    let mut venue = OuchVenue::new(two);
    let (mut one, mut other) = (venue.log_in(1, 1), venue.log_in(2, 1));
    let modify = |user_ref_num, side, quantity| {
        FromClient::Modify(Modify { user_ref_num, side, quantity, options: Options::default() })
    };
    venue.ask(&mut one, &[enter(1, b'S', 5, 100), enter(2, b'S', 5, 100)]);
    other.put(&enter(1, b'B', 7, 100));
    venue.take();
    one.put(&modify(1, b'T', 5));
    one.put(&modify(2, b'T', 5));
    venue.settle();
    let heard = venue.hear(&mut one);
    venue.hear(&mut other);
    assert_eq!(heard[..2], ["executed 1 5 @ 10000 A", "executed 2 2 @ 10000 A"]);
    assert_eq!(heard[2..], ["cancel rejected 1", "modified 2 T 3"]);
    // In a halt too; and the order is what it was otherwise: first in its queue.
    let instrument = InstrumentId(0);
    venue.govern(Command::SetPhase { instrument, phase: Phase::Halt });
    assert_eq!(venue.ask(&mut one, &[modify(2, b'E', 4)]), ["modified 2 E 2"]);
    venue.govern(Command::SetPhase { instrument, phase: Phase::Continuous });
    let heard = venue.ask(&mut one, &[replace(2, 3, 3, 101)]);
    assert_eq!(heard, ["replaced 2 -> 3 E 1 BTC-USD @ 10100 ref + another"]);
    for session in [SessionId(1), SessionId(2)] {
        assert_eq!(venue.told_again(session), venue.seen[&session]);
    }
    venue.saved_and_loaded();
}

/// The last number that there is would be the last request of its session.
#[test]
fn the_largest_user_ref_num_is_refused_and_the_next_is_still_taken() {
    let mut venue = OuchVenue::new(two);
    let mut client = venue.log_in(1, 1);
    let heard = venue.ask(&mut client, &[enter(u32::MAX, b'B', 5, 100), mass_cancel(u32::MAX)]);
    assert_eq!(heard, ["rejected 4294967295 Other text", "rejected 4294967295 Other "]);
    let heard = venue.ask(&mut client, &[enter(u32::MAX - 2, b'B', 5, 100), query()]);
    assert!(heard[0].starts_with("accepted 4294967293 B 5"), "{heard:?}");
    assert_eq!(heard[1], "next 4294967294");
    let heard = venue.ask(&mut client, &[mass_cancel(u32::MAX - 1)]);
    assert_eq!(heard, ["canceled 4294967293 5 U", "mass canceled 4294967294 [FIRM] []"]);
    // A numbering that is not there has no next one.
    let options = Options { user_ref_idx: Some(1), ..Options::default() };
    let other = FromClient::AccountQuery(AccountQuery { options });
    assert_eq!(venue.ask(&mut client, &[other]), ["rejected 0 Other "]);
}

/// A text is what the client wrote: only the spaces behind it are padding.
#[test]
fn a_cl_ord_id_is_said_again_as_it_was() {
    let mut venue = OuchVenue::new(two);
    let mut client = venue.log_in(1, 1);
    let cl_ord_id = *b" one\t\r\n       ";
    client.put(&FromClient::Enter(Enter { cl_ord_id, ..order(1, b'B', 5, 100) }));
    venue.settle();
    venue.hear(&mut client);
    let last = venue.seen[&SessionId(1)].last().unwrap();
    let Ok(FromVenue::Accepted(accepted)) = FromVenue::decode(last) else { panic!("{last:?}") };
    assert_eq!(accepted.cl_ord_id, cl_ord_id);
}

/// One session that is wrong costs its connection, not the venue.
#[test]
fn a_number_that_is_not_the_next_ends_one_connection() {
    let mut venue = OuchVenue::new(two);
    let (client, mut other) = (venue.log_in(1, 1), venue.log_in(2, 1));
    venue.say_under_another_number(SessionId(1), MsgSeqNum(9));
    venue.settle();
    assert!(client.is_cut());
    assert!(venue.notices().contains("closed: its numbers and the journal's are not the same"));
    let heard = venue.ask(&mut other, &[enter(1, b'B', 5, 100)]);
    assert!(heard[0].starts_with("accepted 1"), "{heard:?}");
}

/// The end of the process between any two steps: orders are taken once, and every message keeps its number.
#[test]
fn a_kill_between_any_two_steps_loses_nothing() {
    for steps in 0..60 {
        let mut venue = OuchVenue::new(two);
        let mut client = venue.log_in(1, 1);
        let all: Vec<FromClient> = (1..=20)
            .flat_map(|n| [enter(2 * n, b'B', 5, 100), replace(2 * n, 2 * n + 1, 4, 100)])
            .collect();
        all.iter().for_each(|message| client.put(message));
        venue.take();
        venue.tell(steps);
        let heard = venue.hear(&mut client).len();
        venue.kill();
        // With its next number and everything again: what is missing is taken, the rest passed over.
        let next = venue.seen[&SessionId(1)].len() as u64 + 1;
        let mut client = venue.log_in(1, next);
        venue.ask(&mut client, &all);
        let session = SessionId(1);
        assert_eq!(venue.seen[&session].len(), 41, "after {steps} steps and {heard} messages");
        assert_eq!(venue.told_again(session), venue.seen[&session]);
        assert_eq!(venue.commands(), 40);
    }
}

#[test]
fn a_client_that_takes_nothing_is_cut() {
    let mut venue = OuchVenue::new(two);
    let mut client = venue.log_in(1, 1);
    client.stuff(true);
    for n in 0..300 {
        client.put(&enter(n + 1, b'B', 1, 100));
        client.put(&cancel(n + 1, 0));
    }
    venue.settle();
    venue.pass(9 * SECOND);
    assert!(!client.is_cut());
    venue.pass(3 * SECOND);
    assert!(client.is_cut(), "{}", venue.notices());
    let mut client = venue.log_in(1, 2);
    venue.settle();
    venue.hear(&mut client);
    assert_eq!(venue.told_again(SessionId(1)), venue.seen[&SessionId(1)]);
}

/// Peers that do what they like, from seeds: no panic, no message that changes, none that is missing.
#[test]
fn random_peers() {
    let (mut asked, mut said) = (0, 0);
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let bytes: Vec<u8> = (0..3_000).map(|_| random.next().to_le_bytes()[3]).collect();
        println!("seed {seed}");
        let played = play(&bytes);
        (asked, said) = (asked + played.0, said + played.1);
    }
    // They did something.
    assert!(asked > 5_000 && said > 8_000, "{asked} commands, {said} messages");
}

/// What bytes say that peers, the venue and the clock do; how many commands and messages came of it. Also what the fuzzer
/// calls.
pub(crate) fn play(bytes: &[u8]) -> (usize, usize) {
    fn setups() -> Vec<SessionSetup> {
        let cancel = CancelRules { on_disconnect: true, on_logout: true, ..CancelRules::default() };
        vec![setup(1), SessionSetup { takeover: true, cancel, ..setup(2) }]
    }
    let mut venue = OuchVenue::new(setups);
    let stp = SelfTradePrevention::Decrement;
    venue.govern(Command::SetSession { session: SessionId(1), group: 0, self_trade: stp });
    let mut clients: [Option<OuchClient>; 2] = [None, None];
    let mut user_refs = [0_u32; 2];
    let mut rest = bytes.iter().copied();
    while let Some(op) = rest.next() {
        let mut byte = || rest.next().unwrap_or(0);
        let who = usize::from(op & 1);
        let number = u32::try_from(who).unwrap() + 1;
        let near = |at: u32, by: u8| at.saturating_add_signed(i32::from(by % 8) - 5).max(1);
        match op >> 1 & 0x3f {
            0 => {
                let seen = venue.seen.get(&SessionId(number)).map_or(0, Vec::len) as u64;
                let wanted = match byte() % 8 {
                    0 => 0,
                    1 => 1,
                    2 => seen + 2,
                    3 => u64::from(byte()) * 3,
                    _ => seen + 1,
                };
                clients[who] = Some(venue.connect_wanting(number, wanted));
            }
            1 => {
                if let Some(client) = &mut clients[who] {
                    client.hang_up();
                }
                clients[who] = None;
            }
            2 => {
                if let Some(client) = &mut clients[who] {
                    client.log_out();
                }
            }
            3 if byte() % 4 == 0 => venue.kill(),
            4 => venue.pass(u64::from(byte()) * SECOND / 8),
            5 | 6 => venue.take(),
            7 | 8 => venue.tell(usize::from(byte() % 8)),
            9 => {
                let len = usize::from(byte());
                let garbage: Vec<u8> = (0..len).map(|_| byte()).collect();
                if let Some(client) = &mut clients[who] {
                    client.raw(&garbage);
                }
            }
            10 => {
                let phase = match byte() % 4 {
                    0 => Phase::Halt,
                    1 => Phase::OpeningAuction,
                    _ => Phase::Continuous,
                };
                venue.govern(Command::SetPhase { instrument: InstrumentId(0), phase });
            }
            11 => {
                if let Some(client) = &mut clients[who] {
                    client.stuff(byte() % 4 == 0);
                }
            }
            12 | 13 => venue.settle(),
            14..=17 => venue.settle(),
            op => {
                if clients[who].is_none() {
                    let seen = venue.seen.get(&SessionId(number)).map_or(0, Vec::len) as u64;
                    clients[who] = Some(venue.connect_wanting(number, seen + 1));
                    venue.settle();
                    clients[who].iter_mut().for_each(|client| drop(venue.hear(client)));
                }
                let next = user_refs[who] + 1;
                let user_ref = if byte() % 8 == 0 { near(next, byte()) } else { next };
                let target = near(user_refs[who], byte());
                let (side, qty) = (b"BSTEX"[usize::from(byte() % 5)], u32::from(byte() % 32));
                let ticks = 95 + u64::from(byte() % 12);
                let mut entered = order(user_ref, side, qty, ticks);
                if byte() % 4 == 0 {
                    entered.time_in_force = b"0356E"[usize::from(byte() % 5)];
                    entered.cross_type = b"NOCHS"[usize::from(byte() % 5)];
                    entered.display = b"YNA?"[usize::from(byte() % 4)];
                    entered.options.post_only = (byte() % 2 == 0).then_some(b'P');
                    entered.options.max_floor = (byte() % 3 == 0).then_some(u32::from(byte() % 9));
                    entered.options.price_type =
                        (byte() % 3 == 0).then_some(b"LRMP"[usize::from(byte() % 4)]);
                    entered.options.peg_offset =
                        (byte() % 3 == 0).then_some(i32::from(byte()) - 128);
                    entered.options.min_qty = (byte() % 3 == 0).then_some(u32::from(byte() % 9));
                    if byte() % 4 == 0 {
                        entered.price = MARKET_PRICE;
                    }
                }
                let message = match op % 8 {
                    0..=2 => FromClient::Enter(entered),
                    3 => replace(target, user_ref, qty, ticks),
                    4 => cancel(target, qty),
                    5 => {
                        let options = Options::default();
                        FromClient::Modify(Modify {
                            user_ref_num: target,
                            side,
                            quantity: qty,
                            options,
                        })
                    }
                    6 => mass_cancel(user_ref),
                    _ if byte() % 4 == 0 => {
                        let (firm, options) = (*b"FIRM", Options::default());
                        let disable = DisableOrderEntry { user_ref_num: user_ref, firm, options };
                        match byte() % 2 {
                            0 => FromClient::DisableOrderEntry(disable),
                            _ => FromClient::EnableOrderEntry(gateway::ouch::EnableOrderEntry {
                                user_ref_num: user_ref,
                                firm,
                                options,
                            }),
                        }
                    }
                    _ => query(),
                };
                if let Some(client) = &mut clients[who] {
                    client.put(&message);
                    if !matches!(
                        message,
                        FromClient::Cancel(_) | FromClient::Modify(_) | FromClient::AccountQuery(_)
                    ) {
                        user_refs[who] = user_refs[who].max(user_ref);
                    }
                }
            }
        }
        for client in clients.iter_mut().flatten() {
            venue.hear(client);
        }
        for client in &mut clients {
            if client.as_ref().is_some_and(OuchClient::is_cut) {
                *client = None;
            }
        }
    }
    // In the end somebody asks for everything: it is what was seen, and what the journal alone gives.
    for client in clients.iter_mut().flatten() {
        client.hang_up();
    }
    // Whoever still knocks has its time for a login, and is gone.
    venue.pass(30 * SECOND);
    let mut said = 0;
    for number in [1, 2] {
        let mut client = venue.log_in(number, 1);
        venue.settle();
        venue.hear(&mut client);
        let session = SessionId(number);
        let seen = venue.seen.remove(&session).unwrap_or_default();
        assert_eq!(venue.told_again(session), seen, "session {session}");
        said += seen.len();
        client.hang_up();
    }
    venue.saved_and_loaded();
    (venue.commands(), said)
}
