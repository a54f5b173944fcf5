//! Places that panic when a test says so, where no policy of a program reaches: a debug build reads
//! `RINGWAY_FAILPOINT` once, a release build has neither the places nor the name.
//! Tests: `tests/faults/panics_f7.rs`. Source: docs/reference/hardening.md F7.

/// Panics when the environment names this place: `decode` at its first visit, `decode:2` at its
/// third, once in the life of the process.
#[inline(always)]
pub fn failpoint(place: &str) {
    #[cfg(debug_assertions)]
    armed::visit(place);
    #[cfg(not(debug_assertions))]
    let _ = place;
}

#[cfg(debug_assertions)]
mod armed {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

    struct Armed {
        place: String,
        /// Visits that are left before the one that panics.
        left: AtomicI64,
    }

    static ARMED: OnceLock<Option<Armed>> = OnceLock::new();

    pub(super) fn visit(place: &str) {
        let Some(armed) = ARMED.get_or_init(read) else { return };
        if armed.place == place && armed.left.fetch_sub(1, Relaxed) == 0 {
            panic!("the failpoint {place}");
        }
    }

    fn read() -> Option<Armed> {
        let text = std::env::var("RINGWAY_FAILPOINT").ok()?;
        let (place, skip) = text.split_once(':').unwrap_or((&text, "0"));
        Some(Armed { place: place.to_owned(), left: AtomicI64::new(skip.parse().ok()?) })
    }
}
