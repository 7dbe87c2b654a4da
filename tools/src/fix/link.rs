//! A connection of the terminal client, with TLS or without, and what is typed, in one wait.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::failure::Failure;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// How long the venue may take no byte, or keep half a record back.
const STUCK: Duration = Duration::from_secs(10);

/// Whom a client trusts under TLS, and what the venue's certificate says.
#[derive(Clone)]
pub(super) struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Tls {
    /// `file` has the certificates of the issuers, or the venue's own, as PEM.
    pub(super) fn new(file: &Path, name: &str) -> Result<Tls, Failure> {
        let unusable =
            |what: &dyn std::fmt::Display| Failure::usage(format!("{}: {what}", file.display()));
        let text = fs::read(file).map_err(|error| unusable(&error))?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&text) {
            let certificate = certificate.map_err(|error| unusable(&error))?;
            roots.add(certificate).map_err(|error| unusable(&error))?;
        }
        if roots.is_empty() {
            return Err(unusable(&"no certificate in it"));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(Failure::failed)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| Failure::usage(format!("{name} is no name of a server")))?;
        Ok(Tls { config: Arc::new(config), name })
    }
}

/// One connection.
pub(super) enum Link {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// What there is to read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ready {
    pub(super) venue: bool,
    pub(super) typed: bool,
}

impl Link {
    pub(super) fn connect(address: SocketAddr, tls: Option<&Tls>) -> io::Result<Link> {
        let stream = TcpStream::connect_timeout(&address, CONNECT)?;
        // Without it a small order waits for the acknowledgement of the one before.
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(STUCK))?;
        stream.set_write_timeout(Some(STUCK))?;
        let Some(tls) = tls else { return Ok(Link::Plain(stream)) };
        let connection = ClientConnection::new(Arc::clone(&tls.config), tls.name.clone());
        let mut stream = StreamOwned::new(connection.map_err(io::Error::other)?, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Link::Tls(Box::new(stream)))
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Link::Plain(stream) => stream.write_all(bytes),
            Link::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        }
    }

    /// Reads what there is, which may be nothing; an end of the connection is an error.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let ended = || Err(ErrorKind::UnexpectedEof.into());
        let tls = match self {
            Link::Plain(stream) => {
                let read = stream.read(buffer)?;
                return if read == 0 { ended() } else { Ok(read) };
            }
            Link::Tls(stream) => &mut **stream,
        };
        if tls.conn.process_new_packets().map_err(invalid)?.plaintext_bytes_to_read() == 0 {
            // Not through the stream, which would wait until there is a whole record of ours.
            if tls.conn.read_tls(&mut tls.sock)? == 0 {
                return ended();
            }
            tls.conn.process_new_packets().map_err(invalid)?;
        }
        while tls.conn.wants_write() {
            tls.conn.write_tls(&mut tls.sock)?;
        }
        match tls.conn.reader().read(buffer) {
            Ok(0) => ended(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            other => other,
        }
    }

    /// Whether bytes were taken from the socket and not read.
    fn holds(&mut self) -> bool {
        match self {
            Link::Plain(_) => false,
            Link::Tls(stream) => stream
                .conn
                .process_new_packets()
                .is_ok_and(|state| state.plaintext_bytes_to_read() > 0),
        }
    }

    /// Waits until the venue says something or, if `typing`, somebody types, at most so long.
    pub(super) fn wait(&mut self, typing: bool, most: Duration) -> io::Result<Ready> {
        if self.holds() {
            return Ok(Ready { venue: true, typed: false });
        }
        let socket = match self {
            Link::Plain(stream) => stream,
            Link::Tls(stream) => &stream.sock,
        };
        let (socket, stdin) = (PollFd::new(socket, PollFlags::IN), io::stdin());
        let mut sources = vec![socket];
        if typing {
            sources.push(PollFd::new(&stdin, PollFlags::IN));
        }
        let most =
            Timespec { tv_sec: most.as_secs().cast_signed(), tv_nsec: most.subsec_nanos().into() };
        match poll(&mut sources, Some(&most)) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(Ready::default()),
            Err(error) => return Err(error.into()),
        }
        let is_ready = |at: usize| sources.get(at).is_some_and(|it| !it.revents().is_empty());
        Ok(Ready { venue: is_ready(0), typed: is_ready(1) })
    }
}

fn invalid(error: rustls::Error) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}

/// Lines of stdin, without a wait for more than there is.
#[derive(Default)]
pub(super) struct Typed {
    bytes: Vec<u8>,
    ended: bool,
}

/// A line longer than this is no command.
const LINE_BYTES_MAX: usize = 4_096;

impl Typed {
    /// Whether there is nothing more to come.
    pub(super) fn is_over(&self) -> bool {
        self.ended && self.bytes.is_empty()
    }

    /// Whether to wait for more.
    pub(super) fn wants_more(&self) -> bool {
        !self.ended
    }

    /// Reads what there is.
    pub(super) fn fill(&mut self) -> io::Result<()> {
        let mut buffer = [0; 4096];
        // Not through `Stdin`, which keeps lines back that a poll then does not tell of.
        let read = rustix::io::retry_on_intr(|| rustix::io::read(io::stdin(), &mut buffer))?;
        self.ended = read == 0;
        self.bytes.extend_from_slice(&buffer[..read]);
        let lines = self.bytes.split(|byte| *byte == b'\n');
        if lines.into_iter().any(|line| line.len() > LINE_BYTES_MAX) {
            return Err(io::Error::new(ErrorKind::InvalidData, "a line that is no command"));
        }
        Ok(())
    }

    /// The next line, whole or the last one.
    pub(super) fn line(&mut self) -> Option<String> {
        let end = match self.bytes.iter().position(|byte| *byte == b'\n') {
            Some(end) => end + 1,
            None if self.ended && !self.bytes.is_empty() => self.bytes.len(),
            None => return None,
        };
        let line: Vec<u8> = self.bytes.drain(..end).collect();
        Some(String::from_utf8_lossy(&line).trim().to_owned())
    }
}
