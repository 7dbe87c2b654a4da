//! What PROTOCOL.md says is what we do.

use feed::glimpse::{SNAPSHOT_END_BYTES, decode_snapshot_end, encode_snapshot_end};
use feed::message::MESSAGE_BYTES_MAX;
use feed::mold::{HEADER_BYTES, MoldPacket, MoldRequest, PACKET_BYTES_MAX};
use feed::{MESSAGE_KINDS_PUBLISHED, decode, message_bytes};

use crate::support::unhex;
use crate::text::text_with_time;

const PROTOCOL: &str = include_str!("../../PROTOCOL.md");

/// Rows of the tables under the heading `## title` or deeper, as trimmed cells without code marks.
fn rows(title: &str) -> Vec<Vec<String>> {
    let start = PROTOCOL.find(&format!("# {title}\n")).unwrap_or_else(|| panic!("no {title}"));
    let lines = PROTOCOL[start..].lines().skip(1).take_while(|line| !line.starts_with('#'));
    lines
        .filter(|line| line.starts_with('|'))
        .skip(2)
        .map(|line| {
            let cells = line.trim_matches('|').split('|');
            cells.map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
        })
        .collect()
}

#[test]
fn the_examples_of_messages_are_what_we_encode_and_read() {
    let rows = rows("Examples");
    for row in &rows {
        let bytes = unhex(&row[0]);
        let message = decode(&bytes).unwrap();
        assert_eq!(message.encode(&mut [0; MESSAGE_BYTES_MAX]), bytes);
        assert_eq!(text_with_time(&message), row[1]);
    }
    let kinds: Vec<u8> = rows.iter().map(|row| unhex(&row[0])[0]).collect();
    assert!(MESSAGE_KINDS_PUBLISHED.iter().all(|kind| kinds.contains(kind)));
}

#[test]
fn the_list_of_messages_is_complete() {
    for row in rows("Messages") {
        let kind = row[0].as_bytes()[0];
        assert_eq!(message_bytes(kind), Some(row[1].parse().unwrap()), "{}", row[0]);
        assert_eq!(MESSAGE_KINDS_PUBLISHED.contains(&kind), row[3] == "yes", "{}", row[0]);
    }
    let documented = rows("Messages").len();
    assert_eq!((0..=u8::MAX).filter(|kind| message_bytes(*kind).is_some()).count(), documented);
}

/// Offsets go on where the field before ends, and the last field ends the message.
#[test]
fn the_tables_of_published_messages_add_up() {
    for kind in MESSAGE_KINDS_PUBLISHED {
        let title = PROTOCOL
            .lines()
            .filter_map(|line| line.strip_prefix("### "))
            .find(|title| title.starts_with(&format!("`{}`", char::from(*kind))));
        let title = title.unwrap_or_else(|| panic!("no table of {kind}"));
        let mut at = 11;
        for row in rows(title) {
            assert_eq!(row[0].parse::<usize>().unwrap(), at, "{title}: {}", row[2]);
            at += row[1].parse::<usize>().unwrap();
        }
        assert_eq!(Some(at), message_bytes(*kind), "{title}");
    }
}

#[test]
fn the_examples_of_packets_are_packets() {
    for row in rows("Examples of packets") {
        let bytes = unhex(&row[0]);
        if let Some(next) = decode_snapshot_end(&bytes) {
            assert_eq!(format!("end of a snapshot, go on with {next}"), row[1]);
            assert_eq!(encode_snapshot_end(next).as_slice(), bytes);
        } else if row[1].starts_with("request") {
            let request = MoldRequest::parse(&bytes).unwrap();
            let said = format!("request for {} messages from {}", request.count, request.sequence);
            assert_eq!(said, row[1]);
        } else {
            let packet = MoldPacket::parse(&bytes).unwrap();
            let said = format!("{:?} at {}", packet.kind, packet.sequence).to_lowercase();
            assert_eq!(said, row[1]);
            assert!(packet.messages().all(|(_, message)| decode(message).is_ok()));
        }
    }
    let end = rows("GLIMPSE").iter().map(|row| row[1].parse::<usize>().unwrap()).sum::<usize>();
    assert_eq!(end, SNAPSHOT_END_BYTES);
    assert!(PROTOCOL.contains(&format!("at most {PACKET_BYTES_MAX} bytes")));
    assert!(PROTOCOL.contains(&format!("exactly {HEADER_BYTES} bytes")));
}
