//! Where messages stand as bytes, for a snapshot: 8 bytes version, 8 bytes how many sessions, from session 0; each 8 bytes
//! its last number, then 4 bytes a message, then 8 bytes a block, then 8 bytes how many are far from
//! the first of their block, and each of these 8 bytes its number, 8 bytes its position. In the other version, where there are
//! shards, behind it 8 bytes how many times a shard had something to tell a session, and each 8 bytes session, 8 shard, 8 the last
//! message of it.

use gateway::saved::{NotSaved, Saved};
use matcher::{SHARDS_MAX, SessionId};

use super::{BLOCK, Numbers, Outbound};

const VERSION: u64 = 2;

/// The version where there are shards.
const VERSION_OF_SHARDS: u64 = 3;

/// No journal gets there; beyond it sums of positions could overflow. Unit: bytes.
const POSITION_MAX: u64 = 1 << 62;

impl Outbound {
    /// Gives all that is known to `out`.
    pub(crate) fn save(&self, out: &mut dyn FnMut(&[u8])) {
        let version = if self.relayed.is_empty() { VERSION } else { VERSION_OF_SHARDS };
        for word in [version, self.sessions.len() as u64] {
            out(&word.to_le_bytes());
        }
        for numbers in &self.sessions {
            out(&u64::from(numbers.last).to_le_bytes());
            let mut bytes = [0; 4 * BLOCK];
            for block in numbers.distances.chunks(BLOCK) {
                for (out, distance) in bytes.chunks_exact_mut(4).zip(block) {
                    out.copy_from_slice(&distance.to_le_bytes());
                }
                out(&bytes[..4 * block.len()]);
            }
            numbers.bases.iter().for_each(|base| out(&base.to_le_bytes()));
            out(&(numbers.far.len() as u64).to_le_bytes());
            for (msg, position) in &numbers.far {
                out(&u64::from(*msg).to_le_bytes());
                out(&position.to_le_bytes());
            }
        }
        if self.relayed.is_empty() {
            return;
        }
        let of = |(session, shards): (u64, &Vec<u32>)| {
            let shards: Vec<(u64, u32)> = (1..).zip(shards.iter().copied()).collect();
            shards.into_iter().map(move |(shard, last)| [session, shard, last.into()])
        };
        let all: Vec<[u64; 3]> = (0..).zip(&self.relayed).flat_map(of).collect();
        out(&(all.len() as u64).to_le_bytes());
        all.into_iter().flatten().for_each(|word| out(&word.to_le_bytes()));
    }

    /// What [`Outbound::save`] gave these bytes.
    pub(crate) fn load(bytes: &[u8]) -> Result<Outbound, NotSaved> {
        let saved = &mut Saved::new(bytes);
        let version = saved.u64()?;
        if !matches!(version, VERSION | VERSION_OF_SHARDS) {
            return Err(NotSaved);
        }
        let mut outbound = Outbound::default();
        for _ in 0..saved.count(8)? {
            outbound.sessions.push(Numbers::load(saved)?);
        }
        if version == VERSION_OF_SHARDS {
            for _ in 0..saved.count(24)? {
                let (session, shard) = (u32::try_from(saved.u64()?), u8::try_from(saved.u64()?));
                let last = u32::try_from(saved.u64()?).map_err(|_| NotSaved)?;
                let session = SessionId(session.map_err(|_| NotSaved)?);
                let shard = shard.ok().filter(|shard| (1..SHARDS_MAX).contains(shard));
                let is_known = session.index() < outbound.sessions.len();
                match shard.filter(|_| is_known) {
                    Some(shard) => outbound.set_relayed(session, usize::from(shard), last),
                    None => return Err(NotSaved),
                }
            }
        }
        saved.end()?;
        Ok(outbound)
    }
}

impl Numbers {
    fn load(saved: &mut Saved<'_>) -> Result<Numbers, NotSaved> {
        let count = saved.count(4)?;
        let last = u32::try_from(count).map_err(|_| NotSaved)?;
        let mut numbers = Numbers { last, ..Numbers::default() };
        let words = saved.bytes(4 * count)?.chunks_exact(4);
        numbers.distances.extend(words.map(|word| {
            let mut bytes = [0; 4];
            bytes.copy_from_slice(word);
            u32::from_le_bytes(bytes)
        }));
        for _ in 0..count.div_ceil(BLOCK) {
            let base = saved.u64()?;
            if base > POSITION_MAX {
                return Err(NotSaved);
            }
            numbers.bases.push(base);
        }
        let far = numbers.distances.iter().filter(|distance| **distance == super::TOO_FAR).count();
        if saved.count(16)? != far {
            return Err(NotSaved);
        }
        for _ in 0..far {
            let (msg, position) = (u32::try_from(saved.u64()?), saved.u64()?);
            let msg = msg.map_err(|_| NotSaved)?;
            let is_far = numbers.distances.get((msg as usize).wrapping_sub(1));
            let after = numbers.far.last().is_none_or(|(last, _)| *last < msg);
            if is_far != Some(&super::TOO_FAR) || !after || position > POSITION_MAX {
                return Err(NotSaved);
            }
            numbers.far.push((msg, position));
        }
        Ok(numbers)
    }
}
