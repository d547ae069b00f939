/// Marks an error as wrong usage: what was given cannot be. It has no words of its own.
#[derive(Debug)]
pub(crate) struct WrongUsage;

impl std::error::Error for WrongUsage {}

impl std::fmt::Display for WrongUsage {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}

/// An error that is wrong usage.
pub(crate) fn wrong_usage(says: impl std::fmt::Display) -> anyhow::Error {
    anyhow::anyhow!("{says}").context(WrongUsage)
}

/// An error of several lines.
#[derive(Debug)]
pub(crate) struct Lines(pub(crate) String);

impl std::error::Error for Lines {}

impl std::fmt::Display for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
