//! A recorded flow as the demo's traders: its commands at the times they have, or faster.

use std::path::Path;
use std::time::Duration;

use gateway::fix::tag;
use venue::clock;

use super::market::Market;
use crate::failure::Failure;
use crate::fix_conn::FixSet;
use crate::order_flow::{Flow, Request, Step};
use crate::own_venue::FLOW_SYMBOL;
use crate::play;

/// Requests under way at most. What is due beyond waits: the venue's answers set the pace then.
const OPEN_MAX: usize = 256;

/// The session that says everything: so the order of arrival is that of the file.
const SESSION: usize = 0;

/// See the module.
pub(super) struct Recorded {
    flow: Flow,
    steps: Vec<Step>,
    /// The ClOrdID that each command gave its order.
    ids: Vec<u64>,
    speed: u64,
}

impl Recorded {
    /// The flow in the folder `dir`, so many times as fast.
    pub(super) fn read(dir: &Path, speed: u32) -> Result<Recorded, Failure> {
        let flow = Flow::read(dir).map_err(Failure::usage)?;
        let steps = flow.plan(1).map_err(Failure::usage)?;
        let ids = Vec::with_capacity(steps.len());
        Ok(Recorded { flow, steps, ids, speed: u64::from(speed.max(1)) })
    }

    /// Whether every command was sent.
    pub(super) fn is_over(&self) -> bool {
        self.ids.len() == self.steps.len()
    }

    /// Sends what is due `at` so long after the beginning; says how long to wait for more.
    pub(super) fn play(&mut self, market: &mut Market, set: &mut FixSet, at: Duration) -> Duration {
        let time = |n: usize| self.flow.commands.get(n).map_or(0, |it| it.since_midnight_ns);
        while market.open() < OPEN_MAX {
            let n = self.ids.len();
            let Some(step) = self.steps.get(n) else { break };
            let due = Duration::from_nanos(time(n).saturating_sub(time(0)) / self.speed);
            if due > at {
                return due - at;
            }
            if let Some(first) = &step.first {
                send(first, &self.ids, market, set);
            }
            let id = send(&step.request, &self.ids, market, set);
            self.ids.push(id);
        }
        Duration::MAX
    }
}

fn send(request: &Request, ids: &[u64], market: &mut Market, set: &mut FixSet) -> u64 {
    let (kind, target): (&[u8], _) = match *request {
        Request::New { .. } => (b"D", None),
        Request::Cancel { target, .. } => (b"F", ids.get(target)),
        Request::Replace { target, .. } => (b"G", ids.get(target)),
    };
    let (id, now) = market.next_id();
    set.send(SESSION, clock::now(), kind, |message| {
        message.uint(tag::CL_ORD_ID, id);
        if let Some(target) = target {
            message.uint(tag::ORIG_CL_ORD_ID, *target);
        }
        message.bytes(tag::SYMBOL, FLOW_SYMBOL.as_bytes());
        play::write_terms(message, request, now);
    });
    id
}
