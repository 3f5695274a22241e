//! Upstream trees and the mirror, on real repositories.
