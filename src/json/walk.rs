//! Part of the json floor.
