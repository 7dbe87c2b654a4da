//! How a command ends when it does not end well.

use std::fmt;
use std::process::ExitCode;

/// Why a command ends with another exit code than 0. The text is one line for a person, without the
/// name of the program.
#[derive(Debug)]
pub enum Failure {
    /// What it checks does not hold, or the outside kept it from going on: exit code 1.
    Failed(String),
    /// It was called wrongly or with a configuration that cannot be used: exit code 2.
    Usage(String),
    /// Whoever read our output is gone: nothing is wrong and nobody is left to tell.
    NobodyReads,
}

impl Failure {
    /// A check that does not hold, or an outside that does not let us go on.
    pub fn failed(why: impl fmt::Display) -> Failure {
        Failure::Failed(why.to_string())
    }

    /// A wrong call or configuration.
    pub fn usage(why: impl fmt::Display) -> Failure {
        Failure::Usage(why.to_string())
    }

    /// The process's exit code.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Failure::Failed(_) => ExitCode::from(1),
            Failure::Usage(_) => ExitCode::from(2),
            Failure::NobodyReads => ExitCode::SUCCESS,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Failed(why) | Failure::Usage(why) => f.write_str(why),
            Failure::NobodyReads => f.write_str("the output is closed"),
        }
    }
}
