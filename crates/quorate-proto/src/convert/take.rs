use quorate_core::{ImageId, Source, Take};

use super::fields;
use crate::Malformed;
use crate::log::v1 as pb;
use crate::log::v1::take::From as Message;

impl From<Take> for pb::Take {
    fn from(take: Take) -> pb::Take {
        let from = match take.from {
            Source::InOrder(names) => {
                Message::InOrder(pb::Names { names: names.iter().map(fields::queue_out).collect() })
            }
            Source::ByWeight(names) => Message::ByWeight(pb::Weighted {
                names: names.iter().map(|(name, _)| fields::queue_out(name)).collect(),
                weights: names.iter().map(|(_, weight)| *weight).collect(),
            }),
            Source::All => Message::All(pb::All {}),
        };
        let images = take.images.into_iter().map(|image| image.0.into()).collect();
        pb::Take { from: Some(from), images, n: take.n, worker: take.worker.into() }
    }
}

impl TryFrom<pb::Take> for Take {
    type Error = Malformed;

    fn try_from(take: pb::Take) -> Result<Take, Malformed> {
        let names = |names: Vec<String>| {
            names.iter().map(|name| fields::queue("Take", name)).collect::<Result<Vec<_>, _>>()
        };
        let from = match take.from.ok_or(Malformed::Field { message: "Take", field: "from" })? {
            Message::InOrder(in_order) => Source::InOrder(names(in_order.names)?),
            Message::ByWeight(weighted) => {
                if weighted.names.len() != weighted.weights.len() {
                    return Err(Malformed::Field { message: "Take", field: "weights" });
                }
                Source::ByWeight(names(weighted.names)?.into_iter().zip(weighted.weights).collect())
            }
            Message::All(pb::All {}) => Source::All,
        };
        let images = take.images.into_iter().map(|image| ImageId(image.into())).collect();
        Ok(Take { from, images, n: take.n, worker: take.worker.into() })
    }
}
