//! What a peer proves itself with: its certificate, and secrets among its bytes, which must not stay in memory.

use zeroize::Zeroize;

use super::Connection;
use crate::network::Stream;

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
