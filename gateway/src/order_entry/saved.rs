//! Everybody's orders as bytes, for a snapshot.
//!
//! 4 bytes version, 4 bytes zero, 8 bytes: places for sessions, from session 0; then for each 8 bytes, 1 if the session is
//! defined, and its orders. The instruments are not among them: who loads knows them.

use matcher::{Instrument, InstrumentId};

use super::OrderEntry;
use crate::orders::{Orders, SavedOrders};
use crate::saved::{NotSaved, Saved};

const VERSION: u32 = 1;

/// The orders of each session in the bytes of [`OrderEntry::save`], by session id, without loading them.
///
/// # Errors
///
/// If the bytes are not long enough for what they say of themselves.
pub fn saved_orders(bytes: &[u8]) -> Result<Vec<Option<SavedOrders<'_>>>, NotSaved> {
    let saved = &mut Saved::new(bytes);
    if saved.u64()? != u64::from(VERSION) {
        return Err(NotSaved);
    }
    let mut sessions = Vec::new();
    for _ in 0..saved.count(8)? {
        let defined = saved.u64()? == 1;
        sessions.push(if defined { Some(SavedOrders::read(saved)?) } else { None });
    }
    Ok(sessions)
}

impl OrderEntry {
    /// Gives all that is known but the instruments to `out`; [`OrderEntry::load`] reads it.
    ///
    /// Of a fold that followed the journal alone, to the end of a turn: what [`OrderEntry::request`]
    /// entered would be saved, and be wrong.
    pub fn save(&self, out: &mut dyn FnMut(&[u8])) {
        out(&u64::from(VERSION).to_le_bytes());
        out(&(self.sessions.len() as u64).to_le_bytes());
        for session in &self.sessions {
            out(&u64::from(session.is_some()).to_le_bytes());
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
        if saved.u64()? != u64::from(VERSION) {
            return Err(NotSaved);
        }
        for _ in 0..saved.count(8)? {
            entry.sessions.push(match saved.u64()? {
                0 => None,
                1 => Some(Orders::load(saved)?),
                _ => return Err(NotSaved),
            });
        }
        saved.end()?;
        Ok(entry)
    }
}
