"""Runs parliament over the golden policies: `lint.py FOLDER-OF-SNAPSHOTS`.

Its knowledge of AWS ends before Claude Platform, bedrock-mantle and the MCP keys. So every finding must be one of KNOWN,
each with where AWS documents what parliament does not know, and every entry of KNOWN must still be found: an exception
that nothing needs any more is taken out. Trust policies name no resource, which parliament cannot read: check.mjs
validates those.
"""

import re
import sys
from pathlib import Path

from parliament import analyze_policy_string

KNOWN = [
    (
        r"UNKNOWN_PREFIX Unknown prefix aws-external-anthropic",
        "Claude Platform on AWS: service authorization reference, list_aws-external-anthropic",
    ),
    (
        r"UNKNOWN_PREFIX Unknown prefix bedrock-mantle",
        "the other Bedrock namespace: service authorization reference, list_bedrock-mantle",
    ),
    (
        r"UNKNOWN_ACTION Unknown action bedrock:(CountTokens|CallWithBearerToken)\b",
        "service authorization reference, list_bedrock",
    ),
    (
        r"UNKNOWN_ACTION Unknown action iam:GetOutboundWebIdentityFederationInfo\b",
        "service authorization reference, list_iam",
    ),
    (
        r"UNKNOWN_CONDITION_FOR_ACTION Unknown condition aws:(ViaAWSMCPService|CalledViaAWSMCP) for action ",
        "global keys of AWS-managed MCP servers: agent-toolkit user guide, security_iam_service-with-iam",
    ),
    (
        r"UNKNOWN_CONDITION_FOR_ACTION Unknown condition lambda:InvokedViaFunctionUrl for action lambda:InvokeFunction\b",
        "the right to call a function by its URL only: Lambda developer guide, urls-auth",
    ),
    (
        r"RESOURCE_MISMATCH .*'action': 'bedrock:(InvokeModel|CreateModelInvocationJob)'",
        "parliament wants a resource of every type that the action can take; the reference asks for the one that is called",
    ),
    (
        r"INVALID_ARN .*:aws:transform/Serverless-2016-10-31",
        "the account of CloudFormation's own transforms is `aws`: CloudFormation user guide, transform-aws-serverless",
    ),
]


def documents(folder: Path):
    """The golden identity policies and organisation denies, by name."""
    for path in sorted(folder.glob("*.snap")):
        if not path.name.startswith("trust-"):
            # A snapshot is a header between two lines of dashes, then the text.
            yield path.stem, path.read_text().split("\n---\n", 1)[1]


def main() -> int:
    unexpected, used, count = [], set(), 0
    for name, text in documents(Path(sys.argv[1])):
        count += 1
        for finding in analyze_policy_string(text).findings:
            said = f"{finding.issue} {finding.detail} {finding.location}"
            known = [entry for entry in KNOWN if re.search(entry[0], said)]
            used.update(known)
            if not known:
                unexpected.append(f"{name}: {said}")
    stale = [pattern for pattern, _ in KNOWN if not any(pattern == entry[0] for entry in used)]
    for line in unexpected:
        print(f"unexpected: {line}", file=sys.stderr)
    for pattern in stale:
        print(f"no longer found, take it out of KNOWN: {pattern}", file=sys.stderr)
    print(f"{count} golden policies; {len(used)} kinds of findings, all documented")
    if not count:
        print("no golden policy was found", file=sys.stderr)
    return 1 if unexpected or stale or not count else 0


if __name__ == "__main__":
    sys.exit(main())
