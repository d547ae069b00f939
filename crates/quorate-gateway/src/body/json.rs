use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Deserializer, MapAccess, Visitor};

use crate::body::slip::{Slip, plain};
use crate::error::ApiError;

/// A JSON body, straight from its bytes.
///
/// # Errors
/// 400: it is not what `T` is made of; `fields` is the path to what is wrong, below `root` if that is not empty.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8], root: &'static str) -> Result<T, ApiError> {
    match serde_json::from_slice(bytes) {
        Ok(value) => Ok(value),
        Err(error) => Err(explain::<T>(bytes, root, error)),
    }
}

/// Parses again, this time with an eye on the path: it costs much more, and most bodies are well.
fn explain<T: DeserializeOwned>(bytes: &[u8], root: &'static str, error: serde_json::Error) -> ApiError {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let (path, error) = match serde_path_to_error::deserialize::<_, T>(&mut json) {
        Err(error) => (error.path().to_string(), error.into_inner()),
        // Only what comes behind the value is wrong.
        Ok(_) => (".".to_string(), error),
    };
    // Where there is no name yet, the path ends in a question mark.
    let path = match path.as_str() {
        "?" => ".",
        path => path.trim_end_matches(".?"),
    };
    let fields: Cow<'static, str> = match (root, path) {
        ("", ".") => "body".into(),
        (root, ".") => root.into(),
        ("", path) => path.to_owned().into(),
        (root, path) if path.starts_with('[') => format!("{root}{path}").into(),
        (root, path) => format!("{root}.{path}").into(),
    };
    let Slip { field, message } = plain(&error, fields.rsplit('.').next().unwrap_or_default());
    match field {
        None => ApiError::invalid(fields, message),
        Some(field) if fields == "body" => ApiError::invalid(field, message),
        Some(field) => ApiError::invalid(format!("{fields}.{field}"), message),
    }
}

/// A `T` that comes as a JSON object. (Without this serde would take an array of the field's values for it too.)
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Object<T>, D::Error> {
        struct Fields<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(fields)).map(Object)
            }
        }

        deserializer.deserialize_map(Fields(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use quorate_api::NewJob;

    use super::*;

    #[test]
    fn an_error_names_its_field() {
        for (body, fields) in [
            ("", "body"),
            ("{", "body"),
            ("[]", "body"),
            ("[\"alpine\"]", "body"),
            ("{} {}", "body"),
            ("{\"image\": 5}", "image"),
            ("{\"image\": \"a\", \"delay\": \"5\"}", "delay"),
            ("{\"image\": \"a\", \"delay\": 5.0}", "delay"),
            ("{\"image\": \"a\", \"delay\": 1e3}", "delay"),
            ("{\"image\": \"a\", \"delay\": -1}", "delay"),
            ("{\"image\": \"a\", \"delay\": 4294967296}", "delay"),
            ("{\"max_retires\": 5}", "max_retires"),
        ] {
            let root = match parse::<Object<NewJob>>(body.as_bytes(), "") {
                Err(ApiError::Invalid { fields, .. }) => fields,
                other => panic!("{body}: {:?}", other.map(|Object(job)| job)),
            };
            assert_eq!(root, fields, "{body}");
        }
    }
}
