//! A node that cannot start says in one line why, and what to do.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use common::{ends, enqueue, free_ports, serve, start, wait_until_ready};

/// The one line that it says of it.
#[track_caller]
fn refused(args: &[String]) -> String {
    let (code, said) = ends(args);
    assert_eq!(code, Some(1), "{said}");
    let errors: Vec<&str> = said.lines().filter(|line| !line.contains(" INFO ")).collect();
    assert_eq!(errors.len(), 1, "{said}");
    errors[0].to_owned()
}

fn copy(from: &Path, to: &Path) {
    let copied =
        Command::new("cp").args(["-a", from.to_str().unwrap(), to.to_str().unwrap()]).status().unwrap();
    assert!(copied.success());
}

#[test]
fn it_says_in_one_line_why_and_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_ports(1);
    let args = serve(dir.path(), &[port], 0);
    let data_dir = dir.path().join("n0");
    let node = start(dir.path(), &[port], 0);
    wait_until_ready(port);
    enqueue(port);

    let said = refused(&args);
    assert!(
        said.contains("http-addr: cannot listen on") && said.contains("or choose another port"),
        "{said}"
    );
    let other = free_ports(1);
    let of_other = |with_data_dir: bool| {
        let mut args = serve(dir.path(), &[other], 0);
        if !with_data_dir {
            let at = args.iter().position(|arg| arg == "--data-dir").unwrap();
            args[at + 1] = dir.path().join("else").to_str().unwrap().to_owned();
        }
        args
    };
    let said = refused(&of_other(true));
    assert!(said.contains("in use by another process. End that one first"), "{said}");
    let taken = TcpListener::bind(("127.0.0.1", other + 1_000)).unwrap();
    let said = refused(&of_other(false));
    assert!(said.contains("peer-addr: cannot listen") && said.contains("or choose another port"), "{said}");
    drop((taken, node));

    let kept = dir.path().join("kept");
    copy(&data_dir, &kept);
    let generation = fs::read_dir(kept.join("jobs")).unwrap().map(|entry| entry.unwrap().path());
    let generation = generation.into_iter().find(|path| path.is_dir()).unwrap();
    let generation = generation.strip_prefix(&kept).unwrap().join("CURRENT");
    for (file, content, says) in [
        ("FORMAT", "quorate data directory, format 9\n", "format 9\": start the version that wrote it"),
        ("jobs/CURRENT", "garbage", "jobs/CURRENT is damaged"),
        ("raft/CURRENT", "garbage", "the Raft log is damaged"),
        (generation.to_str().unwrap(), "garbage", "the job table is damaged"),
        ("identity", "garbage", "identity is damaged"),
        ("high-water", "garbage", "high-water mark is damaged"),
    ] {
        fs::remove_dir_all(&data_dir).unwrap();
        copy(&kept, &data_dir);
        fs::write(data_dir.join(file), content).unwrap();
        let said = refused(&args);
        assert!(said.starts_with("error: data-dir: ") && said.contains(says), "{file}: {said}");
        if content == "garbage" {
            assert!(said.contains("Move the directory away") && said.contains("restore a backup"), "{said}");
        }
    }
    fs::remove_dir_all(&data_dir).unwrap();
    fs::create_dir(&data_dir).unwrap();
    fs::write(data_dir.join("precious"), "data").unwrap();
    let said = refused(&args);
    assert!(said.contains("\"precious\": choose one that is empty"), "{said}");
}
