use quorate_core::{
    Backoff, Bucket, Counts, ImageId, Lane, LaneMark, Queue, QueueId, QueueSettings, Rate, Recent, Setting,
    Timestamp,
};

use super::fields;
use crate::Malformed;
use crate::log::v1 as pb;
use crate::log::v1::backoff::Kind;
use crate::log::v1::setting::Setting as Message;

impl From<Setting> for pb::Setting {
    fn from(setting: Setting) -> pb::Setting {
        let of_32 = |value: Option<u32>| pb::Number { value: value.map(u64::from) };
        let of_64 = |value: Option<u64>| pb::Number { value };
        let setting = match setting {
            Setting::Paused(paused) => Message::Paused(paused),
            Setting::Timeout(value) => Message::Timeout(of_32(value)),
            Setting::MaxRetries(value) => Message::MaxRetries(of_32(value)),
            Setting::RetriesDelay(value) => Message::RetriesDelay(of_32(value)),
            Setting::KeepSuccess(value) => Message::KeepSuccessS(of_64(value)),
            Setting::KeepError(value) => Message::KeepErrorS(of_64(value)),
            Setting::Backoff(backoff) => Message::Backoff(backoff.into()),
            Setting::MaxRunning(value) => Message::MaxRunning(of_32(value)),
            Setting::MaxRunningPerKey(value) => Message::MaxRunningPerKey(of_32(value)),
            Setting::Rate(rate) => Message::Rate(pb::RateSetting { rate: rate.map(pb::Rate::from) }),
        };
        pb::Setting { setting: Some(setting) }
    }
}

impl TryFrom<pb::Setting> for Setting {
    type Error = Malformed;

    fn try_from(setting: pb::Setting) -> Result<Setting, Malformed> {
        let field = |field| Malformed::Field { message: "Setting", field };
        let to_32 = |number: pb::Number| match number.value.map(u32::try_from).transpose() {
            Ok(value) => Ok(value),
            Err(_) => Err(field("value")),
        };
        Ok(match setting.setting.ok_or(field("setting"))? {
            Message::Paused(paused) => Setting::Paused(paused),
            Message::Timeout(value) => Setting::Timeout(to_32(value)?),
            Message::MaxRetries(value) => Setting::MaxRetries(to_32(value)?),
            Message::RetriesDelay(value) => Setting::RetriesDelay(to_32(value)?),
            Message::KeepSuccessS(value) => Setting::KeepSuccess(value.value),
            Message::KeepErrorS(value) => Setting::KeepError(value.value),
            Message::Backoff(backoff) => Setting::Backoff(backoff.try_into()?),
            Message::MaxRunning(value) => Setting::MaxRunning(to_32(value)?),
            Message::MaxRunningPerKey(value) => Setting::MaxRunningPerKey(to_32(value)?),
            Message::Rate(rate) => Setting::Rate(rate.rate.map(Rate::from)),
        })
    }
}

impl From<Rate> for pb::Rate {
    fn from(rate: Rate) -> pb::Rate {
        pb::Rate { jobs: rate.jobs, seconds: rate.seconds }
    }
}

/// Of a record: a command may ask for what cannot be, and is refused.
fn kept_rate(rate: pb::Rate) -> Result<Rate, Malformed> {
    let rate = Rate::from(rate);
    let field = |field| Malformed::Field { message: "Rate", field };
    match rate {
        Rate { jobs: 0, .. } => Err(field("jobs")),
        Rate { seconds: 0, .. } => Err(field("seconds")),
        Rate { .. } => Ok(rate),
    }
}

impl From<pb::Rate> for Rate {
    fn from(rate: pb::Rate) -> Rate {
        Rate { jobs: rate.jobs, seconds: rate.seconds }
    }
}

impl From<Backoff> for pb::Backoff {
    fn from(backoff: Backoff) -> pb::Backoff {
        let kind = match backoff {
            Backoff::Fixed => Kind::Fixed(pb::Fixed {}),
            Backoff::Exponential { cap, jitter_percent } => {
                Kind::Exponential(pb::Exponential { cap, jitter_percent })
            }
            Backoff::List(seconds) => Kind::Delays(pb::Delays { seconds }),
        };
        pb::Backoff { kind: Some(kind) }
    }
}

impl TryFrom<pb::Backoff> for Backoff {
    type Error = Malformed;

    fn try_from(backoff: pb::Backoff) -> Result<Backoff, Malformed> {
        Ok(match backoff.kind.ok_or(Malformed::Field { message: "Backoff", field: "kind" })? {
            Kind::Fixed(pb::Fixed {}) => Backoff::Fixed,
            Kind::Exponential(pb::Exponential { cap, jitter_percent }) => {
                Backoff::Exponential { cap, jitter_percent }
            }
            Kind::Delays(pb::Delays { seconds }) => Backoff::List(seconds),
        })
    }
}

impl From<&Queue> for pb::Queue {
    fn from(queue: &Queue) -> pb::Queue {
        let settings = queue.settings.clone();
        let parts = queue.bucket.parts();
        let Counts { by_status, queued, recent } = &queue.counts;
        pb::Queue {
            id: queue.id.0,
            name: fields::queue_out(&queue.name),
            kept: queue.kept,
            settings: Some(pb::QueueSettings {
                paused: settings.paused,
                timeout: settings.timeout,
                max_retries: settings.max_retries,
                retries_delay: settings.retries_delay,
                keep_success_s: settings.keep_success,
                keep_error_s: settings.keep_error,
                backoff: (settings.backoff != Backoff::Fixed).then(|| settings.backoff.into()),
                max_running: settings.max_running,
                max_running_per_key: settings.max_running_per_key,
                rate: settings.rate.map(pb::Rate::from),
            }),
            bucket: (parts > 0).then_some(pb::Bucket { high: (parts >> 64) as u64, low: parts as u64 }),
            counts: Some(pb::Counts {
                by_status: by_status.to_vec(),
                queued: queued.to_vec(),
                slot: recent.slot,
                came: recent.came.to_vec(),
                granted: recent.granted.to_vec(),
                ended: recent.ended.to_vec(),
            }),
        }
    }
}

impl TryFrom<pb::Queue> for Queue {
    type Error = Malformed;

    fn try_from(queue: pb::Queue) -> Result<Queue, Malformed> {
        let field = |field| Malformed::Field { message: "Queue", field };
        let settings = queue.settings.ok_or(field("settings"))?;
        let counts = queue.counts.ok_or(field("counts"))?;
        let parts = queue.bucket.map_or(0, |bucket| u128::from(bucket.high) << 64 | u128::from(bucket.low));
        let slots = |slots: Vec<u32>| slots.try_into().map_err(|_| field("counts"));
        Ok(Queue {
            id: QueueId(queue.id),
            name: fields::queue("Queue", &queue.name)?,
            kept: queue.kept,
            settings: QueueSettings {
                paused: settings.paused,
                timeout: settings.timeout,
                max_retries: settings.max_retries,
                retries_delay: settings.retries_delay,
                keep_success: settings.keep_success_s,
                keep_error: settings.keep_error_s,
                backoff: settings.backoff.map_or(Ok(Backoff::Fixed), Backoff::try_from)?,
                max_running: settings.max_running,
                max_running_per_key: settings.max_running_per_key,
                rate: settings.rate.map(kept_rate).transpose()?,
            },
            bucket: Bucket::of_parts(parts),
            counts: Counts {
                by_status: counts.by_status.try_into().map_err(|_| field("counts"))?,
                queued: counts.queued.try_into().map_err(|_| field("counts"))?,
                recent: Recent {
                    slot: counts.slot,
                    came: slots(counts.came)?,
                    granted: slots(counts.granted)?,
                    ended: slots(counts.ended)?,
                },
            },
        })
    }
}

impl From<(&Lane, u64)> for pb::Lane {
    fn from((lane, first): (&Lane, u64)) -> pb::Lane {
        pb::Lane {
            queue: lane.queue.0,
            priority: lane.priority.get().into(),
            image: Some(lane.image.0.into()),
            key: lane.key.to_string(),
            first,
        }
    }
}

impl TryFrom<pb::Lane> for (Lane, u64) {
    type Error = Malformed;

    fn try_from(lane: pb::Lane) -> Result<(Lane, u64), Malformed> {
        let of = Lane {
            queue: QueueId(lane.queue),
            priority: fields::priority("Lane", lane.priority)?,
            image: ImageId(fields::id("Lane", "image", lane.image)?),
            key: fields::key("Lane", lane.key)?,
        };
        Ok((of, lane.first))
    }
}

impl From<LaneMark> for pb::LaneMark {
    fn from(mark: LaneMark) -> pb::LaneMark {
        pb::LaneMark { first: mark.first, since_ms: mark.since.0, jobs: mark.jobs, served: mark.served }
    }
}

impl TryFrom<pb::LaneMark> for LaneMark {
    type Error = Malformed;

    fn try_from(mark: pb::LaneMark) -> Result<LaneMark, Malformed> {
        if mark.jobs == 0 {
            return Err(Malformed::Field { message: "LaneMark", field: "jobs" });
        }
        Ok(LaneMark {
            first: mark.first,
            since: Timestamp(mark.since_ms),
            jobs: mark.jobs,
            served: mark.served,
        })
    }
}
