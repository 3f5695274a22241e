//! What policy says of recorded and of hostile series.
