use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::Context;
use quorate_tls::rustls::pki_types::pem::PemObject;
use quorate_tls::rustls::pki_types::{CertificateDer, ServerName};
use quorate_tls::{Identity, Trust, peer_client};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;

use super::order::run;
use crate::keys::{Keys, Tokens};
use crate::limits;
use crate::observe::Stuck;

/// The directories of the authorities: one vouches for the nodes, the other one takes its place.
const AUTHORITIES: [&str; 2] = ["one", "other"];
/// Tokens, and their roles.
const ADMIN: (&str, &str) = ("admin", "admin");
const CLIENTS: (&str, &str) = ("clients", "submit,run,read");
const READER: (&str, &str) = ("reader", "read");
const RUNNER: (&str, &str) = ("runner", "run");
/// What a client of HTTP/2 says first.
const HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Certificates and tokens of nodes on this machine, which the program under test makes, as for its users.
pub(super) struct Secrets {
    binary: PathBuf,
    dir: PathBuf,
    nodes: Vec<Place>,
    /// So many of them run; the others only now and then.
    members: usize,
    /// Which of the authorities vouches for the nodes.
    authority: usize,
    /// By each of them a certificate of a node that is none of these: who is no node at all is not let in.
    strangers: [Identity; AUTHORITIES.len()],
    /// Both.
    trust: Trust,
    keys: Keys,
    /// How many tokens guests have had.
    guests: u32,
}

/// A node, and where it listens.
pub(super) struct Place {
    pub(super) name: String,
    pub(super) http: String,
    pub(super) peer: String,
}

impl Secrets {
    /// Makes them, in a directory of their own in this one.
    ///
    /// # Errors
    /// The program does not.
    pub(super) async fn make(
        binary: &Path,
        dir: &Path,
        nodes: Vec<Place>,
        members: usize,
    ) -> anyhow::Result<Secrets> {
        let dir = dir.join("secrets");
        if tokio::fs::try_exists(&dir).await? {
            tokio::fs::remove_dir_all(&dir).await?;
        }
        tokio::fs::create_dir_all(&dir).await?;
        let mut authorities = String::new();
        for authority in AUTHORITIES.map(|name| dir.join(name)) {
            quorate(binary, |it| it.args(["cert", "init"]).arg(&authority)).await?;
            let stranger = ["cert", "node", "stranger", "--dir"];
            let out = authority.join("strangers");
            quorate(binary, |it| it.args(stranger).arg(&authority).arg("--out").arg(out)).await?;
            authorities += &read(&authority.join("ca.crt")).await?;
        }
        replace(&dir.join("ca.crt"), &authorities).await?;
        let stranger = |authority: &str| {
            let files = dir.join(authority).join("strangers");
            Identity::open(files.join("stranger.crt"), files.join("stranger.key"))
        };
        let mut secrets = Secrets {
            binary: binary.to_owned(),
            nodes,
            members,
            authority: 0,
            strangers: [stranger(AUTHORITIES[0])?, stranger(AUTHORITIES[1])?],
            trust: Trust::open(dir.join("ca.crt"))?,
            keys: Keys::default(),
            guests: 0,
            dir,
        };
        secrets.certify(secrets.authority).await?;
        secrets.token(RUNNER.0, RUNNER.1).await?;
        let tokens = Tokens {
            admin: secrets.token(ADMIN.0, ADMIN.1).await?,
            client: secrets.token(CLIENTS.0, CLIENTS.1).await?,
            reader: secrets.token(READER.0, READER.1).await?,
            guest: secrets.add_guest().await?,
        };
        secrets.keys = Keys::new(&authorities, &tokens)?;
        Ok(secrets)
    }

    /// The nodes.
    pub(super) fn places(&self) -> &[Place] {
        &self.nodes
    }

    /// What clients need.
    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The file with the token of runners.
    pub(super) fn runner_token(&self) -> PathBuf {
        self.dir.join(RUNNER.0).with_extension("token")
    }

    /// With what a node is started.
    pub(super) fn arguments(&self, node: usize) -> Vec<OsString> {
        let file = |end: &str| self.file(node, end);
        let name = &self.nodes[node].name;
        let (cert, key) = (file(&format!("{name}.crt")), file(&format!("{name}.key")));
        let files = [
            ("--tls-cert", cert.clone()),
            ("--tls-key", key.clone()),
            ("--peer-cert", cert),
            ("--peer-key", key),
            ("--peer-ca", file("ca.crt")),
            ("--tokens", self.dir.join("tokens")),
        ];
        files.into_iter().flat_map(|(flag, file)| [OsString::from(flag), file.into()]).collect()
    }

    /// Has the other authority vouch for all nodes, while they run, as docs/operations/tls.md has it, and waits until they do as they
    /// are told.
    ///
    /// # Errors
    /// [`Stuck`] if one does not.
    pub(super) async fn rotate(&mut self) -> anyhow::Result<()> {
        let (old, new) = (self.authority, 1 - self.authority);
        self.believe(&[old, new]).await?;
        let lets_in = async |node: usize, authority: usize| {
            anyhow::Ok(self.see(&self.nodes[node].peer, authority).await?.is_some())
        };
        self.until("believe two authorities", async |node| lets_in(node, new).await).await?;
        self.certify(new).await?;
        let mut given = Vec::new();
        for (node, place) in self.nodes.iter().enumerate() {
            let pem = read(&self.file(node, &format!("{}.crt", place.name))).await?;
            given.push(CertificateDer::from_pem_slice(pem.as_bytes()).context("a node's certificate")?);
        }
        let shows_it = async |node: usize| {
            let Place { http, peer, .. } = &self.nodes[node];
            let shown = [self.see(http, new).await?, self.see(peer, new).await?];
            anyhow::Ok(shown.iter().all(|shown| shown.as_ref() == Some(&given[node])))
        };
        self.until("show its new certificate", shows_it).await?;
        self.believe(&[new]).await?;
        let has_let_go =
            async |node: usize| anyhow::Ok(lets_in(node, new).await? && !lets_in(node, old).await?);
        self.until("let go of the old authority", has_let_go).await?;
        self.authority = new;
        Ok(())
    }

    /// Adds another token for guests to what all nodes know, and says it.
    ///
    /// # Errors
    /// The program does not.
    pub(super) async fn add_guest(&mut self) -> anyhow::Result<String> {
        self.guests += 1;
        self.token(&guest(self.guests), CLIENTS.1).await
    }

    /// Removes the one that guests had before.
    ///
    /// # Errors
    /// The program does not.
    pub(super) async fn remove_guest(&self) -> anyhow::Result<()> {
        let (name, tokens) = (guest(self.guests - 1), self.dir.join("tokens"));
        let remove = ["token", "remove", &name, "--tokens"];
        quorate(&self.binary, |it| it.args(remove).arg(tokens)).await.map(drop)
    }

    async fn token(&self, name: &str, roles: &str) -> anyhow::Result<String> {
        let tokens = self.dir.join("tokens");
        let new = ["token", "new", "--name", name, "--role", roles, "--tokens"];
        let token = quorate(&self.binary, |it| it.args(new).arg(tokens)).await?.trim().to_owned();
        replace(&self.dir.join(name).with_extension("token"), &token).await?;
        Ok(token)
    }

    /// Gives all nodes certificates of this authority.
    async fn certify(&self, authority: usize) -> anyhow::Result<()> {
        let by = self.dir.join(AUTHORITIES[authority]);
        for Place { name, .. } in &self.nodes {
            let out = self.dir.join(name);
            let node = ["cert", "node", name, "--renew", "--dir"];
            quorate(&self.binary, |it| it.args(node).arg(&by).arg("--out").arg(out)).await?;
        }
        Ok(())
    }

    /// Has all nodes believe these authorities.
    async fn believe(&self, authorities: &[usize]) -> anyhow::Result<()> {
        let mut all = String::new();
        for authority in authorities {
            all += &read(&self.dir.join(AUTHORITIES[*authority]).join("ca.crt")).await?;
        }
        for node in 0..self.nodes.len() {
            replace(&self.file(node, "ca.crt"), &all).await?;
        }
        Ok(())
    }

    fn file(&self, node: usize, name: &str) -> PathBuf {
        self.dir.join(&self.nodes[node].name).join(name)
    }

    /// Waits until all members are seen to do something that new files ask of them.
    async fn until(
        &self,
        what: &str,
        does: impl AsyncFn(usize) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let deadline = Instant::now() + limits::TAKEN_UP;
        for (node, Place { name, .. }) in self.nodes.iter().take(self.members).enumerate() {
            // What cannot be seen just now is not so yet.
            while !does(node).await.unwrap_or(false) {
                if Instant::now() >= deadline {
                    let seconds = limits::TAKEN_UP.as_secs();
                    return Err(Stuck(format!("{name} does not {what} within {seconds} s")).into());
                }
                sleep(limits::SEE_EVERY).await;
            }
        }
        Ok(())
    }

    /// The certificate that is shown at an address to a stranger of this authority; none where that does not let it in.
    async fn see(&self, address: &str, authority: usize) -> anyhow::Result<Option<CertificateDer<'static>>> {
        let connector = TlsConnector::from(Arc::new(peer_client(&self.strangers[authority], &self.trust)));
        let stream = TcpStream::connect(address).await?;
        let meet = async {
            let nobody = ServerName::try_from("localhost").map_err(io::Error::other)?;
            let mut stream = connector.connect(nobody, stream).await?;
            let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).cloned();
            // Who is refused learns it only now.
            stream.write_all(HELLO).await?;
            stream.read_u8().await?;
            Ok::<_, io::Error>(shown)
        };
        Ok(timeout(limits::CONNECT, meet).await.context("it does not shake hands")?.unwrap_or_default())
    }
}

fn guest(number: u32) -> String {
    format!("guests-{number}")
}

/// Carries out a command of the program under test.
async fn quorate(binary: &Path, asked: impl FnOnce(&mut Command) -> &mut Command) -> anyhow::Result<String> {
    let mut command = Command::new(binary);
    asked(&mut command);
    run(command).await
}

async fn read(path: &Path) -> anyhow::Result<String> {
    tokio::fs::read_to_string(path).await.with_context(|| format!("cannot read {}", path.display()))
}

/// Puts a file in the place of another one, at once.
async fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    let new = path.with_extension("new");
    tokio::fs::write(&new, text).await?;
    Ok(tokio::fs::rename(new, path).await?)
}
