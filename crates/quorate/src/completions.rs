use std::process::ExitCode;

use clap::{Args, Command};
use clap_complete::Shell;

use crate::output::Output;

/// Print what makes a shell complete commands and flags.
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct CompletionsArgs {
    /// Whose completions.
    shell: Shell,
}

const EXAMPLE: &str = "Examples:
  source <(quorate completions bash)                                        in ~/.bashrc
  quorate completions zsh > ~/.zfunc/_quorate                               with fpath+=~/.zfunc before compinit
  quorate completions fish > ~/.config/fish/completions/quorate.fish";

/// Prints those of the program's command line.
///
/// # Errors
/// Standard output cannot be written.
pub(crate) fn main(args: &CompletionsArgs, mut program: Command) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut program, "quorate", &mut script);
    let mut out = Output::default();
    out.data(&script);
    out.end(None)?;
    Ok(ExitCode::SUCCESS)
}
