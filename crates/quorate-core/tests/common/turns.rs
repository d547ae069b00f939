use std::collections::BTreeMap;

use quorate_core::model::Model;
use quorate_core::{
    Answered, Command, Envelope, ImageId, Job, JobId, Priority, QueueId, Rate, Reply, Table, Timestamp,
};

/// Whose turn it is, found out from the records alone: with bookkeeping of its own, without `seq`, lanes or counts, at the cost of a
/// look at all jobs for each grant.
#[derive(Default)]
pub struct Turns {
    /// Arrivals and grants so far.
    events: u64,
    /// Queued jobs, in the order of their arrival.
    arrivals: Vec<(u64, JobId)>,
    /// When a key of that queue and priority had its turn last, among those who take any image or this one, while others waited.
    turns: BTreeMap<(QueueId, Priority, Box<str>, Option<ImageId>), u64>,
    /// The images that were asked for by whoever is granted a job.
    asked: BTreeMap<JobId, Vec<ImageId>>,
    /// When jobs of a queue were granted since it has that rate.
    rates: BTreeMap<QueueId, (Rate, Vec<Timestamp>)>,
}

impl Turns {
    pub fn queued(&self) -> impl Iterator<Item = JobId> {
        self.arrivals.iter().map(|(_, id)| *id)
    }

    /// These jobs are about to be granted to these commands.
    pub fn foresee(&mut self, envelopes: &[Envelope], answers: &[Answered]) {
        for (envelope, answer) in envelopes.iter().zip(answers) {
            let (take, jobs) = match (&envelope.command, &answer.outcome) {
                (Command::Consume { take, .. }, Ok(Reply::Jobs(jobs))) => (take, jobs),
                (Command::Finish { take: Some(take), .. }, Ok(Reply::Finished { taken, .. })) => {
                    (take, taken)
                }
                _ => continue,
            };
            // Of several answers with a job the first one is that of its grant.
            for job in jobs {
                self.asked.entry(job.id).or_insert_with(|| take.images.clone());
            }
        }
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

        let waiting = self.arrivals.iter().map(|(at, id)| (*at, &model.jobs()[id]));
        let waiting: Vec<(u64, &Job)> = waiting.filter(|(_, other)| other.queue == job.queue).collect();
        let free: Vec<_> = waiting.iter().copied().filter(|(_, other)| !at_limit(&other.key)).collect();
        let (first, turn) = self.first_of(&free, &self.asked[&job.id]).expect("this one waits");
        assert_eq!(first, job.id, "{} jumped the queue", job.id);
        self.events += 1;
        let beside = |other: &Job| other.priority == job.priority && other.key != job.key;
        if waiting.iter().any(|(_, other)| beside(other)) {
            for turn in [Some(job.image_id), turn] {
                self.turns.insert((job.queue, job.priority, job.key.clone(), turn), self.events);
            }
        }
    }

    /// Whom somebody gets who asks for these images, and among whom that is its key's turn. Of the highest priority, the key that waits
    /// longest since its first job came or it had its turn; of that the job that came first.
    fn first_of(&self, waiting: &[(u64, &Job)], asked: &[ImageId]) -> Option<(JobId, Option<ImageId>)> {
        let is_asked = |job: &Job| asked.is_empty() || asked.contains(&job.image_id);
        let priority = waiting.iter().filter(|(_, job)| is_asked(job)).map(|(_, job)| job.priority).max()?;
        let waiting = || waiting.iter().filter(move |(_, job)| job.priority == priority);
        let of_any = waiting().all(|(_, job)| is_asked(job));
        let jobs = || waiting().filter(|(_, job)| is_asked(job));
        // The first job of each key, or of each key and image, by when it came.
        let mut firsts = BTreeMap::new();
        for (at, job) in jobs() {
            let turn = (!of_any).then_some(job.image_id);
            firsts.entry((job.queue, priority, job.key.clone(), turn)).or_insert(*at);
        }
        let had = |of| self.turns.get(of).copied().unwrap_or(0);
        // Of one key, two images may have had their turns with the same grant.
        let (of, _) = firsts.iter().min_by_key(|(of, at)| (had(of).max(**at), of.3))?;
        let (_, first) = jobs().find(|(_, job)| job.key == of.2)?;
        Some((first.id, of.3))
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
