"""The phone language model and the denominator graph of a run, made from a tree's alignments."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np

from nnet.files import atomic_copy
from nnet.formats.basic import open_output
from nnet.formats.kinds import INT_VECTOR
from nnet.formats.tables import TableWriter
from nnet.formats.transitions import TransitionModel, write_transitions
from nnet.programs import chain_est_phone_lm
from nnet.programs.options import parse
from steps.ali_dir import AliDir
from steps.experiment import Experiment, Stage, identity
from steps.run import Run, python_job

PHONES = ".phones.ark.tmp"  # swept away if the run is killed


def lm_options(text: str | None) -> list[str]:
    """The words of --chain.lm-opts. Raises ValueError if they are no options of chain-est-phone-lm."""
    words = shlex.split(text or "")
    try:
        _, _, rest = parse(words, chain_est_phone_lm.Options)
    except ValueError as error:
        raise ValueError(f"--chain.lm-opts={text!r}: {error}") from error
    if rest:
        raise ValueError(f"--chain.lm-opts={text!r}: {rest[0]!r} is no option")
    return words


def make_phone_lm(run: Run, tree: AliDir, options: list[str]) -> None:
    """Stage -6: phone_lm.fst, from the phone sequences of the alignments."""
    target, phones = run.exp.dir / "phone_lm.fst", run.exp.dir / PHONES
    about = {"options": options, "inputs": identity([*tree.archives(), tree.path / "final.mdl"])}

    def work() -> None:
        write_phones(tree, phones)
        arguments = [*options, f"ark:{phones}", str(target)]
        log = run.exp.log("make_phone_lm")
        program = "nnet.programs.chain_est_phone_lm"
        run.jobs([python_job("make_phone_lm", program, arguments, log, outputs=[target])])
        phones.unlink()

    run.do(Stage(target.name, -6, (target,), about), work)


def make_den_fst(run: Run, tree: Path, final_model: Path) -> None:
    """Stage -5: den.fst and normalization.fst, from the tree, the transition model and phone_lm.fst, which
    are in the run's directory.
    """
    d = run.exp.dir
    outputs = (d / "den.fst", d / "normalization.fst")
    about = {"inputs": identity([tree, final_model, d / "phone_lm.fst"])}

    def work() -> None:
        arguments = [str(d / name) for name in ("tree", "0.trans_mdl", "phone_lm.fst")]
        arguments += map(str, outputs)
        program = "nnet.programs.chain_make_den_fst"
        log = run.exp.log("make_den_fst")
        run.jobs([python_job("make_den_fst", program, arguments, log, outputs=outputs)])

    run.do(Stage("den.fst", -5, outputs, about), work)


def copy_tree_files(tree: AliDir, exp: Experiment) -> None:
    """Put into the run's directory what training and decoding need: tree, 0.trans_mdl, phones.txt."""
    for name in ("tree", "phones.txt"):
        if (tree.path / name).is_file():
            atomic_copy(tree.path / name, exp.dir / name)
    with open_output(str(exp.dir / "0.trans_mdl"), True) as out:
        write_transitions(out, tree.transitions)


def write_phones(tree: AliDir, path: Path) -> None:
    """Write the phones of every alignment to a table (ali-to-phones)."""
    with TableWriter(f"ark:{path}", INT_VECTOR) as writer:
        for utterance, ids in tree.alignments():
            writer.write(utterance, phones_of(tree.transitions, ids))


def phones_of(model: TransitionModel, ids: np.ndarray) -> np.ndarray:
    """The phones of an alignment, one for each time a phone is entered (Kaldi's SplitToPhones).

    A phone ends with the transition to its final state, and with the self-loops of the same state after it
    where alignments are reordered so.
    """
    ids = np.asarray(ids, np.int32)
    if not len(ids):
        return ids
    phone, final, loop = model.phone_of(ids), model.is_final(ids), model.is_self_loop(ids)
    ends = final.copy()
    if _reordered(model, ids, loop):
        ends = _after_loops(final, loop)
    ends[-1] = True
    starts = np.concatenate([[True], ends[:-1] | (phone[1:] != phone[:-1])])
    return phone[starts]


def _reordered(model: TransitionModel, ids: np.ndarray, loop: np.ndarray) -> bool:
    """Whether self-loops come after the transition that leaves their state (IsReordered)."""
    state = np.stack([model.phone_of(ids), model.hmm_state_of(ids)])
    changes = np.flatnonzero((state[:, 1:] != state[:, :-1]).any(axis=0))
    for i in changes.tolist():
        if loop[i] or loop[i + 1]:
            return bool(loop[i])
    return True


def _after_loops(final: np.ndarray, loop: np.ndarray) -> np.ndarray:
    """Each end moved behind the self-loops that follow it."""
    ends = np.zeros(len(final), bool)
    runs = np.flatnonzero(~np.append(loop[1:], False))  # positions that no self-loop follows
    ends[runs[np.searchsorted(runs, np.flatnonzero(final))]] = True
    return ends
