//! What the version and the terms of a session make of a message.

use super::{Conduct, Session};
use crate::fix::decode::{BadLength, Fault, Message};
use crate::fix::dictionary::Dictionary;
use crate::fix::tag::{self, SessionRejectReason};
use crate::fix::version::{APPL_VER_ID, Version};

impl Session {
    /// The version that its numbers belong to.
    #[must_use]
    #[inline]
    pub fn version(&self) -> Version {
        self.profile.identity.version
    }

    /// How far a message with a wrong BodyLength(9) goes.
    #[must_use]
    #[inline]
    pub fn bad_length(&self) -> BadLength {
        match self.profile.conduct {
            Conduct::Venue => BadLength::ItsMessage,
            Conduct::Conformance => BadLength::ItsLength,
        }
    }

    #[inline]
    pub(super) fn dictionary(&self) -> &'static Dictionary {
        self.version().dictionary()
    }

    /// What is wrong with a message of the session, if something is.
    #[inline]
    pub(super) fn check(&self, message: &Message<'_>) -> Result<(), Fault> {
        self.dictionary().check(message, self.profile.unknown_tags)?;
        // Only a header of FIXT.1.1 can name a version of its own, and we speak one.
        if self.version() == Version::Fix50Sp2
            && message.get(tag::APPL_VER_ID).is_some_and(|id| id != APPL_VER_ID)
        {
            return Err(Fault::of(tag::APPL_VER_ID, SessionRejectReason::ApplVersion));
        }
        Ok(())
    }
}
