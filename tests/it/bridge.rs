//! The bridge against the World: what becomes of a series.
