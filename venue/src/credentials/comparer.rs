//! Comparing and changing passwords beside the gateway: one at a time, on a thread of its own.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use gateway::acceptor::{Change, Changed, Changing, Claim, Credentials, Ticket, Verdict};
use matcher::{SessionId, Timestamp};

use super::change::Renewal;
use super::{Known, Looked, Password, Question};
use crate::config::Config;
use crate::threads::Sleeper;

/// Claims and changes that wait or are being looked at, at most. One takes tens of milliseconds, so the last of them has its
/// verdict well before a Logon times out.
const WAITING_MAX: usize = 32;

/// The gateway's end: whoever asks is told at once or later.
pub(crate) struct Comparer {
    known: Known,
    tasks: SyncSender<Task>,
    answers: Arc<Answers>,
}

/// What takes its time.
enum Task {
    Compare(Box<Question>),
    Renew(Box<Renewal>),
}

/// The thread's end.
pub(crate) struct Comparing {
    tasks: Receiver<Task>,
    answers: Arc<Answers>,
}

#[derive(Default)]
struct Answers {
    /// How many are in the lists: looked at in every round of the gateway.
    count: AtomicUsize,
    lists: Mutex<Lists>,
}

#[derive(Default)]
struct Lists {
    verdicts: VecDeque<Looked>,
    renewed: VecDeque<(SessionId, Result<Password, Changed>)>,
    /// What was read again, and whom to tell that it is taken.
    reload: Option<(Known, SyncSender<Taken>)>,
}

/// For how many sessions it is something else, or why nothing of it is taken.
pub(crate) type Taken = Result<usize, String>;

/// The way to the secrets of a venue that runs.
pub(crate) struct Secrets(Arc<Answers>);

impl Secrets {
    /// Has what `config` says taken. `None`: the one before is not taken yet.
    pub(crate) fn renew(&self, config: &Config) -> Option<Receiver<Taken>> {
        // No signature of before the venue's start is good; when that was, is known there.
        let known = Known::new(config, Timestamp(0));
        self.0.with(|lists| {
            if lists.reload.is_some() {
                return None;
            }
            let (taken, answer) = sync_channel(1);
            lists.reload = Some((known, taken));
            Some(answer)
        })
    }

    /// Nothing is to be taken any more; whether nothing was.
    pub(crate) fn withdraw(&self) -> bool {
        self.0.with(|lists| lists.reload.take()).is_some()
    }
}

impl Answers {
    fn with<T>(&self, change: impl FnOnce(&mut Lists) -> T) -> T {
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut lists);
        let reload = usize::from(lists.reload.is_some());
        let count = lists.verdicts.len() + lists.renewed.len() + reload;
        self.count.store(count, Ordering::Release);
        result
    }
}

impl Comparer {
    /// Both ends. Whoever has a secret in `config` is asked for it from now on.
    pub(crate) fn new(config: &Config, now: Timestamp) -> (Comparer, Comparing) {
        let (ask, tasks) = sync_channel(WAITING_MAX);
        let answers = Arc::<Answers>::default();
        let known = Known::new(config, now);
        let comparer = Comparer { known, tasks: ask, answers: Arc::clone(&answers) };
        (comparer, Comparing { tasks, answers })
    }

    /// The way to have its secrets read again.
    pub(crate) fn secrets(&self) -> Secrets {
        Secrets(Arc::clone(&self.answers))
    }

    /// Takes what was read again.
    fn take_reload(&mut self) {
        if let Some((read, taken)) = self.answers.with(|lists| lists.reload.take()) {
            // Whoever asked may have gone.
            let _ = taken.try_send(self.known.take(read));
        }
    }
}

impl Credentials for Comparer {
    fn check(&mut self, ticket: Ticket, claim: &Claim<'_>) -> Verdict {
        match self.known.look(ticket, claim) {
            Ok(verdict) => verdict,
            Err(question) => match self.tasks.try_send(Task::Compare(question)) {
                Ok(()) => Verdict::Later,
                Err(_) => Verdict::Busy,
            },
        }
    }

    fn next_verdict(&mut self) -> Option<(Ticket, Verdict)> {
        self.take_reload();
        let looked = self.answers.with(|lists| lists.verdicts.pop_front())?;
        Some(self.known.looked(looked))
    }

    #[inline]
    fn has_verdict(&self) -> bool {
        self.answers.count.load(Ordering::Acquire) > 0
    }

    fn change(&mut self, change: &Change<'_>) -> Changing {
        match self.known.change(change) {
            Ok(changing) => changing,
            Err(renewal) => match self.tasks.try_send(Task::Renew(Box::new(renewal))) {
                Ok(()) => Changing::Later,
                Err(_) => Changing::Busy,
            },
        }
    }

    fn next_change(&mut self) -> Option<(SessionId, Changed)> {
        let (session, made) = self.answers.with(|lists| lists.renewed.pop_front())?;
        Some(self.known.changed(session, made))
    }
}

impl Comparing {
    /// Compares until the gateway's end is gone, and wakes the gateway for each verdict.
    pub(crate) fn run(self, gateway: &Sleeper) {
        while let Ok(task) = self.tasks.recv() {
            match task {
                Task::Compare(question) => {
                    let answer = question.answer();
                    drop(question);
                    self.answers.with(|lists| lists.verdicts.push_back(answer));
                }
                Task::Renew(renewal) => {
                    let answer = (renewal.session, renewal.make());
                    drop(renewal);
                    self.answers.with(|lists| lists.renewed.push_back(answer));
                }
            }
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
            Err(question) => self.0.looked(question.answer()).1,
        }
    }

    fn next_verdict(&mut self) -> Option<(Ticket, Verdict)> {
        None
    }

    fn has_verdict(&self) -> bool {
        false
    }

    fn change(&mut self, change: &Change<'_>) -> Changing {
        match self.0.change(change) {
            Ok(changing) => changing,
            Err(renewal) => {
                let (_, changed) = self.0.changed(renewal.session, renewal.make());
                Changing::Decided(changed)
            }
        }
    }
}
