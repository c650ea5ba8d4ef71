"""Approvals of every kind on both platforms, for workloads of every runtime, under names that try to break out.

Each case is one workload: its runtime, and one or more approvals with the roles that they name. What the rules accept must
come out inert; what they refuse must be refused with a word on what would be accepted.
"""

A, B = "111122223333", "222233334444"
ACCOUNTS = {A: ["us-east-1", "us-west-2"], B: ["us-east-1", "us-west-2"]}
NOVA, SONNET, HAIKU, CLAUDE = (
    "amazon.nova-lite-v1:0",
    "anthropic.claude-sonnet-4-6",
    "anthropic.claude-3-haiku-20240307-v1:0",
    "claude-sonnet-4-6",
)
MODELS = [("bedrock", NOVA), ("bedrock", SONNET), ("bedrock", HAIKU), ("claude-platform", CLAUDE)]

# 1 to 100 characters without control characters, accepted as they are: names of workloads, Spaces and notes.
HOSTILE_NAMES = [
    "plain",
    "it's $(touch pwned)",
    "`touch pwned`",
    '"; touch pwned; "',
    "' || touch pwned || '",
    "--help",
    "-rf /",
    "$HOME ${IFS} !! ~",
    "a;b|c&d>e<f*?[x]",
    "\\\\'\\\"\\n",
    "日本語の名前",
    "שלום عالم",
    "naïve — “quoted” …",
    "=cmd|' /C calc'!A0",
    "%s %n {0} {{x}}",
    "file://policy.json",
    "#comment",
    "x" * 100,
]
REFUSED_NAMES = ["", "line\nfeed", "nul\x00", "bell\x07", "tab\there", "x" * 101]

HOSTILE_ROLES = ["finops-ai", "-x", "--version", "a=b,c@d", "+1.2", "_", "Key=a,Value=b", "r" * 64]
# Roles that are there before, with a policy of somebody else's.
ADOPTED = [(B, "old-role")]
REFUSED_ROLES = ["", "a b", "it's", "$(id)", "a/b", "a*", "rôle", "a\nb", "r" * 65, "file://x"]

HOSTILE_WORKSPACES = ["support-desk", "0 -- .._", "a b.c-_ d", "v1.0 --help"]
REFUSED_WORKSPACES = ["", "-x", ".x", " x", "it's", "$(id)", '"x"', "a\nb", "日本", "a;b", "w" * 65]


def scope(account: str, region: str, role: str, **more) -> dict:
    return {"accountId": account, "region": region, "iamRole": role, **more}


def approval(model: str, actions: list[str], scopes: list[dict], **more) -> dict:
    platform = "claude-platform" if model == CLAUDE else "bedrock"
    return {"platform": platform, "modelId": model, "actions": actions, "scopes": scopes, **more}


def cases(own_profile: str) -> list[dict]:
    """One workload each: `runtime`, `detail`, `approvals`; `own_profile` is the ARN of an application inference
    profile of Sonnet in account A."""
    every = ["invoke", "stream", "batch", "count-tokens"]
    irsa = {"oidcProvider": "oidc.eks.us-east-1.amazonaws.com/id/EXAMPLED539D4633", "namespace": "shop", "serviceAccount": "pay"}
    pods = {"cluster": "prod", "namespace": "shop", "serviceAccount": "pay"}
    github = {"oidcProvider": "token.actions.githubusercontent.com", "audience": "sts.amazonaws.com", "subject": "repo:acme/shop:ref:refs/heads/main"}
    partner = {"trustedRole": "arn:aws:iam::444455556666:role/Partner", "externalId": "finops-7f3a"}
    claude = ["inference", "count-tokens", "batch", "files"]
    two_regions = [scope(A, "us-east-1", "-x"), scope(A, "us-west-2", "-x", inferenceProfile=f"us.{NOVA}")]
    case = lambda runtime, *approvals, detail=None: {"runtime": runtime, "detail": detail, "approvals": list(approvals)}
    return [
        case("lambda", approval(NOVA, ["invoke", "stream"], two_regions)),
        case("lambda", approval(NOVA, every, [scope(A, "us-east-1", "--version")], sigV4Only=True),
             approval(SONNET, ["invoke"], [scope(A, "us-east-1", "--version", inferenceProfile=f"global.{SONNET}")])),
        case("ec2", approval(HAIKU, every, [scope(A, "us-east-1", "a=b,c@d", inferenceProfile=f"us.{HAIKU}")])),
        case("ecs", approval(NOVA, ["invoke"], [scope(A, "us-east-1", "+1.2")], map={"value": "mig12345", "methods": ["role-tag", "inference-profile"]})),
        case("eks", approval(NOVA, ["invoke"], [scope(A, "us-east-1", "_")]), detail=pods),
        case("eks", approval(NOVA, ["invoke"], [scope(B, "us-east-1", "_")]), detail=irsa),
        case("sagemaker", approval(SONNET, ["stream"], [scope(A, "us-east-1", "Key=a,Value=b", inferenceProfile=own_profile)])),
        case("external-oidc", approval(NOVA, ["invoke"], [scope(A, "us-east-1", "r" * 64)]), detail=github),
        case("external-oidc", approval(NOVA, ["count-tokens"], [scope(A, "us-east-1", "partner")]), detail=partner),
        case("lambda", approval(NOVA, ["invoke", "batch"], [scope(B, "us-east-1", "old-role", existing=True)])),
        case("lambda", approval(NOVA, ["invoke", "agents"], [scope(A, "us-east-1", "agents")], tier="agentic",
                                agentic={"mcpServers": ["eks-mcp.amazonaws.com"], "actions": ["bedrock:InvokeAgent"]}),
             approval(NOVA, ["invoke"], [scope(A, "us-east-1", "agents")])),
        case("lambda", approval(CLAUDE, claude, [scope(A, "us-west-2", "finops-ai-desk")], workspaceName=HOSTILE_WORKSPACES[1])),
        case("ecs", approval(CLAUDE, ["inference"], [scope(B, "us-east-1", "--help")], workspaceName=HOSTILE_WORKSPACES[3], sigV4Only=True),
             approval(CLAUDE, ["agents"], [scope(B, "us-east-1", "--help")], workspaceName=HOSTILE_WORKSPACES[3], tier="agentic",
                      agentic={"actions": ["aws-external-anthropic:CreateSession", "aws-external-anthropic:GetSession"]})),
        case("lambda", approval(CLAUDE, ["inference"], [scope(A, "us-east-1", "+desk")], workspaceName=HOSTILE_WORKSPACES[2])),
    ]
