//! A message as a view into the bytes it was read from.

use std::fmt;

use super::decode::{Ends, FIELDS_MAX, Fault};

/// Where one field of a message is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) tag: u32,
    pub(super) start: u16,
    pub(super) end: u16,
}

/// A value, with what stands behind it: eight bytes can be looked at together although it is shorter.
#[derive(Clone, Copy)]
pub(super) struct Value<'a> {
    from: &'a [u8],
    len: usize,
}

impl<'a> Value<'a> {
    /// A value that nothing is known to stand behind.
    pub(super) fn alone(text: &'a [u8]) -> Value<'a> {
        Value::new(text, text.len())
    }

    /// The first `len` bytes of these.
    #[inline]
    pub(super) fn new(from: &'a [u8], len: usize) -> Value<'a> {
        Value { from, len }
    }

    #[inline]
    pub(super) fn text(self) -> &'a [u8] {
        &self.from[..self.len]
    }

    /// The only byte.
    #[inline]
    pub(super) fn one(self) -> Option<u8> {
        if self.len == 1 { self.from.first().copied() } else { None }
    }

    /// The bytes of a value of one to eight, the last one highest; and how many bits below them are not its.
    #[inline]
    pub(super) fn word(self) -> Option<(u64, u32)> {
        let word = u64::from_le_bytes(*self.from.first_chunk()?);
        if !(1..=8).contains(&self.len) {
            return None;
        }
        let others = 64 - 8 * self.len as u32;
        Some((word << others, others))
    }
}

/// Room for the positions of the fields of one message; used again for the next.
pub struct Fields {
    pub(super) fields: [Field; FIELDS_MAX],
    pub(super) ends: Ends,
}

impl Fields {
    /// Room for [`FIELDS_MAX`] fields, 5 KiB.
    #[must_use]
    pub const fn new() -> Fields {
        Fields { fields: [Field { tag: 0, start: 0, end: 0 }; FIELDS_MAX], ends: Ends::new() }
    }
}

impl Default for Fields {
    fn default() -> Fields {
        Fields::new()
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fields").finish_non_exhaustive()
    }
}

/// A well framed message: BeginString(8), BodyLength(9) and MsgType(35) come first, CheckSum(10) last,
/// and both are right.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) fields: &'a [Field],
    pub(super) fault: Option<Fault>,
}

impl<'a> Message<'a> {
    /// Value of BeginString(8).
    #[must_use]
    #[inline]
    pub fn begin_string(&self) -> &'a [u8] {
        self.value(0)
    }

    /// Value of MsgType(35); may be empty when the message has a fault.
    #[must_use]
    #[inline]
    pub fn msg_type(&self) -> &'a [u8] {
        self.value(2)
    }

    /// Value of the first field with this tag.
    #[must_use]
    #[inline]
    pub fn get(&self, tag: u32) -> Option<&'a [u8]> {
        let field = self.fields.iter().find(|field| field.tag == tag)?;
        Some(&self.bytes[usize::from(field.start)..usize::from(field.end)])
    }

    /// Every field in order, BeginString(8) and CheckSum(10) included. Fields without a usable tag are
    /// left out; they are the fault.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = (u32, &'a [u8])> + Clone + use<'a> {
        let bytes = self.bytes;
        self.fields
            .iter()
            .map(move |field| (field.tag, &bytes[usize::from(field.start)..usize::from(field.end)]))
    }

    /// The whole message, from `8=` to the SOH behind CheckSum(10).
    #[must_use]
    #[inline]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The first field that breaks the tag=value form, if there is one.
    #[must_use]
    #[inline]
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// How many fields there are.
    #[must_use]
    #[inline]
    pub fn field_count(&self) -> usize {
        self.fields.len()
    }

    /// The field at `index`, below [`Message::field_count`].
    ///
    /// # Panics
    ///
    /// If there is no such field.
    #[must_use]
    #[inline]
    pub fn field(&self, index: usize) -> (u32, &'a [u8]) {
        (self.fields[index].tag, self.value(index))
    }

    /// The same, for a look at more bytes than the value has.
    #[inline]
    pub(super) fn field_from(&self, index: usize) -> (u32, Value<'a>) {
        let Field { tag, start, end } = self.fields[index];
        (tag, Value::new(&self.bytes[usize::from(start)..], usize::from(end - start)))
    }

    #[inline]
    fn value(&self, index: usize) -> &'a [u8] {
        let field = self.fields[index];
        &self.bytes[usize::from(field.start)..usize::from(field.end)]
    }
}

impl fmt::Debug for Message<'_> {
    /// The message as text, with `|` for SOH.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = String::from_utf8_lossy(self.bytes).replace('\u{1}', "|");
        f.write_str(&text)
    }
}
