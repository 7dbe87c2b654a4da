//! FIX under TLS: the same session, whoever listens on the way; and clients that show a certificate.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gateway::fix::{DecodeError, Encoder, Fields, decode};
use gateway::ouch;
use gateway::soup::{SoupClient, SoupClientConfig, SoupClientEvent, SoupClose, SoupReject};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use sha2::{Digest, Sha256};
use venue::config::{Fix, SAMPLE};
use venue::credentials::Password;
use venue::operator::Reloaded;
use venue::{Config, Layout, Venue, clock};

use crate::folder::Folder;
use crate::loopback::config;
use crate::peer::Peer;

/// How long client and venue wait for each other.
const PATIENCE_S: u32 = 120;

/// Somebody who signs certificates.
struct Issuer(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key.
struct Shown {
    cert: CertificateDer<'static>,
    key: KeyPair,
}

impl Issuer {
    fn new() -> Issuer {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Issuer(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn sign(&self, name: &str) -> Shown {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let cert = params.signed_by(&key, &self.0).unwrap();
        Shown { cert: cert.der().clone(), key }
    }

    fn pem(&self) -> String {
        self.0.pem()
    }
}

impl Shown {
    fn pem(&self) -> String {
        use base64ct::{Base64, Encoding};
        let text = Base64::encode_string(&self.cert);
        format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
    }

    /// As openssl says it.
    fn fingerprint(&self) -> String {
        let pairs =
            Sha256::digest(&self.cert).iter().map(|b| format!("{b:02X}")).collect::<Vec<_>>();
        pairs.join(":")
    }
}

fn write(folder: &Folder, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// The sample with TLS, as a file in `folder`.
fn with_tls(folder: &Folder, issuer: &Issuer, clients: Option<&Issuer>, session: &str) -> String {
    let venue = issuer.sign("localhost");
    write(folder, "cert.pem", &(venue.pem() + &issuer.pem()));
    write(folder, "key.pem", &venue.key.serialize_pem());
    let mut tls =
        "[fix.tls]\nlisten = \"127.0.0.1:0\"\ncert = \"cert.pem\"\nkey = \"key.pem\"\n".to_owned();
    if let Some(clients) = clients {
        write(folder, "clients.pem", &clients.pem());
        tls += "client_ca = \"clients.pem\"\n";
    }
    let text = SAMPLE.replace("[itch.soup]   ", &format!("{tls}\n[itch.soup]   "));
    text.replace(
        "participant = \"FIRM1\"          #",
        &format!("participant = \"FIRM1\"\n{session} #"),
    )
}

fn load(folder: &Folder, text: &str) -> Result<Config, String> {
    let path = write(folder, "vesta.toml", text);
    let mut loaded = Config::load(&path).map_err(|error| error.to_string())?;
    let small = config(folder);
    (loaded.journal_dir, loaded.live_dir) = (small.journal_dir, small.live_dir);
    (loaded.segment_bytes, loaded.durability) = (small.segment_bytes, small.durability);
    (loaded.fix.listen, loaded.soup) = (small.fix.listen, None);
    loaded.limits = small.limits;
    // The thread that compares passwords has the lowest priority: on a machine full of tests that takes more than 10 s.
    loaded.fix.logon_timeout_s = PATIENCE_S;
    Ok(loaded)
}

/// A client under TLS.
struct Under {
    stream: StreamOwned<ClientConnection, TcpStream>,
    bytes: Vec<u8>,
    next_out: u64,
}

impl Under {
    fn connect(address: SocketAddr, issuer: &Issuer, shown: Option<&Shown>) -> Under {
        let mut roots = RootCertStore::empty();
        roots.add(issuer.0.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match shown {
            None => builder.with_no_client_auth(),
            Some(Shown { cert, key }) => {
                let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
                builder.with_client_auth_cert(vec![cert.clone()], key).unwrap()
            }
        };
        let name = ServerName::try_from("localhost").unwrap();
        let tls = ClientConnection::new(Arc::new(config), name).unwrap();
        let socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(PATIENCE_S.into()))).unwrap();
        socket.set_nodelay(true).unwrap();
        Under { stream: StreamOwned::new(tls, socket), bytes: Vec::new(), next_out: 1 }
    }

    fn send(&mut self, msg_type: &str, fields: &[(u32, &str)]) {
        let bytes = self.encode(msg_type, fields);
        // A venue that has closed meanwhile shows in what is read.
        let _ = self.stream.write_all(&bytes);
    }

    fn encode(&mut self, msg_type: &str, fields: &[(u32, &str)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut message = Encoder::begin(&mut bytes, b"FIX.4.4", msg_type.as_bytes());
        message.uint(34, self.next_out).bytes(49, b"CLIENT1").utc(52, clock::now());
        message.bytes(56, b"VESTA");
        for (tag, value) in fields {
            message.bytes(*tag, value.as_bytes());
        }
        message.finish();
        self.next_out += 1;
        bytes
    }

    fn order(&mut self, id: &str) -> Vec<u8> {
        let rest = [(55, "BTC-USD"), (54, "1"), (60, "20260101-00:00:00"), (38, "1"), (40, "2")];
        let fields = [&[(11, id)], &rest[..], &[(44, "100"), (59, "1")]].concat();
        self.encode("D", &fields)
    }

    /// The next message's field, `None` if the venue has closed.
    fn read(&mut self, tag: u32) -> Option<String> {
        loop {
            let mut fields = Fields::new();
            match decode(&self.bytes, &mut fields) {
                Ok((message, used)) => {
                    let value =
                        String::from_utf8_lossy(message.get(tag).unwrap_or_default()).into();
                    self.bytes.drain(..used);
                    return Some(value);
                }
                Err(DecodeError::Incomplete) => {}
                Err(error) => panic!("the venue sent no FIX: {error:?}"),
            }
            let mut buffer = [0; 16_384];
            match self.stream.read(&mut buffer) {
                Ok(0) => return None,
                Ok(read) => self.bytes.extend_from_slice(&buffer[..read]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("nothing came"),
                Err(_) => return None,
            }
        }
    }

    fn log_on(&mut self) -> Option<String> {
        self.send("A", &[(98, "0"), (108, "30"), (141, "Y")]);
        self.read(35)
    }
}

#[test]
fn a_session_under_tls_is_the_same_session_in_every_layout() {
    for layout in [Layout::Joined, Layout::Split] {
        let (folder, issuer) = (Folder::new(), Issuer::new());
        let loaded = load(&folder, &with_tls(&folder, &issuer, None, "")).unwrap();
        let venue = Venue::start(&Config { layout, ..loaded }).unwrap();
        let address = venue.tls_addr().unwrap();
        let mut under = Under::connect(address, &issuer, None);
        assert_eq!(under.log_on().as_deref(), Some("A"));
        let order = under.order("a");
        under.stream.write_all(&order).unwrap();
        assert_eq!(under.read(11).as_deref(), Some("a"));
        // Beside it without TLS, on the other address.
        let (mut plain, _) = Peer::log_on(venue.fix_addr(), "CLIENT2", 1);
        plain.order("b", "2", "1", "100");
        assert_eq!(plain.report().get(150), "0");
        assert_eq!(plain.report().get(150), "F");
        assert_eq!(under.read(150).as_deref(), Some("F"));
        under.send("5", &[]);
        assert_eq!(under.read(35).as_deref(), Some("5"));
        assert_eq!(under.read(35), None);
        // And the session goes on without.
        let (_, answer) = Peer::log_on(venue.fix_addr(), "CLIENT1", 4);
        assert_eq!(answer.seq(), 5);
        venue.stop().unwrap();
    }
}

/// OUCH under TLS with everything that a session can be asked for: its certificate, its name, a password kept as a hash.
#[test]
fn ouch_under_tls_is_the_same_session_in_every_layout() {
    for layout in [Layout::Joined, Layout::Split] {
        let (folder, issuer, clients) = (Folder::new(), Issuer::new(), Issuer::new());
        let (client, stranger) = (clients.sign("maker"), clients.sign("stranger"));
        let text = with_tls(&folder, &issuer, Some(&clients), "");
        let tls = "cert = \"cert.pem\"\nkey = \"key.pem\"\nclient_ca = \"clients.pem\"\n";
        let listen = "listen = \"127.0.0.1:0\"\n";
        let session = format!(
            "[[session]]\ncomp_id = \"MAKER\"\nparticipant = \"MM\"\nprotocol = \"ouch\"\nusername = \"maker\"\n\
             password = \"{}\"\ncertificate = \"{}\"\n",
            Password::hash(b"s3cret").unwrap(),
            client.fingerprint()
        );
        let text = format!("{text}\n{session}[ouch]\n{listen}[ouch.tls]\n{listen}{tls}");
        let loaded = load(&folder, &text).unwrap();
        let venue = Venue::start(&Config { layout, ..loaded }).unwrap();
        let address = venue.ouch_tls_addr().unwrap();
        let log_in = |shown: Option<&Shown>, password: &[u8]| {
            let mut under = Under::connect(address, &issuer, shown);
            let mut soup = SoupClient::new(SoupClientConfig::new(b"MAKER", password, 1));
            let mut out = Vec::new();
            soup.login(&mut out);
            let _ = under.stream.write_all(&out);
            (under.soup(&mut soup), under, soup)
        };
        let refused = |heard: Option<SoupHeard>| {
            assert_eq!(heard, Some(SoupHeard::Closed(SoupReject::NotAuthorized)));
        };
        refused(log_in(Some(&stranger), b"s3cret").0);
        refused(log_in(Some(&client), b"s3crets").0);
        let (heard, mut under, mut soup) = log_in(Some(&client), b"S3CRET");
        assert_eq!(heard, Some(SoupHeard::In));
        assert_eq!(under.soup(&mut soup), Some(SoupHeard::Message(b'S')));
        let order = ouch::Enter {
            user_ref_num: 1,
            side: b'B',
            quantity: 5,
            symbol: *b"BTC-USD ",
            price: 1_000_000,
            time_in_force: b'0',
            display: b'Y',
            capacity: b'P',
            iso: b'N',
            cross_type: b'N',
            cl_ord_id: [b' '; 14],
            options: ouch::Options::default(),
        };
        let (mut bytes, mut out) = (Vec::new(), Vec::new());
        order.encode(&mut bytes);
        soup.unsequenced(&bytes, &mut out);
        under.stream.write_all(&out).unwrap();
        assert_eq!(under.soup(&mut soup), Some(SoupHeard::Message(b'A')));
        // Without TLS, on the other address, it has no certificate to show.
        let mut plain = TcpStream::connect(venue.ouch_addr().unwrap()).unwrap();
        let mut soup = SoupClient::new(SoupClientConfig::new(b"maker", b"s3cret", 1));
        out.clear();
        soup.login(&mut out);
        plain.write_all(&out).unwrap();
        let mut answer = Vec::new();
        plain.read_to_end(&mut answer).unwrap();
        assert_eq!(answer, b"\x00\x02JA");
        venue.stop().unwrap();
    }
}

/// What a client of SoupBinTCP hears.
#[derive(Debug, PartialEq)]
enum SoupHeard {
    In,
    /// A message of this type.
    Message(u8),
    Closed(SoupReject),
}

impl Under {
    /// The next thing that the venue says, `None` if it has closed.
    fn soup(&mut self, soup: &mut SoupClient) -> Option<SoupHeard> {
        loop {
            let received = soup.receive(clock::now(), &self.bytes);
            let heard = match received.event {
                None => None,
                Some(SoupClientEvent::Accepted { .. }) => Some(SoupHeard::In),
                Some(SoupClientEvent::Sequenced { message, .. }) => {
                    Some(SoupHeard::Message(message[0]))
                }
                Some(SoupClientEvent::Close(SoupClose::Rejected(why))) => {
                    Some(SoupHeard::Closed(why))
                }
                Some(other) => panic!("{other:?}"),
            };
            self.bytes.drain(..received.consumed);
            if heard.is_some() {
                return heard;
            }
            let mut buffer = [0; 16_384];
            match self.stream.read(&mut buffer) {
                Ok(0) => return None,
                Ok(read) => self.bytes.extend_from_slice(&buffer[..read]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("nothing came"),
                Err(_) => return None,
            }
        }
    }
}

/// More than any buffer on the way holds, in both directions, with a client that reads nothing until it has
/// written everything.
#[test]
fn a_burst_under_tls_arrives_whole() {
    let (folder, issuer) = (Folder::new(), Issuer::new());
    let mut loaded = load(&folder, &with_tls(&folder, &issuer, None, "")).unwrap();
    loaded.fix.out_buffer_bytes = 64 << 10;
    let venue = Venue::start(&loaded).unwrap();
    let mut under = Under::connect(venue.tls_addr().unwrap(), &issuer, None);
    assert_eq!(under.log_on().as_deref(), Some("A"));
    let orders: Vec<u8> = (0..3_000).flat_map(|n| under.order(&format!("o{n}"))).collect();
    let mut written = 0;
    while written < orders.len() {
        // The records of one write may end anywhere in a message.
        let end = (written + 10_007).min(orders.len());
        under.stream.write_all(&orders[written..end]).unwrap();
        written = end;
    }
    for n in 0..3_000 {
        assert_eq!(under.read(11), Some(format!("o{n}")));
    }
    venue.stop().unwrap();
}

#[test]
fn what_is_no_tls_is_closed_and_others_are_served() {
    let (folder, issuer) = (Folder::new(), Issuer::new());
    let mut loaded = load(&folder, &with_tls(&folder, &issuer, None, "")).unwrap();
    loaded.fix.logon_timeout_s = 1;
    let venue = Venue::start(&loaded).unwrap();
    let address = venue.tls_addr().unwrap();
    let ends = |bytes: &[u8]| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(bytes).unwrap();
        let mut rest = Vec::new();
        match stream.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
        rest.len()
    };
    assert!(ends(b"8=FIX.4.4\x019=5\x0135=A\x0110=000\x01") < 64, "an alert and no more");
    assert!(ends(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n") < 64);
    assert!(ends(&[0x16, 3, 1, 0xff, 0xff]) < 64, "the beginning of a handshake: closed in time");
    assert_eq!(ends(b""), 0, "silence: closed in time");
    // Who believes another issuer does not go on.
    let mut stranger = Under::connect(address, &Issuer::new(), None);
    assert_eq!(stranger.log_on(), None);
    let mut under = Under::connect(address, &issuer, None);
    assert_eq!(under.log_on().as_deref(), Some("A"));
    venue.stop().unwrap();
}

/// Handshakes that stop in the middle, one after another, and those that come to their end and say nothing more: a
/// session is served beside them, and somebody new under TLS is let in.
#[test]
fn handshakes_that_lead_nowhere_keep_nobody_out() {
    let (folder, issuer) = (Folder::new(), Issuer::new());
    let mut loaded = load(&folder, &with_tls(&folder, &issuer, None, "")).unwrap();
    loaded.fix.logon_timeout_s = 1;
    loaded.fix.connections_before_logon = 64;
    let venue = Venue::start(&loaded).unwrap();
    let address = venue.tls_addr().unwrap();
    let (mut plain, _) = Peer::log_on(venue.fix_addr(), "CLIENT2", 1);
    let mut hello = Vec::new();
    Under::connect(address, &issuer, None).stream.conn.write_tls(&mut hello).unwrap();
    let mut open = Vec::new();
    for n in 0..300 {
        let mut stream = TcpStream::connect(address).unwrap();
        // Nothing, a byte, half of it, all of it: the venue's own part costs it the most.
        let part = [0, 1, hello.len() / 2, hello.len()][n % 4];
        stream.write_all(&hello[..part]).unwrap();
        if n % 3 > 0 {
            open.push(stream);
        }
        if n % 10 == 0 {
            plain.order(&format!("p{n}"), "1", "1", "100");
            assert_eq!(plain.report().get(150), "0");
        }
    }
    let mut under = Under::connect(address, &issuer, None);
    assert_eq!(under.log_on().as_deref(), Some("A"));
    for mut stream in open {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut rest = Vec::new();
        // Closed to make room or because the time was over, without a word of FIX.
        if let Err(error) = stream.read_to_end(&mut rest) {
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        }
    }
    let order = under.order("a");
    under.stream.write_all(&order).unwrap();
    assert_eq!(under.read(11).as_deref(), Some("a"));
    venue.stop().unwrap();
}

/// Records that have nothing to say could go on for ever.
#[test]
fn new_keys_without_an_end_close_the_connection() {
    let (folder, issuer) = (Folder::new(), Issuer::new());
    let loaded = load(&folder, &with_tls(&folder, &issuer, None, "")).unwrap();
    let venue = Venue::start(&loaded).unwrap();
    let (mut plain, _) = Peer::log_on(venue.fix_addr(), "CLIENT2", 1);
    let mut under = Under::connect(venue.tls_addr().unwrap(), &issuer, None);
    assert_eq!(under.log_on().as_deref(), Some("A"));
    let mut written = Ok(());
    for round in 0..100_000 {
        under.stream.conn.refresh_traffic_keys().unwrap();
        written = under.stream.flush();
        if written.is_err() {
            break;
        }
        if round % 1_000 == 0 {
            plain.order(&format!("p{round}"), "1", "1", "100");
            assert_eq!(plain.report().get(150), "0");
        }
    }
    assert!(written.is_err(), "still open");
    venue.stop().unwrap();
}

#[test]
fn a_certificate_speaks_for_its_session() {
    let (folder, issuer, clients) = (Folder::new(), Issuer::new(), Issuer::new());
    let (mine, other) = (clients.sign("client1"), clients.sign("client2"));
    let session = format!("certificate = \"{}\"", mine.fingerprint());
    let loaded = load(&folder, &with_tls(&folder, &issuer, Some(&clients), &session)).unwrap();
    assert!(loaded.sessions[0].credentials.certificate.is_some());
    let venue = Venue::start(&loaded).unwrap();
    let address = venue.tls_addr().unwrap();
    let answer = |shown| Under::connect(address, &issuer, shown).log_on();
    assert_eq!(answer(None), None, "no certificate");
    assert_eq!(answer(Some(&other)), None, "somebody else's");
    let forged = Issuer::new().sign("client1");
    assert_eq!(answer(Some(&forged)), None, "of an issuer that nobody believes");
    let mut plain = Peer::connect(venue.fix_addr(), "CLIENT1", 1);
    plain.send("A", &[(98, "0"), (108, "30")]);
    assert!(plain.try_read().is_none(), "without TLS");
    assert_eq!(answer(Some(&mine)).as_deref(), Some("A"));
    venue.stop().unwrap();
}

/// A certificate that was renewed is shown to whoever connects from then on; who is there stays; one that cannot be used is not shown.
#[test]
fn a_certificate_is_read_again_while_connections_stay() {
    for layout in [Layout::Joined, Layout::Split] {
        let (folder, first, second) = (Folder::new(), Issuer::new(), Issuer::new());
        let text = with_tls(&folder, &first, None, "");
        let venue = Venue::start(&Config { layout, ..load(&folder, &text).unwrap() }).unwrap();
        let address = venue.tls_addr().unwrap();
        let mut there = Under::connect(address, &first, None);
        assert_eq!(there.log_on().as_deref(), Some("A"));
        let mut is_there = |id: &str| {
            let order = there.order(id);
            there.stream.write_all(&order).unwrap();
            assert_eq!(there.read(11).as_deref(), Some(id));
        };
        let shows = |issuer: &Issuer| {
            let mut stranger = Under::connect(address, issuer, None);
            stranger.stream.flush().is_ok() && !stranger.stream.conn.is_handshaking()
        };
        assert!(shows(&first) && !shows(&second));
        let loaded = load(&folder, &with_tls(&folder, &second, None, "")).unwrap();
        write(&folder, "key.pem", "no key at all");
        let refused = venue.reload(&loaded).unwrap_err().to_string();
        assert!(refused.contains("key.pem"), "{refused}");
        is_there("a");
        assert!(shows(&first) && !shows(&second));
        let loaded = load(&folder, &with_tls(&folder, &second, None, "")).unwrap();
        assert_eq!(venue.reload(&loaded), Ok(Reloaded { sessions: 0, certificate: true }));
        assert!(shows(&second) && !shows(&first));
        is_there("b");
        let without = Config { fix: Fix { tls: None, ..loaded.fix.clone() }, ..loaded };
        assert!(venue.reload(&without).unwrap_err().to_string().contains("another start"));
        assert!(shows(&second));
        venue.stop().unwrap();
    }
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let (folder, issuer) = (Folder::new(), Issuer::new());
    let text = with_tls(&folder, &issuer, None, "");
    load(&folder, &text).unwrap();
    let wrong = |name: &str, why: &str, text: &str| {
        let error = load(&folder, text).unwrap_err();
        assert!(error.contains(name) && error.contains(why), "{error}");
    };
    let key = std::fs::read_to_string(folder.path().join("key.pem")).unwrap();
    write(&folder, "key.pem", &KeyPair::generate().unwrap().serialize_pem());
    wrong("key.pem", "does not go with the certificate", &text);
    write(&folder, "key.pem", "nothing");
    wrong("key.pem", "no private key", &text);
    write(&folder, "key.pem", &key);
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(folder.path().join("key.pem"), open).unwrap();
    wrong("key.pem", "chmod 600", &text);
    write(&folder, "key.pem", &key);
    write(&folder, "cert.pem", &key);
    wrong("cert.pem", "no certificates", &text);
    std::fs::remove_file(folder.path().join("cert.pem")).unwrap();
    wrong("cert.pem", "cannot be read", &text);
    let text = with_tls(&folder, &issuer, None, "certificate = \"00:11\"");
    wrong("vesta.toml:", "64 hexadecimal digits", &text);
    let text = with_tls(&folder, &issuer, None, &format!("certificate = \"{}\"", "0a".repeat(32)));
    wrong("vesta.toml", "client_ca", &text);
}
