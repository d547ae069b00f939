use quorate_core::{ImageId, JobId};
use uuid::Uuid;

/// A new job's id: a UUIDv7, higher than every one that this process drew before, in Raft group 0.
pub(crate) fn draw() -> JobId {
    let mut id = Uuid::now_v7().into_bytes();
    id[JobId::GROUP_BYTE] = 0; // a random byte: what makes ids ascend stands before it
    JobId(id)
}

/// The id of the image with this name.
pub(crate) fn image(name: &str) -> ImageId {
    ImageId(quorate_api::image_id(name).into_bytes())
}

/// The bytes of an id in a path or in a cursor of images: a UUID in its usual form, 8-4-4-4-12 hex digits, and no other.
pub(crate) fn parse(text: &str) -> Option<[u8; 16]> {
    if text.len() != 36 {
        return None;
    }
    Uuid::try_parse(text).ok().map(Uuid::into_bytes)
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
}
