//! The text that Prometheus and OpenMetrics scrapers read, written from the registry's sums.
//! Pure but for the sums. Formats: Prometheus text 0.0.4, OpenMetrics 1.0.

use super::histogram::{BOUNDS_US, Summed};
use super::names::{self, Family, Kind};
use super::registry::{Registry, Sums, Total};

/// Which text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Text,
    OpenMetrics,
}

impl Format {
    /// What the `Accept` of a scrape asks for.
    pub fn of(accept: &[u8]) -> Self {
        match memchr::memmem::find(accept, b"application/openmetrics-text") {
            Some(_) => Self::OpenMetrics,
            None => Self::Text,
        }
    }

    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

impl Registry {
    /// Appends all metrics: some 25 lines for each endpoint and backend that was used, so with
    /// thousands of them this takes tens of milliseconds and is no work for a worker's loop.
    pub fn write(&self, format: Format, out: &mut Vec<u8>) {
        let sums = self.sum();
        for family in names::ALL {
            Page { format, family, out }.family(&sums, self.tables.outcomes);
        }
        if format == Format::OpenMetrics {
            out.extend_from_slice(b"# EOF\n");
        }
    }
}

struct Page<'a> {
    format: Format,
    family: &'static Family,
    out: &'a mut Vec<u8>,
}

impl Page<'_> {
    fn family(&mut self, sums: &Sums, outcomes: &[&'static str]) {
        let from = self.out.len();
        self.header();
        let header_end = self.out.len();
        let outcome = |key: u32| *outcomes.get(key as usize & 0xffff).unwrap_or(&"unknown");
        let family = self.family;
        // Statics are compared by name: their addresses say nothing.
        if family == &names::SERVER_DURATION {
            for (labels, Total { latency, .. }) in &sums.totals.endpoints {
                self.histogram(&[&labels.method, &labels.route], latency);
            }
        } else if family == &names::REQUESTS {
            for (labels, Total { tally, .. }) in &sums.totals.endpoints {
                for (key, count) in tally {
                    let status = names::status_label((key >> 16) as u8);
                    self.sample(&[&labels.method, &labels.route, status, outcome(*key)], *count);
                }
            }
        } else if family == &names::BACKEND_DURATION {
            for (labels, Total { latency, .. }) in &sums.totals.backends {
                let endpoint = &labels.endpoint;
                self.histogram(
                    &[&labels.method, &labels.pattern, &endpoint.method, &endpoint.route],
                    latency,
                );
            }
        } else if family == &names::BACKEND_CALLS {
            for (labels, Total { tally, .. }) in &sums.totals.backends {
                let endpoint = &labels.endpoint;
                for (key, count) in tally {
                    self.sample(
                        &[
                            &labels.method,
                            &labels.pattern,
                            &endpoint.method,
                            &endpoint.route,
                            outcome(*key),
                        ],
                        *count,
                    );
                }
            }
        } else {
            let own = sums.single.range((family.name, Box::from(""))..);
            for ((_, label), value) in own.take_while(|((name, _), _)| *name == family.name) {
                let labels: &[&str] = if family.labels.is_empty() { &[] } else { &[label] };
                self.sample(labels, *value);
            }
        }
        if self.out.len() == header_end {
            self.out.truncate(from);
        }
    }

    fn header(&mut self) {
        // The text format names a counter with its suffix, OpenMetrics without.
        let suffix = match (self.family.kind, self.format) {
            (Kind::Counter, Format::Text) => "_total",
            _ => "",
        };
        let kind = match self.family.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        for text in ["# HELP ", self.family.name, suffix, " "] {
            self.text(text);
        }
        // OpenMetrics escapes a double quote in the help too.
        escape(self.family.help, self.format == Format::OpenMetrics, self.out);
        for text in ["\n# TYPE ", self.family.name, suffix, " ", kind, "\n"] {
            self.text(text);
        }
    }

    fn sample(&mut self, labels: &[&str], value: u64) {
        let suffix = if self.family.kind == Kind::Counter { "_total" } else { "" };
        self.name(suffix, labels, None);
        self.number(value);
    }

    fn histogram(&mut self, labels: &[&str], summed: &Summed) {
        for (bound, count) in BOUNDS_US.into_iter().zip(summed.cumulative()) {
            let mut le = Vec::new();
            seconds(bound, self.format == Format::OpenMetrics, &mut le);
            self.name("_bucket", labels, Some(&String::from_utf8_lossy(&le)));
            self.number(count);
        }
        self.name("_bucket", labels, Some("+Inf"));
        self.number(summed.count());
        self.name("_sum", labels, None);
        seconds(summed.sum_us(), false, self.out);
        self.out.push(b'\n');
        self.name("_count", labels, None);
        self.number(summed.count());
    }

    fn name(&mut self, suffix: &str, labels: &[&str], le: Option<&str>) {
        self.text(self.family.name);
        self.text(suffix);
        let named = self.family.labels.iter().copied().zip(labels.iter().copied());
        let mut separator = "{";
        for (name, value) in named.chain(le.map(|le| ("le", le))) {
            for text in [separator, name, "=\""] {
                self.text(text);
            }
            escape(value, true, self.out);
            self.out.push(b'"');
            separator = ",";
        }
        self.text(if separator == "," { "} " } else { " " });
    }

    fn number(&mut self, value: u64) {
        self.text(itoa::Buffer::new().format(value));
        self.out.push(b'\n');
    }

    fn text(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }
}

/// Backslash, line feed and, where asked, the double quote.
pub(super) fn escape(text: &str, with_quote: bool, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'"' if with_quote => out.extend_from_slice(b"\\\""),
            _ => out.push(byte),
        }
    }
}

/// Microseconds as seconds, without zeros at the end; OpenMetrics wants `1.0` for a bound of `1`.
fn seconds(us: u64, with_fraction: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(us / 1_000_000).as_bytes());
    let fraction = format!("{:06}", us % 1_000_000);
    match fraction.trim_end_matches('0') {
        "" if with_fraction => out.extend_from_slice(b".0"),
        "" => {}
        digits => {
            out.push(b'.');
            out.extend_from_slice(digits.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::telemetry::cells::{BackendLabels, EndpointLabels, Layout};
    use crate::telemetry::names::{BUDGET_CHARGED, Count, Level};
    use crate::telemetry::registry::Tables;

    const TABLES: Tables =
        Tables { outcomes: &["ok", "backend_timeout"], close_reasons: &["client", "idle"] };

    fn endpoint(method: &str, route: &str) -> EndpointLabels {
        EndpointLabels { method: method.into(), route: route.into() }
    }

    fn page(registry: &Registry, format: Format) -> String {
        let mut out = Vec::new();
        registry.write(format, &mut out);
        String::from_utf8(out).expect("the page is text")
    }

    fn has(page: &str, line: &str) {
        assert!(page.lines().any(|own| own == line), "no {line:?} in\n{page}");
    }

    #[test]
    fn workers_and_plans_are_summed_by_label() {
        let registry = Registry::new(TABLES);
        let a = Layout {
            endpoints: vec![endpoint("GET", "/a"), endpoint("GET", "/\"q\"\\\n")],
            backends: vec![BackendLabels {
                method: "POST".into(),
                pattern: "/b".into(),
                endpoint: endpoint("GET", "/a"),
            }],
        };
        // The next plan has the same endpoint under another number.
        let b = Layout {
            endpoints: vec![endpoint("GET", "/x"), endpoint("GET", "/a")],
            ..Layout::default()
        };
        let (a, b) = (Arc::new(a), Arc::new(b));
        let one = registry.worker("io_uring");
        let two = registry.worker("io_uring");
        let old = [registry.plan(&a), registry.plan(&a)];
        for plan in &old {
            plan.request(0, 200, 0, Duration::from_millis(30));
            plan.request(0, 500, 1, Duration::from_millis(300));
        }
        old[0].request(1, 404, 9, Duration::from_secs(100));
        old[1].call(0, 0, Duration::from_micros(1500));
        drop(old);
        let new = registry.plan(&b);
        new.request(1, 201, 0, Duration::ZERO);
        one.count(Count::Accepted, 3);
        two.count(Count::Accepted, 4);
        two.count(Count::ClientSent, 1000);
        one.up(Level::ConnectionsOpen);
        two.set(Level::ConnectionsOpen, 6);
        two.closed(1);
        registry.observe(&BUDGET_CHARGED, "", Box::new(|| 4096));
        registry.set_generation(2);
        registry.reloaded();
        drop(one);

        let text = page(&registry, Format::Text);
        for line in [
            "# HELP ringway_requests_total Requests answered, by endpoint, class of the status and outcome.",
            "# TYPE ringway_requests_total counter",
            "ringway_requests_total{method=\"GET\",route=\"/a\",status=\"2xx\",outcome=\"ok\"} 3",
            "ringway_requests_total{method=\"GET\",route=\"/a\",status=\"5xx\",outcome=\"backend_timeout\"} 2",
            "ringway_requests_total{method=\"GET\",route=\"/\\\"q\\\"\\\\\\n\",status=\"4xx\",outcome=\"unknown\"} 1",
            "# TYPE http_server_duration_seconds histogram",
            "http_server_duration_seconds_bucket{http_request_method=\"GET\",http_route=\"/a\",le=\"0.02\"} 1",
            "http_server_duration_seconds_bucket{http_request_method=\"GET\",http_route=\"/a\",le=\"0.05\"} 3",
            "http_server_duration_seconds_bucket{http_request_method=\"GET\",http_route=\"/a\",le=\"1\"} 5",
            "http_server_duration_seconds_bucket{http_request_method=\"GET\",http_route=\"/a\",le=\"+Inf\"} 5",
            "http_server_duration_seconds_sum{http_request_method=\"GET\",http_route=\"/a\"} 0.66",
            "http_server_duration_seconds_count{http_request_method=\"GET\",http_route=\"/a\"} 5",
            "ringway_backend_calls_total{method=\"POST\",pattern=\"/b\",endpoint_method=\"GET\",endpoint=\"/a\",outcome=\"ok\"} 1",
            "krakend_backend_duration_seconds_count{http_request_method=\"POST\",http_route=\"/b\",krakend_endpoint_method=\"GET\",krakend_endpoint_route=\"/a\"} 1",
            "ringway_connections_accepted_total 7",
            "ringway_connections_open 7",
            "ringway_connections_closed_total{reason=\"client\"} 0",
            "ringway_connections_closed_total{reason=\"idle\"} 1",
            "ringway_sent_bytes_total{side=\"client\"} 1000",
            "ringway_budget_charged_bytes 4096",
            "ringway_plan_generation 2",
            "ringway_reloads_total{result=\"ok\"} 1",
            "ringway_reloads_total{result=\"failed\"} 0",
            "ringway_workers 1",
            "ringway_driver_info{driver=\"io_uring\"} 2",
        ] {
            has(&text, line);
        }
        assert!(!text.contains("/x\"") && !text.contains("# EOF"), "{text}");
        assert!(!text.contains("ringway_name_lookups"), "a family without samples is left out");

        let open = page(&registry, Format::OpenMetrics);
        has(&open, "# TYPE ringway_requests counter");
        has(&open, "ringway_connections_accepted_total 7");
        has(
            &open,
            "http_server_duration_seconds_bucket{http_request_method=\"GET\",http_route=\"/a\",le=\"1.0\"} 5",
        );
        assert!(open.ends_with("\n# EOF\n"));
    }

    #[test]
    fn the_format_is_negotiated() {
        for (accept, format) in [
            ("", Format::Text),
            ("text/plain;version=0.0.4", Format::Text),
            ("application/openmetrics-text;version=1.0.0,text/plain;q=0.5", Format::OpenMetrics),
        ] {
            assert_eq!(Format::of(accept.as_bytes()), format, "{accept}");
        }
    }
}
