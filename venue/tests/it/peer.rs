//! A FIX counterparty and a feed subscriber by hand: every number and byte is the test's.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use base64ct::{Base64, Encoding};
use feed::{Message as ItchMessage, Mirror, decode as decode_itch};
use gateway::fix::{DecodeError, Encoder, Fields, Version, decode};
use gateway::soup::{SoupClient, SoupClientConfig, SoupClientEvent, SoupClose, SoupReject};
use hmac::{Hmac, KeyInit, Mac};
use matcher::Timestamp;
use sha2::Sha256;
use venue::clock;

/// How long a test waits for what must come. Only a failing test ever waits that long.
const PATIENCE: Duration = Duration::from_secs(60);

/// One message as the fields it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Got(pub(crate) Vec<(u32, String)>);

impl Got {
    pub(crate) fn get(&self, tag: u32) -> &str {
        self.0.iter().find(|(have, _)| *have == tag).map_or("", |(_, value)| value)
    }

    pub(crate) fn msg_type(&self) -> &str {
        self.get(35)
    }

    pub(crate) fn seq(&self) -> u32 {
        self.get(34).parse().unwrap()
    }

    /// The fields that a resend may not change.
    pub(crate) fn body(&self) -> Vec<(u32, String)> {
        let header = [9, 10, 43, 52, 122];
        self.0.iter().filter(|(tag, _)| !header.contains(tag)).cloned().collect()
    }
}

/// A FIX session without a machine behind it.
pub(crate) struct Peer {
    stream: TcpStream,
    comp_id: &'static str,
    bytes: Vec<u8>,
    pub(crate) next_out: u32,
    /// What it speaks.
    pub(crate) version: Version,
}

impl Peer {
    pub(crate) fn connect(address: SocketAddr, comp_id: &'static str, next_out: u32) -> Peer {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Peer { stream, comp_id, bytes: Vec::new(), next_out, version: Version::Fix44 }
    }

    /// Connects, logs on with number `next_out`, and gives the answer.
    pub(crate) fn log_on(address: SocketAddr, comp_id: &'static str, next_out: u32) -> (Peer, Got) {
        let mut peer = Peer::connect(address, comp_id, next_out);
        peer.send("A", &[(98, "0"), (108, "30")]);
        let answer = peer.read();
        assert_eq!(answer.msg_type(), "A", "{answer:?}");
        (peer, answer)
    }

    /// A Logon signed with `key` over what the venue says is signed; not sent yet.
    pub(crate) fn signed_logon(
        &mut self,
        key: &str,
        sent: Timestamp,
        more: &[(u32, &str)],
    ) -> Vec<u8> {
        let mut time = Vec::new();
        let mut message = Encoder::begin(&mut time, b"FIX.4.4", b"A");
        message.utc(52, sent);
        message.finish();
        let time = String::from_utf8(time).unwrap();
        let time = time.split('\x01').find_map(|field| field.strip_prefix("52=")).unwrap();
        let mut text =
            format!("{time}\x01A\x01{}\x01{}\x01VESTA", self.next_out, self.comp_id).into_bytes();
        if let Some((_, password)) = more.iter().find(|(tag, _)| *tag == 554) {
            text.push(1);
            text.extend_from_slice(password.as_bytes());
        }
        let mut mac = Hmac::<Sha256>::new_from_slice(&Base64::decode_vec(key).unwrap()).unwrap();
        mac.update(&text);
        let signature = Base64::encode_string(&mac.finalize().into_bytes());
        let len = signature.len().to_string();
        let mut fields = vec![(98, "0"), (108, "30"), (95, len.as_str()), (96, &signature)];
        fields.extend(more);
        self.encode_at(sent, "A", &fields)
    }

    pub(crate) fn send(&mut self, msg_type: &str, fields: &[(u32, &str)]) {
        let bytes = self.encode(msg_type, fields);
        self.stream.write_all(&bytes).unwrap();
    }

    pub(crate) fn encode(&mut self, msg_type: &str, fields: &[(u32, &str)]) -> Vec<u8> {
        self.encode_at(clock::now(), msg_type, fields)
    }

    fn encode_at(&mut self, sent: Timestamp, msg_type: &str, fields: &[(u32, &str)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let begin_string = self.version.begin_string().as_bytes();
        let mut message = Encoder::begin(&mut bytes, begin_string, msg_type.as_bytes());
        message.uint(34, self.next_out.into()).bytes(49, self.comp_id.as_bytes());
        message.utc(52, sent).bytes(56, b"VESTA");
        for (tag, value) in fields {
            message.bytes(*tag, value.as_bytes());
        }
        message.finish();
        self.next_out += 1;
        bytes
    }

    /// Whether nothing has come that was not read.
    pub(crate) fn has_heard_nothing(&mut self) -> bool {
        self.stream.set_nonblocking(true).unwrap();
        let nothing =
            self.stream.peek(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
        self.stream.set_nonblocking(false).unwrap();
        nothing
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// A limit order in BTC-USD.
    pub(crate) fn order(&mut self, id: &str, side: &str, qty: &str, price: &str) {
        let fields = [(11, id), (55, "BTC-USD"), (54, side), (60, "20260101-00:00:00"), (38, qty)];
        let mut fields = fields.to_vec();
        fields.extend([(40, "2"), (44, price), (59, "1")]);
        self.send("D", &fields);
    }

    /// The next message; `None` when the venue closes.
    pub(crate) fn try_read(&mut self) -> Option<Got> {
        loop {
            let mut fields = Fields::new();
            match decode(&self.bytes, &mut fields) {
                Ok((message, used)) => {
                    let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
                    let got = Got(message.iter().map(|(tag, value)| (tag, text(value))).collect());
                    self.bytes.drain(..used);
                    return Some(got);
                }
                Err(DecodeError::Incomplete) => {}
                Err(error) => panic!("the venue sent no FIX: {error:?}"),
            }
            let mut buffer = [0; 65_536];
            match self.stream.read(&mut buffer) {
                Ok(0) => return None,
                Ok(read) => self.bytes.extend_from_slice(&buffer[..read]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("{}: nothing came: {error}", self.comp_id),
            }
        }
    }

    pub(crate) fn read(&mut self) -> Got {
        self.try_read().unwrap_or_else(|| panic!("{}: the venue closed", self.comp_id))
    }

    /// The next message that is no heartbeat.
    pub(crate) fn report(&mut self) -> Got {
        loop {
            let got = self.read();
            if got.msg_type() != "0" {
                return got;
            }
        }
    }

    /// Logs out and waits until the venue has closed.
    pub(crate) fn log_out(mut self) -> u32 {
        self.send("5", &[]);
        while self.try_read().is_some() {}
        self.next_out
    }
}

/// A subscriber of ITCH over SoupBinTCP.
pub(crate) struct Subscriber {
    stream: TcpStream,
    client: SoupClient,
    bytes: Vec<u8>,
    pub(crate) messages: Vec<(u64, Vec<u8>)>,
    /// The session that it was let into.
    pub(crate) session: Option<[u8; 10]>,
    pub(crate) ended: bool,
}

impl Subscriber {
    pub(crate) fn connect(address: SocketAddr, from: u64) -> Subscriber {
        Subscriber::connect_as(address, ("", ""), from)
    }

    pub(crate) fn connect_as(
        address: SocketAddr,
        (username, password): (&str, &str),
        from: u64,
    ) -> Subscriber {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let config = SoupClientConfig::new(username.as_bytes(), password.as_bytes(), from);
        let mut client = SoupClient::new(config);
        let mut out = Vec::new();
        client.login(&mut out);
        stream.write_all(&out).unwrap();
        let (bytes, messages) = (Vec::new(), Vec::new());
        Subscriber { stream, client, bytes, messages, session: None, ended: false }
    }

    /// Reads until `enough` of what has come, or the end of the session.
    pub(crate) fn read_until(&mut self, enough: impl Fn(&Subscriber) -> bool) {
        while !self.ended && !enough(self) {
            let mut buffer = [0; 65_536];
            let read = self.stream.read(&mut buffer).expect("the feed went silent");
            assert!(read > 0, "the feed closed without an end of session");
            self.bytes.extend_from_slice(&buffer[..read]);
            self.take();
        }
    }

    fn take(&mut self) {
        loop {
            let received = self.client.receive(clock::now(), &self.bytes);
            match received.event {
                Some(SoupClientEvent::Sequenced { sequence, message }) => {
                    self.messages.push((sequence, message.to_vec()));
                }
                Some(SoupClientEvent::Close(SoupClose::EndOfSession)) => self.ended = true,
                Some(SoupClientEvent::Accepted { session, .. }) => {
                    self.session = Some(session);
                }
                None => {}
                Some(other) => panic!("{other:?}"),
            }
            let (consumed, more) = (received.consumed, received.event.is_some());
            self.bytes.drain(..consumed);
            if !more {
                return;
            }
        }
    }

    /// The book that the messages make.
    pub(crate) fn mirror(&self) -> Mirror {
        let mut mirror = Mirror::new();
        for (sequence, bytes) in &self.messages {
            let message: ItchMessage = decode_itch(bytes).unwrap();
            mirror.apply(&message).unwrap_or_else(|error| panic!("message {sequence}: {error}"));
        }
        mirror
    }

    /// Message types so far, as one word.
    pub(crate) fn kinds(&self) -> String {
        self.messages.iter().map(|(_, bytes)| char::from(bytes[0])).collect()
    }
}

/// What a feed says to a login for message `from` that it does not have.
pub(crate) fn login_refused(address: SocketAddr, from: u64) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut client = SoupClient::new(SoupClientConfig::new(b"", b"", from));
    let mut out = Vec::new();
    client.login(&mut out);
    stream.write_all(&out).unwrap();
    let (mut bytes, mut said) = (Vec::new(), String::new());
    loop {
        let received = client.receive(clock::now(), &bytes);
        match received.event {
            Some(SoupClientEvent::Debug(text)) => said = String::from_utf8(text.to_vec()).unwrap(),
            Some(SoupClientEvent::Close(SoupClose::Rejected(SoupReject::SessionNotAvailable))) => {
                return said;
            }
            Some(other) => panic!("{other:?}"),
            None => {
                let mut buffer = [0; 1024];
                let read = stream.read(&mut buffer).expect("the feed went silent");
                assert!(read > 0, "the feed closed without a word");
                bytes.extend_from_slice(&buffer[..read]);
                continue;
            }
        }
        bytes.drain(..received.consumed);
    }
}
