//! Whatever bytes come: what is no batch, command or record is refused, and what is one is the same after it was encoded again.
//! `PROPTEST_CASES` says how many.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;
use quorate_core::model::Model;
use quorate_core::testing::{Workload, mutate};
use quorate_core::{Batch, Envelope, Job, Queue};
use quorate_proto::log::v1 as pb;
use quorate_proto::{decode, decode_batch, decode_envelope, encode_batch, encode_envelope};

/// One of a random history, every command among them.
fn batch() -> impl Strategy<Value = Batch> {
    (0..1_000_u64, 0..30_usize).prop_map(|(seed, at)| Workload::new(seed).nth(at).unwrap().batch)
}

/// Bytes that are no message, or hardly one any more.
fn mutated(valid: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let changes = vec(any::<(u32, u8, u8)>(), 0..6);
    let nearly = (valid, changes).prop_map(|(mut bytes, changes)| {
        mutate(&mut bytes, &changes);
        bytes
    });
    prop_oneof![1 => vec(any::<u8>(), 0..300), 4 => nearly]
}

proptest! {
    #![proptest_config(ProptestConfig::default())]

    /// A follower takes what it decodes: then apply carries it out, whatever it says.
    #[test]
    fn a_batch(bytes in mutated(batch().prop_map(|batch| encode_batch(batch).to_vec()))) {
        if let Ok(batch) = decode_batch(bytes.into()) {
            prop_assert_eq!(decode_batch(encode_batch(batch.clone())), Ok(batch.clone()));
            let Ok(_) = quorate_core::apply(&mut Model::new(), 1, &batch);
        }
    }

    /// What the leader takes of another node, every replica understands where it stands in the log.
    #[test]
    fn a_command(bytes in mutated(batch().prop_map(|batch| {
        batch.envelopes.into_iter().next().map_or(Vec::new(), |envelope| encode_envelope(envelope).to_vec())
    }))) {
        if let Ok(envelope) = decode_envelope(bytes.into()) {
            let packed = pb::PackedBatch { stamp_ms: 1, envelopes: vec![encode_envelope(envelope.clone())] };
            let found: Result<Vec<Envelope>, _> =
                decode_batch(Bytes::from(packed.encode_to_vec())).map(|batch| batch.envelopes);
            prop_assert_eq!(found, Ok(vec![envelope]));
        }
    }

    #[test]
    fn a_record(bytes in mutated(any::<u64>().prop_map(|seed| {
        let mut workload = Workload::new(seed % 1_000);
        workload.by_ref().take(20).for_each(drop);
        let job = workload.model().jobs().values().next().map(|job| pb::Job::from(job).encode_to_vec());
        job.unwrap_or_default()
    }))) {
        let bytes = Bytes::from(bytes);
        if let Ok(job) = decode::<pb::Job>(bytes.clone()).and_then(Job::try_from) {
            let again = pb::Job::from(&job);
            prop_assert_eq!(Job::try_from(again), Ok(job));
        }
        if let Ok(queue) = decode::<pb::Queue>(bytes).and_then(Queue::try_from) {
            let again = pb::Queue::from(&queue);
            prop_assert_eq!(Queue::try_from(again), Ok(queue));
        }
    }
}
