//! The request server of MoldUDP64: messages that a receiver lost, unicast to where the request came from.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use feed::mold::{HEADER_BYTES, MoldRequest, MoldSession, PACKET_BYTES_MAX, answer};
use feed::{MessageSink, Publisher, Window};
use journal::{Log, Position};
use matcher::Event;

use super::{FeedIndex, READ_BYTES_A_ROUND, STRIDE_BYTES};
use crate::turns::{Cutter, FollowError, Follower, TurnHead};

/// Requests answered before subscribers have their turn: one for old messages is some tens of microseconds.
const REQUESTS_A_ROUND: usize = 16;

/// Messages of one packet at most: the shortest has 12 bytes.
const MESSAGES_MAX: u16 = 100;

/// Takes requests on a socket of its own. What cannot be served is not answered.
pub(super) struct RequestServer {
    socket: UdpSocket,
    session: MoldSession,
    /// Knows the instruments of the first `known` messages.
    publisher: Publisher,
    known: u64,
    /// Old messages, to be put into a packet.
    old: Vec<Vec<u8>>,
    /// There may be more requests in the socket.
    has_more: bool,
}

impl RequestServer {
    /// Takes requests for `session` on `socket`, which does not block.
    pub(super) fn new(socket: UdpSocket, session: MoldSession) -> RequestServer {
        RequestServer {
            socket,
            session,
            publisher: Publisher::new(),
            known: 0,
            old: Vec::new(),
            has_more: true,
        }
    }

    pub(super) fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    /// Something came.
    pub(super) fn look(&mut self) {
        self.has_more = true;
    }

    pub(super) fn has_more(&self) -> bool {
        self.has_more
    }

    /// Answers what waits, as far as its share of the time goes.
    ///
    /// # Errors
    ///
    /// If the journal cannot be read, of a request for an old message; it has no answer then.
    pub(super) fn serve(
        &mut self,
        index: &FeedIndex,
        window: &Window,
        (log, limit): (&Log, Position),
    ) -> Result<(), FollowError> {
        let (mut unread, mut read) = (Ok(()), 0);
        // One byte more than a request has, to see what is longer.
        let mut bytes = [0; HEADER_BYTES + 1];
        for _ in 0..REQUESTS_A_ROUND {
            if read >= READ_BYTES_A_ROUND {
                break;
            }
            match self.socket.recv_from(&mut bytes) {
                Ok((len, from)) => {
                    let Ok(request) = MoldRequest::parse(&bytes[..len]) else { continue };
                    if request.session == self.session {
                        let served = self.answer(&request, from, index, window, (log, limit));
                        read += *served.as_ref().unwrap_or(&0);
                        unread = unread.and(served.map(|_| ()));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The error of an answer sent before, to a port that nobody has any more.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(_) => {
                    self.has_more = false;
                    return unread;
                }
            }
        }
        self.has_more = true;
        unread
    }

    /// Says how many bytes of the journal were read for it.
    fn answer(
        &mut self,
        request: &MoldRequest,
        to: SocketAddr,
        index: &FeedIndex,
        window: &Window,
        (log, limit): (&Log, Position),
    ) -> Result<u64, FollowError> {
        let MoldRequest { sequence, count, .. } = *request;
        let socket = &self.socket;
        // What the kernel does not take is lost as on the wire: it is asked for again.
        let send = |packet: &[u8]| drop(socket.send_to(packet, to));
        if sequence == 0 || sequence >= window.next() || count == 0 {
            return Ok(0);
        }
        if let Some(messages) = window.range(sequence) {
            answer(request, messages.map(|(_, message)| message), send);
            return Ok(0);
        }
        if sequence < index.oldest(log.start()) {
            return Ok(0);
        }
        if self.known < index.messages() {
            self.publisher = index.publisher.clone();
            self.known = index.messages();
        }
        let Some((number, position)) = index.before(sequence) else { return Ok(0) };
        let wanted = sequence..sequence.saturating_add(count.min(MESSAGES_MAX).into());
        let sink = OldSink { number, wanted, bytes: HEADER_BYTES, old: &mut self.old };
        let mut reader = Old { publisher: &mut self.publisher, sink };
        reader.sink.old.clear();
        let (mut tail, mut cutter) = (log.tail(position), Cutter::default());
        // The first is not further; of what is, some is enough: the rest is asked for again.
        let far = Position(position.0 + 2 * STRIDE_BYTES);
        while !(reader.sink.is_done() || tail.position() >= far && !reader.sink.old.is_empty())
            && let Some(frame) = tail.next(limit)?
        {
            cutter.frame(&frame, &mut reader)?;
        }
        answer(request, self.old.iter().map(Vec::as_slice), send);
        Ok(tail.position().0 - position.0)
    }
}

struct OldSink<'a> {
    /// Number of the next message.
    number: u64,
    wanted: std::ops::Range<u64>,
    /// Of the packet, with what is in `old`.
    bytes: usize,
    old: &'a mut Vec<Vec<u8>>,
}

impl OldSink<'_> {
    fn is_done(&self) -> bool {
        self.number >= self.wanted.end || self.bytes > PACKET_BYTES_MAX
    }
}

impl MessageSink for OldSink<'_> {
    fn message(&mut self, bytes: &[u8]) {
        // In the middle of a turn there may be more than is wanted.
        if self.wanted.contains(&self.number) && !self.is_done() {
            self.bytes += 2 + bytes.len();
            self.old.push(bytes.to_vec());
        }
        self.number += 1;
    }
}

struct Old<'a> {
    publisher: &'a mut Publisher,
    sink: OldSink<'a>,
}

impl Follower for Old<'_> {
    fn input(&mut self, head: &TurnHead) {
        self.publisher.input(&head.input);
    }

    fn event(&mut self, _: &TurnHead, _: u32, event: &Event) {
        self.publisher.event(event, &mut self.sink);
    }

    fn end_turn(&mut self, _: &TurnHead) {
        self.publisher.end_turn(&mut self.sink);
    }
}
