//! A node as compact JSON text, members in the order of the file.

use super::node::{Node, Value};
use std::fmt::Write as _;

/// Appends the node. Trees are at most `syntax::DEPTH_MAX` deep, so recursion is bounded.
pub fn write(node: Node<'_>, out: &mut String) {
    match node.value() {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        // JSON has no word for these.
        Value::Number(number) if !number.to_f64().is_finite() && !is_json(number.text()) => {
            out.push_str("null");
        }
        Value::Number(number) => out.push_str(number.text()),
        Value::Text(text) => string(text, out),
        Value::List => {
            out.push('[');
            for (at, child) in node.children().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write(child, out);
            }
            out.push(']');
        }
        Value::Table => {
            out.push('{');
            for (at, child) in node.children().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                string(child.key().unwrap_or_default(), out);
                out.push(':');
                write(child, out);
            }
            out.push('}');
        }
    }
}

fn is_json(number: &str) -> bool {
    number.bytes().any(|byte| byte.is_ascii_digit())
}

fn string(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            letter if letter < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(letter));
            }
            letter => out.push(letter),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    #[test]
    fn same_text_comes_out() {
        for text in [r#"{"a":[1,1.50,1e400,true,null],"b\n\"":{"\u0001":"é"}}"#, "[]", "{}", "-0"]
        {
            let tree = crate::config::syntax::json_for_tests(text);
            let mut out = String::new();
            super::write(tree.root(), &mut out);
            assert_eq!(out, text);
        }
    }
}
