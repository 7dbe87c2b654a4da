//! A FIX client on our own session machine: logs on, sends a burst of orders, and hears everything exactly once, whatever
//! happens to the line meanwhile.
//!
//! ```text
//! cargo run -p tools --example trade -- HOST:PORT VERSION COMP_ID ORDERS        (VERSION: 4.2, 4.4 or 5.0sp2)
//! ```
//!
//! A line on stdout for each report, as it is told: ClOrdID, ExecID, ExecType. The machine has no socket and no clock: this
//! is the socket. A client that lives longer than its process keeps the numbers of the machine in a file.

use std::collections::BTreeSet;
use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use gateway::fix::client::{Client, ClientConfig, Health, Incoming};
use gateway::fix::decode::{DecodeError, Fields, decode};
use gateway::fix::{CompId, Version, tag};
use matcher::MsgSeqNum;
use venue::clock::now;

/// Reads at most so long before it is time for a heartbeat.
const PATIENCE: Duration = Duration::from_secs(1);

/// Connections, one after the other, before it gives up.
const CONNECTIONS_MAX: u32 = 20;

pub(crate) fn run(args: &[&str], out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    let [address, version, comp_id, orders] = *args else {
        return Err("usage: trade HOST:PORT VERSION COMP_ID ORDERS".into());
    };
    let version = match version {
        "4.2" => Version::Fix42,
        "4.4" => Version::Fix44,
        "5.0sp2" => Version::Fix50Sp2,
        other => return Err(format!("there is no version {other}").into()),
    };
    let mut client = Client::new(ClientConfig {
        version,
        sender: CompId::new(comp_id.as_bytes()).ok_or("no CompID")?,
        target: CompId::new(b"VESTA").ok_or("no CompID")?,
        username: None,
        password: None,
        heartbeat_s: 30,
        reset: false,
        next_out: MsgSeqNum(1),
        next_in: MsgSeqNum(1),
    });
    let ids = (0..orders.parse()?).map(|n: u32| format!("{comp_id}-{n}"));
    let mut unfilled: BTreeSet<String> = ids.collect();
    let mut outbox = Vec::new();
    for connection in 1.. {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        client.logon(now(), &mut outbox);
        if connection == 1 {
            // Orders may follow the Logon at once. What the line loses of them the venue asks for.
            for id in &unfilled {
                client.send(now(), b"D", |order| new_order(order, version, id), &mut outbox);
            }
        }
        match converse(&mut client, &mut stream, &mut outbox, &mut unfilled, out) {
            Ok(()) => return Ok(()),
            Err(error) if connection < CONNECTIONS_MAX => eprintln!("line {connection}: {error}"),
            Err(error) => return Err(error),
        }
        client.disconnected();
        outbox.clear();
    }
    Ok(())
}

fn new_order(order: &mut gateway::fix::Encoder<'_>, version: Version, id: &str) {
    order.bytes(tag::CL_ORD_ID, id.as_bytes());
    if version == Version::Fix42 {
        order.char(tag::HANDL_INST, b'1');
    }
    order.bytes(tag::SYMBOL, b"BTC-USD").char(tag::SIDE, b'1').utc(tag::TRANSACT_TIME, now());
    order.uint(tag::ORDER_QTY, 1).char(tag::ORD_TYPE, b'2').uint(tag::PRICE, 100);
    order.char(tag::TIME_IN_FORCE, b'0');
}

/// Speaks over one line until every order is filled.
fn converse(
    client: &mut Client,
    stream: &mut TcpStream,
    outbox: &mut Vec<u8>,
    unfilled: &mut BTreeSet<String>,
    out: &mut dyn Write,
) -> Result<(), Box<dyn Error>> {
    let (mut inbox, mut buffer, mut fields) = (Vec::new(), [0; 16 << 10], Fields::new());
    loop {
        stream.write_all(outbox)?;
        outbox.clear();
        match stream.read(&mut buffer) {
            Ok(0) => return Err("the venue closed the connection".into()),
            Ok(len) => inbox.extend_from_slice(&buffer[..len]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
        let mut used = 0;
        loop {
            // First what was kept while something in front of it was missing.
            let queued = client.next_queued();
            let bytes = queued.as_deref().unwrap_or(&inbox[used..]);
            let (message, len) = match decode(bytes, &mut fields) {
                Ok(decoded) => decoded,
                Err(DecodeError::Incomplete) => break,
                Err(error) => return Err(error.to_string().into()),
            };
            if queued.is_none() {
                used += len;
            }
            match client.receive(now(), &message, outbox) {
                Incoming::Application(report) => {
                    let text = |tag| String::from_utf8_lossy(report.get(tag).unwrap_or_default());
                    let (id, exec_id) = (text(tag::CL_ORD_ID), text(tag::EXEC_ID));
                    writeln!(out, "{id} {exec_id} {}", text(tag::EXEC_TYPE))?;
                    if text(tag::ORD_STATUS) == "2" {
                        unfilled.remove(&*id);
                    }
                }
                Incoming::Rejected(message) => return Err(format!("{message:?}").into()),
                Incoming::LoggedOut { text } => {
                    return Err(format!("logged out: {}", text.escape_ascii()).into());
                }
                Incoming::Broken(breach) => return Err(breach.to_string().into()),
                _ => {}
            }
        }
        inbox.drain(..used);
        if unfilled.is_empty() {
            client.logout(now(), outbox);
            stream.write_all(outbox)?;
            return Ok(());
        }
        if client.tick(now(), outbox) == Health::Silent {
            return Err("the venue is silent".into());
        }
    }
}

#[allow(dead_code)] // A test runs it from within.
fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    run(&args, &mut std::io::stdout())
}
