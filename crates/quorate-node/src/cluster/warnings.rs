use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use crate::DiskState;
use crate::cluster::status::{Cluster, Member, Standing};
use crate::limits;

/// What an operator should see to, in a cluster that may take writes all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// The node that answers cannot speak to another one.
    PeerRefused {
        /// Its name and its address.
        peer: String,
        /// Why.
        why: String,
    },
    /// Fewer voters answer than must agree: nothing is written.
    NoMajority {
        /// So many.
        answer: usize,
        /// Of so many.
        voters: usize,
        /// And so many must agree.
        quorum: usize,
    },
    /// A member lets strangers in, as it was told to.
    Insecure(String),
    /// An even number of voters: the last one makes nothing safer.
    EvenVoters(usize),
    /// The next failure stops the cluster, and it was meant to survive one.
    NoFailureSurvived,
    /// A member is behind.
    Lagging {
        /// Its name.
        name: String,
        /// By so many log entries.
        behind: u64,
    },
    /// A member's wall clock is off.
    ClockOff {
        /// Its name.
        name: String,
        /// By how many milliseconds it is ahead of the members' median.
        offset_ms: i64,
    },
    /// A member's disk has hardly any room.
    DiskShort {
        /// Its name.
        name: String,
        /// How it is.
        state: DiskState,
        /// Its free bytes.
        free_bytes: u64,
    },
    /// A member's disk has no room for a snapshot, without which it stays behind.
    NoRoomForSnapshot {
        /// Its name.
        name: String,
        /// So many bytes must be free.
        needs_bytes: u64,
    },
    /// A certificate of a member, or an authority that it believes, ends soon, or has.
    CertificateExpires {
        /// Its name.
        name: String,
        /// How long it lasts; zero: no longer.
        lasts: Duration,
    },
    /// The members run different versions.
    MixedVersions(BTreeSet<String>),
    /// A change of the voters has done the first of its two halves.
    HalfChanged,
    /// A member is being drained.
    Draining(String),
    /// A node asks to be a member.
    Applicant {
        /// Its name.
        name: String,
        /// Where it is.
        peer_addr: String,
    },
    /// A node asks to be a member under the name of one: a namesake, or what comes in its place once it is gone.
    NameBorne {
        /// Its name.
        name: String,
        /// Where it is.
        peer_addr: String,
    },
    /// A node runs that was removed.
    RemovedRuns {
        /// Its name.
        name: String,
        /// Where it is.
        peer_addr: String,
    },
}

impl Warning {
    /// The word for it, for machines.
    pub fn kind(&self) -> &'static str {
        match self {
            Warning::PeerRefused { .. } => "peer_refused",
            Warning::NoMajority { .. } => "no_majority",
            Warning::Insecure(_) => "insecure",
            Warning::EvenVoters(_) => "even_voters",
            Warning::NoFailureSurvived => "no_failure_survived",
            Warning::Lagging { .. } => "lagging",
            Warning::ClockOff { .. } => "clock_off",
            Warning::DiskShort { .. } => "disk_short",
            Warning::NoRoomForSnapshot { .. } => "no_room_for_snapshot",
            Warning::CertificateExpires { .. } => "certificate_expires",
            Warning::MixedVersions(_) => "mixed_versions",
            Warning::HalfChanged => "half_changed",
            Warning::Draining(_) => "draining",
            Warning::Applicant { .. } => "applicant",
            Warning::NameBorne { .. } => "name_borne",
            Warning::RemovedRuns { .. } => "removed_runs",
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::PeerRefused { peer, why } => write!(f, "{peer} cannot be spoken to: {why}"),
            Warning::NoMajority { answer, voters, quorum } => write!(
                f,
                "no majority: {answer} of {voters} voters answer, and {quorum} must agree: no writes until more of them are back"
            ),
            Warning::Insecure(name) => write!(
                f,
                "{name} is open (--insecure): whoever reaches its ports may do everything; give it tokens (`quorate token new`) and \
                 certificates (`quorate cert init`)"
            ),
            Warning::EvenVoters(voters) => write!(
                f,
                "{voters} voters survive no more failures than {} would: add one, or remove one",
                voters - 1
            ),
            Warning::NoFailureSurvived => {
                f.write_str("no more failure is survived: if one more voter fails, writes stop")
            }
            Warning::Lagging { name, behind } => write!(f, "{name} is {behind} log entries behind"),
            Warning::ClockOff { name, offset_ms } => write!(
                f,
                "the wall clock of {name} is {offset_ms:+} ms off the members' median: see to its NTP"
            ),
            Warning::DiskShort { name, state, free_bytes } => write!(
                f,
                "the disk of {name} is nearly full ({}, {} MiB free): make room",
                state.as_str(),
                free_bytes >> 20
            ),
            Warning::NoRoomForSnapshot { name, needs_bytes } => write!(
                f,
                "the disk of {name} has no room for a snapshot, without which it stays behind: make room, {} MiB must be free",
                needs_bytes.div_ceil(1 << 20)
            ),
            Warning::CertificateExpires { name, lasts } if lasts.is_zero() => {
                write!(f, "a certificate of {name} has expired (its log says which): put a new one in its place, no restart is needed")
            }
            Warning::CertificateExpires { name, lasts } => {
                let within = match lasts.as_secs() / (24 * 3_600) {
                    0 => "within a day".to_owned(),
                    1 => "in 1 day".to_owned(),
                    days => format!("in {days} days"),
                };
                write!(f, "a certificate of {name} expires {within} (its log says which): put a new one in its place, no restart is needed")
            }
            Warning::MixedVersions(versions) => {
                let versions: Vec<&str> = versions.iter().map(String::as_str).collect();
                write!(f, "the members run different versions: {}", versions.join(", "))
            }
            Warning::HalfChanged => f.write_str(
                "a change of the voters is half done: the leader ends it; if that lasts, too few of the old or of the new \
                 voters answer",
            ),
            Warning::Draining(name) => {
                write!(f, "{name} is being drained: `quorate cluster undrain {name}`, or start it again")
            }
            Warning::Applicant { name, peer_addr } => {
                write!(f, "{name} at {peer_addr} asks to be a member: `quorate cluster member add {name}`")
            }
            Warning::NameBorne { name, peer_addr } => write!(
                f,
                "another node called {name}, at {peer_addr}, waits for that member to be gone, to take its place after {} s: start it with a \
                 name of its own, or stop it",
                limits::GONE.as_secs()
            ),
            Warning::RemovedRuns { name, peer_addr } => write!(
                f,
                "{name} at {peer_addr} was removed and runs all the same: stop it; to have it join again, wipe its data \
                 directory"
            ),
        }
    }
}

/// What there is to warn of, the gravest first. `half_changed`: a change of the voters is half done.
pub(crate) fn of(cluster: &Cluster, half_changed: bool) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let (answer, voters) = cluster.voters_that_answer();
    let well = || cluster.members.iter().filter(|member| member.reachable);
    // What somebody sees who is no member is no news of the cluster.
    if cluster.standing == Standing::Member && !cluster.has_majority() {
        warnings.push(Warning::NoMajority { answer, voters, quorum: cluster.quorum });
    }
    warnings
        .extend(well().filter(|member| member.insecure).map(|member| Warning::Insecure(member.name.clone())));
    // Else writes have stopped.
    if voters > 1 && cluster.tolerates == 0 && cluster.has_majority() {
        warnings.push(Warning::NoFailureSurvived);
    }
    if half_changed {
        warnings.push(Warning::HalfChanged);
    }
    for Member { name, disk, .. } in well() {
        if let Some((state @ (DiskState::Short | DiskState::Full), free_bytes)) = *disk {
            warnings.push(Warning::DiskShort { name: name.clone(), state, free_bytes });
        }
    }
    for Member { name, snapshot_needs, .. } in well() {
        if let Some(needs_bytes) = *snapshot_needs {
            warnings.push(Warning::NoRoomForSnapshot { name: name.clone(), needs_bytes });
        }
    }
    for Member { name, certificate_lasts, .. } in well() {
        if let Some(lasts) = certificate_lasts.filter(|lasts| *lasts <= quorate_tls::EXPIRES_SOON) {
            warnings.push(Warning::CertificateExpires { name: name.clone(), lasts });
        }
    }
    let newest = newest(&cluster.members);
    for member in well() {
        let behind = member.behind(newest);
        if behind > limits::LAG_WORTH_A_WARNING {
            warnings.push(Warning::Lagging { name: member.name.clone(), behind });
        }
    }
    warnings.extend(clocks(well()));
    if voters > 0 && voters.is_multiple_of(2) {
        warnings.push(Warning::EvenVoters(voters));
    }
    let versions: BTreeSet<String> = well().filter_map(|member| member.version.clone()).collect();
    if versions.len() > 1 {
        warnings.push(Warning::MixedVersions(versions));
    }
    warnings
        .extend(well().filter(|member| member.draining).map(|member| Warning::Draining(member.name.clone())));
    warnings.extend(cluster.outsiders.iter().cloned().map(|outsider| {
        let (name, peer_addr) = (outsider.name, outsider.peer_addr);
        match outsider.removed {
            true => Warning::RemovedRuns { name, peer_addr },
            false if cluster.members.iter().any(|member| member.name == name) => {
                Warning::NameBorne { name, peer_addr }
            }
            false => Warning::Applicant { name, peer_addr },
        }
    }));
    warnings
}

/// The last log index that any of them has applied.
pub(crate) fn newest(members: &[Member]) -> u64 {
    members.iter().filter_map(|member| member.applied_index).max().unwrap_or(0)
}

/// The clocks that are off the median of all.
fn clocks<'a>(members: impl Iterator<Item = &'a Member>) -> Vec<Warning> {
    let seen: Vec<(&Member, i64)> =
        members.filter_map(|member| Some((member, member.clock_offset_ms?))).collect();
    let mut offsets: Vec<i64> = seen.iter().map(|(_, offset)| *offset).collect();
    offsets.sort_unstable();
    let Some(median) = offsets.get(offsets.len().saturating_sub(1) / 2).copied() else { return Vec::new() };
    let off = seen.into_iter().map(|(member, offset)| (member, offset.saturating_sub(median)));
    let off = off.filter(|(_, offset_ms)| offset_ms.unsigned_abs() > limits::CLOCK_OFFSET_MILLIS);
    off.map(|(member, offset_ms)| Warning::ClockOff { name: member.name.clone(), offset_ms }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::status::{Outsider, Role};

    /// A healthy cluster of so many voters.
    fn cluster(voters: usize) -> Cluster {
        let members = (1..=voters).map(|n| Member {
            name: format!("n{n}"),
            id: n as u64,
            role: if n == 1 { Role::Leader } else { Role::Follower },
            peer_addr: String::new(),
            http_addr: String::new(),
            term: Some(1),
            applied_index: Some(100),
            reachable: true,
            draining: false,
            insecure: false,
            clock_offset_ms: Some(0),
            disk: Some((DiskState::Room, 1 << 30)),
            snapshot_needs: None,
            feature_level: None,
            version: Some("1".into()),
            certificate_lasts: None,
            uptime: None,
        });
        let tolerates = voters.saturating_sub(voters / 2 + 1);
        Cluster {
            standing: Standing::Member,
            members: members.collect(),
            tolerates,
            quorum: if voters == 0 { 0 } else { voters / 2 + 1 },
            ..Cluster::default()
        }
    }

    fn kinds(cluster: &Cluster, half_changed: bool) -> Vec<&'static str> {
        of(cluster, half_changed).iter().map(Warning::kind).collect()
    }

    #[test]
    fn there_is_nothing_to_say_of_a_healthy_cluster() {
        for voters in [0, 1, 3, 5] {
            assert_eq!(kinds(&cluster(voters), false), [""; 0], "{voters}");
        }
    }

    #[test]
    fn each_thing_that_is_wrong_is_said() {
        let of_three = |change: &dyn Fn(&mut Cluster)| {
            let mut cluster = cluster(3);
            change(&mut cluster);
            kinds(&cluster, false)
        };
        assert_eq!(kinds(&cluster(2), false), ["no_failure_survived", "even_voters"]);
        assert_eq!(kinds(&cluster(4), false), ["even_voters"]);
        assert_eq!(kinds(&cluster(3), true), ["half_changed"]);
        assert_eq!(of_three(&|cluster| cluster.tolerates = 0), ["no_failure_survived"]);
        let silent = |cluster: &mut Cluster, members: usize| {
            cluster.tolerates = 0;
            cluster.members[..members].iter_mut().for_each(|member| member.reachable = false);
        };
        assert_eq!(of_three(&|cluster| silent(cluster, 1)), ["no_failure_survived"]);
        assert_eq!(of_three(&|cluster| silent(cluster, 2)), ["no_majority"], "writes have stopped already");
        let removed = of_three(&|cluster| {
            silent(cluster, 2);
            cluster.standing = Standing::Removed;
        });
        assert_eq!(removed, [""; 0], "it knows nothing of them any more");
        assert_eq!(of_three(&|cluster| cluster.members[2].applied_index = Some(0)), [""; 0], "a moment");
        let newest = Some(limits::LAG_WORTH_A_WARNING + 101);
        assert_eq!(of_three(&|cluster| cluster.members[0].applied_index = newest), ["lagging", "lagging"]);
        assert_eq!(of_three(&|cluster| cluster.members[1].disk = Some((DiskState::Full, 1))), ["disk_short"]);
        let no_room = of_three(&|cluster| cluster.members[1].snapshot_needs = Some(1));
        assert_eq!(no_room, ["no_room_for_snapshot"]);
        let lasts = |days: u64| Some(Duration::from_secs(days * 24 * 3_600));
        assert_eq!(of_three(&|cluster| cluster.members[1].certificate_lasts = lasts(15)), [""; 0]);
        for days in [14, 0] {
            let expires = of_three(&|cluster| cluster.members[1].certificate_lasts = lasts(days));
            assert_eq!(expires, ["certificate_expires"]);
        }
        assert_eq!(of_three(&|cluster| cluster.members[1].version = Some("2".into())), ["mixed_versions"]);
        assert_eq!(of_three(&|cluster| cluster.members[1].draining = true), ["draining"]);
        assert_eq!(of_three(&|cluster| cluster.members[1].insecure = true), ["insecure"]);
        for (removed, kind) in [(false, "applicant"), (true, "removed_runs")] {
            let outsider = Outsider { name: "n4".into(), id: 4, peer_addr: "a:1".into(), removed };
            assert_eq!(of_three(&|cluster| cluster.outsiders = vec![outsider.clone()]), [kind]);
            let namesake = Outsider { name: "n3".into(), ..outsider };
            let kind = if removed { kind } else { "name_borne" };
            assert_eq!(of_three(&|cluster| cluster.outsiders = vec![namesake.clone()]), [kind]);
        }
    }

    #[test]
    fn the_clock_that_is_off_is_the_one_that_differs_from_the_others() {
        let mut seen = cluster(3);
        // As the one that is off sees it.
        seen.members[1].clock_offset_ms = Some(-5_000);
        seen.members[2].clock_offset_ms = Some(-5_010);
        let expected = Warning::ClockOff { name: "n1".into(), offset_ms: 5_000 };
        assert_eq!(of(&seen, false), [expected]);
    }
}
