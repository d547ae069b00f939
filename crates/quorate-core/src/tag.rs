use crate::limits;

/// True for what may be a tag of a job: 1 to 64 visible ASCII characters, no comma among them, which stands between tags where a
/// text names several.
pub fn is_tag(text: &str) -> bool {
    (1..=limits::TAG_BYTES).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',')
}

/// True for what may be all tags of a job: few, and none twice.
pub fn are_tags(tags: &[Box<str>]) -> bool {
    let is_new = |(place, tag): (usize, _)| !tags[..place].contains(tag);
    tags.len() <= limits::TAGS && tags.iter().all(|tag| is_tag(tag)) && tags.iter().enumerate().all(is_new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_short_and_can_stand_in_a_list() {
        for tag in ["a", "customer:42", "Run=7/b", &"x".repeat(64)] {
            assert!(is_tag(tag), "{tag:?}");
        }
        for none in ["", "a b", "a,b", "ä", "a\n", &"x".repeat(65)] {
            assert!(!is_tag(none), "{none:?}");
        }
    }

    #[test]
    fn tags_are_few_and_none_stands_twice() {
        let tags = |names: &[&str]| names.iter().map(|name| Box::from(*name)).collect::<Vec<Box<str>>>();
        assert!(are_tags(&tags(&[])));
        assert!(are_tags(&tags(&["a", "b", "c", "d", "e", "f", "g", "h"])));
        for none in [&["a", "b", "a"][..], &["a", ""], &["a", "b", "c", "d", "e", "f", "g", "h", "i"]] {
            assert!(!are_tags(&tags(none)), "{none:?}");
        }
    }
}
