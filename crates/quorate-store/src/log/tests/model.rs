//! The log against a vector: any history, seen by readers at each step and after each reopening.

use openraft::{RaftLogReader, storage::RaftLogStorage, storage::RaftLogStorageExt};
use proptest::prelude::*;
use tempfile::TempDir;

use super::{Opened, entry, log_id, on_flushed};
use crate::{
    Entry, LogId, Vote,
    log::{LogReader, LogStore, tail::entry_bytes},
};

#[derive(Clone, Debug)]
enum Step {
    /// Entries of these sizes, perhaps of a new term; perhaps without waiting for the disk.
    Append {
        sizes: Vec<usize>,
        new_term: bool,
        wait: bool,
    },
    /// Keeps this share of the entries.
    Truncate {
        keep: f64,
    },
    /// Up to this share of the entries; above 1: beyond the end, as after an installed snapshot.
    Purge {
        share: f64,
    },
    Vote {
        committed: bool,
    },
    Commit {
        share: f64,
    },
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (prop::collection::vec(0..300_usize, 1..6), any::<bool>(), any::<bool>())
            .prop_map(|(sizes, new_term, wait)| Step::Append { sizes, new_term, wait }),
        2 => (0.0..1.0).prop_map(|keep| Step::Truncate { keep }),
        2 => (0.0..1.2).prop_map(|share| Step::Purge { share }),
        1 => any::<bool>().prop_map(|committed| Step::Vote { committed }),
        1 => (0.0..1.0).prop_map(|share| Step::Commit { share }),
        1 => Just(Step::Reopen),
    ]
}

#[derive(Default)]
struct Model {
    entries: Vec<Entry>,
    purged: Option<LogId>,
    vote: Option<Vote>,
    committed: Option<LogId>,
    term: u64,
}

impl Model {
    fn last(&self) -> Option<LogId> {
        self.entries.last().map(|entry| entry.log_id).or(self.purged)
    }

    fn next(&self) -> u64 {
        self.last().map_or(0, |id| id.index + 1)
    }

    /// Nobody has entries of a term in which it has not voted.
    async fn vote_before_entries(&mut self, store: &mut LogStore) {
        if self.vote.is_none_or(|vote| vote.leader_id.term < self.term) {
            let vote = Vote::new_committed(self.term, 3);
            self.vote = Some(vote);
            store.save_vote(&vote).await.unwrap();
        }
    }

    /// How many entries a share of them is.
    fn count(&self, share: f64) -> usize {
        (self.entries.len() as f64 * share) as usize
    }
}

async fn take(step: &Step, model: &mut Model, store: &mut LogStore) {
    match step {
        Step::Append { sizes, new_term, wait } => {
            model.term += u64::from(*new_term);
            model.vote_before_entries(store).await;
            let (term, next) = (model.term, model.next());
            let entries: Vec<Entry> =
                sizes.iter().zip(next..).map(|(&bytes, index)| entry(term, index, bytes)).collect();
            if *wait {
                store.blocking_append(entries.clone()).await.unwrap();
            } else {
                store.append(entries.clone(), on_flushed(|| {}).0).await.unwrap();
            }
            model.entries.extend(entries);
        }
        Step::Truncate { keep } => {
            model.entries.truncate(model.count(*keep));
            store.truncate_after(model.last()).await.unwrap();
        }
        Step::Purge { share } => {
            model.vote_before_entries(store).await;
            let count = model.count(*share);
            let upto = match model.entries.get(count) {
                Some(entry) => entry.log_id,
                None => log_id(model.term, model.next() + 3),
            };
            model.entries.retain(|entry| entry.log_id.index > upto.index);
            model.purged = Some(upto);
            store.purge(upto).await.unwrap();
        }
        Step::Vote { committed } => {
            model.term += 1;
            let vote = if *committed { Vote::new_committed(model.term, 3) } else { Vote::new(model.term, 3) };
            model.vote = Some(vote);
            store.save_vote(&vote).await.unwrap();
        }
        Step::Commit { share } => {
            model.committed = model.entries.get(model.count(*share)).map(|entry| entry.log_id);
            store.save_committed(model.committed).await.unwrap();
        }
        Step::Reopen => {}
    }
}

async fn compare(model: &Model, store: &mut LogStore) {
    let state = store.get_log_state().await.unwrap();
    assert_eq!((state.last_purged_log_id, state.last_log_id), (model.purged, model.last()));
    assert_eq!(store.read_committed().await.unwrap(), model.committed);
    let mut reader = store.get_log_reader().await;
    assert_eq!(reader.read_vote().await.unwrap(), model.vote);
    assert_eq!(reader.try_get_log_entries(..).await.unwrap(), model.entries);
    let half = model.entries.len() / 2;
    if let Some(middle) = model.entries.get(half) {
        let index = middle.log_id.index;
        assert_eq!(reader.try_get_log_entries(..index).await.unwrap(), model.entries[..half]);
        assert_eq!(reader.try_get_log_entries(index..).await.unwrap(), model.entries[half..]);
        let one = reader.limited_get_log_entries(index, index + 1).await.unwrap();
        assert_eq!(one, model.entries[half..=half]);
    }
    compare_sizes(model, &reader).await;
}

/// The bytes from every index on, and where the last so many begin.
async fn compare_sizes(model: &Model, reader: &LogReader) {
    let end = model.next();
    let mut bytes = 0;
    assert_eq!(reader.bytes_from(end).await.unwrap(), 0);
    assert_eq!(reader.begin_of_last(0).await.unwrap(), end);
    for entry in model.entries.iter().rev() {
        let index = entry.log_id.index;
        assert_eq!(reader.begin_of_last(bytes + entry_bytes(entry) as u64 - 1).await.unwrap(), index + 1);
        bytes += entry_bytes(entry) as u64;
        assert_eq!(reader.bytes_from(index).await.unwrap(), bytes);
        assert_eq!(reader.begin_of_last(bytes).await.unwrap(), index);
    }
    assert_eq!(reader.bytes_from(0).await.unwrap(), bytes);
    assert_eq!(reader.begin_of_last(u64::MAX).await.unwrap(), end - model.entries.len() as u64);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_history_reads_as_a_vector_does(
        steps in prop::collection::vec(step(), 1..40),
        // From "everything is read from the disk" to "nothing is".
        tail_bytes in prop_oneof![Just(0), 0..4_000_usize, Just(1 << 20)],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let dir = TempDir::new().unwrap();
            let mut model = Model::default();
            let mut opened = Opened::at(dir.path(), tail_bytes);
            for step in &steps {
                if matches!(step, Step::Reopen) {
                    let Opened { store, dir: data_dir } = opened;
                    store.close().unwrap();
                    drop(data_dir);
                    opened = Opened::at(dir.path(), tail_bytes);
                }
                take(step, &mut model, &mut opened.store).await;
                compare(&model, &mut opened.store).await;
            }
        });
    }
}
