//! Everybody's orders as bytes, for a snapshot.
//!
//! 4 bytes version, 4 bytes zero, 8 bytes: places for sessions, from session 0; then for each 8 bytes, the first byte 1 if
//! the session is defined, the second the FIX version that it speaks, 0 if it never logged on; and its orders. The instruments are not among them: who loads knows them.

use matcher::{Instrument, InstrumentId, SessionId};

use super::OrderEntry;
use crate::fix::Version;
use crate::orders::{Orders, SavedOrders};
use crate::saved::{NotSaved, Saved};

const VERSION: u64 = 2;

/// Before there was more than one version of FIX: no session has one, and all speak FIX 4.4.
const VERSION_OF_ONE: u64 = 1;

/// The orders of each session in the bytes of [`OrderEntry::save`], by session id, without loading them.
///
/// # Errors
///
/// If the bytes are not long enough for what they say of themselves.
pub fn saved_orders(bytes: &[u8]) -> Result<Vec<Option<SavedOrders<'_>>>, NotSaved> {
    let saved = &mut Saved::new(bytes);
    if !matches!(saved.u64()?, VERSION | VERSION_OF_ONE) {
        return Err(NotSaved);
    }
    let mut sessions = Vec::new();
    for _ in 0..saved.count(8)? {
        let (defined, _) = state(saved.u64()?)?;
        sessions.push(if defined { Some(SavedOrders::read(saved)?) } else { None });
    }
    Ok(sessions)
}

/// Whether a session is defined, and what it speaks.
fn state(word: u64) -> Result<(bool, Option<Version>), NotSaved> {
    let [defined @ (0 | 1), version, 0, 0, 0, 0, 0, 0] = word.to_le_bytes() else {
        return Err(NotSaved);
    };
    let version = match version {
        0 => None,
        code => Some(Version::of_code(code).ok_or(NotSaved)?),
    };
    Ok((defined == 1, version))
}

impl OrderEntry {
    /// Gives all that is known but the instruments to `out`; [`OrderEntry::load`] reads it.
    ///
    /// Of a fold that followed the journal alone, to the end of a turn: what [`OrderEntry::request`]
    /// entered would be saved, and be wrong.
    pub fn save(&self, out: &mut dyn FnMut(&[u8])) {
        out(&VERSION.to_le_bytes());
        out(&(self.sessions.len() as u64).to_le_bytes());
        for (id, session) in (0..).map(SessionId).zip(&self.sessions) {
            let version = self.version(id).map_or(0, Version::code);
            out(&[u8::from(session.is_some()), version, 0, 0, 0, 0, 0, 0]);
            if let Some(orders) = session {
                orders.save(out);
            }
        }
    }

    /// What [`OrderEntry::save`] gave these bytes, as it was with these instruments, by id.
    ///
    /// # Errors
    ///
    /// If the bytes are not what order entry is saved as by this version.
    pub fn load(
        bytes: &[u8],
        instruments: &[Instrument],
        orders_per_session_max: u32,
    ) -> Result<OrderEntry, NotSaved> {
        let mut entry = OrderEntry::new(orders_per_session_max);
        for (id, instrument) in (0..).map(InstrumentId).zip(instruments) {
            entry.directory.define(id, instrument);
        }
        let saved = &mut Saved::new(bytes);
        if !matches!(saved.u64()?, VERSION | VERSION_OF_ONE) {
            return Err(NotSaved);
        }
        for _ in 0..saved.count(8)? {
            let (defined, version) = state(saved.u64()?)?;
            entry.sessions.push(if defined { Some(Orders::load(saved)?) } else { None });
            entry.versions.push(version);
        }
        saved.end()?;
        Ok(entry)
    }
}
