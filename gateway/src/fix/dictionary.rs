//! FIX as data: which tag is what, which message has which, and the check of a message against it.
//!
//! The data are `dictionary/fields.dict`, `dictionary/messages.dict` and `dictionary/market.dict`, for all versions that we
//! speak; the compiler makes the tables of them. Body tags are listed for the messages we take and send. A message type of the version
//! that we do not take is known by name only, so that its answer is BusinessMessageReject(j) and not Reject(3).

mod compile;
mod names;
mod quickfix;

use super::decimal::{is_float, is_uint, parse_uint};
use super::decode::{Fault, Message};
use super::message::Value;
use super::tag::{self, SessionRejectReason};
use super::time::{is_date, is_month, is_utc};
use super::version::Version;
pub use quickfix::QuickFix;

use compile::{DEFINITIONS, GROUPS, SET_WORDS, TAG_AT, TAGS, VALUES, compile, row};

/// What we do with messages of one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MsgKind {
    /// Session layer: answered by [`super::Session`].
    Admin,
    /// Goes to order entry.
    Application,
    /// The version has it, but it is not for us: BusinessMessageReject(j).
    Unsupported,
    /// BusinessMessageReject(j) itself: taken note of, never answered.
    Answer,
    /// The version has no such message: Reject(3).
    Unknown,
}

/// What to do with tags that the version does not have, or not in that message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownTags {
    /// Reject(3) with SessionRejectReason(373)=0 or 2.
    Reject,
    /// Read on as if they were not there.
    Ignore,
}

/// What a value looks like.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Format {
    /// The version has no such tag.
    Unknown,
    /// The version has the tag, but none of our messages has it.
    Elsewhere,
    Text,
    Char,
    Chars,
    Bool,
    Int,
    Uint,
    Float,
    Utc,
    Date,
    Month,
}

/// Where in a message a tag stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd)]
#[repr(u8)]
enum Part {
    Header,
    Body,
    Trailer,
}

#[derive(Clone, Copy)]
#[repr(align(8))]
struct Rule {
    format: Format,
    part: Part,
    /// Index into the values plus one, or zero.
    values: u8,
    /// Index into the groups plus one, or zero.
    group: u8,
    /// Its line among the fields: what sets of tags are made of. [`NOWHERE`] if it is not listed.
    place: u16,
}

/// Beyond every set.
const NOWHERE: u16 = u16::MAX;

impl Rule {
    const UNKNOWN: Rule =
        Rule { format: Format::Unknown, part: Part::Body, values: 0, group: 0, place: NOWHERE };
}

/// A set of listed fields, by their places. Places ascend as tags do.
#[derive(Clone, Copy)]
struct TagSet([u64; SET_WORDS]);

impl TagSet {
    const EMPTY: TagSet = TagSet([0; SET_WORDS]);

    #[inline]
    const fn has(&self, place: u16) -> bool {
        let word = place as usize / 64;
        word < SET_WORDS && self.0[word] >> (place % 64) & 1 == 1
    }

    /// Puts a place in; returns whether it was there.
    #[inline]
    const fn insert(&mut self, place: u16) -> bool {
        let word = place as usize / 64;
        if word >= SET_WORDS {
            return false;
        }
        let bit = 1 << (place % 64);
        let was = self.0[word] & bit != 0;
        self.0[word] |= bit;
        was
    }

    /// Whether nothing of this set is missing in `seen`.
    #[inline]
    fn is_in(&self, seen: &TagSet) -> bool {
        let words = self.0.iter().zip(&seen.0);
        words.fold(0, |missing, (wanted, seen)| missing | wanted & !seen) == 0
    }

    /// The lowest tag of this set that is not in `seen`.
    fn missing(&self, seen: &TagSet) -> Option<u32> {
        let words = self.0.iter().zip(&seen.0).map(|(wanted, seen)| wanted & !seen);
        let (word, missing) = words.enumerate().find(|(_, missing)| *missing != 0)?;
        Some(TAG_AT[64 * word + missing.trailing_zeros() as usize].into())
    }
}

/// The values allowed for a tag.
#[derive(Clone, Copy)]
enum Values {
    /// One character each: a bit for each.
    Chars(u128),
    /// Numbers: a bit for each.
    Ints(u128),
    /// Words, separated by commas.
    Words(&'static [u8]),
}

/// A repeating group: the tag that counts, the tag that begins an entry, all tags of an entry (counts of
/// the groups inside it among them).
#[derive(Clone, Copy)]
struct Group {
    count: u16,
    delimiter: u16,
    members: TagSet,
    /// Index into the groups plus one of another group that the same tag counts, or zero.
    other: u8,
}

/// One message that we take or send.
#[derive(Clone, Copy)]
struct Definition {
    msg_type: &'static [u8],
    name: &'static [u8],
    kind: MsgKind,
    required: TagSet,
    /// `required`, and what stands in every header.
    wanted: TagSet,
    tags: TagSet,
    /// `tags`, and what may stand in every header and trailer.
    places: TagSet,
    /// The first tag of an entry, where the tag that counts has more than one group.
    entries_begin: u16,
}

/// What becomes of a field that is not among those of its message.
enum Other {
    /// It is a good one, in the part of the message that it stands in.
    Passed,
    /// Nothing.
    ReadOver,
    /// Nothing of the rest matters.
    End,
}

/// What every message begins with.
const BEGIN: [u32; 3] = [tag::BEGIN_STRING, tag::BODY_LENGTH, tag::MSG_TYPE];

/// A version of FIX as tables.
pub struct Dictionary {
    version: Version,
    /// By the row of a tag.
    rules: [Rule; TAGS],
    definitions: [Definition; DEFINITIONS],
    /// Index into the definitions plus one of the message whose type is this character, or zero.
    by_letter: [u8; 128],
    groups: [Group; GROUPS],
    values: [Values; VALUES],
    /// What stands in every header.
    always: TagSet,
    /// [`BEGIN`].
    begin: TagSet,
    /// What may stand in every header.
    header: TagSet,
    /// What session-layer messages can have, where FIXT.1.1 is a standard of its own.
    transport: Option<TagSet>,
    /// Types of the other messages that the version has, separated by space.
    others: &'static [u8],
}

// The interpreter of constants counts its steps; a text is some hundred thousand.
#[allow(long_running_const_eval)]
static FIX42: Dictionary = compile(Version::Fix42);
#[allow(long_running_const_eval)]
static FIX44: Dictionary = compile(Version::Fix44);
#[allow(long_running_const_eval)]
static FIX50_SP2: Dictionary = compile(Version::Fix50Sp2);

/// The data field whose length this tag states.
#[must_use]
#[inline]
pub(super) const fn data_tag_of(tag: u32) -> Option<u32> {
    // Almost every tag of a message.
    if tag < 90 {
        return None;
    }
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
        1184 | 1277 | 1280 | 1282 | 1359 | 1397 | 1401 | 1403 | 1468 | 1618 | 1620 => tag + 1,
        _ => return None,
    })
}

impl Dictionary {
    /// That of a version.
    #[must_use]
    #[inline]
    pub fn of(version: Version) -> &'static Dictionary {
        match version {
            Version::Fix42 => &FIX42,
            Version::Fix44 => &FIX44,
            Version::Fix50Sp2 => &FIX50_SP2,
        }
    }

    /// What we do with messages of this type.
    #[must_use]
    #[inline]
    pub fn kind(&self, msg_type: &[u8]) -> MsgKind {
        match self.definition(msg_type) {
            Some(definition) => definition.kind,
            None => self.kind_of_other(msg_type),
        }
    }

    #[cold]
    fn kind_of_other(&self, msg_type: &[u8]) -> MsgKind {
        let mut others = self.others.split(u8::is_ascii_whitespace);
        match others.any(|other| other == msg_type && !other.is_empty()) {
            true => MsgKind::Unsupported,
            false => MsgKind::Unknown,
        }
    }

    #[inline]
    fn definition(&self, msg_type: &[u8]) -> Option<&Definition> {
        let [letter] = msg_type else { return self.definition_of_two(msg_type) };
        let index = *self.by_letter.get(usize::from(*letter))?;
        self.definitions.get(usize::from(index).checked_sub(1)?)
    }

    /// Those of two characters are few, and none is an order.
    #[cold]
    fn definition_of_two(&self, msg_type: &[u8]) -> Option<&Definition> {
        self.definitions.iter().find(|it| it.msg_type == msg_type && msg_type.len() == 2)
    }

    /// Checks a message: order of header, body and trailer, repeated tags, formats, allowed values, tags of the
    /// message, repeating groups, required tags. What the codec found comes first.
    ///
    /// Of messages that we do not take only the header is looked at.
    ///
    /// # Errors
    ///
    /// The first fault in the order of the fields; missing tags come last.
    #[inline]
    pub fn check(&self, message: &Message<'_>, unknown_tags: UnknownTags) -> Result<(), Fault> {
        let definition = self.definition(message.msg_type());
        let taken = definition.filter(|definition| definition.kind != MsgKind::Unsupported);
        self.check_against(message, taken, unknown_tags)
    }

    /// The same for a message of ours.
    ///
    /// # Errors
    ///
    /// As [`Dictionary::check`].
    pub fn check_sent(&self, message: &Message<'_>) -> Result<(), Fault> {
        let definition = self.definition(message.msg_type());
        let fault = Fault { tag: None, reason: SessionRejectReason::InvalidMsgType };
        let definition = Some(definition.ok_or(fault)?);
        self.check_against(message, definition, UnknownTags::Reject)
    }

    #[inline]
    fn check_against(
        &self,
        message: &Message<'_>,
        definition: Option<&Definition>,
        unknown_tags: UnknownTags,
    ) -> Result<(), Fault> {
        if let Some(fault) = message.fault() {
            return Err(fault);
        }
        let (required, entries_begin, places) = match definition {
            Some(it) => (&it.wanted, it.entries_begin, &it.places),
            None => (&self.always, 0, &self.header),
        };
        // The first three have been looked at by whoever found the message.
        let mut seen = self.begin;
        let mut part = Part::Header;
        let count = message.field_count();
        let mut i = BEGIN.len();
        while i < count {
            let (tag, value) = message.field_from(i);
            i += 1;
            let rule = self.rule(tag);
            if !places.has(rule.place) || rule.part < part {
                match self.check_other(
                    (tag, value, rule),
                    (definition, part),
                    &mut seen,
                    unknown_tags,
                )? {
                    Other::Passed => part = rule.part,
                    Other::ReadOver => {}
                    Other::End => break,
                }
                continue;
            }
            part = rule.part;
            if seen.insert(rule.place) {
                return Err(fault(tag, SessionRejectReason::TagRepeated));
            }
            if let Some(reason) = self.refusal(value, rule) {
                return Err(fault(tag, reason));
            }
            if rule.group > 0 {
                i = self.check_group(message, i, (rule, value), entries_begin)?;
            }
        }
        match (definition, required.is_in(&seen)) {
            (_, true) => Ok(()),
            (Some(definition), false) => Err(self.first_missing(&definition.required, &seen)),
            (None, false) => Err(self.first_missing(&TagSet::EMPTY, &seen)),
        }
    }

    /// A field that has no place in its message, or not there.
    #[inline(never)]
    fn check_other(
        &self,
        (tag, value, rule): (u32, Value<'_>, &Rule),
        (definition, part): (Option<&Definition>, Part),
        seen: &mut TagSet,
        unknown_tags: UnknownTags,
    ) -> Result<Other, Fault> {
        if rule.format == Format::Unknown {
            return match unknown_tags {
                _ if definition.is_none() => Ok(Other::End),
                UnknownTags::Reject => Err(fault(tag, SessionRejectReason::InvalidTag)),
                UnknownTags::Ignore => Ok(Other::ReadOver),
            };
        }
        if rule.part < part {
            return Err(fault(tag, SessionRejectReason::TagOutOfOrder));
        }
        if definition.is_none() {
            return Ok(Other::End);
        }
        if seen.insert(rule.place) {
            return Err(fault(tag, SessionRejectReason::TagRepeated));
        }
        self.check_value(tag, value, rule)?;
        if unknown_tags == UnknownTags::Reject {
            return Err(fault(tag, self.misplaced(definition, rule)));
        }
        Ok(Other::Passed)
    }

    /// 34 49 52 56 stand in every header, and are missed first.
    #[cold]
    fn first_missing(&self, required: &TagSet, seen: &TagSet) -> Fault {
        let missing = self.always.missing(seen).or(required.missing(seen));
        fault(missing.unwrap_or(tag::MSG_SEQ_NUM), SessionRejectReason::RequiredTagMissing)
    }

    /// Why a tag that the version has cannot stand in a message.
    #[cold]
    fn misplaced(&self, definition: Option<&Definition>, rule: &Rule) -> SessionRejectReason {
        let is_admin = definition.is_some_and(|it| it.kind == MsgKind::Admin);
        match &self.transport {
            Some(transport) if is_admin && !transport.has(rule.place) => {
                SessionRejectReason::InvalidTag
            }
            _ => SessionRejectReason::TagNotDefinedForMessage,
        }
    }

    /// The group that a tag counts in a message whose entries begin so.
    #[inline]
    fn group(&self, counted: &Rule, entries_begin: u16) -> &Group {
        let group = &self.groups[usize::from(counted.group) - 1];
        match usize::from(group.other).checked_sub(1) {
            Some(other) if group.delimiter != entries_begin => &self.groups[other],
            _ => group,
        }
    }

    /// Checks the entries of a group from field `i` on; returns the first field behind it.
    fn check_group(
        &self,
        message: &Message<'_>,
        mut i: usize,
        (counted, count): (&Rule, Value<'_>),
        entries_begin: u16,
    ) -> Result<usize, Fault> {
        let group = self.group(counted, entries_begin);
        let delimiter = u32::from(group.delimiter);
        let mut entries = 0u32;
        let mut seen = TagSet::EMPTY;
        while i < message.field_count() {
            let (tag, value) = message.field_from(i);
            let rule = self.rule(tag);
            if !group.members.has(rule.place) {
                break;
            }
            if tag == delimiter {
                entries += 1;
                seen = TagSet::EMPTY;
            } else if entries == 0 {
                return Err(fault(tag, SessionRejectReason::GroupOutOfOrder));
            }
            if seen.insert(rule.place) {
                return Err(fault(tag, SessionRejectReason::TagRepeated));
            }
            self.check_value(tag, value, rule)?;
            i += 1;
            if rule.group > 0 {
                i = self.check_group(message, i, (rule, value), entries_begin)?;
            }
        }
        if parse_uint(count.text()) != Some(entries) {
            return Err(fault(group.count.into(), SessionRejectReason::GroupCount));
        }
        Ok(i)
    }

    /// Whether a field of this version may have this value.
    #[must_use]
    pub fn allows(&self, tag: u32, value: &[u8]) -> bool {
        self.check_value(tag, Value::alone(value), self.rule(tag)).is_ok()
    }

    #[inline]
    fn rule(&self, tag: u32) -> &Rule {
        match self.rules.get(tag as usize) {
            Some(rule) if row(tag as usize) == tag as usize => rule,
            _ => self.rule_of_own(tag),
        }
    }

    /// No version has a tag of such a number.
    #[cold]
    fn rule_of_own(&self, tag: u32) -> &Rule {
        const UNKNOWN: &Rule = &Rule::UNKNOWN;
        self.rules.get(row(tag as usize)).unwrap_or(UNKNOWN)
    }

    fn check_value(&self, tag: u32, value: Value<'_>, rule: &Rule) -> Result<(), Fault> {
        self.refusal(value, rule).map_or(Ok(()), |reason| Err(fault(tag, reason)))
    }

    /// What is wrong with a value.
    #[inline]
    fn refusal(&self, value: Value<'_>, rule: &Rule) -> Option<SessionRejectReason> {
        let well_formed = match rule.format {
            Format::Unknown | Format::Elsewhere | Format::Text => true,
            Format::Char => value.one().is_some(),
            Format::Uint => is_uint(value),
            Format::Float => is_float(value),
            Format::Utc => is_utc(value.text()),
            Format::Chars | Format::Bool | Format::Int | Format::Date | Format::Month => {
                is_rare(value.text(), rule.format)
            }
        };
        if !well_formed {
            return Some(SessionRejectReason::IncorrectDataFormat);
        }
        if rule.values > 0 && !allowed(value, &self.values[usize::from(rule.values) - 1]) {
            return Some(SessionRejectReason::ValueIncorrect);
        }
        None
    }
}

/// The formats that few fields of an order have.
#[inline(never)]
fn is_rare(value: &[u8], format: Format) -> bool {
    match format {
        Format::Chars => value.split(|byte| *byte == b' ').all(|one| one.len() == 1),
        Format::Bool => matches!(value, b"Y" | b"N"),
        Format::Int => parse_uint(value.strip_prefix(b"-").unwrap_or(value)).is_some(),
        Format::Date => is_date(value),
        Format::Month => is_month(value),
        _ => true,
    }
}

#[inline]
fn fault(tag: u32, reason: SessionRejectReason) -> Fault {
    Fault::of(tag, reason)
}

/// Whether a value of the right format is one of those.
#[inline]
fn allowed(value: Value<'_>, values: &Values) -> bool {
    let has = |set: u128, number: u32| {
        let half = if number < 64 { set as u64 } else { (set >> 64) as u64 };
        number < 128 && half >> (number % 64) & 1 == 1
    };
    match (values, value.one()) {
        (Values::Chars(set), Some(byte)) => has(*set, byte.into()),
        // Those of several have a space between.
        (Values::Chars(set), None) => {
            value.text().iter().step_by(2).all(|byte| has(*set, (*byte).into()))
        }
        (Values::Ints(set), _) => parse_uint(value.text()).is_some_and(|number| has(*set, number)),
        (Values::Words(words), _) => {
            words.split(|byte| *byte == b',').any(|word| word == value.text())
        }
    }
}

#[cfg(test)]
mod tests;
