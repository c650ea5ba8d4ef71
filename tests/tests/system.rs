//! The whole backend, from outside. One binary, since linking it is most of what these tests cost.

#![expect(clippy::indexing_slicing, reason = "a missing field of an answer reads null, and a panic fails the test")]

mod system {
    mod addresses;
    mod audit;
    mod authorisation;
    mod bad_bills;
    mod contract;
    mod crashes;
    mod deliveries;
    mod documents;
    mod drift;
    mod edges;
    mod estimates;
    mod findings;
    mod gap_actions;
    mod ingestion;
    mod interrupted_readings;
    mod killed_workflow;
    mod layouts;
    mod limits;
    mod map;
    mod money;
    mod passthrough;
    mod paths;
    mod pieces;
    mod races;
    mod refusals;
    mod repetition;
    mod resolutions;
    mod routes;
    mod samples;
    mod sight;
    mod spoofing;
    mod succession;
    mod tampering;
    mod tasks;
    mod three_people;
    mod tokens;
    mod week;
}
