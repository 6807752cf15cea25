"""Enough of a Kubernetes cluster for `profiles/kubernetes`: what it would run in a pod runs here, in an empty folder.

It answers what the plugin asks (secrets, jobs, their state, logs), on a port of this machine. There is no image, no
volume and no limit: `environment` stands for what image and volume give to a pod. Each request for a job is in `asked`.
"""

import base64
import json
import os
import signal
import subprocess
import tempfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import yaml


class Cluster:
    def __init__(self, folder: Path, environment: dict[str, str]):
        folder.mkdir(parents=True)
        self.folder, self.environment = folder, environment
        self.asked, self.secrets, self.pods = [], {}, {}
        cluster = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self):
                size = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(size) or "null")
                answer = cluster.answer(self.command, self.path, body)
                text = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_DELETE = answer

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self._server.serve_forever, daemon=True).start()
        self.kubeconfig = folder / "kubeconfig"
        url = f"http://127.0.0.1:{self._server.server_port}"
        named = {"name": "here", "context": {"cluster": "here", "user": "me"}}
        self.kubeconfig.write_text(
            yaml.safe_dump(
                {
                    "clusters": [{"name": "here", "cluster": {"server": url}}],
                    "contexts": [named],
                    "current-context": "here",
                    "users": [{"name": "me", "user": {}}],
                }
            )
        )

    def answer(self, command: str, path: str, body: dict | None) -> dict | str:
        path, _, query = path.partition("?")
        last = path.rsplit("/", 1)[1]
        if command == "DELETE":
            return {"status": "Success"}
        if command == "POST" and last == "secrets":
            self.secrets[body["metadata"]["name"]] = body["data"]
            return body
        if command == "POST" and last == "jobs":
            return self.begin(body)
        if last == "status":
            return self.state(path.split("/")[-2])
        if last == "pods":
            return self.listed(query.rsplit("%3D", 1)[1])
        if last == "log":
            return (self.folder / path.split("/")[-2] / "log").read_text()
        raise ValueError(f"{command} {path}")

    def begin(self, body: dict) -> dict:
        self.asked.append(body)
        name = body["metadata"]["name"]
        (container,) = body["spec"]["template"]["spec"]["containers"]
        there = {"PATH": os.environ["PATH"], "HOME": str(self.folder), **self.environment}
        for entry in container.get("env", []):
            source = entry["valueFrom"]["secretKeyRef"]
            there[entry["name"]] = base64.b64decode(self.secrets[source["name"]][source["key"]]).decode()
        (self.folder / name).mkdir()
        workdir = tempfile.mkdtemp(dir=self.folder / name)
        with open(self.folder / name / "log", "w") as log:
            command = [*container["command"], *container["args"]]
            self.pods[name] = subprocess.Popen(
                command, cwd=workdir, env=there, stdout=log, stderr=log, start_new_session=True
            )
        return body

    def state(self, name: str) -> dict:
        code = self.pods[name].poll()
        status = {} if code is None else {"succeeded": 1} if code == 0 else {"failed": 1}
        return {"metadata": {"name": name}, "status": status}

    def listed(self, name: str) -> dict:
        code = self.pods[name].poll()
        state = {"running": {}} if code is None else {"terminated": {"exitCode": 1 if code else 0}}
        about = {"name": "snakemake", "image": "", "imageID": "", "ready": True, "restartCount": 0, "state": state}
        return {"items": [{"metadata": {"name": name}, "status": {"containerStatuses": [about]}}]}

    def evict(self, name: str) -> None:
        """Kill all that runs in the pod, as when its node goes."""
        os.killpg(self.pods[name].pid, signal.SIGKILL)
        self.pods[name].wait()

    def stop(self) -> None:
        for name, pod in self.pods.items():
            if pod.poll() is None:
                self.evict(name)
        self._server.shutdown()
        self._server.server_close()
