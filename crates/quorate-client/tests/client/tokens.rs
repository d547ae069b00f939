//! Tokens: which one is sent, and when that is looked for again.

use std::path::PathBuf;
use std::time::Duration;

use quorate_client::{Client, ClientConfig, Error, RefusedKind, Token};
use tempfile::TempDir;

use crate::support::{Cluster, error, jobs, one_job};

/// A file with a token in it.
struct File(TempDir);

impl File {
    fn new(token: &str) -> File {
        let file = File(tempfile::tempdir().expect("a directory"));
        file.says(token);
        file
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("token")
    }

    fn says(&self, token: &str) {
        std::fs::write(self.path(), format!("{token}\n")).expect("it can be written");
    }

    fn open(&self) -> Token {
        Token::open(self.path()).expect("there is a token in it")
    }
}

fn client(cluster: &Cluster, token: Token) -> Client {
    Client::new(ClientConfig { token: Some(token), ..cluster.config() }).expect("a good configuration")
}

fn sent(cluster: &Cluster) -> Vec<String> {
    let seen = cluster.seen().into_iter();
    seen.map(|seen| seen.headers["authorization"].to_str().expect("ASCII").to_owned()).collect()
}

#[tokio::test]
async fn the_token_is_sent() {
    let cluster = Cluster::start(1, [one_job("a", "queued")]).await;
    let token = Token::new("secret").expect("a token");
    client(&cluster, token).get("a").await.expect("an answer");
    assert_eq!(sent(&cluster), ["Bearer secret"]);
}

#[tokio::test]
async fn a_call_goes_on_with_the_token_that_its_file_has_by_then() {
    for refusal in [401, 403] {
        let refused = error(refusal, "no");
        let cluster = Cluster::start(3, [jobs(&["a"]), refused, jobs(&["b"]), jobs(&["c"])]).await;
        let file = File::new("old");
        let client = client(&cluster, file.open());
        client.enqueue(&[], None).await.expect("the old one is known");
        file.says("new");
        client.enqueue(&[], None).await.expect("the new one is known");
        client.enqueue(&[], None).await.expect("and stays");
        assert_eq!(sent(&cluster), ["Bearer old", "Bearer old", "Bearer new", "Bearer new"]);
        let seen = cluster.seen();
        assert_eq!(seen[1].key(), seen[2].key(), "it is the same call");
    }
}

#[tokio::test]
async fn what_is_no_other_token_changes_nothing() {
    for says in ["old", "two words", ""] {
        let cluster = Cluster::start(2, [error(401, "no"), error(401, "no")]).await;
        let file = File::new("old");
        let client = client(&cluster, file.open());
        file.says(says);
        let result = client.enqueue(&[], None).await;
        let Err(Error::Refused(refused)) = &result else { panic!("{result:?}") };
        assert_eq!(refused.kind, RefusedKind::Unauthorized);
        assert_eq!(sent(&cluster), ["Bearer old", "Bearer old"], "each node was to be asked once");
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_is_followed_also_where_nobody_calls() {
    let file = File::new("old");
    let token = file.open();
    let following = tokio::spawn(token.clone().keep_fresh());
    for says in ["new", "two words", "newer"] {
        let before = token.header();
        file.says(says);
        tokio::time::sleep(Duration::from_secs(20)).await;
        let now = token.header();
        let expected =
            if says.contains(' ') { before } else { format!("Bearer {says}").parse().expect("a header") };
        assert_eq!(now, expected);
    }
    assert!(!following.is_finished());
}

#[test]
fn what_can_be_no_token_is_refused_before() {
    for bad in ["a\nb", "a b", "\u{e9}", " ", ""] {
        assert!(matches!(Token::new(bad), Err(Error::Config(_))), "{bad:?}");
    }
    let file = File::new("secret");
    assert!(!format!("{:?}", file.open()).contains("secret"));
    let Err(Error::Config(said)) = Token::open(file.0.path().join("none")) else { panic!("it is not there") };
    assert!(said.starts_with("cannot read /"), "{said}");
}
