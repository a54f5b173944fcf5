//! The control-plane thread: names, signals, reload; mailboxes to and from the workers.
