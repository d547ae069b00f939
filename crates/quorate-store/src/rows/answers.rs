use std::collections::VecDeque;

use prost::Message;
use quorate_core::{AnswerRecord, RequestId, Timestamp};
use quorate_proto::{Malformed, answered_value, log::v1};

use super::codec;
use super::db::{Db, Family};
use super::ids::IdMap;
use super::keys::{self, Prefix};
use crate::StoreError;

/// What requests were answered, by their ids, until their deadlines. All in memory; on the disk one value holds
/// those of one log entry.
#[derive(Default)]
pub(crate) struct Answers {
    by_request: IdMap<RequestId, AnswerRecord>,
    /// In the order of the log.
    entries: VecDeque<EntryAnswers>,
}

/// Which requests a log entry answered.
pub(crate) struct EntryAnswers {
    pub(crate) index: u64,
    /// The last deadline of them.
    pub(crate) until: Timestamp,
    pub(crate) requests: Vec<RequestId>,
}

impl Answers {
    /// Those that are on the disk, from the log entry `front` on.
    pub(crate) fn load(db: &Db, front: u64) -> Result<Answers, StoreError> {
        let mut answers = Answers::default();
        for row in db.scan(Family::Default, &keys::answers(front), &Prefix::Answers.end()) {
            let (key, value) = row?;
            let index = codec::intact(keys::index_of(&key), "the key of answers")?;
            let decoded = decode(&value)?;
            let requests = decoded.iter().map(|(request, _)| *request).collect();
            let until = decoded.iter().map(|(_, answer)| answer.deadline).max().unwrap_or_default();
            answers.by_request.extend(decoded);
            answers.add([EntryAnswers { index, until, requests }], IdMap::default());
        }
        Ok(answers)
    }

    /// A request's answer, if log time is not past its deadline.
    pub(crate) fn get(&self, request: RequestId, now: Timestamp) -> Option<&AnswerRecord> {
        self.by_request.get(&request).filter(|answer| answer.deadline >= now)
    }

    /// Adds the answers of the next entries that have any.
    pub(crate) fn add(
        &mut self,
        entries: impl IntoIterator<Item = EntryAnswers>,
        answers: IdMap<RequestId, AnswerRecord>,
    ) {
        for entry in entries {
            let follows = self.entries.back().is_none_or(|last| last.index < entry.index);
            assert!(follows, "entries come in the order of the log");
            self.entries.push_back(entry);
        }
        self.by_request.extend(answers);
    }

    /// The oldest entries all of whose deadlines are past. One with a late deadline holds those behind it back; no
    /// deadline is later than [`quorate_core::limits::REQUEST_MILLIS`] twice.
    pub(crate) fn outlived(&self, now: Timestamp) -> impl Iterator<Item = u64> {
        self.entries.iter().take_while(move |entry| entry.until < now).map(|entry| entry.index)
    }

    /// Forgets what [`Answers::outlived`] gives.
    pub(crate) fn forget_outlived(&mut self, now: Timestamp) {
        while let Some(entry) = self.entries.pop_front_if(|entry| entry.until < now) {
            for request in entry.requests {
                // The same id may have been answered anew, after its deadline.
                if self.by_request.get(&request).is_some_and(|answer| answer.position.index == entry.index) {
                    self.by_request.remove(&request);
                }
            }
        }
    }

    /// The log index of the oldest entry, or of the oldest but those that are outlived.
    pub(crate) fn front(&self, now: Timestamp) -> Option<u64> {
        self.entries.iter().find(|entry| entry.until >= now).map(|entry| entry.index)
    }

    /// All whose deadline is not past.
    #[cfg(test)]
    pub(crate) fn iter(&self, now: Timestamp) -> impl Iterator<Item = (&RequestId, &AnswerRecord)> {
        self.by_request.iter().filter(move |(_, answer)| answer.deadline >= now)
    }
}

/// The value of one entry on disk.
pub(crate) fn encode<'a>(answers: impl Iterator<Item = (RequestId, &'a AnswerRecord)>) -> Vec<u8> {
    let messages = answers.map(|(request, record)| answered_value(request, record));
    v1::Answers { answers: messages.collect() }.encode_to_vec()
}

/// The last deadline in such a value.
pub(crate) fn until(value: &[u8]) -> Result<Timestamp, StoreError> {
    Ok(decode(value)?.iter().map(|(_, answer)| answer.deadline).max().unwrap_or_default())
}

fn decode(value: &[u8]) -> Result<Vec<(RequestId, AnswerRecord)>, StoreError> {
    let malformed = |malformed: Malformed| StoreError::malformed(codec::WHAT, &malformed);
    let message: v1::Answers = quorate_proto::decode(value).map_err(malformed)?;
    message.answers.into_iter().map(|answer| answer.try_into().map_err(malformed)).collect()
}
