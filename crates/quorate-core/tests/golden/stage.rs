use std::collections::BTreeMap;
use std::fmt::Display;

use bytes::Bytes;
use quorate_core::{
    Answered, Backoff, Batch, Command, Ending, Failure, FeatureLevel, IdempotencyKey, ImageId, Job, JobId,
    NewJob, Outcome, Position, Priority, Progress, QueueName, Rate, Reason, Refusal, Reply, RequestId,
    Setting, Settings, Source, State, Take, Timestamp, Unique, Until,
};

use super::parse::{Line, Verb, Words, millis};
use crate::common::{Log, T0, Watched};

/// A table, and the names that the lines have for its jobs.
pub(crate) struct Stage {
    log: Log,
    names: BTreeMap<JobId, String>,
}

impl Default for Stage {
    fn default() -> Stage {
        Stage { log: Log::new(Watched::default()), names: BTreeMap::new() }
    }
}

/// How to make one job of every status: `d`elayed, `q`ueued, `r`unning, `s`uccess, `e`rror and `c`ancelled.
const EVERY_STATUS: [&str; 6] = [
    "enqueue r timeout=1000, s, e max_retries=0",
    "consume 3",
    "succeed s log=first",
    "fail e reason=bad_exit log=first",
    "enqueue c, d delay=1000, q",
    "cancel c",
];

impl Stage {
    /// Appends one log entry; gives the answers as the tables write them.
    pub(crate) fn entry(&mut self, lines: &[Line]) -> Vec<String> {
        let stamp = at(lines[0].stamp.unwrap());
        match &lines[0].verb {
            Verb::EveryStatus => {
                for text in EVERY_STATUS {
                    let line = Line::parse(&format!("0s | {text}"), 0).unwrap();
                    self.append(stamp, &[line]);
                }
                vec![String::new()]
            }
            _ => self.append(stamp, lines),
        }
    }

    fn append(&mut self, stamp: Timestamp, lines: &[Line]) -> Vec<String> {
        let mut envelopes = vec![];
        for line in lines {
            let Verb::Command(words) = &line.verb else { continue };
            let command = self.command(words);
            let mut envelope = self.log.envelope(stamp, command);
            if let Some(name) = words.option("request") {
                envelope.request_id = RequestId(sixteen_bytes(name));
            }
            if let Some(deadline) = words.option("deadline") {
                envelope.deadline = at(millis(deadline));
            }
            envelopes.push(envelope);
        }
        let answers = self.log.apply(Batch { stamp, envelopes });
        self.log.table.check();
        self.name_retries();
        if answers.is_empty() {
            return vec![String::new()];
        }
        let index = self.log.index;
        answers
            .into_iter()
            .zip(0..)
            .map(|(answer, offset)| self.answer(answer, Position { index, offset }))
            .collect()
    }

    /// Automatic retries are named after the job that they retry: `a'` retries `a`, `a''` retries `a'`.
    fn name_retries(&mut self) {
        for job in self.log.table.model.jobs().values() {
            if !self.names.contains_key(&job.id)
                && let Some(name) = job.retry_of.and_then(|of| self.names.get(&of))
            {
                let name = format!("{name}'");
                self.names.insert(job.id, name);
            }
        }
    }

    fn id(&mut self, name: &str) -> JobId {
        let known = self.names.iter().find(|(_, known)| *known == name).map(|(id, _)| *id);
        known.unwrap_or_else(|| {
            let id = JobId(sixteen_bytes(name));
            self.names.insert(id, name.to_owned());
            id
        })
    }

    fn command(&mut self, words: &Words) -> Command {
        let key = words.option("key").map(|key| IdempotencyKey {
            key: key.into(),
            body_hash: [words.option("body").unwrap_or("1").parse().unwrap(); 32],
        });
        let text = |name: &str| words.option(name).unwrap_or_default();
        let log = Bytes::from(text("log").to_owned());
        match words.verb.as_str() {
            "enqueue" => Command::Enqueue { jobs: self.new_jobs(words), key },
            "consume" => Command::Consume { take: take(words, words.word(0)), key },
            "succeed" => Command::Succeed { id: self.id(words.word(0)), log },
            "fail" => {
                let reason = reason(words.option("reason").unwrap_or("bad_exit"));
                let for_good = words.option("retry") == Some("false");
                Command::Fail {
                    id: self.id(words.word(0)),
                    reason,
                    details: text("details").into(),
                    log,
                    for_good,
                }
            }
            "finish" => Command::Finish {
                endings: self.endings(words),
                take: words.option("take").map(|n| take(words, n)),
                key,
            },
            "cancel" => Command::Cancel { id: self.id(words.word(0)), details: text("details").into() },
            "touch" => {
                let progress = words.option("progress").map(|text| {
                    let (percent, text) = text.split_once('/').unwrap();
                    Progress { percent: percent.parse().unwrap(), text: text.into() }
                });
                Command::Touch { id: self.id(words.word(0)), progress }
            }
            "log" => {
                let offset = words.option("offset").map(|offset| offset.parse().unwrap());
                Command::AppendLog { id: self.id(words.word(0)), log, offset }
            }
            "retry" => {
                assert_eq!(words.word(1), "as");
                let (id, new_id) = (self.id(words.word(0)), self.id(words.word(2)));
                Command::Retry { id, new_id, anew: words.option("anew") == Some("true"), key }
            }
            "delete" => Command::Delete { id: self.id(words.word(0)) },
            "retention" => {
                Command::Configure { settings: Settings { retention: millis(words.word(0)) / 1_000 } }
            }
            "release" => {
                assert_eq!(words.word(1), "as");
                let delay = words.option("delay").map_or(0, |delay| delay.parse().unwrap());
                Command::Release { id: self.id(words.word(0)), new_id: self.id(words.word(2)), delay }
            }
            "gone" => Command::WorkerGone { worker: words.word(0).into() },
            "queue" => {
                let name = QueueName::new(words.word(0)).unwrap();
                Command::ConfigureQueue { name, settings: settings(words) }
            }
            "delete-queue" => Command::DeleteQueue { name: QueueName::new(words.word(0)).unwrap() },
            "level" => Command::Raise { level: FeatureLevel(words.word(0).parse().unwrap()) },
            other => panic!("{other} is no command"),
        }
    }

    fn endings(&mut self, words: &Words) -> Vec<Ending> {
        let named = words.groups.iter().filter(|(names, _)| !names.is_empty());
        named
            .map(|(names, options)| {
                let text = |name: &str| options.get(name).cloned().unwrap_or_default();
                let failure = options.get("error").map(|error| Failure {
                    reason: reason(error),
                    details: text("details").into(),
                    for_good: false,
                });
                Ending { id: self.id(&names[0]), failure, log: text("log").into() }
            })
            .collect()
    }

    fn new_jobs(&mut self, words: &Words) -> Vec<NewJob> {
        let mut jobs = vec![];
        for (names, options) in &words.groups {
            let [name] = names.as_slice() else { panic!("{names:?} is not one job") };
            let text =
                |name: &str, default: &str| options.get(name).map_or(default, String::as_str).to_owned();
            let number =
                |name: &str, default: u32| options.get(name).map_or(default, |text| text.parse().unwrap());
            let optional = |name: &str, default| match options.get(name).map(String::as_str) {
                Some("-") => None,
                _ => Some(number(name, default)),
            };
            let image = text("image", "image");
            jobs.push(NewJob {
                id: self.id(name),
                queue: options.get("queue").map_or(QueueName::DEFAULT, |name| QueueName::new(name).unwrap()),
                key: text("tenant", "").into(),
                tags: text("tags", "").split('+').filter(|tag| !tag.is_empty()).map(Box::from).collect(),
                unique: options.get("unique").map(|text| unique(text)),
                priority: Priority::new(u8::try_from(number("priority", 0)).unwrap()).unwrap(),
                image_id: ImageId(sixteen_bytes(&image)),
                image: image.into(),
                payload: text("payload", "").into(),
                delay: number("delay", 0),
                timeout: optional("timeout", 60),
                max_retries: optional("max_retries", 3),
                retries_delay: optional("retries_delay", 60),
            });
        }
        jobs
    }

    fn answer(&self, answer: Answered, here: Position) -> String {
        let again = if answer.position == here { "" } else { "again: " };
        let replayed = if answer.replayed { "replayed: " } else { "" };
        format!("{again}{replayed}{}", self.outcome(answer.outcome))
    }

    fn outcome(&self, outcome: Outcome) -> String {
        match outcome {
            Ok(Reply::Jobs(jobs)) if jobs.is_empty() => "none".into(),
            Ok(Reply::Enqueued { jobs, duplicates }) => {
                let mark = |place| if duplicates.contains(&place) { " (duplicate)" } else { "" };
                jobs.iter()
                    .zip(0..)
                    .map(|(job, place)| self.job(job) + mark(place))
                    .collect::<Vec<_>>()
                    .join(", ")
            }
            Ok(Reply::Jobs(jobs)) => jobs.iter().map(|job| self.job(job)).collect::<Vec<_>>().join(", "),
            Ok(Reply::Finished { ended, taken }) => {
                let ended = ended.into_iter().map(|ended| self.outcome(ended.map(Box::new).map(Reply::Job)));
                let taken = taken.iter().map(|job| self.job(job)).collect::<Vec<_>>().join(", ");
                let ended = ended.collect::<Vec<_>>().join(", ");
                if taken.is_empty() { ended } else { format!("{ended}; {taken}") }
            }
            Ok(Reply::Job(job)) => self.job(&job),
            Ok(Reply::Operation(id)) => format!("operation {id}"),
            Ok(Reply::Done) => "done".into(),
            Err(Refusal::NoSuchJob) => "refused: no such job".into(),
            Err(Refusal::WrongStatus { status }) => format!("refused: it is {}", status.as_str()),
            Err(Refusal::RetriedAutomatically) => "refused: retried automatically".into(),
            Err(Refusal::KeyReused) => "refused: key reused".into(),
            Err(Refusal::OutsideDeadline) => "refused: outside deadline".into(),
            Err(Refusal::Invalid { field }) => format!("refused: invalid {field}"),
            Err(Refusal::IdTaken) => "refused: id taken".into(),
            Err(Refusal::ReleasedTooOften) => "refused: released too often".into(),
            Err(Refusal::NoSuchQueue) => "refused: no such queue".into(),
            Err(Refusal::QueueInUse) => "refused: queue in use".into(),
            Err(Refusal::TooManyQueues) => "refused: too many queues".into(),
            Err(Refusal::TooManyLanes) => "refused: too many lanes".into(),
            Err(Refusal::NoSuchOperation) => "refused: no such operation".into(),
            Err(Refusal::TooManyOperations) => "refused: too many operations".into(),
        }
    }

    fn job(&self, job: &Job) -> String {
        format!("{} {}", self.name(job.id), job.status().as_str())
    }

    fn name(&self, id: JobId) -> String {
        self.names.get(&id).cloned().unwrap_or_else(|| id.to_string())
    }

    /// All jobs with their status, in the order of their names.
    pub(crate) fn jobs(&self) -> String {
        let mut jobs: Vec<String> = self.log.table.model.jobs().values().map(|job| self.job(job)).collect();
        jobs.sort();
        if jobs.is_empty() { "none".into() } else { jobs.join(", ") }
    }

    /// The images, by name, with the times of their first and of their last naming.
    pub(crate) fn images(&self) -> String {
        let images = self.log.table.model.dump().images;
        let mut images: Vec<String> = images
            .values()
            .map(|image| {
                format!("{} {} {}", image.name, since(Some(image.created_at)), since(Some(image.named_at)))
            })
            .collect();
        images.sort();
        if images.is_empty() { "none".into() } else { images.join(", ") }
    }

    /// The Idempotency-Keys, by name.
    pub(crate) fn keys(&self) -> String {
        let keys: Vec<String> = self.log.table.model.dump().keys.into_keys().map(String::from).collect();
        if keys.is_empty() { "none".into() } else { keys.join(", ") }
    }

    /// All that is known of a job, as `name=value`.
    pub(crate) fn show(&mut self, name: &str) -> Vec<String> {
        let id = self.id(name);
        let model = &self.log.table.model;
        let job = model.jobs().get(&id).unwrap_or_else(|| panic!("there is no job {name}"));
        let text = |bytes: Option<&Bytes>| match bytes {
            Some(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            None => "-".into(),
        };
        let link = |id: Option<JobId>| id.map_or("-".into(), |id| self.name(id));
        let (reason, by, details) = match &job.state {
            State::Error { reason, by, details } => {
                (reason.as_str(), format!("{by:?}").to_lowercase(), &**details)
            }
            State::Cancelled { details, released: true } => ("released", "-".into(), &**details),
            State::Cancelled { details, released: false } => ("-", "-".into(), &**details),
            State::Delayed { .. } | State::Queued { .. } | State::Running { .. } | State::Success => {
                ("-", "-".into(), "")
            }
        };
        let show = |name: &str, value: &dyn Display| format!("{name}={value}");
        vec![
            show("status", &job.status().as_str()),
            show("queue", &model.dump().dispatch.queues[&job.queue].name),
            show("tenant", &if job.key.is_empty() { "-" } else { &job.key }),
            show("attempt", &job.attempt),
            show("releases", &job.releases),
            show("worker", &if job.worker.is_empty() { "-" } else { &job.worker }),
            show("priority", &job.priority.get()),
            show("image", &job.image),
            show("payload", &text(model.payload(id))),
            show("payload_of", &self.name(job.payload.owner)),
            show("delay", &job.delay),
            show("timeout", &job.timeout),
            show("max_retries", &job.max_retries),
            show("all_retries", &job.all_retries),
            show("retries_delay", &job.retries_delay),
            show("created", &since(Some(job.created_at))),
            show("started", &since(job.started_at)),
            show("completed", &since(job.completed_at)),
            show("timer", &since(job.state.timer())),
            show("reason", &reason),
            show("by", &by),
            show("details", &if details.is_empty() { "-" } else { details }),
            show("log", &text(model.log(id).as_ref())),
            show(
                "progress",
                &job.progress.as_ref().map_or("-".into(), |of| format!("{}/{}", of.percent, of.text)),
            ),
            show("retry_of", &link(job.retry_of)),
            show("retry", &link(job.retry_id)),
        ]
    }
}

fn at(millis: u64) -> Timestamp {
    T0.plus_millis(millis)
}

/// A time as the tables write it: `90s`, or `1500ms` where it is not in whole seconds.
fn since(time: Option<Timestamp>) -> String {
    match time.map(|time| time.0 - T0.0) {
        None => "-".into(),
        Some(millis) if millis % 1_000 == 0 => format!("{}s", millis / 1_000),
        Some(millis) => format!("{millis}ms"),
    }
}

/// `queue=a/b` in order, `queue=a:2/b:1` by weight, `queue=*`; `image=x/y`.
fn take(words: &Words, n: &str) -> Take {
    let names: Vec<&str> = words.option("queue").unwrap_or("default").split('/').collect();
    let name = |text: &str| QueueName::new(text).unwrap();
    let from = match names.as_slice() {
        ["*"] => Source::All,
        [first, ..] if first.contains(':') => {
            let weighted = names.iter().map(|text| text.split_once(':').unwrap());
            Source::ByWeight(weighted.map(|(text, weight)| (name(text), weight.parse().unwrap())).collect())
        }
        _ => Source::InOrder(names.iter().map(|text| name(text)).collect()),
    };
    let images = words.option("image").map(|names| names.split('/').map(|name| ImageId(sixteen_bytes(name))));
    Take {
        from,
        images: images.into_iter().flatten().collect(),
        n: n.parse().unwrap(),
        worker: words.option("worker").unwrap_or("").into(),
    }
}

/// `key/started`, `key/finished`, `key/60`.
fn unique(text: &str) -> Unique {
    let (key, until) = text.split_once('/').unwrap();
    let until = match until {
        "started" => Until::Started,
        "finished" => Until::Finished,
        seconds => Until::Elapsed(seconds.parse().unwrap()),
    };
    Unique { key: key.into(), until }
}

/// `paused=true`, `max_running=2`, `rate=5/1`, `backoff=exponential/60/10`, `backoff=list/1/5`; `-` clears.
fn settings(words: &Words) -> Vec<Setting> {
    let number = |text: &str| (text != "-").then(|| text.parse().unwrap());
    let numbers = |text: &str| text.split('/').map(|part| part.parse().unwrap()).collect::<Vec<u32>>();
    let setting = |(name, text): (&String, &String)| match name.as_str() {
        "paused" => Setting::Paused(text == "true"),
        "timeout" => Setting::Timeout(number(text)),
        "max_retries" => Setting::MaxRetries(number(text)),
        "retries_delay" => Setting::RetriesDelay(number(text)),
        "keep_success" => Setting::KeepSuccess(number(text).map(u64::from)),
        "keep_error" => Setting::KeepError(number(text).map(u64::from)),
        "max_running" => Setting::MaxRunning(number(text)),
        "max_running_per_key" => Setting::MaxRunningPerKey(number(text)),
        "rate" => Setting::Rate((text != "-").then(|| {
            let [jobs, seconds] = numbers(text)[..] else { panic!("{text} is no rate") };
            Rate { jobs, seconds }
        })),
        "backoff" => Setting::Backoff(match text.split_once('/') {
            None => Backoff::Fixed,
            Some(("list", delays)) => Backoff::List(numbers(delays)),
            Some((_, rest)) => {
                let [cap, jitter_percent] = numbers(rest)[..] else { panic!("{text} is no back-off") };
                Backoff::Exponential { cap, jitter_percent }
            }
        }),
        other => panic!("{other} is no setting"),
    };
    words.groups[0].1.iter().map(setting).collect()
}

fn reason(word: &str) -> Reason {
    let all = [Reason::Timeout, Reason::Killed, Reason::BadExit];
    all.into_iter().find(|reason| reason.as_str() == word).unwrap_or_else(|| panic!("{word} is no reason"))
}

/// A name as an id. Different names of one image, or job, must differ within sixteen bytes or in length.
fn sixteen_bytes(name: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    for (byte, letter) in bytes[1..].iter_mut().zip(name.bytes()) {
        *byte = letter;
    }
    bytes[0] = u8::try_from(name.len() % 256).unwrap();
    bytes
}
