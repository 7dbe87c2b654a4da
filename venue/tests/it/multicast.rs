//! MoldUDP64 as a receiver hears it: two lines, a request server, the end of the session.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream, UdpSocket};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use feed::Mirror;
use feed::glimpse::SnapshotReader;
use feed::mold::{MoldKind, MoldPacket, MoldRequest, MoldSession};
use gateway::soup::{SoupClient, SoupClientConfig};
use matcher::{Command, InstrumentId, Phase, Side};
use venue::config::{Mold, MoldLine, Soup};
use venue::{Config, Layout, Wait};

use crate::folder::Folder;
use crate::loopback::{config, config_with, start};
use crate::peer::{Peer, Subscriber, login_refused};

/// How long what must come may take. Only a failing test ever takes so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// A socket that hears a group of its own on the loopback interface, and the line to it.
pub(crate) fn line(last: u8) -> (UdpSocket, MoldLine) {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let port = socket.local_addr().unwrap().port();
    let group = SocketAddrV4::new(Ipv4Addr::new(239, 192, 7, last), port);
    socket.join_multicast_v4(group.ip(), &Ipv4Addr::LOCALHOST).unwrap();
    (socket, MoldLine { group, interface: Ipv4Addr::LOCALHOST })
}

pub(crate) fn mold(line_a: MoldLine, line_b: Option<MoldLine>) -> Mold {
    let requests = Some("127.0.0.1:0".parse().unwrap());
    Mold { line_a, line_b, ttl: 1, batch_us: 5, end_s: 0, requests }
}

/// What is heard on a line. The kernel keeps little for who does not listen, so it is taken all the time.
pub(crate) struct Heard {
    pub(crate) socket: UdpSocket,
    pub(crate) packets: Vec<Vec<u8>>,
}

impl Heard {
    pub(crate) fn on(socket: UdpSocket) -> Heard {
        Heard { socket, packets: Vec::new() }
    }

    /// Takes what is there.
    pub(crate) fn take(&mut self) {
        let mut buffer = [0; 2_048];
        self.socket.set_nonblocking(true).unwrap();
        while let Ok(len) = self.socket.recv(&mut buffer) {
            self.packets.push(buffer[..len].to_vec());
        }
        self.socket.set_nonblocking(false).unwrap();
    }

    /// Takes the next, which comes.
    pub(crate) fn wait(&mut self) -> &[u8] {
        let mut buffer = [0; 2_048];
        let len = self.socket.recv(&mut buffer).expect("no packet came");
        self.packets.push(buffer[..len].to_vec());
        &self.packets[self.packets.len() - 1]
    }

    /// Takes packets up to the first that says the session is over.
    pub(crate) fn until_end(&mut self) {
        self.take();
        let is_end = |bytes: &[u8]| MoldPacket::parse(bytes).unwrap().kind == MoldKind::End;
        while !self.packets.last().is_some_and(|bytes| is_end(bytes)) {
            self.wait();
        }
    }
}

fn messages(packets: &[Vec<u8>]) -> Vec<(u64, Vec<u8>)> {
    let parsed = packets.iter().map(|bytes| MoldPacket::parse(bytes).unwrap());
    parsed.flat_map(|packet| packet.messages().collect::<Vec<_>>()).map(owned).collect()
}

fn owned((number, message): (u64, &[u8])) -> (u64, Vec<u8>) {
    (number, message.to_vec())
}

/// Asks a request server.
struct Asker {
    socket: UdpSocket,
    session: MoldSession,
}

impl Asker {
    fn new(server: SocketAddr, session: MoldSession) -> Asker {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        socket.connect(server).unwrap();
        Asker { socket, session }
    }

    fn ask(&self, sequence: u64, count: u16) {
        let request = MoldRequest { session: self.session, sequence, count };
        self.socket.send(&request.encode()).unwrap();
    }

    /// The messages of the next answer.
    fn answer(&self) -> Vec<(u64, Vec<u8>)> {
        let mut buffer = [0; 2_048];
        let len = self.socket.recv(&mut buffer).expect("no answer came");
        let packet = MoldPacket::parse(&buffer[..len]).unwrap();
        assert_eq!(packet.session, self.session);
        packet.messages().map(owned).collect()
    }
}

fn orders(peer: &mut Peer, (from, to): (u32, u32), heard: &mut [&mut Heard]) {
    for n in from..to {
        heard.iter_mut().for_each(|heard| heard.take());
        let price = format!("{}.{:02}", 10 + n % 7, n % 100);
        peer.order(&format!("o{n}"), "1", "1", &price);
        assert_eq!(peer.report().get(150), "0");
    }
}

#[test]
fn both_lines_carry_the_same_packets_and_soupbintcp_the_same_messages() {
    for (layout, wait) in [
        (Layout::Joined, Wait::Park),
        (Layout::Joined, Wait::Yield),
        (Layout::Split, Wait::Park),
        (Layout::Split, Wait::Yield),
    ] {
        let folder = Folder::new();
        let ((a, line_a), (b, line_b)) = (line(7), line(8));
        let (mut a, mut b) = (Heard::on(a), Heard::on(b));
        let mold = Some(mold(line_a, Some(line_b)));
        let config = Config { mold, layout, wait, ..config(&folder) };
        let venue = start(&config);
        let (mut peer, _) = Peer::log_on(venue.fix_addr(), "CLIENT1", 1);
        orders(&mut peer, (0, 50), &mut [&mut a, &mut b]);
        let mut subscriber = Subscriber::connect(venue.soup_addr().unwrap(), 1);
        subscriber.read_until(|got| got.kinds().matches('A').count() == 50);
        venue.stop().unwrap();

        a.until_end();
        b.until_end();
        let packets_a = a.packets;
        assert_eq!(packets_a, b.packets, "{layout:?} {wait:?}");
        let first = MoldPacket::parse(&packets_a[0]).unwrap().sequence;
        let said = messages(&packets_a);
        let expected = subscriber.messages.iter().filter(|(number, _)| *number >= first);
        assert_eq!(said, expected.cloned().collect::<Vec<_>>(), "{layout:?} {wait:?}");
        let last = MoldPacket::parse(packets_a.last().unwrap()).unwrap();
        assert_eq!(last.sequence, subscriber.messages.last().unwrap().0 + 1);
    }
}

/// What was lost is had again: from memory, and after a restart from the journal.
#[test]
fn the_request_server_has_every_message_of_the_session() {
    let folder = Folder::new();
    let (socket, line_a) = line(9);
    let mut heard = Heard::on(socket);
    let config = Config { mold: Some(mold(line_a, None)), ..config(&folder) };
    let venue = start(&config);
    let (mut peer, _) = Peer::log_on(venue.fix_addr(), "CLIENT1", 1);
    orders(&mut peer, (0, 600), &mut [&mut heard]);
    let next_out = peer.log_out();
    venue.stop().unwrap();
    heard.until_end();
    let end = MoldPacket::parse(heard.packets.last().unwrap()).unwrap();
    let (session, last) = (end.session, end.sequence - 1);

    let venue = start(&config);
    // The first thing that is heard is the number of the next message.
    let heartbeat = MoldPacket::parse(heard.wait()).unwrap();
    assert_eq!((heartbeat.kind, heartbeat.sequence), (MoldKind::Heartbeat, last + 1));
    let (mut peer, _) = Peer::log_on(venue.fix_addr(), "CLIENT1", next_out);
    orders(&mut peer, (600, 650), &mut [&mut heard]);
    let mut subscriber = Subscriber::connect(venue.soup_addr().unwrap(), 1);
    let all = usize::try_from(last).unwrap() + 50;
    subscriber.read_until(|got| got.messages.len() == all);

    let asker = Asker::new(venue.requests_addr().unwrap(), session);
    let mut had = Vec::new();
    while had.len() < all {
        asker.ask(had.len() as u64 + 1, 0xFFFE);
        let answer = asker.answer();
        assert!(!answer.is_empty());
        had.extend(answer);
    }
    assert_eq!(had, subscriber.messages);
    for (sequence, count) in [(255, 3), (1, 1), (last, 2), (last + 50, 1)] {
        asker.ask(sequence, count);
        let from = usize::try_from(sequence - 1).unwrap();
        assert_eq!(asker.answer(), subscriber.messages[from..from + usize::from(count)]);
    }
    // Nothing of this has an answer: the next one is that of the last request.
    asker.ask(0, 5);
    asker.ask(last + 51, 1);
    asker.ask(u64::MAX, 0xFFFF);
    asker.ask(1, 0);
    asker.socket.send(b"nonsense").unwrap();
    asker.socket.send(&[0; 21]).unwrap();
    asker
        .socket
        .send(&MoldRequest { session: *b"OTHER     ", sequence: 1, count: 1 }.encode())
        .unwrap();
    asker.ask(7, 1);
    assert_eq!(asker.answer(), subscriber.messages[6..7]);
    venue.stop().unwrap();
}

/// Whoever hears of the end learns of what was lost before it, and can still ask.
#[test]
fn the_end_of_the_session_is_said_again_and_requests_are_served() {
    for layout in [Layout::Joined, Layout::Split] {
        let folder = Folder::new();
        let (socket, line_a) = line(10);
        let mut heard = Heard::on(socket);
        let mold = Mold { end_s: 3, ..mold(line_a, None) };
        let config = Config { mold: Some(mold), layout, ..config(&folder) };
        let venue = start(&config);
        let (mut peer, _) = Peer::log_on(venue.fix_addr(), "CLIENT1", 1);
        orders(&mut peer, (0, 20), &mut [&mut heard]);
        let server = venue.requests_addr().unwrap();
        let stopped = std::thread::spawn(move || venue.stop());
        heard.until_end();
        let end = heard.packets.last().unwrap().clone();
        let asker = Asker::new(server, MoldPacket::parse(&end).unwrap().session);
        asker.ask(1, 1);
        assert_eq!(asker.answer()[0].1[0], b'S');
        for _ in 0..2 {
            assert_eq!(heard.wait(), &end[..]);
        }
        stopped.join().unwrap().unwrap();
    }
}

/// Logs in for a snapshot; its messages.
fn snapshot(address: SocketAddr) -> Vec<Vec<u8>> {
    let mut subscriber = Subscriber::connect(address, 1);
    subscriber.read_until(|got| got.messages.last().is_some_and(|(_, it)| it[0] == b'G'));
    let numbers = subscriber.messages.iter().map(|(number, _)| *number);
    assert!(numbers.eq(1..=subscriber.messages.len() as u64));
    subscriber.messages.into_iter().map(|(_, message)| message).collect()
}

/// The books of a snapshot, and the message that they are gone on with from.
fn books(snapshot: &[Vec<u8>]) -> (Mirror, u64) {
    let mut reader = SnapshotReader::new();
    let mut next = None;
    for message in snapshot {
        next = reader.message(message).unwrap();
    }
    (reader.into_mirror(), next.unwrap())
}

fn assert_same(one: &Mirror, other: &Mirror) {
    assert_eq!(one.orders_len(), other.orders_len());
    for locate in 1..=2 {
        assert_eq!(
            (one.status(locate), one.stock(locate)),
            (other.status(locate), other.stock(locate))
        );
        for side in [Side::Buy, Side::Sell] {
            assert!(one.orders(locate, side).eq(other.orders(locate, side)));
        }
    }
}

/// With one message after another a snapshot and the rest of the feed are the feed from its beginning, also after a
/// restart, from a snapshot of the journal or without one.
#[test]
fn glimpse_is_what_stands_and_says_where_to_go_on() {
    for every_bytes in [0, 1 << 20] {
        let folder = Folder::new();
        let any = "127.0.0.1:0".parse().unwrap();
        let glimpse = Soup {
            listen: any,
            username: "late".into(),
            password: "pw".into(),
            connections_max: 3,
        };
        let open = Soup { username: String::new(), ..glimpse.clone() };
        let config = Config { glimpse: Some(open), ..config_with(&folder, every_bytes) };
        let venue = start(&config);
        let address = venue.glimpse_addr().unwrap();
        assert_eq!(login_refused(address, 2), "a snapshot begins with message 1");
        let empty = snapshot(address);
        let kinds = |snapshot: &[Vec<u8>]| -> String {
            snapshot.iter().map(|message| char::from(message[0])).collect()
        };
        assert_eq!(kinds(&empty), "SRRHHG");
        assert_eq!(empty.last().unwrap(), b"G00000000000000000006");
        let (mut peer, _) = Peer::log_on(venue.fix_addr(), "CLIENT1", 1);
        orders(&mut peer, (0, 700), &mut []);
        peer.order("sold", "2", "5.5", "12");
        while peer.report().get(150) != "F" {}
        assert!(
            venue.submit(&Command::SetPhase { instrument: InstrumentId(1), phase: Phase::Halt })
        );
        let mut from_start = Subscriber::connect(venue.soup_addr().unwrap(), 1);
        from_start.read_until(|got| got.kinds().ends_with('H'));
        let (mirror, next) = books(&snapshot(address));
        assert_eq!(next, from_start.messages.len() as u64 + 1);
        assert_same(&mirror, &from_start.mirror());
        assert!(mirror.orders_len() > 3);
        peer.log_out();
        venue.stop().unwrap();

        let config = Config { glimpse: Some(glimpse), ..config };
        let venue = start(&config);
        assert_eq!(venue.from_snapshot().is_some(), every_bytes > 0);
        let address = venue.glimpse_addr().unwrap();
        let mut late = Subscriber::connect_as(address, ("LATE", "pw"), 1);
        late.read_until(|got| got.messages.last().is_some_and(|(_, it)| it[0] == b'G'));
        let again: Vec<_> = late.messages.iter().map(|(_, message)| message.clone()).collect();
        let (mirror, next) = books(&again);
        let mut from_start = Subscriber::connect(venue.soup_addr().unwrap(), 1);
        from_start.read_until(|got| got.messages.len() as u64 + 1 == next);
        assert_same(&mirror, &from_start.mirror());
        venue.stop().unwrap();
    }
}

/// While orders come all the time, every snapshot and what comes after it are the books.
#[test]
fn glimpse_in_a_burst_goes_with_the_feed() {
    let folder = Folder::new();
    let any = "127.0.0.1:0".parse().unwrap();
    let open =
        Soup { listen: any, username: String::new(), password: String::new(), connections_max: 64 };
    let config = Config { glimpse: Some(open), ..config(&folder) };
    let venue = start(&config);
    let (glimpse, soup) = (venue.glimpse_addr().unwrap(), venue.soup_addr().unwrap());
    let fix = venue.fix_addr();
    // Who never reads holds up nobody.
    let asleep: Vec<Subscriber> = (0..8).map(|_| Subscriber::connect(glimpse, 1)).collect();
    let burst = std::thread::spawn(move || {
        let (mut peer, _) = Peer::log_on(fix, "CLIENT1", 1);
        let mut accepted = 0;
        for n in 0..3_000u32 {
            let price = format!("{}.{:02}", 10 + n % 7, n % 100);
            peer.order(&format!("o{n}"), if n % 3 == 0 { "2" } else { "1" }, "1", &price);
            while n % 16 == 15 && accepted <= n {
                accepted += u32::from(peer.report().get(150) == "0");
            }
        }
        peer
    });
    let mut snapshots = Vec::new();
    while !burst.is_finished() || snapshots.len() < 3 {
        snapshots.push(books(&snapshot(glimpse)));
    }
    let mut peer = burst.join().unwrap();
    peer.order("last", "1", "1", "1");
    let mut all = Subscriber::connect(soup, 1);
    all.read_until(|got| {
        let is_last = |bytes: &[u8]| bytes[0] == b'A' && bytes[32..36] == 10_000_u32.to_be_bytes();
        got.messages.last().is_some_and(|(_, message)| is_last(message))
    });
    let end = all.mirror();
    let mut numbers = Vec::new();
    for (mut mirror, next) in snapshots {
        numbers.push(next);
        for (_, message) in &all.messages[usize::try_from(next - 1).unwrap()..] {
            mirror.apply(&feed::decode(message).unwrap()).unwrap();
        }
        assert_same(&mirror, &end);
    }
    assert!(numbers.is_sorted() && numbers[0] < *numbers.last().unwrap(), "{numbers:?}");
    drop(asleep);
    venue.stop().unwrap();
}

/// Whoever says more than a reader has to say is cut, and the others are served meanwhile.
#[test]
fn a_reader_that_floods_holds_up_nobody() {
    let folder = Folder::new();
    let any = "127.0.0.1:0".parse().unwrap();
    let open =
        Soup { listen: any, username: String::new(), password: String::new(), connections_max: 64 };
    let config = Config { glimpse: Some(open), ..config(&folder) };
    let venue = start(&config);
    for address in [venue.soup_addr().unwrap(), venue.glimpse_addr().unwrap()] {
        // Heartbeats, as many as the socket takes, until the venue has closed it.
        let (begun, begins) = channel();
        let flood = |_| {
            let mut out = Vec::new();
            SoupClient::new(SoupClientConfig::new(b"", b"", 1)).login(&mut out);
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_write_timeout(Some(PATIENCE)).unwrap();
            stream.write_all(&out).unwrap();
            let begun = begun.clone();
            std::thread::spawn(move || {
                let heartbeats = [0, 1, b'R'].repeat(20_000);
                let began = Instant::now();
                let mut writes = 0;
                while began.elapsed() < 2 * PATIENCE && stream.write_all(&heartbeats).is_ok() {
                    writes += 1;
                    if writes == 100 {
                        begun.send(()).unwrap();
                    }
                }
                if writes < 100 {
                    begun.send(()).unwrap();
                }
                began.elapsed() < 2 * PATIENCE
            })
        };
        let floods: Vec<_> = (0..2).map(flood).collect();
        floods.iter().for_each(|_| begins.recv().unwrap());
        let mut subscriber = Subscriber::connect(address, 1);
        subscriber.read_until(|got| got.messages.len() >= 5);
        for flood in floods {
            assert!(flood.join().unwrap(), "it is not cut");
        }
    }
    venue.stop().unwrap();
}

/// Between two messages there may be any amount of what is no message: nobody waits while it is read for one request.
#[test]
fn a_request_is_answered_with_what_is_near() {
    let folder = Folder::new();
    let (_socket, line_a) = line(11);
    let config = Config { mold: Some(mold(line_a, None)), ..config(&folder) };
    let venue = start(&config);
    let (mut peer, _) = Peer::log_on(venue.fix_addr(), "CLIENT1", 1);
    orders(&mut peer, (0, 3), &mut []);
    for n in 0..2_000 {
        peer.order(&format!("r{n}"), "1", "1", "0");
        if n % 50 == 49 {
            (0..50).for_each(|_| assert_eq!(peer.report().get(150), "8"));
        }
    }
    orders(&mut peer, (3, 6), &mut []);
    peer.log_out();
    venue.stop().unwrap();

    let venue = start(&config);
    let mut subscriber = Subscriber::connect(venue.soup_addr().unwrap(), 1);
    subscriber.read_until(|got| got.kinds().matches('A').count() == 6);
    let all = subscriber.messages;
    let asker = Asker::new(venue.requests_addr().unwrap(), subscriber.session.unwrap());
    let first = all.len() - 6;
    asker.ask(first as u64 + 1, 6);
    assert_eq!(asker.answer(), all[first..first + 3], "not what is far behind");
    asker.ask(first as u64 + 4, 6);
    assert_eq!(asker.answer(), all[first + 3..]);
    venue.stop().unwrap();
}
