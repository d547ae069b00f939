use quorate_core::{Image, ImageId, Timestamp};

use super::fields;
use crate::Malformed;
use crate::log::v1 as pb;

impl From<&Image> for pb::Image {
    fn from(image: &Image) -> pb::Image {
        pb::Image {
            id: Some(image.id.0.into()),
            name: image.name.to_string(),
            created_at_ms: image.created_at.0,
            named_at_ms: image.named_at.0,
        }
    }
}

impl TryFrom<pb::Image> for Image {
    type Error = Malformed;

    fn try_from(image: pb::Image) -> Result<Image, Malformed> {
        Ok(Image {
            id: ImageId(fields::id("Image", "id", image.id)?),
            name: image.name.into(),
            created_at: Timestamp(image.created_at_ms),
            named_at: Timestamp(image.named_at_ms),
        })
    }
}
