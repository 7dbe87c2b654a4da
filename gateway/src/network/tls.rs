//! TLS 1.3 between a socket and a connection: plain bytes on one side, records on the other, both bounded.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::{ServerConfig, ServerConnection};

use super::Stream;
use super::handshakes::Shaking;

/// Bytes that are sealed at once.
const SEALED_BYTES_MAX: usize = 64 * 1024;

/// Bytes of records that may come without any data in them: twice the longest record, which may come in pieces.
const WITHOUT_DATA_BYTES_MAX: usize = 32 * 1024;

/// Reads of the socket that may bring no data before others have their turn.
const READS_WITHOUT_DATA: usize = 4;

/// The kernel's socket, as it is or under TLS.
pub enum Socket {
    /// As it is.
    Plain(TcpStream),
    /// Under TLS.
    Tls(Box<Tls>),
    /// Not yet under TLS: another thread shakes hands.
    Shaking(Shaking),
}

/// The server's end of a TLS connection.
pub struct Tls {
    pub(super) socket: TcpStream,
    tls: ServerConnection,
    /// Records for the socket.
    sealed: Vec<u8>,
    /// `sealed[..sent]` is with the system already.
    sent: usize,
    /// Bytes of records since the last that had data.
    without_data: usize,
    /// The last read stopped although there may be more.
    more: bool,
}

impl Socket {
    /// The kernel's socket, where it is not with another thread.
    pub(super) fn tcp_mut(&mut self) -> Option<&mut TcpStream> {
        match self {
            Socket::Plain(socket) => Some(socket),
            Socket::Tls(tls) => Some(&mut tls.socket),
            Socket::Shaking(_) => None,
        }
    }

    /// Takes what the other thread has made of a handshake.
    #[cold]
    fn settle(&mut self) -> io::Result<()> {
        if let Socket::Shaking(shaking) = self {
            *self = Socket::Tls(shaking.take()?);
        }
        Ok(())
    }
}

impl Read for Socket {
    #[inline]
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Plain(socket) => socket.read(out),
            Socket::Tls(tls) => tls.read(out),
            Socket::Shaking(_) => {
                self.settle()?;
                self.read(out)
            }
        }
    }
}

impl Write for Socket {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Plain(socket) => socket.write(bytes),
            Socket::Tls(tls) => tls.write(bytes),
            Socket::Shaking(_) => Err(ErrorKind::WouldBlock.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Socket {
    fn no_delay(&self) -> io::Result<()> {
        match self {
            Socket::Plain(socket) => socket.set_nodelay(true),
            Socket::Tls(tls) => tls.socket.set_nodelay(true),
            // Its socket was told when it was taken.
            Socket::Shaking(_) => Ok(()),
        }
    }

    #[inline]
    fn held(&self) -> usize {
        match self {
            Socket::Plain(_) | Socket::Shaking(_) => 0,
            Socket::Tls(tls) => tls.sealed.len() - tls.sent + usize::from(tls.tls.wants_write()),
        }
    }

    #[inline]
    fn has_more(&self) -> bool {
        matches!(self, Socket::Tls(tls) if tls.more)
    }

    fn certificate(&self) -> Option<&[u8]> {
        match self {
            Socket::Plain(_) | Socket::Shaking(_) => None,
            Socket::Tls(tls) => Some(tls.tls.peer_certificates()?.first()?.as_ref()),
        }
    }
}

impl Tls {
    /// The server's end of `socket`, at the start of a handshake.
    pub(super) fn new(socket: TcpStream, config: &Arc<ServerConfig>) -> io::Result<Tls> {
        let mut tls = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
        tls.set_buffer_limit(Some(SEALED_BYTES_MAX));
        Ok(Tls { socket, tls, sealed: Vec::new(), sent: 0, without_data: 0, more: false })
    }

    /// Goes on with the handshake as far as the socket has bytes; says whether it is over.
    pub(super) fn shake(&mut self) -> io::Result<bool> {
        while self.tls.is_handshaking() {
            match self.tls.read_tls(&mut self.socket) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(_) => self.open_records()?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.send().or_else(or_blocked)?;
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Reads until `out` is full or the socket has no more: a short read means a drained socket, as it does
    /// without TLS, unless it [`Stream::has_more`].
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let (mut filled, mut reads) = (0, 0);
        self.more = false;
        loop {
            match self.tls.reader().read(&mut out[filled..]) {
                // The peer has said that nothing more comes.
                Ok(0) => return Ok(filled),
                Ok(read) => {
                    filled += read;
                    (self.without_data, reads) = (0, 0);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // It has gone without saying so: whether that was an end is for FIX to say.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(filled),
                Err(error) => return Err(error),
            }
            if filled == out.len() {
                return Ok(filled);
            }
            // Records without data could go on for ever.
            self.more = reads == READS_WITHOUT_DATA;
            let read = match self.more {
                true => Err(ErrorKind::WouldBlock.into()),
                false => self.tls.read_tls(&mut self.socket),
            };
            match read {
                // The reader says next that this was the end.
                Ok(bytes) => {
                    self.open_records()?;
                    (self.without_data, reads) = (self.without_data + bytes, reads + 1);
                    if self.without_data > WITHOUT_DATA_BYTES_MAX {
                        return Err(io::Error::new(ErrorKind::InvalidData, "records without data"));
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock && filled > 0 => {
                    return Ok(filled);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Opens what came in, and answers what of the handshake asks for an answer.
    fn open_records(&mut self) -> io::Result<()> {
        let opened = self.tls.process_new_packets();
        // Also the alert that says what was wrong.
        let sent = self.send();
        opened.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        sent.or_else(or_blocked)
    }

    /// Seals and sends until everything is taken or the socket takes no more. What it did not take is held, and
    /// nothing is taken while something is.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.send()?;
        let mut taken = 0;
        while taken < bytes.len() {
            taken += self.tls.writer().write(&bytes[taken..])?;
            match self.send() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                sent => sent?,
            }
        }
        Ok(taken)
    }

    /// One system call for all records that are ready, if the socket takes them.
    fn send(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.sealed)?;
        }
        while self.sent < self.sealed.len() {
            match self.socket.write(&self.sealed[self.sent..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(sent) => self.sent += sent,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.sealed.clear();
        self.sent = 0;
        if self.sealed.capacity() > 2 * SEALED_BYTES_MAX {
            self.sealed = Vec::new();
        }
        Ok(())
    }
}

fn or_blocked(error: io::Error) -> io::Result<()> {
    if error.kind() == ErrorKind::WouldBlock { Ok(()) } else { Err(error) }
}
