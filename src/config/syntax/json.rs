//! JSON, exactly RFC 8259: no comments, no commas at the end, no words.
//!
//! Two keys of the same name: the last one wins, as in Go, and a warning says so.

use super::{DEPTH_MAX, NODES_MAX};
use crate::config::diagnostic::{Diagnostics, Severity};
use crate::config::node::{NodeId, Number, Tree, Value};
use crate::config::source::{SourceId, Span};
use jsonc_parser::ast::{Object, Value as Ast};
use jsonc_parser::common::{Range, Ranged};
use jsonc_parser::errors::ParseErrorKind;
use jsonc_parser::{CollectOptions, CommentCollectionStrategy, ParseOptions, parse_to_ast};
use std::collections::HashMap;

const STRICT: ParseOptions = ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// Parses a JSON text; one syntax error ends it.
pub fn parse(text: &str, source: SourceId, found: &mut Diagnostics) -> Option<Tree> {
    let collect = CollectOptions { comments: CommentCollectionStrategy::Off, tokens: false };
    let ast = match parse_to_ast(text, &collect, &STRICT) {
        Ok(result) => result.value,
        Err(error) => {
            let range = error.range();
            let span = Span::new(source, range.start..range.end);
            found.syntax(span, format!("not JSON: {}", lower_first(&error.kind().to_string())));
            if matches!(error.kind(), ParseErrorKind::CommentsNotAllowed)
                && let Some(last) = found.last_mut()
            {
                last.help("JSON has no comments; keys beginning with _, #, @ or $ are ignored");
            }
            return None;
        }
    };
    if let Some((at, blank)) = other_blank(text) {
        let span = Span::new(source, at..at + blank.len_utf8());
        let what = format!("not JSON: U+{:04X} is no white space here", u32::from(blank));
        found.syntax(span, what);
        return None;
    }
    let Some(ast) = ast else {
        found.syntax(Span::new(source, 0..0), "not JSON: the text is empty");
        return None;
    };
    Walk { text, source, found, tree: Tree::new(Value::Null, span_of(source, ast.range())) }
        .run(&ast)
}

/// White space outside of strings that the parser takes and RFC 8259 section 2 does not, such as a
/// form feed.
fn other_blank(text: &str) -> Option<(usize, char)> {
    let (mut in_string, mut escaped) = (false, false);
    text.char_indices().find(|(_, letter)| {
        let is_quote = *letter == '"' && !escaped;
        escaped = in_string && *letter == '\\' && !escaped;
        in_string ^= is_quote;
        !in_string && letter.is_whitespace() && !matches!(letter, ' ' | '\t' | '\r' | '\n')
    })
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_lowercase().chain(letters).collect())
}

fn span_of(source: SourceId, range: Range) -> Span {
    Span::new(source, range.start..range.end)
}

struct Walk<'t, 'd> {
    text: &'t str,
    source: SourceId,
    found: &'d mut Diagnostics,
    tree: Tree,
}

impl Walk<'_, '_> {
    fn run(mut self, root: &Ast<'_>) -> Option<Tree> {
        // The parser recurses no deeper than its own limit; ours is lower and walks with a list.
        let mut open = vec![(NodeId::ROOT, root, 1_usize)];
        self.set_root(root);
        while let Some((id, value, depth)) = open.pop() {
            if depth > DEPTH_MAX {
                self.refuse(value.range(), "nested too deep");
                return None;
            }
            if self.tree.n_nodes() > NODES_MAX {
                self.refuse(value.range(), "too many values");
                return None;
            }
            match value {
                Ast::Array(array) => {
                    for element in &array.elements {
                        let span = span_of(self.source, element.range());
                        let child = self.value(element);
                        let child = self.tree.add(id, None, child, span);
                        open.push((child, element, depth + 1));
                    }
                }
                Ast::Object(object) => self.object(id, object, depth, &mut open),
                _ => {}
            }
        }
        Some(self.tree)
    }

    fn set_root(&mut self, root: &Ast<'_>) {
        let value = self.value(root);
        self.tree.replace(NodeId::ROOT, value, span_of(self.source, root.range()));
    }

    fn object<'v, 'a>(
        &mut self,
        id: NodeId,
        object: &'v Object<'a>,
        depth: usize,
        open: &mut Vec<(NodeId, &'v Ast<'a>, usize)>,
    ) {
        let mut last: HashMap<&str, usize, foldhash::fast::RandomState> = HashMap::default();
        for (at, property) in object.properties.iter().enumerate() {
            let name = property.name.as_str();
            self.check_text(property.name.range());
            if let Some(earlier) = last.insert(name, at) {
                let earlier = object.properties[earlier].name.range();
                let (earlier, later) =
                    (span_of(self.source, earlier), span_of(self.source, property.name.range()));
                let path = self.tree.at(id).path_of(name);
                self.found
                    .push(
                        Severity::Warning,
                        later,
                        path,
                        "the same key twice, the last one counts".into(),
                    )
                    .also_at(earlier, "this one is ignored");
            }
        }
        for (at, property) in object.properties.iter().enumerate() {
            let name = property.name.as_str();
            if last.get(name) != Some(&at) {
                continue;
            }
            let key = Some((name.into(), span_of(self.source, property.name.range())));
            let value = self.value(&property.value);
            let span = span_of(self.source, property.value.range());
            let child = self.tree.add(id, key, value, span);
            open.push((child, &property.value, depth + 1));
        }
    }

    fn value(&mut self, ast: &Ast<'_>) -> Value {
        match ast {
            Ast::NullKeyword(_) => Value::Null,
            Ast::BooleanLit(literal) => Value::Bool(literal.value),
            Ast::NumberLit(literal) => {
                if !is_json_number(literal.value) {
                    self.refuse(literal.range, "not JSON: no number");
                }
                Value::Number(Number::new(literal.value))
            }
            Ast::StringLit(literal) => {
                self.check_text(literal.range);
                Value::Text((&*literal.value).into())
            }
            Ast::Array(_) => Value::List,
            Ast::Object(_) => Value::Table,
        }
    }

    /// RFC 8259 section 7: control characters are written as escapes; Go refuses them too.
    fn check_text(&mut self, range: Range) {
        let raw = self.text.get(range.start..range.end).unwrap_or("");
        if let Some(at) = raw.bytes().position(|byte| byte < 0x20) {
            let at = range.start + at;
            self.found.syntax(
                Span::new(self.source, at..at + 1),
                "not JSON: a control character inside a text; allowed: an escape such as \\n",
            );
        }
    }

    fn refuse(&mut self, range: Range, message: &str) {
        self.found.syntax(span_of(self.source, range), message);
    }
}

fn is_json_number(text: &str) -> bool {
    let rest = text.strip_prefix('-').unwrap_or(text);
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let (whole, rest) = rest.split_at(digits(rest));
    if whole.is_empty() || (whole.len() > 1 && whole.starts_with('0')) {
        return false;
    }
    let rest = match rest.strip_prefix('.') {
        Some(fraction) => {
            let n = digits(fraction);
            if n == 0 {
                return false;
            }
            &fraction[n..]
        }
        None => rest,
    };
    match rest.strip_prefix(['e', 'E']) {
        Some(exponent) => {
            let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            !exponent.is_empty() && digits(exponent) == exponent.len()
        }
        None => rest.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<(u32, String)> {
        let mut found = Diagnostics::new(false);
        let _ = parse(text, SourceId::default(), &mut found);
        found.iter().map(|d| (d.span.start, d.message.clone())).collect()
    }

    #[test]
    fn only_json_is_json() {
        for text in [
            "",
            " ",
            "{",
            "[",
            "{\"a\":1,}",
            "[1,]",
            "{a:1}",
            "{'a':1}",
            "// x\n{}",
            "{} {}",
            "[1 2]",
            "+1",
            "01",
            "1.",
            ".5",
            "0x1",
            "NaN",
            "\"\n\"",
            "\"a",
            "\"\\x41\"",
            "{\"a\" 1}",
            "]",
            "nul",
            "-",
            "1e",
            "\u{feff}{}",
            "{\"a\n\":1}",
            "/**/1",
            "0\u{c}",
            "{\"a\\\"\":\u{a0}1}",
            "\"\\u12\"",
            "truefalse",
        ] {
            assert!(!problems(text).is_empty(), "{text:?} was taken");
        }
        for text in
            ["{}", "[]", "1", "-0.5e+3", "\"\\u00e9\\/\\ud83d\\ude00\"", " null ", "[[],{\"\":[]}]"]
        {
            assert_eq!(problems(text), [], "{text:?}");
        }
    }

    #[test]
    fn the_last_of_two_keys_counts() {
        let text = r#"{"a": 1, "b": 2, "a": 3}"#;
        let mut found = Diagnostics::new(false);
        let tree = parse(text, SourceId::default(), &mut found).expect("it is JSON");
        assert_eq!(tree.root().len(), 2);
        assert_eq!(tree.root().get("a").map(|n| n.shown()), Some("3".into()));
        assert_eq!(problems(text), [(17, "the same key twice, the last one counts".into())]);
    }

    #[test]
    fn deep_nesting_is_an_error() {
        for text in
            ["[".repeat(100_000), "{\"a\":".repeat(100_000), "[".repeat(300) + &"]".repeat(300)]
        {
            assert_eq!(problems(&text).len(), 1);
        }
        assert_eq!(problems(&("[".repeat(200) + &"]".repeat(200))), []);
    }
}
