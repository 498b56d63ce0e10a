"""The token table of feed-forward components: tokens of model files, in Kaldi's order, and their fields."""

from __future__ import annotations

from typing import Any

from nnet.formats import statistics
from nnet.formats.basic import KaldiInput
from nnet.formats.rows import (
    BOOL,
    DOUBLE,
    FLAG,
    FLOAT,
    INT,
    INTS,
    MATRIX,
    STAT_VECTOR,
    TWO_FLOATS,
    TWO_INTS,
    VECTOR,
    Kind,
    Layout,
    Row,
    Table,
    Values,
    differs,
    nonzero,
    old,
    same_as,
)

UNSET_THRESHOLD = -1000.0  # Kaldi's marker for a self-repair threshold that was not given


def _is_gradient() -> Row:
    return old("IsGradient", BOOL, "is_gradient")


def _orthonormal() -> Row:
    return Row(
        "OrthonormalConstraint", "orthonormal_constraint", FLOAT, 0.0, nonzero("orthonormal_constraint")
    )


def _dims() -> tuple[Row, Row]:
    return Row("InputDim", "dim_in", INT), Row("OutputDim", "dim_out", INT)


def _read_column_map(src: KaldiInput) -> tuple[int, ...]:
    """Older files hold the map as floats, its last entry wrong (PermuteComponent::Read)."""
    if not (src.binary and src.peek_byte() == ord("F")):
        return INTS.read(src)
    old_map = src.vector()
    return (*(int(v + 0.5) for v in old_map[:-1]), len(old_map) - 1)


def _tdnn_to_file(values: Values) -> Values:
    return {**values, "b": () if values["b"] is None else values["b"]}


def _tdnn_from_file(values: Values) -> Values:
    if values["b"].size not in (0, values["W"].shape[0]):
        raise ValueError(
            f"BiasParams has {values['b'].size} entries, LinearParams {values['W'].shape[0]} rows"
        )
    columns, offsets = values["W"].shape[1], len(values["time_offsets"])
    if offsets == 0 or columns % offsets:
        raise ValueError(f"LinearParams has {columns} columns, not a multiple of the {offsets} time offsets")
    return {**values, "b": values["b"] if values["b"].size else None}


AFFINE: Any = (Row("LinearParams", "W", MATRIX), Row("BiasParams", "b", VECTOR))
W_ROWS_ARE_B = ((("W", 0), ("b", 0)),)

NONLINEARITY = Layout(
    (
        Row("Dim", "dim", INT),
        Row("BlockDim", "block_dim", INT, same_as("dim"), differs("block_dim", "dim")),
        Row("ValueAvg", "value_sum", STAT_VECTOR),
        Row("DerivAvg", "deriv_sum", STAT_VECTOR),
        Row("Count", "count", DOUBLE),
        Row("OderivRms", "oderiv_sumsq", STAT_VECTOR, None, lambda values: True),
        Row("OderivCount", "oderiv_count", DOUBLE, 0.0),
        Row("NumDimsSelfRepaired", "num_dims_self_repaired", DOUBLE, 0.0),
        Row("NumDimsProcessed", "num_dims_processed", DOUBLE, 0.0),
        *(
            Row(f"SelfRepair{side}Threshold", name, FLOAT, UNSET_THRESHOLD, differs(name, UNSET_THRESHOLD))
            for side, name in (
                ("Lower", "self_repair_lower_threshold"),
                ("Upper", "self_repair_upper_threshold"),
            )
        ),
        Row("SelfRepairScale", "self_repair_scale", FLOAT, 0.0, nonzero("self_repair_scale")),
    ),
    to_file=statistics.nonlinearity_to_file,
    from_file=statistics.nonlinearity_from_file,
)

TABLE: Table = {
    "AffineComponent": Layout((*AFFINE, _is_gradient(), _orthonormal()), updatable=True, sizes=W_ROWS_ARE_B),
    "NaturalGradientAffineComponent": Layout(
        (
            *AFFINE,
            Row("RankIn", "rank_in", INT),
            Row("RankOut", "rank_out", INT),
            _orthonormal(),
            Row("UpdatePeriod", "update_period", INT),
            Row("NumSamplesHistory", "num_samples_history", FLOAT),
            Row("Alpha", "alpha", FLOAT),
            old("MaxChangePerSample", FLOAT),
            _is_gradient(),
            old("UpdateCount", DOUBLE),
            old("ActiveScalingCount", DOUBLE),
            old("MaxChangeScaleStats", DOUBLE),
        ),
        updatable=True,
        sizes=W_ROWS_ARE_B,
        lax_close=True,
    ),
    "LinearComponent": Layout(
        (
            Row("Params", "W", MATRIX),
            _orthonormal(),
            Row("UseNaturalGradient", "use_natural_gradient", BOOL),
            Row("RankInOut", ("rank_in", "rank_out"), TWO_INTS),
            Row("Alpha", "alpha", FLOAT),
            Row("NumSamplesHistory", "num_samples_history", FLOAT),
            Row("UpdatePeriod", "update_period", INT),
        ),
        updatable=True,
    ),
    "TdnnComponent": Layout(
        (
            Row("TimeOffsets", "time_offsets", INTS),
            *AFFINE,
            Row("OrthonormalConstraint", "orthonormal_constraint", FLOAT),
            Row("UseNaturalGradient", "use_natural_gradient", BOOL),
            Row("NumSamplesHistory", "num_samples_history", FLOAT),
            old("Alpha", FLOAT, "alpha_in"),
            Row("AlphaInOut", ("alpha_in", "alpha_out"), TWO_FLOATS, same_as("alpha_in", "alpha_in")),
            Row("RankInOut", ("rank_in", "rank_out"), TWO_INTS),
        ),
        updatable=True,
        to_file=_tdnn_to_file,
        from_file=_tdnn_from_file,
    ),
    "PerElementScaleComponent": Layout((Row("Params", "scales", VECTOR), _is_gradient()), updatable=True),
    "NaturalGradientPerElementScaleComponent": Layout(
        (
            Row("Params", "scales", VECTOR),
            Row("IsGradient", "is_gradient", BOOL),
            Row("Rank", "rank", INT),
            Row("UpdatePeriod", "update_period", INT),
            Row("NumSamplesHistory", "num_samples_history", FLOAT),
            Row("Alpha", "alpha", FLOAT),
            old("MaxChangePerMinibatch", FLOAT),
        ),
        updatable=True,
    ),
    "PerElementOffsetComponent": Layout(
        (
            Row("Offsets", "offsets", VECTOR),
            _is_gradient(),
            Row("Dim", "dim", INT, lambda values: values["offsets"].size),
            Row("UseNaturalGradient", "use_natural_gradient", BOOL, True),
        ),
        updatable=True,
    ),
    "ScaleAndOffsetComponent": Layout(
        (
            Row("Dim", "dim", INT),
            Row("Scales", "scales", VECTOR),
            Row("Offsets", "offsets", VECTOR),
            Row("UseNaturalGradient", "use_natural_gradient", BOOL),
            Row("Rank", "rank", INT),
        ),
        updatable=True,
        sizes=((("scales", 0), ("offsets", 0)),),
    ),
    "FixedAffineComponent": Layout(AFFINE, sizes=W_ROWS_ARE_B),
    "FixedScaleComponent": Layout((Row("Scales", "scales", VECTOR),)),
    "FixedBiasComponent": Layout((Row("Bias", "bias", VECTOR),)),
    **{
        f"{name}Component": NONLINEARITY
        for name in ("Sigmoid", "Tanh", "RectifiedLinear", "Softmax", "LogSoftmax")
    },
    "NormalizeComponent": Layout(
        (
            Row("InputDim", "dim", INT, also=("Dim",)),
            Row("BlockDim", "block_dim", INT, same_as("dim"), differs("block_dim", "dim")),
            Row("TargetRms", "target_rms", FLOAT, 1.0),
            Row("AddLogStddev", "add_log_stddev", BOOL, False),
            old("ValueAvg", VECTOR),
            old("DerivAvg", VECTOR),
            old("Count", DOUBLE),
        )
    ),
    "BatchNormComponent": Layout(
        (
            Row("Dim", "dim", INT),
            Row("BlockDim", "block_dim", INT),
            Row("Epsilon", "epsilon", FLOAT),
            Row("TargetRms", "target_rms", FLOAT),
            Row("TestMode", "test_mode", BOOL),
            Row("Count", "count", DOUBLE),
            Row("StatsMean", "stats_sum", STAT_VECTOR),
            Row("StatsVar", "stats_sumsq", STAT_VECTOR),
        ),
        to_file=statistics.batchnorm_to_file,
        from_file=statistics.batchnorm_from_file,
        sizes=((("stats_sum", 0), ("stats_sumsq", 0)),),
    ),
    "DropoutComponent": Layout(
        (
            Row("Dim", "dim", INT),
            Row("DropoutProportion", "dropout_proportion", FLOAT),
            Row("DropoutPerFrame", "dropout_per_frame", BOOL, False),
            Row("TestMode", "test_mode", BOOL, False),
        )
    ),
    "GeneralDropoutComponent": Layout(
        (
            Row("Dim", "dim", INT),
            Row("BlockDim", "block_dim", INT),
            Row("TimePeriod", "time_period", INT),
            Row("DropoutProportion", "dropout_proportion", FLOAT),
            Row(
                "SpecAugmentMaxProportion",
                "specaugment_max_proportion",
                FLOAT,
                0.0,
                nonzero("specaugment_max_proportion"),
            ),
            Row(
                "SpecAugmentMaxRegions",
                "specaugment_max_regions",
                INT,
                1,
                lambda values: (
                    values["specaugment_max_proportion"] != 0 and values["specaugment_max_regions"] != 1
                ),
            ),
            Row("TestMode", "test_mode", FLAG, False, nonzero("test_mode")),
            Row("Continuous", "continuous", FLAG, False, nonzero("continuous")),
        )
    ),
    "NoOpComponent": Layout(
        (
            Row("Dim", "dim", INT),
            *(old(t, VECTOR) for t in ("ValueAvg", "DerivAvg")),
            old("Count", FLOAT),
            old("OderivRms", VECTOR),
            *(old(t, FLOAT) for t in ("OderivCount", "NumDimsSelfRepaired", "NumDimsProcessed")),
            Row("BackpropScale", "backprop_scale", FLOAT, 1.0),
        )
    ),
    "PermuteComponent": Layout(
        (Row("ColumnMap", "column_map", Kind("integers", _read_column_map, INTS.write)),)
    ),
    "SumBlockComponent": Layout((*_dims(), Row("Scale", "scale", FLOAT))),
    "SumGroupComponent": Layout((Row("Sizes", "sizes", INTS),), lax_close=True),
    "ElementwiseProductComponent": Layout(_dims()),
}
