"""steps/chain/build_tree.py: a context-dependency tree from alignments, which are converted to it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nnet.context_trees.alignments import Converter, pdf_classes, split_to_phones
from nnet.context_trees.build import BuildOptions, Root, build_tree
from nnet.context_trees.questions import automatic_questions, questions_for
from nnet.context_trees.statistics import Accumulator, TreeStatistics
from nnet.formats.topology import Topology, read_topology_file
from nnet.formats.transitions import TransitionModel, transition_model
from nnet.formats.tree import ContextTree, monophone_tree
from steps.ali_dir import AliDir
from steps.command_line import check_apart, run_command
from steps.features import add_deltas
from steps.lang import read_symbols
from steps.model_features import features_for
from steps.options import option, required
from steps.texts import read_lines
from steps.write_ali import write_ali_dir

HEADING = """Build a context-dependency tree from alignments by clustering, and convert the alignments to it.

Usage: python -m steps.chain.build_tree [options] --data DATA --lang LANG --ali-dir ALI --dir TREE_DIR
e.g.:  ... --num-leaves 2000 --frame-subsampling-factor 3 --context-width 2 --central-position 1 ...

Alignments of a lower rate, as chain models give them, are drawn out to the rate that is wanted. The topology
is that of LANG. TREE_DIR becomes an alignment directory: tree, final.mdl, ali.1.gz, num_jobs."""


@dataclass(frozen=True, kw_only=True)
class TreeOptions:
    """Options of the command, named after Kaldi's build_tree.sh."""

    data: str = required("data", "data directory with feats.scp")
    lang: str = required("lang", "language directory with topo, and sets, roots and questions in phones/")
    ali_dir: str = required("ali-dir", "alignments to start from")
    dir: str = required("dir", "where the tree goes")
    num_leaves: int = option("num-leaves", 0, "leaves at most; 0: as many as gain more than --thresh")
    thresh: float = option("thresh", 300.0, "gain of log-likelihood that a split must bring")
    cluster_thresh: float = option(
        "cluster-thresh",
        -1.0,
        "loss up to which leaves are merged again; -1: gain of the last split; 0: none",
    )
    round_num_leaves: bool = option("round-num-leaves", True, "make the number of leaves a multiple of 8")
    context_width: int = option(
        "context-width", 3, "phones of a window; 2 with --central-position=1: biphones"
    )
    central_position: int = option("central-position", 1, "position of the phone itself, from 0")
    frame_subsampling_factor: int = option(
        "frame-subsampling-factor", 1, "frames of features per frame of the new alignments"
    )
    repeat_frames: bool = option(
        "repeat-frames", False, "write alignments of the lower rate as often as the old ones had frames"
    )
    deltas: bool = option("deltas", True, "grow the tree from features and their time derivatives")
    srand: int = option("srand", 0, "seed of the clustering of phones that finds the questions")

    def building(self) -> BuildOptions:
        """What the growing of the tree is told. Raises ValueError for options that do not fit together."""
        return BuildOptions(self.num_leaves, self.thresh, self.cluster_thresh, self.round_num_leaves)


def main(argv: Sequence[str] | None = None) -> int:
    """Build the tree; returns the exit status."""
    return run_command("build_tree", HEADING, TreeOptions, build, argv)


def build(o: TreeOptions, say: Callable[[str], None] = print) -> None:
    """Write the tree directory. Raises ValueError for phones that do not fit, or if nothing can be used."""
    check_apart(Path(o.dir), "--ali-dir", Path(o.ali_dir))
    ali, lang, options = AliDir(Path(o.ali_dir)), Path(o.lang), o.building()
    ali.check()
    _check_phones(lang / "phones.txt", ali.path / "phones.txt")
    topology = read_topology_file(str(lang / "topo"))
    frames = {utterance: len(x) for utterance, x in features_for(ali.path, Path(o.data))}
    stats = _statistics(o, ali, topology, _context_independent(lang), say)
    classes = {p: topology.num_pdf_classes(p) for p in topology.phones}
    sets, most = _sets(lang, topology), max(classes.values())
    found = automatic_questions(stats, sets, [most // 2], np.random.default_rng(o.srand))
    questions = questions_for([*found, *_int_rows(lang, "extra_questions")], o.context_width, most)
    tree = build_tree(stats, questions, _roots(lang, sets, topology), classes, options, say)
    model = transition_model(tree, topology)
    converted = list(_converted(o, _converter(o, ali, model, tree), ali, frames, say))
    if not converted:
        raise ValueError(f"no alignment of {ali.path} can be converted to the topology of {lang}")
    factor = 1 if o.repeat_frames else o.frame_subsampling_factor
    write_ali_dir(Path(o.dir), converted, tree, model, lang / "phones.txt", _cmvn_opts(ali.path), factor)
    say(f"{tree.num_pdfs} leaves, {len(converted)} alignments converted")


def _converter(o: TreeOptions, ali: AliDir, model: TransitionModel, tree: ContextTree) -> Converter:
    """From the rate of the alignments to the new one. Raises ValueError if neither divides the other."""
    before, after = ali.frame_subsampling_factor, o.frame_subsampling_factor
    if before % after and after % before:
        raise ValueError(
            f"{ali.path} has alignments of every {before} frames, --frame-subsampling-factor={after} wants "
            "others: one must divide the other"
        )
    return Converter(ali.transitions, model, tree, max(1, after // before), max(1, before // after))


def _statistics(
    o: TreeOptions, ali: AliDir, topology: Topology, free: Sequence[int], say: Callable[[str], None]
) -> TreeStatistics:
    """Of all utterances with features and alignments, these converted to the new topology first."""
    tree = monophone_tree({p: topology.num_pdf_classes(p) for p in topology.phones})
    model = transition_model(tree, topology)
    converter = _converter(o, ali, model, tree)
    alignments = dict(ali.alignments())
    found = Accumulator(o.context_width, o.central_position, free)
    counts = {"used": 0, "without alignment": 0, "that could not be used": 0}
    for utterance, x in features_for(ali.path, Path(o.data)):
        ids = alignments.get(utterance)
        fits = ids is not None and len(ids) == -(-len(x) // ali.frame_subsampling_factor)
        new = (
            _convert(converter, utterance, ids, _wanted(o, len(x)), say) if ids is not None and fits else None
        )
        reason = "without alignment" if ids is None else "used" if new is not None else list(counts)[2]
        counts[reason] += 1
        if new is not None:
            y = (add_deltas(x) if o.deltas else x)[:: o.frame_subsampling_factor]
            found.add(split_to_phones(model, new), pdf_classes(model, new), y)
    say("utterances: " + ", ".join(f"{n} {reason}" for reason, n in counts.items()))
    return found.statistics()


def _wanted(o: TreeOptions, num_frames: int) -> int:
    """Frames of the new alignment of features of `num_frames` frames."""
    return -(-num_frames // o.frame_subsampling_factor)


def _converted(
    o: TreeOptions, converter: Converter, ali: AliDir, frames: Mapping[str, int], say: Callable[[str], None]
) -> Iterator[tuple[str, np.ndarray]]:
    for utterance, ids in ali.alignments():
        known = frames.get(utterance, len(ids) * ali.frame_subsampling_factor)
        repeat = o.repeat_frames and converter.subsampling > 1
        new = _convert(converter, utterance, ids, None if repeat else _wanted(o, known), say)
        if new is not None:
            yield utterance, new


def _convert(
    converter: Converter,
    utterance: str,
    ids: np.ndarray,
    num_frames: int | None,
    say: Callable[[str], None],
) -> np.ndarray | None:
    """The new alignment, of `num_frames` frames, or with frames repeated if that is None. None, and a
    message, if there is none.
    """
    try:
        if num_frames is None:
            new = converter.repeated(ids)
        else:
            new = converter.convert(ids, num_frames=num_frames if converter.repetition > 1 else None)
    except ValueError as error:
        say(f"{utterance}: {error}; left out")
        return None
    if new is None:
        say(f"{utterance}: {len(ids)} frames are too few for its phones; left out")
    return new


def _check_phones(*tables: Path) -> None:
    """Raise ValueError unless both tables give the same phones the same numbers."""
    mine, theirs = ({p: n for p, n in read_symbols(t).items() if not p.startswith("#")} for t in tables)
    for phone in sorted(mine.keys() | theirs.keys()):
        if mine.get(phone) != theirs.get(phone):
            numbers = f"{mine.get(phone)} in {tables[0]}, {theirs.get(phone)} in {tables[1]}"
            raise ValueError(f"the phone {phone} has the number {numbers}: these do not belong together")


def _sets(lang: Path, topology: Topology) -> list[tuple[int, ...]]:
    return _int_rows(lang, "sets") or [(p,) for p in topology.phones]


def _roots(lang: Path, sets: Sequence[tuple[int, ...]], topology: Topology) -> list[Root]:
    """Those of phones/roots.int, else a shared root for each set."""
    path = lang / "phones" / "roots.int"
    if not path.is_file():
        return [Root(s) for s in sets]
    roots = []
    for number, line in enumerate(read_lines(path), 1):
        words = line.split()
        good = words[0] in ("shared", "not-shared") and words[1:2] in (["split"], ["not-split"])
        if not good or len(words) < 3 or not all(w.isdigit() for w in words[2:]):
            raise ValueError(f"{path}, line {number}: expected e.g. 'shared split 4 5', found {line[:60]!r}")
        phones = tuple(sorted(int(w) for w in words[2:]))
        roots.append(Root(phones, words[0] == "shared", words[1] == "split"))
    if odd := set(topology.phones) ^ {p for r in roots for p in r.phones}:
        raise ValueError(f"{path} and the topology differ in the phone {min(odd)}: one of them lacks it")
    return roots


def _int_rows(lang: Path, name: str) -> list[tuple[int, ...]]:
    """The rows of a file of phone sets in phones/; none without the file."""
    path = lang / "phones" / f"{name}.int"
    rows = [line.split() for line in read_lines(path)] if path.is_file() else []
    if bad := next((row for row in rows if not all(w.isdigit() for w in row)), None):
        raise ValueError(f"{path}: expected numbers of phones, found {' '.join(bad)[:60]!r}")
    return [tuple(sorted(int(w) for w in row)) for row in rows if row]


def _context_independent(lang: Path) -> list[int]:
    path = lang / "phones" / "context_indep.csl"
    text = path.read_text(encoding="utf-8").strip() if path.is_file() else ""
    return [int(p) for p in text.split(":") if p]


def _cmvn_opts(folder: Path) -> str:
    path = folder / "cmvn_opts"
    return path.read_text(encoding="utf-8").strip() if path.is_file() else ""


if __name__ == "__main__":
    sys.exit(main())
