use quorate_core::RequestId;
use tracing::Span;

/// The target of spans and of what happens in them. They are made where somebody wants to have them.
pub(crate) const TARGET: &str = "quorate::trace";

/// How spans of different nodes become one trace: whoever exports them knows.
#[derive(Clone, Copy, Debug)]
pub struct Traces {
    /// What a child elsewhere calls this span: a `traceparent` (<https://www.w3.org/TR/trace-context/>). `None` where it is not
    /// exported.
    pub parent: fn(&Span) -> Option<String>,
    /// Makes a span a child of the one of that name.
    pub adopt: fn(&Span, &str),
}

impl Default for Traces {
    fn default() -> Traces {
        Traces { parent: |_| None, adopt: |_, _| {} }
    }
}

/// The span of a command, where the request that it is for has one.
pub(crate) fn command(request_id: RequestId) -> Span {
    if Span::current().is_disabled() {
        return Span::none();
    }
    tracing::debug_span!(target: TARGET, "command", %request_id)
}

/// The span of a command that another node has sent here, where it has one there.
pub(crate) fn forwarded(traces: Traces, request_id: RequestId, parent: &str) -> Span {
    let span = tracing::debug_span!(target: TARGET, parent: None, "propose", %request_id);
    if !span.is_disabled() {
        (traces.adopt)(&span, parent);
    }
    span
}
