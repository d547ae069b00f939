use std::process::ExitCode;

use clap::Args;
use quorate_client::api::JobsWrapper;
use quorate_client::{Client, Error, ListJobs};

use super::filter::FilterArgs;
use super::show;
use crate::duration::{HumanDuration, within};
use crate::limits::{JOBS_LISTED, WATCH_EVERY};
use crate::number::number;
use crate::output::{self, Output};
use crate::patience::Patience;
use crate::target::Target;

/// List jobs, newest first; without --status those that wait or run, or, where what is asked for belongs to others, those.
///
/// Failures to look after are `--status dead`: those that ended in error and that no other job goes on from. Their table has why
/// they failed, at which attempt, when, and in whose words.
///
/// On a terminal the table fits it, with ids that are never cut; in a pipe it is plain columns, with nothing cut.
#[derive(Args)]
pub(super) struct ListArgs {
    /// At most so many, 1 to 1000.
    #[arg(short, long, default_value_t = 20, value_parser = number::<u32>(1..=JOBS_LISTED))]
    n: u32,
    #[command(flatten)]
    filter: FilterArgs,
    /// The oldest first.
    #[arg(long)]
    oldest: bool,
    /// Where the list before ended.
    #[arg(long)]
    cursor: Option<String>,
    /// Print ids alone, one a line.
    #[arg(short, long, conflicts_with = "json")]
    quiet: bool,
    /// Go on until interrupted, and print the list again whenever it has changed. Looks every 2s, or as often as is
    /// said.
    #[arg(long, value_name = "EVERY", num_args = 0..=1, require_equals = true, default_missing_value = "2s", value_parser = within(WATCH_EVERY))]
    watch: Option<HumanDuration>,
    #[command(flatten)]
    target: Target,
}

pub(super) fn main(args: ListArgs) -> anyhow::Result<ExitCode> {
    let ListArgs { n, filter, oldest, cursor, quiet, watch, target } = args;
    // Each look is at what is so long ago then.
    let from = || -> anyhow::Result<ListJobs> {
        Ok(ListJobs { n: None, cursor: cursor.clone(), oldest_first: oldest, filter: filter.filter()? })
    };
    let asked = from()?;
    let mut out = Output::default();
    let print = |out: &mut Output, page: &JobsWrapper| match quiet {
        true => page.jobs.iter().for_each(|job| out.line(&job.id)),
        false => show::page(out, page, &asked.filter, &target),
    };
    let more = |page: &JobsWrapper| {
        if let (Some(cursor), false, false) = (&page.cursor, quiet, target.json) {
            let order = if oldest { "--oldest " } else { "" };
            output::remark(format_args!("more: {order}--cursor {cursor}"));
        }
    };
    // JSON is whole; nothing else shows payloads.
    let whole = target.json;
    target.block_on(async |client| {
        let mut last = list(client, n, asked.clone(), whole).await?;
        let Some(HumanDuration(every)) = watch else {
            print(&mut out, &last);
            more(&last);
            return Ok(());
        };
        let mut patience = Patience::new(client);
        out.clear();
        print(&mut out, &last);
        more(&last);
        while out.is_seen() {
            tokio::time::sleep(every).await;
            let looked = list(client, n, from()?, whole).await;
            if looked.is_ok() {
                patience.went_well();
            }
            match looked {
                // On a terminal the ages grow.
                Ok(page) if page != last || output::is_terminal() => {
                    out.clear();
                    print(&mut out, &page);
                    more(&page);
                    if output::is_terminal()
                        && let Some(trouble) = patience.trouble()
                    {
                        // What was said of it has been cleared away.
                        output::remark(format_args!("this may be old: {trouble}"));
                    }
                    last = page;
                }
                Ok(_) => {}
                // The cluster may come back.
                Err(error) if error.is_unavailable() => patience.failed(&error),
                Err(error) => return Err(error.into()),
            }
        }
        Ok::<_, anyhow::Error>(())
    })?;
    out.end(None)?;
    Ok(ExitCode::SUCCESS)
}

/// The first `n` jobs of a list, from as many pages as it takes: a page may be short, even empty, before the list ends.
async fn list(client: &Client, n: u32, from: ListJobs, whole: bool) -> Result<JobsWrapper, Error> {
    let mut found = JobsWrapper { jobs: Vec::new(), cursor: from.cursor.clone() };
    let mut is_said = false;
    loop {
        let missing = n.saturating_sub(u32::try_from(found.jobs.len()).unwrap_or(u32::MAX));
        let page = ListJobs { n: Some(missing), cursor: found.cursor.take(), ..from.clone() };
        let page = match whole {
            true => client.list(&page).await?,
            false => client.list_without_payloads(&page).await?,
        };
        let page_is_empty = page.jobs.is_empty();
        found.jobs.extend(page.jobs);
        found.cursor = page.cursor;
        if found.cursor.is_none() || found.jobs.len() >= n as usize {
            return Ok(found);
        }
        if page_is_empty && !is_said {
            output::remark("looking on: many jobs are passed by that do not fit");
            is_said = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    use quorate_client::ClientConfig;

    use super::*;

    /// A node that answers one request after the other with the next page, and gives their query strings.
    fn node(pages: Vec<String>) -> (String, std::thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = move |page: String| {
            let (mut stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(&stream).lines().map(Result::unwrap);
            let first = lines.next().unwrap();
            lines.find(String::is_empty).unwrap();
            let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}", page.len());
            write!(stream, "{head}\r\n\r\n{page}").unwrap();
            first.split([' ', '?']).nth(2).unwrap().to_owned()
        };
        (url, std::thread::spawn(move || pages.into_iter().map(asked).collect()))
    }

    fn page(ids: &[&str], cursor: Option<&str>) -> String {
        let job = |id: &&str| {
            serde_json::json!({"id": id, "image": "i", "image_id": "x", "payload": "", "timeout": 60,
                "status": "running", "created_at": "2026-01-01T00:00:00Z"})
        };
        let jobs: Vec<_> = ids.iter().map(job).collect();
        serde_json::json!({"jobs": jobs, "cursor": cursor}).to_string()
    }

    #[tokio::test]
    async fn short_pages_are_followed_until_there_are_enough_or_no_more() {
        let pages = [page(&[], Some("c1")), page(&["a", "b"], Some("c2")), page(&["c"], Some("c3"))];
        for (n, answered, queries) in [
            (2, pages[..2].to_vec(), vec!["n=2", "n=2&cursor=c1"]),
            (3, pages.to_vec(), vec!["n=3", "n=3&cursor=c1", "n=1&cursor=c2"]),
            (9, vec![pages[0].clone(), page(&["a"], None)], vec!["n=9", "n=9&cursor=c1"]),
        ] {
            let (url, node) = node(answered);
            let client = Client::new(ClientConfig::new([url])).unwrap();
            let found = list(&client, n, ListJobs::default(), true).await.unwrap();
            assert_eq!(node.join().unwrap(), queries);
            let expected = match n {
                2 => (2, Some("c2")),
                3 => (3, Some("c3")),
                _ => (1, None),
            };
            assert_eq!((found.jobs.len(), found.cursor.as_deref()), expected);
        }
    }

    #[tokio::test]
    async fn payloads_are_read_only_where_they_are_shown() {
        for (whole, asks) in [(true, "n=9"), (false, "n=9&fields=id%2Cimage%2C")] {
            let (url, node) = node(vec![page(&["a"], None)]);
            let client = Client::new(ClientConfig::new([url])).unwrap();
            list(&client, 9, ListJobs::default(), whole).await.unwrap();
            let asked = node.join().unwrap().remove(0);
            assert!(asked.starts_with(asks) && !asked.contains("payload"), "{whole}: {asked}");
            assert_eq!(asked == "n=9", whole);
        }
    }
}
