//! One TCP connection: bytes in, bytes out, both bounded, never waited for.

mod proof;

use std::io::{self, ErrorKind};

use mio::net::TcpStream;

use crate::network::Stream;

/// Bytes that came in and are not consumed, at most: eight of the longest FIX messages. Room for them is made as they come.
pub const INPUT_BYTES: usize = 64 * 1024;

/// Bytes waiting to be written, at most, unless configured otherwise.
pub const OUTPUT_BYTES_MAX: usize = 1024 * 1024;

/// A buffer for output larger than this is given back once it is empty.
const OUTPUT_BYTES_KEPT: usize = 128 * 1024;

/// What [`Connection::fill`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// The buffer is full and there may be more: consume, then fill again.
    Data,
    /// The socket has nothing more for now: consume, then wait for the next readiness.
    Drained,
    /// The peer has finished; what came before may still be consumed.
    Closed,
}

/// What [`Connection::flush`] left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// Everything is with the system.
    Done,
    /// The rest goes out when the socket is writable again; if [`Connection::is_over`] now, the peer does
    /// not read: cut it.
    Blocked,
}

/// A non-blocking stream with its two buffers.
///
/// Made for edge-triggered readiness: after a readable event, fill and consume until [`Fill::Drained`] or
/// [`Fill::Closed`]; after a writable event, or when a wake-up has written to [`Connection::output`],
/// flush once. One flush is at most one system call, for all bytes of the wake-up.
///
/// Bounds: 64 KiB in; out at most `output_bytes_max` plus what one wake-up writes ([`Connection::room`]
/// tells a resend where to pause). A connection that is quiet has 4 KiB for what comes in.
pub struct Connection<S = TcpStream> {
    stream: S,
    input: Box<[u8]>,
    /// `input[taken..filled]` came in and is not consumed.
    taken: usize,
    filled: usize,
    output: Vec<u8>,
    /// `output[..sent]` is with the system already.
    sent: usize,
    output_bytes_max: usize,
    ending: bool,
}

impl<S: Stream> Connection<S> {
    /// Takes over an accepted or connected stream and switches Nagle's algorithm off.
    ///
    /// # Errors
    ///
    /// If the system does not let us: the peer is gone already.
    pub fn new(stream: S, output_bytes_max: usize) -> io::Result<Connection<S>> {
        stream.no_delay()?;
        Ok(Connection {
            stream,
            input: vec![0; proof::INPUT_BYTES_FIRST].into_boxed_slice(),
            taken: 0,
            filled: 0,
            output: Vec::new(),
            sent: 0,
            output_bytes_max,
            ending: false,
        })
    }

    /// The stream, to register it and to ask its addresses. Nobody else reads or writes it.
    pub fn stream_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// The readiness event says that the peer has shut its side: the end comes after the data that is there,
    /// without an event of its own, so a short read no longer means [`Fill::Drained`].
    pub fn peer_ends(&mut self) {
        self.ending = true;
    }

    /// Reads once into the free part of the buffer.
    ///
    /// A read that does not fill it has drained the socket. With no free part it reads nothing and says
    /// [`Fill::Data`]: a caller whose messages are bounded well below [`INPUT_BYTES`] can always consume
    /// something.
    ///
    /// # Errors
    ///
    /// If the connection is broken: the peer is gone.
    pub fn fill(&mut self) -> io::Result<Fill> {
        self.compact();
        if self.filled == self.input.len() {
            return Ok(Fill::Data);
        }
        let more = match self.read() {
            Ok(0) => return Ok(Fill::Closed),
            Ok(_) => self.ending || self.filled == self.input.len(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => false,
            Err(error) => return Err(error),
        };
        self.grow();
        Ok(if more || self.stream.has_more() { Fill::Data } else { Fill::Drained })
    }

    /// The bytes that came in and are not consumed.
    #[must_use]
    pub fn input(&self) -> &[u8] {
        &self.input[self.taken..self.filled]
    }

    /// Drops the first `bytes` of [`Connection::input`].
    ///
    /// # Panics
    ///
    /// If there are not so many.
    pub fn consume(&mut self, bytes: usize) {
        assert!(bytes <= self.filled - self.taken);
        self.taken += bytes;
    }

    /// Where to append what the peer is to get.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// Bytes waiting to be written.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.output.len() - self.sent + self.stream.held()
    }

    /// Whether more is waiting than is allowed.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.waiting() > self.output_bytes_max
    }

    /// Bytes that may be appended before the peer counts as slow.
    #[must_use]
    pub fn room(&self) -> usize {
        self.output_bytes_max.saturating_sub(self.waiting())
    }

    /// Writes what is waiting, with one system call. A part taken means that the system's buffer is full.
    ///
    /// # Errors
    ///
    /// If the connection is broken: the peer is gone.
    pub fn flush(&mut self) -> io::Result<Flush> {
        if self.waiting() == 0 {
            return Ok(Flush::Done);
        }
        match self.write() {
            Ok(0) if self.sent < self.output.len() => return Err(ErrorKind::WriteZero.into()),
            Ok(_) => self.reclaim(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(if self.waiting() == 0 { Flush::Done } else { Flush::Blocked })
    }

    /// The one place that reads the stream.
    fn read(&mut self) -> io::Result<usize> {
        loop {
            match self.stream.read(&mut self.input[self.filled..]) {
                Ok(bytes) => {
                    self.filled += bytes;
                    return Ok(bytes);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The one place that writes the stream.
    fn write(&mut self) -> io::Result<usize> {
        loop {
            match self.stream.write(&self.output[self.sent..]) {
                Ok(bytes) => {
                    self.sent += bytes;
                    return Ok(bytes);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Moves what is not consumed to the front when that is free or needed.
    fn compact(&mut self) {
        if self.taken == self.filled {
            (self.taken, self.filled) = (0, 0);
        } else if self.taken > self.input.len() / 2 || self.filled == self.input.len() {
            self.input.copy_within(self.taken..self.filled, 0);
            (self.taken, self.filled) = (0, self.filled - self.taken);
        }
    }

    /// Drops what is with the system: all at once, or when it is the larger half, so that a slow peer
    /// costs a byte at most one move.
    fn reclaim(&mut self) {
        if self.sent == self.output.len() {
            self.output.clear();
            self.sent = 0;
            if self.output.capacity() > OUTPUT_BYTES_KEPT {
                self.output = Vec::new();
            }
        } else if self.sent > self.output.len() / 2 {
            self.output.drain(..self.sent);
            self.sent = 0;
        }
    }
}
