//! EKS pod identity: the association that lets a service account's pods have the role, and its removal.

use super::command::Command;
use crate::access::policy::trust::{ClusterName, KubernetesName, RuntimeDetail};
use crate::base::aws::Region;

/// What either command prints.
pub(super) const EXPECT: &str = "an association id: a-...";

/// Associates the role; none where the workload comes by OIDC.
pub(super) fn create(detail: &RuntimeDetail, role_arn: &str, region: &Region) -> Option<Command> {
    let account = account(detail)?;
    let create = on_account("eks create-pod-identity-association", account, region).option("--role-arn", role_arn);
    Some(create.printing("association.associationId"))
}

/// Deletes the one association that the service account has.
pub(super) fn delete(detail: &RuntimeDetail, region: &Region) -> Option<Command> {
    let account = account(detail)?;
    let find =
        on_account("eks list-pod-identity-associations", account, region).printing("associations[0].associationId");
    let delete = Command::aws("eks delete-pod-identity-association")
        .option("--cluster-name", account.0.as_str())
        .option_from("--association-id", &find)
        .option("--region", region.as_str());
    Some(delete.printing("association.associationId"))
}

type Account<'a> = (&'a ClusterName, &'a KubernetesName, &'a KubernetesName);

fn account(detail: &RuntimeDetail) -> Option<Account<'_>> {
    Some((detail.cluster.as_ref()?, detail.namespace.as_ref()?, detail.service_account.as_ref()?))
}

fn on_account(operation: &'static str, (cluster, namespace, account): Account<'_>, region: &Region) -> Command {
    Command::aws(operation)
        .option("--cluster-name", cluster.as_str())
        .option("--namespace", namespace.as_str())
        .option("--service-account", account.as_str())
        .option("--region", region.as_str())
}
