//! Drivers with real programs and containers, and a runner with a cluster that is played, over real sockets.

mod docker;
mod played_cluster;
mod process;
mod runner;
mod scripts;
