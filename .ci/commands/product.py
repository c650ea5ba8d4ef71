"""The product's API, as its people call it: one process of `local`, one token per person."""

import json
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

LEAD, OWNER, ENGINEER = "lena", "omar", "elif"
GROUPS = {LEAD: "finops-lead", OWNER: "product-owner", ENGINEER: "cloud-engineer"}
START_SECONDS_MAX = 120
# A Monday, as in the tests.
NOW = "2026-08-24T07:00:00Z"


class Refused(Exception):
    """A "no" of the API: status, type, detail."""

    def __init__(self, method: str, path: str, status: int, body: dict):
        self.status, self.kind, self.detail = status, body.get("type", "").rsplit("/", 1)[-1], body.get("detail", "")
        super().__init__(f"{method} {path}: {status} {self.kind}: {self.detail or body}")


class Product:
    """A running stack without people, accounts or decisions."""

    def __init__(self, binary: Path, api_port: int, aws_port: int, log: Path):
        self.url = f"http://127.0.0.1:{api_port}"
        self.aws_port = aws_port
        command = [str(binary), "--empty", "--port", str(api_port), "--aws-port", str(aws_port)]
        self.process = subprocess.Popen(command, stdout=log.open("w"), stderr=subprocess.STDOUT)
        self._wait()
        self.local("clock", {"now": NOW})
        self.tokens = {
            sub: self.local("tokens", {"sub": sub, "email": f"{sub}@example.com", "name": sub, "groups": [group]})["token"]
            for sub, group in GROUPS.items()
        }

    def _wait(self) -> None:
        for _ in range(START_SECONDS_MAX * 4):
            try:
                urllib.request.urlopen(f"{self.url}/_local/health", timeout=5).read()
                return
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.25)
        raise RuntimeError("the local stack did not start")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=60)

    def local(self, control: str, body: dict | None = None) -> dict:
        return json.loads(self._send("POST", f"/_local/{control}", json.dumps(body or {}).encode(), {}))

    def settle(self) -> None:
        self.local("settle")

    def call(self, who: str, method: str, path: str, body: dict | None = None):
        headers = {"authorization": f"Bearer {self.tokens[who]}"}
        answer = self._send(method, path, None if body is None else json.dumps(body).encode(), headers)
        return json.loads(answer) if answer else None

    def file(self, who: str, path: str) -> bytes:
        return self._send("GET", path, None, {"authorization": f"Bearer {self.tokens[who]}"})

    def _send(self, method: str, path: str, body: bytes | None, headers: dict) -> bytes:
        headers = {"content-type": "application/json", **headers}
        request = urllib.request.Request(f"{self.url}{path}", data=body, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=120) as response:
                return response.read()
        except urllib.error.HTTPError as error:
            text = error.read()
            try:
                problem = json.loads(text)
            except ValueError:
                problem = {"detail": text.decode(errors="replace")}
            raise Refused(method, path, error.code, problem) from None

    # What people do.

    def organisation(self, accounts: dict[str, list[str]], models: list[tuple[str, str]]) -> None:
        for account, regions in accounts.items():
            self.call(LEAD, "PUT", f"/v1/accounts/{account}", {"name": "an account", "regions": regions})
        self.local("schedules/model-discovery")
        for platform, model in models:
            key = f"{platform}.{model.replace(':', '-')}"
            self.call(LEAD, "PUT", f"/v1/models/{key}/decision", {"decision": "approved", "reason": "reviewed"})
        self.settle()

    def space(self, name: str) -> str:
        return self.call(LEAD, "POST", "/v1/spaces", {"name": name, "owners": [OWNER], "businessUnit": name})["id"]

    def workload(self, space: str, name: str, runtime: str, detail: dict | None) -> str:
        case = {"valueType": "cost-saving", "annualBaseline": {"amount": "50000.00", "currency": "USD"}, "targetPercent": "12"}
        body = {"name": name, "runtime": runtime, "runtimeDetail": detail, "useCase": "operations-ai", "businessCase": case}
        workload = self.call(OWNER, "POST", f"/v1/spaces/{space}/workloads", body)["id"]
        for platform in ("bedrock", "claude-platform"):
            monthly = {"amount": "100.00", "currency": "USD"}
            estimate = {"platform": platform, "monthly": monthly, "reason": name, "validFrom": "2026-08-01"}
            self.call(OWNER, "POST", f"/v1/workloads/{workload}/estimates", estimate)
        return workload

    def approve(self, workload: str, approval: dict) -> dict:
        """Asks for what `approval` grants, and grants it."""
        asked = {key: approval[key] for key in ("platform", "modelId", "actions", "tier", "agentic") if key in approval}
        asked |= {"workloadId": workload, "justification": approval.get("note", "for the commands")}
        request = self.call(OWNER, "POST", "/v1/requests", asked)["id"]
        granted = self.call(LEAD, "POST", f"/v1/requests/{request}/approve", approval | {"businessCaseAcknowledged": True})
        self.settle()
        return granted

    def ready_task(self, approval: str) -> dict | None:
        """The approval's next task that can be worked."""
        items = self.call(ENGINEER, "GET", f"/v1/tasks?approvalId={approval}&limit=100")["items"]
        return next((task for task in items if task["state"] == "ready"), None)

    def start(self, task: dict) -> dict:
        self.call(ENGINEER, "POST", f"/v1/tasks/{task['id']}/start", {})
        return self.call(ENGINEER, "GET", f"/v1/tasks/{task['id']}")

    def complete(self, task: dict, evidence: dict) -> dict:
        body = {"digest": task["digest"], "evidence": evidence}
        done = self.call(ENGINEER, "POST", f"/v1/tasks/{task['id']}/complete", body)
        self.settle()
        return done

    def revoke(self, approval: str) -> None:
        self.call(LEAD, "POST", f"/v1/approvals/{approval}/revoke", {"reason": "the test ends"})
        self.settle()
