use quorate_core::{Unique, Until};

use crate::Malformed;
use crate::log::v1 as pb;
use crate::log::v1::unique::Until as Message;

impl From<Unique> for pb::Unique {
    fn from(unique: Unique) -> pb::Unique {
        let until = match unique.until {
            Until::Started => Message::Started(pb::Started {}),
            Until::Finished => Message::Finished(pb::UntilFinished {}),
            Until::Elapsed(seconds) => Message::ElapsedS(seconds),
        };
        pb::Unique { key: unique.key.into(), until: Some(until) }
    }
}

impl TryFrom<pb::Unique> for Unique {
    type Error = Malformed;

    fn try_from(unique: pb::Unique) -> Result<Unique, Malformed> {
        let until = match unique.until.ok_or(Malformed::Field { message: "Unique", field: "until" })? {
            Message::Started(pb::Started {}) => Until::Started,
            Message::Finished(pb::UntilFinished {}) => Until::Finished,
            Message::ElapsedS(seconds) => Until::Elapsed(seconds),
        };
        Ok(Unique { key: unique.key.into(), until })
    }
}
