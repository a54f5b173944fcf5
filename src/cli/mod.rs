//! One file per command: reads arguments, calls the floors below, prints. No behaviour of the gateway lives here.
