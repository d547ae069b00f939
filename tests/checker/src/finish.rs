//! A request that ends jobs and takes others. For the rules it is so many requests, which stand behind each other in one place of
//! the log: an end for each job, and a consume.

use serde::{Deserialize, Serialize};

use crate::call::Call;
use crate::event::{Op, Outcome};
use crate::job::{Reason, Status};

/// A job that is to be ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ending {
    /// Which.
    pub id: Box<str>,
    /// Why it failed; absent where it succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Hash of the log that was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<Box<str>>,
}

/// What an answer says of one ending.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ended {
    /// Which job.
    pub id: Box<str>,
    /// What it is now; absent where the ending was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// The job that retries it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_id: Option<Box<str>>,
    /// The status code of the refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
}

impl Ending {
    /// The request that does this alone.
    pub fn call(&self) -> Call {
        let (id, log) = (self.id.clone(), self.log.clone());
        match self.reason {
            None => Call::Success { id, log },
            Some(reason) => Call::Fail { id, reason, log },
        }
    }
}

/// The parts of a request, in the order of their effects; any other request is its own only part.
pub(crate) fn parts(op: Op) -> Vec<Op> {
    let Call::Finish { endings, take, wait, queue, alone } = &op.call else { return vec![op] };
    let mut parts: Vec<Op> =
        endings.iter().enumerate().map(|(place, ending)| end(&op, place, ending, *alone)).collect();
    // Where no ending is taken, no job may be; a repeat may find that what it once ended was deleted since.
    let may_take =
        op.outcome != Outcome::Ok || op.replayed || parts.iter().any(|part| part.outcome == Outcome::Ok);
    let n = if may_take { *take } else { 0 };
    if n > 0 || !op.jobs.is_empty() {
        let call = Call::Consume { n, wait: *wait, queue: queue.clone() };
        parts.push(Op { call, place: endings.len(), ended: Vec::new(), ..op });
    }
    parts
}

fn end(op: &Op, place: usize, ending: &Ending, alone: bool) -> Op {
    let ended = op.ended.get(place);
    let refused = op.outcome == Outcome::Ok && ended.is_some_and(|ended| ended.status.is_none());
    Op {
        call: ending.call(),
        place,
        outcome: if refused { Outcome::Fail } else { op.outcome },
        status: if refused { ended.and_then(|ended| ended.code) } else { op.status },
        // A request that is refused as a whole says nothing of each job, unless it is about one.
        index: op.index.filter(|_| alone || op.outcome == Outcome::Ok),
        ended: ended.filter(|_| !refused).cloned().into_iter().collect(),
        jobs: Vec::new(),
        ..op.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finish(
        take: u32,
        outcome: Outcome,
        ended: &[Option<Status>],
        replayed: bool,
    ) -> Vec<(Call, usize, Outcome, Option<u16>)> {
        let names = ["a", "b", "c"];
        let ending = |id: &str| Ending { id: id.into(), reason: None, log: None };
        let endings = names.map(ending).into();
        let ended = names.iter().zip(ended).map(|(id, status)| {
            let code = status.is_none().then_some(409);
            Ended { id: (*id).into(), status: *status, retry_id: None, code }
        });
        let call = Call::Finish { endings, take, wait: 0, queue: vec!["q".into()], alone: false };
        let op = Op {
            outcome,
            status: Some(200),
            ended: ended.collect(),
            replayed,
            ..Op::sent(1, "n", 0, call, None)
        };
        parts(op).into_iter().map(|part| (part.call, part.place, part.outcome, part.status)).collect()
    }

    fn success(id: &str) -> Call {
        Call::Success { id: id.into(), log: None }
    }

    #[test]
    fn each_ending_has_its_own_outcome() {
        let ended = [Some(Status::Success), None];
        let expected = [
            (success("a"), 0, Outcome::Ok, Some(200)),
            (success("b"), 1, Outcome::Fail, Some(409)),
            (success("c"), 2, Outcome::Ok, Some(200)), // the answer has no word of it, which a rule will see
            (Call::Consume { n: 5, wait: 0, queue: vec!["q".into()] }, 3, Outcome::Ok, Some(200)),
        ];
        assert_eq!(finish(5, Outcome::Ok, &ended, false), expected);
    }

    #[test]
    fn it_takes_jobs_where_it_may_have_ended_one() {
        let takes = |outcome, ended: &[Option<Status>; 3], replayed| {
            finish(1, outcome, ended, replayed).iter().any(|(call, ..)| matches!(call, Call::Consume { .. }))
        };
        assert!(takes(Outcome::Ok, &[None, Some(Status::Success), None], false));
        assert!(!takes(Outcome::Ok, &[None; 3], false));
        assert!(takes(Outcome::Ok, &[None; 3], true), "what it has ended may have been deleted since");
        assert!(takes(Outcome::Info, &[None; 3], false));
        assert_eq!(finish(0, Outcome::Ok, &[Some(Status::Success); 3], false).len(), 3);
    }
}
