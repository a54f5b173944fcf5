//! Encodings and backends that are not plain JSON over HTTP; empty until the first one lands.
