"""The command line: every mistake is one line that says what is right, with exit code 2; no traceback, no box."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

from vitedu import __version__, cli


@pytest.fixture
def vitedu(capsys, tmp_path, monkeypatch):
    """vitedu(word, ...) -> (exit code, stdout, stderr), typed in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def typed(*words):
        code = cli.main([str(word) for word in words])
        return code, *capsys.readouterr()

    return typed


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("trian vit_digits --out x", "vitedu: command 'trian' is not known; did you mean 'train'?  allowed is one of"),
        ("train vit_digts --out x", "vitedu train: recipe='vit_digts' is not known; did you mean 'vit_digits'?  "),
        ("train pets --out x", "vitedu train: recipe='pets' is one for fine-tuning: `vitedu finetune FROM --recipe"),
        ("train nowhere.toml --out x", "vitedu train: [Errno 2] No such file or directory: 'nowhere.toml'"),
        ("train vit_digits", "vitedu train: --out is missing; `vitedu train vit_digits --help` lists all options"),
        ("train vit_digits --out", "vitedu train: Missing value for argument '--out'. Expected 1 values."),
        (
            "train vit_digits --out x --batch-siz 3",
            "vitedu train: --batch-siz is not known here; did you mean --batch-size?",
        ),
        ("train vit_digits --out x --batch-size three", "vitedu train: --batch-size: invalid literal for int()"),
        (
            "train vit_digits --out x --batch-size -1",
            "vitedu train: batch_size=-1 is not allowed; batch_size must be a",
        ),
        (
            "train vit_digits --out x --steps 1",
            "vitedu train: warmup_steps=200 is not allowed; warmup_steps must be at",
        ),
        ("train vit_digits --out x --run.device mp", "vitedu train: device='mp' is not allowed; device must be one of"),
        ("train vit_digits --out x --model.heads 5", "vitedu train: width=48 is not allowed; width must be a multiple"),
        (
            "train vit_digits --out x --data.label-colum y",
            "vitedu train: --data.label-colum is not known here; did you",
        ),
        (
            "train vit_digits --out x --run.device mps --run.precision float64",
            "vitedu train: precision='float64' is not",
        ),
        (
            "finetune vit_cifar10 --recipe dgits --out x",
            "vitedu finetune: recipe='dgits' is not known; did you mean 'digits'",
        ),
        (
            "finetune vit_cifar10 --data digits --out x --rats 1",
            "vitedu finetune: --rats is not known here; did you mean",
        ),
        ("finetune vit_cifar10 --out x", "vitedu finetune: recipe='' is not allowed for data=''"),
        ("finetune vit_cifar10 --recipe", "vitedu finetune: --recipe must be followed by a value"),
        ("probe vit_cifar10", "vitedu probe: --data is missing"),
        ("recipes vit_digts", "vitedu recipes: recipe='vit_digts' is not known; did you mean 'vit_digits'?"),
        ("recipes --gpu a200", "vitedu recipes: gpu='a200' is not allowed; gpu must be one of h200"),
        ("plan vit_digts", "vitedu plan: recipe='vit_digts' is not allowed; did you mean 'vit_digits'?"),
        ("plan --gpu A100", "vitedu plan: gpu='A100' is not allowed; gpu must be one of h200, "),
        (
            "plan --utilisation 40",
            "vitedu plan: utilisation=40.0 is not allowed; utilisation must be a number in (0, 1]",
        ),
        ("plan ViT-B/16 --num-images 1000", "vitedu plan: epochs=None is not allowed; epochs must be given"),
        ("predict vit_cifar10", "vitedu predict: IMAGE is missing"),
        ("predict vit_cifar10 x.jpg --top 0", "vitedu predict: top=0 is not allowed; top must be a positive integer"),
        ("evaluate vit_cifar10 --data digits --batch-size 0", "vitedu evaluate: batch_size=0 is not allowed"),
        ("evaluate vit_cifar10 --data digits --device gpu", "vitedu evaluate: invalid choice 'gpu' for argument"),
        ("export somewhere --out x.npz --half", "vitedu export: half=True is not allowed with .npz"),
        ("runs", "vitedu runs: FOLDER is missing"),
        ("experiment localty", "vitedu experiment: name='localty' is not an experiment; did you mean 'locality'?"),
        ("prepare --dataset x --split train", "vitedu prepare: --out is missing"),
    ],
)
def test_a_mistake_is_one_line_and_code_2(vitedu, typed, says, tmp_path):
    code, out, err = vitedu(*typed.split())
    assert (code, out) == (2, "")
    assert err.startswith(says)
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())  # nothing was begun


@pytest.mark.parametrize(
    "words",
    [
        ["train", "vit_digits", "--out", ""],
        ["finetune", "vit_cifar10", "--recipe", "digits", "--out", " "],
        ["export", "somewhere", "--out", ""],
        ["prepare", "--dataset", "digits", "--split", "train", "--out", ""],
    ],
)
def test_an_empty_out_is_no_folder(vitedu, words, tmp_path):
    """It would have meant the folder that one is in."""
    code, _, err = vitedu(*words)
    assert code == 2
    assert re.match(rf"vitedu {words[0]}: out='\s*' is not allowed; out must name a folder or a file", err)
    assert not list(tmp_path.iterdir())


def test_a_run_without_evaluation(vitedu, tmp_path):
    """The way out for data that have no second part: None, not an empty value."""
    run = tmp_path / "run"
    short = ["--steps", 2, "--warmup-steps", 1, "--batch-size", 8, "--out", run]
    assert vitedu("train", "vit_digits", "--data.eval-split", "None", *short)[0] == 0
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert lines
    assert not [name for line in lines for name in line if name.startswith("eval")]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["train", "vit_digits", "--data", "", "--out", "x"], "--data '' is not allowed: it is empty"),
        (["train", "vit_digits", "--data=", "--out", "x"], "--data '' is not allowed: it is empty"),
        (["finetune", "vit_cifar10", "--recipe", "digits", "--data", "", "--out", "x"], "--data '' is not allowed"),
        (["finetune", "", "--data", "digits", "--out", "x"], "an argument '' is not allowed: it is empty"),
        (["evaluate", "vit_cifar10", "--data", "digits", "--split", " "], "--split ' ' is not allowed: it is empty"),
        (["evaluate", "vit_cifar10", "--data", "digits", "--out", ""], "out='' is not allowed; out must name"),
        (["probe", "vit_cifar10", "--data", ""], "--data '' is not allowed: it is empty"),
        (["runs", ""], "an argument '' is not allowed: it is empty"),
        (["runs", "x", "--csv", ""], "--csv '' is not allowed: it is empty"),
    ],
)
def test_a_value_that_is_empty(vitedu, words, says, tmp_path):
    """`--data "$DATA"` where DATA is not set would have meant the recipe's own data."""
    code, out, err = vitedu(*words)
    assert (code, out) == (2, "")
    assert err.startswith(f"vitedu {words[0]}: {says}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("train vit_digits --out a.file", "out='a.file' is not allowed; that is a file, and out must name a folder"),
        ("finetune vit_cifar10 --data digits --out a.file", "out='a.file' is not allowed; that is a file"),
        ("evaluate vit_cifar10 --data digits --out a.file", "out='a.file' is not allowed; that is a file"),
        ("prepare --dataset d --split train --out a.file", "out='a.file' is not allowed; that is a file"),
        ("runs r --csv a.file", "csv='a.file' is not allowed; that is a file, and csv must name a folder"),
        ("runs r --out a", "out='a' is not allowed; that is a folder, and out must name a file"),
        ("export r --out a", "out='a' is not allowed; that is a folder, and out must name a file"),
        ("export r --out b/x.npz", "out='b/x.npz' is not allowed; out must be in a folder that is there: 'b' is none"),
        ("probe vit_cifar10 --data digits --out b/x.json", "out='b/x.json' is not allowed; out must be in a folder"),
        ("predict vit_cifar10 photo.jpg --out b/x.png", "out='b/x.png' is not allowed; out must be in a folder"),
    ],
)
def test_a_place_where_nothing_can_be_written_is_said_at_once(vitedu, typed, says, tmp_path):
    """Before anything is read or computed, and by the name that was typed: a run, a probe may take hours."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a.file").write_text("")
    code, out, err = vitedu(*typed.split())
    assert (code, out) == (2, "")
    assert err.startswith(f"vitedu {typed.split()[0]}: {says}")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        (
            "train vit_digits --out x --data digts",
            "data='digts' is not allowed: did you mean 'digits'?  there is no such",
        ),
        (
            "evaluate vit_cifr10 --data digits",
            "path_or_id='vit_cifr10' is no file or folder here; did you mean 'vit_cifar10'?",
        ),
        ("runs nowhere", "'nowhere' is no folder; expected that of a run"),
    ],
)
def test_what_is_found_later_is_one_line_and_code_1(vitedu, typed, says):
    """Data, files, weights: the command was understood, the world is not as it says."""
    code, _, err = vitedu(*typed.split())
    assert code == 1
    assert says.replace("/", os.sep) in err or says in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        (
            "finetune vit_cifar10 --data digits --out x --steps 4",
            "warmup_steps=15 is not allowed; warmup_steps must be",
        ),
        ("finetune vit_cifar10 --data digits --out x --grid --rates 0.1", "rates=(0.1,) is not allowed with grid"),
        ("probe vit_cifar10 --data digits --shots", "shots=() is not allowed; shots must be a list of one or more"),
        ("probe vit_cifar10 --data digits --neighbors 0", "neighbors=(0,) is not allowed; neighbors must be a list"),
        ("probe vit_cifar10 --data digits --train-images 0", "train_images=0 is not allowed; train_images must be"),
        ("prepare --dataset d --split train --out x --size 0", "size=0 is not allowed; size must be an integer from 1"),
        ("prepare --dataset d --split train --out x --quality 101", "quality=101 is not allowed; quality must be"),
        ("export r --out x.onnx", "out='x.onnx' is not allowed; the name must end in .safetensors or .npz"),
        ("runs r --out x.cdr", "out='x.cdr' is not allowed; the name must end in "),
        ("predict vit_cifar10 photo.jpg --out x.cdr", "out='x.cdr' is not allowed; the name must end in "),
    ],
)
def test_what_is_wrong_whatever_the_files_hold_is_said_at_once(vitedu, typed, says, tmp_path):
    """Not one of these folders and photographs is there, and nobody has looked: a mistake in usage, code 2."""
    code, out, err = vitedu(*typed.split())
    assert (code, out) == (2, "")
    assert err.startswith(f"vitedu {typed.split()[0]}: {says}")
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("typed", "option"),
    [
        ("train vit_digits --out x --data.eval-split val", "--data.eval-split"),
        ("train vit_digits --out x --data.train-split all", "--data.train-split"),
        ("finetune vit_cifar10 --data digits --out x --data.eval-split val", "--data.eval-split"),
        ("probe vit_cifar10 --data digits --eval-split val", "--eval-split"),
        ("evaluate vit_cifar10 --data digits --split val", "--split"),
        ("evaluate vit_cifar10 vit_cifar10 --data digits --split val", "--split"),
        ("prepare --dataset digits --split val --out x", "--split"),
    ],
)
def test_a_split_that_is_not_there_and_the_option_that_names_another(vitedu, typed, option):
    """Each command has its own; of two, it is the one that was asked for in vain."""
    code, _, err = vitedu(*typed.split())
    assert code == 1
    for line in err.splitlines():
        assert line.endswith(f"; its splits are test, train; {option} names another")


def test_what_is_said_of_a_folder_that_is_none_of_a_run(vitedu, tmp_path):
    """The folder around all runs is named in place of one; photographs by the folder they are in."""
    (tmp_path / "all").mkdir()
    code, _, err = vitedu("runs", "all")
    assert (code, err) == (1, "vitedu: FileNotFoundError: 'all' holds no run: no recipe.json is in it\n")
    code, _, err = vitedu("predict", "vit_cifar10", "all")
    if os.name != "nt":  # which calls it a file that may not be read
        assert (code, err) == (1, "vitedu: all: this is a folder; name the images in it, as all/*.jpg does\n")


@pytest.mark.parametrize(
    "words",
    [[], ["-h"], ["train", "--help"], ["finetune", "-h"], ["recipes", "--help"], ["plan", "-h"], ["runs", "-h"]],
)
def test_help_is_no_mistake(vitedu, words):
    code, out, err = vitedu(*words)
    assert (code, err) == (0, "")
    assert "usage" in out or out.startswith("vitedu COMMAND")


def test_the_help_says_that_a_python_file_is_executed(vitedu):
    assert "mine.py, which is\nexecuted, whatever is in it" in vitedu("--help")[1]
    assert "mine.py, which is executed" in vitedu("train", "--help")[1]
    assert "mine.py, which is executed" in vitedu("finetune", "--help")[1]


def test_version(vitedu):
    assert vitedu("--version") == (0, f"vitedu {__version__}\n", "")


@pytest.mark.parametrize("words", [["--version"], ["recipes"], ["trian"], ["train", "--help"]])
def test_quick_answers_do_not_load_pytorch(words):
    """torch alone would take seconds."""
    code = f"import sys\nfrom vitedu.cli import main\nmain({words!r})\nassert 'torch' not in sys.modules, 'loaded'"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_from_a_shell():
    """`python -m vitedu.cli` is the same program."""
    done = subprocess.run([sys.executable, "-m", "vitedu.cli", "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"vitedu {__version__}\n", "")


# ---- the table of recipes ------------------------------------------------------------------------------------------


def test_no_result_is_lost_to_a_letter_that_the_log_cannot_show():
    """An ASCII log, as with LC_ALL=C: the ± of an accuracy, whose computing took hours, is escaped."""
    code = "from vitedu import cli\ncli._COMMANDS['runs'] = lambda words: print('18.3 \\xb1 2.0 %')\ncli.main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "runs"], capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii"}
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, rb"18.3 \xb1 2.0 %", b"")


def test_python_without_docstrings():
    """`python -OO` takes out the shapes that checks read there: they are left out too, nothing else is."""
    code = "import vitedu_numpy as vn, numpy as np\nprint(vn.ViT(vn.DIGITS_VIT, rng=0)(np.zeros((1, 1, 8, 8))).shape)"
    done = subprocess.run([sys.executable, "-OO", "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("(1, 10)\n", "")


def test_recipes_as_a_table(vitedu):
    """Parameters by hand: 7 x 7 units of Table 1's B/32 have 88 million with ImageNet's head."""
    code, out, _ = vitedu("recipes")
    assert code == 0
    rows = {line.split()[0]: line.split() for line in out.splitlines() if line}
    assert rows["recipe"] == ["recipe", "parameters", "data", "images", "length", "hours", "on"]
    assert rows["vit_b32-imagenet"][:7] == [
        "vit_b32-imagenet",
        "88.8",
        "M",
        "ILSVRC/imagenet-1k",
        "1,281,167",
        "300",
        "epochs",
    ]
    assert rows["vit_cifar10"][-4:] == ["0.37", "one", "CPU", "core"]  # 22 minutes
    assert rows["pets"][1:] == ["pets", "?", "500", "steps", "?", "?"]  # what the weights and the data will tell
    assert "(private)" in rows["vit_h14-jft"]
    assert "?: not known before the data, or the weights that are carried over, are." in out


def test_hours_are_those_of_plan(vitedu):
    from vitedu.plan.planner import PlanRequest, hours
    from vitedu.recipes import get_recipe

    _, out, _ = vitedu("recipes", "--gpu", "h100", "--gpus", 16)
    (row,) = [line for line in out.splitlines() if line.startswith("vit_b16-imagenet21k")]
    expected = hours(get_recipe("vit_b16-imagenet21k"), PlanRequest(gpu="h100", gpus=16), 14_197_122)
    # 90 epochs x 14.2 million images x 6 FLOPs a MAC x 17.6 GMACs, at 40 % of 16 x 989 TFLOP/s
    assert expected == pytest.approx(90 * 14_197_122 * 6 * 17.57e9 / (0.4 * 16 * 989e12) / 3600, rel=0.01)
    assert row.split()[-4:] == [f"{expected:.3g}", "16", "x", "h100"]


def test_hours_on_a_gpu_without_bfloat16_are_those_of_float32(vitedu):
    """A V100: 15.7 TFLOP/s in float32, where its float16 would have 125."""
    _, out, _ = vitedu("recipes", "--gpu", "v100", "--gpus", 8)
    (row,) = [line for line in out.splitlines() if line.startswith("vit_b16-imagenet21k")]
    assert float(row.split()[-4].replace(",", "")) == pytest.approx(
        90 * 14_197_122 * 6 * 17.57e9 / (0.4 * 8 * 15.7e12) / 3600, rel=0.01
    )


def test_who_stops_reading_is_not_told_so():
    """`vitedu recipes | head -1`: no message, and the exit code of a program that SIGPIPE ends."""
    command = [sys.executable, "-m", "vitedu.cli", "recipes"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


def test_a_probe_whose_numbers_go_nowhere(vitedu):
    """Without --out; the option's default, "", would be refused as a path."""
    words = "--train-images 40 --shots 1 --seeds 0 --neighbors 1 --no-linear"
    code, out, err = vitedu("probe", "vit_cifar10", "--data", "digits", *words.split())
    assert (code, err) == (0, "")
    assert "1-shot" in out
