use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

/// A hash map with one order in every run, so that the same history gives the same report.
pub(crate) type Map<K, V> = HashMap<K, V, BuildHasherDefault<Fnv>>;
/// The same without values.
pub(crate) type Set<K> = HashSet<K, BuildHasherDefault<Fnv>>;

/// FNV-1a: short ids hash faster than with the standard library's hasher, which withstands attackers.
pub(crate) struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Fnv {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
