//! `vesta fix dictionary`: what it writes is what the data say, to an XML parser and to QuickFIX.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};
use std::{env, fs};

use roxmltree::{Document, Node};

use crate::support::{Ended, Folder, run, skipped};

const FIELDS: &str = include_str!("../../../gateway/src/fix/dictionary/fields.dict");
const MESSAGES: &str = concat!(
    include_str!("../../../gateway/src/fix/dictionary/messages.dict"),
    include_str!("../../../gateway/src/fix/dictionary/market.dict"),
);

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/quickfix/check_dictionary.py");

/// The files, the version that each is of, whether it has session-layer messages, and whether others.
const FILES: [(&str, u8, bool, bool); 4] = [
    ("4.2", 2, true, true),
    ("4.4", 4, true, true),
    ("fixt1.1", 5, true, false),
    ("5.0sp2", 5, false, true),
];

/// A version in the text of the data, read as a person would.
#[derive(Default)]
struct Version {
    names: BTreeMap<u32, String>,
    formats: BTreeMap<u32, String>,
    values: BTreeMap<u32, BTreeSet<String>>,
    header: BTreeSet<u32>,
    trailer: BTreeSet<u32>,
    /// By the tag that counts: how each of its groups begins, and what is in it.
    groups: BTreeMap<u32, Vec<(u32, BTreeSet<u32>)>>,
    messages: BTreeMap<String, Message>,
}

struct Message {
    name: String,
    is_admin: bool,
    required: BTreeSet<u32>,
    fields: BTreeSet<u32>,
    /// How entries begin, where more than one group has the same count.
    entries: Option<u32>,
}

fn without_comments(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(|line| line.split('#').next().unwrap()).filter(|line| !line.trim().is_empty())
}

/// `a`, `a-d` of characters or numbers.
fn listed(list: &str, format: &str) -> BTreeSet<String> {
    let item = |item: &str| -> Vec<String> {
        match (format, item.split_once('-')) {
            ("char" | "chars", Some((first, last))) => {
                let byte = |text: &str| text.as_bytes()[0];
                (byte(first)..=byte(last)).map(|it| char::from(it).to_string()).collect()
            }
            ("int", Some((first, last))) => {
                let number = |text: &str| text.parse::<u32>().unwrap();
                (number(first)..=number(last)).map(|it| it.to_string()).collect()
            }
            _ => vec![item.to_owned()],
        }
    };
    list.split(',').flat_map(item).collect()
}

fn tags(words: &[&str], blocks: &BTreeMap<&str, BTreeSet<u32>>) -> BTreeSet<u32> {
    let mut tags = BTreeSet::new();
    for word in words {
        match (blocks.get(word), word.split_once('-')) {
            (Some(block), _) => tags.extend(block),
            (None, Some((first, last))) => {
                tags.extend(first.parse::<u32>().unwrap()..=last.parse().unwrap());
            }
            (None, None) => {
                tags.insert(word.parse().unwrap());
            }
        }
    }
    tags
}

impl Version {
    fn read(code: u8) -> Version {
        let mut version = Version::default();
        let digit = char::from(b'0' + code);
        for line in without_comments(FIELDS) {
            let mut words = line.split_whitespace();
            let mut next = || words.next().unwrap();
            let (tag, name, format) = (next().parse().unwrap(), next(), next());
            let Some(column) = words.find(|it| it.split('=').next().unwrap().contains(digit))
            else {
                continue;
            };
            version.names.insert(tag, name.to_owned());
            version.formats.insert(tag, format.to_owned());
            if let Some((_, list)) = column.split_once('=') {
                version.values.insert(tag, listed(list, format));
            }
        }
        let (mut blocks, mut inside) = (BTreeMap::new(), false);
        // Lines that go on are indented.
        let text: Vec<&str> = without_comments(MESSAGES).collect();
        let text = text.join("\n").replace("\n  ", " ");
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[0] {
                "version" => inside = words[1] == digit.to_string(),
                _ if !inside => {}
                "header" => version.header = tags(&words[1..], &blocks),
                "trailer" => version.trailer = tags(&words[1..], &blocks),
                "group" => {
                    let [count, first] = [1, 2].map(|at| words[at].parse().unwrap());
                    let groups: &mut Vec<_> = version.groups.entry(count).or_default();
                    groups.push((first, tags(&words[2..], &blocks)));
                }
                "block" => {
                    let fields = tags(&words[2..], &blocks);
                    blocks.insert(words[1], fields);
                }
                "message" => {
                    let at = words.iter().position(|word| *word == "fields").unwrap();
                    let entries = words.iter().position(|word| *word == "entries");
                    let end = entries.unwrap_or(words.len());
                    let message = Message {
                        name: words[2].to_owned(),
                        is_admin: words[3] == "admin",
                        required: tags(&words[5..at], &blocks),
                        fields: tags(&words[at + 1..end], &blocks),
                        entries: entries.map(|at| words[at + 1].parse().unwrap()),
                    };
                    version.messages.insert(words[1].to_owned(), message);
                }
                _ => {}
            }
        }
        version
    }

    /// The entries below `node` are these fields; a group is taken apart. Adds them to `used`.
    fn compare(
        &self,
        node: Node<'_, '_>,
        expected: &BTreeSet<u32>,
        required: &BTreeSet<u32>,
        entries: Option<u32>,
        used: &mut BTreeSet<u32>,
    ) {
        let by_name = |name: &str| {
            *self.names.iter().find(|(_, it)| *it == name).unwrap_or_else(|| panic!("{name}")).0
        };
        let mut found = BTreeSet::new();
        for entry in node.children().filter(Node::is_element) {
            let tag = by_name(entry.attribute("name").unwrap());
            assert!(found.insert(tag), "{tag} twice");
            let must = entry.attribute("required") == Some("Y");
            assert_eq!(must, required.contains(&tag), "{tag} in {:?}", node.attribute("name"));
            match self.groups.get(&tag) {
                None => assert!(entry.has_tag_name("field")),
                Some(groups) => {
                    let (first, members) =
                        groups.iter().find(|it| Some(it.0) == entries).unwrap_or(&groups[0]);
                    assert!(entry.has_tag_name("group"), "{tag}");
                    let inside = entry.first_element_child().unwrap();
                    assert_eq!(by_name(inside.attribute("name").unwrap()), *first);
                    self.compare(entry, members, &BTreeSet::from([*first]), entries, used);
                }
            }
        }
        assert_eq!(found, *expected, "in {:?}", node.attribute("name"));
        used.extend(found);
    }
}

fn file(name: &str) -> String {
    let ended = run(&["fix", "dictionary", name]);
    ended.assert_good();
    ended.out
}

/// Every message, field, group and value of the data is in the XML, and nothing else.
#[test]
fn the_dictionary_of_each_version_has_all_that_is_in_the_data() {
    for (name, code, admin, application) in FILES {
        let version = Version::read(code);
        let text = file(name);
        let document = Document::parse(&text).unwrap();
        let root = document.root_element();
        let child = |name: &str| root.children().find(|it| it.has_tag_name(name)).unwrap();
        let mut used = BTreeSet::new();
        let header = BTreeSet::from([8, 9, 35, 34, 49, 52, 56]);
        let none = BTreeSet::new();
        let of_frame = |set| if admin { set } else { &none };
        version.compare(child("header"), of_frame(&version.header), &header, None, &mut used);
        let check_sum = BTreeSet::from([10]);
        version.compare(child("trailer"), of_frame(&version.trailer), &check_sum, None, &mut used);
        let mut messages = BTreeSet::new();
        for node in child("messages").children().filter(Node::is_element) {
            let msg_type = node.attribute("msgtype").unwrap();
            let message = &version.messages[msg_type];
            assert_eq!(node.attribute("name").unwrap(), message.name);
            let category = if message.is_admin { "admin" } else { "app" };
            assert_eq!(node.attribute("msgcat"), Some(category));
            let entries = message.entries;
            version.compare(node, &message.fields, &message.required, entries, &mut used);
            assert!(messages.insert(msg_type));
        }
        let expected = version.messages.iter().filter(|(_, it)| match it.is_admin {
            true => admin,
            false => application,
        });
        assert_eq!(messages, expected.map(|(msg_type, _)| &**msg_type).collect());
        let mut fields = BTreeSet::new();
        for node in child("fields").children().filter(Node::is_element) {
            let tag: u32 = node.attribute("number").unwrap().parse().unwrap();
            assert_eq!(node.attribute("name"), version.names.get(&tag).map(|name| &**name));
            let values = node.children().filter(Node::is_element);
            let values: Vec<&str> = values.map(|it| it.attribute("enum").unwrap()).collect();
            let expected = version.values.get(&tag).cloned().unwrap_or_default();
            assert_eq!(values.len(), expected.len(), "{tag}");
            assert_eq!(values.iter().map(|it| (*it).to_owned()).collect::<BTreeSet<_>>(), expected);
            let types: &[&str] = match &*version.formats[&tag] {
                "text" => &["STRING", "DATA"],
                "char" => &["CHAR"],
                "chars" => &["MULTIPLEVALUESTRING", "MULTIPLECHARVALUE"],
                "bool" => &["BOOLEAN"],
                "int" => &["INT"],
                "uint" => &["INT", "LENGTH", "SEQNUM", "NUMINGROUP"],
                "float" => &["FLOAT"],
                "utc" => &["UTCTIMESTAMP"],
                "date" => &["LOCALMKTDATE"],
                "month" => &["MONTHYEAR"],
                other => panic!("{other}"),
            };
            assert!(types.contains(&node.attribute("type").unwrap()), "{tag}");
            assert!(fields.insert(tag), "{tag} twice");
        }
        assert_eq!(fields, used, "{name}: each field that a message has, and no other");
    }
}

/// What is to be asked of a dictionary, and how it is to be answered: with yes.
fn questions(version: &Version, admin: bool, application: bool) -> String {
    let mut asked = String::new();
    let mut ask = |question: String| asked += &(question + "\n");
    for (msg_type, message) in &version.messages {
        if !(if message.is_admin { admin } else { application }) {
            continue;
        }
        ask(format!("message {msg_type}"));
        message.fields.iter().for_each(|tag| ask(format!("field {msg_type} {tag}")));
        message.required.iter().for_each(|tag| ask(format!("required {msg_type} {tag}")));
        let groups = message.fields.iter().filter(|tag| version.groups.contains_key(tag));
        groups.for_each(|tag| ask(format!("group {msg_type} {tag}")));
        for (tag, values) in message.fields.iter().filter_map(|it| version.values.get_key_value(it))
        {
            values.iter().for_each(|value| ask(format!("value {tag} {value}")));
            ask(format!("novalue {tag} ~"));
        }
    }
    asked
}

#[test]
fn quickfix_reads_the_dictionaries() {
    let python = env::var("VESTA_PYTHON").unwrap_or_else(|_| "python3".into());
    let has = Command::new(&python).args(["-c", "import quickfix"]).stderr(Stdio::null()).status();
    if !has.is_ok_and(|status| status.success()) {
        return skipped("the dictionaries under QuickFIX: no such module (pip install quickfix)");
    }
    let folder = Folder::new();
    for (name, code, admin, application) in FILES {
        let path = folder.path().join(format!("{name}.xml"));
        fs::write(&path, file(name)).unwrap();
        let asked = questions(&Version::read(code), admin, application);
        let mut command = Command::new(&python);
        command.arg(SCRIPT).arg(&path);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(asked.as_bytes()).unwrap();
        let ended = Ended::of(child.wait_with_output().unwrap());
        ended.assert_good();
        assert_eq!(ended.out.trim(), asked.lines().count().to_string());
    }
}
