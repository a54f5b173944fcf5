//! The composition engine: fan-out, merge, rendering, and the one table of outcomes.
