"""Flat-start training of a toy language, and alignments from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("kaldi_decoder")

from nnet.context_trees.alignments import split_to_phones
from nnet.formats.chain_examples import CHAIN_EXAMPLE
from nnet.formats.model import read_am
from nnet.formats.tables import read_table
from steps import align_command
from steps.ali_dir import AliDir
from steps.chain.e2e import prepare
from steps.chain.e2e.train_e2e import main
from steps.lang import chain_topology_text, make_lang, write_lang
from tests.steps.toy import LEXICON, write_toy_data

AFFINE = "type=NaturalGradientAffineComponent max-change=0.75"
NETWORK = f"""component name=affine {AFFINE} input-dim=6 output-dim=12
component name=relu type=RectifiedLinearComponent dim=12
component name=norm type=BatchNormComponent dim=12
component name=out {AFFINE} input-dim=12 output-dim=6
input-node name=input dim=2
component-node name=affine component=affine input=Append(Offset(input, -1), input, Offset(input, 1))
component-node name=relu component=relu input=affine
component-node name=norm component=norm input=relu
component-node name=out component=out input=norm
output-node name=output input=out objective=linear
"""
OPTIONS = [
    "--feat.cmvn-opts=--norm-means=false",
    "--chain.leaky-hmm-coefficient=0.1",
    "--chain.apply-deriv-weights=false",
    "--egs.opts=--nj=1 --num-utts-subset=6",
    "--trainer.num-chunk-per-minibatch=1:8",
    "--trainer.frames-per-iter=2000",
    "--trainer.num-epochs=2",
    "--trainer.optimization.num-jobs-initial=1",
    "--trainer.optimization.num-jobs-final=1",
    "--trainer.optimization.initial-effective-lrate=0.02",
    "--trainer.optimization.final-effective-lrate=0.005",
    "--cleanup.remove-egs=false",
    "--use-gpu=no",
]


def corpus(top: Path, rng: np.random.Generator) -> list[str]:
    """data/ of lengths 18 and 21, tree/ and exp/configs; the command line for a training on them."""
    write_lang(make_lang(LEXICON), top / "lang", chain_topology_text)
    mean = {"SIL": (0.0, 0.0), "n": (3.0, 0.0), "o": (0.0, 3.0)}
    feats, text = {}, {}
    for k in range(40):
        word = ("no", "on")[k % 2]
        phones = ["SIL", *LEXICON[word][0], "SIL"]
        lengths = rng.multinomial((18, 21)[k // 2 % 2] - 12, [0.25] * 4) + 3
        x = np.concatenate([np.tile(mean[p], (n, 1)) for p, n in zip(phones, lengths)])
        feats[f"u{k:02}"] = (x + 0.5 * rng.normal(size=x.shape)).astype(np.float32)
        text[f"u{k:02}"] = word
    write_toy_data(top / "data", feats, text)
    (top / "data/allowed_lengths.txt").write_text("18\n21\n")
    assert prepare.main([f"--data={top / 'data'}", f"--lang={top / 'lang'}", f"--dir={top / 'tree'}"]) == 0
    (top / "exp/configs").mkdir(parents=True)
    (top / "exp/configs/final.config").write_text(NETWORK)
    (top / "exp/configs/vars").write_text("model_left_context=1\nmodel_right_context=1\n")
    return [*OPTIONS, f"--feat-dir={top / 'data'}", f"--tree-dir={top / 'tree'}", f"--dir={top / 'exp'}"]


@pytest.mark.slow
def test_words_are_learnt_and_found_again_without_any_alignment(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    words = corpus(tmp_path, rng)
    assert main(words) == 0
    model = read_am(str(tmp_path / "exp/final.mdl"))
    assert not len(model.priors)
    assert (tmp_path / "exp/frame_subsampling_factor").read_text() == "3\n"
    lengths = {
        eg.outputs[0].supervision.frames_per_sequence
        for _, eg in read_table(f"ark:{tmp_path / 'exp/egs/cegs.1.ark'}", CHAIN_EXAMPLE)
    }
    assert lengths == {6, 7}
    places = {"model": tmp_path / "exp/final.mdl", "lang": tmp_path / "lang", "data": tmp_path / "data"}
    given = [f"--{name}={value}" for name, value in places.items()]
    assert align_command.main([*given, f"--dir={tmp_path / 'ali'}"]) == 0
    ali = AliDir(tmp_path / "ali")
    ali.check()
    assert ali.frame_subsampling_factor == 3
    found = {u: split_to_phones(ali.transitions, ids) for u, ids in ali.alignments()}
    assert len(found) == 40
    spoken = [[s.phone for s in found[u] if s.phone != 1] for u in ("u00", "u01")]
    assert spoken == [[2, 3], [3, 2]]


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("data/allowed_lengths.txt", "steps.chain.e2e.perturb makes a data directory"),
        ("tree/fst.1.scp", "steps.chain.e2e.prepare makes it"),
        ("tree/phone_lm.fst", "there is no"),
    ],
)
def test_what_is_missing_is_named_before_anything_is_made(
    missing: str, message: str, tmp_path: Path, rng: np.random.Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    words = corpus(tmp_path, rng)
    (tmp_path / missing).unlink()
    capsys.readouterr()
    assert main(words) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "exp/egs").exists()


def test_examples_most_of_which_cannot_be_made_are_refused(tmp_path: Path, rng: np.random.Generator) -> None:
    words = corpus(tmp_path, rng)
    (tmp_path / "data/allowed_lengths.txt").write_text("60\n")
    assert main([*words, "--retries=0"]) == 1
    logs = [log.read_text() for log in (tmp_path / "exp/egs/log").glob("*.log")]  # whichever was the first
    assert any("could not be used, see above" in log for log in logs)
