#!/usr/bin/env python3
"""All mutants of the matcher in one build: `tools/test mutants all`, matcher/MUTANTS.md.

`cargo mutants` says which there are: a place, and what would stand there. Each becomes a copy of the body
of its function, chosen by a number that the program reads when it starts. What does not compile is found
by building, and left out. Then every number is run against the tests that reach its function, up to the
first that fails: those that failed often and fast so far come first."""

import argparse
import hashlib
import json
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

PACKAGE = "matcher"
REASONS = "matcher/MUTANTS.md"
# Random flows twice: a short run, which most mutants do not survive, then as long as in every test run.
KNOBS = {"VESTA_SEEDS": "2", "VESTA_COMMANDS": "300"}
READS_KNOBS = "differential::"
# Processor time that a test may take, in seconds and in times of what it took without a mutant; memory.
SECONDS, TIMES = 3, 8
# What takes no longer is run for all mutants before the rest is run for those that are left.
QUICK = 0.07
MEMORY = 6 << 30

SWITCH = """//! Which mutant this is, if any: set by the environment, read once.
use std::io::Write;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering::Relaxed};

const UNREAD: u32 = u32::MAX;
const TRACE: u32 = UNREAD - 1;
static NUMBER: AtomicU32 = AtomicU32::new(UNREAD);
static REACHED: [AtomicU8; FUNCTIONS] = [const { AtomicU8::new(0) }; FUNCTIONS];

/// In a constant no mutant is chosen: it is made before there is an environment.
pub(crate) const fn here(function: u32) -> u32 {
    std::intrinsics::const_eval_select((function,), none, chosen)
}

const fn none(_: u32) -> u32 {
    0
}

#[inline(always)]
fn chosen(function: u32) -> u32 {
    let number = NUMBER.load(Relaxed);
    if number < TRACE { number } else { unusual(function) }
}

#[cold]
fn unusual(function: u32) -> u32 {
    if NUMBER.load(Relaxed) == UNREAD {
        let number = std::env::var("VESTA_MUTANT").map_or(0, |text| text.parse().unwrap());
        NUMBER.store(if std::env::var_os("VESTA_TRACE").is_some() { TRACE } else { number }, Relaxed);
        return chosen(function);
    }
    let reached = &REACHED[function as usize];
    if reached.load(Relaxed) == 0 && reached.swap(1, Relaxed) == 0 {
        let path = std::env::var_os("VESTA_TRACE").unwrap();
        let mut file = std::fs::File::options().append(true).create(true).open(path).unwrap();
        writeln!(file, "{function}").unwrap();
    }
    0
}
"""

TOKEN = re.compile(
    r"//[^\n]*|/\*.*?\*/|b?r(#*)\".*?\"\1|[bc]?\"(?:\\.|[^\"\\])*\"|b?'(?:\\.[^']*|[^'\\])'|'\w+|\w+|.", re.S)


def say(text):
    print(f"mutants: {text}", file=sys.stderr, flush=True)


def stop(text):
    sys.exit(f"mutants: {text}")


class Source:
    """A file as the places of the list see it: lines and columns from 1, in characters."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.text = file.read()
        self.starts = [0]
        for line in self.text.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))

    def span(self, span):
        return tuple(self.starts[at["line"] - 1] + at["column"] - 1 for at in (span["start"], span["end"]))

    def body(self, start, end):
        """Where the body of the function in `start..end` is, between its braces."""
        depth, opened = 0, None
        for token in TOKEN.finditer(self.text, start, end):
            word = token.group()
            if word in ("(", "[", "{"):
                if word == "{" and depth == 0:
                    opened = token.end()
                depth += 1
            elif word in (")", "]", "}"):
                depth -= 1
        if opened is None or depth != 0 or self.text[end - 1] != "}":
            stop(f"no body in {self.text[start:end][:80]!r}")
        return opened, end - 1


class Mutant:
    def __init__(self, entry):
        self.name, self.file = entry["name"], entry["file"]
        self.replacement, self.entry = entry["replacement"], entry
        self.number = self.function = None
        # A constant is made when the program is built, and has one value in it.
        self.is_left = self.is_out = entry["function"] is None


class Function:
    """The outermost function around some mutants."""

    def __init__(self, span):
        self.span, self.mutants = span, []


def listed(root, filters):
    command = ["cargo", "mutants", "--package", PACKAGE, "--list", "--json", *filters]
    return [Mutant(entry) for entry in json.loads(subprocess.check_output(command, cwd=root))]


def functions_of(source, mutants):
    """The functions of a file that have mutants, in order; those inside of another belong to it."""
    spans = {source.span(mutant.entry["function"]["span"]) for mutant in mutants}
    functions = []
    for span in sorted(spans, key=lambda span: (span[0], -span[1])):
        if not functions or span[0] >= functions[-1].span[1]:
            functions.append(Function(span))
    for mutant in mutants:
        start, end = source.span(mutant.entry["span"])
        functions_around = [f for f in functions if f.span[0] <= start and end <= f.span[1]]
        functions_around[0].mutants.append(mutant)
    return functions


def boxed(signature):
    """A signature whose bodies may have different types, where it gave an `impl Iterator`; else None."""
    found = re.search(r"->\s*impl Iterator<Item\s*=\s*(.*?)>(?:\s*\+\s*use<(.*?)>)?\s*\{$", signature, re.S)
    if not found:
        return None
    item, captured = found.groups()
    if captured is None:
        lifetimes = set(re.findall(r"'\w+", signature[:found.start()]))
        captured = lifetimes.pop() if len(lifetimes) == 1 else "'_"
    captured = captured or "'static"
    return f"{signature[:found.start()]}-> Box<dyn Iterator<Item = {item}> + {captured}> {{"


class Tree:
    """The workspace over again, with the mutants in it."""

    def __init__(self, root, scratch, mutants):
        self.root, self.path = root, os.path.join(scratch, "tree")
        # By number: where the function is, which is its name.
        self.files, self.functions = {}, []
        number = 0
        for path in sorted({mutant.file for mutant in mutants}):
            source = Source(os.path.join(root, path))
            functions = functions_of(source, [mutant for mutant in mutants if mutant.file == path])
            for function in functions:
                function.number = len(self.functions)
                named = [m for m in function.mutants if source.span(m.entry["function"]["span"]) == function.span]
                name = f"{path}: {named[0].entry['function']['function_name'] if named else function.span[0]}"
                again = sum(1 for other in self.functions if other.partition(" #")[0] == name)
                self.functions.append(f"{name} #{again}")
                for mutant in function.mutants:
                    number += 1
                    mutant.number, mutant.function = number, self.functions[-1]
            self.files[path] = (source, functions)
        self.copies = {}

    def copy(self):
        """Brings the copy up to date; what did not change keeps its time, so that cargo sees that."""
        kept = set()
        for folder, folders, names in os.walk(self.root):
            folders[:] = [name for name in folders if name not in ("target", ".git", "mutants.out")]
            for name in names:
                path = os.path.relpath(os.path.join(folder, name), self.root)
                kept.add(path)
                if path in self.files or path == f"{PACKAGE}/src/lib.rs":
                    continue
                with open(os.path.join(self.root, path), "rb") as file:
                    self.put(path, file.read())
        for folder, _, names in os.walk(self.path):
            for name in names:
                path = os.path.relpath(os.path.join(folder, name), self.path)
                if path not in kept and path != f"{PACKAGE}/src/mutant.rs":
                    os.remove(os.path.join(self.path, path))
        self.put(f"{PACKAGE}/src/mutant.rs",
                 SWITCH.replace("FUNCTIONS]", f"{len(self.functions)}]").replace("FUNCTIONS;", "").encode())
        with open(os.path.join(self.root, f"{PACKAGE}/src/lib.rs"), encoding="utf-8") as file:
            lib = file.read()
        features = "#![feature(core_intrinsics, const_eval_select)]\n#![allow(internal_features)]\n"
        self.put(f"{PACKAGE}/src/lib.rs", f"{features}{lib}\nmod mutant;\n".encode())

    def put(self, path, data):
        path = os.path.join(self.path, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if os.path.exists(path):
            with open(path, "rb") as file:
                if file.read() == data:
                    return
        with open(path, "wb") as file:
            file.write(data)

    def write(self):
        """Writes the files that have mutants, and notes in which lines each copy of a body is."""
        for path, (source, functions) in self.files.items():
            text, copies, at, line = [], [], 0, 1

            def put(piece):
                nonlocal line
                text.append(piece)
                line += piece.count("\n")

            for function in functions:
                mutants = [mutant for mutant in function.mutants if not mutant.is_out]
                if not mutants:
                    continue
                start, end = source.body(*function.span)
                signature = source.text[function.span[0]:start]
                box = boxed(signature)
                put(source.text[at:function.span[0]] + (box or signature))
                opening, closing = ("{ Box::new({", "}) }\n") if box else ("{", "}\n")
                first, last = mutants[0].number, mutants[-1].number
                # The original first: what it gives is the type of all.
                put(f"match crate::mutant::here({function.number}) {{ 0..{first} | {last + 1}.. => {opening}")
                put(source.text[start:end])
                put(closing)
                for mutant in mutants:
                    since = line
                    begin, finish = source.span(mutant.entry["span"])
                    put(f"{mutant.number} => {opening}")
                    put(source.text[start:begin] + " " + mutant.replacement + " " + source.text[finish:end])
                    put(closing)
                    copies.append((since, line - 1, mutant))
                put("_ => unreachable!() }")
                at = end
            put(source.text[at:])
            # A body with copies is too long for it; and what is not inlined is built once.
            whole = re.sub(r"#\[inline(\(always\))?\]", "", "".join(text))
            self.copies[path] = copies
            self.put(path, whole.encode())

    def gives_up_boxes(self):
        """Leaves the functions that have to be boxed as they are, where that does not compile; whether any."""
        boxes = [mutant for source, functions in self.files.values() for function in functions
                 if boxed(source.text[function.span[0]:source.body(*function.span)[0]])
                 for mutant in function.mutants if not mutant.is_out]
        for mutant in boxes:
            mutant.is_left = mutant.is_out = True
        return bool(boxes)

    def blame(self, message):
        """The mutants that an error of the compiler is about."""
        found, spans = [], list(message["spans"])
        for child in message["children"]:
            spans += child["spans"]
        for span in sorted(spans, key=lambda span: not span["is_primary"]):
            for since, until, mutant in self.copies.get(span["file_name"], []):
                if since <= span["line_start"] <= until and span["line_end"] <= until:
                    found.append(mutant)
            if found:
                break
        return found


def environment(scratch, **more):
    flags = "--cap-lints=allow"
    return dict(os.environ, RUSTC_BOOTSTRAP="1", RUSTFLAGS=flags, CARGO_TARGET_DIR=os.path.join(scratch, "built"),
                CARGO_PROFILE_MUTANTS_INCREMENTAL="false", **more)


def build(tree, scratch, jobs):
    """Builds the tests; leaves out what does not compile, round by round. Gives the test programs."""
    cargo = ["cargo", "--config", "term.quiet=false"]
    common = ["--package", PACKAGE, "--profile", "mutants", "--locked", "--message-format=json", f"-j{jobs}"]
    steps = [["check", "--lib", "--features", "testing"], ["test", "--no-run", "--lib", "--test", "it"]]
    while steps:
        tree.write()
        ran = subprocess.run([*cargo, *steps[0], *common], cwd=tree.path, env=environment(scratch),
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        told = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]
        if ran.returncode == 0:
            steps.pop(0)
            continue
        errors = [one["message"] for one in told
                  if one["reason"] == "compiler-message" and one["message"]["level"].startswith("error")]
        out = {mutant.number: mutant for error in errors for mutant in tree.blame(error)}
        for mutant in out.values():
            mutant.is_out = True
        say(f"{len(out)} do not compile")
        if not out and tree.gives_up_boxes():
            say("functions that give an iterator are left out")
        elif not out:
            stop("the tests do not build:\n" + "\n".join(error["rendered"] for error in errors[:5]))
    return [one["executable"] for one in told if one["reason"] == "compiler-artifact" and one["executable"]]


class Case:
    """A test, run in a way."""

    def __init__(self, program, test, knobs):
        self.program, self.test, self.knobs = program, test, knobs
        self.name = test + (" (short)" if knobs else "")
        self.seconds, self.reached = 0.0, set()
        self.runs = self.notices = 0

    def run(self, tree, scratch, **more):
        """`passed`, `failed` or `timeout`, and the processor time."""
        limit = SECONDS + int(TIMES * self.seconds) if self.seconds else 600
        began = Child()
        child = subprocess.Popen(
            [self.program, "--exact", self.test, "--test-threads=1"], cwd=os.path.join(tree.path, PACKAGE),
            env=dict(os.environ, VESTA_SHRINK="0", **self.knobs, **more), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        resource.prlimit(child.pid, resource.RLIMIT_CPU, (limit, limit))
        resource.prlimit(child.pid, resource.RLIMIT_AS, (MEMORY, MEMORY))
        code, used = began.wait(child, 20 * limit + 60)
        if code == 0:
            return "passed", used
        return ("timeout" if code in (-signal.SIGXCPU, -signal.SIGKILL) else "failed"), used


class Child:
    """Waits for a process, and for no longer than it may take; gives what it used of the processor."""

    def wait(self, child, wall):
        ended = threading.Event()

        def watch():
            # Second by second: while this program and its tests are stopped, no time goes by.
            if not any(ended.wait(1) for _ in range(wall)):
                os.kill(child.pid, signal.SIGKILL)

        watcher = threading.Thread(target=watch)
        watcher.start()
        _, status, used = os.wait4(child.pid, 0)
        ended.set()
        watcher.join()
        child.returncode = os.waitstatus_to_exitcode(status)
        return child.returncode, used.ru_utime + used.ru_stime


def cases_of(programs, tree, scratch, files, jobs):
    """Every test, what it costs without a mutant, and which functions it reaches."""
    cases, known = [], os.path.join(scratch, "cases.json")
    for program in programs:
        listed = subprocess.check_output([program, "--list", "--format", "terse"], text=True)
        for line in listed.splitlines():
            if line.endswith(": test"):
                test = line.removesuffix(": test")
                if test.startswith(READS_KNOBS):
                    cases.append(Case(program, test, KNOBS))
                cases.append(Case(program, test, {}))
    # What is known stays known while the file of the function is what it was, and the tests are.
    old, tests = load(known), digests(tree.root, is_test)
    if old.get("tests") != tests:
        old = {}
    fresh = changed(old.get("files", {}), files)
    functions = [name for name in old.get("functions", []) if name.split(":")[0] not in fresh]
    new = [case for case in cases if case.name not in old.get("cases", {})] if functions else cases
    with ThreadPoolExecutor(jobs) as pool:
        measured = dict(zip([case.name for case in new], pool.map(lambda it: measure(it, tree, scratch), new)))
    measured = {**(old["cases"] if functions else {}), **measured}
    if not functions:
        save(known, {"files": files, "tests": tests, "functions": tree.functions, "cases": measured})
    elif new:
        save(known, {**old, "cases": measured})
    anybodys = set(tree.functions) - set(functions or tree.functions)
    for case in cases:
        case.seconds, reached = measured[case.name]
        case.reached = set(reached) | anybodys
    return cases


def measure(case, tree, scratch):
    trace, reached = os.path.join(scratch, f"trace-{threading.get_ident()}"), []
    outcomes = [case.run(tree, scratch, VESTA_TRACE=trace), case.run(tree, scratch)]
    if [outcome for outcome, _ in outcomes] != ["passed", "passed"]:
        stop(f"{case.name} does not pass without a mutant")
    if os.path.exists(trace):
        with open(trace, encoding="utf-8") as file:
            reached = [tree.functions[int(line)] for line in file]
        os.remove(trace)
    return max(outcomes[1][1], 0.002), reached


def load(path):
    if not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def save(path, data):
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(data, file, indent=0)
    os.replace(path + ".new", path)


def digests(root, is_counted):
    """What the files of the package hold, by path."""
    found = {}
    for folder, _, names in os.walk(os.path.join(root, PACKAGE)):
        for name in names:
            path = os.path.relpath(os.path.join(folder, name), root)
            if is_counted(path):
                with open(os.path.join(root, path), "rb") as file:
                    found[path] = hashlib.sha256(file.read()).hexdigest()
    return dict(sorted(found.items()))


def changed(old, new):
    """The files that are not what they were."""
    return {path for path in old.keys() | new.keys() if old.get(path) != new.get(path)}


def is_source(path):
    return path.startswith(f"{PACKAGE}/src/") and not is_test(path)


def is_test(path):
    return (not path.endswith(".md")) and (
        path.startswith((f"{PACKAGE}/tests/", f"{PACKAGE}/src/testing/")) or path.endswith("/tests.rs"))


class Results:
    """What came of each mutant so far, on disk: the next run goes on from there."""

    def __init__(self, root, scratch, afresh):
        self.path = os.path.join(scratch, "results.json")
        self.lock = threading.Lock()
        files, tests = digests(root, is_source), digests(root, is_test)
        old = {} if afresh else load(self.path)
        # What was noticed stays so while its own file is what it was.
        fresh = changed(old.get("files", {}), files)
        outcomes = {name: one for name, one in old.get("outcomes", {}).items() if name.split(":")[0] not in fresh}
        if old.get("tests") != tests:
            outcomes = {name: one for name, one in outcomes.items() if one[0] in ("failed", "timeout")}
        self.data = {"files": files, "tests": tests, "outcomes": outcomes}

    def get(self, name):
        return self.data["outcomes"].get(name, [None])[0]

    def put(self, name, outcome, by):
        with self.lock:
            self.data["outcomes"][name] = [outcome, by]

    def save(self):
        with self.lock:
            save(self.path, self.data)


def hold(mutant, cases, is_last, tree, scratch, results):
    """Runs a mutant against those of these tests that reach it, up to the first that fails."""
    def promise(case):
        return (case.notices + 1) / (case.runs + 4) / (case.seconds + 0.005)

    for case in sorted((case for case in cases if mutant.function in case.reached), key=promise, reverse=True):
        outcome, _ = case.run(tree, scratch, VESTA_MUTANT=str(mutant.number))
        case.runs += 1
        if outcome != "passed":
            case.notices += 1
            results.put(mutant.name, outcome, case.name)
            return
    results.put(mutant.name, "missed" if is_last else "quick", None)


def without_place(name):
    return re.sub(r":\d+:\d+: ", ": ", name, count=1)


def reasons_in(root):
    """The mutants that no test can notice, by the names that have a reason."""
    with open(os.path.join(root, REASONS), encoding="utf-8") as file:
        return set(re.findall(r"`([^`]+)`", re.sub(r"\s+", " ", file.read())))


def report(root, scratch, mutants, wanted, results):
    """Writes the lists of all, and says whether every wanted mutant that no test notices has its reason."""
    named = reasons_in(root)
    kinds = {"failed": [], "timeout": [], "missed": [], "no-program": [], "left": [], "quick": [], "open": []}
    for mutant in mutants:
        kind = "left" if mutant.is_left else "no-program" if mutant.is_out else results.get(mutant.name) or "open"
        kinds[kind].append(mutant.name)
    for kind, names in kinds.items():
        with open(os.path.join(scratch, f"{kind}.txt"), "w", encoding="utf-8") as file:
            file.writelines(name + "\n" for name in names)
    say(", ".join(f"{kind} {len(names)}" for kind, names in kinds.items()) + f", all {len(mutants)}; in {scratch}")
    unnoticed = kinds["missed"] + kinds["quick"]
    plain = {without_place(name) for name in unnoticed}
    unexplained = [name for name in unnoticed if name in wanted and without_place(name) not in named]
    for name in unexplained:
        say(f"no test notices {name}")
    if not kinds["open"]:
        known = {without_place(mutant.name) for mutant in mutants}
        elsewhere = {without_place(name) for name in kinds["left"]}
        for name in sorted(name for name in named if name.startswith(f"{PACKAGE}/src/") and ": " in name):
            if name not in known:
                say(f"{REASONS} has a reason for what is no mutant any more: {name}")
            elif name not in plain and name not in elsewhere:
                say(f"{REASONS} has a reason for what a test notices: {name}")
    return bool(unexplained)


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--seconds", type=float, default=float("inf"),
                         help="begin no mutant after so long; the next run goes on")
    options.add_argument("--jobs", type=int, default=2, help="mutants at a time (default 2)")
    options.add_argument("--quick", action="store_true", help="leave out the tests that take long")
    options.add_argument("--thorough", action="store_true",
                         help="hold what has a reason against the tests that take long, too")
    options.add_argument("--afresh", action="store_true", help="forget what earlier runs found")
    options.add_argument("--names", metavar="FILE", help="only those in this list of their names, one a line")
    options.add_argument("filters", nargs="*", help="behind `--`, for cargo mutants: -f FILE, -F REGEX")
    asked = options.parse_args()
    began = time.monotonic()
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    scratch = os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(root, "target")), "mutants-all")
    os.makedirs(scratch, exist_ok=True)
    mutants = listed(root, [])
    wanted = {mutant.name for mutant in (listed(root, asked.filters) if asked.filters else mutants)}
    if asked.names:
        with open(asked.names, encoding="utf-8") as file:
            wanted &= set(file.read().splitlines())
    tree = Tree(root, scratch, [mutant for mutant in mutants if not mutant.is_out])
    tree.copy()
    known = os.path.join(scratch, "out.json")
    results = Results(root, scratch, asked.afresh)
    # What did not compile does not have to be found again.
    found, files = load(known), results.data["files"]
    fresh = changed(found.get("files", {}), files)
    for mutant in mutants:
        mutant.is_out = mutant.is_out or mutant.name in found.get("out", []) and mutant.file not in fresh
    programs = build(tree, scratch, asked.jobs)
    save(known, {"files": files, "out": [mutant.name for mutant in mutants if mutant.is_out]})
    say(f"built after {time.monotonic() - began:.0f} s")
    if asked.afresh and os.path.exists(os.path.join(scratch, "cases.json")):
        os.remove(os.path.join(scratch, "cases.json"))
    cases = cases_of(programs, tree, scratch, files, asked.jobs)
    say(f"{len(cases)} tests take {sum(case.seconds for case in cases):.0f} s without a mutant")

    def run(mutants_to_run, some, is_last):
        def one(mutant):
            if some and time.monotonic() - began < asked.seconds:
                hold(mutant, some, is_last, tree, scratch, results)

        with ThreadPoolExecutor(asked.jobs) as pool:
            for done, _ in enumerate(pool.map(one, mutants_to_run), 1):
                if done % 20 == 0:
                    results.save()
        results.save()

    open_ones = [mutant for mutant in mutants if not mutant.is_out and mutant.name in wanted]
    quick = [case for case in cases if case.seconds <= QUICK]
    run([mutant for mutant in open_ones if results.get(mutant.name) is None], quick, False)
    # What has a reason needs no more; with `--thorough` it is held against everything too.
    reasons = set() if asked.thorough else reasons_in(root)
    run([mutant for mutant in open_ones
         if results.get(mutant.name) == "quick" and without_place(mutant.name) not in reasons],
        [case for case in cases if case.seconds > QUICK] if not asked.quick else [], True)
    unexplained = report(root, scratch, mutants, wanted, results)
    sys.exit(1 if unexplained else 0)


if __name__ == "__main__":
    main()
