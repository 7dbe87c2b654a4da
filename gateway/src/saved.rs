//! Bytes that a snapshot keeps, read back: whatever they are, an answer and never a panic.

use std::fmt;

/// Bytes are not what was saved, or by another version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotSaved;

impl fmt::Display for NotSaved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes are not what this version saves")
    }
}

impl std::error::Error for NotSaved {}

/// Takes fields from the front of saved bytes.
#[derive(Clone, Copy, Debug)]
pub struct Saved<'a>(&'a [u8]);

impl<'a> Saved<'a> {
    /// All of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Saved<'a> {
        Saved(bytes)
    }

    /// What is left.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// The next `len` bytes.
    ///
    /// # Errors
    ///
    /// If there are not so many.
    pub fn bytes(&mut self, len: usize) -> Result<&'a [u8], NotSaved> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(NotSaved)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], NotSaved> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(NotSaved)?;
        self.0 = rest;
        Ok(*taken)
    }

    /// The next byte.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn u8(&mut self) -> Result<u8, NotSaved> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// The next four bytes.
    ///
    /// # Errors
    ///
    /// If there are not so many.
    pub fn u32(&mut self) -> Result<u32, NotSaved> {
        self.array().map(u32::from_le_bytes)
    }

    /// The next eight bytes.
    ///
    /// # Errors
    ///
    /// If there are not so many.
    pub fn u64(&mut self) -> Result<u64, NotSaved> {
        self.array().map(u64::from_le_bytes)
    }

    /// The next eight bytes, signed.
    ///
    /// # Errors
    ///
    /// If there are not so many.
    pub fn i64(&mut self) -> Result<i64, NotSaved> {
        self.array().map(i64::from_le_bytes)
    }

    /// The next eight bytes: how many things of `each` bytes at least follow. There is room for them.
    ///
    /// # Errors
    ///
    /// If the rest is too short for so many.
    pub fn count(&mut self, each: usize) -> Result<usize, NotSaved> {
        let count = usize::try_from(self.u64()?).map_err(|_| NotSaved)?;
        let fits = count.checked_mul(each).is_some_and(|bytes| bytes <= self.0.len());
        if fits { Ok(count) } else { Err(NotSaved) }
    }

    /// Nothing is left.
    ///
    /// # Errors
    ///
    /// If something is.
    pub fn end(&self) -> Result<(), NotSaved> {
        if self.0.is_empty() { Ok(()) } else { Err(NotSaved) }
    }
}
