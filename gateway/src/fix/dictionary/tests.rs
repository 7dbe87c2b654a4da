use super::compile::{NAME_AT, tag_of};
use super::*;

#[test]
fn tables_agree_with_each_other() {
    for version in Version::ALL {
        let dictionary = version.dictionary();
        for definition in dictionary.definitions.iter().filter(|it| !it.msg_type.is_empty()) {
            for rule in dictionary.rules.iter().filter(|it| definition.tags.has(it.place)) {
                assert!(rule.part == Part::Body);
            }
        }
        for group in dictionary.groups.iter().filter(|group| group.count > 0) {
            assert!(group.members.has(dictionary.rule(group.delimiter.into()).place));
        }
        for tag in (0..TAGS).map(|row| tag_of(row) as u32) {
            let rule = dictionary.rule(tag);
            if rule.place != NOWHERE {
                assert_eq!(u32::from(TAG_AT[usize::from(rule.place)]), tag);
                assert!(!NAME_AT[usize::from(rule.place)].is_empty());
            }
            if let Some(data) = data_tag_of(tag) {
                let formats = [rule.format, dictionary.rule(data).format];
                let listed = formats.map(|it| it != Format::Unknown && it != Format::Elsewhere);
                assert_eq!(listed[0], listed[1], "{version:?}: {tag} {data}");
                assert!(
                    !listed[0] || formats == [Format::Uint, Format::Text],
                    "{version:?}: {tag}"
                );
            }
        }
        for tag in [tag::MSG_SEQ_NUM, tag::SENDER_COMP_ID, tag::SENDING_TIME, tag::TARGET_COMP_ID] {
            assert!(dictionary.rule(tag).part == Part::Header);
        }
    }
}

/// Every field that is listed stands in a message of each version that has it.
#[test]
fn every_field_is_of_a_message() {
    for version in Version::ALL {
        let dictionary = version.dictionary();
        for (row, rule) in dictionary.rules.iter().enumerate().filter(|(_, it)| it.place != NOWHERE)
        {
            let used = rule.part != Part::Body
                || dictionary.definitions.iter().any(|it| it.tags.has(rule.place))
                || dictionary.groups.iter().any(|it| it.members.has(rule.place));
            assert!(used, "{version:?}: {}", tag_of(row));
        }
    }
}

#[test]
fn message_types() {
    use MsgKind::{Admin, Answer, Application, Unknown, Unsupported};
    for (msg_type, [fix42, fix44, fix50]) in [
        (&b"0"[..], [Admin; 3]),
        (b"A", [Admin; 3]),
        (b"D", [Application; 3]),
        (b"q", [Unknown, Application, Application]),
        (b"8", [Unsupported; 3]),
        (b"r", [Unknown, Unsupported, Unsupported]),
        (b"d", [Unsupported; 3]),
        (b"AD", [Unknown, Application, Application]),
        (b"AE", [Unknown, Unsupported, Unsupported]),
        (b"BH", [Unknown, Unsupported, Unsupported]),
        (b"BI", [Unknown, Unknown, Unsupported]),
        (b"j", [Answer; 3]),
        (b"*", [Unknown; 3]),
        (b"I", [Unknown; 3]),
        (b"O", [Unknown; 3]),
        (b"U", [Unknown; 3]),
        (b"AAA", [Unknown; 3]),
        (b"A B", [Unknown; 3]),
        (b"", [Unknown; 3]),
    ] {
        for (version, expected) in Version::ALL.into_iter().zip([fix42, fix44, fix50]) {
            let kind = version.dictionary().kind(msg_type);
            assert_eq!(kind, expected, "{version:?} {}", String::from_utf8_lossy(msg_type));
        }
    }
}

#[test]
fn a_list_of_values_is_what_it_says() {
    let values = |version: Version, tag: u32| {
        let dictionary = version.dictionary();
        &dictionary.values[usize::from(dictionary.rule(tag).values) - 1]
    };
    for (version, tag, good, bad) in [
        (Version::Fix42, tag::ORD_TYPE, "12P", "K0"),
        (Version::Fix44, tag::ORD_TYPE, "12KP", "50"),
        (Version::Fix42, tag::TIME_IN_FORCE, "06", "7x"),
        (Version::Fix44, tag::TIME_IN_FORCE, "07", "89"),
        (Version::Fix50Sp2, tag::TIME_IN_FORCE, "09", "A "),
    ] {
        for (values_in, expected) in [(good, true), (bad, false)] {
            for byte in values_in.bytes() {
                let is = allowed(Value::alone(&[byte]), values(version, tag));
                assert_eq!(is, expected, "{version:?} {tag}={}", char::from(byte));
            }
        }
    }
    let encrypt = values(Version::Fix44, tag::ENCRYPT_METHOD);
    for (value, expected) in [("0", true), ("06", true), ("6", true), ("7", false), ("-1", false)] {
        assert_eq!(allowed(Value::alone(value.as_bytes()), encrypt), expected, "{value}");
    }
    assert!(!allowed(Value::alone(b"340282366920938463463374607431768211456"), encrypt));
}

/// What stands behind a value changes nothing, however many bytes are looked at together.
#[test]
fn values_are_read_alike_with_and_without_what_is_behind_them() {
    use crate::fix::decimal::{is_any_float, is_float, is_uint, parse_uint};
    let mut seed = 0x1234_5678_9abc_def1_u64;
    let mut next = |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    let bytes = b"0123456789012345678901234567899.-+x\xb0\x01";
    for _ in 0..200_000 {
        let len = next(12) as usize;
        let mut text: Vec<u8> =
            (0..len).map(|_| bytes[next(bytes.len() as u64) as usize]).collect();
        let rest = [&b"10=000|"[..], b"", b"5", b".5.5.5.5"][next(4) as usize];
        text.extend_from_slice(rest);
        let (value, alone) = (Value::new(&text, len), &text[..len]);
        assert_eq!(is_uint(value), parse_uint(alone).is_some(), "{text:?} {len}");
        assert_eq!(is_float(value), is_any_float(alone), "{text:?} {len}");
    }
}

/// A UTCTimestamp is one if it can be read.
#[test]
fn times_are_those_that_can_be_read() {
    use crate::fix::time::parse_utc;
    let mut seed = 0x0dd0_5eed_u64;
    let mut next = |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    let mut good = 0;
    for _ in 0..300_000 {
        let pair = |next: &mut dyn FnMut(u64) -> u64, of: u64| next(of);
        let (year, month, day) = (1968 + next(590), pair(&mut next, 14), pair(&mut next, 33));
        let (hour, minute, second) = (next(25), next(61), next(62));
        let mut text =
            format!("{year:04}{month:02}{day:02}-{hour:02}:{minute:02}:{second:02}").into_bytes();
        let digits = next(11);
        if digits > 0 {
            text.push(b'.');
            text.extend((1..digits).map(|_| b'0' + next(10) as u8));
        }
        if next(3) == 0 {
            let at = next(text.len() as u64) as usize;
            text[at] = b"0:9-. /x\xb1"[next(9) as usize];
        }
        let is = is_utc(&text);
        good += u32::from(is);
        assert_eq!(is, parse_utc(&text).is_some(), "{}", text.escape_ascii());
    }
    assert!(good > 50_000, "{good}");
}
