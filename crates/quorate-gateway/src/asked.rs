use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;

use crate::limits::MESSAGE_CHARS;
use crate::quote::shortened;

tokio::task_local! {
    /// Of the request under way.
    static ASKED: Asked;
}

/// What an administrator asked for where method and path do not say it, and what it is called since: as JSON, each value within
/// [`MESSAGE_CHARS`]. The audit log has it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked(Arc<Mutex<BTreeMap<String, String>>>);

impl Asked {
    /// Answers a request of which it is kept what was asked for, if there is a place for that.
    pub(crate) async fn answered<T>(asked: Option<Asked>, answer: impl Future<Output = T>) -> T {
        match asked {
            None => answer.await,
            Some(asked) => ASKED.scope(asked, answer).await,
        }
    }

    /// Keeps these fields of the request under way.
    pub(crate) fn note(fields: Value) {
        let Value::Object(fields) = fields else { return };
        let shown = |(name, value): (String, Value)| (name, shortened(&value.to_string(), MESSAGE_CHARS));
        // Elsewhere it is no administrator's.
        let _ = ASKED.try_with(|Asked(all)| all.lock().extend(fields.into_iter().map(shown)));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }
}

impl Display for Asked {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (at, (name, value)) in self.0.lock().iter().enumerate() {
            let before = if at == 0 { '{' } else { ',' };
            write!(f, "{before}\"{name}\":{value}")?;
        }
        f.write_str("}")
    }
}
