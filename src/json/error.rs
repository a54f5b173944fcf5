//! Why a body is not the JSON that was asked for; small, `Copy`, with the texts of Go's library.
//!
//! KrakenD shows those texts to clients under `return_error_msg`, so they are kept word for word
//! where they are known: docs/reference/lura-core.md 5.5.

use std::fmt;

/// The first thing wrong with a document. The fault is the backend's; a retry gives the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonError {
    /// What is wrong.
    pub kind: Kind,
    /// Offset of the byte where it was noticed.
    pub at: u32,
}

/// What is wrong with a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing but whitespace.
    Empty,
    /// The document ends before the value does.
    Cut,
    /// A byte that the grammar does not have here.
    Unexpected { byte: u8, place: Place },
    /// More than 10,000 arrays and objects inside each other.
    TooDeep { byte: u8 },
    /// Valid, but not the kind of value that the backend's encoding needs.
    Shape { found: Shape, wanted: Wanted },
    /// A string that is no Unicode text, where the policy refuses it.
    NotText,
    /// Longer than the 4 GiB that ranges can address.
    TooLong,
}

/// Where in the grammar a byte was not expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    ValueStart,
    KeyStart,
    AfterKey,
    AfterMember,
    AfterElement,
    AfterTop,
    InString,
    InEscape,
    InHexEscape,
    InNumber,
    AfterDecimalPoint,
    InExponent,
    /// In `true`, `false` or `null`, where this letter was due.
    InLiteral {
        word: &'static str,
        due: u8,
    },
}

/// Kind of a value, as Go names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Object,
    Array,
    String,
    Number,
    Bool,
    Null,
}

/// What an encoding wants at the top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    Object,
    Array,
}

impl JsonError {
    /// Appends the text that a client of KrakenD would see.
    pub fn message(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.to_string().as_bytes());
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Empty => f.write_str("EOF"),
            Kind::Cut => f.write_str("unexpected EOF"),
            Kind::Unexpected { byte, place } => {
                f.write_str("invalid character ")?;
                quoted_byte(byte, f)?;
                f.write_str(" ")?;
                place.fmt(f)
            }
            Kind::TooDeep { byte } => {
                f.write_str("invalid character ")?;
                quoted_byte(byte, f)?;
                f.write_str(" exceeded max depth")
            }
            Kind::Shape { found, wanted } => {
                write!(f, "json: cannot unmarshal {found} into Go value of type {wanted}")
            }
            Kind::NotText => f.write_str("invalid UTF-8 in a JSON string"),
            Kind::TooLong => f.write_str("JSON document over 4 GiB"),
        }
    }
}

impl std::error::Error for JsonError {}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Place::ValueStart => "looking for beginning of value",
            Place::KeyStart => "looking for beginning of object key string",
            Place::AfterKey => "after object key",
            Place::AfterMember => "after object key:value pair",
            Place::AfterElement => "after array element",
            Place::AfterTop => "after top-level value",
            Place::InString => "in string literal",
            Place::InEscape => "in string escape code",
            Place::InHexEscape => "in \\u hexadecimal character escape",
            Place::InNumber => "in numeric literal",
            Place::AfterDecimalPoint => "after decimal point in numeric literal",
            Place::InExponent => "in exponent of numeric literal",
            Place::InLiteral { word, due } => {
                return write!(f, "in literal {word} (expecting '{}')", char::from(*due));
            }
        })
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Shape::Object => "object",
            Shape::Array => "array",
            Shape::String => "string",
            Shape::Number => "number",
            Shape::Bool => "bool",
            Shape::Null => "null",
        })
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Wanted::Object => "map[string]interface {}",
            Wanted::Array => "[]interface {}",
        })
    }
}

/// One byte in single quotes as Go's `strconv.Quote` shows the Latin-1 character of that number.
fn quoted_byte(byte: u8, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match byte {
        b'\'' => f.write_str("'\\''"),
        b'\\' => f.write_str("'\\\\'"),
        0x07 => f.write_str("'\\a'"),
        0x08 => f.write_str("'\\b'"),
        0x0b => f.write_str("'\\v'"),
        0x0c => f.write_str("'\\f'"),
        b'\n' => f.write_str("'\\n'"),
        b'\r' => f.write_str("'\\r'"),
        b'\t' => f.write_str("'\\t'"),
        0..=0x1f | 0x7f => write!(f, "'\\x{byte:02x}'"),
        0x80..=0xa0 | 0xad => write!(f, "'\\u{byte:04x}'"),
        _ => write!(f, "'{}'", char::from(byte)),
    }
}
