use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt::{self, Debug};
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::panic::PanicHookInfo;
use std::sync::OnceLock;

use anyhow::{Context, anyhow};
use tracing::field::Field;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

use crate::background::Background;
use crate::clean;
use crate::number::{counted, form};

/// How events are written to standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Human,
    /// One JSON object a line, for machines.
    Json,
}

/// What is logged unless something else is asked for.
pub(crate) const LEVEL: &str = "info";

/// The log of this process, once it has one.
static LOG: OnceLock<Log> = OnceLock::new();

#[derive(Clone)]
struct Log {
    lines: Background,
    format: LogFormat,
}

/// Writes events of `level` (a filter such as `info` or `info,openraft=warn`) to standard error from now on, and panics
/// too. A log that cannot be written costs nothing but the log. `traces` has what it wants besides.
///
/// # Errors
/// The filter cannot be read, or there is no thread to be had.
pub(crate) fn start(
    format: LogFormat,
    level: &str,
    traces: Option<Box<dyn Layer<Registry> + Send + Sync>>,
) -> anyhow::Result<()> {
    let filter = filter(level).map_err(|why| anyhow!("log-level: `{level}`: {why}"))?;
    // A descriptor of its own: a write that waits must not hold the lock of `std::io::stderr`.
    let stderr = File::from(io::stderr().as_fd().try_clone_to_owned().context("standard error")?);
    let notice = move |lost: u64| {
        let (lines, are, they) = (counted(lost, "line"), form(lost, "is", "are"), form(lost, "it", "they"));
        line(format, "WARN", &format!("{lines} of this log {are} lost: {they} could not be written"))
    };
    let lines = Background::start(stderr, notice).context("a thread for the log")?;
    let log = LOG.get_or_init(|| Log { lines, format });
    let layer = tracing_subscriber::fmt::layer()
        .log_internal_errors(false) // it would print them
        .with_writer(move || log);
    let layer = match format {
        LogFormat::Human => layer
            .with_ansi(io::stderr().is_terminal())
            .fmt_fields(debug_fn(write_field).delimited(" "))
            .with_filter(filter)
            .boxed(),
        LogFormat::Json => layer.json().with_filter(filter).boxed(),
    };
    tracing_subscriber::registry().with(traces).with(layer).init();
    // The standard one writes to standard error, and waits for its reader.
    std::panic::set_hook(Box::new(log_panic));
    quorate_node::before_abort(flush);
    Ok(())
}

/// Has a command without a log say in remarks what its client says of the nodes.
pub(crate) fn remark_on_nodes() {
    let layer = tracing_subscriber::fmt::layer()
        .log_internal_errors(false)
        .without_time()
        .with_level(false)
        .with_target(false)
        .with_ansi(false)
        .with_writer(io::stderr)
        .fmt_fields(debug_fn(write_field).delimited(" "))
        .with_filter(Targets::new().with_target("quorate_client", LevelFilter::INFO));
    // Whoever has a log has it there.
    let _ = tracing_subscriber::registry().with(layer).try_init();
}

/// What to log, if it says so; for `value_parser`.
///
/// # Errors
/// What it should be.
pub(crate) fn level(level: &str) -> Result<String, String> {
    filter(level).map(|_| level.to_owned())
}

/// openraft warns with every attempt to reach a member that is away, of which the node itself speaks once: it is heard from
/// `error` on, unless the filter names it. What administrators do is heard in any case, unless the filter names that.
fn filter(level: &str) -> Result<EnvFilter, String> {
    let parts: Vec<&str> = level.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    let is_one = !parts.is_empty() && parts.into_iter().all(names_a_level);
    let filter = EnvFilter::try_new(level).ok().filter(|_| is_one);
    let mut filter = filter.ok_or(
        "it is no filter: use error, warn, info, debug, trace or off, or a list such as `info,openraft=warn`",
    )?;
    if filter.max_level_hint() != Some(LevelFilter::OFF) {
        for (target, directive) in [("openraft", "openraft=error"), ("quorate::audit", "quorate::audit=info")]
        {
            if !level.contains(target) {
                filter = filter.add_directive(directive.parse().expect("a directive"));
            }
        }
    }
    Ok(filter)
}

/// By its word: the filter takes numbers too, and another word for a target. A span's own form is left to it.
fn names_a_level(part: &str) -> bool {
    let level = part.rsplit('=').next().unwrap_or_default().trim();
    let words = ["off", "error", "warn", "info", "debug", "trace"];
    part.contains('[') || words.into_iter().any(|word| word.eq_ignore_ascii_case(level))
}

/// Waits for a moment until the log is written.
pub(crate) fn flush() {
    if let Some(log) = LOG.get() {
        log.lines.flush();
    }
}

/// Writes a warning into the log that no filter may keep from it.
pub(crate) fn warn(message: &str) {
    if let Some(log) = LOG.get() {
        log.lines.push(line(log.format, "WARN", message).as_bytes());
    }
}

/// Writes the error that ends this process into its log; says whether it has one.
pub(crate) fn end(error: &str) -> bool {
    let Some(log) = LOG.get() else { return false };
    let line = match log.format {
        LogFormat::Human => format!("error: {error}\n"),
        LogFormat::Json => line(log.format, "ERROR", error),
    };
    log.lines.push(line.as_bytes());
    log.lines.flush();
    true
}

/// A line that must not be filtered, or comes from the log itself.
fn line(format: LogFormat, level: &str, message: &str) -> String {
    let mut time = String::new();
    // It fails only where a string does.
    let _ = SystemTime.format_time(&mut Writer::new(&mut time));
    match format {
        LogFormat::Human => format!("{time} {level:>5} quorate: {message}\n"),
        LogFormat::Json => {
            let fields = serde_json::json!({ "message": message });
            format!(
                "{}\n",
                serde_json::json!({ "timestamp": time, "level": level, "fields": fields, "target": "quorate" })
            )
        }
    }
}

/// A field as a person may see it: clients and peers have a say in some.
fn write_field(to: &mut Writer<'_>, field: &Field, value: &dyn Debug) -> fmt::Result {
    let value = clean::line(&format!("{value:?}"));
    match field.name() {
        "message" => to.write_str(&value),
        name => write!(to, "{name}={value}"),
    }
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("without a name");
    let message = panic.payload_as_str().unwrap_or("without words");
    let place = panic.location().map(ToString::to_string);
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then_some(backtrace);
    tracing::error!(thread, place, backtrace = backtrace.map(tracing::field::display), "panicked: {message}");
}

impl Write for &Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.lines.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openraft_is_heard_where_it_is_named_and_administrators_in_any_case() {
        let table = [
            ("info", "quorate::audit=info,openraft=error,info"),
            ("off", "off"),
            ("INFO,", "quorate::audit=info,openraft=error,info"),
            ("warn,openraft=warn", "quorate::audit=info,openraft=warn,warn"),
            ("debug,quorate=info", "quorate::audit=info,openraft=error,quorate=info,debug"),
            ("info,quorate::audit=off", "quorate::audit=off,openraft=error,info"),
        ];
        for (level, directives) in table {
            assert_eq!(filter(level).unwrap().to_string(), directives);
        }
        for wrong in ["", "loud=very", "blah", "info,blah", "blah,openraft=warn", "5", "info,openraft=2"] {
            assert!(filter(wrong).unwrap_err().starts_with("it is no filter: use error, warn"), "{wrong}");
        }
    }
}
