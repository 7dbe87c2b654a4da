//! Passwords that their sessions change: checked and hashed beside the gateway, and in the file before anybody is told.

use std::path::PathBuf;

use argon2::password_hash::phc::PasswordHash;
use gateway::acceptor::{Change, Changed, Changing, Ticket, Verdict};
use matcher::SessionId;
use zeroize::Zeroizing;

use super::{Known, Looked, Password, Secret, file, has_hash, index, judge_new};

/// A change that is still to be looked at.
pub(crate) struct Renewal {
    pub(super) session: SessionId,
    comp_id: String,
    file: PathBuf,
    hash: Box<PasswordHash>,
    old: Zeroizing<Vec<u8>>,
    new: Zeroizing<Vec<u8>>,
}

impl Renewal {
    /// Does it; takes as long as two comparisons and a sync of the disk. With the hash that counts from now on.
    pub(super) fn make(&self) -> Result<Password, Changed> {
        if !has_hash(&self.old, &self.hash) {
            return Err(Changed::WrongPassword);
        }
        self.store().map_err(Changed::Not)
    }

    /// The same where the old password is known to be right.
    pub(super) fn store(&self) -> Result<Password, &'static str> {
        let failed = |why: String| {
            eprintln!("vesta: the password of {} cannot be changed: {why}", self.comp_id);
            "the new password cannot be stored: ask the venue"
        };
        let text = Password::hash(&self.new).map_err(failed)?;
        let password = Password::parse(&text).map_err(|what| failed(what.into()))?;
        file::replace(&self.file, &self.comp_id, &self.hash, &text).map_err(failed)?;
        Ok(password)
    }
}

impl Known {
    /// What can be said at once, or what has to be done.
    pub(super) fn change(&self, change: &Change<'_>) -> Result<Changing, Renewal> {
        let decided = |changed| Ok(Changing::Decided(changed));
        let at = index(change.session).filter(|at| *at < self.sessions.len());
        let Some(at) = at else { return decided(Changed::UnknownUser) };
        let (known, _) = &self.sessions[at];
        let username = known.username.as_ref().unwrap_or(&self.comp_ids[at]);
        if !Secret::new(username.clone().into_bytes()).is(change.username) {
            return decided(Changed::UnknownUser);
        }
        let (Some(file), true) = (&self.file, known.changes) else {
            let text = "the venue has no credentials file with its password: ask the venue";
            return decided(Changed::Not(text));
        };
        let Some(Password::Hash(hash)) = &known.password else {
            return decided(Changed::Not("the session has no password"));
        };
        if let Err(what) = judge_new(change.new) {
            return decided(Changed::Not(what));
        }
        if change.new == change.old {
            return decided(Changed::Not("the new password is the old one"));
        }
        Err(Renewal {
            session: change.session,
            comp_id: self.comp_ids[at].clone(),
            file: file.clone(),
            hash: hash.clone(),
            old: Zeroizing::new(change.old.to_vec()),
            new: Zeroizing::new(change.new.to_vec()),
        })
    }

    /// It was done: the new hash counts from now on.
    pub(super) fn changed(
        &mut self,
        session: SessionId,
        made: Result<Password, Changed>,
    ) -> (SessionId, Changed) {
        let known = index(session).and_then(|at| self.sessions.get_mut(at));
        let changed = match (made, known) {
            (Ok(password), Some((known, _))) => {
                known.password = Some(password);
                Changed::Done
            }
            (Ok(_), None) => Changed::UnknownUser,
            (Err(changed), _) => changed,
        };
        (session, changed)
    }

    /// A Logon was looked at: the new hash counts from now on, if there is one. What was found of credentials that have been read
    /// again since is not good for anything: it is asked once more.
    pub(super) fn looked(&mut self, looked: Looked) -> (Ticket, Verdict) {
        let Looked { ticket, reads, verdict, password } = looked;
        if reads != self.reads && password.is_none() {
            return (ticket, Verdict::Busy);
        }
        if let Some(password) = password {
            self.changed(ticket.session, Ok(password));
        }
        (ticket, verdict)
    }
}
