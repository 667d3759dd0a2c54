"""Many ranks, one report: real processes and sockets, one of them killed; a thousand answers merged."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from doctor.checks.ranks_differ import ranks_differ
from doctor.diagnose import Diagnosis
from doctor.model import Facts, Finding, Package, Remedy, Severity
from doctor.rank import spoken
from doctor.ranks import Place, merge, place, wire
from doctor.ranks.traits import traits

LAUNCH = {"RANK": "1", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}


def free_port() -> int:
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return int(tried.getsockname()[1])


@pytest.fixture
def first() -> Place:
    return Place(0, 4, 0, 4, "127.0.0.1", min(free_port(), 65000), "run")


def environment(tmp_path: Path, name: str, peft: str) -> str:
    """A folder that looks like an environment with transformers and one peft."""
    for package, version in (("transformers", "5.23.0"), ("peft", peft)):
        metadata = tmp_path / name / "lib" / "python3.11" / "site-packages" / f"{package}-{version}.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text(f"Name: {package}\nVersion: {version}\n", "utf-8")
    (tmp_path / name / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.11.7\n", "utf-8")
    return str(tmp_path / name)


def rank(number: int, port: int, tmp_path: Path, **variables: str) -> subprocess.Popen[str]:
    launch = {**LAUNCH, "RANK": str(number), "LOCAL_RANK": str(number), "MASTER_PORT": str(port)}
    ours = {**launch, "LOCAL_WORLD_SIZE": "4", "HF_HOME": str(tmp_path / "hf"), **variables}
    command = [sys.executable, "-m", "doctor", "check", "--patience", "4"]
    return subprocess.Popen(
        command, env={**os.environ, **ours}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    )


def test_four_processes_one_of_them_killed(tmp_path: Path) -> None:
    port = min(free_port(), 65000)
    good, other = (environment(tmp_path, name, peft) for name, peft in (("good", "0.21.2"), ("old", "0.11.1")))
    ranks = [rank(number, port, tmp_path, VIRTUAL_ENV=other if number == 3 else good) for number in range(4)]
    ranks[2].send_signal(signal.SIGKILL)
    out, err = ranks[0].communicate(timeout=60)
    said = " ".join(out.split())
    host = socket.gethostname()
    assert "4 ranks on 1 host, 1 silent" in said
    assert f"1 of 4 ranks: no answer within 4 seconds: {host} (rank 2)" in said
    assert f"peft is 0.21.2 on {host} (ranks 0 to 1); 0.11.1 on {host} (rank 3)" in said
    assert f"peft 0.11.1 are installed: this peft is older than transformers 5 accepts; on {host} (rank 3)" in said
    assert (ranks[0].returncode, err) == (1, "")
    for number in (1, 3):
        assert (*ranks[number].communicate(timeout=60), ranks[number].returncode) == ("", "", 0)
    ranks[2].communicate(timeout=60)


def test_a_rank_that_is_ended_by_its_launcher_still_reports(tmp_path: Path) -> None:
    alone = rank(0, min(free_port(), 65000), tmp_path, VIRTUAL_ENV=environment(tmp_path, "good", "0.21.2"))
    code = "import doctor.ranks.ending as e, os; os.environ.update(RANK='0', LOCAL_RANK='0'); e.hold(); "
    code += "os.kill(os.getpid(), 15); assert len(e.told) == 1"
    subprocess.run([sys.executable, "-c", code], check=True)
    time.sleep(1.5)
    alone.send_signal(signal.SIGTERM)
    out, _ = alone.communicate(timeout=60)
    assert alone.returncode == 1
    assert "3 of 4 ranks: no answer within" in " ".join(out.split())


def test_a_rank_that_nobody_hears_says_where_it_knocked(first: Place) -> None:
    reason = wire.send(replace(first, rank=1), {"rank": 1}, 0.1)
    assert reason.startswith(f"rank 0 does not answer on the ports {first.port + 1} to {first.port + 8} of 127.0.0.1")


def test_another_launch_and_other_programs_are_not_heard(first: Place) -> None:
    stranger = socket.create_server(("127.0.0.1", first.port + 1))
    with stranger, wire.listening(first) as listener:
        for words in (b"GET / HTTP/1.1\r\n\r\n", b"doctor-rank other\n", b"doctor-rank run\n12\n{}", b""):
            with socket.create_connection(("127.0.0.1", first.port + 2), 5) as peer:
                peer.sendall(words)
        stranger.close()
        assert wire.send(replace(first, rank=3), {"rank": 3, "host": "b"}, 5) == ""
        assert wire.send(replace(first, rank=9), {"rank": 9}, 0) != ""
        assert listener.wait(0.1) == {3: {"rank": 3, "host": "b"}}


def test_a_place_is_what_a_launcher_sets() -> None:
    assert place(LAUNCH) == Place(1, 4, 0, 0, "127.0.0.1", 29500, " 29500 4")
    torchrun = {**LAUNCH, "RANK": "11", "WORLD_SIZE": "16", "LOCAL_WORLD_SIZE": "8", "TORCHELASTIC_RUN_ID": "x"}
    assert place(torchrun) == Place(11, 16, 1, 8, "127.0.0.1", 29500, "x 29500 16")
    assert place({**LAUNCH, "WORLD_SIZE": "1"}) is None
    assert place({**LAUNCH, "RANK": "x"}) is None
    assert place({name: value for name, value in LAUNCH.items() if name != "LOCAL_RANK"}) is None


def test_a_thousand_ranks_are_merged_in_two_seconds() -> None:
    packages = {f"p{i}": Package(f"p{i}", "1.0") for i in range(150)}
    packages["torch"] = Package("torch", "2.13.0")
    facts = Facts(packages=packages, variables={f"NCCL_{i}": "1" for i in range(20)})
    found = Diagnosis((Finding("m", Remedy("advice", "t"), severity=Severity.ERROR, id="x"),), ())
    origin = Place(0, 1000, 0, 8, "node-0", 29500, "run")
    answers: dict[int, Any] = {}
    for number in range(1000):
        own = facts
        if number // 8 == 7:
            own = replace(facts, packages={**packages, "torch": Package("torch", "2.12.0")})
        if number != 500:
            where = replace(origin, rank=number, node=number // 8)
            answers[number] = merge.answer(
                where, f"node-{number // 8}", own, found if number // 8 == 9 else Diagnosis((), ())
            )
    begun = time.perf_counter()
    ranks = merge.ranks(answers, origin, 60)
    differing = list(ranks_differ.run(Facts(ranks=ranks)))  # type: ignore[misc, arg-type]
    (own,) = merge.merged(answers)
    seconds = time.perf_counter() - begun
    assert own.message == "m; on node-9 (ranks 72 to 79)"
    assert [finding.message[:12] for finding in differing] == ["torch is 2.1"]
    assert differing[0].message.endswith("; 2.12.0 on node-7 (ranks 56 to 63)")
    assert (ranks[500].silent, ranks[500].host) == ("no answer within 60 seconds", "node-62")
    assert seconds < 2


def test_what_a_rank_may_have_for_itself_is_no_trait() -> None:
    variables = {"RANK": "3", "LOCAL_RANK": "3", "CUDA_VISIBLE_DEVICES": "3", "NCCL_DEBUG": "INFO"}
    assert "variable NCCL_DEBUG" in traits(Facts(variables=variables))
    assert not [name for name in traits(Facts(variables=variables)) if name.endswith(("RANK", "DEVICES"))]


def test_hosts_in_words() -> None:
    many = spoken(list(range(20)), {number: f"n{number}" for number in range(20)})
    assert many.endswith("n6 (rank 6), 13 more hosts")
    assert spoken([3], {}) == "a host unknown (rank 3)"
