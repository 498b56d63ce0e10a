"""Whether features and i-vectors fit the network, looked at before any example is made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nnet.config_line import parse_keys
from nnet.formats.kinds import GENERAL_MATRIX, MATRIX, Kind
from nnet.formats.model import read_nnet
from nnet.formats.tables import read_table
from steps.data_dir import DataDir, cmvn_options, read_map
from steps.labels import TOLERATED
from steps.texts import read_int, read_lines
from steps.train_options import TrainingOptions

IVECTORS = "ivector_online.scp"


def check_inputs(options: TrainingOptions) -> None:
    """Raise ValueError if features or i-vectors are missing or do not have the dimension of the input.

    Only the first utterance is read, and nothing where the examples exist.
    """
    o = options
    if o.egs_dir is not None or o.feat_dir is None or (Path(o.dir) / "egs/info/num_archives").exists():
        return
    data = data_dir(o)
    data.check()
    wanted, source = input_dims(o)
    feats = data.path / "feats.scp"
    dim = first_dim(feats, GENERAL_MATRIX, o.allow_pipes)
    _compare("input", wanted.get("input", 0), source, dim, f"the features in {feats} have")
    data.cmvn.skipped(dim)
    if data.cmvn.changes:
        dim_of_stats = first_dim(data.path / "cmvn.scp", MATRIX, o.allow_pipes) - 1
        if dim_of_stats != dim:
            raise ValueError(
                f"the statistics in {data.path / 'cmvn.scp'} are for dim {dim_of_stats}, "
                f"the features in {feats} have dim {dim}"
            )
    _check_ivectors(o, data, wanted.get("ivector", 0), source)


def data_dir(options: TrainingOptions) -> DataDir:
    """The data directory that --feat-dir names, read as the other options say."""
    return DataDir(Path(options.feat_dir or ""), cmvn_options(options.cmvn_opts), options.allow_pipes)


def _check_ivectors(o: TrainingOptions, data: DataDir, wanted: int, source: str) -> None:
    if o.online_ivector_dir is None:
        if wanted:
            raise ValueError(
                f"{source} has an input 'ivector' of dim {wanted}: give --feat.online-ivector-dir"
            )
        return
    directory = Path(o.online_ivector_dir)
    for name in (IVECTORS, "ivector_period"):
        if not (directory / name).is_file():
            raise ValueError(f"--feat.online-ivector-dir={directory}: there is no {directory / name}")
    read_int(directory / "ivector_period")
    dim = first_dim(directory / IVECTORS, MATRIX, o.allow_pipes)
    _compare("ivector", wanted, source, dim, f"the i-vectors in {directory / IVECTORS} have")
    there = read_map(directory / IVECTORS)
    missing = [u for u in data.feats if u not in there]
    if len(missing) > TOLERATED * len(data.feats):
        raise ValueError(
            f"{len(missing)} of {len(data.feats)} utterances with features have no i-vectors in "
            f"{directory / IVECTORS}, the first is {missing[0]}"
        )


def _compare(name: str, wanted: int, source: str, dim: int, what: str) -> None:
    if wanted != dim:
        expected = f"has dim {wanted}" if wanted else "does not exist"
        raise ValueError(f"{source}: the network's input '{name}' {expected}, {what} dim {dim}")


def input_dims(options: TrainingOptions) -> tuple[dict[str, int], str]:
    """Dimensions of the network's inputs by name, and the file that says so: the model or the config."""
    if options.input_model is not None:
        nnet = read_nnet(options.input_model)
        return {name: nnet.input_dim(name) for name in nnet.input_names()}, options.input_model
    path, dims = Path(options.dir) / "configs/final.config", {}
    for number, line in enumerate(read_lines(path), 1):
        words = line.partition("#")[0].split(maxsplit=1)
        if len(words) == 2 and words[0] == "input-node":
            keys = parse_keys(words[1], f"{path}, line {number}")
            dims[keys.get("name", "")] = _dim(keys, f"{path}, line {number}")
    return dims, str(path)


def _dim(keys: dict[str, str], where: str) -> int:
    text = keys.get("dim", "")
    if not text.isdecimal():
        raise ValueError(f"{where}: dim={text!r} of an input-node must be a number")
    return int(text)


def table_dim(directory: str | None, name: str, allow_pipes: bool) -> int:
    """The dimension of the first matrix of a directory's script file; 0 without a directory."""
    if directory is None:
        return 0
    kind = GENERAL_MATRIX if name == "feats.scp" else MATRIX
    return first_dim(Path(directory) / name, kind, allow_pipes)


def first_dim(scp: Path, kind: Kind, allow_pipes: bool) -> int:
    """The columns of the first matrix that a script file names. Raises ValueError if there is none."""
    table: Any = read_table(f"scp:{scp}", kind, allow_pipes)
    for _, x in table:
        return int(x.shape[1])
    raise ValueError(f"{scp} is empty")
