mod authority;
mod files;
mod seen;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use jiff::{Timestamp, tz::TimeZone};
use quorate_gateway::tokens::check_name;
use quorate_node::is_node_name;
use rustls::pki_types::DnsName;
use serde_json::json;

use crate::limits::{CERTIFICATE_DAYS, CERTIFICATE_YEAR};
use crate::number::{counted, number};
use crate::output::Output;
use crate::wrong_usage::wrong_usage;
use authority::CA;
pub(crate) use authority::{Authority, Made, Owner};
use seen::Seen;

/// Make certificates, by which nodes know each other and clients know nodes.
///
/// A cluster has a certificate authority of its own, for those who have none: `init` makes it, `node` and `client` make certificates of
/// it. Keep its directory where no node is: who has its key can make himself a node.
#[derive(Args)]
pub(crate) struct CertArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a cluster's CA: `ca.crt`, for everybody, and `ca.key`, for nobody else. It holds for ten years.
    ///
    /// Where there is one already, nothing is done.
    Init {
        /// Its directory, made if it is not there.
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// Print JSON, for machines.
        #[arg(long)]
        json: bool,
    },
    /// Make a node's certificate: `NAME.crt` and `NAME.key`, for its peers and for HTTPS.
    ///
    /// It says that it is for NAME, localhost, 127.0.0.1, ::1 and each --host. Where there is such a one already, and it has more than a third
    /// of its time left, nothing is done.
    Node {
        /// The node's name, as in `serve --name`.
        name: String,
        /// Another name or address by which clients call the node; repeat it, or separate by commas. Never another node's name.
        #[arg(long, value_name = "HOST_OR_IP", value_delimiter = ',', value_parser = host)]
        host: Vec<String>,
        #[command(flatten)]
        how: How,
    },
    /// Make a client's certificate: `NAME.crt` and `NAME.key`, where nodes ask clients for one (`serve --tls-client-ca`).
    ///
    /// It lets a client in that has it, and says nothing of what it may do: that is a token's. Nodes take it for no node's.
    Client {
        /// Whose it is.
        name: String,
        #[command(flatten)]
        how: How,
    },
    /// Show what is in a certificate: names, who made it, when it ends.
    Show {
        /// A PEM file, with one or more.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Print JSON, for machines: a list, as there may be more than one.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args)]
struct How {
    /// The CA's directory.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Where the certificate, its key and a copy of `ca.crt` go, made if it is not there [default: --dir].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// For how many days it holds; not longer than the CA.
    #[arg(long, value_name = "DAYS", default_value_t = CERTIFICATE_YEAR, value_parser = number::<u32>(CERTIFICATE_DAYS))]
    days: u32,
    /// Replace one that is there and is not as it would be made, or has a third of its time left or less, with another key; and a key whose certificate is not there.
    #[arg(long)]
    renew: bool,
    /// Print JSON, for machines.
    #[arg(long)]
    json: bool,
}

/// Carries the command out.
///
/// # Errors
/// Files cannot be read or written, or are not what they should be.
pub(crate) fn main(args: CertArgs) -> anyhow::Result<ExitCode> {
    let mut out = Output::default();
    let done = match args.command {
        Command::Init { dir, json } => {
            let (authority, made) = Authority::init(&dir)?;
            show_authority(&mut out, &authority, &dir, made, json)?;
            made.then_some("the CA is made")
        }
        Command::Node { name, host, how } => {
            check_node(&name).map_err(wrong_usage)?;
            let made = make(&Owner::Node { name: &name, hosts: &host }, &how)?;
            show_made(&mut out, &name, &made, how.json);
            if made.made && !how.json {
                let (certificate, key, ca) =
                    (made.certificate.display(), made.key.display(), made.ca.display());
                out.line(format_args!(
                    "next, at {name}, for its peers and for HTTPS: quorate serve --name {name} --peer-cert {certificate} --peer-key {key} \
                     --peer-ca {ca} --tls-cert {certificate} --tls-key {key}"
                ));
            }
            made.made.then_some("the certificate is made")
        }
        Command::Client { name, how } => {
            check_file(&name).map_err(wrong_usage)?;
            let made = make(&Owner::Client { name: &name }, &how)?;
            show_made(&mut out, &name, &made, how.json);
            made.made.then_some("the certificate is made")
        }
        Command::Show { file, json } => {
            show(&mut out, &file, json)?;
            None
        }
    };
    out.end(done)?;
    Ok(ExitCode::SUCCESS)
}

fn make(owner: &Owner<'_>, how: &How) -> anyhow::Result<Made> {
    let into = how.out.as_deref().unwrap_or(&how.dir);
    Authority::open(&how.dir)?.certify(owner, into, how.days, how.renew)
}

/// Whether a node of this name can have a certificate: any that `serve --name` takes, but `localhost` and `ca`, and no address.
///
/// # Errors
/// It can have none: why.
pub(crate) fn check_node(name: &str) -> Result<(), String> {
    check_file(name)?;
    let is_other = name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok();
    match is_node_name(name) && !is_other {
        true => Ok(()),
        false => Err(format!(
            "`{name}` can be no node's name in a certificate: that is one like n1 or n1.example.com, a letter or digit first, and \
             neither localhost nor an address"
        )),
    }
}

/// Whether `NAME.crt` and `NAME.key` can be somebody's.
fn check_file(name: &str) -> Result<(), String> {
    check_name(name)?;
    match name.eq_ignore_ascii_case(CA) {
        true => Err(format!("`{name}` is the name of the CA's own files: choose another one")),
        false => Ok(()),
    }
}

/// In one form alone, so that the same command means the same certificate again.
fn host(given: &str) -> Result<String, String> {
    let none = || "it is no name of a host and no address (without a port)".to_owned();
    if let Ok(address) = given.parse::<IpAddr>() {
        return Ok(address.to_string());
    }
    let name = given.strip_suffix('.').unwrap_or(given).to_ascii_lowercase();
    DnsName::try_from(name.as_str()).map_err(|_| none())?;
    Ok(name)
}

fn show_authority(
    out: &mut Output,
    authority: &Authority,
    dir: &Path,
    made: bool,
    json: bool,
) -> anyhow::Result<()> {
    let (seen, (certificate, key)) = (authority.seen()?, authority.files());
    if json {
        out.json(&json!({ "made": made, "certificate": certificate, "key": key, "name": seen.subject, "expires": seen.expires.to_string() }));
        return Ok(());
    }
    let (certificate, key) = (certificate.display(), key.display());
    match made {
        true => {
            out.line(format_args!(
                "{} is made: {certificate}, and its key, {key}: keep that to yourself",
                seen.subject
            ));
            out.line(format_args!("it holds until {}", day(seen.expires)));
            out.line(format_args!("next, for each node: quorate cert node NAME --dir {}", dir.display()));
        }
        false => out.line(format_args!(
            "nothing to do: {certificate} is there already, {}, until {}",
            seen.subject,
            day(seen.expires)
        )),
    }
    Ok(())
}

fn show_made(out: &mut Output, name: &str, made: &Made, json: bool) {
    let Made { made, cut, certificate, key, ca, seen } = made;
    if json {
        return out.json(&json!({
            "made": made, "certificate": certificate, "key": key, "ca": ca, "names": seen.names, "expires": seen.expires.to_string(),
            "cut": cut,
        }));
    }
    let (certificate, key) = (certificate.display(), key.display());
    match made {
        true => {
            out.line(format_args!("the certificate of {name} is made: {certificate}, and its key, {key}"))
        }
        false => out.line(format_args!("nothing to do: {certificate} is there already")),
    }
    let names =
        if seen.names.is_empty() { String::new() } else { format!(", for {}", seen.names.join(", ")) };
    let cut = if *cut { ", when its CA ends, which is sooner than was asked for" } else { "" };
    out.line(format_args!("it holds until {}{cut}{names}", day(seen.expires)));
}

fn show(out: &mut Output, path: &Path, as_json: bool) -> anyhow::Result<()> {
    let text = files::read(path)?;
    let all = seen::certificates(&text, path)?;
    let all: anyhow::Result<Vec<Seen>> = all.iter().map(|der| Seen::of(der)).collect();
    let (all, now) = (all.with_context(|| path.display().to_string())?, Timestamp::now());
    if as_json {
        out.json(&all.iter().map(|seen| seen.json(now)).collect::<Vec<_>>());
        return Ok(());
    }
    for seen in &all {
        let or_none = |list: String| if list.is_empty() { "-".to_owned() } else { list };
        let left = match (now < seen.not_before, now >= seen.expires) {
            (true, _) => format!("NOT YET: it begins {}", day(seen.not_before)),
            (_, true) => "EXPIRED".to_owned(),
            _ => format!("in {}", counted(seen.days_left(now), "day")),
        };
        out.line(format_args!("{}", seen.subject));
        out.line(format_args!("  names    {}", or_none(seen.names.join(", "))));
        out.line(format_args!("  for      {}", or_none(seen.uses.join(", "))));
        out.line(format_args!("  issuer   {}", seen.issuer));
        out.line(format_args!("  expires  {}, {left}", day(seen.expires)));
        out.line(format_args!("  sha256   {}", seen.fingerprint));
    }
    Ok(())
}

fn day(time: Timestamp) -> impl std::fmt::Display {
    time.to_zoned(TimeZone::UTC).date()
}
