//! Parts, sinks, options and parameters, by example.
