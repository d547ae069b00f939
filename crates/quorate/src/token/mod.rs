use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use clap::{Args, Subcommand};
use nix::unistd::{Gid, Uid, fchown};
use quorate_gateway::tokens::{self, Entry, Hash};
use quorate_gateway::{Role, Roles};

use crate::limits::{TOKEN_BYTES, TOKENS_FILE_BYTES};
use crate::output::{Output, Table};

/// Make tokens, by which nodes know their callers.
#[derive(Args)]
pub(crate) struct TokenArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a token: its hash goes into the file, and the token itself to standard output, this once.
    ///
    /// Give the file to every node, with `serve --tokens FILE`: they look for changes themselves. Who has the token sends it as
    /// `Authorization: Bearer TOKEN`; `quorate` commands take it from QUORATE_TOKEN.
    New {
        /// Whose it is: shown in logs and metrics.
        #[arg(long, value_parser = tokens::check_name)]
        name: String,
        /// What it allows: `submit` jobs, `run` them, `read` everything, `admin`: all of it and the cluster. Repeat it, or
        /// separate by commas.
        #[arg(long, value_name = "ROLE,…", value_delimiter = ',', required = true)]
        role: Vec<Role>,
        /// How many jobs a second its owner may enqueue through a node, in the long run [default: as many as `serve --caller-rate`
        /// lets each caller].
        #[arg(long, value_name = "JOBS_PER_SECOND", value_parser = tokens::check_rate)]
        rate: Option<u32>,
        #[command(flatten)]
        file: File,
    },
    /// Show who has a token.
    List {
        #[command(flatten)]
        file: File,
        /// Print JSON, for machines.
        #[arg(long)]
        json: bool,
    },
    /// Take a token away.
    Remove {
        /// Whose.
        #[arg(value_parser = tokens::check_name)]
        name: String,
        #[command(flatten)]
        file: File,
    },
}

#[derive(Args)]
struct File {
    /// The file with the hashes; `new` makes it if it is not there.
    #[arg(long, env = "QUORATE_TOKENS", value_name = "FILE")]
    tokens: PathBuf,
}

/// Carries the command out.
///
/// # Errors
/// The file cannot be read or written, or has a mistake.
pub(crate) fn main(args: TokenArgs) -> anyhow::Result<ExitCode> {
    let mut out = Output::default();
    match args.command {
        Command::New { name, role, rate, file: File { tokens } } => {
            let roles = role.into_iter().fold(Roles::default(), Roles::and);
            let token = make(&tokens, &name, roles, rate)?;
            out.line(token);
            out.end(Some(&format!(
                "the token of `{name}` is made, but was not shown: remove it, and make another"
            )))?;
        }
        Command::List { file: File { tokens }, json } => {
            let entries = entries(&read(&tokens)?, &tokens)?;
            show(&mut out, &entries, json);
            out.end(None)?;
        }
        Command::Remove { name, file: File { tokens } } => {
            let _turn = turn(&tokens)?;
            let text = read(&tokens)?;
            if !entries(&text, &tokens)?.iter().any(|entry| entry.name == name) {
                bail!(
                    "{} has no token of `{name}`: `quorate token list` shows whose it has",
                    tokens.display()
                );
            }
            let others = |line: &&str| line.split_whitespace().next() != Some(&name);
            let left: String = text.lines().filter(others).map(|line| format!("{line}\n")).collect();
            // An empty file would be taken for a copy that was cut off.
            replace(&tokens, if left.is_empty() { NOBODY } else { &left })?;
            out.line(format_args!(
                "the token of `{name}` is taken away: a node that watches this file refuses it within 3 s"
            ));
            out.end(Some(&format!("the token of `{name}` is taken away")))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What a file says in which there is no token any more.
const NOBODY: &str = "# nobody has a token\n";

/// Draws a token, and adds its hash to the file.
fn make(path: &Path, name: &str, roles: Roles, rate: Option<u32>) -> anyhow::Result<String> {
    let _turn = turn(path)?;
    let text = match fs::exists(path).with_context(|| unreadable(path))? {
        true => read(path)?,
        false => String::new(),
    };
    ensure!(
        !entries(&text, path)?.iter().any(|entry| entry.name == name),
        "{} has a token of `{name}`: to change it without an outage, make one under another name, give the file to all nodes and the token \
         to those who use it, and then `quorate token remove {name}`",
        path.display()
    );
    let token = format!("qt_{}", BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; TOKEN_BYTES]>()));
    let entry = Entry { name: name.to_owned(), roles, hash: Hash::of(token.as_bytes()), rate };
    let lines = if text.is_empty() || text.ends_with('\n') { text } else { text + "\n" };
    replace(path, &format!("{lines}{entry}\n"))?;
    Ok(token)
}

/// Two commands at once do not lose what the other has written.
fn turn(path: &Path) -> anyhow::Result<fs::File> {
    let folder = folder(path);
    let turn = fs::File::open(folder).and_then(|folder| folder.lock().map(|()| folder));
    turn.with_context(|| format!("cannot use the folder {}", folder.display()))
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes the whole file anew, with the owner and the permissions that it has: a node that reads it meanwhile sees the one or the
/// other.
fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    let unwritable = || format!("cannot write {}", path.display());
    // Where a link leads, the nodes look.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut file = tempfile::NamedTempFile::new_in(folder(path)).with_context(unwritable)?;
    file.write_all(text.as_bytes()).with_context(unwritable)?;
    if let Ok(kept) = fs::metadata(path) {
        let (user, group) = (Some(Uid::from_raw(kept.uid())), Some(Gid::from_raw(kept.gid())));
        fchown(file.as_file(), user, group).with_context(|| {
            format!("{}: its owner cannot be kept: run this as that user, or as root", path.display())
        })?;
        file.as_file().set_permissions(kept.permissions()).with_context(unwritable)?;
    }
    file.as_file().sync_all().with_context(unwritable)?;
    file.persist(path).map_err(|error| error.error).with_context(unwritable)?;
    fs::File::open(folder(path)).and_then(|folder| folder.sync_all()).with_context(unwritable)
}

/// The text of a file with tokens.
///
/// # Errors
/// It cannot be read, or is no such file by its size.
pub(crate) fn read(path: &Path) -> anyhow::Result<String> {
    let bytes = fs::metadata(path).with_context(|| unreadable(path))?.len();
    ensure!(bytes <= TOKENS_FILE_BYTES, "{} is no file of tokens: it has {bytes} bytes", path.display());
    fs::read_to_string(path).with_context(|| unreadable(path))
}

fn unreadable(path: &Path) -> String {
    format!("cannot read {}", path.display())
}

fn entries(text: &str, path: &Path) -> anyhow::Result<Vec<Entry>> {
    tokens::entries(text).map_err(|why| anyhow::anyhow!("{}: {why}", path.display()))
}

fn show(out: &mut Output, entries: &[Entry], json: bool) {
    if json {
        let entries = entries.iter().map(|entry| {
            let roles: Vec<&str> = entry.roles.iter().map(Role::as_str).collect();
            let mut shown = serde_json::json!({ "name": entry.name, "roles": roles });
            if let Some(rate) = entry.rate {
                shown["rate"] = rate.into();
            }
            shown
        });
        return out.json(&entries.collect::<Vec<_>>());
    }
    let has_rates = entries.iter().any(|entry| entry.rate.is_some());
    let columns = if has_rates { 3 } else { 2 };
    let mut table = Table::with_header(&["name", "roles", "jobs/s"][..columns]);
    for Entry { name, roles, hash: _, rate } in entries {
        let rate = rate.map_or_else(String::new, |rate| rate.to_string());
        table.cells(&[name.as_str(), &roles.to_string(), &rate][..columns]);
    }
    out.table(&table);
}
