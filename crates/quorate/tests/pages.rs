//! The commands of README.md, docs/ and the other pages. A block of commands is run here, in its page's order, or the line before it
//! says why not: `<!-- not run: REASON -->`. Under `<!-- file: PATH -->` a block is that file of the repository, word for word.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::{QUORATE, cluster, free_ports, has, url};

#[test]
fn every_block_of_commands_is_run_or_says_why_not() {
    for page in pages() {
        let elsewhere = TYPED_ELSEWHERE.iter().find(|(other, _)| *other == page);
        if let Some((_, test)) = elsewhere {
            let contributing = fs::read_to_string(root().join("CONTRIBUTING.md")).unwrap();
            let name = page.rsplit('/').next().unwrap();
            let says = |text: &str| contributing.contains(&format!("{text}`"));
            assert!(says(name) && says(test), "CONTRIBUTING.md does not say that {test} types {name}");
            let test = fs::read_to_string(root().join(test)).unwrap();
            assert!(test.contains(&page), "the test does not name {page}");
        }
        for block in blocks(&page) {
            let (here, root) = (format!("{page}:{}", block.line), root());
            let read =
                |path: &str| fs::read_to_string(root.join(path)).unwrap_or_else(|_| panic!("{here}: {path}"));
            assert!(!block.text.contains("http://10."), "{here}: the machines of bare-metal.md serve HTTPS");
            match (&block.fate, block.language.as_str(), elsewhere) {
                (_, "", _) => panic!("{here}: the block does not say its language"),
                (Fate::Run, "sh", None) if page == README || page.starts_with(DOCS) => {}
                (Fate::Run, "console", Some(_)) => {}
                (Fate::Run, "sh" | "console" | "bash" | "shell", _) => {
                    panic!(
                        "{here}: what is typed is `sh` in README.md and docs/, `console` on pages of TYPED_ELSEWHERE"
                    )
                }
                (Fate::Run, "json" | "mermaid" | "text", _) => {}
                (Fate::Run, _, _) => panic!("{here}: what somebody copies is a file, <!-- file: PATH -->"),
                (Fate::NotRun(reason), _, _) => assert!(!reason.is_empty(), "{here}: why not?"),
                (Fate::Is(file), _, _) => assert!(read(file) == block.text, "{here}: {file} is another text"),
            }
        }
    }
}

#[test]
fn every_link_leads_somewhere_and_every_table_is_whole() {
    for page in pages() {
        let text = fs::read_to_string(root().join(&page)).unwrap();
        let folder = root().join(&page).parent().unwrap().to_owned();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (path, section) = link.split_once('#').unwrap_or((link, ""));
            if path.contains("://") {
                continue;
            }
            let to = if path.is_empty() { root().join(&page) } else { folder.join(path) };
            assert!(to.exists(), "{page}: {link} is not there");
            let has = || sections(&fs::read_to_string(&to).unwrap()).any(|there| there == section);
            assert!(section.is_empty() || has(), "{page}: {link} is no section there");
        }
        let mut before = "";
        for (line, rest) in text.lines().zip(1..).map(|(line, number)| (line, text.lines().nth(number))) {
            let begins = line.starts_with('|') && !before.starts_with('|');
            assert!(
                !begins || rest.is_some_and(|rest| rest.starts_with("|---")),
                "{page}: a row without a table: {line}"
            );
            before = line;
        }
    }
}

/// As CONTRIBUTING.md has it. Tests, and harnesses, have times of their own.
#[test]
fn every_time_that_is_waited_stands_in_a_limits_rs() {
    let mut folders: Vec<PathBuf> =
        fs::read_dir(root().join("crates")).unwrap().map(|it| it.unwrap().path().join("src")).collect();
    let mut found = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let product = text.split("#[cfg(test)]").next().unwrap();
            let is_time = |line: &&str| {
                line.split('=')
                    .next()
                    .is_some_and(|name| name.contains("const ") && name.contains("Duration"))
            };
            let times: Vec<&str> = product.lines().filter(is_time).collect();
            match path.ends_with("limits.rs") {
                true => found += times.len(),
                false => assert_eq!(times, [""; 0], "{}", path.display()),
            }
        }
    }
    assert!(found > 20, "{found}");
}

/// Of a page's sections what stands behind the # of a link.
fn sections(text: &str) -> impl Iterator<Item = String> {
    let titles = text.lines().filter(|line| line.starts_with('#'));
    titles.map(|title| {
        let title = title.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.collect::<String>().replace(' ', "-")
    })
}

#[test]
fn the_pages_can_be_typed() {
    let dir = tempfile::tempdir().unwrap();
    let first = free_ports(3);
    let mut nodes = Vec::new();
    for page in pages().iter().filter(|page| page.starts_with(DOCS)) {
        let there = |block: &Block| {
            let needs = NEEDS.iter().filter(|(what, _, _)| block.text.contains(what));
            needs
                .into_iter()
                .all(|(what, program, args)| has(Some(&format!("{what} in {page}")), program, args))
        };
        let commands: Vec<Block> =
            blocks(page).into_iter().filter(|block| block.is_run() && there(block)).collect();
        if commands.is_empty() {
            continue;
        }
        if nodes.is_empty() {
            nodes = cluster(dir.path(), first);
        }
        type_them(page, &commands, dir.path(), first, |_| String::new());
    }
    assert!(!nodes.is_empty(), "no page has commands");
}

#[test]
fn the_readme_can_be_typed() {
    if !has(None, "curl", &["--version"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let commands: Vec<Block> = blocks(README).into_iter().filter(Block::is_run).collect();
    // A person goes on when the cluster says that it is ready.
    let ready = format!("until grep -qx ready {}; do sleep 0.1; done\n", said(dir.path()).display());
    let waiting =
        |block: &Block| if block.text.contains("quorate dev") { ready.clone() } else { String::new() };
    let said = type_them(README, &commands, dir.path(), free_ports(3), waiting);
    let line = |is: &dyn Fn(&str) -> bool| assert!(said.lines().any(is), "a line is missing in:\n{said}");
    line(&|line| line == "hello world");
    line(&|line| line == "world, again");
    line(&|line| line.starts_with("the job 0") && line.ends_with(" is mine for 600 s"));
    line(&|line| line.starts_with(r#"{"job":{"id":"0"#) && line.contains(r#""status":"success""#));
    line(&|line| line.starts_with("leader n"));
}

const README: &str = "README.md";
const DOCS: &str = "docs/";
/// Pages, and the tests that type them.
const TYPED_ELSEWHERE: &[(&str, &str)] = &[
    ("docs/operations/compose.md", "tests/chaos/tests/compose_page.rs"),
    ("docs/operations/backup.md", "crates/quorate/tests/repair_pages.rs"),
    ("docs/operations/disaster.md", "crates/quorate/tests/repair_pages.rs"),
    ("docs/operations/full-disk.md", "crates/quorate/tests/repair_pages.rs"),
    ("docs/operations/upgrade.md", "crates/quorate/tests/repair_pages.rs"),
    ("docs/operations/sizing.md", "crates/quorate/tests/operations_pages.rs"),
    ("docs/operations/members.md", "crates/quorate/tests/operations_pages.rs"),
    ("docs/operations/maintenance.md", "crates/quorate/tests/operations_pages.rs"),
];
/// What is in a block, and what must be there for it.
const NEEDS: &[(&str, &str, &[&str])] = &[
    ("worker.py", "python3", &["-c", "import requests"]),
    ("worker.sh", "jq", &["--version"]),
    ("curl ", "curl", &["--version"]),
];

/// A fenced block of a page.
struct Block {
    line: usize,
    language: String,
    fate: Fate,
    text: String,
}

/// What becomes of a block.
enum Fate {
    Run,
    NotRun(String),
    /// It is this file.
    Is(String),
}

impl Fate {
    fn read(marker: &str) -> Fate {
        let said = |kind: &str| {
            let rest = marker.strip_prefix("<!-- ")?.strip_prefix(kind)?;
            Some(rest.strip_suffix(" -->").unwrap_or_default().to_owned())
        };
        let not_run = || said("not run: ").map(Fate::NotRun);
        said("file: ").map(Fate::Is).or_else(not_run).unwrap_or(Fate::Run)
    }
}

impl Block {
    fn is_run(&self) -> bool {
        matches!(self.fate, Fate::Run) && self.language == "sh"
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// README.md, all of docs/ and the others, by their paths.
fn pages() -> Vec<String> {
    let mut pages = [README, "SECURITY.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "bench/README.md"]
        .map(str::to_owned)
        .to_vec();
    let mut folders = vec!["docs".to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{folder}/{}", entry.file_name().to_str().unwrap());
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(path),
                false => pages.extend(path.ends_with(".md").then_some(path)),
            }
        }
    }
    pages.sort();
    pages
}

fn blocks(page: &str) -> Vec<Block> {
    let text = fs::read_to_string(root().join(page)).unwrap();
    let (mut blocks, mut inside, mut before) = (Vec::new(), None::<Block>, "");
    for (line, number) in text.lines().zip(1..) {
        match (&mut inside, line.strip_prefix("```")) {
            (None, Some(language)) => {
                let (language, fate) = (language.to_owned(), Fate::read(before));
                inside = Some(Block { line: number, language, fate, text: String::new() });
            }
            (None, None) => {}
            (Some(block), None) => block.text.extend([line, "\n"]),
            (Some(_), Some(_)) => blocks.extend(inside.take()),
        }
        before = line;
    }
    assert!(inside.is_none(), "{page}: a block has no end");
    blocks
}

fn said(dir: &Path) -> PathBuf {
    dir.join("said")
}

/// Types all blocks into one shell, in a directory like the repository's, with other ports; says what came. `after` is what
/// follows a block.
fn type_them(
    page: &str,
    commands: &[Block],
    dir: &Path,
    first: u16,
    after: impl Fn(&Block) -> String,
) -> String {
    // A worker that ends has a poll under way, and would take the jobs of the next page.
    let mut script = "set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || :; wait' EXIT\n".to_owned();
    for block in commands {
        let typed =
            with_ports(&block.text, first).replace("/tmp/quorate", dir.join("quorate").to_str().unwrap());
        script.push_str(&format!("echo '--- line {}'\n{typed}{}", block.line, after(block)));
    }
    let said = said(dir);
    let output = fs::File::create(&said).unwrap();
    // For some minutes at most.
    let mut shell = Command::new("timeout");
    shell.args(["120", "bash", "-c", &script]).current_dir(repository(dir, first)).stdin(Stdio::null());
    shell.stdout(output.try_clone().unwrap()).stderr(output);
    shell.env("QUORATE_NODES", [first, first + 1, first + 2].map(url).join(","));
    shell.env("QUORATE_HEALTH_URL", url(first));
    let path =
        format!("{}:{}", dir.join("repository/target/release").display(), std::env::var("PATH").unwrap());
    let status = shell.env("PATH", path).status().unwrap();
    let said = String::from_utf8_lossy(&fs::read(said).unwrap()).into_owned();
    assert!(status.success(), "{page}: {status}; typed:\n{script}\nsaid:\n{said}");
    said
}

/// Where the pages write the ports 8080, 8081, 8082 of this machine, or those of n1, n2 and n3.
fn with_ports(text: &str, first: u16) -> String {
    (0..3).fold(text.to_owned(), |text, at| {
        let known = ["localhost", "127.0.0.1"].map(|host| format!("{host}:{}", 8080 + at));
        let known = known.into_iter().chain([format!("n{}:8080", at + 1)]);
        known.fold(text, |text, known| text.replace(&known, &format!("127.0.0.1:{}", first + at)))
    })
}

/// What is needed of the repository, and built: `make` does nothing, and a cluster takes the ports of this test.
fn repository(dir: &Path, first: u16) -> PathBuf {
    let (repository, root) = (dir.join("repository"), root());
    let bin = repository.join("target/release");
    if fs::create_dir_all(&bin).is_ok() && !bin.join("make").exists() {
        symlink(root.join("examples"), repository.join("examples")).unwrap();
        let dev = format!("case ${{1-}} in dev) exec {QUORATE} \"$@\" --http-port {first};; esac");
        for (name, script) in [
            ("quorate", format!("{dev}\nexec {QUORATE} \"$@\"\n")),
            ("make", "test \"$*\" = build\n".to_owned()),
        ] {
            fs::write(bin.join(name), format!("#!/bin/sh\n{script}")).unwrap();
            fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
    repository
}
