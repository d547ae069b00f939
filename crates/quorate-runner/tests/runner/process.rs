//! The process driver with real programs.

use std::time::Duration;

use quorate_runner::{Driver, End, NotStarted, Output, Process, Programs, Work};
use tokio_util::sync::CancellationToken;

use crate::scripts::Scripts;
use crate::{Finished, run, soon};

/// Far beyond any test: only a stop that never works waits for it.
const FOREVER: Duration = Duration::from_secs(3_600);
const AT_ONCE: Duration = Duration::ZERO;

fn driver(entry: &str, grace: Duration) -> Process {
    let program = entry.parse().expect("a good entry");
    Process::new(Programs::new([program]).expect("one entry"), grace)
}

fn work(payload: impl Into<String>) -> Work {
    Work { job_id: "job-1".into(), image: "it".into(), payload: payload.into().into() }
}

async fn run_entry(entry: &str, payload: &str) -> Finished {
    run(&driver(entry, FOREVER), &work(payload), &CancellationToken::new()).await
}

async fn run_script(script: &str, payload: &str) -> Finished {
    let scripts = Scripts::new();
    run_entry(&scripts.entry("it", script, &[]), payload).await
}

fn text(finished: &Finished) -> &str {
    std::str::from_utf8(&finished.log).expect("the log is text")
}

#[tokio::test]
async fn a_program_gets_its_arguments_and_the_payload_as_input() {
    let finished = run_entry("it=/usr/bin/wc -w", "one two three").await;
    assert_eq!((&finished.end, text(&finished).trim()), (&End::Success, "3"));
}

#[tokio::test]
async fn the_environment_is_the_job_and_the_path_and_nothing_else() {
    let finished = run_entry("it=/usr/bin/env", "p=1\nq").await;
    let path = std::env::var("PATH").expect("tests have a path");
    let mut lines: Vec<&str> = text(&finished).lines().collect();
    lines.sort_unstable();
    let mut expected = ["JOB_ID=job-1", &format!("PATH={path}"), "PAYLOAD=p=1", "q"];
    expected.sort_unstable();
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn a_payload_too_long_for_the_environment_comes_as_input_only() {
    const LONGEST: usize = 128 * 1024 - "PAYLOAD=".len() - 1;
    let script = "printf '%s ' ${#PAYLOAD}; wc -c";
    let fits = run_script(script, &"x".repeat(LONGEST)).await;
    assert_eq!(text(&fits).trim(), format!("{LONGEST} {LONGEST}"));
    let too_long = run_script(script, &"x".repeat(LONGEST + 1)).await;
    assert_eq!(text(&too_long).trim(), format!("0 {}", LONGEST + 1));
    let zero_byte = run_script(script, "a\0b").await;
    assert_eq!(text(&zero_byte).trim(), "0 3");
}

#[tokio::test]
async fn a_program_need_not_read_its_input() {
    let finished = run_entry("it=/bin/true", &"x".repeat(1 << 20)).await;
    assert_eq!(finished.end, End::Success);
}

#[tokio::test]
async fn the_log_has_both_outputs_in_their_order() {
    let finished = run_script("echo 1; echo 2 >&2; echo 3; echo 4 >&2", "").await;
    assert_eq!(text(&finished), "1\n2\n3\n4\n");
}

#[tokio::test]
async fn a_long_log_keeps_its_head_and_its_tail() {
    let finished =
        run_script("echo first; head -c 3000000 /dev/zero | tr '\\0' x; echo; echo last", "").await;
    let log = text(&finished);
    assert!(log.len() <= 1 << 20, "{} bytes", log.len());
    assert!(log.starts_with("first\nxxx") && log.ends_with("xxx\nlast\n"));
    let left_out = 3_000_000 + "first\n\nlast\n".len() - ((1 << 20) - 64);
    assert!(log.contains(&format!("x\n[{left_out} bytes left out]\nx")), "the line is missing");
}

#[tokio::test]
async fn the_end_of_a_program_is_the_outcome() {
    let ends = [
        ("exit 0", End::Success),
        ("exit 3", End::BadExit("exit status 3".into())),
        ("exit 137", End::Killed("exit status 137".into())),
        ("kill -KILL $$", End::Killed("killed by SIGKILL".into())),
        ("kill -TERM $$", End::BadExit("ended by signal 15 (SIGTERM)".into())),
        ("kill -34 $$", End::BadExit("ended by signal 34 (an unknown signal)".into())),
    ];
    for (script, end) in ends {
        assert_eq!(run_script(script, "").await.end, end, "{script}");
    }
}

#[tokio::test]
async fn what_can_not_be_run_says_why() {
    let (output, never) = (Output::default(), CancellationToken::new());
    let process = driver("it=/no/such/program", FOREVER);
    let started = process.start(&work(""), &output, &never).await.err();
    let Some(NotStarted::Unable(why)) = started else { panic!("it can't have been started: {started:?}") };
    assert!(why.starts_with("/no/such/program could not be run: No such file"), "{why}");

    let other = Work { image: "other".into(), ..work("") };
    let process = driver("it=/bin/true", FOREVER);
    assert!(process.takes("it") && !process.takes("other"));
    let why = NotStarted::Refused("no program is configured for the image \"other\"".into());
    assert_eq!(process.start(&other, &output, &never).await.err(), Some(why));
}

#[tokio::test]
async fn a_stop_is_polite_first() {
    let scripts = Scripts::new();
    let mut pipe = scripts.pipe("started");
    let never = scripts.pipe("never");
    let script =
        "exec 9>$1 8<>$2; trap 'echo bye; exit 0' TERM; echo started >&9; while :; do read line <&8; done";
    let entry = scripts.entry("it", script, &[&pipe, &never]);
    let (process, stop) = (driver(&entry, FOREVER), CancellationToken::new());
    let work = work("");
    let (finished, ()) = tokio::join!(run(&process, &work, &stop), async {
        pipe.line().await;
        stop.cancel();
    });
    assert_eq!((&finished.end, text(&finished)), (&End::Stopped, "bye\n"));
    pipe.all_dead().await;
}

/// A program that cleans up when it is told to end, which takes until a line comes. (It has no child: one that the
/// signal finds between its fork and its exec would not die of it.)
const CLEANER: &str = "exec 8>$1 9<>$2
    trap 'trap \"\" TERM; echo cleaning >&8; read line <&9; echo cleaned >&2; exit 0' TERM
    echo started >&8; while :; do read line <&9; done";

#[tokio::test]
async fn the_grace_is_that_of_the_whole_family() {
    // None of the wrappers does anything about SIGTERM. Some put the program into a group of its own.
    for wrapper in [
        "/bin/sh $3 $1 $2; true",
        "/bin/sh $3 $1 $2 & wait",
        "/bin/sh $3 $1 $2 | cat",
        "(/bin/sh $3 $1 $2 &) ; sleep 3600",
        "timeout 3600 /bin/sh $3 $1 $2; true",
        "set -m; /bin/sh $3 $1 $2 & wait",
        "setsid --wait /bin/sh $3 $1 $2; true",
    ] {
        let scripts = Scripts::new();
        let (mut said, go) = (scripts.pipe("said"), scripts.pipe("go"));
        let entry =
            format!("{} {}", scripts.entry("it", wrapper, &[&said, &go]), scripts.script("cleaner", CLEANER));
        let (process, stop) = (driver(&entry, FOREVER), CancellationToken::new());
        let work = work("");
        let (finished, ()) = tokio::join!(soon("the end", run(&process, &work, &stop)), async {
            assert_eq!(said.line().await, "started", "{wrapper}");
            stop.cancel();
            assert_eq!(said.line().await, "cleaning", "{wrapper}");
            go.release().await;
        });
        assert_eq!(finished.end, End::Stopped, "{wrapper}");
        assert!(text(&finished).ends_with("cleaned\n"), "{wrapper}: {finished:?}");
        said.all_dead().await;
    }
}

#[tokio::test]
async fn what_a_program_leaves_behind_gets_its_grace_too() {
    let scripts = Scripts::new();
    let (mut said, go, leave) = (scripts.pipe("said"), scripts.pipe("go"), scripts.pipe("leave"));
    let wrapper = "/bin/sh $4 $1 $2 & exec 3<>$3; read line <&3; exit 3";
    let entry = scripts.entry("it", wrapper, &[&said, &go, &leave]);
    let entry = format!("{entry} {}", scripts.script("cleaner", CLEANER));
    let (finished, ()) = tokio::join!(soon("the end", run_entry(&entry, "")), async {
        assert_eq!(said.line().await, "started");
        leave.release().await;
        assert_eq!(said.line().await, "cleaning");
        go.release().await;
    });
    assert_eq!((&finished.end, text(&finished)), (&End::BadExit("exit status 3".into()), "cleaned\n"));
    said.all_dead().await;
}

/// A family that ignores SIGTERM.
const STUBBORN: &str = "exec 9>$1; trap '' TERM
    sh -c 'sleep 3600 & wait' &
    sleep 3600 &
    echo started >&9; wait; wait; wait";

#[tokio::test]
async fn a_stop_ends_the_whole_family_by_force() {
    let scripts = Scripts::new();
    let mut pipe = scripts.pipe("family");
    let (process, stop) =
        (driver(&scripts.entry("it", STUBBORN, &[&pipe]), AT_ONCE), CancellationToken::new());
    let work = work("");
    let (finished, ()) = tokio::join!(soon("the end", run(&process, &work, &stop)), async {
        pipe.line().await;
        stop.cancel();
    });
    assert_eq!(finished.end, End::Stopped);
    pipe.all_dead().await;
}

#[tokio::test]
async fn what_a_program_leaves_behind_is_killed_after_its_grace() {
    let scripts = Scripts::new();
    let (mut family, go) = (scripts.pipe("family"), scripts.pipe("go"));
    let leaver = format!("({STUBBORN}) & exec 3<>$2; read line <&3; exit 0");
    let process = driver(&scripts.entry("it", &leaver, &[&family, &go]), AT_ONCE);
    let (work, never) = (work(""), CancellationToken::new());
    let (finished, ()) = tokio::join!(soon("the end", run(&process, &work, &never)), async {
        family.line().await;
        go.release().await;
    });
    assert_eq!(finished.end, End::Success);
    family.all_dead().await;
}

#[tokio::test]
async fn who_is_no_longer_waited_for_dies_too() {
    let scripts = Scripts::new();
    let mut pipe = scripts.pipe("family");
    let process = driver(&scripts.entry("it", STUBBORN, &[&pipe]), FOREVER);
    let run = tokio::spawn(async move { run(&process, &work(""), &CancellationToken::new()).await });
    pipe.line().await;
    run.abort();
    pipe.all_dead().await;
}

#[tokio::test]
async fn what_a_program_leaves_behind_ends_with_it() {
    let scripts = Scripts::new();
    let mut pipe = scripts.pipe("left");
    let script = "exec 9>$1; sleep 3600 & echo done; echo started >&9; exit 0";
    let finished = run_entry(&scripts.entry("it", script, &[&pipe]), "").await;
    assert_eq!((&finished.end, text(&finished)), (&End::Success, "done\n"));
    assert_eq!(pipe.line().await, "started");
    pipe.all_dead().await;
}

#[tokio::test]
async fn what_left_the_group_with_the_output_holds_nobody_up() {
    let scripts = Scripts::new();
    let pipe = scripts.pipe("escaped");
    // It holds the output open until the test lets it go.
    let script = "exec 3<>$1; setsid sh -c 'read line <&3' & echo done; exit 0";
    let finished = run_entry(&scripts.entry("it", script, &[&pipe]), "").await;
    pipe.release().await;
    assert_eq!((&finished.end, text(&finished)), (&End::Success, "done\n"));
}
