use bytes::Bytes;
use prost::Message;
use quorate_core::{
    AnswerRecord, Batch, Command, EndedBy, Ending, Envelope, Failure, FeatureLevel, IdempotencyKey, ImageId,
    Job, JobId, KeyRecord, NewJob, Payload, Position, Priority, QueueId, Reason, Refusal, Remembered,
    RequestId, Settings, State, Status, Timestamp,
};

use crate::log::v1 as pb;
use crate::{Malformed, answered_value, decode_batch, decode_envelope, encode_batch};

fn commands() -> Vec<Command> {
    let key = Some(IdempotencyKey { key: "once".into(), body_hash: [7; 32] });
    let id = JobId([1; 16]);
    let job = NewJob {
        id,
        queue: QueueId(3),
        priority: Priority::new(2).unwrap(),
        image: "word/count".into(),
        image_id: ImageId([2; 16]),
        payload: Bytes::from_static(b"payload"),
        delay: 4,
        timeout: 5,
        max_retries: 6,
        retries_delay: 7,
    };
    vec![
        Command::Enqueue { jobs: vec![job], key: key.clone() },
        Command::Enqueue { jobs: vec![], key: None },
        Command::Consume { queue: QueueId(1), n: 9, key: key.clone() },
        Command::Succeed { id, log: Bytes::from_static(b"log") },
        Command::Fail { id, reason: Reason::Killed, details: "why".into(), log: Bytes::new() },
        Command::Finish {
            endings: vec![
                Ending { id, failure: None, log: Bytes::from_static(b"log") },
                Ending {
                    id,
                    failure: Some(Failure { reason: Reason::BadExit, details: "why".into() }),
                    log: Bytes::new(),
                },
            ],
            queue: QueueId(3),
            take: 4,
            key: key.clone(),
        },
        Command::Cancel { id, details: "no more".into() },
        Command::Touch { id },
        Command::Retry { id, new_id: JobId([3; 16]), key },
        Command::Delete { id },
        Command::Configure { settings: Settings { retention: 61 } },
        Command::Raise { level: FeatureLevel(2) },
    ]
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
        State::Queued { seq: 8 },
        State::Running { deadline: Timestamp(9) },
        State::Success,
        State::Error { reason: Reason::Timeout, by: EndedBy::Cluster, details: "".into() },
        State::Error { reason: Reason::BadExit, by: EndedBy::Client, details: "exit 3".into() },
        State::Cancelled { details: "stop".into() },
    ];
    for (n, state) in states.into_iter().enumerate() {
        let id = JobId([n as u8; 16]);
        let job = Job {
            id,
            number: 10,
            queue: QueueId(0),
            priority: Priority::default(),
            image: "i".into(),
            image_id: ImageId([4; 16]),
            payload: Payload { owner: if n % 2 == 0 { id } else { JobId([9; 16]) }, bytes: 3 },
            delay: 1,
            timeout: 2,
            max_retries: 3,
            retries_delay: 4,
            created_at: Timestamp(5),
            started_at: (n % 2 == 0).then_some(Timestamp(0)),
            completed_at: (n % 3 == 0).then_some(Timestamp(6)),
            state,
            log_bytes: 7,
            retry_of: (n % 2 == 1).then_some(JobId([5; 16])),
            retry_id: (n % 3 == 1).then_some(JobId([6; 16])),
        };
        let bytes = pb::Job::from(&job).encode_to_vec();
        assert_eq!(Job::try_from(pb::Job::decode(&bytes[..]).unwrap()).unwrap(), job);
    }
}

#[test]
fn every_answer_is_remembered_as_it_was() {
    let refusals = [
        Refusal::NoSuchJob,
        Refusal::RetriesLeft,
        Refusal::KeyReused,
        Refusal::OutsideDeadline,
        Refusal::IdTaken,
        Refusal::Invalid { field: "image" },
    ]
    .into_iter()
    .chain(Status::ALL.map(|status| Refusal::WrongStatus { status }));
    let ids = vec![JobId([1; 16]), JobId([2; 16])];
    let answers = [
        Remembered::Enqueued(ids.clone()),
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
