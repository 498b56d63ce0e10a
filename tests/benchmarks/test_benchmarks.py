"""Every benchmark program runs and prints its table; nobody asserts a time."""

import math

import pytest

from benchmarks import (
    averaging,
    examples,
    floor,
    growth,
    inference,
    jobs,
    passes,
    products,
    profile,
    startup,
    steps_in_turn,
    train_step,
    whole_run,
)
from benchmarks.options import one_line
from benchmarks.paired import Cost, compare, kernels, median, run, run_beside
from benchmarks.profile import Stopwatch
from benchmarks.step_job import Network, call
from nnet.kernels import cblas, compiled
from tests.benchmarks.test_train_step import XCONFIG
from tests.steps.corpus import make_corpus

SMALL = """
input dim=4 name=input
relu-batchnorm-layer name=a dim=8 input=Append(-1,0,1) l2-regularize=$L2_HIDDEN
output-layer name=output dim=$PDFS l2-regularize=$L2_OUTPUT
"""


@pytest.fixture
def networks(tmp_path, monkeypatch):
    monkeypatch.delenv("KALDI_BIN", raising=False)
    for module in (averaging, inference, jobs, profile, steps_in_turn):
        monkeypatch.setattr(module, "NETWORKS", (Network("tdnn", 4, 3),))
    monkeypatch.setattr(jobs, "COUNTS", (1, 2))
    (tmp_path / "tdnn.xconfig").write_text(XCONFIG)
    return ["--networks", str(tmp_path)]


@pytest.fixture
def data(tmp_path):
    corpus = make_corpus(tmp_path / "corpus")
    for name in ("data", "exp"):
        (tmp_path / "placed" / name).mkdir(parents=True)
    (tmp_path / "placed/data/train").symlink_to(corpus / "data")
    (tmp_path / "placed/exp/ali").symlink_to(corpus / "ali")
    return ["--data", str(tmp_path / "placed")]


def rows(capsys, start):
    lines = capsys.readouterr().out.splitlines()
    return [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith(f"| {start}")
    ]


@pytest.mark.slow
def test_inference(networks, capsys):
    words = ["--only", "tdnn", "--utterances", "1,2", "--frames", "20", "--chunk", "8", "--repeats", "1"]
    assert inference.main([*networks, *words]) == 0
    assert [r[:2] for r in rows(capsys, "tdnn, 20 frames")] == [["tdnn, 20 frames", "none"]]


@pytest.mark.slow
def test_examples(data, capsys, monkeypatch):
    monkeypatch.setattr(examples, "MINIBATCH", "1:2")
    assert examples.main([*data, "--utterances", "2,9", "--repeats", "1"]) == 0
    assert [r[0] for r in rows(capsys, "")] == ["what", "nnet3-get-egs", "nnet3-copy-egs", "to minibatches"]


@pytest.mark.slow
def test_startup(capsys, monkeypatch):
    monkeypatch.delenv("KALDI_BIN", raising=False)
    assert startup.main(["--repeats", "1"]) == 0
    assert len(rows(capsys, "nnet3-")) == 3


@pytest.mark.slow
def test_averaging(networks, capsys):
    assert averaging.main([*networks, "--counts", "1,2", "--repeats", "1"]) == 0
    assert len(rows(capsys, "tdnn, 0 MB")) == 1


@pytest.mark.slow
def test_jobs(networks, capsys):
    assert jobs.main([*networks, "--only", "tdnn", "--jobs", "1,2", "--repeats", "1"]) == 0
    assert [r[0] for r in rows(capsys, "tdnn")] == ["tdnn, 1 x 2 threads", "tdnn, 2 x 1 threads"]


@pytest.mark.slow
def test_growth(capsys, monkeypatch):
    monkeypatch.setattr(growth, "SEQUENCES", 2)
    monkeypatch.setattr("benchmarks.train_step.COUNTS", (1, 2))
    monkeypatch.setattr(growth, "COUNTS", (1, 2))
    assert growth.main(["--frames", "3", "--layers", "1", "--dim", "16"]) == 0
    assert [r[:2] for r in rows(capsys, "1")] == [["1", "3"], ["1", "50"]]


@pytest.mark.slow
def test_a_whole_run_and_its_stages(data, capsys, monkeypatch, tmp_path):
    (tmp_path / "small.xconfig").write_text(SMALL)
    monkeypatch.setattr(whole_run, "XCONFIG", tmp_path / "small.xconfig")
    monkeypatch.setitem(whole_run.SETTINGS, "trainer.optimization.minibatch-size", 8)
    words = ["--jobs", "1", "--epochs", "0.3", "--stages"]
    assert whole_run.main([*data, *words]) == 0
    table = {r[0]: r for r in rows(capsys, "")}
    assert table["1"][1] == "ours" and {"train", "get_egs", "diagnose"} <= set(table)
    assert int(table["train"][1]) >= 1 and float(table["train"][2]) > 0


def test_the_profile_accounts_for_the_whole_minibatch(networks, capsys):
    before = (profile.OnlineNaturalGradient.projection, profile.Flat.update)
    assert profile.main([*networks, "--minibatches", "2"]) == 0
    table = {r[0]: r for r in rows(capsys, "")}
    assert float(table["a.affine"][4]) > 0 and table["a minibatch"][-1] == "100 %"
    parts = [float(table[name][5]) for name in ("all components", profile.RULES, "the rest")]
    assert sum(parts) == pytest.approx(float(table["a minibatch"][5]), rel=0.02)
    assert before == (profile.OnlineNaturalGradient.projection, profile.Flat.update)


def test_products_beside_numpys(capsys, monkeypatch):
    monkeypatch.setattr(products, "SHAPES", (("a layer", 30, 20, 10), ("another", 8, 3, 5)))
    if cblas.library() is None:
        assert products.main([]) == 1
        assert "MKL is not installed" in capsys.readouterr().err
        return
    assert products.main(["--repeats", "2"]) == 0
    found = rows(capsys, "a")
    assert len(found) == 6 and all(float(rate) > 0 for r in found for rate in r[1:])


def test_compiled_passes_beside_numpys(capsys):
    if compiled.function("relu_back", "f") is None:
        pytest.skip("nothing was compiled when the package was installed")
    assert passes.main(["--rows", "40", "--columns", "30", "--repeats", "2"]) == 0
    assert all(float(r[1]) > 0 and float(r[2]) > 0 for r in rows(capsys, "")[1:])
    assert compiled.function("relu_back", "f") is not None


@pytest.mark.slow
def test_steps_in_turn(networks, capsys):
    pytest.importorskip("torch")
    assert steps_in_turn.main([*networks, "--periods", "1", "--also", "PYNNET3_COMPILED=no"]) == 0
    sides = [r[1] for r in rows(capsys, "tdnn")]
    assert sides == [
        "ours",
        "ours, PYNNET3_COMPILED=no",
        "ours without natural gradient",
        "PyTorch eager, plain SGD",
    ]


def test_what_is_timed_inside_something_is_not_counted_twice(monkeypatch):
    clock = iter([0.0, 1.0, 4.0, 10.0])
    monkeypatch.setattr("benchmarks.profile.time.perf_counter", lambda: next(clock))
    watch = Stopwatch()
    inner = watch.timed(lambda: None, "natural gradient")
    watch.timed(inner, "update", "layer")()
    assert watch.seconds == {("layer", "natural gradient"): 3.0, ("layer", "update"): 7.0}


def test_both_sides_take_turns_and_ratios_are_of_pairs():
    order = []

    def side(name, walls):
        def cost():
            order.append(name)
            return Cost(walls.pop(0), 1.0, 5.0)

        return cost

    result = compare(side("ours", [1.0, 2.0, 9.0]), side("peer", [2.0, 8.0, 9.0]), 3)
    assert order == ["ours", "peer", "peer", "ours", "ours", "peer"]
    assert (result.ours.wall, result.peer.wall, result.wall_ratio) == (2.0, 8.0, 0.5)


def test_costs_subtract_and_medians_keep_the_largest_memory():
    cost = (Cost(3.0, 2.0, 7.0) - Cost(1.0, 1.0, 9.0)).over(2)
    assert cost == Cost(1.0, 0.5, 7.0)
    assert median([Cost(1, 1, 1), Cost(2, 2, 9), Cost(3, 3, 3)]) == Cost(2, 2, 9)


def test_a_program_that_fails_says_why():
    with pytest.raises(ValueError, match="no such luck"):
        run(["sh", "-c", "echo no such luck >&2; exit 3"])


def test_programs_beside_each_other_add_their_processor_time():
    busy = ["sh", "-c", "i=0; while [ $i -lt 40000 ]; do i=$((i+1)); done"]
    both = run_beside([busy, busy])
    assert both.wall > 0 and both.cpu > 0 and math.isnan(both.memory)


def test_a_blas_is_asked_for_its_kernels():
    assert kernels(["sh", "-c", "echo Core: $OPENBLAS_VERBOSE"]) == "2"
    assert kernels(["true"]) == "unknown"


def test_copies_have_a_rate():
    assert floor.copy_rate(1 << 16, 2) > 0


@pytest.mark.parametrize("module", [averaging, inference, jobs, profile, train_step])
def test_a_network_that_is_not_there_is_named(module, networks, capsys):
    assert module.main([*networks, "--only", "other"]) == 1
    error = capsys.readouterr().err
    assert "has no other.xconfig to measure; --only may name tdnn" in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("module", "words", "message"),
    [
        (inference, ["--networks", "/no/such/folder"], "--networks: there is no directory /no/such/folder"),
        (averaging, ["--networks=.", "--repeats=0"], "--repeats: 0 is less than 1"),
        (averaging, ["--networks=.", "--counts=2"], "--counts: 2: expected FEW,MANY, the second larger"),
        (averaging, ["--networks=.", "--counts=3,3"], "--counts: 3,3: expected FEW,MANY"),
        (growth, ["--frames=0"], "--frames: 0 is less than 1"),
        (growth, ["--layers=4,x"], "--layers: invalid counts value: '4,x'"),
        (jobs, ["--networks=.", "--cores=0"], "--cores: 0 is less than 1"),
        (profile, ["--networks=.", "--minibatches=0"], "--minibatches: 0 is less than 1"),
        (startup, ["--threads=-1"], "--threads: -1 is less than 1"),
        (whole_run, ["--data=.", "--epochs=0"], "--epochs: 0 is not greater than 0"),
    ],
)
def test_wrong_options_end_in_one_line(module, words, message, capsys):
    with pytest.raises(SystemExit) as left:
        module.main(words)
    error = capsys.readouterr().err
    assert left.value.code == 1 and message in error and error.count("\n") == 1


@pytest.mark.parametrize("module", [examples, whole_run])
def test_a_folder_that_is_no_corpus_is_named_with_what_it_lacks(module, tmp_path, capsys):
    assert module.main(["--data", str(tmp_path)]) == 1
    line = f"error: --data={tmp_path}: there is no {tmp_path}/data/train/feats.scp\n"
    assert capsys.readouterr().err == line


@pytest.mark.slow
def test_more_utterances_than_there_are_cannot_be_measured(data, capsys):
    assert examples.main([*data, "--utterances", "2,9999"]) == 1
    error = capsys.readouterr().err
    assert "utterances: give smaller --utterances" in error and error.count("\n") == 1


def test_a_program_of_ours_that_fails_is_told_of_in_one_line(tmp_path):
    with pytest.raises(ValueError, match=r"nnet3_info failed: ERROR .*no-such\.raw") as caught:
        call("nnet.programs.nnet3_info", tmp_path / "no-such.raw")
    assert "\n" not in str(caught.value)


def test_an_interrupt_ends_a_benchmark_with_a_line(capsys):
    @one_line
    def main(argv=None):
        raise KeyboardInterrupt

    assert main() == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_a_folder_without_kaldis_programs_is_no_silent_peer(networks, tmp_path, capsys):
    assert averaging.main([*networks, "--kaldi", str(tmp_path)]) == 1
    assert "holds no program of Kaldi's nnet3" in capsys.readouterr().err
