use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::{Reason, Status};

/// Which jobs: those of a list, or those that something is done to. What is absent is not asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobFilter {
    /// In one of these. Default: with `final` or `reason`, `error`; with a time of its end, the three final ones; else, in a list,
    /// `delayed`, `queued` and `running`.
    #[serde(default, deserialize_with = "or_none", skip_serializing_if = "Vec::is_empty")]
    pub status: Vec<Status>,
    /// Ended in error, and no other job was made to go on from it (true), or one was made to retry it (false).
    #[serde(default, rename = "final", skip_serializing_if = "Option::is_none")]
    pub is_final: Option<bool>,
    /// Ended in error for this reason: `timeout`, `killed` or `bad_exit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Of this image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1)]
    pub image: Option<String>,
    /// Of this queue; none where it does not exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[a-z0-9._-]{1,64}$")]
    pub queue: Option<String>,
    /// Of this key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 64)]
    pub key: Option<String>,
    /// With all of these tags; at most 8.
    #[serde(default, deserialize_with = "or_none", skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 8)]
    pub tags: Vec<String>,
    /// Enqueued at this moment or later: RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_from: Option<String>,
    /// Enqueued before this moment: RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_until: Option<String>,
    /// Finished at this moment or later: RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_from: Option<String>,
    /// Finished before this moment: RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_until: Option<String>,
}

impl JobFilter {
    /// The same as parameters of a query, as `GET /v1/jobs` takes them.
    pub fn query(&self) -> Vec<(&'static str, String)> {
        let statuses: Vec<&str> = self.status.iter().map(|status| status.as_str()).collect();
        let joined = |words: &[&str]| (!words.is_empty()).then(|| words.join(","));
        let tags: Vec<&str> = self.tags.iter().map(String::as_str).collect();
        let parameters = [
            ("status", joined(&statuses)),
            ("final", self.is_final.map(|is_final| is_final.to_string())),
            ("reason", self.reason.map(|reason| reason.as_str().to_owned())),
            ("image", self.image.clone()),
            ("queue", self.queue.clone()),
            ("key", self.key.clone()),
            ("tag", joined(&tags)),
            ("created_from", self.created_from.clone()),
            ("created_until", self.created_until.clone()),
            ("finished_from", self.finished_from.clone()),
            ("finished_until", self.finished_until.clone()),
        ];
        parameters.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

/// What is null counts as absent.
fn or_none<'de, D: Deserializer<'de>, T: Deserialize<'de>>(given: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(given)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_says_what_json_says() {
        let json = serde_json::json!({"status": ["error", "cancelled"], "final": true, "reason": "bad_exit",
            "image": "i", "queue": "q", "key": "k", "tags": ["a", "b:1"], "created_from": "1", "created_until": "2",
            "finished_from": "3", "finished_until": "4"});
        let filter: JobFilter = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(serde_json::to_value(&filter).unwrap(), json);
        let query: Vec<String> =
            filter.query().iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            query.join("&"),
            "status=error,cancelled&final=true&reason=bad_exit&image=i&queue=q&key=k&tag=a,b:1&created_from=1\
             &created_until=2&finished_from=3&finished_until=4"
        );
        assert_eq!(JobFilter::default().query(), []);
        let null = serde_json::json!({"status": null, "final": null, "tags": null});
        assert_eq!(serde_json::from_value::<JobFilter>(null).unwrap(), JobFilter::default());
    }
}
