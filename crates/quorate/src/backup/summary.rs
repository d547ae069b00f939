use std::collections::BTreeMap;

use jiff::Timestamp;
use quorate_node::BackupSummary;
use serde::Serialize;

use super::statuses;
use crate::number::counted;
use crate::output::Output;

/// A backup, for machines.
#[derive(Serialize)]
struct Shown<'a> {
    cluster_id: &'a str,
    index: u64,
    term: u64,
    log_time: String,
    made_at: String,
    version: &'a str,
    data_format: u32,
    feature_level: u32,
    jobs: BTreeMap<&'static str, u64>,
    rows: u64,
    bytes: u64,
    size: u64,
    state_hash: String,
}

/// Prints what a backup is.
pub(crate) fn shown(out: &mut Output, summary: &BackupSummary, json: bool) {
    let all: u64 = summary.jobs.iter().sum();
    let by_status: Vec<(&str, u64)> = statuses().zip(summary.jobs).collect();
    let (log_time, made_at) = (time(summary.log_time.0), time(summary.made_at_ms));
    let state_hash: String = summary.state_hash.iter().map(|byte| format!("{byte:02x}")).collect();
    if json {
        return out.json(&Shown {
            cluster_id: &summary.cluster_id,
            index: summary.index,
            term: summary.term,
            log_time,
            made_at,
            version: &summary.version,
            data_format: summary.data_format,
            feature_level: summary.feature_level.0,
            jobs: by_status.into_iter().collect(),
            rows: summary.rows,
            bytes: summary.bytes,
            size: summary.size,
            state_hash,
        });
    }
    let each =
        by_status.iter().filter(|(_, jobs)| *jobs > 0).map(|(status, jobs)| format!("{jobs} {status}"));
    let each = each.collect::<Vec<_>>().join(", ");
    let jobs = if each.is_empty() { all.to_string() } else { format!("{all}: {each}") };
    for (name, value) in [
        ("cluster", summary.cluster_id.clone()),
        ("log index", format!("{} (term {})", summary.index, summary.term)),
        ("log time", log_time),
        ("made at", made_at),
        ("made by", format!("version {}, data format {}", summary.version, summary.data_format)),
        ("level", summary.feature_level.to_string()),
        ("jobs", jobs),
        (
            "size",
            format!("{} bytes, of {} bytes in {}", summary.size, summary.bytes, counted(summary.rows, "row")),
        ),
        ("state hash", state_hash),
    ] {
        out.line(format_args!("{name:<12} {value}"));
    }
}

/// In a part of a line.
pub(crate) fn in_short(summary: &BackupSummary) -> String {
    let jobs: u64 = summary.jobs.iter().sum();
    format!(
        "{} of the cluster {} as of log index {}",
        counted(jobs, "job"),
        summary.cluster_id,
        summary.index
    )
}

fn time(ms: u64) -> String {
    let at = i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    at.map_or_else(|| format!("{ms} ms after 1970"), |at| at.to_string())
}
