"""nnet3-xvector-get-egs: chunks of utterances with their speakers to training examples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from nnet.examples.ranges import ChunkRange, chunk_example, read_ranges
from nnet.formats.examples import EXAMPLE
from nnet.formats.kinds import MATRIX
from nnet.formats.streams import open_bytes
from nnet.formats.tables import TableWriter, read_table
from nnet.programs.program import log, option, run_program, warn

USAGE = """Get examples for training an x-vector network: chunks of features, each labelled with a speaker.

Usage:  nnet3-xvector-get-egs [options] <ranges-filename> <features-rspecifier> <egs-0-out> [<egs-1-out> ...]
Each line of the ranges is
  <utterance> <number-of-output> <number-of-archive> <start-frame> <num-frames> <speaker>
where <number-of-output> counts the outputs of this command from 0 and <number-of-archive> is not looked at.

e.g. nnet3-xvector-get-egs --num-pdfs=60 ranges.3 scp:feats.scp ark:a.egs ark:b.egs
"""
PROG = "nnet3-xvector-get-egs"


@dataclass
class Options:
    """Options of nnet3-xvector-get-egs."""

    compress: bool = option(True, "Compress the features")
    num_pdfs: int = option(-1, "Number of speakers in the training list (required)")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit status."""
    return run_program(USAGE, Options, run, (3, None), argv)


def run(options: Options, ranges: str, features: str, *targets: str) -> int:
    """Write the examples; 1 if there are none, or most utterances have no ranges."""
    if options.num_pdfs <= 0:
        raise ValueError("--num-pdfs=N is required: the number of speakers in the training list")
    with open_bytes(ranges) as stream:
        of_utterance = read_ranges(stream, ranges, len(targets), options.num_pdfs)
    done = errors = written = 0
    with ExitStack() as stack:
        writers = [stack.enter_context(TableWriter(t, EXAMPLE)) for t in targets]
        for utterance, x in read_table(features, MATRIX):
            chunks: list[ChunkRange] = of_utterance.get(utterance, [])
            if chunks:
                done += 1
            else:
                errors += 1
                why = "because it has no entry in the ranges input file."
                warn(PROG, f"Could not create examples from utterance {utterance} {why}")
            for chunk in _that_fit(chunks, utterance, len(x)):
                example = chunk_example(chunk, x, options.num_pdfs, options.compress)
                writers[chunk.output].write(chunk.key, example)
                written += 1
    log(
        PROG,
        f"Finished generating examples, successfully processed {done} feature files, "
        f"wrote {written} examples; {errors} files had errors.",
    )
    return 1 if written == 0 or errors > done else 0


def _that_fit(chunks: Iterable[ChunkRange], utterance: str, num_frames: int) -> Iterator[ChunkRange]:
    """The chunks that the utterance is long enough for; the others are warned of."""
    for chunk in chunks:
        if chunk.num_frames <= num_frames:
            yield chunk
        else:
            warn(
                PROG,
                f"Unable to create examples for utterance {utterance}. Requested chunk size of "
                f"{chunk.num_frames} but utterance has only {num_frames} frames.",
            )


if __name__ == "__main__":
    raise SystemExit(main())
