//! The whole backend, from outside. One binary, since linking it is most of what these tests cost.

mod system {
    mod audit;
    mod authorisation;
    mod contract;
    mod documents;
    mod ingestion;
    mod money;
    mod paths;
    mod refusals;
    mod repetition;
    mod routes;
    mod spoofing;
    mod succession;
    mod tasks;
    mod tokens;
    mod week;
}
