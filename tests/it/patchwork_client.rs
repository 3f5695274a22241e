//! The client of Patchwork against the model and the recorded answers.
