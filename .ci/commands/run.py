"""Executes the generated commands of every task verbatim, with the real AWS CLI, against moto's IAM.

    run.py LOCAL-BINARY FOLDER

By API, approvals of every kind on both platforms become tasks; each task's bundle is unpacked and its commands run in
bash. Then the roles in moto must hold exactly the approved documents; on the way tasks are undone, once in each way,
and done again. Then everything is revoked, the revocation tasks run, and nothing of ours may be left but the roles
themselves, which stay because late spend still follows them.
"""

import json
import shutil
import socket
import sys
import time
from pathlib import Path

import cases
from cloud import Cloud
from engineer import OTHERS, POLICY, Engineer
from product import ENGINEER, LEAD, OWNER, Product, Refused

OTHERS_POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::others/*"}]}
OTHERS_TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": ["lambda.amazonaws.com", "bedrock.amazonaws.com"]}, "Action": "sts:AssumeRole"}],
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Run:
    def __init__(self, product: Product, cloud: Cloud, work: Path):
        self.product, self.cloud = product, cloud
        self.engineer = Engineer(product, cloud, work)
        self.approvals: list[tuple[str, str, list[str]]] = []
        self.seen: set[tuple[str, ...]] = set()
        self.tasks = 0

    def grant(self, workload: str, approval: dict) -> None:
        granted = self.product.approve(workload, approval)
        roles = [(scope["accountId"], scope["iamRole"]) for scope in approval["scopes"]]
        self.approvals.append((granted["id"], workload, roles))
        while task := self.product.ready_task(granted["id"]):
            self.work(self.product.start(task), roles)

    def work(self, task: dict, roles: list[tuple[str, str]]) -> None:
        """Does a task, looks at what it left, and completes it with its evidence."""
        self.tasks += 1
        role = next((name for account, name in roles if account == task["accountId"]), "")
        before = self.engineer.role(task, role)
        printed = self.engineer.run(task, task["instructions"])
        # Undone once in each way in which tasks of its kind are undone.
        way = (task["kind"], *(step["title"] for step in task["undo"]))
        if task["undo"] and way not in self.seen:
            self.seen.add(way)
            if not self.by_hand(task["undo"]):
                self.engineer.run(task, task["undo"])
                after = self.engineer.role(task, role)
                if before and POLICY in before["policies"]:
                    # Another approval is on the role, and its tag names the last one that was put there.
                    after, before = after | {"tags": None}, before | {"tags": None}
                assert after == before, f"{task['title']}: undone, {role} is {after}, and was {before}"
                printed = self.engineer.run(task, task["instructions"])
        self.holds_exactly(task, role)
        done = self.product.complete(task, self.evidence(task, printed))
        if any(artifact["name"] == "policy.json" for artifact in task["artifacts"]):
            # What others put on an adopted role has nothing to do with models, so it is no drift.
            found = (done["verification"] or {}).get("result")
            assert found == "verified", f"{task['title']}: the product's own look at the role says {done['verification']}"

    @staticmethod
    def by_hand(steps: list[dict]) -> bool:
        return any(step.get("command") is None for step in steps)

    @staticmethod
    def is_adopted(account: str, role: str) -> bool:
        return (account, role) in cases.ADOPTED

    def holds_exactly(self, task: dict, role: str) -> None:
        """The role's documents in moto are the task's files, and there is nothing beside them but what was there before."""
        files = {artifact["name"]: artifact["content"] for artifact in task["artifacts"]}
        if "policy.json" not in files:
            return
        found = self.engineer.role(task, role)
        others = {OTHERS: OTHERS_POLICY} if self.is_adopted(task["accountId"], role) else {}
        expected = {POLICY: json.loads(files["policy.json"])} | others
        assert found["policies"] == expected, f"{task['title']}: {role} holds {found['policies']}, not {expected}"
        trust = json.loads(files["trust-policy.json"]) if "trust-policy.json" in files else None
        if trust is not None:
            assert found["trust"] == trust, f"{task['title']}: {role} trusts {found['trust']}, not {trust}"
        elif others:
            assert found["trust"] == OTHERS_TRUST, f"{task['title']}: an adopted role's trust was changed"

    def evidence(self, task: dict, printed: dict[str, str]) -> dict[str, str]:
        """What an engineer reads off the steps and hands in."""
        evidence = {}
        for name in task["evidenceRequired"]:
            steps = [s for s in task["instructions"] if f"`{name}`" in (s.get("expect") or "")]
            if name == "workspaceArn":
                found = json.loads(printed[steps[0]["title"]])["data"]
                wanted = steps[0]["expect"].split('"')[1]
                id = next(w["id"] for w in found if w["name"] == wanted)
                evidence[name] = steps[0]["expect"].split("` is ")[1].split(" ")[0] + id
            elif name == "inferenceProfileArn":
                evidence[name] = printed[steps[0]["title"]]
            else:
                scope = self.product.call(ENGINEER, "GET", f"/v1/approvals/{task['approvalId']}")
                role = next(s["iamRole"] for s in scope["scopes"] if s["id"] == task["scopeId"])
                evidence[name] = f"arn:aws:iam::{task['accountId']}:role/{role}"
        return evidence

    def revoke_everything(self) -> None:
        for approval, _, roles in reversed(self.approvals):
            self.product.revoke(approval)
            while task := self.product.ready_task(approval):
                self.work(self.product.start(task), roles)
        for approval, _, roles in self.approvals:
            state = self.product.call(LEAD, "GET", f"/v1/approvals/{approval}")
            left = [scope["state"] for scope in state["scopes"] if scope["state"] != "revoked"]
            assert not left, f"{approval} has scopes that are {left}"
            for account, role in roles:
                found = self.engineer.role({"accountId": account}, role)
                ours = [name for name in found["policies"] if name == POLICY] + list(found["tags"])
                others = [OTHERS] if self.is_adopted(account, role) else []
                assert not ours and list(found["policies"]) == others, f"{role} still holds {found}"
        assert all(w["archived_at"] for w in self.cloud.workspaces.values()), self.cloud.workspaces


def made_before(engineer: Engineer) -> str:
    """What is there before anything is approved: roles of somebody else's, and a profile, whose ARN is the answer."""
    for account, role in cases.ADOPTED:
        trust, policy = json.dumps(OTHERS_TRUST), json.dumps(OTHERS_POLICY)
        engineer.aws(account, "iam", "create-role", "--role-name", role, "--assume-role-policy-document", trust)
        engineer.aws(account, "iam", "put-role-policy", "--role-name", role, "--policy-name", OTHERS, "--policy-document", policy)
    source = f"copyFrom=arn:aws:bedrock:us-east-1:{cases.A}:inference-profile/us.{cases.SONNET}"
    made = engineer.aws(cases.A, "bedrock", "create-inference-profile", "--inference-profile-name", "own", "--model-source", source)
    return json.loads(made)["inferenceProfileArn"]


def refusals(product: Product, workload: str, space: str) -> int:
    """What the rules do not accept is refused, and says what they do."""
    tried = 0

    def refused(send, said: str, what: object) -> None:
        nonlocal tried
        tried += 1
        try:
            send()
        except Refused as no:
            assert no.status in (400, 409, 422) and said in no.detail, f"{no}: lacks `{said}`"
            return
        raise AssertionError(f"accepted {what!r}, where `{said}` was to be said")

    case = {"valueType": "cost-saving", "annualBaseline": {"amount": "1.00", "currency": "USD"}, "targetPercent": "1"}
    for name in cases.REFUSED_NAMES:
        body = {"name": name, "runtime": "lambda", "useCase": "operations-ai", "businessCase": case}
        refused(lambda: product.call(OWNER, "POST", f"/v1/spaces/{space}/workloads", body), "name", name)
        refused(lambda: product.call(LEAD, "POST", "/v1/spaces", {"name": name, "owners": [OWNER]}), "name", name)
    ask = lambda approval: lambda: product.approve(workload, approval)
    here = lambda role="r", account=cases.A, region="us-east-1", **more: cases.scope(account, region, role, **more)
    nova = lambda *scopes, actions=("invoke",), **more: ask(cases.approval(cases.NOVA, list(actions), list(scopes), **more))
    for role in cases.REFUSED_ROLES:
        refused(nova(here(role)), "iamRole", role)
    for workspace in cases.REFUSED_WORKSPACES:
        claude = cases.approval(cases.CLAUDE, ["inference"], [here(region="us-west-2")], workspaceName=workspace)
        refused(ask(claude), "workspaceName", workspace)
    for region in ("us-east-9", "atlantis-1", "US-EAST-1", "us-east-1; id", "", "*"):
        refused(nova(here(region=region)), "region", region)
    refused(ask(cases.approval(cases.SONNET, ["invoke"], [here()])), "inferenceProfile", "a model without on-demand")
    for profile in (
        f"arn:aws-cn:bedrock:us-east-1:{cases.A}:inference-profile/us.{cases.NOVA}",
        f"arn:aws:bedrock:us-east-1:{cases.B}:inference-profile/us.{cases.NOVA}",
        f"arn:aws:bedrock:us-east-1:{cases.B}:application-inference-profile/a1b2c3",
        f"arn:aws:bedrock:us-west-2:{cases.A}:application-inference-profile/a1b2c3",
        f"us.{cases.SONNET}",
        "'; touch pwned",
        "*",
    ):
        refused(nova(here(inferenceProfile=profile)), "inferenceProfile", profile)
    refused(nova(here(), expiresOn="2026-08-23"), "expiresOn", "an expiry in the past")
    refused(nova(here(), effectiveFrom="2026-08-23"), "effectiveFrom", "a beginning in the past")
    refused(nova(here(account="999988887777")), "not in governance", "an account that nobody registered")
    refused(nova(here(), actions=["inference"]), "actions", "another platform's action")
    refused(nova(here(), actions=["agents"]), "agentic", "agents in tier standard")
    refused(nova(here(), workspaceName="x"), "workspaceName", "a workspace on Bedrock")
    agents = lambda actions, servers: nova(here(), actions=["agents"], tier="agentic", agentic={"actions": actions, "mcpServers": servers})
    refused(agents(["iam:CreateUser"], []), "agentic", "an action that is none of agents")
    refused(agents([], ["evil.amazonaws.com"]), "agentic", "a server that is none of AWS's")
    pods = product.workload(space, "pods without a cluster", "eks", None)
    refused(lambda: product.approve(pods, cases.approval(cases.NOVA, ["invoke"], [here()])), "runtimeDetail", "eks without its detail")
    return tried


def main() -> None:
    binary, work = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    ports = {name: free_port() for name in ("moto", "router", "claude", "api", "aws")}
    began = time.monotonic()
    product = Product(binary, ports["api"], ports["aws"], work / "local.log")
    cloud = Cloud(work, ports, ports["aws"])
    try:
        product.organisation(cases.ACCOUNTS, cases.MODELS)
        run = Run(product, cloud, work)
        own_profile = made_before(run.engineer)
        # An account's own profile counts once discovery has seen where it routes.
        product.local("schedules/model-discovery")
        product.settle()
        names = iter(cases.HOSTILE_NAMES * 2)
        for case in cases.cases(own_profile):
            name = next(names)
            workload = product.workload(product.space(name), name, case["runtime"], case["detail"])
            for approval in case["approvals"]:
                run.grant(workload, approval | {"note": next(names)})
        space = product.space("refusals")
        tried = refusals(product, product.workload(space, "refusals", "lambda", None), space)
        run.revoke_everything()
        assert not cloud.refused, "\n".join(cloud.refused)
        broken_out = [path for path in work.rglob("*pwned*")]
        assert not broken_out, f"a name became a command: {broken_out}"
    finally:
        product.stop()
        cloud.stop()
    print(
        f"{len(run.approvals)} approvals, {run.tasks} tasks: {run.engineer.commands} commands as they stand, {run.engineer.skipped} of the "
        f"passthrough function left to its own checks; {tried} refusals; {time.monotonic() - began:.0f} s"
    )


if __name__ == "__main__":
    main()
