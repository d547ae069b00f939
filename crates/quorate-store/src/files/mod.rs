//! Files and directories as this crate needs them: written all or not at all, checked when read, removed when nobody uses
//! them any more.

pub(crate) mod checkpoint;
pub(crate) mod durable;
mod removable_dir;
pub(crate) mod sealed;

pub(crate) use removable_dir::RemovableDir;
