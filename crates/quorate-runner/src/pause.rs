use std::time::Duration;

use crate::limits;

/// The pauses after calls that the client gave up on; they double. (backon would do that one line of it.)
#[derive(Debug)]
pub(crate) struct Pause {
    next: Duration,
    failed: bool,
}

impl Pause {
    pub(crate) fn new() -> Pause {
        Pause { next: *limits::CLUSTER_PAUSE.start(), failed: false }
    }

    /// Notes that a call failed; true for the first one, which is worth a line.
    pub(crate) fn fails_first(&mut self) -> bool {
        !std::mem::replace(&mut self.failed, true)
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failed
    }

    pub(crate) async fn take(&mut self) {
        tokio::time::sleep(self.next).await;
        self.next = (self.next * 2).min(*limits::CLUSTER_PAUSE.end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failure_after_the_other_is_said_once() {
        let mut pause = Pause::new();
        assert!(!pause.has_failed());
        assert!(pause.fails_first());
        assert!(!pause.fails_first() && pause.has_failed());
    }
}
