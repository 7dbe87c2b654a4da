//! A difference in words: request, events and book on both sides, and other rules.

use matcher::{BookLevel, Command, Engine, Event, InstrumentId, Side};
use serde_json::{Value, json};
use venue::Names;
use venue::turns::{Follower, TurnHead};

use super::side::{Rerun, Source, Turn};
use crate::describe;
use crate::failure::Failure;
use crate::journal_reader::JournalArgs;
use crate::scan::rules;
use crate::text::{self, Rfc3339};

/// What is printed of a difference.
pub(super) struct Told {
    pub(super) lines: Vec<String>,
    pub(super) json: Value,
    /// In one line.
    pub(super) short: String,
}

/// What two journals say of rules and names.
#[derive(Default)]
pub(super) struct Config {
    pub(super) lines: Vec<String>,
    pub(super) json: Value,
}

/// Tells the difference of two turns; where `b` is no journal it is a re-run of `a`. `words` are what the two sides
/// are called.
pub(super) fn tell(
    a: &JournalArgs,
    b: Option<&JournalArgs>,
    (one, other): (Option<&Turn>, Option<&Turn>),
    (word_a, word_b): (&str, &str),
    levels: usize,
) -> Result<Told, Failure> {
    let sequence = one.or(other).map_or(0, |turn| turn.sequence);
    let (names, before, after_a, id) = around(a, sequence, one.or(other), levels)?;
    let after_b = match (b, other) {
        (Some(b), Some(turn)) => around(b, sequence, Some(turn), levels)?.2,
        _ => after_a.clone(),
    };
    let text_a = one.map(|turn| records(turn, &names)).transpose()?;
    let text_b = other.map(|turn| records(turn, &names)).transpose()?;
    let texts = (text_a.as_ref(), text_b.as_ref());
    let short = short(sequence, (one, other), texts, (word_a, word_b));
    let mut lines = vec![short.clone()];
    for (word, text, against) in [(word_a, &text_a, &text_b), (word_b, &text_b, &text_a)] {
        match text {
            None => lines.push(format!("{word}: has ended")),
            Some(text) => {
                lines.push(format!("{word}:"));
                for (index, line) in text.iter().enumerate() {
                    let same = against.as_ref().and_then(|it| it.get(index)) == Some(line);
                    lines.push(format!("  {} {line}", if same { " " } else { "≠" }));
                }
            }
        }
    }
    let symbol = id.map_or("", |id| describe::symbol(id, &names));
    if id.is_some() {
        lines.push(format!("book of {symbol} before it, as this build has it:"));
        lines.extend(before.iter().map(|line| format!("    {line}")));
        lines.push(format!("after it, by the request of {word_a}:"));
        lines.extend(after_a.iter().map(|line| format!("    {line}")));
        if after_b != after_a {
            lines.push(format!("after it, by the request of {word_b}:"));
            lines.extend(after_b.iter().map(|line| format!("    {line}")));
        }
    }
    let json = json!({
        "sequence": sequence,
        "why": short,
        "a": text_a,
        "b": text_b,
        "symbol": symbol,
        "book_before": before,
        "book_after_a": after_a,
        "book_after_b": after_b,
    });
    Ok(Told { lines, json, short })
}

fn short(
    sequence: u64,
    (one, other): (Option<&Turn>, Option<&Turn>),
    (text_a, text_b): (Option<&Vec<String>>, Option<&Vec<String>>),
    (word_a, word_b): (&str, &str),
) -> String {
    let (Some(one), Some(other)) = (one, other) else {
        let (ends, goes_on) = if one.is_none() { (word_a, word_b) } else { (word_b, word_a) };
        return format!("{ends} ends before sequence {sequence}, {goes_on} goes on");
    };
    let (Some(text_a), Some(text_b)) = (text_a, text_b) else { return String::new() };
    let asked =
        |text: &[String]| text.first().and_then(|it| it.split_once(' ')).map(|it| it.1.to_owned());
    let same_request = asked(text_a) == asked(text_b);
    if one.is_same(other) {
        return format!("the time differs at sequence {sequence}");
    }
    if !same_request {
        return format!("the request differs at sequence {sequence}");
    }
    let longest = text_a.len().max(text_b.len());
    let Some(index) = (1..longest).find(|index| text_a.get(*index) != text_b.get(*index)) else {
        return format!("bytes of request or events differ at sequence {sequence}");
    };
    let event = |text: &[String]| text.get(index).map_or("no event", String::as_str).to_owned();
    format!(
        "differs at sequence {sequence}, event {}: {word_a} has \"{}\", {word_b} has \"{}\"",
        index - 1,
        event(text_a),
        event(text_b)
    )
}

/// Request and events of a turn, a line each.
fn records(turn: &Turn, names: &Names) -> Result<Vec<String>, Failure> {
    let (input, attachment) = turn.input()?;
    let asked = describe::asked(&input, attachment, names);
    let mut lines = vec![format!("{} {asked}", Rfc3339(input.timestamp))];
    lines.extend(turn.events()?.iter().map(|event| describe::event(event, names)));
    Ok(lines)
}

/// Names, the book before and after the turn `sequence` of a journal, and of which instrument.
type Around = (Names, Vec<String>, Vec<String>, Option<InstrumentId>);

fn around(
    journal: &JournalArgs,
    sequence: u64,
    turn: Option<&Turn>,
    levels: usize,
) -> Result<Around, Failure> {
    let mut rerun = Rerun::new(journal.open_to_replay()?);
    let mut names = Names::default();
    let mut before = None;
    let id = match turn {
        Some(turn) => concerned(turn)?,
        None => None,
    };
    let show = |engine: &Engine, names: &Names| match id {
        Some(id) => book(engine, id, levels, names),
        None => Vec::new(),
    };
    let mut known = rules(journal)?.into_iter().peekable();
    loop {
        let at = rerun.turn().sequence;
        while let Some(head) = known.next_if(|head| head.input.sequence.0 <= at + 1) {
            let event = match head.input.command {
                Command::DefineSession { id, .. } => Event::SessionDefined { id },
                Command::DefineInstrument { id, .. } => Event::InstrumentDefined { id },
                _ => continue,
            };
            names.event(&head, 0, &event);
        }
        if at + 1 >= sequence && before.is_none() {
            before = Some(show(rerun.engine(), &names));
        }
        if at >= sequence || !rerun.next()? {
            break;
        }
    }
    let after = show(rerun.engine(), &names);
    Ok((names, before.unwrap_or_default(), after, id))
}

/// The instrument that a turn is about.
fn concerned(turn: &Turn) -> Result<Option<InstrumentId>, Failure> {
    let named = describe::command_instrument(&turn.input()?.0.command);
    let told = turn.events()?.iter().find_map(describe::event_instrument);
    Ok(named.or(told).filter(|id| *id != InstrumentId::NONE))
}

/// The best levels of a book, as on a screen.
fn book(engine: &Engine, id: InstrumentId, levels: usize, names: &Names) -> Vec<String> {
    let Some(book) = engine.book(id) else { return vec!["there is none".into()] };
    let line = |word: &str, level: &BookLevel| {
        let price = describe::price(level.price, id, names);
        let qty = describe::qty(level.qty, id, names);
        format!("{word} {price:>16} {qty:>16} {:>8}", level.orders)
    };
    let mut lines: Vec<String> =
        book.levels(Side::Sell).take(levels).map(|level| line("ask", &level)).collect();
    lines.reverse();
    lines.extend(book.levels(Side::Buy).take(levels).map(|level| line("bid", &level)));
    if lines.is_empty() {
        lines.push("empty".into());
    }
    lines
}

/// What the one journal says of rules and names and the other does not.
pub(super) fn config(a: &JournalArgs, b: &JournalArgs) -> Result<Config, Failure> {
    let lines_of = |journal: &JournalArgs| -> Result<Vec<String>, Failure> {
        let mut names = Names::default();
        let mut lines = Vec::new();
        for head in rules(journal)? {
            match head.input.command {
                Command::DefineSession { id, .. } => {
                    names.event(&head, 0, &Event::SessionDefined { id });
                }
                Command::DefineInstrument { id, .. } => {
                    names.event(&head, 0, &Event::InstrumentDefined { id });
                }
                _ => {}
            }
            lines.push(rule(&head, &names));
        }
        Ok(lines)
    };
    let (of_a, of_b) = (lines_of(a)?, lines_of(b)?);
    let only = |of: &[String], other: &[String]| -> Vec<String> {
        of.iter().filter(|rule| !other.contains(rule)).cloned().collect()
    };
    let (only_a, only_b) = (only(&of_a, &of_b), only(&of_b, &of_a));
    let mut lines = Vec::new();
    for (word, only) in [("A", &only_a), ("B", &only_b)] {
        lines.extend(only.iter().map(|rule| format!("rule of {word} alone: {rule}")));
    }
    Ok(Config { lines, json: json!({ "only_a": only_a, "only_b": only_b }) })
}

fn rule(head: &TurnHead, names: &Names) -> String {
    match &head.input.command {
        Command::DefineInstrument { instrument, .. } => format!(
            "{} qty {} to {} price {} to {}",
            describe::command(&head.input.command, names),
            text::qty(instrument.qty_min, instrument),
            text::qty(instrument.qty_max, instrument),
            text::price(instrument.price_min, instrument),
            text::price(instrument.price_max, instrument)
        ),
        _ => describe::input(head, names),
    }
}
