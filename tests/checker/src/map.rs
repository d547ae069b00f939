use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, DefaultHasher};

/// A hash map with one order in every run, so that the same history gives the same report.
pub(crate) type Map<K, V> = HashMap<K, V, BuildHasherDefault<DefaultHasher>>;
/// The same without values.
pub(crate) type Set<K> = HashSet<K, BuildHasherDefault<DefaultHasher>>;
