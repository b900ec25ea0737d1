"""A Mac's GPU, logs, programs without a guard: what this machine lacks is pretended."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from small_runs import SMALL, with_run
from torch.utils._python_dispatch import TorchDispatchMode

from vitedu.data.loader import _main_left_out, _needs_main
from vitedu.engine import precision
from vitedu.engine.distributed import World, processes
from vitedu.engine.report import Report
from vitedu.engine.train import train
from vitedu.recipes import Execution

# ---- mps -----------------------------------------------------------------------------------------------------------


def test_a_mac_has_its_gpu(monkeypatch):
    """Asked for by name; "auto" takes CUDA alone, as nobody has tried the other yet."""
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    with processes(Execution(device="mps")) as world:
        assert (world.device.type, world.exact) == ("mps", torch.float32)
    with processes(Execution(device="cpu")) as world:
        assert (world.device.type, world.exact) == ("cpu", torch.float64)


def test_what_mps_cannot_do(monkeypatch):
    with pytest.raises(ValueError, match="precision='float64' is not allowed; precision must be 'float32' on 'mps'"):
        Execution(device="mps", precision="float64")
    with pytest.raises(ValueError, match="parallel='fsdp' is not allowed; parallel must be 'ddp' on 'mps'"):
        Execution(device="mps", parallel="fsdp")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ValueError, match="device='mps' is not allowed here: PyTorch finds no GPU of Apple's"):
        with processes(Execution(device="mps")):
            pass
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="device='mps' is not allowed for several processes"):
        with processes(Execution(device="mps")):
            pass


def test_its_precision(tmp_path):
    found, why = precision.choose_precision(
        tmp_path, with_run(SMALL, precision="auto"), World(0, 1, torch.device("mps"))
    )
    assert found == "float32"
    assert "has not been tried" in why


class NoFloat64(TorchDispatchMode):
    """As on a Mac's GPU: no operation may give a float64 tensor."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        found = function(*args, **(kwargs or {}))
        if isinstance(found, torch.Tensor) and found.dtype == torch.float64:
            raise TypeError(f"{function} gave float64, which mps does not have")
        return found


def test_a_run_without_float64(tmp_path, monkeypatch):
    """Training, evaluation and checkpoints on a device that has float32 alone."""
    monkeypatch.setattr(World, "exact", torch.float32)
    monkeypatch.setattr("vitedu.engine.train.export_model", lambda *a, **k: None)  # in float64, but on the CPU
    recipe = with_run(replace(SMALL, steps=2, warmup_steps=1), precision="float32", evaluate_every=1)
    with NoFloat64():
        assert 0 <= train(recipe, tmp_path / "run")["eval_accuracy"] <= 1
    with pytest.raises(TypeError, match="gave float64"), NoFloat64():  # the check bites
        torch.zeros(2, dtype=torch.float64) + 1


# ---- logs ----------------------------------------------------------------------------------------------------------


def test_a_log_has_lines_in_place_of_a_bar(tmp_path, monkeypatch, capsys):
    """One at the first report, one a minute, one at the last."""
    now = iter([0.0, 1.0, 2.0, 62.0, 63.0])
    monkeypatch.setattr("vitedu.engine.report.time.perf_counter", lambda: next(now))
    monkeypatch.setattr(sys, "stderr", io.StringIO())  # no terminal
    report = Report(tmp_path, World(0, 1, torch.device("cpu")), 40, 0, 24, peak=480.0)
    for step in (10, 20, 30, 40):
        report.step()
        report.log(step, loss=1.0, learning_rate=1e-3)
    report.close()
    said = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in said] == ["step 10 of 40", "step 30 of 40", "step 40 of 40"]
    assert said[0] == "step 10 of 40: loss 1.000, lr 1.00e-03, 240 images/s, MFU 50.0%"
    assert sys.stderr.getvalue() == ""


# ---- programs without a guard --------------------------------------------------------------------------------------


def test_workers_do_not_run_the_program_again(tmp_path):
    """Windows and macOS start workers anew, which would import the program: it needs no `if __name__ == ...`."""
    script = tmp_path / "script.py"
    script.write_text(f"""
from dataclasses import replace
from vitedu.engine.train import train
from vitedu.recipes import get_recipe

print("once")
recipe = get_recipe("vit_digits")
recipe = replace(recipe, steps=2, warmup_steps=1, run=replace(recipe.run, workers=1, device="cpu"))
train(recipe, {str(tmp_path / "run")!r})
""")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines().count("once") == 1


def test_what_is_defined_in_the_program_is_still_found(monkeypatch):
    """A transform of one's own, defined in the program: then the workers do import it."""
    main = sys.modules["__main__"]

    class Own:
        pass

    monkeypatch.setattr(main, "__file__", "program.py", raising=False)
    Own.__module__, Own.__qualname__ = "__main__", "Own"
    monkeypatch.setattr(main, "Own", Own, raising=False)
    assert _needs_main([Own()])
    assert not _needs_main([1, torch.zeros(2)])
    with _main_left_out([Own()]):
        assert main.__file__ == "program.py"
    with _main_left_out([1]):
        assert not hasattr(main, "__file__")
        assert main.__spec__ is None
    assert main.__file__ == "program.py"
