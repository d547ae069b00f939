//! Every maximum and every period of a node, in one place. Who waits for whom, from a client to a voter: docs/timeouts.md.

use std::time::Duration;

use quorate_core::limits::{BODY_BYTES, BYTES_PER_ENTRY, REQUEST_MILLIS};
use quorate_proto::limits::FRAME_ENTRIES;
pub(crate) use quorate_store::{INDEX, TERM};

/// Queues of which is shown by itself what is measured: each costs whoever watches eight series for each node.
pub(crate) const QUEUES_MEASURED: usize = 100;

/// Commands that this node has taken and not answered; beyond them it refuses.
pub(crate) const TAKEN_COMMANDS: usize = 16_384;
/// Their encoded bytes.
pub(crate) const TAKEN_BYTES: usize = 128 << 20;
/// Commands, local and forwarded, that wait at the leader or are being replicated; beyond them it refuses.
pub(crate) const LEADER_COMMANDS: usize = 32_768;
/// Their encoded bytes.
pub(crate) const LEADER_BYTES: usize = 256 << 20;
/// The commands for the next log entry wait so long for the one under way.
pub(crate) const ENTRY_WAIT: Duration = Duration::from_millis(500);
/// Looks of the runtime at its sockets, before a log entry is made of the commands that are there. Some µs where nothing comes.
pub(crate) const GATHER_YIELDS: u32 = 8;

/// Longest message between peers, in bytes: room for a log entry that holds the longest request, and for the entries
/// that are read from the log at once.
pub(crate) const MESSAGE_BYTES: usize = 4 * BODY_BYTES;
/// Longest encoded command that goes into the log: the longest request, with all that it is given.
pub(crate) const COMMAND_BYTES: usize = 2 * BODY_BYTES;
/// Longest encoded log entry: commands up to [`BYTES_PER_ENTRY`], or one command.
pub(crate) const ENTRY_BYTES: usize = COMMAND_BYTES + BYTES_PER_ENTRY;

/// Terms by which a peer may be ahead of this node. A term is an election, which takes a second: a node is not away for a century.
/// And of a hostile peer, each step of that size costs this node a vote on its disk: it would take 2^31 of them to get to [`TERM`].
pub(crate) const TERMS_AHEAD: u64 = 1 << 32;
/// Terms of its log of which a leader has told, that are remembered: the last ones.
pub(crate) const TERMS_TOLD: usize = 4_096;
/// Log time may be ahead of the median of the members' wall clocks by so many milliseconds, a day, or by what it was ahead before.
pub(crate) const LOG_TIME_AHEAD_MILLIS: u64 = 24 * 3_600 * 1_000;
/// … and of this node's own, where the others' are not known and it may be wrong, or this node knows no log time: a century. A machine without a clock of its own starts at
/// the epoch; whatever is less may be an honest mistake of somebody's clock.
pub(crate) const LOG_TIME_UNSURE_MILLIS: u64 = 100 * 365 * LOG_TIME_AHEAD_MILLIS;

/// Connections to the peer port: a node has five to each other one. A quarter of them is for those who have not said yet who they are.
pub(crate) const PEER_CONNECTIONS: usize = 256;
/// Bytes of messages of which the rest has not come yet, of all callers: all that the other side can make this one hold.
pub(crate) const UNFINISHED_BYTES: usize = 3 * UNFINISHED_BYTES_EACH;
/// … of one caller: the longest message, and what else it sends meanwhile.
pub(crate) const UNFINISHED_BYTES_EACH: usize = MESSAGE_BYTES + BODY_BYTES;
/// A message that carries no log entries, no commands and no files, in bytes: most kinds do not, and no answer.
pub(crate) const SHORT_BYTES: usize = 64 << 10;
/// Streams that one peer may have open with this node.
pub(crate) const STREAMS_PER_PEER: u32 = 64;
/// Bytes that a peer may send ahead of what was read, on one stream and on one connection. Fixed: HTTP/2's way to find them out
/// costs pings while commands flow.
pub(crate) const STREAM_WINDOW: u32 = 8 << 20;
pub(crate) const CONNECTION_WINDOW: u32 = 16 << 20;
/// Append frames without a result, on one stream.
pub(crate) const FRAMES_IN_FLIGHT: usize = 32;
/// Forward frames that wait for the connection.
pub(crate) const FORWARD_FRAMES: usize = 4;
/// Answers to forwarded commands that wait for the connection; then it is given up. A node has half as many commands unanswered.
pub(crate) const FORWARD_ANSWERS: usize = 2 * TAKEN_COMMANDS;
/// Bytes in a chunk of a snapshot's file.
pub(crate) const SNAPSHOT_CHUNK_BYTES: usize = 1 << 20;
/// Chunks of a snapshot that wait for the connection.
pub(crate) const SNAPSHOT_CHUNKS: usize = 4;

/// Between two heartbeats of a leader, in milliseconds.
pub(crate) const HEARTBEAT_MILLIS: u64 = 100;
/// A follower waits twice the longer one without a leader, then between the two more, before it stands for election. In
/// milliseconds.
pub(crate) const ELECTION_MILLIS: (u64, u64) = (300, 600);
/// A leader that hears of no majority for so long asks whether it still leads, in milliseconds. It must not keep the others from
/// electing one: at least twice the longer election timeout.
pub(crate) const QUORUM_LOSS_MILLIS: u64 = 1_500;
/// Log entries that openraft takes from its callers at once, and that go into one append frame.
pub(crate) const PAYLOAD_ENTRIES: u64 = 1_024;
pub(crate) const APPEND_ENTRIES: u64 = FRAME_ENTRIES as u64;

/// For a connection to be made.
pub(crate) const CONNECT: Duration = Duration::from_secs(1);
/// Between signs of life on a connection.
pub(crate) const KEEPALIVE: Duration = Duration::from_secs(1);
/// For a sign of life to be answered; then the connection is given up.
pub(crate) const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(2);
/// A member's connection over which nothing has come for so long is silent: two signs of life, and the answer to one, are missing.
pub(crate) const UNANSWERED_PING: Duration = KEEPALIVE.saturating_mul(2).saturating_add(KEEPALIVE_TIMEOUT);
/// For somebody who has connected to make a call, and for the next one, before a member has made any.
pub(crate) const FIRST_CALL: Duration = Duration::from_secs(10);
/// A member's connection over which nothing has come for so long, not even an answer to a sign of life, is closed.
pub(crate) const PEER_SILENCE: Duration = Duration::from_secs(30);
/// Between two looks for such connections.
pub(crate) const CONNECTIONS_LOOK: Duration = Duration::from_secs(1);
/// After a connection that could not be accepted: the next one hardly can.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Connections that were greeted before the authorities changed are closed so much later: those who have a new certificate use it
/// by then.
pub(crate) const RENEWAL: Duration = Duration::from_secs(5);
/// What is said in one [`WATCH`], at most, of those with whom no connection comes about.
pub(crate) const SAID: usize = 16;
/// Why one could not be spoken to is told for so long: it is tried again every [`WATCH`].
pub(crate) const REFUSAL_AGE: Duration = Duration::from_secs(15);
/// What a member has said of others counts for so long; it is asked again every [`WATCH`].
pub(crate) const TOLD_AGE: Duration = Duration::from_secs(30);
/// Of so many nodes.
pub(crate) const TOLD: usize = 4 * PEERS;
/// For what the other side of a broken connection said to be read: it came before the break.
pub(crate) const LAST_WORD: Duration = Duration::from_millis(500);
/// For a message to come, from its first byte to its last.
pub(crate) const MESSAGE: Duration = Duration::from_secs(30);
/// For an append frame to be answered. The answer waits for the follower's disk.
pub(crate) const APPEND_SILENCE: Duration = Duration::from_secs(5);
/// How often a person's command asks who is there that does not answer, before somebody is given up, and the pause between.
pub(crate) const RECOVER_ROUNDS: u32 = 4;
pub(crate) const RECOVER_PAUSE: Duration = Duration::from_millis(500);
/// For a node of its cluster to answer one that starts and has met a node of a cluster that was made of its own.
pub(crate) const GIVEN_UP: Duration = Duration::from_secs(3);
/// For the question, before a node starts, who is there: one that is not reached does not hold up the start.
pub(crate) const LOOK_AROUND: Duration = Duration::from_millis(500);
/// Pieces of a backup that are read before they are taken; each is some hundred KiB.
pub(crate) const BACKUP_PIECES: usize = 4;
/// Connections of peers that wait to be taken.
pub(crate) const BACKLOG: u32 = 1024;
/// For a short question to a peer.
pub(crate) const ASK: Duration = Duration::from_secs(1);
/// For a voter to say whom it follows. Shorter than a linearizable read waits for the leader: it may ask again.
pub(crate) const ASK_VOTE: Duration = Duration::from_millis(500);
/// For the next frame of a snapshot to come.
pub(crate) const SNAPSHOT_SILENCE: Duration = Duration::from_secs(30);
/// For a snapshot to be sent and installed.
pub(crate) const SNAPSHOT: Duration = Duration::from_secs(3_600);

/// Longest time that a request may take. Its deadline in log time must be within [`REQUEST_MILLIS`] where it is
/// applied; the rest is for clocks that differ.
pub(crate) const REQUEST: Duration = Duration::from_millis(REQUEST_MILLIS - 10_000);
/// A command without any answer for so long is proposed again. Long: a broken stream and a new leader are noticed
/// sooner, and to propose again what only waits would add to the load.
pub(crate) const PROPOSE_AGAIN: Duration = Duration::from_secs(10);
/// Pause before a refused proposal is made again: the first, and the longest.
pub(crate) const PAUSE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(200));

/// A member that is further behind, in log entries, is worth a warning.
pub(crate) const LAG_WORTH_A_WARNING: u64 = 10_000;
/// Between two rounds of questions to the other members about their clocks and the membership.
pub(crate) const WATCH: Duration = Duration::from_secs(5);
/// What a peer's clock said is used for so long.
pub(crate) const CLOCK_AGE: Duration = Duration::from_secs(60);
/// A wall clock, or log time, that is further off the median is reported, in milliseconds.
pub(crate) const CLOCK_OFFSET_MILLIS: u64 = 1_000;
/// What log time is off the median is made up for by so many millionths of the time that passes, both ways: the rate at
/// which adjtime(3) and NTP slew a clock (RFC 5905, section 11.3: 500 ppm).
pub(crate) const SLEW_PPM: u32 = 500;
/// Log time that is not made here goes on slower by so much: by what it may be slewed back, and by what clocks differ, which
/// the kernel corrects up to the same 500 ppm (adjtimex(2)).
pub(crate) const HEARD_LAG_PPM: u32 = 2 * SLEW_PPM;
/// What a leader says of log time is old where more than that is missing: one that stood still for so long, and its clock
/// too, does not lead any more.
pub(crate) const OLD_WORD: Duration = Duration::from_secs(1);
/// Words that go on to be old for so long do not come from a buffer.
pub(crate) const OLD_WORDS: Duration = Duration::from_secs(10);
/// What is said of log time may be ahead of what its leader has said before, and what clocks differ since, by the time that a word is on its way.
pub(crate) const WORD_AHEAD: Duration = Duration::from_secs(1);
/// Between two notes of log time on disk.
pub(crate) const NOTE: Duration = Duration::from_secs(1);
/// Between two looks at the time, while a timer runs. The runtime's own timers stand still while the machine is suspended;
/// log time does not.
pub(crate) const TICK_LOOK: Duration = Duration::from_secs(1);
/// The same while commands are under way, after a tick that was refused, and after [`TICKS_IN_A_ROW`].
pub(crate) const TICK_PAUSE: Duration = Duration::from_millis(100);
/// One tick does a bounded part of what is due. So many in a row for one moment are more than that: something is wrong,
/// and must not fill the log.
pub(crate) const TICKS_IN_A_ROW: u32 = 10_000;
/// For a step of work on many jobs to be answered.
pub(crate) const OPERATION_STEP: Duration = Duration::from_secs(10);
/// Between two steps, at most; else as long as the first of them took.
pub(crate) const OPERATION_REST: Duration = Duration::from_millis(100);
/// After one that was not done.
pub(crate) const OPERATION_PAUSE: Duration = Duration::from_millis(200);
/// The same where there was no lane, and still is none.
pub(crate) const OPERATION_LANE_PAUSE: Duration = Duration::from_secs(10);
/// Between two looks at the free space of the disk. What is about to be written looks by itself.
pub(crate) const DISK_WATCH: Duration = Duration::from_millis(250);
/// Nodes that form a cluster: more make every write slower, and nothing safer.
pub(crate) const PEERS: usize = 9;
/// Longest address of a node: a DNS name, and a port.
pub(crate) const ADDR_BYTES: usize = 253 + 6;
/// Longest id of a cluster, or name of a version.
pub(crate) const ID_BYTES: usize = 64;
/// Longest name of a node.
pub(crate) const NAME_BYTES: usize = 63;
/// What is kept free of a large disk, in bytes; of a small one a quarter.
pub(crate) const DISK_RESERVE: u64 = 256 << 20;
/// Between two attempts to open the stores on a full disk.
pub(crate) const START_PAUSE: Duration = Duration::from_secs(1);
/// A command waits so long at a node that has no room to follow the log, before it is sent away.
pub(crate) const FOLLOW_WAIT: Duration = Duration::from_secs(1);
/// Between two looks at that.
pub(crate) const FOLLOW_LOOK: Duration = Duration::from_millis(20);
/// Bytes of log entries that pass while there is hardly room for anything.
pub(crate) const SMALL: u64 = 64 << 10;
/// For the stores to give back what they can, when room is short and jobs wait for that.
pub(crate) const SQUEEZE: Duration = Duration::from_millis(1_500);
/// Between two attempts at that.
pub(crate) const SQUEEZE_PAUSE: Duration = Duration::from_millis(100);
/// For a leader that is short of room to find a successor, as long as somebody has room.
pub(crate) const RELIEF: Duration = Duration::from_secs(3);
/// Between two attempts at that.
pub(crate) const RELIEF_TRY: Duration = Duration::from_millis(100);
/// Between two looks for somebody who has room, when nobody had any.
pub(crate) const RELIEF_PAUSE: Duration = Duration::from_secs(5);
/// A leader that is short of room hands over once in this time at most. Jobs wait for that, so it is far below [`REQUEST`].
pub(crate) const RELIEF_REST: Duration = Duration::from_secs(5);
/// Bytes of the Raft log on a large disk.
pub(crate) const RAFT_LOG_BYTES: u64 = 1 << 30;
/// The log takes this part of a small disk.
pub(crate) const LOG_SHARE: u64 = 8;
/// Between two looks at the log: whether a snapshot is due, and what can be purged.
pub(crate) const COMPACTION: Duration = Duration::from_millis(500);
/// Log entries between two snapshots, and behind one, as long as their bytes are few.
pub(crate) const SNAPSHOT_EVERY: u64 = 100_000;
pub(crate) const LOGS_KEPT: u64 = 50_000;
/// Log entries that are worth a purge.
pub(crate) const PURGE_ENTRIES: u64 = 256;
/// A follower that has not answered for so long does not hold the log.
pub(crate) const FOLLOWER_SILENCE: Duration = Duration::from_secs(10);
/// Between two times that the stores give back all that they can, while room is short: the first pause, and the longest.
pub(crate) const RECLAIM: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(300));
/// For the Raft core to answer, so that it counts as alive.
pub(crate) const ALIVE: Duration = Duration::from_secs(2);
/// For a majority to be reached, so that this node counts as ready.
pub(crate) const READY: Duration = Duration::from_secs(2);
/// Between two looks at whether the Raft core is alive.
pub(crate) const ALIVE_WATCH: Duration = Duration::from_millis(500);
/// So long a node that is to be added is asked again: it may only just start.
pub(crate) const NEWCOMER: Duration = Duration::from_secs(3);
/// Between two attempts to find or join the cluster.
pub(crate) const JOIN_PAUSE: Duration = Duration::from_millis(200);
/// The same, where nobody has asked for this node yet.
pub(crate) const APPLY_PAUSE: Duration = Duration::from_secs(1);
/// A node that is no member is shown so long after it has asked last.
pub(crate) const OUTSIDER_AGE: Duration = Duration::from_secs(15);
/// A member that has not answered for so long is gone: a newcomer at another address that bears its name takes its place. Well over
/// a restart.
pub(crate) const GONE: Duration = Duration::from_secs(12);
/// So many of them, at most.
pub(crate) const OUTSIDERS: usize = 16;
/// For an operator's order to wait for the change that is under way.
pub(crate) const ORDER_TURN: Duration = Duration::from_secs(5);
/// For the leader to carry out an operator's order.
pub(crate) const ORDER: Duration = Duration::from_secs(30);
/// For a member to be drained, or to answer what it has taken, before it is removed.
pub(crate) const DRAIN_MEMBER: Duration = Duration::from_secs(8);
/// A member that is about to be removed takes no commands for so long. If it is not, it does again.
pub(crate) const LEAVE: Duration = Duration::from_secs(15);
/// Between two attempts of a leader that is being drained to find a successor.
pub(crate) const DRAIN_TRY: Duration = Duration::from_secs(1);
/// For one step of a newcomer's way to be a voter. It waits for log entries to be committed.
pub(crate) const JOIN: Duration = Duration::from_secs(10);
/// For a member that lags to catch up, before it is said that it does not; and between two looks.
pub(crate) const LAG_WAIT: Duration = Duration::from_secs(2);
pub(crate) const LAG_LOOK: Duration = Duration::from_millis(20);
/// For the cluster's feature level to be raised.
pub(crate) const RAISE: Duration = Duration::from_secs(10);
/// Log entries that a newcomer may lack, or not have applied, and still become a voter; and that a voter may not have applied, and still lead.
pub(crate) const JOIN_LAG: u64 = 1_000;

/// For requests that are under way to end, when this node stops.
pub(crate) const DRAIN: Duration = Duration::from_secs(5);
/// Between two looks at whether something has ended, when this node stops.
pub(crate) const STOP_LOOK: Duration = Duration::from_millis(5);
/// For a voter to say that it is alive, before the leadership is handed over to it.
pub(crate) const SUCCESSOR_ASK: Duration = Duration::from_millis(500);
/// Log entries that a successor may lag behind: it must have them before it can be elected.
pub(crate) const SUCCESSOR_LAG: u64 = 1_000;
/// For the successor to take the leadership over, before the next one is tried.
pub(crate) const HANDOVER_TRY: Duration = Duration::from_millis(500);
/// For anybody to take the leadership over, after all successors were tried.
pub(crate) const HANDOVER: Duration = Duration::from_secs(1);
/// For open streams to end, when this node stops.
pub(crate) const HANG_UP: Duration = Duration::from_secs(1);
/// For Raft's tasks, and for a snapshot that is being built, to let go of the files, when this node stops.
pub(crate) const RELEASE: Duration = Duration::from_secs(5);

/// How long one question of a node that recovers may take, before it asks again.
pub(crate) const RECOVERY_QUESTION: Duration = Duration::from_secs(5);
/// For a node that cannot go on to say why, before its process is aborted.
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(2);

/// What is in the log can be sent, whatever comes with it in its frame.
const _: () = assert!(ENTRY_BYTES + BYTES_PER_ENTRY < MESSAGE_BYTES);

/// Whoever waits for an answer waits longer than the one who gives it waits for its own.
const _: () = {
    const fn waits_for(asker: Duration, answerer: Duration) {
        assert!(asker.as_millis() > answerer.as_millis());
    }
    waits_for(ASK, ASK_VOTE);
    waits_for(READY, ASK);
    waits_for(RECOVERY_QUESTION, ASK);
    waits_for(JOIN, ASK);
    waits_for(PROPOSE_AGAIN, ASK);
    waits_for(DRAIN_MEMBER, DRAIN);
    waits_for(LEAVE, DRAIN_MEMBER);
    waits_for(ORDER, ORDER_TURN);
};

/// The sum of what a node without its HTTP server holds in memory, at most, in bytes. A command that this node has taken
/// and proposes itself is there once; frames to peers hold what was read of the log.
pub const MEMORY_BYTES: usize = quorate_store::MEMORY_BYTES
    + LEADER_BYTES
    + UNFINISHED_BYTES
    + FRAMES_IN_FLIGHT * (2 << 20)
    + SNAPSHOT_CHUNKS * SNAPSHOT_CHUNK_BYTES;
