//! TCP conversations that never were on a wire, as a capture file: headers, numbers and checksums as a
//! kernel would have written them, so that any analyser follows the streams.

use std::io::{self, Write};
use std::net::SocketAddrV4;

use matcher::Timestamp;

/// pcap with nanoseconds, packets that begin with an IPv4 header.
const MAGIC: u32 = 0xa1b2_3c4d;
const LINKTYPE_RAW: u32 = 101;

/// Bytes of a packet that are kept: all.
const SNAP_BYTES: u32 = 65_535;

/// Bytes of payload in a packet at most, as on an Ethernet.
const PAYLOAD_BYTES_MAX: usize = 1_460;

const IP_HEADER_BYTES: usize = 20;
const TCP_HEADER_BYTES: usize = 20;
const TCP: u8 = 6;

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;

/// A capture file.
pub(super) struct Capture<W> {
    out: W,
    /// Packets written: the identification of the next one.
    packets: u64,
}

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    Client,
    Server,
}

/// One connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conversation {
    client: SocketAddrV4,
    server: SocketAddrV4,
    /// Sequence number of the next byte of the client.
    client_next: u32,
    /// Sequence number of the next byte of the server.
    server_next: u32,
}

impl<W: Write> Capture<W> {
    pub(super) fn new(mut out: W) -> io::Result<Capture<W>> {
        let mut head = Vec::with_capacity(24);
        head.extend(MAGIC.to_le_bytes());
        head.extend([2, 0, 4, 0]); // Version 2.4.
        head.extend([0; 8]); // UTC, exact.
        head.extend(SNAP_BYTES.to_le_bytes());
        head.extend(LINKTYPE_RAW.to_le_bytes());
        out.write_all(&head)?;
        Ok(Capture { out, packets: 0 })
    }

    pub(super) fn packets(&self) -> u64 {
        self.packets
    }

    pub(super) fn end(mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// SYN, SYN+ACK, ACK.
    pub(super) fn open(
        &mut self,
        at: Timestamp,
        client: SocketAddrV4,
        server: SocketAddrV4,
    ) -> io::Result<Conversation> {
        let (client_next, server_next) = (1_000, 2_000);
        let mut conversation = Conversation { client, server, client_next, server_next };
        self.packet(at, &conversation, From::Client, SYN, &[])?;
        conversation.client_next += 1;
        self.packet(at, &conversation, From::Server, SYN | ACK, &[])?;
        conversation.server_next += 1;
        self.packet(at, &conversation, From::Client, ACK, &[])?;
        Ok(conversation)
    }

    /// A message, in as many packets as it takes.
    pub(super) fn send(
        &mut self,
        at: Timestamp,
        conversation: &mut Conversation,
        from: From,
        bytes: &[u8],
    ) -> io::Result<()> {
        for part in bytes.chunks(PAYLOAD_BYTES_MAX) {
            self.packet(at, conversation, from, PSH | ACK, part)?;
            let len = u32::try_from(part.len()).unwrap_or(0);
            let next = match from {
                From::Client => &mut conversation.client_next,
                From::Server => &mut conversation.server_next,
            };
            *next = next.wrapping_add(len);
        }
        Ok(())
    }

    /// FIN of the server, FIN of the client, ACK.
    pub(super) fn close(
        &mut self,
        at: Timestamp,
        mut conversation: Conversation,
    ) -> io::Result<()> {
        self.packet(at, &conversation, From::Server, FIN | ACK, &[])?;
        conversation.server_next = conversation.server_next.wrapping_add(1);
        self.packet(at, &conversation, From::Client, FIN | ACK, &[])?;
        conversation.client_next = conversation.client_next.wrapping_add(1);
        self.packet(at, &conversation, From::Server, ACK, &[])
    }

    fn packet(
        &mut self,
        at: Timestamp,
        conversation: &Conversation,
        from: From,
        flags: u8,
        payload: &[u8],
    ) -> io::Result<()> {
        let Conversation { client, server, client_next, server_next } = *conversation;
        let (source, target, sequence, acknowledged) = match from {
            From::Client => (client, server, client_next, server_next),
            From::Server => (server, client, server_next, client_next),
        };
        let acknowledged = if flags & ACK == 0 { 0 } else { acknowledged };
        let total = IP_HEADER_BYTES + TCP_HEADER_BYTES + payload.len();
        let [.., id_high, id_low] = self.packets.to_be_bytes();
        let mut ip = [0; IP_HEADER_BYTES];
        ip[0] = 0x45; // Version 4, five words.
        ip[2..4].copy_from_slice(&u16::try_from(total).unwrap_or(u16::MAX).to_be_bytes());
        ip[4..6].copy_from_slice(&[id_high, id_low]);
        ip[6] = 0x40; // Not to be fragmented.
        ip[8..10].copy_from_slice(&[64, TCP]);
        ip[12..16].copy_from_slice(&source.ip().octets());
        ip[16..20].copy_from_slice(&target.ip().octets());
        let sum = checksum(&[&ip]);
        ip[10..12].copy_from_slice(&sum.to_be_bytes());
        let mut tcp = [0; TCP_HEADER_BYTES];
        tcp[0..2].copy_from_slice(&source.port().to_be_bytes());
        tcp[2..4].copy_from_slice(&target.port().to_be_bytes());
        tcp[4..8].copy_from_slice(&sequence.to_be_bytes());
        tcp[8..12].copy_from_slice(&acknowledged.to_be_bytes());
        tcp[12] = 0x50; // Five words.
        tcp[13] = flags;
        tcp[14..16].copy_from_slice(&u16::MAX.to_be_bytes());
        let length = u16::try_from(total - IP_HEADER_BYTES).unwrap_or(u16::MAX).to_be_bytes();
        let sum = checksum(&[&ip[12..20], &[0, TCP], &length, &tcp, payload]);
        tcp[16..18].copy_from_slice(&sum.to_be_bytes());

        let (seconds, ns) = (at.0 / 1_000_000_000, at.0 % 1_000_000_000);
        for word in [seconds, ns, total as u64, total as u64] {
            let word = u32::try_from(word).unwrap_or(u32::MAX);
            self.out.write_all(&word.to_le_bytes())?;
        }
        self.out.write_all(&ip)?;
        self.out.write_all(&tcp)?;
        self.out.write_all(payload)?;
        self.packets += 1;
        Ok(())
    }
}

/// The internet checksum over parts of which all but the last have an even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0_u32;
    for pair in parts.iter().flat_map(|part| part.chunks(2)) {
        let word = [pair[0], pair.get(1).copied().unwrap_or(0)];
        sum += u32::from(u16::from_be_bytes(word));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}
