"""A real Slurm for one test: daemons on this machine's loopback, with device files that pass for GPUs."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol", "sinfo", "squeue")
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def missing() -> list[str]:
    """Return the programs that are not installed."""
    return [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]


class SlurmCluster:
    """Nodes of the given GPU types, one after the other; all files are in one folder."""

    def __init__(self, folder: Path, types: tuple[str, ...], gpus: int) -> None:
        self.folder, self.types, self.gpus = folder, types, gpus
        self.environment = os.environ | {"PATH": PATH, "SLURM_CONF": str(folder / "slurm.conf")}
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Write the configuration, and start the daemons; return when all nodes are idle."""
        self._write()
        key = self.folder / "munge" / "key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        munge = ["munged", "--foreground", "--force", f"--socket={self.folder}/munge.sock", f"--key-file={key}"]
        self._run("munge", *munge, *(f"--{kind}-file={self.folder}/munge/{kind}" for kind in ("pid", "log", "seed")))
        wait_for(lambda: (self.folder / "munge.sock").exists())
        self.start_controller()
        for number in range(len(self.types)):
            self._run(f"n{number}", "slurmd", "-D", "-N", f"n{number}")
        wait_for(lambda: self.call("sinfo", "-h", "-t", "idle", "-o", "%D", check=False) == str(len(self.types)))

    def start_controller(self) -> None:
        """Start slurmctld, with what it knew before."""
        self._run("controller", "slurmctld", "-D")

    def stop_controller(self) -> None:
        """End slurmctld, which writes down what it knows."""
        process = self._daemons.pop("controller")
        process.terminate()
        process.wait(20)

    def clean(self) -> None:
        """Cancel all jobs, and take all nodes back."""
        self.call("scancel", "--quiet", "-u", str(os.getuid()), check=False)
        wait_for(lambda: not self.call("squeue", "-h", check=False))
        drained = self.call("sinfo", "-h", "-t", "drain", "-o", "%N", check=False)
        if drained:
            self.call("scontrol", "update", f"NodeName={drained}", "State=RESUME")

    def stop(self) -> None:
        """Cancel all jobs, and end the daemons."""
        if "controller" in self._daemons:
            self.call("scancel", "--quiet", "-u", str(os.getuid()), check=False)
            deadline = time.monotonic() + 8
            while self.call("squeue", "-h", check=False) and time.monotonic() < deadline:
                time.sleep(0.1)
        for process in self._daemons.values():
            process.terminate()
        for process in self._daemons.values():
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def call(self, *command: str, check: bool = True) -> str:
        """Return what a program of Slurm prints; empty where it fails or does not answer, unless that is an error."""
        try:
            done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=10)
        except subprocess.TimeoutExpired:
            assert not check, command
            return ""
        assert not check or done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout.strip() if done.returncode == 0 else ""

    def submit(self, comment: str, *arguments: str, seconds: int = 300) -> int:
        """Submit a held job that sleeps, and return its number."""
        wrap = (
            "--parsable",
            "--hold",
            "--requeue",
            "-o",
            "/dev/null",
            "--comment",
            comment,
            "--wrap",
            f"sleep {seconds}",
        )
        return int(self.call("sbatch", *wrap, *arguments))

    def _run(self, name: str, *command: str) -> None:
        with (self.folder / f"{name}.out").open("wb") as out:
            self._daemons[name] = subprocess.Popen(command, env=self.environment, stdout=out, stderr=subprocess.STDOUT)

    def _write(self) -> None:
        folder, host, user = self.folder, socket.gethostname().partition(".")[0], os.getuid()
        first = free_ports(len(self.types) + 1)
        for name in ("munge", "state", *(f"spool/n{number}" for number in range(len(self.types)))):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "munge").chmod(0o700)
        lines = [
            "ClusterName=test",
            f"SlurmctldHost={host}(127.0.0.1)",
            f"SlurmctldPort={first}",
            f"SlurmUser=#{user}" if user else "SlurmUser=root",
            "SlurmdUser=root",
            f"AuthInfo=socket={folder}/munge.sock",
            f"StateSaveLocation={folder}/state",
            f"SlurmdSpoolDir={folder}/spool/%n",
            f"SlurmctldPidFile={folder}/controller.pid",
            f"SlurmdPidFile={folder}/%n.pid",
            f"SlurmctldLogFile={folder}/controller.log",
            f"SlurmdLogFile={folder}/%n.log",
            "ProctrackType=proctrack/pgid",
            "TaskPlugin=task/none",
            "JobAcctGatherType=jobacct_gather/none",
            "AccountingStorageType=accounting_storage/none",
            "SelectType=select/cons_tres",
            "SelectTypeParameters=CR_CPU",
            "SchedulerType=sched/backfill",
            "SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0",
            "GresTypes=gpu",
            "ReturnToService=2",
            "SlurmdParameters=config_overrides",
            "KillWait=1",
            "SlurmdTimeout=10",
        ]
        gres = []
        for number, kind in enumerate(self.types):
            devices = folder / "devices" / str(number)
            devices.mkdir(parents=True)
            for gpu in range(self.gpus):
                make_device(devices / f"gpu{gpu}")
            gres.append(f"NodeName=n{number} Name=gpu Type={kind} File={devices}/gpu[0-{self.gpus - 1}]")
            address = f"NodeHostname={host} NodeAddr=127.0.0.1 Port={first + 1 + number}"
            size = f"CPUs=32 CoresPerSocket=32 Sockets=1 RealMemory=1000 Gres=gpu:{kind}:{self.gpus}"
            lines.append(f"NodeName=n{number} {address} {size} State=UNKNOWN")
        lines.append(f"PartitionName=train Nodes=n[0-{len(self.types) - 1}] Default=YES State=UP")
        (folder / "slurm.conf").write_text("\n".join(lines) + "\n")
        (folder / "gres.conf").write_text("\n".join(gres) + "\n")
        (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n")


def make_device(path: Path) -> None:
    """Make what Slurm takes for a GPU: it refuses one without a file of its own."""
    try:
        os.mknod(path, 0o20666, os.makedev(1, 3))
    except PermissionError:
        path.touch()


def free_ports(count: int) -> int:
    """Return the first of so many ports in a row that are free."""
    for first in range(20000 + os.getpid() % 5000, 60000, count):
        try:
            for port in range(first, first + count):
                with socket.socket() as taken:
                    taken.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first
    raise AssertionError("no ports are free")


def wait_for(condition, seconds: float = 30.0) -> None:
    """Wait until something is so; fail if it is not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@contextmanager
def running(folder: Path, types: tuple[str, ...] = ("v100", "v100", "k80"), gpus: int = 4) -> Iterator[SlurmCluster]:
    """Run a Slurm."""
    cluster = SlurmCluster(folder, types, gpus)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
