//! A gateway with a policy of your own: `acme/tenant` answers 401 to requests that do not say whose
//! they are, and tells the backends. It stands right after the gateway's check of path parameters.
//!
//! `cargo run --example add_policy -- gateway.json`, where the file has
//! `"extra_config": {"acme/tenant": {"allowed": ["red", "blue"]}}` at its root.

use ringway::{
    Answer, BuildError, Gateway, Level, Node, PlanCx, Policy, Registration, RequestCx, Stage,
    Verdict,
};
use std::error::Error;
use std::path::Path;
use std::sync::Arc;

/// What the policy is called in the file, where it runs, and how it is made.
const TENANT: Registration =
    Registration::new("acme/tenant", Stage::Engine, Level::SERVICE, compile)
        .after("router/param-check");

/// The policy as it runs: made once, shared by all cores.
struct Tenant {
    allowed: Vec<String>,
}

/// Reads the block. What is wrong with it refuses the file, with its place.
fn compile(node: &Node<'_>, cx: &mut PlanCx<'_>) -> Option<Arc<dyn Policy>> {
    node.only(&["allowed"], cx.found);
    let allowed = node.plain_texts("allowed", cx.found).unwrap_or_default();
    if allowed.is_empty() {
        cx.found.refuse(*node, "lets nobody in", "a list \"allowed\" of tenants");
        return None;
    }
    let allowed = allowed.iter().filter_map(|node| node.text()).map(str::to_owned).collect();
    Some(Arc::new(Tenant { allowed }))
}

impl Policy for Tenant {
    fn on_request(&self, cx: &mut RequestCx<'_>) -> Verdict {
        let named = cx.fields().find(|(name, _)| name.eq_ignore_ascii_case(b"X-Tenant"));
        let tenant = named.map(|(_, value)| value).unwrap_or_default();
        match self.allowed.iter().find(|allowed| allowed.as_bytes() == tenant) {
            Some(tenant) => {
                cx.set_header("X-Checked-Tenant", tenant.as_str());
                Verdict::Continue
            }
            None => Verdict::Answer(Answer::text(401, "no_tenant", "Whose request is this?")),
        }
    }
}

/// The gateway of this program.
pub fn gateway(file: &Path) -> Result<Gateway, BuildError> {
    Gateway::builder().config_file(file).policy(TENANT).build()
}

fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args_os().nth(1).ok_or("which configuration file?")?;
    let gateway = gateway(Path::new(&file))?;
    for warning in gateway.warnings() {
        eprintln!("{warning}");
    }
    // Until SIGTERM or SIGINT; SIGHUP reads the file again.
    gateway.run()?;
    Ok(())
}
