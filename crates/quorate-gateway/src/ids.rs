use quorate_core::limits::{ID_CHARS, ID_PREFIX_CHARS};
use quorate_core::{ImageId, JobId, OperationId};
use uuid::Uuid;

/// A new job's id: a UUIDv7, higher than every one that this process drew before, in Raft group 0.
pub(crate) fn draw() -> JobId {
    let mut id = Uuid::now_v7().into_bytes();
    id[JobId::GROUP_BYTE] = 0; // a random byte: what makes ids ascend stands before it
    JobId(id)
}

/// The id of new work on many jobs: a UUIDv7.
pub(crate) fn draw_operation() -> OperationId {
    OperationId(Uuid::now_v7().into_bytes())
}

/// The id of the image with this name.
pub(crate) fn image(name: &str) -> ImageId {
    ImageId(quorate_api::image_id(name).into_bytes())
}

/// The bytes of an id in a path or in a cursor of images: a UUID in its usual form, 8-4-4-4-12 hex digits, and no other.
pub(crate) fn parse(text: &str) -> Option<[u8; 16]> {
    if text.len() != ID_CHARS {
        return None;
    }
    Uuid::try_parse(text).ok().map(Uuid::into_bytes)
}

/// The lowest and the highest id in that form whose text begins so. `None` where no id's does, or where it is too short to
/// stand for one.
pub(crate) fn beginning_with(text: &str) -> Option<[[u8; 16]; 2]> {
    if text.len() < ID_PREFIX_CHARS {
        return None;
    }
    let padded = |with: &str| parse(&format!("{text}{}", with.get(text.len()..)?));
    let lowest = padded("00000000-0000-0000-0000-000000000000")?;
    Some([lowest, padded("ffffffff-ffff-ffff-ffff-ffffffffffff")?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_ascend_within_a_process() {
        let ids: Vec<JobId> = (0..1_000).map(|_| draw()).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(ids.iter().all(|id| id.0[JobId::GROUP_BYTE] == 0));
    }

    #[test]
    fn only_the_usual_form_is_an_id() {
        let id = draw();
        assert_eq!(parse(&id.to_string()), Some(id.0));
        assert_eq!(parse(&id.to_string().to_uppercase()), Some(id.0));
        for no_id in [
            "",
            "1",
            "0198c0de000070008000000000000001",
            "{0198c0de-0000-7000-8000-00000000000}",
            "../../etc",
        ] {
            assert_eq!(parse(no_id), None, "{no_id}");
        }
    }

    #[test]
    fn the_beginning_of_an_id_is_a_range() {
        let range = |text| beginning_with(text).map(|range| range.map(|id| JobId(id).to_string()));
        let table = [
            ("0198C0DE", "0198c0de-0000-0000-0000-000000000000", "0198c0de-ffff-ffff-ffff-ffffffffffff"),
            ("0198c0de-1", "0198c0de-1000-0000-0000-000000000000", "0198c0de-1fff-ffff-ffff-ffffffffffff"),
        ];
        for (text, first, last) in table {
            assert_eq!(range(text), Some([first.to_owned(), last.to_owned()]), "{text}");
        }
        let whole = draw().to_string();
        assert_eq!(range(&whole), Some([whole.clone(), whole.clone()]));
        for none in [
            "",
            "0198c0d",
            "xxxxxxxx",
            "0198c0de1",
            "--------",
            "0198-0198",
            "é",
            "0198c0d\u{e9}",
            "0198c0de\u{e9}",
            &format!("{whole}0"),
        ] {
            assert_eq!(beginning_with(none), None, "{none}");
        }
    }
}
