//! Shell completions and man pages, in the programs that they are for.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::process::{Command, Stdio};

use common::{QUORATE, has, quorate};

/// What a shell says to a script; `quorate` in it is the program.
fn asked(shell: &str, script: &str) -> String {
    let mut shell = Command::new(shell);
    let bin = std::path::Path::new(QUORATE).parent().unwrap().display();
    shell.env("PATH", format!("{bin}:{}", std::env::var("PATH").unwrap())).stdin(Stdio::null());
    let output = shell.args(["-c", script]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    said
}

#[test]
fn bash_completes() {
    if !has(None, "bash", &["--version"]) {
        return;
    }
    // As bash does at a Tab: `complete -p` names the function, which fills COMPREPLY.
    let complete = "source <(quorate completions bash)
        COMP_WORDS=(quorate job en) COMP_CWORD=2
        function=$(complete -p quorate | grep -o -- '-F [^ ]*' | cut -d ' ' -f 2)
        $function quorate en job; echo ${COMPREPLY[@]}";
    assert_eq!(asked("bash", complete).trim(), "enqueue");
}

#[test]
fn fish_completes() {
    if has(None, "fish", &["--version"]) {
        let said = asked("fish", "quorate completions fish | source; complete -C 'quorate job en'");
        assert!(said.starts_with("enqueue\t"), "{said}");
    }
}

#[test]
fn zsh_completes() {
    if has(None, "zsh", &["--version"]) {
        // As zsh does at a Tab; what `_describe` would offer is printed, since only a line editor takes it.
        let complete = "autoload -U compinit && compinit -u -D && source <(quorate completions zsh)
            _describe() { print -l -- ${(P)4} }
            echo $_comps[quorate]; _quorate__subcmd__job_commands";
        let said = asked("zsh", complete);
        assert!(said.starts_with("_quorate\n") && said.contains("\nenqueue:"), "{said}");
    }
}

#[test]
fn every_command_has_a_man_page() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("man1");
    let written = |more: &str| {
        let output = quorate(&["man", dir.to_str().unwrap()]);
        assert!(output.status.success());
        let pages = std::fs::read_dir(&dir).unwrap().count();
        let says = format!("{pages} man pages are written to {}{more}\n", dir.display());
        assert_eq!(String::from_utf8(output.stdout).unwrap(), says);
    };
    written(", which was made");
    written("");
    for page in ["quorate", "quorate-serve", "quorate-job", "quorate-job-enqueue"] {
        assert!(dir.join(format!("{page}.1")).exists(), "{page}");
    }
    if has(Some("how man pages look"), "man", &["--version"]) {
        let page = dir.join("quorate-job-enqueue.1");
        let shown =
            Command::new("man").args(["--warnings", "-l"]).arg(page).env("MANWIDTH", "100").output().unwrap();
        let text = String::from_utf8(shown.stdout).unwrap();
        assert!(text.contains("--max-retries") && text.contains("QUORATE_NODES"), "{text}");
        assert!(shown.stderr.is_empty(), "{}", String::from_utf8_lossy(&shown.stderr));
    }
    let nowhere = quorate(&["man", "/dev/null/x"]);
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&nowhere.stderr).contains("cannot write man pages to /dev/null/x"));
}
