//! Who may speak for a session: passwords, signatures, and what is kept of them.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use argon2::{Algorithm, Argon2, Params, PasswordHash, PasswordHasher, Version};
use matcher::Timestamp;
use venue::config::SAMPLE;
use venue::credentials::{Credentials, Password, new_key};
use venue::operator::Reloaded;
use venue::{Config, Layout, Venue, clock};

use crate::folder::Folder;
use crate::loopback::config;
use crate::peer::Peer;

const SECRET: &str = "correct horse battery";

/// A venue whose first session has these credentials.
fn start(folder: &Folder, layout: Layout, credentials: Credentials) -> Venue {
    let mut config = Config { layout, ..config(folder) };
    config.sessions[0].credentials = credentials;
    // What is compared here takes seconds where others want the CPU.
    config.fix.logon_timeout_s = 60;
    Venue::start(&config).unwrap()
}

fn hashed(passes: u32) -> Option<Password> {
    let params = Params::new(16 << 10, passes, 1, None).unwrap();
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash: PasswordHash = argon2.hash_password(SECRET.as_bytes()).unwrap();
    Some(Password::parse(&hash.to_string()).unwrap())
}

/// Sends a Logon with more fields; the type of what comes back, `None` if the venue closes in silence.
fn log_on(venue: &Venue, next_out: u32, more: &[(u32, &str)]) -> (Peer, Option<String>) {
    let mut peer = Peer::connect(venue.fix_addr(), "CLIENT1", next_out);
    peer.send("A", &[&[(98, "0"), (108, "30")], more].concat());
    let answer = peer.try_read().map(|got| got.msg_type().to_owned());
    (peer, answer)
}

#[test]
fn a_password_is_kept_as_a_hash_and_asked_for_in_every_layout() {
    for layout in [Layout::Joined, Layout::Split] {
        let folder = Folder::new();
        let username = Some("kim".to_owned());
        let credentials = Credentials { username, password: hashed(1), ..Credentials::default() };
        let venue = start(&folder, layout, credentials);
        let kim = (553, "kim");
        for wrong in [
            &[kim][..],
            &[kim, (554, "correct horse")],
            &[kim, (554, "correct horse battery ")],
            &[(553, "jim"), (554, SECRET)],
            &[(554, SECRET)],
        ] {
            assert_eq!(log_on(&venue, 1, wrong).1, None, "{wrong:?}");
        }
        let (mut peer, answer) = log_on(&venue, 1, &[kim, (554, SECRET)]);
        assert_eq!(answer.as_deref(), Some("A"));
        peer.order("a", "1", "1", "100");
        assert_eq!(peer.report().get(11), "a");
        assert_eq!(log_on(&venue, 1, &[kim, (554, SECRET)]).1, None, "it has a connection");
        venue.stop().unwrap();
    }
}

#[test]
fn others_are_served_while_a_password_is_compared() {
    for layout in [Layout::Joined, Layout::Split] {
        let folder = Folder::new();
        // Some hundred times the work of what the other session asks for.
        let credentials = Credentials { password: hashed(32), ..Credentials::default() };
        let venue = start(&folder, layout, credentials);
        let (mut other, _) = Peer::log_on(venue.fix_addr(), "CLIENT2", 1);
        let mut slow = Peer::connect(venue.fix_addr(), "CLIENT1", 1);
        slow.send("A", &[(98, "0"), (108, "30"), (554, SECRET)]);
        // Orders right behind it are not read before the verdict.
        slow.order("behind", "1", "1", "90");
        // A second one does not get in its way.
        let mut second = Peer::connect(venue.fix_addr(), "CLIENT1", 1);
        second.send("A", &[(98, "0"), (108, "30"), (554, "wrong, and it waits")]);
        for id in ["a", "b", "c"] {
            other.order(id, "1", "1", "100");
            assert_eq!(other.report().get(11), id);
        }
        assert!(slow.has_heard_nothing(), "the hash is too cheap for this test");
        assert_eq!(slow.read().msg_type(), "A");
        assert_eq!(slow.report().get(11), "behind");
        assert!(second.try_read().is_none());
        venue.stop().unwrap();
    }
}

#[test]
fn a_peer_that_leaves_before_the_verdict_leaves_room_for_the_next() {
    let folder = Folder::new();
    let credentials = Credentials { password: hashed(2), ..Credentials::default() };
    let venue = start(&folder, Layout::Joined, credentials);
    for _ in 0..5 {
        let mut peer = Peer::connect(venue.fix_addr(), "CLIENT1", 1);
        peer.send("A", &[(98, "0"), (108, "30"), (554, SECRET)]);
    }
    // Those that left were let in and found gone, or are: the session is free in the end.
    let answers = || log_on(&venue, 1, &[(141, "Y"), (554, SECRET)]).1.is_some();
    assert!((0..100).any(|_| answers()));
    venue.stop().unwrap();
}

#[test]
fn a_logon_can_be_signed() {
    let folder = Folder::new();
    let key = new_key().unwrap();
    let mut config = config(&folder);
    config.fix.credentials = None;
    let file = credentials_file(
        &folder,
        &format!("[[credential]]\ncomp_id = \"CLIENT1\"\nhmac_key = \"{key}\"\n"),
    );
    let text = SAMPLE.replace("[fix]\n", &format!("[fix]\ncredentials = \"{}\"\n", file.display()));
    config.sessions = load(&folder, &text).unwrap().sessions;
    let venue = Venue::start(&config).unwrap();
    let answer_to = |venue: &Venue, bytes: &[u8]| {
        let mut peer = Peer::connect(venue.fix_addr(), "CLIENT1", 2);
        peer.write(bytes).unwrap();
        let answer = peer.try_read().map(|got| got.msg_type().to_owned());
        (peer, answer)
    };
    let signed = |key: &str, sent: Timestamp, more: &[(u32, &str)]| {
        Peer::connect(venue.fix_addr(), "CLIENT1", 1).signed_logon(key, sent, more)
    };

    assert_eq!(log_on(&venue, 1, &[]).1, None, "no signature");
    assert_eq!(
        answer_to(&venue, &signed(&new_key().unwrap(), clock::now(), &[])).1,
        None,
        "another key"
    );
    let early = Timestamp(clock::now().0 - 60_000_000_000);
    assert_eq!(answer_to(&venue, &signed(&key, early, &[])).1, None, "from before the start");
    // A password that nobody asks for is signed too, as Coinbase's clients do.
    let good = signed(&key, clock::now(), &[(554, "passphrase"), (141, "Y")]);
    let (mut peer, answer) = answer_to(&venue, &good);
    assert_eq!(answer.as_deref(), Some("A"));
    peer.order("a", "1", "1", "100");
    assert_eq!(peer.report().get(11), "a");
    peer.log_out();
    assert_eq!(answer_to(&venue, &good).1, None, "said again by whoever heard it");
    // Not within the millisecond that the last one was signed in.
    let later = Timestamp(clock::now().0 + 2_000_000);
    let next = signed(&key, later, &[(141, "Y")]);
    assert_eq!(answer_to(&venue, &next).1.as_deref(), Some("A"));
    venue.stop().unwrap();

    while clock::now() < later {}
    let venue = Venue::start(&config).unwrap();
    assert_eq!(answer_to(&venue, &next).1, None, "heard before a restart");
    venue.stop().unwrap();
}

fn load(folder: &Folder, text: &str) -> Result<Config, String> {
    let path = folder.path().join("vesta.toml");
    std::fs::write(&path, text).unwrap();
    Config::load(&path).map_err(|error| error.to_string())
}

fn credentials_file(folder: &Folder, text: &str) -> PathBuf {
    let path = folder.path().join("credentials.toml");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

#[test]
fn a_password_in_plain_text_is_taken_only_where_that_is_asked_for() {
    let folder = Folder::new();
    let plain =
        SAMPLE.replace("# password = \"$argon2id$...\"", &format!("password = \"{SECRET}\""));
    assert_ne!(plain, SAMPLE);
    let error = load(&folder, &plain).unwrap_err();
    assert!(error.contains("CLIENT1") && error.contains("`vesta password`"), "{error}");
    assert!(error.contains("plain_passwords") && !error.contains(SECRET), "{error}");
    let taken = plain.replace("[fix]\n", "[fix]\nplain_passwords = true\n");
    let mut config = config(&folder);
    config.sessions = load(&folder, &taken).unwrap().sessions;
    assert!(!format!("{config:?}").contains(SECRET));
    let venue = Venue::start(&config).unwrap();
    assert_eq!(log_on(&venue, 1, &[(554, "correct horse batterx")]).1, None);
    assert_eq!(log_on(&venue, 1, &[(554, SECRET)]).1.as_deref(), Some("A"));
    venue.stop().unwrap();
}

#[test]
fn what_is_wrong_with_secrets_is_said_without_them() {
    let folder = Folder::new();
    let hash = Password::hash(SECRET.as_bytes()).unwrap();
    let end = hash.rsplit('$').next().unwrap();
    for (password, why) in [
        (hash.replace("argon2id", "argon2i"), "argon2id"),
        (hash.replace("m=19456", "m=999999999"), "256 MiB"),
        (hash.replace("t=2", "t=99"), "32 passes"),
        (hash.trim_end_matches(end).trim_end_matches('$').to_owned(), "cut off"),
        (format!("{hash}$more"), "PHC"),
    ] {
        let text =
            SAMPLE.replace("# password = \"$argon2id$...\"", &format!("password = \"{password}\""));
        let error = load(&folder, &text).unwrap_err();
        assert!(error.contains(why), "{why}: {error}");
        assert!(error.contains("vesta.toml:") && !error.contains(end), "{error}");
    }
    let with_file = SAMPLE.replace("[fix]\n", "[fix]\ncredentials = \"credentials.toml\"\n");
    assert!(load(&folder, &with_file).unwrap_err().contains("credentials.toml: cannot be read"));
    let one =
        |comp_id: &str, rest: &str| format!("[[credential]]\ncomp_id = \"{comp_id}\"\n{rest}\n");
    let good = one("CLIENT1", &format!("password = \"{hash}\""));
    for (text, line, why) in [
        (one("CLIENT9", "password = \"x\""), 1, "no session \"CLIENT9\""),
        (one("CLIENT1", ""), 1, "neither"),
        (one("CLIENT1", "password = \"hunter22\""), 1, "`vesta password`"),
        (one("CLIENT1", "hmac_key = \"hunter22\""), 1, "32 bytes"),
        (one("CLIENT1", "hmac_key = \"hunter22!\""), 1, "Base64"),
        (one("CLIENT1", "password = hunter22"), 3, "[[credential]]"),
        (one("CLIENT1", "passwort = \"hunter22\""), 3, "[[credential]]"),
        (format!("{good}{good}"), 4, "twice"),
    ] {
        credentials_file(&folder, &text);
        let error = load(&folder, &with_file).unwrap_err();
        assert!(error.contains(&format!("credentials.toml:{line}: ")), "{error}");
        assert!(error.contains(why) && !error.contains("hunter22"), "{error}");
    }
    let path = credentials_file(&folder, &good);
    let config = load(&folder, &with_file).unwrap();
    assert!(matches!(config.sessions[0].credentials.password, Some(Password::Hash(_))));
    assert!(!format!("{config:?}").contains(end));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(load(&folder, &with_file).unwrap_err().contains("chmod 600"));
}

/// What a Logon says about its orders is in the journal: a restart cancels what it asked for, and only that.
#[test]
fn what_a_logon_said_of_its_orders_survives_a_restart() {
    for (by_default, said, every_bytes, stays) in [
        (true, "N", 0, true),
        (true, "N", 1 << 10, true),
        (false, "Y", 0, false),
        (false, "Y", 1 << 10, false),
        (false, "N", 0, true),
    ] {
        let folder = Folder::new();
        let mut config = config(&folder);
        config.snapshots.every_bytes = every_bytes;
        config.sessions[0].cancel.on_disconnect = by_default;
        let venue = Venue::start(&config).unwrap();
        let (mut peer, _) = log_on(&venue, 1, &[(8013, said)]);
        peer.order("a", "1", "1", "100");
        assert_eq!(peer.report().get(39), "0");
        // The venue says Logout, and the client goes without an answer.
        let next_out = peer.next_out;
        venue.stop().unwrap();
        drop(peer);

        // Whatever the configuration says now: it was said before.
        let venue = Venue::start(&config).unwrap();
        assert_eq!(venue.from_snapshot().is_some(), every_bytes > 0);
        let (mut peer, answer) = log_on(&venue, next_out, &[(8013, "N")]);
        assert_eq!(answer.as_deref(), Some("A"));
        peer.send("H", &[(11, "a"), (55, "BTC-USD"), (54, "1")]);
        let status = peer.report();
        let expected = if stays { "0" } else { "4" };
        assert_eq!(status.get(39), expected, "{by_default} {said} {every_bytes} {status:?}");
        venue.stop().unwrap();
    }
}

/// A venue whose sessions are known by the file; CLIENT1 by [`SECRET`].
fn with_file(folder: &Folder, layout: Layout) -> (Config, PathBuf) {
    let hash = Password::hash(SECRET.as_bytes()).unwrap();
    let key = new_key().unwrap();
    let file = credentials_file(
        folder,
        &format!(
            "# The secrets.\n[[credential]]\ncomp_id = \"CLIENT2\"\nhmac_key = \"{key}\"\n\n\
             [[credential]]\ncomp_id = 'CLIENT1'\npassword = '{hash}' # asked for by phone\n"
        ),
    );
    (with_secrets_of(folder, &file, layout), file)
}

/// The same again, with what the file has now.
fn with_secrets_of(folder: &Folder, file: &Path, layout: Layout) -> Config {
    let mut config = Config { layout, ..config(folder) };
    let text = SAMPLE.replace("[fix]\n", &format!("[fix]\ncredentials = \"{}\"\n", file.display()));
    let loaded = load(folder, &text).unwrap();
    config.sessions = loaded.sessions;
    config.fix.credentials = loaded.fix.credentials;
    config
}

fn change(peer: &mut Peer, id: &str, old: &str, new: &str) -> (String, String) {
    let fields = [(923, id), (924, "3"), (553, "CLIENT1"), (554, old), (925, new)];
    peer.send("BE", &fields);
    let got = peer.report();
    assert_eq!((got.msg_type(), got.get(923), got.get(553)), ("BF", id, "CLIENT1"), "{got:?}");
    (got.get(926).to_owned(), got.get(927).to_owned())
}

fn files_under(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(files_under(&path)) } else { files.push(path) }
    }
    files
}

#[test]
fn a_session_changes_its_password_and_a_restart_knows_the_new_one() {
    const NEW: &str = "a new horse, and a staple";
    for layout in [Layout::Joined, Layout::Split] {
        let folder = Folder::new();
        let (config, file) = with_file(&folder, layout);
        let before = std::fs::read_to_string(&file).unwrap();
        let venue = Venue::start(&config).unwrap();
        let (mut peer, answer) = log_on(&venue, 1, &[(554, SECRET)]);
        assert_eq!(answer.as_deref(), Some("A"));
        assert_eq!(change(&mut peer, "r1", "wrong", NEW).0, "4");
        assert_eq!(
            change(&mut peer, "r2", SECRET, "short").1,
            "a password has 8 characters at least"
        );
        assert_eq!(change(&mut peer, "r3", SECRET, SECRET).1, "the new password is the old one");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), before);
        // Orders are taken while it is looked at.
        let fields = [(923, "r4"), (924, "3"), (553, "CLIENT1"), (554, SECRET), (925, NEW)];
        peer.send("BE", &fields);
        peer.order("a", "1", "1", "100");
        let both = [peer.report(), peer.report()];
        assert_eq!([both[0].get(11), both[1].get(926)], ["a", "5"], "{both:?}");

        let after = std::fs::read_to_string(&file).unwrap();
        let hash = |text: &str| {
            text.split('\n').find(|line| line.contains("$argon2id$")).map(str::to_owned)
        };
        assert_ne!(hash(&before), hash(&after));
        let rest = |text: &str| text.replace(&hash(text).unwrap(), "");
        assert_eq!(rest(&before), rest(&after));
        assert!(hash(&after).unwrap().ends_with("\" # asked for by phone"), "{after}");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(change(&mut peer, "r5", SECRET, "correct again").0, "4", "it is the old one");
        let next_out = peer.log_out();
        assert_eq!(log_on(&venue, next_out, &[(554, SECRET)]).1, None);
        let (peer, answer) = log_on(&venue, next_out, &[(554, NEW)]);
        assert_eq!(answer.as_deref(), Some("A"));
        let next_out = peer.log_out();
        venue.stop().unwrap();

        let venue = Venue::start(&with_secrets_of(&folder, &file, layout)).unwrap();
        assert_eq!(log_on(&venue, next_out, &[(554, SECRET)]).1, None);
        let (mut peer, answer) = log_on(&venue, next_out, &[(554, NEW)]);
        assert_eq!(answer.as_deref(), Some("A"));
        // What was told is told again, word for word.
        peer.send("2", &[(7, "2"), (16, "6")]);
        let again: Vec<String> = (0..5).map(|_| peer.report().get(926).to_owned()).collect();
        assert_eq!(again, ["4", "6", "6", "", "5"]);
        peer.log_out();
        venue.stop().unwrap();

        let journal = files_under(&config.journal_dir);
        assert!(!journal.is_empty());
        for path in journal {
            let bytes = std::fs::read(&path).unwrap();
            for secret in [SECRET, NEW, "correct again"] {
                let found = bytes.windows(secret.len()).any(|it| it == secret.as_bytes());
                assert!(!found, "{} has a password", path.display());
            }
        }
    }
}

/// The same by a Logon: what is answered is on the disk, what is refused is logged out with the reason.
#[test]
fn a_logon_changes_the_password_and_a_restart_knows_the_new_one() {
    const NEW: &str = "a new horse, and a staple";
    for layout in [Layout::Joined, Layout::Split] {
        let folder = Folder::new();
        let (config, file) = with_file(&folder, layout);
        let before = std::fs::read_to_string(&file).unwrap();
        let venue = Venue::start(&config).unwrap();
        // Whoever does not know the old one changes nothing, and hears nothing.
        assert_eq!(log_on(&venue, 1, &[(554, "wrong"), (925, NEW)]).1, None);
        for (next_out, new, why) in [
            (1, "short", "a password has 8 characters at least"),
            (2, SECRET, "the new password is the old one"),
        ] {
            let mut peer = Peer::connect(venue.fix_addr(), "CLIENT1", next_out);
            peer.send("A", &[(98, "0"), (108, "30"), (554, SECRET), (925, new)]);
            let got = peer.try_read().unwrap();
            let text = format!("the new password is refused: {why}");
            assert_eq!([got.msg_type(), got.get(58)], ["5", text.as_str()]);
        }
        assert_eq!(std::fs::read_to_string(&file).unwrap(), before);
        let (peer, answer) = log_on(&venue, 3, &[(554, SECRET), (925, NEW)]);
        assert_eq!(answer.as_deref(), Some("A"));
        assert_ne!(std::fs::read_to_string(&file).unwrap(), before);
        let next_out = peer.log_out();
        assert_eq!(log_on(&venue, next_out, &[(554, SECRET)]).1, None);
        venue.stop().unwrap();

        let venue = Venue::start(&with_secrets_of(&folder, &file, layout)).unwrap();
        assert_eq!(log_on(&venue, next_out, &[(554, SECRET)]).1, None);
        // And back, with numbers that start again.
        let again = [(141, "Y"), (554, NEW), (925, SECRET)];
        let (peer, answer) = log_on(&venue, 1, &again);
        assert_eq!(answer.as_deref(), Some("A"));
        let next_out = peer.log_out();
        let (peer, answer) = log_on(&venue, next_out, &[(554, SECRET)]);
        assert_eq!(answer.as_deref(), Some("A"));
        peer.log_out();
        venue.stop().unwrap();

        for path in files_under(&config.journal_dir) {
            let bytes = std::fs::read(&path).unwrap();
            for secret in [SECRET, NEW] {
                let found = bytes.windows(secret.len()).any(|it| it == secret.as_bytes());
                assert!(!found, "{} has a password", path.display());
            }
        }
    }
    // A folder of the file that cannot be written, and no file at all.
    let folder = Folder::new();
    let (config, file) = with_file(&folder, Layout::Joined);
    let venue = Venue::start(&config).unwrap();
    std::fs::create_dir(folder.path().join(".credentials.toml.new")).unwrap();
    let said = |venue: &Venue| {
        let mut peer = Peer::connect(venue.fix_addr(), "CLIENT1", 1);
        peer.send("A", &[(98, "0"), (108, "30"), (554, SECRET), (925, NEW)]);
        peer.try_read().unwrap().get(58).to_owned()
    };
    let text = said(&venue);
    assert_eq!(
        text,
        "the new password is refused: the new password cannot be stored: ask the venue"
    );
    assert!(file.exists());
    venue.stop().unwrap();
    for credentials in
        [Credentials { password: hashed(1), ..Credentials::default() }, Credentials::default()]
    {
        let folder = Folder::new();
        let venue = start(&folder, Layout::Joined, credentials);
        let text = said(&venue);
        assert!(
            text.ends_with("the venue has no credentials file with its password: ask the venue")
        );
        venue.stop().unwrap();
    }
}

/// A file that was written anew while the venue runs: it counts from then on, in every layout, and for changes of passwords too.
#[test]
fn credentials_that_are_read_again_count_from_then_on() {
    const OTHER: &str = "a horse of another colour";
    for layout in [Layout::Joined, Layout::Split] {
        let folder = Folder::new();
        let (config, file) = with_file(&folder, layout);
        let venue = Venue::start(&config).unwrap();
        let none = Reloaded { sessions: 0, certificate: false };
        assert_eq!(venue.reload(&config), Ok(none));
        let (mut peer, answer) = log_on(&venue, 1, &[(554, SECRET)]);
        assert_eq!(answer.as_deref(), Some("A"));
        let text = std::fs::read_to_string(&file).unwrap();
        let hash = text.split('\'').find(|part| part.starts_with("$argon2id")).unwrap();
        let other = Password::hash(OTHER.as_bytes()).unwrap();
        credentials_file(&folder, &text.replace(hash, &other));
        // Nothing of it counts before it is read again, not even for a change.
        let not_stored = "the new password cannot be stored: ask the venue";
        assert_eq!(change(&mut peer, "r1", SECRET, "correct again").1, not_stored);
        let read = with_secrets_of(&folder, &file, layout);
        assert_eq!(venue.reload(&read), Ok(Reloaded { sessions: 1, ..none }));
        // Who is there stays.
        peer.order("a", "1", "1", "100");
        assert_eq!(peer.report().get(11), "a");
        assert_eq!(change(&mut peer, "r2", SECRET, "correct again").0, "4");
        let next_out = peer.log_out();
        assert_eq!(log_on(&venue, next_out, &[(554, SECRET)]).1, None);
        let (mut peer, answer) = log_on(&venue, next_out, &[(554, OTHER)]);
        assert_eq!(answer.as_deref(), Some("A"));
        assert_eq!(change(&mut peer, "r3", OTHER, "correct again").0, "5");
        let next_out = peer.log_out();
        // What was changed over the wire stands in the file, and is what is read.
        let read = with_secrets_of(&folder, &file, layout);
        assert_eq!(venue.reload(&read), Ok(none));
        let (peer, answer) = log_on(&venue, next_out, &[(554, "correct again")]);
        assert_eq!(answer.as_deref(), Some("A"));
        peer.log_out();
        let mut fewer = read.clone();
        fewer.sessions.pop();
        let refused = venue.reload(&fewer).unwrap_err().to_string();
        assert!(refused.contains("another start"), "{refused}");
        venue.stop().unwrap();
    }
}

#[test]
fn a_password_that_cannot_be_stored_is_not_changed() {
    let folder = Folder::new();
    let (config, file) = with_file(&folder, Layout::Joined);
    let venue = Venue::start(&config).unwrap();
    let (mut peer, _) = log_on(&venue, 1, &[(554, SECRET)]);
    let not_stored =
        ("6".to_owned(), "the new password cannot be stored: ask the venue".to_owned());
    let text = std::fs::read_to_string(&file).unwrap();
    // Somebody has written another one there.
    let other = text.replace("argon2id$v=19$m=19456", "argon2id$v=19$m=9728");
    for changed in [other.as_str(), "not = [ TOML", "", "[[credential]]\ncomp_id = \"CLIENT1\"\n"] {
        credentials_file(&folder, changed);
        assert_eq!(change(&mut peer, "r", SECRET, "correct again"), not_stored, "{changed}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), changed);
    }
    std::fs::remove_file(&file).unwrap();
    assert_eq!(change(&mut peer, "r", SECRET, "correct again"), not_stored);
    assert!(!file.exists());
    // What a crash has left is no obstacle; a folder in its place is.
    credentials_file(&folder, &text);
    let beside = folder.path().join(".credentials.toml.new");
    std::fs::create_dir(&beside).unwrap();
    assert_eq!(change(&mut peer, "r", SECRET, "correct again"), not_stored);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    std::fs::remove_dir(&beside).unwrap();
    std::fs::write(&beside, "half of").unwrap();
    assert_eq!(change(&mut peer, "r", SECRET, "correct again").0, "5");
    assert!(!beside.exists());
    venue.stop().unwrap();

    // A password in the configuration, and none at all.
    for credentials in
        [Credentials { password: hashed(1), ..Credentials::default() }, Credentials::default()]
    {
        let folder = Folder::new();
        let venue = start(&folder, Layout::Joined, credentials);
        let (mut peer, _) = log_on(&venue, 1, &[(554, SECRET)]);
        let text = "the venue has no credentials file with its password: ask the venue";
        let answer = change(&mut peer, "r", SECRET, "correct again");
        assert_eq!(answer, ("6".to_owned(), text.to_owned()));
        venue.stop().unwrap();
    }
}
