//! What came in and must not stay in memory.

use zeroize::Zeroize;

use super::Connection;

impl<S> Connection<S> {
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
