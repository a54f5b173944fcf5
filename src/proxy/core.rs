//! What one core holds to serve a plan: pools, balancing, per-core state of policies, clocks, cells.
//! Nothing in it is shared with another core.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use crate::http::date::DateCache;
use crate::plan::policy::Locals;
use crate::plan::{OriginId, Plan};
use crate::telemetry::cells::{PlanCells, WorkerCells};
use crate::upstream::{Balancer, Origin, Upstream};

/// One core's own, for as long as its worker lives.
pub struct Core {
    /// Pools of connections to backends.
    pub upstream: Upstream,
    /// The text of `Date`.
    pub date: RefCell<DateCache>,
    /// Metrics that belong to no plan.
    pub cells: WorkerCells,
}

/// A plan as one core serves it.
pub struct CorePlan {
    /// The plan, shared by all cores.
    pub plan: Arc<Plan>,
    /// Which host is next.
    pub balancer: Balancer,
    /// Per-core state of policies, shared with the plans before and after.
    pub locals: Rc<RefCell<Locals>>,
    /// Metrics by endpoint and backend.
    pub cells: PlanCells,
    origins: Box<[OnceCell<Rc<Origin>>]>,
}

impl CorePlan {
    /// A plan for this core. `seed` spreads the cores' starting points.
    pub fn new(
        plan: Arc<Plan>,
        cells: PlanCells,
        locals: Rc<RefCell<Locals>>,
        seed: u64,
    ) -> CorePlan {
        CorePlan {
            balancer: Balancer::new(plan.n_backends, seed),
            locals,
            cells,
            origins: plan.origins.iter().map(|_| OnceCell::new()).collect(),
            plan,
        }
    }

    /// The pool of an origin, looked up by its key once and by its id from then on.
    pub fn origin(&self, core: &Core, id: OriginId) -> Option<&Rc<Origin>> {
        let at = id.0 as usize;
        let (place, spec) = (self.origins.get(at)?, self.plan.origins.get(at)?);
        Some(place.get_or_init(|| core.upstream.origin(spec)))
    }
}
