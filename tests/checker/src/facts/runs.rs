use super::{At, Span, Stay};

/// When jobs may have run, at the earliest and at the latest.
pub(crate) struct Runs {
    starts: Vec<At>,
    ends: Vec<At>,
}

impl Runs {
    /// Those of these.
    pub(crate) fn new<'a>(stays: impl Iterator<Item = &'a Stay<'a>>) -> Runs {
        let (mut starts, mut ends): (Vec<At>, Vec<At>) =
            stays.filter(|stay| stay.may_have_run()).map(|stay| (stay.left.first, stay.ended.last)).unzip();
        starts.sort_unstable();
        ends.sort_unstable();
        Runs { starts, ends }
    }

    /// How many can have run at once somewhere in this span, at the most.
    pub(crate) fn most(&self, during: Span) -> usize {
        let begun = self.starts.partition_point(|start| *start <= during.last);
        let over = self.ends.partition_point(|end| *end < during.first);
        begun.saturating_sub(over)
    }
}
