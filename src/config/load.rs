//! The door of this floor: a text and an environment in, a service and all problems out.

use super::diagnostic::Diagnostics;
use super::model::{Files, Reading, Service};
use super::overrides;
use super::source::{Source, SourceId, Sources, Span};
use super::syntax::{self, Format};
use std::sync::Arc;

/// A text larger than this is refused unread: spans count bytes in 32 bits, and no configuration
/// comes near it.
const TEXT_MAX: usize = 256 << 20;

/// How strictly a file is read.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Unknown keys and silent fall-backs refuse the file.
    pub strict: bool,
    /// Namespaces of policies that the program around the gateway brings along.
    pub also_known: Vec<String>,
}

/// What came out.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration; `None` exactly when there is an error among the problems.
    pub service: Option<Service>,
    /// Every problem, in the order of the file.
    pub diagnostics: Diagnostics,
    /// The texts that the problems point into.
    pub sources: Sources,
}

/// Reads a configuration. `name` decides the format and is shown in messages; `environment` holds
/// the variables of the process, of which `KRAKEND_*` count; `files` reads what the file names.
pub fn load(
    files: Files<'_>,
    name: &str,
    text: &[u8],
    environment: &[(String, String)],
    options: &Options,
) -> Loaded {
    let mut found = Diagnostics::new(options.strict);
    let mut sources = Sources::default();
    let service = read(files, name, text, (environment, options), &mut sources, &mut found);
    found.sort();
    let service = service.filter(|_| !found.has_errors());
    Loaded { service, diagnostics: found, sources }
}

fn read(
    files: Files<'_>,
    name: &str,
    text: &[u8],
    (environment, options): (&[(String, String)], &Options),
    sources: &mut Sources,
    found: &mut Diagnostics,
) -> Option<Service> {
    let here = SourceId::default();
    if text.len() > TEXT_MAX {
        sources.add(Source::new(name, ""));
        found.syntax(Span::new(here, 0..0), "the file is larger than 256 MiB");
        return None;
    }
    let text = match std::str::from_utf8(text) {
        Ok(text) => text,
        Err(error) => {
            sources.add(Source::new(name, String::from_utf8_lossy(text)));
            let at = error.valid_up_to();
            found.syntax(Span::new(here, at..at), "not UTF-8");
            return None;
        }
    };
    sources.add(Source::new(name, text));
    let mut tree = syntax::parse(Format::of(name), text, here, found)?;
    overrides::apply(&mut tree, environment, sources, found);
    let tree = Arc::new(tree);
    let also_known = &options.also_known;
    Service::read(&mut Reading { found, tree: &tree, also_known, files })
}
