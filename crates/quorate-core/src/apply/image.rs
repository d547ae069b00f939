use crate::{Image, Job, Table, limits};

use super::step::Step;

/// Notes that a new job names its image.
pub(super) fn name<T: Table>(step: &mut Step<'_, T>, job: &Job) -> Result<(), T::Error> {
    let before = step.table.image(job.image_id)?;
    let created_at = match &before {
        Some(image) if step.now < image.named_at.plus_millis(limits::IMAGE_RENEWAL_MILLIS) => return Ok(()),
        Some(image) => image.created_at,
        None => step.now,
    };
    let after = Image { id: job.image_id, name: job.image.clone(), created_at, named_at: step.now };
    step.table.put_image(before.as_ref(), &after)
}
