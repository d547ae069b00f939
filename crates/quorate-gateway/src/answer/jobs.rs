use std::collections::VecDeque;
use std::io;

use axum::body::Body;
use axum::http::StatusCode;
use bytes::Bytes;
use futures::stream;
use quorate_core::limits::{
    DETAILS_BYTES, IMAGE_NAME_BYTES, JOB_KEY_BYTES, PAYLOAD_BYTES, PROGRESS_BYTES, TAG_BYTES, TAGS,
    UNIQUE_KEY_BYTES, WORKER_NAME_BYTES,
};
use quorate_core::{Job, JobsQuery, Unavailable};

use super::claim::{Claim, held};
use super::jobs_json::{JobsJson, RECORD_BYTES, Ready, Shape, details, escaped_bytes, record_bytes};
use crate::error::{Answer, ApiError, Failure};
use crate::fields::Fields;
use crate::limits::{PAGE_BYTES, PAGE_ROWS, PIECE_BYTES, PIECES_HELD_BYTES, SLICE_JOBS, SMALL_BYTES};
use crate::memory::Share;
use crate::response::{Index, with_type};
use crate::whose::Behalf;
use crate::{Backend, Gateway, Reads, cursor};

/// A record in memory, at most.
pub(crate) const RECORD_MOST: usize = RECORD_BYTES
    + IMAGE_NAME_BYTES
    + JOB_KEY_BYTES
    + TAGS * TAG_BYTES
    + DETAILS_BYTES
    + WORKER_NAME_BYTES
    + UNIQUE_KEY_BYTES
    + PROGRESS_BYTES;

/// Jobs on their way into an answer. What is little is written at once. Else the answer is written as the client takes it:
/// records are listed, payloads read and JSON made a piece at a time, so that it holds little memory however long it is.
pub(crate) struct Jobs<B> {
    gateway: Gateway<B>,
    shape: Shape,
    fields: Fields,
    json: JobsJson,
    records: VecDeque<Job>,
    /// The payloads of `records`, where they need not be read.
    payloads: Option<VecDeque<Bytes>>,
    /// The places of jobs that kept others away, of all that `records` had, in ascending order.
    duplicates: Vec<u32>,
    /// How many of `records` are taken.
    taken: u32,
    list: Option<List>,
    /// The JSON has been told the end.
    is_over: bool,
    /// What the records that were listed first hold.
    share: Share,
}

/// A page of the list of all jobs.
struct List {
    /// What of it has not been looked for yet.
    rest: JobsQuery,
    /// There may be more of the page.
    goes_on: bool,
    /// Where the next page goes on.
    next: Option<u64>,
    /// Rows that were looked at so far.
    looked: usize,
    /// JSON of payloads and details so far.
    bytes: usize,
}

impl<B: Backend> Jobs<B> {
    /// These jobs, without those that are deleted before their payloads are read.
    pub(crate) fn of(gateway: &Gateway<B>, jobs: Vec<Job>) -> Jobs<B> {
        Jobs::new(gateway, Shape::Many, Fields::ALL, jobs)
    }

    /// These jobs, with payloads that are still in memory.
    pub(crate) fn with_payloads(gateway: &Gateway<B>, jobs: Vec<Job>, payloads: VecDeque<Bytes>) -> Jobs<B> {
        Jobs { payloads: Some(payloads), ..Jobs::of(gateway, jobs) }
    }

    /// The same, of which those at these places, in ascending order, were there before.
    pub(crate) fn with_duplicates(self, duplicates: Vec<u32>) -> Jobs<B> {
        Jobs { duplicates, ..self }
    }

    /// These jobs, behind a field of the answer that is written already.
    pub(crate) fn behind(gateway: &Gateway<B>, name: &str, value: &[u8], jobs: Vec<Job>) -> Jobs<B> {
        Jobs { json: JobsJson::behind(name, value), ..Jobs::of(gateway, jobs) }
    }

    /// One job.
    pub(crate) fn one(gateway: &Gateway<B>, job: Job, fields: Fields) -> Jobs<B> {
        Jobs::new(gateway, Shape::One, fields, vec![job])
    }

    /// A page of the list.
    ///
    /// # Errors
    /// 429: there is no memory for it. 503: the table cannot be read.
    pub(crate) async fn list(
        gateway: &Gateway<B>,
        query: JobsQuery,
        fields: Fields,
    ) -> Result<Jobs<B>, Failure> {
        let mut jobs = Jobs::new(gateway, Shape::Many, fields, Vec::new());
        Claim::Read.resize(&mut jobs.share, query.n.min(SLICE_JOBS) * RECORD_MOST).await?;
        jobs.list = Some(List { next: None, rest: query, goes_on: true, looked: 0, bytes: 0 });
        jobs.list_more().await?;
        Ok(jobs)
    }

    fn new(gateway: &Gateway<B>, shape: Shape, fields: Fields, jobs: Vec<Job>) -> Jobs<B> {
        let mut new = Jobs {
            gateway: gateway.clone(),
            shape,
            fields,
            json: JobsJson::new(shape, fields),
            records: VecDeque::new(),
            payloads: None,
            duplicates: Vec::new(),
            taken: 0,
            list: None,
            is_over: false,
            share: gateway.answers().share(),
        };
        new.add(jobs);
        new
    }

    /// A payload that was not selected counts as empty, so that nobody reads it.
    fn add(&mut self, mut jobs: Vec<Job>) {
        if !self.fields.has_payload() {
            jobs.iter_mut().for_each(|job| job.payload.bytes = 0);
        }
        self.records.extend(jobs);
    }

    /// The answer with them.
    ///
    /// # Errors
    /// 429 or 503, by `claim`. 404: the one job was deleted meanwhile.
    pub(crate) async fn answer(mut self, status: StatusCode, index: Index, claim: Claim) -> Answer {
        let records = self.records.iter().map(record_bytes).sum::<usize>() + self.json.before_bytes();
        let bytes = records + bytes_of(&self.records);
        let goes_on = self.list.as_ref().is_some_and(|list| list.goes_on);
        if !goes_on && bytes <= SMALL_BYTES {
            return self.at_once(status, index, claim, bytes).await;
        }
        let held_at_once = if goes_on {
            SLICE_JOBS * RECORD_MOST + PAYLOAD_BYTES
        } else if self.payloads.is_some() {
            bytes
        } else {
            let largest = self.records.iter().map(|job| job.payload.bytes as usize).max();
            records + largest.unwrap_or_default().max(PIECE_BYTES)
        };
        claim.resize(&mut self.share, held_at_once + PIECES_HELD_BYTES).await?;
        claim.check(self.fill().await)?;
        self.check_that_it_is_there()?;
        let share = std::mem::replace(&mut self.share, self.gateway.answers().share());
        let behalf = Behalf::now();
        let pieces = stream::unfold(Some(self), move |jobs| {
            Behalf::answered(behalf.clone(), async {
                let mut jobs = jobs?;
                match jobs.next_piece().await {
                    Ok(piece) if piece.is_empty() => None,
                    Ok(piece) => Some((Ok(Bytes::from(piece)), Some(jobs))),
                    Err(unavailable) => Some((Err(io::Error::other(unavailable)), None)),
                }
            })
        });
        Ok(held(with_type(status, Some(index), "application/json", Body::from_stream(pieces)), share))
    }

    /// All of it in one piece, of whose size the client is told.
    async fn at_once(mut self, status: StatusCode, index: Index, claim: Claim, bytes: usize) -> Answer {
        claim.resize(&mut self.share, bytes).await?;
        while !self.is_over {
            claim.check(self.take(SMALL_BYTES).await)?;
        }
        self.check_that_it_is_there()?;
        claim.resize(&mut self.share, bytes + self.json.json_bytes()).await?;
        let written = Bytes::from(self.json.piece(usize::MAX));
        claim.resize(&mut self.share, written.len()).await?;
        Ok(held(with_type(status, Some(index), "application/json", written.into()), self.share))
    }

    /// The next piece; an empty one is the end.
    async fn next_piece(&mut self) -> Result<Vec<u8>, Unavailable> {
        self.fill().await?;
        let mut json = std::mem::take(&mut self.json);
        let (piece, json) = self.gateway.heavy().run(move || (json.piece(PIECE_BYTES), json)).await;
        self.json = json;
        Ok(piece)
    }

    /// Sees to it that there is something to write, unless all is written.
    async fn fill(&mut self) -> Result<(), Unavailable> {
        while !self.is_over && !self.json.has_jobs() {
            let gateway = self.gateway.clone();
            // Who has no records yet waits for a scan, and nobody for him.
            let _permit = match self.records.is_empty() {
                true => None,
                false => Some(gateway.heavy().permit().await),
            };
            self.take(PIECE_BYTES).await?;
        }
        Ok(())
    }

    /// Gives the JSON the next jobs, as many as have so many bytes of payload, but one at least; or the end.
    async fn take(&mut self, most: usize) -> Result<(), Unavailable> {
        if self.records.is_empty() {
            return self.turn_over().await;
        }
        let mut bytes = 0;
        let fit = self.records.iter().take_while(|job| {
            bytes += job.payload.bytes as usize;
            bytes <= most
        });
        let fit = fit.count().max(1);
        let jobs: Vec<Job> = self.records.drain(..fit).collect();
        let payloads = match &mut self.payloads {
            Some(payloads) => payloads.drain(..fit).map(Some).collect(),
            None if bytes_of(&jobs) == 0 => vec![Some(Bytes::new()); fit],
            None => self.gateway.backend().reads().payloads(&jobs).await?,
        };
        assert_eq!(payloads.len(), jobs.len(), "the backend answers for every job");
        for (job, payload) in jobs.into_iter().zip(payloads) {
            let is_duplicate = self.duplicates.binary_search(&self.taken).is_ok();
            self.taken += 1;
            let Some(payload) = payload else { continue };
            if let Some(list) = &mut self.list {
                list.bytes += escaped_bytes(&payload) + escaped_bytes(details(&job).as_bytes());
                if list.bytes > PAGE_BYTES && self.json.last().is_some() {
                    list.next = self.json.last();
                    list.goes_on = false;
                    self.records.clear();
                    break;
                }
            }
            let queue = self.gateway.backend().reads().queue_name(job.queue);
            self.json.push(Ready { job, queue, payload, is_duplicate });
        }
        Ok(())
    }

    /// Behind the last record that is known: the next ones, or the end.
    async fn turn_over(&mut self) -> Result<(), Unavailable> {
        if self.list.as_ref().is_some_and(|list| list.goes_on) {
            return self.list_more().await;
        }
        let next = self.list.as_ref().and_then(|list| Some(cursor::text(list.rest.order, list.next?)));
        self.json.end(next);
        self.is_over = true;
        Ok(())
    }

    async fn list_more(&mut self) -> Result<(), Unavailable> {
        let Some(list) = &mut self.list else { return Ok(()) };
        let slice = list.rest.n.min(SLICE_JOBS);
        let page = self.gateway.scan(JobsQuery { n: slice, ..list.rest.clone() }).await?;
        list.rest.n -= page.jobs.len();
        list.rest.behind = page.next;
        list.next = page.next;
        list.looked = list.looked.saturating_add(page.looked);
        let is_full = page.jobs.len() == slice;
        list.goes_on = is_full && list.looked < PAGE_ROWS && list.rest.n > 0 && page.next.is_some();
        self.add(page.jobs);
        Ok(())
    }

    /// # Errors
    /// 404: the one job was deleted in the moment since.
    fn check_that_it_is_there(&self) -> Result<(), ApiError> {
        match self.shape {
            Shape::One if self.json.last().is_none() => Err(ApiError::NoSuchJob),
            Shape::One | Shape::Many => Ok(()),
        }
    }
}

/// Bytes of their payloads.
fn bytes_of<'a>(jobs: impl IntoIterator<Item = &'a Job>) -> usize {
    jobs.into_iter().map(|job| job.payload.bytes as usize).sum()
}
