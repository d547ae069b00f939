use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use reqwest::header::HeaderValue;

use crate::{Error, limits};

/// What a client shows to nodes that ask who it is. A clone is the same one; whoever shows it, shows what was read last.
#[derive(Clone)]
pub struct Token(Arc<Inner>);

struct Inner {
    file: Option<PathBuf>,
    current: Mutex<HeaderValue>,
}

impl Token {
    /// This one, for good.
    ///
    /// # Errors
    /// [`Error::Config`]: it is none. Those are visible ASCII without spaces.
    pub fn new(token: &str) -> Result<Token, Error> {
        Ok(Token::of(None, header(token)?))
    }

    /// The one that stands alone in a file, and whichever takes its place there.
    ///
    /// # Errors
    /// [`Error::Config`]: the file cannot be read, or there is none in it.
    pub fn open(file: impl Into<PathBuf>) -> Result<Token, Error> {
        let file = file.into();
        let current = read(&file)?;
        Ok(Token::of(Some(file), current))
    }

    fn of(file: Option<PathBuf>, current: HeaderValue) -> Token {
        Token(Arc::new(Inner { file, current: Mutex::new(current) }))
    }

    /// What is sent as `Authorization`.
    pub fn header(&self) -> HeaderValue {
        self.0.current.lock().expect("nobody panics under the lock").clone()
    }

    /// Looks for another one than that, which a node has not taken. True: there is one, and it is sent from now on.
    pub async fn renew(&self, sent: &HeaderValue) -> bool {
        self.header() != *sent || self.reload().await.unwrap_or(false)
    }

    /// Looks every few seconds whether the file has another one. It never returns, where there is a file. What cannot be read changes
    /// nothing: the log says so, once.
    pub async fn keep_fresh(self) {
        let Some(file) = &self.0.file else { return };
        let mut refused = None;
        loop {
            tokio::time::sleep(limits::TOKEN_LOOK).await;
            let said = self.reload().await.err().map(|error| error.to_string());
            if let Some(said) = said.as_ref().filter(|said| refused.as_ref() != Some(*said)) {
                tracing::error!(file = %file.display(), "the token as it was goes on: {said}");
            }
            refused = said;
        }
    }

    /// Reads the file again. True: there is another one in it.
    async fn reload(&self) -> Result<bool, Error> {
        let Some(file) = self.0.file.clone() else { return Ok(false) };
        // A disk may take its time.
        let reading = tokio::task::spawn_blocking(move || read(&file).map(|now| (file, now)));
        let (file, now) = reading.await.map_err(|error| Error::Config(error.to_string()))??;
        let mut current = self.0.current.lock().expect("nobody panics under the lock");
        if *current == now {
            return Ok(false);
        }
        *current = now;
        tracing::info!(file = %file.display(), "a new token is in use");
        Ok(true)
    }
}

fn read(file: &Path) -> Result<HeaderValue, Error> {
    let mut text = String::new();
    let read =
        File::open(file).and_then(|file| file.take(limits::TOKEN_FILE_BYTES).read_to_string(&mut text));
    read.map_err(|error| Error::Config(format!("cannot read {}: {error}", file.display())))?;
    header(&text)
}

fn header(token: &str) -> Result<HeaderValue, Error> {
    let none = || Error::Config("it is no token: those are visible ASCII without spaces".to_owned());
    let token = token.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(none());
    }
    let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| none())?;
    value.set_sensitive(true);
    Ok(value)
}

/// Without the token.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("file", &self.0.file).finish_non_exhaustive()
    }
}
