//! Answers that hold memory: what they may hold, and jobs, of which there may be many.

mod claim;
mod jobs;
mod jobs_json;

pub(crate) use claim::{Claim, PieceShare, held, held_by_pieces};
pub(crate) use jobs::{Jobs, RECORD_MOST};
