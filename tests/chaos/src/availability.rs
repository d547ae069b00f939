use std::fmt::Write;

use quorate_check::Op;

use crate::client::is_answered;
use crate::injected::Injected;
use crate::rest::{FORBIDDEN, UNAUTHORIZED};

/// Failures that are shown.
const SHOWN: usize = 5;

/// Requests that got no answer, or one that says that the cluster cannot, although a majority lived, through nodes that
/// nobody had harmed. An election is no excuse: requests wait for it. To be refused for a token is one, too, where that was not removed.
pub(crate) fn failures<'o>(ops: &'o [Op], injected: &[Injected]) -> Vec<&'o Op> {
    let is_excused =
        |op: &Op| injected.iter().any(|one| (one.meets(op) && !one.fault.leaves_majority()) || one.harms(op));
    let is_failure = |op: &Op| match op.status {
        Some(UNAUTHORIZED | FORBIDDEN) => !injected.iter().any(|one| one.refuses(op)),
        _ => !is_answered(op) && !is_excused(op),
    };
    ops.iter().filter(|op| !op.implied && !op.left && is_failure(op)).collect()
}

/// The failures in words; nothing if there are none.
pub(crate) fn tell(failures: &[&Op]) -> String {
    let mut told = String::new();
    if !failures.is_empty() {
        let _ = writeln!(
            told,
            "\navailable is broken ({} times): while a majority lives, a node that is well answers",
            failures.len()
        );
    }
    for op in failures.iter().take(SHOWN) {
        let _ = writeln!(told, "  {op:?}");
    }
    told
}

#[cfg(test)]
mod tests {
    use quorate_check::{Call, Outcome};

    use super::*;
    use crate::fault::{Action, Fault, Victim};

    fn op(node: &str, invoke: u64, outcome: Outcome, status: Option<u16>) -> Op {
        let call = Call::List { linearizable: false };
        Op { returned: invoke + 10, outcome, status, ..Op::sent(1, node, invoke, call, None) }
    }

    fn injected(victim: Victim, victims: &[&str], from: u64) -> Injected {
        Injected {
            fault: Fault::new(Action::Kill, victim),
            victims: victims.iter().map(ToString::to_string).collect(),
            from,
            struck: from + 10,
            over: from + 50,
            healed: from + 90,
            took_leader: false,
            leaderless: false,
            turns: Vec::new(),
            refused: Vec::new(),
        }
    }

    #[test]
    fn a_failure_is_excused_by_harm_to_its_node_or_to_a_majority_and_by_nothing_else() {
        let faults = [injected(Victim::Leader, &["n1"], 100), injected(Victim::Majority, &["n1", "n2"], 300)];
        let failed = |node, invoke, status| {
            let ops = [op(node, invoke, Outcome::Fail, status), op(node, invoke, Outcome::Ok, Some(200))];
            !failures(&ops, &faults).is_empty()
        };
        assert!(failed("n2", 150, Some(503)), "the leader of the others died");
        assert!(failed("n2", 150, None));
        assert!(!failed("n2", 150, Some(409)), "that is an answer");
        assert!(!failed("n1", 95, None), "it was killed meanwhile");
        assert!(failed("n1", 200, None), "nobody harms it any more");
        assert!(!failed("n3", 350, Some(503)), "no majority lives");
    }

    #[test]
    fn of_nodes_that_are_harmed_in_turn_each_is_excused_in_its_own() {
        let mut roll = injected(Victim::All, &["n1", "n2"], 100);
        roll.fault = Fault::new(Action::Roll, Victim::All);
        roll.turns = vec![("n1".into(), 100, 140), ("n2".into(), 150, 190)];
        let failed = |node, invoke| {
            !failures(&[op(node, invoke, Outcome::Fail, Some(503))], &[roll.clone()]).is_empty()
        };
        assert!(!failed("n1", 95) && !failed("n1", 140) && !failed("n2", 160));
        assert!(failed("n1", 160), "it is well again");
        assert!(failed("n2", 110), "it was not its turn");
        assert!(failed("n3", 120));
    }

    #[test]
    fn a_token_is_refused_to_those_alone_who_lose_it_and_after_it_was_removed() {
        let mut revoked = injected(Victim::All, &[], 100);
        revoked.fault = Fault::new(Action::RevokeToken, Victim::All);
        revoked.refused = vec![1];
        let failed = |client, invoke, status| {
            let op = Op { client, ..op("n1", invoke, Outcome::Fail, Some(status)) };
            !failures(&[op], &[revoked.clone()]).is_empty()
        };
        assert!(!failed(1, 105, 401) && !failed(1, 150, 401), "while it is removed, from 110 to 150");
        assert!(failed(1, 90, 401), "it was not removed yet");
        assert!(failed(1, 151, 401), "it has another one");
        assert!(failed(2, 120, 401), "it never had that one");
        assert!(failed(1, 120, 403) && failed(1, 120, 503));
    }
}
