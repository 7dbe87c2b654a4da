//! Everybody's orders as bytes, for a snapshot.
//!
//! 4 bytes version, 4 bytes zero, 8 bytes: places for sessions, from session 0; then for each 8 bytes, the first byte 1 if
//! the session is defined, the second the FIX version that it speaks, 0 if it never logged on; 8 bytes: when its numbers began; 24 bytes: how far its
//! drop copy has come (position, event, part; zeroes: it never had one); and if it is defined its orders, its quotes and what OUCH keeps. Then 8 bytes, how many auctions there were; each 16: position of the turn, instrument, phase. The instruments are not among them: who loads knows them.

use matcher::{Instrument, InstrumentId, SessionId, Timestamp};

use super::copies::{CopiedTo, EventAt};
use super::ouch::OuchOrders;
use super::quotes::Quotes;
use super::{OrderEntry, PHASES, Speaking};
use crate::fix::Version;
use crate::orders::Orders;
use crate::saved::{NotSaved, Saved};

const VERSION: u64 = 5;

/// Before anybody spoke OUCH.
const VERSION_OF_NO_OUCH: u64 = 4;

/// Before there were quotes; 2 was before there was drop copy.
const VERSION_OF_NO_QUOTES: u64 = 3;

/// Before there was more than one version of FIX: no session has one, and all speak FIX 4.4.
const VERSION_OF_ONE: u64 = 1;

fn version(saved: &mut Saved<'_>) -> Result<u64, NotSaved> {
    let version = saved.u64()?;
    if matches!(version, VERSION_OF_ONE..=VERSION) { Ok(version) } else { Err(NotSaved) }
}

/// Whether a session is defined, and what it speaks since when.
fn state(saved: &mut Saved<'_>, version: u64) -> Result<(bool, Speaking), NotSaved> {
    let [defined @ (0 | 1), code, 0, 0, 0, 0, 0, 0] = saved.u64()?.to_le_bytes() else {
        return Err(NotSaved);
    };
    let mut speaking = Speaking::default();
    if version != VERSION_OF_ONE {
        speaking.begun_at = Timestamp(saved.u64()?);
        speaking.version = match code {
            0 => None,
            code => Some(Version::of_code(code).ok_or(NotSaved)?),
        };
    }
    if version >= VERSION_OF_NO_QUOTES {
        let (position, index, part) = (saved.u64()?, u32_of(saved)?, u32_of(saved)?);
        let to = CopiedTo { at: EventAt { position, index }, part };
        speaking.copied = (part != 0).then_some(to);
    }
    Ok((defined == 1, speaking))
}

fn u32_of(saved: &mut Saved<'_>) -> Result<u32, NotSaved> {
    u32::try_from(saved.u64()?).map_err(|_| NotSaved)
}

impl OrderEntry {
    /// Gives all that is known but the instruments to `out`; [`OrderEntry::load`] reads it.
    ///
    /// Of a fold that followed the journal alone, to the end of a turn: what [`OrderEntry::request`]
    /// entered would be saved, and be wrong.
    pub fn save(&self, out: &mut dyn FnMut(&[u8])) {
        self.save_sessions(out);
        out(&(self.auctions.len() as u64).to_le_bytes());
        for ((position, instrument), phase) in &self.auctions {
            out(&position.to_le_bytes());
            out(&instrument.0.to_le_bytes());
            out(&u32::from(*phase as u8).to_le_bytes());
        }
    }

    fn save_sessions(&self, out: &mut dyn FnMut(&[u8])) {
        out(&VERSION.to_le_bytes());
        out(&(self.sessions.len() as u64).to_le_bytes());
        for (id, session) in (0..).map(SessionId).zip(&self.sessions) {
            let version = self.version(id).map_or(0, Version::code);
            out(&[u8::from(session.is_some()), version, 0, 0, 0, 0, 0, 0]);
            out(&self.begun_at(id).0.to_le_bytes());
            let CopiedTo { at, part } = self.copied_to(id).unwrap_or_default();
            for word in [at.position, at.index.into(), part.into()] {
                out(&word.to_le_bytes());
            }
            if let Some(orders) = session {
                orders.save(out);
                self.quotes.get(id.index()).unwrap_or(&Quotes::default()).save(out);
                self.ouch.get(id.index()).unwrap_or(&OuchOrders::default()).save(out);
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
        let version = version(saved)?;
        for _ in 0..saved.count(8)? {
            let (defined, speaking) = state(saved, version)?;
            entry.sessions.push(if defined { Some(Orders::load(saved)?) } else { None });
            entry.quotes.push(match defined && version >= VERSION_OF_NO_OUCH {
                true => Quotes::load(saved)?,
                false => Quotes::default(),
            });
            entry.ouch.push(match defined && version == VERSION {
                true => OuchOrders::load(saved)?,
                false => OuchOrders::default(),
            });
            entry.speaking.push(speaking);
        }
        let auctions = if version == VERSION { saved.count(16)? } else { 0 };
        for _ in 0..auctions {
            let (position, instrument, code) =
                (saved.u64()?, InstrumentId(saved.u32()?), saved.u32()?);
            let phase = PHASES.into_iter().find(|phase| u32::from(*phase as u8) == code);
            entry.auctions.insert((position, instrument), phase.ok_or(NotSaved)?);
        }
        saved.end()?;
        Ok(entry)
    }
}
