"""The token table of recurrent, convolutional, pooling, attention and composite components."""

from __future__ import annotations

from typing import Any

from nnet.formats import statistics
from nnet.formats.component_table import AFFINE, W_ROWS_ARE_B
from nnet.formats.rows import (
    BOOL,
    DOUBLE,
    DOUBLE_MATRIX,
    DOUBLE_VECTOR,
    FLAG,
    FLOAT,
    INT,
    INTS,
    MATRIX,
    PAIRS,
    STAT_MATRIX,
    STAT_VECTOR,
    TWO_FLOATS,
    TWO_INTS,
    VECTOR,
    Layout,
    Row,
    Table,
    mark,
    nonzero,
    old,
)


def _ints(*tokens: str) -> tuple[Row, ...]:
    """Integer rows whose fields are the tokens in snake case: NumFiltersIn -> num_filters_in."""
    return tuple(Row(t, "".join(f"_{c.lower()}" if c.isupper() else c for c in t)[1:], INT) for t in tokens)


def _gru(*weights: Row, ranks: Row) -> Layout:
    """Layout of the two fused GRU components; `value_sum` and `deriv_sum` are of h."""
    to_file, from_file = statistics.averages("value_sum", "deriv_sum")
    rows = (
        Row("CellDim", "cell_dim", INT),
        *weights,
        Row("ValueAvg", "value_sum", STAT_VECTOR),
        Row("DerivAvg", "deriv_sum", STAT_VECTOR),
        Row("SelfRepairTotal", "self_repair_total", DOUBLE),
        Row("Count", "count", DOUBLE),
        Row("SelfRepairThreshold", "self_repair_threshold", FLOAT),
        Row("SelfRepairScale", "self_repair_scale", FLOAT),
        Row("Alpha", "alpha", FLOAT),
        ranks,
        Row("UpdatePeriod", "update_period", INT),
    )
    return Layout(rows, updatable=True, to_file=to_file, from_file=from_file)


def _constant(*first: Row) -> Layout:
    rows = (
        *first,
        Row("Output", "output", VECTOR),
        Row("IsUpdatable", "is_updatable", BOOL),
        Row("UseNaturalGradient", "use_natural_gradient", BOOL),
    )
    return Layout(rows, updatable=True)


OLD_IS_GRADIENT = old("IsGradient", BOOL, "is_gradient")
REPEATED: Any = Layout(
    (Row("NumRepeats", "num_repeats", INT), *AFFINE, OLD_IS_GRADIENT), updatable=True, sizes=W_ROWS_ARE_B
)

TABLE: Table = {
    "LstmNonlinearityComponent": Layout(
        (
            Row("Params", "W", MATRIX),
            Row("ValueAvg", "value_sum", STAT_MATRIX),
            Row("DerivAvg", "deriv_sum", STAT_MATRIX),
            Row("SelfRepairConfig", "self_repair_config", VECTOR),
            Row("SelfRepairProb", "self_repair_total", STAT_VECTOR),
            Row("UseDropout", "use_dropout", BOOL, False, nonzero("use_dropout")),
            Row("Count", "count", DOUBLE),
        ),
        updatable=True,
        to_file=statistics.lstm_to_file,
        from_file=statistics.lstm_from_file,
        sizes=((("W", 1), ("value_sum", 1)), (("W", 1), ("deriv_sum", 1))),
    ),
    "GruNonlinearityComponent": _gru(
        Row("RecurrentDim", "recurrent_dim", INT),
        Row("w_h", "W", MATRIX),
        ranks=Row("RankInOut", ("rank_in", "rank_out"), TWO_INTS),
    ),
    "OutputGruNonlinearityComponent": _gru(Row("w_h", "w", VECTOR), ranks=Row("Rank", "rank", INT)),
    "BackpropTruncationComponent": Layout(
        (
            Row("Dim", "dim", INT),
            Row("Scale", "scale", FLOAT, 1.0),
            Row("ClippingThreshold", "clipping_threshold", FLOAT),
            Row("ZeroingThreshold", "zeroing_threshold", FLOAT),
            Row("ZeroingInterval", "zeroing_interval", INT),
            Row("RecurrenceInterval", "recurrence_interval", INT),
            Row("NumElementsClipped", "num_clipped", DOUBLE),
            Row("NumElementsZeroed", "num_zeroed", DOUBLE),
            Row("NumElementsProcessed", "count", DOUBLE),
            Row("NumZeroingBoundaries", "num_zeroing_boundaries", DOUBLE),
        )
    ),
    "ClipGradientComponent": Layout(
        (
            Row("Dim", "dim", INT),
            Row("ClippingThreshold", "clipping_threshold", FLOAT),
            Row("NormBasedClipping", "norm_based_clipping", BOOL),
            Row(
                "SelfRepairClippedProportionThreshold", "self_repair_clipped_proportion_threshold", FLOAT, 1.0
            ),
            Row("SelfRepairTarget", "self_repair_target", FLOAT, 0.0),
            Row("SelfRepairScale", "self_repair_scale", FLOAT, 0.0),
            Row("NumElementsClipped", "num_clipped", INT),
            Row("NumElementsProcessed", "count", INT),
            Row("NumSelfRepaired", "num_self_repaired", INT, 0),
            Row("NumBackpropped", "num_backpropped", INT, 0),
        )
    ),
    "DropoutMaskComponent": Layout(
        (
            Row("OutputDim", "dim_out", INT),
            Row("DropoutProportion", "dropout_proportion", FLOAT),
            Row("TestMode", "test_mode", BOOL, False),
            Row("Continuous", "continuous", FLAG, False, nonzero("continuous")),
        )
    ),
    "SpecAugmentTimeMaskComponent": Layout(
        (
            Row("Dim", "dim", INT),
            Row("ZeroedProportion", "zeroed_proportion", FLOAT),
            Row("TimeMaskMaxFrames", "time_mask_max_frames", INT),
            Row("TestMode", "test_mode", FLAG, False, nonzero("test_mode")),
        )
    ),
    "TimeHeightConvolutionComponent": Layout(
        (
            mark("Model"),
            mark("ConvolutionModel"),
            *_ints("NumFiltersIn", "NumFiltersOut", "HeightIn", "HeightOut", "HeightSubsampleOut"),
            Row("Offsets", "offsets", PAIRS),  # (time offset, height offset)
            Row("RequiredTimeOffsets", "required_time_offsets", INTS),
            mark("/ConvolutionModel"),
            *AFFINE,
            Row("MaxMemoryMb", "max_memory_mb", FLOAT),
            Row("UseNaturalGradient", "use_natural_gradient", BOOL),
            Row("NumMinibatchesHistory", "num_minibatches_history", FLOAT),
            Row("AlphaInOut", ("alpha_in", "alpha_out"), TWO_FLOATS),
            Row("RankInOut", ("rank_in", "rank_out"), TWO_INTS),
        ),
        updatable=True,
        sizes=W_ROWS_ARE_B,
    ),
    "ConvolutionComponent": Layout(
        (
            *_ints("InputXDim", "InputYDim", "InputZDim", "FiltXDim", "FiltYDim", "FiltXStep", "FiltYStep"),
            Row("InputVectorization", "input_vectorization", INT),
            Row("FilterParams", "W", MATRIX),
            Row("BiasParams", "b", VECTOR),
            Row("IsGradient", "is_gradient", BOOL, False),
        ),
        updatable=True,
        sizes=W_ROWS_ARE_B,
    ),
    "MaxpoolingComponent": Layout(
        _ints(
            *("InputXDim", "InputYDim", "InputZDim"),
            *("PoolXSize", "PoolYSize", "PoolZSize"),
            *("PoolXStep", "PoolYStep", "PoolZStep"),
        )
    ),
    "RepeatedAffineComponent": REPEATED,
    "NaturalGradientRepeatedAffineComponent": REPEATED,
    "BlockAffineComponent": Layout(
        (Row("NumBlocks", "num_blocks", INT), *AFFINE, OLD_IS_GRADIENT), updatable=True, sizes=W_ROWS_ARE_B
    ),
    "ConstantFunctionComponent": _constant(Row("InputDim", "dim_in", INT)),
    "ConstantComponent": _constant(),
    "PnormComponent": Layout((Row("InputDim", "dim_in", INT), Row("OutputDim", "dim_out", INT))),
    "DistributeComponent": Layout((Row("InputDim", "dim_in", INT), Row("OutputDim", "dim_out", INT))),
    "StatisticsExtractionComponent": Layout(
        (
            Row("InputDim", "dim_in", INT),
            Row("InputPeriod", "input_period", INT),
            Row("OutputPeriod", "output_period", INT),
            Row("IncludeVarinance", "include_variance", BOOL),  # misspelt in every file
        )
    ),
    "StatisticsPoolingComponent": Layout(
        (
            Row("InputDim", "dim_in", INT),
            *_ints("InputPeriod", "LeftContext", "RightContext", "NumLogCountFeatures"),
            Row("OutputStddevs", "output_stddevs", BOOL),
            Row("VarianceFloor", "variance_floor", FLOAT),
        )
    ),
    "RestrictedAttentionComponent": Layout(
        (
            *_ints("NumHeads", "KeyDim", "ValueDim", "NumLeftInputs", "NumRightInputs", "TimeStride"),
            *_ints("NumLeftInputsRequired", "NumRightInputsRequired"),
            Row("OutputContext", "output_context", BOOL),
            Row("KeyScale", "key_scale", FLOAT),
            Row("StatsCount", "stats_count", DOUBLE),
            Row("EntropyStats", "entropy_stats", DOUBLE_VECTOR),
            Row("PosteriorStats", "posterior_stats", DOUBLE_MATRIX),
        )
    ),
}
