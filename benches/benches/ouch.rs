//! OUCH over loopback: order → Accepted beside a bare TCP echo of the same bytes, and how many messages one gateway thread takes
//! into the journal and answers.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Instant;

use benches::measure::{Bench, Sorted, Times, Unit, Value, on_cpu, pin};
use benches::rig::Folder;
use benches::trader::{Connection, nanos};
use gateway::ouch::{Cancel, Enter, Options};
use gateway::soup::{SoupClient, SoupClientConfig, SoupClientEvent};
use matcher::Timestamp;
use venue::{Config, Durability, Layout, Venue, Wait};

/// Where the synced segments go: a folder of the build, so on a disk.
const DISK: &str = env!("CARGO_TARGET_TMPDIR");

/// Rounds of each side, venue and echo in turn.
const ROUNDS: usize = 5;

/// Orders of a round of one in flight.
const ORDERS: usize = 10_000;

/// Messages of a round of many in flight: an order and its cancel in turn.
const MESSAGES: usize = 2_000_000;

/// Bytes that a client hands the kernel at once.
const WRITE_BYTES: usize = 32 << 10;

/// How both sides wait and where they are.
#[derive(Clone, Copy)]
struct Placement {
    name: &'static str,
    wait: Wait,
    server_cpu: usize,
    client_cpu: usize,
}

const PLACEMENTS: [Placement; 3] = [
    Placement { name: "spin, a CPU each", wait: Wait::Spin, server_cpu: 0, client_cpu: 1 },
    Placement { name: "park, one CPU", wait: Wait::Park, server_cpu: 0, client_cpu: 0 },
    Placement { name: "park, a CPU each", wait: Wait::Park, server_cpu: 0, client_cpu: 1 },
];

fn main() {
    let bench = Bench::new("ouch");
    for placement in PLACEMENTS {
        let name = format!("ouch/{}", placement.name);
        if bench.wants(&name) {
            compare(&bench, &name, placement);
        }
    }
    let name = "ouch/messages taken, journaled and answered";
    if bench.wants(name) {
        let rates = (0..ROUNDS).map(|_| {
            let at = PLACEMENTS[0];
            venue_round(at, flood)
        });
        bench.figure(name, Unit::MillionsPerSecond, rates.collect());
    }
}

fn compare(bench: &Bench, name: &str, at: Placement) {
    let (mut venue, mut echo, mut ratios) = ([vec![], vec![]], [vec![], vec![]], Vec::new());
    for _ in 0..ROUNDS {
        let order = venue_round(at, answers);
        let bare = echo_round(at);
        ratios.push(Value::ratio(order.at(500), bare.at(500)));
        for (rows, times) in [(&mut venue, &order), (&mut echo, &bare)] {
            rows[0].push(Value::us(times.at(500)));
            rows[1].push(Value::us(times.at(990)));
        }
    }
    for (what, rows) in [("order to accepted", venue), ("echo", echo)] {
        for (row, percentile) in rows.into_iter().zip(["p50", "p99"]) {
            bench.figure(&format!("{name}, {what}, {percentile}"), Unit::Us, row);
        }
    }
    bench.figure(&format!("{name}, median to median"), Unit::Ratio, ratios);
}

/// A client's side of SoupBinTCP, and what it sends.
struct Trader {
    soup: SoupClient,
    out: Vec<u8>,
    message: Vec<u8>,
}

impl Trader {
    fn new() -> Trader {
        let soup = SoupClient::new(SoupClientConfig::new(b"maker", b"", 1));
        Trader { soup, out: Vec::new(), message: Vec::with_capacity(64) }
    }

    fn log_in(&mut self, connection: &mut Connection) {
        self.soup.login(&mut self.out);
        connection.write(&self.out);
        self.out.clear();
        // The answer, and the beginning of the day.
        self.hear(connection, 1);
    }

    /// Bids and offers of one lot at one price in turn: every offer trades with the bid before it.
    fn put_order(&mut self, user_ref_num: u32) {
        let side = if user_ref_num.is_multiple_of(2) { b'S' } else { b'B' };
        self.put(Enter {
            user_ref_num,
            side,
            quantity: 1,
            symbol: *b"VESTA   ",
            price: 1_000_000,
            time_in_force: b'0',
            display: b'Y',
            capacity: b'P',
            iso: b'N',
            cross_type: b'N',
            cl_ord_id: *b"order         ",
            options: Options::default(),
        });
    }

    fn put(&mut self, order: Enter) {
        self.message.clear();
        order.encode(&mut self.message);
        self.soup.unsequenced(&self.message, &mut self.out);
    }

    fn put_cancel(&mut self, user_ref_num: u32) {
        self.message.clear();
        Cancel { user_ref_num, quantity: 0, options: Options::default() }.encode(&mut self.message);
        self.soup.unsequenced(&self.message, &mut self.out);
    }

    /// Reads until so many numbered messages have come; says when the first of them was there.
    fn hear(&mut self, connection: &mut Connection, messages: usize) -> Instant {
        let (mut heard, mut first) = (0, None);
        loop {
            heard += self.take(connection);
            if heard > 0 {
                first.get_or_insert_with(Instant::now);
            }
            if heard >= messages {
                return first.unwrap_or_else(Instant::now);
            }
            assert!(connection.read(), "the venue has closed");
        }
    }

    /// Numbered messages among the bytes that have come.
    fn take(&mut self, connection: &mut Connection) -> usize {
        let (mut heard, mut taken) = (0, 0);
        loop {
            let bytes = &connection.bytes[taken..connection.filled];
            let received = self.soup.receive(Timestamp(0), bytes);
            taken += received.consumed;
            match received.event {
                Some(SoupClientEvent::Sequenced { message, .. }) => {
                    assert!(message[0] != b'J', "an order was refused");
                    heard += 1;
                }
                Some(SoupClientEvent::Close(close)) => panic!("{close}"),
                Some(_) => {}
                None => break,
            }
        }
        connection.bytes.copy_within(taken..connection.filled, 0);
        connection.filled -= taken;
        heard
    }
}

/// One order in flight, each of which is answered by Accepted; every second one trades with the one before.
fn answers(mut connection: Connection, mut trader: Trader) -> Sorted {
    let mut times = Times::with_capacity(ORDERS);
    let warm_up = ORDERS / 10;
    for index in 0..warm_up + ORDERS {
        let user_ref_num = u32::try_from(index + 1).expect("so many");
        trader.out.clear();
        trader.put_order(user_ref_num);
        let start = Instant::now();
        connection.write(&trader.out);
        // Accepted comes first; of a trade there are two more.
        let answered =
            trader.hear(&mut connection, if user_ref_num.is_multiple_of(2) { 3 } else { 1 });
        if index >= warm_up {
            times.push(nanos(answered - start));
        }
    }
    times.sorted()
}

/// As many in flight as the buffers hold: how many a second are taken, journaled and answered.
fn flood(mut connection: Connection, mut trader: Trader) -> Value {
    let mut all = Vec::with_capacity(48 * MESSAGES);
    for pair in 0..MESSAGES / 2 {
        let user_ref_num = u32::try_from(2 * pair + 1).expect("so many");
        trader.put_order(user_ref_num);
        trader.put_cancel(user_ref_num);
        all.append(&mut trader.out);
    }
    let (mut heard, mut sent) = (0, 0);
    let start = Instant::now();
    while heard < MESSAGES {
        if sent < all.len() {
            let chunk = &all[sent..all.len().min(sent + WRITE_BYTES)];
            sent += connection.write_some(chunk);
        }
        assert!(connection.read_some(), "the venue has closed");
        heard += trader.take(&mut connection);
    }
    Value::millions_per_second(start.elapsed(), MESSAGES as u64)
}

fn venue_round<T: Send>(at: Placement, round: impl FnOnce(Connection, Trader) -> T + Send) -> T {
    let folder = Folder::on_disk(Path::new(DISK), "ouch");
    let config = Config {
        journal_dir: folder.dir.clone(),
        live_dir: Some(folder.live_dir.clone()),
        durability: Durability::Memory,
        layout: Layout::Joined,
        wait: at.wait,
        core_cpu: Some(at.server_cpu),
        ..config()
    };
    let venue = Venue::start(&config).expect("a venue");
    let address = venue.ouch_addr().expect("a port");
    let result = on_cpu(at.client_cpu, || {
        let (mut connection, mut trader) = (Connection::open(address, at.wait), Trader::new());
        trader.log_in(&mut connection);
        round(connection, trader)
    });
    venue.stop().expect("a clean end");
    result
}

/// What comes in goes out: an order's bytes, so as far as the network goes the least a venue can do.
fn echo_round(at: Placement) -> Sorted {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = std::thread::spawn(move || {
        pin(at.server_cpu);
        let mut peer = Connection::new(listener.accept().expect("the client").0, at.wait);
        while peer.read() {
            let bytes = std::mem::take(&mut peer.bytes);
            peer.write(&bytes[..peer.filled]);
            (peer.bytes, peer.filled) = (bytes, 0);
        }
    });
    let times = on_cpu(at.client_cpu, || echoes(address, at.wait));
    server.join().expect("the server");
    times
}

fn echoes(address: SocketAddr, wait: Wait) -> Sorted {
    let mut connection = Connection::open(address, wait);
    let bytes = [b'x'; 50];
    let mut times = Times::with_capacity(ORDERS);
    let warm_up = ORDERS / 10;
    for index in 0..warm_up + ORDERS {
        let start = Instant::now();
        connection.write(&bytes);
        while connection.filled < bytes.len() {
            assert!(connection.read());
        }
        if index >= warm_up {
            times.push(nanos(start.elapsed()));
        }
        connection.filled = 0;
    }
    times.sorted()
}

fn config() -> Config {
    let text = "[fix]\nlisten = \"127.0.0.1:0\"\nout_buffer_kib = 4096\n[ouch]\nlisten = \"127.0.0.1:0\"\n\
         [venue]\nsegment_mib = 64\n[journal]\nsnapshot_mib = 0\n\
         [[instrument]]\nsymbol = \"VESTA\"\nprice_decimals = 2\ntick_size = \"0.01\"\n\
         qty_max = \"1000000\"\nprice_min = \"0.01\"\nprice_max = \"2000\"\n\
         [[session]]\ncomp_id = \"MAKER\"\nparticipant = \"MM\"\nprotocol = \"ouch\"\nusername = \"maker\"\n";
    Config::parse("bench", text).expect("a configuration")
}
