use bytes::Bytes;
use prost::Message;
use quorate_core::{
    Action, AnswerRecord, Backoff, Batch, Bucket, Command, Counts, EndedBy, Ending, Envelope, Failure,
    FeatureLevel, Filter, IdempotencyKey, ImageId, Job, JobId, KeyRecord, NewJob, NewOperation, Operation,
    OperationId, OperationState, Payload, Period, Position, Priority, Progress, Queue, QueueId, QueueName,
    QueueSettings, Rate, Reason, Recent, Refusal, Remembered, RequestId, Selection, Setting, Settings,
    Source, State, Status, Take, Timestamp, Unique, Until,
};

use crate::log::v1 as pb;
use crate::{Malformed, answered_value, decode_batch, decode_envelope, encode_batch};

fn commands() -> Vec<Command> {
    let key = Some(IdempotencyKey { key: "once".into(), body_hash: [7; 32] });
    let id = JobId([1; 16]);
    let job = NewJob {
        id,
        queue: QueueName::new("words").unwrap(),
        priority: Priority::new(2).unwrap(),
        key: "tenant".into(),
        tags: ["red".into(), "size:7".into()].into(),
        unique: Some(Unique { key: "only".into(), until: Until::Elapsed(3) }),
        image: "word/count".into(),
        image_id: ImageId([2; 16]),
        payload: Bytes::from_static(b"payload"),
        delay: 4,
        timeout: Some(5),
        max_retries: Some(0),
        retries_delay: None,
    };
    let [one, two] = ["one", "two"].map(|name| QueueName::new(name).unwrap());
    let take = |from, images| Take { from, images, n: 9, worker: "w".into() };
    let settings = vec![
        Setting::Paused(true),
        Setting::Timeout(Some(1)),
        Setting::MaxRetries(Some(0)),
        Setting::RetriesDelay(None),
        Setting::KeepSuccess(Some(1 << 40)),
        Setting::KeepError(None),
        Setting::Backoff(Backoff::Fixed),
        Setting::Backoff(Backoff::Exponential { cap: 60, jitter_percent: 10 }),
        Setting::Backoff(Backoff::List(vec![1, 0, 7])),
        Setting::MaxRunning(Some(3)),
        Setting::MaxRunningPerKey(Some(2)),
        Setting::Rate(Some(Rate { jobs: 5, seconds: 6 })),
        Setting::Rate(None),
    ];
    vec![
        Command::Enqueue { jobs: vec![job], key: key.clone() },
        Command::Enqueue { jobs: vec![], key: None },
        Command::Consume { take: Take::default_queue(9), key: key.clone() },
        Command::Consume { take: take(Source::All, vec![ImageId([4; 16]), ImageId([5; 16])]), key: None },
        Command::Consume {
            take: take(Source::ByWeight(vec![(one.clone(), 5), (two, 1)]), vec![]),
            key: None,
        },
        Command::Succeed { id, log: Bytes::from_static(b"log") },
        Command::Fail {
            id,
            reason: Reason::Killed,
            details: "why".into(),
            log: Bytes::new(),
            for_good: true,
        },
        Command::Release { id, new_id: JobId([8; 16]), delay: 3 },
        Command::WorkerGone { worker: "w".into() },
        Command::Finish {
            endings: vec![
                Ending { id, failure: None, log: Bytes::from_static(b"log") },
                Ending {
                    id,
                    failure: Some(Failure { reason: Reason::BadExit, details: "why".into(), for_good: true }),
                    log: Bytes::new(),
                },
            ],
            take: Some(take(Source::InOrder(vec![one.clone(), QueueName::DEFAULT]), vec![])),
            key: key.clone(),
        },
        Command::Cancel { id, details: "no more".into() },
        Command::Touch { id, progress: None },
        Command::Touch { id, progress: Some(Progress { percent: 7, text: "on".into() }) },
        Command::AppendLog { id, log: Bytes::from_static(b"more"), offset: Some(0) },
        Command::AppendLog { id, log: Bytes::from_static(b"more"), offset: None },
        Command::Retry { id, new_id: JobId([3; 16]), anew: false, key: key.clone() },
        Command::Retry { id, new_id: JobId([3; 16]), anew: true, key: None },
        Command::Delete { id },
        Command::Configure { settings: Settings { retention: 61 } },
        Command::ConfigureQueue { name: one.clone(), settings },
        Command::DeleteQueue { name: one },
        Command::StartOperation { operation: new_operation(Action::Retry, selections()[0].clone()), key },
        Command::StartOperation {
            operation: new_operation(Action::Cancel, selections()[1].clone()),
            key: None,
        },
        Command::StepOperation {
            id: OperationId([9; 16]),
            action: Action::Delete,
            from: 7,
            to: Some(9),
            jobs: vec![id, JobId([8; 16])],
        },
        Command::StepOperation {
            id: OperationId([9; 16]),
            action: Action::Cancel,
            from: 0,
            to: None,
            jobs: vec![],
        },
        Command::StopOperation { id: OperationId([9; 16]) },
        Command::Raise { level: FeatureLevel(2) },
    ]
}

fn new_operation(action: Action, selection: Selection) -> NewOperation {
    NewOperation { id: OperationId([9; 16]), action, details: "all".into(), selection, words: "some".into() }
}

/// All of a filter, nothing of a filter, and ids.
fn selections() -> [Selection; 3] {
    let filter = Filter {
        statuses: vec![Status::Error, Status::Delayed],
        dead: Some(false),
        reason: Some(Reason::Timeout),
        image: Some(ImageId([2; 16])),
        queue: Some(QueueId(0)),
        key: Some("".into()),
        tags: vec!["red".into(), "size:7".into()],
        created: Period { from: Some(Timestamp(0)), until: None },
        finished: Period { from: Some(Timestamp(1)), until: Some(Timestamp(2)) },
    };
    let ids = vec![JobId([1; 16]), JobId([2; 16])];
    [Selection::Filter(filter), Selection::Filter(Filter::default()), Selection::Ids(ids)]
}

fn batch() -> Batch {
    let envelopes = commands()
        .into_iter()
        .enumerate()
        .map(|(n, command)| Envelope {
            request_id: RequestId([n as u8; 16]),
            deadline: Timestamp(n as u64),
            command,
        })
        .collect();
    Batch { stamp: Timestamp(12), envelopes }
}

#[test]
fn every_command_survives_the_log() {
    assert_eq!(decode_batch(encode_batch(batch())).unwrap(), batch());
}

#[test]
fn a_batch_cut_anywhere_is_refused_or_is_a_shorter_batch_of_whole_commands() {
    let bytes = encode_batch(batch());
    for cut in 0..bytes.len() {
        if let Ok(shorter) = decode_batch(bytes.slice(..cut)) {
            assert!(batch().envelopes.starts_with(&shorter.envelopes), "cut at {cut}");
        }
    }
}

#[test]
fn a_command_with_a_part_of_a_newer_version_is_no_command() {
    let envelope = pb::Envelope::from(batch().envelopes[0].clone()).encode_to_vec();
    assert!(decode_envelope(envelope.clone().into()).is_ok());
    // A field of the envelope; a command that is not known, in place of one; both as a newer version would add them.
    let field = [envelope.as_slice(), &[0x18, 1]].concat();
    let id = pb::Envelope { request_id: Some([1; 16].into()), deadline_ms: 1, command: None };
    let command = [id.encode_to_vec().as_slice(), &[0xc2, 0x02, 2, 0x08, 1]].concat();
    for newer in [field, command] {
        let refused = decode_envelope(newer.clone().into()).unwrap_err();
        assert_eq!(refused, Malformed::Newer { message: "Envelope" });
        let log = pb::PackedBatch { stamp_ms: 1, envelopes: vec![newer.into()] };
        let refused = decode_batch(log.encode_to_vec().into()).unwrap_err();
        assert_eq!(refused, Malformed::Newer { message: "Batch" });
    }
    let reason = pb::Fail { id: Some([1; 16].into()), reason: 99, ..Default::default() };
    let command = Some(pb::envelope::Command::Fail(reason));
    let refused = decode_envelope(pb::Envelope { command, ..id }.encode_to_vec().into()).unwrap_err();
    assert_eq!(refused, Malformed::NewerField { message: "Fail", field: "reason" });
    // Nothing at all is no newer command.
    let nothing = pb::Envelope { request_id: Some([1; 16].into()), deadline_ms: 1, command: None };
    assert!(!decode_envelope(nothing.encode_to_vec().into()).unwrap_err().is_newer());
}

#[test]
fn every_state_of_a_job_survives_the_disk() {
    let states = [
        State::Delayed { due: Timestamp(0) },
        State::Queued { seq: 8, since: Timestamp(7) },
        State::Running { deadline: Timestamp(9) },
        State::Success,
        State::Error { reason: Reason::Timeout, by: EndedBy::Cluster, details: "".into() },
        State::Error { reason: Reason::BadExit, by: EndedBy::Client, details: "exit 3".into() },
        State::Cancelled { details: "stop".into(), released: false },
        State::Cancelled { details: "back".into(), released: true },
    ];
    for (n, state) in states.into_iter().enumerate() {
        let id = JobId([n as u8; 16]);
        let job = Job {
            id,
            number: 10,
            queue: QueueId(0),
            priority: Priority::default(),
            key: if n % 2 == 0 { "".into() } else { "key".into() },
            tags: if n % 2 == 0 { [].into() } else { ["a".into(), "b".into()].into() },
            unique: [
                None,
                Some(Unique { key: "only".into(), until: Until::Started }),
                Some(Unique { key: "only".into(), until: Until::Finished }),
            ][n % 3]
                .clone(),
            image: "i".into(),
            image_id: ImageId([4; 16]),
            payload: Payload { owner: if n % 2 == 0 { id } else { JobId([9; 16]) }, bytes: 3 },
            delay: 1,
            timeout: 2,
            max_retries: 3,
            all_retries: if n % 2 == 0 { 4 } else { 3 },
            attempt: 2,
            releases: 3,
            retries_delay: 4,
            created_at: Timestamp(5),
            started_at: (n % 2 == 0).then_some(Timestamp(0)),
            worker: if n % 2 == 0 { "w".into() } else { "".into() },
            completed_at: (n % 3 == 0).then_some(Timestamp(6)),
            keep_until: (n % 3 == 1).then_some(Timestamp(7)),
            state,
            log_bytes: 7,
            log_parts: 2,
            progress: (n % 2 == 0).then(|| Progress { percent: 100, text: "done".into() }),
            retry_of: (n % 2 == 1).then_some(JobId([5; 16])),
            retry_id: (n % 3 == 1).then_some(JobId([6; 16])),
        };
        let bytes = pb::Job::from(&job).encode_to_vec();
        assert_eq!(Job::try_from(pb::Job::decode(&bytes[..]).unwrap()).unwrap(), job);
    }
}

#[test]
fn every_queue_survives_the_disk() {
    let plain = Queue {
        id: QueueId(7),
        name: QueueName::new("words").unwrap(),
        kept: false,
        settings: QueueSettings::default(),
        bucket: Bucket::default(),
        counts: Counts::default(),
    };
    let recent = Recent { slot: 9, came: [1; 7], granted: [2; 7], ended: [3; 7] };
    let set = Queue {
        name: QueueName::DEFAULT,
        kept: true,
        settings: QueueSettings {
            paused: true,
            timeout: Some(1),
            max_retries: Some(0),
            retries_delay: Some(2),
            keep_success: Some(3),
            keep_error: Some(4),
            backoff: Backoff::List(vec![5, 6]),
            max_running: Some(7),
            max_running_per_key: Some(8),
            rate: Some(Rate { jobs: 9, seconds: 10 }),
        },
        bucket: Bucket::of_parts(u128::MAX - 1),
        counts: Counts { by_status: [1, 2, 3, 4, 5, 6], queued: [7, 8, 9], recent },
        ..plain
    };
    for queue in [plain, set] {
        let bytes = pb::Queue::from(&queue).encode_to_vec();
        assert_eq!(Queue::try_from(pb::Queue::decode(&bytes[..]).unwrap()).unwrap(), queue);
    }
}

#[test]
fn every_operation_survives_the_disk() {
    let states = [OperationState::Running, OperationState::Done, OperationState::Stopped];
    for ((n, selection), state) in (1..).zip(selections()).zip(states) {
        let operation = Operation {
            id: OperationId([n; 16]),
            action: Action::ALL[usize::from(n) - 1],
            details: "all".into(),
            selection,
            words: "some".into(),
            number: 4,
            cursor: 5,
            state,
            done: 6,
            skipped: 7,
            started_at: Timestamp(8),
            ended_at: (state != OperationState::Running).then_some(Timestamp(9)),
        };
        let bytes = pb::Operation::from(&operation).encode_to_vec();
        assert_eq!(Operation::try_from(pb::Operation::decode(&bytes[..]).unwrap()).unwrap(), operation);
    }
}

#[test]
fn a_queue_has_one_name() {
    let of = |name: &str| pb::DeleteQueue { name: name.into() };
    for name in ["default", "No", "a b"] {
        let command = Some(pb::envelope::Command::DeleteQueue(of(name)));
        let envelope = pb::Envelope { request_id: Some([1; 16].into()), deadline_ms: 1, command };
        let refused = decode_envelope(envelope.encode_to_vec().into()).unwrap_err();
        assert_eq!(refused, Malformed::Field { message: "DeleteQueue", field: "queue" }, "{name}");
    }
}

#[test]
fn every_answer_is_remembered_as_it_was() {
    let refusals = [
        Refusal::NoSuchJob,
        Refusal::RetriedAutomatically,
        Refusal::KeyReused,
        Refusal::OutsideDeadline,
        Refusal::IdTaken,
        Refusal::ReleasedTooOften,
        Refusal::NoSuchQueue,
        Refusal::QueueInUse,
        Refusal::TooManyQueues,
        Refusal::TooManyLanes,
        Refusal::NoSuchOperation,
        Refusal::TooManyOperations,
        Refusal::Invalid { field: "image" },
    ]
    .into_iter()
    .chain(Status::ALL.map(|status| Refusal::WrongStatus { status }));
    let ids = vec![JobId([1; 16]), JobId([2; 16])];
    let answers = [
        Remembered::Enqueued { jobs: ids.clone(), duplicates: vec![0, 1] },
        Remembered::Enqueued { jobs: ids.clone(), duplicates: vec![] },
        Remembered::Released(ids.clone()),
        Remembered::Consumed(ids.clone()),
        Remembered::Consumed(vec![]),
        Remembered::Finished {
            ended: vec![
                Ok(JobId([4; 16])),
                Err(Refusal::WrongStatus { status: Status::Cancelled }),
                Err(Refusal::NoSuchJob),
            ],
            taken: ids,
        },
        Remembered::Finished { ended: vec![], taken: vec![] },
        Remembered::Job(JobId([3; 16])),
        Remembered::Operation(OperationId([5; 16])),
        Remembered::Done,
    ]
    .into_iter()
    .chain(refusals.map(Remembered::Refused));
    for answer in answers {
        let position = Position { index: 4, offset: 5 };
        for replayed in [false, true] {
            let answer = answer.clone();
            let record = AnswerRecord { deadline: Timestamp(7), position, replayed, answer };
            let bytes = answered_value(RequestId([6; 16]), &record).encode_to_vec();
            let back = pb::Answer::decode(&bytes[..]).unwrap();
            let expected = (RequestId([6; 16]), record);
            assert_eq!(<(RequestId, AnswerRecord)>::try_from(back).unwrap(), expected);
        }

        let record = KeyRecord { key: "k".into(), body_hash: [8; 32], at: Timestamp(9), answer };
        let bytes = pb::KeyRecord::from(&record).encode_to_vec();
        assert_eq!(KeyRecord::try_from(pb::KeyRecord::decode(&bytes[..]).unwrap()).unwrap(), record);
    }
}

#[test]
fn what_lacks_a_field_is_refused_by_its_name() {
    let refused = |message: pb::Job| quorate_core::Job::try_from(message).unwrap_err().to_string();
    assert_eq!(refused(pb::Job::default()), "Job.id is missing or out of range");
    let job = pb::Job { id: Some([1; 16].into()), priority: 3, ..Default::default() };
    assert_eq!(refused(job), "Job.priority is missing or out of range");
}

#[test]
fn ids_are_written_as_two_numbers_each() {
    let bytes: [u8; 16] = std::array::from_fn(|at| at as u8 + 0x80);
    let id = pb::Id::from(bytes);
    assert_eq!((id.high, id.low), (0x8081_8283_8485_8687, 0x8889_8a8b_8c8d_8e8f));
    assert_eq!(<[u8; 16]>::from(id), bytes);
    let three = pb::remembered::Kind::Consumed(pb::Ids { ids: vec![1, 2, 3] });
    let refused = quorate_core::Remembered::try_from(pb::Remembered { kind: Some(three) }).unwrap_err();
    assert_eq!(refused.to_string(), "Ids.ids is missing or out of range");
}
