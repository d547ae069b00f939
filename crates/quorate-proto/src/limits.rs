//! What messages may hold, in one place: they are counted before they are decoded.

/// Most entries of an append frame. A leader sends fewer.
pub const FRAME_ENTRIES: usize = 4_096;
/// Most voters, learners and sets of voters that a membership names. A cluster has nine members, and one that comes in the place of another.
pub const MEMBERSHIP_PARTS: usize = 64;
