"""Chain programs: against Kaldi's on the same command line, and each refusal in one line."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from nnet.examples.lda import read_stats
from nnet.formats.chain_examples import CHAIN_EXAMPLE
from nnet.formats.kinds import FLOAT, TOKEN
from nnet.formats.model import read_nnet
from nnet.formats.tables import TableWriter, read_table
from tests.nnet.programs.workshop import error_of, log_lines, run

GOLDEN = Path(__file__).parents[2] / "golden" / "chain"
OPTIONS = "--leaky-hmm-coefficient=0.1 --xent-regularize=0.1 --l2-regularize=5e-5"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with den.fst, a network, end-to-end (e) and layered (c) examples."""
    for source, name in (
        ("den.fst", "den.fst"),
        ("0.raw", "0.raw"),
        ("unmerged.cegs", "e"),
        ("constrained.cegs", "c"),
    ):
        shutil.copy(GOLDEN / source, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def table(name):
    return list(read_table(f"ark:{name}", CHAIN_EXAMPLE))


COPIES = [
    "copy-egs --frame-shift=1",
    "copy-egs --frame-shift=2",
    "copy-egs --frame-shift=-2",
    "copy-egs --left-context=3 --right-context=4",
    "copy-egs --keep-proportion=2",
    "merge-egs --minibatch-size=4",
    "merge-egs --minibatch-size=2:3 --compress=true",
]


@pytest.mark.parametrize("examples", ["e", "c"])
@pytest.mark.parametrize("command", COPIES)
def test_copies_and_minibatches_are_kaldis_byte_for_byte(command, examples, here, kaldi):
    program, *options = f"nnet3-chain-{command}".split()
    kaldi(program, *options, f"ark:{examples}", "ark:theirs")
    assert run(f"{program} {' '.join(options)} ark:{examples} ark:ours") == 0
    assert (here / "ours").read_bytes() == (here / "theirs").read_bytes()


@pytest.mark.parametrize("rule", ["1:4", "4", "1:64"])
def test_what_is_left_of_several_structures_comes_in_kaldis_order(rule, here, kaldi):
    for n in range(6):
        assert run(f"nnet3-chain-copy-egs --left-context={n} ark:c ark:c{n}") == 0
    (here / "all").write_bytes(b"".join((here / f"c{n}").read_bytes() for n in range(6)))
    kaldi("nnet3-chain-merge-egs", f"--minibatch-size={rule}", "ark:all", "ark:theirs")
    assert run(f"nnet3-chain-merge-egs --minibatch-size={rule} ark:all ark:ours") == 0
    assert (here / "ours").read_bytes() == (here / "theirs").read_bytes()


def figures(text: str) -> list[list[float]]:
    """The numbers of every line that starts with Overall, in the order of names."""
    lines = sorted(line.split("Overall ", 1)[1] for line in text.splitlines() if ") Overall " in line)
    return [[float(w.rstrip(",.")) for w in line.split() if w[0] in "-0123456789"] for line in lines]


@pytest.mark.parametrize("examples", ["e", "c"])
def test_scores_are_kaldis(examples, here, kaldi, capfd):
    kaldi("nnet3-chain-merge-egs", "--minibatch-size=4", f"ark:{examples}", "ark:m")
    command = f"nnet3-chain-compute-prob {OPTIONS} 0.raw den.fst ark:m"
    theirs = kaldi(*command.split()).stderr.decode()
    capfd.readouterr()
    assert run(command) == 0
    ours = figures(capfd.readouterr().err)
    assert len(ours) == 2
    for a, b in zip(ours, figures(theirs)):
        np.testing.assert_allclose(a, b, rtol=2e-5)


@pytest.mark.parametrize("examples", ["e", "c"])
def test_training_is_kaldis(examples, here, kaldi):
    assert run(f"nnet3-chain-merge-egs --minibatch-size=4 ark:{examples} ark:m") == 0
    command = f"nnet3-chain-train --use-gpu=no {OPTIONS} 0.raw den.fst ark:m"
    kaldi(*command.split(), "theirs")
    assert run(f"{command} ours") == 0
    before, ours, theirs = (read_nnet(name).components for name in ("0.raw", "ours", "theirs"))
    for name, c in theirs.items():
        if hasattr(c, "W"):
            change = np.linalg.norm(c.W - before[name].W)
            assert np.linalg.norm(ours[name].W - c.W) <= 2e-3 * change + 1e-6, name


def test_training_on_merged_examples_logs_what_scripts_parse(here, capfd):
    assert run("nnet3-chain-merge-egs --minibatch-size=2 ark:c ark:m") == 0
    capfd.readouterr()
    assert run(f"nnet3-chain-train --use-gpu=no {OPTIONS} 0.raw den.fst ark:m 1.raw") == 0
    lines = log_lines(capfd.readouterr().err)
    assert any(
        line.startswith("Overall average objective function for 'output' is -") and " + -" in line
        for line in lines
    )
    assert any("for 'output-xent' is" in line for line in lines)
    assert run(f"nnet3-chain-compute-prob {OPTIONS} 1.raw den.fst ark:m") == 0
    assert "Overall log-probability for 'output' is" in capfd.readouterr().err


@pytest.mark.parametrize(
    "command",
    [
        "nnet3-chain-train --use-gpu=no 0.raw den.fst ark:m x",
        "nnet3-chain-train --use-gpu=no --egs.minibatch-size=2 0.raw den.fst ark:c x",
        "nnet3-chain-compute-prob 0.raw den.fst ark:m",
        "nnet3-chain-combine den.fst 0.raw 0.raw ark:m x",
    ],
)
def test_examples_of_another_frame_rate_than_the_models_are_refused(command, here, capfd):
    assert run("nnet3-chain-merge-egs --minibatch-size=4 ark:c ark:m") == 0
    (here / "frame_subsampling_factor").write_text("3\n")
    assert run(command) in (None, 0)
    (here / "x").unlink(missing_ok=True)
    (here / "frame_subsampling_factor").write_text("2\n")
    capfd.readouterr()
    assert run(command) == 1
    message = error_of(capfd.readouterr().err)
    assert "an output every 3 frames, but frame_subsampling_factor says 2" in message
    assert not (here / "x").exists()


def test_combination_takes_the_better_models(here, capfd):
    assert run("nnet3-chain-merge-egs --minibatch-size=2 ark:c ark:m") == 0
    assert run("nnet3-chain-train --use-gpu=no 0.raw den.fst ark:m 1.raw") == 0
    capfd.readouterr()
    assert run("nnet3-chain-combine den.fst 1.raw 0.raw ark:m best.raw") == 0
    text = capfd.readouterr().err
    assert "objective function using the last model is" in text and "Combining last 2 models" in text
    assert "Overall log-probability for 'output-xent'" in text  # its batch-norm needs statistics
    assert read_nnet("best.raw").components.keys() == read_nnet("0.raw").components.keys()


def test_shuffling_and_subsets_keep_examples_whole(here):
    keys = [key for key, _ in table("e")]
    assert run("nnet3-chain-shuffle-egs --srand=3 ark:e ark:s") == 0
    assert sorted(k for k, _ in table("s")) == sorted(keys)
    assert run("nnet3-chain-shuffle-egs --buffer-size=2 ark:e ark:s") == 0
    assert sorted(k for k, _ in table("s")) == sorted(keys)
    assert run("nnet3-chain-subset-egs --n=3 --randomize-order=false ark:e ark:s") == 0
    assert len(table("s")) == 3


def test_outputs_are_weighted_renamed_and_dealt_out(here, capfd):
    keys = [key for key, _ in table("e")]
    with TableWriter("ark:w", FLOAT) as w, TableWriter("ark:n", TOKEN) as n:
        for key in keys[:4]:
            w.write(key, 0.5)
            n.write(key, "output-2")
    assert run("nnet3-chain-copy-egs --weights=ark:w --outputs=ark:n ark:e ark:a ark:b") == 0
    assert "No weight for example key" in capfd.readouterr().err
    assert [len(table("a")), len(table("b"))] == [2, 2]
    assert {(o.name, o.supervision.weight) for _, e in table("a") for o in e.outputs} == {("output-2", 0.5)}


def test_languages_are_merged_apart(here):
    with TableWriter("ark:l", CHAIN_EXAMPLE) as writer:
        for i, (key, eg) in enumerate(table("c")):
            writer.write(f"{key}?lang={'cz' if i % 2 else 'de'}", eg)
    assert run("nnet3-chain-merge-egs --multilingual-eg=true --minibatch-size=2 ark:l ark:m") == 0
    for key, eg in table("m"):
        language = key.partition("?lang=")[2]
        assert [o.name for o in eg.outputs] == [f"output-{language}"] and language in ("cz", "de")


@pytest.mark.parametrize(
    "command, message",
    [
        ("nnet3-chain-train --use-gpu=no 0.raw 0.raw ark:c x", "no binary FST"),
        ("nnet3-chain-train --use-gpu=no --lwf-scale=0.1 0.raw den.fst ark:c x", "without forgetting"),
        ("nnet3-chain-train --use-gpu=no --leaky-hmm-coefficient=1 0.raw den.fst ark:c x", "leaky-hmm"),
        ("nnet3-chain-train --use-gpu=no 0.raw den.fst ark:/dev/null x", "no labelled frame"),
        ("nnet3-chain-compute-prob 0.raw den.fst ark:/dev/null", "no frame to score"),
        ("nnet3-chain-merge-egs --multilingual-eg=true ark:c ark:x", "names no language"),
        ("nnet3-chain-copy-egs --left-context=1 ark:m ark:x", "select frames before merging"),
        ("nnet3-chain-merge-egs --minibatch-size=1 ark:m ark:x", "merged already"),
        ("nnet3-compute-prob 0.raw ark:c", "expected <Nnet3Eg>"),
    ],
)
def test_a_refusal_is_one_line(command, message, here, capfd):
    assert run("nnet3-chain-merge-egs --minibatch-size=2 ark:c ark:m") == 0
    capfd.readouterr()
    assert run(command) == 1
    assert message in error_of(capfd.readouterr().err)


@pytest.mark.parametrize("examples, shift", [("e", 1), ("c", 0)])  # c has no frames to spare
def test_single_examples_are_shifted_and_merged_on_the_way(examples, shift, here):
    assert run(f"nnet3-chain-copy-egs --frame-shift={shift} ark:{examples} ark:shifted") == 0
    assert run("nnet3-chain-merge-egs --minibatch-size=4 ark:shifted ark:m") == 0
    command = f"nnet3-chain-train --use-gpu=no {OPTIONS}"
    assert run(f"{command} 0.raw den.fst ark:m merged") == 0
    how = f"--egs.frame-shift={shift} --egs.minibatch-size=4"
    assert run(f"{command} {how} 0.raw den.fst ark:{examples} single") == 0
    merged, single = read_nnet("merged").components, read_nnet("single").components
    start = read_nnet("0.raw").components
    for name in (n for n in merged if hasattr(merged[n], "W")):
        change = np.abs(merged[name].W - start[name].W).max()
        assert np.abs(merged[name].W - single[name].W).max() <= 1e-4 * change, name


def spliced(here):
    """init.raw: three frames side by side."""
    dim = table("c")[0][1].inputs[0].features.shape[1]
    lines = (
        f"input-node name=input dim={dim}\noutput-node name=output input=Append(Offset(input, -1), input)\n"
    )
    (here / "init.config").write_text(lines)
    assert run("nnet3-init init.config init.raw") == 0


def test_lda_statistics_are_kaldis(here, kaldi):
    spliced(here)
    assert run("nnet3-chain-acc-lda-stats init.raw ark:c ours") == 0
    kaldi("nnet3-chain-acc-lda-stats", "init.raw", "ark:c", "theirs")
    ours, theirs = read_stats("ours"), read_stats("theirs")
    for name in ("count", "total", "scatter"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-4, atol=1e-3)


def test_lda_statistics_count_every_frame_once(here):
    spliced(here)
    assert run("nnet3-chain-acc-lda-stats init.raw ark:c stats") == 0
    frames = sum(eg.outputs[0].supervision.num_frames for _, eg in table("c"))
    assert read_stats("stats").count.sum() == pytest.approx(frames, rel=1e-5)
    assert run("nnet3-chain-acc-lda-stats --rand-prune=4 init.raw ark:c pruned") == 0
    assert read_stats("pruned").count.sum() == pytest.approx(frames, rel=0.2)


def test_lda_statistics_of_end_to_end_examples_are_those_of_their_alignments(here):
    spliced(here)
    assert run("nnet3-chain-acc-lda-stats init.raw ark:e stats") == 0
    pdfs = np.concatenate([eg.outputs[0].supervision.alignment_pdfs for _, eg in table("e")])
    count = read_stats("stats").count
    np.testing.assert_array_equal(count, np.bincount(pdfs, minlength=len(count)))
