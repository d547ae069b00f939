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
    /// `is_tls`: so must all be, also those that are no URLs.
    pub(crate) fn new(nodes: &[String], is_tls: bool, shuffle: bool) -> Result<Nodes, Error> {
        let mut urls =
            nodes.iter().map(|node| base_url(node, is_tls)).collect::<Result<Vec<Url>, Error>>()?;
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

    /// As it is said.
    pub(crate) fn name(&self, node: usize) -> &str {
        self.url(node).as_str().trim_end_matches('/')
    }

    pub(crate) fn url(&self, node: usize) -> &Url {
        &self.urls[node]
    }

    /// Whether any is spoken to over TLS.
    pub(crate) fn is_any_https(&self) -> bool {
        self.urls.iter().any(|url| url.scheme() == "https")
    }

    /// Leaves a node that failed. When many calls fail at once on the same node, one of them moves on for all.
    pub(crate) fn leave(&self, node: usize) {
        let next = (node + 1) % self.urls.len();
        let _ = self.current.compare_exchange(node, next, Ordering::Relaxed, Ordering::Relaxed);
    }
}

/// `HOST:PORT`, or a URL: without a port it has that of its scheme.
fn base_url(node: &str, is_tls: bool) -> Result<Url, Error> {
    let scheme = if is_tls { "https" } else { "http" };
    let wrong = |why: &str| {
        let node = node.escape_debug();
        Error::Config(format!("`{node}` {why}: write HOST:PORT, http://HOST:PORT or https://HOST:PORT"))
    };
    let is_url = node.contains("://");
    let text = if is_url { node.to_owned() } else { format!("{scheme}://{node}") };
    if node.parse::<u64>().is_ok() {
        return Err(wrong("is no node, but a number"));
    }
    if text.matches("://").count() > 1 {
        return Err(wrong("is no node"));
    }
    let url: Url = text.parse().map_err(|_| wrong("is no node"))?;
    if !["http", "https"].contains(&url.scheme()) {
        return Err(wrong("is no node"));
    }
    if url.scheme() != "https" && is_tls {
        let (node, https) = (node.escape_debug(), url.as_str().replacen("http:", "https:", 1));
        let https = https.trim_end_matches('/').to_owned();
        return Err(Error::Config(format!(
            "`{node}` is without TLS, where an authority or a certificate is given: nothing is sent there. Write {https}, or give neither"
        )));
    }
    if !is_url && !has_port(node) {
        return Err(wrong("has no port"));
    }
    if url.query().is_some() || url.fragment().is_some() || url.path().trim_end_matches('/').ends_with("/v1")
    {
        return Err(wrong("has more than an address"));
    }
    Ok(url)
}

/// Also when it is that of the scheme, which a URL does not keep.
fn has_port(node: &str) -> bool {
    let authority = node.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(n: usize) -> Nodes {
        Nodes::new(&(0..n).map(|i| format!("http://n{i}:8080")).collect::<Vec<_>>(), false, true)
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
    fn a_node_is_named_as_people_name_servers() {
        let table = [
            ("localhost:8080", "http://localhost:8080/"),
            ("10.0.0.1:80", "http://10.0.0.1/"),
            ("[::1]:8080", "http://[::1]:8080/"),
            ("http://h", "http://h/"),
            ("http://h:8081/quorate", "http://h:8081/quorate"),
            ("https://h", "https://h/"),
        ];
        for (node, url) in table {
            assert_eq!(base_url(node, false).expect("a node").as_str(), url, "{node}");
        }
        for node in ["h:443", "https://h", "HTTPS://h"] {
            assert_eq!(base_url(node, true).expect("a node").as_str(), "https://h/");
        }
    }

    #[test]
    fn where_tls_is_meant_nothing_is_sent_without() {
        for node in ["http://h:8080", "HTTP://h:8080", "http://h:8080/"] {
            let Err(Error::Config(said)) = base_url(node, true) else { panic!("{node} was taken") };
            assert!(said.contains(node) && said.contains("Write https://h:8080, or"), "{said}");
        }
    }

    #[test]
    fn refuses_what_is_not_a_base_url() {
        let table = [
            ("", "is no node"),
            ("a b:1", "is no node"),
            ("ftp://a", "is no node"),
            ("http://", "is no node"),
            ("h:99999", "is no node"),
            ("localhost", "has no port"),
            ("::1", "is no node"),
            ("h:1?x", "has more than an address"),
            ("http://h:1/v1", "has more than an address"),
            ("h:1/v1/", "has more than an address"),
            ("http://http://h:1", "is no node"),
            ("18080", "is no node, but a number"),
            ("a\nb", "`a\\nb`"),
        ];
        for (bad, why) in table {
            let Err(Error::Config(said)) = Nodes::new(&[bad.to_owned()], false, true) else {
                panic!("{bad:?} was taken")
            };
            assert!(said.contains(why), "{bad:?}: {said}");
        }
        assert!(matches!(Nodes::new(&[], false, true), Err(Error::Config(_))));
    }
}
