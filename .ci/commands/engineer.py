"""Carries a task out as an engineer does: the bundle in a folder, its commands as they stand, in bash.

What a command prints is held against the step's `expect`: a check that nobody could pass, or that says something else than
what comes out, is a fault of the instructions.
"""

import hashlib
import io
import json
import os
import re
import subprocess
import zipfile
from pathlib import Path

from cloud import Cloud
from product import ENGINEER, Product

POLICY = "FinOpsCenterApproved"
# Building, deploying and trying the passthrough function is a matter of its own: no emulator runs it.
OF_THE_FUNCTION = re.compile(r"^(sam|sha256sum) |\baws (cloudformation|lambda) ")
# Answers whose text only AWS knows.
FREE_ANSWERS = {
    "the instance profile's ARN": r"arn:aws:iam::\d{12}:instance-profile/\S+",
    "an association id: a-...": r"a-\w+",
    "the profile's ARN: the evidence `inferenceProfileArn`": r"arn:aws:bedrock:\S+:application-inference-profile/\w+",
    "the same ARN, then ACTIVE": r"arn:aws:bedrock:\S+:application-inference-profile/\w+ ACTIVE",
}


class Engineer:
    def __init__(self, product: Product, cloud: Cloud, work: Path):
        self.product, self.cloud, self.work = product, cloud, work
        self.environments: dict[str, dict[str, str]] = {}
        self.commands = self.skipped = 0

    def environment(self, account: str) -> dict[str, str]:
        if account not in self.environments:
            self.environments[account] = self.cloud.environment(account)
        return self.environments[account]

    def folder(self, task: dict) -> Path:
        """The task's bundle in a folder, each file as its digest says."""
        folder = self.work / task["id"]
        folder.mkdir(exist_ok=True)
        bundle = self.product.file(ENGINEER, f"/v1/tasks/{task['id']}/bundle")
        with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
            archive.extractall(folder)
        for artifact in task["artifacts"]:
            digest = hashlib.sha256((folder / artifact["name"]).read_bytes()).hexdigest()
            assert artifact["sha256"] == f"sha256:{digest}", f"{artifact['name']} is not what its digest says"
        return folder

    def run(self, task: dict, steps: list[dict]) -> dict[str, str]:
        """Runs the steps in order; what each printed, by its title."""
        folder = self.folder(task)
        printed = {}
        for step in steps:
            command = step.get("command")
            if command is None:
                continue
            if OF_THE_FUNCTION.search(command):
                self.skipped += 1
                continue
            done = subprocess.run(
                ["bash", "-c", command],
                cwd=folder,
                env=os.environ | self.environment(task["accountId"]),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=300,
            )
            self.commands += 1
            what = f"{task['title']}\n  step {step['step']}: {step['title']}\n  $ {command}\n"
            assert done.returncode == 0, f"{what}  failed with {done.returncode}: {done.stdout}{done.stderr}"
            assert as_expected(done.stdout, step["expect"], command, folder), (
                f"{what}  printed: {done.stdout!r}\n  expected: {step['expect']!r}"
            )
            printed[step["title"]] = done.stdout.strip()
        return printed

    def role(self, task: dict, role: str) -> dict | None:
        """What stands on a role in moto; none if there is no such role."""
        iam = self.cloud.client("iam", self.environment(task["accountId"]))
        try:
            found = iam.get_role(RoleName=role)["Role"]
        except iam.exceptions.NoSuchEntityException:
            return None
        names = iam.list_role_policies(RoleName=role)["PolicyNames"]
        read = {name: iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names}
        tags = {tag["Key"]: tag["Value"] for tag in iam.list_role_tags(RoleName=role)["Tags"]}
        return {"trust": found["AssumeRolePolicyDocument"], "policies": read, "tags": tags}

    def aws(self, account: str, *words: str) -> bytes:
        """A command of somebody else's, before anything was approved."""
        environment = os.environ | self.environment(account)
        command = ["aws", *words]
        return subprocess.run(command, env=environment, check=True, capture_output=True, stdin=subprocess.DEVNULL).stdout


def as_expected(printed: str, expect: str, command: str, folder: Path) -> bool:
    """Whether a command's output is what its step says."""
    printed = printed.strip()
    for text, pattern in FREE_ANSWERS.items():
        if expect == text:
            return re.fullmatch(pattern, " ".join(printed.split())) is not None
    if "get-role-policy" in command:
        statements = [statement["Sid"] for statement in json.loads(printed)["Statement"]]
        applied = json.loads((folder / "policy.json").read_text())
        return json.loads(printed) == applied and expect.endswith(", ".join(statements))
    if expect.startswith("no output"):
        return printed == ""
    if expect.startswith('a list without "'):
        return expect.split('"')[1] not in json.loads(printed)
    if "curl " in command:
        return answer_of_the_platform_fits(json.loads(printed.partition("{")[1] + printed.partition("{")[2]), expect)
    # Each line, or each whole JSON value, stands in the expectation word for word.
    squeeze = lambda text: "".join(text.split())
    parts = [squeeze(printed)] if printed.startswith(("{", "[")) and printed.count("\n[") == 0 else printed.split("\n")
    if printed.count("\n[") == 1:
        parts = [squeeze(part) for part in printed.replace("\n[", "\0[").split("\0")]
    return bool(printed) and all(squeeze(part) in squeeze(expect) for part in parts)


def answer_of_the_platform_fits(answer: dict, expect: str) -> bool:
    """The Claude Platform's answers as JSON against what the step says in words."""
    name = re.search(r'(?:named|"name":)\s*"([^"]+)"', expect)
    if expect.startswith("no workspace named"):
        return all(w["name"] != name[1] for w in answer["data"])
    if expect.startswith("exactly one workspace named"):
        return [w["name"] for w in answer["data"]].count(name[1]) == 1
    if expect.startswith("an archived_at date"):
        return answer["archived_at"] is not None
    named = name is None or answer["name"] == name[1]
    return named and answer["id"].startswith("wrkspc_") and answer["archived_at"] is None
