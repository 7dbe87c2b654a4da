//! Reference data: what a reader of the feed must know of the instruments, as a JSON and a CSV file and on a small port.
//!
//! The port speaks as much of HTTP as `curl` needs: GET and HEAD of two paths, one request a connection.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use feed::PriceScale;
use gateway::connection::{Connection, Fill, Flush};
use gateway::network::{Network, Ready, Sockets, Stream};
use matcher::{Instrument, Timestamp};
use serde::Serialize;

use crate::clock;
use crate::config::Config;
use crate::threads::{Fate, Sleeper};

/// The version of the files' layout: another one if a field goes or means something else.
const FORMAT: u32 = 1;

/// Connections at once, a request's bytes, and how long it and its answer may take.
const CONNECTIONS_MAX: usize = 64;
const REQUEST_BYTES_MAX: usize = 4 << 10;
const TIME_NS: u64 = 5_000_000_000;

/// Bytes that may wait for one client; an answer is longer only with thousands of instruments, and then goes piece by piece.
const OUTPUT_BYTES: usize = 64 << 10;

/// How often timers are looked at while somebody is connected.
const TICK: Duration = Duration::from_millis(200);

/// Both files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Counts what was in force, from 1.
    pub version: u64,
    /// The JSON file.
    pub json: String,
    /// The CSV file.
    pub csv: String,
}

#[derive(Serialize)]
struct Document<'a> {
    format: u32,
    version: u64,
    venue: &'a str,
    session: &'a str,
    instruments: &'a [Listed<'a>],
}

#[derive(Serialize)]
struct Listed<'a> {
    stock_locate: u32,
    stock: &'a str,
    currency: Option<&'a str>,
    price_decimals: u8,
    feed_price_decimals: u8,
    price_min: String,
    price_max: String,
    tick_table: [Tick; 1],
    qty_decimals: u8,
    lot_size: String,
    qty_min: String,
    qty_max: String,
}

/// From which price on which tick is in force.
#[derive(Serialize)]
struct Tick {
    price_from: String,
    tick_size: String,
    feed_tick_size: u64,
}

impl Reference {
    /// Of the instruments that are traded, for readers of the feed's session of this name.
    #[must_use]
    pub fn new(
        config: &Config,
        instruments: &[Instrument],
        session: &str,
        version: u64,
    ) -> Reference {
        let listed = (1..).zip(instruments).filter(|(_, it)| feed::Publisher::check(it).is_ok());
        let listed: Vec<Listed<'_>> = listed
            .map(|(stock_locate, it): (u32, &Instrument)| {
                let index = stock_locate as usize - 1;
                let currency = config.currencies.get(index).and_then(Option::as_deref);
                Listed::of(stock_locate, it, currency)
            })
            .collect();
        let document = Document {
            format: FORMAT,
            version,
            venue: &config.name,
            session,
            instruments: &listed,
        };
        let Ok(mut json) = serde_json::to_string_pretty(&document) else {
            unreachable!("numbers and text");
        };
        json.push('\n');
        let mut csv = String::from(
            "version,stock_locate,stock,currency,price_decimals,feed_price_decimals,price_min,price_max,\
             price_from,tick_size,feed_tick_size,qty_decimals,lot_size,qty_min,qty_max\n",
        );
        for it in &listed {
            let [tick] = &it.tick_table;
            let fields = [
                version.to_string(),
                it.stock_locate.to_string(),
                quoted(it.stock),
                quoted(it.currency.unwrap_or_default()),
                it.price_decimals.to_string(),
                it.feed_price_decimals.to_string(),
                it.price_min.clone(),
                it.price_max.clone(),
                tick.price_from.clone(),
                tick.tick_size.clone(),
                tick.feed_tick_size.to_string(),
                it.qty_decimals.to_string(),
                it.lot_size.clone(),
                it.qty_min.clone(),
                it.qty_max.clone(),
            ];
            csv.push_str(&fields.join(","));
            csv.push('\n');
        }
        Reference { version, json, csv }
    }

    /// The same with the version after the last one in `folder`, or with that one if nothing else is new; written there.
    ///
    /// # Errors
    ///
    /// If the folder or a file in it cannot be read or written.
    pub fn write(
        config: &Config,
        instruments: &[Instrument],
        session: &str,
        folder: &Path,
    ) -> io::Result<Reference> {
        let with = |version| Reference::new(config, instruments, session, version);
        std::fs::create_dir_all(folder)?;
        let path = |name: &str| folder.join(name);
        let read = |name: &str| match std::fs::read_to_string(path(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some),
        };
        let last = match read("version")? {
            None => 0,
            Some(text) => text.trim().parse().map_err(|_| {
                let what = format!("{} is no number", path("version").display());
                io::Error::new(io::ErrorKind::InvalidData, what)
            })?,
        };
        if last > 0 {
            let same = with(last);
            if read("instruments.json")?.as_ref() == Some(&same.json)
                && read("instruments.csv")?.as_ref() == Some(&same.csv)
            {
                return Ok(same);
            }
        }
        let reference = with(last + 1);
        // The number first: one that was used is never used again, whatever happens now.
        for (name, text) in [
            ("version", &format!("{}\n", reference.version)),
            ("instruments.json", &reference.json),
            ("instruments.csv", &reference.csv),
        ] {
            // Whoever reads sees the old one or the new one.
            let new = path(&format!("{name}.new"));
            std::fs::write(&new, text)?;
            std::fs::rename(&new, path(name))?;
        }
        Ok(reference)
    }
}

/// The folder of the files.
#[must_use]
pub fn folder(config: &Config) -> PathBuf {
    config.journal_dir.join("reference")
}

impl<'a> Listed<'a> {
    fn of(stock_locate: u32, it: &'a Instrument, currency: Option<&'a str>) -> Listed<'a> {
        let scale = PriceScale::new(it);
        let price =
            |ticks: i64| decimal(i128::from(ticks) * i128::from(it.tick_size), it.price_decimals);
        let qty = |lots: u64| decimal(i128::from(lots) * i128::from(it.lot_size), it.qty_decimals);
        let tick = Tick {
            price_from: price(it.price_min.ticks()),
            tick_size: price(1),
            feed_tick_size: scale.units_per_tick(),
        };
        Listed {
            stock_locate,
            stock: it.symbol.as_str(),
            currency,
            price_decimals: it.price_decimals,
            feed_price_decimals: scale.decimals(),
            price_min: price(it.price_min.ticks()),
            price_max: price(it.price_max.ticks()),
            tick_table: [tick],
            qty_decimals: it.qty_decimals,
            lot_size: qty(1),
            qty_min: qty(it.qty_min.lots()),
            qty_max: qty(it.qty_max.lots()),
        }
    }
}

fn decimal(mantissa: i128, decimals: u8) -> String {
    let (sign, places) = (if mantissa < 0 { "-" } else { "" }, usize::from(decimals));
    let digits = format!("{:0>width$}", mantissa.unsigned_abs(), width = places + 1);
    let (whole, rest) = digits.split_at(digits.len() - places);
    let point = if places == 0 { "" } else { "." };
    format!("{sign}{whole}{point}{rest}")
}

/// A field of a CSV file.
fn quoted(text: &str) -> String {
    if text.contains([',', '"']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.into()
    }
}

/// Answers requests for the files.
pub(crate) struct ReferenceLoop<N: Network = Sockets> {
    network: N,
    reference: Arc<Reference>,
    clients: Vec<Option<Client<N::Stream>>>,
    count: usize,
}

struct Client<S> {
    connection: Connection<S>,
    began: Timestamp,
    /// What of its answer is not in the connection's buffer yet.
    rest: Vec<u8>,
    answered: bool,
}

impl<N: Network> ReferenceLoop<N> {
    pub(crate) fn new(network: N, reference: Reference) -> ReferenceLoop<N> {
        let reference = Arc::new(reference);
        ReferenceLoop { network, reference, clients: Vec::new(), count: 0 }
    }

    pub(crate) fn addr(&self) -> Option<SocketAddr> {
        self.network.local_addr().ok()
    }

    fn round(&mut self, timeout: Duration) -> io::Result<()> {
        self.network.poll(Some(timeout))?;
        let now = clock::now();
        let (mut gone, mut wanted) = (Vec::new(), false);
        for ready in self.network.ready() {
            match ready {
                Ready::Listener => wanted = true,
                Ready::Joined => {}
                Ready::Peer { peer, readable, ends, .. } => {
                    let Some(Some(client)) = self.clients.get_mut(peer) else { continue };
                    if ends {
                        client.connection.peer_ends();
                    }
                    if !client.serve(readable, &self.reference) {
                        gone.push(peer);
                    }
                }
            }
        }
        let is_late = |client: &Client<N::Stream>| now.0.saturating_sub(client.began.0) > TIME_NS;
        for peer in 0..self.clients.len() {
            if self.clients[peer].as_ref().is_some_and(is_late) {
                gone.push(peer);
            }
        }
        for peer in gone {
            if let Some(mut client) = self.clients[peer].take() {
                self.network.forget(client.connection.stream_mut());
                self.count -= 1;
            }
        }
        if wanted {
            self.accept(now);
        }
        Ok(())
    }

    fn accept(&mut self, now: Timestamp) {
        while let Ok((stream, ..)) = self.network.accept() {
            if self.count >= CONNECTIONS_MAX {
                continue;
            }
            let Ok(mut connection) = Connection::new(stream, OUTPUT_BYTES) else { continue };
            let free = self.clients.iter().position(Option::is_none);
            let peer = free.unwrap_or(self.clients.len());
            if self.network.register(connection.stream_mut(), peer).is_err() {
                continue;
            }
            let client = Some(Client { connection, began: now, rest: Vec::new(), answered: false });
            self.count += 1;
            match self.clients.get_mut(peer) {
                Some(place) => *place = client,
                None => self.clients.push(client),
            }
        }
    }
}

impl ReferenceLoop {
    pub(crate) fn sleeper(&self) -> io::Result<Arc<Sleeper>> {
        Ok(Sleeper::in_poll(self.network.waker()?))
    }

    /// Goes on until the venue stops.
    pub(crate) fn run(mut self, fate: &Fate, stop: &Sleeper) -> Result<(), String> {
        while !fate.is_stopping() {
            stop.doze();
            let timeout = match () {
                () if fate.is_stopping() => Duration::ZERO,
                () if self.count > 0 => TICK,
                () => Duration::from_secs(1),
            };
            self.round(timeout).map_err(|error| format!("poll failed: {error}"))?;
            stop.rise();
        }
        Ok(())
    }
}

impl<S: Stream> Client<S> {
    /// Reads and answers; `false`: the connection is over.
    fn serve(&mut self, readable: bool, reference: &Reference) -> bool {
        let mut ends = false;
        while readable && !self.answered {
            let Ok(fill) = self.connection.fill() else { return false };
            let input = self.connection.input();
            if let Some(head) = head(input) {
                self.rest = answer(head, reference);
                self.answered = true;
            } else if input.len() > REQUEST_BYTES_MAX {
                self.rest = status("431 Request Header Fields Too Large");
                self.answered = true;
            }
            match fill {
                Fill::Data => {}
                Fill::Drained => break,
                Fill::Closed => {
                    ends = true;
                    break;
                }
            }
        }
        if !self.answered {
            return !ends;
        }
        loop {
            let room = OUTPUT_BYTES.saturating_sub(self.connection.waiting()).min(self.rest.len());
            self.connection.output().extend(self.rest.drain(..room));
            match self.connection.flush() {
                // Our end of it is over; the client's comes when it has read it.
                Ok(Flush::Done) if self.rest.is_empty() => return false,
                Ok(Flush::Done) => {}
                Ok(Flush::Blocked) => return true,
                Err(_) => return false,
            }
        }
    }
}

/// The head of a request, once it is there.
fn head(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some(&bytes[..end])
}

fn answer(head: &[u8], reference: &Reference) -> Vec<u8> {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let (Some(method), Some(path), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return status("400 Bad Request");
    };
    if !version.starts_with(b"HTTP/1.") {
        return status("400 Bad Request");
    }
    if method != b"GET" && method != b"HEAD" {
        return status("405 Method Not Allowed");
    }
    let (kind, body) = match path {
        b"/instruments.json" => ("application/json", &reference.json),
        b"/instruments.csv" => ("text/csv; charset=us-ascii", &reference.csv),
        _ => return status("404 Not Found"),
    };
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nETag: \"{}\"\r\n\
         Connection: close\r\n\r\n",
        body.len(),
        reference.version
    );
    if method == b"GET" {
        answer.push_str(body);
    }
    answer.into_bytes()
}

fn status(status: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").into_bytes()
}
