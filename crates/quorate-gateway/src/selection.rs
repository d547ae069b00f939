use percent_encoding::NON_ALPHANUMERIC;
use quorate_core::limits::{
    IMAGE_NAME_BYTES, IMAGES_PER_CONSUME, LINES_PER_CONSUME, QUEUES_PER_CONSUME, WEIGHT, WORKER_NAME_BYTES,
};
use quorate_core::{ImageId, QueueName, Source, Take};

use crate::error::ApiError;
use crate::limits::{GIVEN_CHARS, QUERY_BYTES};
use crate::quote::shortened;
use crate::{convert, ids};

/// Which jobs a consumer takes, of which queues and of which images, and who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selection {
    from: Source,
    images: Vec<ImageId>,
    worker: Box<str>,
    /// In the client's words, for its Idempotency-Key. Empty where it said nothing.
    said: Vec<u8>,
}

impl Selection {
    /// What the fields `queue`, `image` and `worker` say.
    ///
    /// # Errors
    /// 400: one of them is empty or malformed, or they name too much.
    pub(crate) fn parse(
        queue: Option<&str>,
        image: Option<&str>,
        worker: Option<&str>,
    ) -> Result<Selection, ApiError> {
        // What an unset variable makes of it must not take jobs of others.
        let absent = [
            ("queue", queue, "take from default"),
            ("image", image, "take jobs of any"),
            ("worker", worker, "have no name"),
        ];
        if let Some((field, _, without)) = absent.into_iter().find(|(_, text, _)| *text == Some("")) {
            return Err(ApiError::invalid(field, format!("must not be empty: leave it out to {without}")));
        }
        let from = queue.map_or(Ok(Source::InOrder(vec![QueueName::DEFAULT])), source);
        let from = from.map_err(|message| ApiError::invalid("queue", message))?;
        let images =
            image.map_or(Ok(Vec::new()), images).map_err(|message| ApiError::invalid("image", message))?;
        let queues = match &from {
            Source::InOrder(names) => names.len(),
            Source::ByWeight(names) => names.len(),
            Source::All => 1,
        };
        if queues * images.len() > LINES_PER_CONSUME {
            let message = format!(
                "{} images of {queues} queues are more than {LINES_PER_CONSUME} pairs: name fewer of either, or take from queue=*",
                images.len()
            );
            return Err(ApiError::invalid("image", message));
        }
        let mut said = match (queue, image) {
            (None, None) => Vec::new(),
            (queue, image) => [queue.unwrap_or_default(), image.unwrap_or_default()].join("\0").into_bytes(),
        };
        if let Some(worker) = worker {
            // No text has that byte.
            said.extend([&[0xff], worker.as_bytes()].concat());
        }
        if worker.is_some_and(convert::is_step) {
            return Err(ApiError::invalid(
                "worker",
                "is . or .., which clients leave out of a path: nobody could say that it is gone",
            ));
        }
        let worker = convert::worker_name(worker.unwrap_or_default())?;
        Ok(Selection { from, images, worker, said })
    }

    /// What an Idempotency-Key stands for of it: nothing where nothing was said, as before there were queues. It begins with
    /// its length, so that it and what follows it are told apart.
    pub(crate) fn said(&self) -> Vec<u8> {
        if self.said.is_empty() {
            return Vec::new();
        }
        [&self.said.len().to_be_bytes()[..], &self.said].concat()
    }

    /// At most so many of them.
    pub(crate) fn take(self, n: u32) -> Take {
        Take { from: self.from, images: self.images, n, worker: self.worker }
    }
}

/// Whether a consume takes this for `queue`.
///
/// # Errors
/// Why not.
pub fn check_queues(text: &str) -> Result<(), String> {
    source(text).map(|_| ())
}

/// Whether one consumer can ask for jobs of these queues and of these images, none: of all.
///
/// # Errors
/// Why not.
pub fn check_consumer(queue: Option<&str>, images: &[String]) -> Result<(), String> {
    let images = images.join(",");
    let named = Some(&*images).filter(|images| !images.is_empty());
    Selection::parse(queue, named, None).map_err(|error| error.message().into_owned())?;
    let bytes: usize = [queue.unwrap_or_default(), &images]
        .map(|text| {
            percent_encoding::utf8_percent_encode(text, NON_ALPHANUMERIC).map(str::len).sum::<usize>()
        })
        .iter()
        .sum();
    match bytes <= QUERY_BYTES - REST_OF_QUERY_BYTES {
        true => Ok(()),
        false => Err(format!("the names take {bytes} bytes in a URL, more than a consume can have")),
    }
}

/// What a consumer says beside queues and images: its name, how many jobs, how long it waits.
const REST_OF_QUERY_BYTES: usize = 3 * WORKER_NAME_BYTES + 128;

/// `a,b`: in order; `a:5,b:1`: by weight; `*`: all.
fn source(text: &str) -> Result<Source, String> {
    if text == "*" {
        return Ok(Source::All);
    }
    let parts: Vec<&str> = text.split(',').collect();
    if parts.len() > QUEUES_PER_CONSUME {
        return Err(format!(
            "names {} queues, and {QUEUES_PER_CONSUME} are the most; * stands for all",
            parts.len()
        ));
    }
    if parts.contains(&"*") {
        return Err("has * beside names: it stands for all queues, and alone".into());
    }
    let weighted = parts.iter().filter(|part| part.contains(':')).count();
    let mut names = Vec::with_capacity(parts.len());
    let mut weights = Vec::with_capacity(weighted);
    for part in &parts {
        let (name, weight) =
            part.split_once(':').map_or((*part, None), |(name, weight)| (name, Some(weight)));
        let name = convert::queue_name(name)?;
        if names.contains(&name) {
            return Err(format!("names \"{name}\" twice"));
        }
        if let Some(weight) = weight {
            weights.push(self::weight(&name, weight)?);
        }
        names.push(name);
    }
    match weighted {
        0 => Ok(Source::InOrder(names)),
        all if all == names.len() => Ok(Source::ByWeight(names.into_iter().zip(weights).collect())),
        _ => {
            Err("has weights for some queues only: give one to each, as in critical:5,default:1, or to none"
                .into())
        }
    }
}

fn weight(queue: &QueueName, text: &str) -> Result<u32, String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(weight) if digits && (1..=WEIGHT).contains(&weight) => Ok(weight),
        Ok(_) | Err(_) => {
            let given = shortened(text, GIVEN_CHARS);
            Err(format!("must give \"{queue}\" a weight of 1 to {WEIGHT}, not \"{given}\""))
        }
    }
}

fn images(text: &str) -> Result<Vec<ImageId>, String> {
    let names: Vec<&str> = text.split(',').collect();
    if names.len() > IMAGES_PER_CONSUME {
        return Err(format!("names {} images, and {IMAGES_PER_CONSUME} are the most", names.len()));
    }
    let mut images = Vec::with_capacity(names.len());
    for name in names {
        if !(1..=IMAGE_NAME_BYTES).contains(&name.len()) {
            return Err(format!("must be names of 1 to {IMAGE_NAME_BYTES} bytes with commas between them"));
        }
        let image = ids::image(name);
        if images.contains(&image) {
            return Err(format!("names \"{}\" twice", shortened(name, GIVEN_CHARS)));
        }
        images.push(image);
    }
    Ok(images)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> QueueName {
        QueueName::new(name).unwrap()
    }

    #[test]
    fn queues_are_in_order_by_weight_or_all() {
        let of = |text| Selection::parse(Some(text), None, None).unwrap().take(7);
        assert_eq!(of("b,a").from, Source::InOrder(vec![name("b"), name("a")]));
        assert_eq!(of("b:5,a:1").from, Source::ByWeight(vec![(name("b"), 5), (name("a"), 1)]));
        assert_eq!(of("*"), Take { from: Source::All, images: Vec::new(), n: 7, worker: "".into() });
        assert_eq!(Selection::parse(None, None, None).unwrap().take(7), Take::default_queue(7));
        let images = Selection::parse(None, Some("a,b/c:1"), None).unwrap().take(1).images;
        assert_eq!(images, [ids::image("a"), ids::image("b/c:1")]);
    }

    #[test]
    fn what_is_said_is_told_from_what_follows() {
        let said = |queue, image| Selection::parse(queue, image, None).unwrap().said();
        let by = |image, worker| Selection::parse(None, image, Some(worker)).unwrap().said();
        assert!(said(None, None).is_empty());
        assert_eq!(said(Some("a"), None), b"\0\0\0\0\0\0\0\x02a\0");
        assert_ne!(said(Some("a"), None), said(None, Some("a")));
        assert_ne!(by(None, "w"), said(None, None));
        assert_ne!(by(None, "w"), by(Some("w"), "w"));
    }

    #[test]
    fn a_worker_has_a_name_that_a_path_can_have() {
        for name in [".", ".."] {
            let Err(ApiError::Invalid { fields, .. }) = Selection::parse(None, None, Some(name)) else {
                panic!("{name}")
            };
            assert_eq!(fields, "worker");
        }
        assert!(Selection::parse(None, None, Some("...")).is_ok());
    }

    #[test]
    fn what_is_none_is_explained() {
        let many = |n: usize| (0..n).map(|n| format!("q{n}")).collect::<Vec<_>>().join(",");
        let (queues, images) = (many(65), many(64));
        for (queue, image, field, says) in [
            ("", "x", "queue", "must not be empty: leave it out to take from default"),
            ("*", "", "image", "must not be empty: leave it out to take jobs of any"),
            ("a,A", "x", "queue", r#""A" is no name of a queue: 1 to 64 of a-z 0-9 . _ -"#),
            ("a,", "x", "queue", r#""" is no name"#),
            ("a,b,a", "x", "queue", r#"names "a" twice"#),
            ("a:1,default", "x", "queue", "has weights for some queues only"),
            ("a:0", "x", "queue", r#"must give "a" a weight of 1 to 1000, not "0""#),
            ("a:+1", "x", "queue", r#"not "+1""#),
            ("a:", "x", "queue", r#"not """#),
            ("a,*", "x", "queue", "it stands for all queues, and alone"),
            (&queues, "x", "queue", "names 65 queues, and 64 are the most; * stands for all"),
            ("*", &queues, "image", "names 65 images, and 64 are the most"),
            ("*", "a,b,a", "image", r#"names "a" twice"#),
            ("*", "a,,b", "image", "must be names of 1 to 255 bytes"),
            (&many(5), &images, "image", "64 images of 5 queues are more than 64 pairs"),
        ] {
            let Err(ApiError::Invalid { fields, message }) = Selection::parse(Some(queue), Some(image), None)
            else {
                panic!("{queue} {image}")
            };
            assert_eq!(fields, field, "{queue} {image}");
            assert!(message.contains(says), "{queue} {image}: {message}");
        }
    }
}
