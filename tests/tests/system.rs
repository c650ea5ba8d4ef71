//! The whole backend, from outside. One binary, since linking it is most of what these tests cost.

mod system {
    mod flows;
}
