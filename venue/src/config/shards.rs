//! Instruments on more than one core: `[[shard]]`. Each shard is a venue of its own in all but its sessions: the configuration of
//! one is what of the whole concerns it.

use std::path::PathBuf;

use matcher::{Command, InstrumentId, MassCancelScope, PermissionScope, SHARDS_MAX};
use serde::Deserialize;
use toml::Spanned;

use super::{Checker, Config, ConfigError, FileInstrument, FileItch, Mold, ReferenceConfig, Soup};

/// A core beside the first: its journal and its feed. What is not here is as for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShardConfig {
    /// CPU of the thread that matches.
    pub core_cpu: Option<usize>,
    /// Where its live log is. `None`: as for the first, in a folder of its own.
    pub live_dir: Option<PathBuf>,
    /// Its ITCH feed over SoupBinTCP, if any.
    pub soup: Option<Soup>,
    /// Its ITCH feed over MoldUDP64, if any.
    pub mold: Option<Mold>,
    /// Snapshots of its feed, if any.
    pub glimpse: Option<Soup>,
    /// Reference data of its feed, if any.
    pub reference: Option<ReferenceConfig>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct FileShard {
    core_cpu: Option<usize>,
    live_dir: Option<PathBuf>,
    itch: FileItch,
}

/// Whom a command of the venue concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Concerns {
    /// Every shard.
    All(Command),
    /// One, in whose numbers it is said.
    One(usize, Command),
}

/// The folder of a shard's journal in that of the first.
pub(crate) fn folder_of(shard: usize) -> String {
    format!("shard-{shard}")
}

impl Config {
    /// The shard of each instrument, and its id there: ids are dense in each.
    pub(crate) fn places(&self) -> Vec<(usize, InstrumentId)> {
        let mut next = vec![0_u32; self.shards.len() + 1];
        let placed = self.shard_of.iter().map(|shard| {
            let shard = usize::from(*shard);
            let id = InstrumentId(next[shard]);
            next[shard] += 1;
            (shard, id)
        });
        placed.collect()
    }

    /// What concerns one shard: its instruments, under the ids that they have there, its journal, its core, its feed.
    #[must_use]
    pub fn of_shard(&self, shard: usize) -> Config {
        if self.shards.is_empty() {
            return self.clone();
        }
        let mut config = self.clone();
        let places = self.places();
        let here = |id: InstrumentId| {
            places.get(id.index()).filter(|(at, _)| *at == shard).map(|(_, here)| *here)
        };
        let ids = || (0..).map(InstrumentId).take(self.instruments.len());
        let of_ids = |id: &InstrumentId| here(*id).is_some();
        let is_here =
            |index: usize| self.shard_of.get(index).is_some_and(|it| usize::from(*it) == shard);
        let symbols = self.instruments.iter().map(|it| it.symbol).zip(&self.shard_of);
        let elsewhere = symbols.filter(|(_, at)| usize::from(**at) != shard);
        config.elsewhere = elsewhere.map(|(symbol, at)| (symbol, *at)).collect();
        config.instruments = ids().filter(of_ids).map(|id| self.instruments[id.index()]).collect();
        config.currencies = filtered(&self.currencies, is_here);
        config.rules = filtered(&self.rules, is_here);
        config.risk.retain_mut(|risk| match risk.instrument {
            None => true,
            Some(id) => {
                risk.instrument = here(id);
                risk.instrument.is_some()
            }
        });
        config.schedule.phases.retain_mut(|entry| match &mut entry.instruments {
            None => true,
            Some(ids) => {
                *ids = ids.iter().filter_map(|id| here(*id)).collect();
                !ids.is_empty()
            }
        });
        config.shard_of = vec![0; config.instruments.len()];
        config.shards = Vec::new();
        let Some(own) = shard.checked_sub(1).and_then(|at| self.shards.get(at)) else {
            return config;
        };
        config.journal_dir = self.journal_dir.join(folder_of(shard));
        config.live_dir = own
            .live_dir
            .clone()
            .or_else(|| self.live_dir.as_ref().map(|dir| dir.join(folder_of(shard))));
        let ShardConfig { core_cpu, soup, mold, glimpse, reference, .. } = own.clone();
        Config { core_cpu, soup, mold, glimpse, reference, ..config }
    }

    /// Whom a command of the venue concerns, which says instruments by the order of the file.
    pub(crate) fn concerns(&self, command: &Command) -> Option<Concerns> {
        let mut command = *command;
        let id = match &mut command {
            Command::SetPhase { instrument, .. }
            | Command::SetBands { instrument, .. }
            | Command::SetReference { instrument, .. }
            | Command::PublishIndicative { instrument } => instrument,
            Command::SetRisk { instrument, .. } if *instrument != InstrumentId::NONE => instrument,
            Command::SetPermission { scope: PermissionScope::Instrument(id), .. } => id,
            Command::MassCancel(
                MassCancelScope::Instrument(id) | MassCancelScope::SessionInstrument(id),
            ) => id,
            Command::Bust(bust) => &mut bust.instrument,
            _ => return Some(Concerns::All(command)),
        };
        let (shard, here) = *self.places().get(id.index())?;
        *id = here;
        Some(Concerns::One(shard, command))
    }
}

fn filtered<T: Clone>(all: &[T], is_here: impl Fn(usize) -> bool) -> Vec<T> {
    all.iter().enumerate().filter(|(index, _)| is_here(*index)).map(|(_, it)| it.clone()).collect()
}

impl Checker<'_> {
    /// The shard of each instrument.
    pub(super) fn shard_of(
        &self,
        from: &[Spanned<FileInstrument>],
        shards: usize,
    ) -> Result<Vec<u8>, ConfigError> {
        let one = |spanned: &Spanned<FileInstrument>| {
            let Some(shard) = &spanned.get_ref().shard else { return Ok(0) };
            if usize::from(*shard.get_ref()) <= shards {
                return Ok(*shard.get_ref());
            }
            let (symbol, shard, at) =
                (&spanned.get_ref().symbol, shard.get_ref(), shard.span().start);
            let what = match shards {
                0 => format!("{symbol}: there is no shard {shard}, for there is no [[shard]]"),
                _ => format!(
                    "{symbol}: there is no shard {shard}: with {shards} [[shard]] they are 0 to {shards}"
                ),
            };
            Err(self.error(at, what))
        };
        from.iter().map(one).collect()
    }

    pub(super) fn shards(
        &self,
        from: Vec<Spanned<FileShard>>,
        config: &Config,
        instruments: &[Spanned<FileInstrument>],
    ) -> Result<Vec<ShardConfig>, ConfigError> {
        let Some(first) = from.first() else { return Ok(Vec::new()) };
        let at = first.span().start;
        let most = usize::from(SHARDS_MAX) - 1;
        if from.len() > most {
            return Err(self.error(at, format!("more than {most} [[shard]]")));
        }
        // What would see one shard alone and say nothing of the others.
        let has =
            |what: &str| Err(self.error(at, format!("[[shard]] does not go with {what} yet")));
        if config.retention.keep_bytes > 0 {
            return has("journal.keep_mib: all of the journals stays");
        }
        if let Some(session) = config.sessions.iter().find(|session| session.drop_copy.is_some()) {
            return has(&format!("the drop copy of session {}", session.comp_id));
        }
        let groups_of = |mold: &Option<Mold>| {
            let lines = mold.iter().flat_map(|it| [Some(&it.line_a), it.line_b.as_ref()]);
            lines.flatten().map(|line| line.group).collect::<Vec<_>>()
        };
        let (mut groups, mut live_dirs) = (groups_of(&config.mold), vec![config.live_dir.clone()]);
        let one = |spanned: Spanned<FileShard>| {
            let at = spanned.span().start;
            let FileShard { core_cpu, live_dir, itch } = spanned.into_inner();
            let feeds = self.feed(itch, &config.instruments, instruments)?;
            let super::Feeds { soup, mold, glimpse, reference } = feeds;
            // Who listens to a group puts one feed together, not two.
            let own = groups_of(&mold);
            if let Some(group) = own.iter().find(|group| groups.contains(group)) {
                return Err(self.error(at, format!("another shard has the group {group} too")));
            }
            groups.extend(own);
            if live_dir.is_some() && live_dirs.contains(&live_dir) {
                return Err(self.error(at, "another shard has the same live_dir"));
            }
            live_dirs.push(live_dir.clone());
            Ok(ShardConfig { core_cpu, live_dir, soup, mold, glimpse, reference })
        };
        from.into_iter().map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(shards: &str, of: &str) -> Result<Config, ConfigError> {
        let instrument = |symbol: &str, shard: &str| {
            format!(
                "[[instrument]]\nsymbol = \"{symbol}\"\nprice_decimals = 2\ntick_size = \"0.01\"\n\
                 qty_max = \"1000\"\nprice_max = \"100\"\n{shard}\n"
            )
        };
        let text = format!(
            "[fix]\nlisten = \"127.0.0.1:0\"\n{shards}\n{}{}{}\
             [[session]]\ncomp_id = \"A\"\nparticipant = \"F\"\n\
             [[risk]]\nparticipant = \"F\"\ninstrument = \"Y\"\ncollar_ticks = 5\n\
             [[risk]]\nparticipant = \"F\"\ncollar_ticks = 9\n\
             [[schedule.phase]]\nat = \"09:00:00\"\nphase = \"continuous\"\ninstruments = [\"X\"]\n",
            instrument("X", ""),
            instrument("Y", of),
            instrument("Z", ""),
        );
        Config::parse("f", &text)
    }

    #[test]
    fn a_shard_has_what_concerns_it() {
        let config = config("[[shard]]\ncore_cpu = 3", "shard = 1").unwrap();
        let (home, other) = (config.of_shard(0), config.of_shard(1));
        let symbols = |config: &Config| -> Vec<String> {
            config.instruments.iter().map(|it| it.symbol.to_string()).collect()
        };
        assert_eq!(
            (symbols(&home), symbols(&other)),
            (vec!["X".into(), "Z".into()], vec!["Y".into()])
        );
        assert_eq!((home.core_cpu, other.core_cpu), (None, Some(3)));
        assert_eq!(other.journal_dir, home.journal_dir.join("shard-1"));
        assert_eq!((home.rules.len(), other.rules.len()), (2, 1));
        assert_eq!((home.risk.len(), other.risk.len()), (1, 2));
        assert_eq!(other.risk[0].instrument, Some(InstrumentId(0)));
        assert_eq!((home.schedule.phases.len(), other.schedule.phases.len()), (1, 0));
        assert_eq!(config.places()[2], (0, InstrumentId(1)));
        let halt = |id| Command::PublishIndicative { instrument: InstrumentId(id) };
        assert_eq!(config.concerns(&halt(2)), Some(Concerns::One(0, halt(1))));
        assert_eq!(config.concerns(&halt(1)), Some(Concerns::One(1, halt(0))));
        assert_eq!(config.concerns(&halt(3)), None);
        assert_eq!(config.concerns(&Command::ExpireDay), Some(Concerns::All(Command::ExpireDay)));
    }

    #[test]
    fn what_two_shards_cannot_share_is_refused() {
        let mold = |a: u8, b: u8| {
            format!(
                "[[shard]]\nitch.mold = {{ group = \"239.0.0.{a}:5000\", interface = \"127.0.0.1\", \
                 line_b = {{ group = \"239.0.0.{b}:5000\", interface = \"127.0.0.1\" }} }}\n"
            )
        };
        assert!(config(&(mold(1, 2) + &mold(3, 4)), "").is_ok());
        for second in [mold(1, 3), mold(3, 1), mold(2, 3), mold(3, 2)] {
            let error = config(&(mold(1, 2) + &second), "").unwrap_err();
            assert!(error.what.contains("another shard has the group 239.0.0."), "{error}");
        }
        let live = |name: &str| format!("[[shard]]\nlive_dir = \"/dev/shm/{name}\"\n");
        assert!(config(&(live("a") + &live("b")), "").is_ok());
        let error = config(&(live("a") + &live("a")), "").unwrap_err();
        assert!(error.what.contains("live_dir"), "{error}");
    }

    #[test]
    fn a_shard_that_is_not_there_is_refused() {
        let error = config("", "shard = 1").unwrap_err();
        assert!(error.line.is_some() && error.what.contains("no shard 1"), "{error}");
        let error = config("[[shard]]", "shard = 2").unwrap_err();
        assert!(error.what.contains("0 to 1"), "{error}");
        assert!(config("", "shard = 0").is_ok());
        assert!(config("[[shard]]\nfoo = 1", "").is_err());
    }
}
