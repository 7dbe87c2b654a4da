//! A configuration is right, or one error that names the line.

use gateway::acceptor::{OverRate, RateLimit};
use gateway::fix::{Version, Versions};
use gateway::order_entry::DayEnd;
use gateway::zone::{Recurring, Zone};
use matcher::{BandAction, InstrumentId, Phase, Price, SelfTradePrevention, Timestamp};
use venue::Config;
use venue::config::{InstrumentRules, SAMPLE};

const HOUR_NS: i64 = 3_600_000_000_000;
const DAY_NS: u64 = 86_400_000_000_000;

fn error(text: &str) -> String {
    Config::parse("vesta.toml", text).unwrap_err().to_string()
}

/// The sample with one line put in place of another.
fn changed(from: &str, to: &str) -> String {
    assert_eq!(SAMPLE.matches(from).count(), 1, "{from}");
    SAMPLE.replace(from, to)
}

fn line_of(text: &str) -> usize {
    SAMPLE.lines().position(|line| line.contains(text)).unwrap() + 1
}

#[test]
fn the_sample_is_right_and_says_the_defaults() {
    let sample = Config::parse("vesta.toml", SAMPLE).unwrap();
    let least = Config::parse("least.toml", "[fix]\nlisten = \"127.0.0.1:5001\"\n").unwrap();
    assert_eq!(sample.limits, least.limits);
    assert_eq!(sample.fix, least.fix);
    assert_eq!(sample.durability, least.durability);
    assert_eq!((sample.layout, sample.wait), (least.layout, least.wait));
    assert_eq!(sample.segment_bytes, least.segment_bytes);
    assert_eq!((sample.instruments.len(), sample.sessions.len()), (2, 2));
    assert_eq!(sample.schedule, least.schedule);
    assert_eq!(sample.schedule.phases, []);
    assert_eq!(sample.rules, [InstrumentRules::default(); 2]);
    assert_eq!(sample.risk, []);
    let session = &sample.sessions[0];
    assert_eq!((session.group, session.self_trade), (0, SelfTradePrevention::None));
}

/// The sample with what it shows in comments in force.
#[test]
fn what_the_sample_shows_in_comments_is_right_too() {
    let shown = [
        "at = ",
        "phase = \"",
        "instruments = [",
        "[[schedule.phase]]",
        "day_end",
        "reference_price",
    ]
    .into_iter()
    .chain(["[instrument.bands]", "static_ticks", "dynamic_ticks", "action = ", "self_trade"])
    .chain(["group = 1", "[[risk]]", "participant = ", "instrument = ", "order_qty_max_lots"])
    .chain(["order_notional_max", "collar_ticks", "open_orders_max", "open_notional_max"])
    .chain(["position_max_lots", "addresses", "connections_per_address", "permissions"])
    .chain(["rate", "versions = ", "conformance = ", "reset = "]);
    let mut text = SAMPLE.to_owned();
    for key in shown {
        let commented = format!("\n# {key}");
        assert!(text.contains(&commented), "{key}");
        text = text.replace(&commented, &format!("\n{key}"));
    }
    let config = Config::parse("vesta.toml", &text).unwrap();
    let [entry] = &config.schedule.phases[..] else { panic!("{:?}", config.schedule) };
    assert_eq!((entry.at_s, entry.phase), (25_200, Phase::PreOpen));
    assert_eq!(entry.instruments, Some(vec![InstrumentId(0)]));
    assert_eq!(config.schedule.day_end_s, Some(79_200));
    assert_eq!(config.schedule.date_end, DayEnd { at_s: 79_200, zone: Zone::default() });
    let sooner = text.replace("time_zone = \"UTC\"", "time_zone = \"+03:00\"");
    let sooner = Config::parse("vesta.toml", &sooner).unwrap().schedule;
    assert_eq!(sooner.date_end, DayEnd { at_s: 79_200, zone: Zone::fixed(3 * 3_600) });
    let plain = Config::parse("vesta.toml", SAMPLE).unwrap().schedule;
    assert_eq!(plain.date_end, DayEnd::default());
    assert_eq!(config.rules[0].reference, Some(Price::from_ticks(6_000_000)));
    assert_eq!(config.rules[0].bands.static_ticks, 1_000_000);
    assert_eq!(config.rules[0].bands.action, BandAction::Interrupt);
    assert_eq!(config.rules[1], InstrumentRules::default());
    assert_eq!(config.sessions[0].self_trade, SelfTradePrevention::CancelNewest);
    assert_eq!((config.sessions[0].group, config.sessions[1].group), (1, 0));
    let addresses: Vec<String> =
        config.sessions[0].addresses.iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["192.0.2.0/24", "2001:db8::7/128"]);
    assert_eq!(config.fix.connections_per_address, Some(64));
    assert_eq!(config.sessions[0].rights.instruments, [config.instruments[0].symbol]);
    let rate = RateLimit { per_s: 100, burst: 200, over: OverRate::Reject };
    assert_eq!((config.sessions[0].rate, config.sessions[1].rate), (Some(rate), None));
    let versions = [&config.sessions[0], &config.sessions[1]].map(|session| session.versions);
    assert_eq!(versions, [Versions::of(&[Version::Fix44]), Versions::ALL]);
    assert_eq!([0, 1].map(|index| config.sessions[index].conformance), [true, false]);
    // 1970-01-02, a Friday, at 22:00.
    let (first, every_ns) = ((24 + 22) * HOUR_NS, 168 * HOUR_NS);
    let resets = Recurring { first, every_ns, zone: Zone::default() };
    assert_eq!(config.sessions[0].resets, Some(resets));
    assert_eq!(config.sessions[1].resets, None);
    let [risk] = &config.risk[..] else { panic!("{:?}", config.risk) };
    assert_eq!((risk.participant.as_str(), risk.instrument), ("FIRM1", Some(InstrumentId(0))));
    assert_eq!(risk.limits.position_max, 1_000_000);
}

const MORE: &str = r#"
[[schedule.phase]]
at = "08:00:00"
phase = "opening-auction"
instruments = ["ETH-USD"]

[[schedule.phase]]
at = "08:10:00"
phase = "continuous"

[[risk]]
participant = "FIRM1"
open_orders_max = 5
"#;

#[test]
fn a_time_zone_moves_the_times_of_the_day() {
    for (zone, first, second) in [
        ("UTC", 28_800, 29_400),
        ("+01:00", 25_200, 25_800),
        ("-05:30", 48_600, 49_200),
        ("+08:05", 86_100, 300),
    ] {
        let text = changed("time_zone = \"UTC\" ", &format!("time_zone = \"{zone}\" ")) + MORE;
        let config = Config::parse("vesta.toml", &text).unwrap();
        let phases = config.schedule.phases.iter();
        let at = phases.map(|entry| config.schedule.daily(entry.at_s).after(Timestamp(DAY_NS)));
        let at: Vec<u64> = at.map(|at| (at.0 - DAY_NS) / 1_000_000_000).collect();
        assert_eq!(at, [first, second], "{zone}");
    }
}

#[test]
fn a_time_zone_moves_the_days_of_the_week() {
    let sample = |zone: &str, reset: &str| {
        let text = changed("time_zone = \"UTC\"", &format!("time_zone = \"{zone}\""));
        let line = "# reset = { at = \"22:00:00\", day = \"friday\" }";
        assert_eq!(text.matches(line).count(), 1);
        let config = Config::parse("vesta.toml", &text.replace(line, reset)).unwrap();
        config.sessions[0].resets.clone().unwrap()
    };
    for (zone, reset, first_h, every_h) in [
        ("UTC", "reset = { at = \"01:00:00\" }", 1, 24),
        ("+02:00", "reset = { at = \"01:00:00\" }", 23, 24),
        ("-05:00", "reset = { at = \"22:00:00\" }", 3, 24),
        // Thursdays at 0:00 UTC are the beginning of these weeks.
        ("UTC", "reset = { at = \"01:00:00\", day = \"thursday\" }", 1, 168),
        ("+02:00", "reset = { at = \"01:00:00\", day = \"thursday\" }", 167, 168),
        ("-05:00", "reset = { at = \"22:00:00\", day = \"wednesday\" }", 3, 168),
        ("-05:00", "reset = { at = \"17:00:00\", day = \"sunday\" }", 3 * 24 + 22, 168),
    ] {
        let resets = sample(zone, reset);
        assert_eq!(resets.every_ns, every_h * HOUR_NS, "{zone} {reset}");
        let before = Timestamp(7 * DAY_NS - 1);
        let wanted = Timestamp(7 * DAY_NS + (first_h * HOUR_NS).unsigned_abs());
        assert_eq!(resets.after(before), wanted, "{zone} {reset}");
    }
    let wrong = changed("# reset = { at = \"22:00:00\"", "reset = { at = \"24:00:00\"");
    assert!(error(&wrong).contains("HH:MM:SS"));
    let wrong = changed(
        "# reset = { at = \"22:00:00\", day = \"friday\"",
        "reset = { at = \"22:00:00\", day = \"fri\"",
    );
    assert!(error(&wrong).contains("friday"), "{}", error(&wrong));
}

/// Times of the day and of the week in both nights in which the clocks change, in UTC: the day before, the day itself, the day after; a
/// time that is jumped over comes at the jump, one that is there twice the first time.
#[test]
fn a_named_time_zone_knows_daylight_saving() {
    let resets = |zone: &str, reset: &str| {
        let text = changed("time_zone = \"UTC\"", &format!("time_zone = \"{zone}\""));
        let line = "# reset = { at = \"22:00:00\", day = \"friday\" }";
        let config = Config::parse("vesta.toml", &text.replace(line, reset)).unwrap();
        config.sessions[0].resets.clone().unwrap()
    };
    let utc = |text: &str| gateway::fix::parse_utc(text.as_bytes()).unwrap();
    let (london, new_york) = ("Europe/London", "America/New_York");
    for (zone, reset, times) in [
        (
            london,
            "at = \"01:30:00\"",
            ["20260328-01:30:00", "20260329-01:00:00", "20260330-00:30:00"],
        ),
        (
            london,
            "at = \"01:30:00\"",
            ["20261024-00:30:00", "20261025-00:30:00", "20261026-01:30:00"],
        ),
        (
            london,
            "at = \"22:00:00\"",
            ["20260328-22:00:00", "20260329-21:00:00", "20260330-21:00:00"],
        ),
        (
            london,
            "at = \"22:00:00\"",
            ["20261024-21:00:00", "20261025-22:00:00", "20261026-22:00:00"],
        ),
        (
            new_york,
            "at = \"02:30:00\"",
            ["20260307-07:30:00", "20260308-07:00:00", "20260309-06:30:00"],
        ),
        (
            new_york,
            "at = \"01:30:00\"",
            ["20261031-05:30:00", "20261101-05:30:00", "20261102-06:30:00"],
        ),
        (
            london,
            "at = \"01:30:00\", day = \"sunday\"",
            ["20260322-01:30:00", "20260329-01:00:00", "20260405-00:30:00"],
        ),
        (
            london,
            "at = \"01:30:00\", day = \"sunday\"",
            ["20261018-00:30:00", "20261025-00:30:00", "20261101-01:30:00"],
        ),
        (
            new_york,
            "at = \"17:00:00\", day = \"sunday\"",
            ["20260301-22:00:00", "20260308-21:00:00", "20260315-21:00:00"],
        ),
        (
            new_york,
            "at = \"01:30:00\", day = \"sunday\"",
            ["20261025-05:30:00", "20261101-05:30:00", "20261108-06:30:00"],
        ),
        // A year that the file of the zone has no change of its own for: the rule goes on.
        (
            london,
            "at = \"22:00:00\"",
            ["20900325-22:00:00", "20900326-21:00:00", "20900327-21:00:00"],
        ),
    ] {
        let resets = resets(zone, &format!("reset = {{ {reset} }}"));
        let [first, second, third] = times.map(utc);
        let times =
            [resets.after(Timestamp(first.0 - 1)), resets.after(first), resets.after(second)];
        assert_eq!(times, [first, second, third], "{zone} {reset}");
        for (at, last) in [(second.0 - 1, first), (second.0, second), (third.0 - 1, second)] {
            assert_eq!(resets.last(Timestamp(at)), last, "{zone} {reset}");
        }
    }
}

#[test]
fn a_schedule_and_rules_that_cannot_be_name_their_line() {
    let sample = SAMPLE.to_owned() + MORE;
    let cases = [
        ("time_zone = \"UTC\" ", "time_zone = \"Europe/Atlantis\" ", "time zone database"),
        ("time_zone = \"UTC\" ", "time_zone = \"+1\" ", "+01:00"),
        ("volatility_auction_s = 120 ", "volatility_auction_s = 90000 ", "0 to 86400"),
        ("indicative_interval_ms = 1000 ", "indicative_interval_ms = 5 ", "10 to 3600000"),
        ("at = \"08:00:00\"", "at = \"8 o'clock\"", "HH:MM:SS"),
        ("at = \"08:10:00\"", "at = \"08:00:00\"", "same time"),
        ("phase = \"continuous\"", "phase = \"open\"", "pre-open"),
        ("instruments = [\"ETH-USD\"]", "instruments = [\"XRP-USD\"]", "no instrument XRP-USD"),
        ("[[risk]]\nparticipant = \"FIRM1\"", "[[risk]]\nparticipant = \"FIRM9\"", "FIRM9"),
        ("open_orders_max = 5", "order_max = 5", "order_max"),
        ("open_orders_max = 5", "instrument = \"BTC-USD\"", "no limit"),
        ("open_orders_max = 5", "open_orders_max = -1", "invalid value"),
        ("open_orders_max = 5", "instrument = \"XRP-USD\"\nopen_orders_max = 5", "XRP-USD"),
        ("participant = \"FIRM2\"", "participant = \"FIRM2\"\nself_trade = \"all\"", "decrement"),
        ("price_max = \"100000\"", "price_max = \"100000\"\nreference_price = \"0\"", "outside"),
        (
            "price_max = \"100000\"",
            "price_max = \"100000\"\nreference_price = \"1.005\"",
            "reference_price",
        ),
        (
            "price_max = \"100000\"",
            "price_max = \"100000\"\nbands = { static_ticks = 5 }",
            "action",
        ),
    ];
    for (from, to, needs) in cases {
        let at = sample.rfind(&format!("\n{from}")).unwrap() + 1;
        let text = format!("{}{to}{}", &sample[..at], &sample[at + from.len()..]);
        let error = error(&text);
        assert!(error.contains(needs), "{to}: {error}");
        // The line, or that of the table that it is in.
        let line: usize = error.split(':').nth(1).unwrap().parse().unwrap();
        let own = text[..at].lines().count() + 1;
        assert!((own.saturating_sub(9)..=own + 1).contains(&line), "{to}: {error}, line {own}");
    }
    let twice = SAMPLE.to_owned() + MORE + "[[risk]]\nparticipant = \"FIRM1\"\ncollar_ticks = 1\n";
    assert!(error(&twice).contains("twice"));
}

#[test]
fn an_unknown_key_names_its_line() {
    let text = changed("segment_mib = 64 ", "segment_gib = 64 ");
    let line = line_of("segment_mib = 64 ");
    let error = error(&text);
    assert!(error.starts_with(&format!("vesta.toml:{line}: ")), "{error}");
    assert!(error.contains("segment_gib"), "{error}");
}

#[test]
fn what_is_wrong_names_its_line_and_what_would_be_right() {
    let cases = [
        ("segment_mib = 64 ", "segment_mib = 0 ", "it must be 1 to 1024"),
        ("durability = \"disk\" ", "durability = \"ram\" ", "memory"),
        ("heartbeat_s_min = 1 ", "heartbeat_s_min = 700 ", "above heartbeat_s_max"),
        ("name = \"VESTA\" ", "name = \"V V\" ", "printable"),
        ("listen = \"127.0.0.1:5001\"", "listen = \"localhost\"", "socket address"),
        // Above, the engine would refuse what the file says.
        ("\norders = 1000000 ", "\norders = 268435457 ", "it must be 1 to 268435456"),
        ("levels = 250000 ", "levels = 67108865 ", "it must be 1 to 67108864"),
        ("instruments = 1024", "instruments = 1048577", "it must be 1 to 1048576"),
        ("\nsessions = 4096", "\nsessions = 0", "it must be 1 to 1048576"),
    ];
    for versions in ["[]", "[\"FIX.4.3\"]", "[\"FIX.4.4\", \"\"]"] {
        let (from, to) = ("# versions = [\"FIX.4.4\"]", format!("versions = {versions}"));
        let error = error(&changed(from, &to));
        assert!(error.starts_with(&format!("vesta.toml:{}: ", line_of(from))), "{error}");
        assert!(error.contains("\"FIX.4.2\", \"FIX.4.4\", \"FIXT.1.1\""), "{error}");
    }
    for (from, to, needs) in cases {
        let error = error(&changed(from, to));
        let from = from.trim_start();
        let line = line_of(from);
        assert!(error.starts_with(&format!("vesta.toml:{line}: ")), "{to}: {error}");
        assert!(error.contains(needs), "{to}: {error}");
    }
}

#[test]
fn instruments_that_cannot_be_are_refused() {
    let cases = [
        (
            "tick_size = \"0.01\"\nlot_size = \"0.0001\"",
            "tick_size = \"0.001\"\nlot_size = \"0.0001\"",
            "tick_size",
        ),
        ("qty_max = \"1000\"", "qty_max = \"0\"", "quantity"),
        ("price_max = \"199999.99\"", "price_max = \"200000.005\"", "price_max"),
        ("price_max = \"199999.99\"", "price_max = \"90000000\"", "ITCH"),
        ("symbol = \"ETH-USD\"", "symbol = \"BTC-USD\"", "twice"),
        ("comp_id = \"CLIENT2\"", "comp_id = \"CLIENT1\"", "twice"),
    ];
    for (from, to, needs) in cases {
        let error = error(&changed(from, to));
        assert!(error.contains(needs), "{to}: {error}");
        assert!(error.starts_with("vesta.toml:"), "{error}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let path = std::path::Path::new("no/such/vesta.toml");
    let error = Config::load(path).unwrap_err().to_string();
    assert!(error.starts_with("no/such/vesta.toml: cannot be read"), "{error}");
}

/// Somebody speaks OUCH.
#[test]
fn ouch_is_for_sessions_that_say_so() {
    let with = |session: &str, more: &str| {
        let listen = "[ouch]\nlisten = \"127.0.0.1:5005\"\n";
        format!(
            "{SAMPLE}\n[[session]]\ncomp_id = \"MAKER\"\nparticipant = \"MARKET\"\nprotocol = \"ouch\"\n{session}\n{more}{listen}"
        )
    };
    let name = "username = \"maker\"";
    let config = Config::parse("vesta.toml", &with(name, "")).unwrap();
    assert_eq!(config.ouch.map(|ouch| (ouch.listen.port(), ouch.tls)), Some((5_005, None)));
    let firms: Vec<Option<[u8; 4]>> = config.sessions.iter().map(|it| it.ouch_firm).collect();
    assert_eq!(firms, [None, None, Some(*b"    ")], "MARKET is too long to be named");
    let config = Config::parse("vesta.toml", &with(&format!("{name}\nfirm = \"MM\""), "")).unwrap();
    assert_eq!(config.sessions[2].ouch_firm, Some(*b"MM  "));
    let nobody = format!("{SAMPLE}\n[ouch]\nlisten = \"127.0.0.1:5005\"\n");
    assert!(Config::parse("vesta.toml", &nobody).is_ok(), "nobody needs to speak it");

    let other = "[[session]]\ncomp_id = \"M2\"\nparticipant = \"M\"\nprotocol = \"ouch\"\nusername = \"MAKER\"\n";
    let long = "[[instrument]]\nsymbol = \"ABCDEFGHI\"\nprice_decimals = 0\ntick_size = \"1\"\nqty_max = \"9\"\nprice_max = \"9\"\n";
    for (session, more, wanted) in [
        ("", "", "needs a username of 1 to 6 characters"),
        ("username = \"marketmaker\"", "", "needs a username of 1 to 6 characters"),
        ("username = \"ma ke\"", "", "needs a username of 1 to 6 characters"),
        (name, other, "username MAKER is that of session MAKER too"),
        (name, long, "ABCDEFGHI cannot be traded over OUCH: its symbol has more than 8 characters"),
        ("username = \"m\"\nfirm = \"LONGER\"", "", "firm is 1 to 4 characters"),
        (
            "username = \"m\"\nversions = [\"FIX.4.4\"]",
            "",
            "versions is for sessions that speak FIX",
        ),
        ("username = \"m\"\nconformance = true", "", "conformance is for sessions that speak FIX"),
        (
            "username = \"m\"\npermissions = [\"trade\", \"quote\"]",
            "",
            "over OUCH there are the permissions",
        ),
        (
            "username = \"m\"\npermissions = [\"market-data\"]",
            "",
            "over OUCH there are the permissions",
        ),
    ] {
        let error = error(&with(session, more));
        assert!(error.contains(wanted), "{error}");
    }
    // Up to where its prices mean the market, and no further.
    let up_to = |price: &str| {
        with(name, "").replace("price_max = \"199999.99\"", &format!("price_max = \"{price}\""))
    };
    let unfit = "BTC-USD cannot be traded over OUCH: price_max is not below 2,000,000,000 units";
    assert!(error(&up_to("200000")).contains(unfit));
    let no_ouch = up_to("200000").replace("protocol = \"ouch\"", "");
    let no_ouch = no_ouch.replace("[ouch]\nlisten = \"127.0.0.1:5005\"\n", "");
    assert!(Config::parse("vesta.toml", &no_ouch).is_ok());
    let no_port = with(name, "").replace("[ouch]\nlisten = \"127.0.0.1:5005\"\n", "");
    assert!(error(&no_port).contains("there is no [ouch] to listen for it"));
    let firm = changed("# group = 1   ", "firm = \"MM\" # group = 1   ");
    assert!(error(&firm).contains("firm is for protocol = \"ouch\""));
    let plain = with("username = \"m\"\npassword = \"elevenchars\"", "");
    let plain = plain.replace("# plain_passwords = true", "plain_passwords = true");
    assert!(error(&plain).contains("10 characters for the password"));
}

#[test]
fn the_lines_of_the_multicast_are_groups_of_their_own() {
    let mut text = SAMPLE.to_owned();
    let shown =
        ["[itch.mold", "group = \"239", "interface", "ttl", "batch_us", "end_s", "requests"];
    let beside = ["[itch.glimpse]", "[itch.reference]", "listen = \"127.0.0.1:501"];
    for key in shown.into_iter().chain(beside) {
        let commented = format!("\n# {key}");
        assert!(text.contains(&commented), "{key}");
        text = text.replace(&commented, &format!("\n{key}"));
    }
    let all = Config::parse("vesta.toml", &text).unwrap();
    assert_eq!(all.glimpse.unwrap().listen.to_string(), "127.0.0.1:5013");
    assert_eq!(all.reference.unwrap().listen.unwrap().to_string(), "127.0.0.1:5014");
    assert_eq!(all.currencies, [Some("USD".into()), None]);
    let mold = all.mold.unwrap();
    assert_eq!(mold.line_a.group.to_string(), "239.192.0.1:5011");
    assert_eq!(mold.line_b.unwrap().group.to_string(), "239.192.0.2:5011");
    assert_eq!((mold.ttl, mold.batch_us, mold.end_s), (1, 5, 2));
    assert_eq!(mold.requests.unwrap().to_string(), "127.0.0.1:5012");
    let least = "[fix]\nlisten = \"127.0.0.1:0\"\n[itch.mold]\ngroup = \"239.192.0.1:5011\"\n\
                 interface = \"127.0.0.1\"\n";
    let least = Config::parse("least.toml", least).unwrap().mold.unwrap();
    assert_eq!((least.ttl, least.batch_us, least.end_s), (mold.ttl, mold.batch_us, mold.end_s));
    assert_eq!((least.line_b, least.requests), (None, None));
    for (from, to, word) in [
        ("239.192.0.2", "239.192.0.1", "line A has the group"),
        ("239.192.0.2", "10.0.0.1", "not a multicast address"),
        ("239.192.0.1", "10.0.0.1", "not a multicast address"),
        ("currency = \"USD\"", "currency = \"usd\"", "is not 1 to 8 capital letters"),
        ("batch_us = 5", "batch_us = 1001", "must be 0 to 1000"),
        ("end_s = 2", "end_s = 61", "must be 0 to 60"),
    ] {
        let wrong = error(&text.replace(from, to));
        assert!(wrong.contains(word), "{wrong}");
    }
}
