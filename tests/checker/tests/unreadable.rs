//! What cannot be read is an error with its line, never skipped.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic too")]

use quorate_check::History;

const RUN: &str = r#"{"run":{"format":1,"nodes":["n1"]}}"#;
const END: &str = r#"{"end":{"ops":0}}"#;

fn refused(lines: &[&str], line: usize, what: &str) {
    let text = lines.join("\n");
    let error = History::read(text.as_bytes()).expect_err(&text);
    assert_eq!(error.line, line, "{text}: {error}");
    assert!(error.what.contains(what), "{text}: {error}");
}

#[test]
fn an_empty_history_reads() {
    let history = History::read(format!("{RUN}\n{END}\n").as_bytes()).unwrap();
    assert!(history.ops.is_empty());
}

#[test]
fn lines_that_say_nothing() {
    refused(&[RUN, "{", END], 2, "EOF");
    refused(&[RUN, "", END], 2, "EOF");
    refused(&[RUN, r#"{"opp":{}}"#, END], 2, "unknown variant");
    refused(&[RUN, r#"{"healed":{"at":1,"on":2}}"#, END], 2, "unknown field");
    refused(&[RUN, r#"{"healed":{}}"#, END], 2, "missing field");
    refused(&[r#"{"run":{"format":5,"nodes":["n1"]}}"#, END], 1, "format");
    refused(&[r#"{"run":{"format":1,"nodes":[]}}"#, END], 1, "no nodes");
    refused(&[r#"{"run":{"format":2,"nodes":["n1"],"queues":{"q":{"speed":1}}}}"#, END], 1, "unknown field");
}

#[test]
fn lines_out_of_place() {
    refused(&[END], 1, "first line");
    refused(&[RUN, RUN, END], 2, "second `run`");
    refused(&[RUN, END, END], 3, "follows the end");
    refused(&[RUN], 2, "without its end");
    refused(&[RUN, r#"{"end":{"ops":1}}"#], 2, "another number");
    refused(&[RUN, r#"{"healed":{"at":1}}"#, r#"{"healed":{"at":2}}"#, END], 3, "second `healed`");
}

#[test]
fn scans_that_do_not_add_up() {
    let scan = r#"{"scan":{"node":"n1","index":1,"jobs":2}}"#;
    let job = r#"{"job":{"id":"A","tag":"a","hash":"h","status":"queued","created":1}}"#;
    refused(&[RUN, job, END], 2, "without a scan");
    refused(&[RUN, scan, job, END], 4, "fewer jobs");
    refused(&[RUN, scan, job, job, END], 4, "twice");
    refused(&[RUN, &scan.replace("n1", "n2"), job, END], 2, "does not name");
    let none = &scan.replace('2', "0");
    refused(&[RUN, none, none, END], 3, "second scan");
}

#[test]
fn requests_that_cannot_be() {
    let op = |text: &str| {
        let head = r#"{"op":{"client":1,"node":"n1","invoke":5,"#;
        format!("{head}{text}}}}}")
    };
    refused(
        &[RUN, &op(r#""return":4,"call":{"list":{}},"outcome":"info""#), END],
        2,
        "before it was invoked",
    );
    refused(&[RUN, &op(r#""return":6,"call":{"list":{}},"outcome":"ok""#), END], 2, "needs its index");
    let touch = r#""return":6,"call":{"touch":{"id":"A"}},"outcome":"ok","index":"5""#;
    refused(&[RUN, &op(touch), END], 2, "INDEX.POSITION");
    refused(&[RUN, &op(&touch.replace("\"5\"", "\"5.x\"")), END], 2, "Quorate-Index");
    let enqueue = op(r#""return":6,"call":{"enqueue":{"jobs":[{"tag":"a","hash":"h"}]}},"outcome":"info""#);
    refused(&[RUN, &enqueue, &enqueue, END], 3, "a tag stands in two requests");
}
