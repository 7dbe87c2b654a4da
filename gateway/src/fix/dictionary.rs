//! FIX 4.4 as data.

/// The data field whose length this tag states.
#[must_use]
#[inline]
pub(super) const fn data_tag_of(tag: u32) -> Option<u32> {
    Some(match tag {
        90 => 91,
        93 => 89,
        95 => 96,
        212 => 213,
        348 => 349,
        350 => 351,
        352 => 353,
        354 => 355,
        356 => 357,
        358 => 359,
        360 => 361,
        362 => 363,
        364 => 365,
        445 => 446,
        618 => 619,
        621 => 622,
        _ => return None,
    })
}
