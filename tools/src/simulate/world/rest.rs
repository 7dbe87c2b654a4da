//! Nothing goes wrong any more: what everybody has must be what he should have.

use super::*;

impl World {
    /// Nothing goes wrong any more: everybody must get what is his.
    pub(super) fn come_to_rest(&mut self) -> Result<(), String> {
        self.say(|| "nothing goes wrong any more".into());
        self.calm = true;
        (self.crash_at, self.trouble_at, self.operator_at) = (u64::MAX, u64::MAX, u64::MAX);
        (self.skew, self.slow_until) = (0, 0);
        self.ends = None;
        self.disk.process_ended();
        if self.disk.is_full() {
            self.room_at = self.now;
        }
        if self.running.is_none() {
            self.start_at = self.now;
        }
        for trader in &mut self.traders {
            trader.wire.calm_down();
        }
        for subscriber in &mut self.subscribers {
            subscriber.calm_down();
        }
        for listener in &mut self.listeners {
            listener.wire.calm_down();
        }
        if let Some(ouch) = &mut self.ouch {
            ouch.calm_down();
        }
        if let Some(hostile) = &mut self.hostile {
            hostile.calm_down(&self.net);
        }
        // No more indicative prices: the feed comes to rest too.
        let phase = Phase::Continuous;
        let continuous = |id| Command::SetPhase { instrument: InstrumentId(id), phase };
        self.at_calm = vec![continuous(0), continuous(1)];
        self.rest("after the last fault")?;
        if self.cut_short {
            return Ok(());
        }
        // Once more from the beginning: it must be what it was.
        let now = self.now;
        for trader in &mut self.traders {
            trader.wire.ask_for_everything(now, &self.net);
        }
        for listener in &mut self.listeners {
            listener.wire.ask_for_everything(now, &self.net);
        }
        if let Some(ouch) = &mut self.ouch {
            ouch.ask_for_everything(now, &self.net);
        }
        self.rest("after everything was asked for again")?;
        if self.running.is_none() {
            return Err("the venue is not there at the end".into());
        }
        self.check_at_rest()?;
        // And what it was is what a restart makes of it.
        self.end(End::Process)?;
        self.start()?;
        Ok(())
    }

    pub(super) fn check_at_rest(&mut self) -> Result<(), String> {
        let Some(running) = &self.running else { return Ok(()) };
        let core = running.joined.core();
        let then = core.sequence();
        self.link_segments()?;
        let Some(running) = &self.running else { return Ok(()) };
        let core = running.joined.core();
        let history = History::read(&running.log, then, &self.gone)?;
        if history.state_then != Some(core.engine().state_hash()) {
            return Err("a replay gives another state than the engine has".into());
        }
        history.check_at_rest(&self.traders)?;
        let names = self.plan.sessions();
        for listener in &self.listeners {
            history.was_told(listener, &names)?;
        }
        if let Some(ouch) = &self.ouch {
            history.knows_all(ouch)?;
        }
        history.days_end_once(self.day_end(), Timestamp(self.now))?;
        for subscriber in &self.subscribers {
            if subscriber.heard() != history.feed().len() as u64 {
                return Err(format!(
                    "a subscriber has heard {} of {} messages of the feed",
                    subscriber.heard(),
                    history.feed().len()
                ));
            }
            if !subscriber.late {
                history.equals_book(&subscriber.mirror)?;
            }
        }
        self.feed.equals(history.feed())
    }

    /// Goes on until nothing is missing for a while.
    pub(super) fn rest(&mut self, when: &str) -> Result<(), String> {
        let until = self.now + REST_NS;
        let mut since: Option<u64> = None;
        let mut steps = 0_u64;
        loop {
            let at = self.next();
            self.set_now(at.min(until));
            self.calm_phases();
            self.step()?;
            steps += 1;
            if self.cut_short {
                return Ok(());
            }
            match (self.missing(), since) {
                (None, None) => since = Some(self.now),
                (None, Some(begun)) if self.now >= begun + AT_REST_NS => return Ok(()),
                (None, Some(_)) => {}
                (Some(what), _) => {
                    // Heartbeats are on their way now and then.
                    if what != Missing::Message {
                        since = None;
                    }
                    if self.now >= until || steps > STEPS_MAX {
                        return Err(format!(
                            "{when} they do not come to rest: {}",
                            self.open(what)
                        ));
                    }
                }
            }
            if self.now >= until {
                return Err(format!("{when} they do not come to rest"));
            }
        }
    }

    /// What the operator asks for once a venue is there that nothing happens to.
    pub(super) fn calm_phases(&mut self) {
        let Some(running) = &mut self.running else { return };
        let left = std::mem::take(&mut self.at_calm);
        for command in &left {
            if !running.operator.submit(command) {
                self.at_calm.push(*command);
            }
        }
    }

    pub(super) fn missing(&self) -> Option<Missing> {
        let Some(running) = &self.running else { return Some(Missing::Venue) };
        if !self.at_calm.is_empty() {
            return Some(Missing::Venue);
        }
        let engine = running.joined.core().engine();
        for trader in &self.traders {
            if !trader.wire.is_at_rest() {
                return Some(Missing::Connection);
            }
            if trader.ledger.unanswered().next().is_some() && !trader.ledger.blind {
                return Some(Missing::Answer);
            }
            let last = engine.session(trader.session).map_or(0, |state| state.last_outbound.0);
            if trader.wire.next_in() != last + 1 {
                return Some(Missing::Message);
            }
        }
        for listener in &self.listeners {
            if !listener.wire.is_at_rest() {
                return Some(Missing::Connection);
            }
            let last = engine.session(listener.session).map_or(0, |it| it.last_outbound.0);
            if listener.wire.next_in() != last + 1 {
                return Some(Missing::Message);
            }
        }
        if let Some(market) = &running.market
            && (running.market_said || market.position() != running.log.committed())
        {
            return Some(Missing::Message);
        }
        if let Some(ouch) = &self.ouch {
            if !ouch.is_at_rest() {
                return Some(Missing::Connection);
            }
            let last = engine.session(ouch.session).map_or(0, |it| it.last_outbound.0);
            if ouch.heard() != u64::from(last) {
                return Some(Missing::Message);
            }
            if ouch.unanswered().is_some() {
                return Some(Missing::Answer);
            }
        }
        let published = running.joined.feed_messages();
        let behind = self.subscribers.iter().any(|subscriber| subscriber.heard() != published);
        behind.then_some(Missing::Feed)
    }

    pub(super) fn open(&self, what: Missing) -> String {
        let mut text = format!("{what:?}");
        for trader in &self.traders {
            let open: Vec<&str> = trader.ledger.unanswered().take(3).collect();
            text += &format!(
                "; session {}: next {}, at rest {}, open {open:?}",
                trader.session,
                trader.wire.next_in(),
                trader.wire.is_at_rest()
            );
        }
        for listener in &self.listeners {
            text += &format!(
                "; session {}: next {}, at rest {}",
                listener.session,
                listener.wire.next_in(),
                listener.wire.is_at_rest()
            );
        }
        if let Some(ouch) = &self.ouch {
            text += &format!(
                "; OUCH: heard {}, at rest {}, open {:?}",
                ouch.heard(),
                ouch.is_at_rest(),
                ouch.unanswered()
            );
        }
        text
    }
}

/// What somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    Venue,
    Connection,
    Answer,
    Message,
    Feed,
}
