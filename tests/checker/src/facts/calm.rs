use crate::event::Fault;

/// The time in which a node suffered from no fault: what must happen at once is given more of the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Calm {
    /// From when to when it was harmed, ascending and apart from each other, with the harm up to its end.
    harmed: Vec<(u64, u64, u64)>,
}

impl Calm {
    pub(super) fn at(node: &str, faults: &[Fault]) -> Calm {
        let here = |fault: &&Fault| fault.leaderless || fault.nodes.iter().any(|name| **name == *node);
        let mut spans: Vec<(u64, u64)> =
            faults.iter().filter(here).map(|fault| (fault.from, fault.until)).collect();
        spans.sort_unstable();
        let mut harmed: Vec<(u64, u64, u64)> = Vec::new();
        for (from, until) in spans {
            let (end, sum) = harmed.last().map_or((0, 0), |(_, end, sum)| (*end, *sum));
            match harmed.last_mut() {
                Some(last) if from <= end => {
                    let longer = until.saturating_sub(end);
                    (last.1, last.2) = (end + longer, sum + longer);
                }
                Some(_) | None => harmed.push((from, until, sum + (until - from))),
            }
        }
        Calm { harmed }
    }

    /// How much of the time between the two was calm, in microseconds.
    pub(crate) fn between(&self, from: u64, until: u64) -> u64 {
        let whole = until.saturating_sub(from);
        whole.saturating_sub(self.harm_until(until).saturating_sub(self.harm_until(from)))
    }

    /// How much harm there was before this moment.
    fn harm_until(&self, at: u64) -> u64 {
        let begun = self.harmed.partition_point(|(from, _, _)| *from < at);
        let Some((_, until, sum)) = begun.checked_sub(1).map(|last| self.harmed[last]) else { return 0 };
        sum - until.saturating_sub(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(nodes: &[&str], leaderless: bool, from: u64, until: u64) -> Fault {
        let nodes = nodes.iter().map(|node| (*node).into()).collect();
        Fault { name: "kill".into(), nodes, leaderless, from, until }
    }

    #[test]
    fn harm_is_left_out_once_though_faults_overlap() {
        let kill = |from, until| fault(&["n1"], false, from, until);
        let calm = Calm::at("n1", &[kill(50, 60), kill(10, 30), kill(20, 40), kill(25, 35)]);
        let between = |from, until| calm.between(from, until);
        assert_eq!([between(0, 10), between(0, 20), between(0, 100)], [10, 10, 60]);
        assert_eq!([between(12, 38), between(35, 55), between(40, 50)], [0, 10, 10]);
        assert_eq!([between(60, 70), between(70, 60)], [10, 0]);
        assert_eq!(Calm::at("n1", &[]).between(3, 8), 5);
    }

    #[test]
    fn a_node_suffers_from_what_is_done_to_it_or_to_the_leader() {
        let faults = [fault(&["n1"], false, 10, 20), fault(&["n2"], true, 30, 40)];
        let calm = |node| Calm::at(node, &faults).between(0, 100);
        assert_eq!([calm("n1"), calm("n2"), calm("n3")], [80, 90, 90]);
    }
}
