//! spend-cards.
