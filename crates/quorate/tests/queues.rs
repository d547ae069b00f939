//! The commands of `quorate queue`, and queues in the others.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use common::{QUORATE, Started, free_ports, serve, url, wait_until, wait_until_ready};

/// One node, and the commands that speak to it.
struct Node {
    _dir: tempfile::TempDir,
    _node: Started,
    port: u16,
}

impl Node {
    fn start() -> Node {
        let dir = tempfile::tempdir().unwrap();
        let port = free_ports(1);
        let node = Command::new(QUORATE).args(serve(dir.path(), &[port], 0)).stderr(Stdio::null()).spawn();
        let node = Node { _dir: dir, _node: Started(node.unwrap()), port };
        wait_until_ready(port);
        node
    }

    fn command(&self, args: &str) -> Command {
        let mut command = Command::new(QUORATE);
        command.args(args.split(' ')).env("QUORATE_NODES", url(self.port));
        command
    }

    fn run(&self, args: &str) -> Output {
        self.command(args).output().unwrap()
    }

    /// What a command that goes well prints.
    fn says(&self, args: &str) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, args: &str) -> Value {
        serde_json::from_str(&self.says(&format!("{args} --json"))).unwrap()
    }
}

#[test]
fn a_queue_is_set_shown_paused_and_deleted() {
    let node = Node::start();
    let set = "queue set mails --timeout 5m --max-retries 5 --retries-delay 10s --success-retention 1d --error-retention 30d \
               --backoff exponential:10m:20% --max-running 20 --max-running-per-key 2 --rate 100/1s";
    let shown = node.says(set);
    for line in [
        "name         mails",
        "max running  20, 0 run",
        "per key      2 running at most",
        "rate         100/1s, 100 left",
        "timeout      5m",
        "max retries  5",
        "retry after  10s",
        "backoff      exponential:10m:20%",
        "success kept 1d",
        "error kept   30d",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
    }
    assert_eq!(node.says("queue show mails"), shown);

    let seen = node.json("queue set mails --rate none --backoff 1s,5s,30s --max-retries none");
    assert_eq!(
        (&seen["rate"], &seen["max_retries"], &seen["timeout"]),
        (&Value::Null, &Value::Null, &json!(300))
    );
    assert_eq!(seen["backoff"], json!({"type": "list", "delays": [1, 5, 30]}));
    assert_eq!(node.json("queue pause mails")["paused"], true);
    assert!(
        node.says("queue list")
            .lines()
            .any(|line| line.starts_with("mails ") && line.contains("paused, 0 of 20 at once, 2 a key"))
    );
    assert_eq!(node.json("queue resume mails")["paused"], false);

    let id = node.says("job enqueue --image a --queue mails --payload x");
    let refused = node.run("queue delete mails");
    assert_eq!(refused.status.code(), Some(4), "{refused:?}");
    node.says(&format!("job cancel {}", id.trim()));
    node.says(&format!("job delete {}", id.trim()));
    assert_eq!(node.says("queue delete mails"), "deleted mails\n");
    assert_eq!(node.says("queue delete default"), "default is always there; its settings are deleted\n");
    assert_eq!(node.run("queue show mails").status.code(), Some(3));
    assert_eq!(node.run("queue pause mails").status.code(), Some(3), "a slip makes no queue");
    assert_eq!(node.says("queue list --quiet"), "default\n");
}

#[test]
fn jobs_are_told_apart_by_their_queues() {
    let node = Node::start();
    let mail = node.says("job enqueue --image a --queue mails --key anna --payload x");
    node.says("job enqueue --image a --payload x");
    assert_eq!(node.says("job list --quiet --queue mails"), mail);
    assert_eq!(node.says("job list --quiet --queue nowhere"), "");
    assert!(!node.says("job list --queue mails").lines().next().unwrap().contains("queue"));
    assert!(node.says("job list").lines().next().unwrap().contains("queue"), "of any");
    let shown = node.says(&format!("job show {}", mail.trim()));
    assert!(shown.contains("queue       mails\n") && shown.contains("key         anna\n"), "{shown}");
}

#[test]
fn a_runner_takes_from_its_queues_only_what_it_can_run() {
    let node = Node::start();
    let enqueue = |args: &str| node.says(&format!("job enqueue --payload x {args}")).trim().to_owned();
    let other_image = enqueue("--image other --queue mails --priority 2");
    let other_queue = enqueue("--image cat");
    let mail = enqueue("--image cat --queue mails");
    let runner =
        node.command("run --program cat=/bin/cat --queue urgent:5,mails:1").stderr(Stdio::null()).spawn();
    let _runner = Started(runner.unwrap());
    let status = |id: &str| node.json(&format!("job get {id}"))["status"].clone();
    wait_until("the mail to be run", || status(&mail) == "success");
    assert_eq!((status(&other_image), status(&other_queue)), (json!("queued"), json!("queued")));
}

#[test]
fn what_can_not_be_is_refused_before_a_node_is_asked() {
    let [many, some] =
        [65, 33].map(|n| (0..n).map(|n| format!(" --program i{n}=/bin/cat")).collect::<String>());
    let long = (0..64).map(|n| format!(" --program {n}{}=/bin/cat", "i".repeat(200))).collect::<String>();
    for (args, says) in [
        ("queue set Mails", "it must be a name of 1 to 64 of a-z 0-9 . _ -"),
        ("queue set ..", "it must be another name"),
        ("worker gone .", "it must be another name"),
        ("queue set a --rate 5", "it must be jobs and a duration, as in 100/1s, or none"),
        ("queue set a --max-running 0", "it must be a whole number from 1 to 1000000, or none"),
        ("queue set a --backoff linear", "it must be fixed, exponential:10m:20% or delays as in 1s,5s,30s"),
        ("job enqueue --image a --queue A", "it must be a name of 1 to 64"),
        ("job enqueue --image a --key=", "it must have 1 to 64 bytes"),
        ("job cancel --since 1h", "by when they were enqueued: --created-since"),
        ("job cancel --status success", "cancel is for jobs that have not finished"),
        ("job retry --status queued", "retry is for jobs that have finished"),
        ("job delete --status queued", "delete is for jobs that have finished"),
        ("job list --status released", "they are among those of --status cancelled"),
        ("run --program a=/bin/cat --queue a:5,b", "has weights for some queues only"),
        (
            "run --program a=/bin/cat --image b",
            "image: it says which images --docker runs, and that is not given",
        ),
        (&format!("run{many}"), "image: names 65 images, and 64 are the most"),
        (&format!("run --queue a,b{some}"), "33 images of 2 queues are more than 64 pairs"),
        (&format!("run{long}"), "bytes in a URL, more than a consume can have"),
        ("run --program a,b=/bin/cat", "has a comma, and is none that a runner can ask for"),
    ] {
        let refused = common::quorate(&args.split(' ').collect::<Vec<_>>());
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(2), "{args}: {said}");
        assert!(said.contains(says), "{args}: {said}");
    }
}

/// Takes a job as this worker does, and answers its id.
fn take(node: &Node, worker: &str) -> String {
    let taken = curl(node, "POST", &format!("/v1/jobs/consume?worker={worker}"), "");
    serde_json::from_str::<Value>(&taken).unwrap()["jobs"][0]["id"].as_str().unwrap().to_owned()
}

fn curl(node: &Node, method: &str, path: &str, body: &str) -> String {
    let url = format!("{}{path}", url(node.port));
    let output =
        Command::new("curl").args(["-fsS", "-X", method, "--data-binary", body, &url]).output().unwrap();
    assert!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_unique_job_is_there_once() {
    let node = Node::start();
    let enqueue = "job enqueue --image a --payload p --unique-key k";
    let first = node.says(&format!("{enqueue} --unique-until started"));
    let again = node.run(&format!("{enqueue} --unique-for 1h"));
    assert_eq!(String::from_utf8(again.stdout).unwrap(), first);
    let said = String::from_utf8(again.stderr).unwrap();
    assert!(said.contains("a job of this key was there already, and nothing is enqueued"), "{said}");
    let shown = node.says(&format!("job get {}", first.trim()));
    assert!(shown.contains("unique      k until it has started"), "{shown}");
    let wrong = node.run("job enqueue --image a --payload p --unique-for 1h");
    assert_eq!(wrong.status.code(), Some(2), "a time without a key");
}

#[test]
fn what_a_worker_holds_is_seen_said_of_and_given_back() {
    let node = Node::start();
    let id = node.says("job enqueue --image a --payload p").trim().to_owned();
    assert_eq!(take(&node, "w1"), id);
    let workers = node.says("worker list");
    assert!(workers.contains("w1") && workers.contains(&id), "{workers}");
    assert_eq!(node.says("worker list --quiet"), "w1\n");

    node.says(&format!("job touch {id} --progress 40 --text half"));
    let listed = node.says("job list");
    assert!(listed.contains("progress") && listed.contains("40% half"), "{listed}");
    assert_eq!(node.run(&format!("job log {id}")).status.code(), Some(3), "there is none yet");
    curl(&node, "POST", &format!("/v1/job/{id}/log"), "one ");
    assert_eq!(node.says(&format!("job log {id}")), "one ");

    let follow = format!("job log {id} --follow");
    let following = node.command(&follow).stdout(Stdio::piped()).spawn().unwrap();
    let new = node.says(&format!("job release {id} --delay 0s --json"));
    let new = serde_json::from_str::<Value>(&new).unwrap();
    assert_eq!((&new["retry_of"], &new["attempt"]), (&json!(id), &json!(1)));
    assert_eq!(following.wait_with_output().unwrap().stdout, b"one ", "it ends with the job");
    assert_eq!(node.says("worker list --quiet"), "");

    let next = take(&node, "w2");
    assert_eq!(new["id"], json!(next));
    let gone = node.says("worker gone w2").trim().to_owned();
    let again = node.run("worker gone w2");
    assert_eq!((again.status.code(), &*again.stdout), (Some(0), &b""[..]));
    let said = String::from_utf8(again.stderr).unwrap();
    assert_eq!(said, "nothing was given back of the name w2; `quorate worker list` says who holds jobs\n");
    let last = take(&node, "w3");
    assert_eq!(last, gone);
    let wait = format!("job wait {id}");
    let waiting = node.command(&wait).stdout(Stdio::piped()).spawn().unwrap();
    curl(&node, "POST", &format!("/v1/job/{last}/success"), "");
    let said = waiting.wait_with_output().unwrap();
    assert_eq!(
        (said.status.code(), String::from_utf8(said.stdout).unwrap()),
        (Some(0), format!("{id}  success  as {last}\n"))
    );
}

#[test]
fn a_runner_that_starts_again_under_its_name_takes_up_what_it_held() {
    let node = Node::start();
    let id = node.says("job enqueue --image a --payload p --timeout 1h").trim().to_owned();
    assert_eq!(take(&node, "r1"), id);
    let run = node.command("run --name r1 --program a=/usr/bin/cat").stderr(Stdio::null()).spawn().unwrap();
    let _run = Started(run);
    assert!(node.says(&format!("job wait {id} --wait 30s")).contains("success  as "));
}

#[test]
fn many_jobs_are_cancelled_retried_and_deleted_by_filter() {
    let node = Node::start();
    for payload in 1..=3 {
        node.says(&format!("job enqueue --queue mails --image i --payload {payload}"));
    }
    let dry = node.says("queue purge mails --dry-run");
    assert!(
        dry.ends_with("cancel: 3 jobs; nothing was done\n") && dry.matches("queued").count() == 3,
        "{dry}"
    );
    assert_eq!(
        node.json("job retry --queue mails --dry-run"),
        json!({"matches": 0, "more": false, "first": []})
    );
    assert_eq!(node.says("queue purge mails"), "cancel: 3 jobs\n");

    assert_eq!(node.says("job retry --queue mails --status cancelled"), "retry: 3 jobs\n");
    assert_eq!(node.says("job retry --queue mails --status cancelled"), "retry: 0 jobs, 3 skipped\n");
    let deleted = node.json("job delete --queue mails --status cancelled");
    assert_eq!((&deleted["status"], &deleted["done"]), (&json!("done"), &json!(3)));
    let id = node.says("job cancel --queue mails --details enough --no-wait");
    let ended = node.json(&format!("operation show {} --wait", id.trim()));
    assert_eq!((&ended["action"], &ended["done"]), (&json!("cancel"), &json!(3)));
    assert_eq!(node.json("queue show mails")["jobs"]["cancelled"], 3);
    assert_eq!(node.json(&format!("operation stop {}", id.trim())), ended, "it has ended");
    let shown = node.says(&format!("operation show {}", id.trim()));
    assert!(shown.contains("status=delayed,queued,running queue=mails"), "{shown}");
    let listed = node.json("operation list");
    assert_eq!((listed["operations"].as_array().unwrap().len(), &listed["operations"][0]), (5, &ended));

    for (wrong, code) in [
        ("job retry", 2),
        ("job delete 0198c0de-0000-7000-8000-000000000001 --queue mails", 2),
        ("job delete 0198c0de-0000-7000-8000-000000000001 --no-wait --queue mails", 2),
        ("job delete 0198c0de-0000-7000-8000-000000000001 0198c0de 0198c0de-0000-7000-8000-000000000002", 3),
        ("job delete --status queued", 2),
        ("queue purge none", 3),
        ("operation show 0198c0de-0000-7000-8000-000000000001", 3),
    ] {
        let refused = node.run(wrong);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(code), "{wrong}: {said}");
    }
}

#[test]
fn a_dry_run_shows_what_a_run_would_be_for() {
    let node = Node::start();
    let failed = |max_retries: u32| {
        let enqueue = format!("job enqueue --image i --payload p --max-retries {max_retries}");
        let id = node.says(&enqueue).trim().to_owned();
        assert_eq!(take(&node, "w"), id);
        curl(&node, "POST", &format!("/v1/job/{id}/fail"), "");
        id
    };
    // The automatic retry of the second one waits, and would be queued now; the third one was retried already.
    let [dead, waits, retried] = [0, 1, 0].map(failed);
    let again = node.says(&format!("job retry {retried} --quiet"));
    assert_eq!(node.json(&format!("job get {retried}"))["retry_id"], again.trim());
    let dry = node.says("job retry --status error --dry-run");
    assert!(dry.ends_with("retry: 2 jobs; nothing was done\n"), "{dry}");
    assert!(dry.contains(&dead) && dry.contains(&waits) && !dry.contains(&retried), "{dry}");
    assert_eq!(node.says("job retry --status error"), "retry: 2 jobs, 1 skipped\n");
}

#[test]
fn ids_alone_are_printed_where_they_are_known() {
    let node = Node::start();
    let [a, b, c] = [1, 2, 3].map(|payload| node.says(&format!("job enqueue --image i --payload {payload}")));
    let [one, two] = [&a, &b].map(|id| id.trim());
    assert_eq!(node.says(&format!("job cancel {one} -q")), a);
    assert_eq!(node.run(&format!("job cancel {one} {two} -q")).stdout, format!("{a}{b}").into_bytes());
    let new = node.says(&format!("job retry {one} {two} -q"));
    let retries = [one, two].map(|id| node.json(&format!("job get {id}"))["retry_id"].clone());
    assert_eq!(new.lines().collect::<Vec<_>>(), retries.map(|id| id.as_str().unwrap().to_owned()));
    node.says(&format!("job cancel {}", c.trim()));
    let some = node.run(&format!("job retry {one} {} -q", c.trim()));
    let newest = node.json(&format!("job get {}", c.trim()))["retry_id"].clone();
    let says = String::from_utf8(some.stdout).unwrap();
    assert_eq!(
        (some.status.code(), json!(says.trim())),
        (Some(4), newest),
        "the other one was not retried again"
    );
    assert_eq!(node.says(&format!("job delete {one} {two} -q")), format!("{a}{b}"));
    let operation = node.says("job cancel --status queued -q");
    assert_eq!(node.json(&format!("operation show {}", operation.trim()))["done"], 3);
    assert_eq!(node.says(&format!("job delete {} -q", c.trim())), c);
    assert_eq!(node.run(&format!("job delete {one} -q --json")).status.code(), Some(2));
}

#[test]
fn a_job_that_was_given_back_was_not_called_off() {
    let node = Node::start();
    let first = node.says("job enqueue --image i --payload p").trim().to_owned();
    assert_eq!(take(&node, "w"), first);
    let next = node.json(&format!("job release {first}"))["id"].as_str().unwrap().to_owned();
    let listed = node.says("job list --status cancelled");
    assert!(listed.contains("released") && !listed.contains("cancelled"), "{listed}");
    let shown = node.says(&format!("job get {next}"));
    let lines: Vec<&str> = shown.lines().skip_while(|line| !line.starts_with("attempts")).collect();
    assert!(lines[0].starts_with(&format!("attempts    - {first}  released")), "{shown}");
    assert_eq!(lines[1], format!("            1. {next}  queued <- this one"));
    assert!(node.says(&format!("job get {first}")).contains(&format!("goes on as  {next}")));
    node.says(&format!("job cancel {next}"));
    assert!(node.says("job list --status cancelled").contains("cancelled"));

    // Of a long history a part is shown, and how to see the rest.
    let start = node.says("job enqueue --image i --payload p --priority 2").trim().to_owned();
    for _ in 0..31 {
        let id = take(&node, "w");
        curl(&node, "POST", &format!("/v1/job/{id}/release"), "");
    }
    let shown = node.says(&format!("job get {start}"));
    assert_eq!(shown.matches(" - ").count(), 31, "{shown}");
    let last = shown.lines().last().unwrap().trim();
    let last = last.strip_prefix("there are more behind these: quorate job get ").unwrap().to_owned();
    let shown = node.says(&format!("job get {last}"));
    assert!(
        shown.contains(&format!("attempts    there are more before these: quorate job get {start}")),
        "{shown}"
    );
}

#[test]
fn several_jobs_are_named_at_once() {
    let node = Node::start();
    let enqueued = (1..=3).map(|payload| {
        node.says(&format!("job enqueue --queue mails --image i --payload {payload}")).trim().to_owned()
    });
    let [a, b, c] = <[String; 3]>::try_from(enqueued.collect::<Vec<_>>()).unwrap();
    assert_eq!(
        node.says(&format!("job cancel {a} {b} --details enough")),
        "cancel: 2 jobs
"
    );
    assert_eq!(node.json(&format!("job get {b}"))["details"], "enough");
    let shown = node.says("operation list");
    assert!(shown.contains("2 ids"), "{shown}");
    let operation = node.json("operation list")["operations"][0]["id"].as_str().unwrap().to_owned();
    assert!(node.says(&format!("operation show {}", &operation[..20])).contains(&operation));
    let none = node.run("operation show ffffffff");
    assert_eq!(none.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&none.stderr).contains("no operation's id begins with ffffffff"));
    let dry = node.says(&format!("job retry {a} {b} --dry-run"));
    assert!(dry.contains(&a) && dry.contains(&b), "{dry}");
    assert!(dry.ends_with("retry: 2 jobs; nothing was done\n"), "{dry}");
    assert_eq!(node.says(&format!("job retry {c} --dry-run")), "retry: 0 jobs; nothing was done\n");
    // The third waits still, and is none to be removed.
    let some = node.run(&format!("job delete {a} {c}"));
    assert_eq!(some.status.code(), Some(4), "{some:?}");
    assert_eq!(
        String::from_utf8_lossy(&some.stdout),
        "delete: 1 job, 1 skipped
"
    );
    let said = String::from_utf8_lossy(&some.stderr).into_owned();
    assert_eq!(said, format!("skipped {c}: it is queued\n"));
    assert_eq!(node.run(&format!("job get {a}")).status.code(), Some(3));
    // By their beginnings, as one is.
    let beginning = (8..36).map(|chars| &b[..chars]).find(|start| !c.starts_with(start)).unwrap();
    let dry = node.says(&format!("job retry {beginning} {b} --dry-run"));
    assert!(dry.ends_with("retry: 1 job; nothing was done\n"), "{dry}");
    let none = node.run(&format!("job retry ffffffff {b}"));
    assert_eq!(none.status.code(), Some(3), "{none:?}");
}
