"""The cloud that the engineer's commands reach: moto, and in front of it one address that sorts calls by service.

The AWS CLI is given that address as AWS_ENDPOINT_URL. The SigV4 credential scope of a call says where it belongs:

- `iam`, `sts`: moto, which nobody here wrote. What is found there is what counts. Changes of
  IAM go to the product's emulated accounts as well, so that its own look at the live role has something to see.
- `bedrock`: the product's emulated Bedrock, as moto knows neither ListFoundationModels nor inference profiles.
- `ce`, pod identity of `eks` and `iam GetOutboundWebIdentityFederationInfo`: answered here, as moto does not know them.
- `aws-external-anthropic`: answered here over TLS, as curl is told an https address. Its SigV4 signatures are verified.
"""

import datetime
import hashlib
import hmac
import http.client
import json
import re
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

CLAUDE = "aws-external-anthropic"
IAM_CHANGES = ("Create", "Put", "Delete", "Update", "Tag", "Untag", "Attach", "Detach", "Add", "Remove")
FEDERATION = """<GetOutboundWebIdentityFederationInfoResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/">
<GetOutboundWebIdentityFederationInfoResult><JwtVendingEnabled>true</JwtVendingEnabled>
</GetOutboundWebIdentityFederationInfoResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>
</GetOutboundWebIdentityFederationInfoResponse>"""
HOP = {"connection", "host", "transfer-encoding", "content-length", "expect", "accept-encoding"}


def sign(secret: str, date: str, region: str, service: str, text: str) -> str:
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


class Cloud:
    """Everything that a command can reach, and what came by."""

    def __init__(self, work: Path, ports: dict[str, int], product_port: int):
        self.work, self.ports, self.product_port = work, ports, product_port
        self.secrets: dict[str, str] = {}
        self.accounts: dict[str, str] = {}
        self.active_tags: set[str] = set()
        self.associations: dict[str, dict] = {}
        self.workspaces: dict[str, dict] = {}
        self.refused: list[str] = []
        log = (work / "moto.log").open("w")
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(ports["moto"])]
        self.moto = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        self._wait()
        self._serve("router", _router(self), None)
        self._serve("claude", _claude(self), self._certificate())

    def stop(self) -> None:
        self.moto.terminate()
        self.moto.wait(timeout=30)

    def _wait(self) -> None:
        for _ in range(240):
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.ports["moto"], timeout=5)
                connection.request("GET", "/moto-api/data.json")
                connection.getresponse().read()
                return
            except OSError:
                time.sleep(0.25)
        raise RuntimeError("moto did not start")

    def _serve(self, name: str, handler, context: ssl.SSLContext | None) -> None:
        server = ThreadingHTTPServer(("127.0.0.1", self.ports[name]), handler)
        server.daemon_threads = True
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def _certificate(self) -> ssl.SSLContext:
        """A certificate for the Claude endpoints, which curl is told to trust by its own configuration file."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "claude")])
        now = datetime.datetime.now(datetime.timezone.utc)
        names = [x509.DNSName(f"{CLAUDE}.{region}.api.aws") for region in ("us-east-1", "us-west-2")]
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        encoding = serialization.Encoding.PEM
        plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (self.work / "claude.pem").write_bytes(certificate.public_bytes(encoding))
        (self.work / "claude.key").write_bytes(key.private_bytes(encoding, *plain))
        curl = self.work / "curl"
        curl.mkdir()
        lines = [f'connect-to = "{name.value}:443:127.0.0.1:{self.ports["claude"]}"' for name in names]
        (curl / ".curlrc").write_text("\n".join([*lines, f'cacert = "{self.work / "claude.pem"}"', 'noproxy = "*"', ""]))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.work / "claude.pem", self.work / "claude.key")
        return context

    def environment(self, account: str) -> dict[str, str]:
        """What an engineer who is signed in to the account has in the environment."""
        sts = boto3.client(
            "sts", region_name="us-east-1", endpoint_url=f"http://127.0.0.1:{self.ports['moto']}",
            aws_access_key_id="engineer", aws_secret_access_key="engineer",
        )
        role = f"arn:aws:iam::{account}:role/engineer"
        given = sts.assume_role(RoleArn=role, RoleSessionName="elif")["Credentials"]
        self.secrets[given["AccessKeyId"]] = given["SecretAccessKey"]
        self.accounts[given["AccessKeyId"]] = account
        return {
            "AWS_ACCESS_KEY_ID": given["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
            "AWS_SESSION_TOKEN": given["SessionToken"],
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.ports['router']}",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_MAX_ATTEMPTS": "1",
            "AWS_PAGER": "",
            "CURL_HOME": str(self.work / "curl"),
        }

    def client(self, service: str, environment: dict[str, str]):
        """A client of moto itself, to look at what the commands left there."""
        return boto3.client(
            service, region_name="us-east-1", endpoint_url=f"http://127.0.0.1:{self.ports['moto']}",
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=environment["AWS_SESSION_TOKEN"],
        )


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("content-length") or 0))

    def answer(self, status: int, body: bytes | dict, kind: str = "application/json") -> None:
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _scope(authorization: str | None) -> list[str]:
    """Access key, date, region and service of a signed call."""
    found = re.search(r"Credential=([^/,]+)/(\d+)/([^/]+)/([^/]+)/aws4_request", authorization or "")
    return list(found.groups()) if found else []


def _router(cloud: Cloud):
    class Router(Handler):
        def route(self) -> None:
            body = self.body()
            scope = _scope(self.headers.get("authorization"))
            if not scope:
                return self.answer(403, {"message": "not signed"})
            key, service = scope[0], scope[3]
            form = dict(urllib.parse.parse_qsl(body.decode(errors="replace")))
            action = form.get("Action", "")
            if service == "ce":
                return self.cost_explorer(json.loads(body))
            if service == "eks":
                return self.pod_identity(json.loads(body or b"{}"))
            if service == "bedrock":
                return self.answer(*self.forward(cloud.product_port, body, self.in_product(key)))
            if action == "GetOutboundWebIdentityFederationInfo":
                return self.answer(200, FEDERATION.encode(), "text/xml")
            status, answer, kind = self.forward(cloud.ports["moto"], body, {})
            if service == "iam" and status == 200 and action.startswith(IAM_CHANGES) and "InstanceProfile" not in action:
                copied, text, _ = self.forward(cloud.product_port, body, self.in_product(key))
                if copied != 200:
                    cloud.refused.append(f"{action} {form}: moto took it, the emulated account did not: {text!r}")
            self.answer(status, answer, kind)

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = route

        def in_product(self, key: str) -> dict[str, str]:
            """The product's emulated accounts read the account from the access key and verify no signature."""
            signed = self.headers["authorization"].replace(f"Credential={key}/", f"Credential=AKIA{cloud.accounts[key]}ELIF/")
            return {"authorization": signed}

        def forward(self, port: int, body: bytes, changed: dict[str, str]) -> tuple[int, bytes, str]:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
            headers = {name: value for name, value in headers.items() if name.lower() not in changed} | changed
            headers["host"] = f"127.0.0.1:{port}"
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request(self.command, self.path, body or None, headers)
            response = connection.getresponse()
            answer = response.read()
            connection.close()
            return response.status, answer, response.headers.get("content-type", "")

        def pod_identity(self, given: dict) -> None:
            path, _, query = self.path.partition("?")
            wanted = dict(urllib.parse.parse_qsl(query))
            _, _, cluster, _, *id = path.split("/")
            if self.command == "POST":
                made = {"clusterName": cluster, "associationId": f"a-{len(cloud.associations) + 1:08}"} | given
                cloud.associations[made["associationId"]] = made
            elif self.command == "DELETE":
                made = cloud.associations.pop(id[0])
            else:
                found = [a for a in cloud.associations.values() if a["clusterName"] == cluster and wanted.items() <= a.items()]
                return self.answer(200, {"associations": found})
            self.answer(200, {"association": made})

        def cost_explorer(self, given: dict) -> None:
            if self.headers["x-amz-target"].endswith("UpdateCostAllocationTagsStatus"):
                for entry in given["CostAllocationTagsStatus"]:
                    (cloud.active_tags.add if entry["Status"] == "Active" else cloud.active_tags.discard)(entry["TagKey"])
                return self.answer(200, {"Errors": []}, "application/x-amz-json-1.1")
            tags = [{"TagKey": key, "Type": "UserDefined", "Status": "Active"} for key in given["TagKeys"] if key in cloud.active_tags]
            self.answer(200, {"CostAllocationTags": tags}, "application/x-amz-json-1.1")

    return Router


def _claude(cloud: Cloud):
    class Claude(Handler):
        def route(self) -> None:
            body = self.body()
            wrong = self.signature_is_wrong(body)
            if wrong:
                cloud.refused.append(f"{self.command} {self.path}: {wrong}")
                return self.answer(403, {"error": wrong})
            key, _, region, _ = _scope(self.headers["authorization"])
            path, _, _ = self.path.partition("?")
            self.workspaces(cloud.accounts[key], region, path.removeprefix("/v1/organizations/workspaces"), body)

        do_GET = do_POST = route

        def workspaces(self, account: str, region: str, rest: str, body: bytes) -> None:
            own = {id: w for id, w in cloud.workspaces.items() if (w["account"], w["region"]) == (account, region)}
            named = re.fullmatch(r"/(wrkspc_\w+)(/archive)?", rest)
            if (self.command, rest) == ("GET", ""):
                return self.answer(200, {"data": [w for w in own.values() if not w["archived_at"]]})
            if (self.command, rest) == ("POST", ""):
                name = json.loads(body)["name"]
                id = f"wrkspc_{len(cloud.workspaces) + 1:04}Ab"
                cloud.workspaces[id] = {"id": id, "name": name, "account": account, "region": region, "archived_at": None}
                return self.answer(200, cloud.workspaces[id])
            if not named or named[1] not in own:
                return self.answer(404, {"error": f"no such workspace: {rest}"})
            if named[2] and self.command == "POST" and json.loads(body) == {}:
                own[named[1]]["archived_at"] = "2026-08-24T07:00:00Z"
            self.answer(200, own[named[1]])

        def signature_is_wrong(self, body: bytes) -> str | None:
            scope = _scope(self.headers.get("authorization"))
            if not scope or scope[0] not in cloud.secrets:
                return "not signed by somebody who is known"
            key, date, region, service = scope
            if service != CLAUDE or self.headers["host"] != f"{CLAUDE}.{region}.api.aws":
                return f"signed for {service} in {region}, sent to {self.headers['host']}"
            if not self.headers.get("x-amz-security-token") or not self.headers.get("anthropic-version"):
                return "a header is missing"
            signed = re.search(r"SignedHeaders=([^,]+)", self.headers["authorization"])[1].split(";")
            if not {"host", "x-amz-date", "x-amz-security-token"} <= set(signed):
                return f"only {signed} are signed"
            path, _, query = self.path.partition("?")
            # Header values are trimmed and inner spaces folded, as SigV4 says.
            headers = "".join(f"{name}:{' '.join(self.headers[name].split())}\n" for name in signed)
            payload = hashlib.sha256(body).hexdigest()
            canonical = "\n".join([self.command, path, query, headers, ";".join(signed), payload])
            text = "\n".join([
                "AWS4-HMAC-SHA256", self.headers["x-amz-date"], f"{date}/{region}/{service}/aws4_request",
                hashlib.sha256(canonical.encode()).hexdigest(),
            ])
            given = re.search(r"Signature=([0-9a-f]+)", self.headers["authorization"])[1]
            expected = sign(cloud.secrets[key], date, region, service, text)
            return None if hmac.compare_digest(given, expected) else "the signature is not that of the request"

    return Claude
