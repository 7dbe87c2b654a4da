//! Order entry by OUCH: where it listens, and who speaks it.

use gateway::order_entry::ouch::check_instrument;
use matcher::Instrument;
use serde::Deserialize;
use toml::Spanned;

use super::access::FilePermission;
use super::{
    Checker, ConfigError, FileInstrument, FileOuch, FileSession, FileTls, Ouch, SessionConfig,
};

/// Characters of a user name, and of a password, in a login of SoupBinTCP.
const USERNAME_CHARS_MAX: usize = 6;
const PASSWORD_CHARS_MAX: usize = 10;

/// Characters of a firm in OUCH.
const FIRM_CHARS: usize = 4;

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum FileProtocol {
    #[default]
    Fix,
    Ouch,
}

impl Checker<'_> {
    /// Where OUCH is spoken: if somebody speaks it, and only if everything that is traded can be said in it.
    pub(super) fn ouch(
        &self,
        file: Option<Spanned<FileOuch>>,
        (instruments, from): (&[Instrument], &[Spanned<FileInstrument>]),
        sessions: &[SessionConfig],
    ) -> Result<Option<Ouch>, ConfigError> {
        let Some(file) = file else {
            if let Some(session) = sessions.iter().find(|it| it.ouch_firm.is_some()) {
                let what = format!(
                    "session {} has protocol = \"ouch\", and there is no [ouch] to listen for it",
                    session.comp_id
                );
                return Err(self.error(0, what));
            }
            return Ok(None);
        };
        for (instrument, spanned) in instruments.iter().zip(from) {
            check_instrument(instrument).map_err(|unfit| {
                let what = format!("{} cannot be traded over OUCH: {unfit}", instrument.symbol);
                self.error(spanned.span().start, what)
            })?;
        }
        let FileOuch { listen, tls } = file.into_inner();
        Ok(Some(Ouch { listen, tls: tls.map(FileTls::files) }))
    }

    /// The firm of a session that speaks OUCH; `None` of one that speaks FIX.
    pub(super) fn speaks_ouch(
        &self,
        at: usize,
        file: &FileSession,
        others: &[SessionConfig],
    ) -> Result<Option<[u8; FIRM_CHARS]>, ConfigError> {
        let named = |what: &str| self.error(at, format!("session {}: {what}", file.comp_id));
        if file.protocol == FileProtocol::Fix {
            return match &file.firm {
                Some(_) => Err(named("firm is for protocol = \"ouch\"")),
                None => Ok(None),
            };
        }
        let username = file.username.as_deref().unwrap_or_default();
        let good = !username.is_empty()
            && username.len() <= USERNAME_CHARS_MAX
            && username.bytes().all(|byte| byte.is_ascii_graphic());
        if !good {
            return Err(named("protocol = \"ouch\" needs a username of 1 to 6 characters"));
        }
        let same = |other: &&SessionConfig| {
            let theirs = other.credentials.username.as_deref().unwrap_or_default();
            other.ouch_firm.is_some() && theirs.eq_ignore_ascii_case(username)
        };
        if let Some(other) = others.iter().find(same) {
            let what = format!("username {username} is that of session {} too", other.comp_id);
            return Err(named(&what));
        }
        let is_hash = |password: &str| password.starts_with('$');
        if file.password.as_ref().is_some_and(|it| !is_hash(it) && it.len() > PASSWORD_CHARS_MAX) {
            return Err(named("a login of SoupBinTCP has 10 characters for the password"));
        }
        let fix_only = [
            (file.versions.is_some(), "versions"),
            (file.conformance, "conformance"),
            (file.drop_copy.is_some(), "drop_copy"),
        ];
        if let Some((_, name)) = fix_only.into_iter().find(|(is_set, _)| *is_set) {
            return Err(named(&format!("{name} is for sessions that speak FIX")));
        }
        let permissions = file.permissions.as_ref().map(Spanned::get_ref);
        let of_fix = |it: &FilePermission| {
            matches!(
                it,
                FilePermission::MarketData | FilePermission::Quote | FilePermission::DropCopy
            )
        };
        if permissions.is_some_and(|it| it.iter().any(of_fix)) {
            return Err(named("over OUCH there are the permissions \"trade\" and \"cancel\""));
        }
        let text = file.firm.as_ref().map_or(file.participant.as_str(), |it| it.get_ref().as_str());
        let good = (1..=FIRM_CHARS).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !good && file.firm.is_some() {
            return Err(named("firm is 1 to 4 characters"));
        }
        let mut firm = [b' '; FIRM_CHARS];
        // Of a participant with a longer name messages name no firm.
        for (to, byte) in firm.iter_mut().zip(text.bytes().filter(|_| good)) {
            *to = byte;
        }
        Ok(Some(firm))
    }
}
