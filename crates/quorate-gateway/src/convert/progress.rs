use quorate_core::{Progress, limits};

use crate::error::ApiError;
use crate::ranges;

/// How far a job has come, checked.
///
/// # Errors
/// 400, naming the field.
pub(crate) fn progress(given: quorate_api::Progress) -> Result<Progress, ApiError> {
    let quorate_api::Progress { percent, text } = given;
    ranges::check("percent", "progress.percent", percent)?;
    if text.len() > limits::PROGRESS_BYTES {
        let message = format!("must have at most {} bytes, not {}", limits::PROGRESS_BYTES, text.len());
        return Err(ApiError::invalid("progress.text", message));
    }
    let percent = u8::try_from(percent).expect("at most 100");
    Ok(Progress { percent, text: text.into() })
}

/// The same for an answer.
pub(super) fn shown(progress: Progress) -> quorate_api::Progress {
    quorate_api::Progress { percent: progress.percent.into(), text: progress.text.into() }
}
