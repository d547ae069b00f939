/// What to do next, which is said behind an error. It has no words of its own there.
#[derive(Debug)]
pub(crate) struct Hint(pub(crate) String);

impl std::error::Error for Hint {}

impl std::fmt::Display for Hint {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}
