//! The one binary: a node, a local cluster, a runner, and the commands that speak to a cluster. A module knows only of those
//! below it:
//!
//! ```text
//! cli          the tree of the commands
//! failure      what went wrong becomes words and an exit code … tips: what was meant
//! completions, manual             what is made of the tree
//! serve/       a node … dev/, demo/, bench/: several on this machine … run: a runner
//! restore, recover     the data directory of a node that does not run … token/, cert/: what it knows its callers and peers by
//! job/, operation/, queue/, worker/, cluster/, backup/, health  what speaks to a cluster … target: to which, and how
//! wrong_usage  what cannot be … hint: what to do … environment: settings from variables … ending: signals … runtime: threads
//! logging, output                 what is said … background, clean: by a thread, without steering a terminal
//! duration, number, limits        values and their bounds … exit_code
//! ```

#![deny(clippy::print_stdout, clippy::print_stderr, reason = "they panic where nobody reads them")]

mod background;
mod backup;
mod bench;
mod cert;
mod clean;
mod cli;
mod cluster;
mod completions;
mod demo;
mod dev;
mod duration;
mod ending;
mod environment;
mod exit_code;
mod failure;
mod health;
mod hint;
mod job;
mod limits;
mod logging;
mod manual;
mod names;
mod number;
mod operation;
mod output;
mod patience;
mod peer_list;
mod peer_tls;
mod private;
mod queue;
mod recover;
mod restore;
mod run;
mod runtime;
mod serve;
mod target;
mod tips;
mod token;
mod worker;
mod wrong_usage;

use std::process::ExitCode;

use clap::CommandFactory;
use cli::{Cli, Command};

/// The C library's allocator takes a tenth of a busy node's processor time: docs/performance.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    let program = Cli::command();
    let (cli, environment) = match environment::parse::<Cli>(&program, &args) {
        Ok(parsed) => parsed,
        Err(mut usage) => {
            tips::add(&mut usage, &program, &args);
            return failure::usage(&mut usage);
        }
    };
    let result = match cli.command {
        Command::Serve(args) => serve::main(*args),
        Command::Dev(args) => dev::main(args),
        Command::Run(args) => run::main(args),
        Command::Job(args) => job::main(args),
        Command::Queue(args) => queue::main(args),
        Command::Operation(args) => operation::main(args),
        Command::Worker(args) => worker::main(args),
        Command::Token(args) => token::main(args),
        Command::Cert(args) => cert::main(args),
        Command::Cluster(args) => cluster::main(args),
        Command::Backup(args) => backup::main(&args),
        Command::Restore(args) => restore::main(&args),
        Command::Recover(args) => recover::main(&args),
        Command::Status(args) => cluster::status(&args),
        Command::Health(args) => health::main(&args),
        Command::Bench(args) => bench::main(args),
        Command::Demo(args) => demo::main(args),
        Command::Completions(args) => completions::main(&args, program),
        Command::Man(args) => manual::main(&args, program),
    };
    let code = match result {
        Ok(code) => code,
        Err(error) => failure::report(&error, &environment),
    };
    logging::flush();
    code
}
