"""`archc.parallel`, by the script that users start from: ranks in processes of their own, held to one process."""

from __future__ import annotations

import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import archc
from archc import parallel

SCRIPT = Path(__file__).parents[3] / "examples" / "train.py"


def started(ranks: int, *arguments: object) -> subprocess.Popen[str]:
    """The script on so many ranks, which find each other by a free port."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)]
    return subprocess.Popen(
        [*launcher, str(SCRIPT), *map(str, arguments)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def losses(ranks: int, *arguments: object, steps: int = 20) -> dict[int, float]:
    process = started(ranks, *arguments, "--steps", steps)
    try:
        out, err = process.communicate(timeout=480)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, err[-3000:]
    return said(out)


def said(out: str) -> dict[int, float]:
    lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    return {line["step"]: line["loss"] for line in lines}


def runs_here(monkeypatch: pytest.MonkeyPatch, ranks: int, *arguments: object) -> None:
    """Runs the script in this process, as the first of so many ranks."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        world = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free.getsockname()[1], "WORLD_SIZE": ranks, "RANK": 0}
    for name, value in world.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *map(str, arguments)])
    runpy.run_path(str(SCRIPT), run_name="__main__")


def close(found: dict[int, float], wanted: dict[int, float]) -> bool:
    return found.keys() == wanted.keys() and all(abs(found[step] - wanted[step]) < 1e-4 for step in wanted)


# In float32 the order of sums alone moves a loss by 1e-3 within twenty steps, as rectifiers turn.
DOUBLE = ("--dtype", "float64")
SMALL = ("resnet_cifar", "--set", "depth=8", *DOUBLE)


def test_a_pipeline_of_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Its losses are those of one process, and its checkpoint is that of the whole, for any number of ranks."""
    runs_here(monkeypatch, 1, *SMALL, "--folder", tmp_path / "one", "--every", 3, "--steps", 3)
    alone = said(capsys.readouterr().out)
    assert len(alone) == 3
    monkeypatch.undo()
    assert close(losses(2, *SMALL, "--stages", 2, "--folder", tmp_path / "two", "--every", 3, steps=3), alone)
    weights = []
    for folder in ("one", "two"):
        parallel.one_file(tmp_path / folder / "3", tmp_path / f"{folder}.pth")
        weights.append(torch.load(tmp_path / f"{folder}.pth", weights_only=True))
    assert list(weights[0]) == list(weights[1]) == list(archc.load("resnet_cifar", depth=8).module().state_dict())
    assert all(
        torch.allclose(a.float(), b.float(), atol=1e-5) for a, b in zip(*(w.values() for w in weights), strict=True)
    )


@pytest.fixture(scope="module")
def alone() -> dict[int, float]:
    return losses(1, *SMALL)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ranks", "options"),
    [
        (4, []),
        (4, ["--shard"]),
        (4, ["--stages", 4]),
        (4, ["--stages", 4, "--schedule", "gpipe"]),
        (2, ["--stages", 2, "--schedule", "interleaved"]),
        (4, ["--stages", 2]),
        (4, ["--stages", 2, "--shard"]),
    ],
)
def test_every_way_has_the_losses_of_one_process(ranks: int, options: list[object], alone: dict[int, float]) -> None:
    assert close(losses(ranks, *SMALL, *options), alone)


@pytest.mark.slow
@pytest.mark.parametrize("spec", ["tied_resnet_cifar", "densenet_cifar"])
def test_parameters_and_tensors_that_stages_share(spec: str) -> None:
    """Tied layers, and concatenations that cross cuts."""
    given = {"densenet_cifar": ["--set", "depth=16"]}.get(spec, [])
    assert close(losses(2, spec, *given, *DOUBLE, "--stages", 2, steps=4), losses(1, spec, *given, *DOUBLE, steps=4))


@pytest.mark.slow
def test_a_rank_that_is_killed_ends_the_others_and_the_run_goes_on(tmp_path: Path, alone: dict[int, float]) -> None:
    folder = tmp_path / "run"
    process = started(2, *SMALL, "--stages", 2, "--folder", folder, "--every", 2, "--steps", 2000)
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["step"] == 5:
            break
    ranks = subprocess.run(
        ["pgrep", "-f", f"^{sys.executable}.*{folder}"], capture_output=True, text=True
    ).stdout.split()
    rank = next(int(pid) for pid in reversed(ranks) if int(pid) != process.pid)
    os.kill(rank, signal.SIGKILL)
    before = time.monotonic()
    process.communicate(timeout=60)
    assert process.returncode != 0 and time.monotonic() - before < 30
    rest = losses(4, *SMALL, "--stages", 2, "--shard", "--folder", folder)
    assert min(rest) >= 4 and all(abs(rest[step] - alone[step]) < 1e-4 for step in rest)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ranks", "options", "killed"),
    [(2, [], 0), (2, ["--shard"], 1), (2, ["--stages", 2], 0), (4, ["--stages", 2, "--shard"], 3)],
)
def test_without_a_launcher_the_others_end_too(
    ranks: int, options: list[object], killed: int, tmp_path: Path, alone: dict[int, float]
) -> None:
    """As on several machines: nobody but gloo tells ranks that another one is gone."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    world = {"WORLD_SIZE": str(ranks), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    saved = tmp_path / "run" / "2" / ".metadata"
    asked = [*SMALL, *options, "--folder", tmp_path / "run", "--every", 2]
    processes = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), *map(str, asked), "--steps", "2000"],
            env={**os.environ, **world, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for rank in range(ranks)
    ]
    try:
        while not saved.exists():
            assert all(process.poll() is None for process in processes)
            time.sleep(0.1)
        processes[killed].kill()
        before = time.monotonic()
        ended = [process.wait(timeout=60) for process in processes]
        assert time.monotonic() - before < 30 and 0 not in ended
    finally:
        for process in processes:
            process.kill()
    rest = losses(ranks, *asked)
    assert 2 <= min(rest) < 20 and all(abs(rest[step] - alone[step]) < 1e-4 for step in rest)


@pytest.mark.slow
def test_a_plan_is_followed(tmp_path: Path, alone: dict[int, float]) -> None:
    net = archc.load("resnet_cifar", depth=8)
    from archc.cli.planning import plan_json

    plan = net.plan(4, "3MB", batch=32, multiply_adds="1T")
    assert plan.best.schedule is not None
    (tmp_path / "plan.json").write_text(json.dumps(plan_json(net, plan)))
    found = losses(4, *SMALL, "--plan", tmp_path / "plan.json")
    parts = plan.best.micro_batches * plan.best.replicas
    assert close(found, alone if parts == 4 else losses(1, *SMALL, "--micro-batches", parts))


def test_wrong_requests(tmp_path: Path) -> None:
    module = archc.load("resnet_cifar", depth=8).module()
    with pytest.raises(archc.ArchError, match="E1303"):
        parallel.shard(module, None, units=["layr1"])  # pyright: ignore[reportArgumentType]
    net, mesh = archc.load("resnet_cifar", depth=8), SimpleNamespace(ndim=1, size=lambda: 2)
    for wrong, code in (
        ({"mesh": SimpleNamespace(ndim=2)}, "E1306"),
        ({"schedule": "2f2b"}, "E1305"),
        ({"schedule": "interleaved", "micro_batches": 3}, "E1304"),
        ({"at": ["layer9"]}, "E1303"),
    ):
        asked: dict[str, Any] = {"mesh": mesh, "loss": torch.nn.functional.cross_entropy, "micro_batches": 4, **wrong}
        with pytest.raises(archc.ArchError, match=code):
            parallel.pipeline(net, asked.pop("mesh"), **asked)
    with pytest.raises(archc.ArchError, match="E1307"):
        parallel.load("/nowhere/at/all", module)
    parallel.save(tmp_path / "one", module)
    with pytest.raises(archc.ArchError, match="E1307"):
        parallel.load(tmp_path / "one", archc.load("resnet_cifar", depth=14).module())
    with pytest.raises(TypeError):
        parallel.save("/nowhere", [module], [torch.optim.SGD(module.parameters())] * 2)


@pytest.mark.parametrize(
    ("ranks", "batch", "options", "code", "words"),
    [
        (4, 32, {"stages": 3}, "E1306", "--nproc-per-node 3"),
        (3, 32, {"stages": 0}, "E1306", "0 stages"),
        (0, 32, {}, "E1306", "0 ranks"),
        (400, 400, {"stages": 400, "micro_batches": 400}, "E1301", "at most"),
        (4, 30, {}, "E1304", "batch of 30"),
        (4, 36, {"micro_batches": 6}, "E1304", "micro-batches"),
        (4, 36, {"stages": 4, "micro_batches": 6, "schedule": "interleaved"}, "E1304", "multiple of 4"),
        (4, 32, {"schedule": "1f2b"}, "E1305", "1f1b"),
    ],
)
def test_ranks_that_cannot_share_a_step(ranks: int, batch: int, options: dict[str, Any], code: str, words: str) -> None:
    with pytest.raises(archc.ArchError, match=f"(?s){code}.*{words}"):
        parallel.shared(archc.load("resnet_cifar", depth=8), ranks, batch, **options)


@pytest.mark.parametrize(
    ("options", "code"), [(["--stages", 3], "E1306"), (["--set", "depth=deep"], "E0311"), (["--plan", "no"], "E1310")]
)
def test_the_script_refuses_before_ranks_wait(
    options: list[object], code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One rank of several is there, and says what is wrong without the others."""
    monkeypatch.setattr(torch.distributed, "init_process_group", lambda *given: pytest.fail("it waits for the others"))
    with pytest.raises(SystemExit) as left:
        runs_here(monkeypatch, 4, *SMALL, *options)
    assert isinstance(left.value.code, str) and code in left.value.code  # Python prints it, and ends with status 1


def test_a_plan_that_cannot_be_followed(tmp_path: Path) -> None:
    from archc.cli.planning import plan_json

    net, file = archc.load("resnet_cifar", depth=20), tmp_path / "plan.json"
    found = plan_json(net, net.plan(4, "80GB", batch=32))
    found["ways"] = [way for way in found["ways"] if way["schedule"] == "interleaved" and way["sharded"]]
    file.write_text(json.dumps(found))
    way, shared = found["ways"][0], parallel.planned(net, file, 4, 32)
    assert (shared.replicas, shared.stages, shared.schedule) == (way["replicas"], len(way["ranks"]), way["schedule"])
    assert [*shared.cuts] == [*way["cuts"]] and shared.micro_batches == way["micro_batches"]
    other = archc.load("resnet_cifar", depth=8)
    whole = plan_json(other, other.plan(4, "80GB", batch=32))
    alike = [way for way in whole["ways"] if not way["cuts"] and not way["recompute"]]
    assert alike
    for of, ranks, text in (
        (other, 4, file.read_text()),
        (archc.load("resnet18"), 4, file.read_text()),
        (net, 8, file.read_text()),
        (archc.load("resnet_cifar", depth=8, classes=100), 4, json.dumps({**whole, "ways": alike})),
        (net, 4, "[]"),
        (net, 4, json.dumps({**found, "ways": []})),
        (net, 4, json.dumps({**found, "ways": [{**way, "micro_batches": "many"}]})),
    ):
        (tmp_path / "given.json").write_text(text)
        with pytest.raises(archc.ArchError, match="E1310"):
            parallel.planned(of, tmp_path / "given.json", ranks, 32)
    with pytest.raises(archc.ArchError, match="E1304"):
        parallel.planned(net, file, 4, 31)
