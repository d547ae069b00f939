//! Orphans of jobs do not stay as zombies. A process of its own, since it waits for all its children.

use std::path::Path;
use std::time::Duration;

use nix::sys::stat::Mode;
use quorate_runner::{Driver, End, Output, Process, Programs, Work, reap_orphans};
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn an_orphan_that_left_its_group_is_waited_for() {
    reap_orphans().expect("it listens for signals");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let pipes = [directory.path().join("pipe1"), directory.path().join("pipe2")];
    for pipe in &pipes {
        nix::unistd::mkfifo(pipe, Mode::S_IRWXU).expect("a named pipe");
    }
    let script = directory.path().join("it.sh");
    // One that ends at once, and two that end after their job, of which one by a signal for which nix has no name. The
    // job waits until they have left its group.
    let text = "(setsid sh -c 'exit 3' & echo $!
        setsid sh -c 'exec >$0.left; read line <$0' $1 & echo $!
        setsid sh -c 'exec >$0.left; read line <$0; kill -34 $$' $2 & echo $!) &
        wait; until [ -e $1.left ] && [ -e $2.left ]; do :; done";
    std::fs::write(&script, text).expect("the script is written");
    let [pipe1, pipe2] = pipes.each_ref().map(|pipe| pipe.display());
    let entry = format!("it=/bin/sh {} {pipe1} {pipe2}", script.display()).parse().expect("a good entry");
    let process = Process::new(Programs::new([entry]).expect("one entry"), Duration::from_secs(3_600));
    let work = Work { job_id: "job-1".into(), image: "it".into(), payload: "".into() };
    let (output, never) = (Output::default(), CancellationToken::new());
    let end = process.start(&work, &output, &never).await.expect("it starts").await;
    assert_eq!(end, End::Success);
    let orphans = String::from_utf8_lossy(&output.finish()).into_owned();
    let orphans: Vec<&str> = orphans.lines().collect();
    assert_eq!(orphans.len(), 3);
    let all_gone = async {
        for pipe in &pipes {
            tokio::fs::write(pipe, "go\n").await.expect("an orphan reads it");
        }
        while orphans.iter().any(|orphan| Path::new("/proc").join(orphan).exists()) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all_gone).await.expect("no zombie stays");
}
