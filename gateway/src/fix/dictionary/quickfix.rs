//! The dictionaries in the form that QuickFIX reads, which is that of most engines: `DataDictionary` and, for FIXT.1.1,
//! `TransportDataDictionary` and `AppDataDictionary` of their settings.
//!
//! It is our dialect: messages that we take or send, with the fields that we take or write, and no others.

use std::fmt::{self, Display, Formatter};

use super::compile::tag_of;
use super::{
    Definition, Dictionary, Format, MsgKind, NOWHERE, Part, Rule, TAGS, TagSet, Values, data_tag_of,
};
use crate::fix::version::Version;

/// Fields that every message must have in its header, and in its trailer.
const REQUIRED_AROUND: [u32; 8] = [8, 9, 10, 34, 35, 49, 52, 56];

/// Fields that have a MsgSeqNum in them.
const NUMBERS: [u32; 8] = [7, 16, 34, 36, 45, 369, 630, 789];

/// A dictionary file of QuickFIX.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuickFix {
    /// All of FIX 4.2.
    Fix42,
    /// All of FIX 4.4.
    Fix44,
    /// The session layer of FIXT.1.1.
    Fixt11,
    /// The application layer of FIX 5.0 SP2.
    Fix50Sp2,
}

impl QuickFix {
    /// All that there are.
    pub const ALL: [QuickFix; 4] =
        [QuickFix::Fix42, QuickFix::Fix44, QuickFix::Fixt11, QuickFix::Fix50Sp2];

    /// The version that it is, or is a part, of.
    #[must_use]
    pub fn version(self) -> Version {
        match self {
            QuickFix::Fix42 => Version::Fix42,
            QuickFix::Fix44 => Version::Fix44,
            QuickFix::Fixt11 | QuickFix::Fix50Sp2 => Version::Fix50Sp2,
        }
    }

    fn has(self, definition: &Definition) -> bool {
        let is_admin = definition.kind == MsgKind::Admin;
        match self {
            QuickFix::Fix42 | QuickFix::Fix44 => true,
            QuickFix::Fixt11 => is_admin,
            QuickFix::Fix50Sp2 => !is_admin,
        }
    }

    /// Whether header and trailer are in it.
    fn has_frame(self) -> bool {
        self != QuickFix::Fix50Sp2
    }
}

impl Display for QuickFix {
    /// The whole file.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (kind, major, minor, service_pack) = match self {
            QuickFix::Fix42 => ("FIX", 4, 2, 0),
            QuickFix::Fix44 => ("FIX", 4, 4, 0),
            QuickFix::Fixt11 => ("FIXT", 1, 1, 0),
            QuickFix::Fix50Sp2 => ("FIX", 5, 0, 2),
        };
        let file = File { dictionary: self.version().dictionary() };
        let mut used = TagSet::EMPTY;
        writeln!(f, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
        writeln!(
            f,
            "<fix type=\"{kind}\" major=\"{major}\" minor=\"{minor}\" servicepack=\"{service_pack}\">"
        )?;
        for (name, part) in [("header", Part::Header), ("trailer", Part::Trailer)] {
            writeln!(f, " <{name}>")?;
            if self.has_frame() {
                let fields = file.of_part(part);
                let required = |tag| REQUIRED_AROUND.contains(&tag);
                file.fields(f, (2, 0), &fields, &required, &mut used)?;
            }
            writeln!(f, " </{name}>")?;
        }
        writeln!(f, " <messages>")?;
        for definition in file.dictionary.definitions.iter().filter(|it| !it.msg_type.is_empty()) {
            if self.has(definition) {
                file.message(f, definition, &mut used)?;
            }
        }
        writeln!(f, " </messages>")?;
        writeln!(f, " <components/>")?;
        writeln!(f, " <fields>")?;
        file.every(&used).try_for_each(|tag| file.field(f, tag))?;
        writeln!(f, " </fields>")?;
        writeln!(f, "</fix>")
    }
}

struct File {
    dictionary: &'static Dictionary,
}

impl File {
    fn rule(&self, tag: u32) -> Rule {
        *self.dictionary.rule(tag)
    }

    fn name(&self, tag: u32) -> &'static str {
        self.dictionary.field_name(tag).unwrap_or_default()
    }

    /// The tags of a set, ascending.
    fn every(&self, set: &TagSet) -> impl Iterator<Item = u32> {
        let set = *set;
        (0..TAGS).map(|row| tag_of(row) as u32).filter(move |tag| set.has(self.rule(*tag).place))
    }

    fn of_part(&self, part: Part) -> TagSet {
        let mut set = TagSet::EMPTY;
        for rule in self.dictionary.rules.iter().filter(|it| it.part == part && it.place != NOWHERE)
        {
            set.insert(rule.place);
        }
        set
    }

    fn message(
        &self,
        f: &mut Formatter<'_>,
        definition: &Definition,
        used: &mut TagSet,
    ) -> fmt::Result {
        let msg_type = definition.msg_type.escape_ascii();
        let name = definition.name.escape_ascii();
        let category = if definition.kind == MsgKind::Admin { "admin" } else { "app" };
        writeln!(f, "  <message name=\"{name}\" msgtype=\"{msg_type}\" msgcat=\"{category}\">")?;
        let required = |tag| definition.required.has(self.rule(tag).place);
        self.fields(f, (3, definition.entries_begin), &definition.tags, &required, used)?;
        writeln!(f, "  </message>")
    }

    /// The fields of a set, each group with its own inside, of a message whose entries begin with this tag.
    fn fields(
        &self,
        f: &mut Formatter<'_>,
        at: (usize, u16),
        set: &TagSet,
        required: &dyn Fn(u32) -> bool,
        used: &mut TagSet,
    ) -> fmt::Result {
        self.every(set).try_for_each(|tag| self.entry(f, at, tag, required, used))
    }

    fn entry(
        &self,
        f: &mut Formatter<'_>,
        (depth, entries_begin): (usize, u16),
        tag: u32,
        required: &dyn Fn(u32) -> bool,
        used: &mut TagSet,
    ) -> fmt::Result {
        let (rule, name) = (self.rule(tag), self.name(tag));
        let (space, must) = (" ".repeat(depth), if required(tag) { 'Y' } else { 'N' });
        used.insert(rule.place);
        if rule.group == 0 {
            return writeln!(f, "{space}<field name=\"{name}\" required=\"{must}\"/>");
        }
        writeln!(f, "{space}<group name=\"{name}\" required=\"{must}\">")?;
        let group = self.dictionary.group(&rule, entries_begin);
        let inside = (depth + 1, entries_begin);
        let first = u32::from(group.delimiter);
        // The first of them is what QuickFIX takes for the beginning of an entry.
        self.entry(f, inside, first, &|tag| tag == first, used)?;
        for tag in self.every(&group.members).filter(|tag| *tag != first) {
            self.entry(f, inside, tag, &|_| false, used)?;
        }
        writeln!(f, "{space}</group>")
    }

    fn field(&self, f: &mut Formatter<'_>, tag: u32) -> fmt::Result {
        let (rule, name) = (self.rule(tag), self.name(tag));
        write!(
            f,
            "  <field number=\"{tag}\" name=\"{name}\" type=\"{}\"",
            self.type_of(tag, rule)
        )?;
        let values = usize::from(rule.values).checked_sub(1);
        let values = values.map(|index| enumerated(&self.dictionary.values[index]));
        let Some(values) = values else { return writeln!(f, "/>") };
        writeln!(f, ">")?;
        for value in values {
            writeln!(f, "   <value enum=\"{value}\" description=\"{value}\"/>")?;
        }
        writeln!(f, "  </field>")
    }

    fn type_of(&self, tag: u32, rule: Rule) -> &'static str {
        let is_data = || (0..TAGS as u32).any(|len| data_tag_of(len) == Some(tag));
        match rule.format {
            Format::Text if is_data() => "DATA",
            Format::Unknown | Format::Elsewhere | Format::Text => "STRING",
            Format::Char => "CHAR",
            Format::Chars if self.dictionary.version == Version::Fix50Sp2 => "MULTIPLECHARVALUE",
            Format::Chars => "MULTIPLEVALUESTRING",
            Format::Bool => "BOOLEAN",
            Format::Uint if rule.group > 0 => "NUMINGROUP",
            Format::Uint if data_tag_of(tag).is_some() || tag == 9 => "LENGTH",
            Format::Uint if NUMBERS.contains(&tag) => "SEQNUM",
            Format::Int | Format::Uint => "INT",
            Format::Float => "FLOAT",
            Format::Utc => "UTCTIMESTAMP",
            Format::Date => "LOCALMKTDATE",
            Format::Month => "MONTHYEAR",
        }
    }
}

/// Each value that is allowed, as it stands in a message.
fn enumerated(values: &Values) -> Vec<String> {
    let bits = |set: u128| (0..128_u8).filter(move |bit| set >> bit & 1 == 1);
    match values {
        Values::Chars(set) => bits(*set).map(|byte| char::from(byte).to_string()).collect(),
        Values::Ints(set) => bits(*set).map(|number| number.to_string()).collect(),
        Values::Words(list) => {
            let words = list.split(|byte| *byte == b',');
            words.map(|word| word.escape_ascii().to_string()).collect()
        }
    }
}
