//! The codec: framing, splitting, hostile bytes, text to integers and back.

use gateway::fix::note::QuoteStatus;
use gateway::fix::{
    BadLength, DecimalError, DecodeError, Encoder, FIELDS_MAX, Fault, Fields, MESSAGE_BYTES_MAX,
    Message, Note, Routing, SessionRejectReason, Version, decode, decode_as, parse_scaled,
    parse_utc,
};
use matcher::Timestamp;
use matcher::record::ATTACHMENT_BYTES_MAX;

use crate::random::Random;

/// `text` with `|` for SOH.
fn soh(text: &str) -> Vec<u8> {
    text.replace('|', "\u{1}").into_bytes()
}

/// A message with this body, framed as it should be.
pub(crate) fn framed(body: &str) -> Vec<u8> {
    let text = format!("8=FIX.4.4|9={}|{body}", body.len());
    let mut bytes = soh(&text);
    let sum = bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    bytes.extend(soh(&format!("10={sum:03}|")));
    bytes
}

const ORDER: &str = "35=D|34=2|49=C1|52=20260102-09:30:00.123|56=VESTA|11=a1|21=1|55=BTC-USD|54=1|\
                     60=20260102-09:30:00.123|38=1.5|40=2|44=100.25|59=1|";

/// What a reader of a stream gets: messages and faults; garbled bytes leave no trace.
#[derive(Debug, PartialEq, Eq)]
enum Read {
    Message(Vec<u8>, Option<Fault>),
    TooLong,
}

/// Reads `stream` as it would come in pieces of these lengths.
fn read(stream: &[u8], mut piece: impl FnMut() -> usize) -> Vec<Read> {
    let mut fields = Fields::new();
    let mut buffer: Vec<u8> = Vec::new();
    let mut read = Vec::new();
    let mut rest = stream;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(piece().clamp(1, rest.len()));
        buffer.extend_from_slice(now);
        rest = later;
        loop {
            match decode(&buffer, &mut fields) {
                Ok((message, used)) => {
                    assert_eq!(message.bytes(), &buffer[..used]);
                    check(&message);
                    read.push(Read::Message(message.bytes().to_vec(), message.fault()));
                    buffer.drain(..used);
                }
                Err(DecodeError::Incomplete) => break,
                Err(DecodeError::Garbled { resume_at }) => {
                    assert!(resume_at >= 1 && resume_at <= buffer.len());
                    buffer.drain(..resume_at);
                }
                Err(DecodeError::TooLong { .. }) => {
                    read.push(Read::TooLong);
                    return read;
                }
            }
            assert!(buffer.len() < 3 * MESSAGE_BYTES_MAX);
        }
    }
    read
}

/// What holds for every message that is one.
fn check(message: &Message<'_>) {
    assert!(message.begin_string().starts_with(b"FIX"));
    assert!(message.bytes().len() <= MESSAGE_BYTES_MAX);
    assert!(message.field_count() >= 3 && message.field_count() <= FIELDS_MAX);
    assert_eq!(message.iter().count(), message.field_count());
    let mut behind = message.bytes();
    for (tag, value) in message.iter() {
        assert_ne!(tag, 0);
        // Fields follow one another in the message, none overlaps.
        let name = format!("{tag}=");
        let at = behind.windows(name.len()).position(|there| there == name.as_bytes());
        let at = at.expect("the tag is there") + name.len();
        if message.fault().is_none() {
            assert!(!value.is_empty());
            assert_eq!(&behind[at..at + value.len()], value);
            behind = &behind[at + value.len()..];
            assert_eq!(behind[0], 1);
        }
    }
    for tag in [8, 9, 35] {
        assert!(message.get(tag).is_some());
    }
}

#[test]
fn fields_of_a_message() {
    let bytes = framed(ORDER);
    let mut fields = Fields::new();
    let (message, used) = decode(&bytes, &mut fields).unwrap();
    assert_eq!(used, bytes.len());
    assert_eq!(message.msg_type(), b"D");
    assert_eq!(message.begin_string(), b"FIX.4.4");
    assert_eq!(message.get(11), Some(&b"a1"[..]));
    assert_eq!(message.get(44), Some(&b"100.25"[..]));
    assert_eq!(message.get(10).map(<[u8]>::len), Some(3));
    assert_eq!(message.get(41), None);
    assert_eq!(message.fault(), None);
    check(&message);
}

#[test]
fn a_message_may_break_off_at_every_byte() {
    let order = framed(ORDER);
    let mut fields = Fields::new();
    for len in 0..order.len() {
        assert_eq!(
            decode(&order[..len], &mut fields).unwrap_err(),
            DecodeError::Incomplete,
            "{len}"
        );
    }
    let stream = [
        framed("35=A|34=1|98=0|108=30|"),
        order.clone(),
        framed("35=0|34=3|"),
        framed("35=D|34=4|354=10|355=a|10=123|b|58=x|"),
        soh("garbage|8=FIX.4.4|9=xx|35=0|10=000|"),
        framed("35=0|34=5|999x=1|112=|"),
        soh("8=FIX.4.4|9=7|35=0|34=6|49=C1|10=000|"),
        framed("35=1|34=7|112=8=FIX.4.4|"),
    ]
    .concat();
    let whole = read(&stream, || usize::MAX);
    assert_eq!(whole.len(), 6, "{whole:?}");
    for at in 1..stream.len() {
        let mut first = true;
        let pieces = read(&stream, || if std::mem::take(&mut first) { at } else { usize::MAX });
        assert_eq!(pieces, whole, "split at {at}");
    }
    for len in 1..64 {
        assert_eq!(read(&stream, || len), whole, "in pieces of {len}");
    }
}

#[test]
fn framing() {
    let good = framed("35=0|34=2|");
    let next = good.len();
    let cases: &[(&str, Option<usize>)] = &[
        // Text; where reading goes on, `None` for "not complete yet".
        ("x", Some(1)),
        ("8=fix.4.4|9=5|35=0|10=1", Some(23)),
        ("9=5|35=0|8=FI", Some(9)),
        ("9=5|35=0|8=FIX.4.4|", Some(9)),
        ("|||8=FIX.4.4|9=", Some(3)),
        ("8=FIXXXXXXXXXXXXXXXXXXX", Some(23)),
        ("8=FIX.4.4|35=0|34=2|8=FIX.4.4|", Some(20)),
        ("8=FIX.4.4|9=|35=0|", Some(18)),
        ("8=FIX.4.4|9=-5|35=0|", Some(20)),
        ("8=FIX.4.4|9=+5|35=0|", Some(20)),
        ("8=FIX.4.4|9=5 |35=0|", Some(20)),
        ("8=FIX.4.4|9=0|10=000|", Some(21)),
        ("8=FIX.4.4|9=5|35=0|", None),
        ("8=FIX.4.4|9=5|34=0|10=163|", Some(26)),
        ("8=FIX.4.4|9=5|35=0|10=000|", Some(26)),
        ("8=FIX.4.4|9=5|35=0|10=16|8", Some(25)),
        ("8=FIX.4.4|9=5|35=0|10=0163|", Some(27)),
        ("8=FIX.4.4|9=5|35=0|10=16x|", Some(26)),
        ("8=FIX.4.4|9=4|35=0|10=163|", Some(26)),
        ("8=FIX.4.4|9=6|35=0|10=163|8=FIX.4.4|9=5|35=0|10=163|8", Some(26)),
        ("8=FIX.4.4|9=9|35=0|10=163|8=FIX.4.4|9=5|35=0|10=163|8", Some(26)),
        ("8=FIX.4.4|9=9|35=0|34=2|8=FIX.4.4|9=5|35=0|10=163|8", Some(24)),
        ("8=FIX.4.4|9=5|35=0|10=16xxxxxxxxxxxxxxxxxxxxxxxx|10=1|", Some(54)),
        ("8= FIX.4.4|9=5|35=0|10=163|", Some(27)),
        ("8=FIX 4.4|9=5|35=0|10=163|", Some(26)),
    ];
    let mut fields = Fields::new();
    for (text, resume_at) in cases {
        let error = match resume_at {
            Some(resume_at) => DecodeError::Garbled { resume_at: *resume_at },
            None => DecodeError::Incomplete,
        };
        let told = decode(&soh(text), &mut fields).map(|(message, _)| message.bytes().to_vec());
        assert_eq!(told, Err(error), "{text}");
    }
    // As the definitions of the test cases have it, too long a length takes the next message along.
    for text in [
        "8=FIX.4.4|9=6|35=0|10=163|8=FIX.4.4|9=5|35=0|10=163|8",
        "8=FIX.4.4|9=9|35=0|10=163|8=FIX.4.4|9=5|35=0|10=163|8",
    ] {
        let bytes = soh(text);
        let told = decode_as(&bytes, &mut fields, BadLength::ItsLength);
        assert_eq!(told.err(), Some(DecodeError::Garbled { resume_at: 52 }), "{text}");
    }
    // Leading zeroes in BodyLength(9) are those of some engines.
    let padded = soh("8=FIX.4.4|9=0000005|35=0|");
    let sum = padded.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    let padded = [padded, soh(&format!("10={sum:03}|"))].concat();
    assert_eq!(decode(&padded, &mut fields).unwrap().1, padded.len());
    // What stands behind a message is the next one's business.
    let two = [good.clone(), soh("rubbish")].concat();
    assert_eq!(decode(&two, &mut fields).unwrap().1, next);
}

#[test]
fn lengths_have_a_limit() {
    let mut fields = Fields::new();
    for text in ["8=FIX.4.4|9=8192|", "8=FIX.4.4|9=200000000|35=", "8=FIX.4.4|9=9999999999"] {
        let error = decode(&soh(text), &mut fields).unwrap_err();
        assert!(matches!(error, DecodeError::TooLong { .. }), "{text}: {error:?}");
    }
    let frame = framed("35=0|58=|").len();
    let text = "x".repeat(MESSAGE_BYTES_MAX - frame - 3);
    let largest = framed(&format!("35=0|58={text}|"));
    assert!(largest.len() <= MESSAGE_BYTES_MAX && largest.len() > MESSAGE_BYTES_MAX - 4);
    assert_eq!(decode(&largest, &mut fields).unwrap().1, largest.len());

    // A wrong length does not make us wait for more than a message.
    let mut endless = soh("8=FIX.4.4|9=50|35=0|");
    endless.resize(2 * MESSAGE_BYTES_MAX, b'x');
    let error = decode(&endless, &mut fields).unwrap_err();
    assert!(matches!(error, DecodeError::Garbled { .. }), "{error:?}");
}

#[test]
fn faults_inside_a_frame() {
    let reason = |body: &str| {
        let bytes = framed(body);
        let mut fields = Fields::new();
        let (message, _) = decode(&bytes, &mut fields).unwrap();
        check(&message);
        message.fault().map(|fault| (fault.tag, fault.reason))
    };
    use SessionRejectReason::*;
    for (body, fault) in [
        ("35=0|34=1|", None),
        ("35=0|34=|", Some((Some(34), TagWithoutValue))),
        ("35=|34=1|", Some((Some(35), TagWithoutValue))),
        ("35=0|0=x|", Some((Some(0), InvalidTag))),
        ("35=0|-1=x|", Some((Some(-1), InvalidTag))),
        ("35=0|034=x|", Some((Some(34), InvalidTag))),
        ("35=0|x=x|", Some((None, InvalidTag))),
        ("35=0|3x4=x|", Some((None, InvalidTag))),
        ("35=0|=x|", Some((None, InvalidTag))),
        ("35=0|34|", Some((Some(34), InvalidTag))),
        ("35=0||", Some((None, InvalidTag))),
        ("35=0|4294967330=x|", Some((None, InvalidTag))),
        ("35=0|99999999999999999999999999=x|", Some((None, InvalidTag))),
        ("35=0|95=3|96=a|b|", None),
        ("35=0|95=3|96=abcd|", Some((Some(96), IncorrectDataFormat))),
        ("35=0|95=99999|96=abcd|", Some((Some(96), IncorrectDataFormat))),
        ("35=0|95=0|96=|", Some((Some(96), TagWithoutValue))),
        // The first fault is the one told.
        ("35=0|34=|x=y|", Some((Some(34), TagWithoutValue))),
    ] {
        assert_eq!(reason(body), fault, "{body}");
    }
}

#[test]
fn too_many_fields_are_a_fault() {
    let room = FIELDS_MAX - 4;
    let body = format!("35=0|{}", "1=1|".repeat(room));
    let mut fields = Fields::new();
    assert_eq!(decode(&framed(&body), &mut fields).unwrap().0.fault(), None);
    let body = format!("35=0|{}", "1=1|".repeat(room + 1));
    let bytes = framed(&body);
    let (message, used) = decode(&bytes, &mut fields).unwrap();
    assert_eq!(used, bytes.len());
    assert_eq!(message.field_count(), FIELDS_MAX);
    assert_eq!(message.fault(), Some(Fault { tag: None, reason: SessionRejectReason::Other }));
}

/// Streams of good messages with bytes changed, dropped, doubled and swapped: nothing panics, nothing is
/// read past its end, and how the bytes are cut into reads does not matter.
#[test]
fn mutated_streams() {
    for seed in 0..400 {
        let mut random = Random::new(seed);
        let stream = mutated_stream(&mut random);
        let whole = read(&stream, || usize::MAX);
        let pieces = read(&stream, || random.below(97) as usize + 1);
        assert_eq!(pieces, whole, "seed {seed}");
        let single = read(&stream, || 1);
        assert_eq!(single, whole, "seed {seed}");
    }
}

pub(crate) fn mutated_stream(random: &mut Random) -> Vec<u8> {
    const BODIES: &[&str] = &[
        ORDER,
        "35=A|34=1|49=C1|52=20260102-09:30:00|56=VESTA|98=0|108=30|",
        "35=0|34=2|49=C1|52=20260102-09:30:00|56=VESTA|112=x|",
        "35=2|34=2|49=C1|52=20260102-09:30:00|56=VESTA|7=1|16=0|",
        "35=4|34=2|49=C1|52=20260102-09:30:00|56=VESTA|123=Y|36=9|",
        "35=D|34=2|49=C1|52=20260102-09:30:00|56=VESTA|354=4|355=a|b|386=2|336=A|336=B|",
        "35=BE|34=2|49=C1|52=20260102-09:30:00|56=VESTA|923=r|924=3|553=C1|554=old|925=new|",
        "35=i|34=2|49=C1|52=20260102-09:30:00|56=VESTA|117=q|296=1|302=s|304=1|295=1|299=1|55=X|132=1|134=1|",
        "35=Z|34=2|49=C1|52=20260102-09:30:00|56=VESTA|117=q|298=1|295=1|55=X|",
    ];
    let mut stream = Vec::new();
    for _ in 0..random.below(12) + 1 {
        stream.extend(framed(BODIES[random.below(BODIES.len() as u64) as usize]));
    }
    for _ in 0..random.below(10) {
        let at = random.below(stream.len() as u64) as usize;
        match random.below(6) {
            0 => stream[at] = random.below(256) as u8,
            1 => stream[at] = b"\x01=0189|-."[random.below(9) as usize],
            2 if stream.len() > 1 => {
                stream.remove(at);
            }
            3 => stream.insert(at, b"\x01=8910"[random.below(6) as usize]),
            4 => {
                let end = (at + random.below(40) as usize).min(stream.len());
                let copy = stream[at..end].to_vec();
                let to = random.below(stream.len() as u64) as usize;
                stream.splice(to..to, copy);
            }
            _ => stream.truncate(at.max(1)),
        }
    }
    stream
}

#[test]
fn what_is_encoded_can_be_decoded() {
    for len in [1usize, 20, 40, 70, 71, 72, 73, 500, 968, 969, 970, 971, 4000] {
        let mut out = b"before".to_vec();
        let text = "x".repeat(len);
        let mut message = Encoder::begin(&mut out, b"FIX.4.4", b"8");
        message.uint(34, 7).bytes(58, text.as_bytes()).bytes(1, b"").char(54, b'1');
        message.decimal(44, -1, 2).decimal(31, 1250, 2).decimal(6, 5, 0).decimal(99, i64::MIN, 18);
        message.int(371, -1).utc(52, Timestamp(1_767_346_200_123_456_789));
        message.utc_ns(60, Timestamp(1_767_346_200_123_456_789));
        message.finish();
        let mut fields = Fields::new();
        let (message, used) = decode(&out[6..], &mut fields).unwrap();
        assert_eq!(used, out.len() - 6);
        check(&message);
        let length: Vec<u8> = message.get(9).unwrap().to_vec();
        assert_ne!(length[0], b'0');
        let told: Vec<_> = message
            .iter()
            .filter(|(tag, _)| !matches!(tag, 8 | 9 | 10 | 58))
            .map(|(tag, value)| format!("{tag}={}", String::from_utf8_lossy(value)))
            .collect();
        assert_eq!(
            told.join("|"),
            "35=8|34=7|54=1|44=-0.01|31=12.50|6=5|99=-9.223372036854775808|371=-1|\
             52=20260102-09:30:00.123|60=20260102-09:30:00.123456789"
        );
        assert_eq!(message.get(58), Some(text.as_bytes()));
    }
}

#[test]
fn notes_survive_the_journal() {
    let long = [b'x'; 300];
    let routing = Routing {
        on_behalf_of: [b"0123456789abcdef", b"0123456789abcdef", b"0123456789abcdef"],
        deliver_to: [b"0123456789abcdef", b"", b"0123456789abcdef"],
    };
    let notes = [
        Note::Logon {
            heartbeat_s: 30,
            reset: true,
            connection: u64::MAX,
            version: Version::Fix42,
            next_expected: 0,
            password_changed: true,
        },
        Note::Logon {
            heartbeat_s: 0,
            reset: false,
            connection: 1,
            version: Version::Fix50Sp2,
            next_expected: u32::MAX,
            password_changed: false,
        },
        Note::Logout { text: b"bye", connection: 7, status: 3 },
        Note::Logout { text: b"", connection: 0, status: 0 },
        Note::Heartbeat { test_req_id: b"" },
        Note::Heartbeat { test_req_id: &long[..180] },
        Note::TestRequest { id: 1 << 60 },
        Note::ResendRequest { begin: u32::MAX },
        Note::Reject {
            ref_msg: 9,
            ref_tag: Some(-1),
            reason: 6,
            ref_msg_type: b"D",
            text: b"why",
            routing,
        },
        Note::Reject {
            ref_msg: 0,
            ref_tag: None,
            reason: 0,
            ref_msg_type: b"",
            text: b"",
            routing: Routing::default(),
        },
        Note::BusinessReject {
            ref_msg: 3,
            ref_msg_type: b"AE",
            ref_id: b"id",
            reason: 3,
            text: b"no",
        },
        Note::QuoteAck {
            quote_id: &long[..32],
            status: 5,
            reason: 99,
            level: 2,
            entry: Some((&long[..32], &long[..32], 7)),
            text: b"why",
        },
        Note::QuoteAck { quote_id: b"q1", status: 0, reason: 0, level: 0, entry: None, text: b"" },
        Note::QuoteStatus(QuoteStatus {
            request_id: &long[..32],
            quote_id: &long[..32],
            symbol: &long[..32],
            status: 16,
            sides: [Some((i64::MIN, i64::MAX)), Some((-1, 0))],
            decimals: [9, 18],
            text: b"changes are not told: ask with 263=0",
        }),
        Note::QuoteStatus(QuoteStatus { status: 9, ..QuoteStatus::default() }),
        Note::News { urgency: b'1', headline: b"Halt", text: b"one\ntwo" },
        Note::UserResponse { request_id: b"r1", username: b"kim", status: 6, text: b"why" },
        Note::UserResponse { request_id: &long[..48], username: &long[..64], status: 5, text: b"" },
    ];
    for note in notes {
        let mut attachment = [0; ATTACHMENT_BYTES_MAX];
        let len = note.encode(&mut attachment);
        assert_eq!(Note::decode(&attachment[..len]), Some(note));
        for cut in 0..len {
            // So long it was before it said version and NextExpectedMsgSeqNum.
            if matches!(note, Note::Logon { .. }) && cut == 14 {
                let old = Note::decode(&attachment[..cut]);
                let told = matches!(
                    old,
                    Some(Note::Logon { version: Version::Fix44, next_expected: 0, .. })
                );
                assert!(told, "{old:?}");
                continue;
            }
            // Before, it had no SessionStatus(1409).
            if matches!(note, Note::Logout { status: 3, .. }) && cut == len - 1 {
                let old = Note::Logout { text: b"bye", connection: 7, status: 0 };
                assert_eq!(Note::decode(&attachment[..cut]), Some(old));
                continue;
            }
            assert_eq!(Note::decode(&attachment[..cut]), None, "{note:?} cut at {cut}");
        }
    }
    // Texts are cut to fit, nothing else is.
    let note = Note::Reject {
        ref_msg: 9,
        ref_tag: Some(1),
        reason: 6,
        ref_msg_type: &long,
        text: &long,
        routing,
    };
    let mut attachment = [0; ATTACHMENT_BYTES_MAX];
    let len = note.encode(&mut attachment);
    let Some(Note::Reject { routing: back, text, .. }) = Note::decode(&attachment[..len]) else {
        panic!("{:?}", Note::decode(&attachment[..len]));
    };
    assert_eq!(back, routing);
    assert!(text.len() >= 40);
}

#[test]
fn decimals() {
    use DecimalError::*;
    for (text, decimals, value) in [
        ("1.25", 4, Ok(12_500)),
        ("1.", 0, Ok(1)),
        (".5", 1, Ok(5)),
        ("007.50", 2, Ok(750)),
        ("-0.01", 2, Ok(-1)),
        ("-0", 0, Ok(0)),
        ("1.2300", 2, Ok(123)),
        ("1.231", 2, Err(TooPrecise)),
        ("0.000000000000000000000000001", 2, Err(TooPrecise)),
        ("9223372036854775807", 0, Ok(i64::MAX)),
        ("9223372036854775808", 0, Err(Overflow)),
        ("92233720368547758.07", 2, Ok(i64::MAX)),
        ("92233720368547758.08", 2, Err(Overflow)),
        ("99999999999999999999999999", 0, Err(Overflow)),
        ("1", 9, Ok(1_000_000_000)),
        ("+1", 2, Err(NotANumber)),
        ("1e5", 2, Err(NotANumber)),
        ("", 2, Err(NotANumber)),
        (".", 2, Err(NotANumber)),
        ("-", 2, Err(NotANumber)),
        ("--1", 2, Err(NotANumber)),
        ("1.2.3", 2, Err(NotANumber)),
        (" 1", 2, Err(NotANumber)),
        ("1,5", 2, Err(NotANumber)),
        ("99999999999999999999x", 0, Err(NotANumber)),
    ] {
        assert_eq!(parse_scaled(text.as_bytes(), decimals), value, "{text} with {decimals}");
    }
    // What the encoder writes comes back.
    let mut random = Random::new(7);
    for _ in 0..2_000 {
        let value = (random.next() as i64) >> random.below(60);
        let decimals = random.below(10) as u8;
        let mut out = Vec::new();
        let mut message = Encoder::begin(&mut out, b"FIX.4.4", b"8");
        message.decimal(44, value, decimals);
        message.finish();
        let mut fields = Fields::new();
        let (message, _) = decode(&out, &mut fields).unwrap();
        if value != i64::MIN {
            assert_eq!(parse_scaled(message.get(44).unwrap(), decimals), Ok(value));
        }
    }
}

#[test]
fn times() {
    let ns = |text: &str| parse_utc(text.as_bytes()).map(|at| at.0);
    assert_eq!(ns("19700101-00:00:00"), Some(0));
    assert_eq!(ns("20260102-09:30:00"), Some(1_767_346_200_000_000_000));
    assert_eq!(ns("20240229-00:00:00.5"), Some(1_709_164_800_500_000_000));
    assert_eq!(ns("20260102-09:30:00.123456789"), Some(1_767_346_200_123_456_789));
    assert_eq!(ns("20161231-23:59:60"), ns("20170101-00:00:00"));
    for text in [
        "",
        "20260102",
        "20260102-09:30",
        "20260102-09:30:00.",
        "20260102-09:30:00.1234567890",
        "20260102-09:30:00Z",
        "20260102 09:30:00",
        "20260102-9:30:000",
        "20260102-24:00:00",
        "20260102-23:60:00",
        "20260102-23:59:61",
        "20230229-00:00:00",
        "21000229-00:00:00",
        "20261301-00:00:00",
        "20260100-00:00:00",
        "19691231-23:59:59",
        "99991231-23:59:59",
        "2026010\u{ff}-00:00:00",
    ] {
        assert_eq!(ns(text), None, "{text}");
    }
    // Every day until 2200 there and back, at a time that wanders through the day.
    let mut fields = Fields::new();
    for day in 0..84_000u64 {
        let at = Timestamp((day * 86_400 + day * 7919 % 86_400) * 1_000_000_000 + day % 1000);
        let mut out = Vec::new();
        let mut message = Encoder::begin(&mut out, b"FIX.4.4", b"0");
        message.utc_ns(60, at);
        message.finish();
        let (message, _) = decode(&out, &mut fields).unwrap();
        assert_eq!(message.get(60).and_then(parse_utc), Some(at));
    }
}
