use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quorate_api::{
    Action, CancelRequest, Changed, ChangedWrapper, Cluster, FinishRequest, FinishedJobWrapper,
    FinishedJobsWrapper, GivenBackWrapper, Health, IdsWrapper, Image, ImageWrapper, ImagesWrapper, Job,
    JobWrapper, JobsWrapper, LeaderRequest, Matches, MemberRequest, NewJob, Operation, OperationRequest,
    OperationWrapper, OperationsWrapper, Progress, Queue, QueueRequest, QueueWrapper, QueuesWrapper,
    Settings, SettingsRequest, Status, TouchRequest, WorkersWrapper,
};
use reqwest::Method;
use reqwest::header::HeaderValue;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::call::{Body, Call, Repeat};
use crate::delivery::Delivery;
use crate::limits;
use crate::{
    ClientConfig, Consume, Download, Error, JobFailure, Keyed, ListImages, ListJobs, ListQueues, ListWorkers,
    NotWell, Probe, Refused, RefusedKind,
};

/// A client of a cluster. Clones are cheap and share connections.
///
/// It stays with one node while that works, and moves on from one that is down, slow or without a leader. It repeats
/// what is safe to repeat until the deadline of its configuration; every call says how it is made safe.
#[derive(Clone, Debug)]
pub struct Client {
    delivery: Arc<Delivery>,
    draw_keys: bool,
}

impl Client {
    /// # Errors
    /// [`Error::Config`] when there are no nodes, or one is neither `HOST:PORT` nor a URL.
    pub fn new(config: ClientConfig) -> Result<Client, Error> {
        Ok(Client { delivery: Arc::new(Delivery::new(&config)?), draw_keys: config.draw_keys })
    }

    /// The same client, on the same connections, for calls that may take no longer than `deadline`: one node that does not
    /// answer then takes a third of it at most.
    pub fn within(&self, deadline: Duration) -> Client {
        Client { delivery: Arc::new(self.delivery.within(deadline)), draw_keys: self.draw_keys }
    }

    /// An `Idempotency-Key` that nobody else has: 128 random bits. For a call that its caller may have to make again, also
    /// after this client gave up on it.
    pub fn draw_key() -> String {
        Uuid::from_bytes(rand::random()).simple().to_string()
    }

    /// Enqueues all of these jobs, or none; the answer has their order. Repeated under its `Idempotency-Key`: the one
    /// given, or one drawn for this call.
    pub async fn enqueue(&self, jobs: &[NewJob], key: Option<&str>) -> Result<Keyed<Vec<Job>>, Error> {
        #[derive(Serialize)]
        struct NewJobs<'a> {
            jobs: &'a [NewJob],
        }
        let call = self.keyed(&["jobs"], json(&NewJobs { jobs }), key)?;
        Ok(self.read_keyed::<JobsWrapper>(&call).await?.map(|jobs| jobs.jobs))
    }

    /// Takes jobs that are queued: they are running when they come back. Empty when there were none, or when the key was
    /// used before and none of its jobs runs any more. Repeated under its `Idempotency-Key`, so that no job is taken for an
    /// answer that was lost; the next consume needs another key.
    pub async fn consume(&self, consume: &Consume) -> Result<Keyed<Vec<Job>>, Error> {
        let mut call = self.keyed(&["jobs", "consume"], Body::Empty, consume.key.as_deref())?;
        call.query = taking("n", consume);
        call.wait = Duration::from_secs(consume.wait.into());
        Ok(self.read_keyed::<JobsWrapper>(&call).await?.map(|jobs| jobs.jobs))
    }

    /// Ends running jobs, each for itself, and takes others in their place, in one round. Repeated under its `Idempotency-Key`:
    /// the one given, or one drawn for this call.
    pub async fn finish(
        &self,
        finish: &FinishRequest,
        key: Option<&str>,
    ) -> Result<Keyed<FinishedJobsWrapper>, Error> {
        let mut call = self.keyed(&["jobs", "finish"], json(finish), key)?;
        call.wait = Duration::from_secs(finish.wait.unwrap_or(0).into());
        self.read_keyed(&call).await
    }

    /// A page of jobs, and where the next one goes on.
    pub async fn list(&self, list: &ListJobs) -> Result<JobsWrapper, Error> {
        self.read(&list_call(list)).await
    }

    /// The same, with empty payloads: they are neither read nor sent.
    pub async fn list_without_payloads(&self, list: &ListJobs) -> Result<JobsWrapper, Error> {
        let mut call = list_call(list);
        call.query.push(all_but_payload());
        self.read(&call).await
    }

    /// A job.
    pub async fn get(&self, id: &str) -> Result<Job, Error> {
        Ok(self.read::<JobWrapper>(&Call::get(&["job", id])).await?.job)
    }

    /// The same, with an empty payload: it is neither read nor sent. For whoever asks how a job is.
    pub async fn get_without_payload(&self, id: &str) -> Result<Job, Error> {
        let path = ["job", id];
        let call = Call { query: vec![all_but_payload()], ..Call::get(&path) };
        Ok(self.read::<JobWrapper>(&call).await?.job)
    }

    /// Waits up to `wait` seconds, 0 to 60, until a job has finished, and answers it as it is then, with an empty payload; with
    /// `chain` the last job that goes on from it instead.
    pub async fn outcome(&self, id: &str, wait: u32, chain: bool) -> Result<Job, Error> {
        let path = ["job", id];
        let query = vec![("wait", wait.to_string()), ("chain", chain.to_string()), all_but_payload()];
        let call = Call { query, wait: Duration::from_secs(wait.into()), ..Call::get(&path) };
        Ok(self.read::<JobWrapper>(&call).await?.job)
    }

    /// The ids of at most `n` jobs that begin so, in their order, as of now.
    pub async fn ids(&self, prefix: &str, n: u32) -> Result<Vec<String>, Error> {
        let mut call = Call::get(&["jobs", "ids"]);
        call.query = vec![
            ("prefix", prefix.to_owned()),
            ("n", n.to_string()),
            ("consistency", "linearizable".to_owned()),
        ];
        Ok(self.read::<IdsWrapper>(&call).await?.ids)
    }

    /// The log of a job, byte for byte: of one that runs, what has come of it so far.
    pub async fn log(&self, id: &str) -> Result<Bytes, Error> {
        Ok(self.delivery.send(&Call::get(&["job", id, "log"])).await?.answer)
    }

    /// Adds to the log of a running job. `offset` is how long its log was before, in bytes: so it is safe to repeat, and is.
    pub async fn append_log(&self, id: &str, offset: u32, log: Bytes) -> Result<(), Error> {
        let path = ["job", id, "log"];
        let mut call = Call::post(&path, Body::Bytes(log), Repeat::Always);
        call.query.push(("offset", offset.to_string()));
        self.delivery.send(&call).await?;
        Ok(())
    }

    /// Cancels a job that has not finished. Repeated: one that is cancelled stays so.
    pub async fn cancel(&self, id: &str, details: &str) -> Result<Job, Error> {
        let body = match details {
            "" => Body::Empty,
            details => json(&CancelRequest { details: details.to_owned() }),
        };
        let path = ["job", id, "cancel"];
        let call = Call::post(&path, body, Repeat::Always);
        match self.delivery.send(&call).await {
            Ok(answered) => Ok(parse::<JobWrapper>(&call, &answered.answer)?.job),
            // An attempt without an answer may have cancelled it; then the next one finds it cancelled.
            Err(failed) if failed.in_doubt && is(&failed.error, RefusedKind::Conflict) => {
                let job = self.get(id).await?;
                if job.status == Status::Cancelled { Ok(job) } else { Err(failed.error) }
            }
            Err(failed) => Err(failed.error),
        }
    }

    /// Says that a running job succeeded, and stores its log. Repeated: the same outcome again changes nothing.
    pub async fn success(&self, id: &str, log: Bytes) -> Result<Job, Error> {
        let path = ["job", id, "success"];
        Ok(self.read::<JobWrapper>(&Call::post(&path, succeeded(log), Repeat::Always)).await?.job)
    }

    /// Says that a running job failed, and stores its log; the cluster may retry it. Repeated: the same outcome again
    /// changes nothing.
    pub async fn fail(&self, id: &str, failure: JobFailure) -> Result<Job, Error> {
        let path = ["job", id, "fail"];
        Ok(self.read::<JobWrapper>(&Call::post(&path, failed(failure), Repeat::Always)).await?.job)
    }

    /// Says that a running job succeeded, and takes others in its place, in one round; none where the job is refused. Repeated
    /// under the `Idempotency-Key` of `take`, or one drawn for this call.
    pub async fn success_and_take(
        &self,
        id: &str,
        log: Bytes,
        take: &Consume,
    ) -> Result<Keyed<FinishedJobWrapper>, Error> {
        self.end_and_take(&["job", id, "success"], succeeded(log), take).await
    }

    /// The same of a job that failed.
    pub async fn fail_and_take(
        &self,
        id: &str,
        failure: JobFailure,
        take: &Consume,
    ) -> Result<Keyed<FinishedJobWrapper>, Error> {
        self.end_and_take(&["job", id, "fail"], failed(failure), take).await
    }

    async fn end_and_take(
        &self,
        path: &[&str],
        body: Body,
        take: &Consume,
    ) -> Result<Keyed<FinishedJobWrapper>, Error> {
        let mut call = self.keyed(path, body, take.key.as_deref())?;
        call.query = taking("take", take);
        call.wait = Duration::from_secs(take.wait.into());
        self.read_keyed(&call).await
    }

    /// Gives a running job its whole timeout again, from now. Repeated: twice is as good as once.
    pub async fn touch(&self, id: &str) -> Result<(), Error> {
        let path = ["job", id, "touch"];
        self.delivery.send(&Call::post(&path, Body::Empty, Repeat::Always)).await?;
        Ok(())
    }

    /// The same, and says how far it has come.
    pub async fn touch_with_progress(&self, id: &str, progress: Progress) -> Result<(), Error> {
        let path = ["job", id, "touch"];
        let body = json(&TouchRequest { progress: Some(progress) });
        self.delivery.send(&Call::post(&path, body, Repeat::Always)).await?;
        Ok(())
    }

    /// Gives a running job back; answers the new job that goes on from it, after `delay` seconds. Repeated: it answers the same
    /// one again.
    pub async fn release(&self, id: &str, delay: u32) -> Result<Job, Error> {
        let path = ["job", id, "release"];
        let mut call = Call::post(&path, Body::Empty, Repeat::Always);
        call.query.push(("delay", delay.to_string()));
        Ok(self.read::<JobWrapper>(&call).await?.job)
    }

    /// Retries a finished job; answers the new job. Repeated under its `Idempotency-Key`: the one given, or one drawn for
    /// this call.
    pub async fn retry(&self, id: &str, key: Option<&str>) -> Result<Keyed<Job>, Error> {
        let path = ["job", id, "retry"];
        let call = self.keyed(&path, Body::Empty, key)?;
        Ok(self.read_keyed::<JobWrapper>(&call).await?.map(|job| job.job))
    }

    /// The same, and the new job has all its automatic retries again.
    pub async fn retry_anew(&self, id: &str, key: Option<&str>) -> Result<Keyed<Job>, Error> {
        let path = ["job", id, "retry"];
        let mut call = self.keyed(&path, Body::Empty, key)?;
        call.query.push(("anew", "true".to_owned()));
        Ok(self.read_keyed::<JobWrapper>(&call).await?.map(|job| job.job))
    }

    /// Deletes a finished job and its log. Repeated: one that is gone is gone.
    pub async fn delete(&self, id: &str) -> Result<(), Error> {
        self.remove(&["job", id]).await
    }

    async fn remove(&self, path: &[&str]) -> Result<(), Error> {
        let call = Call { method: Method::DELETE, ..Call::get(path) };
        match self.delivery.send(&call).await {
            Ok(_) => Ok(()),
            // An attempt without an answer may have deleted it; then the next one finds nothing.
            Err(failed) if failed.in_doubt && is(&failed.error, RefusedKind::NotFound) => Ok(()),
            Err(failed) => Err(failed.error),
        }
    }

    /// Begins work on many jobs: retries, cancels or deletes them, in steps. Repeated under its `Idempotency-Key`: the one given, or
    /// one drawn for this call.
    pub async fn start_operation(
        &self,
        action: Action,
        request: &OperationRequest,
        key: Option<&str>,
    ) -> Result<Keyed<Operation>, Error> {
        let path = ["jobs", action.as_str()];
        let call = self.keyed(&path, json(request), key)?;
        Ok(self.read_keyed::<OperationWrapper>(&call).await?.map(|started| started.operation))
    }

    /// How many jobs that would be for, of which nothing is done.
    pub async fn dry_run(&self, action: Action, request: &OperationRequest) -> Result<Matches, Error> {
        let path = ["jobs", action.as_str()];
        let request = OperationRequest { dry_run: Some(true), ..request.clone() };
        self.read(&Call::post(&path, json(&request), Repeat::Always)).await
    }

    /// Work on many jobs, once it has ended, or as it is after `wait` seconds, 0 to 60.
    pub async fn operation(&self, id: &str, wait: u32) -> Result<Operation, Error> {
        let path = ["operation", id];
        let query = vec![("wait", wait.to_string())];
        let call = Call { query, wait: Duration::from_secs(wait.into()), ..Call::get(&path) };
        Ok(self.read::<OperationWrapper>(&call).await?.operation)
    }

    /// The newest `n` of it, 1 to 1,000.
    pub async fn operations(&self, n: u32) -> Result<OperationsWrapper, Error> {
        let mut call = Call::get(&["operations"]);
        call.query.push(("n", n.to_string()));
        self.read(&call).await
    }

    /// Ends it before it is done. Repeated: it stays as it has ended.
    pub async fn stop_operation(&self, id: &str) -> Result<Operation, Error> {
        let path = ["operation", id, "stop"];
        Ok(self.read::<OperationWrapper>(&Call::post(&path, Body::Empty, Repeat::Always)).await?.operation)
    }

    /// A backup of all jobs, as it comes: what was acknowledged before is in it. Whether it is whole shows at its end.
    pub async fn backup(&self) -> Result<Download, Error> {
        Ok(self.delivery.open(&Call::get(&["cluster", "backup"])).await?)
    }

    /// A page of the images that jobs have named.
    pub async fn images(&self, list: &ListImages) -> Result<ImagesWrapper, Error> {
        let mut call = Call::get(&["images"]);
        call.query.extend(list.n.map(|n| ("n", n.to_string())));
        call.query.extend(list.cursor.clone().map(|cursor| ("cursor", cursor)));
        self.read(&call).await
    }

    /// An image, by its id.
    pub async fn image(&self, id: &str) -> Result<Image, Error> {
        Ok(self.read::<ImageWrapper>(&Call::get(&["image", id])).await?.image)
    }

    /// A page of the queues, by name.
    pub async fn queues(&self, list: &ListQueues) -> Result<QueuesWrapper, Error> {
        let mut call = Call::get(&["queues"]);
        call.query.extend(list.n.map(|n| ("n", n.to_string())));
        call.query.extend(list.cursor.clone().map(|cursor| ("cursor", cursor)));
        self.read(&call).await
    }

    /// A queue, by its name.
    pub async fn queue(&self, name: &str) -> Result<Queue, Error> {
        Ok(self.read::<QueueWrapper>(&Call::get(&["queue", name])).await?.queue)
    }

    /// Changes a queue's settings, those that are given, and makes the queue where there is none; answers it as it is then. Not
    /// repeated once its outcome is unknown: that could undo a change that somebody else made in between.
    pub async fn put_queue(&self, name: &str, settings: &QueueRequest) -> Result<Queue, Error> {
        let path = ["queue", name];
        let call = Call { method: Method::PUT, ..Call::post(&path, json(settings), Repeat::UnlessUnknown) };
        Ok(self.read::<QueueWrapper>(&call).await?.queue)
    }

    /// Takes a queue's settings away; it is gone with its last finished job. Repeated: one that is gone is gone.
    pub async fn delete_queue(&self, name: &str) -> Result<(), Error> {
        self.remove(&["queue", name]).await
    }

    /// A page of the workers that hold jobs, by name.
    pub async fn workers(&self, list: &ListWorkers) -> Result<WorkersWrapper, Error> {
        let mut call = Call::get(&["workers"]);
        call.query.extend(list.n.map(|n| ("n", n.to_string())));
        call.query.extend(list.cursor.clone().map(|cursor| ("cursor", cursor)));
        self.read(&call).await
    }

    /// Gives back what a worker holds that is no more; answers the new jobs that go on from those, and how many it still holds.
    /// Repeated: what was given back is not held any more.
    pub async fn worker_gone(&self, name: &str) -> Result<GivenBackWrapper, Error> {
        self.read(&Call::post(&["worker", name, "gone"], Body::Empty, Repeat::Always)).await
    }

    /// The cluster, as the node that answers sees it.
    pub async fn cluster(&self) -> Result<Cluster, Error> {
        self.read(&Call::get(&["cluster"])).await
    }

    /// Takes a node in as a member; it votes once it has caught up. Repeated: a member stays one.
    pub async fn add_member(&self, member: &MemberRequest) -> Result<Changed, Error> {
        self.change(Call::post(&["cluster", "members"], json(member), Repeat::Always)).await
    }

    /// Takes a member away; `members_index`: only of those members; `force`: also where those that are left survive no failure any
    /// more. Repeated: one that is gone is gone.
    pub async fn remove_member(
        &self,
        name: &str,
        members_index: Option<u64>,
        force: bool,
    ) -> Result<Changed, Error> {
        let path = ["cluster", "member", name];
        let mut call = Call { method: Method::DELETE, ..Call::get(&path) };
        call.query.extend(members_index.map(|index| ("members_index", index.to_string())));
        call.query.extend(force.then(|| ("force", "true".to_owned())));
        self.change(call).await
    }

    /// Has another voter lead. Repeated where one is named: it leads then; else not once its outcome is unknown.
    pub async fn transfer_leader(&self, leader: &LeaderRequest) -> Result<Changed, Error> {
        let repeat = if leader.name.is_some() { Repeat::Always } else { Repeat::UnlessUnknown };
        self.change(Call::post(&["cluster", "leader"], json(leader), repeat)).await
    }

    /// Has a member give the leadership away and take no long polls, until it is started again. Repeated.
    pub async fn drain_member(&self, name: &str) -> Result<Changed, Error> {
        let path = ["cluster", "member", name, "drain"];
        self.change(Call::post(&path, Body::Empty, Repeat::Always)).await
    }

    /// Has a member that is being drained do as before. Repeated.
    pub async fn undrain_member(&self, name: &str) -> Result<Changed, Error> {
        let path = ["cluster", "member", name, "undrain"];
        self.change(Call::post(&path, Body::Empty, Repeat::Always)).await
    }

    /// The leader may have to wait for others, and hand over.
    async fn change(&self, call: Call<'_>) -> Result<Changed, Error> {
        let call = Call { wait: limits::CHANGE, ..call };
        Ok(self.read::<ChangedWrapper>(&call).await?.changed)
    }

    /// The cluster's settings.
    pub async fn settings(&self) -> Result<Settings, Error> {
        self.read(&Call::get(&["cluster", "settings"])).await
    }

    /// Replaces the cluster's settings. Not repeated once its outcome is unknown: that could undo a change that somebody
    /// else made in between.
    pub async fn put_settings(&self, settings: &SettingsRequest) -> Result<Settings, Error> {
        let call = Call {
            method: Method::PUT,
            ..Call::post(&["cluster", "settings"], json(settings), Repeat::UnlessUnknown)
        };
        self.read(&call).await
    }

    /// Asks one node, the one that this client uses now, once, and waits so long for its answer: is it well? Says what it said.
    ///
    /// # Errors
    /// What it said instead.
    pub async fn probe(&self, probe: Probe, patience: Duration) -> Result<Health, NotWell> {
        let path = match probe {
            Probe::Alive => "healthz",
            Probe::Ready => "readyz",
        };
        self.delivery.probe(path, patience).await
    }

    /// Asks, beside the calls of this client, whether any node is ready. Says once, as events, where none answers or none is,
    /// and once when one is again. It never ends.
    pub async fn watch(&self) {
        self.delivery.watch().await;
    }

    /// Whether a node ever took a connection.
    pub fn was_reached(&self) -> bool {
        self.delivery.presence.was_reached()
    }

    /// Why no node answers or none is ready, each with its reason, as this client saw it last; `None` where one is, or it has seen
    /// nothing yet.
    pub fn trouble(&self) -> Option<String> {
        self.delivery.presence.trouble()
    }

    async fn read<T: DeserializeOwned>(&self, call: &Call<'_>) -> Result<T, Error> {
        Ok(self.read_keyed(call).await?.answer)
    }

    async fn read_keyed<T: DeserializeOwned>(&self, call: &Call<'_>) -> Result<Keyed<T>, Error> {
        let Keyed { answer, replayed } = self.delivery.send(call).await?;
        Ok(Keyed { answer: parse(call, &answer)?, replayed })
    }

    /// A call that an `Idempotency-Key` makes safe to repeat.
    fn keyed<'a>(&self, path: &'a [&'a str], body: Body, key: Option<&str>) -> Result<Call<'a>, Error> {
        let key = match key {
            Some(key) => Some(HeaderValue::from_str(key).map_err(|_| {
                Error::Config(format!("`{}` can't be an Idempotency-Key", key.escape_debug()))
            })?),
            None if self.draw_keys => {
                let key = Client::draw_key();
                Some(HeaderValue::try_from(key).expect("hexadecimal digits may stand in a header"))
            }
            None => None,
        };
        let repeat = if key.is_some() { Repeat::Always } else { Repeat::UnlessUnknown };
        Ok(Call { key, ..Call::post(path, body, repeat) })
    }
}

fn list_call(list: &ListJobs) -> Call<'static> {
    let mut call = Call::get(&["jobs"]);
    let mut query = |name, value: Option<String>| call.query.extend(value.map(|value| (name, value)));
    query("n", list.n.map(|n| n.to_string()));
    query("cursor", list.cursor.clone());
    query("order", list.oldest_first.then(|| "oldest".to_owned()));
    call.query.extend(list.filter.query());
    call
}

/// Which jobs to take, and how many by which name.
fn taking(n: &'static str, consume: &Consume) -> Vec<(&'static str, String)> {
    let mut query = vec![(n, consume.n.to_string()), ("wait", consume.wait.to_string())];
    query.extend(consume.queue.clone().map(|queue| ("queue", queue)));
    query.extend(consume.worker.clone().map(|worker| ("worker", worker)));
    if !consume.images.is_empty() {
        query.push(("image", consume.images.join(",")));
    }
    query
}

/// The query that selects all fields of a job but one that may have megabytes.
fn all_but_payload() -> (&'static str, String) {
    let fields: Vec<&str> = Job::FIELDS.into_iter().filter(|field| *field != "payload").collect();
    ("fields", fields.join(","))
}

/// That a job ended well.
fn succeeded(log: Bytes) -> Body {
    match log.is_empty() {
        true => Body::Empty,
        false => Body::Form { fields: Vec::new(), log },
    }
}

/// That a job ended badly.
fn failed(failure: JobFailure) -> Body {
    let JobFailure { reason, details, log, retry } = failure;
    let mut fields = vec![("reason", reason.as_str().to_owned()), ("details", details)];
    if !retry {
        fields.push(("retry", "false".to_owned()));
    }
    Body::Form { fields, log }
}

fn json(value: &impl Serialize) -> Body {
    Body::Json(serde_json::to_vec(value).expect("requests are plain data").into())
}

/// The answer to a call that went well, so that one that cannot be read leaves it unknown what a write did.
fn parse<T: DeserializeOwned>(call: &Call<'_>, body: &Bytes) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let what = format!("not the JSON that this call is answered with (line {line}, column {column})");
        if call.is_write() { Error::Unknown(what) } else { Error::Protocol(what) }
    })
}

fn is(error: &Error, kind: RefusedKind) -> bool {
    error.refused().is_some_and(|refused: &Refused| refused.kind == kind)
}
