//! What a YAML scalar means, by the rules of Go's yaml.v3.

use crate::config::node::{Number, Value};
use crate::config::read::go_integer;
use saphyr_parser::Tag;

/// A scalar by yaml.v3's rules (YAML 1.2 core with octal `0777` and `_` in numbers).
pub(super) fn resolve(text: &str, plain: bool, tag: Option<&Tag>) -> Result<Value, String> {
    let core = tag.filter(|tag| tag.is_yaml_core_schema()).map(|tag| tag.suffix.as_str());
    match (core, tag) {
        (Some("str"), _) => return Ok(Value::Text(text.into())),
        (Some("null" | "bool" | "int" | "float"), _) => {
            let value = plain_value(text);
            let fits = match core {
                Some("null") => value == Value::Null,
                Some("bool") => matches!(value, Value::Bool(_)),
                _ => matches!(value, Value::Number(_)),
            };
            let tag = core.unwrap_or_default();
            return if fits { Ok(value) } else { Err(format!("not YAML: no value for !!{tag}")) };
        }
        (Some(other), _) => return Err(format!("!!{other} is not supported here")),
        (None, Some(_)) => return Ok(Value::Text(text.into())),
        (None, None) => {}
    }
    Ok(if plain { plain_value(text) } else { Value::Text(text.into()) })
}

fn plain_value(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Value::Number(Number::new("inf"));
        }
        "-.inf" | "-.Inf" | "-.INF" => return Value::Number(Number::new("-inf")),
        ".nan" | ".NaN" | ".NAN" => return Value::Number(Number::new("nan")),
        _ => {}
    }
    let first = text.as_bytes().first().copied().unwrap_or(b' ');
    if !first.is_ascii_digit() && !matches!(first, b'+' | b'-' | b'.') {
        return Value::Text(text.into());
    }
    let digits = text.replace('_', "");
    if let Some(number) = go_integer(&digits) {
        return Value::Number(Number::new(number.to_string()));
    }
    match float(&digits) {
        Some(number) => Value::Number(Number::new(number)),
        None => Value::Text(text.into()),
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, written the JSON way.
fn float(text: &str) -> Option<String> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let (whole, rest) = rest.split_at(digits(rest));
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(after) => after.split_at(digits(after)),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let exponent = match rest.strip_prefix(['e', 'E']) {
        Some(power) => {
            let power = power.strip_prefix('+').unwrap_or(power);
            let bare = power.strip_prefix('-').unwrap_or(power);
            if bare.is_empty() || digits(bare) != bare.len() {
                return None;
            }
            format!("e{power}")
        }
        None if rest.is_empty() => String::new(),
        None => return None,
    };
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        whole => whole,
    };
    let fraction = if fraction.is_empty() { String::new() } else { format!(".{fraction}") };
    Some(format!("{sign}{whole}{fraction}{exponent}"))
}
