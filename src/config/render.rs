//! How problems look: one line each, with the piece of the file around them, or as JSON.

use super::diagnostic::{Diagnostic, Diagnostics, Severity};
use super::source::{Sources, Span};
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use std::borrow::Cow;
use std::fmt::Write as _;

/// A line longer than this is not shown: a file without line breaks would print itself whole.
const LINE_MAX: usize = 400;

/// One line for each problem:
/// `gateway.json:41:18: error: endpoints[3].timeout: "2 s" is not a duration; allowed: such as "2s"`.
pub fn plain(found: &Diagnostics, sources: &Sources) -> String {
    let mut out = String::new();
    for problem in found.iter() {
        plain_line(problem, sources, &mut out);
    }
    out
}

fn plain_line(problem: &Diagnostic, sources: &Sources, line: &mut String) {
    let mut out = String::new();
    let _ = write!(
        out,
        "{}: {}: {}",
        at(problem.span, sources),
        word(problem.severity),
        title(problem)
    );
    if let Some(nearest) = &problem.nearest {
        let _ = write!(out, "; did you mean \"{nearest}\"?");
    }
    if let Some(allowed) = &problem.allowed {
        let _ = write!(out, "; allowed: {allowed}");
    }
    for (span, words) in &problem.also {
        let _ = write!(out, "; {words}: {}", at(*span, sources));
    }
    if let Some(help) = &problem.help {
        let _ = write!(out, "; {help}");
    }
    line.push_str(&visible(&out));
    line.push('\n');
}

/// Messages repeat what a file says: control characters would break the line, or play tricks with
/// the terminal that shows it.
fn visible(text: &str) -> Cow<'_, str> {
    let hidden = |letter: char| letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}');
    if !text.contains(hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        match hidden(letter) {
            true => shown.extend(letter.escape_default()),
            false => shown.push(letter),
        }
    }
    Cow::Owned(shown)
}

/// The problem and the lines of the file that it is about, coloured for a terminal when asked.
pub fn snippets(found: &Diagnostics, sources: &Sources, colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let mut out = String::new();
    for problem in found.iter() {
        let spans = std::iter::once(problem.span).chain(problem.also.iter().map(|(span, _)| *span));
        let windows: Option<Vec<Window<'_>>> =
            spans.map(|span| Window::around(span, sources)).collect();
        let Some(windows) = windows else {
            plain_line(problem, sources, &mut out);
            continue;
        };
        let level = match problem.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group =
            Group::with_title(level.primary_title(visible(&title(problem)).into_owned()));
        for (index, window) in windows.iter().enumerate() {
            group = group.element(window.snippet(index, problem));
        }
        group = notes(group, problem);
        out.push_str(&renderer.render(&[group]));
        out.push_str("\n\n");
    }
    out
}

fn notes<'a>(mut group: Group<'a>, problem: &'a Diagnostic) -> Group<'a> {
    if let Some(nearest) = &problem.nearest {
        group =
            group.element(Level::HELP.message(format!("did you mean \"{}\"?", visible(nearest))));
    }
    if let Some(allowed) = &problem.allowed {
        group = group.element(Level::NOTE.with_name("allowed").message(visible(allowed)));
    }
    if let Some(help) = &problem.help {
        group = group.element(Level::HELP.message(visible(help)));
    }
    group
}

/// The first line of a span, with the span cut to it.
struct Window<'a> {
    name: &'a str,
    line: usize,
    text: &'a str,
    from: usize,
    to: usize,
}

impl<'a> Window<'a> {
    fn around(span: Span, sources: &'a Sources) -> Option<Self> {
        let source = sources.get(span.source)?;
        let place = source.place(span.start as usize);
        let start = source.line_start(place.line);
        let line = source.text().get(start..)?.split('\n').next()?;
        let text = line.strip_suffix('\r').unwrap_or(line);
        if text.len() > LINE_MAX {
            return None;
        }
        let from = (span.start as usize).checked_sub(start)?.min(text.len());
        let to = (span.end as usize).saturating_sub(start).clamp(from, text.len());
        let whole = text.is_char_boundary(from) && text.is_char_boundary(to);
        whole.then_some(Window { name: source.name(), line: place.line, text, from, to })
    }

    fn snippet(
        &self,
        index: usize,
        problem: &'a Diagnostic,
    ) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
        let kind = if index == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
        let mut annotation = kind.span(self.from..self.to);
        if let Some((_, words)) = index.checked_sub(1).and_then(|at| problem.also.get(at)) {
            annotation = annotation.label(visible(words));
        }
        Snippet::source(self.text).line_start(self.line).path(self.name).annotation(annotation)
    }
}

/// A JSON document: `{"errors": n, "warnings": n, "problems": […]}`.
pub fn json(found: &Diagnostics, sources: &Sources) -> String {
    let place = |span: Span| {
        let place = sources.place(span);
        serde_json::json!({
            "file": sources.get(span.source).map_or("", |source| source.name()),
            "line": place.line,
            "column": place.column,
        })
    };
    let problems: Vec<_> = found
        .iter()
        .map(|problem| {
            let also: Vec<_> = problem
                .also
                .iter()
                .map(|(span, words)| serde_json::json!({ "at": place(*span), "message": words }))
                .collect();
            serde_json::json!({
                "severity": word(problem.severity),
                "at": place(problem.span),
                "path": problem.path,
                "message": problem.message,
                "allowed": problem.allowed,
                "nearest": problem.nearest,
                "help": problem.help,
                "also": also,
            })
        })
        .collect();
    let errors = found.iter().filter(|problem| problem.severity == Severity::Error).count();
    let all = serde_json::json!({
        "errors": errors,
        "warnings": found.len() - errors,
        "problems": problems,
    });
    format!("{all:#}\n")
}

fn at(span: Span, sources: &Sources) -> String {
    let place = sources.place(span);
    let name = sources.get(span.source).map_or("", |source| source.name());
    format!("{name}:{}:{}", place.line, place.column)
}

fn title(problem: &Diagnostic) -> String {
    match problem.path.as_str() {
        "" => problem.message.clone(),
        path => format!("{path}: {}", problem.message),
    }
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}
