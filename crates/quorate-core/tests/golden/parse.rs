use std::collections::BTreeMap;

/// A line of a table that is not a comment.
#[derive(Debug)]
pub(crate) struct Line {
    /// Its number in the file.
    pub(crate) number: usize,
    /// The leader's stamp in milliseconds since the start; `None` for `and`, the same log entry as the line before.
    pub(crate) stamp: Option<u64>,
    /// What to do.
    pub(crate) verb: Verb,
    /// The answer that it must get.
    pub(crate) answer: String,
    /// The jobs that there must be afterwards.
    pub(crate) jobs: Option<String>,
}

#[derive(Debug)]
pub(crate) enum Verb {
    /// A new, empty table.
    Scene,
    /// A log entry without commands.
    Tick,
    /// A command.
    Command(Words),
    /// Makes one job of every status.
    EveryStatus,
    /// Looks at a job.
    Show(String),
    /// Looks at the images.
    Images,
    /// Looks at the Idempotency-Keys.
    Keys,
}

/// A command's verb, its groups of names with options, and the options of the whole.
#[derive(Debug)]
pub(crate) struct Words {
    pub(crate) verb: String,
    pub(crate) groups: Vec<(Vec<String>, BTreeMap<String, String>)>,
}

impl Words {
    /// The nth word of the first group behind the verb.
    pub(crate) fn word(&self, position: usize) -> &str {
        &self.groups[0].0[position]
    }

    /// An option, in whatever group it stands.
    pub(crate) fn option(&self, name: &str) -> Option<&str> {
        self.groups.iter().find_map(|(_, options)| options.get(name)).map(String::as_str)
    }

    fn parse(text: &str) -> Words {
        let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
        let groups = rest.split(',').filter(|group| !group.trim().is_empty()).map(|group| {
            let (options, names): (Vec<&str>, Vec<&str>) =
                group.split_whitespace().partition(|word| word.contains('='));
            let options = options.into_iter().map(|option| {
                let (name, value) = option.split_once('=').unwrap();
                (name.to_owned(), repeated(value))
            });
            (names.into_iter().map(str::to_owned).collect(), options.collect())
        });
        Words { verb: verb.to_owned(), groups: groups.collect() }
    }
}

/// `x*5` is `xxxxx`.
fn repeated(value: &str) -> String {
    match value.split_once('*').map(|(unit, times)| (unit, times.parse())) {
        Some((unit, Ok(times))) => unit.repeat(times),
        _ => value.to_owned(),
    }
}

impl Line {
    /// `None` for an empty line, a comment or the heading of the columns.
    pub(crate) fn parse(text: &str, number: usize) -> Option<Line> {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') || text.starts_with("time") {
            return None;
        }
        if text.starts_with("==") {
            let (answer, jobs) = (String::new(), None);
            return Some(Line { number, stamp: Some(0), verb: Verb::Scene, answer, jobs });
        }
        let mut columns = text.split('|').map(tidy);
        let time = columns.next().unwrap();
        let command = columns.next().unwrap_or_else(|| panic!("line {number} has one column"));
        let answer = columns.next().unwrap_or_default();
        let verb = match command.as_str() {
            "tick" => Verb::Tick,
            "given every status" => Verb::EveryStatus,
            "images" => Verb::Images,
            "keys" => Verb::Keys,
            _ => match command.strip_prefix("show ") {
                Some(name) => Verb::Show(name.to_owned()),
                None => Verb::Command(Words::parse(&command)),
            },
        };
        let stamp = (time != "and").then(|| millis(&time));
        Some(Line { number, stamp, verb, answer, jobs: columns.next() })
    }

    /// True for a command in the same log entry as the line before.
    pub(crate) fn continues(&self) -> bool {
        self.stamp.is_none()
    }
}

/// Without spaces at the ends and with single ones between.
pub(crate) fn tidy(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `90s`, `1500ms`, `2h`, `7d`, and sums such as `1h+1ms`, in milliseconds.
pub(crate) fn millis(text: &str) -> u64 {
    text.split('+')
        .map(|part| {
            let digits =
                part.find(|c: char| !c.is_ascii_digit()).unwrap_or_else(|| panic!("{text} has no unit"));
            let (number, unit) = part.split_at(digits);
            let unit = match unit {
                "ms" => 1,
                "s" => 1_000,
                "min" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                _ => panic!("{text} is no time"),
            };
            number.parse::<u64>().unwrap() * unit
        })
        .sum()
}
