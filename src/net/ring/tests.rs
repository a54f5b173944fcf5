//! Tests of the ring alone.
