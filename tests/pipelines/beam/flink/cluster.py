"""Runs a standalone Flink cluster on localhost: JobManager, TaskManagers and Beam's job server.

    python -m tests.pipelines.beam.flink.cluster PYTHON

starts a cluster, prints the options with which a Beam job runs on it, and stops it when Enter is pressed. PYTHON is the
interpreter of a virtual environment with Beam and this project.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.request
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from tests.support.ports import claim_ports

FOLDER = Path(__file__).parent
JARS = FOLDER / "jars"
TASK_MANAGERS = 2
_OPENED = (
    "java.lang", "java.lang.reflect", "java.net", "java.io", "java.nio", "java.text", "java.time", "java.util",
    "java.util.concurrent", "java.util.concurrent.atomic", "java.util.concurrent.locks", "sun.nio.ch",
)  # fmt: skip
_JAVA = [
    "java", "-Xmx768m", "-XX:MaxDirectMemorySize=768m", "--add-exports=java.base/sun.net.util=ALL-UNNAMED",
    "--add-exports=java.rmi/sun.rmi.registry=ALL-UNNAMED",
    *(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPENED), "-cp", f"{JARS}/*",
]  # fmt: skip


class Cluster:
    """A running cluster.

    Attributes:
        options: options with which a Beam job runs on it.
        task_managers: the processes of the TaskManagers.
    """

    def __init__(self, folder: Path, python: Path, stack: ExitStack):
        self._folder, self._stack = folder, stack
        rest, rpc, job, artifacts = claim_ports(4)
        self._rest = f"http://localhost:{rest}"
        settings = (FOLDER / "config.yaml").read_text()
        (folder / "config.yaml").write_text(f"{settings}rest.port: {rest}\njobmanager.rpc.port: {rpc}\n")
        flink, with_settings = "org.apache.flink.runtime", ["--configDir", str(folder)]
        self._start("job-manager", [*_JAVA, f"{flink}.entrypoint.StandaloneSessionClusterEntrypoint", *with_settings],
                    "Rest endpoint listening")  # fmt: skip
        self.task_managers = [
            self._start(f"task-manager-{n}", [*_JAVA, f"{flink}.taskexecutor.TaskManagerRunner", *with_settings],
                        "Successful registration at resource manager")
            for n in range(TASK_MANAGERS)
        ]  # fmt: skip
        self._start("job-server", [
            *_JAVA, "org.apache.beam.runners.flink.FlinkJobServerDriver", f"--flink-master=localhost:{rest}",
            "--job-host=localhost", f"--job-port={job}", f"--artifact-port={artifacts}", "--expansion-port=0",
            f"--artifacts-dir={folder}/artifacts",
        ], "Job server now running")  # fmt: skip
        boot = folder / "boot"
        boot.write_text(f"#!{python} -I\n{(FOLDER / 'boot.py').read_text()}")
        boot.chmod(0o755)
        self.options = [
            "--runner=PortableRunner", f"--job_endpoint=localhost:{job}", f"--parallelism={TASK_MANAGERS}",
            "--environment_type=PROCESS", f"--environment_config={json.dumps({'command': str(boot)})}",
        ]  # fmt: skip

    def ask(self, path: str) -> dict:
        """Returns the response of the JobManager's REST service to a request."""
        with urllib.request.urlopen(f"{self._rest}/{path}") as answer:
            return json.load(answer)

    def _start(self, name: str, command: list[str], ready: str) -> subprocess.Popen:
        """Starts a process and waits for a line of its output that contains `ready`."""
        process = subprocess.Popen(
            command, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True,
        )  # fmt: skip
        self._stack.callback(_stop, process)
        lines = []
        for line in process.stdout:
            lines.append(line)
            if ready in line:
                log = self._folder / f"{name}.log"
                threading.Thread(target=_drain, args=(process.stdout, log), daemon=True).start()
                return process
        raise RuntimeError(f"{name} ended: {''.join(lines[-20:])}")


@contextmanager
def flink_cluster(folder: Path, python: Path):
    """Runs a cluster while the context is open; its logs and settings are in `folder`."""
    with ExitStack() as stack:
        yield Cluster(folder, python, stack)


def _drain(stream: IO[str], log: Path) -> None:
    with log.open("w", buffering=1) as file:  # line by line, so that the log of a blocked process is complete
        file.writelines(stream)


def _stop(process: subprocess.Popen) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # also kills the workers that it has started
    process.wait()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as logs, flink_cluster(Path(logs), Path(sys.argv[1]).absolute()) as running:
        print(*running.options, flush=True)
        input()
