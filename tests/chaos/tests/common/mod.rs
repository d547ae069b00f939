//! What the tests of this folder share.

#![allow(dead_code, reason = "not every test needs all of it")]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use quorate_chaos::{Action, Fault, HostKind, Options, Plan, Verdict, Victim, run};

/// What the tests call the image that they make.
pub(crate) const IMAGE: &str = "quorate:test";

/// The `quorate` that was built with this test.
pub(crate) fn binary() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    // target/PROFILE/deps/TEST-HASH
    let profile = test.ancestors().nth(2).expect("cargo puts tests into target/PROFILE/deps");
    let binary = profile.join("quorate");
    assert!(
        binary.is_file(),
        "{} is missing: run `cargo build --bin quorate` before this test",
        binary.display()
    );
    if let Some(newer) = newer_source(&binary) {
        let again = "run `touch crates/quorate/src/main.rs && cargo build --bin quorate` before this test";
        panic!("{} is older than {}: {again}", binary.display(), newer.display());
    }
    binary
}

/// A source of this binary, or of a library of ours, that has changed since it was made. rustc notes beside what it makes of which
/// sources it was; those of tests are made of others besides.
pub(crate) fn newer_source(binary: &Path) -> Option<PathBuf> {
    let made = fs::metadata(binary).expect("it is there");
    let deps = fs::read_dir(binary.with_file_name("deps")).expect("cargo puts there what it makes");
    let notes = deps.map(|entry| entry.expect("an entry").path());
    let notes = notes.filter(|path| path.extension().is_some_and(|kind| kind == "d"));
    // Linked to where it is found.
    let is_it = |target: &str| fs::metadata(target).is_ok_and(|file| file.ino() == made.ino());
    let is_ours =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("quorate"));
    for note in notes.filter(is_ours) {
        let note = fs::read_to_string(note).expect("text");
        let rules = note.lines().filter_map(|line| line.split_once(": "));
        for (_, sources) in rules.filter(|(target, _)| target.ends_with(".rlib") || is_it(target)) {
            // A name with a space in it is cut, and not found.
            let mut sources = sources.split(' ').map(|source| root().join(source));
            let is_newer = |source: &PathBuf| {
                fs::metadata(source).is_ok_and(|file| file.modified().ok() > made.modified().ok())
            };
            if let Some(newer) = sources.find(is_newer) {
                return Some(newer);
            }
        }
    }
    None
}

/// Runs a cluster under these faults, and fails where the history breaks a rule.
pub(crate) async fn every_rule_holds(host: HostKind, faults: &[(Action, Victim)]) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let options = Options {
        host,
        dir: dir.path().to_owned(),
        seed: 1,
        plan: Plan::Each(faults.iter().map(|&(action, victim)| Fault::new(action, victim)).collect()),
        bulk: false,
        clients: 6,
        min_ok: 200,
        max_pause: None,
    };
    match run(&options).await.expect("the run proves something") {
        Verdict::Good(summary) => println!("{summary}"),
        Verdict::Broken(summary, _, report) => {
            panic!("{report}\n{summary}\nThe history is kept in {}", dir.keep().display())
        }
        Verdict::Skipped(why) => println!("SKIPPED: {why}"),
        Verdict::Stuck(what) => panic!("{what}\nHistory and logs are kept in {}", dir.keep().display()),
    }
}

/// The project's root.
pub(crate) fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    root.expect("this crate is in tests/ of the project").to_owned()
}

/// Makes the [`image`] where there is a `docker-compose`, as the page calls it.
pub(crate) fn image_for_compose() -> Result<(), String> {
    if !succeeds("docker-compose", &["version"]) {
        return Err("docker-compose is missing".to_owned());
    }
    image()
}

/// Makes the image of [`binary`]. The error says why that cannot be done here.
pub(crate) fn image() -> Result<(), String> {
    if !succeeds("docker", &["version"]) {
        return Err("no Docker engine answers".to_owned());
    }
    if !succeeds("docker-compose", &["version"]) && !succeeds("docker", &["compose", "version"]) {
        return Err("docker-compose is missing".to_owned());
    }
    let made = output(Command::new(root().join("deploy/base-image.sh")));
    if !made.status.success() {
        let why = String::from_utf8_lossy(&made.stdout).into_owned();
        assert!(!is_root_of_debian(), "deploy/base-image.sh: {why}");
        return Err(format!("no base image: it takes a registry, or root of a Debian. {}", why.trim()));
    }
    // What the Dockerfile takes, and nothing else: the binary, without what only a debugger reads.
    let context = tempfile::tempdir().expect("a temporary directory");
    let target = context.path().join("target/release");
    fs::create_dir_all(&target).expect("a directory");
    fs::copy(binary(), target.join("quorate")).expect("a copy of the binary");
    fs::copy(root().join("LICENSE"), context.path().join("LICENSE")).expect("a copy of the licence");
    succeeds("strip", &[target.join("quorate").to_str().expect("a path that is text")]);
    let mut build = Command::new("docker");
    build.args(["build", "--quiet", "--target", "prebuilt", "--tag", IMAGE, "--file"]);
    build.arg(root().join("deploy/Dockerfile")).arg(context.path());
    let built = output(build);
    assert!(built.status.success(), "docker build: {}", String::from_utf8_lossy(&built.stderr));
    Ok(())
}

fn is_root_of_debian() -> bool {
    let root = fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    root && Path::new("/etc/debian_version").exists()
}

pub(crate) fn succeeds(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
}

fn output(mut command: Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}
