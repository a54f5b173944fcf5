//! What the gateway tells about itself: metric names and per-core cells, the text that a scrape
//! reads, the access log and the log of errors. Never blocks, never locks on the data path; knows no
//! proxy and no policy (outcomes and reasons come in as tables of labels).
//! Sources: docs/reference/lura-core.md 7, docs/reference/krakend-components.md 18 and 20.

pub mod access_log;
pub mod cells;
pub mod fuzz;
pub mod histogram;
pub mod logger;
pub mod names;
pub mod prometheus;
pub mod registry;
mod ring;
pub mod stamp;
pub mod writer;
