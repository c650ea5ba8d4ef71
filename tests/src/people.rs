//! The people of the tests. Names are theirs; what they may do hangs on their groups alone.

use local::tokens::Identity;

/// Somebody with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Person {
    /// The subject, and the name.
    pub sub: &'static str,
    /// The groups in the token.
    pub groups: &'static [&'static str],
}

/// A FinOps Lead.
pub const LENA: Person = Person { sub: "lena", groups: &["finops-lead"] };
/// Another FinOps Lead.
pub const DORA: Person = Person { sub: "dora", groups: &["finops-lead"] };
/// Lead and Product Owner in one person.
pub const OMAR: Person = Person { sub: "omar", groups: &["finops-lead", "product-owner"] };
/// A Product Owner.
pub const PETRA: Person = Person { sub: "petra", groups: &["product-owner"] };
/// Another Product Owner.
pub const SAMIR: Person = Person { sub: "samir", groups: &["product-owner"] };
/// A Cloud Engineer.
pub const CHEN: Person = Person { sub: "chen", groups: &["cloud-engineer"] };
/// Another Cloud Engineer.
pub const EMIL: Person = Person { sub: "emil", groups: &["cloud-engineer"] };
/// An Auditor.
pub const ADA: Person = Person { sub: "ada", groups: &["auditor"] };

impl Person {
    /// Who they are, to the token issuer.
    #[must_use]
    pub fn identity(self) -> Identity {
        Identity {
            sub: self.sub.to_owned(),
            email: format!("{}@example.com", self.sub),
            name: self.sub.to_owned(),
            groups: self.groups.iter().map(|group| (*group).to_owned()).collect(),
        }
    }
}
