use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow, ensure};
use quorate_gateway::tokens::{Hash, Tokens};
use quorate_gateway::{Access, Roles};
use quorate_node::planted::{Bug, planted};
use quorate_tls::Seen;

use crate::limits::TOKENS_LOOK;
use crate::token::read;

/// The file that says who has a token. What is changed there holds within some seconds, without a restart.
pub(super) struct TokensFile {
    path: PathBuf,
    access: Access,
    /// As it was when it was read, and at the last look.
    read: Option<Seen>,
    last: Option<Seen>,
    /// As it was when the log said that it is of no use.
    said: Option<Option<Seen>>,
}

impl TokensFile {
    /// Has these callers known.
    ///
    /// # Errors
    /// The file cannot be read, or is none of tokens.
    pub(super) fn open(path: PathBuf, access: Access) -> anyhow::Result<TokensFile> {
        let mut file = TokensFile { path, access, read: None, last: None, said: None };
        file.load(read).context("tokens")?;
        let known = file.access.tokens.load().len();
        tracing::info!(file = %file.path.display(), known, anonymous = %file.access.anonymous, "asking for tokens");
        if known == 0 {
            tracing::warn!(file = %file.path.display(), "nobody has a token: whoever sends one is refused, until there is one in the file");
        }
        Ok(file)
    }

    /// Says who was known before. What could not be read will be read again, what has a mistake will not.
    fn load(&mut self, read: impl Fn(&Path) -> anyhow::Result<String>) -> anyhow::Result<Arc<Tokens>> {
        let seen = Seen::of(&self.path);
        let text = read(&self.path)?;
        self.read = seen;
        ensure!(
            !text.trim().is_empty() || self.access.tokens.load().is_empty(),
            "{}: it is empty, as a copy is that was cut off: copy it again; if nobody is to have a token any more, leave a comment in it (# …)",
            self.path.display()
        );
        let parsed = Tokens::parse(&text);
        let tokens = parsed.map_err(|why| anyhow!("{}: {why}", self.path.display()))?;
        let before = self.access.tokens.load_full();
        if planted(Bug::KeepToken) && tokens.len() < before.len() {
            return Ok(before);
        }
        Ok(self.access.tokens.swap(Arc::new(tokens)))
    }

    /// Looks now and then whether it has changed, and reads it when it has come to rest: somebody may still write. One that
    /// cannot be read, or has a mistake, takes nothing from anybody and gives nobody anything: the log says so.
    pub(super) async fn keep_up(mut self) {
        let mut clock = tokio::time::interval(TOKENS_LOOK);
        loop {
            clock.tick().await;
            // A disk may take its time.
            match tokio::task::spawn_blocking(move || self.keep_up_once(read)).await {
                Ok(this) => self = this,
                Err(_ending) => return,
            }
        }
    }

    fn keep_up_once(mut self, read: impl Fn(&Path) -> anyhow::Result<String>) -> TokensFile {
        let now = Seen::of(&self.path);
        let rests = now == self.last;
        self.last = now;
        if rests && now != self.read {
            match self.load(read) {
                Ok(before) => {
                    self.said = None;
                    tell_changes(&before, &self.access.tokens.load());
                }
                Err(error) if self.said != Some(now) => {
                    self.said = Some(now);
                    tracing::error!(file = %self.path.display(), "the tokens as they were go on: {error:#}");
                }
                Err(_said) => {}
            }
        }
        self
    }
}

/// Tells, for the audit log, which tokens have come and which are gone: one that was replaced by another of its name is both.
fn tell_changes(before: &Tokens, now: &Tokens) {
    type Owners = BTreeSet<(String, Hash)>;
    let owners = |tokens: &Tokens| -> Owners {
        let said = |(name, roles, rate, hash): (&str, Roles, Option<u32>, Hash)| match rate {
            None => (format!("{name} ({roles})"), hash),
            Some(rate) => (format!("{name} ({roles}, {rate} jobs/s)"), hash),
        };
        tokens.owners().map(said).collect()
    };
    let (before, now) = (owners(before), owners(now));
    let list = |of: &Owners, without: &Owners| {
        of.difference(without).map(|(owner, _)| owner.as_str()).collect::<Vec<_>>().join(", ")
    };
    if before != now {
        let (new, gone) = (list(&now, &before), list(&before, &now));
        tracing::info!(target: "quorate::audit", new, gone, "the tokens have changed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_could_not_be_read_once_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens");
        let line = |name: &str| format!("{name} admin {}\n", Hash::of(name.as_bytes()));
        std::fs::write(&path, line("root") + &line("gone")).unwrap();
        let access = Access::open();
        let file = TokensFile::open(path.clone(), access.clone()).unwrap();
        std::fs::write(&path, line("root")).unwrap();
        let fails = |_: &Path| Err(anyhow!("too many open files"));
        // A look to see that it has changed, and one that it rests.
        let file = file.keep_up_once(fails).keep_up_once(fails).keep_up_once(fails);
        assert!(file.said.is_some() && access.tokens.load().len() == 2, "it goes on as it was, and says so");
        file.keep_up_once(read);
        assert_eq!(access.tokens.load().len(), 1);
    }
}
