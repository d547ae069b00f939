//! A node on a real file system that is small: ext4 in a file. Needs root and loop devices, else it is skipped and says so.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

const QUORATE: &str = env!("CARGO_BIN_EXE_quorate");
/// How long something may take that comes about by itself.
const LONG: Duration = Duration::from_secs(60);

/// A mounted image, unmounted with the test.
struct Disk {
    dir: TempDir,
}

impl Disk {
    fn make(mib: u64) -> Option<Disk> {
        let dir = tempfile::tempdir().unwrap();
        let (image, mount) = (dir.path().join("image"), dir.path().join("mount"));
        std::fs::File::create(&image).unwrap().set_len(mib << 20).unwrap();
        std::fs::create_dir(&mount).unwrap();
        let made = Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image).output();
        let mounted = Command::new("mount").args(["-o", "loop"]).arg(&image).arg(&mount).output();
        let well = [made, mounted].into_iter().all(|done| done.is_ok_and(|done| done.status.success()));
        if !well {
            println!("SKIPPED: no file system can be made and mounted here (root, loop devices, mkfs.ext4)");
        }
        well.then_some(Disk { dir })
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("mount")
    }

    /// Somebody else writes until there is no room.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.path().join("filler")).unwrap();
        while file.write_all(&[1; 1 << 16]).is_ok() {}
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

struct Node {
    process: Child,
    port: u16,
}

impl Node {
    fn start(dir: &Path) -> Node {
        let free = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (http, peer) = (free(), free());
        let [port, peer_port] = [&http, &peer].map(|socket| socket.local_addr().unwrap().port());
        drop((http, peer));
        let process = Command::new(QUORATE)
            .args(["serve", "--http-addr", &format!("127.0.0.1:{port}")])
            .args(["--peer-addr", &format!("127.0.0.1:{peer_port}"), "--data-dir"])
            .arg(dir.join("data"))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut node = Node { process, port };
        node.until("it is ready", |node| node.call("GET", "/readyz", None).0 == 200);
        node
    }

    fn until(&mut self, what: &str, mut holds: impl FnMut(&Node) -> bool) {
        let begun = Instant::now();
        while !holds(self) {
            assert!(self.process.try_wait().unwrap().is_none(), "the node has ended");
            assert!(begun.elapsed() < LONG, "it did not come about: {what}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The status, 0 where nobody answered, and the body.
    fn call(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let body = body.map_or_else(String::new, |body| body.to_string());
        let request = format!(
            "{method} {path} HTTP/1.0\r\nHost: node\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut answer = String::new();
        let answered = TcpStream::connect(("127.0.0.1", self.port)).and_then(|mut stream| {
            stream.write_all(request.as_bytes())?;
            stream.read_to_string(&mut answer)
        });
        if answered.is_err() {
            return (0, Value::Null);
        }
        let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        let body = answer.split_once("\r\n\r\n").and_then(|(_, body)| serde_json::from_str(body).ok());
        (status, body.unwrap_or(Value::Null))
    }

    fn enqueue(&self, bytes: usize) -> u16 {
        // What differs from job to job, and does not compress well.
        let seed = Instant::now();
        let payload: String = (0..bytes)
            .map(|at| char::from(b'a' + ((at * at / 7 + seed.elapsed().subsec_nanos() as usize) % 26) as u8))
            .collect();
        self.call("POST", "/v1/jobs", Some(json!({"jobs": [{"image": "x", "payload": payload}]}))).0
    }

    /// The exit code of `cluster status`, and what it says up to the first colon.
    fn status(&self) -> (Option<i32>, String) {
        let at = format!("127.0.0.1:{}", self.port);
        let output = Command::new(QUORATE).args(["cluster", "status", "--nodes", &at]).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), said.split(':').next().unwrap_or_default().to_owned())
    }

    /// Takes a job, finishes and removes it.
    fn finish_one(&mut self) {
        let taken = self.make_room("POST", "/v1/jobs/consume", &json!({}));
        let id = taken["jobs"][0]["id"].as_str().unwrap();
        self.make_room("POST", &format!("/v1/job/{id}/success"), &json!({"log": "done"}));
        self.make_room("DELETE", &format!("/v1/job/{id}"), &Value::Null);
    }

    /// What makes room waits for some, for as long as a request may. Then it has not been done, and every client repeats it.
    fn make_room(&mut self, method: &str, path: &str, body: &Value) -> Value {
        let mut answer = Value::Null;
        self.until("what makes room is done", |node| {
            let (status, said) = node.call(method, path, Some(body.clone()).filter(|body| !body.is_null()));
            answer = said;
            assert!(matches!(status, 200 | 204) || answer["outcome"] == "not_applied", "{status}: {answer}");
            matches!(status, 200 | 204)
        });
        answer
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn jobs_that_come_and_go_do_not_fill_a_small_disk() {
    let Some(disk) = Disk::make(160) else { return };
    let mut node = Node::start(&disk.path());
    for number in 0..240 {
        assert_eq!(node.enqueue(700_000), 201, "job {number}");
        node.finish_one();
    }
}

#[test]
fn a_node_on_a_disk_that_somebody_filled_lives_starts_and_takes_what_makes_room() {
    let Some(disk) = Disk::make(200) else { return };
    let mut node = Node::start(&disk.path());
    for _ in 0..4 {
        assert_eq!(node.enqueue(100_000), 201);
    }
    disk.fill();
    node.until("new jobs are refused", |node| node.enqueue(100_000) == 507);
    node.until("it says so", |node| node.status() == (Some(5), "NO ROOM".into()));
    node.finish_one();
    drop(node);
    let mut node = Node::start(&disk.path());
    assert_eq!(node.enqueue(100_000), 507);
    node.finish_one();
    std::fs::remove_file(disk.path().join("filler")).unwrap();
    node.until("there is room again", |node| node.enqueue(100_000) == 201);
    node.until("it says so", |node| node.status() == (Some(0), "healthy".into()));
}
