//! One file per capability; this list is the chain's order.

mod param_check;

use crate::plan::policy::Registration;

/// All policies, in the order in which they run within their stage. KrakenD's order:
/// docs/reference/krakend-components.md section 0.
pub const REGISTRATIONS: &[Registration] = &[
    // Before anything else that looks at a routed request: a value that is encoded twice is refused
    // before a policy can be led astray by it.
    param_check::POLICY,
];
