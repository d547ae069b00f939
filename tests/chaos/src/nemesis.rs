mod members;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, ensure};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use tokio::time::{Instant, sleep};

use crate::clock::Clock;
use crate::fault::{Action, Victim};
use crate::hosts::{Host, Node};
use crate::injected::Injected;
use crate::keys::Who;
use crate::limits;
use crate::observe::{Observer, Stuck};
use crate::probes::{FIRST_PROBE, probe};
use crate::rest::Rest;
use crate::revoke::revoke_token;
use crate::runner::Runner;
use crate::schedule::Step;
use crate::shared::Shared;

/// Does the harm.
pub(crate) struct Nemesis<H> {
    pub(crate) host: H,
    pub(crate) observer: Observer,
    /// A runner beside the clients, where there can be one.
    pub(crate) runner: Option<Runner>,
    shared: Arc<Shared>,
    rest: Arc<Rest>,
    clock: Clock,
    rng: StdRng,
    probes: Arc<AtomicU32>,
}

impl<H: Host> Nemesis<H> {
    pub(crate) fn new(host: H, shared: Arc<Shared>, clock: Clock, seed: u64) -> anyhow::Result<Nemesis<H>> {
        Ok(Nemesis {
            host,
            observer: Observer::new(&shared.nodes)?,
            runner: None,
            rest: Arc::new(Rest::new(clock, &shared.nodes, Who::Client)?),
            shared,
            clock,
            rng: StdRng::seed_from_u64(seed.rotate_left(17)),
            probes: Arc::new(AtomicU32::new(FIRST_PROBE)),
        })
    }

    /// Injects a fault, holds it, takes it back, and waits until the cluster has healed.
    ///
    /// # Errors
    /// The fault did not take hold, or the cluster is [`Stuck`].
    pub(crate) async fn inject(&mut self, step: Step) -> anyhow::Result<Injected> {
        let Step { fault, hold, .. } = step;
        // What ended in the quiet before must not hide behind this fault.
        if let Some(ended) = self.host.ended().await? {
            return Err(Stuck(ended).into());
        }
        let nodes = self.host.nodes().to_vec();
        let mut leader = self.observer.leader(&nodes).await?;
        let mut victims = self.victims(fault.victim, leader);
        if let Some(ahead) = fault.action.clock() {
            self.host.set_clocks(&victims, ahead)?;
            sleep(limits::NOTICE).await;
            leader = self.observer.leader(&nodes).await?;
            victims = vec![leader];
        }
        let survivors: Vec<usize> = (0..nodes.len()).filter(|node| !victims.contains(node)).collect();
        let is_taken = fault.leaves_majority() && !fault.is_in_turn() && !fault.hands_over();
        let took_leader = is_taken && victims.contains(&leader);
        let (mut turns, mut refused) = (Vec::new(), Vec::new());
        let from = self.clock.now();
        let probes = took_leader.then(|| {
            let (rest, shared) = (Arc::clone(&self.rest), Arc::clone(&self.shared));
            (rest, shared, survivors.clone(), Arc::clone(&self.probes))
        });

        let (struck, over) = match fault.action {
            Action::Kill | Action::ClockAhead | Action::ClockBehind | Action::ClockRight => {
                self.host.kill(&victims).await?;
                let times = self.hold(hold, probes).await?;
                self.host.start(&victims).await?;
                times
            }
            Action::Crash => {
                self.host.crash(&victims).await?;
                let times = self.hold(hold, probes).await?;
                self.host.started_again(&victims).await?;
                times
            }
            Action::Pause => {
                self.host.pause(&victims).await?;
                let times = self.hold(hold, probes).await?;
                self.host.resume(&victims).await?;
                times
            }
            Action::Restart => {
                // A node that is asked to end may take its time: probing begins with the signal.
                let probing =
                    probes.map(|(rest, shared, nodes, next)| tokio::spawn(probe(rest, shared, nodes, next)));
                self.host.stop(&victims).await?;
                if let Some(probing) = probing {
                    probing.await??;
                }
                let over = self.clock.now();
                self.host.start(&victims).await?;
                (from, over)
            }
            Action::Wipe => self.lose_data(fault.action, &victims, &survivors, hold, probes).await?,
            Action::LoseTail => {
                for victim in &victims {
                    self.keep_log(*victim).await?;
                }
                self.lose_data(fault.action, &victims, &survivors, hold, probes).await?
            }
            Action::Outage => {
                let before = self.observer.applied(&nodes[victims[0]], true).await?;
                let snapshots = self.host.snapshots_received(victims[0]).await?;
                self.host.kill(&victims).await?;
                let (struck, forgotten) = (self.clock.now(), Instant::now() + limits::FORGOTTEN);
                self.fall_behind(&nodes[survivors[0]], before).await?;
                tokio::time::sleep_until(forgotten).await;
                let over = self.clock.now();
                self.host.start(&victims).await?;
                self.observer.healed(&mut self.host).await?;
                let received = self.host.snapshots_received(victims[0]).await? > snapshots;
                ensure!(received, "the node caught up without a snapshot");
                (struck, over)
            }
            Action::PowerCut => {
                self.host.cut_power(&victims).await?;
                let times = self.hold(hold, probes).await?;
                self.host.start(&victims).await?;
                times
            }
            Action::FillDisk => {
                for node in &victims {
                    self.host.fill_disk(*node)?;
                }
                if fault.victim == Victim::Leader {
                    self.handed_over(&nodes, leader).await?;
                }
                // Long enough for a leader to have learned that nobody else has room.
                let hold = if fault.victim == Victim::All { hold.max(limits::ALL_FULL) } else { hold };
                let (struck, _) = self.hold(hold, None).await?;
                if fault.victim == Victim::Follower {
                    self.host.kill(&victims).await?;
                    self.host.start(&victims).await?;
                    sleep(hold).await;
                    // It must not have ended for want of room.
                    if let Some(ended) = self.host.ended().await? {
                        return Err(Stuck(ended).into());
                    }
                }
                victims.iter().try_for_each(|node| self.host.make_room(*node))?;
                let over = self.clock.now();
                if fault.victim == Victim::All {
                    // Nodes look at their disks a few times a second.
                    let (rest, shared) = (Arc::clone(&self.rest), Arc::clone(&self.shared));
                    probe(rest, shared, victims.clone(), Arc::clone(&self.probes)).await?;
                }
                (struck, over)
            }
            Action::LoseLog if victims.is_empty() => {
                self.runner.as_mut().context("there is no runner")?.lose_log().await?;
                (from, self.clock.now())
            }
            Action::LoseLog => {
                for node in &victims {
                    self.host.lose_log(*node).await?;
                }
                // Something that all of them have to say.
                let other = vec![survivors[0]];
                self.host.kill(&other).await?;
                let times = self.hold(hold, None).await?;
                self.host.start(&other).await?;
                self.observer.healed(&mut self.host).await?;
                self.host.stop(&victims).await?;
                self.host.start(&victims).await?;
                victims.extend(other);
                times
            }
            Action::Disconnect => {
                self.host.disconnect(&victims).await?;
                let times = self.hold(hold, probes).await?;
                self.host.reconnect(&victims).await?;
                times
            }
            Action::Recreate | Action::Roll => {
                for node in &victims {
                    let begun = self.clock.now();
                    if fault.action == Action::Recreate {
                        self.host.recreate(*node).await?;
                    } else {
                        let asked = &nodes[(node + 1) % nodes.len()];
                        self.observer.drain(asked, &nodes[*node].name).await?;
                        self.host.stop(&[*node]).await?;
                        self.host.start(&[*node]).await?;
                    }
                    self.observer.healed(&mut self.host).await?;
                    turns.push((nodes[*node].name.clone(), begun, self.clock.now()));
                }
                (from, self.clock.now())
            }
            Action::Rejoin => self.rejoin(victims[0], survivors[0]).await?,
            Action::Replace => self.replace(victims[0], survivors[0]).await?,
            Action::Grow => {
                victims.clear();
                self.be_five(hold).await?
            }
            Action::RotateCerts => {
                let rotated = self.host.rotate_certificates().await;
                self.or_ended(rotated).await?;
                let (struck, leader) = (self.clock.now(), self.observer.leader(&nodes).await?);
                victims = self.victims(Victim::Follower, leader);
                self.host.kill(&victims).await?;
                self.host.start(&victims).await?;
                self.observer.healed(&mut self.host).await?;
                let over = self.clock.now();
                turns.extend(victims.iter().map(|node| (nodes[*node].name.clone(), struck, over)));
                (from, over)
            }
            Action::RevokeToken => {
                victims.clear();
                refused.extend(nodes[0].keys.guests().map(|guests| guests.all()).into_iter().flatten());
                let revoked = revoke_token(&mut self.host, &self.observer, &nodes, self.clock).await;
                self.or_ended(revoked).await?
            }
        };
        self.observer.healed(&mut self.host).await?;
        for node in &victims {
            self.shared.closed[*node].store(false, Ordering::Release);
        }
        let leaderless = !fault.leaves_majority() || victims.contains(&leader);
        let victims = victims.into_iter().map(|node| nodes[node].name.clone()).collect();
        let healed = self.clock.now();
        Ok(Injected { fault, victims, from, struck, over, healed, took_leader, leaderless, turns, refused })
    }

    /// Where a node has ended meanwhile, that is what went wrong.
    async fn or_ended<T>(&mut self, done: anyhow::Result<T>) -> anyhow::Result<T> {
        match self.host.ended().await? {
            Some(ended) => Err(Stuck(ended).into()),
            None => done,
        }
    }

    /// Waits until another node leads.
    async fn handed_over(&mut self, nodes: &[Node], from: usize) -> anyhow::Result<()> {
        let deadline = Instant::now() + limits::HAND_OVER;
        while self.observer.leader(nodes).await? == from {
            if let Some(ended) = self.host.ended().await? {
                return Err(Stuck(ended).into());
            }
            if Instant::now() >= deadline {
                let name = &nodes[from].name;
                return Err(Stuck(format!("{name} goes on to lead although its disk is full")).into());
            }
            sleep(limits::POLL).await;
        }
        Ok(())
    }

    /// Keeps a node's log, and waits until what it has is not enough any more.
    async fn keep_log(&mut self, node: usize) -> anyhow::Result<()> {
        self.host.kill(&[node]).await?;
        self.host.keep_log(node).await?;
        self.host.start(&[node]).await?;
        self.observer.healed(&mut self.host).await?;
        let node = self.host.nodes()[node].clone();
        let enough = self.observer.applied(&node, true).await? + limits::TAIL;
        self.grow(&node, enough).await
    }

    /// Nodes lose data, and are to come back as new ones.
    async fn lose_data(
        &mut self,
        action: Action,
        victims: &[usize],
        survivors: &[usize],
        hold: std::time::Duration,
        probes: Option<Probes>,
    ) -> anyhow::Result<(u64, u64)> {
        let nodes = self.host.nodes().to_vec();
        let mut before = Vec::new();
        for node in victims {
            before.push(self.observer.id_of(&nodes[survivors[0]], &nodes[*node].name).await?);
            self.shared.closed[*node].store(true, Ordering::Release);
        }
        self.host.kill(victims).await?;
        let times = self.hold(hold, probes).await?;
        for node in victims {
            if action == Action::LoseTail {
                self.host.lose_tail(*node).await?;
            } else {
                self.host.wipe(*node).await?;
            }
        }
        self.host.start(victims).await?;
        let deadline = Instant::now() + limits::HEAL;
        for (node, before) in victims.iter().zip(before) {
            let name = &nodes[*node].name;
            while self.observer.id_of(&nodes[survivors[0]], name).await.is_ok_and(|id| id == before) {
                if Instant::now() >= deadline {
                    return Err(Stuck(format!("{name} has lost data, and goes on as if it had not")).into());
                }
                sleep(limits::POLL).await;
            }
        }
        Ok(times)
    }

    /// Lets a fault that has taken hold last, while probes ask when writes succeed again. Says from when to when.
    async fn hold(&self, hold: std::time::Duration, probes: Option<Probes>) -> anyhow::Result<(u64, u64)> {
        let struck = self.clock.now();
        let until = Instant::now() + hold;
        if let Some((rest, shared, nodes, next)) = probes {
            probe(rest, shared, nodes, next).await?;
        }
        tokio::time::sleep_until(until).await;
        Ok((struck, self.clock.now()))
    }

    /// Waits until the others have let go of the log that comes after `before`.
    async fn fall_behind(&self, survivor: &Node, before: u64) -> anyhow::Result<()> {
        self.grow(survivor, before + 2 * limits::SNAPSHOT_EVERY + limits::LOGS_KEPT).await
    }

    /// Waits until a node has applied the log up to there.
    async fn grow(&self, node: &Node, enough: u64) -> anyhow::Result<()> {
        let deadline = Instant::now() + limits::DRAIN;
        while self.observer.applied(node, false).await? < enough {
            ensure!(Instant::now() < deadline, "the log does not grow enough");
            sleep(limits::POLL).await;
        }
        Ok(())
    }

    fn victims(&mut self, victim: Victim, leader: usize) -> Vec<usize> {
        let count = self.host.nodes().len();
        let mut others: Vec<usize> = (0..count).filter(|node| *node != leader).collect();
        others.shuffle(&mut self.rng);
        match victim {
            Victim::Leader => vec![leader],
            Victim::Follower => others.into_iter().take(1).collect(),
            Victim::Majority => {
                let majority = count / 2 + 1;
                if self.rng.random_bool(0.7) {
                    std::iter::once(leader).chain(others).take(majority).collect()
                } else {
                    others.into_iter().take(majority).collect()
                }
            }
            Victim::All => (0..count).collect(),
            Victim::Runner => Vec::new(),
        }
    }
}

type Probes = (Arc<Rest>, Arc<Shared>, Vec<usize>, Arc<AtomicU32>);
