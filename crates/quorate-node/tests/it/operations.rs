//! Work on many jobs, which whoever leads goes on with.

use std::sync::Arc;

use quorate_core::limits::{JOBS_PER_REQUEST, LANES};
use quorate_core::{
    Action, Command, Filter, JobId, NewJob, NewOperation, Operation, OperationId, OperationState, Selection,
    Status,
};
use quorate_node::Handle;

use crate::common::*;

const ID: OperationId = OperationId([5; 16]);

fn operation(handle: &Handle) -> Option<Arc<Operation>> {
    handle.reader().operation(ID)
}

async fn start(handle: &Handle, action: Action, selection: Selection) {
    let operation = NewOperation { id: ID, action, details: "".into(), selection, words: "".into() };
    submit(handle, Command::StartOperation { operation, key: None }).await.unwrap().outcome.unwrap();
}

fn all_of(status: Status) -> Selection {
    Selection::Filter(Filter { statuses: vec![status], ..Filter::default() })
}

async fn enqueue_many(handle: &Handle, numbers: std::ops::Range<u64>) {
    let jobs = numbers.map(job).collect();
    submit(handle, Command::Enqueue { jobs, key: None }).await.unwrap().outcome.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn it_survives_the_death_of_the_leader_and_does_each_job_once() {
    let mut cluster = Cluster::started(3).await;
    let leader = cluster.leader().await;
    let survivor = cluster.follower().await;
    for thousand in 0..3 {
        enqueue_many(cluster.at(survivor), thousand * 1_000..(thousand + 1) * 1_000).await;
    }
    start(cluster.at(survivor), Action::Cancel, all_of(Status::Queued)).await;
    eventually("it goes on", async || operation(cluster.at(survivor)).unwrap().done > 100).await;
    cluster.crash(leader).await;
    let seen = operation(cluster.at(survivor)).unwrap();
    assert!(seen.is_running(), "it was not done before: {seen:?}");
    // They came later, and are not meant.
    enqueue_many(cluster.at(survivor), 3_000..3_010).await;
    eventually("it is done", async || !operation(cluster.at(survivor)).unwrap().is_running()).await;

    let ended = operation(cluster.at(survivor)).unwrap();
    assert_eq!((ended.state, ended.done, ended.skipped), (OperationState::Done, 3_000, 0));
    assert_eq!(queued(cluster.at(survivor)), 10);
    cluster.start(leader).await;
    eventually("it is back", async || cluster.at(leader).ready().await).await;
    cluster.at(leader).barrier(LONG).await.unwrap();
    assert_eq!(operation(cluster.at(leader)), Some(ended));
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_finds_no_lane_holds_up_no_other_and_goes_on_once_there_is_one() {
    let cluster = Cluster::started(1).await;
    let node = cluster.at(0);
    let alone = |number: u64| NewJob { key: number.to_string().into(), ..job(number) };
    let keyless = [300_000, 300_001].map(|number| job(number).id);
    enqueue_many(node, 300_000..300_002).await;
    start(node, Action::Cancel, Selection::Ids(keyless.to_vec())).await;
    eventually("it is done", async || !operation(node).unwrap().is_running()).await;
    for number in (0..LANES as u64).step_by(JOBS_PER_REQUEST) {
        let jobs = (number..number + JOBS_PER_REQUEST as u64).map(alone).collect();
        submit(node, Command::Enqueue { jobs, key: None }).await.unwrap().outcome.unwrap();
    }

    let begin = async |number, action, job| {
        let (id, selection) = (OperationId([number; 16]), Selection::Ids(vec![job]));
        let operation = NewOperation { id, action, details: "".into(), selection, words: "".into() };
        submit(node, Command::StartOperation { operation, key: None }).await.unwrap().outcome.unwrap();
    };
    let seen = |number| node.reader().operation(OperationId([number; 16])).unwrap();
    begin(6, Action::Retry, keyless[0]).await;
    begin(7, Action::Delete, keyless[1]).await;
    eventually("the other one is done", async || !seen(7).is_running()).await;
    assert!(seen(6).is_running());
    begin(8, Action::Cancel, job(0).id).await;
    eventually("there is a lane for it", async || !seen(6).is_running()).await;
    assert_eq!((seen(6).done, seen(6).skipped, node.reader().lanes()), (1, 0, LANES));
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_by_ids_enqueues_each_once() {
    let cluster = Cluster::started(1).await;
    let node = cluster.at(0);
    enqueue_many(node, 0..200).await;
    let ids: Vec<JobId> = (0..200).map(|number| job(number).id).collect();
    start(node, Action::Cancel, Selection::Ids(ids.clone())).await;
    eventually("it is done", async || !operation(node).unwrap().is_running()).await;
    assert_eq!((operation(node).unwrap().done, queued(node)), (200, 0));

    let again = OperationId([6; 16]);
    let named = ids.iter().chain(&ids).copied().collect();
    let retry = NewOperation {
        id: again,
        action: Action::Retry,
        details: "".into(),
        selection: Selection::Ids(named),
        words: "".into(),
    };
    submit(node, Command::StartOperation { operation: retry, key: None }).await.unwrap().outcome.unwrap();
    eventually("it is done", async || !node.reader().operation(again).unwrap().is_running()).await;
    let ended = node.reader().operation(again).unwrap();
    assert_eq!((ended.done, ended.skipped, queued(node)), (200, 200, 200));
    cluster.stop_all().await;
}
