//! What lies in deploy/ for systemd and nginx.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use quorate_gateway::ConnectionLimits;

use common::{QUORATE, Started, free_ports, has, serve, wait_until, wait_until_ready};

fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(path)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

#[test]
fn systemd_takes_the_units() {
    if !has(None, "systemd-analyze", &["--version"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    for unit in ["quorate.service", "quorate-runner.service"] {
        let text = fs::read_to_string(deploy("systemd").join(unit)).unwrap();
        let here = dir.path().join(unit);
        fs::write(&here, text.replace("/usr/local/bin/quorate", QUORATE)).unwrap();
        let verify = Command::new("systemd-analyze").arg("verify").arg(&here).output().unwrap();
        // It ends well for unknown lines too, and only says so.
        assert!(verify.status.success() && !said(&verify).contains(unit), "{}", said(&verify));
    }
    let secure = ["security", "--offline=true", "--threshold=15"];
    let node = deploy("systemd/quorate.service");
    let secure = Command::new("systemd-analyze").args(secure).arg(node).output().unwrap();
    assert!(secure.status.success(), "{}", said(&secure));
}

#[test]
fn a_unit_gives_the_node_time_to_end_and_files_to_open() {
    let unit = fs::read_to_string(deploy("systemd/quorate.service")).unwrap();
    let number = |name: &str| -> u64 {
        let line = unit.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
    };
    let limits = ConnectionLimits::default();
    // Behind the clients come the commands under way, 5 s, and the rest, 8 s: docs/timeouts.md.
    assert!(Duration::from_secs(number("TimeoutStopSec")) > limits.drain + Duration::from_secs(13));
    assert!(number("LimitNOFILE") / 8 * 3 > u64::try_from(limits.connections + limits.reserved).unwrap());
}

/// Keys and tokens are in memory.
#[test]
fn nothing_that_is_deployed_dumps_its_memory() {
    for unit in ["quorate.service", "quorate-runner.service"] {
        let unit = fs::read_to_string(deploy("systemd").join(unit)).unwrap();
        assert!(unit.lines().any(|line| line == "LimitCORE=0"), "{unit}");
    }
    for file in ["compose.yaml", "compose.five.yaml"] {
        let text = fs::read_to_string(deploy(file)).unwrap();
        // What all services have is written once a file.
        let common = text.split("tmpfs: [/tmp]").nth(1).unwrap();
        assert!(common.trim_start().starts_with("ulimits: { core: 0 }"), "{file}: {text}");
    }
}

/// A variable with another name would be ignored.
#[test]
fn the_commands_know_the_variables_of_the_environment_files() {
    for (file, command) in [("systemd/node.env", "serve"), ("systemd/runner.env", "run")] {
        let help = Command::new(QUORATE).args([command, "--help"]).output().unwrap();
        let text = fs::read_to_string(deploy(file)).unwrap();
        let settings: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(settings.len() >= 3, "{file}");
        for setting in settings {
            let (variable, _) = setting.split_once('=').unwrap();
            assert!(
                said(&help).contains(&format!("[env: {variable}=")),
                "{command} does not know {variable}"
            );
        }
    }
}

/// The volumes of the service `secrets`, as folders, and its script.
struct Secrets {
    dir: tempfile::TempDir,
    script: String,
}

impl Secrets {
    const NODES: [&str; 5] = ["n1", "n2", "n3", "n4", "n5"];
    const OTHERS: [&str; 6] = ["authority", "nodes", "runner", "admin", "watcher", "grafana"];

    fn new() -> Secrets {
        let compose = fs::read_to_string(deploy("compose.yaml")).unwrap();
        let (_, script) = compose.split_once("\n      - |\n").unwrap();
        let (script, _) = script.split_once("\n\n").unwrap();
        Secrets { dir: tempfile::tempdir().unwrap(), script: script.replace("$$", "$") }
    }

    /// What each `up` runs, without what was in these volumes.
    fn up(&self, without: &[&str], password: &str) -> Output {
        for volume in without {
            fs::remove_dir_all(self.dir.path().join(volume)).unwrap();
        }
        for volume in Secrets::NODES.iter().chain(&Secrets::OTHERS) {
            fs::create_dir_all(self.dir.path().join(volume)).unwrap();
        }
        self.sh(&self.script, password)
    }

    fn sh(&self, script: &str, password: &str) -> Output {
        let bin = Path::new(QUORATE).parent().unwrap().display();
        let path = format!("{bin}:{}", std::env::var("PATH").unwrap());
        let mut sh = Command::new("sh");
        sh.args(["-euc", script]).current_dir(self.dir.path()).env("PATH", &path);
        sh.env("HTTP_HOSTS", "").env("GRAFANA_PASSWORD", password).output().unwrap()
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.dir.path().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
    }

    /// The nodes'.
    fn keys(&self) -> [String; 5] {
        Secrets::NODES.map(|node| self.read(&format!("{node}/node.key")))
    }

    /// Whether everybody believes these authorities.
    fn believe(&self, authorities: &[&str]) {
        for volume in Secrets::NODES.iter().chain(&["runner", "admin", "watcher"]) {
            assert_eq!(self.read(&format!("{volume}/ca.crt")), authorities.concat(), "{volume}");
        }
    }
}

#[test]
fn who_has_a_token_by_compose_is_known_also_after_the_authority_was_replaced() {
    let secrets = Secrets::new();
    let up = |without: &[&str]| {
        let output = secrets.up(without, "");
        assert!(output.status.success(), "{}", said(&output));
        let tokens = secrets.read("nodes/tokens");
        for name in ["runner", "admin", "watcher"] {
            let file = secrets.dir.path().join(name).join("token");
            let hash = "tr -d '\\n' <\"$0\" | sha256sum | cut -d ' ' -f 1";
            let hash = said(&Command::new("sh").args(["-c", hash]).arg(file).output().unwrap());
            let line = tokens.lines().find(|line| line.starts_with(&format!("{name} ")));
            let line = line.unwrap_or_else(|| panic!("{without:?}: {name} is missing in {tokens}"));
            assert!(line.ends_with(&format!("sha256:{}", hash.trim())), "{without:?}: {name} is not {line}");
        }
        (tokens, secrets.keys(), secrets.read("authority/ca.crt"))
    };
    let page = fs::read_to_string(deploy("../docs/operations/compose.md")).unwrap();
    for volume in ["authority", "nodes", "n1-tls", "runner", "admin", "watcher", "grafana-password"] {
        assert!(page.contains(&format!("\n| `{volume}`")), "the page does not say what is in {volume}");
    }
    let first = up(&[]);
    assert_eq!(up(&[]), first, "what is there stays");
    let (tokens, keys, authority) = up(&["authority", "n1", "n2", "n3", "n4", "n5"]);
    assert_eq!(tokens, first.0);
    assert!(authority != first.2 && keys.iter().zip(&first.1).all(|(new, old)| new != old));
    up(&["watcher"]);
    up(&["nodes"]);

    let refused = secrets.up(&["authority"], "");
    assert!(!refused.status.success() && said(&refused).contains("authority is lost"), "{}", said(&refused));
    assert_eq!(secrets.keys(), keys, "nothing is done");
}

/// The steps of docs/operations/compose.md.
#[test]
fn another_authority_takes_the_place_of_one_that_is_believed_meanwhile() {
    let secrets = Secrets::new();
    let page = fs::read_to_string(deploy("../docs/operations/compose.md")).unwrap();
    let steps: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("$ step '")?.split_once('\''))
        .map(|(step, _)| step)
        .collect();
    let [both, another, alone] = steps[..] else { panic!("{steps:?}") };
    let up = |step: &str| {
        for output in [secrets.sh(step, ""), secrets.up(&[], "")] {
            assert!(output.status.success(), "{step}: {}", said(&output));
        }
    };
    up("mkdir -p authority");
    let (old, keys) = (secrets.read("authority/ca.crt"), secrets.keys());
    secrets.believe(&[&old]);
    up(both);
    let new = secrets.read("authority/next/ca.crt");
    secrets.believe(&[&old, &new]);
    assert_eq!(secrets.keys(), keys);
    up(another);
    // In the same order: no node sees a change.
    secrets.believe(&[&old, &new]);
    assert_eq!(secrets.read("authority/ca.crt"), new);
    assert!(secrets.keys().iter().zip(&keys).all(|(new, old)| new != old));
    let keys = secrets.keys();
    up(alone);
    secrets.believe(&[&new]);
    assert_eq!(secrets.keys(), keys);
}

#[test]
fn what_was_killed_between_a_key_and_its_certificate_goes_on_at_the_next_up() {
    let secrets = Secrets::new();
    let up = || {
        let output = secrets.up(&[], "");
        assert!(output.status.success(), "{}", said(&output));
    };
    let remove = |file: &str| fs::remove_file(secrets.dir.path().join(file)).unwrap();
    // Of the authority: nobody has a certificate of it yet.
    let killed = secrets.sh("quorate cert init authority; rm authority/ca.crt", "");
    assert!(killed.status.success(), "{}", said(&killed));
    let key = secrets.read("authority/ca.key");
    up();
    assert_ne!(secrets.read("authority/ca.key"), key);
    let (authority, keys) = (secrets.read("authority/ca.key"), secrets.keys());
    remove("n2/n2.crt");
    up();
    let now = secrets.keys();
    secrets.read("n2/n2.crt");
    assert!((0..5).all(|at| (now[at] == keys[at]) == (at != 1)), "it is n2's alone that is another one");
    // Now they have, even if only one of them has it still.
    remove("authority/ca.crt");
    Secrets::NODES[..4].iter().for_each(|node| remove(&format!("{node}/ca.crt")));
    let refused = secrets.up(&[], "");
    assert!(said(&refused).contains("authority is lost"), "{}", said(&refused));
    assert_eq!(secrets.read("authority/ca.key"), authority);
}

/// A project of three that was started while the nodes had one volume.
fn with_one_volume() -> Secrets {
    let secrets = Secrets::new();
    let before = "mkdir nodes; quorate cert init authority; for n in n1 n2 n3; do quorate cert node $n --dir authority --out nodes; done; \
                  quorate token new --name shop --role submit --tokens nodes/tokens";
    let made = secrets.sh(before, "");
    assert!(made.status.success(), "{}", said(&made));
    secrets
}

/// The page's way out.
#[test]
fn a_lost_authority_of_nodes_that_have_one_volume_is_told_too() {
    let secrets = with_one_volume();
    let refused = secrets.up(&["authority"], "");
    assert!(!refused.status.success() && said(&refused).contains("authority is lost"), "{}", said(&refused));
    let page = fs::read_to_string(deploy("../docs/operations/compose.md")).unwrap();
    let way_out = "rm nodes/n?.crt nodes/n?.key";
    assert!(page.contains(&format!("-euc '{way_out}'")), "the page does not say it");
    for output in [secrets.sh(way_out, ""), secrets.up(&[], "")] {
        assert!(output.status.success(), "{}", said(&output));
    }
    secrets.believe(&[&secrets.read("authority/ca.crt")]);
    assert!(secrets.read("nodes/tokens").contains("shop "));
}

#[test]
fn nodes_that_could_read_each_others_keys_get_new_ones_of_their_authority() {
    let secrets = with_one_volume();
    let (authority, old) = (secrets.read("authority/ca.crt"), secrets.read("nodes/n1.key"));
    let output = secrets.up(&[], "");
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(secrets.read("authority/ca.crt"), authority);
    assert!(!secrets.keys().contains(&old));
    // By the authority's they ask a node of before, which runs, how it is.
    let left = fs::read_dir(secrets.dir.path().join("nodes")).unwrap();
    let left: BTreeSet<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, BTreeSet::from(["ca.crt", "tokens"].map(Into::into)));
    assert!(secrets.read("nodes/tokens").contains("shop "));
}

#[test]
fn grafana_has_a_password_that_was_drawn_once_or_given() {
    let (one, other) = (Secrets::new(), Secrets::new());
    let password = |secrets: &Secrets, given: &str| {
        let output = secrets.up(&[], given);
        assert!(output.status.success(), "{}", said(&output));
        secrets.read("grafana/password").trim().to_owned()
    };
    let drawn = password(&one, "");
    assert!(drawn.len() == 24 && drawn != password(&other, ""), "{drawn}");
    assert_eq!(password(&one, ""), drawn);
    assert_eq!(password(&one, "a $b 'c'"), "a $b 'c'");
    // Who gives it no more has it still: Grafana asks for it once.
    assert_eq!(password(&one, ""), "a $b 'c'");
}

#[test]
fn nginx_ends_tls_in_front_of_a_cluster() {
    if !(has(None, "nginx", &["-v"])
        && has(None, "openssl", &["version"])
        && has(None, "curl", &["--version"]))
    {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let first = free_ports(4);
    let ports = [first, first + 1, first + 2];
    // It is on their machine, and passes its own name on.
    let start = |node| {
        let mut command = Command::new(QUORATE);
        command.args(serve(dir.path(), &ports, node)).args(["--allowed-hosts", NAME]);
        Started(command.stderr(Stdio::null()).spawn().unwrap())
    };
    let mut nodes: Vec<Started> = (0..3).map(start).collect();
    ports.into_iter().for_each(wait_until_ready);
    let proxy = Proxy::start(dir.path(), first);

    // A consume that waits, and gets a job through another connection.
    let poll = proxy.ask("/v1/jobs/consume?wait=60", &["-X", "POST"]).stdout(Stdio::piped()).spawn().unwrap();
    let jobs = r#"{"jobs":[{"image":"a","payload":"x"}]}"#;
    assert_eq!(proxy.post_json("/v1/jobs", jobs).lines().last(), Some("201"));
    let taken = said(&poll.wait_with_output().unwrap());
    let id = taken.split("\"id\":\"").nth(1).and_then(|rest| rest.split('"').next()).expect(&taken);

    let log = dir.path().join("log");
    fs::write(&log, "\u{e4}\0".repeat(1 << 18)).unwrap();
    let form = format!("log=@{}", log.display());
    let done = said(&proxy.ask(&format!("/v1/job/{id}/success"), &["-F", &form]).output().unwrap());
    assert_eq!(done.lines().last(), Some("200"), "{done}");
    let read = proxy.ask(&format!("/v1/job/{id}/log"), &["-w", ""]).output().unwrap().stdout;
    assert_eq!(read, fs::read(&log).unwrap());

    // The nodes refuse it in their own words, below nginx's bound.
    let long = format!(r#"{{"jobs":[{{"image":"a","payload":"{}"}}]}}"#, "x".repeat(2 << 20));
    assert!(proxy.post_json("/v1/jobs", &long).contains("payload"), "not the nodes' 413");

    // Whatever node a request would go to: none of them is an error.
    nodes.remove(1);
    for _ in 0..9 {
        assert_eq!(proxy.post_json("/v1/jobs", jobs).lines().last(), Some("201"));
    }
}

/// nginx on the port behind those of three nodes.
struct Proxy {
    port: u16,
    certificate: PathBuf,
    body: PathBuf,
    _process: Started,
}

const NAME: &str = "quorate.example.com";

impl Proxy {
    fn start(dir: &Path, first: u16) -> Proxy {
        let port = first + 3;
        let (certificate, key) = (dir.join("cert.pem"), dir.join("key.pem"));
        let subject = ["-subj", &format!("/CN={NAME}"), "-addext", &format!("subjectAltName=DNS:{NAME}")];
        let files = ["-keyout", key.to_str().unwrap(), "-out", certificate.to_str().unwrap()];
        let make = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"];
        let made = Command::new("openssl").args([&make[..], &subject, &files].concat()).output().unwrap();
        assert!(made.status.success(), "{}", said(&made));

        let here = dir.to_str().unwrap();
        let server = fs::read_to_string(deploy("nginx/quorate.conf")).unwrap();
        let server = (0..3).fold(server, |text, at| {
            text.replace(&format!("10.0.0.{}:8080", at + 1), &format!("127.0.0.1:{}", first + at))
        });
        let server = server.replace("listen 443", &format!("listen 127.0.0.1:{port}"));
        let server = server.replace("/etc/ssl/quorate", here);
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let temporary = temporary.map(|what| format!("{what}_temp_path {here}/{what};")).concat();
        let conf = dir.join("nginx.conf");
        let text = format!(
            "daemon off; master_process off; pid {here}/nginx.pid; error_log {here}/error.log; events {{}}\n\
             http {{ access_log off; {temporary}\n{server}}}\n"
        );
        fs::write(&conf, text).unwrap();
        let mut nginx = Command::new("nginx");
        let process = nginx.args(["-e", "stderr", "-c"]).arg(conf).stderr(Stdio::null()).spawn().unwrap();
        let proxy = Proxy { port, certificate, body: dir.join("body"), _process: Started(process) };
        wait_until("nginx answers", || proxy.ask("/readyz", &["-f"]).output().unwrap().status.success());
        proxy
    }

    /// A request; what it prints ends with a line for the status code.
    fn ask(&self, path: &str, args: &[&str]) -> Command {
        let mut curl = Command::new("curl");
        curl.args(["-s", "-w", "\n%{http_code}\n", "--cacert"]).arg(&self.certificate);
        curl.args(["--resolve", &format!("{NAME}:{}:127.0.0.1", self.port)]).args(args);
        curl.arg(format!("https://{NAME}:{}{path}", self.port));
        curl
    }

    fn post_json(&self, path: &str, body: &str) -> String {
        fs::write(&self.body, body).unwrap();
        let body = format!("@{}", self.body.display());
        let args = ["-H", "Content-Type: application/json", "--data-binary", &body];
        said(&self.ask(path, &args).output().unwrap())
    }
}
