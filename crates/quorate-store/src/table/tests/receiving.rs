//! Whatever a peer sends as a snapshot: nothing of it is taken, and nothing is left.

use openraft::alias::SnapshotMetaOf;
use proptest::collection::vec;
use proptest::prelude::*;

use super::harness::Harness;
use crate::TypeConfig;
use crate::table::tuning::Tuning;

#[derive(Clone, Debug)]
enum Frame {
    File(String, u64),
    Chunk(Vec<u8>),
    /// Whether the checksum is right.
    End(bool),
}

fn frame() -> impl Strategy<Value = Frame> {
    let name = prop_oneof![
        "(CURRENT|MANIFEST-[0-9]{1,6}|OPTIONS-[0-9]{1,6}|[0-9]{1,6}\\.(sst|log))",
        "[./A-Za-z0-9-]{0,12}",
        any::<String>(),
    ];
    let bytes = prop_oneof![Just(b"MANIFEST-000001\n".to_vec()), vec(any::<u8>(), 0..40)];
    prop_oneof![
        (name, prop_oneof![0..40_u64, any::<u64>()]).prop_map(|(name, bytes)| Frame::File(name, bytes)),
        bytes.prop_map(Frame::Chunk),
        any::<bool>().prop_map(Frame::End),
    ]
}

#[test]
fn whatever_a_peer_sends_as_a_snapshot_is_no_harm() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut harness = Harness::new(Tuning::default());
    let (store, root) = (harness.table().snapshots(), harness.data_dir.snapshot());
    proptest!(|(frames in vec(frame(), 0..12))| {
        let finished = runtime.block_on(async {
            let mut receiver = store.receive().await.unwrap();
            let mut sent = Vec::new();
            for frame in &frames {
                // What is refused ends the call in earnest; here the next frame comes all the same.
                let _ = match frame {
                    Frame::File(name, bytes) => {
                        sent.clear();
                        receiver.begin_file(name, *bytes).await
                    }
                    Frame::Chunk(bytes) => {
                        sent.extend(bytes);
                        receiver.chunk(bytes).await
                    }
                    Frame::End(right) => receiver.end_file(crc32c::crc32c(&sent) ^ u32::from(!right)).await,
                };
            }
            receiver.finish(&SnapshotMetaOf::<TypeConfig>::default()).await.is_ok()
        });
        prop_assert!(!finished);
        prop_assert_eq!(std::fs::read_dir(&root).unwrap().count(), 0);
    });
}
