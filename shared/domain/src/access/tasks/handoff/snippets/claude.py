import os

import boto3
import httpx2
from anthropic import Anthropic
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest


class SignedForTheFunction(httpx2.Auth):
    """Signs each call for the passthrough function's URL, under the role that this code runs under."""

    requires_request_body = True

    def auth_flow(self, request):
        signed = AWSRequest(request.method, str(request.url), data=request.content)
        SigV4Auth(boto3.Session().get_credentials(), "lambda", os.environ["AWS_REGION"]).add_auth(signed)
        request.headers.update(dict(signed.headers))
        yield request


client = Anthropic(
    base_url=os.environ["CLAUDE_PASSTHROUGH_URL"],
    api_key="none: the function signs under its own role",
    default_headers={"anthropic-workspace-id": os.environ["CLAUDE_WORKSPACE_ID"]},
    http_client=httpx2.Client(auth=SignedForTheFunction(), timeout=600),
)
with client.messages.stream(
    model=os.environ["CLAUDE_MODEL_ID"],
    max_tokens=1024,
    messages=[{"role": "user", "content": "Hello"}],
) as stream:
    for text in stream.text_stream:
        print(text, end="", flush=True)
