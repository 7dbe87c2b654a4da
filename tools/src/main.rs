//! `vesta`: an exchange in one binary. Parses the command line and hands over.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tools::{
    book, check_config, demo, diff, explain, export, fix, import, journal, load, news, output,
    password, play, reload, replay, serve, simulate, watch,
};
use venue::huge_pages::HugePages;

#[global_allocator]
static MEMORY: HugePages = HugePages;

/// An exchange matching core with its FIX gateway.
///
/// Exit codes: 0 what was asked holds, 1 it does not, 2 wrong usage or configuration.
#[derive(Parser)]
#[command(name = "vesta", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Serve(serve::ServeArgs),
    CheckConfig(check_config::CheckConfigArgs),
    News(news::NewsArgs),
    Reload(reload::ReloadArgs),
    Password(password::PasswordArgs),
    Demo(demo::DemoArgs),
    Play(play::PlayArgs),
    Load(load::LoadArgs),
    Replay(replay::ReplayArgs),
    Journal(journal::JournalCommand),
    Book(book::BookArgs),
    Explain(explain::ExplainArgs),
    Diff(diff::DiffArgs),
    Export(export::ExportArgs),
    Import(import::ImportArgs),
    Fix(fix::FixCommand),
    Watch(watch::WatchArgs),
    Simulate(simulate::SimulateArgs),
}

fn main() -> ExitCode {
    let command = Cli::parse().command;
    // What a venue says of itself is not what it was run for.
    let is_for_its_output = !matches!(command, Command::Serve(_));
    let result = match command {
        Command::Serve(args) => serve::run(&args),
        Command::CheckConfig(args) => check_config::run(&args),
        Command::News(args) => news::run(&args),
        Command::Reload(args) => reload::run(&args),
        Command::Password(args) => password::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Play(args) => play::command(&args),
        Command::Load(args) => load::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Journal(args) => journal::run(&args),
        Command::Book(args) => book::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Fix(args) => fix::run(&args),
        Command::Watch(args) => watch::run(&args),
        Command::Simulate(args) => simulate::run(&args),
    };
    let result = result.and_then(|()| if is_for_its_output { output::finish() } else { Ok(()) });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !matches!(failure, tools::failure::Failure::NobodyReads) {
                eprintln!("vesta: {failure}");
            }
            failure.exit_code()
        }
    }
}
