//! Addresses that a venue can listen on again after it was killed.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};

/// An address that nobody else takes while nobody listens on it.
///
/// A port that the kernel chose goes to the next connection that asks for any port, when its listener is gone. So
/// this is an address of the loopback network for this process alone, and a port below those that the kernel chooses.
pub(crate) fn own_address() -> SocketAddr {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    let ip = Ipv4Addr::new(127, 128 | high, middle, low);
    (ip, 20_000 + TAKEN.fetch_add(1, Ordering::Relaxed)).into()
}
