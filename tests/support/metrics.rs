//! Reads the Prometheus text of `/metrics`.

/// One scrape.
pub struct Metrics {
    samples: Vec<(String, f64)>,
}

impl Metrics {
    #[track_caller]
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let samples = lines
            .map(|line| {
                // Label values may hold blanks; the value stands after the labels.
                let at = line.rfind('}').map_or(0, |at| at + 1);
                let (name, value) = match line[at..].trim_start().split_once(' ') {
                    Some((name, value)) if at == 0 => (name.to_owned(), value),
                    _ => (line[..at].to_owned(), line[at..].trim_start()),
                };
                let number = value.split(' ').next().unwrap_or_default();
                let number = number.parse().unwrap_or_else(|_| panic!("no number in {line:?}"));
                (name, number)
            })
            .collect();
        Metrics { samples }
    }

    /// The sum of all samples of `name` whose labels contain each of `labels` (as `key="value"`).
    pub fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        self.matching(name, labels).map(|(_, value)| value).sum()
    }

    pub fn has(&self, name: &str) -> bool {
        self.matching(name, &[]).next().is_some()
    }

    fn matching<'a>(
        &'a self,
        name: &'a str,
        labels: &'a [&str],
    ) -> impl Iterator<Item = &'a (String, f64)> {
        self.samples.iter().filter(move |(sample, _)| {
            let bare = sample.split('{').next().unwrap_or_default();
            bare == name && labels.iter().all(|label| sample.contains(label))
        })
    }

    /// The names of all metrics, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .samples
            .iter()
            .map(|(sample, _)| sample.split('{').next().unwrap_or_default().to_owned())
            .collect();
        names.sort();
        names.dedup();
        names
    }
}

#[test]
fn samples() {
    let metrics = Metrics::parse(
        "# HELP a b\na_total 3\na_total{x=\"1\",y=\"}\"} 4 17\na_total{x=\"2\"} 1.5\nb 0\n",
    );
    assert!((metrics.sum("a_total", &[]) - 8.5).abs() < 1e-9);
    assert!((metrics.sum("a_total", &["x=\"1\""]) - 4.0).abs() < 1e-9);
    assert!(metrics.has("b") && !metrics.has("a"));
    assert_eq!(metrics.names(), ["a_total", "b"]);
}

/// The gauge of pooled bytes that are charged to the process budget.
pub const CHARGED_BYTES: &str = "ringway_budget_charged_bytes";
/// The counter of answered requests.
pub const REQUESTS: &str = "ringway_requests_total";
