//! `vesta fix dictionary`.

use clap::{Args, ValueEnum};
use gateway::fix::dictionary::QuickFix;

use crate::failure::Failure;
use crate::output::Lines;

#[derive(Args, Debug)]
pub(super) struct DictionaryArgs {
    /// Of which version; FIX 5.0 SP2 has two files, its session layer is fixt1.1.
    version: File,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum File {
    #[value(name = "4.2")]
    Fix42,
    #[value(name = "4.4")]
    Fix44,
    #[value(name = "fixt1.1")]
    Fixt11,
    #[value(name = "5.0sp2")]
    Fix50Sp2,
}

pub(super) fn dictionary(args: &DictionaryArgs) -> Result<(), Failure> {
    let file = match args.version {
        File::Fix42 => QuickFix::Fix42,
        File::Fix44 => QuickFix::Fix44,
        File::Fixt11 => QuickFix::Fixt11,
        File::Fix50Sp2 => QuickFix::Fix50Sp2,
    };
    let mut lines = Lines::new();
    lines.line(format_args!("{}", file.to_string().trim_end()))?;
    lines.end()
}
