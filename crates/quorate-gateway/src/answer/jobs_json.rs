use std::borrow::Cow;
use std::collections::VecDeque;

use bytes::Bytes;
use quorate_core::{Job, QueueName, State};

use crate::convert;
use crate::fields::Fields;

/// Writes the JSON of `quorate_api::JobWrapper` or `JobsWrapper` piece by piece, or of a wrapper with something before its jobs.
#[derive(Debug, Default)]
pub(super) struct JobsJson {
    shape: Shape,
    /// What stands before the jobs: whole fields, each with its comma.
    before: Vec<u8>,
    fields: Fields,
    ready: VecDeque<Ready>,
    /// The job whose payload is being written.
    open: Option<Open>,
    jobs: usize,
    /// Its number.
    last: Option<u64>,
    /// Behind the last job.
    end: Option<Vec<u8>>,
    has_begun: bool,
}

/// A job that is to be written.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) job: Job,
    pub(super) queue: QueueName,
    pub(super) payload: Bytes,
    /// It kept another one away.
    pub(super) is_duplicate: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Shape {
    /// `{"job": …}`
    One,
    /// `{"jobs": […], "cursor"?: …}`
    #[default]
    Many,
}

#[derive(Debug)]
struct Open {
    payload: Bytes,
    tail: Vec<u8>,
}

/// What stands before a payload and behind it. Within a string its quotes would be escaped.
const PAYLOAD: &[u8] = br#""payload":""#;

impl JobsJson {
    pub(super) fn new(shape: Shape, fields: Fields) -> JobsJson {
        JobsJson { shape, fields, ..JobsJson::default() }
    }

    /// Many jobs behind a field that is written already.
    pub(super) fn behind(name: &str, value: &[u8]) -> JobsJson {
        let before = [b"\"", name.as_bytes(), b"\":", value, b","].concat();
        JobsJson { before, ..JobsJson::new(Shape::Many, Fields::ALL) }
    }

    /// How long that field is.
    pub(super) fn before_bytes(&self) -> usize {
        self.before.len()
    }

    /// This job is to be written next.
    pub(super) fn push(&mut self, ready: Ready) {
        self.last = Some(ready.job.number);
        self.ready.push_back(ready);
    }

    /// No more jobs come.
    pub(super) fn end(&mut self, cursor: Option<String>) {
        let end = match (self.shape, cursor) {
            (Shape::One, _) => "}".into(),
            (Shape::Many, None) => "]}".into(),
            (Shape::Many, Some(cursor)) => format!("],\"cursor\":\"{cursor}\"}}"),
        };
        self.end = Some(end.into_bytes());
    }

    /// The number of the last job that was pushed.
    pub(super) fn last(&self) -> Option<u64> {
        self.last
    }

    /// True when a job is to be written, or written on.
    pub(super) fn has_jobs(&self) -> bool {
        self.open.is_some() || !self.ready.is_empty()
    }

    /// How long the JSON of all that is ready will be, at most.
    pub(super) fn json_bytes(&self) -> usize {
        let jobs =
            self.ready.iter().map(|ready| record_json_bytes(&ready.job) + escaped_bytes(&ready.payload));
        jobs.sum::<usize>() + self.before.len() + 100
    }

    /// Writes what is ready, but no more than so many bytes of payload and records before they are escaped (a record may be
    /// the last one over it). Empty when there is nothing.
    pub(super) fn piece(&mut self, most: usize) -> Vec<u8> {
        let mut piece = Vec::new();
        let mut written = 0;
        while written < most {
            if let Some(open) = &mut self.open {
                let part = open.payload.split_to(boundary(&open.payload, most - written));
                written += part.len().max(1);
                push_escaped(&mut piece, &part);
                if open.payload.is_empty() {
                    piece.append(&mut open.tail);
                    self.open = None;
                }
            } else if let Some(Ready { job, queue, payload, is_duplicate }) = self.ready.pop_front() {
                written += RECORD_BYTES;
                self.begin(&mut piece);
                if self.jobs > 0 {
                    piece.push(b',');
                }
                self.jobs += 1;
                let record = quorate_api::Job { duplicate: is_duplicate, ..convert::job(job, &queue) };
                let mut tail = push_head(&mut piece, &record, self.fields);
                // A job that is open has something left to write: an empty piece is the end.
                if payload.is_empty() {
                    piece.append(&mut tail);
                } else {
                    self.open = Some(Open { payload, tail });
                }
            } else {
                if let Some(end) = self.end.take() {
                    self.begin(&mut piece);
                    piece.extend_from_slice(&end);
                }
                break;
            }
        }
        piece
    }

    fn begin(&mut self, piece: &mut Vec<u8>) {
        if !self.has_begun {
            self.has_begun = true;
            piece.push(b'{');
            piece.append(&mut self.before);
            piece.extend_from_slice(match self.shape {
                Shape::One => b"\"job\":",
                Shape::Many => b"\"jobs\":[",
            });
        }
    }
}

/// A record's JSON without its texts, at most.
pub(super) const RECORD_BYTES: usize = 1_024;

/// A record in memory.
pub(super) fn record_bytes(job: &Job) -> usize {
    RECORD_BYTES + texts(job).map(str::len).sum::<usize>()
}

/// A record's JSON without its payload, at most.
fn record_json_bytes(job: &Job) -> usize {
    RECORD_BYTES + texts(job).map(|text| escaped_bytes(text.as_bytes())).sum::<usize>()
}

/// All its texts.
fn texts(job: &Job) -> impl Iterator<Item = &str> {
    let unique = job.unique.as_ref().map_or("", |unique| &*unique.key);
    let progress = job.progress.as_ref().map_or("", |progress| &*progress.text);
    let texts = [&*job.image, &*job.key, &*job.worker, unique, progress, details(job)];
    texts.into_iter().chain(job.tags.iter().map(|tag| &**tag))
}

/// Its text, where it has some.
pub(super) fn details(job: &Job) -> &str {
    match &job.state {
        State::Error { details, .. } | State::Cancelled { details, .. } => details,
        State::Delayed { .. } | State::Queued { .. } | State::Running { .. } | State::Success => "",
    }
}

/// Writes the record up to its payload, and answers what comes behind that.
fn push_head(piece: &mut Vec<u8>, job: &quorate_api::Job, fields: Fields) -> Vec<u8> {
    let mut record = fields.json(job);
    let tail = if fields.has_payload() {
        let at = memchr::memmem::find(&record, PAYLOAD);
        record.split_off(at.expect("a job has a payload") + PAYLOAD.len())
    } else {
        Vec::new()
    };
    piece.append(&mut record);
    tail
}

/// Where text can be cut: at `most`, or up to three bytes before it.
fn boundary(text: &[u8], most: usize) -> usize {
    if text.len() <= most {
        return text.len();
    }
    let is_start = |at: &usize| text.get(*at).is_none_or(|byte| byte & 0xc0 != 0x80);
    let most = most.max(4);
    (most.saturating_sub(3)..=most.min(text.len())).rev().find(is_start).unwrap_or(most.min(text.len()))
}

fn push_escaped(piece: &mut Vec<u8>, text: &[u8]) {
    // It came as text.
    let text = std::str::from_utf8(text).map_or_else(|_| String::from_utf8_lossy(text), Cow::Borrowed);
    let quoted = serde_json::to_vec(&text).expect("text is JSON");
    piece.extend_from_slice(quoted.get(1..quoted.len() - 1).unwrap_or_default());
}

/// How long text is within a JSON string.
pub(super) fn escaped_bytes(text: &[u8]) -> usize {
    let more = |byte: &u8| match byte {
        b'"' | b'\\' | b'\x08' | b'\t' | b'\n' | b'\x0c' | b'\r' => 1,
        0..0x20 => 5,
        _ => 0,
    };
    text.len() + text.iter().map(more).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use quorate_api::{JobWrapper, JobsWrapper};
    use quorate_core::{ImageId, JobId, Payload, Priority, Progress, QueueId, Timestamp, Unique, Until};

    use super::*;

    fn job(number: u8, details: &str, payload: &str) -> Job {
        Job {
            id: JobId([number; 16]),
            number: number.into(),
            queue: QueueId::DEFAULT,
            priority: Priority::new(2).unwrap(),
            key: "\u{1}\"payload\":\"\"".into(),
            tags: (0..8).map(|n| format!("{n}{}", "\"".repeat(63)).into()).collect(),
            unique: Some(Unique { key: "\u{1}".repeat(255).into(), until: Until::Finished }),
            image: "\"payload\":\"\"\u{1}".into(),
            image_id: ImageId([u8::MAX; 16]),
            payload: Payload { owner: JobId([number; 16]), bytes: payload.len() as u32 },
            delay: u32::MAX,
            timeout: u32::MAX,
            max_retries: u32::MAX,
            all_retries: 0,
            attempt: u32::MAX,
            releases: 0,
            retries_delay: u32::MAX,
            created_at: Timestamp(0),
            started_at: Some(Timestamp(0)),
            worker: "\u{1}".repeat(128).into(),
            completed_at: Some(Timestamp(0)),
            keep_until: None,
            state: State::Cancelled { details: details.into(), released: true },
            log_bytes: 0,
            log_parts: 0,
            progress: Some(Progress { percent: 100, text: "\u{1}".repeat(256).into() }),
            retry_of: Some(JobId([1; 16])),
            retry_id: Some(JobId([1; 16])),
        }
    }

    fn queue() -> QueueName {
        QueueName::new(&"q".repeat(64)).unwrap()
    }

    fn ready(job: Job, payload: &str, is_duplicate: bool) -> Ready {
        Ready { job, queue: queue(), payload: Bytes::copy_from_slice(payload.as_bytes()), is_duplicate }
    }

    const TEXTS: [&str; 6] =
        ["", "plain", "\u{1}\u{1f}\u{7f}", "\"\\\u{8}\t\n\u{c}\r/", "äß€😀😀😀", "\"payload\":\"\""];

    #[test]
    fn in_whatever_pieces_it_is_the_json_of_the_wrapper() {
        for most in [1, 2, 5, 7, RECORD_BYTES + 3, usize::MAX] {
            for count in 0..=TEXTS.len() {
                let mut writer = JobsJson::new(Shape::Many, Fields::ALL);
                let mut expected = JobsWrapper { jobs: Vec::new(), cursor: None };
                for (number, text) in TEXTS.iter().take(count).enumerate() {
                    let job = job(number as u8, text, text);
                    expected.jobs.push(quorate_api::Job {
                        payload: (*text).into(),
                        duplicate: true,
                        ..convert::job(job.clone(), &queue())
                    });
                    writer.push(ready(job, text, true));
                }
                if count == 3 {
                    writer.end(Some("0009".into()));
                    expected.cursor = Some("0009".into());
                } else {
                    writer.end(None);
                }
                let bound = writer.json_bytes();
                let mut written = Vec::new();
                loop {
                    let piece = writer.piece(most);
                    if piece.is_empty() && !writer.has_jobs() {
                        break;
                    }
                    written.extend(piece);
                }
                assert_eq!(String::from_utf8_lossy(&written), serde_json::to_string(&expected).unwrap());
                assert!(written.len() <= bound, "{} <= {bound}", written.len());
            }
        }
        let mut one = JobsJson::new(Shape::One, Fields::ALL);
        let expected = quorate_api::Job { payload: "p".into(), ..convert::job(job(1, "d", "p"), &queue()) };
        one.push(ready(job(1, "d", "p"), "p", false));
        one.end(None);
        assert_eq!(one.piece(usize::MAX), serde_json::to_vec(&JobWrapper { job: expected }).unwrap());
    }

    #[test]
    fn no_piece_is_empty_before_the_end() {
        for fields in [Fields::ALL, Fields::parse("queue").unwrap()] {
            // Pieces that end with a job, of which nothing is left then.
            let mut writer = JobsJson::new(Shape::Many, fields);
            for number in 0..3 {
                writer.push(ready(job(number, "", ""), "", false));
                assert!(!writer.piece(RECORD_BYTES).is_empty());
                assert!(!writer.has_jobs(), "more have to be looked for");
            }
            writer.end(None);
            assert_eq!(writer.piece(RECORD_BYTES), b"]}");
        }
    }

    #[test]
    fn a_text_is_as_long_as_is_said() {
        for text in TEXTS {
            assert_eq!(
                escaped_bytes(text.as_bytes()) + 2,
                serde_json::to_string(text).unwrap().len(),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_piece_is_bounded() {
        let payload = "\u{1}".repeat(100_000);
        let mut writer = JobsJson::new(Shape::One, Fields::ALL);
        let record = record_json_bytes(&job(1, "", ""));
        writer.push(ready(job(1, "", ""), &payload, false));
        writer.end(None);
        while writer.has_jobs() {
            assert!(writer.piece(1_000).len() <= 6 * 1_000 + record);
        }
    }
}
