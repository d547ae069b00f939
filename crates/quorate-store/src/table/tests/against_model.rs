use quorate_core::model::Model;
use quorate_core::testing::{self as workload, Rng, Workload};
use quorate_core::{
    Command, Filter, ImageId, JobsQuery, Order, Period, QueueId, QueueView, Reason, Refusal, Status, Table,
    Timestamp, WaitBounds, next_due_at, next_timer_at,
};

use super::harness::{Harness, assert_same, small};
use crate::reader::list::{Bounds, page};
use crate::table::tuning::Tuning;

/// Less than would wait.
const CROWDED: WaitBounds = WaitBounds { lanes: 8, lanes_of_key: 3, images_listed: 2 };

/// Two replicas follow one history, in other portions, through restarts; one of them misses parts and gets snapshots
/// instead. After each portion both hold what the model holds, and gave its answers.
async fn follow(seed: u64, portions: usize, bounds: WaitBounds, no_lane: &mut NoLane) {
    let mut rng = Rng::new(seed ^ 0x5eed);
    let mut workload = Workload::crowded(seed, bounds);
    let small = |rng: &mut Rng| Tuning { bounds, ..small(rng) };
    let mut steady = Harness::new(small(&mut rng));
    let mut lagging = Harness::new(small(&mut rng));
    let mut missing = false;
    for portion in 0..portions {
        let batches: Vec<_> = workload.by_ref().take(1 + usize::try_from(rng.below(6)).unwrap()).collect();
        let expected: Vec<_> = batches.iter().map(|entry| entry.applied.clone()).collect();
        batches.iter().for_each(|entry| no_lane.count(entry));
        let entries = || batches.iter().map(|entry| (entry.index, entry.batch.clone()));
        let model = workload.model();

        assert_eq!(steady.carry_out(entries()).await, expected, "seed {seed}, portion {portion}");
        assert_same(&steady.dump(), &model.dump(), &format!("seed {seed}, portion {portion}"));
        check_published(&mut steady, &mut model.clone());
        check_lists(&mut steady, model, &mut rng);

        missing |= rng.one_in(12);
        if !missing {
            assert_eq!(lagging.carry_out(entries()).await, expected, "seed {seed}, portion {portion}");
            assert_same(&lagging.dump(), &model.dump(), &format!("seed {seed}, portion {portion}"));
        } else if rng.one_in(4) {
            steady.send_snapshot(&mut lagging).await;
            assert_same(
                &lagging.dump(),
                &model.dump(),
                &format!("seed {seed}, portion {portion}, installed"),
            );
            check_published(&mut lagging, &mut model.clone());
            check_lists(&mut lagging, model, &mut rng);
            missing = false;
        }
        for replica in [&mut steady, &mut lagging] {
            if rng.one_in(12) {
                let before = replica.dump();
                replica.reopen(small(&mut rng));
                assert_same(
                    &replica.dump(),
                    &before,
                    &format!("seed {seed}, portion {portion}, opened again"),
                );
            }
        }
    }
}

/// What was refused since it would need a lane too many.
#[derive(Debug, Default)]
struct NoLane {
    jobs: u32,
    retries: u32,
    steps: u32,
}

impl NoLane {
    fn count(&mut self, entry: &workload::Entry) {
        for (envelope, answer) in entry.batch.envelopes.iter().zip(&entry.applied.answers) {
            if answer.outcome == Err(Refusal::TooManyLanes) {
                match envelope.command {
                    Command::Enqueue { .. } => self.jobs += 1,
                    Command::Retry { .. } => self.retries += 1,
                    _ => self.steps += 1,
                }
            }
        }
    }
}

/// Some lists, page by page, have the jobs that the model finds among all.
fn check_lists(replica: &mut Harness, model: &Model, rng: &mut Rng) {
    for _ in 0..4 {
        let order = if rng.one_in(2) { Order::NewestFirst } else { Order::OldestFirst };
        let n = 1 + number(rng, 9);
        let bounds = Bounds { rows: 1 + number(rng, 20), records: 1 + number(rng, 20) };
        let mut query = JobsQuery { n, order, behind: None, filter: filter(model, rng) };
        let mut found = Vec::new();
        loop {
            let page = page(&replica.table().applier().generation.db, &query, bounds).unwrap();
            let goes_on = |next| query.behind.is_none_or(|last| order.place(last) < order.place(next));
            assert!(page.jobs.len() <= n && page.next.is_none_or(goes_on));
            found.extend(page.jobs);
            let Some(next) = page.next else { break };
            query.behind = Some(next);
        }
        let all = JobsQuery { n: usize::MAX, behind: None, ..query };
        assert_eq!(found, model.list(&all).jobs, "{all:?}, {n} a page");
    }
}

fn filter(model: &Model, rng: &mut Rng) -> Filter {
    let images: Vec<ImageId> = model.dump().images.into_keys().chain([ImageId([0xff; 16])]).collect();
    let statuses = match rng.below(4) {
        0 => vec![],
        1 => Status::ALL.into_iter().filter(|_| rng.one_in(2)).collect(),
        _ => rng.pick(&Status::ALL).copied().into_iter().collect(),
    };
    let mut filter = Filter { statuses, ..Filter::default() };
    if rng.one_in(3) {
        filter.image = rng.pick(&images).copied();
    }
    if rng.one_in(3) {
        filter.queue = Some(QueueId(rng.below(4)));
    }
    if rng.one_in(4) {
        filter.dead = Some(rng.one_in(2));
    }
    if rng.one_in(4) {
        filter.reason = rng.pick(&Reason::ALL).copied();
    }
    if rng.one_in(5) {
        filter.key = rng.pick(&["", "k1", "k2", "none"]).map(|key| Box::from(*key));
    }
    if rng.one_in(4) {
        filter.tags = ["t1", "t2", "t3"].into_iter().filter(|_| rng.one_in(2)).map(Box::from).collect();
    }
    if rng.one_in(4) {
        filter.created = period(model, rng);
    }
    if rng.one_in(6) {
        filter.finished = period(model, rng);
    }
    filter
}

/// Of times that jobs were created at, or near to them.
fn period(model: &Model, rng: &mut Rng) -> Period {
    let times: Vec<Timestamp> = model.jobs().values().map(|job| job.created_at).collect();
    let mut time = || {
        let time = if rng.one_in(3) { None } else { rng.pick(&times).copied() };
        time.map(|time| time.plus_millis(rng.below(2)))
    };
    Period { from: time(), until: time() }
}

fn number(rng: &mut Rng, below: u64) -> usize {
    usize::try_from(rng.below(below)).unwrap()
}

fn check_published(replica: &mut Harness, model: &mut Model) {
    let reader = replica.table().reader();
    assert_eq!(reader.clock(), model.clock());
    assert_eq!(reader.settings(), model.settings());
    let Ok(next) = next_due_at(model);
    assert_eq!(reader.next_work(), next);
    let Ok(timer) = next_timer_at(model);
    assert_eq!(reader.next_timer(), timer);
    let mut views: Vec<QueueView> = model.dispatch().views().collect();
    views.sort_by(|one, other| one.queue.name.cmp(&other.queue.name));
    assert_eq!(reader.queues(None, usize::MAX), views);
    for view in views {
        assert_eq!(reader.queue_name(view.queue.id).as_ref(), Some(&view.queue.name));
        assert_eq!(reader.queue(&view.queue.name), Some(view));
    }
}

#[tokio::test]
async fn replicas_hold_what_the_model_holds() {
    for seed in 0..4 {
        follow(seed, 120, WaitBounds::default(), &mut NoLane::default()).await;
    }
}

#[tokio::test]
async fn replicas_hold_what_the_model_holds_where_there_is_no_room_for_all() {
    let mut no_lane = NoLane::default();
    for seed in 0..2 {
        follow(seed, 120, CROWDED, &mut no_lane).await;
    }
    assert!(no_lane.jobs > 0 && no_lane.retries > 0 && no_lane.steps > 0, "{no_lane:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_hold_what_the_model_holds_on_many_threads() {
    follow(1_000, 60, WaitBounds::default(), &mut NoLane::default()).await;
}
