//! The docker driver, where an engine answers.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use quorate_runner::{Docker, DockerConfig, Driver, End, NotStarted, Work};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::{Finished, run, soon};

/// A shell that needs nothing else in its image (Debian: busybox-static).
const BUSYBOX: &str = "/bin/busybox";

/// An image that runs a script, removed when it goes.
struct TestImage(String);

impl TestImage {
    /// `None`, said aloud, where there is no engine to test with.
    async fn new(name: &str, script: &str) -> Option<TestImage> {
        if let Err(error) = Docker::connect(DockerConfig::default()).await {
            println!("SKIPPED: {error}");
            return None;
        }
        if !Path::new(BUSYBOX).exists() {
            println!("SKIPPED: there is no {BUSYBOX} to build an image from (Debian: busybox-static)");
            return None;
        }
        let directory = TempDir::new().expect("a temporary directory");
        let tar = directory.path().join("image.tar");
        let tar = tar.to_str().expect("it is text");
        call("tar", &["-C", "/", "-chf", tar, "bin/busybox"]);
        let image = format!("quorate-test/{name}-{}:1", std::process::id());
        let command = format!("CMD {}", serde_json::json!([BUSYBOX, "sh", "-c", script]));
        call("docker", &["import", "--change", &command, tar, &image]);
        Some(TestImage(image))
    }

    fn work(&self, payload: &str) -> Work {
        let job_id = self.0.replace(['/', ':'], "-");
        Work { job_id, image: self.0.clone(), payload: payload.to_owned().into() }
    }

    /// Prepares and runs it, and sees that nothing stays.
    async fn run(&self, config: DockerConfig, payload: &str, stop: &CancellationToken) -> Finished {
        let work = self.work(payload);
        let driver = Docker::connect(config).await.expect("it answered before");
        driver.prepare(&work).await.expect("the image is there");
        let finished = run(&driver, &work, stop).await;
        let left = Command::new("docker").args(["inspect", &container(&work)]).stderr(Stdio::null()).output();
        assert!(!left.expect("docker runs").status.success(), "the container was not removed");
        finished
    }
}

impl Drop for TestImage {
    fn drop(&mut self) {
        call("docker", &["rmi", "--force", &self.0]);
    }
}

fn container(work: &Work) -> String {
    format!("quorate-{}", work.job_id)
}

fn call(program: &str, args: &[&str]) -> Output {
    let output = Command::new(program).args(args).output().expect("the program is there");
    assert!(output.status.success(), "{program} {args:?}: {output:?}");
    output
}

#[tokio::test]
async fn a_container_gets_the_payload_and_gives_its_log() {
    // The engine keeps the order within each output, not between the two.
    let script = "echo \"$(/bin/busybox cat) [$PAYLOAD] [$JOB_ID]\"; echo to stderr >&2";
    let Some(image) = TestImage::new("success", script).await else { return };
    let finished = image.run(DockerConfig::default(), "a payload", &CancellationToken::new()).await;
    assert_eq!(finished.end, End::Success);
    let log = std::str::from_utf8(&finished.log).expect("the log is text");
    let job_id = image.work("").job_id;
    assert!(log.contains(&format!("a payload [a payload] [{job_id}]\n")), "{log:?}");
    assert!(log.contains("to stderr\n"), "{log:?}");
}

#[tokio::test]
async fn the_exit_status_of_a_container_is_the_outcome() {
    let Some(image) = TestImage::new("exit", "exit $PAYLOAD").await else { return };
    for (status, end) in [
        ("0", End::Success),
        ("3", End::BadExit("exit status 3".into())),
        ("137", End::Killed("exit status 137".into())),
    ] {
        let finished = image.run(DockerConfig::default(), status, &CancellationToken::new()).await;
        assert_eq!(finished.end, end);
    }
}

#[tokio::test]
async fn a_long_log_of_a_container_is_bounded() {
    let script = "echo first; /bin/busybox yes | /bin/busybox head -c 3000000; echo last";
    let Some(image) = TestImage::new("log", script).await else { return };
    let finished = image.run(DockerConfig::default(), "", &CancellationToken::new()).await;
    let log = std::str::from_utf8(&finished.log).expect("the log is text");
    assert!(log.len() <= 1 << 20, "{} bytes", log.len());
    assert!(log.starts_with("first\ny\n") && log.ends_with("y\nlast\n"));
    assert!(log.contains(" bytes left out]\n"));
}

/// Waits until the script in the container has made this file.
async fn made(container: &str, file: &str) {
    let exists = async || {
        let mut docker = tokio::process::Command::new("docker");
        docker.args(["exec", container, BUSYBOX, "test", "-e", file]).stderr(Stdio::null());
        docker.status().await.expect("docker runs").success()
    };
    soon(file, async { while !exists().await {} }).await;
}

#[tokio::test]
async fn a_stop_ends_a_container() {
    let script = ">/started; while :; do /bin/busybox sleep 3600; done";
    let Some(image) = TestImage::new("stop", script).await else { return };
    let stop = CancellationToken::new();
    let config = DockerConfig { grace: Duration::ZERO, ..DockerConfig::default() };
    let container = container(&image.work(""));
    let (finished, ()) = tokio::join!(image.run(config, "", &stop), async {
        made(&container, "/started").await;
        stop.cancel();
    });
    assert_eq!(finished.end, End::Stopped);
}

#[tokio::test]
async fn a_stop_reaches_the_whole_process_group_of_a_container() {
    let program = "trap 'echo cleaned; exit 0' TERM; >/started; while :; do /bin/busybox sleep 0.1; done";
    let script = format!("trap : TERM; /bin/busybox sh -c \"{program}\"; echo the wrapper too");
    let Some(image) = TestImage::new("group", &script).await else { return };
    let stop = CancellationToken::new();
    let config = DockerConfig { grace: Duration::from_secs(60), ..DockerConfig::default() };
    let container = container(&image.work(""));
    let (finished, ()) = tokio::join!(image.run(config, "", &stop), async {
        made(&container, "/started").await;
        stop.cancel();
    });
    assert_eq!(finished.end, End::Stopped);
    let log = std::str::from_utf8(&finished.log).expect("the log is text");
    assert!(log.contains("cleaned\n") && log.contains("the wrapper too\n"), "{log:?}");
}

#[tokio::test]
async fn a_container_that_wants_too_much_memory_is_killed() {
    // `tail` keeps the last line, and this line never ends.
    let Some(image) = TestImage::new("memory", "/bin/busybox tail /dev/zero").await else { return };
    let config = DockerConfig { memory_bytes: 32 << 20, ..DockerConfig::default() };
    let finished = image.run(config, "", &CancellationToken::new()).await;
    assert_eq!(finished.end, End::Killed("out of memory".into()));
}

#[tokio::test]
async fn an_image_that_can_not_be_fetched_says_why() {
    let Some(image) = TestImage::new("fetch", "exit 0").await else { return };
    let work = Work { image: "Not A Name".into(), ..image.work("") };
    let driver = Docker::connect(DockerConfig::default()).await.expect("it answered before");
    let refused = driver.prepare(&work).await.expect_err("there is no such image");
    let NotStarted::Refused(why) = refused else { panic!("{refused:?}") };
    assert!(why.starts_with("the image \"Not A Name\" could not be fetched: "), "{why}");
}

#[tokio::test]
async fn the_name_of_an_image_stays_inside_its_place_in_the_url() {
    let Some(image) = TestImage::new("name", "exit 0").await else { return };
    let driver = Docker::connect(DockerConfig::default()).await.expect("it answered before");
    // Unencoded these ask for the engine's version, and for the image that is there.
    for name in ["../version#", "../version?", "x/../../version?", &format!("../{}/json?", image.0)] {
        let work = Work { image: name.into(), ..image.work("") };
        let refused = driver.prepare(&work).await.expect_err("that is no name of an image");
        let NotStarted::Refused(why) = refused else { panic!("{refused:?}") };
        assert!(why.starts_with(&format!("the image {name:?} could not be fetched: ")), "{why}");
    }
}

#[tokio::test]
async fn a_container_that_lost_its_runner_is_stopped_and_removed() {
    let script = "trap 'exit 0' TERM; >/started; while :; do /bin/busybox sleep 0.1; done";
    let Some(image) = TestImage::new("left", script).await else { return };
    let cluster = format!("cluster-{}", std::process::id());
    let config = DockerConfig { runner: "r1".into(), ..DockerConfig::default() };
    let driver = Docker::connect(config).await.expect("it answered before").for_cluster(&*cluster);

    // One of a runner that lives: this process.
    let (work, stop) = (image.work(""), CancellationToken::new());
    let output = quorate_runner::Output::default();
    let running = driver.start(&work, &output, &stop).await.expect("it starts");
    // And of runners that can't be seen from here.
    let left = |runner: &str, cluster: &str| {
        let labels = [("job", "j"), ("runner", runner), ("cluster", cluster), ("process", "1/1/elsewhere")];
        let labels: Vec<String> = labels
            .iter()
            .flat_map(|(name, value)| ["--label".into(), format!("quorate.{name}={value}")])
            .collect();
        let mut args = vec!["run", "--detach"];
        args.extend(labels.iter().map(String::as_str));
        args.push(&image.0);
        String::from_utf8(call("docker", &args).stdout).expect("an id").trim().to_owned()
    };
    let ours = left("r1", &cluster);
    let others = [left("r2", &cluster), left("r1", "another")];
    let exists = |container: &str| {
        let docker = Command::new("docker")
            .args(["inspect", container])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        docker.expect("docker runs").success()
    };

    driver.clear_left_behind().await.expect("the engine answers");
    assert!(!exists(&ours), "it is still there");
    for other in &others {
        assert!(exists(other), "it was not ours");
        call("docker", &["rm", "--force", other]);
    }
    assert!(exists(&container(&work)), "its runner lives");
    stop.cancel();
    assert_eq!(running.await, End::Stopped);
}
