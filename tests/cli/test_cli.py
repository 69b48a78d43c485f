"""The command line as a newcomer meets it: listings, and one clear line for wrong input."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.counted_work import write_suite
from helpers.recorded import read_results

import weightbench as wb
from weightbench.benchmarks.running.suite import load_suite
from weightbench.cli import time_limit

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("arguments", [["-h"], ["zoo", "-h"], ["run", "--help"], ["--version"]])
def test_help_needs_no_torch(arguments: list[str]) -> None:
    program = (
        "import sys; sys.argv[0] = 'weightbench'\n"
        "from weightbench.__main__ import main\n"
        "try: main()\n"
        "finally: assert 'torch' not in sys.modules and 'pandas' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "zoo" in done.stdout or wb.__version__ in done.stdout or "METHOD" in done.stdout


def test_an_option_of_a_build_is_called_as_in_python() -> None:
    from weightbench.cli.zoo_commands import zoo_build

    assert inspect.signature(zoo_build).parameters.keys() <= inspect.signature(wb.build_zoo).parameters.keys()


def test_the_board_needs_no_torch(small_zoo: Path, tmp_path: Path) -> None:
    wb.run(wb.load_method("weight-stats", trees=2), task="inr-classification", zoo=small_zoo, out=tmp_path / "runs")
    program = (
        "import sys, weightbench as wb\n"
        "from weightbench.leaderboard.pages.board_files import write_board\n"
        "from pathlib import Path\n"
        "import weightbench.leaderboard\n"
        "write_board(Path(sys.argv[1]), Path(sys.argv[1]) / 'board')\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "runs")], check=True)
    assert (tmp_path / "runs" / "board" / "scores.csv").exists()


def test_a_board_fits_the_terminal_and_a_log_has_all_of_it(
    cli, small_zoo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = wb.load_method("weight-stats", trees=2, leaves=3, lr=0.25)
    wb.run(method, task="inr-classification", zoo=small_zoo, out=tmp_path / "runs")
    log = cli("leaderboard", "--results", tmp_path / "runs")[1]
    assert "method" in log
    assert "peak, MB" in log
    assert "more:" not in log
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "60")
    printed = [
        re.sub(r"\x1b\[[0-9;]*m", "", line)
        for line in cli("leaderboard", "--results", tmp_path / "runs")[1].split("\n")
    ]
    board = printed[: next(i for i, line in enumerate(printed) if "columns more: on a wider terminal" in line)]
    assert all(len(line) <= 60 for line in board), board
    (header,) = [line for line in board if line.startswith("method")]
    assert "score" in header
    assert "95 % interval" in header
    assert "peak, MB" not in header
    assert not any("…" in line for line in board)


def test_listings_print_tables_and_json(cli, small_zoo: Path) -> None:
    assert {row["name"] for row in json.loads(cli("zoo", "list", "--json")[1])} >= {"digits-inrs", "mnist-inrs"}
    assert {row["name"] for row in json.loads(cli("tasks", "--json")[1])} >= {"inr-classification", "inr-dilation"}
    listed = {row["name"]: row for row in json.loads(cli("methods", "--json")[1])}
    assert listed["ng-gnn"]["tasks"] == ["inr-classification", "inr-dilation", "property"]
    assert listed["ng-gnn"]["params"]["probes"] == 0
    for command in (("zoo", "list"), ("tasks",), ("methods",), ("zoo", "info", small_zoo)):
        code, text, _ = cli(*command)
        assert code == 0
        assert "inr" in text
    assert json.loads(cli("zoo", "info", small_zoo, "--json")[1])["name"] == "digits-inrs"


RUN = ("run", "mlp", "--task", "inr-classification", "--zoo")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("zoo", "build", "digit-inrs"), "did you mean digits-inrs"),
        (("zoo", "build", "digits-inrs", "--limit", 2), "--limit 2: at least 3"),
        (("zoo", "build", "digits-inrs", "--limit", 0), "--limit 0: at least 3"),
        (("zoo", "build", "digits-mlps", "--limit", -4), "--limit -4: at least 3"),
        (("zoo", "build", "digits-inrs", "--limit", 1798), "--limit 1798: the source has 1,797 items"),
        (("zoo", "build", "my-zoo.toml"), "my-zoo.toml: No such file"),
        (("zoo", "build", "mnist-inrs", "--source-dir", "nowhere"), "no such folder"),
        (("zoo", "build", "digits-inrs", "--device", "warp"), "--device cpu"),
        (("zoo", "build", "digits-inrs", "--out", "/proc/zoo"), "cannot write there"),
        (("zoo", "info", "digits-inrs@9.0.0"), "has version 1.0.0"),
        (("zoo", "verify", "./nothing"), "not a zoo folder"),
        (("run", "mlp", "--task", "inr-classification", "--zoo", "mnist-inrs"), "weightbench zoo build mnist-inrs"),
        (("run", "--suite", "quik"), "did you mean quick"),
        (("run", "mlp"), "--task and --zoo"),
        (("run",), "either METHOD"),
        (("run", "mlp", "--task", "inr-clasification", "--zoo", "ZOO"), "did you mean inr-classification"),
        (("run", "mpl", "--task", "inr-classification", "--zoo", "ZOO"), "did you mean mlp"),
        ((*RUN, "ZOO", "-p", "widht=3"), "did you mean width"),
        ((*RUN, "ZOO", "-p", "width=wide"), "takes int, not 'wide'"),
        (
            (*RUN, "ZOO", "-p", "epochs=-3"),
            "epochs of mlp takes int, not '-3': Input should be greater",
        ),
        ((*RUN, "ZOO", "-p", "batch_size=0"), "batch_size of mlp takes int, not '0': Input should be greater than 0"),
        ((*RUN, "ZOO", "-p", "lr=nan"), "lr of mlp takes float, not 'nan': Input should be a finite number"),
        ((*RUN, "ZOO", "-p", "lr=-1"), "lr of mlp takes float, not '-1': Input should be greater than 0"),
        ((*RUN, "ZOO", "-p", "width=0"), "width of mlp takes int, not '0': Input should be greater than 0"),
        ((*RUN, "ZOO", "-p", "width"), "key=value"),
        ((*RUN, "ZOO", "-p", "width=[1"), "write a list as JSON"),
        ((*RUN, "ZOO", "--seeds", "a,b"), "0,1,2"),
        ((*RUN, "ZOO", "--seeds", "\u00b2"), "--seeds \u00b2: numbers with commas between"),
        ((*RUN, "ZOO", "--seeds", ""), "numbers with commas between"),
        (("status", ".", "--suite", "quick", "--seeds", "1,"), "--seeds 1,: numbers with commas between"),
        (("new-method", "none"), "none: is a word of Python itself"),
        (("new-method", "class"), "class: is a word of Python itself"),
        ((*RUN, "ZOO", "--out", "/proc/runs"), "/proc/runs: cannot write there"),
        (
            ("run", "probegen", "--task", "inr-dilation", "--zoo", "ZOO"),
            "method probegen supports inr-classification, property, not inr-dilation",
        ),
        (("run", "absent.py", "--task", "inr-dilation", "--zoo", "ZOO"), "absent.py: no such file"),
        (("leaderboard", "--results", "nowhere"), "nowhere: no such folder"),
        (("leaderboard", "--results", "nowhere", "--check"), "nowhere: no such folder"),
        (("leaderboard", "--baseline", "scores.csv"), "--baseline goes with --check"),
        (("leaderboard", "--check", "--baseline", "scores.csv"), "scores.csv: no such file"),
        (("submit", "nowhere"), "nowhere: no such folder"),
        (("submit", "."), ".: no results there"),
        (("diff", "mlp", "probegen", "--results", "nowhere"), "nowhere: no such folder"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(
    arguments, message: str, small_zoo: Path, cli, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = cli(*(small_zoo if argument == "ZOO" else argument for argument in arguments))
    assert code == 2
    assert out == ""
    assert message in err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x = 1", "no subclass"),
        ("import nothing_of_that_name", "cannot be imported"),
        ("import weightbench as wb\nclass A(wb.Method): name = 'a'", "sets no `tasks`"),
        ("import weightbench as wb\nclass A(wb.Method): pass\nclass B(wb.Method): pass", "has several methods"),
    ],
)
def test_files_without_a_method_are_refused(content: str, message: str, small_zoo: Path, tmp_path: Path, cli) -> None:
    path = tmp_path / "mine.py"
    path.write_text(content)
    code, _, err = cli("run", path, "--task", "inr-classification", "--zoo", small_zoo, "--out", tmp_path / "runs")
    assert code == 2
    assert message in err
    assert err.count("\n") == 1


def test_an_interrupted_run_keeps_finished_cells(small_zoo: Path, tmp_path: Path) -> None:
    import signal
    import time

    suite = tmp_path / "long.toml"
    suite.write_text(
        f"""description = "one short and one endless cell"
[[runs]]
task = "inr-classification"
zoo = "{small_zoo}"
methods = [{{ name = "weight-stats", trees = 2 }}, {{ name = "mlp", epochs = 1000000 }}]
"""
    )
    # A shell's background jobs ignore Ctrl-C and pass that on; a user's terminal does not.
    program = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    program += "from weightbench.__main__ import main; main()"
    command = [sys.executable, "-c", program, "run", "--suite", str(suite), "--out", str(tmp_path / "runs")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    try:
        while not list(tmp_path.glob("runs/*/*/mlp")):
            assert process.poll() is None
            time.sleep(0.05)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130
    assert "goes on from there" in err
    assert "Traceback" not in err
    assert len(list(tmp_path.glob("runs/*/*/weight-stats/*/seed-0.json"))) == 1
    assert not list(tmp_path.glob("runs/*/*/mlp/*/*"))


def test_a_budget_ends_a_run_and_is_read_strictly(small_zoo: Path, tmp_path: Path, cli) -> None:
    asked = ["mlp", "-p", "epochs=1000000", "--task", "inr-classification", "--zoo", small_zoo]
    code, out, err = cli("run", *asked, "--budget", "2s", "--out", tmp_path / "runs")
    assert code == 3, err
    assert "the budget of 2s is spent" in out
    assert not list(tmp_path.glob("runs/*/*/mlp/*/*"))
    for text in ("soon", "9", "0m", "-1m"):
        code, _, err = cli("run", *asked, "--budget", text, "--out", tmp_path / "runs")
        assert code == 2
        assert f"--budget {text}" in err


def test_a_budget_that_ends_in_a_finaliser_ends_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    class Late:
        def __del__(self) -> None:
            time.sleep(60)

    def work() -> None:
        Late()
        time.sleep(60)

    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)
    monkeypatch.setattr(time_limit, "AGAIN_S", 0.2)
    with pytest.raises(time_limit.BudgetSpent), time_limit.within("1s"):
        work()


@pytest.mark.parametrize(
    ("arguments", "option"),
    [(("leaderboard",), "--results"), (("diff", "a", "b"), "--results"), (("submit", "."), "--home")],
)
def test_an_installed_package_asks_for_the_folder_of_results(
    arguments: tuple[str, ...], option: str, tmp_path: Path, cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("weightbench.leaderboard.submit.submission.ROOT", tmp_path)  # no clone
    code, _, err = cli(*arguments)
    assert code == 2
    assert f"say {option} DIR" in err
    assert option in cli(arguments[0], "--help")[1]


def reproduce(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`make reproduce` with this environment, its results in `folder`."""
    made = ["-o", ".venv/run-ready", f"BIN={Path(sys.executable).parent}"]
    call = ["make", "-f", str(ROOT / "Makefile"), *made, "reproduce", *arguments]
    return subprocess.run(call, cwd=folder, capture_output=True, text=True)


def test_make_reproduce_ends_well_when_its_budget_is_spent(small_zoo: Path, tmp_path: Path) -> None:
    suite = write_suite(tmp_path, small_zoo, [0], seconds=60)
    done = reproduce(tmp_path, f"SUITE={suite.name}", "BUDGET=3s", "JOBS=1")
    assert (done.returncode, done.stderr) == (0, "")
    assert "the budget of 3s is spent" in done.stdout
    done = reproduce(tmp_path, "SUITE=nonsense")
    assert done.returncode == 2
    assert "unknown suite 'nonsense'" in done.stderr


def test_make_reproduce_runs_one_cell_at_a_time_on_a_gpu(tmp_path: Path) -> None:
    for device, jobs in (("cpu", 2), ("cuda", 1), ("cuda:1", 1)):
        assert f"--device {device} --jobs {jobs} " in reproduce(tmp_path, "-n", f"DEVICE={device}").stdout
    assert "--jobs 4 " in reproduce(tmp_path, "-n", "DEVICE=cuda", "JOBS=4").stdout


def test_suites_include_others_and_go_seed_by_seed(small_zoo: Path, tmp_path: Path, cli) -> None:
    suite = tmp_path / "mine.toml"
    own = f"""seeds = [0, 1]
[[runs]]
task = "inr-classification"
zoo = "{small_zoo}"
methods = [{{ name = "weight-stats", trees = 2 }}, {{ name = "weight-norms" }}]
"""
    suite.write_text('description = "two methods"\n' + own)
    code, _, err = cli("run", "--suite", suite, "--out", tmp_path / "runs")
    assert code == 0, err
    done = [line.split(":")[0] for line in err.splitlines() if line.startswith("[")]
    assert [(line.split(" · ")[2].split(" ")[0], line[-1]) for line in done] == [
        ("weight-stats", "0"),
        ("weight-norms", "0"),
        ("weight-stats", "1"),
        ("weight-norms", "1"),
    ]
    suite.write_text('description = "quick, and more"\ninclude = ["smoke"]\n' + own)
    smoke = load_suite("smoke").runs
    assert load_suite(str(suite)).runs[: len(smoke)] == smoke
    assert load_suite(str(suite)).seeds == [0, 1]
    for content, message in (('include = ["standard"]', "standard includes others"), ("", "nothing to run")):
        suite.write_text(f'description = "mistaken"\n{content}\n')
        code, _, err = cli("run", "--suite", suite, "--out", tmp_path / "runs")
        assert code == 2
        assert message in err


def test_help_says_what_happens_without_an_option(cli) -> None:
    code, out, _ = cli("zoo", "build", "-h")
    assert code == 0
    assert "[default: the recipe's]" in " ".join(out.replace("│", " ").split())


def test_a_sweep_runs_every_combination(cli, small_zoo: Path, tmp_path: Path) -> None:
    cell = ("--task", "inr-classification", "--zoo", small_zoo, "--out", tmp_path / "runs")
    code, _, err = cli("run", "weight-stats", "-p", "trees=2,3", "-p", "leaves=4,5", *cell)
    assert code == 0, err
    found = [result.method.params for _, result in read_results(tmp_path / "runs")]
    assert sorted((params["trees"], params["leaves"]) for params in found) == [(2, 4), (2, 5), (3, 4), (3, 5)]
    code, _, err = cli("run", "weight-stats", "-p", "trees=2,", *cell)
    assert code == 2
    assert err.count("\n") == 1
    assert "parameter trees of weight-stats takes" in err
