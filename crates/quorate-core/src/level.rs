use std::fmt;

/// What versions of the program that run side by side agree on: what may stand in the log, in records and in snapshots.
///
/// The cluster has one, part of the table. It is raised by a command, once every member's program understands the next one,
/// and never lowered. What a level brings is not written before; so no replica meets what it does not understand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FeatureLevel(pub u32);

/// The level that this program understands. A change of what is written that older programs would not understand, or would
/// carry out otherwise, raises it: a command, a field of one, what apply makes of it, a record.
pub const FEATURE_LEVEL: FeatureLevel = FeatureLevel(1);

impl Default for FeatureLevel {
    /// That of a table before the first log entry.
    fn default() -> FeatureLevel {
        FeatureLevel(1)
    }
}

impl fmt::Display for FeatureLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A command of a level that this program does not understand could not be carried out by it.
    #[test]
    fn a_new_table_is_of_a_level_that_this_program_understands() {
        assert!(FeatureLevel::default() <= FEATURE_LEVEL);
    }
}
