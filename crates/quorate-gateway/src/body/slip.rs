//! What is wrong with a JSON body, in plain words: serde's are those of Rust.

use quorate_core::limits::JOBS_PER_REQUEST;

use crate::limits::GIVEN_CHARS;
use crate::quote::shortened;
use crate::ranges;
use crate::unknown::unknown;

/// What serde found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Slip {
    /// The field of the object at the error's path that it is about, where the path does not say it.
    pub(super) field: Option<String>,
    pub(super) message: String,
}

/// In plain words what serde says in `error`; `name` is the field that it stopped at.
pub(super) fn plain(error: &serde_json::Error, name: &str) -> Slip {
    let said = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let said = said.strip_suffix(&place).unwrap_or(&said);
    if !error.is_data() {
        let message =
            format!("is not valid JSON: {} (line {}, column {})", syntax(said), error.line(), error.column());
        return Slip { field: None, message };
    }
    // What we expect comes last, and what came, which may look like anything, before it.
    if let Some((came, expected)) = between(said, "unknown field `", "`, expected ") {
        let known: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
        // Within a tagged object the path ends before it.
        let field = (!came.ends_with(name)).then(|| came.to_owned());
        return Slip { field, message: unknown(came, &known) };
    }
    if let Some((came, expected)) = between(said, "unknown variant `", "`, expected ") {
        let known: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
        let known = known
            .split_last()
            .map_or_else(String::new, |(last, others)| format!("{} or {last}", others.join(", ")));
        return Slip {
            field: None,
            message: format!("must be {known}, not {}", shortened(came, GIVEN_CHARS)),
        };
    }
    for (start, message) in [("missing field `", "is required"), ("duplicate field `", "is given twice")] {
        if let Some(field) = said.strip_prefix(start).and_then(|rest| rest.strip_suffix('`')) {
            return Slip { field: Some(field.to_owned()), message: message.into() };
        }
    }
    let message = if said.starts_with("invalid length ") {
        format!("has more than {JOBS_PER_REQUEST}; send the others in another request")
    } else {
        let value = between(said, "invalid type: ", ", expected ");
        let value = value.or_else(|| between(said, "invalid value: ", ", expected "));
        value.map_or_else(|| said.to_owned(), |(came, expected)| mismatch(came, expected, name))
    };
    Slip { field: None, message }
}

fn between<'a>(said: &'a str, start: &str, middle: &str) -> Option<(&'a str, &'a str)> {
    said.strip_prefix(start)?.rsplit_once(middle)
}

/// One thing stands where another should.
fn mismatch(came: &str, expected: &str, name: &str) -> String {
    let is_number = matches!(expected, "u32" | "u64");
    let should = match ranges::of(name) {
        Some(range) if is_number => format!("a whole number, {} to {}", range.start(), range.end()),
        _ if is_number => "a whole number".into(),
        _ if expected == "a sequence" => "a list".into(),
        _ if expected == "a map" || expected.starts_with("struct ") => "an object".into(),
        _ => expected.to_owned(),
    };
    let (kind, value) = came.split_once(' ').unwrap_or((came, ""));
    let inner = value.trim_matches('`');
    let is = match kind {
        "map" => "an object".into(),
        "sequence" => "a list".into(),
        "string" => format!("the string {}", shortened(value, GIVEN_CHARS)),
        "integer" | "boolean" => inner.to_owned(),
        "floating" => value.trim_start_matches("point ").trim_matches('`').to_owned(),
        _ => came.to_owned(),
    };
    let hint = match (kind, expected) {
        ("string", _) if is_number && value.trim_matches('"').parse::<u64>().is_ok() => {
            "; leave the quotes out"
        }
        ("map" | "sequence", "a string") if name == "payload" => {
            r#"; JSON goes into a payload as a string: "{\"key\": 1}""#
        }
        ("map", _) if name == "jobs" => r#"; put it into a list: {"jobs": [{"image": "…"}]}"#,
        (_, "an object") if name.starts_with("jobs[") => r#"; a job is one: {"image": "…"}"#,
        _ => "",
    };
    format!("must be {should}, not {is}{hint}")
}

/// What serde_json says of the syntax, in the words of somebody who writes JSON.
fn syntax(said: &str) -> &str {
    match said {
        "EOF while parsing a value" => "it ends where a value should stand",
        "EOF while parsing an object" => "it ends within an object",
        "EOF while parsing a list" => "it ends within a list",
        "EOF while parsing a string" => "it ends within a string",
        "expected value" => "here a value should stand",
        "expected ident" => "a bare word is only true, false or null",
        "expected `:`" => "behind a name there should be a colon",
        "expected `,` or `}`" => "here a comma or } should stand",
        "expected `,` or `]`" => "here a comma or ] should stand",
        "key must be a string" => "a name should stand in double quotes",
        "trailing comma" => "nothing follows a comma",
        "trailing characters" => "something follows its end",
        "invalid number" | "number out of range" => "a number is malformed or too large",
        "invalid escape" => "a backslash is followed by what is no escape",
        "lone leading surrogate in hex escape" | "unexpected end of hex escape" => {
            "an escape \\u is half of a pair"
        }
        "invalid unicode code point" => "it is not UTF-8",
        "recursion limit exceeded" => "it is nested too deeply",
        said if said.starts_with("control character") => {
            "a line break or another control character stands within a string; write it as \\n or \\u000a"
        }
        said => said,
    }
}
