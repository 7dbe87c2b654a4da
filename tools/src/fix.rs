//! `vesta fix`: for whoever connects to a venue over FIX.

mod dictionary;

use clap::{Args, Subcommand};

use crate::failure::Failure;

/// For whoever connects over FIX.
#[derive(Args, Debug)]
pub struct FixCommand {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Writes the venue's dialect as a dictionary of QuickFIX: each message that it takes or sends, with each field, group
    /// and value.
    #[command(
        after_help = "Examples:\n  vesta fix dictionary 4.4 > VESTA44.xml          # DataDictionary=VESTA44.xml\n  \
                            vesta fix dictionary fixt1.1 > VESTAT11.xml     # TransportDataDictionary=VESTAT11.xml\n  \
                            vesta fix dictionary 5.0sp2 > VESTA50SP2.xml    # AppDataDictionary=VESTA50SP2.xml"
    )]
    Dictionary(dictionary::DictionaryArgs),
}

/// Runs the command.
///
/// # Errors
///
/// If nobody reads what it says.
pub fn run(args: &FixCommand) -> Result<(), Failure> {
    match &args.what {
        What::Dictionary(args) => dictionary::dictionary(args),
    }
}
