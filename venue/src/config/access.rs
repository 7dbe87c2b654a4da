//! What a session may do, from where, and how often.

use gateway::acceptor::{DropCopy, OverRate, RateLimit, Rights};
use gateway::address::AddressRange;
use matcher::{Instrument, SessionId};
use serde::Deserialize;
use toml::Spanned;

use super::{Checker, ConfigError, FileSession, default_true};

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum FilePermission {
    Trade,
    Cancel,
    MarketData,
    Quote,
    /// To be told of the trades of others.
    DropCopy,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileRate {
    per_s: Spanned<u32>,
    #[serde(default)]
    burst: Option<Spanned<u32>>,
    over: FileOver,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum FileOver {
    Reject,
    Delay,
    Disconnect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileDropCopy {
    #[serde(default)]
    of: Option<FileOf>,
    #[serde(default = "default_true")]
    trades: bool,
    #[serde(default)]
    reports: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum FileOf {
    Word(String),
    Sessions(Vec<String>),
}

impl Checker<'_> {
    /// What `file` is told of the others, all of which are `sessions`.
    pub(super) fn drop_copy(
        &self,
        file: &FileSession,
        sessions: &[Spanned<FileSession>],
    ) -> Result<Option<DropCopy>, ConfigError> {
        let permissions = file.permissions.as_ref();
        let may = permissions.is_some_and(|it| it.get_ref().contains(&FilePermission::DropCopy));
        let (at, asked) = match &file.drop_copy {
            Some(asked) => (asked.span().start, Some(asked.get_ref())),
            None => (0, None),
        };
        if !may {
            let what = "drop_copy is for a session with permissions = [\"drop-copy\"]";
            return if asked.is_some() { Err(self.error(at, what)) } else { Ok(None) };
        }
        let ids = || (1..).map(SessionId).zip(sessions.iter().map(Spanned::get_ref));
        let of = match asked.and_then(|asked| asked.of.as_ref()) {
            Some(FileOf::Word(word)) if word == "all" => Vec::new(),
            Some(FileOf::Word(word)) if word != "firm" => {
                let what = "drop_copy.of is \"firm\", \"all\" or a list of comp_ids";
                return Err(self.error(at, what));
            }
            Some(FileOf::Sessions(names)) => {
                let mut of = Vec::new();
                for name in names {
                    let id = ids().find(|(_, session)| session.comp_id == *name);
                    let unknown = || self.error(at, format!("no session {name} is defined"));
                    of.push(id.ok_or_else(unknown)?.0);
                }
                if of.is_empty() {
                    return Err(self.error(at, "drop_copy.of is empty: nobody would be copied"));
                }
                of
            }
            Some(FileOf::Word(_)) | None => {
                let of_firm = ids().filter(|(_, other)| other.participant == file.participant);
                of_firm.map(|(id, _)| id).collect()
            }
        };
        let (trades, reports) = asked.map_or((true, false), |asked| (asked.trades, asked.reports));
        if !trades && !reports {
            return Err(self.error(at, "drop_copy has neither trades nor reports"));
        }
        Ok(Some(DropCopy { of, trades, reports }))
    }

    pub(super) fn addresses(
        &self,
        texts: Option<&Spanned<Vec<String>>>,
    ) -> Result<Vec<AddressRange>, ConfigError> {
        let Some(texts) = texts else { return Ok(Vec::new()) };
        let at = texts.span().start;
        if texts.get_ref().is_empty() {
            let what = "addresses is empty: nobody could log on; leave it out to let everybody";
            return Err(self.error(at, what));
        }
        let range = |text: &String| {
            text.parse().map_err(|error| self.error(at, format!("address {text:?} {error}")))
        };
        texts.get_ref().iter().map(range).collect()
    }

    pub(super) fn rights(
        &self,
        permissions: Option<&Spanned<Vec<FilePermission>>>,
        symbols: Option<&Spanned<Vec<String>>>,
        instruments: &[Instrument],
    ) -> Result<Rights, ConfigError> {
        let may = |permission| permissions.is_none_or(|it| it.get_ref().contains(&permission));
        let mut rights = Rights {
            trade: may(FilePermission::Trade),
            cancel: may(FilePermission::Trade)
                || may(FilePermission::Cancel)
                || permissions.is_some_and(|it| it.get_ref().contains(&FilePermission::Quote)),
            quote: permissions.is_some_and(|it| it.get_ref().contains(&FilePermission::Quote)),
            // Whoever wants it says so: without anybody nobody follows the journal for it.
            market_data: permissions
                .is_some_and(|it| it.get_ref().contains(&FilePermission::MarketData)),
            instruments: Vec::new(),
        };
        if let Some(empty) = permissions.filter(|it| it.get_ref().is_empty()) {
            let what = "permissions is empty: leave it out for \"trade\"";
            return Err(self.error(empty.span().start, what));
        }
        let Some(symbols) = symbols else { return Ok(rights) };
        let at = symbols.span().start;
        if symbols.get_ref().is_empty() {
            let what =
                "instruments is empty: leave it out for all, or permissions without \"trade\"";
            return Err(self.error(at, what));
        }
        for symbol in symbols.get_ref() {
            let known = instruments.iter().find(|it| it.symbol.as_str() == symbol);
            let known = known
                .ok_or_else(|| self.error(at, format!("no instrument {symbol} is defined")))?;
            rights.instruments.push(known.symbol);
        }
        Ok(rights)
    }

    /// SHA-256 of a certificate as `openssl x509 -fingerprint -sha256` says it, with or without colons.
    pub(super) fn fingerprint(&self, text: &Spanned<String>) -> Result<[u8; 32], ConfigError> {
        let digits = text.get_ref().replace(':', "");
        let mut bytes = [0; 32];
        let pairs = digits.as_bytes().chunks(2);
        let good = digits.len() == 64
            && bytes.iter_mut().zip(pairs).all(|(byte, pair)| {
                let hex = |digit: u8| char::from(digit).to_digit(16);
                let (high, low) = (hex(pair[0]), hex(pair[1]));
                let value =
                    high.zip(low).and_then(|(high, low)| u8::try_from(16 * high + low).ok());
                *byte = value.unwrap_or_default();
                value.is_some()
            });
        if good {
            return Ok(bytes);
        }
        let what = "certificate is the SHA-256 of a client's certificate: 64 hexadecimal digits, as `openssl \
                    x509 -noout -fingerprint -sha256` prints it";
        Err(self.error(text.span().start, what))
    }

    pub(super) fn rate(&self, rate: &Spanned<FileRate>) -> Result<RateLimit, ConfigError> {
        let rate = rate.get_ref();
        let per_s = self.range(&rate.per_s, "rate.per_s", 1, 10_000_000)?;
        let burst = match &rate.burst {
            Some(burst) => self.range(burst, "rate.burst", 1, 100_000_000)?,
            None => per_s,
        };
        let over = match rate.over {
            FileOver::Reject => OverRate::Reject,
            FileOver::Delay => OverRate::Delay,
            FileOver::Disconnect => OverRate::Disconnect,
        };
        Ok(RateLimit { per_s, burst, over })
    }
}
