use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::str::FromStr;

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;

/// The label that says which job a container is for.
const JOB: &str = "quorate.job";
const CLUSTER: &str = "quorate.cluster";
const RUNNER: &str = "quorate.runner";
const PROCESS: &str = "quorate.process";

/// Whose a container is, as its labels tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    /// The runner's name; empty if it has none.
    pub(crate) runner: String,
    /// The cluster's id.
    pub(crate) cluster: String,
    process: Process,
}

impl Owner {
    /// This process, under that name.
    pub(crate) fn this(runner: String, cluster: String) -> Owner {
        Owner { runner, cluster, process: Process::this() }
    }

    /// What a container of this owner is marked with.
    pub(crate) fn labels(&self, job_id: &str) -> HashMap<String, String> {
        [
            (JOB, job_id.to_owned()),
            (CLUSTER, self.cluster.clone()),
            (RUNNER, self.runner.clone()),
            (PROCESS, self.process.to_string()),
        ]
        .map(|(label, value)| (label.to_owned(), value))
        .into()
    }

    /// What the containers of all runners of this cluster have.
    pub(crate) fn filters(&self) -> HashMap<String, Vec<String>> {
        HashMap::from([("label".to_owned(), vec![JOB.to_owned(), format!("{CLUSTER}={}", self.cluster)])])
    }

    /// Is nobody left who looks after a container with these labels? That shows if its runner was a process that can be seen
    /// from here; of others the name decides, since each runner has one of its own.
    pub(crate) fn has_left(&self, labels: &HashMap<String, String>) -> bool {
        let process = labels.get(PROCESS).and_then(|process| process.parse::<Process>().ok());
        match process.and_then(|process| self.process.sees(&process)) {
            Some(lives) => !lives,
            None => !self.runner.is_empty() && labels.get(RUNNER) == Some(&self.runner),
        }
    }
}

/// A process, told from all that there ever were.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Process {
    /// Since when the machine runs, and in which namespace `id` is a number.
    place: String,
    id: i32,
    /// When it was started, in clock ticks since the machine was. Empty where `/proc` does not tell.
    start: String,
}

impl Process {
    fn this() -> Process {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let namespace = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        let id = Pid::this().as_raw();
        let place = format!("{} {}", boot.trim(), namespace.display());
        let start = state_and_start(id).map(|(_, start)| start).unwrap_or_default();
        Process { place, id, start }
    }

    /// Does the other one live? `None` if that can't be seen.
    fn sees(&self, other: &Process) -> Option<bool> {
        if self.place != other.place {
            return None;
        }
        match kill(Pid::from_raw(other.id), None) {
            Ok(()) | Err(Errno::EPERM) => Some(match state_and_start(other.id) {
                Some((state, start)) => !matches!(state, 'Z' | 'X') && start == other.start,
                None => true,
            }),
            Err(Errno::ESRCH) => Some(false),
            Err(_) => None,
        }
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.id, self.start, self.place)
    }
}

impl FromStr for Process {
    type Err = ();

    fn from_str(label: &str) -> Result<Process, ()> {
        let mut parts = label.splitn(3, '/');
        let (Some(id), Some(start), Some(place)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(());
        };
        let id = id.parse().ok().filter(|id| *id > 0).ok_or(())?;
        Ok(Process { place: place.to_owned(), id, start: start.to_owned() })
    }
}

/// The 3rd and the 22nd field of proc_pid_stat(5), counted from behind the name, which may hold anything.
fn state_and_start(id: i32) -> Option<(char, String)> {
    let stat = fs::read(format!("/proc/{id}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat).into_owned();
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.nth(18)?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(runner: &str, process: Process) -> HashMap<String, String> {
        Owner { runner: runner.into(), cluster: "c".into(), process }.labels("job")
    }

    #[test]
    fn who_can_be_seen_is_known_by_its_process_and_others_by_their_names() {
        let owner = Owner::this("me".into(), "c".into());
        let this = owner.process.clone();
        assert_eq!(this.to_string().parse(), Ok(this.clone()));
        assert!(!this.start.is_empty());

        let mut child = std::process::Command::new("/bin/cat")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .expect("a child is started");
        let id = i32::try_from(child.id()).expect("a process id");
        let (_, start) = state_and_start(id).expect("it lives");
        let other = Process { id, start, ..this.clone() };
        assert!(!owner.has_left(&labels("other", other.clone())));
        assert!(!owner.has_left(&labels("me", this.clone())));
        // Its number is somebody else's by now.
        assert!(owner.has_left(&labels("other", Process { start: "1".into(), ..other.clone() })));
        drop(child.stdin.take());
        while state_and_start(id).is_some_and(|(state, _)| state != 'Z') {
            std::thread::yield_now();
        }
        assert!(owner.has_left(&labels("other", other.clone())), "a zombie does not look after anything");
        child.wait().expect("it ended with its input");
        assert!(owner.has_left(&labels("other", other)));

        let elsewhere = Process { place: "elsewhere".into(), ..this };
        assert!(owner.has_left(&labels("me", elsewhere.clone())));
        assert!(!owner.has_left(&labels("other", elsewhere)));
        assert!(!owner.has_left(&HashMap::new()));
    }
}
