//! `vesta journal print --fix SESSION`: what a session and the venue said to each other.

use gateway::fix::decode::{Fields, decode};
use gateway::ouch::FromVenue;
use serde_json::{Map, Value, json};

use super::print::StyleArgs;
use crate::export::packets::From;
use crate::export::sessions::{Of, Ouch, Sessions, Sink};
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

impl Spoken {
    /// One line; `derived`: what the client sent, put together from what the journal keeps.
    fn say(
        &mut self,
        of: &Of<'_>,
        (message, derived): (&str, bool),
        fields: impl Iterator<Item = (String, String)>,
    ) -> Result<(), Failure> {
        if self.json {
            let fields: Map<String, Value> =
                fields.map(|(name, value)| (name, Value::String(value))).collect();
            let line = json!({
                "time": Rfc3339(of.at).to_string(),
                "from": if derived { &*of.comp_id } else { "venue" },
                "derived": derived,
                "message": message,
                "fields": fields,
            });
            return self.lines.line(format_args!("{line}"));
        }
        let words = fields
            .filter(|(name, _)| !matches!(name.as_str(), "MsgType" | "SendingTime" | "timestamp"));
        let words: String = words.map(|(name, value)| format!(" {name}={value}")).collect();
        let (arrow, mark) = if derived { ('→', '~') } else { ('←', ' ') };
        let time = TimeOfDay(of.at);
        self.lines.line(format_args!("{time} {mark}{} {arrow} {message}{words}", of.comp_id))
    }
}

impl Sink for Spoken {
    fn message(&mut self, of: &Of<'_>, from: From, message: &[u8]) -> Result<(), Failure> {
        let (message, _) = decode(message, &mut self.fields).map_err(Failure::failed)?;
        let dictionary = of.version.dictionary();
        let name = |tag| dictionary.field_name(tag).map_or_else(|| tag.to_string(), str::to_owned);
        let fields = message.iter().filter(|(tag, _)| !FRAME.contains(tag));
        let fields = fields.map(|(tag, value)| (name(tag), value.escape_ascii().to_string()));
        let msg_type = dictionary.message_name(message.msg_type()).unwrap_or("message");
        let fields: Vec<(String, String)> = fields.collect();
        self.say(of, (msg_type, from == From::Client), fields.into_iter())
    }

    fn close(&mut self, _: &Of<'_>) -> Result<(), Failure> {
        Ok(())
    }

    fn ouch(&mut self, of: &Of<'_>, what: &Ouch<'_>) -> Result<(), Failure> {
        let mut fields = Vec::new();
        let mut field = |name: &'static str, value: String| fields.push((name, value));
        let (name, derived) = match what {
            Ouch::Login { session, next } => {
                field("session", session.escape_ascii().to_string());
                field("next_sequence", next.to_string());
                ("LoginAccepted", false)
            }
            Ouch::Asked(message) => {
                message.show(&mut field);
                (message.name(), true)
            }
            Ouch::Said { number, message } => {
                field("sequence", number.to_string());
                let message = FromVenue::decode(message).map_err(Failure::failed)?;
                message.show(&mut field);
                (message.name(), false)
            }
            Ouch::Logout => ("Logout", true),
        };
        self.say(of, (name, derived), fields.into_iter().map(|(name, value)| (name.into(), value)))
    }
}
