//! Quotes and kill -9.

use std::io::Read;
use std::net::TcpStream;

use gateway::fix::{DecodeError, Fields, decode};

use crate::secrets::{connect, send, serve};
use crate::support::{Folder, config_text, run};

/// The messages that a socket brings.
struct Heard {
    stream: TcpStream,
    bytes: Vec<u8>,
}

impl Heard {
    /// The next message's type, and these fields of it.
    fn next(&mut self, tags: &[u32]) -> (String, Vec<String>) {
        loop {
            let mut fields = Fields::new();
            match decode(&self.bytes, &mut fields) {
                Ok((message, used)) => {
                    let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
                    let of = |tag: &u32| text(message.get(*tag).unwrap_or_default());
                    let heard = (text(message.msg_type()), tags.iter().map(of).collect());
                    self.bytes.drain(..used);
                    return heard;
                }
                Err(DecodeError::Incomplete) => {}
                Err(error) => panic!("{error:?}"),
            }
            let mut buffer = [0; 4096];
            let read = self.stream.read(&mut buffer).expect("the venue went silent");
            assert!(read > 0, "the venue closed");
            self.bytes.extend_from_slice(&buffer[..read]);
        }
    }
}

/// Wherever in a stream of MassQuotes the venue is killed: what it asks for again it takes once, and in the end there stand one bid and
/// one offer.
#[test]
fn quotes_stand_once_after_kill_9() {
    let folder = Folder::new();
    let text = config_text(&folder, &["A"]) + "permissions = [\"quote\"]\n";
    let file = folder.write("vesta.toml", &text);
    let (mut number, mut name, mut sent) = (1, 0, Vec::<(u64, [String; 3])>::new());
    for round in 0..6 {
        let (venue, address) = serve(&file);
        let mut heard = Heard { stream: connect(&address), bytes: Vec::new() };
        let mut stream = heard.stream.try_clone().unwrap();
        let logon = number;
        send(&mut stream, logon, "A", &[(98, "0"), (108, "30")]);
        number += 1;
        assert_eq!(heard.next(&[]).0, "A");
        // A question of our own: what comes before its answer is all that the venue wants.
        send(&mut stream, number, "1", &[(112, "asked?")]);
        number += 1;
        let quote = |stream: &mut TcpStream, number, [id, bid, offer]: &[String; 3], again| {
            let mut fields = vec![(43, "Y"), (122, "20260101-00:00:00")];
            fields.retain(|_| again);
            fields.extend([(117, id.as_str()), (296, "1"), (302, "s"), (304, "1"), (295, "1")]);
            fields.extend([(299, "1"), (55, "BTC-USD"), (132, bid), (134, "1"), (133, offer)]);
            fields.push((135, "1"));
            send(stream, number, "i", &fields);
        };
        loop {
            let (msg_type, fields) = heard.next(&[7, 112]);
            if msg_type == "2" {
                let from: u64 = fields[0].parse().unwrap();
                for (at, said) in sent.iter().filter(|(at, _)| *at >= from) {
                    quote(&mut stream, *at, said, true);
                }
                // Logon and question: the second one is kept and is not asked again.
                let fill =
                    [(43, "Y"), (122, "20260101-00:00:00"), (123, "Y"), (36, &number.to_string())];
                let first = sent.iter().map(|(at, _)| at + 1).max().unwrap_or(1).max(from);
                send(&mut stream, first, "4", &fill);
                send(&mut stream, number, "1", &[(112, "asked?")]);
                number += 1;
            }
            if msg_type == "0" && fields[1] == "asked?" {
                break;
            }
        }
        sent.clear();
        if round == 5 {
            send(&mut stream, number, "q", &[(11, "all"), (530, "7"), (60, "20260101-00:00:00")]);
            let told = loop {
                let (msg_type, fields) = heard.next(&[533]);
                if msg_type == "r" {
                    break fields;
                }
            };
            assert_eq!(told, ["2"]);
            venue.signal("-TERM");
            venue.end().assert_good();
            break;
        }
        for _ in 0..200 {
            name += 1;
            let (bid, offer) = (1_000 + name % 7, 2_000 + name % 5);
            let said = [format!("q{name}"), bid.to_string(), offer.to_string()];
            quote(&mut stream, number, &said, false);
            sent.push((number, said));
            number += 1;
        }
        venue.signal("-KILL");
        venue.end();
    }
    let journal = folder.path().join("journal");
    let journal = journal.to_str().unwrap();
    run(&["replay", journal, "--verify"]).assert_good();
    let printed = run(&["journal", "print", journal, "--fix", "A"]);
    printed.assert_good();
    assert!(printed.out.contains("OrderMassCancelReport"), "{}", printed.out);
    assert!(!printed.out.contains("ExecType=0"), "what works was told");
}
