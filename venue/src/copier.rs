//! Drop copy: the journal read once more, for sessions that are told of the trades and orders of others.
//!
//! A cursor of its own: it is where the slowest of these sessions is, and a restart begins there again. What it
//! finds goes through the ring as everything does, as far as there is room beside orders.

use std::collections::VecDeque;

use gateway::acceptor::{Acceptor, Requests, TradeRequest};
use gateway::network::Network;
use gateway::order_entry::EventAt;
use journal::{Hold, Log, Position, Tail};
use matcher::Event;

use crate::turns::{Cutter, FollowError, Follower, TurnHead};

/// Frames looked at before sockets have their turn again.
const FRAMES_A_ROUND: usize = 256;

/// Reads the journal for drop copy.
pub(crate) struct Copier {
    log: Log,
    tail: Tail,
    /// What is not copied yet stays in the journal.
    hold: Hold,
    cutter: Cutter,
    answers: Vec<Answer>,
}

impl Copier {
    /// Goes on from where the session is that has the least; `None` if nobody gets copies.
    pub(crate) fn new<N: Network>(log: &Log, acceptor: &Acceptor<N>) -> Option<Copier> {
        // What has gone from the journal since somebody listened last is not told any more.
        let from = Position(acceptor.copied_to()?).max(log.start());
        Some(Copier {
            log: log.clone(),
            tail: log.tail(from),
            hold: log.hold(from),
            cutter: Cutter::default(),
            answers: Vec::new(),
        })
    }

    /// Whether something waits that neither a socket nor the release cursor says.
    pub(crate) fn has_work<N: Network>(&self, acceptor: &Acceptor<N>, limit: Position) -> bool {
        acceptor.has_copies()
            || acceptor.has_trade_request()
            || !self.answers.is_empty()
            || self.tail.position() < limit
    }

    /// Journal → requests, up to `limit`, as far as there is room.
    ///
    /// # Errors
    ///
    /// If the journal cannot be followed.
    pub(crate) fn run<N: Network>(
        &mut self,
        acceptor: &mut Acceptor<N>,
        requests: &mut impl Requests,
        limit: Position,
    ) -> Result<(), FollowError> {
        acceptor.submit_copies(requests);
        for _ in 0..FRAMES_A_ROUND {
            if acceptor.has_copies() || self.tail.position() >= limit {
                break;
            }
            let Some(frame) = self.tail.next(limit)? else { break };
            self.cutter.frame(&frame, &mut Looking(acceptor))?;
            acceptor.submit_copies(requests);
        }
        if !acceptor.has_copies() {
            self.hold.pass(self.tail.position());
        }
        while let Some(request) = acceptor.take_trade_request() {
            self.answers.push(Answer::new(&self.log, request, limit));
        }
        self.answers.retain_mut(|answer| !answer.go_on(acceptor, requests));
        Ok(())
    }
}

struct Looking<'a, N: Network>(&'a mut Acceptor<N>);

impl<N: Network> Follower for Looking<'_, N> {
    fn input(&mut self, _: &TurnHead) {}

    fn event(&mut self, head: &TurnHead, index: u32, event: &Event) {
        self.0.copy(head.position.0, index, event);
    }

    fn end_turn(&mut self, _: &TurnHead) {}
}

/// A request for trades of the past that is being answered.
struct Answer {
    request: TradeRequest,
    tail: Tail,
    cutter: Cutter,
    /// What is behind it is told by itself.
    until: Position,
    /// Trades of one frame that wait for room.
    found: VecDeque<(EventAt, Event)>,
    reports: u32,
    is_whole: bool,
}

impl Answer {
    fn new(log: &Log, request: TradeRequest, until: Position) -> Answer {
        let from = request.after.map_or(log.start(), |(order, _)| turn(log, order.0));
        // Without a first Event all is wanted that ever was.
        let is_whole = request.after.is_some() || log.is_whole();
        Answer {
            request,
            tail: log.tail(from),
            cutter: Cutter::default(),
            until,
            found: VecDeque::new(),
            reports: 0,
            is_whole,
        }
    }

    /// Submits some of it. Says whether that was all.
    fn go_on<N: Network>(
        &mut self,
        acceptor: &mut Acceptor<N>,
        requests: &mut impl Requests,
    ) -> bool {
        for _ in 0..FRAMES_A_ROUND {
            while let Some((of, event)) = self.found.front() {
                if Acceptor::<N>::room_for_copies(requests) == 0 {
                    return false;
                }
                self.reports += u32::from(acceptor.answer(&self.request, *of, event, requests));
                self.found.pop_front();
            }
            let after = self.request.after;
            let mut finding = Finding { after, found: &mut self.found };
            let read = match self.tail.next(self.until) {
                // The rest of a turn that began in a segment before.
                Ok(Some(frame)) if !frame.first && self.cutter.is_between() => continue,
                Ok(Some(frame)) => self.cutter.frame(&frame, &mut finding).is_ok(),
                Ok(None) => {
                    if Acceptor::<N>::room_for_copies(requests) == 0 {
                        return false;
                    }
                    acceptor.answered(&self.request, self.reports, self.is_whole, requests);
                    return true;
                }
                Err(_) => false,
            };
            if !read {
                // It went while it was read. The end is told when there is room.
                (self.is_whole, self.until) = (false, self.tail.position());
            }
        }
        false
    }
}

struct Finding<'a> {
    after: Option<(matcher::OrderId, u32)>,
    found: &'a mut VecDeque<(EventAt, Event)>,
}

impl Follower for Finding<'_> {
    fn input(&mut self, _: &TurnHead) {}

    fn event(&mut self, head: &TurnHead, index: u32, event: &Event) {
        let is_trade = matches!(event, Event::Traded(_) | Event::Busted(_));
        let at = (head.input.sequence.0, index);
        if is_trade && self.after.is_none_or(|(sequence, after)| at > (sequence.0, after)) {
            self.found.push_back((EventAt { position: head.position.0, index }, *event));
        }
    }

    fn end_turn(&mut self, _: &TurnHead) {}
}

/// Where to begin to read for the turn `sequence`: the last segment that begins before it or with it.
fn turn(log: &Log, sequence: u64) -> Position {
    let mut archive = log.archive();
    let (mut low, mut high) = (log.first_segment(), log.segment_of(log.committed()) + 1);
    while low + 1 < high {
        let middle = low.midpoint(high);
        let begins_before = archive.frame(log.segment_start(middle)).is_ok_and(|frame| {
            frame.sequence < sequence || frame.sequence == sequence && frame.first
        });
        if begins_before { low = middle } else { high = middle }
    }
    log.segment_start(low)
}
