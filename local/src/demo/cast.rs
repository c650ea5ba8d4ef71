//! The six people of the demo. Omar is both a Lead and a Product Owner: that is how self-approval is tried.

use crate::tokens::Identity;

/// Somebody who acts in the demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Person {
    pub(super) sub: &'static str,
    pub(super) name: &'static str,
    groups: &'static [&'static str],
}

pub(super) const LENA: Person = Person { sub: "lena", name: "Lena", groups: &["finops-lead"] };
pub(super) const OMAR: Person = Person { sub: "omar", name: "Omar", groups: &["finops-lead", "product-owner"] };
pub(super) const PETRA: Person = Person { sub: "petra", name: "Petra", groups: &["product-owner"] };
pub(super) const SAMIR: Person = Person { sub: "samir", name: "Samir", groups: &["product-owner"] };
pub(super) const CHEN: Person = Person { sub: "chen", name: "Chen", groups: &["cloud-engineer"] };
pub(super) const ADA: Person = Person { sub: "ada", name: "Ada", groups: &["auditor"] };

/// Everybody.
pub(super) const CAST: [Person; 6] = [LENA, OMAR, PETRA, SAMIR, CHEN, ADA];

impl Person {
    /// Who they are, to the token issuer.
    pub(super) fn identity(self) -> Identity {
        Identity {
            sub: self.sub.to_owned(),
            email: format!("{}@example.com", self.sub),
            name: self.name.to_owned(),
            groups: self.groups.iter().map(|g| (*g).to_owned()).collect(),
        }
    }

    /// What they are, for the narration.
    pub(super) fn role(self) -> String {
        self.groups.join(" and ")
    }
}
