//! What the version before says and has written must go on to mean the same: no field, value or call of level 1 may go, be
//! renumbered, or become another one. `level-1.txt` has them. What is new is not there, and belongs to a higher level
//! (docs/decisions/2026-11-26-feature-level.md).

use std::collections::BTreeSet;

const FROZEN: &str = include_str!("level-1.txt");
const TODAY: &str = include_str!(concat!(env!("OUT_DIR"), "/contract.txt"));

#[test]
fn what_is_frozen_is_as_it_was() {
    let today: BTreeSet<&str> = TODAY.lines().collect();
    let gone: Vec<&str> = FROZEN.lines().filter(|line| !today.contains(line)).collect();
    assert!(gone.is_empty(), "of level 1, but not any more in proto/: {gone:#?}");
    assert!(FROZEN.lines().count() > 100, "the list is whole");
}
