//! The operator's door of a running venue: a socket in the folder of its live log, which only its owner may enter.
//!
//! A request is a line `news URGENCY all`, `news URGENCY participant NAME` or `news URGENCY session NAME`, a line with the headline,
//! and the text, up to the end; the answer is `ok N`, to how many sessions it is told, or `no` and why not.

use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gateway::acceptor::{News, Urgency};
use venue::news::Audience;
use venue::{Config, Venue, default_live_dir};

/// Its name there.
const NAME: &str = "operator";

/// Bytes of a request, at most.
const REQUEST_BYTES_MAX: usize = 4 << 10;

/// Requests answered before signals are looked for again.
const REQUESTS_A_LOOK: usize = 8;

/// How long a request may take to come, and its answer to go.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long whoever asks waits for the answer: the venue looks ten times a second, and then at its gateway.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);

/// The venue's end.
pub(crate) struct Door {
    listener: UnixListener,
    path: PathBuf,
}

impl Door {
    /// Opens it. The journal is the venue's alone, so what stands there is from before.
    pub(crate) fn open(venue: &Venue) -> io::Result<Door> {
        let path = venue.live_dir().join(NAME);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok(Door { listener, path })
    }

    /// Answers whoever has come.
    pub(crate) fn look(&self, venue: &Venue) {
        for _ in 0..REQUESTS_A_LOOK {
            let Ok((mut stream, _)) = self.listener.accept() else { return };
            let answer = match receive(&mut stream) {
                Ok(request) => answer(venue, &request),
                Err(error) => format!("no the request did not come: {error}"),
            };
            let _ = stream.write_all(answer.as_bytes());
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// All that comes, in the time that there is for it.
fn receive(stream: &mut UnixStream) -> io::Result<String> {
    stream.set_nonblocking(false)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let (until, mut bytes, mut buffer) = (Instant::now() + PATIENCE, Vec::new(), [0; 1024]);
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut buffer)? {
            0 => break,
            read => bytes.extend_from_slice(&buffer[..read]),
        }
        if bytes.len() > REQUEST_BYTES_MAX {
            return Err(io::Error::other("it is too long"));
        }
    }
    String::from_utf8(bytes).map_err(|_| io::Error::other("it is no text"))
}

fn answer(venue: &Venue, request: &str) -> String {
    let Some((audience, news)) = read(request) else { return "no it is no request".into() };
    let told = news.and_then(|news| venue.news(&audience, news).map_err(|why| why.to_string()));
    match told {
        Ok(sessions) => format!("ok {sessions}"),
        Err(why) => format!("no {why}"),
    }
}

/// Whom a request is for, and what it says if that can be said.
fn read(request: &str) -> Option<(Audience, Result<News, String>)> {
    let (head, rest) = request.split_once('\n')?;
    let (headline, text) = rest.split_once('\n')?;
    let words: Vec<&str> = head.splitn(4, ' ').collect();
    let audience = match words[..] {
        ["news", _, "all"] => Audience::All,
        ["news", _, "participant", name] => Audience::Participant(name.into()),
        ["news", _, "session", name] => Audience::Session(name.into()),
        _ => return None,
    };
    let urgency = match words[1] {
        "normal" => Urgency::Normal,
        "flash" => Urgency::Flash,
        "background" => Urgency::Background,
        _ => return None,
    };
    Some((audience, News::new(urgency, headline, text).map_err(Into::into)))
}

/// Where the door of a venue with this configuration is.
pub(crate) fn door_of(config: &Config) -> Option<PathBuf> {
    let folder = config.live_dir.clone().or_else(|| default_live_dir(&config.journal_dir));
    Some(folder?.join(NAME))
}

/// Asks at the door; gives what comes behind `ok`.
pub(crate) fn ask(door: &Path, request: &str) -> Result<String, String> {
    let talk = || {
        let mut stream = UnixStream::connect(door)?;
        stream.set_read_timeout(Some(ANSWER_PATIENCE))?;
        stream.set_write_timeout(Some(ANSWER_PATIENCE))?;
        stream.write_all(request.as_bytes())?;
        stream.shutdown(std::net::Shutdown::Write)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = talk().map_err(|error: io::Error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            format!("no venue is running there ({})", door.display())
        }
        _ => format!("{}: {error}", door.display()),
    })?;
    match answer.split_once(' ') {
        Some(("ok", rest)) => Ok(rest.into()),
        Some(("no", why)) => Err(why.into()),
        _ => Err("the venue gave no answer".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_or_refused() {
        let (audience, news) = read("news flash session C 1\nHead\nOne\ntwo").unwrap();
        assert_eq!(audience, Audience::Session("C 1".into()));
        assert_eq!(news, Ok(News::new(Urgency::Flash, "Head", "One\ntwo").unwrap()));
        assert_eq!(read("news normal all\nHead\ntext").unwrap().0, Audience::All);
        assert!(read("news normal all\n\ntext").unwrap().1.is_err());
        for wrong in ["", "news", "news normal all", "news normal all\nHead", "news loud all\nH\nt"]
        {
            assert!(read(wrong).is_none(), "{wrong:?}");
        }
        assert!(read("news normal nobody\nH\nt").is_none());
        assert!(read("halt normal all\nH\nt").is_none());
    }
}
