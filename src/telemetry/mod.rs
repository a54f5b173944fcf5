//! Metric names and per-core cells, the access log. Never blocks, never allocates on the hot path.
