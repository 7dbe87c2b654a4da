//! Which program this is: what the journal says at every start, and every snapshot.

use std::sync::OnceLock;

use matcher::record::{ATTACHMENT_BYTES_MAX, RECORD_VERSION};

/// A number that another program does not have: the hash of the file that is running. 0 if that cannot
/// be read. It is computed once.
#[must_use]
pub fn id() -> u64 {
    static ID: OnceLock<u64> = OnceLock::new();
    *ID.get_or_init(|| std::fs::read("/proc/self/exe").map_or(0, |program| hash(&program)))
}

/// FNV-1a over words, with a shift that brings high bits down.
fn hash(bytes: &[u8]) -> u64 {
    bytes.chunks(8).fold(0xcbf2_9ce4_8422_2325, |hash, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        let hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(0x0100_0000_01b3);
        hash ^ hash >> 32
    })
}

/// One line for a person: version, kind of build, version of the records, and [`id`].
#[must_use]
pub fn text() -> String {
    let kind = if cfg!(debug_assertions) { "debug" } else { "release" };
    let version = env!("CARGO_PKG_VERSION");
    let mut text = format!("vesta {version} {kind}, records {RECORD_VERSION}, build {:016x}", id());
    text.truncate(ATTACHMENT_BYTES_MAX);
    text
}
