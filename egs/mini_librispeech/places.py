"""Where Kaldi's scripts leave what a training needs, and which of them makes what."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

IVECTORS = "local/nnet3/run_ivector_common.sh"
CHAIN = "local/chain/run_tdnn.sh"


@dataclass(frozen=True)
class Features:
    """A data directory and its i-vectors."""

    data: Path
    ivectors: Path


@dataclass(frozen=True)
class Places:
    """What a training and its test read."""

    s5: Path  # where Kaldi's scripts were run
    train: Features
    test: Features
    tree: Path
    graph: Path  # for decoding
    supervision: Mapping[str, Path]  # what is learnt: options of the training
    made_by: Mapping[Path, str]  # files beyond the features, and what makes each

    def needed(self) -> dict[Path, str]:
        """Files that must exist, and what makes each."""
        features = [
            self.train.data / "feats.scp",
            self.train.ivectors / "ivector_online.scp",
            self.test.data / "feats.scp",
            self.test.ivectors / "ivector_online.scp",
        ]
        return {**dict.fromkeys(features, IVECTORS), **self.made_by}

    def check(self) -> None:
        """Raise ValueError naming the first missing file and the script of Kaldi's that makes it."""
        for path, maker in self.needed().items():
            if not path.is_file():
                raise ValueError(f"there is no {path}: run {maker} in {self.s5}")


def frame_places(o: argparse.Namespace) -> Places:
    """For training frame by frame: alignments of the speed-perturbed data by a GMM."""
    exp = o.s5 / "exp"
    ali, graph = exp / f"{o.gmm}_ali_{o.train_set}_sp", exp / o.gmm / "graph_tgsmall"
    return Places(
        s5=o.s5,
        train=_features(o.s5, f"{o.train_set}_sp"),
        test=_features(o.s5, o.test_set),
        tree=ali / "tree",
        graph=graph,
        supervision={"ali-dir": ali, "lang": o.s5 / "data" / "lang"},
        made_by={
            ali / "ali.1.gz": f"{IVECTORS} (steps/align_fmllr.sh)",
            graph / "HCLG.fst": f"run.sh, the stage that trains {o.gmm} (utils/mkgraph.sh)",
        },
    )


def chain_places(o: argparse.Namespace) -> Places:
    """For LF-MMI: a tree with alignments of its frame rate, and numerator lattices."""
    chain = o.s5 / "exp" / "chain"
    tree, lats = chain / "tree_sp", chain / f"{o.gmm}_{o.train_set}_sp_lats"
    graph = tree / "graph_tgsmall"
    return Places(
        s5=o.s5,
        train=_features(o.s5, f"{o.train_set}_sp"),
        test=_features(o.s5, o.test_set),
        tree=tree / "tree",
        graph=graph,
        supervision={"tree-dir": tree, "lat-dir": lats},
        made_by={
            tree / "ali.1.gz": f"{CHAIN} (steps/nnet3/chain/build_tree.sh)",
            lats / "lat.1.gz": f"{CHAIN} (steps/align_fmllr_lats.sh)",
            graph / "HCLG.fst": f"{CHAIN} (utils/mkgraph.sh --self-loop-scale 1.0)",
        },
    )


def _features(s5: Path, name: str) -> Features:
    """40 cepstra, with which the i-vectors were made too."""
    return Features(s5 / "data" / f"{name}_hires", s5 / "exp" / "nnet3" / f"ivectors_{name}_hires")
