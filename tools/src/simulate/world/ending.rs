//! How a venue ends, and what goes wrong before.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

use super::*;

impl World {
    /// The venue is to end: now, in its next step, or in a call to the disk.
    pub(super) fn crash(&mut self) -> Result<(), String> {
        if self.running.is_none() {
            return Ok(());
        }
        let machine = self.plan.durability == Durability::Disk && self.random.below(2) == 0;
        let end = if machine { End::Machine } else { End::Process };
        match self.random.below(8) {
            0 => {
                self.say(|| "stops in order".into());
                self.counts.add(Fault::Stopped);
                let by = self.now + STOP_NS;
                if let Some(running) = &mut self.running {
                    running.joined.stop();
                    running.stop_by = Some(by);
                    running.venue_at = self.now;
                }
                Ok(())
            }
            1 | 2 => {
                self.ends = Some((Place::AfterTake, end));
                Ok(())
            }
            3 | 4 => {
                self.ends = Some((Place::AfterTurns, end));
                Ok(())
            }
            5 | 6 => {
                self.ends = Some((Place::InCall, end));
                self.disk.end_in(u32::try_from(self.random.below(6)).unwrap_or(0));
                Ok(())
            }
            _ => self.end(end),
        }
    }

    pub(super) fn stop_if_done(&mut self) -> Result<(), String> {
        let now = self.now;
        let Some(running) = &mut self.running else { return Ok(()) };
        let Some(by) = running.stop_by else { return Ok(()) };
        if now < by && (running.joined.connections() > 0 || !running.joined.core().is_idle()) {
            return Ok(());
        }
        running.joined.end();
        let mut synced = Ok(Synced::Idle);
        for lane in &mut running.lanes {
            if lane.is_written() {
                synced = synced.and_then(|_| lane.sync());
            }
        }
        while synced.is_ok() {
            synced = running.lanes[0].step();
            if let Ok(Synced::Idle) = synced {
                break;
            }
        }
        if let Err(error) = synced {
            let why = error.to_string();
            return self.failed(&why);
        }
        let due = running.keeper.is_due_at_end();
        let log = running.log.clone();
        if log.durable() < log.committed() {
            return Err("a stop in order left something that is not on disk".into());
        }
        drop(log);
        if due {
            self.make_snapshot()?;
            if self.running.is_none() {
                return Ok(());
            }
        }
        self.end(End::Process)?;
        // As a venue does that stopped in order.
        self.clear_live()
    }

    /// What goes wrong with the disk, the thread or the clock.
    pub(super) fn trouble(&mut self) {
        let now = self.now;
        match self.random.below(6) {
            0 => {
                self.say(|| "the disk is full".into());
                self.disk.set_full(Room::None);
                self.room_at = now + SECOND + self.random.below(20 * SECOND);
            }
            1 => {
                self.say(|| "syncs are slow".into());
                self.counts.add(Fault::SlowSync);
                self.slow_until = now + self.random.below(8 * SECOND);
            }
            2 => {
                let stall = 10 * MS + self.random.below(4 * SECOND);
                self.say(|| format!("the thread does not run for {stall} ns"));
                self.counts.add(Fault::Stall);
                if let Some(running) = &mut self.running {
                    running.venue_at = now + stall;
                }
            }
            3 => {
                self.counts.add(Fault::ClockBack);
                self.skew = self.random.below(900 * MS);
                self.say(|| "the clock went back".into());
                self.set_now(now);
            }
            _ => {
                let calls = u32::try_from(self.random.below(8)).unwrap_or(0);
                self.say(|| format!("the disk fails after {calls} calls"));
                self.disk.fail_in(calls);
            }
        }
    }

    /// A command of the venue itself.
    pub(super) fn operate(&mut self) {
        let instrument = InstrumentId(u32::try_from(self.random.below(2)).unwrap_or(0));
        let trader = u32::try_from(1 + self.random.below(self.plan.traders as u64)).unwrap_or(1);
        let permission = match self.random.below(5) {
            0 => Permission::Killed,
            1 => Permission::CancelOnly,
            _ => Permission::Trade,
        };
        let command = match self.random.below(12) {
            0 => Command::SetPhase { instrument, phase: Phase::Halt },
            1 => Command::SetPhase { instrument, phase: Phase::PreOpen },
            2 => Command::SetPhase { instrument, phase: Phase::OpeningAuction },
            3 => Command::SetPhase { instrument, phase: Phase::VolatilityAuction },
            4 | 5 => Command::SetPhase { instrument, phase: Phase::Continuous },
            6 => Command::SetPermission {
                scope: PermissionScope::Session(SessionId(trader)),
                permission,
            },
            7 => Command::SetPermission {
                scope: PermissionScope::Instrument(instrument),
                permission,
            },
            8 => Command::SetReference {
                instrument,
                price: Price::from_ticks(self.random.between(9_990, 10_010)),
            },
            9 => Command::Expire,
            // Where a schedule ends the day, only the schedule does.
            10 if self.plan.day_end.is_none() => Command::ExpireDay,
            _ => Command::PublishIndicative { instrument },
        };
        self.say(|| format!("operator: {command:?}"));
        let now = self.now;
        if let Some(running) = &mut self.running {
            running.operator.submit(&command);
            running.venue_at = running.venue_at.min(now);
        }
    }

    /// The process ends, or the whole machine.
    pub(super) fn end(&mut self, end: End) -> Result<(), String> {
        self.ends = None;
        let Some(running) = self.running.take() else { return Ok(()) };
        let (committed, released) = (running.log.committed(), running.release.cursor());
        let core = running.joined.core();
        self.then = (core.sequence(), core.engine().state_hash());
        let until = |end: Position| self.turns.partition_point(|(at, _)| *at <= end.0);
        self.released = until(released);
        self.required = match end {
            End::Process => until(committed),
            End::Machine => self.released,
        };
        drop(running);
        let (required, turns) = (self.required, self.turns.len());
        self.say(|| format!("{end:?} ends, {required} of {turns} turns must be there"));
        match end {
            End::Process => {
                self.counts.add(Fault::ProcessKilled);
                self.disk.process_ended();
                self.net.venue_ended(Leave::Close);
                if self.random.below(3) == 0 {
                    self.half_turn(committed)?;
                }
            }
            End::Machine => {
                self.counts.add(Fault::MachineEnded);
                self.disk.machine_ended().map_err(|error| error.to_string())?;
                self.net.venue_ended(Leave::Vanish);
                self.clear_live()?;
            }
        }
        let most = if self.random.below(10) == 0 { 40 * SECOND } else { 2 * SECOND };
        self.start_at = self.now + 10 * MS + self.random.below(most);
        Ok(())
    }

    pub(super) fn clear_live(&mut self) -> Result<(), String> {
        let wrong = |error: std::io::Error| format!("cannot clear the live folder: {error}");
        for file in std::fs::read_dir(&self.live).map_err(wrong)? {
            std::fs::remove_file(file.map_err(wrong)?.path()).map_err(wrong)?;
        }
        Ok(())
    }

    /// What a process leaves in the live log that ended in the middle of a turn: bytes without a length.
    pub(super) fn half_turn(&mut self, committed: Position) -> Result<(), String> {
        let segment_bytes = 64 << 10;
        let (index, offset) = (committed.0 / segment_bytes, committed.0 % segment_bytes);
        let path = self.live.join(format!("{index:016}.seg"));
        let len = 8 + self.random.below(400);
        if offset < 64 || offset + 8 + len > segment_bytes {
            return Ok(());
        }
        let Ok(file) = OpenOptions::new().write(true).open(path) else { return Ok(()) };
        self.counts.add(Fault::HalfTurn);
        let bytes: Vec<u8> = (0..len).map(|_| self.random.next().to_le_bytes()[0]).collect();
        file.write_all_at(&bytes, offset + 4).map_err(|error| error.to_string())
    }

    /// Turns a bit of every snapshot of a journal whose beginning is not there.
    fn damage_snapshots(&mut self, paths: &[PathBuf]) -> Result<Option<Flip>, String> {
        let is_snapshot = |path: &&PathBuf| path.extension().is_some_and(|it| it == "snap");
        for path in paths.iter().filter(is_snapshot) {
            let turned = self.disk.flip(path, 600, 4);
            self.flipped |= turned.map_err(|error| format!("cannot turn a bit: {error}"))?;
        }
        self.say(|| "every snapshot is damaged".into());
        Ok(None)
    }

    /// Turns a bit of something that was synced.
    pub(super) fn flip(&mut self) -> Result<Option<Flip>, String> {
        let wrong = |error: std::io::Error| format!("cannot turn a bit: {error}");
        let Ok(files) = std::fs::read_dir(&self.dir) else { return Ok(None) };
        let mut paths: Vec<PathBuf> = Vec::new();
        for file in files {
            paths.push(file.map_err(wrong)?.path());
        }
        let kept = |path: &PathBuf| {
            let extension = path.extension().and_then(|it| it.to_str());
            matches!(extension, Some("seg" | "snap" | "index")) || path.ends_with("retained")
        };
        paths.retain(kept);
        paths.sort_unstable();
        if self.retired > 0 && self.random.below(3) == 0 {
            return self.damage_snapshots(&paths);
        }
        let mut used = Vec::new();
        for path in paths {
            let bytes = std::fs::read(&path).map_err(wrong)?;
            if let Some(last) = bytes.iter().rposition(|byte| *byte != 0) {
                used.push((path, last as u64));
            }
        }
        let at = usize::try_from(self.random.below(used.len() as u64)).unwrap_or(0);
        let Some((path, last)) = used.get(at).cloned() else { return Ok(None) };
        let at = self.random.below(last + 1);
        let bit = u8::try_from(self.random.below(8)).unwrap_or(0);
        let may_be_cut = self.disk.is_of_last_batches(&path, at);
        if !self.disk.flip(&path, at, bit).map_err(wrong)? {
            return Ok(None);
        }
        self.flipped = true;
        self.say(|| format!("bit {bit} of byte {at} of {} is turned", path.display()));
        Ok(Some(Flip { path, at, bit, may_be_cut }))
    }
}
