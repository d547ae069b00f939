//! Log time: what it is (`clock/`), and how it goes on after a restart (`recall.rs`).

pub(crate) mod clock;
pub(crate) mod recall;
