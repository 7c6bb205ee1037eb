//! Faults that tests keep in store for a server: one that never happened makes a test that proves nothing, so it fails the test.

/// To be called when a server is dropped, with what it still has in store. Panics if there is anything, unless the test has
/// failed already.
pub(crate) fn all_happened(left: &[String]) {
    if !std::thread::panicking() {
        assert!(left.is_empty(), "faults that never happened:\n{}", left.join("\n"));
    }
}
