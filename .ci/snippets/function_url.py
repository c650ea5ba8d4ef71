"""A function URL on loopback: takes only calls whose SigV4 signature botocore finds right, and streams a message.

`function_url.py COMMAND...` runs each command in the environment that the hand-off describes, and fails unless it makes one
signed call for the approved model and prints the streamed text.
"""

import http.server
import json
import os
import subprocess
import sys
import threading

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

KEY, SECRET, TOKEN, REGION = "AKIDEXAMPLE", "a secret", "a token", "us-west-2"
TEXT = "Good morning"
EVENTS = [
    {
        "type": "message_start",
        "message": {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude-sonnet-4-6",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 1, "output_tokens": 1},
        },
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": TEXT}},
    {"type": "content_block_stop", "index": 0},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {"output_tokens": 2},
    },
    {"type": "message_stop"},
]


def signature_is_right(headers, path, body):
    """Signs the same request again; the header and the signature must be equal to the letter."""
    fields = dict(part.strip().split("=", 1) for part in headers["authorization"].split(" ", 1)[1].split(","))
    signed = fields["SignedHeaders"].split(";")
    request = AWSRequest(
        "POST",
        f"http://{headers['host']}{path}",
        data=body,
        headers={name: headers[name] for name in signed if name != "host"},
    )
    request.context["timestamp"] = headers["x-amz-date"]
    auth = SigV4Auth(Credentials(KEY, SECRET, TOKEN), "lambda", REGION)
    canonical = auth.canonical_request(request)
    expected = auth.signature(auth.string_to_sign(request, canonical), request)
    complete = {"host", "x-amz-date", "x-amz-security-token"} <= set(signed)
    scope = fields["Credential"] == f"{KEY}/{headers['x-amz-date'][:8]}/{REGION}/lambda/aws4_request"
    return complete and scope and fields["Signature"] == expected and headers["x-amz-security-token"] == TOKEN


class FunctionUrl(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    calls = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        right = signature_is_right(self.headers, self.path, body)
        asked = json.loads(body)
        self.calls.append((right, self.path, asked["model"], asked["stream"], self.headers["anthropic-workspace-id"]))
        answer = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in EVENTS).encode()
        self.send_response(200 if right else 403)
        self.send_header("content-type", "text/event-stream")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), FunctionUrl)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ["HOME"],
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_SESSION_TOKEN": TOKEN,
        "AWS_REGION": REGION,
        "CLAUDE_PASSTHROUGH_URL": f"http://127.0.0.1:{server.server_port}/",
        "CLAUDE_WORKSPACE_ID": "wrkspc_01Ab",
        "CLAUDE_MODEL_ID": "claude-sonnet-4-6",
    }
    for command in sys.argv[1:]:
        FunctionUrl.calls.clear()
        ran = subprocess.run(command, shell=True, env=environment, capture_output=True, text=True, timeout=120)
        expected = [(True, "/v1/messages", "claude-sonnet-4-6", True, "wrkspc_01Ab")]
        if ran.returncode != 0 or TEXT not in ran.stdout or FunctionUrl.calls != expected:
            sys.exit(f"{command}: {ran}\n{FunctionUrl.calls}")
        print(f"{command}: one signed call, streamed")


main()
