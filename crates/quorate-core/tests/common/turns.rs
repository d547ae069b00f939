use std::collections::BTreeMap;

use quorate_core::model::Model;
use quorate_core::{ImageId, Job, JobId, Priority, QueueId, Rate, Table, Timestamp};

/// Whose turn it is, found out from the records alone: with bookkeeping of its own, without `seq`, lanes or counts, at the cost of a
/// look at all jobs for each grant.
#[derive(Default)]
pub struct Turns {
    /// Arrivals and grants so far.
    events: u64,
    /// Queued jobs, in the order of their arrival.
    arrivals: Vec<(u64, JobId)>,
    /// When a job of that queue, priority and key was granted last, and of that image.
    grants: BTreeMap<(QueueId, Priority, Box<str>, Option<ImageId>), u64>,
    /// When jobs of a queue were granted since it has that rate.
    rates: BTreeMap<QueueId, (Rate, Vec<Timestamp>)>,
}

impl Turns {
    pub fn queued(&self) -> impl Iterator<Item = JobId> {
        self.arrivals.iter().map(|(_, id)| *id)
    }

    pub fn arrived(&mut self, id: JobId) {
        self.events += 1;
        self.arrivals.push((self.events, id));
    }

    pub fn left(&mut self, id: JobId) {
        self.arrivals.retain(|(_, other)| *other != id);
    }

    /// A job is about to be granted that is queued still.
    pub fn check_grant(&mut self, model: &Model, job: &Job) {
        let queue = model.dispatch().queue(job.queue).expect("a job's queue is there").clone();
        let settings = &queue.settings;
        assert!(!settings.paused, "{} is paused", queue.name);
        let running = |key: Option<&str>| {
            let of_queue = model.jobs().values().filter(|other| other.queue == job.queue);
            let running = of_queue.filter(|other| other.status() == quorate_core::Status::Running);
            running.filter(|other| key.is_none_or(|key| key == &*other.key)).count() as u64
        };
        assert!(
            settings.max_running.is_none_or(|most| running(None) < u64::from(most)),
            "{job:?} is one too many"
        );
        let at_limit = |key: &str| {
            let most = settings.max_running_per_key.filter(|_| !key.is_empty());
            most.is_some_and(|most| running(Some(key)) >= u64::from(most))
        };
        assert!(!at_limit(&job.key), "{job:?} is one too many of its key");
        self.check_rate(settings.rate, job, model.clock());

        // It is not known here what its consumer wanted: any image, or those of this one; or all that wait in this priority, and
        // not all in a higher one.
        let first = |image, most| self.first_of(model, job.queue, image, most, &at_limit);
        let highest = Priority::SERVED[0];
        let firsts = [first(None, highest), first(Some(job.image_id), highest), first(None, job.priority)];
        assert!(firsts.contains(&Some(job.id)), "{} jumped the queue", job.id);
        self.events += 1;
        for image in [None, Some(job.image_id)] {
            self.grants.insert((job.queue, job.priority, job.key.clone(), image), self.events);
        }
    }

    /// Of the jobs of an image, or of any, up to a priority: the highest priority, the key that waits longest since its first job came or it was
    /// served, and of that the job that came first.
    fn first_of(
        &self,
        model: &Model,
        queue: QueueId,
        image: Option<ImageId>,
        most: Priority,
        at_limit: &impl Fn(&str) -> bool,
    ) -> Option<JobId> {
        let jobs = self.arrivals.iter().map(|(at, id)| (*at, &model.jobs()[id]));
        let of_image = |job: &Job| image.is_none_or(|image| image == job.image_id);
        let is_meant = |job: &Job| job.queue == queue && of_image(job) && job.priority <= most;
        let jobs: Vec<(u64, &Job)> = jobs.filter(|(_, job)| is_meant(job) && !at_limit(&job.key)).collect();
        let priority = jobs.iter().map(|(_, job)| job.priority).max()?;
        let turn = |(at, job): &(u64, &Job)| {
            let served = self.grants.get(&(queue, priority, job.key.clone(), image)).copied().unwrap_or(0);
            (served.max(*at), *at)
        };
        let of_priority = jobs.iter().filter(|(_, job)| job.priority == priority);
        of_priority.min_by_key(|job| turn(job)).map(|(_, job)| job.id)
    }

    /// In any period of a rate, at most twice as many as it says.
    fn check_rate(&mut self, rate: Option<Rate>, job: &Job, now: Timestamp) {
        let Some(rate) = rate else {
            self.rates.remove(&job.queue);
            return;
        };
        let (of, grants) = self.rates.entry(job.queue).or_insert_with(|| (rate, Vec::new()));
        if *of != rate {
            (*of, *grants) = (rate, Vec::new());
        }
        grants.push(now);
        let lately = grants.iter().filter(|at| at.0 + u64::from(rate.seconds) * 1_000 > now.0).count();
        assert!(lately <= 2 * rate.jobs as usize, "{job:?} is one too many in its time");
    }
}
