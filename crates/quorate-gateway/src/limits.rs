//! What bounds the HTTP side; the maxima of the contract are in [`quorate_core::limits`].

use std::ops::RangeInclusive;
use std::time::Duration;

/// Jobs that a dry run looks at together.
pub(crate) const DRY_RUN_PAGE: usize = 100;
/// Of these pages it counts so many.
pub(crate) const DRY_RUN_PAGES: usize = 100;
/// And so many jobs, give or take a page, that go on from those: each is read for itself.
pub(crate) const DRY_RUN_LOOKED_UP: usize = 1_000;
/// Ids that it gives, of the first jobs.
pub(crate) const DRY_RUN_SHOWN: usize = 5;
/// Most header fields of a request.
pub(crate) const HEADER_FIELDS: usize = 100;
/// Longest name of a node.
pub(crate) const NODE_NAME_BYTES: usize = 63;
/// How long an operator's order may take.
pub(crate) const ORDER_WAIT: Duration = Duration::from_secs(30);
/// Most seconds that a consume may wait.
pub(crate) const WAIT_SECONDS: u32 = 60;
/// Most seconds of `Quorate-Timeout`, a day: whoever waits longer may as well not say it.
pub(crate) const PATIENCE_SECONDS: f64 = 86_400.0;
/// What a consume that has waited keeps of its client's `Quorate-Timeout`, to make sure that there is nothing.
pub(crate) const LAST_LOOK: Duration = Duration::from_secs(1);
/// How soon who waits for an outcome or a log looks again, at first and at last, if something was applied meanwhile.
pub(crate) const LOOK_SHORTEST: Duration = Duration::from_millis(20);
/// See [`LOOK_SHORTEST`].
pub(crate) const LOOK_LONGEST: Duration = Duration::from_millis(200);
/// Jobs and images listed when `n` is not given.
pub(crate) const PAGE_DEFAULT: usize = 10;
/// JSON of payloads and details at which a page of jobs stops short of `n` (one job is always listed), in bytes.
pub(crate) const PAGE_BYTES: usize = 32 << 20;
/// Rows looked at ([`JobsPage::looked`](quorate_core::JobsPage::looked)) at which a page of jobs stops short of `n`.
pub(crate) const PAGE_ROWS: usize = 50_000;
/// Jobs of a page that are looked for at once.
pub(crate) const SLICE_JOBS: usize = 64;
/// Bytes of payloads that become JSON at once; it may be six times as long.
pub(crate) const PIECE_BYTES: usize = 32 << 10;
/// What an answer that is written in pieces holds of them: one that is made, and what hyper has not sent yet.
pub(crate) const PIECES_HELD_BYTES: usize = 3 * 6 * PIECE_BYTES;
/// Backups that are sent at once: each reads all of the disk.
pub(crate) const BACKUPS: usize = 1;
/// What one holds: pieces of some hundred KiB that are read ahead, and what is compressed.
pub(crate) const BACKUP_HELD_BYTES: usize = 4 << 20;
/// How long the client of a backup may be behind [`PACE`], over all of it: the disk keeps what is replaced meanwhile.
pub(crate) const BACKUP_SLACK: Duration = Duration::from_secs(30);
/// Most pieces of heavy work done at once, if there are twice as many processors.
pub(crate) const HEAVY_AT_ONCE: usize = 4;
/// How long the answer to a write that took effect waits for memory.
pub(crate) const ANSWER_WAIT: Duration = Duration::from_secs(10);
/// Longest query string, in bytes.
pub(crate) const QUERY_BYTES: usize = 8 << 10;
/// Bytes of a body that nobody wants which are read and thrown away, so that a client that writes before it reads gets its
/// answer.
pub(crate) const LEFTOVER_BYTES: usize = 32 << 20;
/// Longest time for that.
pub(crate) const LEFTOVER_TIME: Duration = Duration::from_secs(30);
/// Longest time in which nothing of it comes.
pub(crate) const LEFTOVER_SILENCE: Duration = Duration::from_secs(5);
/// As [`ConnectionLimits::header_read`], for connections on which only health is told.
pub(crate) const RESERVED_HEADER_READ: Duration = Duration::from_secs(1);
/// How long a connection that was closed with something unread goes on to read.
pub(crate) const LINGER: Duration = Duration::from_secs(2);
/// What is handed to hyper at once of an answer's body: the client must take so much in the time in which it may take none.
pub(crate) const OUTGOING_BYTES: usize = 64 << 10;
/// Bytes that a TLS connection takes to send before its socket does: a record.
pub(crate) const TLS_OUTGOING_BYTES: usize = 16 << 10;
/// Bytes of bodies that an HTTP/2 connection may send before they are read: as many as a client may send anyway before it knows.
pub(crate) const H2_WINDOW_BYTES: u32 = (64 << 10) - 1;
/// Requests of an HTTP/2 connection that its client took back before anybody has looked at them: who does so again and again is
/// sent away. Half of [`ConnectionLimits::streams`]: a client may drop much of what it asks for.
pub(crate) const H2_RESETS_WAITING: usize = 50;
/// Bytes of an answer that an HTTP/2 stream keeps until its client takes them, besides the piece in hand.
pub(crate) const H2_SEND_BYTES: usize = 64 << 10;
/// Memory that is set aside for a body when its second piece has come, whatever its Content-Length promises.
pub(crate) const BODY_RESERVE_BYTES: usize = 64 << 10;

/// How long a write waits for a majority, and a linearizable read for the leader, where nothing else was set.
pub(crate) const WRITE_WAIT: Duration = Duration::from_secs(5);
/// Longest time to the end of a request's body.
pub(crate) const BODY_READ: Duration = Duration::from_secs(30);
/// Bytes of request bodies in memory at once. This and the next ones are no settings: they have their places in the sum of all
/// that a node holds, and what nobody uses of them costs nothing.
pub(crate) const BODY_MEMORY_BYTES: usize = 180 << 20;
/// As much of it is for bodies of at most [`SMALL_BYTES`] alone.
pub(crate) const BODY_MEMORY_SMALL_BYTES: usize = 48 << 20;
/// Bytes that answers hold at once.
pub(crate) const ANSWER_MEMORY_BYTES: usize = 128 << 20;
/// As much of it is for answers that hold at most [`SMALL_BYTES`].
pub(crate) const ANSWER_MEMORY_SMALL_BYTES: usize = 32 << 20;
/// Consumes and others that wait at once: most of the requests that there may be.
pub(crate) const WAITING_CONSUMES: usize = 16_000;
/// What counts as little memory for one request, in bytes. There is room for it apart from what large ones take.
pub(crate) const SMALL_BYTES: usize = 64 << 10;
/// Bytes a second below which a client is slow: it loses the memory that it holds when others need it. The longest body at
/// this pace would take four times as long as it may.
pub(crate) const PACE: usize = 64 << 10;
/// How long a client that sends may be slow, and how long one may take for the next [`OUTGOING_BYTES`] of its answer.
pub(crate) const PACE_SLACK: Duration = Duration::from_secs(1);
/// How long a request waits for memory before it is refused: those who are slow must be found.
pub(crate) const MEMORY_WAIT: Duration = Duration::from_secs(3);
/// How often who waits for it looks for somebody who has become slow.
pub(crate) const MEMORY_LOOK: Duration = Duration::from_millis(100);
/// How often clients are looked for that are slow, while the server ends.
pub(crate) const DRAIN_LOOK: Duration = Duration::from_millis(100);
/// How long accepting pauses when the process has no file descriptor left for one more connection.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Most characters of what a client sent that an answer shows.
pub(crate) const QUOTED_CHARS: usize = 100;
/// Most characters of a value that a message shows.
pub(crate) const GIVEN_CHARS: usize = 40;
/// Most characters of a message.
pub(crate) const MESSAGE_CHARS: usize = 500;
/// Longest word of which it is asked whether it is another one misspelled.
pub(crate) const MEANT_CHARS: usize = 64;
/// Most characters in the name of a field that a message shows.
pub(crate) const NAMED_CHARS: usize = 64;
/// What a client is told to wait before it tries again, in seconds.
pub(crate) const RETRY_AFTER_SECONDS: u64 = 1;

/// Bounds of [`crate::Gateway::serve`], per listener.
#[derive(Clone, Debug)]
pub struct ConnectionLimits {
    /// Open connections.
    pub connections: usize,
    /// Connections above them, on which only health is told; more are closed as they come. Of the others the address that has most
    /// loses those over which nobody waits for anything.
    pub reserved: usize,
    /// Of the connections, those that may speak HTTP/2. When all of these are taken, TLS agrees on HTTP/1.1 with the others.
    pub http2: usize,
    /// Longest time to the end of a request's header, from the connection's start or the last answer. It bounds idle
    /// connections too.
    pub header_read: Duration,
    /// Longest header of a request, in bytes. At least 8 KiB.
    pub header_bytes: usize,
    /// Most requests at once on an HTTP/2 connection.
    pub streams: u32,
    /// Most requests at once on all connections, those that wait for a job included. HTTP/2 streams above it are refused in
    /// such a way that clients know that nothing was done.
    pub requests: usize,
    /// Of these, at most so many of one caller: by its token, or by its address where it has none. More are answered with 429. A request
    /// lasts until the last byte of its answer has been taken. Who asks whether the node is well has some apart from these.
    pub caller_requests: usize,
    /// Longest time in which a client takes no byte of its answer.
    pub write_stall: Duration,
    /// Longest time that requests in flight get to end after shutdown.
    pub drain: Duration,
}

/// What a connection holds besides its header, at most: hyper's state and the kernel's for HTTP/1.
const CONNECTION_BYTES: usize = 8 << 10;
/// What TLS holds of each besides, at most: its state, and a record on its way in and out.
const TLS_CONNECTION_BYTES: usize = 48 << 10;
/// What a connection of HTTP/2 holds besides: bodies that nobody reads yet, and what is not a whole frame on its way in and out.
/// What it keeps of each of its streams is a part of [`REQUEST_BYTES`]: all its connections together may have no more streams than
/// there may be requests.
const H2_CONNECTION_BYTES: usize = H2_WINDOW_BYTES as usize + (32 << 10);
/// What a request holds besides its body and its answer, at most: its task, and an answer that is small whatever was asked.
/// Most that was seen are those that wait for a job.
const REQUEST_BYTES: usize = 12 << 10;
/// So long the head of a request of HTTP/2 may be within that: until it is understood, little else is there. A longer one counts as
/// a request more for that time. (Over HTTP/1 it is its connection's.)
pub(crate) const REQUEST_HEAD_BYTES: usize = 4 << 10;

/// Requests of one caller in flight, a quarter of all: by its token, or by its address where it has none. Long polls are among
/// them, so that nobody has all of those either.
pub(crate) const REQUESTS_PER_CALLER: usize = 5_000;
/// One in so many of them is left by what brings jobs, cancels or deletes them to what touches and ends jobs.
pub(crate) const LEFT_BY_SUBMITS: usize = 8;
/// Of each kind of memory one caller has this part: a quarter, as of the requests. A request that needs more has it alone.
pub(crate) const CALLERS_PART: usize = 4;
/// What a caller's rate may be set to, in jobs a second: more than a cluster takes.
pub const CALLER_RATE: RangeInclusive<u32> = 1..=1_000_000;
/// So much of its rate a caller may enqueue at once that has enqueued nothing before.
pub(crate) const RATE_BURST: Duration = Duration::from_secs(1);
/// Lines of the audit log in a second, of whom no token is known: of each address.
pub(crate) const STRANGERS_LINES: u32 = 1;
/// Callers of whom it is known how much they have enqueued of late. More than tokens.
pub(crate) const RATED_CALLERS: usize = 2 * TOKENS;
/// Most characters of a certificate's name that a line of the log shows.
pub(crate) const CERTIFICATE_CHARS: usize = 100;
/// And so many that ask whether the node is well, each counted in the same way.
pub(crate) const CHECKS_PER_CALLER: usize = 64;
/// Tokens of one node.
pub(crate) const TOKENS: usize = 10_000;
/// Longest token that is looked at; those that are made here have 46 characters.
pub(crate) const TOKEN_CHARS: usize = 256;
/// Longest name of a token.
pub(crate) const TOKEN_NAME_BYTES: usize = 64;
/// Longest `X-Request-Id` that is taken over; a longer one is as if none were given.
pub(crate) const REQUEST_ID_BYTES: usize = 128;

impl ConnectionLimits {
    /// The sum of what all connections and their requests hold in memory, at most, in bytes; bodies and answers come on top
    /// ([`crate::GatewayConfig::memory_bytes`]).
    pub fn memory_bytes(&self, is_tls: bool) -> usize {
        let tls = if is_tls { TLS_CONNECTION_BYTES } else { 0 };
        (self.connections + self.reserved) * (self.header_bytes + CONNECTION_BYTES + tls)
            + self.http2.min(self.connections) * H2_CONNECTION_BYTES
            + self.requests * REQUEST_BYTES
    }
}

impl ConnectionLimits {
    /// Where only those connect who watch a node: some Prometheus, some people.
    pub fn for_watchers() -> ConnectionLimits {
        ConnectionLimits {
            connections: 64,
            reserved: 0,
            http2: 0,
            requests: 64,
            caller_requests: 16,
            ..ConnectionLimits::default()
        }
    }
}

impl Default for ConnectionLimits {
    fn default() -> ConnectionLimits {
        ConnectionLimits {
            connections: 10_000,
            reserved: 64,
            http2: 200,
            header_read: Duration::from_secs(10),
            header_bytes: 16 << 10,
            streams: 100,
            requests: 20_000,
            caller_requests: REQUESTS_PER_CALLER,
            write_stall: Duration::from_secs(30),
            drain: Duration::from_secs(15),
        }
    }
}
