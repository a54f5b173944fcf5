//! Byte ranges of JSON: scanner, selection, splicing. Knows nothing of HTTP, sockets or clocks.
