"""Options of every program that computes; those for Kaldi's compiler and memory manager steer nothing."""

from __future__ import annotations

from dataclasses import dataclass

from nnet.device import select_gpu
from nnet.graph.limits import NO_MAXIMUM, NO_MINIMUM
from nnet.programs.program import log, option

_NO_EFFECT = "accepted for compatibility; no effect on results here"


@dataclass
class ComputationOptions:
    """What every program with a network accepts."""

    use_gpu: str = option("optional", "yes|no|optional|wait: where to compute")
    cuda_use_tf32: bool = option(
        False, "On a GPU, matrix products with 10 bits of mantissa: faster; results differ from the CPU's"
    )
    computation_debug: bool = option(False, _NO_EFFECT, name="computation.debug")
    debug_computation: bool = option(False, _NO_EFFECT)
    memory_compression_level: int = option(1, _NO_EFFECT, name="optimization.memory-compression-level")
    cuda_cache_memory: bool = option(True, _NO_EFFECT)
    cuda_memory_proportion: float = option(0.5, _NO_EFFECT)
    use_shortcut: bool = option(True, _NO_EFFECT, name="compiler.use-shortcut")
    cache_capacity: int = option(64, _NO_EFFECT, name="compiler.cache-capacity")
    optimize: bool = option(True, _NO_EFFECT, name="optimization.optimize")
    consolidate_model_update: bool = option(True, _NO_EFFECT, name="optimization.consolidate-model-update")
    propagate_in_place: bool = option(True, _NO_EFFECT, name="optimization.propagate-in-place")
    backprop_in_place: bool = option(True, _NO_EFFECT, name="optimization.backprop-in-place")
    extend_matrices: bool = option(True, _NO_EFFECT, name="optimization.extend-matrices")
    optimize_row_ops: bool = option(True, _NO_EFFECT, name="optimization.optimize-row-ops")
    split_row_ops: bool = option(True, _NO_EFFECT, name="optimization.split-row-ops")
    convert_addition: bool = option(True, _NO_EFFECT, name="optimization.convert-addition")
    remove_assignments: bool = option(True, _NO_EFFECT, name="optimization.remove-assignments")
    allow_left_merge: bool = option(True, _NO_EFFECT, name="optimization.allow-left-merge")
    allow_right_merge: bool = option(True, _NO_EFFECT, name="optimization.allow-right-merge")
    initialize_undefined: bool = option(True, _NO_EFFECT, name="optimization.initialize-undefined")
    move_sizing_commands: bool = option(True, _NO_EFFECT, name="optimization.move-sizing-commands")
    allocate_from_other: bool = option(True, _NO_EFFECT, name="optimization.allocate-from-other")
    snip_row_ops: bool = option(True, _NO_EFFECT, name="optimization.snip-row-ops")
    min_deriv_time: int = option(
        NO_MINIMUM, "In training derivatives at earlier frames count as 0", name="optimization.min-deriv-time"
    )
    max_deriv_time: int = option(
        NO_MAXIMUM, "In training derivatives at later frames count as 0", name="optimization.max-deriv-time"
    )
    max_deriv_time_relative: int = option(
        NO_MAXIMUM,
        "The same, counted from the last frame of any output",
        name="optimization.max-deriv-time-relative",
    )


def stay_on_cpu(options: ComputationOptions, prog: str) -> None:
    """For programs that compute on the CPU: refuse --use-gpu=yes without a GPU, and other words."""
    if options.use_gpu == "optional":  # without a look for a GPU, which takes a second
        return
    if select_gpu(options.use_gpu, lambda line: log(prog, line)):
        log(prog, "This program computes on the CPU.")


@dataclass
class ModelOutputOptions:
    """Whether the model is written in Kaldi's binary or text form."""

    binary: bool = option(True, "Write output in binary mode")
