mod random;
mod world;

use futures::FutureExt;
use quorate_core::{ImageId, QueueName, Source};

use super::*;

const A: ImageId = ImageId([1; 16]);
const B: ImageId = ImageId([2; 16]);
const NO_LIMIT: u64 = u64::MAX;

fn name(text: &str) -> QueueName {
    QueueName::new(text).unwrap()
}

/// What is in a queue, whose number is its name.
fn available(queue: u64, places: u64, images: &[(ImageId, u64)]) -> Availability {
    let name = name(&queue.to_string());
    Availability { queue: QueueId(queue), name, places, images: images.to_vec() }
}

/// From some of these queues, or from any; of some of these images, or of any.
fn take(queues: &[u64], images: &[ImageId]) -> Take {
    let names = queues.iter().map(|queue| name(&queue.to_string())).collect();
    let from = if queues.is_empty() { Source::All } else { Source::InOrder(names) };
    Take { from, images: images.to_vec(), ..Take::default_queue(1) }
}

/// One who waits, or has a turn.
struct Caller {
    _turn: Turn,
    given: oneshot::Receiver<()>,
}

impl Caller {
    fn comes(turns: &Turns, queues: &[u64], images: &[ImageId]) -> Caller {
        let (turn, given) = turns.line_up(&take(queues, images));
        Caller { _turn: turn, given }
    }

    /// Whether he was woken since this was last asked.
    fn was_woken(&mut self) -> bool {
        self.given.try_recv().is_ok()
    }
}

/// What was woken, by their places.
fn woken(callers: &mut [Caller]) -> Vec<usize> {
    (0..callers.len()).filter(|at| callers[*at].was_woken()).collect()
}

impl Turns {
    fn set(&self, now: Availability) {
        self.changed(0, &[&now], &[]);
    }
}

#[test]
fn jobs_of_other_queues_and_images_wake_nobody() {
    let turns = Turns::default();
    let mut callers = [
        Caller::comes(&turns, &[1], &[]),
        Caller::comes(&turns, &[1, 2], &[A]),
        Caller::comes(&turns, &[], &[A]),
    ];
    turns.set(available(3, NO_LIMIT, &[(B, 5)]));
    turns.set(available(2, NO_LIMIT, &[(B, 5)]));
    assert_eq!(woken(&mut callers), [0; 0]);
}

#[test]
fn the_four_kinds_of_lines_go_by_ticket() {
    let kinds: [(&[u64], &[ImageId]); 4] = [(&[1], &[A]), (&[1], &[]), (&[], &[A]), (&[], &[])];
    for first in 0..4 {
        let turns = Turns::default();
        let mut callers: Vec<Caller> = (0..4)
            .map(|next| kinds[(first + next) % 4])
            .map(|(queues, images)| Caller::comes(&turns, queues, images))
            .collect();
        for jobs in 1..=4 {
            turns.set(available(1, NO_LIMIT, &[(A, jobs)]));
            assert_eq!(woken(&mut callers), [jobs as usize - 1], "{first}");
        }
    }
}

#[test]
fn when_there_are_places_again_the_images_go_by_ticket() {
    let turns = Turns::default();
    turns.set(available(1, 0, &[(A, 5), (B, 5)]));
    let mut callers = [&[B], &[A], &[A], &[B]].map(|images| Caller::comes(&turns, &[1], images));
    turns.set(available(1, 1, &[]));
    assert_eq!(woken(&mut callers), [0]);
    turns.set(available(1, 3, &[]));
    assert_eq!(woken(&mut callers), [1, 2]);
}

#[test]
fn who_waits_in_several_lines_is_woken_once_and_leaves_all() {
    let turns = Turns::default();
    let mut callers = [Caller::comes(&turns, &[1, 2, 2], &[A, B]), Caller::comes(&turns, &[2], &[B])];
    turns.set(available(1, NO_LIMIT, &[(A, 1)]));
    assert_eq!(woken(&mut callers), [0]);
    turns.set(available(2, NO_LIMIT, &[(B, 1)]));
    assert_eq!(woken(&mut callers), [1]);
    assert!(turns.0.lock().waiters.is_empty());
}

#[test]
fn places_bound_the_turns_of_all_images() {
    let turns = Turns::default();
    let mut callers = [&[A], &[B], &[A]].map(|images| Caller::comes(&turns, &[1], images));
    turns.set(available(1, 2, &[(A, 5), (B, 5)]));
    assert_eq!(woken(&mut callers), [0, 1]);
    // One has taken a job, and with it a place, and goes.
    turns.set(available(1, 1, &[(A, 4)]));
    let [first, rest @ ..] = callers;
    drop(first);
    let mut rest = rest;
    assert_eq!(woken(&mut rest), [0; 0], "the other one is on his way for the last place");
    turns.set(available(1, 2, &[]));
    assert_eq!(woken(&mut rest), [1]);
}

#[test]
fn a_turn_that_ends_without_a_job_passes_on_even_to_another_image() {
    let turns = Turns::default();
    turns.set(available(1, 1, &[(A, 1), (B, 1)]));
    let mut first = Caller::comes(&turns, &[1], &[A]);
    let mut others = [&[B], &[A]].map(|images| Caller::comes(&turns, &[1], images));
    assert!(first.was_woken());
    assert_eq!(woken(&mut others), [0; 0], "there is one place");
    drop(first);
    assert_eq!(woken(&mut others), [0]);
}

#[test]
fn who_leaves_with_a_turn_that_he_has_not_noticed_passes_it_on() {
    let turns = Turns::default();
    let all = take(&[], &[]);
    let [mut leaves, mut stays] = [Box::pin(turns.next(&all)), Box::pin(turns.next(&all))];
    assert!((&mut leaves).now_or_never().is_none());
    assert!((&mut stays).now_or_never().is_none());
    turns.set(available(1, NO_LIMIT, &[(A, 1)]));
    assert!((&mut stays).now_or_never().is_none());
    drop(leaves);
    assert!((&mut stays).now_or_never().is_some());
}

#[test]
fn who_takes_a_job_of_another_queue_leaves_the_first_one_to_the_next() {
    let turns = Turns::default();
    turns.set(available(1, NO_LIMIT, &[(A, 1)]));
    turns.set(available(2, NO_LIMIT, &[(A, 1)]));
    let mut first = Caller::comes(&turns, &[1, 2], &[]);
    assert!(first.was_woken());
    let mut second = Caller::comes(&turns, &[1], &[]);
    assert!(!second.was_woken());
    turns.set(available(2, NO_LIMIT, &[(A, 0)]));
    drop(first);
    assert!(second.was_woken());
}

#[test]
fn a_queue_may_be_waited_for_before_it_is_made_and_when_it_is_made_anew() {
    let turns = Turns::default();
    let mut callers = [(); 2].map(|()| Caller::comes(&turns, &[1], &[]));
    turns.set(available(1, NO_LIMIT, &[(A, 1)]));
    assert_eq!(woken(&mut callers), [0]);
    // Told in one: it goes, and another one of its name comes.
    let anew = Availability { queue: QueueId(7), ..available(1, NO_LIMIT, &[(A, 1)]) };
    turns.changed(1, &[&anew], &[QueueId(1)]);
    assert_eq!(woken(&mut callers), [1]);
    drop(callers);
    let mut next = Caller::comes(&turns, &[1], &[]);
    assert!(next.was_woken());
    turns.changed(2, &[], &[QueueId(7)]);
    drop(next);
    assert!(!Caller::comes(&turns, &[1], &[]).was_woken());
    assert!(turns.0.lock().supply.is_empty());
}

#[test]
fn what_a_table_holds_replaces_all_that_was_there() {
    let turns = Turns::default();
    turns.observe(1, &[available(1, NO_LIMIT, &[(A, 1)]), available(2, NO_LIMIT, &[(A, 1)])]);
    turns.changed(2, &[&available(2, NO_LIMIT, &[(A, 0)])], &[]);
    // Another table comes with a snapshot: its only job is in the other queue, and of another image.
    turns.observe(9, &[available(1, NO_LIMIT, &[]), available(2, NO_LIMIT, &[(B, 1)])]);
    assert!(!Caller::comes(&turns, &[1], &[]).was_woken());
    assert!(!Caller::comes(&turns, &[2], &[A]).was_woken());
    assert!(Caller::comes(&turns, &[2], &[]).was_woken());
    assert_eq!(turns.look(&take(&[], &[A])), Look { found: false, applied: 9 });
    assert_eq!(turns.look(&take(&[], &[B])), Look { found: true, applied: 9 });
}

#[test]
fn who_has_a_turn_still_finds_what_it_was_given_for() {
    let turns = Turns::default();
    turns.changed(5, &[&available(1, 1, &[(A, 1)])], &[]);
    let mut caller = Caller::comes(&turns, &[1], &[A]);
    assert!(caller.was_woken());
    assert_eq!(turns.look(&take(&[1], &[A])), Look { found: true, applied: 5 });
    turns.changed(6, &[&available(1, 0, &[])], &[]);
    for seen in [take(&[1], &[A]), take(&[1], &[]), take(&[], &[A]), take(&[], &[])] {
        assert_eq!(turns.look(&seen), Look { found: false, applied: 6 });
    }
}
