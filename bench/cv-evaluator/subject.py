"""What is measured: the application by itself, or behind Plimsoll. One `serve` and one `work` process either way."""
import json
import os
import signal
import socket
import sqlite3
import subprocess
from pathlib import Path

WORKER_CONCURRENCY = 64
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Subject:
    """Running processes with a database in `directory`."""

    def settings(self, model_url):
        return {
            "OPENAI_BASE_URL": model_url,
            "OPENAI_MODEL": "scripted",
            "RATE_LIMIT_PER_MIN": "10000000",
            "WORKER_CONCURRENCY": str(WORKER_CONCURRENCY),
            "RUST_LOG": "warn",
        }

    def resident_mib(self):
        sizes = {}
        for name, pid in self.pids().items():
            try:
                lines = Path(f"/proc/{pid}/status").read_text().splitlines()
                sizes[name] = next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024
            except (OSError, StopIteration):
                pass
        return sizes

    def cpu_s(self):
        """Of each process since its start, children that have ended (the readers of documents) included."""
        used = {}
        for name, pid in self.pids().items():
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            used[name] = sum(int(field) for field in fields[11:15]) / TICKS_PER_S
        return used

    def waits(self):
        """The queue's own histogram of how long jobs waited for a worker: upper bound in ms to count."""
        path = next(Path(self.directory).rglob("queue.db"))
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10) as database:
            return dict(database.execute("SELECT le_ms, n FROM plimsoll_time WHERE queue = 'evaluate' AND kind = 0"))


class Alone(Subject):
    """The application without Plimsoll."""

    def __init__(self, directory, programs, model_url):
        self.directory, self.port = directory, free_port()
        environment = os.environ | self.settings(model_url) | {"PLIMSOLL_QUEUE_URL": f"sqlite://{directory}/queue.db"}
        with open(directory / "log", "wb") as log:
            start = lambda role, port: subprocess.Popen(
                [programs / "cv-evaluator", role], env=environment | {"PORT": str(port)}, stdout=log, stderr=log
            )
            self.processes = {"api": start("serve", self.port), "worker": start("work", free_port())}

    def pids(self):
        return {name: process.pid for name, process in self.processes.items()}

    def stop(self):
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            process.wait(timeout=60)


class Plimsoll(Subject):
    """The application behind Plimsoll's gateway, under its control."""

    def __init__(self, directory, programs, model_url):
        self.directory, self.port, self.found = directory, free_port(), {}
        env = "".join(f"      {name}: {json.dumps(value)}\n" for name, value in self.settings(model_url).items())
        service = lambda role: (
            f"    command: [{json.dumps(str(programs / 'cv-evaluator'))}, {role}]\n    env:\n{env}"
            "    health: { liveness: /healthz, readiness: /readyz }\n    replicas: 1\n"
        )
        stack = directory / "stack.yaml"
        stack.write_text(
            f"name: bench\nstate: state\ngateway:\n  listen: 127.0.0.1:{self.port}\n  routes:\n"
            f"    - {{ path: /, service: api }}\nservices:\n  api:\n{service('serve')}  worker:\n{service('work')}"
            f"admin: {{ listen: '127.0.0.1:{free_port()}' }}\n"
        )
        with open(directory / "log", "wb") as log:
            self.process = subprocess.Popen([programs / "plimsoll", "up", stack], stdout=log, stderr=log, cwd=directory)

    def pids(self):
        if not {"api", "worker"} <= self.found.keys():
            self.found = {"plimsoll": self.process.pid} | self.children()
        return self.found

    def children(self):
        found = {}
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1]) == self.process.pid:
                    role = (entry / "cmdline").read_bytes().split(b"\0")[1].decode()
                    if role in ("serve", "work"):
                        found["api" if role == "serve" else "worker"] = int(entry.name)
            except (OSError, IndexError):
                continue
        return found

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)
