//! Judges the history of a cluster under faults: what its clients sent and were answered, and what stood on each node
//! at the end.
//!
//! A harness writes the history with [`HistoryWriter`], one [`Op`] for each request; [`check`] reads it back as a
//! [`History`] and asks every rule. The log index in each answer is the witness: replayed in that order, and held
//! against real time, the history is proved to be linearizable in O(n log n), or the few events are shown that it is
//! not. What the format means and what the rules prove is in `docs/history-checker.md`.

mod body_hash;
mod call;
mod event;
mod facts;
mod finish;
mod generate;
mod highest;
mod history;
mod job;
mod log_index;
mod map;
mod operation;
mod queue;
mod report;
mod rule;
mod rules;
mod source;
mod writer;

pub use body_hash::body_hash;
pub use call::Call;
pub use event::{Counts, End, Event, FORMAT, Fault, Healed, Op, Outcome, Run, Scan, Tally};
pub use finish::{Ended, Ending};
pub use generate::{Plan, generate};
pub use history::{History, NodeScan, Unreadable};
pub use job::{JobRecord, NewJob, Reason, Status, Unique, Until};
pub use log_index::{LogIndex, NoLogIndex};
pub use operation::{Action, OperationRecord, OperationStatus, Selection};
pub use queue::{DEFAULT_QUEUE, QueueLimits, Rate};
pub use report::{Report, RuleReport, ViolationReport, check};
pub use writer::HistoryWriter;
