//! Log time: what it is (`clock/`), how it goes on at a new leader (`term_start.rs`) and after a restart (`recall.rs`), and
//! the log entry when something is due (`ticker.rs`).

pub(crate) mod clock;
pub(crate) mod recall;
pub(crate) mod term_start;
pub(crate) mod ticker;
