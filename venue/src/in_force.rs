//! What the venue has set, as of the end of the journal; and what the configuration makes of it.

use std::collections::BTreeMap;

use gateway::acceptor::LastConnection;
use matcher::{
    Bands, Command, Event, InstrumentId, ParticipantId, Phase, Price, RiskLimits,
    SelfTradePrevention, SessionId, Timestamp,
};

use crate::config::{Config, NO_BANDS};
use crate::turns::{Follower, TurnHead};

/// The phases of instruments and the rules that were applied last.
#[derive(Default)]
pub(crate) struct InForce {
    /// By instrument: its phase, and since when.
    pub phases: Vec<(Phase, Timestamp)>,
    bands: BTreeMap<InstrumentId, Bands>,
    references: BTreeMap<InstrumentId, Price>,
    sessions: BTreeMap<SessionId, (u32, SelfTradePrevention)>,
    risk: BTreeMap<(ParticipantId, InstrumentId), RiskLimits>,
    /// What sessions' last connections were, as far as that is anything.
    pub connections: BTreeMap<SessionId, LastConnection>,
}

impl Follower for InForce {
    fn input(&mut self, head: &TurnHead) {
        if let Command::Note(_) = head.input.command {
            let session = head.input.session;
            let before = self.connections.get(&session).copied().unwrap_or_default();
            let after = before.after(head.attachment());
            if after != before {
                self.connected(session, after);
            }
        }
    }

    fn event(&mut self, head: &TurnHead, _: u32, event: &Event) {
        let since = head.input.timestamp;
        match (event, &head.input.command) {
            (Event::InstrumentDefined { .. }, Command::DefineInstrument { instrument, .. }) => {
                self.phases.push((instrument.phase, since));
            }
            (Event::PhaseChanged { instrument, phase, .. }, _) => {
                if let Some(known) = self.phases.get_mut(instrument.index()) {
                    *known = (*phase, since);
                }
            }
            (Event::Applied, command) => self.apply(command),
            _ => {}
        }
    }

    fn end_turn(&mut self, _: &TurnHead) {}
}

impl InForce {
    /// A session's last connection was this.
    pub(crate) fn connected(&mut self, session: SessionId, last: LastConnection) {
        if last == LastConnection::default() {
            self.connections.remove(&session);
        } else {
            self.connections.insert(session, last);
        }
    }

    fn apply(&mut self, command: &Command) {
        match command {
            Command::SetBands { instrument, bands } => {
                self.bands.insert(*instrument, *bands);
            }
            Command::SetReference { instrument, price } => {
                self.references.insert(*instrument, *price);
            }
            Command::SetSession { session, group, self_trade } => {
                self.sessions.insert(*session, (*group, *self_trade));
            }
            Command::SetRisk { participant, instrument, limits } => {
                self.risk.insert((*participant, *instrument), *limits);
            }
            _ => {}
        }
    }

    /// The commands that would make it so, each with the time it has since: for a snapshot.
    pub(crate) fn commands(&self) -> Vec<(Timestamp, Command)> {
        let mut commands: Vec<(Timestamp, Command)> = Vec::new();
        for (instrument, (phase, since)) in (0..).map(InstrumentId).zip(&self.phases) {
            commands.push((*since, Command::SetPhase { instrument, phase: *phase }));
        }
        let mut set = |command| commands.push((Timestamp(0), command));
        for (instrument, bands) in &self.bands {
            set(Command::SetBands { instrument: *instrument, bands: *bands });
        }
        for (instrument, price) in &self.references {
            set(Command::SetReference { instrument: *instrument, price: *price });
        }
        for (session, (group, self_trade)) in &self.sessions {
            let (session, group, self_trade) = (*session, *group, *self_trade);
            set(Command::SetSession { session, group, self_trade });
        }
        for ((participant, instrument), limits) in &self.risk {
            let (participant, instrument) = (*participant, *instrument);
            set(Command::SetRisk { participant, instrument, limits: *limits });
        }
        commands
    }

    /// Takes one of [`InForce::commands`], in their order. `false`: it is none of those.
    pub(crate) fn take(&mut self, since: Timestamp, command: &Command) -> bool {
        match command {
            Command::SetPhase { instrument, phase } => {
                self.phases.push((*phase, since));
                instrument.index() + 1 == self.phases.len()
            }
            Command::SetBands { .. }
            | Command::SetReference { .. }
            | Command::SetSession { .. }
            | Command::SetRisk { .. } => {
                self.apply(command);
                true
            }
            _ => false,
        }
    }

    /// The commands that bring what is in force to what the configuration says; none if nothing changed.
    pub(crate) fn changes(&self, config: &Config) -> Vec<Command> {
        let mut commands: Vec<Command> = Vec::new();
        for index in 0..config.instruments.len() {
            let instrument = InstrumentId(u32::try_from(index).unwrap_or(u32::MAX));
            let rules = config.rules.get(index).copied().unwrap_or_default();
            // The reference moves with every auction, so it is set again only when the file says another.
            if let Some(price) = rules.reference
                && self.references.get(&instrument) != Some(&price)
            {
                commands.push(Command::SetReference { instrument, price });
            }
            let known = self.bands.get(&instrument).copied().unwrap_or(NO_BANDS);
            if known != rules.bands {
                commands.push(Command::SetBands { instrument, bands: rules.bands });
            }
        }
        for (id, wanted) in (1..).map(SessionId).zip(&config.sessions) {
            let (group, self_trade) = (wanted.group, wanted.self_trade);
            let known = self.sessions.get(&id).copied();
            if known.unwrap_or((0, SelfTradePrevention::None)) != (group, self_trade) {
                commands.push(Command::SetSession { session: id, group, self_trade });
            }
        }
        self.risk_changes(config, &mut commands);
        commands
    }

    fn risk_changes(&self, config: &Config, commands: &mut Vec<Command>) {
        let mut wanted: BTreeMap<(ParticipantId, InstrumentId), RiskLimits> = BTreeMap::new();
        for risk in &config.risk {
            if let Some(participant) = config.participant(&risk.participant) {
                let instrument = risk.instrument.unwrap_or(InstrumentId::NONE);
                wanted.insert((participant, instrument), risk.limits);
            }
        }
        // An account that once had limits of its own keeps having some: those of its firm.
        for (participant, instrument) in self.risk.keys() {
            let of_firm = wanted.get(&(*participant, InstrumentId::NONE)).copied();
            let limits = of_firm.unwrap_or(RiskLimits::NONE);
            wanted.entry((*participant, *instrument)).or_insert(limits);
        }
        for ((participant, instrument), limits) in wanted {
            if self.risk.get(&(participant, instrument)) != Some(&limits) {
                commands.push(Command::SetRisk { participant, instrument, limits });
            }
        }
    }
}
