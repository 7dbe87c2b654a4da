//! The file with the secrets, apart from the configuration: only its owner may read it.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;
use zeroize::Zeroizing;

use super::{Password, parse_key};
use crate::config::{ConfigError, SessionConfig, line_of};

/// Largest file read. A credential is some 200 bytes.
const BYTES_MAX: u64 = 16 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    credential: Vec<Spanned<FileCredential>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileCredential {
    comp_id: String,
    #[serde(default)]
    password: Option<Zeroizing<String>>,
    #[serde(default)]
    hmac_key: Option<Zeroizing<String>>,
}

/// Reads `path` and gives each session of it what it says.
///
/// # Errors
///
/// If it cannot be read, others may read it, or something in it cannot be used. No error shows what stands in it.
pub(crate) fn read(path: &Path, sessions: &mut [SessionConfig]) -> Result<(), ConfigError> {
    let name = path.display().to_string();
    let wrong = |line, what: String| ConfigError { file: name.clone(), line, what };
    let text = text_of(path).map_err(|what| wrong(None, what))?;
    let file: File = toml::from_str(&text).map_err(|error| {
        // The error's own text may show a value.
        let line = error.span().and_then(|span| line_of(&text, span.start));
        wrong(line, "not a [[credential]] with comp_id, password, hmac_key, each a text".into())
    })?;
    let mut named: Vec<&str> = Vec::new();
    for spanned in &file.credential {
        let credential = spanned.get_ref();
        let comp_id = credential.comp_id.as_str();
        let error = |what: String| wrong(line_of(&text, spanned.span().start), what);
        let Some(session) = sessions.iter_mut().find(|session| session.comp_id == comp_id) else {
            return Err(error(format!("no session {comp_id:?} is in the configuration")));
        };
        if named.contains(&comp_id) {
            return Err(error(format!("{comp_id} is there twice")));
        }
        named.push(comp_id);
        if let Some(password) = &credential.password {
            if session.credentials.password.is_some() {
                return Err(error(format!("{comp_id} has a password in the configuration too")));
            }
            let password = Password::parse(password).map_err(|what| error(what.into()))?;
            session.credentials.password = Some(password);
        }
        if let Some(key) = &credential.hmac_key {
            session.credentials.hmac_key = Some(parse_key(key).map_err(|what| error(what.into()))?);
        }
        if credential.password.is_none() && credential.hmac_key.is_none() {
            return Err(error(format!("{comp_id} has neither a password nor an hmac_key")));
        }
    }
    Ok(())
}

fn text_of(path: &Path) -> Result<Zeroizing<String>, String> {
    let unreadable = |error| format!("cannot be read: {error}");
    let mut file = std::fs::File::open(path).map_err(unreadable)?;
    let about = file.metadata().map_err(unreadable)?;
    let mode = about.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(format!("others may read or write it (mode {mode:03o}): chmod 600 it"));
    }
    if about.len() > BYTES_MAX {
        return Err(format!("is larger than {BYTES_MAX} bytes"));
    }
    // Room for all of it: a text that grows leaves copies behind.
    let bytes = usize::try_from(about.len()).unwrap_or_default() + 1;
    let mut text = Zeroizing::new(String::with_capacity(bytes));
    file.by_ref().take(BYTES_MAX).read_to_string(&mut text).map_err(unreadable)?;
    Ok(text)
}
