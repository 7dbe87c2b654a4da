use super::split::{bad_tag, parse_len};
use super::*;
use crate::fix::dictionary::data_tag_of;

/// What a body is, byte by byte: fields and the first fault.
fn plain(body: &[u8]) -> (Vec<(u32, Vec<u8>)>, Option<Fault>) {
    let (mut fields, mut fault) = (Vec::new(), None);
    let mut data: Option<(u32, usize)> = None;
    let mut at = 0;
    while at < body.len() {
        let soh = |from: usize| from + body[from..].iter().position(|it| *it == SOH).unwrap();
        let end = soh(at);
        let tag = body[at..end].iter().position(|it| *it == b'=').map(|len| &body[at..at + len]);
        let is_tag = |tag: &&[u8]| {
            tag.iter().all(u8::is_ascii_digit) && (1..=9).contains(&tag.len()) && tag[0] != b'0'
        };
        let Some(tag) = tag.filter(is_tag) else {
            fault = fault.or(Some(bad_tag(&body[at..end])));
            at = end + 1;
            continue;
        };
        let start = at + tag.len() + 1;
        let number: u32 = std::str::from_utf8(tag).unwrap().parse().unwrap();
        let mut end = soh(start);
        if let Some((data_tag, len)) = data.take()
            && data_tag == number
        {
            match body.get(start + len) {
                Some(&SOH) => end = start + len,
                _ => {
                    let wrong = SessionRejectReason::IncorrectDataFormat;
                    fault = fault.or(Some(Fault::of(number, wrong)));
                }
            }
        }
        if start == end {
            fault = fault.or(Some(Fault::of(number, SessionRejectReason::TagWithoutValue)));
        }
        if let Some(data_tag) = data_tag_of(number) {
            data = parse_len(&body[start..end]).map(|len| (data_tag, len));
        }
        fields.push((number, body[start..end].to_vec()));
        at = end + 1;
    }
    (fields, fault)
}

fn framed(body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("8=FIX.4.4\u{1}9={}\u{1}", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    let trailer = format!("10={:03}\u{1}", check_sum(&bytes));
    bytes.extend_from_slice(trailer.as_bytes());
    bytes
}

/// Fields of every kind behind one another are the same field by field, whatever is read at once.
#[test]
fn a_body_is_what_it_is_byte_by_byte() {
    let mut seed = 0x5eed_f1e1_d500_u64;
    let mut next = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as usize
    };
    let tags = [
        "1",
        "9",
        "10",
        "11",
        "38",
        "44",
        "55",
        "59",
        "60",
        "96",
        "100",
        "211",
        "453",
        "1128",
        "1623",
        "9999",
        "10000",
        "99999",
        "123456789",
        "1234567890",
        "0",
        "01",
        "-1",
        "a",
        "",
        "5 5",
    ];
    let values =
        ["1", "VESTA", "100.25", "a=b", "=", "", "20260101-00:00:00.000", "x y", "7777777777"];
    let lengths = ["95", "90", "212", "354", "618"];
    let mut fields = Fields::new();
    let (mut faults, mut whole) = (0, 0);
    for _ in 0..100_000 {
        let mut body = b"35=D\x01".to_vec();
        for _ in 0..next(24) {
            let field = match next(12) {
                0 => {
                    let (length, len) = (lengths[next(lengths.len())], next(6));
                    let data: Vec<u8> = (0..len).map(|_| b"ab\x01=3"[next(5)]).collect();
                    let data_tag = data_tag_of(length.parse().unwrap()).unwrap();
                    let stated = if next(5) == 0 { next(40) } else { len };
                    [format!("{length}={stated}\u{1}{data_tag}=").as_bytes(), &data].concat()
                }
                1 => tags[next(tags.len())].as_bytes().to_vec(),
                // Most are good, so that many follow one another.
                2 | 3 => [tags[next(tags.len())], "=", values[next(values.len())]].concat().into(),
                _ => [tags[next(9)], "=", values[next(3)]].concat().into(),
            };
            body.extend_from_slice(&field);
            body.push(SOH);
        }
        let bytes = framed(&body);
        let (message, used) = decode(&bytes, &mut fields).unwrap();
        assert_eq!(used, bytes.len());
        let (expected, fault) = plain(&body);
        let got: Vec<(u32, Vec<u8>)> = message.iter().map(|(tag, it)| (tag, it.to_vec())).collect();
        let text = || body.escape_ascii().to_string();
        assert_eq!(got[2..got.len() - 1], expected, "{}", text());
        assert_eq!(message.fault(), fault, "{}", text());
        assert_eq!(got.last().unwrap().0, 10);
        faults += u32::from(fault.is_some());
        whole += u32::from(fault.is_none());
    }
    assert!(faults > 10_000 && whole > 10_000, "{faults} {whole}");
}

/// As many fields as there may be, and one more.
#[test]
fn fields_are_counted() {
    let mut fields = Fields::new();
    for (body_fields, fault) in [
        (FIELDS_MAX - 3, None),
        (FIELDS_MAX - 2, Some(Fault { tag: None, reason: SessionRejectReason::Other })),
        (FIELDS_MAX + 40, Some(Fault { tag: None, reason: SessionRejectReason::Other })),
    ] {
        let mut body = b"35=D\x01".to_vec();
        (1..body_fields).for_each(|_| body.extend_from_slice(b"58=x\x01"));
        let bytes = framed(&body);
        let (message, _) = decode(&bytes, &mut fields).unwrap();
        assert_eq!(message.fault(), fault, "{body_fields}");
        assert_eq!(message.field_count(), FIELDS_MAX);
    }
}
