//! `url_pattern` of a backend: literal text and references to parameters, split into path and query.
//! Source: docs/reference/lura-core.md 1.5, 1.6, 3.2, 3.3.

/// One piece of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UrlPart {
    /// Text as written.
    Literal(String),
    /// The value of a parameter.
    Param(UrlParam),
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UrlParam {
    /// A parameter of the endpoint's path: an index into `EndpointPath::params`.
    Endpoint {
        /// Which.
        index: usize,
        /// Its name as written.
        name: String,
    },
    /// Something that only a sequence or a validated token can supply: `resp0_id`, `JWT.sub`. When
    /// nothing does, `{{.Name}}` itself goes out, as in KrakenD.
    Later {
        /// The name with its first letter in upper case: `Resp0_id`.
        name: String,
    },
}

/// A compiled `url_pattern`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlTemplate {
    /// As written, with one leading slash: `/users/{id}?full=1`.
    pub text: String,
    /// In KrakenD's inner form, which its error texts show: `/users/{{.Id}}?full=1`.
    pub stored: String,
    /// The part before the first `?`.
    pub path: Vec<UrlPart>,
    /// The part behind it; `None` without a `?`.
    pub query: Option<Vec<UrlPart>>,
}
