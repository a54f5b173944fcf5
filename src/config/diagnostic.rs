//! Problems of a configuration as values: where, which key, what is wrong, what is allowed instead.
//!
//! All problems are collected; nothing here stops. How they look is `render.rs`.

use super::node::Node;
use super::source::Span;

/// Does a problem keep the gateway from starting?
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The file is refused.
    Error,
    /// The file is taken; something in it does not do what it seems to.
    Warning,
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Refused or only told.
    pub severity: Severity,
    /// The value or key that it is about.
    pub span: Span,
    /// Key path, such as `endpoints[3].timeout`; empty for the whole file.
    pub path: String,
    /// What is wrong, beginning with the value where there is one: `"2 s" is not a duration`.
    pub message: String,
    /// What would be right: `such as "2s" or "500ms"`.
    pub allowed: Option<String>,
    /// The known word nearest to the one that is not known.
    pub nearest: Option<String>,
    /// Other places that belong to the problem, each with its words.
    pub also: Vec<(Span, String)>,
    /// What to do, or why it matters.
    pub help: Option<String>,
}

impl Diagnostic {
    fn new(severity: Severity, span: Span, path: String, message: String) -> Self {
        Diagnostic {
            severity,
            span,
            path,
            message,
            allowed: None,
            nearest: None,
            also: Vec::new(),
            help: None,
        }
    }

    /// Says what would be right.
    pub fn allowed(&mut self, allowed: impl Into<String>) -> &mut Self {
        self.allowed = Some(allowed.into());
        self
    }

    /// Names the word that was probably meant.
    pub fn nearest(&mut self, nearest: Option<&str>) -> &mut Self {
        self.nearest = nearest.map(str::to_owned);
        self
    }

    /// Points at another place.
    pub fn also(&mut self, node: Node<'_>, words: impl Into<String>) -> &mut Self {
        self.also.push((node.span(), words.into()));
        self
    }

    /// Points at another place by its span.
    pub fn also_at(&mut self, span: Span, words: impl Into<String>) -> &mut Self {
        self.also.push((span, words.into()));
        self
    }

    /// Says what to do about it.
    pub fn help(&mut self, help: impl Into<String>) -> &mut Self {
        self.help = Some(help.into());
        self
    }
}

/// The problems found so far. Given down as `&mut`, so that one run finds them all.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
    strict: bool,
}

impl Diagnostics {
    /// With `strict`, what [`Diagnostics::doubt`] reports refuses the file.
    pub fn new(strict: bool) -> Self {
        Diagnostics { list: Vec::new(), strict }
    }

    /// A refusal of a value: the message is the value as written and then `what`.
    pub fn refuse(&mut self, node: Node<'_>, what: &str, allowed: &str) -> &mut Diagnostic {
        self.error(node, format!("{} {what}", node.shown())).allowed(allowed)
    }

    /// A refusal in free words.
    pub fn error(&mut self, node: Node<'_>, message: impl Into<String>) -> &mut Diagnostic {
        self.push(Severity::Error, node.span(), node.path(), message.into())
    }

    /// A refusal that points at the key instead of its value.
    pub fn error_at_key(&mut self, node: Node<'_>, message: impl Into<String>) -> &mut Diagnostic {
        let span = node.key_span().unwrap_or(node.span());
        self.push(Severity::Error, span, node.path(), message.into())
    }

    /// A warning in free words.
    pub fn warn(&mut self, node: Node<'_>, message: impl Into<String>) -> &mut Diagnostic {
        self.push(Severity::Warning, node.span(), node.path(), message.into())
    }

    /// A warning that points at the key instead of its value.
    pub fn warn_at_key(&mut self, node: Node<'_>, message: impl Into<String>) -> &mut Diagnostic {
        let span = node.key_span().unwrap_or(node.span());
        self.push(Severity::Warning, span, node.path(), message.into())
    }

    /// A warning that `--strict` turns into a refusal: unknown keys, silent fall-backs.
    pub fn doubt(&mut self, node: Node<'_>, message: impl Into<String>) -> &mut Diagnostic {
        self.push(self.doubtful(), node.span(), node.path(), message.into())
    }

    /// [`Diagnostics::doubt`], pointing at the key.
    pub fn doubt_at_key(&mut self, node: Node<'_>, message: impl Into<String>) -> &mut Diagnostic {
        let span = node.key_span().unwrap_or(node.span());
        self.push(self.doubtful(), span, node.path(), message.into())
    }

    /// A problem of the text itself, before there are nodes.
    pub fn syntax(&mut self, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.push(Severity::Error, span, String::new(), message.into())
    }

    fn doubtful(&self) -> Severity {
        if self.strict { Severity::Error } else { Severity::Warning }
    }

    /// Any problem.
    pub fn push(
        &mut self,
        severity: Severity,
        span: Span,
        path: String,
        message: String,
    ) -> &mut Diagnostic {
        self.list.push(Diagnostic::new(severity, span, path, message));
        let last = self.list.len() - 1;
        &mut self.list[last]
    }

    /// The problem told last.
    pub fn last_mut(&mut self) -> Option<&mut Diagnostic> {
        self.list.last_mut()
    }

    /// Is the file refused?
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// All problems, in the order found until [`Diagnostics::sort`].
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.list.iter()
    }

    /// How many problems there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// No problem at all.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Orders them as the file reads.
    pub fn sort(&mut self) {
        self.list.sort_by_key(|problem| (problem.span, problem.severity));
    }
}
