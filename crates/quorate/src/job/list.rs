use quorate_client::api::JobsWrapper;
use quorate_client::{Client, Error, ListJobs};

/// The first `n` jobs of a list, from as many pages as it takes: a page may be short, even empty, before the list ends.
pub(super) async fn list(client: &Client, n: u32, from: ListJobs) -> Result<JobsWrapper, Error> {
    let mut found = JobsWrapper { jobs: Vec::new(), cursor: from.cursor.clone() };
    loop {
        let missing = n.saturating_sub(u32::try_from(found.jobs.len()).unwrap_or(u32::MAX));
        let page = ListJobs { n: Some(missing), cursor: found.cursor.take(), ..from.clone() };
        let page = client.list(&page).await?;
        found.jobs.extend(page.jobs);
        found.cursor = page.cursor;
        if found.cursor.is_none() || found.jobs.len() >= n as usize {
            return Ok(found);
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
            let found = list(&client, n, ListJobs::default()).await.unwrap();
            assert_eq!(node.join().unwrap(), queries);
            let expected = match n {
                2 => (2, Some("c2")),
                3 => (3, Some("c3")),
                _ => (1, None),
            };
            assert_eq!((found.jobs.len(), found.cursor.as_deref()), expected);
        }
    }
}
