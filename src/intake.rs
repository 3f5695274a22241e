//! A listed series and what the server holds of it, to the frozen text.
