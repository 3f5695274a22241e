//! Records and history in SQLite, written before any outside effect.
