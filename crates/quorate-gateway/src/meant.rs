use crate::unknown::distance;

/// The route that a path without one comes nearest to.
pub(crate) fn meant<'a>(path: &str, routes: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let asked = words(path);
    let measured = routes.filter_map(|route| Some((misses(&asked, &words(route))?, route)));
    measured.min().map(|(_, route)| route)
}

/// What distinguishes paths.
fn words(path: &str) -> Vec<&str> {
    path.split('/').filter(|word| !matches!(*word, "" | "v1")).collect()
}

/// How far the words that were asked for are from those of a route; `None` where they have nothing in common.
fn misses(asked: &[&str], known: &[&str]) -> Option<usize> {
    if asked.len() == known.len() {
        return asked.iter().zip(known).map(|(asked, known)| miss(asked, known)).sum();
    }
    // The end of a longer one, such as `consume`.
    let is_end = asked.len() < known.len() && !asked.is_empty() && asked.last() == known.last();
    is_end.then_some(10)
}

fn miss(asked: &str, known: &str) -> Option<usize> {
    const ID_CHARS: usize = 36;
    match known {
        "{id}" if asked.len() == ID_CHARS => Some(0),
        "{id}" | "{name}" => Some(2),
        _ => distance(asked, known),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_route_that_was_meant() {
        let routes = [
            "/v1/jobs",
            "/v1/jobs/consume",
            "/v1/job/{id}",
            "/v1/job/{id}/cancel",
            "/v1/job/{id}/success",
            "/v1/cluster/settings",
            "/healthz",
            "/readyz",
        ];
        let id = "0198c0de-0000-7000-8000-000000000001";
        for (path, route) in [
            ("/v1/job", Some("/v1/jobs")),
            ("/v1/jobs/", Some("/v1/jobs")),
            ("/jobs", Some("/v1/jobs")),
            ("/v1/Jobs", Some("/v1/jobs")),
            (&format!("/v1/jobs/{id}"), Some("/v1/job/{id}")),
            (&format!("/v1/jobs/{id}/cancel"), Some("/v1/job/{id}/cancel")),
            (&format!("/v1/job/{id}/sucess"), Some("/v1/job/{id}/success")),
            ("/v1/jobs/consum", Some("/v1/jobs/consume")),
            ("/v1/consume", Some("/v1/jobs/consume")),
            ("/v1/settings", Some("/v1/cluster/settings")),
            ("/health", Some("/healthz")),
            ("/v1/ready", Some("/readyz")),
            ("/", None),
            ("/v1", None),
            ("/metrics", None),
            ("/a/b/c/d/e/f/g", None),
        ] {
            assert_eq!(meant(path, routes.into_iter()), route, "{path}");
        }
    }
}
