//! The file as written and as meant: sources with spans, syntaxes, typed model, diagnostics.
