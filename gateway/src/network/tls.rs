//! TLS 1.3 between a socket and a connection: plain bytes on one side, records on the other, both bounded.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::{ServerConfig, ServerConnection};

use super::Stream;

/// Bytes that are sealed at once.
const SEALED_BYTES_MAX: usize = 64 * 1024;

/// The kernel's socket, as it is or under TLS.
pub enum Socket {
    /// As it is.
    Plain(TcpStream),
    /// Under TLS.
    Tls(Box<Tls>),
}

/// The server's end of a TLS connection.
pub struct Tls {
    socket: TcpStream,
    tls: ServerConnection,
    /// Records for the socket.
    sealed: Vec<u8>,
    /// `sealed[..sent]` is with the system already.
    sent: usize,
}

impl Socket {
    pub(super) fn new(socket: TcpStream, tls: Option<&Arc<ServerConfig>>) -> io::Result<Socket> {
        let Some(config) = tls else { return Ok(Socket::Plain(socket)) };
        let mut tls = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
        tls.set_buffer_limit(Some(SEALED_BYTES_MAX));
        Ok(Socket::Tls(Box::new(Tls { socket, tls, sealed: Vec::new(), sent: 0 })))
    }

    pub(super) fn tcp_mut(&mut self) -> &mut TcpStream {
        match self {
            Socket::Plain(socket) => socket,
            Socket::Tls(tls) => &mut tls.socket,
        }
    }
}

impl Read for Socket {
    #[inline]
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Plain(socket) => socket.read(out),
            Socket::Tls(tls) => tls.read(out),
        }
    }
}

impl Write for Socket {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Plain(socket) => socket.write(bytes),
            Socket::Tls(tls) => tls.write(bytes),
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
        }
    }

    #[inline]
    fn held(&self) -> usize {
        match self {
            Socket::Plain(_) => 0,
            Socket::Tls(tls) => tls.sealed.len() - tls.sent + usize::from(tls.tls.wants_write()),
        }
    }

    fn certificate(&self) -> Option<&[u8]> {
        match self {
            Socket::Plain(_) => None,
            Socket::Tls(tls) => Some(tls.tls.peer_certificates()?.first()?.as_ref()),
        }
    }
}

impl Tls {
    /// Reads until `out` is full or the socket has no more: a short read means a drained socket, as it does
    /// without TLS.
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        loop {
            match self.tls.reader().read(&mut out[filled..]) {
                // The peer has said that nothing more comes.
                Ok(0) => return Ok(filled),
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // It has gone without saying so: whether that was an end is for FIX to say.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(filled),
                Err(error) => return Err(error),
            }
            if filled == out.len() {
                return Ok(filled);
            }
            match self.tls.read_tls(&mut self.socket) {
                // The reader says next that this was the end.
                Ok(_) => self.open_records()?,
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
        match sent {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
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
