//! The loop: observe, decide, save, act, save.
