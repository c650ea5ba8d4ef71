"""Signs and forwards calls to the approved Claude Platform workspaces, for the approved models only.

Event: {"path": "/v1/messages", "body": {"model": ..., ...}, "workspace": "wrkspc_..." (only where several are approved)}
Answer: {"statusCode": ..., "body": "..."}
"""
import json
import os

import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.session import get_session

ENDPOINT = os.environ["ENDPOINT"]
ALLOWED = json.loads(os.environ["ALLOWED"])
SESSION = get_session()
HTTP = urllib3.PoolManager()


def refused(why):
    return {"statusCode": 403, "body": json.dumps({"error": {"type": "not_approved", "message": why}})}


def models_of(path, body):
    # By path, not by shape: a body may carry both fields, and the platform reads the one that its path knows.
    if path.endswith("/batches"):
        return {(one.get("params") or {}).get("model") for one in body.get("requests", [])}
    return {body.get("model")}


def handler(event, _context):
    path = event.get("path", "/v1/messages")
    body = event.get("body")
    body = json.loads(body) if isinstance(body, str) else body or {}
    workspaces = {row["workspace"] for row in ALLOWED}
    workspace = event.get("workspace") or (workspaces.pop() if len(workspaces) == 1 else None)
    approved = {row["model"] for row in ALLOWED if row["workspace"] == workspace and row["path"] == path}
    asked = models_of(path, body)
    if not asked or not asked <= approved:
        return refused(f"{sorted(map(str, asked))} on {path} in {workspace} is not approved; ask for it in FinOps Center")
    data = json.dumps(body).encode()
    headers = {
        "content-type": "application/json",
        "anthropic-version": "2023-06-01",
        "anthropic-workspace-id": workspace,
    }
    request = AWSRequest(method="POST", url=ENDPOINT + path, data=data, headers=headers)
    credentials = SESSION.get_credentials().get_frozen_credentials()
    SigV4Auth(credentials, "aws-external-anthropic", os.environ["AWS_REGION"]).add_auth(request)
    answer = HTTP.request("POST", ENDPOINT + path, body=data, headers=dict(request.headers))
    return {"statusCode": answer.status, "body": answer.data.decode()}
