"""Components in files: every type of Kaldi's, written and read; optional, old and damaged tokens."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import make_dataclass
from typing import Any

import numpy as np
import pytest

from nnet.component import Component, Updatable, config
from nnet.components import TYPES
from nnet.formats import rows
from nnet.formats.basic import FormatError, KaldiInput, KaldiOutput
from nnet.formats.components import LAYOUTS, layout_of, read_component, write_component

VALUES: dict[str, Any] = {
    "integer": 3,
    "two of integer": 5,
    "float": 0.25,
    "two of float": 0.75,
    "double": 16.0,
    "boolean": True,
    "flag": True,
    "integers": (0, 1, 2),
    "pairs": ((-1, 0), (0, 1)),
    "vector": np.array([0.5, 0.25, 1.5, -2.0], np.float32),
    "matrix": np.arange(12, dtype=np.float32).reshape(4, 3),
    "components": (),
}


@pytest.fixture
def plain_classes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A class with the fields of its layout, and no mathematics, for every type."""
    for name, layout in LAYOUTS.items():
        monkeypatch.setitem(TYPES, name, plain_class(name, layout))
    yield


def plain_class(name: str, layout: rows.Layout) -> type[Component]:
    fields = [f for row in layout.rows for f in names(row) if f != "is_gradient"]
    declared = [(f, object, config(None)) for f in dict.fromkeys(fields)]
    base = Updatable if layout.updatable else Component
    cls = make_dataclass(name.removesuffix("Component"), declared, bases=(base,), kw_only=True, eq=False)
    cls.TYPE = name
    return cls


def names(row: rows.Row) -> tuple[str, ...]:
    return row.field if isinstance(row.field, tuple) else (row.field,) if row.field else ()


def example(name: str) -> Component:
    """A component with something in every field."""
    values = {f: VALUES[row.kind.name] for row in LAYOUTS[name].rows for f in names(row)}
    return TYPES[name](**values)


def written(c: Component, binary: bool = True) -> bytes:
    stream = io.BytesIO()
    write_component(KaldiOutput(stream, binary), c)
    return stream.getvalue()


def read(data: bytes, binary: bool = True) -> Component:
    return read_component(KaldiInput(io.BytesIO(data + b" "), "file", binary), "c")


def text(name: str, body: str) -> Component:
    return read(f"<{name}> {body} </{name}> ".encode(), binary=False)


def test_the_table_has_all_types_of_kaldi():
    assert len(LAYOUTS) == 46


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("name", LAYOUTS)
def test_reading_gives_back_what_was_written(name, binary, plain_classes):
    data = written(example(name), binary)
    assert written(read(data, binary), binary) == data


@pytest.mark.parametrize("name", LAYOUTS)
def test_binary_form_holds_what_text_form_shows(name, plain_classes):
    c = example(name)
    assert written(read(written(c)), binary=False) == written(c, binary=False)


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_file_cut_short_is_an_error_with_its_offset(name, plain_classes):
    data = written(example(name))
    for length in range(0, len(data) - 1, 7):
        with pytest.raises(FormatError, match=r"^file, byte \d+: "):
            read_component(KaldiInput(io.BytesIO(data[:length]), "file", True), "c")


def test_an_unknown_type_names_the_nearest():
    with pytest.raises(ValueError, match="no component type TdnComponent; did you mean TdnnComponent"):
        layout_of("TdnComponent")


def test_a_type_without_a_class_is_refused_by_name(monkeypatch):
    monkeypatch.delitem(TYPES, "LinearComponent")
    with pytest.raises(
        FormatError, match="component c: components of type LinearComponent cannot be used yet"
    ):
        read(b"<LinearComponent> <LearningRate> ")


def test_what_is_no_tag_is_refused():
    with pytest.raises(FormatError, match="expected its type in angle brackets, found NoOpComponent"):
        read(b"NoOpComponent <Dim> ")


def test_a_missing_token_is_named():
    with pytest.raises(FormatError, match=r"expected <DropoutProportion>, found <TestMode> \(component c\)"):
        text("DropoutComponent", "<Dim> 3 <TestMode> F")


def test_common_options_are_written_only_when_set(plain_classes):
    c = example("FixedScaleComponent")
    assert (
        written(c, binary=False)
        == b"<FixedScaleComponent> <Scales>  [ 0.5 0.25 1.5 -2 ]\n</FixedScaleComponent> "
    )
    c = example("PerElementScaleComponent")
    c.is_gradient = False
    assert written(c, False).startswith(b"<PerElementScaleComponent> <LearningRate> 0.001 <Params> ")
    c.learning_rate_factor, c.is_gradient, c.max_change, c.l2_regularize = 0.5, True, 0.75, 0.01
    assert written(c, False).startswith(
        b"<PerElementScaleComponent> <LearningRateFactor> 0.5 <IsGradient> T <MaxChange> 0.75 "
        b"<L2Regularize> 0.01 <LearningRate> 0.001 <Params> "
    )


AVERAGES = "<ValueAvg> [ ]\n<DerivAvg> [ ]\n<Count> 0"
TRUNCATION = (
    "<Dim> 2 <ClippingThreshold> 30 <ZeroingThreshold> 15 <ZeroingInterval> 20 <RecurrenceInterval> 1 "
    "<NumElementsClipped> 0 <NumElementsZeroed> 0 <NumElementsProcessed> 0 <NumZeroingBoundaries> 0"
)
OLD = {
    "PerElementScaleComponent": (
        "<Params> [ 1 2 ]\n <IsGradient> T",
        {"learning_rate": 0.001, "is_gradient": True},
    ),
    "PerElementOffsetComponent": ("<Offsets> [ 1 2 ]\n", {"dim": 2, "use_natural_gradient": True}),
    "NormalizeComponent": (f"<Dim> 4 {AVERAGES}", {"block_dim": 4, "target_rms": 1.0}),
    "NoOpComponent": (f"<Dim> 4 {AVERAGES}", {"dim": 4, "backprop_scale": 1.0}),
    "SigmoidComponent": (f"<Dim> 2 {AVERAGES}", {"block_dim": 2, "oderiv_count": 0.0}),
    "DropoutComponent": (
        "<Dim> 2 <DropoutProportion> 0.5",
        {"dropout_per_frame": False, "test_mode": False},
    ),
    "BackpropTruncationComponent": (TRUNCATION, {"scale": 1.0}),
    "GeneralDropoutComponent": (
        "<Dim> 2 <BlockDim> 2 <TimePeriod> 0 <DropoutProportion> 0",
        {"specaugment_max_regions": 1, "continuous": False},
    ),
}


@pytest.mark.parametrize("name", OLD)
def test_fields_that_older_files_lack_get_defaults(name, plain_classes):
    body, expected = OLD[name]
    c = text(name, body)
    assert {key: getattr(c, key) for key in expected} == expected


def test_one_alpha_of_an_old_tdnn_counts_for_both(plain_classes):
    c = text(
        "TdnnComponent",
        "<LearningRate> 1 <TimeOffsets> [ 0 ] <LinearParams> [ 1 2 ]\n <BiasParams> [ ]\n "
        "<OrthonormalConstraint> 0 <UseNaturalGradient> T <NumSamplesHistory> 2000 <Alpha> 3 <RankInOut> 2 4",
    )
    assert (c.alpha_in, c.alpha_out, c.rank_in, c.rank_out, c.b) == (3.0, 3.0, 2, 4, None)


def test_a_bias_of_another_size_is_refused(plain_classes):
    with pytest.raises(
        FormatError, match="W has 1 entries along axis 0, b has 2 along axis 0; they must agree"
    ):
        text("FixedAffineComponent", "<LinearParams> [ 1 2 ]\n <BiasParams> [ 1 2 ]\n")


def test_time_offsets_must_divide_the_columns(plain_classes):
    body = "<LearningRate> 1 <TimeOffsets> [ 0 1 ] <LinearParams> [ 1 2 3 ]\n <BiasParams> [ 1 ]\n"
    rest = "<OrthonormalConstraint> 0 <UseNaturalGradient> T <NumSamplesHistory> 1 <AlphaInOut> 1 1 "
    with pytest.raises(FormatError, match="3 columns, not a multiple of the 2 time offsets"):
        text("TdnnComponent", f"{body} {rest} <RankInOut> 1 1")


def test_an_old_permutation_of_floats_is_read(plain_classes):
    stream = io.BytesIO()
    out = KaldiOutput(stream)
    out.token("<ColumnMap>")
    out.vector(np.array([1.0, 0.0, 7.0], np.float32))
    c = read(b"<PermuteComponent> " + stream.getvalue() + b"</PermuteComponent> ")
    assert tuple(c.column_map) == (1, 0, 2)  # the last entry of such files is wrong


def test_an_opening_tag_may_close_natural_gradient_affine(plain_classes):
    data = written(example("NaturalGradientAffineComponent"))
    lax = data.replace(b"</NaturalGradientAffineComponent>", b"<NaturalGradientAffineComponent>")
    assert written(read(lax)) == data


def test_a_composite_holds_components(plain_classes):
    c = TYPES["CompositeComponent"](
        max_rows_process=64, parts=(example("NoOpComponent"), example("PnormComponent"))
    )
    again = read(written(c))
    assert [part.TYPE for part in again.parts] == ["NoOpComponent", "PnormComponent"]
    with pytest.raises(FormatError, match="a composite component of -1 parts"):
        text("CompositeComponent", "<LearningRate> 1 <MaxRowsProcess> 1 <NumComponents> -1")


def test_sums_become_averages_and_back(plain_classes):
    c = text(
        "RectifiedLinearComponent",
        "<Dim> 2 <ValueAvg> [ 0.5 1 ]\n <DerivAvg> [ 0.25 0.75 ]\n <Count> 8 "
        "<OderivRms> [ 2 3 ]\n <OderivCount> 4",
    )
    np.testing.assert_array_equal(c.value_sum, [4.0, 8.0])
    np.testing.assert_array_equal(c.deriv_sum, [2.0, 6.0])
    np.testing.assert_array_equal(c.oderiv_sumsq, [16.0, 36.0])
    assert c.value_sum.dtype == np.float64
    assert b"<OderivRms>  [ 2 3 ]\n" in written(c, binary=False)


def test_batch_norm_keeps_variances_in_files(plain_classes):
    c = text(
        "BatchNormComponent",
        "<Dim> 2 <BlockDim> 2 <Epsilon> 0.001 <TargetRms> 1 <TestMode> F <Count> 10 <StatsMean> [ 1 2 ]\n"
        "<StatsVar> [ 0.5 3 ]\n",
    )
    np.testing.assert_allclose(c.stats_sum, [10.0, 20.0])
    np.testing.assert_allclose(c.stats_sumsq, [15.0, 70.0])


def test_statistics_never_stored_are_written_as_empty(plain_classes):
    c = TYPES["TanhComponent"](**{f: 0 for row in LAYOUTS["TanhComponent"].rows for f in names(row)})
    c.value_sum = c.deriv_sum = c.oderiv_sumsq = None
    assert b"<ValueAvg>  [ ]\n<DerivAvg>  [ ]\n" in written(c, binary=False)


def test_registered_classes_have_the_fields_of_their_layouts():
    for name, cls in TYPES.items():
        wanted = {f for row in LAYOUTS[name].rows for f in names(row)}
        assert wanted <= set(cls.__dataclass_fields__), name
