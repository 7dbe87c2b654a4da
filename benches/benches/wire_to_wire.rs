//! Order → ExecutionReport over loopback, beside a bare TCP echo with the same waits on the same CPUs.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Instant;

use benches::measure::{Bench, Sorted, Times, Unit, Value, on_cpu, pin};
use benches::rig::Folder;
use benches::trader::{Believed, Connection, Trader, nanos};
use venue::{Config, Durability, Layout, Venue, Wait};

/// Where the synced segments go: a folder of the build, so on a disk.
const DISK: &str = env!("CARGO_TARGET_TMPDIR");

/// Rounds of each side, venue and echo in turn.
const ROUNDS: usize = 5;

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
    let bench = Bench::new("wire_to_wire");
    for placement in PLACEMENTS {
        for (durability, orders) in [(Durability::Memory, 10_000), (Durability::Disk, 1_500)] {
            let what = if durability == Durability::Memory { "memory" } else { "disk" };
            let name = format!("wire_to_wire/{what}, {}", placement.name);
            if bench.wants(&name) {
                compare(&bench, &name, placement, durability, orders);
            }
        }
        let name = format!("wire_to_wire/tls, {}", placement.name);
        if bench.wants(&name) {
            compare_tls(&bench, &name, placement, 10_000);
        }
    }
}

/// The same venue with and without TLS, in turn.
fn compare_tls(bench: &Bench, name: &str, at: Placement, orders: usize) {
    let (mut tls, mut plain, mut added) = (Rows::default(), Rows::default(), Vec::new());
    for _ in 0..ROUNDS {
        let under = venue_round(at, Durability::Memory, orders, Over::Tls);
        let bare = venue_round(at, Durability::Memory, orders, Over::Tcp);
        added.push(Value::us(under.at(500).saturating_sub(bare.at(500))));
        tls.push(&under);
        plain.push(&bare);
    }
    tls.print(bench, name, "order to report");
    plain.print(bench, name, "without TLS");
    bench.figure(&format!("{name}, added to the median"), Unit::Us, added);
}

fn compare(bench: &Bench, name: &str, at: Placement, durability: Durability, orders: usize) {
    let (mut venue, mut echo, mut ratios) = (Rows::default(), Rows::default(), Vec::new());
    for _ in 0..ROUNDS {
        let order = venue_round(at, durability, orders, Over::Tcp);
        let bare = echo_round(at, orders);
        ratios.push(Value::ratio(order.at(500), bare.at(500)));
        venue.push(&order);
        echo.push(&bare);
    }
    venue.print(bench, name, "order to report");
    echo.print(bench, name, "echo");
    bench.figure(&format!("{name}, median to median"), Unit::Ratio, ratios);
}

/// Percentiles of the rounds.
#[derive(Default)]
struct Rows([Vec<Value>; 3]);

const PERCENTILES: [(&str, usize); 3] = [("p50", 500), ("p99", 990), ("p99.9", 999)];

impl Rows {
    fn push(&mut self, times: &Sorted) {
        for (row, (_, per_mille)) in self.0.iter_mut().zip(PERCENTILES) {
            row.push(Value::us(times.at(per_mille)));
        }
    }

    fn print(self, bench: &Bench, name: &str, what: &str) {
        for (row, (percentile, _)) in self.0.into_iter().zip(PERCENTILES) {
            bench.figure(&format!("{name}, {what}, {percentile}"), Unit::Us, row);
        }
    }
}

/// What the client speaks FIX over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Over {
    Tcp,
    Tls,
}

/// What comes in goes out: as long as an order, so as far as the network goes the least a venue can do.
fn echo_round(at: Placement, orders: usize) -> Sorted {
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
    let times = on_cpu(at.client_cpu, || echoes(address, at.wait, orders));
    server.join().expect("the server");
    times
}

fn echoes(address: SocketAddr, wait: Wait, orders: usize) -> Sorted {
    let mut connection = Connection::open(address, wait);
    let mut trader = Trader::new();
    let mut times = Times::with_capacity(orders);
    let warm_up = orders / 10;
    for index in 0..warm_up + orders {
        trader.order(index);
        let start = Instant::now();
        connection.write(&trader.out);
        while connection.filled < trader.out.len() {
            assert!(connection.read());
        }
        if index >= warm_up {
            times.push(nanos(start.elapsed()));
        }
        connection.filled = 0;
    }
    times.sorted()
}

/// Bids and offers of one lot at one price in turn: every offer trades with the bid before it.
fn venue_round(at: Placement, durability: Durability, orders: usize, over: Over) -> Sorted {
    let folder = Folder::on_disk(Path::new(DISK), "wire");
    let believed = Believed::new(folder.dir.parent().expect("a folder"));
    let mut config = Config {
        journal_dir: folder.dir.clone(),
        live_dir: Some(folder.live_dir.clone()),
        durability,
        layout: Layout::Joined,
        wait: at.wait,
        core_cpu: Some(at.server_cpu),
        ..config()
    };
    let any = config.fix.listen;
    config.fix.tls = (over == Over::Tls).then(|| (any, believed.files.clone()));
    let venue = Venue::start(&config).expect("a venue");
    let times = on_cpu(at.client_cpu, || {
        let connection = match venue.tls_addr() {
            Some(address) => believed.open(address, at.wait),
            None => Connection::open(venue.fix_addr(), at.wait),
        };
        trades(connection, orders)
    });
    venue.stop().expect("a clean end");
    times
}

fn trades(mut connection: Connection, orders: usize) -> Sorted {
    let mut trader = Trader::new();
    trader.log_on(&mut connection);
    let mut times = Times::with_capacity(orders);
    let warm_up = orders / 10;
    for index in 0..warm_up + orders {
        trader.order(index);
        let start = Instant::now();
        connection.write(&trader.out);
        let answered = trader.reports(&mut connection, index);
        if index >= warm_up {
            times.push(nanos(answered - start));
        }
    }
    times.sorted()
}

fn config() -> Config {
    let text = "[fix]\nlisten = \"127.0.0.1:0\"\n\
         [venue]\nsegment_mib = 16\n[journal]\nsnapshot_mib = 0\n\
         [itch.soup]\nlisten = \"127.0.0.1:0\"\n\
         [[instrument]]\nsymbol = \"VESTA\"\nprice_decimals = 2\ntick_size = \"0.01\"\n\
         qty_max = \"1000000\"\nprice_min = \"0.01\"\nprice_max = \"2000\"\n\
         [[session]]\ncomp_id = \"CLIENT1\"\nparticipant = \"FIRM1\"\n";
    Config::parse("bench", text).expect("a configuration")
}
