//! The operators' door of a running venue: a socket of this machine. Whoever comes in is who the kernel says (SO_PEERCRED); what
//! he asks is done if his user id is among those of the configuration, and is in the journal before it is done.
//!
//! A request is a line `news URGENCY all`, `news URGENCY participant NAME` or `news URGENCY session NAME`, a line with the headline,
//! and the text, up to the end; or the line `reload`. The answer is `ok` and what was done, or `no` and why not.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gateway::acceptor::{News, Urgency};
use rustix::net::sockopt::socket_peercred;
use venue::news::Audience;
use venue::operator::Action;
use venue::{Config, Venue, default_live_dir};

use crate::failure::Failure;

/// Its name there.
const NAME: &str = "operator";

/// Bytes of a request, at most.
const REQUEST_BYTES_MAX: usize = 4 << 10;

/// Those who come in at one look, at most.
const REQUESTS_A_LOOK: usize = 8;

/// Those whose requests are not all there yet, at most; the others wait outside.
const ASKING_MAX: usize = 32;

/// How long a request may take to come.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long whoever asks waits for the answer: the venue looks ten times a second, and then at its gateway.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);

/// Between two lines of the log about those who are no operators.
const LINES_APART: Duration = Duration::from_secs(1);

/// The venue's end.
pub(crate) struct Door {
    listener: UnixListener,
    path: PathBuf,
    /// What the venue was started with.
    config: PathBuf,
    /// Operators.
    uids: Vec<u32>,
    /// When the log was last told of somebody else.
    said: Option<Instant>,
    asking: Vec<Asking>,
    /// Which file the socket is: another venue may have put its own there since.
    file: Option<(u64, u64)>,
}

impl Door {
    /// Opens it, for a venue that was started with this configuration from that file. What stands there is from before, unless
    /// somebody answers: then it is another venue's.
    pub(crate) fn open(venue: &Venue, config: &Config, file: &Path) -> io::Result<Door> {
        let path = match &config.operator.socket {
            Some(socket) => socket.clone(),
            None => venue.live_dir().join(NAME),
        };
        match std::fs::symlink_metadata(&path) {
            Ok(about) if about.file_type().is_socket() => {
                if UnixStream::connect(&path).is_ok() {
                    let text =
                        format!("{} is the socket of another venue that runs", path.display());
                    return Err(io::Error::other(text));
                }
                std::fs::remove_file(&path)?;
            }
            Ok(_) => return Err(io::Error::other(format!("{} is no socket", path.display()))),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Err(_) => {}
        }
        let listener = UnixListener::bind(&path)?;
        // Who may speak is asked of everybody; who can come near is the folder's matter.
        let mode = if config.operator.socket.is_some() { 0o666 } else { 0o600 };
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode))?;
        listener.set_nonblocking(true)?;
        let uids = match &config.operator.uids[..] {
            [] => vec![rustix::process::geteuid().as_raw()],
            uids => uids.to_vec(),
        };
        let (config, socket) = (file.to_path_buf(), which(&path));
        Ok(Door { listener, path, config, uids, said: None, asking: Vec::new(), file: socket })
    }

    /// Answers those whose requests have come. Waits for nobody.
    pub(crate) fn look(&mut self, venue: &Venue) {
        for _ in 0..REQUESTS_A_LOOK {
            if self.asking.len() == ASKING_MAX {
                break;
            }
            let Ok((stream, _)) = self.listener.accept() else { break };
            self.take(stream);
        }
        for mut asking in std::mem::take(&mut self.asking) {
            let answer = match asking.read() {
                Ok(false) if asking.since.elapsed() < PATIENCE => {
                    self.asking.push(asking);
                    continue;
                }
                Ok(false) => Err("the request did not come: it took too long".into()),
                Ok(true) => match std::str::from_utf8(&asking.bytes) {
                    Ok(request) => self.obey(venue, asking.uid, request),
                    Err(_) => Err("it is no text".into()),
                },
                Err(error) => Err(format!("the request did not come: {error}")),
            };
            let answer = match answer {
                Ok(done) => format!("ok {done}"),
                Err(why) => format!("no {why}"),
            };
            // It fits what the kernel holds for a connection; whoever has gone misses it.
            let _ = asking.stream.write_all(answer.as_bytes());
        }
    }

    /// Keeps who has come until all of the request is there; whoever is no operator is told so at once, and takes no place.
    fn take(&mut self, mut stream: UnixStream) {
        let refusal = match socket_peercred(&stream).map(|peer| peer.uid.as_raw()) {
            Ok(uid) if self.uids.contains(&uid) => {
                if stream.set_nonblocking(true).is_ok() {
                    let since = Instant::now();
                    self.asking.push(Asking { stream, uid, since, bytes: Vec::new() });
                }
                return;
            }
            Ok(uid) => {
                if self.said.is_none_or(|said| said.elapsed() >= LINES_APART) {
                    eprintln!(
                        "vesta: the user with the id {uid} asked as an operator, and is none"
                    );
                    self.said = Some(Instant::now());
                }
                format!("no the user with the id {uid} is no operator of this venue")
            }
            Err(error) => format!("no it is not known who asks: {error}"),
        };
        let _ = stream.write_all(refusal.as_bytes());
    }

    fn obey(&self, venue: &Venue, uid: u32, request: &str) -> Result<String, String> {
        let request = Request::read(request).ok_or("it is no request")??;
        let what = request.to_string();
        venue.note(&Action { uid, what }).map_err(|why| why.to_string())?;
        match request {
            Request::News { to, news, .. } => {
                let told = venue.news(&to, news).map_err(|why| why.to_string())?;
                Ok(told.to_string())
            }
            Request::Reload => {
                let config = Config::load(&self.config);
                let done = config
                    .map_err(|error| error.to_string())
                    .and_then(|config| venue.reload(&config).map_err(|why| why.to_string()));
                let done = done.map_err(|why| format!("nothing is changed: {why}"));
                match &done {
                    Ok(_) => eprintln!(
                        "vesta: the user with the id {uid} had certificates and credentials read again"
                    ),
                    Err(why) => eprintln!(
                        "vesta: the user with the id {uid} wanted certificates and credentials read again: {why}"
                    ),
                }
                let done = done?;
                let tls = if done.certificate { "the certificate is read again, " } else { "" };
                Ok(format!("{tls}{} sessions have other credentials now", done.sessions))
            }
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if self.file.is_some() && which(&self.path) == self.file {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Which file stands there.
fn which(path: &Path) -> Option<(u64, u64)> {
    let about = std::fs::symlink_metadata(path).ok()?;
    Some((about.dev(), about.ino()))
}

/// An operator whose request is not all there yet.
struct Asking {
    stream: UnixStream,
    uid: u32,
    since: Instant,
    bytes: Vec<u8>,
}

impl Asking {
    /// Reads what has come; whether that is all of it.
    fn read(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 1024];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(true),
                Ok(read) => self.bytes.extend_from_slice(&buffer[..read]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if self.bytes.len() > REQUEST_BYTES_MAX {
                return Err(io::Error::other("it is too long"));
            }
        }
    }
}

/// What an operator asks.
#[derive(Debug, PartialEq, Eq)]
enum Request {
    News { to: Audience, headline: String, news: News },
    Reload,
}

impl fmt::Display for Request {
    /// As the journal says it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Request::News { to: Audience::All, headline, .. } => {
                write!(f, "news to all: {headline}")
            }
            Request::News { to: Audience::Participant(name), headline, .. } => {
                write!(f, "news to participant {name}: {headline}")
            }
            Request::News { to: Audience::Session(name), headline, .. } => {
                write!(f, "news to session {name}: {headline}")
            }
            Request::Reload => f.write_str("reload"),
        }
    }
}

impl Request {
    /// What a request is, and whether it can be one.
    fn read(request: &str) -> Option<Result<Request, String>> {
        if request == "reload\n" {
            return Some(Ok(Request::Reload));
        }
        let (head, rest) = request.split_once('\n')?;
        let (headline, text) = rest.split_once('\n')?;
        let words: Vec<&str> = head.splitn(4, ' ').collect();
        let to = match words[..] {
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
        let news = News::new(urgency, headline, text).map_err(Into::into);
        let headline = headline.to_owned();
        Some(news.map(|news| Request::News { to, headline, news }))
    }
}

/// Where the door of the venue is that was started with this file.
///
/// # Errors
///
/// If the file cannot be used. Those that it names are not read: an operator need not be allowed to.
pub(crate) fn door_of(file: &Path) -> Result<PathBuf, Failure> {
    let config = Config::read(file).map_err(Failure::usage)?;
    if let Some(socket) = config.operator.socket {
        return Ok(socket);
    }
    let folder = config.live_dir.clone().or_else(|| default_live_dir(&config.journal_dir));
    let folder =
        folder.ok_or_else(|| Failure::failed("the venue has no folder for its live log"))?;
    Ok(folder.join(NAME))
}

/// Asks at the door; gives what comes behind `ok`.
pub(crate) fn ask(door: &Path, request: &str) -> Result<String, String> {
    let talk = || {
        let mut stream = UnixStream::connect(door)?;
        stream.set_read_timeout(Some(ANSWER_PATIENCE))?;
        stream.set_write_timeout(Some(ANSWER_PATIENCE))?;
        // Whoever is no operator has his answer before the request is read, and the end of the line with it.
        let asked = stream.write_all(request.as_bytes());
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Err(error) if answer.is_empty() => Err(asked.err().unwrap_or(error)),
            _ => Ok(answer),
        }
    };
    let answer = talk().map_err(|error: io::Error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            format!("no venue is running there ({})", door.display())
        }
        _ => format!("{}: {error}", door.display()),
    })?;
    let answer = String::from_utf8_lossy(&answer);
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
        let read = |request| Request::read(request).map(Result::unwrap);
        let news = |head, text| News::new(Urgency::Flash, head, text).unwrap();
        let (to, headline) = (Audience::Session("C 1".into()), "Head".to_owned());
        let told = Request::News { to, headline, news: news("Head", "One\ntwo") };
        assert_eq!(told.to_string(), "news to session C 1: Head");
        assert_eq!(read("news flash session C 1\nHead\nOne\ntwo"), Some(told));
        let (to, headline) = (Audience::All, "Head".to_owned());
        let told = Request::News { to, headline, news: news("Head", "text") };
        assert_eq!(read("news flash all\nHead\ntext"), Some(told));
        assert_eq!(read("reload\n"), Some(Request::Reload));
        assert!(Request::read("news normal all\n\ntext").unwrap().is_err());
        for wrong in ["", "news", "news normal all", "news normal all\nHead", "news loud all\nH\nt"]
        {
            assert!(Request::read(wrong).is_none(), "{wrong:?}");
        }
        for wrong in ["news normal nobody\nH\nt", "halt normal all\nH\nt", "reload", "reload\nx"] {
            assert!(Request::read(wrong).is_none(), "{wrong:?}");
        }
    }
}
