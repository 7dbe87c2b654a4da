//! SoupBinTCP: exact bytes, both ends against each other, time, hostile peers.

#[path = "../../../feed/fuzz/properties/soup_server.rs"]
mod soup_server;

use gateway::soup::{
    SoupClient, SoupClientConfig, SoupClientEvent, SoupClose, SoupConfig, SoupEvent, SoupReject,
    SoupServer, credentials_match,
};
use matcher::Timestamp;

const SESSION: [u8; 10] = *b"     VESTA";

fn at_ms(ms: u64) -> Timestamp {
    Timestamp(1_767_346_200_000_000_000 + ms * 1_000_000)
}

fn packet(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len() + 1).expect("a short payload");
    [&length.to_be_bytes(), [kind].as_slice(), payload].concat()
}

fn login(user: &str, password: &str, session: &str, sequence: &str) -> Vec<u8> {
    assert_eq!((user.len(), password.len(), session.len(), sequence.len()), (6, 10, 10, 20));
    packet(b'L', [user, password, session, sequence].concat().as_bytes())
}

fn plain_login() -> Vec<u8> {
    login("trader", "secret    ", "          ", "                   1")
}

/// Gives one packet to the server and returns what it asks for as text, and what it sent.
fn give(server: &mut SoupServer, now: Timestamp, bytes: &[u8]) -> (String, Vec<u8>) {
    let mut out = Vec::new();
    let received = server.receive(now, bytes, &mut out);
    assert_eq!(received.consumed, if received.event.is_some() { bytes.len() } else { 0 });
    (received.event.map_or("nothing".to_owned(), |event| format!("{event:?}")), out)
}

fn logged_in() -> SoupServer {
    let mut server = SoupServer::new(SoupConfig::new(SESSION));
    give(&mut server, at_ms(0), &plain_login());
    server.accept(1, &mut Vec::new());
    server
}

fn closed(close: SoupClose) -> String {
    format!("{:?}", SoupEvent::Close(close))
}

#[test]
fn a_login_is_47_or_52_long_with_numbers_padded_on_either_side() {
    let numbers = [
        ("                  42", 42),
        ("42                  ", 42),
        ("00000000000000000042", 42),
        ("         42         ", 42),
        ("                   0", 0),
        ("18446744073709551615", u64::MAX),
    ];
    for (number, requested_sequence) in numbers {
        for session in ["          ", "     VESTA", "VESTA     "] {
            for timeout in ["", "15000", "    0", "7    "] {
                let mut bytes = login("trader", "secret    ", session, number);
                bytes.extend_from_slice(timeout.as_bytes());
                bytes[1] += u8::try_from(timeout.len()).unwrap();
                let mut server = SoupServer::new(SoupConfig::new(SESSION));
                let expected = SoupEvent::Login {
                    username: b"trader",
                    password: b"secret",
                    requested_session: session.trim().as_bytes(),
                    requested_sequence,
                };
                let (event, out) = give(&mut server, at_ms(0), &bytes);
                assert_eq!(event, format!("{expected:?}"));
                assert!(out.is_empty() && !server.is_open());
            }
        }
    }
}

#[test]
fn an_accepted_login_and_what_follows_have_the_bytes_of_the_tables() {
    let mut server = SoupServer::new(SoupConfig::new(*b"VESTA     "));
    give(&mut server, at_ms(0), &plain_login());
    let mut out = Vec::new();
    server.accept(1_234, &mut out);
    assert_eq!(out, b"\0\x1fA     VESTA                1234");
    out.clear();
    assert_eq!(server.next_sequence(), 1_234);
    server.sequenced(b"message", &mut out);
    server.sequenced(b"", &mut out);
    server.unsequenced(b"aside", &mut out);
    assert_eq!(out, b"\0\x08Smessage\0\x01S\0\x06Uaside");
    assert_eq!(server.next_sequence(), 1_236);
    out.clear();
    assert_eq!(server.end_of_session(&mut out), SoupClose::EndOfSession);
    assert_eq!(out, b"\0\x01Z");
    assert!(!server.is_open());
}

#[test]
fn a_login_can_be_rejected() {
    for (reject, byte) in
        [(SoupReject::NotAuthorized, b'A'), (SoupReject::SessionNotAvailable, b'S')]
    {
        let mut server = SoupServer::new(SoupConfig::new(SESSION));
        give(&mut server, at_ms(0), &plain_login());
        let mut out = Vec::new();
        assert_eq!(server.reject(reject, &mut out), SoupClose::Rejected(reject));
        assert_eq!(out, [0, 2, b'J', byte]);
        let again = plain_login();
        let received = server.receive(at_ms(1), &again, &mut out);
        assert_eq!((received.consumed, received.event), (49, None));
    }
}

#[test]
fn another_session_or_a_login_that_cannot_be_read_is_rejected_at_once() {
    let other = login("trader", "secret    ", "YESTERDAY ", "                   1");
    let mut server = SoupServer::new(SoupConfig::new(SESSION));
    let (event, out) = give(&mut server, at_ms(0), &other);
    assert_eq!((event, out), (closed(SoupClose::OtherSession), b"\0\x02JS".to_vec()));

    for number in [
        "                    ",
        "                  -1",
        "                 1 2",
        "                0x10",
        "18446744073709551616",
        "99999999999999999999",
    ] {
        let bytes = login("trader", "secret    ", "          ", number);
        let mut server = SoupServer::new(SoupConfig::new(SESSION));
        let (event, out) = give(&mut server, at_ms(0), &bytes);
        let close = SoupClose::Malformed { kind: b'L' };
        assert_eq!((event, out), (closed(close), b"\0\x02JA".to_vec()), "{number}");
    }
}

#[test]
fn a_packet_cut_anywhere_is_waited_for() {
    let stream =
        [plain_login(), packet(b'R', b""), packet(b'U', b"order"), packet(b'O', b"")].concat();
    for cut in 0..stream.len() {
        let mut server = SoupServer::new(SoupConfig::new(SESSION));
        let mut events = Vec::new();
        let mut buffer = Vec::new();
        for piece in [&stream[..cut], &stream[cut..]] {
            buffer.extend_from_slice(piece);
            loop {
                let received = server.receive(at_ms(0), &buffer, &mut Vec::new());
                let Some(event) = received.event else {
                    buffer.drain(..received.consumed);
                    break;
                };
                let login = matches!(event, SoupEvent::Login { .. });
                events.push(format!("{event:?}"));
                buffer.drain(..received.consumed);
                if login {
                    server.accept(1, &mut Vec::new());
                }
            }
        }
        assert_eq!(events.len(), 3, "cut at {cut}");
        assert_eq!(events[1], format!("{:?}", SoupEvent::Unsequenced(b"order")));
        assert_eq!(events[2], "Logout");
    }
}

#[test]
fn what_does_not_belong_closes_before_it_is_complete() {
    let before_login = |bytes: &[u8]| {
        let mut server = SoupServer::new(SoupConfig::new(SESSION));
        server.receive(at_ms(0), bytes, &mut Vec::new()).event.map(|event| format!("{event:?}"))
    };
    let after_login = |bytes: &[u8]| {
        let mut server = logged_in();
        server.receive(at_ms(0), bytes, &mut Vec::new()).event.map(|event| format!("{event:?}"))
    };
    let unexpected = |kind| Some(closed(SoupClose::Unexpected { kind }));
    assert_eq!(before_login(b"\0"), None);
    assert_eq!(before_login(b"\0\0"), Some(closed(SoupClose::Empty)));
    assert_eq!(before_login(b"\x10\x00"), None);
    let too_long = Some(closed(SoupClose::TooLong { length: 0x1001 }));
    assert_eq!(before_login(b"\x10\x01"), too_long);
    assert_eq!(after_login(b"\x10\x01"), too_long);
    assert_eq!(before_login(b"\0\x05U"), unexpected(b'U'));
    assert_eq!(
        before_login(b"GET / HTTP/1.1\r\n"),
        Some(closed(SoupClose::TooLong { length: 0x4745 }))
    );
    for length in [1, 46, 48, 51, 53, 100] {
        let close = SoupClose::Malformed { kind: b'L' };
        assert_eq!(before_login(&[0, length, b'L']), Some(closed(close)));
    }
    assert_eq!(after_login(b"\0\x2fL"), unexpected(b'L'));
    for kind in (0..=u8::MAX).filter(|kind| !b"+RUO".contains(kind)) {
        assert_eq!(after_login(&[0, 2, kind]), unexpected(kind));
        if kind != b'L' {
            assert_eq!(before_login(&[0, 2, kind]), unexpected(kind));
        }
    }
}

/// The owner may need a while to look a password up; what came after the login waits.
#[test]
fn nothing_is_taken_while_a_login_is_not_answered() {
    let bytes = [plain_login(), packet(b'U', b"early")].concat();
    let mut server = SoupServer::new(SoupConfig::new(SESSION));
    let mut out = Vec::new();
    let received = server.receive(at_ms(0), &bytes, &mut out);
    assert_eq!(received.consumed, 49);
    let rest = &bytes[49..];
    let received = server.receive(at_ms(0), rest, &mut out);
    assert_eq!((received.consumed, received.event), (0, None));
    server.accept(1, &mut out);
    let received = server.receive(at_ms(0), rest, &mut out);
    assert_eq!(received.event, Some(SoupEvent::Unsequenced(b"early")));
}

#[test]
fn a_client_that_does_not_log_in_is_cut() {
    let mut server =
        SoupServer::new(SoupConfig { login_timeout_ms: 500, ..SoupConfig::new(SESSION) });
    let mut out = Vec::new();
    assert_eq!(server.tick(at_ms(0), &mut out), None);
    let (event, _) = give(&mut server, at_ms(400), &packet(b'+', b"hi"));
    assert_eq!(event, format!("{:?}", SoupEvent::Debug(b"hi")));
    assert_eq!(server.tick(at_ms(499), &mut out), None);
    assert_eq!(server.tick(at_ms(500), &mut out), Some(SoupClose::LoginTimeout));
    assert_eq!(server.tick(at_ms(501), &mut out), None);
    assert!(out.is_empty());
}

#[test]
fn a_silent_client_is_cut_by_our_figure_or_its_own() {
    for (timeout, silence_ms) in
        [("", 15_000), ("30000", 30_000), ("00000", 15_000), ("1    ", 2_000)]
    {
        let mut bytes = plain_login();
        bytes.extend_from_slice(timeout.as_bytes());
        bytes[1] += u8::try_from(timeout.len()).unwrap();
        let mut server = SoupServer::new(SoupConfig::new(SESSION));
        give(&mut server, at_ms(0), &bytes);
        server.accept(1, &mut Vec::new());
        let mut out = Vec::new();
        // Half a packet is not a sign of life.
        assert_eq!(server.receive(at_ms(900), b"\0\x09U", &mut out).event, None);
        assert_eq!(server.tick(at_ms(silence_ms - 1), &mut out), None, "{timeout}");
        let figure = u32::try_from(silence_ms).unwrap();
        let close = SoupClose::Silent { silence_ms: figure };
        assert_eq!(server.tick(at_ms(silence_ms), &mut out), Some(close), "{timeout}");
    }

    let mut server = logged_in();
    for ms in (0..100_000).step_by(10_000) {
        give(&mut server, at_ms(ms), &packet(b'+', b""));
        assert_eq!(server.tick(at_ms(ms + 9_999), &mut Vec::new()), None);
    }
}

#[test]
fn heartbeats_fill_our_silence_only() {
    let mut server = logged_in();
    let mut out = Vec::new();
    let mut sent = Vec::new();
    for ms in (0..=4_000).step_by(250) {
        if ms == 1_500 {
            server.sequenced(b"m", &mut Vec::new());
        }
        out.clear();
        assert_eq!(server.tick(at_ms(ms), &mut out), None);
        if !out.is_empty() {
            assert_eq!(out, b"\0\x01H");
            sent.push(ms);
        }
    }
    assert_eq!(sent, [1_000, 2_500, 3_500]);
}

#[test]
fn case_and_padding_do_not_count_in_credentials() {
    assert!(credentials_match(b"Trader", b"TRADER"));
    assert!(credentials_match(b"secret", b"SeCrEt    "));
    assert!(credentials_match(b"", b"      "));
    assert!(!credentials_match(b"secret", b"secre"));
    assert!(!credentials_match(b"secret", b"secres"));
    assert!(!credentials_match(b"sec ret", b"secret"));
    assert!(!credentials_match(b"0", b"P"));
}

/// Both ends, with a connection that breaks: the client sees every message once and in order.
#[test]
fn a_client_that_comes_again_misses_and_repeats_nothing() {
    let messages: Vec<Vec<u8>> = (0..500_u32).map(|n| n.to_be_bytes().to_vec()).collect();
    let config =
        SoupClientConfig { timeout_ms: Some(30_000), ..SoupClientConfig::new(b"tools", b"pw", 1) };
    let mut client = SoupClient::new(config);
    let mut seen: Vec<Vec<u8>> = Vec::new();
    let mut connections = 0;
    while seen.len() < messages.len() {
        connections += 1;
        let mut server = SoupServer::new(SoupConfig::new(SESSION));
        let (mut up, mut down) = (Vec::new(), Vec::new());
        client.login(&mut up);
        assert_eq!(up.len(), 54);
        let received = server.receive(at_ms(0), &up, &mut down);
        assert_eq!(received.consumed, 54);
        let Some(SoupEvent::Login { username, password, requested_session, requested_sequence }) =
            received.event
        else {
            panic!("{:?}", received.event);
        };
        assert_eq!((username, password), (b"tools".as_slice(), b"pw".as_slice()));
        assert_eq!(requested_session.is_empty(), connections == 1);
        server.accept(requested_sequence, &mut down);
        for message in &messages[usize::try_from(requested_sequence - 1).unwrap()..] {
            server.sequenced(message, &mut down);
        }
        server.end_of_session(&mut down);

        // The connection breaks in the middle of a packet.
        down.truncate(34 + 7 * 61 * connections + 3);
        let mut rest = down.as_slice();
        loop {
            let received = client.receive(at_ms(0), rest);
            rest = &rest[received.consumed..];
            match received.event {
                None => break,
                Some(SoupClientEvent::Accepted { session, next_sequence }) => {
                    assert_eq!((session, next_sequence), (SESSION, requested_sequence));
                }
                Some(SoupClientEvent::Sequenced { sequence, message }) => {
                    seen.push(message.to_vec());
                    assert_eq!(sequence, seen.len() as u64);
                }
                Some(event) => assert_eq!(event, SoupClientEvent::Close(SoupClose::EndOfSession)),
            }
        }
        assert_eq!(client.next_sequence(), seen.len() as u64 + 1);
    }
    assert_eq!(seen, messages);
    assert!(connections > 2);
}

#[test]
fn the_client_refuses_a_server_that_does_not_speak_the_protocol() {
    let fresh = || {
        let mut client = SoupClient::new(SoupClientConfig::new(b"u", b"p", 1));
        client.login(&mut Vec::new());
        client
    };
    let accepted = b"\0\x1fA     VESTA                   1";
    let open = || {
        let mut client = fresh();
        assert!(client.receive(at_ms(0), accepted).event.is_some());
        assert!(client.is_open());
        client
    };
    let close = |close| Some(SoupClientEvent::Close(close));
    let unexpected = |kind| close(SoupClose::Unexpected { kind });
    assert_eq!(fresh().receive(at_ms(0), b"\0\x05S").event, unexpected(b'S'));
    assert_eq!(fresh().receive(at_ms(0), b"\0\x01Z").event, unexpected(b'Z'));
    assert_eq!(open().receive(at_ms(0), accepted).event, unexpected(b'A'));
    assert_eq!(open().receive(at_ms(0), b"\0\x01R").event, unexpected(b'R'));
    let malformed = |kind| close(SoupClose::Malformed { kind });
    assert_eq!(fresh().receive(at_ms(0), b"\0\x1eA").event, malformed(b'A'));
    assert_eq!(
        fresh().receive(at_ms(0), b"\0\x1fA     VESTA                   x").event,
        malformed(b'A')
    );
    let rejected = |reject| close(SoupClose::Rejected(reject));
    assert_eq!(fresh().receive(at_ms(0), b"\0\x02JA").event, rejected(SoupReject::NotAuthorized));
    assert_eq!(
        fresh().receive(at_ms(0), b"\0\x02JS").event,
        rejected(SoupReject::SessionNotAvailable)
    );
    let mut client = open();
    assert_eq!(client.receive(at_ms(0), b"\0\x01Z").event, close(SoupClose::EndOfSession));
    assert_eq!(client.receive(at_ms(0), b"\0\x01H").event, None);

    let mut last = fresh();
    let accepted = b"\0\x1fA     VESTA18446744073709551615";
    assert!(last.receive(at_ms(0), accepted).event.is_some());
    assert_eq!(last.receive(at_ms(0), b"\0\x01S").event, malformed(b'S'));
}

#[test]
fn the_client_keeps_time_as_the_server_does() {
    let mut client = SoupClient::new(SoupClientConfig::new(b"u", b"p", 0));
    let mut out = Vec::new();
    assert_eq!(client.tick(at_ms(0), &mut out), None);
    client.login(&mut out);
    assert_eq!(out, login("u     ", "p         ", "          ", "                   0"));
    out.clear();
    assert_eq!(client.tick(at_ms(0), &mut out), None);
    assert_eq!(client.tick(at_ms(1_500), &mut out), None);
    assert!(out.is_empty(), "no heartbeat before the login is answered");
    let accepted = b"\0\x1fA     VESTA                  77";
    assert!(client.receive(at_ms(1_600), accepted).event.is_some());
    assert_eq!(client.tick(at_ms(2_000), &mut out), None);
    assert_eq!(out, b"\0\x01R");
    client.unsequenced(b"x", &mut out);
    assert_eq!(client.tick(at_ms(2_900), &mut out), None);
    assert_eq!(client.tick(at_ms(3_800), &mut out), None);
    assert_eq!(out, b"\0\x01R\0\x02Ux");
    let close = SoupClose::Silent { silence_ms: 15_000 };
    assert_eq!(client.tick(at_ms(16_600), &mut out), Some(close));
    out.clear();
    client.logout(&mut out);
    assert!(out.is_empty(), "closed already");

    let mut client = SoupClient::new(SoupClientConfig::new(b"u", b"p", 0));
    client.login(&mut Vec::new());
    client.logout(&mut out);
    assert_eq!(out, b"\0\x01O");
}

/// The properties of the fuzz target `soup_server`, on seeded bytes.
#[test]
fn no_bytes_make_either_end_fall_over() {
    let mut seed = 0x50_u64;
    let mut random = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 40).unwrap()
    };
    let accepted = b"\0\x1fA     VESTA                   7".to_vec();
    let good = [
        plain_login(),
        accepted,
        packet(b'R', b""),
        packet(b'H', b""),
        packet(b'U', b"an order"),
        packet(b'S', b"a message"),
        packet(b'+', b"text"),
        packet(b'O', b""),
        packet(b'Z', b""),
        packet(b'U', &[b'x'; 70]),
    ];
    for round in 0..20_000 {
        let mut bytes = vec![random().to_le_bytes()[0]];
        bytes.extend_from_slice(&good[round % 2]);
        for _ in 0..random() % 8 {
            bytes.extend_from_slice(&good[2 + random() % (good.len() - 2)]);
        }
        for _ in 0..random() % 4 {
            let at = random() % bytes.len();
            match random() % 3 {
                0 => bytes[at] = random().to_le_bytes()[0],
                1 => bytes.truncate(at.max(1)),
                _ => bytes.insert(at, random().to_le_bytes()[0]),
            }
        }
        soup_server::check(&bytes);
    }
}

/// Whoever is not read is not silent; of who is read and says nothing that is known after the same time as ever.
#[test]
fn who_is_not_read_is_not_silent() {
    let mut server = SoupServer::new(SoupConfig::new(SESSION));
    give(
        &mut server,
        at_ms(0),
        &login("trader", "secret    ", "          ", "                   1"),
    );
    server.accept(1, &mut Vec::new());
    let tick = |server: &mut SoupServer, ms| server.tick(at_ms(ms), &mut Vec::new());
    for seconds in 1..60 {
        server.unread(at_ms(seconds * 1_000));
        assert_eq!(tick(&mut server, seconds * 1_000), None);
    }
    assert_eq!(tick(&mut server, 59_000 + 14_999), None);
    let silent = tick(&mut server, 59_000 + 15_000);
    assert!(matches!(silent, Some(SoupClose::Silent { .. })), "{silent:?}");
}
