use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quorate_api::{ErrorWrapper, Health};
use reqwest::RequestBuilder;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use tokio::time::Instant;

use crate::attempt::{Failure, Setback, Unreachable, attempt, begin, quote, words};
use crate::call::{Call, Repeat};
use crate::download::Download;
use crate::limits;
use crate::nodes::Nodes;
use crate::pause::Pause;
use crate::presence::Presence;
use crate::{ClientConfig, Error, Keyed, NotWell, Refused, RefusedKind, Token};

/// How long the node may wait before it answers, in seconds.
const QUORATE_TIMEOUT: &str = "Quorate-Timeout";
/// The node does not know the token, or misses it.
const UNAUTHORIZED: u16 = 401;

/// Gets a call to a node that carries it out: asks one after the other, round after round, until the deadline.
#[derive(Debug)]
pub(crate) struct Delivery {
    http: reqwest::Client,
    token: Option<Token>,
    pub(crate) nodes: Arc<Nodes>,
    pub(crate) presence: Arc<Presence>,
    deadline: Duration,
    attempt_timeout: Duration,
    wait_for_nodes: bool,
}

/// How a call failed in the end.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) error: Error,
    /// An earlier attempt may have been carried out; then a refusal may be that attempt's own doing.
    pub(crate) in_doubt: bool,
}

/// A node is not well, by its own words or by what came in their place.
#[derive(Debug)]
pub(crate) enum Unwell {
    Answers(String),
    /// What answers is no node, or no node's word: a proxy that passes on the API alone.
    Foreign(String),
    Silent(String),
    Unreachable(String),
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Error {
        failed.error
    }
}

impl Delivery {
    pub(crate) fn new(config: &ClientConfig) -> Result<Delivery, Error> {
        let shortest = config.attempt_timeout.min(config.deadline / limits::LAST_ATTEMPT_PART);
        let connect = config.connect_timeout.min((shortest / 2).max(limits::SHORTEST_CONNECT));
        let nodes = Nodes::new(&config.nodes, config.is_tls(), config.shuffle)?;
        let http = match nodes.is_any_https() {
            true => reqwest::Client::builder().use_preconfigured_tls(config.tls()),
            false => reqwest::Client::builder(),
        };
        let http = http
            .connect_timeout(connect)
            .tcp_nodelay(true)
            .pool_idle_timeout(limits::CONNECTION_IDLE)
            .redirect(reqwest::redirect::Policy::none()) // a node forwards, it never redirects
            .no_proxy() // a proxy would hide which node is down
            .build()
            .map_err(|error| Error::Config(error.to_string()))?;
        Ok(Delivery {
            http,
            token: config.token.clone(),
            nodes: Arc::new(nodes),
            presence: Arc::default(),
            deadline: config.deadline,
            attempt_timeout: config.attempt_timeout,
            wait_for_nodes: config.wait_for_nodes,
        })
    }

    /// The same, for calls that may take no longer than `deadline`, within which more than one node has to be asked.
    pub(crate) fn within(&self, deadline: Duration) -> Delivery {
        Delivery {
            http: self.http.clone(),
            token: self.token.clone(),
            nodes: self.nodes.clone(),
            presence: self.presence.clone(),
            deadline: self.deadline.min(deadline),
            attempt_timeout: self.attempt_timeout.min(deadline / limits::ATTEMPTS_WITHIN),
            wait_for_nodes: self.wait_for_nodes,
        }
    }

    /// The body of the answer, and whether it repeats an earlier one.
    ///
    /// Within a round the next node is asked at once; between rounds there is a pause, and also after a node that is
    /// only busy, since its neighbours bear the same load.
    pub(crate) async fn send(&self, call: &Call<'_>) -> Result<Keyed<Bytes>, Failed> {
        self.deliver(call).await
    }

    /// The same, of an answer that is taken as it comes: the deadline is for its beginning.
    pub(crate) async fn open(&self, call: &Call<'_>) -> Result<Download, Failed> {
        self.deliver(call).await
    }

    async fn deliver<A: Answer>(&self, call: &Call<'_>) -> Result<A, Failed> {
        let deadline = Instant::now() + self.deadline + call.wait;
        let last_attempt = deadline - self.deadline / limits::LAST_ATTEMPT_PART;
        let mut pause = Pause::new();
        let mut in_doubt = false;
        // What is known of each by the last attempt there: the last round may end before it has asked all.
        let mut unreachable: BTreeMap<usize, String> = BTreeMap::new();
        // What a node said last: it knows more than one that takes no connection.
        let mut said = String::new();
        'rounds: loop {
            let first = self.nodes.current();
            let sent = self.token.as_ref().map(Token::header);
            let mut retry_after = None;
            let mut last = String::new();
            let (mut may_be_lost, mut is_tls) = (false, true);
            let mut strangers: Vec<(usize, Refused)> = Vec::new();
            for step in 0..self.nodes.len() {
                let node = (first + step) % self.nodes.len();
                let answered = A::ask(self, node, call, deadline).await;
                if !matches!(answered, Err(Failure::Unreachable { .. })) {
                    unreachable.remove(&node);
                    self.presence.note_reached(self.nodes.name(node));
                }
                let (setback, busy) = match answered {
                    Ok(answered) => {
                        if call.is_write() {
                            self.presence.note_answered();
                        }
                        return Ok(answered);
                    }
                    Err(Failure::Refused(refused)) if refused.kind == RefusedKind::Unauthorized => {
                        // Its file may have another token by now.
                        if Instant::now() < last_attempt && self.renews(sent.as_ref()).await {
                            continue 'rounds;
                        }
                        if refused.status != UNAUTHORIZED {
                            return Err(self.refused(node, refused, call, in_doubt));
                        }
                        // Nodes hear of a new token one after the other: it is final when every node that is there says so.
                        let setback = Setback::new(format!("401: {refused}"));
                        strangers.push((node, refused));
                        (setback, false)
                    }
                    Err(Failure::Refused(refused)) => return Err(self.refused(node, refused, call, in_doubt)),
                    Err(Failure::Foreign { what, is_success }) => {
                        let what = format!("{}: {what}", self.nodes.name(node));
                        let error = match in_doubt || (is_success && call.is_write()) {
                            true => Error::Unknown(what),
                            false => Error::Protocol(what),
                        };
                        return Err(Failed { error, in_doubt });
                    }
                    Err(Failure::Busy(setback)) => (setback, true),
                    Err(Failure::Unreachable { setback, how }) => {
                        may_be_lost |= how == Unreachable::Silent;
                        is_tls &= how == Unreachable::Tls;
                        unreachable.insert(node, setback.why.clone());
                        (setback, false)
                    }
                    Err(Failure::NotApplied(setback)) => (setback, false),
                    Err(Failure::Unknown(setback)) => {
                        in_doubt |= call.is_write(); // a read leaves nothing behind
                        (setback, false)
                    }
                };
                let Setback { why, retry_after: asked } = setback;
                tracing::debug!(node = %self.nodes.url(node), in_doubt, "attempt failed: {why}");
                self.nodes.leave(node);
                retry_after = retry_after.max(asked);
                last = format!("{}: {why}", self.nodes.name(node));
                if !unreachable.contains_key(&node) {
                    said.clone_from(&last);
                }
                if in_doubt && call.repeat == Repeat::UnlessUnknown {
                    return Err(Failed { error: Error::Unknown(last), in_doubt });
                }
                if busy || Instant::now() >= last_attempt {
                    break;
                }
            }
            if strangers.len() + unreachable.len() == self.nodes.len()
                && let Some((node, refused)) = strangers.pop()
            {
                return Err(self.refused(node, refused, call, in_doubt));
            }
            let nobody = unreachable.len() == self.nodes.len();
            let give_up = nobody && !may_be_lost && !self.waits_for_nodes();
            if nobody && !give_up {
                self.presence.note_nobody(&self.each(&unreachable));
            }
            let pause = pause.next(retry_after);
            if give_up || Instant::now() + pause >= last_attempt {
                let error = match (in_doubt, nobody) {
                    (true, _) => Error::Unknown(last),
                    (false, true) if is_tls => Error::Tls(self.each(&unreachable)),
                    (false, true) => Error::Unreachable(self.each(&unreachable)),
                    (false, false) => Error::Unavailable(match unreachable.is_empty() || said.is_empty() {
                        true => last,
                        false => format!("{said}; {}", self.each(&unreachable)),
                    }),
                };
                return Err(Failed { error, in_doubt });
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Whether a call goes on while no node takes a connection.
    pub(crate) fn waits_for_nodes(&self) -> bool {
        self.wait_for_nodes || self.presence.was_reached()
    }

    /// Whether there is another token than the one that was sent.
    async fn renews(&self, sent: Option<&HeaderValue>) -> bool {
        match (&self.token, sent) {
            (Some(token), Some(sent)) => token.renew(sent).await,
            (None, _) | (_, None) => false,
        }
    }

    /// How a call ends that a node refused.
    fn refused(&self, node: usize, refused: Refused, call: &Call<'_>, in_doubt: bool) -> Failed {
        let error = match in_doubt && !settles(&refused, call) {
            true => Error::Unknown(format!("{}: {refused}", self.nodes.name(node))),
            false => refused.into(),
        };
        Failed { error, in_doubt }
    }

    /// Nodes with what is the matter with each, in the order of their names; what is the matter with several is said once.
    pub(crate) fn each(&self, setbacks: &BTreeMap<usize, String>) -> String {
        let mut nodes_by_why: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (node, why) in setbacks {
            nodes_by_why.entry(why).or_default().insert(self.nodes.name(*node));
        }
        let each = nodes_by_why.iter().map(|(why, nodes)| {
            let nodes: Vec<&str> = nodes.iter().copied().collect();
            format!("{}: {why}", nodes.join(", "))
        });
        each.collect::<Vec<_>>().join("; ")
    }

    /// Asks the current node for `path`, once.
    pub(crate) async fn probe(&self, path: &str, patience: Duration) -> Result<Health, NotWell> {
        let node = self.nodes.current();
        self.ask_well(node, path, patience).await.map_err(|unwell| {
            let is_unreachable = matches!(unwell, Unwell::Unreachable(_));
            let (Unwell::Answers(why)
            | Unwell::Foreign(why)
            | Unwell::Silent(why)
            | Unwell::Unreachable(why)) = unwell;
            NotWell { says: format!("{}/{path}: {why}", self.nodes.name(node)), is_unreachable }
        })
    }

    /// Asks a node for `path`, once.
    pub(crate) async fn ask_well(
        &self,
        node: usize,
        path: &str,
        patience: Duration,
    ) -> Result<Health, Unwell> {
        let mut url = self.nodes.url(node).clone();
        url.path_segments_mut().expect("an http URL has a path").pop_if_empty().push(path);
        let answer = self.authorized(self.http.get(url)).timeout(patience).send().await;
        let answer = answer.map_err(|error| match error.is_connect() {
            true => Unwell::Unreachable(words(&error)),
            false => Unwell::Silent(words(&error)),
        })?;
        let status = answer.status();
        let body = answer.bytes().await.unwrap_or_default();
        if status.is_success() {
            return Ok(serde_json::from_slice(&body).unwrap_or_default());
        }
        Err(match serde_json::from_slice::<ErrorWrapper>(&body) {
            Ok(said) => Unwell::Answers(format!("{status}: {}", said.error.message.trim())),
            Err(_) => Unwell::Foreign(format!("{status}: {}", quote(&body).trim())),
        })
    }

    /// A request that a node is to have answered within `limit`.
    fn request(&self, node: usize, call: &Call<'_>, limit: Duration) -> RequestBuilder {
        let patience = patience(limit).as_secs_f64();
        let request = self.http.request(call.method.clone(), call.url(self.nodes.url(node)));
        self.authorized(request).header(QUORATE_TIMEOUT, format!("{patience:.3}"))
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.token {
            Some(token) => request.header(AUTHORIZATION, token.header()),
            None => request,
        }
    }
}

/// What a call is answered.
trait Answer: Sized {
    /// Asks one node, once.
    fn ask(
        delivery: &Delivery,
        node: usize,
        call: &Call<'_>,
        deadline: Instant,
    ) -> impl Future<Output = Result<Self, Failure>> + Send;
}

impl Delivery {
    /// How long one attempt may take.
    fn limit(&self, call: &Call<'_>, deadline: Instant) -> Duration {
        let left = deadline.saturating_duration_since(Instant::now());
        left.min(self.attempt_timeout + call.wait)
    }
}

/// The whole answer.
impl Answer for Keyed<Bytes> {
    async fn ask(
        delivery: &Delivery,
        node: usize,
        call: &Call<'_>,
        deadline: Instant,
    ) -> Result<Self, Failure> {
        let limit = delivery.limit(call, deadline);
        attempt(delivery.request(node, call, limit).timeout(limit), call).await
    }
}

/// The beginning of one.
impl Answer for Download {
    async fn ask(
        delivery: &Delivery,
        node: usize,
        call: &Call<'_>,
        deadline: Instant,
    ) -> Result<Self, Failure> {
        let limit = delivery.limit(call, deadline);
        let response = tokio::time::timeout(limit, begin(delivery.request(node, call, limit))).await;
        let response = response.unwrap_or_else(|_| Err(Failure::silent()))?;
        Ok(Download::new(response, delivery.nodes.name(node)))
    }
}

/// Whether a refusal says what became of an earlier attempt, too: the state machine gives it, which would have known the key
/// or the job's outcome. What a node or a proxy refuses before that, for the token, the form or the size, says nothing of it.
fn settles(refused: &Refused, call: &Call<'_>) -> bool {
    match refused.kind {
        RefusedKind::Conflict => true,
        RefusedKind::NotFound => matches!(call.path.first(), Some(&"job" | &"queue")), // else it is the route
        RefusedKind::Invalid | RefusedKind::Unauthorized | RefusedKind::TooLarge => false,
    }
}

/// How long a node may take for an answer that must arrive within `limit`.
fn patience(limit: Duration) -> Duration {
    limit - limits::ANSWER.min(limit / limits::ANSWER_PART)
}
