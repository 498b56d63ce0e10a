"""nnet3-get-egs, -merge-egs, -copy-egs, -shuffle-egs, -subset-egs, -acc-lda-stats on the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnet.examples.lda import read_stats
from nnet.formats.examples import EXAMPLE
from nnet.formats.matrix import compress
from nnet.formats.tables import GENERAL_MATRIX, MATRIX, POSTERIOR, TableWriter, read_table
from nnet.programs import (
    nnet3_acc_lda_stats,
    nnet3_copy_egs,
    nnet3_get_egs,
    nnet3_merge_egs,
    nnet3_shuffle_egs,
    nnet3_subset_egs,
)
from tests.nnet.examples.toys import frame_example, same_example

PROGRAMS = {
    "nnet3-get-egs": nnet3_get_egs.main,
    "nnet3-merge-egs": nnet3_merge_egs.main,
    "nnet3-copy-egs": nnet3_copy_egs.main,
    "nnet3-shuffle-egs": nnet3_shuffle_egs.main,
    "nnet3-subset-egs": nnet3_subset_egs.main,
    "nnet3-acc-lda-stats": nnet3_acc_lda_stats.main,
}


def run(command):
    name, *arguments = command.split()
    return PROGRAMS[name](arguments)


def read(path):
    return list(read_table(f"ark:{path}", EXAMPLE))


def write(path, egs):
    with TableWriter(f"ark:{path}", EXAMPLE) as table:
        for i, eg in enumerate(egs):
            table.write(f"eg-{i}", eg)


@pytest.fixture
def folder(tmp_path, rng, monkeypatch):
    """A directory with features (dense and compressed), posteriors, i-vectors and examples."""
    monkeypatch.chdir(tmp_path)
    with (
        TableWriter("ark:feats", GENERAL_MATRIX) as feats,
        TableWriter("ark:packed", GENERAL_MATRIX) as packed,
        TableWriter("ark:post", POSTERIOR) as post,
        TableWriter("ark:ivectors", MATRIX) as ivectors,
    ):
        for i, frames in enumerate((48, 24, 12, 36, 60, 9)):
            x = rng.standard_normal((frames, 5)).astype(np.float32)
            feats.write(f"u{i}", x)
            packed.write(f"u{i}", compress(x))
            if i != 3:
                post.write(f"u{i}", [frame_posterior(rng) for _ in range(frames - i % 3)])
            ivectors.write(f"u{i}", np.full((-(-frames // 10), 4), i, np.float32))
    write("egs", [frame_example(rng, labels=4 + (i % 5 == 4), left=2, right=1) for i in range(30)])
    return tmp_path


def frame_posterior(rng):
    count = rng.integers(1, 4)
    return [(int(p), float(w)) for p, w in zip(rng.integers(0, 6, count), rng.random(count))]


def test_the_reference_examples_come_out_the_same(shared, tmp_path, monkeypatch):
    monkeypatch.chdir(shared / "golden" / "egs")
    for line in Path("cmd.txt").read_text().splitlines():
        name, command = line.split(": ", 1)
        files = "ark:feats.ark ark:post.txt" if "get-egs" in command else ""
        assert run(f"{command} {files} ark:{tmp_path}/{name}") == 0
        ours, reference = read(tmp_path / name), read(f"{name}.ark")
        assert [key for key, _ in ours] == [key for key, _ in reference]
        assert all(same_example(a, b) for (_, a), (_, b) in zip(ours, reference)), name


@pytest.mark.parametrize("feats", ["feats", "packed"])
@pytest.mark.parametrize("options", [
    "--num-frames=12", "--num-frames=12 --compress=false", "--num-frames=12 --num-frames-overlap=8",
    "--num-frames=12,6 --num-frames-overlap=3 --left-context=4 --right-context=9 --left-context-initial=0",
    "--num-frames=-1 --right-context-final=3", "--num-frames=3 --left-context=1 --right-context=1",
    "--num-frames=3 --online-ivectors=ark:ivectors --online-ivector-period=10 --compress=false",
    "--num-frames=6 --ivectors=ark:ivectors --online-ivector-period=10 --length-tolerance=3",
    "--num-frames=12 --targets-length-tolerance=1",
])  # fmt: skip
def test_examples_are_kaldis_byte_for_byte(folder, kaldi, options, feats):
    tables = f"ark:{feats} ark:post ark"
    kaldi("nnet3-get-egs", "--num-pdfs=6", *options.split(), *f"{tables}:theirs".split())
    assert run(f"nnet3-get-egs --num-pdfs=6 {options} {tables}:ours") == 0
    assert (folder / "ours").read_bytes() == (folder / "theirs").read_bytes()


@pytest.mark.parametrize("command", [
    "nnet3-merge-egs --minibatch-size=8", "nnet3-merge-egs --minibatch-size=7=2,4/8=3",
    "nnet3-merge-egs --minibatch-size=8 --compress=true", "nnet3-copy-egs", "nnet3-copy-egs --frame=0",
    "nnet3-copy-egs --frame=4 --left-context=1", "nnet3-copy-egs --right-context=0 --frame-shift=-2",
    "nnet3-copy-egs --keep-proportion=2",
])  # fmt: skip
def test_changed_examples_are_kaldis_byte_for_byte(folder, kaldi, command):
    program, *options = command.split()
    kaldi(program, *options, "ark:egs", "ark:theirs")
    assert run(f"{command} ark:egs ark:ours") == 0
    assert (folder / "ours").read_bytes() == (folder / "theirs").read_bytes()


def test_missing_posteriors_are_warned_of_and_the_rest_is_made(folder, capsys):
    assert run("nnet3-get-egs --num-pdfs=6 --num-frames=12 ark:feats ark:post ark:out") == 0
    errors = capsys.readouterr().err
    assert "WARNING (nnet3-get-egs" in errors and "No pdf-level posterior for key u3" in errors
    assert "1 utterances had errors and could not be processed." in errors
    assert "Split 5 utts, with total length 153 frames" in errors
    assert [key for key, _ in read("out")][:4] == ["u0-0", "u0-12", "u0-24", "u0-36"]


def test_no_examples_at_all_is_a_failure(folder, capsys):
    assert run("nnet3-get-egs --num-pdfs=6 --num-frames=500 ark:feats ark:post ark:out") == 1
    assert "too short" in capsys.readouterr().err
    (folder / "nothing").write_bytes(b"")
    for program in ("copy", "merge", "shuffle", "subset"):
        assert run(f"nnet3-{program}-egs ark:nothing ark:out") == 1


@pytest.mark.parametrize("command, message", [
    ("nnet3-get-egs ark:feats ark:post ark:o", "--num-pdfs=N is required"),
    ("nnet3-get-egs --num-pdfs=3 ark:feats ark:post ark:o", "utterance u0: class 5 is not in 0 ... 2"),
    ("nnet3-get-egs --num-pdfs=6 --num-frames-overlap=4 ark:feats ark:post ark:o", "--num-frames-overlap=4"),
    ("nnet3-merge-egs --minibatch-size=x ark:egs ark:o", "--minibatch-size=x: 'x' is not an integer"),
    ("nnet3-copy-egs --frame=x ark:egs ark:o", "--frame=x is neither"),
    ("nnet3-shuffle-egs --buffer-size=-1 ark:egs ark:o", "--buffer-size=-1 is negative"),
    ("nnet3-subset-egs --n=-1 ark:egs ark:o", "--n=-1 is negative"),
    ("nnet3-acc-lda-stats --rand-prune=-1 x ark:egs o", "--rand-prune=-1 is negative"),
])  # fmt: skip
def test_mistakes_end_in_one_line_and_status_one(folder, capsys, command, message):
    assert run(command) == 1
    error = capsys.readouterr().err.strip().split("\n")[-1]
    assert error.startswith(f"ERROR ({command.split()[0]}") and message in error
    assert not (folder / "o").exists()


def test_sizes_are_rounded_up_with_a_log_line(folder, capsys):
    run(
        "nnet3-get-egs --num-pdfs=6 --num-frames=10,6 --frame-subsampling-factor=3 ark:feats ark:post ark:out"
    )
    assert (
        "Rounding up --num-frames=10,6 to multiples of --frame-subsampling-factor=3, to: 12,6"
        in capsys.readouterr().err
    )
    assert {len(eg.io[0].indexes) for _, eg in read("out")} <= {12, 6}


def test_examples_are_dealt_out_in_turn_or_at_random(folder):
    assert run("nnet3-copy-egs ark:egs ark:a ark,t:b ark:c") == 0
    assert [[int(k[3:]) % 3 for k, _ in read(f)] for f in "abc"] == [[0] * 10, [1] * 10, [2] * 10]
    assert run("nnet3-copy-egs --random=true --srand=1 ark:egs ark:a ark:b") == 0
    keys = [k for f in "ab" for k, _ in read(f)]
    assert sorted(keys) == sorted(k for k, _ in read("egs")) and 5 < len(read("a")) < 25
    assert read("a")[:3] != [k for k, _ in read("egs")][::2][:3]


def test_keep_proportion_and_seed_decide_the_copies(folder):
    counts = []
    for seed in (1, 1, 2):
        run(f"nnet3-copy-egs --keep-proportion=0.5 --srand={seed} ark:egs ark:out")
        counts.append([k for k, _ in read("out")])
    assert counts[0] == counts[1] != counts[2] and 5 < len(counts[0]) < 25


def test_weights_and_names_come_from_tables_and_missing_ones_are_errors(folder, capsys):
    (folder / "weights").write_text("".join(f"eg-{i} {0.5 * i}\n" for i in range(20)))
    (folder / "names").write_text("".join(f"eg-{i} output-{i % 2}\n" for i in range(5, 30)))
    assert run("nnet3-copy-egs --weights=ark:weights --outputs=ark:names ark:egs ark:out") == 0
    out, source = dict(read("out")), dict(read("egs"))
    assert list(out) == [f"eg-{i}" for i in range(5, 20)]
    assert [io.name for io in out["eg-7"].io] == ["input", "output-1"]
    assert np.allclose(out["eg-7"].io[1].features.dense(), 3.5 * source["eg-7"].io[1].features.dense())
    errors = capsys.readouterr().err
    assert "No new output-name for example key eg-0" in errors and "No weight for example key eg-20" in errors
    assert "Read 30 neural-network training examples, wrote 15, 15 examples had errors." in errors


def test_shuffling_and_subsets_keep_the_examples(folder, capsys):
    source = dict(read("egs"))
    assert run("nnet3-shuffle-egs --srand=3 ark:egs ark:out") == 0
    shuffled = read("out")
    assert sorted(k for k, _ in shuffled) == sorted(source) and [k for k, _ in shuffled] != list(source)
    assert all(same_example(eg, source[k]) for k, eg in shuffled)
    assert run("nnet3-shuffle-egs --buffer-size=4 ark:egs ark:out") == 0 and len(read("out")) == 30
    assert run("nnet3-subset-egs --n=7 ark:egs ark:out") == 0
    assert len({k for k, _ in read("out")} & set(source)) == 7
    assert run("nnet3-subset-egs --n=30 --randomize-order=false ark:egs ark:out") == 0
    assert (folder / "out").read_bytes() == (folder / "egs").read_bytes()
    errors = capsys.readouterr().err
    assert "Shuffled order of 30 neural-network training examples using a buffer" in errors
    assert "Selected a subset of 7 out of 30 neural-network training examples" in errors


def test_merging_says_what_it_did_and_which_options_it_ignores(folder, capsys):
    assert run("nnet3-merge-egs --minibatch-size=8 --measure-output-frames=false ark:egs ark:out") == 0
    errors = capsys.readouterr().err
    assert "The --measure-output-frames option is deprecated and will be ignored." in errors
    assert "7={8->3,d=0},8={,d=6}" in errors
    assert [k for k, _ in read("out")] == ["merged-0-8", "merged-1-8", "merged-2-8"]


MODEL = """<Nnet3>\x20
input-node name=input dim=3
output-node name=output input=Append(Offset(input, -1), input, Offset(input, 1))

<NumComponents> 0
</Nnet3> """


def test_lda_statistics_are_written_and_those_of_kaldi(folder, kaldi, capsys):
    (folder / "raw").write_text(MODEL)
    kaldi("nnet3-acc-lda-stats", "raw", "ark:egs", "theirs")
    assert run("nnet3-acc-lda-stats raw ark:egs ours") == 0
    ours, theirs = read_stats("ours"), read_stats("theirs")
    for name in ("count", "total", "scatter"):
        a, b = getattr(ours, name), getattr(theirs, name)
        assert np.abs(a - b).max() < 1e-5 * np.abs(b).max()


def test_lda_statistics_may_be_text_and_need_examples(folder, capsys):
    (folder / "raw").write_text(MODEL)
    assert run("nnet3-acc-lda-stats --binary=false --rand-prune=2 raw ark:egs out") == 0
    assert (folder / "out").read_text().startswith("<LDAACCS> ")
    assert "soft frame count = 1" in capsys.readouterr().err
    assert read_stats("out").count.sum() % 2 == 0
    (folder / "nothing").write_bytes(b"")
    assert run("nnet3-acc-lda-stats raw ark:nothing out") == 1
    assert "accumulated no stats: ark:nothing holds no supervised frames" in capsys.readouterr().err


def test_examples_that_stay_as_they_are_are_copied_byte_for_byte(folder, monkeypatch):
    monkeypatch.setattr(nnet3_copy_egs, "_copies", None)  # nothing is taken apart
    assert run("nnet3-copy-egs ark:egs ark:a") == 0
    assert (folder / "a").read_bytes() == (folder / "egs").read_bytes()


def test_a_label_beyond_the_classes_is_no_example_to_copy(folder, capfd):
    data = bytearray((folder / "egs").read_bytes())
    at = data.index(b"SV \x04") + 14  # the column of the first entry
    data[at : at + 4] = (99).to_bytes(4, "little")
    (folder / "bad").write_bytes(data)
    assert run("nnet3-copy-egs ark:bad ark:out") == 1
    assert "class 99" in capfd.readouterr().err and not (folder / "out").exists()
