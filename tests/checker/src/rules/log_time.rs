//! Log time is one for all commands of an entry and never goes back (`now = max(stamp, last)`): what delays and
//! timeouts rest on.

use crate::facts::{Facts, answered_times};
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule = Rule {
    name: "log-time",
    means: "log time never goes back along the log, and is one within an entry",
    check,
};

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    let mut times: Vec<_> = answered_times(facts).map(|(tick, op)| (tick.index, tick.time, op)).collect();
    times.sort_unstable();
    findings.checked = times.len().min(1);
    for pair in times.windows(2) {
        let [(index, time, first), (next, later, second)] = [pair[0], pair[1]];
        let holds = if index == next { time == later } else { time <= later };
        findings.require(holds, || {
            let what = format!("log time is {time} ms in entry {index}, and {later} ms in entry {next}");
            (what, facts.lines([first, second]))
        });
    }
}
