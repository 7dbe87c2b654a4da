//! `fields.dict`, `messages.dict` and `market.dict` to tables, while the crate is compiled: a mistake in them is an error of the
//! compiler that says what is wrong.

use super::{BEGIN, Definition, Dictionary, Format, Group, MsgKind, Part, Rule, TagSet, Values};
use crate::fix::tag;
use crate::fix::version::Version;

const FIELDS: &[u8] = include_bytes!("fields.dict");
const MESSAGES: &[u8] = include_bytes!("messages.dict");
const MARKET: &[u8] = include_bytes!("market.dict");

/// Rows of the tables. Those of FIX have the row of their number: no version has one above the last but [`OWN`].
pub(super) const TAGS: usize = 1623;

/// The tag of ours that FIX does not have has the last row.
const OWN: usize = 9479;

/// The row of a tag, [`TAGS`] if it has none.
#[inline]
pub(super) const fn row(tag: usize) -> usize {
    if tag < TAGS - 1 {
        tag
    } else if tag == OWN {
        TAGS - 1
    } else {
        TAGS
    }
}

/// The tag of a row.
pub(super) const fn tag_of(row: usize) -> usize {
    if row == TAGS - 1 { OWN } else { row }
}

/// Words of 64 bits with a bit for each line of `fields.dict`.
pub(super) const SET_WORDS: usize = 10;

/// Different fields in `fields.dict`, at most.
pub(super) const PLACES: usize = 64 * SET_WORDS;

/// Messages of a version, at most.
pub(super) const DEFINITIONS: usize = 40;

pub(super) const GROUPS: usize = 44;
pub(super) const VALUES: usize = 250;

const BLOCKS: usize = 16;

/// The tag of each place, zeroes behind the last one.
pub(super) static TAG_AT: [u16; PLACES] = places();

/// The name of each place.
pub(super) static NAME_AT: [&[u8]; PLACES] = names();

/// Words of a text; from `#` to the end of the line is a comment.
struct Words {
    text: &'static [u8],
    at: usize,
}

impl Words {
    const fn new(text: &'static [u8]) -> Words {
        Words { text, at: 0 }
    }

    const fn peek(&self) -> u8 {
        if self.at < self.text.len() { self.text[self.at] } else { 0 }
    }

    /// The next word of the line, empty at its end.
    const fn in_line(&mut self) -> &'static [u8] {
        while self.peek() == b' ' {
            self.at += 1;
        }
        if self.peek() == b'#' {
            while self.peek() != b'\n' && self.peek() != 0 {
                self.at += 1;
            }
        }
        let start = self.at;
        while self.peek() > b' ' {
            self.at += 1;
        }
        slice(self.text, start, self.at)
    }

    /// The next word, empty at the end of the text.
    const fn next(&mut self) -> &'static [u8] {
        loop {
            let word = self.in_line();
            if !word.is_empty() || self.at >= self.text.len() {
                return word;
            }
            self.at += 1;
        }
    }
}

const fn slice(text: &[u8], start: usize, end: usize) -> &[u8] {
    text.split_at(end).0.split_at(start).1
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

const fn find(text: &[u8], byte: u8) -> usize {
    let mut i = 0;
    while i < text.len() && text[i] != byte {
        i += 1;
    }
    i
}

const fn number(text: &[u8]) -> usize {
    assert!(!text.is_empty(), "a number is missing");
    let (mut value, mut i) = (0, 0);
    while i < text.len() {
        assert!(text[i].is_ascii_digit(), "not a number");
        value = 10 * value + (text[i] - b'0') as usize;
        i += 1;
    }
    value
}

/// `a` or `a-b` as the first and the last one.
const fn range(text: &[u8]) -> (usize, usize) {
    let dash = find(text, b'-');
    let first = number(slice(text, 0, dash));
    let last = if dash < text.len() { number(slice(text, dash + 1, text.len())) } else { first };
    assert!(first <= last, "a range that ends before it begins");
    (first, last)
}

const fn is_digit(word: &[u8]) -> bool {
    !word.is_empty() && word[0].is_ascii_digit()
}

/// A line of `fields.dict`.
struct FieldLine {
    place: usize,
    tag: usize,
    name: &'static [u8],
    format: Format,
}

/// Reads the beginning of a line; the columns of the versions follow. `None` at the end.
const fn field_line(words: &mut Words, before: Option<(usize, usize)>) -> Option<FieldLine> {
    let tag = words.next();
    if tag.is_empty() {
        return None;
    }
    let tag = number(tag);
    let place = match before {
        None => 0,
        // A field that has two formats has two lines.
        Some((place, last)) if last == tag => place,
        Some((place, last)) => {
            assert!(last < tag, "fields.dict: tags ascend");
            place + 1
        }
    };
    assert!(row(tag) < TAGS && place < PLACES, "fields.dict: too many fields");
    let name = words.in_line();
    Some(FieldLine { place, tag, name, format: format(words.in_line()) })
}

const fn format(word: &[u8]) -> Format {
    let names: [(&[u8], Format); 10] = [
        (b"text", Format::Text),
        (b"char", Format::Char),
        (b"chars", Format::Chars),
        (b"bool", Format::Bool),
        (b"int", Format::Int),
        (b"uint", Format::Uint),
        (b"float", Format::Float),
        (b"utc", Format::Utc),
        (b"date", Format::Date),
        (b"month", Format::Month),
    ];
    let mut i = 0;
    while i < names.len() {
        if same(names[i].0, word) {
            return names[i].1;
        }
        i += 1;
    }
    panic!("fields.dict: unknown format")
}

const fn places() -> [u16; PLACES] {
    let mut tags = [0; PLACES];
    let (mut words, mut before) = (Words::new(FIELDS), None);
    while let Some(line) = field_line(&mut words, before) {
        tags[line.place] = line.tag as u16;
        before = Some((line.place, line.tag));
        while !words.in_line().is_empty() {}
    }
    tags
}

const fn names() -> [&'static [u8]; PLACES] {
    let mut names: [&[u8]; PLACES] = [b""; PLACES];
    let (mut words, mut before) = (Words::new(FIELDS), None);
    while let Some(line) = field_line(&mut words, before) {
        names[line.place] = line.name;
        before = Some((line.place, line.tag));
        while !words.in_line().is_empty() {}
    }
    names
}

/// The values in a list as a field of this format has them.
const fn values(list: &'static [u8], format: Format) -> Values {
    let is_chars = matches!(format, Format::Char | Format::Chars);
    match format {
        Format::Text => return Values::Words(list),
        Format::Char | Format::Chars | Format::Int => {}
        _ => panic!("fields.dict: a list of values for a format that has none"),
    }
    let (mut set, mut rest) = (0u128, list);
    loop {
        let comma = find(rest, b',');
        let item = slice(rest, 0, comma);
        let (first, last) = if is_chars && item.len() == 1 {
            (item[0] as usize, item[0] as usize)
        } else if is_chars {
            assert!(item.len() == 3 && item[1] == b'-', "fields.dict: one character");
            (item[0] as usize, item[2] as usize)
        } else {
            range(item)
        };
        assert!(first <= last && last < 128, "fields.dict: values are below 128");
        let mut value = first;
        while value <= last {
            set |= 1 << value;
            value += 1;
        }
        if comma == rest.len() {
            break;
        }
        rest = slice(rest, comma + 1, rest.len());
    }
    if is_chars { Values::Chars(set) } else { Values::Ints(set) }
}

/// The dictionary of a version.
pub(super) const fn compile(version: Version) -> Dictionary {
    let nothing = Definition {
        msg_type: b"",
        name: b"",
        kind: MsgKind::Unknown,
        required: TagSet::EMPTY,
        wanted: TagSet::EMPTY,
        tags: TagSet::EMPTY,
        places: TagSet::EMPTY,
        entries_begin: 0,
    };
    let mut dictionary = Dictionary {
        version,
        rules: [Rule::UNKNOWN; TAGS],
        definitions: [nothing; DEFINITIONS],
        by_letter: [0; 128],
        groups: [Group { count: 0, delimiter: 0, members: TagSet::EMPTY, other: 0 }; GROUPS],
        values: [Values::Words(b""); VALUES],
        transport: None,
        others: b"",
        always: TagSet::EMPTY,
        begin: TagSet::EMPTY,
        header: TagSet::EMPTY,
    };
    let mut words = section(MESSAGES, version);
    numbers(&mut words, &mut dictionary);
    fields(&mut dictionary);
    let header = [tag::MSG_SEQ_NUM, tag::SENDER_COMP_ID, tag::SENDING_TIME, tag::TARGET_COMP_ID];
    let mut i = 0;
    while i < header.len() {
        let place = place(&dictionary, header[i] as usize);
        dictionary.always.insert(place);
        i += 1;
    }
    let mut i = 0;
    while i < BEGIN.len() {
        let place = place(&dictionary, BEGIN[i] as usize);
        dictionary.begin.insert(place);
        i += 1;
    }
    let mut blocks = [const { Block { name: b"", tags: TagSet::EMPTY } }; BLOCKS];
    let mut counts = (0, 0, 0);
    rest_of_section(&mut words, &mut dictionary, &mut blocks, &mut counts);
    let mut words = section(MARKET, version);
    rest_of_section(&mut words, &mut dictionary, &mut blocks, &mut counts);
    add_header_and_trailer(&mut dictionary);
    dictionary
}

/// To the fields of each message.
const fn add_header_and_trailer(dictionary: &mut Dictionary) {
    let mut everywhere = TagSet::EMPTY;
    let mut row = 0;
    while row < TAGS {
        let rule = dictionary.rules[row];
        if matches!(rule.part, Part::Header) {
            dictionary.header.insert(rule.place);
        }
        if !matches!(rule.part, Part::Body) {
            everywhere.insert(rule.place);
        }
        row += 1;
    }
    let mut i = 0;
    while i < DEFINITIONS {
        let definition = &mut dictionary.definitions[i];
        let mut k = 0;
        while k < SET_WORDS {
            definition.places.0[k] = definition.tags.0[k] | everywhere.0[k];
            definition.wanted.0[k] = definition.required.0[k] | dictionary.always.0[k];
            k += 1;
        }
        i += 1;
    }
}

/// What a text says of a version.
const fn section(text: &'static [u8], version: Version) -> Words {
    let mut words = Words::new(text);
    loop {
        let word = words.next();
        assert!(!word.is_empty(), "messages.dict: a version is missing");
        if same(word, b"version") && number(words.next()) == version.code() as usize {
            return words;
        }
    }
}

/// `tags`: what the version has.
const fn numbers(words: &mut Words, dictionary: &mut Dictionary) {
    assert!(same(words.next(), b"tags"), "messages.dict: a version begins with its tags");
    loop {
        let before = words.at;
        let word = words.next();
        if !is_digit(word) {
            words.at = before;
            return;
        }
        let (mut tag, last) = range(word);
        while tag <= last {
            dictionary.rules[row(tag)].format = Format::Elsewhere;
            tag += 1;
        }
    }
}

/// Formats, places and values of the fields that the version has.
const fn fields(dictionary: &mut Dictionary) {
    let digit = b'0' + dictionary.version.code();
    let (mut words, mut before) = (Words::new(FIELDS), None);
    let mut lists = 0;
    while let Some(line) = field_line(&mut words, before) {
        before = Some((line.place, line.tag));
        loop {
            let column = words.in_line();
            if column.is_empty() {
                break;
            }
            let equals = find(column, b'=');
            if find(slice(column, 0, equals), digit) == equals {
                continue;
            }
            let rule = &mut dictionary.rules[row(line.tag)];
            assert!(
                matches!(rule.format, Format::Elsewhere),
                "fields.dict: a version has not the tag, or has it twice"
            );
            rule.format = line.format;
            rule.place = line.place as u16;
            if equals < column.len() {
                let list = slice(column, equals + 1, column.len());
                dictionary.values[lists] = values(list, line.format);
                lists += 1;
                assert!(lists < 256);
                rule.values = lists as u8;
            }
        }
    }
}

/// A field of the version that is in `fields.dict`.
const fn place(dictionary: &Dictionary, tag: usize) -> u16 {
    let rule = &dictionary.rules[row(tag)];
    assert!(
        !matches!(rule.format, Format::Unknown | Format::Elsewhere),
        "messages.dict: a field that the version has not in fields.dict"
    );
    rule.place
}

struct Block {
    name: &'static [u8],
    tags: TagSet,
}

/// Fields up to the next word that is none: numbers, ranges, names of blocks.
const fn set(words: &mut Words, dictionary: &Dictionary, blocks: &[Block; BLOCKS]) -> TagSet {
    let mut set = TagSet::EMPTY;
    loop {
        let before = words.at;
        let word = words.next();
        if is_digit(word) {
            let (mut tag, last) = range(word);
            while tag <= last {
                set.insert(place(dictionary, tag));
                tag += 1;
            }
        } else if !word.is_empty() && word[0].is_ascii_uppercase() {
            let mut i = 0;
            while !same(blocks[i].name, word) {
                i += 1;
                assert!(i < BLOCKS, "messages.dict: an unknown block");
            }
            let mut k = 0;
            while k < SET_WORDS {
                set.0[k] |= blocks[i].tags.0[k];
                k += 1;
            }
        } else {
            words.at = before;
            return set;
        }
    }
}

/// Everything of a version behind its tags. `counts` are the groups, the definitions and the blocks so far.
const fn rest_of_section(
    words: &mut Words,
    dictionary: &mut Dictionary,
    blocks: &mut [Block; BLOCKS],
    (groups, definitions, named): &mut (usize, usize, usize),
) {
    loop {
        let word = words.next();
        if word.is_empty() || same(word, b"version") {
            return;
        } else if same(word, b"header") {
            let header = set(words, dictionary, blocks);
            mark(dictionary, &header, Part::Header);
        } else if same(word, b"trailer") {
            let trailer = set(words, dictionary, blocks);
            mark(dictionary, &trailer, Part::Trailer);
        } else if same(word, b"transport") {
            dictionary.transport = Some(set(words, dictionary, blocks));
        } else if same(word, b"others") {
            dictionary.others = others(words);
        } else if same(word, b"group") {
            let (count, delimiter) = (number(words.next()), number(words.next()));
            let mut members = set(words, dictionary, blocks);
            members.insert(place(dictionary, delimiter));
            assert!(
                matches!(dictionary.rules[count].format, Format::Uint),
                "messages.dict: a group is counted by a uint"
            );
            let other = dictionary.rules[count].group;
            dictionary.groups[*groups] =
                Group { count: count as u16, delimiter: delimiter as u16, members, other };
            *groups += 1;
            dictionary.rules[count].group = *groups as u8;
        } else if same(word, b"block") {
            let name = words.next();
            blocks[*named] = Block { name, tags: set(words, dictionary, blocks) };
            *named += 1;
        } else if same(word, b"message") {
            let definition = message(words, dictionary, blocks);
            dictionary.definitions[*definitions] = definition;
            *definitions += 1;
            if let [letter] = definition.msg_type {
                dictionary.by_letter[*letter as usize] = *definitions as u8;
            }
        } else {
            panic!("messages.dict: an unknown word");
        }
    }
}

const fn mark(dictionary: &mut Dictionary, fields: &TagSet, part: Part) {
    let mut row = 0;
    while row < TAGS {
        let rule = &mut dictionary.rules[row];
        let listed = !matches!(rule.format, Format::Unknown | Format::Elsewhere);
        if listed && fields.has(rule.place) {
            rule.part = part;
        }
        row += 1;
    }
}

/// Message types, which have at most two characters, up to a longer word.
const fn others(words: &mut Words) -> &'static [u8] {
    let start = words.at;
    loop {
        let before = words.at;
        if words.next().len() > 2 {
            words.at = before;
            return slice(words.text, start, before);
        }
    }
}

const fn message(
    words: &mut Words,
    dictionary: &Dictionary,
    blocks: &[Block; BLOCKS],
) -> Definition {
    let msg_type = words.next();
    let name = words.next();
    let kind = words.next();
    let kind = if same(kind, b"admin") {
        MsgKind::Admin
    } else if same(kind, b"application") {
        MsgKind::Application
    } else if same(kind, b"answer") {
        MsgKind::Answer
    } else if same(kind, b"sent") {
        MsgKind::Unsupported
    } else {
        panic!("messages.dict: an unknown kind of message")
    };
    assert!(same(words.next(), b"required"), "messages.dict: required fields are missing");
    let required = set(words, dictionary, blocks);
    assert!(same(words.next(), b"fields"), "messages.dict: fields are missing");
    let tags = set(words, dictionary, blocks);
    let mut i = 0;
    while i < SET_WORDS {
        assert!(required.0[i] & !tags.0[i] == 0, "messages.dict: required, but not a field");
        i += 1;
    }
    let before = words.at;
    let mut entries_begin = 0;
    if same(words.next(), b"entries") {
        entries_begin = number(words.next()) as u16;
    } else {
        words.at = before;
    }
    let (wanted, places) = (TagSet::EMPTY, TagSet::EMPTY);
    Definition { msg_type, name, kind, required, wanted, tags, places, entries_begin }
}
