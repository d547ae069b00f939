use std::sync::atomic::{AtomicUsize, Ordering};

use rand::seq::SliceRandom;
use reqwest::Url;

use crate::Error;

/// The nodes, and the one that is used now.
///
/// Shuffled, many clients spread over the nodes, and spread again when one dies.
#[derive(Debug)]
pub(crate) struct Nodes {
    urls: Vec<Url>,
    current: AtomicUsize,
}

impl Nodes {
    pub(crate) fn new(nodes: &[String], shuffle: bool) -> Result<Nodes, Error> {
        let mut urls = nodes.iter().map(|node| base_url(node)).collect::<Result<Vec<Url>, Error>>()?;
        if urls.is_empty() {
            return Err(Error::Config("no nodes were given".into()));
        }
        if shuffle {
            urls.shuffle(&mut rand::rng());
        }
        Ok(Nodes { urls, current: AtomicUsize::new(0) })
    }

    pub(crate) fn len(&self) -> usize {
        self.urls.len()
    }

    /// The node to ask now.
    pub(crate) fn current(&self) -> usize {
        self.current.load(Ordering::Relaxed)
    }

    pub(crate) fn url(&self, node: usize) -> &Url {
        &self.urls[node]
    }

    /// Leaves a node that failed. When many calls fail at once on the same node, one of them moves on for all.
    pub(crate) fn leave(&self, node: usize) {
        let next = (node + 1) % self.urls.len();
        let _ = self.current.compare_exchange(node, next, Ordering::Relaxed, Ordering::Relaxed);
    }
}

fn base_url(node: &str) -> Result<Url, Error> {
    let url: Url = node.parse().map_err(|error| Error::Config(format!("node {node:?}: {error}")))?;
    if url.scheme() != "http" || url.host().is_none() {
        return Err(Error::Config(format!("node {node:?}: expected http://HOST:PORT")));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(n: usize) -> Nodes {
        Nodes::new(&(0..n).map(|i| format!("http://n{i}:8080")).collect::<Vec<_>>(), true)
            .expect("these are URLs")
    }

    #[test]
    fn sticks_to_a_node_until_it_is_left() {
        let nodes = nodes(3);
        assert_eq!((nodes.current(), nodes.current()), (0, 0));
        nodes.leave(0);
        assert_eq!(nodes.current(), 1);
    }

    #[test]
    fn many_failures_of_one_node_move_on_once() {
        let nodes = nodes(3);
        nodes.leave(0);
        nodes.leave(0);
        assert_eq!(nodes.current(), 1);
    }

    #[test]
    fn comes_round() {
        let nodes = nodes(2);
        nodes.leave(0);
        nodes.leave(1);
        assert_eq!(nodes.current(), 0);
    }

    #[test]
    fn clients_spread() {
        let firsts: std::collections::BTreeSet<String> =
            (0..200).map(|_| nodes(3).url(0).to_string()).collect();
        assert_eq!(firsts.len(), 3, "200 clients did not start at all three nodes");
    }

    #[test]
    fn refuses_what_is_not_a_base_url() {
        for bad in ["", "localhost:8080", "https://a", "ftp://a"] {
            assert!(
                matches!(Nodes::new(&[bad.to_owned()], true), Err(Error::Config(_))),
                "{bad:?} was taken"
            );
        }
        assert!(matches!(Nodes::new(&[], true), Err(Error::Config(_))));
    }
}
