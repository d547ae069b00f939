use std::path::PathBuf;

use anyhow::ensure;
use clap::{ArgMatches, Args, Command, Error, FromArgMatches};
use quorate_gateway::{CALLER_RATE, Roles};

use super::settings_file;
use crate::duration::{HumanDuration, within};
use crate::environment::switch;
use crate::limits::{MAX_PAYLOAD, SPAN_RATIO, WRITE_TIMEOUT};
use crate::logging::{self, LogFormat};
use crate::number::{decimal, number};

/// Run one node of a cluster.
///
/// Every flag can also be an environment variable (QUORATE_ and its name) or a line of the TOML file that --config
/// names; a flag wins over a variable, a variable over the file. An empty variable counts as not given; one that would name
/// a file of tokens or certificates is refused.
#[derive(Args, Default, Clone, Debug)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Settings {
    /// This node's name, unique in the cluster. A new node that bears a dead node's name takes its place.
    #[arg(long, env = "QUORATE_NAME", value_name = "NAME")]
    pub(super) name: Option<String>,
    /// Where this node keeps everything; made if it is not there [default: quorate-data].
    #[arg(long, env = "QUORATE_DATA_DIR", value_name = "DIR")]
    pub(super) data_dir: Option<PathBuf>,
    /// Where to serve HTTP [default: 127.0.0.1:8080].
    #[arg(long, env = "QUORATE_HTTP_ADDR", value_name = "HOST:PORT")]
    pub(super) http_addr: Option<String>,
    /// The HTTP address that is shown to others, host:port [default: --http-addr].
    #[arg(long, env = "QUORATE_HTTP_ADVERTISE", value_name = "HOST:PORT")]
    pub(super) http_advertise: Option<String>,
    /// Where to serve /metrics and the health checks as well, and nothing else, never over TLS [default: with the rest of HTTP alone].
    #[arg(long, env = "QUORATE_METRICS_ADDR", value_name = "HOST:PORT")]
    pub(super) metrics_addr: Option<String>,
    /// Where to listen for the other nodes [default: 127.0.0.1:9080].
    #[arg(long, env = "QUORATE_PEER_ADDR", value_name = "HOST:PORT")]
    pub(super) peer_addr: Option<String>,
    /// All nodes that form the cluster, this one too, each with the address at which its peers reach it; the same list
    /// in the same order on every node [default: this node alone]. Once there is a cluster, it says where to find it, and makes
    /// nobody a member: `quorate cluster member add` does.
    #[arg(long, env = "QUORATE_PEERS", value_name = "NAME=HOST:PORT,…")]
    pub(super) peers: Option<String>,
    /// This node's certificate for its peers, with those that lead to --peer-ca behind it: it bears this node's name as a DNS name.
    /// With these three, nodes speak TLS with each other, and nobody else is answered. Changes hold without a restart [default: whoever
    /// reaches the peer port is believed].
    #[arg(long, env = "QUORATE_PEER_CERT", value_name = "FILE")]
    pub(super) peer_cert: Option<PathBuf>,
    /// The key of that certificate.
    #[arg(long, env = "QUORATE_PEER_KEY", value_name = "FILE")]
    pub(super) peer_key: Option<PathBuf>,
    /// Whose certificates nodes have: one authority or several, in one PEM file.
    #[arg(long, env = "QUORATE_PEER_CA", value_name = "FILE")]
    pub(super) peer_ca: Option<PathBuf>,
    /// How long a write waits for a leader and a majority before it is answered 503 [default: 5s].
    #[arg(long, env = "QUORATE_WRITE_TIMEOUT", value_name = "DURATION", value_parser = within(WRITE_TIMEOUT))]
    pub(super) write_timeout: Option<HumanDuration>,
    /// Longest payload of a job in bytes [default: 1048576, at most that].
    #[arg(long, env = "QUORATE_MAX_PAYLOAD", value_name = "BYTES", value_parser = number(MAX_PAYLOAD))]
    pub(super) max_payload: Option<usize>,
    /// How many jobs a second one caller may enqueue through this node, in the long run: by its token, which may say another number
    /// (`quorate token new --rate`), or its address. What is above is answered 429 [default: as many as it likes].
    #[arg(long, env = "QUORATE_CALLER_RATE", value_name = "JOBS_PER_SECOND", value_parser = number(CALLER_RATE))]
    pub(super) caller_rate: Option<u32>,
    /// How to log to standard error [default: human].
    #[arg(long, env = "QUORATE_LOG_FORMAT", value_enum)]
    pub(super) log_format: Option<LogFormat>,
    /// What to log: error, warn, info, debug, trace, or a filter such as `info,openraft=warn` [default: info].
    #[arg(long, env = "QUORATE_LOG_LEVEL", value_name = "FILTER", value_parser = logging::level)]
    pub(super) log_level: Option<String>,
    /// Serve HTTPS, and no HTTP without TLS: a PEM file with this node's certificate, and those between it and its authority behind it. A
    /// new one is in use without a restart.
    #[arg(long, env = "QUORATE_TLS_CERT", value_name = "FILE")]
    pub(super) tls_cert: Option<PathBuf>,
    /// The key to it, in PEM.
    #[arg(long, env = "QUORATE_TLS_KEY", value_name = "FILE")]
    pub(super) tls_key: Option<PathBuf>,
    /// Serve only those with a certificate of an authority in this PEM file [default: whoever speaks TLS].
    #[arg(long, env = "QUORATE_TLS_CLIENT_CA", value_name = "FILE")]
    pub(super) tls_client_ca: Option<PathBuf>,
    /// Ask for tokens: a file with their hashes, which `quorate token new` makes. Changes hold without a restart [default: everybody
    /// may do everything, who is on this machine].
    #[arg(long, env = "QUORATE_TOKENS", value_name = "FILE")]
    pub(super) tokens: Option<PathBuf>,
    /// What one may do who sends no token: `submit`, `run`, `read`, `admin` [default: with --tokens nothing, else everything].
    #[arg(long, env = "QUORATE_ANONYMOUS", value_name = "ROLE,…")]
    pub(super) anonymous: Option<Roles>,
    /// Let everybody in who reaches this node's ports: without tokens on other addresses than those of this machine, and without
    /// certificates for peers. It says so loudly.
    #[arg(long, env = "QUORATE_INSECURE", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = switch)]
    pub(super) insecure: Option<bool>,
    /// Names by which browsers may call this node, besides addresses, localhost and --http-advertise: against DNS rebinding. From
    /// this machine itself they bind whoever sends no token; other clients may call it as they like.
    #[arg(long, env = "QUORATE_ALLOWED_HOSTS", value_name = "HOST,…")]
    pub(super) allowed_hosts: Option<String>,
    /// Log a line for every request: who sent it, what it was answered and how long that took.
    #[arg(long, env = "QUORATE_ACCESS_LOG", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = switch)]
    pub(super) access_log: Option<bool>,
    /// Send the spans of requests to an OpenTelemetry collector there, by OTLP over gRPC without TLS [default: nowhere].
    #[arg(long, env = "QUORATE_OTLP_ENDPOINT", value_name = "http://HOST:PORT")]
    pub(super) otlp_endpoint: Option<String>,
    /// Of how many requests, from 0 to 1; one whose client says in `traceparent` whether it is traced goes by that
    /// [default: 1].
    #[arg(long, env = "QUORATE_OTLP_RATIO", value_name = "RATIO", value_parser = decimal(SPAN_RATIO))]
    pub(super) otlp_ratio: Option<f64>,
    /// A TOML file with these settings, named as the flags without the dashes in front.
    #[arg(long, env = "QUORATE_CONFIG", value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Log entries between two snapshots: small in tests, which cannot wait for so many.
    #[arg(long, hide = true, value_parser = number(1..=u64::MAX))]
    pub(super) snapshot_every: Option<u64>,
    /// Log entries that are kept behind a snapshot.
    #[arg(long, hide = true, value_parser = number(0..=u64::MAX))]
    pub(super) logs_kept: Option<u64>,
    /// End when standard input is closed: how `quorate dev` takes its nodes along, even when it is killed.
    #[arg(long, hide = true)]
    pub(super) until_stdin_closes: bool,
}

const EXAMPLE: &str = "Example, one of three nodes (`quorate cert node --help`, `quorate token new --help` say where its files come from):
  quorate serve --name n1 --data-dir /var/lib/quorate --http-addr 0.0.0.0:8080 --http-advertise host1:8080 \\
    --peer-addr 0.0.0.0:9080 --peers n1=host1:9080,n2=host2:9080,n3=host3:9080 \\
    --peer-cert n1.crt --peer-key n1.key --peer-ca ca.crt --tls-cert n1.crt --tls-key n1.key --tokens tokens

A node alone: quorate serve --data-dir ./data";

/// Settings that keep somebody out, and what it is to have their variables unset.
const CLOSING: [(&str, &str); 7] = [
    ("tokens", "it to ask for none"),
    ("peer_cert", PEERS),
    ("peer_key", PEERS),
    ("peer_ca", PEERS),
    ("tls_cert", HTTP),
    ("tls_key", HTTP),
    ("tls_client_ca", HTTP),
];
const PEERS: &str = "all three to have peers without certificates";
const HTTP: &str = "it to serve HTTP without TLS, or whoever speaks it";

/// What the command line and the variables say of [`Settings`]. It is laid over what the file says, which they name.
#[derive(Clone, Debug)]
pub(crate) struct ServeArgs(ArgMatches);

impl ServeArgs {
    /// What was given, wherever.
    ///
    /// # Errors
    /// The file cannot be read, or is not made of settings; the message names it, and the setting.
    pub(crate) fn settings(&self) -> anyhow::Result<Settings> {
        // Elsewhere an empty variable is none; here it would open what somebody meant to close.
        for (setting, otherwise) in CLOSING {
            let variable = format!("QUORATE_{}", setting.to_uppercase());
            let is_empty = std::env::var_os(&variable).is_some_and(|file| file.is_empty());
            let is_given =
                self.0.get_raw(setting).is_some_and(|mut files| files.any(|file| !file.is_empty()));
            ensure!(!is_empty || is_given, "{variable} is empty: name the file, or unset {otherwise}");
        }
        let file = self.0.get_one::<PathBuf>("config");
        let mut settings = file.map(|path| settings_file::read(path)).transpose()?.unwrap_or_default();
        settings.update_from_arg_matches(&self.0)?;
        Ok(settings)
    }
}

impl FromArgMatches for ServeArgs {
    fn from_arg_matches(given: &ArgMatches) -> Result<ServeArgs, Error> {
        Ok(ServeArgs(given.clone()))
    }

    fn update_from_arg_matches(&mut self, given: &ArgMatches) -> Result<(), Error> {
        self.0 = given.clone();
        Ok(())
    }
}

impl Args for ServeArgs {
    fn augment_args(command: Command) -> Command {
        Settings::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Settings::augment_args_for_update(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::{Authority, Owner};

    #[test]
    fn a_node_starts_as_the_help_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let (authority, _) = Authority::init(dir.path()).unwrap();
        authority.certify(&Owner::Node { name: "n1", hosts: &[] }, dir.path(), 1, false).unwrap();
        let text = EXAMPLE.replace("\\\n", "");
        let commands: Vec<&str> =
            text.lines().filter_map(|line| line.split_once("quorate serve ")).map(|(_, args)| args).collect();
        assert_eq!(commands.len(), 2, "{text}");
        for command in commands {
            let at = |word: &str| match word {
                "n1.crt" | "n1.key" | "ca.crt" => dir.path().join(word).to_str().unwrap().to_owned(),
                _ => word.to_owned(),
            };
            let args: Vec<String> = command.split_whitespace().map(at).collect();
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            let config = given(&args).unwrap().check().unwrap();
            config.open.allow(config.insecure, &config.node.name).unwrap();
        }
    }

    fn given(args: &[&str]) -> anyhow::Result<Settings> {
        let command = ServeArgs::augment_args(Command::new("serve").no_binary_name(true));
        ServeArgs(command.get_matches_from(args)).settings()
    }

    #[test]
    fn a_flag_wins_over_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("quorate.toml");
        std::fs::write(&path, "name = \"file\"\npeer-addr = \"127.0.0.1:7\"\n").unwrap();
        let settings = given(&["--name", "flag", "--config", path.to_str().unwrap()]).unwrap();
        assert_eq!(settings.name.as_deref(), Some("flag"));
        assert_eq!(settings.peer_addr.as_deref(), Some("127.0.0.1:7"));
    }
}
