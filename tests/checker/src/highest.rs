/// The highest value up to a key: a running maximum that can be asked at any key, in O(log n).
///
/// With return times for keys it answers what real time demands: the highest position of all that had returned before
/// a request was invoked.
#[derive(Clone, Debug)]
pub(crate) struct Highest<K, V> {
    by_key: Vec<(K, V)>,
}

impl<K: Ord + Copy, V: Ord + Copy> Highest<K, V> {
    /// The highest value whose key is below `key`.
    pub(crate) fn below(&self, key: K) -> Option<V> {
        let after = self.by_key.partition_point(|(other, _)| *other < key);
        Some(self.by_key[after.checked_sub(1)?].1)
    }
}

impl<K: Ord + Copy, V: Ord + Copy> FromIterator<(K, V)> for Highest<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(items: I) -> Highest<K, V> {
        let mut by_key: Vec<(K, V)> = items.into_iter().collect();
        by_key.sort_unstable();
        for at in 1..by_key.len() {
            by_key[at].1 = by_key[at].1.max(by_key[at - 1].1);
        }
        Highest { by_key }
    }
}

#[cfg(test)]
mod tests {
    use super::Highest;

    #[test]
    fn a_running_maximum_below_a_key() {
        let highest: Highest<u64, u64> = [(30, 1), (10, 5), (20, 3), (20, 9)].into_iter().collect();
        let at = |key| highest.below(key);
        assert_eq!([at(10), at(11), at(20), at(21), at(99)], [None, Some(5), Some(5), Some(9), Some(9)]);
    }
}
