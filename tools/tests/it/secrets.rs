//! What a client proves itself with is nowhere but in the configuration.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use gateway::fix::Encoder;
use venue::clock;

use crate::support::{Ended, Folder, Running, config_text, run, skipped, vesta};

const CLIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/signed_logon.py");

const PASSWORD: &str = "tr0ub4dor-and-3";
const WRONG: &str = "tr0ub4dor-and-4";
const NEW: &str = "tr0ub4dor-and-5";

pub(crate) fn password(args: &[&str], input: &str) -> Ended {
    let mut command = vesta();
    command.arg("password").args(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    Ended::of(child.wait_with_output().unwrap())
}

#[test]
fn a_password_is_read_from_its_input_and_only_its_hash_is_said() {
    let ended = password(&[], &format!("{PASSWORD}\n"));
    ended.assert_good();
    assert!(ended.out.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", ended.out);
    assert!(!ended.out.contains(PASSWORD) && ended.err.is_empty(), "{}", ended.err);
    password(&[], "short\n").assert_says(2, &["8 characters"]);
    password(&[], "").assert_says(2, &["no password"]);
    password(&[], "tab\tinside\n").assert_says(2, &["control"]);
    // Not from the command line: others see it there.
    assert_eq!(password(&[PASSWORD], "").code, Some(2));
    let keys = [(); 2].map(|()| password(&["--hmac-key"], "").out);
    assert!(keys[0] != keys[1] && keys.iter().all(|key| key.trim_end().len() == 44), "{keys:?}");
}

pub(crate) fn send(stream: &mut TcpStream, number: u64, msg_type: &str, fields: &[(u32, &str)]) {
    let mut bytes = Vec::new();
    let mut message = Encoder::begin(&mut bytes, b"FIX.4.4", msg_type.as_bytes());
    message.uint(34, number).bytes(49, b"A").utc(52, clock::now()).bytes(56, b"VESTA");
    for (tag, value) in fields {
        message.bytes(*tag, value.as_bytes());
    }
    message.finish();
    stream.write_all(&bytes).unwrap();
}

/// Reads until a message of this type; `false` if the venue closes first.
pub(crate) fn read_until(stream: &mut TcpStream, msg_type: &str) -> bool {
    let (mut got, field) = (Vec::new(), format!("\x0135={msg_type}\x01"));
    let mut buffer = [0; 4096];
    while !String::from_utf8_lossy(&got).contains(&field) {
        match stream.read(&mut buffer).expect("the venue went silent") {
            0 => return false,
            read => got.extend_from_slice(&buffer[..read]),
        }
    }
    true
}

fn every_byte_below(folder: &Path, see: &mut dyn FnMut(&Path, &[u8])) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            every_byte_below(&path, see);
        } else if path.is_file() {
            see(&path, &std::fs::read(&path).unwrap());
        }
    }
}

/// A venue with `config`, and where it listens.
pub(crate) fn serve(config: &Path) -> (Running, String) {
    let mut venue = Running::start(vesta().args(["serve", "--config"]).arg(config));
    let line = venue.line("fix");
    let address = line.split_whitespace().find(|word| word.starts_with("127.")).unwrap();
    (venue, address.trim_end_matches(',').to_owned())
}

pub(crate) fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// Kill -9 behind the answer included: whoever was told that its password is changed logs on with the new one.
#[test]
fn no_secret_of_a_session_reaches_a_log_or_the_journal() {
    let folder = Folder::new();
    let hash = password(&[], &format!("{PASSWORD}\n")).out;
    let credential =
        format!("[[credential]]\ncomp_id = \"A\"\npassword = \"{}\"\n", hash.trim_end());
    let credentials = folder.write("credentials.toml", &credential);
    std::fs::set_permissions(&credentials, std::fs::Permissions::from_mode(0o600)).unwrap();
    let text = config_text(&folder, &["A"]);
    let text = text.replacen("[fix]\n", "[fix]\ncredentials = \"credentials.toml\"\n", 1);
    let file = folder.write("vesta.toml", &text);
    let (venue, address) = serve(&file);
    let logon = |password| [(98, "0"), (108, "30"), (553, "kim"), (554, password)];
    let renew = |password, new| [(98, "0"), (108, "30"), (554, password), (925, new)];

    let mut refused = connect(&address);
    send(&mut refused, 1, "A", &renew(WRONG, NEW));
    assert!(!read_until(&mut refused, "A"));
    let mut stream = connect(&address);
    send(&mut stream, 1, "A", &logon(PASSWORD));
    assert!(read_until(&mut stream, "A"));
    // Each is answered, none is kept.
    let request = |old| [(923, "r1"), (924, "3"), (553, "A"), (554, old), (925, NEW)];
    send(&mut stream, 2, "BE", &request(WRONG));
    assert!(read_until(&mut stream, "BF"));
    send(&mut stream, 3, "BE", &request(PASSWORD));
    assert!(read_until(&mut stream, "BF"));
    // What is in the log by the next answer was said before the end.
    send(&mut stream, 4, "1", &[(112, "logged?")]);
    assert!(read_until(&mut stream, "0"));
    venue.signal("-KILL");
    let ended = venue.end();

    let hears = [PASSWORD, WRONG, NEW];
    let has = |bytes: &[u8], secret: &str| {
        bytes.windows(secret.len()).any(|part| part == secret.as_bytes())
    };
    let mut files = 0;
    let mut look = |path: &Path, bytes: &[u8]| {
        files += 1;
        for secret in hears {
            assert!(!has(bytes, secret), "{secret} is in {}", path.display());
        }
    };
    every_byte_below(folder.path(), &mut look);
    assert!(ended.err.contains("logon refused"), "{}", ended.err);
    assert!(ended.err.contains("password of session 1 changed"), "{}", ended.err);
    let (venue, address) = serve(&file);
    let mut refused = connect(&address);
    send(&mut refused, 5, "A", &logon(PASSWORD));
    assert!(!read_until(&mut refused, "A"));
    let mut stream = connect(&address);
    send(&mut stream, 5, "A", &logon(NEW));
    assert!(read_until(&mut stream, "A"));
    // The answers are told again.
    send(&mut stream, 6, "2", &[(7, "2"), (16, "3")]);
    assert!(read_until(&mut stream, "BF"));
    send(&mut stream, 7, "A", &logon(NEW));
    assert!(read_until(&mut stream, "5"));
    send(&mut stream, 8, "5", &[]);
    assert!(!read_until(&mut stream, "A"), "it is closed");
    // The other way, and back to the old one.
    let mut stream = connect(&address);
    send(&mut stream, 9, "A", &renew(NEW, PASSWORD));
    assert!(read_until(&mut stream, "A"));
    send(&mut stream, 10, "1", &[(112, "logged?")]);
    assert!(read_until(&mut stream, "0"));
    venue.signal("-KILL");
    let again = venue.end();
    assert!(again.err.contains("password of session 1 changed"), "{}", again.err);
    let (venue, address) = serve(&file);
    let mut refused = connect(&address);
    send(&mut refused, 11, "A", &logon(NEW));
    assert!(!read_until(&mut refused, "A"));
    let mut stream = connect(&address);
    send(&mut stream, 11, "A", &logon(PASSWORD));
    assert!(read_until(&mut stream, "A"));
    venue.signal("-TERM");
    venue.end().assert_good();
    every_byte_below(folder.path(), &mut look);
    assert!(files > 4, "{files}");

    let journal = folder.path().join("journal");
    let journal = journal.to_str().unwrap();
    for args in [&["journal", "print", journal, "--fix", "A"][..], &["journal", "print", journal]] {
        let printed = run(args);
        printed.assert_good();
        for word in ["UserStatus=5", "UserStatus=4"].iter().filter(|_| args.len() > 3) {
            assert!(printed.out.contains(word), "{}", printed.out);
        }
        for ended in [&ended, &again, &printed] {
            for secret in hears {
                assert!(!ended.err.contains(secret) && !ended.out.contains(secret), "{secret}");
            }
        }
    }
}

/// Python's own TLS and HMAC against ours.
#[test]
fn the_example_in_python_logs_on_under_tls_with_a_signature() {
    let folder = Folder::new();
    let secret = |name: &str, text: &str| {
        let path = folder.write(name, text);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    };
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let cert = secret("cert.pem", &made.cert.pem());
    secret("key.pem", &made.signing_key.serialize_pem());
    let key = password(&["--hmac-key"], "").out.trim_end().to_owned();
    secret("credentials.toml", &format!("[[credential]]\ncomp_id = \"A\"\nhmac_key = \"{key}\"\n"));
    let tls = "credentials = \"credentials.toml\"\n\
               tls = { listen = \"127.0.0.1:0\", cert = \"cert.pem\", key = \"key.pem\" }\n[itch.soup]";
    let text = config_text(&folder, &["A"]).replacen("[itch.soup]", tls, 1);
    let file = folder.write("vesta.toml", &text);
    let mut venue = Running::start(vesta().args(["serve", "--config"]).arg(file));
    let line = venue.line("tls");
    let (host, port) = line.rsplit_once(' ').unwrap().1.rsplit_once(':').unwrap();
    let client = |key: &str| {
        Command::new("python3").arg(CLIENT).args([host, port]).arg(&cert).args(["A", key]).output()
    };
    let Ok(output) = client(&key) else {
        return skipped("the example in Python: there is no python3");
    };
    let ended = Ended::of(output);
    ended.assert_good();
    let told = ["TLSv1.3 logged on as A", "order python-1 is 0", "answered by 5"];
    assert_eq!(ended.out.lines().collect::<Vec<_>>(), told);
    let other = password(&["--hmac-key"], "").out;
    let ended = Ended::of(client(other.trim_end()).unwrap());
    assert!(ended.code == Some(1) && ended.err.contains("closed the connection"), "{}", ended.err);
    venue.signal("-TERM");
    venue.end().assert_good();
}
