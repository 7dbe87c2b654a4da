//! One TCP connection over loopback, driven by readiness as the acceptor drives it.

#![allow(clippy::unwrap_used)] // A test that cannot go on fails.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener as StdListener, TcpStream as StdStream};
use std::thread;
use std::time::Duration;

use gateway::connection::{Connection, Fill, Flush, INPUT_BYTES};
use mio::{Events, Interest, Poll, Token};

/// A connection, its poll, and the peer's blocking end.
struct Pair {
    connection: Connection,
    poll: Poll,
    peer: StdStream,
}

#[derive(Debug, Default)]
struct Ready {
    readable: bool,
    writable: bool,
    read_closed: bool,
}

impl Pair {
    fn new(output_bytes_max: usize) -> Pair {
        let listener = StdListener::bind("127.0.0.1:0").unwrap();
        let peer = StdStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        let stream = mio::net::TcpStream::from_std(stream);
        let mut connection = Connection::new(stream, output_bytes_max).unwrap();
        let poll = Poll::new().unwrap();
        let interest = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(connection.stream_mut(), Token(0), interest).unwrap();
        Pair { connection, poll, peer }
    }

    /// Waits for the next readiness; a test that would wait for ever fails.
    fn wait(&mut self) -> Ready {
        let mut events = Events::with_capacity(8);
        self.poll.poll(&mut events, Some(Duration::from_secs(20))).unwrap();
        let mut ready = Ready::default();
        for event in &events {
            ready.readable |= event.is_readable();
            ready.writable |= event.is_writable();
            ready.read_closed |= event.is_read_closed();
        }
        assert!(ready.readable || ready.writable || ready.read_closed, "nothing happens");
        ready
    }

    fn wait_readable(&mut self) -> Ready {
        loop {
            let ready = self.wait();
            if ready.readable || ready.read_closed {
                return ready;
            }
        }
    }

    fn take(&mut self) -> Vec<u8> {
        let bytes = self.connection.input().to_vec();
        self.connection.consume(bytes.len());
        bytes
    }
}

/// Bytes that show where they were dropped or repeated.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| u8::try_from((i * 7 + i / 251) % 251).unwrap()).collect()
}

#[test]
fn a_short_read_has_drained_the_socket() {
    let mut pair = Pair::new(1024);
    assert!(pair.connection.stream_mut().nodelay().unwrap());
    assert_eq!(pair.connection.fill().unwrap(), Fill::Drained);
    assert_eq!(pair.connection.input(), b"");
    pair.peer.write_all(b"hello").unwrap();
    pair.wait_readable();
    assert_eq!(pair.connection.fill().unwrap(), Fill::Drained);
    assert_eq!(pair.connection.input(), b"hello");
    pair.connection.consume(2);
    assert_eq!(pair.connection.input(), b"llo");
}

#[test]
fn a_flood_comes_through_whole_in_a_bounded_buffer() {
    let mut pair = Pair::new(1024);
    let sent = pattern(5_000_000);
    let flood = sent.clone();
    let mut peer = pair.peer.try_clone().unwrap();
    let writer = thread::spawn(move || {
        peer.write_all(&flood).unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
    });
    let (mut got, mut keep) = (Vec::new(), 0);
    'waiting: loop {
        if pair.wait_readable().read_closed {
            pair.connection.peer_ends();
        }
        loop {
            let fill = pair.connection.fill().unwrap();
            assert!(pair.connection.input().len() <= INPUT_BYTES);
            // A part of a message stays each time, of every length.
            keep = (keep + 997) % 8_192;
            let len = pair.connection.input().len();
            let whole = if fill == Fill::Closed { len } else { len.saturating_sub(keep) };
            got.extend_from_slice(&pair.connection.input()[..whole]);
            pair.connection.consume(whole);
            match fill {
                Fill::Data => {}
                Fill::Drained => break,
                Fill::Closed => break 'waiting,
            }
        }
    }
    writer.join().unwrap();
    assert!(got == sent, "bytes were lost, repeated or moved");
}

#[test]
fn a_full_buffer_that_nobody_consumes_stays_as_it_is() {
    let mut pair = Pair::new(1024);
    let sent = pattern(INPUT_BYTES + 1);
    let mut peer = pair.peer.try_clone().unwrap();
    let flood = sent.clone();
    let writer = thread::spawn(move || peer.write_all(&flood).unwrap());
    while pair.connection.input().len() < INPUT_BYTES {
        if pair.connection.fill().unwrap() == Fill::Drained {
            pair.wait_readable();
        }
    }
    writer.join().unwrap();
    assert_eq!(pair.connection.fill().unwrap(), Fill::Data);
    assert_eq!(pair.connection.input(), &sent[..INPUT_BYTES]);
    // One byte consumed makes room for one byte.
    pair.connection.consume(1);
    assert_eq!(pair.connection.fill().unwrap(), Fill::Data);
    assert_eq!(pair.connection.input(), &sent[1..]);
}

#[test]
fn the_end_is_seen_behind_the_last_bytes() {
    let mut pair = Pair::new(1024);
    pair.peer.write_all(b"last").unwrap();
    pair.peer.shutdown(Shutdown::Write).unwrap();
    while !pair.wait_readable().read_closed {}
    pair.connection.peer_ends();
    let mut fills = vec![pair.connection.fill().unwrap()];
    while fills.last() == Some(&Fill::Data) {
        fills.push(pair.connection.fill().unwrap());
    }
    assert_eq!(fills, [Fill::Data, Fill::Closed]);
    assert_eq!(pair.take(), b"last");
    // A peer that has shut its side can still be written to.
    pair.connection.output().extend_from_slice(b"bye");
    assert_eq!(pair.connection.flush().unwrap(), Flush::Done);
    let mut got = [0; 3];
    pair.peer.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"bye");
}

#[test]
fn a_peer_that_is_gone_is_an_error_and_no_panic() {
    let mut pair = Pair::new(1024);
    // Closed with bytes unread: the system answers with a reset.
    pair.connection.output().extend_from_slice(b"unread");
    assert_eq!(pair.connection.flush().unwrap(), Flush::Done);
    let mut first = [0; 1];
    pair.peer.read_exact(&mut first).unwrap();
    drop(pair.peer);
    loop {
        pair.connection.output().extend_from_slice(b"more");
        if pair.connection.flush().is_err() {
            break;
        }
        thread::yield_now();
    }
    assert!(!matches!(pair.connection.fill(), Ok(Fill::Data)));
}

#[test]
fn a_slow_peer_is_seen_at_its_bound_and_gets_its_bytes_in_order() {
    const MAX: usize = 256 * 1024;
    let mut pair = Pair::new(MAX);
    let (mut sent, chunk) = (Vec::new(), pattern(10_007));
    assert_eq!(pair.connection.room(), MAX);
    // Nobody reads: first the system's buffers fill, then ours.
    while !pair.connection.is_over() {
        pair.connection.output().extend_from_slice(&chunk);
        sent.extend_from_slice(&chunk);
        let left = pair.connection.flush().unwrap();
        assert_eq!(left == Flush::Done, pair.connection.waiting() == 0);
        assert_eq!(pair.connection.room(), MAX.saturating_sub(pair.connection.waiting()));
        assert!(pair.connection.waiting() <= MAX + chunk.len());
        assert!(sent.len() < 64 << 20, "loopback takes everything");
    }
    assert_eq!(pair.connection.room(), 0);
    // Had it been kept, it would get everything, once and in order.
    let mut peer = pair.peer.try_clone().unwrap();
    let len = sent.len();
    let reader = thread::spawn(move || {
        let mut got = vec![0; len];
        peer.read_exact(&mut got).unwrap();
        got
    });
    while pair.connection.flush().unwrap() == Flush::Blocked {
        while !pair.wait().writable {}
    }
    assert_eq!(pair.connection.waiting(), 0);
    assert!(reader.join().unwrap() == sent, "bytes were lost, repeated or moved");
    // The buffer of that time is given back.
    assert!(pair.connection.output().capacity() <= 128 * 1024);
}
