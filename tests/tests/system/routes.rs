//! The API as it was promised: every route, the function that owns it, and who may ask. Written out by hand, so that
//! neither the template nor a function can drift from it unseen.

use system_tests::{ADA, CHEN, LENA, PETRA, Person};

/// One promised route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Promised {
    pub(super) function: &'static str,
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    /// Lead, Owner, Engineer, Auditor: a letter for each who may ask.
    pub(super) roles: &'static str,
}

const fn route(function: &'static str, method: &'static str, path: &'static str, roles: &'static str) -> Promised {
    Promised { function, method, path, roles }
}

/// The one route that asks for no token, with the function that the template gives it to.
pub(super) const PUBLIC: (&str, &str, &str) = ("approval", "GET", "/v1/openapi.json");

pub(super) const PROMISED: &[Promised] = &[
    route("approval", "GET", "/v1/me", "LOEA"),
    route("approval", "GET", "/v1/people/{sub}", "LA"),
    route("approval", "PUT", "/v1/people/{sub}", "LOEA"),
    route("approval", "GET", "/v1/settings", "LOEA"),
    route("approval", "PUT", "/v1/settings", "L"),
    route("approval", "GET", "/v1/accounts", "LOEA"),
    route("approval", "PUT", "/v1/accounts/{accountId}", "L"),
    route("approval", "POST", "/v1/accounts/{accountId}/retire", "L"),
    route("approval", "GET", "/v1/models", "LOEA"),
    route("approval", "GET", "/v1/models/{modelKey}", "LOEA"),
    route("approval", "GET", "/v1/models/{modelKey}/scopes", "LOEA"),
    route("approval", "PUT", "/v1/models/{modelKey}/decision", "L"),
    route("approval", "GET", "/v1/models/{modelKey}/organisation-deny", "LEA"),
    route("approval", "POST", "/v1/requests", "O"),
    route("approval", "GET", "/v1/requests", "LOEA"),
    route("approval", "GET", "/v1/requests/{id}", "LOEA"),
    route("approval", "POST", "/v1/requests/{id}/withdraw", "O"),
    route("approval", "POST", "/v1/requests/{id}/approve", "L"),
    route("approval", "POST", "/v1/requests/{id}/reject", "L"),
    route("approval", "POST", "/v1/approvals", "L"),
    route("approval", "POST", "/v1/approvals/{id}/review", "L"),
    route("approval", "GET", "/v1/approvals", "LOEA"),
    route("approval", "GET", "/v1/approvals/{id}", "LOEA"),
    route("approval", "POST", "/v1/approvals/{id}/revoke", "L"),
    route("approval", "GET", "/v1/audit", "LA"),
    route("approval", "POST", "/v1/audit/verifications", "LA"),
    route("approval", "GET", "/v1/audit/verifications/{id}", "LA"),
    route("spaces", "GET", "/v1/spaces", "LOEA"),
    route("spaces", "POST", "/v1/spaces", "L"),
    route("spaces", "GET", "/v1/spaces/{id}", "LOEA"),
    route("spaces", "PUT", "/v1/spaces/{id}", "L"),
    route("spaces", "POST", "/v1/spaces/{id}/workloads", "O"),
    route("spaces", "GET", "/v1/workloads", "LOEA"),
    route("spaces", "GET", "/v1/workloads/{id}", "LOEA"),
    route("spaces", "POST", "/v1/workloads/{id}/retire", "O"),
    route("spaces", "POST", "/v1/workloads/{id}/estimates", "O"),
    route("spaces", "GET", "/v1/workloads/{id}/estimates", "LOA"),
    route("spaces", "GET", "/v1/anchors", "LOEA"),
    route("spaces", "POST", "/v1/workloads/{id}/claims", "O"),
    route("spaces", "GET", "/v1/claims", "LOA"),
    route("spaces", "POST", "/v1/claims/{id}/release", "O"),
    route("spaces", "GET", "/v1/proposals", "LOA"),
    route("spaces", "POST", "/v1/proposals/{id}/accept", "O"),
    route("spaces", "POST", "/v1/proposals/{id}/decline", "O"),
    route("spaces", "GET", "/v1/workloads/{id}/handoff", "LOEA"),
    route("task-sequencing", "GET", "/v1/tasks", "LOEA"),
    route("task-sequencing", "GET", "/v1/tasks/{id}", "LOEA"),
    route("task-sequencing", "POST", "/v1/tasks/{id}/start", "E"),
    route("task-sequencing", "POST", "/v1/tasks/{id}/complete", "E"),
    route("task-sequencing", "POST", "/v1/tasks/{id}/return", "E"),
    route("task-sequencing", "POST", "/v1/tasks/{id}/release", "E"),
    route("task-sequencing", "POST", "/v1/tasks/{id}/reissue", "L"),
    route("task-sequencing", "GET", "/v1/tasks/{id}/artifacts/{name}", "LOEA"),
    route("task-sequencing", "GET", "/v1/tasks/{id}/bundle", "LOEA"),
    route("task-sequencing", "GET", "/v1/drift", "LEA"),
    route("spend", "GET", "/v1/spend", "LOA"),
    route("spend", "GET", "/v1/spend/explain", "LOA"),
    route("spend", "GET", "/v1/ingestions", "LEA"),
    route("spend", "GET", "/v1/ingestions/{id}", "LEA"),
    route("cur-ingestion", "POST", "/v1/ingestions", "L"),
    route("cur-ingestion", "GET", "/v1/bill/findings", "LEA"),
    route("spend", "GET", "/v1/gaps", "LA"),
    route("spend", "GET", "/v1/gaps/{id}", "LA"),
    route("spend", "POST", "/v1/gaps/{id}/act", "L"),
    route("spend", "POST", "/v1/gaps/{id}/resolve", "L"),
    route("spend", "POST", "/v1/gaps/{id}/recall", "L"),
    route("spend-cards", "GET", "/v1/spend-cards", "LOA"),
    route("spend-cards", "GET", "/v1/spend-cards/{id}", "LOA"),
    route("spend-cards", "POST", "/v1/spend-cards/{id}/approve", "O"),
    route("spend-cards", "POST", "/v1/spend-cards/{id}/dispute", "O"),
    route("spend-cards", "POST", "/v1/spend-cards/{id}/resolve", "L"),
    route("spend-cards", "GET", "/v1/portfolio", "LA"),
    route("spend-cards", "POST", "/v1/portfolio/{week}/review", "L"),
    route("spend-cards", "POST", "/v1/exports", "LA"),
    route("spend-cards", "GET", "/v1/exports/{id}", "LA"),
    route("spend-cards", "GET", "/v1/months/{month}", "LA"),
    route("spend-cards", "POST", "/v1/months/{month}/close", "L"),
    route("notification", "GET", "/v1/subscriptions", "LOEA"),
    route("notification", "PUT", "/v1/subscriptions", "LOEA"),
];

/// One person of each role, with its letter.
pub(super) const ROLES: [(char, Person); 4] = [('L', LENA), ('O', PETRA), ('E', CHEN), ('A', ADA)];

impl Promised {
    /// Somebody who may ask.
    pub(super) fn somebody(&self) -> Person {
        ROLES.iter().find(|(letter, _)| self.roles.contains(*letter)).map_or(LENA, |(_, person)| *person)
    }

    /// The path with ids that are well formed and lead nowhere.
    pub(super) fn made_up(&self) -> String {
        let thing = self.path.split('/').nth(2).unwrap_or_default();
        let id = match thing {
            "requests" => "req_none",
            "approvals" => "apr_none",
            "spaces" => "spc_none",
            "workloads" => "wkl_none",
            "claims" => "clm_none",
            "proposals" => "prp_none",
            "tasks" => "tsk_none-1",
            "ingestions" => "run_none",
            "gaps" => "gap_none",
            "spend-cards" => "crd_none",
            _ => "exp_none",
        };
        let path = self.path.replace("{id}", id).replace("{sub}", "nobody").replace("{name}", "policy.json");
        let path = path.replace("{accountId}", "999988887777").replace("{modelKey}", "bedrock.nobody.none-v1-0");
        path.replace("{week}", "2026-08-16").replace("{month}", "2026-06")
    }
}
