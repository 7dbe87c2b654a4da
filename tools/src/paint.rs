//! Colours, only where a terminal shows them.

use std::io::IsTerminal;

use clap::ValueEnum;

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Somebody asked.
    Asked,
    /// Two orders traded.
    Traded,
    /// The market says no.
    Refused,
    /// An order stopped being one.
    Gone,
    /// Anything else.
    Plain,
}

/// Colours lines, or leaves them as they are.
#[derive(Clone, Copy, Debug)]
pub struct Paint(Option<()>);

impl Paint {
    /// For stdout.
    #[must_use]
    pub fn new(when: ColorWhen) -> Paint {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colors = match when {
            ColorWhen::Auto => !unwanted && std::io::stdout().is_terminal(),
            ColorWhen::Always => true,
            ColorWhen::Never => false,
        };
        Paint(colors.then_some(()))
    }

    /// `text` in the colour of `tone`.
    #[must_use]
    pub fn paint(self, tone: Tone, text: String) -> String {
        let code = match tone {
            Tone::Asked => "1",
            Tone::Traded => "32",
            Tone::Refused => "31",
            Tone::Gone => "33",
            Tone::Plain => return text,
        };
        match self.0 {
            Some(()) => format!("\x1b[{code}m{text}\x1b[0m"),
            None => text,
        }
    }
}
