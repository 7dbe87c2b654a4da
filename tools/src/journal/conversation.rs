//! `vesta journal print --fix SESSION`: what a session and the venue said to each other.

use gateway::fix::decode::{Fields, decode};
use serde_json::{Map, Value, json};

use super::print::StyleArgs;
use crate::export::packets::From;
use crate::export::sessions::{Of, Sessions, Sink};
use crate::failure::Failure;
use crate::filter::FilterArgs;
use crate::journal_reader::{JournalArgs, progress_beside_lines};
use crate::output::Lines;
use crate::select::Select;
use crate::text::{Rfc3339, TimeOfDay};

/// Our CompID where nobody looks at it: the journal does not hold it, and it is not shown.
const NAME: &str = "VESTA";

/// Fields that say nothing about a message but that it is one: the frame, and both ends.
const FRAME: [u32; 5] = [8, 9, 10, 49, 56];

pub(super) fn conversation(
    journal: &JournalArgs,
    filter: &FilterArgs,
    style: &StyleArgs,
) -> Result<(), Failure> {
    let mut select = Select::new(filter.filter()?);
    let (mut reader, inputs) = (journal.open()?, journal.open()?);
    // What works and what it is called is of before.
    journal.open_to_replay()?;
    select.names = journal.names(&reader);
    let bar = progress_beside_lines(reader.bytes_total());
    let spoken = Spoken { lines: Lines::new(), json: style.json, fields: Box::new(Fields::new()) };
    let mut sessions = Sessions::new(spoken, inputs, NAME);
    let read = select.read(&mut reader, &mut sessions, |at| bar.set_position(at));
    bar.finish_and_clear();
    sessions.sink.lines.end()?;
    read?;
    select.filter.end(&select.names)
}

/// Writes a message a line.
struct Spoken {
    lines: Lines,
    json: bool,
    fields: Box<Fields>,
}

impl Sink for Spoken {
    fn message(&mut self, of: &Of<'_>, from: From, message: &[u8]) -> Result<(), Failure> {
        let (message, _) = decode(message, &mut self.fields).map_err(Failure::failed)?;
        let dictionary = of.version.dictionary();
        let name = |tag| dictionary.field_name(tag).map_or_else(|| tag.to_string(), str::to_owned);
        let fields = message.iter().filter(|(tag, _)| !FRAME.contains(tag));
        let fields = fields.map(|(tag, value)| (name(tag), value.escape_ascii().to_string()));
        let msg_type = dictionary.message_name(message.msg_type()).unwrap_or("message");
        let derived = from == From::Client;
        if self.json {
            let fields: Map<String, Value> =
                fields.map(|(name, value)| (name, Value::String(value))).collect();
            let line = json!({
                "time": Rfc3339(of.at).to_string(),
                "from": if derived { &*of.comp_id } else { "venue" },
                "derived": derived,
                "message": msg_type,
                "fields": fields,
            });
            return self.lines.line(format_args!("{line}"));
        }
        let words = fields.filter(|(name, _)| name != "MsgType" && name != "SendingTime");
        let words: String = words.map(|(name, value)| format!(" {name}={value}")).collect();
        let (arrow, mark) = if derived { ('→', '~') } else { ('←', ' ') };
        let time = TimeOfDay(of.at);
        self.lines.line(format_args!("{time} {mark}{} {arrow} {msg_type}{words}", of.comp_id))
    }

    fn close(&mut self, _: &Of<'_>) -> Result<(), Failure> {
        Ok(())
    }

    fn speaks_ouch(&mut self, of: &Of<'_>) -> Result<(), Failure> {
        let what = "speaks OUCH, not FIX: `vesta journal print` has its turns";
        if self.json {
            let time = Rfc3339(of.at).to_string();
            let line = json!({ "time": time, "session": &*of.comp_id, "message": what });
            return self.lines.line(format_args!("{line}"));
        }
        self.lines.line(format_args!("{}  {} {what}", TimeOfDay(of.at), of.comp_id))
    }
}
