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
