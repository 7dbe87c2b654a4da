//! A client over a socket: orders out, reports in, one at a time.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use gateway::fix::client::{Client, ClientConfig, Incoming};
use gateway::fix::{CompId, Fields, Version, decode};
use matcher::{MsgSeqNum, Timestamp};
use rcgen::CertifiedKey;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, RootCertStore, StreamOwned};
use venue::Wait;
use venue::tls::TlsFiles;

/// A stream of bytes, as it is or under TLS.
enum Line {
    Tcp(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Line {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Line::Tcp(stream) => stream.read(bytes),
            Line::Tls(stream) => stream.read(bytes),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Line::Tcp(stream) => stream.write(bytes),
            Line::Tls(stream) => stream.write(bytes),
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            Line::Tcp(stream) => stream.write_all(bytes),
            Line::Tls(stream) => stream.write_all(bytes),
        }
    }
}

/// A certificate for the venue, and a client that believes it.
pub struct Believed {
    /// For the venue.
    pub files: TlsFiles,
    client: Arc<rustls::ClientConfig>,
}

impl Believed {
    /// Makes one in `folder`.
    ///
    /// # Panics
    ///
    /// If it cannot.
    #[must_use]
    pub fn new(folder: &Path) -> Believed {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
        let CertifiedKey { cert, signing_key } = made.expect("a certificate");
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).expect("a file");
            let owner = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(&path, owner).expect("a mode");
            path
        };
        let files = TlsFiles {
            cert: write("cert.pem", &cert.pem()),
            key: write("key.pem", &signing_key.serialize_pem()),
            client_ca: None,
        };
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).expect("a root");
        let client = rustls::ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("a version")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Believed { files, client: Arc::new(client) }
    }

    /// A connection with the handshake behind it.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn open(&self, address: SocketAddr, wait: Wait) -> Connection {
        let name = ServerName::try_from("localhost").expect("a name");
        let tls = ClientConnection::new(Arc::clone(&self.client), name);
        let mut tls = tls.expect("a client");
        let mut socket = TcpStream::connect(address).expect("a connection");
        socket.set_nodelay(true).expect("TCP_NODELAY");
        while tls.is_handshaking() {
            tls.complete_io(&mut socket).expect("a handshake");
        }
        socket.set_nonblocking(wait == Wait::Spin).expect("a mode");
        let line = Line::Tls(Box::new(StreamOwned::new(tls, socket)));
        Connection { line, bytes: vec![0; 64 << 10], filled: 0 }
    }
}

/// A socket that waits as it is told.
pub struct Connection {
    line: Line,
    /// Room for what comes in.
    pub bytes: Vec<u8>,
    /// Bytes of it read and not taken yet.
    pub filled: usize,
}

impl Connection {
    /// Waits as it is told.
    ///
    /// # Panics
    ///
    /// If the kernel does not let it.
    #[must_use]
    pub fn new(stream: TcpStream, wait: Wait) -> Connection {
        stream.set_nodelay(true).expect("TCP_NODELAY");
        stream.set_nonblocking(wait == Wait::Spin).expect("a mode");
        Connection { line: Line::Tcp(stream), bytes: vec![0; 64 << 10], filled: 0 }
    }

    /// A new one.
    ///
    /// # Panics
    ///
    /// If nobody listens there.
    #[must_use]
    pub fn open(address: SocketAddr, wait: Wait) -> Connection {
        Connection::new(TcpStream::connect(address).expect("a connection"), wait)
    }

    /// Writes all of `bytes`: little enough never to wait.
    ///
    /// # Panics
    ///
    /// If the peer has gone.
    pub fn write(&mut self, bytes: &[u8]) {
        self.line.write_all(bytes).expect("room in the socket");
    }

    /// Waits for bytes; `false` at the end of the stream.
    ///
    /// # Panics
    ///
    /// If the stream is broken.
    pub fn read(&mut self) -> bool {
        loop {
            match self.line.read(&mut self.bytes[self.filled..]) {
                Ok(0) => return false,
                Ok(count) => {
                    self.filled += count;
                    return true;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::hint::spin_loop(),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return false,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Reads what is there, if something is; `false` at the end of the stream. For a socket that is spun on.
    ///
    /// # Panics
    ///
    /// If the stream is broken.
    pub fn read_some(&mut self) -> bool {
        match self.line.read(&mut self.bytes[self.filled..]) {
            Ok(count) => {
                self.filled += count;
                count > 0
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => true,
            Err(error) => panic!("{error}"),
        }
    }

    /// Writes as much of `bytes` as there is room for; says how much. For a socket that is spun on.
    ///
    /// # Panics
    ///
    /// If the peer has gone.
    pub fn write_some(&mut self, bytes: &[u8]) -> usize {
        match self.line.write(bytes) {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => panic!("{error}"),
        }
    }

    /// Drops the first `count` bytes that were read.
    pub fn take(&mut self, count: usize) {
        self.bytes.copy_within(count..self.filled, 0);
        self.filled -= count;
    }
}

/// One client, its messages and what it makes of the venue's.
pub struct Trader {
    client: Client,
    /// The last message.
    pub out: Vec<u8>,
    fields: Box<Fields>,
    cl_ord_id: [u8; 8],
}

impl Default for Trader {
    fn default() -> Trader {
        Trader::new()
    }
}

impl Trader {
    /// `CLIENT1` of `VESTA`.
    ///
    /// # Panics
    ///
    /// Never: both are names.
    #[must_use]
    pub fn new() -> Trader {
        let name = |text: &[u8]| CompId::new(text).expect("a name");
        let config = ClientConfig {
            version: Version::Fix44,
            sender: name(b"CLIENT1"),
            target: name(b"VESTA"),
            username: None,
            password: None,
            heartbeat_s: 600,
            reset: false,
            next_out: MsgSeqNum(1),
            next_in: MsgSeqNum(1),
        };
        Trader {
            client: Client::new(config),
            out: Vec::with_capacity(4096),
            fields: Box::default(),
            cl_ord_id: [0; 8],
        }
    }

    /// Logs on and waits for the answer.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn log_on(&mut self, connection: &mut Connection) {
        self.client.logon(now(), &mut self.out);
        connection.write(&self.out);
        while !self.client.is_logged_on() {
            assert!(connection.read(), "the venue closed the connection");
            self.receive(connection, |_, _| {});
        }
    }

    /// Makes the message of order `index` in `out`.
    pub fn order(&mut self, index: usize) {
        self.out.clear();
        let mut rest = index;
        for digit in self.cl_ord_id.iter_mut().rev() {
            *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
            rest /= 10;
        }
        let now = now();
        let side = if index.is_multiple_of(2) { b'1' } else { b'2' };
        let id = self.cl_ord_id;
        let body = |order: &mut gateway::fix::Encoder<'_>| {
            order.bytes(11, &id).bytes(55, b"VESTA").char(54, side).utc(60, now).uint(38, 1);
            order.char(40, b'2').decimal(44, 50_000, 2).char(59, b'1');
        };
        self.client.send(now, b"D", body, &mut self.out);
    }

    /// Reads the reports of order `index`, all of them; says when the first one was there.
    ///
    /// # Panics
    ///
    /// If it was refused, or the venue closes.
    pub fn reports(&mut self, connection: &mut Connection, index: usize) -> Instant {
        // A bid: New. An offer: New, and a fill of each side.
        let expected = if index.is_multiple_of(2) { 1 } else { 3 };
        let (mut first, mut seen) = (None, 0);
        let cl_ord_id = self.cl_ord_id;
        while seen < expected {
            assert!(connection.read(), "the venue closed the connection");
            self.receive(connection, |id, exec_type| {
                assert!(matches!(exec_type, b"0" | b"F"), "order {index} was refused");
                seen += 1;
                if id == cl_ord_id {
                    first.get_or_insert_with(Instant::now);
                }
            });
        }
        first.expect("a report of the order itself")
    }

    /// Takes the whole messages that were read; tells `report` ClOrdID(11) and ExecType(150) of each
    /// ExecutionReport.
    fn receive(&mut self, connection: &mut Connection, mut report: impl FnMut(&[u8], &[u8])) {
        self.out.clear();
        let mut at = 0;
        while let Ok((message, used)) =
            decode(&connection.bytes[at..connection.filled], &mut self.fields)
        {
            match self.client.receive(now(), &message, &mut self.out) {
                Incoming::Application(message) => report(
                    message.get(11).unwrap_or_default(),
                    message.get(150).unwrap_or_default(),
                ),
                Incoming::LoggedOn | Incoming::Admin => {}
                other => panic!("{other:?}"),
            }
            at += used;
        }
        connection.take(at);
    }
}

/// The time by the machine's clock.
#[must_use]
pub fn now() -> Timestamp {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    Timestamp(nanos(since))
}

/// As nanoseconds.
#[must_use]
pub fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
