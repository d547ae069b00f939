use serde::{Deserialize, Serialize};

use crate::finish::Ending;
use crate::job::{NewJob, Reason};
use crate::operation::{Action, Selection};
use crate::queue::QueueLimits;
use crate::source::Source;

/// A request to the REST interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Call {
    /// `POST /jobs`
    Enqueue {
        /// In the order given.
        jobs: Vec<NewJob>,
    },
    /// `POST /jobs/consume`
    Consume {
        /// At most so many.
        n: u32,
        /// Seconds that the cluster may hold it until a job is there.
        #[serde(default, skip_serializing_if = "is_zero")]
        wait: u32,
        /// From which queues, in the words of the REST interface: from the first of these that has a job, each `NAME:WEIGHT`
        /// by chance, `*` from any; from the default one where there are none.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        queue: Vec<Box<str>>,
    },
    /// `POST /job/{id}/success`
    Success {
        /// Which.
        id: Box<str>,
        /// Hash of the log that was sent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        log: Option<Box<str>>,
    },
    /// `POST /job/{id}/fail`
    Fail {
        /// Which.
        id: Box<str>,
        /// Why.
        reason: Reason,
        /// Hash of the log that was sent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        log: Option<Box<str>>,
    },
    /// `POST /jobs/finish`; no rule sees one, but its parts.
    Finish {
        /// In the order given.
        endings: Vec<Ending>,
        /// Takes at most so many others.
        #[serde(default, skip_serializing_if = "is_zero")]
        take: u32,
        /// Seconds that the cluster may hold it until a job is there.
        #[serde(default, skip_serializing_if = "is_zero")]
        wait: u32,
        /// From which queues, as in a consume.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        queue: Vec<Box<str>>,
        /// It went to `/job/{id}/success` or `fail`, which end one job.
        #[serde(default, skip_serializing_if = "is_false")]
        alone: bool,
    },
    /// `POST /job/{id}/cancel`
    Cancel {
        /// Which.
        id: Box<str>,
    },
    /// `POST /job/{id}/touch`
    Touch {
        /// Which.
        id: Box<str>,
    },
    /// `POST /job/{id}/retry`
    Retry {
        /// The job to run again.
        id: Box<str>,
    },
    /// `POST /job/{id}/release`
    Release {
        /// The running job to give back.
        id: Box<str>,
        /// Seconds that the one waits which goes on from it.
        #[serde(default, skip_serializing_if = "is_zero")]
        delay: u32,
    },
    /// `DELETE /job/{id}`
    Delete {
        /// Which.
        id: Box<str>,
    },
    /// `PUT /queue/{name}`, with all that limits it.
    Set {
        /// Which.
        queue: Box<str>,
        /// To what.
        limits: QueueLimits,
    },
    /// `POST /jobs/retry`, `cancel` or `delete`: begins work on many jobs.
    Operate {
        /// What is done to each.
        action: Action,
        /// To which.
        selection: Selection,
    },
    /// `POST /operation/{id}/stop`
    Stop {
        /// Which.
        id: Box<str>,
    },
    /// `GET /operation/{id}`
    Watch {
        /// Which.
        id: Box<str>,
        /// Seconds that the cluster may hold it until that has ended.
        #[serde(default, skip_serializing_if = "is_zero")]
        wait: u32,
    },
    /// `GET /job/{id}`
    Get {
        /// Which.
        id: Box<str>,
        /// With `?consistency=linearizable`.
        #[serde(default, skip_serializing_if = "is_false")]
        linearizable: bool,
    },
    /// `GET /jobs`
    List {
        /// With `?consistency=linearizable`.
        #[serde(default, skip_serializing_if = "is_false")]
        linearizable: bool,
    },
}

impl Call {
    /// True where it only reads.
    pub fn is_read(&self) -> bool {
        match self {
            Call::Watch { .. } | Call::Get { .. } | Call::List { .. } => true,
            Call::Enqueue { .. }
            | Call::Consume { .. }
            | Call::Success { .. }
            | Call::Fail { .. }
            | Call::Finish { .. }
            | Call::Cancel { .. }
            | Call::Touch { .. }
            | Call::Retry { .. }
            | Call::Release { .. }
            | Call::Delete { .. }
            | Call::Operate { .. }
            | Call::Stop { .. }
            | Call::Set { .. } => false,
        }
    }

    /// True for a read that asks for certainty.
    pub fn is_linearizable(&self) -> bool {
        match self {
            Call::Get { linearizable, .. } | Call::List { linearizable } => *linearizable,
            Call::Enqueue { .. }
            | Call::Consume { .. }
            | Call::Success { .. }
            | Call::Fail { .. }
            | Call::Finish { .. }
            | Call::Cancel { .. }
            | Call::Touch { .. }
            | Call::Retry { .. }
            | Call::Release { .. }
            | Call::Delete { .. }
            | Call::Operate { .. }
            | Call::Stop { .. }
            | Call::Watch { .. }
            | Call::Set { .. } => false,
        }
    }

    /// Seconds that the cluster may hold it until a job is there.
    pub fn wait(&self) -> u32 {
        match self {
            Call::Consume { wait, .. } | Call::Finish { wait, .. } | Call::Watch { wait, .. } => *wait,
            Call::Enqueue { .. }
            | Call::Success { .. }
            | Call::Fail { .. }
            | Call::Cancel { .. }
            | Call::Touch { .. }
            | Call::Retry { .. }
            | Call::Release { .. }
            | Call::Delete { .. }
            | Call::Set { .. }
            | Call::Operate { .. }
            | Call::Stop { .. }
            | Call::Get { .. }
            | Call::List { .. } => 0,
        }
    }

    /// True where it may be granted jobs.
    pub fn takes(&self) -> bool {
        matches!(self, Call::Consume { .. } | Call::Finish { take: 1.., .. })
    }

    /// From where it takes jobs; `None` where it takes none.
    pub(crate) fn source(&self) -> Option<Source<'_>> {
        match self {
            Call::Consume { queue, .. } | Call::Finish { take: 1.., queue, .. } => Source::parse(queue),
            Call::Enqueue { .. }
            | Call::Success { .. }
            | Call::Fail { .. }
            | Call::Finish { .. }
            | Call::Cancel { .. }
            | Call::Touch { .. }
            | Call::Retry { .. }
            | Call::Release { .. }
            | Call::Delete { .. }
            | Call::Set { .. }
            | Call::Operate { .. }
            | Call::Stop { .. }
            | Call::Watch { .. }
            | Call::Get { .. }
            | Call::List { .. } => None,
        }
    }

    /// True where it is granted jobs of this queue, if it is granted any.
    pub fn takes_from(&self, queue: &str) -> bool {
        self.source().is_some_and(|source| source.names(queue))
    }

    /// True where it says how a job ended.
    pub fn ends(&self) -> bool {
        matches!(self, Call::Success { .. } | Call::Fail { .. })
    }

    /// The job that it names.
    pub fn id(&self) -> Option<&str> {
        match self {
            Call::Enqueue { .. }
            | Call::Consume { .. }
            | Call::Finish { .. }
            | Call::Set { .. }
            | Call::Operate { .. }
            | Call::Stop { .. }
            | Call::Watch { .. }
            | Call::List { .. } => None,
            Call::Success { id, .. }
            | Call::Fail { id, .. }
            | Call::Cancel { id }
            | Call::Touch { id }
            | Call::Retry { id }
            | Call::Release { id, .. }
            | Call::Delete { id }
            | Call::Get { id, .. } => Some(id),
        }
    }
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

fn is_false(flag: &bool) -> bool {
    !flag
}
