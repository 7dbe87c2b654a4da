//! Scripted attacks on a whole venue over loopback. Each ends in the answer that `gateway/FIX-HOSTILE.md` has for it,
//! and whoever keeps the rules is served meanwhile.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use gateway::fix::Encoder;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};
use venue::credentials::{Credentials, Password};
use venue::{Config, Venue, clock};

use crate::folder::Folder;
use crate::loopback::{config, fields, replays};
use crate::peer::{Got, Peer};

/// How long an attack may go on. Only a failing test ever takes so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a read waits before others are looked after.
const A_MOMENT: Duration = Duration::from_millis(20);

/// A venue, and one session that keeps the rules.
struct Scene {
    folder: Folder,
    config: Config,
    venue: Venue,
    good: Peer,
    orders: u32,
}

impl Scene {
    fn new(change: impl FnOnce(&mut Config)) -> Scene {
        let folder = Folder::new();
        let mut config = config(&folder);
        config.soup = None;
        change(&mut config);
        let venue = Venue::start(&config).unwrap();
        let (good, _) = Peer::log_on(venue.fix_addr(), "CLIENT1", 1);
        Scene { folder, config, venue, good, orders: 0 }
    }

    fn address(&self) -> SocketAddr {
        self.venue.fix_addr()
    }

    /// The session that keeps the rules is answered, at once and in order.
    fn trades(&mut self) {
        self.orders += 1;
        let id = format!("g{}", self.orders);
        self.good.order(&id, "1", "1", "10");
        let report = self.good.report();
        assert_eq!(fields(&report, &[35, 150, 11]), ["8", "0", &id], "{report:?}");
    }

    /// The hostile one, whose numbers begin anew.
    fn log_on(&self) -> Peer {
        let mut peer = Peer::connect(self.address(), "CLIENT2", 1);
        peer.send("A", &[(98, "0"), (108, "30"), (141, "Y")]);
        assert_eq!(peer.read().msg_type(), "A");
        peer
    }

    /// All of it is in a journal that replays.
    fn end(mut self) {
        self.trades();
        self.good.log_out();
        self.venue.stop().unwrap();
        replays(&self.config);
        drop(self.folder);
    }
}

/// A connection from `from`, which nobody waits on.
fn connect_from(from: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
    socket.connect(&to.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true).unwrap();
    stream.set_nonblocking(true).unwrap();
    stream
}

fn connect(to: SocketAddr) -> TcpStream {
    connect_from(Ipv4Addr::LOCALHOST, to)
}

/// Whether the venue has closed it by now. Nobody is told a word before a Logon.
fn is_closed(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0; 64]) {
        Ok(read) => {
            assert_eq!(read, 0, "it was told something");
            true
        }
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

/// Until it is closed; others are served meanwhile.
fn waits_for_the_end(scene: &mut Scene, stream: &mut TcpStream, what: &str) {
    let began = Instant::now();
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(A_MOMENT)).unwrap();
    while !is_closed(stream) {
        scene.trades();
        assert!(began.elapsed() < PATIENCE, "{what}: still open");
    }
}

/// `8=`, `9=` and `10=` around a body in which `|` stands for SOH.
fn framed(body: &str) -> Vec<u8> {
    let body = body.replace('|', "\x01");
    summed(&format!("8=FIX.4.4\x019={}\x01{body}", body.len()))
}

/// `10=` behind a message in which `|` stands for SOH.
fn summed(text: &str) -> Vec<u8> {
    let mut bytes = text.replace('|', "\x01").into_bytes();
    let sum = bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    bytes.extend(format!("10={sum:03}\x01").bytes());
    bytes
}

/// `YYYYMMDD-HH:MM:SS.sss` of the present.
fn now() -> String {
    let mut bytes = Vec::new();
    let mut message = Encoder::begin(&mut bytes, b"FIX.4.4", b"0");
    message.utc(52, clock::now());
    message.finish();
    let text = String::from_utf8(bytes).unwrap();
    text.split('\x01').find_map(|field| field.strip_prefix("52=")).unwrap().to_owned()
}

/// A body of CLIENT2 with this number.
fn body(msg_type: &str, number: &str, rest: &str) -> String {
    format!("35={msg_type}|34={number}|49=CLIENT2|52={}|56=VESTA|{rest}", now())
}

/// Connections that begin a Logon and never come to its end: the time for it counts from the first byte.
#[test]
fn a_logon_that_trickles_is_cut_and_one_that_ends_is_taken() {
    let mut scene = Scene::new(|config| config.fix.logon_timeout_s = 1);
    let address = scene.address();
    let endless = framed(&body("A", "1", &format!("58={}|98=0|108=30|", "x".repeat(4_000))));
    let mut slow: Vec<TcpStream> = (0..50).map(|_| connect(address)).collect();
    // One more takes its time, and comes to an end.
    let honest = framed(&body("A", "1", "98=0|108=30|141=Y|"));
    let mut patient = connect(address);
    let (mut at, began) = (0, Instant::now());
    while !slow.is_empty() {
        slow.retain_mut(|stream| {
            let _ = stream.write(&endless[at % 4_000..=at % 4_000]);
            !is_closed(stream)
        });
        if let Some(byte) = honest.get(at) {
            patient.write_all(&[*byte]).unwrap();
        }
        at += 1;
        if at.is_multiple_of(100) {
            scene.trades();
        }
        assert!(began.elapsed() < PATIENCE, "{} are still open", slow.len());
    }
    if let Some(rest) = honest.get(at..) {
        patient.write_all(rest).unwrap();
    }
    patient.set_nonblocking(false).unwrap();
    patient.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = [0; 64];
    assert!(patient.read(&mut answer).unwrap() > 0);
    assert!(answer.starts_with(b"8=FIX.4.4\x019="));
    scene.end();
}

/// As many descriptors as the system allows; how many connections of a test that leaves.
fn descriptors(wanted: u64) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.map_or(wanted + 4_096, |most| most.min(wanted + 4_096));
    if limit.current.is_some_and(|current| current < most) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(most), ..limit }).unwrap();
    }
    let left = wanted.min(most.saturating_sub(4_096).max(most / 2));
    if left < wanted {
        eprintln!("{left} of {wanted} connections: the system allows {most} descriptors");
    }
    usize::try_from(left).unwrap()
}

/// The venue keeps so many of them as it is told to, and each new one takes the place of the oldest.
#[test]
fn ten_thousand_connections_without_a_logon_keep_nobody_out() {
    let count = descriptors(10_000);
    let mut scene = Scene::new(|config| config.fix.connections_before_logon = 256);
    let address = scene.address();
    let mut open = Vec::with_capacity(count);
    for index in (0..count).map(|index| u32::try_from(index).unwrap()) {
        let [_, _, high, low] = index.to_be_bytes();
        open.push(connect_from(Ipv4Addr::new(127, 7, high, low), address));
        if index.is_multiple_of(500) {
            scene.trades();
        }
    }
    // The first have made room; somebody who comes now is let in.
    let mut late = scene.log_on();
    late.order("late", "2", "1", "100");
    assert_eq!(late.report().get(11), "late");
    let began = Instant::now();
    while open.iter_mut().filter_map(|stream| (!is_closed(stream)).then_some(())).count() > 256 {
        scene.trades();
        assert!(began.elapsed() < PATIENCE);
    }
    late.log_out();
    scene.end();
}

/// What a stranger sends that is no Logon: closed without a word.
#[test]
fn who_is_not_logged_on_and_sends_anything_else_is_closed_in_silence() {
    let mut scene = Scene::new(|config| {
        config.fix.logon_timeout_s = 1;
        config.fix.lockout.after = 0;
    });
    let noise: Vec<u8> =
        (0..100_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let long = "x".repeat(100_000);
    let logon = body("A", "1", "98=0|108=30|");
    let text = |text: &str| text.replace('|', "\x01").into_bytes();
    let attacks: Vec<(&str, Vec<u8>)> = vec![
        ("noise", noise),
        ("zeroes", vec![0; 10_000]),
        ("SOH", vec![1; 70_000]),
        ("HTTP", b"GET / HTTP/1.1\r\nHost: venue\r\n\r\n".to_vec()),
        ("TLS where there is none", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec()),
        ("8= without an end", text(&format!("8={long}"))),
        ("8=FIX without an end", text(&format!("8=FIX{long}"))),
        ("a BodyLength(9) without an end", text(&format!("8=FIX.4.4|9={}", "1".repeat(1_000)))),
        ("a giant BodyLength(9)", text(&format!("8=FIX.4.4|9=99999999|35=A|58={long}"))),
        ("a BodyLength(9) of 8,193", text(&format!("8=FIX.4.4|9=8193|35=A|58={long}"))),
        ("a BodyLength(9) that overflows", text("8=FIX.4.4|9=99999999999999999999|35=A|")),
        ("a negative BodyLength(9)", text("8=FIX.4.4|9=-5|35=A|")),
        ("no BodyLength(9)", text("8=FIX.4.4|35=A|34=1|10=000|")),
        ("BodyLength(9) twice", summed(&format!("8=FIX.4.4|9=5|9={}|{logon}", logon.len()))),
        ("a message without an end", text(&format!("8=FIX.4.4|9=5|35=A|58={long}"))),
        ("lower case", text("8=fix.4.4|9=5|35=A|10=000|")),
        ("another protocol's version", summed(&format!("8=FIX.3.9|9={}|{logon}", logon.len()))),
        ("a wrong sum", [&framed(&logon)[..framed(&logon).len() - 4], b"000\x01"].concat()),
        ("a sum of two digits", text(&format!("8=FIX.4.4|9={}|{logon}10=12|", logon.len()))),
        ("a sum of four digits", text(&format!("8=FIX.4.4|9={}|{logon}10=1234|", logon.len()))),
        ("an order", framed(&body("D", "1", "11=a|"))),
        ("no MsgSeqNum(34)", framed(&logon.replace("34=1|", ""))),
        ("an empty MsgSeqNum(34)", framed(&body("A", "", "98=0|108=30|"))),
        ("a MsgSeqNum(34) of 20 digits", framed(&body("A", &"9".repeat(20), "98=0|108=30|"))),
        ("a negative HeartBtInt(108)", framed(&body("A", "1", "98=0|108=-5|"))),
        ("a HeartBtInt(108) of nothing", framed(&body("A", "1", "98=0|108=0|"))),
        ("a giant HeartBtInt(108)", framed(&body("A", "1", "98=0|108=4000000000|"))),
        ("141=Y with another number", framed(&body("A", "5", "98=0|108=30|141=Y|"))),
        ("encryption", framed(&body("A", "1", "98=1|108=30|"))),
        ("a group of a thousand million", framed(&body("A", "1", "98=0|108=30|384=1000000000|"))),
        ("no SendingTime(52)", framed("35=A|34=1|49=CLIENT2|56=VESTA|98=0|108=30|")),
        ("nobody's CompID", framed(&logon.replace("CLIENT2", "CLIENT9"))),
        ("a CompID of 8,000 characters", framed(&logon.replace("CLIENT2", &long[..8_000]))),
        ("nothing", Vec::new()),
    ];
    for (what, bytes) in attacks {
        let mut stream = connect(scene.address());
        let mut at = 0;
        while at < bytes.len() {
            match stream.write(&bytes[at..]) {
                Ok(written) => at += written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => scene.trades(),
                // Closed already.
                Err(_) => break,
            }
        }
        waits_for_the_end(&mut scene, &mut stream, what);
    }
    scene.end();
}

/// What a session sends that is no message: passed over, its number does not count. Then it goes on.
#[test]
fn garbled_messages_of_a_session_are_passed_over() {
    let mut scene = Scene::new(|_| ());
    let mut peer = scene.log_on();
    let text = |text: &str| text.replace('|', "\x01").into_bytes();
    let probe = |peer: &mut Peer, id: &str| {
        peer.send("1", &[(112, id)]);
        assert_eq!(fields(&peer.read(), &[35, 112]), ["0", id]);
    };
    let beat = body("0", "77", "");
    let good = framed(&beat);
    let garbled: Vec<(&str, Vec<u8>)> = vec![
        ("a wrong sum", [&good[..good.len() - 4], b"000\x01"].concat()),
        ("a sum of 256", [&good[..good.len() - 4], b"256\x01"].concat()),
        ("a sum of two digits", [&good[..good.len() - 4], b"12\x01"].concat()),
        ("a sum of four digits", [&good[..good.len() - 4], b"1234\x01"].concat()),
        ("bytes in between", b"what is this\x00\x01\x02".to_vec()),
        ("a zero", vec![0]),
        ("lower case", text("8=fix.4.4|9=5|35=0|10=000|")),
        ("35 before 9", text("8=FIX.4.4|35=0|9=5|10=000|")),
        ("34 before 35", summed(&format!("8=FIX.4.4|9={}|34=77|{beat}", beat.len() + 6))),
        ("no BodyLength(9)", text("8=FIX.4.4|35=0|34=77|10=000|")),
        ("BodyLength(9) twice", text("8=FIX.4.4|9=5|9=5|35=0|10=000|")),
        ("a negative BodyLength(9)", text("8=FIX.4.4|9=-5|35=0|10=000|")),
        ("too short a BodyLength(9)", summed(&format!("8=FIX.4.4|9=9|{beat}"))),
        ("too long a BodyLength(9)", summed(&format!("8=FIX.4.4|9={}|{beat}", beat.len() + 20))),
        ("a beginning, and another", [&good[..30], &b"\x01"[..]].concat()),
    ];
    for (what, bytes) in garbled {
        peer.write(&bytes).unwrap();
        probe(&mut peer, &what.replace(' ', "_"));
        scene.trades();
    }
    // Zeroes in front of a number are no fault.
    let number = peer.next_out;
    peer.next_out += 2;
    let padded = body("1", &format!("000{number}"), "112=padded|");
    let bytes = summed(&format!("8=FIX.4.4|9=0000{}|{padded}", padded.len()));
    peer.write(&bytes).unwrap();
    assert_eq!(fields(&peer.read(), &[35, 112]), ["0", "padded"]);
    let padded = body("1", &(number + 1).to_string(), "112=again|");
    peer.write(&framed(&padded)).unwrap();
    assert_eq!(fields(&peer.read(), &[35, 112]), ["0", "again"]);
    peer.log_out();
    scene.end();
}

/// A thousand stretches of it are enough, however they are made: also those that are slow to search.
#[test]
fn a_session_of_nothing_but_garbled_messages_ends() {
    let mut scene = Scene::new(|_| ());
    for one in ["8=FIX.4.4|9=7|35=0|", "8=FIX.4.4|9=5|35=0|10=000|", "x8=FIX", "8=FIX.4.4|9=999|"] {
        let mut peer = scene.log_on();
        let bytes = one.replace('|', "\x01").repeat(1_000);
        let began = Instant::now();
        // A Heartbeat's worth of them at a time; the venue closes in the middle of it.
        while peer.write(bytes.as_bytes()).is_ok() {
            scene.trades();
            assert!(began.elapsed() < PATIENCE, "{one}");
        }
    }
    scene.end();
}

/// A BodyLength(9) that nobody would believe ends the connection, also that of a session.
#[test]
fn a_giant_message_ends_a_session_before_it_is_kept() {
    let mut scene = Scene::new(|_| ());
    let mut peer = scene.log_on();
    let began = Instant::now();
    let mut closed = peer.write(b"8=FIX.4.4\x019=1000000\x0135=D\x01").is_err();
    while !closed {
        closed = peer.write(&[b'x'; 10_000]).is_err();
        scene.trades();
        assert!(began.elapsed() < PATIENCE, "still open");
    }
    scene.end();
}

/// Each field that breaks a rule is answered by Reject(3) and counts; the next message is taken.
#[test]
fn hostile_fields_are_rejected_one_by_one() {
    let mut scene = Scene::new(|_| ());
    let mut peer = scene.log_on();
    let order = |rest: &str| {
        format!("11=a|55=BTC-USD|54=1|60=20260101-00:00:00|38=1|40=2|44=1|59=3|{rest}")
    };
    let message = framed(&body("0", "7", "")).iter().map(|byte| char::from(*byte)).collect();
    let message: String = message;
    let long = "1".repeat(7_000);
    let cases: Vec<(&str, &str, String)> = vec![
        // 373, 371
        ("13", "34", format!("34=9|{}", order(""))),
        ("13", "49", format!("49=CLIENT2|{}", order(""))),
        ("13", "56", format!("56=VESTA|{}", order(""))),
        ("13", "40", order("40=2|")),
        ("16", "453", order("453=1000000000|448=a|447=D|452=1|")),
        ("16", "453", order("453=0|448=a|447=D|452=1|")),
        ("15", "447", order("453=1|447=D|448=a|452=1|")),
        ("6", "355", order("354=500|355=a|")),
        ("6", "355", order("354=1|355=abc|")),
        ("6", "354", order("354=-1|355=abc|")),
        ("6", "38", order("").replace("38=1|", &format!("38={long}x|"))),
        ("0", "99999999", order("99999999=1|")),
        ("4", "58", order("58=|")),
        ("6", "60", order("").replace("60=20260101-00:00:00", "60=20261301-00:00:00")),
        ("99", "", order(&"58=x|".repeat(600))),
    ];
    for (reason, tag, rest) in cases {
        let number = peer.next_out.to_string();
        peer.next_out += 1;
        peer.write(&framed(&body("D", &number, &rest))).unwrap();
        let got = peer.read();
        assert_eq!(fields(&got, &[35, 45, 373, 371]), ["3", &number, reason, tag], "{rest}");
        scene.trades();
    }
    // A whole message inside of a data field is data, and so is a SOH.
    let number = peer.next_out.to_string();
    peer.next_out += 1;
    let data = format!("354={}|355={message}|", message.len());
    peer.write(&framed(&body("D", &number, &order(&data)))).unwrap();
    let got = peer.read();
    assert_eq!(fields(&got, &[35, 150, 11]), ["8", "0", "a"], "{got:?}");
    peer.log_out();
    scene.end();
}

/// One wrong SendingTime(52) in the middle of many ends the session in order, and it comes back.
#[test]
fn a_wrong_clock_is_told_and_does_not_keep_the_session_out() {
    let mut scene = Scene::new(|_| ());
    for (time, reason, ends) in [
        ("20010101-00:00:00", "10", true),
        ("20260101-25:00:00", "6", false),
        ("yesterday", "6", false),
        ("", "4", false),
    ] {
        let mut peer = scene.log_on();
        let mut burst = Vec::new();
        for number in 2..20 {
            let mut text = body("1", &number.to_string(), "112=x|");
            if number == 10 {
                text = text.replace(&format!("52={}", time_of(&text)), &format!("52={time}"));
            }
            burst.extend(framed(&text));
        }
        peer.write(&burst).unwrap();
        let answers = if ends { 10 } else { 18 };
        let got: Vec<Got> = (0..answers).map(|_| peer.read()).collect();
        assert_eq!(fields(&got[8], &[35, 45, 373]), ["3", "10", reason]);
        assert_eq!(got[answers - 1].msg_type() == "5", ends);
        peer.next_out = if ends { 11 } else { 20 };
        let next_out = peer.log_out();
        // With the numbers that it has now.
        let mut again = Peer::connect(scene.address(), "CLIENT2", next_out);
        again.send("A", &[(98, "0"), (108, "30")]);
        assert_eq!(again.read().msg_type(), "A");
        again.log_out();
        scene.trades();
    }
    // Nanoseconds can be read.
    let mut peer = scene.log_on();
    let text = body("1", "2", "112=ns|");
    let time = time_of(&text);
    peer.write(&framed(&text.replace(&time, &format!("{time}456789")))).unwrap();
    assert_eq!(fields(&peer.read(), &[35, 112]), ["0", "ns"]);
    peer.next_out = 3;
    peer.log_out();
    scene.end();
}

/// SendingTime(52) of a body.
fn time_of(text: &str) -> String {
    text.split('|').find_map(|field| field.strip_prefix("52=")).unwrap().to_owned()
}

/// What was never sent cannot be asked for, the same cannot be asked for again and again, and what can is said whole.
#[test]
fn whoever_asks_for_everything_again_and_again_is_logged_out() {
    let mut scene = Scene::new(|_| ());
    let mut peer = scene.log_on();
    for n in 0..300 {
        peer.order(&format!("o{n}"), "2", "1", "100");
    }
    let told: Vec<Got> = (0..300).map(|_| peer.report()).collect();
    for (begin, end) in [("5", "4"), ("100000", "0"), ("0", "0"), ("-1", "5"), ("2", "-1")] {
        peer.send("2", &[(7, begin), (16, end)]);
        let got = peer.read();
        assert_eq!(fields(&got, &[35, 373]).first(), Some(&"3"), "{begin} to {end}: {got:?}");
    }
    // Each time all of it, word for word; others are served between its parts.
    for round in 0..3 {
        let id = format!("more{round}");
        peer.order(&id, "2", "1", "100");
        assert_eq!(peer.report().get(11), id);
        peer.send("2", &[(7, "2"), (16, "301")]);
        scene.trades();
        for first in &told {
            let again = peer.read();
            assert_eq!(again.get(43), "Y");
            assert_eq!(again.body(), first.body());
        }
        scene.trades();
    }
    // Nothing new was sent in between.
    for _ in 0..7 {
        peer.send("2", &[(7, "2"), (16, "0")]);
        scene.trades();
    }
    let logout = std::iter::from_fn(|| peer.try_read()).find(|it| it.msg_type() == "5");
    assert!(logout.unwrap().get(58).contains("ResendRequest"));
    scene.end();
}

/// Whoever does not read is cut, and so is whoever asks without an end and reads nothing of it.
#[test]
fn whoever_never_reads_is_cut_and_finds_what_it_missed() {
    let mut scene = Scene::new(|config| {
        config.fix.out_buffer_bytes = 64 << 10;
        config.fix.slow_peer_s = 1;
    });
    let mut deaf = scene.log_on();
    let (began, mut sent) = (Instant::now(), 1);
    loop {
        let mut burst = Vec::new();
        for n in 0..100 {
            let id = format!("d{}", sent * 100 + n);
            let order = [(11, &*id), (55, "BTC-USD"), (54, "2"), (60, "20260101-00:00:00")];
            let rest = [(38, "1"), (40, "2"), (44, "100"), (59, "1")];
            burst.extend(deaf.encode("D", &[&order[..], &rest].concat()));
        }
        sent += 1;
        if deaf.write(&burst).is_err() {
            break;
        }
        scene.trades();
        assert!(began.elapsed() < PATIENCE, "still open");
        // What is taken is bounded by what the journal of the test may hold.
        if sent == 400 {
            break;
        }
    }
    drop(deaf);
    let mut again = scene.log_on();
    again.send("1", &[(112, "here")]);
    assert_eq!(again.read().get(112), "here");
    again.log_out();
    scene.end();
}

/// Passwords are guessed at from everywhere: each guess is closed in silence, the session is locked out for
/// strangers, and not for the address that it logged on from last.
#[test]
fn a_storm_of_wrong_passwords_ends_in_lock_outs() {
    let password = Password::parse(&Password::hash(b"right").unwrap()).unwrap();
    let mut scene = Scene::new(|config| {
        config.fix.lockout.after = 5;
        config.sessions[1].credentials =
            Credentials { password: Some(password), ..Credentials::default() };
    });
    let address = scene.address();
    let logon = |word: &str| framed(&body("A", "1", &format!("98=0|108=30|141=Y|554={word}|")));
    let mut owner = connect_from(Ipv4Addr::new(127, 9, 0, 1), address);
    owner.write_all(&logon("right")).unwrap();
    let answered = |scene: &mut Scene, stream: &mut TcpStream| {
        let (began, mut first) = (Instant::now(), [0; 8]);
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(A_MOMENT)).unwrap();
        loop {
            match stream.read(&mut first) {
                Ok(read) => return read > 0,
                Err(error) if error.kind() == ErrorKind::WouldBlock => scene.trades(),
                Err(_) => return false,
            }
            assert!(began.elapsed() < PATIENCE, "no answer");
        }
    };
    assert!(answered(&mut scene, &mut owner));
    drop(owner);
    // A guess each from many addresses at once.
    let mut guesses: Vec<TcpStream> = (1..=60)
        .map(|last| {
            let mut stream = connect_from(Ipv4Addr::new(127, 9, 1, last), address);
            stream.write_all(&logon("wrong")).unwrap();
            stream
        })
        .collect();
    for stream in &mut guesses {
        waits_for_the_end(&mut scene, stream, "a guess");
    }
    // From elsewhere not even the right one is looked at; the owner's address is not concerned.
    let mut stranger = connect_from(Ipv4Addr::new(127, 9, 2, 1), address);
    stranger.write_all(&logon("right")).unwrap();
    assert!(!answered(&mut scene, &mut stranger));
    let mut owner = connect_from(Ipv4Addr::new(127, 9, 0, 1), address);
    owner.write_all(&logon("right")).unwrap();
    assert!(answered(&mut scene, &mut owner));
    scene.end();
}

/// A second connection, a second Logon, a Logout with orders behind it.
#[test]
fn logons_that_race_have_one_winner() {
    let mut scene = Scene::new(|_| ());
    let mut first = scene.log_on();
    // Another connection for the same session.
    for _ in 0..20 {
        let mut second = Peer::connect(scene.address(), "CLIENT2", 1);
        second.send("A", &[(98, "0"), (108, "30"), (141, "Y")]);
        assert_eq!(second.try_read(), None);
        scene.trades();
    }
    first.order("mine", "2", "1", "100");
    assert_eq!(first.report().get(11), "mine");
    // A Logout, and orders behind it in the same bytes: they are not taken.
    let mut bytes = first.encode("5", &[]);
    for id in ["late1", "late2"] {
        let order = [(11, id), (55, "BTC-USD"), (54, "1"), (60, "20260101-00:00:00"), (38, "1")];
        bytes.extend(first.encode("D", &[&order[..], &[(40, "2"), (44, "9")]].concat()));
    }
    first.write(&bytes).unwrap();
    assert_eq!(first.read().msg_type(), "5");
    assert_eq!(first.try_read(), None);
    // A Logon and a second one behind it.
    let mut twice = Peer::connect(scene.address(), "CLIENT2", 1);
    let mut bytes = twice.encode("A", &[(98, "0"), (108, "30"), (141, "Y")]);
    bytes.extend(twice.encode("A", &[(98, "0"), (108, "30")]));
    twice.write(&bytes).unwrap();
    assert_eq!(twice.read().msg_type(), "A");
    assert_eq!(twice.read().msg_type(), "5");
    twice.log_out();
    // Orders right behind a Logon are taken, and the late ones never were.
    let mut prompt = Peer::connect(scene.address(), "CLIENT2", 1);
    let mut bytes = prompt.encode("A", &[(98, "0"), (108, "30"), (141, "Y")]);
    bytes.extend(prompt.encode("H", &[(11, "late1"), (55, "BTC-USD"), (54, "1")]));
    bytes.extend(prompt.encode("H", &[(11, "mine"), (55, "BTC-USD"), (54, "2")]));
    prompt.write(&bytes).unwrap();
    assert_eq!(prompt.read().msg_type(), "A");
    assert_eq!(fields(&prompt.report(), &[150, 39]), ["I", "8"]);
    assert_eq!(fields(&prompt.report(), &[150, 39]), ["I", "0"]);
    prompt.log_out();
    scene.end();
}

/// A client that shuts its side is told what it asked for; one that resets with bytes unread hurts nobody.
#[test]
fn connections_may_end_in_any_way() {
    let mut scene = Scene::new(|_| ());
    for round in 0..10 {
        let mut stream = connect(scene.address());
        stream.write_all(&framed(&body("A", "1", "98=0|108=30|141=Y|"))).unwrap();
        let order = "55=BTC-USD|54=2|60=20260101-00:00:00|38=1|40=2|44=100|59=1|";
        stream.write_all(&framed(&body("D", "2", &format!("11=h{round}|{order}")))).unwrap();
        if round % 2 == 0 {
            stream.shutdown(Shutdown::Write).unwrap();
            stream.set_nonblocking(false).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).unwrap();
        } else {
            // Closed with bytes unread: a reset.
            let socket = Socket::from(stream);
            socket.set_linger(Some(Duration::ZERO)).unwrap();
        }
        scene.trades();
        // The session is free again.
        let began = Instant::now();
        loop {
            let mut peer = Peer::connect(scene.address(), "CLIENT2", 1);
            peer.send("A", &[(98, "0"), (108, "30"), (141, "Y")]);
            if peer.try_read().is_some() {
                peer.log_out();
                break;
            }
            assert!(began.elapsed() < PATIENCE);
        }
    }
    scene.end();
}

/// Beyond its rate a session is put off, refused or logged out, as it is set.
#[test]
fn a_flood_beyond_its_rate_ends_as_the_session_is_set() {
    use gateway::acceptor::{OverRate, RateLimit};
    let rate = |over| Some(RateLimit { per_s: 50, burst: 50, over });
    for over in [OverRate::Disconnect, OverRate::Reject, OverRate::Delay] {
        let mut scene = Scene::new(|config| config.sessions[1].rate = rate(over));
        let mut peer = scene.log_on();
        let orders: Vec<u8> = (0..500)
            .flat_map(|n| {
                let id = format!("f{n}");
                let order = [(11, &*id), (55, "BTC-USD"), (54, "2"), (60, "20260101-00:00:00")];
                peer.encode("D", &[&order[..], &[(38, "1"), (40, "2"), (44, "100")]].concat())
            })
            .collect();
        peer.write(&orders).unwrap();
        scene.trades();
        match over {
            // Nothing is read meanwhile, nothing is lost; the test does not wait for all of it.
            OverRate::Delay => {
                for n in 0..60 {
                    assert_eq!(peer.report().get(11), format!("f{n}"));
                }
            }
            _ => {
                let mut got = Vec::new();
                while let Some(next) = peer.try_read() {
                    let ends = next.msg_type() == "5";
                    got.push(next);
                    if ends {
                        break;
                    }
                }
                assert!(got.last().unwrap().get(58).contains("messages a second"), "{got:?}");
                let refused = got.iter().any(|it| it.msg_type() == "j");
                assert_eq!(refused, over == OverRate::Reject);
            }
        }
        scene.trades();
        scene.end();
    }
}

/// The document beside the gateway names scripts that there are.
#[test]
fn every_script_that_the_document_names_is_there() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
    let gateway: String = ["cancels", "hostile", "market", "order_entry", "rights"]
        .map(|name| read(&format!("gateway/tests/it/{name}.rs")))
        .concat();
    let document = read("gateway/FIX-HOSTILE.md");
    let mut named = 0;
    for row in document.lines().filter(|line| line.starts_with("| ")) {
        let scripts = row.trim_end_matches(['|', ' ']).rsplit('|').next().unwrap();
        for name in scripts.split('`').skip(1).step_by(2) {
            let there = match name.split_once(':') {
                Some(("h", name)) => read("venue/tests/it/hostile.rs").contains(name),
                Some(("t", name)) => read("venue/tests/it/tls.rs").contains(name),
                Some(("l", name)) => read("venue/tests/it/logon.rs").contains(name),
                Some(("v", name)) => read("venue/tests/it/loopback.rs").contains(name),
                Some(("d", name)) => read("gateway/tests/it/doorway.rs").contains(name),
                Some(("c", name)) => read("gateway/tests/it/decode.rs").contains(name),
                Some(("a", name)) => gateway.contains(name),
                None if name.starts_with("tools/test ") => true,
                _ => root.join(format!("gateway/tests/scripts/{name}.txt")).exists(),
            };
            assert!(there, "{name}");
            named += 1;
        }
    }
    assert!(named > 50, "{named}");
}
