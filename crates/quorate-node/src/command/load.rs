use quorate_core::limits::{BYTES_PER_ENTRY, COMMANDS_PER_ENTRY, JOBS_PER_ENTRY};

/// What a log entry is full by: commands, bytes, and jobs that are enqueued, granted or ended. Whoever applies it does nothing else
/// meanwhile, and a few bytes may ask for a thousand jobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) commands: usize,
    pub(crate) bytes: usize,
    pub(crate) jobs: usize,
}

impl Load {
    /// Adds what fits; true where it did. One alone always does.
    pub(crate) fn add(&mut self, other: Load) -> bool {
        let all = Load {
            commands: self.commands + other.commands,
            bytes: self.bytes + other.bytes,
            jobs: self.jobs.saturating_add(other.jobs),
        };
        let fits =
            all.commands <= COMMANDS_PER_ENTRY && all.bytes <= BYTES_PER_ENTRY && all.jobs <= JOBS_PER_ENTRY;
        let goes = fits || self.commands == 0;
        if goes {
            *self = all;
        }
        goes
    }
}

#[cfg(test)]
mod tests {
    use quorate_core::Take;
    use quorate_core::limits::{JOBS_PER_REQUEST, JOBS_THAT_GO_ON};
    use quorate_core::{Command, JobId};

    use super::*;

    /// How many of one kind an entry holds.
    fn fit(one: Load) -> usize {
        let mut entry = Load::default();
        std::iter::from_fn(|| entry.add(one).then_some(())).count()
    }

    #[test]
    fn an_entry_is_full_by_commands_by_bytes_or_by_jobs() {
        assert_eq!(fit(Load { commands: 1, bytes: 40, jobs: 1 }), COMMANDS_PER_ENTRY);
        assert_eq!(fit(Load { commands: 1, bytes: BYTES_PER_ENTRY / 3, jobs: 1 }), 3);
        let consume = Command::Consume { take: Take::default_queue(JOBS_PER_REQUEST as u32), key: None };
        assert_eq!(fit(Load { commands: 1, bytes: 40, jobs: consume.jobs() }), 4);
        let retry = Command::Retry { id: JobId([1; 16]), new_id: JobId([2; 16]), anew: true, key: None };
        assert_eq!(
            fit(Load { commands: 1, bytes: 40, jobs: retry.jobs() }),
            JOBS_PER_ENTRY / JOBS_THAT_GO_ON
        );
        let touch = Command::Touch { id: JobId([1; 16]), progress: None };
        assert_eq!(fit(Load { commands: 1, bytes: 40, jobs: touch.jobs() }), COMMANDS_PER_ENTRY);
    }

    #[test]
    fn one_that_is_too_large_goes_alone() {
        for large in [
            Load { commands: 1, bytes: BYTES_PER_ENTRY + 1, jobs: 1 },
            Load { commands: 1, bytes: 40, jobs: usize::MAX },
        ] {
            assert_eq!(fit(large), 1);
            let mut entry = Load { commands: 1, bytes: 40, jobs: 1 };
            assert!(!entry.add(large), "not with another one");
            assert!(entry.add(Load { commands: 1, bytes: 40, jobs: 1 }), "what does not fit takes nothing");
        }
    }
}
