use std::fmt;
use std::marker::PhantomData;

use quorate_core::limits::JOBS_PER_REQUEST;
use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};

/// A list that stops being read when it is too long: a body of 8 MiB has room for four million empty objects.
pub(super) struct AtMost<T>(pub(super) Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for AtMost<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<AtMost<T>, D::Error> {
        struct Items<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Items<T> {
            type Value = AtMost<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of at most {JOBS_PER_REQUEST}")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<AtMost<T>, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    if items.len() == JOBS_PER_REQUEST {
                        return Err(Error::invalid_length(items.len() + 1, &self));
                    }
                    items.push(item);
                }
                Ok(AtMost(items))
            }
        }

        deserializer.deserialize_seq(Items(PhantomData))
    }
}
