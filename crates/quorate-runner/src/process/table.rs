//! The processes of this machine, as `/proc` shows them.

use std::collections::{BTreeMap, BTreeSet};

use nix::unistd::{Pid, getpgrp};

/// A process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) pid: Pid,
    pub(crate) parent: Pid,
    pub(crate) group: Pid,
    pub(crate) is_zombie: bool,
}

/// All processes that can be seen; none where there is no `/proc`.
pub(crate) fn processes() -> impl Iterator<Item = Entry> {
    let names = std::fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.file_name());
    names.filter_map(|name| {
        let pid: i32 = name.to_str()?.parse().ok()?;
        let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?; // it may be gone by now
        entry(pid, &String::from_utf8_lossy(&stat))
    })
}

/// The groups of those children of this process that are in one of `groups`, and of all that descends from them.
pub(crate) fn groups_below(groups: &BTreeSet<Pid>) -> BTreeSet<Pid> {
    let mut children: BTreeMap<Pid, Vec<Entry>> = BTreeMap::new();
    for entry in processes() {
        children.entry(entry.parent).or_default().push(entry);
    }
    let mut family = children.remove(&Pid::this()).unwrap_or_default();
    family.retain(|child| groups.contains(&child.group));
    let mut found = BTreeSet::new();
    while let Some(member) = family.pop() {
        found.insert(member.group);
        family.extend(children.remove(&member.pid).unwrap_or_default());
    }
    // Zero is a group that can't be seen from here, and this process is no part of its jobs.
    found.retain(|group| group.as_raw() > 1 && *group != getpgrp());
    found
}

/// `PID (NAME) STATE PARENT GROUP …`; the name may hold anything.
fn entry(pid: i32, stat: &str) -> Option<Entry> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let is_zombie = matches!(fields.next()?, "Z" | "X");
    let mut number = || Some(Pid::from_raw(fields.next()?.parse().ok()?));
    Some(Entry { pid: Pid::from_raw(pid), parent: number()?, group: number()?, is_zombie })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_not_forge_an_entry() {
        let expected = Entry {
            pid: Pid::from_raw(7),
            parent: Pid::from_raw(5),
            group: Pid::from_raw(6),
            is_zombie: true,
        };
        assert_eq!(entry(7, "7 (a) S 1 1 (b) Z 5 6 6 0 -1"), Some(expected));
    }

    #[test]
    fn this_process_is_seen() {
        let this = processes().find(|entry| entry.pid == Pid::this()).expect("there is a /proc");
        assert_eq!((this.parent, this.group, this.is_zombie), (Pid::parent(), getpgrp(), false));
    }
}
