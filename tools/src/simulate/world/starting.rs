//! A venue starts again: from what is left, with a bit turned now and then, and ends in the middle of it.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

use venue::credentials::AtOnce;

use super::*;

impl World {
    pub(super) fn start(&mut self) -> Result<(), String> {
        let now = self.now;
        let flips = !self.calm && self.plan.trouble_ns > 0 && self.starts > 0;
        let mut flip = if flips && self.random.below(12) == 0 { self.flip()? } else { None };
        for attempt in 0_u32.. {
            if attempt > 200 {
                return Err("the venue does not start in 200 attempts".into());
            }
            self.plan_recovery_faults();
            self.starts += 1;
            match self.assemble() {
                Ok(assembly) => {
                    self.disk.process_ended();
                    return self.started(assembly, flip.as_ref(), attempt);
                }
                Err(_) if self.disk.has_ended() => {
                    self.counts.add(Fault::EndedInRecovery);
                    let machine =
                        self.plan.durability == Durability::Disk && self.random.below(2) == 0;
                    self.say(|| format!("ends in the recovery; with the machine: {machine}"));
                    if machine {
                        self.required = self.required.min(self.released);
                        self.disk.machine_ended().map_err(|error| error.to_string())?;
                        self.clear_live()?;
                    } else {
                        self.disk.process_ended();
                    }
                    self.net.venue_ended(Leave::Close);
                }
                Err(error) if self.disk.take_failed() => {
                    self.say(|| format!("does not start: {error}"));
                    self.net.venue_ended(Leave::Close);
                }
                Err(StartError::Journal(OpenError::NoSpace { .. })) if self.disk.is_full() => {
                    self.say(|| "does not start: no space".into());
                    self.start_at = now + SECOND;
                    self.net.venue_ended(Leave::Close);
                    return Ok(());
                }
                Err(StartError::Recovery(RecoveryError::Headless(why))) if self.flipped => {
                    // Every snapshot is bad: an operator puts the older segments back.
                    self.net.venue_ended(Leave::Close);
                    self.say(|| format!("does not start: {why}"));
                    if !self.put_back()? {
                        return Err(format!("with everything put back: {why}"));
                    }
                }
                Err(error) => {
                    self.net.venue_ended(Leave::Close);
                    let Some(flip) = flip.take() else {
                        return Err(format!("the venue does not start: {error}"));
                    };
                    if !is_damage(&error) {
                        return Err(format!("a turned bit is reported as: {error}"));
                    }
                    // It was found: it is put right as an operator would from a copy.
                    self.say(|| format!("the damage is found: {error}"));
                    turn(&flip).map_err(|error| error.to_string())?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn plan_recovery_faults(&mut self) {
        if self.calm || self.plan.crash_ns == 0 || self.starts == 0 {
            return;
        }
        if self.random.below(5) == 0 {
            self.disk.end_in(u32::try_from(self.random.below(14)).unwrap_or(0));
        } else if self.random.below(12) == 0 && self.plan.trouble_ns > 0 {
            self.disk.fail_in(u32::try_from(self.random.below(14)).unwrap_or(0));
        }
    }

    pub(super) fn assemble(&mut self) -> Result<Assembly<VirtualNetwork>, StartError> {
        let config = match self.plan.config(&self.dir, &self.live) {
            Ok(config) => config,
            Err(why) => panic!("the simulation's own configuration: {why}"),
        };
        let options = Options {
            dir: self.dir.clone(),
            live_dir: self.live.clone(),
            segment_bytes: config.segment_bytes,
            record_version: RECORD_VERSION,
            live_segments_kept: if self.plan.retention.is_some() { 0 } else { 2 },
            written_ahead: false,
            first_sequence: 1,
        };
        let opened = journal::open_with(&options, Arc::new(self.disk.clone()))
            .map_err(StartError::Journal)?;
        let twice = self.plan.sabotage == Some(Sabotage::TimerTwice) && self.starts > 1;
        let outside = Outside {
            clock: self.clock.clone(),
            border_clock: self.border_clock.clone(),
            fix: self.net.listener(Port::Fix),
            feed: Some(self.net.listener(Port::Feed)),
            requests: None,
            glimpse: None,
            connections_max: config.fix.connections_max,
            gateway_cells: 1 << 9,
            venue_cells: 1 << 8,
            feed_window: self.plan.feed_window,
            credentials: Box::new(AtOnce::new(&config, self.border_clock.now())),
            day_ended: twice.then_some(Timestamp(self.plan.began)),
            shards: Vec::new(),
        };
        Assembly::new(&config, opened, outside)
    }

    /// A venue has recovered: what was told must be there.
    pub(super) fn started(
        &mut self,
        assembly: Assembly<VirtualNetwork>,
        flip: Option<&Flip>,
        attempts_before: u32,
    ) -> Result<(), String> {
        let Assembly { joined, syncer, preparer, log, release, operator, space, .. } = assembly;
        let Assembly { recovery, keeper, from_snapshot, refused, market_data, .. } = assembly;
        let again = self.starts > 1;
        self.restarted.set(again);
        if !refused.is_empty() && !self.flipped {
            return Err(format!("snapshots cannot be used: {refused:?}"));
        }
        self.from_snapshot += u64::from(from_snapshot.is_some());
        self.link_segments()?;
        let history = match (History::read(&log, self.then.0, &self.gone), flip) {
            (Err(why), Some(flip)) => {
                // A start from a snapshot does not look at what is before it: whoever reads it finds it.
                self.say(|| format!("the damage is found by a reader: {why}"));
                turn(flip).map_err(|error| error.to_string())?;
                History::read(&log, self.then.0, &self.gone)?
            }
            (history, _) => history?,
        };
        if history.engine.state_hash() != joined.core().engine().state_hash() {
            return Err(format!(
                "recovery, from a snapshot of {from_snapshot:?}, has another state than a replay"
            ));
        }
        self.let_go_of(&history, log.start());
        let checked = self.check_history(&history);
        if let Err(why) = checked {
            // An attempt that did not come to its end may have cut it, and had nobody to report it to.
            let was_cut = recovery.cut.is_some() || attempts_before > 0;
            if was_cut && flip.is_some_and(|flip| flip.may_be_cut) {
                self.say(|| "damage among what was synced last was cut, and reported".into());
                self.cut_short = true;
                return Ok(());
            }
            return Err(why);
        }
        self.say(|| format!("started: {recovery:?}, from a snapshot of {from_snapshot:?}"));
        let end = history.turns.last().map_or(log.start(), |(end, _)| Position(*end));
        let follow = log.tail(end);
        let now = self.now;
        self.turns = history.turns;
        self.running = Some(Running {
            joined,
            lanes: [syncer.lane(), syncer],
            preparer,
            log,
            release,
            operator,
            market_at: if market_data.is_some() { now } else { u64::MAX },
            market: market_data,
            market_said: false,
            space,
            follow,
            hash: 0,
            venue_at: now,
            sync_at: None,
            prepare_at: Some(now),
            keeper,
            keep_at: None,
            mended: false,
            stop_by: None,
        });
        self.follow()?;
        self.wake_helpers();
        Ok(())
    }

    /// Remembers every segment there is on disk, for when it has gone.
    pub(super) fn link_segments(&mut self) -> Result<(), String> {
        if self.plan.retention.is_none() {
            return Ok(());
        }
        let wrong = |error: std::io::Error| format!("cannot link a segment: {error}");
        std::fs::create_dir_all(&self.gone).map_err(wrong)?;
        for file in std::fs::read_dir(&self.dir).map_err(wrong)? {
            let path = file.map_err(wrong)?.path();
            let (Some(name), Some("seg")) =
                (path.file_name(), path.extension().and_then(|it| it.to_str()))
            else {
                continue;
            };
            // Another file may have its name now.
            let link = self.gone.join(name);
            let _ = std::fs::remove_file(&link);
            std::fs::hard_link(&path, &link).map_err(wrong)?;
        }
        Ok(())
    }

    /// Puts segments that have gone back; whether there were any.
    fn put_back(&mut self) -> Result<bool, String> {
        let wrong = |error: std::io::Error| format!("cannot put a segment back: {error}");
        let mut any = false;
        for file in std::fs::read_dir(&self.gone).map_err(wrong)? {
            let path = file.map_err(wrong)?.path();
            let back = self.dir.join(path.file_name().unwrap_or_default());
            if !back.exists() {
                std::fs::copy(&path, &back).map_err(wrong)?;
                any = true;
            }
        }
        for trader in &mut self.traders {
            trader.ledger.is_put_back |= any;
        }
        for listener in &mut self.listeners {
            listener.ears.ledger.is_put_back |= any;
        }
        self.counts.add(Fault::PutBack);
        Ok(any)
    }

    pub(super) fn check_history(&self, history: &History) -> Result<(), String> {
        let required = &self.turns[..self.required.min(self.turns.len())];
        for (index, (_, hash)) in required.iter().enumerate() {
            match history.turns.get(index) {
                Some((_, found)) if found == hash => {}
                Some(_) => return Err(format!("turn {} is another one now", index + 1)),
                None => {
                    return Err(format!(
                        "turn {} is lost: {} are there, {} must be",
                        index + 1,
                        history.turns.len(),
                        required.len()
                    ));
                }
            }
        }
        if let Some(state) = history.state_then
            && required.len() as u64 >= self.then.0.0
            && state != self.then.1
        {
            return Err(format!("after turn {} the state is another one", self.then.0));
        }
        for trader in &self.traders {
            history.holds(trader.session.0, &trader.ledger)?;
        }
        for listener in &self.listeners {
            history.holds(listener.session.0, &listener.ears.ledger)?;
        }
        if let Some(ouch) = &self.ouch {
            history.has_told(ouch)?;
        }
        history.days_end_once(self.day_end(), Timestamp(self.plan.began))
    }
}

fn is_damage(error: &StartError) -> bool {
    let read = |error: &ReadError| {
        matches!(
            error,
            ReadError::Corrupt { .. }
                | ReadError::Cut { .. }
                | ReadError::Header { .. }
                | ReadError::Version { .. }
                | ReadError::Retained { .. }
        )
    };
    match error {
        StartError::Journal(OpenError::Journal(error)) => read(error),
        StartError::Recovery(RecoveryError::Replay(ReplayError::Follow(FollowError::Read(
            error,
        )))) => read(error),
        _ => false,
    }
}

/// Turns a bit back.
fn turn(flip: &Flip) -> std::io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(&flip.path)?;
    let mut byte = [0];
    file.read_exact_at(&mut byte, flip.at)?;
    file.write_all_at(&[byte[0] ^ (1 << flip.bit)], flip.at)
}
