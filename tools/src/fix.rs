//! `vesta fix`: for whoever connects to a venue over FIX.

mod command;
mod connect;
mod desk;
mod dictionary;
mod link;

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
    /// A session by hand, or from a script: enter, replace and cancel orders, watch what is told.
    ///
    /// Commands are read from the terminal, or line by line from a pipe: then each request waits for its answer, and the exit
    /// code is 1 if one was refused. `help` lists them.
    #[command(after_help = CONNECT_EXAMPLES)]
    Connect(Box<connect::ConnectArgs>),
    /// Writes the venue's dialect as a dictionary of QuickFIX: each message that it takes or sends, with each field, group
    /// and value.
    #[command(
        after_help = "Examples:\n  vesta fix dictionary 4.4 > VESTA44.xml          # DataDictionary=VESTA44.xml\n  \
                            vesta fix dictionary fixt1.1 > VESTAT11.xml     # TransportDataDictionary=VESTAT11.xml\n  \
                            vesta fix dictionary 5.0sp2 > VESTA50SP2.xml    # AppDataDictionary=VESTA50SP2.xml"
    )]
    Dictionary(dictionary::DictionaryArgs),
}

const CONNECT_EXAMPLES: &str = "\
Examples:
  vesta fix connect 127.0.0.1:5001 --sender CLIENT1
  vesta fix connect 127.0.0.1:5001 --sender CLIENT1 --numbers client1.numbers --fix 5.0sp2
  vesta fix connect 203.0.113.7:5002 --sender CLIENT1 --tls ca.pem --server-name fix.example --ask-password
  printf 'buy BTC-USD 1 @ 100\\nwatch 5\\ncancel all\\n' | vesta fix connect 127.0.0.1:5001 --sender CLIENT1 --json";

/// Runs the command.
///
/// # Errors
///
/// If the venue does not answer, a request was refused, or nobody reads what is said.
pub fn run(args: &FixCommand) -> Result<(), Failure> {
    match &args.what {
        What::Connect(args) => connect::connect(args),
        What::Dictionary(args) => dictionary::dictionary(args),
    }
}
