//! What the policy generator is given of a scope.

use super::Chain;
use crate::access::policy::bedrock::model_arn;
use crate::access::policy::grant::{Grant, Profile};
use crate::base::aws::profile::ProfileKind;
use crate::base::outcome::Refusal;

impl Chain {
    /// The grant of the scope as it stands.
    ///
    /// # Errors
    /// `RefusalKind::PolicyImpossible` when its inference profile is of no known kind.
    pub fn grant(&self) -> Result<Grant, Refusal> {
        let grant = Grant {
            scope_id: self.id.clone(),
            platform: self.platform,
            model_id: self.model_id.clone(),
            tier: self.tier,
            actions: self.actions.clone(),
            role: self.role(),
            region: self.spec.region.clone(),
            inference_profile: None,
            workspace: self.workspace_arn.clone(),
            agentic: self.agentic.clone(),
            sigv4_only: self.sig_v4_only,
        };
        let Some(arn) = &self.profile_arn else { return Ok(grant) };
        let Some(kind) = ProfileKind::of_arn(arn) else {
            return Err(grant.impossible(&format!("`{arn}` is not the ARN of an inference profile")));
        };
        let model_arns = if self.profile_model_arns.is_empty() && kind == ProfileKind::Application {
            // Copied from the model itself, so it routes nowhere else.
            vec![model_arn(grant.role.partition, &grant.region, &grant.model_id)]
        } else {
            self.profile_model_arns.clone()
        };
        let inference_profile = Some(Profile { arn: arn.clone(), kind, model_arns });
        Ok(Grant { inference_profile, ..grant })
    }
}
