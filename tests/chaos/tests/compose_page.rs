//! Runs every command of docs/operations/compose.md in its order, in one shell, and compares what they print with what the
//! page shows: `…` there stands for anything.
//!
//! So that nobody's own cluster is touched, the project, the ports and the image have other names here. `make image` has
//! been done, once: what is upgraded to is the same version.

mod common;
#[path = "common/console.rs"]
mod console;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use console::Step;

const PROJECT: &str = "quorate-page";
const IMAGE_BEFORE: &str = "quorate:test-before";
#[test]
fn every_command_of_the_compose_page_does_what_the_page_says() {
    if let Err(why) = common::image_for_compose() {
        println!("SKIPPED: {why}");
        return;
    }
    let _alone = quorate_chaos::alone(PROJECT).expect("nobody else tests the page");
    let page = fs::read_to_string(common::root().join("docs/operations/compose.md")).expect("the page");
    let ports = quorate_chaos::free_ports(5).expect("free ports");
    let dir = tempfile::tempdir().expect("a temporary directory");
    let steps = console::steps(&renamed(&page, &ports, dir.path()));
    assert!(steps.len() > 20, "the page has commands");
    for Step { command, .. } in &steps {
        let others = ["deploy_", "deploy-", " -p ", "quorate:latest", "quorate:before", "127.0.0.1:80"];
        assert!(
            !others.iter().any(|name| command.contains(name)),
            "`{command}` touches what is somebody else's"
        );
    }

    let down = ["-f", "deploy/compose.yaml", "-f", "deploy/compose.five.yaml", "down", "--volumes"];
    let clean = || {
        compose(&ports).args(down).output().expect("docker-compose");
        common::succeeds("docker", &["image", "rm", IMAGE_BEFORE]);
    };
    clean();
    let (well, output) = run(&script(&steps), &ports);
    clean();
    assert!(well, "a command failed; all of them printed:\n{output}");

    console::compare(&steps, &output);
}

/// The page with names that nobody else uses.
fn renamed(page: &str, ports: &[u16], dir: &Path) -> String {
    let page = page.replace("/tmp/quorate", dir.join("quorate").to_str().expect("a path that is text"));
    let mut page = page.replace("make image", "true").replace("deploy_", &format!("{PROJECT}_"));
    page = page.replace("quorate:latest", common::IMAGE).replace("quorate:before", IMAGE_BEFORE);
    for (port, known) in ports.iter().zip(8080..) {
        page = page.replace(&format!("127.0.0.1:{known}"), &format!("127.0.0.1:{port}"));
    }
    page
}

fn script(steps: &[Step]) -> String {
    let down = "docker-compose -f deploy/compose.yaml -f deploy/compose.five.yaml down --volumes";
    let mut script = format!("set -euo pipefail\nexec 2>&1\ntrap '{down}; exit 130' INT TERM\n");
    script.push_str(&console::script(steps));
    script
}

/// Runs the script, for some minutes at most.
fn run(script: &str, ports: &[u16]) -> (bool, String) {
    let mut bash = Command::new("timeout");
    // In the foreground, so that Ctrl-C reaches the script too.
    bash.args(["--foreground", "600", "bash", "-c", script]).stdin(Stdio::null());
    let output = in_project(bash, ports).output().expect("bash");
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

fn compose(ports: &[u16]) -> Command {
    in_project(Command::new("docker-compose"), ports)
}

fn in_project(mut command: Command, ports: &[u16]) -> Command {
    command
        .current_dir(common::root())
        .env("COMPOSE_PROJECT_NAME", PROJECT)
        .env("QUORATE_IMAGE", common::IMAGE);
    for (port, node) in ports.iter().zip(1..) {
        command.env(format!("HTTP_PORT_N{node}"), port.to_string());
    }
    command
}
