//! The seam to the driver: ladder, sockets, TLS sessions, blocks, timers. Others never name monoio.
