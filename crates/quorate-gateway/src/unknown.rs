//! Names that are not known, and which one was meant.

use crate::limits::MEANT_CHARS;

/// What is wrong with a name that is none of `known`.
pub(crate) fn unknown(name: &str, known: &[&str]) -> String {
    let known_ones = known.join(", ");
    match nearest(name, known.iter().copied()) {
        Some(meant) => format!("is unknown; did you mean {meant}? Known here: {known_ones}"),
        None if known.is_empty() => "is unknown: nothing is taken here".into(),
        None => format!("is unknown; known here: {known_ones}"),
    }
}

/// The one that differs little enough to be meant.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let measured = known.filter_map(|known| Some((distance(name, known)?, known)));
    measured.min_by_key(|(distance, _)| *distance).map(|(_, known)| known)
}

/// By how many slips of the finger two words differ; `None` where they are just different.
pub(crate) fn distance(one: &str, other: &str) -> Option<usize> {
    if one.len() > MEANT_CHARS {
        return None;
    }
    let distance = strsim::damerau_levenshtein(one, other);
    (distance <= 2 && distance < other.len().div_ceil(2)).then_some(distance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_understood() {
        let known = ["image", "max_retries", "n"];
        for (name, meant) in [
            ("max_retires", Some("max_retries")),
            ("maxretries", Some("max_retries")),
            ("Image", Some("image")),
            ("images", Some("image")),
            ("m", None),
            ("status", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, known.into_iter()), meant, "{name}");
        }
        assert_eq!(nearest(&"image".repeat(1 << 18), known.into_iter()), None);
    }
}
