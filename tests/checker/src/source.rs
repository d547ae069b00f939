use crate::queue::DEFAULT_QUEUE;

/// From where a consume takes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Source<'a> {
    /// From the first of these that has a job.
    InOrder(Vec<&'a str>),
    /// From one of these that have a job, drawn by their weights.
    ByWeight(Vec<(&'a str, u32)>),
    /// From any that has a job.
    All,
}

impl<'a> Source<'a> {
    /// What the words of a call say, as the field `queue` of the REST interface; `None` where that is nothing.
    pub(crate) fn parse(words: &'a [Box<str>]) -> Option<Source<'a>> {
        let weighted = |word: &'a str| {
            let (name, weight) = word.split_once(':')?;
            Some((name, weight.parse().ok().filter(|weight| *weight > 0)?))
        };
        match words {
            [] => Some(Source::InOrder(vec![DEFAULT_QUEUE])),
            [all] if **all == *"*" => Some(Source::All),
            [first, ..] if first.contains(':') => {
                words.iter().map(|word| weighted(word)).collect::<Option<_>>().map(Source::ByWeight)
            }
            words if words.iter().any(|word| word.contains([':', '*'])) => None,
            words => Some(Source::InOrder(words.iter().map(|word| &**word).collect())),
        }
    }

    /// True where it takes from this queue.
    pub(crate) fn names(&self, queue: &str) -> bool {
        match self {
            Source::InOrder(names) => names.contains(&queue),
            Source::ByWeight(names) => names.iter().any(|(name, _)| *name == queue),
            Source::All => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_read_as_a_gateway_does() {
        let parse = |words: &[&str]| {
            let words: Vec<Box<str>> = words.iter().map(|word| (*word).into()).collect();
            Source::parse(&words).map(|source| format!("{source:?}"))
        };
        assert_eq!(parse(&[]).as_deref(), Some(r#"InOrder(["default"])"#));
        assert_eq!(parse(&["a", "b"]).as_deref(), Some(r#"InOrder(["a", "b"])"#));
        assert_eq!(parse(&["a:5", "b:1"]).as_deref(), Some(r#"ByWeight([("a", 5), ("b", 1)])"#));
        assert_eq!(parse(&["*"]).as_deref(), Some("All"));
        for none in [&["a:5", "b"][..], &["a", "b:1"], &["a:0"], &["a", "*"]] {
            assert_eq!(parse(none), None, "{none:?}");
        }
    }
}
