use crate::map::{Map, Set};
use std::io::BufRead;

use crate::call::Call;
use crate::event::{Counts, End, Event, FORMAT, Fault, Op, Outcome, Run};
use crate::finish;
use crate::job::{JobRecord, NewJob};
use crate::operation;

/// A history, read whole. Nothing of it was skipped: what cannot be read is an error.
#[derive(Clone, Debug)]
pub struct History {
    /// What was run.
    pub run: Run,
    /// Requests, in the order of their lines; each finish in its parts, and behind work on many jobs what that may have done.
    pub ops: Vec<Op>,
    /// What was done to the cluster.
    pub faults: Vec<Fault>,
    /// When the faults ended.
    pub healed: Option<u64>,
    /// One for each node that was scanned.
    pub scans: Vec<NodeScan>,
    /// What queues said of how many jobs they have, with its line.
    pub counts: Vec<(usize, Counts)>,
    /// The line of each of `ops`.
    lines: Vec<usize>,
}

/// All jobs of a node at the end.
#[derive(Clone, Debug)]
pub struct NodeScan {
    /// Which node.
    pub node: Box<str>,
    /// What it had applied.
    pub index: u64,
    /// When it began, on the harness's clock.
    pub at: Option<u64>,
    /// In the order of their lines.
    pub jobs: Vec<JobRecord>,
    /// Its line; the jobs' lines follow.
    pub line: usize,
}

/// Why a history cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct Unreadable {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

impl History {
    /// Reads a history to its end.
    ///
    /// # Errors
    /// A line that is malformed or says what cannot be, or the end is missing.
    pub fn read(mut from: impl BufRead) -> Result<History, Unreadable> {
        let mut reader = Reader::default();
        let mut text = String::new();
        let mut line = 0;
        loop {
            line += 1;
            text.clear();
            let step = match from.read_line(&mut text) {
                Ok(0) => break,
                Ok(_) => serde_json::from_str(&text).map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            step.and_then(|event| reader.event(line, event)).map_err(|what| Unreadable { line, what })?;
        }
        let (run, ended) = (reader.run.take(), reader.ended);
        let (ops, lines) = reader.with_implied();
        match run {
            Some(run) if ended => Ok(History {
                run,
                ops,
                faults: reader.faults,
                healed: reader.healed,
                scans: reader.scans,
                counts: reader.counts,
                lines,
            }),
            _ => Err(Unreadable { line, what: "the history ends without its end line".to_owned() }),
        }
    }

    /// The line of a request.
    pub fn line_of(&self, op: usize) -> usize {
        self.lines[op]
    }

    /// What stands on a line, as JSON; `None` where a rule cannot point to.
    pub fn text_of(&self, line: usize) -> Option<String> {
        let ops = self.lines.partition_point(|other| *other < line)
            ..self.lines.partition_point(|other| *other <= line);
        if !ops.is_empty() {
            let parts = self.ops[ops].iter().filter(|op| !op.implied);
            let parts: Result<Vec<String>, _> = parts.map(serde_json::to_string).collect();
            return parts.ok().map(|parts| parts.join(" "));
        }
        if let Some((_, counts)) = self.counts.iter().find(|(other, _)| *other == line) {
            return serde_json::to_string(counts).ok();
        }
        let scan =
            self.scans.iter().find(|scan| (scan.line..=scan.line + scan.jobs.len()).contains(&line))?;
        match scan.jobs.get((line - scan.line).checked_sub(1)?) {
            Some(job) => serde_json::to_string(job).ok().map(|job| format!("{} holds {job}", scan.node)),
            None => None,
        }
    }
}

/// What was read so far.
#[derive(Default)]
struct Reader {
    run: Option<Run>,
    ops: Vec<Op>,
    /// `op` lines.
    requests: usize,
    lines: Vec<usize>,
    faults: Vec<Fault>,
    healed: Option<u64>,
    scans: Vec<NodeScan>,
    counts: Vec<(usize, Counts)>,
    ended: bool,
    /// `job` lines that the last scan still announces.
    jobs_due: usize,
    /// Ids of the scan being read.
    scanned: Set<Box<str>>,
    /// Under which key a tag stands.
    tags: Map<Box<str>, Option<Box<str>>>,
}

impl Reader {
    fn event(&mut self, line: usize, event: Event) -> Result<(), String> {
        require(!self.ended, "something follows the end line")?;
        require(self.run.is_some() || matches!(event, Event::Run(_)), "the first line must be `run`")?;
        require(self.jobs_due == 0 || matches!(event, Event::Job(_)), "a scan has fewer jobs than it says")?;
        match event {
            Event::Run(run) => self.run(run),
            Event::Op(op) => self.op(line, *op),
            Event::Healed(healed) => require(self.healed.replace(healed.at).is_none(), "a second `healed`"),
            Event::Fault(fault) => {
                fault.nodes.iter().try_for_each(|node| self.known(node))?;
                require(fault.from <= fault.until, "a fault was over before it began")?;
                self.faults.push(fault);
                Ok(())
            }
            Event::Counts(counts) => {
                self.known(&counts.node)?;
                self.counts.push((line, counts));
                Ok(())
            }
            Event::Scan(scan) => {
                self.known(&scan.node)?;
                require(self.scans.iter().all(|other| other.node != scan.node), "a second scan of a node")?;
                self.jobs_due = scan.jobs;
                self.scanned.clear();
                self.scans.push(NodeScan {
                    node: scan.node,
                    index: scan.index,
                    at: scan.at,
                    jobs: Vec::new(),
                    line,
                });
                Ok(())
            }
            Event::Job(job) => {
                self.jobs_due = self.jobs_due.checked_sub(1).ok_or("a job without a scan")?;
                require(self.scanned.insert(job.id.clone()), "the scan lists a job twice")?;
                let scan = self.scans.last_mut().ok_or("a job without a scan")?;
                scan.jobs.push(*job);
                Ok(())
            }
            Event::End(End { ops }) => {
                self.ended = true;
                require(ops == self.requests, "the end line counts another number of requests")
            }
        }
    }

    fn run(&mut self, run: Run) -> Result<(), String> {
        require((1..=FORMAT).contains(&run.format), "another format")?;
        require(!run.nodes.is_empty(), "no nodes")?;
        require(self.run.replace(run).is_none(), "a second `run`")
    }

    fn op(&mut self, line: usize, op: Op) -> Result<(), String> {
        self.known(&op.node)?;
        require(op.invoke <= op.returned, "it returned before it was invoked")?;
        if op.outcome == Outcome::Ok {
            let Some(at) = op.index else { return Err("an ok request needs its index".to_owned()) };
            let empty_consume = matches!(op.call, Call::Consume { .. }) && op.jobs.is_empty();
            require(
                op.call.is_read() || empty_consume || at.offset.is_some(),
                "an ok write needs INDEX.POSITION",
            )?;
        }
        require(!op.call.takes() || op.call.source().is_some(), "it takes from what is no source")?;
        if let Call::Enqueue { jobs } = &op.call {
            jobs.iter().try_for_each(|job| self.tag(job, op.key.as_deref()))?;
        }
        self.requests += 1;
        for part in finish::parts(op) {
            self.lines.push(line);
            self.ops.push(part);
        }
        Ok(())
    }

    /// The requests with what work on many jobs may have done, each with its line.
    fn with_implied(&mut self) -> (Vec<Op>, Vec<usize>) {
        let mut implied = operation::implied(&self.ops, &self.scans).into_iter().peekable();
        let all = std::mem::take(&mut self.ops).into_iter().zip(std::mem::take(&mut self.lines)).enumerate();
        let (mut ops, mut lines) = (Vec::new(), Vec::new());
        for (number, (op, line)) in all {
            ops.push(op);
            lines.push(line);
            while let Some((_, op)) = implied.next_if(|(of, _)| *of == number) {
                ops.push(op);
                lines.push(line);
            }
        }
        (ops, lines)
    }

    /// A tag stands for one job: only attempts under the same key may name it again.
    fn tag(&mut self, job: &NewJob, key: Option<&str>) -> Result<(), String> {
        match self.tags.get(&job.tag) {
            Some(first) => require(
                key.is_some() && first.as_deref() == key,
                "a tag stands in two requests that are not attempts under one key",
            ),
            None => {
                self.tags.insert(job.tag.clone(), key.map(Into::into));
                Ok(())
            }
        }
    }

    fn known(&self, node: &str) -> Result<(), String> {
        let known = self.run.as_ref().is_some_and(|run| run.nodes.iter().any(|name| &**name == node));
        require(known, "a node that the first line does not name")
    }
}

fn require(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}
