//! A line between a client and a venue that can break.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// After how many bytes a connection breaks, in the middle of a message or not.
#[derive(Clone, Copy)]
pub(crate) enum Cut {
    /// From the client.
    Asked(usize),
    /// From the venue.
    Told(usize),
}

/// Who sent something over a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Client,
    Venue,
}

/// What went over a line, in its order.
pub(crate) type Record = Arc<Mutex<Vec<(By, Vec<u8>)>>>;

/// Relays what comes to a port of its own.
pub(crate) struct Line {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Line {
    /// To `venue`: one connection breaks as each of `cuts` says, those after them stay. Gone with the process.
    pub(crate) fn new(venue: SocketAddr, cuts: &'static [Cut]) -> Line {
        Line::with(venue, cuts, None)
    }

    /// One that does not break, and keeps what goes over it.
    pub(crate) fn recording(venue: SocketAddr) -> (Line, Record) {
        let record = Record::default();
        (Line::with(venue, &[], Some(Arc::clone(&record))), record)
    }

    fn with(venue: SocketAddr, cuts: &'static [Cut], record: Option<Record>) -> Line {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let cut = cuts.get(count.fetch_add(1, Ordering::SeqCst)).copied();
                let Ok(venue) = TcpStream::connect(venue) else { continue };
                let (asked, told) = match cut {
                    Some(Cut::Asked(bytes)) => (bytes, usize::MAX),
                    Some(Cut::Told(bytes)) => (usize::MAX, bytes),
                    None => (usize::MAX, usize::MAX),
                };
                relay(&client, &venue, asked, record.clone().map(|record| (By::Client, record)));
                relay(&venue, &client, told, record.clone().map(|record| (By::Venue, record)));
            }
        });
        Line { address, connections }
    }

    /// Connections that there were.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Passes on what comes from one end; both end with it, or after so many bytes.
fn relay(from: &TcpStream, to: &TcpStream, most: usize, record: Option<(By, Record)>) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    thread::spawn(move || {
        let (mut buffer, mut left) = ([0; 4096], most);
        while left > 0
            && let Ok(read @ 1..) = from.read(&mut buffer)
        {
            let passed = read.min(left);
            left -= passed;
            // Before it can be answered.
            if let Some((by, record)) = &record {
                record.lock().unwrap().push((*by, buffer[..passed].to_vec()));
            }
            if to.write_all(&buffer[..passed]).is_err() {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    });
}
