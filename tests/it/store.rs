//! The store: written, read again, damaged, full.
