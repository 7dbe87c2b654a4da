//! What a peer proves itself with: its certificate, and secrets among its bytes, which must not stay in memory; and
//! the memory for them.

use zeroize::Zeroize;

use super::{Connection, INPUT_BYTES};
use crate::network::Stream;

/// Room for what comes in at first: a Logon, and orders of a client that does not send them in bulk.
pub(super) const INPUT_BYTES_FIRST: usize = 4 * 1024;

impl<S: Stream> Connection<S> {
    /// The certificate that the peer has proved to have, as DER.
    #[must_use]
    pub fn certificate(&self) -> Option<&[u8]> {
        self.stream.certificate()
    }

    /// Whether the stream has taken bytes that are not with the system, and nobody may be about to flush.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.stream.held() > 0
    }

    /// Makes four times the room if all is used, up to [`INPUT_BYTES`]. What was there is overwritten: it may have been
    /// a secret.
    #[inline]
    pub(super) fn grow(&mut self) {
        if self.filled == self.input.len() && self.input.len() < INPUT_BYTES {
            self.grow_by_much();
        }
    }

    #[cold]
    fn grow_by_much(&mut self) {
        let mut larger = vec![0; (4 * self.input.len()).min(INPUT_BYTES)].into_boxed_slice();
        larger[..self.filled].copy_from_slice(&self.input);
        self.input.zeroize();
        self.input = larger;
    }

    /// Overwrites the first `bytes` of [`Connection::input`], still to be consumed: there was a secret among
    /// them, and nobody is to find it in memory.
    ///
    /// # Panics
    ///
    /// If there are not so many.
    pub fn erase(&mut self, bytes: usize) {
        self.input[self.taken..self.filled][..bytes].zeroize();
    }
}
