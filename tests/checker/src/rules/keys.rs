//! What rules ask about attempts under one key.

use crate::event::Op;
use crate::facts::Facts;
use crate::map::Map;

/// Tells the requests that no other shares a key with. Under a key that was used before, a consume repeats an answer, of
/// which nothing may be left.
pub(super) fn is_alone<'h>(facts: &Facts<'h>) -> impl Fn(&Op) -> bool + use<'h> {
    let mut attempts: Map<&'h str, usize> = Map::default();
    for key in facts.history.ops.iter().filter_map(|op| op.key.as_deref()) {
        *attempts.entry(key).or_default() += 1;
    }
    move |op| op.key.as_deref().is_none_or(|key| attempts.get(key) == Some(&1))
}
