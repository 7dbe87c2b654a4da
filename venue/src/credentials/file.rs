//! The file with the secrets, apart from the configuration: only its owner may read it.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;

use argon2::password_hash::phc::PasswordHash;
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
            session.credentials.changes = true;
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
    Read::take(&mut file, BYTES_MAX).read_to_string(&mut text).map_err(unreadable)?;
    Ok(text)
}

#[derive(Deserialize)]
struct Placed {
    #[serde(default)]
    credential: Vec<PlacedCredential>,
}

#[derive(Deserialize)]
struct PlacedCredential {
    comp_id: String,
    #[serde(default)]
    password: Option<Spanned<Zeroizing<String>>>,
}

/// Puts the hash `new` in the place of `known`, that of the session `comp_id`, and leaves everything else in the file as it
/// is, comments too. The file is the old one or the new one, whole, whatever happens meanwhile; it is on the disk when this returns.
///
/// # Errors
///
/// Why not, without anything of the file. Nothing is changed then.
pub(super) fn replace(
    path: &Path,
    comp_id: &str,
    known: &PasswordHash,
    new: &str,
) -> Result<(), String> {
    let text = text_of(path).map_err(|what| format!("{} {what}", path.display()))?;
    let file: Placed = toml::from_str(&text)
        .map_err(|_| format!("{} is not as it was at the start", path.display()))?;
    let mut of_session = file.credential.iter().filter(|it| it.comp_id == comp_id);
    let place = of_session.next().and_then(|it| it.password.as_ref());
    let place = place
        .filter(|place| PasswordHash::new(place.get_ref()).is_ok_and(|stands| stands == *known));
    // What somebody wrote there since counts from the next start on, and is not overwritten.
    let span = place
        .map(Spanned::span)
        .ok_or_else(|| format!("{} has another password since the start", path.display()))?;
    let (before, after) = (text.get(..span.start), text.get(span.end..));
    let (Some(before), Some(after)) = (before, after) else {
        return Err(format!("{} cannot be changed", path.display()));
    };
    let mut changed = Zeroizing::new(String::with_capacity(text.len() + new.len() + 2));
    for part in [before, "\"", new, "\"", after] {
        changed.push_str(part);
    }
    write_anew(path, changed.as_bytes()).map_err(|error| format!("{}: {error}", path.display()))
}

/// Puts a file with `bytes` in the place of the one at `path`, with its owner and mode.
fn write_anew(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    // Where links lead: the link stays one.
    let path = fs::canonicalize(path)?;
    let about = fs::metadata(&path)?;
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    let (folder, beside) = (path.parent().unwrap_or(Path::new("/")), path.with_file_name(name));
    // One that a crash has left.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        let own = file.metadata()?;
        if (own.uid(), own.gid()) != (about.uid(), about.gid()) {
            fchown(&file, Some(about.uid()), Some(about.gid()))?;
        }
        file.set_permissions(Permissions::from_mode(about.mode() & 0o700))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, &path)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&beside);
        return written;
    }
    // From here on it is the new one. Should the folder's sync fail, only the end of the machine could bring the old one back.
    if let Err(error) = fs::File::open(folder).and_then(|folder| folder.sync_all()) {
        eprintln!("vesta: {} is renewed, but its folder cannot be synced: {error}", path.display());
    }
    Ok(())
}
