//! One backend of an endpoint: what is called and what is kept of its answer.
//! Source: docs/reference/lura-core.md 1.5, 3.12, 4.3, 4.4.

use super::{Behaviour, Encoding, ExtraBlock, Names};
use crate::config::host::Host;
use crate::config::node::NodeId;
use crate::config::url_template::UrlTemplate;
use std::time::Duration;

/// One call that an endpoint makes.
#[derive(Clone, Debug)]
pub struct Backend {
    /// The object in the file.
    pub at: NodeId,
    /// `url_pattern`, or the object when the key is missing.
    pub url_pattern_at: NodeId,
    /// `host`, or the object when the hosts are the service's.
    pub host_at: NodeId,
    /// `url_pattern`: path and query to ask for, with the endpoint's parameters.
    pub url_pattern: UrlTemplate,
    /// `method`: upper case; absent: the endpoint's. Any HTTP token.
    pub method: String,
    /// `host`: where to; absent or empty: the service's. Empty: every request fails with 500.
    pub hosts: Vec<Host>,
    /// `encoding`: how the answer is read; `no-op` whenever the endpoint's output is `no-op`.
    pub encoding: Encoding,
    /// `is_collection`: the answer is an array, kept under `collection`.
    pub is_collection: bool,
    /// What is kept of the answer.
    pub selection: Selection,
    /// `input_headers`: of the fields that the endpoint forwards, these go to this backend; absent:
    /// all. `*` is an ordinary name here, `[""]` lets nothing through.
    pub input_headers: Names,
    /// `input_query_strings`: the same for parameters of the query.
    pub input_query_strings: Names,
    /// The endpoint's timeout.
    pub timeout: Duration,
    /// The endpoint's `concurrent_calls`.
    pub concurrent_calls: u32,
    /// `extra_config.backend/http`: what a failed call tells the client.
    pub error_return: ErrorReturn,
    /// `extra_config.backend/http/client.send_body_on_redirect`: keep the body in memory, so that
    /// a 307 or 308 can be followed with it. Default false.
    pub send_body_on_redirect: bool,
    /// The endpoint's behaviour with the backend's own `ringway` switches.
    pub behaviour: Behaviour,
    /// Every other known block of the backend's `extra_config`.
    pub extra: Vec<ExtraBlock>,
}

/// Order of work: `target`, then `allow` (or else `deny`), then `mapping`, then `group`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// `target`: dot path of the object that becomes the answer; empty: the whole.
    pub target: Vec<String>,
    /// `allow`: dot paths to keep; empty: everything.
    pub allow: Vec<String>,
    /// `deny`: dot paths to drop; empty whenever `allow` is not.
    pub deny: Vec<String>,
    /// `mapping`: old name to new name at the top level, in the order of the file. New names are
    /// cut at their first dot; a name mapped to itself is left out here, since it stays as it is.
    pub mapping: Vec<(String, String)>,
    /// `group`: the key to put the answer under; `None`: no key.
    pub group: Option<String>,
}

/// What the client learns of a backend's status other than 200 and 201.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ErrorReturn {
    /// Nothing: the call failed, 500 when nothing else answers.
    #[default]
    Nothing,
    /// `return_error_code`: the backend's status and body.
    Code,
    /// `return_error_details`: an object under `error_<name>`; the answer is not complete.
    Details {
        /// The name after `error_`.
        name: String,
    },
}
