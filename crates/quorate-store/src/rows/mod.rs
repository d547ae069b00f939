//! What stands in the job table's database: the keys and values, and what of them is kept in memory.
//!
//! The table writes it, readers and snapshots read it. `generation.rs` is one whole table, `db.rs` its RocksDB; `keys.rs`
//! and `codec.rs` say what stands where and how, `place.rs` where a job's record is, `listing.rs` by what lists find it; `lane.rs` and `window.rs` are the fronts of the indexes,
//! `queues.rs` is what is known of queues, `workers.rs` of workers, `operations.rs` of work on many jobs.

pub(crate) mod answers;
pub(crate) mod codec;
pub(crate) mod db;
pub(crate) mod generation;
pub(crate) mod ids;
pub(crate) mod keys;
pub(crate) mod lane;
pub(crate) mod latest_ids;
pub(crate) mod listing;
pub(crate) mod meta;
pub(crate) mod operations;
pub(crate) mod place;
pub(crate) mod queues;
pub(crate) mod window;
pub(crate) mod workers;
