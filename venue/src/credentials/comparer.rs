//! Comparing passwords beside the gateway: one at a time, on a thread of its own.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use gateway::acceptor::{Claim, Credentials, Ticket, Verdict};
use matcher::Timestamp;

use super::{Known, Question};
use crate::config::Config;
use crate::threads::Sleeper;

/// Claims that wait or are being compared, at most. One takes tens of milliseconds, so the last of them has its
/// verdict well before a Logon times out.
const WAITING_MAX: usize = 32;

/// The gateway's end: whoever asks is told at once or later.
pub(crate) struct Comparer {
    known: Known,
    questions: SyncSender<Question>,
    answers: Arc<Answers>,
}

/// The thread's end.
pub(crate) struct Comparing {
    questions: Receiver<Question>,
    answers: Arc<Answers>,
}

#[derive(Default)]
struct Answers {
    /// How many are in the list: looked at in every round of the gateway.
    count: AtomicUsize,
    list: Mutex<VecDeque<(Ticket, bool)>>,
}

impl Comparer {
    /// Both ends. Whoever has a secret in `config` is asked for it from now on.
    pub(crate) fn new(config: &Config, now: Timestamp) -> (Comparer, Comparing) {
        let (ask, questions) = sync_channel(WAITING_MAX);
        let answers = Arc::<Answers>::default();
        let known = Known::new(config, now);
        let comparer = Comparer { known, questions: ask, answers: Arc::clone(&answers) };
        (comparer, Comparing { questions, answers })
    }
}

impl Credentials for Comparer {
    fn check(&mut self, ticket: Ticket, claim: &Claim<'_>) -> Verdict {
        match self.known.look(ticket, claim) {
            Ok(verdict) => verdict,
            Err(question) => match self.questions.try_send(question) {
                Ok(()) => Verdict::Later,
                Err(_) => Verdict::Busy,
            },
        }
    }

    fn next_verdict(&mut self) -> Option<(Ticket, bool)> {
        let mut list = self.answers.list.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = list.pop_front();
        self.answers.count.store(list.len(), Ordering::Release);
        answer
    }

    #[inline]
    fn has_verdict(&self) -> bool {
        self.answers.count.load(Ordering::Acquire) > 0
    }
}

impl Comparing {
    /// Compares until the gateway's end is gone, and wakes the gateway for each verdict.
    pub(crate) fn run(self, gateway: &Sleeper) {
        while let Ok(question) = self.questions.recv() {
            let answer = question.answer();
            drop(question);
            let mut list = self.answers.list.lock().unwrap_or_else(PoisonError::into_inner);
            list.push_back(answer);
            self.answers.count.store(list.len(), Ordering::Release);
            drop(list);
            gateway.wake();
        }
    }
}

/// Compares at once: for a venue without threads.
pub struct AtOnce(Known);

impl AtOnce {
    /// Whoever has a secret in `config` is asked for it; no signature from before `now` is good.
    #[must_use]
    pub fn new(config: &Config, now: Timestamp) -> AtOnce {
        AtOnce(Known::new(config, now))
    }
}

impl Credentials for AtOnce {
    fn check(&mut self, ticket: Ticket, claim: &Claim<'_>) -> Verdict {
        match self.0.look(ticket, claim) {
            Ok(verdict) => verdict,
            Err(question) if question.answer().1 => Verdict::Good,
            Err(_) => Verdict::Bad,
        }
    }

    fn next_verdict(&mut self) -> Option<(Ticket, bool)> {
        None
    }

    fn has_verdict(&self) -> bool {
        false
    }
}
