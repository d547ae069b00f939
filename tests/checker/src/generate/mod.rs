//! Good histories, as large as wanted: simulated clients on a small simulated cluster, whose nodes apply one log to
//! the model, each at its own pace, while requests and answers get lost.

mod client;
mod cluster;
mod command;
mod record;
mod world;

use std::io::{self, Write};

use crate::event::{FORMAT, Run};
use crate::writer::HistoryWriter;
use world::World;

/// Which history to generate.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// At least so many lines.
    pub events: usize,
    /// The same seed gives the same history.
    pub seed: u64,
}

/// Rounds of the simulation with all nodes well, at the end.
const ROUNDS_HEALED: usize = 60;

/// Writes a good history.
///
/// # Errors
/// Writing failed.
pub fn generate(plan: Plan, out: impl Write) -> io::Result<()> {
    let nodes: Vec<Box<str>> = cluster::NAMES.map(Into::into).to_vec();
    let run = Run {
        format: FORMAT,
        nodes,
        skew_ms: 1_000,
        late_ms: 10_000,
        prompt_ms: 5_000,
        write_ms: quorate_core::limits::REQUEST_MILLIS,
        retention: quorate_core::limits::RETENTION_SECONDS_DEFAULT,
        queues: client::settings(),
        about: format!("generated from seed {}", plan.seed),
    };
    let mut writer = HistoryWriter::new(out, &run)?;
    let mut world = World::new(plan.seed);
    while world.events() < plan.events {
        world.round(&mut writer)?;
    }
    world.heal(&mut writer)?;
    for _ in 0..ROUNDS_HEALED {
        world.round(&mut writer)?;
    }
    world.rest(&mut writer)?;
    world.watch(&mut writer)?;
    for (name, index, jobs) in world.scans() {
        writer.scan(name, index, None, &jobs)?;
    }
    for counts in world.counts() {
        writer.counts(&counts)?;
    }
    writer.finish().map(drop)
}
