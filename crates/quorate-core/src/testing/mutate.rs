/// Changes an encoded message as damage, or somebody who is clever, would: each change is a place, a kind and a byte.
pub fn mutate(bytes: &mut Vec<u8>, changes: &[(u32, u8, u8)]) {
    for &(place, kind, byte) in changes {
        let at = place as usize % (bytes.len() + 1);
        match (kind % 7, bytes.get_mut(at)) {
            (0, Some(there)) => *there = byte,
            (1, Some(there)) => *there ^= 1 << (byte % 8),
            (2, Some(_)) => drop(bytes.remove(at)),
            (3, _) => bytes.truncate(at),
            // A part twice.
            (4, _) => {
                let part = bytes[at..bytes.len().min(at + usize::from(byte))].to_vec();
                bytes.splice(at..at, part);
            }
            // The longest number there is.
            (5, _) => drop(bytes.splice(at..at, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1])),
            (_, _) => bytes.insert(at, byte),
        }
    }
}
