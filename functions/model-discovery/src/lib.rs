//! model-discovery.
