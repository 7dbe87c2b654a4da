//! What an operator says to sessions: from any thread to the gateway's, which gives it to the core as messages of theirs.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};

use gateway::acceptor::{Acceptor, News};
use gateway::network::Network;
use matcher::SessionId;

/// Announcements that wait for the gateway, at most.
const WAITING_MAX: usize = 16;

/// Whom news is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Every session.
    All,
    /// All sessions of a firm.
    Participant(String),
    /// One, by its CompID.
    Session(String),
}

/// Why news is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTold {
    /// There is no such firm or session.
    Unknown,
    /// Too much waits that was said before: try again.
    Busy,
    /// The venue ends.
    Ended,
}

impl fmt::Display for NotTold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotTold::Unknown => "no such participant or session is in the configuration",
            NotTold::Busy => "too much waits that was said before: try again",
            NotTold::Ended => "the venue ends",
        })
    }
}

impl std::error::Error for NotTold {}

struct Announcement {
    to: Option<Vec<SessionId>>,
    news: News,
    /// To how many sessions it is told.
    told: SyncSender<usize>,
}

/// The way to the gateway's thread.
#[derive(Default)]
pub(crate) struct Desk {
    /// How many wait: looked at in every round of the gateway.
    count: AtomicUsize,
    waiting: Mutex<VecDeque<Announcement>>,
}

impl Desk {
    /// Asks the gateway; the answer comes when it has looked.
    pub(crate) fn ask(
        &self,
        to: Option<Vec<SessionId>>,
        news: News,
    ) -> Result<Receiver<usize>, NotTold> {
        let (told, answer) = sync_channel(1);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= WAITING_MAX {
            return Err(NotTold::Busy);
        }
        waiting.push_back(Announcement { to, news, told });
        self.count.store(waiting.len(), Ordering::Release);
        Ok(answer)
    }

    /// Whether somebody asks.
    #[inline]
    pub(crate) fn is_asked(&self) -> bool {
        self.count.load(Ordering::Acquire) > 0
    }

    /// The gateway's end: tells what was asked.
    #[inline]
    pub(crate) fn announce<N: Network>(&self, acceptor: &mut Acceptor<N>) {
        if !self.is_asked() {
            return;
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(Announcement { to, news, told }) = waiting.front() {
            // What was said before goes into the ring first.
            let Some(sessions) = acceptor.announce(to.as_deref(), news) else { break };
            // Whoever asked may have gone.
            let _ = told.try_send(sessions);
            waiting.pop_front();
        }
        self.count.store(waiting.len(), Ordering::Release);
    }
}

/// The sessions of an audience, `None`: all.
pub(crate) fn sessions_of(
    audience: &Audience,
    sessions: &[(String, String)],
) -> Result<Option<Vec<SessionId>>, NotTold> {
    let is_meant = |(comp_id, participant): &(String, String)| match audience {
        Audience::All => true,
        Audience::Participant(name) => participant == name,
        Audience::Session(name) => comp_id == name,
    };
    if *audience == Audience::All {
        return Ok(None);
    }
    let meant = (1..).map(SessionId).zip(sessions).filter(|(_, session)| is_meant(session));
    let meant: Vec<SessionId> = meant.map(|(id, _)| id).collect();
    if meant.is_empty() { Err(NotTold::Unknown) } else { Ok(Some(meant)) }
}
