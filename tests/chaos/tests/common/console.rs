//! Pages whose commands are typed, with what they print.

/// A command of a page.
pub(crate) struct Step {
    pub(crate) command: String,
    /// The lines that the page shows below it.
    pub(crate) shown: Vec<String>,
}

/// The commands of all console blocks. A command begins with `$`, goes on where lines are indented, and what it prints
/// follows.
pub(crate) fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        match (inside, line) {
            (false, "```console") => inside = true,
            (false, _) => {}
            (true, "```") => inside = false,
            (true, line) => match (line.strip_prefix("$ "), steps.last_mut()) {
                (Some(command), _) => steps.push(Step { command: command.to_owned(), shown: Vec::new() }),
                (None, Some(step)) if line.starts_with("  ") => {
                    step.command.push('\n');
                    step.command.push_str(line);
                }
                (None, Some(step)) => step.shown.push(line.to_owned()),
                (None, None) => panic!("`{line}` stands before the first command"),
            },
        }
    }
    steps
}

/// Before each command, the script prints this and the command's number.
const MARK: &str = "@@@ command ";

/// What types them all into one shell.
pub(crate) fn script(steps: &[Step]) -> String {
    let mut script = String::new();
    for (step, number) in steps.iter().zip(1..) {
        script.push_str(&format!("echo; echo '{MARK}{number}'\n{}\n", step.command));
    }
    script
}

/// Fails where what the shell printed is not what the page shows.
pub(crate) fn compare(steps: &[Step], output: &str) {
    let mut outputs = output.split(MARK).skip(1);
    for step in steps {
        let printed = outputs.next().expect("every command was run");
        for line in &step.shown {
            assert!(
                printed.lines().any(|found| matches(line, found)),
                "`{}` shows `{line}`, and it printed:\n{printed}",
                step.command
            );
        }
    }
}

/// Whether a line is as the page shows it: `…` there stands for anything.
fn matches(shown: &str, found: &str) -> bool {
    let parts: Vec<&str> = shown.split('…').collect();
    let [first, between @ .., last] = parts.as_slice() else { return shown == found };
    let rest = found.strip_prefix(first).and_then(|rest| rest.strip_suffix(last));
    let found_all = between
        .iter()
        .try_fold(rest.unwrap_or_default(), |rest, part| rest.find(part).map(|at| &rest[at + part.len()..]));
    rest.is_some() && found_all.is_some()
}

#[test]
fn dots_stand_for_anything() {
    assert!(matches("hello", "hello"));
    assert!(!matches("hello", "hello there"));
    assert!(!matches("a…a", "a"));
    assert!(matches(r#"{"id":"…",…,"status":"success",…}"#, r#"{"id":"1","a":2,"status":"success","b":3}"#));
    assert!(!matches(r#"{"id":"…",…,"status":"success",…}"#, r#"{"id":"1","a":2,"status":"error","b":3}"#));
}
