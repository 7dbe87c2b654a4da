//! The rules of the project that a machine can check: who imports whom, what the matcher must not
//! know, what must not be left behind, and whether the documents say what is true.

#![allow(clippy::unwrap_used)] // A check that cannot go on fails.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Crates, their floor, and which crates of ours they may depend on.
const FLOORS: [(&str, u8, &[&str]); 8] = [
    ("matcher", 0, &[]),
    ("journal", 0, &[]),
    ("gateway", 1, &["matcher"]),
    ("feed", 1, &["matcher"]),
    ("venue", 2, &["matcher", "journal", "gateway", "feed"]),
    ("tools", 3, &["matcher", "journal", "gateway", "feed", "venue"]),
    ("benches", 3, &["matcher", "journal", "gateway", "feed", "venue"]),
    ("benches/public", 3, &["matcher"]),
];

/// What the matcher has no word for: the world outside, floats, hash order, unchecked memory.
const FORBIDDEN_IN_MATCHER: [&str; 15] = [
    "std::time",
    "std::fs",
    "std::net",
    "std::thread",
    "std::env",
    "std::process",
    "std::io",
    "HashMap",
    "HashSet",
    "Instant",
    "SystemTime",
    "f32",
    "f64",
    "unsafe",
    "Mutex",
];

/// The only files of a crate's `src` with unsafe code: a mapping, an instruction that not every processor
/// has, a hint to the processor, and an allocator, which asks the system for huge pages.
const UNSAFE_FILES: [&str; 4] =
    ["journal/src/mmap.rs", "journal/src/crc.rs", HINT_FILE, "venue/src/huge_pages.rs"];

/// Where the matcher may say `unsafe`, and nothing else that is forbidden.
const HINT_FILE: &str = "matcher/src/prefetch.rs";

/// Tests with unsafe code: a counting allocator cannot be had without.
const UNSAFE_TEST: &str = "/tests/alloc.rs";

const WALK_STOPS: usize = 10;
const WALK_LINES_MAX: usize = 3_000;

struct File {
    /// From the root of the repository, with `/`.
    path: String,
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// Every text file of the repository, without what is built.
fn files() -> Vec<File> {
    fn walk(dir: &Path, root: &Path, files: &mut Vec<File>) {
        let mut entries: Vec<PathBuf> =
            fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            let name = path.file_name().unwrap().to_str().unwrap();
            let built = matches!(name, "target" | ".git" | "corpus" | "artifacts" | "fuzz-corpus");
            if built || path.is_symlink() {
                continue;
            }
            if path.is_dir() {
                walk(&path, root, files);
            } else if let Ok(text) = fs::read_to_string(&path) {
                let path = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
                files.push(File { path, text });
            }
        }
    }
    let (root, mut files) = (root(), Vec::new());
    walk(&root, &root, &mut files);
    assert!(files.len() > 50, "this is not the repository: {}", root.display());
    files
}

/// Says everything that is wrong at once.
fn settle(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// Whether `word` stands in `line` with no letter, digit or `_` before or behind.
fn has_word(line: &str, word: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let behind = line[at + word.len()..].chars().next();
        !before.is_some_and(is_word) && !behind.is_some_and(is_word)
    })
}

/// The lines of a Rust file without comments, numbered from 1.
fn code(file: &File) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(file.text.lines()).map(|(number, line)| {
        // A `//` behind a quote may be text: then the whole line counts.
        let comment = line.find("//").filter(|at| !line[..*at].contains('"'));
        (number, &line[..comment.unwrap_or(line.len())])
    })
}

fn is_rust(file: &File) -> bool {
    file.path.ends_with(".rs")
}

fn is_test(file: &File) -> bool {
    file.path.contains("/tests/")
}

/// Names of the dependencies in a manifest's `[section]`.
fn dependencies(manifest: &str, section: &str) -> BTreeSet<String> {
    let (mut names, mut inside) = (BTreeSet::new(), false);
    for line in manifest.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            let header = header.trim_end_matches(']');
            inside = header == section;
            if let Some(name) = header.strip_prefix(section).and_then(|rest| rest.strip_prefix('.'))
            {
                names.insert(name.to_owned());
            }
        } else if inside && !line.is_empty() && !line.starts_with('#') {
            let name = line.split(['=', '.', ' ']).next().unwrap();
            names.insert(name.trim_matches('"').to_owned());
        }
    }
    names
}

#[test]
fn imports_only_point_down() {
    let mut wrong = Vec::new();
    for (name, floor, allowed) in FLOORS {
        let path = root().join(name).join("Cargo.toml");
        let manifest = fs::read_to_string(&path).unwrap();
        for (other, other_floor, _) in FLOORS {
            for section in ["dependencies", "build-dependencies"] {
                if dependencies(&manifest, section).contains(other) && !allowed.contains(&other) {
                    wrong.push(format!("{name} must not depend on {other} ([{section}])"));
                }
            }
            let tested = dependencies(&manifest, "dev-dependencies").contains(other);
            if tested && other != name && other_floor > floor {
                wrong.push(format!("{name} must not be tested with {other}, which is above it"));
            }
        }
    }
    settle(&wrong);
}

#[test]
fn every_crate_has_its_floor() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let members = manifest.lines().find(|line| line.starts_with("members")).unwrap();
    let named: BTreeSet<&str> = members.split('"').skip(1).step_by(2).collect();
    let known: BTreeSet<&str> = FLOORS.iter().map(|(name, ..)| *name).collect();
    assert_eq!(named, known);
}

#[test]
fn the_matcher_depends_on_nothing() {
    let manifest = fs::read_to_string(root().join("matcher/Cargo.toml")).unwrap();
    assert_eq!(dependencies(&manifest, "dependencies"), BTreeSet::new());
    assert_eq!(dependencies(&manifest, "build-dependencies"), BTreeSet::new());
}

#[test]
fn the_matcher_knows_no_world() {
    let mut wrong = Vec::new();
    let testing = "matcher/src/testing/";
    for file in files().iter().filter(|file| {
        file.path.starts_with("matcher/src/") && !file.path.starts_with(testing) && is_rust(file)
    }) {
        for (number, line) in code(file) {
            let forbidden = |word: &str| word != "unsafe" || file.path != HINT_FILE;
            let words = FORBIDDEN_IN_MATCHER.iter().filter(|word| forbidden(word));
            for word in words.filter(|word| has_word(line, word)) {
                wrong.push(format!("{}:{number}: {word} in the matcher", file.path));
            }
        }
    }
    settle(&wrong);
}

#[test]
fn unsafe_is_in_four_files() {
    let mut wrong = Vec::new();
    let allowed = |file: &File| {
        UNSAFE_FILES.contains(&file.path.as_str())
            || file.path.ends_with(UNSAFE_TEST)
            // Its own words, and benchmarks may count allocations.
            || file.path == "tools/tests/tidy.rs"
            || file.path.starts_with("benches/")
    };
    for file in files().iter().filter(|file| is_rust(file) && !allowed(file)) {
        let lines = code(file).filter(|(_, line)| has_word(line, "unsafe"));
        wrong.extend(lines.map(|(number, _)| format!("{}:{number}: unsafe code", file.path)));
    }
    settle(&wrong);
}

#[test]
fn nothing_is_left_behind() {
    let leftovers = ["dbg!(", concat!("FIX", "ME"), "todo!(", "unimplemented!(", "#[ignore"];
    let mut wrong = Vec::new();
    for file in files().iter().filter(|file| is_rust(file) && file.path != "tools/tests/tidy.rs") {
        for (number, line) in (1..).zip(file.text.lines()) {
            for word in leftovers.iter().filter(|word| line.contains(*word)) {
                wrong.push(format!("{}:{number}: {word}", file.path));
            }
            if is_test(file) && line.contains("thread::sleep") {
                wrong.push(format!("{}:{number}: a test that sleeps", file.path));
            }
        }
    }
    settle(&wrong);
}

/// Lines of a Markdown file outside of fenced code, numbered from 1.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    (1..).zip(text.lines()).filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

fn markdown() -> Vec<File> {
    files().into_iter().filter(|file| file.path.ends_with(".md")).collect()
}

#[test]
fn a_document_has_one_title() {
    let mut wrong = Vec::new();
    for file in markdown() {
        let titles = prose(&file.text).filter(|(_, line)| line.starts_with("# ")).count();
        let first = file.text.lines().next().unwrap_or_default();
        if titles != 1 || !first.starts_with("# ") {
            wrong.push(format!("{}: {titles} titles, first line {first:?}", file.path));
        }
    }
    settle(&wrong);
}

#[test]
fn links_are_alive() {
    let mut wrong = Vec::new();
    for file in markdown() {
        for (number, line) in prose(&file.text) {
            for (at, _) in line.match_indices("](") {
                let target = line[at + 2..].split(')').next().unwrap();
                let path = target.split('#').next().unwrap();
                if path.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                    continue;
                }
                let from = root().join(&file.path);
                if !from.parent().unwrap().join(path).exists() {
                    wrong.push(format!("{}:{number}: {target} is not there", file.path));
                }
            }
        }
    }
    settle(&wrong);
}

#[test]
fn every_script_is_run() {
    let files = files();
    let mut wrong = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with(".txt")) {
        let Some((home, _)) = file.path.split_once("/tests/scripts/") else { continue };
        // A runner takes the whole folder, so that no script can be forgotten.
        let runs = |it: &&File| {
            it.path.starts_with(&format!("{home}/tests/"))
                && is_rust(it)
                && it.text.contains("tests/scripts")
                && it.text.contains("read_dir(")
        };
        if !files.iter().any(|it| runs(&it)) {
            wrong.push(format!("{}: no test of {home} walks the folder", file.path));
        }
    }
    settle(&wrong);
}

/// One row of the walk in ARCHITECTURE.md: its number, the files and the functions it names.
struct Stop {
    number: usize,
    files: Vec<String>,
    functions: Vec<String>,
}

fn walk() -> Vec<Stop> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let mut stops = Vec::new();
    for line in text.lines().filter(|line| line.starts_with('|')) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [number, _, place, _] = cells[..] else { continue };
        let Ok(number) = number.parse() else { continue };
        let names = place.split('`').skip(1).step_by(2).map(str::to_owned);
        let (files, functions) = names.partition(|name| name.contains('/'));
        stops.push(Stop { number, files, functions });
    }
    stops
}

#[test]
fn the_walk_of_an_order_is_there() {
    let stops = walk();
    let numbers: Vec<usize> = stops.iter().map(|stop| stop.number).collect();
    assert_eq!(numbers, (1..=WALK_STOPS).collect::<Vec<_>>(), "rows of the walk");

    let (mut wrong, mut lines) = (Vec::new(), std::collections::BTreeMap::new());
    for stop in &stops {
        let mut texts = String::new();
        for file in &stop.files {
            match fs::read_to_string(root().join(file)) {
                Ok(text) => {
                    lines.insert(file.clone(), text.lines().count());
                    texts.push_str(&text);
                }
                Err(_) => wrong.push(format!("stop {}: {file} is not there", stop.number)),
            }
        }
        if stop.files.is_empty() || stop.functions.is_empty() {
            wrong.push(format!("stop {} names no file or no function", stop.number));
        }
        for function in &stop.functions {
            let (kind, name) = function.rsplit_once("::").unwrap_or(("", function));
            let found = texts.lines().any(|line| has_word(line, &format!("fn {name}")));
            if !found || (!kind.is_empty() && !has_word(&texts, kind)) {
                let files = stop.files.join(", ");
                wrong.push(format!("stop {}: no `{function}` in {files}", stop.number));
            }
        }
    }
    let total: usize = lines.values().sum();
    if total >= WALK_LINES_MAX {
        wrong
            .push(format!("the walk takes {total} lines, {WALK_LINES_MAX} are allowed: {lines:?}"));
    }
    settle(&wrong);
}

#[test]
fn no_file_names_a_machine() {
    // Written so that this file does not name them itself.
    let places = ["work", "root", "home", "tmp"].map(|name| format!("/{name}/"));
    let mut wrong = Vec::new();
    for file in files() {
        for (number, line) in (1..).zip(file.text.lines()) {
            for place in &places {
                let named = line.match_indices(place.as_str()).any(|(at, _)| {
                    let before = line[..at].chars().next_back();
                    !before
                        .is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '}'))
                });
                if named {
                    wrong.push(format!("{}:{number}: names {place}", file.path));
                }
            }
        }
    }
    settle(&wrong);
}

#[test]
fn the_checks_can_fail() {
    assert!(has_word("let x: f64 = 1;", "f64") && !has_word("let if64 = 1;", "f64"));
    let manifest = "[dependencies]\na.workspace = true\nb = \"1\"\n[dependencies.c]\nx = 1\n[dev-dependencies]\nd = \"1\"\n";
    let names: Vec<String> = dependencies(manifest, "dependencies").into_iter().collect();
    assert_eq!(names, ["a", "b", "c"]);
    let file = File { path: String::new(), text: "a // unsafe\nlet s = \"//\"; unsafe\n".into() };
    let found: Vec<usize> = code(&file)
        .filter(|(_, line)| has_word(line, "unsafe"))
        .map(|(number, _)| number)
        .collect();
    assert_eq!(found, [2]);
    let lines: Vec<usize> = prose("# a\n```\n# b\n```\n# c\n").map(|(number, _)| number).collect();
    assert_eq!(lines, [1, 5]);
}
