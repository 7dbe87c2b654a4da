//! FIX 4.4 as data: which tag is what, which message has which, and the check of a message against it.
//!
//! Body tags are listed for the messages we take. A message type of FIX 4.4 that we do not take is known
//! by name only, so that its answer is BusinessMessageReject(j) and not Reject(3).

use super::decimal::{is_float, parse_uint};
use super::decode::{Fault, Message};
use super::tag::{self, SessionRejectReason};
use super::time::{is_date, is_month, parse_utc};

/// What we do with messages of one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MsgKind {
    /// Session layer: answered by [`super::Session`].
    Admin,
    /// Goes to order entry.
    Application,
    /// In FIX 4.4, but not for us: BusinessMessageReject(j).
    Unsupported,
    /// BusinessMessageReject(j) itself: taken note of, never answered.
    Answer,
    /// Not in FIX 4.4: Reject(3).
    Unknown,
}

/// What to do with tags that FIX 4.4 does not have, or not in that message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownTags {
    /// Reject(3) with SessionRejectReason(373)=0 or 2.
    Reject,
    /// Read on as if they were not there.
    Ignore,
}

/// Tags below this are in the tables.
const TAGS: usize = 960;

/// What a value looks like.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Format {
    /// The tag is not in FIX 4.4.
    None,
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
struct Rule {
    format: Format,
    part: Part,
    /// Index into [`VALUES`] plus one, or zero.
    values: u8,
    /// Index into [`GROUPS`] plus one, or zero.
    group: u8,
}

/// A set of tags below [`TAGS`].
#[derive(Clone, Copy)]
struct TagSet([u64; TAGS / 64]);

impl TagSet {
    const EMPTY: TagSet = TagSet([0; TAGS / 64]);

    const fn of(lists: &[&[u16]]) -> TagSet {
        let mut set = TagSet::EMPTY;
        let mut i = 0;
        while i < lists.len() {
            let mut k = 0;
            while k < lists[i].len() {
                let tag = lists[i][k] as usize;
                set.0[tag / 64] |= 1 << (tag % 64);
                k += 1;
            }
            i += 1;
        }
        set
    }

    #[inline]
    fn has(&self, tag: u32) -> bool {
        self.0.get(tag as usize / 64).is_some_and(|word| word >> (tag % 64) & 1 == 1)
    }

    /// Puts `tag` in; returns whether it was there.
    #[inline]
    fn insert(&mut self, tag: u32) -> bool {
        let Some(word) = self.0.get_mut(tag as usize / 64) else { return false };
        let bit = 1 << (tag % 64);
        let was = *word & bit != 0;
        *word |= bit;
        was
    }
}

// ---------------------------------------------------------------------------------------- data

const HEADER: &[u16] = &[
    8, 9, 35, 34, 43, 49, 50, 52, 56, 57, 90, 91, 97, 115, 116, 122, 128, 129, 142, 143, 144, 145,
    212, 213, 347, 369, 627, 628, 629, 630,
];
const TRAILER: &[u16] = &[10, 89, 93];

/// Numbers between 1 and 956 that FIX 4.4 does not use.
const UNUSED: &[u16] = &[
    20, 24, 46, 47, 51, 76, 86, 92, 101, 105, 109, 125, 166, 173, 174, 175, 176, 177, 178, 179,
    180, 181, 182, 183, 184, 185, 186, 187, 204, 205, 219, 261, 314, 319, 370, 439, 440, 449, 450,
    465, 653, 685, 809, 831,
];
const LAST_TAG: u16 = 956;

/// Formats of the tags that are checked; every other tag is text.
const FORMATS: &[(Format, &[u16])] = &[
    (
        Format::Char,
        &[
            13, 21, 40, 54, 59, 63, 77, 81, 206, 317, 385, 388, 447, 468, 480, 481, 497, 525, 528,
            530, 544, 589, 590, 591,
        ],
    ),
    (Format::Chars, &[18, 529]),
    (Format::Bool, &[43, 97, 114, 121, 123, 141, 377, 464]),
    (
        Format::Uint,
        &[
            7, 9, 16, 34, 36, 45, 78, 90, 93, 95, 212, 232, 348, 350, 352, 354, 356, 358, 360, 362,
            364, 369, 383, 384, 386, 445, 453, 454, 457, 539, 618, 621, 627, 630, 711, 789, 802,
            804, 864, 887,
        ],
    ),
    (
        Format::Int,
        &[
            98, 108, 201, 203, 226, 244, 315, 371, 373, 380, 423, 427, 452, 460, 462, 538, 581,
            582, 660, 661, 663, 698, 775, 788, 803, 805, 835, 836, 837, 838, 840, 841, 842, 843,
            844, 846, 847, 854, 865, 875, 919,
        ],
    ),
    (
        Format::Float,
        &[
            12, 38, 44, 80, 99, 110, 111, 140, 152, 192, 202, 210, 211, 218, 223, 227, 228, 231,
            236, 245, 246, 316, 389, 435, 436, 469, 516, 640, 662, 697, 810, 849, 867, 879, 882,
            883, 884, 885, 886, 898,
        ],
    ),
    (Format::Utc, &[52, 60, 122, 126, 168, 586, 629]),
    (
        Format::Date,
        &[
            64, 75, 193, 224, 225, 229, 240, 241, 242, 247, 432, 541, 542, 696, 701, 866, 873, 874,
            915, 916, 917,
        ],
    ),
    (Format::Month, &[200, 313, 667]),
];

/// The values allowed for a tag.
enum Values {
    /// One character each.
    Chars(&'static [u8]),
    /// Words, separated by spaces.
    Words(&'static str),
}

const VALUES: &[(u16, Values)] = &[
    (13, Values::Chars(b"123456")),
    (18, Values::Chars(b"1234567890ABCDEFGHIJKLMNOPQRSTUVWXYZabcde")),
    (21, Values::Chars(b"123")),
    (22, Values::Chars(b"123456789ABCDEFGHIJ")),
    (40, Values::Chars(b"12346789DEGIJKLMP")),
    (54, Values::Chars(b"123456789ABCDEFG")),
    (59, Values::Chars(b"01234567")),
    (63, Values::Chars(b"0123456789")),
    (77, Values::Chars(b"OCRF")),
    (81, Values::Chars(b"0123456")),
    (98, Values::Chars(b"0123456")),
    (
        167,
        Values::Words(
            "EUSUPRA FAC FADN PEF SUPRA CORP CPP CB DUAL EUCORP XLINKD STRUCT YANK FOR CS PS BRADY EUSOV \
             TBOND TINT TIPS TCAL TPRN UST USTB TNOTE TBILL REPO FORWARD BUYSELL SECLOAN SECPLEDGE TERM \
             RVLV RVLVTRM BRIDGE LOFC SWING DINP DEFLTED WITHDRN REPLACD MATURED AMENDED RETIRED BA BN \
             BOX CD CL CP DN EUCD EUCP LQN MTN ONITE PN PZFJ STN TD XCN YCD ABS CMBS CMO IET MBS MIO MPO \
             MPP MPT PFAND TBA AN COFO COFP GO MT RAN REV SPCLA SPCLO SPCLT TAN TAXA TECP TRAN VRDN WAR \
             MF MLEG NONE FUT OPT",
        ),
    ),
    (201, Values::Chars(b"01")),
    (203, Values::Chars(b"01")),
    (347, Values::Words("ISO-2022-JP EUC-JP Shift_JIS UTF-8")),
    (373, Values::Words("0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 99")),
    (380, Values::Chars(b"01234567")),
    (385, Values::Chars(b"SR")),
    (388, Values::Chars(b"0123456")),
    (423, Values::Words("1 2 3 4 5 6 7 8 9 10 11")),
    (427, Values::Chars(b"012")),
    (447, Values::Chars(b"BCDEFGH123456789AI")),
    (
        452,
        Values::Words(
            "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 24 25 26 27 28 29 30 31 32 33 34 35 \
             36 37 38",
        ),
    ),
    (460, Values::Words("1 2 3 4 5 6 7 8 9 10 11 12 13")),
    (468, Values::Chars(b"012")),
    (480, Values::Chars(b"YNMO")),
    (481, Values::Chars(b"YN123")),
    (497, Values::Chars(b"YN")),
    (528, Values::Chars(b"AGIPRW")),
    (529, Values::Chars(b"123456789A")),
    (530, Values::Chars(b"1234567")),
    (544, Values::Chars(b"123")),
    (581, Values::Chars(b"1234678")),
    (582, Values::Chars(b"1234")),
    (589, Values::Chars(b"012")),
    (590, Values::Chars(b"012")),
    (591, Values::Chars(b"01")),
    (635, Values::Chars(b"BCEFHILM123459")),
    (660, Values::Words("1 2 3 4 5 99")),
    (775, Values::Chars(b"012")),
    (788, Values::Chars(b"1234")),
    (835, Values::Chars(b"01")),
    (836, Values::Chars(b"0123")),
    (837, Values::Chars(b"012")),
    (838, Values::Chars(b"12")),
    (840, Values::Chars(b"1234")),
    (841, Values::Chars(b"01")),
    (842, Values::Chars(b"0123")),
    (843, Values::Chars(b"012")),
    (844, Values::Chars(b"12")),
    (846, Values::Chars(b"1234")),
    (847, Values::Chars(b"123")),
    (854, Values::Chars(b"01")),
    (865, Values::Words("1 2 3 4 99")),
    (875, Values::Words("1 2 99")),
    (919, Values::Chars(b"0123")),
];

/// A repeating group: the tag that counts, the tag that begins an entry, all tags of an entry (counts of
/// the groups inside it among them).
struct Group {
    count: u16,
    delimiter: u16,
    members: TagSet,
}

const fn group(count: u16, members: &[u16]) -> Group {
    Group { count, delimiter: members[0], members: TagSet::of(&[members]) }
}

const GROUPS: &[Group] = &[
    group(78, &[79, 661, 736, 467, 539, 80]),
    group(232, &[233, 234]),
    group(384, &[372, 385]),
    group(386, &[336, 625]),
    group(453, &[448, 447, 452, 802]),
    group(454, &[455, 456]),
    group(457, &[458, 459]),
    group(539, &[524, 525, 538, 804]),
    group(627, &[628, 629, 630]),
    group(
        711,
        &[
            311, 312, 309, 305, 457, 462, 463, 310, 763, 313, 542, 315, 241, 242, 243, 244, 245,
            246, 256, 595, 592, 593, 594, 247, 316, 941, 317, 436, 435, 308, 306, 362, 363, 307,
            364, 365, 877, 878, 318, 879, 810, 882, 883, 884, 885, 886, 887,
        ],
    ),
    group(802, &[523, 803]),
    group(804, &[545, 805]),
    group(864, &[865, 866, 867, 868]),
    group(887, &[888, 889]),
];

const TEXT: &[u16] = &[58, 354, 355];
const INSTRUMENT: &[u16] = &[
    55, 65, 48, 22, 454, 460, 461, 167, 762, 200, 541, 201, 224, 225, 239, 226, 227, 228, 255, 543,
    470, 471, 472, 240, 202, 947, 206, 231, 223, 207, 106, 348, 349, 107, 350, 351, 691, 667, 875,
    876, 864, 873, 874,
];
const FINANCING: &[u16] = &[913, 914, 915, 918, 788, 916, 917, 919, 898];
const UNDERLYING: &[u16] = &[
    311, 312, 309, 305, 457, 462, 463, 310, 763, 313, 542, 315, 241, 242, 243, 244, 245, 246, 256,
    595, 592, 593, 594, 247, 316, 941, 317, 436, 435, 308, 306, 362, 363, 307, 364, 365, 877, 878,
    318, 879, 810, 882, 883, 884, 885, 886, 887,
];
const ORDER_QTY: &[u16] = &[38, 152, 516, 468, 469];
/// What NewOrderSingle and OrderCancelReplaceRequest share.
const ORDER: &[u16] = &[
    11, 526, 583, 453, 229, 75, 1, 660, 581, 589, 590, 591, 70, 78, 63, 64, 544, 635, 21, 18, 110,
    111, 100, 386, 54, 60, 854, 40, 423, 44, 99, 218, 220, 221, 222, 662, 663, 699, 761, 235, 236,
    701, 696, 697, 698, 15, 376, 377, 59, 168, 432, 126, 427, 12, 13, 479, 497, 528, 529, 582, 121,
    120, 775, 193, 192, 640, 77, 203, 210, 211, 835, 836, 837, 838, 840, 388, 389, 841, 842, 843,
    844, 846, 847, 848, 849, 480, 481, 513, 494, 114,
];

/// One message that we take.
struct Definition {
    msg_type: &'static [u8],
    kind: MsgKind,
    /// Ascending: the lowest one missing is named.
    required: &'static [u16],
    tags: TagSet,
}

const fn define(
    kind: MsgKind,
    msg_type: &'static [u8],
    required: &'static [u16],
    tags: &[&[u16]],
) -> Definition {
    Definition { msg_type, kind, required, tags: TagSet::of(tags) }
}

static DEFINITIONS: &[Definition] = &[
    define(
        MsgKind::Application,
        b"D",
        &[11, 40, 54, 55, 60],
        &[ORDER, INSTRUMENT, FINANCING, ORDER_QTY, TEXT, &[81, 711, 140, 232, 23, 117]],
    ),
    define(
        MsgKind::Application,
        b"F",
        &[11, 41, 54, 60],
        &[
            &[41, 37, 11, 526, 583, 66, 586, 1, 660, 581, 453, 711, 54, 60, 376],
            INSTRUMENT,
            FINANCING,
            ORDER_QTY,
            TEXT,
        ],
    ),
    define(
        MsgKind::Application,
        b"G",
        &[11, 40, 41, 54, 60],
        &[ORDER, INSTRUMENT, FINANCING, ORDER_QTY, TEXT, &[37, 41, 66, 586, 711]],
    ),
    define(
        MsgKind::Application,
        b"H",
        &[11, 54],
        &[&[37, 11, 526, 583, 453, 790, 1, 660, 711, 54], INSTRUMENT, FINANCING],
    ),
    define(
        MsgKind::Application,
        b"q",
        &[11, 60, 530],
        &[&[11, 526, 530, 336, 625, 54, 60], INSTRUMENT, UNDERLYING, TEXT],
    ),
    define(MsgKind::Admin, b"0", &[], &[&[112]]),
    define(MsgKind::Admin, b"1", &[112], &[&[112]]),
    define(MsgKind::Admin, b"2", &[7, 16], &[&[7, 16]]),
    define(MsgKind::Admin, b"3", &[45], &[&[45, 371, 372, 373], TEXT]),
    define(MsgKind::Admin, b"4", &[36], &[&[36, 123]]),
    define(MsgKind::Admin, b"5", &[], &[TEXT]),
    define(
        MsgKind::Admin,
        b"A",
        &[98, 108],
        &[&[98, 108, 95, 96, 141, 789, 383, 384, 464, 553, 554]],
    ),
    define(MsgKind::Answer, b"j", &[372, 380], &[&[45, 372, 379, 380], TEXT]),
];

static RULES: [Rule; TAGS] = rules();

const fn rules() -> [Rule; TAGS] {
    let unknown = Rule { format: Format::None, part: Part::Body, values: 0, group: 0 };
    let mut rules = [unknown; TAGS];
    let mut i = 1;
    while i <= LAST_TAG as usize {
        rules[i].format = Format::Text;
        i += 1;
    }
    i = 0;
    while i < UNUSED.len() {
        rules[UNUSED[i] as usize] = unknown;
        i += 1;
    }
    i = 0;
    while i < FORMATS.len() {
        let (format, tags) = FORMATS[i];
        let mut k = 0;
        while k < tags.len() {
            rules[tags[k] as usize].format = format;
            k += 1;
        }
        i += 1;
    }
    i = 0;
    while i < HEADER.len() {
        rules[HEADER[i] as usize].part = Part::Header;
        i += 1;
    }
    i = 0;
    while i < TRAILER.len() {
        rules[TRAILER[i] as usize].part = Part::Trailer;
        i += 1;
    }
    i = 0;
    while i < VALUES.len() {
        rules[VALUES[i].0 as usize].values = i as u8 + 1;
        i += 1;
    }
    i = 0;
    while i < GROUPS.len() {
        rules[GROUPS[i].count as usize].group = i as u8 + 1;
        i += 1;
    }
    rules
}

const _: () = assert!(VALUES.len() < 255 && GROUPS.len() < 255 && TAGS > LAST_TAG as usize);

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

// --------------------------------------------------------------------------------------- checks

/// What we do with messages of this type.
#[must_use]
pub fn kind(msg_type: &[u8]) -> MsgKind {
    if let Some(definition) = definition(msg_type) {
        return definition.kind;
    }
    // Message types of FIX 4.4: 0 to 9, A to Z and a to z with gaps, AA to AZ, BA to BH.
    match msg_type {
        [b'0'..=b'9' | b'A'..=b'H' | b'J'..=b'N' | b'P'..=b'T' | b'V'..=b'Z' | b'a'..=b'z'] => {
            MsgKind::Unsupported
        }
        [b'A', b'A'..=b'Z'] | [b'B', b'A'..=b'H'] => MsgKind::Unsupported,
        _ => MsgKind::Unknown,
    }
}

#[inline]
fn definition(msg_type: &[u8]) -> Option<&'static Definition> {
    DEFINITIONS.iter().find(|definition| definition.msg_type == msg_type)
}

/// Checks a message of a type that we take: order of header, body and trailer, repeated tags, formats,
/// allowed values, tags of the message, repeating groups, required tags. What the codec found comes
/// first.
///
/// Messages of other types are checked for their header only.
///
/// # Errors
///
/// The first fault in the order of the fields; missing tags come last.
#[inline]
pub fn check(message: &Message<'_>, unknown_tags: UnknownTags) -> Result<(), Fault> {
    if let Some(fault) = message.fault() {
        return Err(fault);
    }
    let definition = definition(message.msg_type());
    let mut seen = TagSet::EMPTY;
    let mut part = Part::Header;
    let count = message.field_count();
    let mut i = 0;
    while i < count {
        let (tag, value) = message.field(i);
        i += 1;
        let rule = rule(tag);
        if rule.format == Format::None {
            match unknown_tags {
                UnknownTags::Reject => return Err(fault(tag, SessionRejectReason::InvalidTag)),
                UnknownTags::Ignore => continue,
            }
        }
        if rule.part < part {
            return Err(fault(tag, SessionRejectReason::TagOutOfOrder));
        }
        part = rule.part;
        if seen.insert(tag) {
            return Err(fault(tag, SessionRejectReason::TagRepeated));
        }
        check_value(tag, value, rule)?;
        if part == Part::Body {
            let Some(definition) = definition else { continue };
            if !definition.tags.has(tag) {
                match unknown_tags {
                    UnknownTags::Reject => {
                        return Err(fault(tag, SessionRejectReason::TagNotDefinedForMessage));
                    }
                    UnknownTags::Ignore => continue,
                }
            }
        }
        if rule.group > 0 {
            i = check_group(message, i, &GROUPS[usize::from(rule.group) - 1], value)?;
        }
    }
    for tag in [tag::MSG_SEQ_NUM, tag::SENDER_COMP_ID, tag::SENDING_TIME, tag::TARGET_COMP_ID] {
        if !seen.has(tag) {
            return Err(fault(tag, SessionRejectReason::RequiredTagMissing));
        }
    }
    for tag in definition.map_or(&[][..], |definition| definition.required) {
        let tag = u32::from(*tag);
        if !seen.has(tag) {
            return Err(fault(tag, SessionRejectReason::RequiredTagMissing));
        }
    }
    Ok(())
}

/// Checks the entries of a group from field `i` on; returns the first field behind it.
fn check_group(
    message: &Message<'_>,
    mut i: usize,
    group: &Group,
    count: &[u8],
) -> Result<usize, Fault> {
    let delimiter = u32::from(group.delimiter);
    let mut entries = 0u32;
    let mut seen = TagSet::EMPTY;
    while i < message.field_count() {
        let (tag, value) = message.field(i);
        if !group.members.has(tag) {
            break;
        }
        if tag == delimiter {
            entries += 1;
            seen = TagSet::EMPTY;
        } else if entries == 0 {
            return Err(fault(tag, SessionRejectReason::GroupOutOfOrder));
        }
        if seen.insert(tag) {
            return Err(fault(tag, SessionRejectReason::TagRepeated));
        }
        let rule = rule(tag);
        check_value(tag, value, rule)?;
        i += 1;
        if rule.group > 0 {
            i = check_group(message, i, &GROUPS[usize::from(rule.group) - 1], value)?;
        }
    }
    if parse_uint(count) != Some(entries) {
        return Err(fault(group.count.into(), SessionRejectReason::GroupCount));
    }
    Ok(i)
}

#[inline]
fn rule(tag: u32) -> Rule {
    const UNKNOWN: Rule = Rule { format: Format::None, part: Part::Body, values: 0, group: 0 };
    RULES.get(tag as usize).copied().unwrap_or(UNKNOWN)
}

#[inline]
fn fault(tag: u32, reason: SessionRejectReason) -> Fault {
    Fault::of(tag, reason)
}

#[inline]
fn check_value(tag: u32, value: &[u8], rule: Rule) -> Result<(), Fault> {
    let well_formed = match rule.format {
        Format::None | Format::Text => true,
        Format::Char => value.len() == 1,
        Format::Chars => value.split(|byte| *byte == b' ').all(|one| one.len() == 1),
        Format::Bool => matches!(value, b"Y" | b"N"),
        Format::Int => parse_uint(value.strip_prefix(b"-").unwrap_or(value)).is_some(),
        Format::Uint => parse_uint(value).is_some(),
        Format::Float => is_float(value),
        Format::Utc => parse_utc(value).is_some(),
        Format::Date => is_date(value),
        Format::Month => is_month(value),
    };
    if !well_formed {
        return Err(fault(tag, SessionRejectReason::IncorrectDataFormat));
    }
    if rule.values > 0 && !allowed(value, &VALUES[usize::from(rule.values) - 1].1, rule.format) {
        return Err(fault(tag, SessionRejectReason::ValueIncorrect));
    }
    Ok(())
}

#[inline]
fn allowed(value: &[u8], values: &Values, format: Format) -> bool {
    match values {
        Values::Chars(chars) => match (value, format) {
            ([one], _) => chars.contains(one),
            (many, Format::Chars) => {
                many.split(|byte| *byte == b' ').all(|one| one.iter().all(|c| chars.contains(c)))
            }
            _ => false,
        },
        Values::Words(words) => words.split(' ').any(|word| word.as_bytes() == value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_agree_with_each_other() {
        for definition in DEFINITIONS {
            assert!(definition.required.is_sorted());
            for tag in definition.required {
                assert!(definition.tags.has(u32::from(*tag)), "{tag} is required but not allowed");
            }
            for tag in 0..TAGS as u32 {
                if definition.tags.has(tag) {
                    assert!(rule(tag).format != Format::None, "{tag}");
                    assert!(rule(tag).part == Part::Body, "{tag}");
                }
            }
        }
        for group in GROUPS {
            assert!(rule(group.count.into()).format == Format::Uint);
            assert!(group.members.has(group.delimiter.into()));
        }
        for tag in 0..TAGS as u32 {
            if let Some(data) = data_tag_of(tag) {
                assert!(rule(tag).format == Format::Uint, "{tag}");
                assert!(rule(data).format == Format::Text, "{data}");
            }
        }
    }

    #[test]
    fn message_types() {
        for (msg_type, expected) in [
            (&b"0"[..], MsgKind::Admin),
            (b"A", MsgKind::Admin),
            (b"D", MsgKind::Application),
            (b"q", MsgKind::Application),
            (b"8", MsgKind::Unsupported),
            (b"d", MsgKind::Unsupported),
            (b"AE", MsgKind::Unsupported),
            (b"BH", MsgKind::Unsupported),
            (b"j", MsgKind::Answer),
            (b"*", MsgKind::Unknown),
            (b"I", MsgKind::Unknown),
            (b"O", MsgKind::Unknown),
            (b"U", MsgKind::Unknown),
            (b"BI", MsgKind::Unknown),
            (b"AAA", MsgKind::Unknown),
            (b"", MsgKind::Unknown),
        ] {
            assert_eq!(kind(msg_type), expected, "{}", String::from_utf8_lossy(msg_type));
        }
    }
}
