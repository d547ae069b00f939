use std::fmt;

/// Why a command, or a read, got no answer from the state machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// Too much is in flight, where it came in or at the leader. Nothing was done.
    Overloaded,
    /// No room on the disk, there or at the leader. Nothing was done.
    DiskFull,
    /// No leader or no majority within the time given, and certainly nothing was done.
    NotApplied,
    /// The cluster is between two versions, and its older nodes would not understand this. Nothing was done; it can be done
    /// when all run the new version.
    NotUnderstood,
    /// The node that was asked is no member of the cluster: nobody has asked for it, or it was removed, or is being removed. Nothing was done; another node can do it.
    NotMember,
    /// It may or may not have been done.
    Unknown,
    /// The node is ending, or its storage failed. Nothing was done.
    Stopping,
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unavailable::Overloaded => "too many requests are in flight",
            Unavailable::DiskFull => "the disk is full",
            Unavailable::NotApplied => "no leader could be reached in time",
            Unavailable::NotUnderstood => {
                "some nodes of the cluster run a version that does not understand this yet"
            }
            Unavailable::NotMember => "this node is no member of the cluster: ask another one",
            Unavailable::Unknown => "the cluster gave no answer in time: the outcome is not known",
            Unavailable::Stopping => "this node is stopping",
        })
    }
}

impl std::error::Error for Unavailable {}
