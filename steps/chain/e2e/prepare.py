"""What flat-start training begins with: a tree without data, a phone language model, training graphs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from nnet.chain.phone_lm import PhoneLmOptions, estimate_phone_lm
from nnet.context_trees.biphone import count_biphones, full_biphone_tree
from nnet.files import atomic_copy
from nnet.formats.basic import open_output
from nnet.formats.fst import FST, write_fst_file
from nnet.formats.tables import TableWriter
from nnet.formats.topology import Topology, read_topology_file
from nnet.formats.transitions import TransitionModel, transition_model, write_transitions
from nnet.formats.tree import ContextTree, monophone_tree, write_tree
from nnet.fst.arrays import Fst
from steps.chain.e2e.transcripts import SilenceOptions, WordCounts, draw_phones, known_words
from steps.command_line import run_command
from steps.decode import read_text
from steps.graph import GraphOptions, decoding_graph, word_sequence
from steps.lang import Lang, read_lang
from steps.options import option, required
from steps.texts import write_number

HEADING = """Prepare flat-start LF-MMI: tree, transition model, phone language model, training graphs.

Usage: python -m steps.chain.e2e.prepare [options] --data DATA --lang LANG --dir TREE_DIR

Of DATA only the text is read. LANG has a chain topology. TREE_DIR is for train_e2e.py --tree-dir."""
UNSCALED = GraphOptions(transition_scale=0.0, self_loop_scale=0.0)


@dataclass(frozen=True, kw_only=True)
class PrepareOptions:
    """Options of the command, named after Kaldi's prepare_e2e.sh and text_to_phones.py."""

    data: str = required("data", "data directory with text")
    lang: str = required("lang", "language directory with topo and lexicon")
    dir: str = required("dir", "where the tree and all else goes")
    type: str = option(
        "type",
        "mono",
        "pdfs by phone, or by phone and the one before it, all of them",
        choices=("mono", "biphone"),
    )
    ci_silence: bool = option("ci-silence", False, "with biphone: silence does not depend on its context")
    tie: bool = option("tie", False, "with biphone: rare biphones share pdfs")
    min_biphone_count: int = option("min-biphone-count", 100, "with --tie: below this a biphone is rare")
    min_monophone_count: int = option("min-monophone-count", 20, "with --tie: up to this a phone is rare")
    edge_silprob: float = option("edge-silprob", 0.8, "probability of silence at the ends, for the phone LM")
    between_silprob: float = option("between-silprob", 0.1, "and between words")
    ngram_order: int = option("ngram-order", 4, "of the phone LM")
    num_extra_lm_states: int = option("num-extra-lm-states", 2000, "of the phone LM")
    no_prune_ngram_order: int = option("no-prune-ngram-order", 3, "of the phone LM")
    srand: int = option("srand", 0, "seed for pronunciations and silences of the phone LM")

    def lm(self) -> PhoneLmOptions:
        """The options of the phone language model."""
        return PhoneLmOptions(self.ngram_order, self.num_extra_lm_states, self.no_prune_ngram_order)


@dataclass
class Graphs:
    """Training graphs by transcript, each made once."""

    lang: Lang
    tree: ContextTree
    transitions: TransitionModel
    made: dict[tuple[str, ...], Fst] = field(default_factory=dict)

    def graph(self, words: tuple[str, ...]) -> Fst:
        """Words out of transition-ids, without the probabilities of transitions."""
        if words not in self.made:
            phones = word_sequence(self.lang, [[w] for w in words], UNSCALED)
            self.made[words] = decoding_graph(phones, self.tree, self.transitions, UNSCALED)
        return self.made[words]


def main(argv: Sequence[str] | None = None) -> int:
    """Prepare; returns the exit status."""
    return run_command("prepare", HEADING, PrepareOptions, prepare, argv)


def prepare(o: PrepareOptions, say: Callable[[str], None] = print) -> None:
    """Write the directory. Raises ValueError if no transcript has words, or the topology does not suit."""
    lang_folder, folder, counts = Path(o.lang), Path(o.dir), WordCounts()
    lang = read_lang(lang_folder)
    unknown = (lang_folder / "oov.txt").read_text(encoding="utf-8").strip()
    text = dict(known_words(read_text(Path(o.data) / "text"), lang, unknown, counts))
    say(counts.line())
    if not text:
        raise ValueError(f"{Path(o.data) / 'text'} has no transcript with words")
    topology = read_topology_file(str(lang_folder / "topo"))
    check_short(topology, lang_folder / "topo")
    tree = make_tree(o, lang, topology, list(text.values()))
    transitions = transition_model(tree, topology)
    say(f"tree: {o.type}, {tree.num_pdfs} pdfs")
    folder.mkdir(parents=True, exist_ok=True)
    write_phone_lm(o, lang, text, folder / "phone_lm.fst", say)
    write_tree(tree, str(folder / "tree"))
    for name in ("0.trans_mdl", "final.mdl"):
        with open_output(str(folder / name)) as out:
            write_transitions(out, transitions)
    atomic_copy(lang_folder / "phones.txt", folder / "phones.txt")
    write_number(folder / "num_jobs", 1)
    graphs = Graphs(lang, tree, transitions)
    with TableWriter(f"ark,scp:{folder}/fst.1.ark,{folder}/fst.1.scp", FST) as out_table:
        for utterance, words in sorted(text.items()):
            out_table.write(utterance, graphs.graph(words))


def check_short(topology: Topology, where: Path) -> None:
    """Raise ValueError if a phone cannot last a single frame of the output, as in chain topologies it can."""
    for phone in topology.phones:
        if (least := topology.min_length(phone)) > 1:
            raise ValueError(
                f"{where}: phone {phone} lasts at least {least} frames, in a chain topology it is 1, as an "
                "output frame stands for several; steps.chain.gen_topo prints such a topology"
            )


def make_tree(
    o: PrepareOptions, lang: Lang, topology: Topology, transcripts: Sequence[Sequence[str]]
) -> ContextTree:
    """The tree that --type names. Raises ValueError if phones differ in their number of pdf classes."""
    phones = sorted(lang.phones.values())
    classes = {p: topology.num_pdf_classes(p) for p in phones}
    if o.type == "mono":
        return monophone_tree(classes)
    if len(set(classes.values())) > 1:
        raise ValueError("--type=biphone needs a topology with as many pdf classes for every phone")
    tying = None
    if o.tie:
        rng, silent = np.random.default_rng(o.srand), SilenceOptions(0.0, 0.0)
        sequences = [draw_phones(words, lang, silent, rng) for words in transcripts]
        tying = count_biphones(sequences, o.min_biphone_count, o.min_monophone_count)
    free = [lang.phones[lang.silence]] if o.ci_silence else []
    return full_biphone_tree(phones, classes[phones[0]], free, tying)


def write_phone_lm(
    o: PrepareOptions,
    lang: Lang,
    text: Mapping[str, Sequence[str]],
    path: Path,
    say: Callable[[str], None],
) -> None:
    """Estimate the language model of the transcripts' phones, silences and pronunciations drawn at random."""
    rng = np.random.default_rng(o.srand)
    silence = SilenceOptions(o.edge_silprob, o.between_silprob)
    sequences = (draw_phones(words, lang, silence, rng) for _, words in sorted(text.items()))
    write_fst_file(str(path), estimate_phone_lm(sequences, o.lm(), say))


if __name__ == "__main__":
    sys.exit(main())
