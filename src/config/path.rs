//! Paths of endpoints: cleaning, placeholders, the router's form.
//! Source: docs/reference/lura-core.md 1.4, 1.6, 2.3.

/// One piece of a router path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoutePart {
    /// These bytes, slashes included.
    Literal(String),
    /// The rest of the segment becomes this parameter: an index into [`EndpointPath::params`].
    Param(usize),
}

/// The path of an endpoint in all its forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointPath {
    /// With one leading slash and its placeholders: `/users/{id}`.
    pub text: String,
    /// As the router and KrakenD's log lines have it, joined and cleaned: `/users/:id`.
    pub route: String,
    /// The route cut at its parameters. A literal follows each parameter that is not the last,
    /// and begins with a slash.
    pub parts: Vec<RoutePart>,
    /// Names of the parameters in the order of the path, as written.
    pub params: Vec<String>,
}
