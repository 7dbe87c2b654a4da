//! What sessions prove themselves with: passwords, kept as argon2id hashes, and keys for logons by HMAC.
//!
//! A secret of ours is overwritten when it goes, is in no log, no journal and no command line, and its `Debug`
//! shows nothing.

mod change;
mod comparer;
mod file;

use std::fmt;
use std::path::PathBuf;

use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::phc::PasswordHash;
use argon2::{ARGON2ID_IDENT, Argon2, Params, PasswordHasher};
use base64ct::{Base64, Encoding};
use gateway::acceptor::{Change, Changed, Changing, Claim, Ticket, Verdict};
use gateway::fix::NewPassword;
use hmac::{Hmac, KeyInit, Mac};
use matcher::{SessionId, Timestamp};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::config::Config;

use change::Renewal;
pub use comparer::AtOnce;
pub(crate) use comparer::{Comparer, Secrets};
pub(crate) use file::read;

/// Bytes of a key for HMAC, at least. Source: RFC 2104, section 3: the length of the hash's output.
const KEY_BYTES_MIN: usize = 32;

/// Most memory that comparing a password may take.
///
/// Unit: KiB.
const MEMORY_KIB_MAX: u32 = 256 << 10;

/// Most passes over that memory.
const PASSES_MAX: u32 = 32;

/// Characters of a password, at least. Source: NIST SP 800-63B, section 5.1.1.1.
pub const PASSWORD_CHARS_MIN: usize = 8;

/// Bytes of a password, at most: it has to fit into a message beside everything else.
pub const PASSWORD_BYTES_MAX: usize = 1_024;

/// Whether a new password may be one; if not, why.
///
/// # Errors
///
/// What is wrong with it, without its text.
pub fn judge_new(password: &[u8]) -> Result<(), &'static str> {
    let chars = std::str::from_utf8(password).map_or(password.len(), |it| it.chars().count());
    if chars < PASSWORD_CHARS_MIN {
        return Err("a password has 8 characters at least");
    }
    if password.len() > PASSWORD_BYTES_MAX || password.iter().any(|byte| *byte < b' ') {
        return Err("a password has 1024 bytes at most, and no control characters");
    }
    Ok(())
}

/// Text or bytes that nobody is to see.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// These bytes.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Secret {
        Secret(Zeroizing::new(bytes))
    }

    /// Whether they are `given`, in a time that tells nothing about where they differ.
    fn is(&self, given: &[u8]) -> bool {
        let mut differs = u8::from(self.0.len() != given.len());
        for (i, byte) in given.iter().enumerate() {
            differs |= byte ^ self.0.get(i).copied().unwrap_or(!byte);
        }
        std::hint::black_box(differs) == 0
    }
}

impl Secret {
    /// Whether they are `given`, whatever the case of the letters.
    fn is_without_case(&self, given: &[u8]) -> bool {
        let lower = Secret(Zeroizing::new(self.0.to_ascii_lowercase()));
        lower.is(&Zeroizing::new(given.to_ascii_lowercase()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// A password as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub enum Password {
    /// An argon2id hash.
    Hash(Box<PasswordHash>),
    /// The password itself: only where `[fix] plain_passwords` says so.
    Plain(Secret),
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

impl Password {
    /// Reads a hash as `vesta password` prints it.
    ///
    /// # Errors
    ///
    /// What is wrong with it, without its text.
    pub fn parse(text: &str) -> Result<Password, &'static str> {
        let hash = PasswordHash::new(text).map_err(|_| {
            "password must be a hash in the PHC format, as `vesta password` prints it; a password in plain \
             text is taken only with plain_passwords = true under [fix], which is for tries"
        })?;
        if hash.algorithm != ARGON2ID_IDENT {
            return Err("password must be an argon2id hash, as `vesta password` prints it");
        }
        let params =
            Params::try_from(&hash).map_err(|_| "password has parameters argon2 has not")?;
        if hash.hash.is_none() || hash.salt.is_none() {
            return Err("password is a hash without its salt or its end: was it cut off?");
        }
        if params.m_cost() > MEMORY_KIB_MAX || params.t_cost() > PASSES_MAX {
            return Err(
                "password would take more than 256 MiB or 32 passes to compare: hash it anew",
            );
        }
        Ok(Password::Hash(Box::new(hash)))
    }

    /// The password itself, where it is kept.
    #[must_use]
    pub fn plain(&self) -> Option<&str> {
        match self {
            Password::Plain(password) => std::str::from_utf8(&password.0).ok(),
            Password::Hash(_) => None,
        }
    }

    /// The hash of a new password, with a new salt, as text.
    ///
    /// # Errors
    ///
    /// If the system has no random bytes.
    pub fn hash(password: &[u8]) -> Result<String, String> {
        let hashed = Argon2::default().hash_password(password);
        hashed.map(|hash: PasswordHash| hash.to_string()).map_err(|error| error.to_string())
    }
}

/// Whether `password` has this hash. Takes as long as the hash's parameters say: tens of milliseconds.
fn has_hash(password: &[u8], hash: &PasswordHash) -> bool {
    Argon2::default().verify_password(password, hash).is_ok()
}

/// What a session is known by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// Username(553), if asked for.
    pub username: Option<String>,
    /// Password(554), if asked for.
    pub password: Option<Password>,
    /// Whether the password stands in the file with the secrets, where the session can change it.
    pub changes: bool,
    /// Key of the signature in RawData(96), if asked for.
    pub hmac_key: Option<Secret>,
    /// SHA-256 of the certificate that the client shows under TLS, if asked for.
    pub certificate: Option<[u8; 32]>,
}

impl Credentials {
    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_open(&self) -> bool {
        *self == Credentials::default()
    }

    /// Whether there is something to prove, beyond a name.
    fn has_proof(&self) -> bool {
        self.password.is_some() || self.hmac_key.is_some() || self.certificate.is_some()
    }
}

/// Reads a key as `vesta password --hmac-key` prints it: Base64.
///
/// # Errors
///
/// What is wrong with it, without its text.
pub(crate) fn parse_key(text: &str) -> Result<Secret, &'static str> {
    let key = Base64::decode_vec(text).map(Secret::new).map_err(|_| "hmac_key is not Base64")?;
    if key.0.len() < KEY_BYTES_MIN {
        return Err("hmac_key is shorter than 32 bytes");
    }
    Ok(key)
}

/// A new key for logons by HMAC, as text.
///
/// # Errors
///
/// If the system has no random bytes.
pub fn new_key() -> Result<String, String> {
    let mut key = Zeroizing::new([0; KEY_BYTES_MIN]);
    getrandom::fill(&mut *key).map_err(|error| error.to_string())?;
    Ok(Base64::encode_string(&*key))
}

/// Signs logons with a key as `vesta password --hmac-key` prints it: what is signed → RawData(96) in Base64.
///
/// # Errors
///
/// What is wrong with the key, without its text.
pub fn signer(key: &str) -> Result<impl Fn(&[u8]) -> Vec<u8> + Send + use<>, &'static str> {
    let key = parse_key(key)?;
    let mac = Hmac::<Sha256>::new_from_slice(&key.0).map_err(|_| "hmac_key has a wrong length")?;
    Ok(move |signed: &[u8]| {
        let mut mac = mac.clone();
        mac.update(signed);
        Base64::encode_string(&mac.finalize().into_bytes()).into_bytes()
    })
}

/// A claim whose password is still to be compared.
pub(crate) struct Question {
    ticket: Ticket,
    hash: Box<PasswordHash>,
    /// Of the credentials that it is asked about: [`Known::reads`].
    reads: u64,
    password: Zeroizing<Vec<u8>>,
    /// The same in lower case, where case does not count and it has capitals.
    lower: Option<Zeroizing<Vec<u8>>>,
    /// Whether everything else was right. The password is compared all the same: whoever guesses does not
    /// learn from the time which part was wrong.
    rest_is_good: bool,
    /// What is to be the password then, or why it is not.
    new: Option<Result<Renewal, &'static str>>,
}

impl Question {
    /// What is found, and the hash that counts from now on if it is another.
    fn answer(&self) -> Looked {
        let lower = self.lower.as_ref().is_some_and(|lower| has_hash(lower, &self.hash));
        let good = (lower | has_hash(&self.password, &self.hash)) & self.rest_is_good;
        let (verdict, password) = match &self.new {
            None => (verdict(good), None),
            Some(_) if !good => (Verdict::Bad, None),
            Some(Err(why)) => (Verdict::Renewed(NewPassword::Refused(why)), None),
            Some(Ok(renewal)) => match renewal.store() {
                Ok(password) => (Verdict::Renewed(NewPassword::Done), Some(password)),
                Err(why) => (Verdict::Renewed(NewPassword::Refused(why)), None),
            },
        };
        Looked { ticket: self.ticket, reads: self.reads, verdict, password }
    }
}

/// What [`Question::answer`] found.
pub(crate) struct Looked {
    ticket: Ticket,
    reads: u64,
    verdict: Verdict,
    /// The hash that counts from now on, if it is another.
    password: Option<Password>,
}

/// Every session's credentials, and when each was last proved by HMAC.
pub(crate) struct Known {
    sessions: Vec<(Credentials, Timestamp)>,
    comp_ids: Vec<String>,
    /// Which of them are found by their username: the gateway knows those of the start.
    by_username: Vec<bool>,
    /// How often all were read again.
    reads: u64,
    /// The file with the secrets, if there is one.
    file: Option<PathBuf>,
}

impl Known {
    pub(crate) fn new(config: &Config, began: Timestamp) -> Known {
        let of = |session: &crate::config::SessionConfig| (session.credentials.clone(), began);
        Known {
            sessions: config.sessions.iter().map(of).collect(),
            comp_ids: config.sessions.iter().map(|session| session.comp_id.clone()).collect(),
            by_username: config.sessions.iter().map(|it| it.ouch_firm.is_some()).collect(),
            reads: 0,
            file: config.fix.credentials.clone(),
        }
    }

    /// Takes what was read again of the same sessions; says for how many it is something else, or why nothing of it is taken.
    fn take(&mut self, read: Known) -> Result<usize, String> {
        for (at, ((known, _), (read, _))) in self.sessions.iter().zip(&read.sessions).enumerate() {
            let comp_id = &self.comp_ids[at];
            // A file that is empty, or cut between two entries, is a file too.
            if known.has_proof() && !read.has_proof() {
                return Err(format!(
                    "session {comp_id} has credentials and would have none: everybody could log on as it"
                ));
            }
            if self.by_username[at] && known.username != read.username {
                return Err(format!(
                    "the username of session {comp_id} is not that of the start: that needs another start"
                ));
            }
        }
        let mut changed = 0;
        for ((known, _), (read, _)) in self.sessions.iter_mut().zip(read.sessions) {
            if *known != read {
                *known = read;
                changed += 1;
            }
        }
        self.file = read.file;
        self.reads += 1;
        Ok(changed)
    }

    /// What is to be done with the new password of a claim, once that is proved.
    fn new_password(&self, claim: &Claim<'_>) -> Option<Result<Renewal, &'static str>> {
        let (session, new, old) = (claim.session, claim.new_password()?, claim.password());
        let (known, _) = index(session).and_then(|at| self.sessions.get(at))?;
        let username = match &known.username {
            Some(username) => username.as_bytes(),
            None => self.comp_ids[session.index() - 1].as_bytes(),
        };
        Some(match self.change(&Change { session, username, old, new }) {
            Err(renewal) => Ok(renewal),
            Ok(Changing::Decided(Changed::Not(why))) => Err(why),
            Ok(_) => Err("the new password cannot be stored: ask the venue"),
        })
    }

    /// What can be said at once, or what has to be asked.
    fn look(&mut self, ticket: Ticket, claim: &Claim<'_>) -> Result<Verdict, Box<Question>> {
        let new = self.new_password(claim);
        let Some((known, last)) = index(claim.session).and_then(|at| self.sessions.get_mut(at))
        else {
            return Ok(Verdict::Bad);
        };
        let without_case = claim.is_without_case();
        let mut good = known.username.as_ref().is_none_or(|username| {
            let known = Secret::new(username.clone().into_bytes());
            known.is(claim.username()) | (without_case && known.is_without_case(claim.username()))
        });
        if let Some(certificate) = &known.certificate {
            let shown = claim.certificate.map(Sha256::digest);
            good &= shown.is_some_and(|shown| shown[..] == certificate[..]);
        }
        if let Some(key) = &known.hmac_key {
            let signed = is_signed(key, claim);
            // A signature is good once, and none from before this start: whoever heard it cannot say it again.
            let sent = claim.sending_time();
            good &= signed & (sent > *last);
            if signed {
                *last = sent.max(*last);
            }
        }
        match &known.password {
            Some(Password::Hash(hash)) => Err(Box::new(Question {
                ticket,
                hash: hash.clone(),
                reads: self.reads,
                password: Zeroizing::new(claim.password().to_vec()),
                lower: lower_of(claim.password()).filter(|_| without_case),
                rest_is_good: good,
                new,
            })),
            Some(Password::Plain(password)) => {
                let given = claim.password();
                let same = password.is(given) | (without_case && password.is_without_case(given));
                Ok(renewed(good & same, new))
            }
            None => Ok(renewed(good, new)),
        }
    }
}

/// Of a session whose password is no hash, which none of ours can be changed.
fn renewed(good: bool, new: Option<Result<Renewal, &'static str>>) -> Verdict {
    match new.filter(|_| good) {
        Some(Err(why)) => Verdict::Renewed(NewPassword::Refused(why)),
        _ => verdict(good),
    }
}

/// `password` in lower case, `None` if it is that already.
fn lower_of(password: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let has = password.iter().any(u8::is_ascii_uppercase);
    has.then(|| Zeroizing::new(password.to_ascii_lowercase()))
}

fn index(session: SessionId) -> Option<usize> {
    session.index().checked_sub(1)
}

fn verdict(good: bool) -> Verdict {
    if good { Verdict::Good } else { Verdict::Bad }
}

/// Whether RawData(96) is the signature of the Logon's fields, in Base64.
fn is_signed(key: &Secret, claim: &Claim<'_>) -> bool {
    is_signature(key, &claim.signed(), claim.signature())
}

fn is_signature(key: &Secret, signed: &[u8], signature: &[u8]) -> bool {
    let mut bytes = [0; 64];
    let Ok(given) = Base64::decode(signature, &mut bytes) else { return false };
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&key.0) else { return false };
    mac.update(signed);
    mac.verify_slice(given).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values are those of Python's hmac and base64.
    #[test]
    fn a_signature_is_hmac_sha256_in_base64() {
        let key = parse_key("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
        let signed = b"20260102-03:04:05.678\x01A\x011\x01CLIENT1\x01VESTA\x01pass";
        let signature = b"FNfw6adT+V/uojXYGPyjoAkpMFH6DANXcudi1PGNdvg=";
        assert!(is_signature(&key, signed, signature));
        let sign = signer("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
        assert_eq!(sign(signed), signature);
        assert!(signer("AAECAwQFBgcICQoLDA0ODxAREhMUFRYX").is_err());
        assert!(!is_signature(&key, &signed[1..], signature));
        assert!(!is_signature(&key, signed, &signature[..43]));
        assert!(!is_signature(&key, signed, b"FNfw6adT+V8="));
        assert!(!is_signature(&key, signed, b""));
    }

    /// Nothing of what was read again is taken if a session would be everybody's, or has a name that the gateway does not know.
    #[test]
    fn credentials_that_are_read_again_are_all_taken_or_none() {
        let known = |sessions: &[(&str, Option<&str>)]| Known {
            sessions: sessions
                .iter()
                .map(|(username, password)| {
                    let password = password.map(|it| Password::Plain(Secret::new(it.into())));
                    let username = Some((*username).to_owned());
                    (Credentials { username, password, ..Credentials::default() }, Timestamp(0))
                })
                .collect(),
            comp_ids: vec!["A".into(), "B".into()],
            by_username: vec![false, true],
            reads: 0,
            file: None,
        };
        let of_start = [("ua", Some("one")), ("ub", Some("two"))];
        let mut in_force = known(&of_start);
        for (wrong, why) in [
            (
                [("ua", Some("three")), ("ub", None)],
                "session B has credentials and would have none",
            ),
            ([("ua", Some("three")), ("uc", Some("two"))], "the username of session B"),
        ] {
            let refused = in_force.take(known(&wrong)).unwrap_err();
            assert!(refused.contains(why), "{refused}");
            assert_eq!(in_force.take(known(&of_start)), Ok(0), "nothing was taken");
        }
        // A name that is only compared may change, and who had no password may get one.
        let other = [("ux", Some("one")), ("ub", Some("three"))];
        assert_eq!(in_force.take(known(&other)), Ok(2));
        assert_eq!(in_force.take(known(&other)), Ok(0));
    }

    #[test]
    fn a_hash_knows_its_password_and_two_have_different_salts() {
        let texts = [(); 2].map(|()| Password::hash(b"correct horse").unwrap());
        assert_ne!(texts[0], texts[1]);
        for text in texts {
            let Password::Hash(hash) = Password::parse(&text).unwrap() else { panic!("{text}") };
            assert!(has_hash(b"correct horse", &hash));
            assert!(!has_hash(b"correct horsf", &hash));
        }
    }
}
