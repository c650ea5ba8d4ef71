//! task-sequencing.
