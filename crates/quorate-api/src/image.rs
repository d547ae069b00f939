use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::{Uuid, uuid};

/// The namespace of image ids: drawn once, for Quorate alone. It never changes, since ids of images are derived from it.
pub const IMAGE_NAMESPACE: Uuid = uuid!("77b9006c-bb7d-48b8-bafd-d8d93f32e27e");

/// The id of the image with this name: the UUIDv5 of the name's bytes in [`IMAGE_NAMESPACE`]. Every node, and every
/// client, computes the same one.
pub fn image_id(name: &str) -> Uuid {
    Uuid::new_v5(&IMAGE_NAMESPACE, name.as_bytes())
}

/// An image that jobs have named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Image {
    /// The UUIDv5 of its name.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its name, as a job's `image` has it.
    pub image: String,
    /// When a job first named it: RFC 3339, UTC.
    pub created_at: String,
}

/// One image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImageWrapper {
    /// It.
    pub image: Image,
}

/// Some images.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImagesWrapper {
    /// By id.
    pub images: Vec<Image>,
    /// Where the next page goes on; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_keeps_its_id_for_ever() {
        assert_eq!(image_id("alpine").to_string(), "b0fba790-6663-547f-8411-4910d3e5baa2");
        assert_eq!(image_id("alpine").get_version_num(), 5);
        assert_ne!(image_id("alpine"), image_id("Alpine"));
    }
}
