use std::borrow::Cow;

use percent_encoding::percent_decode;

/// The pairs of a query or of a urlencoded form, as bytes: a log need not be UTF-8. A `%` without two hex digits stands
/// for itself.
pub(crate) fn pairs(encoded: &[u8]) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    encoded.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        let mut half = || decode(halves.next().unwrap_or_default());
        (half(), half())
    })
}

fn decode(encoded: &[u8]) -> Vec<u8> {
    let spaced: Cow<'_, [u8]> = if encoded.contains(&b'+') {
        encoded.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect()
    } else {
        encoded.into()
    };
    percent_decode(&spaced).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        for (encoded, expected) in [
            ("", &[][..]),
            ("a=1&b=2", &[("a", "1"), ("b", "2")]),
            ("log=plain%20text", &[("log", "plain text")]),
            ("log=a+b%2Bc", &[("log", "a b+c")]),
            ("log=a=b", &[("log", "a=b")]),
            ("&&log&", &[("log", "")]),
            ("log=100%&reason=%zz", &[("log", "100%"), ("reason", "%zz")]),
            ("d%C3%A9tails=%E2%82%AC", &[("détails", "€")]),
        ] {
            let expected: Vec<_> = expected
                .iter()
                .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
                .collect();
            assert_eq!(pairs(encoded.as_bytes()).collect::<Vec<_>>(), expected, "{encoded}");
        }
        assert_eq!(
            pairs(b"log=%ff%00").next(),
            Some((b"log".to_vec(), vec![0xff, 0])),
            "bytes stay what they are"
        );
    }
}
