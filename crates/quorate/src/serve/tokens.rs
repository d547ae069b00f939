use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context;
use quorate_gateway::Access;
use quorate_gateway::tokens::Tokens;

use crate::limits::TOKENS_LOOK;
use crate::token::read;

/// The file that says who has a token. What is changed there holds within a second or two, without a restart.
pub(super) struct TokensFile {
    path: PathBuf,
    access: Access,
    seen: Option<Seen>,
}

/// By what a file is known to be the same.
type Seen = (SystemTime, u64);

impl TokensFile {
    /// Has these callers known.
    ///
    /// # Errors
    /// The file cannot be read, or is none of tokens.
    pub(super) fn open(path: PathBuf, access: Access) -> anyhow::Result<TokensFile> {
        let mut file = TokensFile { path, access, seen: None };
        let known = file.load().context("tokens")?;
        tracing::info!(file = %file.path.display(), known, anonymous = %file.access.anonymous, "asking for tokens");
        Ok(file)
    }

    fn load(&mut self) -> anyhow::Result<usize> {
        self.seen = self.look();
        let tokens = Tokens::parse(&read(&self.path)?)
            .map_err(|why| anyhow::anyhow!("{}: {why}", self.path.display()))?;
        let known = tokens.len();
        self.access.tokens.store(Arc::new(tokens));
        Ok(known)
    }

    fn look(&self) -> Option<Seen> {
        let metadata = std::fs::metadata(&self.path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    }

    /// Looks now and then whether it has changed. One that cannot be read, or has a mistake, takes nothing from anybody and
    /// gives nobody anything: the log says so.
    pub(super) async fn keep_up(mut self) {
        let mut clock = tokio::time::interval(TOKENS_LOOK);
        loop {
            clock.tick().await;
            if self.look() == self.seen {
                continue;
            }
            let path = self.path.display().to_string();
            match self.load() {
                Ok(known) => tracing::info!(file = path, known, "the tokens have changed"),
                Err(error) => {
                    tracing::error!(file = path, "the tokens as they were go on: {error:#}");
                }
            }
        }
    }
}
