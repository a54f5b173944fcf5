//! Path parameters that would change what a backend's URL means are answered with 400.
//! May read the path parameters. No I/O, no state, no other policy.
//! Source: docs/reference/lura-core.md 2.5; docs/reference/hardening.md C1, C2.

use std::sync::Arc;

use crate::config::node::Node;
use crate::plan::policy::{Answer, Level, PlanCx, Policy, Registration, RequestCx, Stage, Verdict};
use crate::plan::router::{Check, check_params};

pub(super) const POLICY: Registration =
    Registration::new("router/param-check", Stage::Engine, Level::SERVICE, compile).always();

/// `router.disable_path_decoding` leaves only the check for what is never safe.
fn compile(_: &Node<'_>, cx: &mut PlanCx<'_>) -> Option<Arc<dyn Policy>> {
    let check =
        if cx.service.router.disable_path_decoding { Check::HazardsOnly } else { Check::Encoded };
    Some(Arc::new(ParamCheck { check }))
}

struct ParamCheck {
    check: Check,
}

impl Policy for ParamCheck {
    fn sees_only_params(&self) -> bool {
        true
    }

    fn on_request(&self, cx: &mut RequestCx<'_>) -> Verdict {
        let values = (0..).map_while(|at| (cx.params)(at)).map(|(_, value)| value);
        match check_params(values, self.check) {
            Ok(()) => Verdict::Continue,
            Err(refusal) => {
                let mut body = Vec::new();
                refusal.write(&mut body);
                let body = String::from_utf8_lossy(&body).into_owned();
                Verdict::Answer(Answer::text(400, "bad_parameter", body))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::h1::RequestHead;
    use crate::plan::policy::{Edits, Locals};

    fn verdict(check: Check, value: &'static str) -> Option<(u16, String)> {
        let (head, mut edits, mut locals) =
            (RequestHead::default(), Edits::default(), Locals::default());
        let verdict = ParamCheck { check }.on_request(&mut RequestCx {
            bytes: b"",
            head: &head,
            path: b"/",
            query: b"",
            params: &|at| (at == 0).then_some(("id", value.as_bytes())),
            body: None,
            peer: None,
            route: "/:id",
            backend: None,
            edits: &mut edits,
            locals: &mut locals,
        });
        match verdict {
            Verdict::Answer(answer) => {
                Some((answer.status, String::from_utf8_lossy(&answer.body).into_owned()))
            }
            Verdict::Continue | Verdict::Wait(_) => None,
        }
    }

    #[test]
    fn what_is_refused() {
        for (case, check, value, expected) in [
            ("plain", Check::Encoded, "a b", None),
            ("still encoded", Check::Encoded, "a%2Fb", Some("error: encoded url params")),
            ("question mark", Check::Encoded, "x?y", Some("error: encoded url params")),
            ("bad escape", Check::Encoded, "100%", Some("error: invalid URL escape \"%\"")),
            ("dots", Check::Encoded, "..", Some("error: dot segment in url params")),
            ("switched off", Check::HazardsOnly, "x?y", None),
            ("never safe", Check::HazardsOnly, "..", Some("error: dot segment in url params")),
        ] {
            let expected = expected.map(|text| (400, text.to_owned()));
            assert_eq!(verdict(check, value), expected, "{case}");
        }
    }
}
