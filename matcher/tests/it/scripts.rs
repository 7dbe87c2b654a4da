//! Every script under `tests/scripts` gives what is written in it. `UPDATE_GOLDEN=1` rewrites them.

use std::path::Path;
use std::{env, fs};

use matcher::testing::golden;

/// As many as there were when this was written: one that is not found proves nothing.
const SCRIPTS: usize = 38;

#[test]
fn every_script_gives_what_is_written_in_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let mut wrong = Vec::new();
    let mut paths: Vec<_> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= SCRIPTS, "{} of {SCRIPTS} scripts are there", paths.len());
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let ran = golden::run(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        if ran == text {
            continue;
        }
        if env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, ran).unwrap();
            continue;
        }
        for (line, (is, should)) in (1..).zip(ran.lines().zip(text.lines())) {
            if is != should {
                println!("{name}:{line}\n  written: {should}\n  is:      {is}");
                break;
            }
        }
        wrong.push(name);
    }
    assert!(wrong.is_empty(), "scripts with other answers: {wrong:?}");
}

#[test]
fn a_line_that_is_not_understood_is_named() {
    let error = golden::run("buy a1 100 @ 1001\n\nbye a1\n").unwrap_err();
    assert_eq!((error.line, error.word.as_str()), (3, "bye"));
    let error = golden::run("buy a1 100 @ 10.01\n").unwrap_err();
    assert_eq!(error.to_string(), "line 1: not understood: \"10.01\"");
    assert!(golden::run("cancel\n").is_err());
    assert!(golden::run("cancel a1 twice\n").is_err());
}
