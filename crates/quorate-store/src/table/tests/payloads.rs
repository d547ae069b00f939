//! Who holds a payload, within one batch of entries and over several.

use quorate_core::model::Model;
use quorate_core::{Batch, Command, Refusal, apply};

use crate::table::tests::harness::Harness;
use crate::table::tests::jobs::{batch, enqueue, id, new_job};
use crate::table::tuning::Tuning;

/// A job, its retry, and the job's id once more: while the retry holds the payload of that id, and when it does no longer.
fn history() -> Vec<(u64, Batch)> {
    let cancel = |n| Command::Cancel { id: id(n), details: "".into() };
    let delete = |n| Command::Delete { id: id(n) };
    let retry = |n, new| Command::Retry { id: id(n), new_id: id(new), anew: false, key: None };
    let again = || enqueue([new_job(1)]);
    let commands = [
        again(),
        cancel(1),
        retry(1, 2),
        delete(1),
        again(),
        cancel(2),
        retry(2, 1),
        delete(2),
        again(),
        cancel(1),
        retry(1, 3),
        delete(1),
        again(),
        cancel(3),
        delete(3),
        again(),
        cancel(1),
        delete(1),
        again(),
    ];
    (1..).zip(commands).map(|(index, command)| batch(index, [command])).collect()
}

#[tokio::test]
async fn an_id_is_taken_as_long_as_a_retry_holds_its_payload() {
    let history = history();
    let mut model = Model::default();
    let mut expected = Vec::new();
    for (index, batch) in &history {
        let Ok(applied) = apply(&mut model, *index, batch);
        expected.push(applied.answers);
    }
    let taken = expected.iter().flatten().filter(|answered| answered.outcome == Err(Refusal::IdTaken));
    assert_eq!(taken.count(), 3, "while job 2 and while job 3 hold it, for a new job and for a retry");
    assert_eq!(expected.iter().flatten().filter(|answered| answered.outcome.is_err()).count(), 3);

    for together in [1, 2, 3, 5, history.len()] {
        let mut harness = Harness::new(Tuning::default());
        let mut answers = Vec::new();
        for part in history.chunks(together) {
            answers.extend(harness.apply(part.to_vec()).await);
        }
        assert_eq!(answers, expected, "{together} entries at once");
        assert_eq!(harness.dump(), model.dump(), "{together} entries at once");
    }
}
