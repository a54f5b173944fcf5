//! Process and worker lifecycle: start, connection loop, plan swap, drain.
