"""copy-feats, copy-int-vector, feat-to-dim: tables and single files, and Kaldi's own output byte for byte."""

from __future__ import annotations

import numpy as np
import pytest

from nnet.formats.basic import open_input, open_output
from nnet.formats.tables import INT, INT_VECTOR, MATRIX, TableWriter, read_table
from nnet.programs import copy_feats, copy_int_vector, feat_to_dim


@pytest.fixture
def data(tmp_path, rng):
    with TableWriter(f"ark,scp:{tmp_path}/f.ark,{tmp_path}/f.scp", MATRIX) as table:
        for n in range(4):
            table.write(f"utt{n}", rng.standard_normal((3 + 9 * n, 5)) * 10)
    with TableWriter(f"ark:{tmp_path}/i.ark", INT_VECTOR) as table:
        for n in range(4):
            table.write(f"utt{n}", rng.integers(-5, 3000, 7 * n))
    return tmp_path


def test_features_are_copied_and_counted(data, capsys):
    lengths = f"--write-num-frames=ark,t:{data}/n"
    assert copy_feats.main([lengths, f"scp:{data}/f.scp", f"ark,t:{data}/o"]) == 0
    assert capsys.readouterr().err.endswith(" Copied 4 feature matrices.\n")
    assert dict(read_table(f"ark:{data}/n", INT)) == {"utt0": 3, "utt1": 12, "utt2": 21, "utt3": 30}
    for (k, a), (q, b) in zip(read_table(f"ark:{data}/o", MATRIX), read_table(f"ark:{data}/f.ark", MATRIX)):
        assert k == q
        assert np.allclose(a, b, rtol=1e-6)


ARGUMENTS = [
    ["ark:{0}/f.ark", "ark:{1}"],
    ["ark:{0}/f.ark", "ark,t:{1}"],
    ["scp:{0}/f.scp", "ark:{1}"],
    ["{0}/f.ark:5", "{1}"],
    ["--binary=false", "{0}/f.ark:5", "{1}"],
    ["{0}/f.ark:5[1:4,0:2]", "{1}"],
    *[["--compress=true", f"--compression-method={m}", "ark:{0}/f.ark", "ark:{1}"] for m in range(1, 8)],
]


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=" ".join)
def test_copied_features_are_kaldis(arguments, data, kaldi):
    ours, theirs = ([a.format(data, f"{data}/{name}") for a in arguments] for name in ("ours", "theirs"))
    assert copy_feats.main(ours) == 0
    kaldi("copy-feats", *theirs)
    assert (data / "ours").read_bytes() == (data / "theirs").read_bytes()


@pytest.mark.parametrize(
    "arguments", [["ark:{0}/i.ark", "ark:{1}"], ["ark:{0}/i.ark", "ark,t:{1}"]], ids=" ".join
)
def test_copied_integers_are_kaldis(arguments, data, kaldi):
    ours, theirs = ([a.format(data, f"{data}/{name}") for a in arguments] for name in ("ours", "theirs"))
    assert copy_int_vector.main(ours) == 0
    kaldi("copy-int-vector", *theirs)
    assert (data / "ours").read_bytes() == (data / "theirs").read_bytes()


@pytest.mark.parametrize("program", ["copy-feats", "copy-int-vector"])
def test_kaldi_reads_what_we_write(program, data, kaldi):
    name = "f" if program == "copy-feats" else "i"
    run = copy_feats.main if program == "copy-feats" else copy_int_vector.main
    for form in ("ark", "ark,t"):
        assert run([f"ark:{data}/{name}.ark", f"{form}:{data}/ours"]) == 0
        kaldi(program, f"ark:{data}/ours", f"ark:{data}/back")
        assert run([f"ark:{data}/ours", f"ark:{data}/again"]) == 0
        assert (data / "back").read_bytes() == (data / "again").read_bytes()


@pytest.mark.parametrize("arguments", [["--htk-in", "a", "b"], ["--sphinx-in=true", "ark:a", "ark:b"]])
def test_other_input_formats_are_refused_in_one_line(arguments, capsys):
    assert copy_feats.main(["--print-args=false", *arguments]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "are not supported" in err


def test_compressing_a_single_file_is_refused(data, capsys):
    assert copy_feats.main(["--compress", f"{data}/f.ark:5", f"{data}/o"]) == 1
    assert "are for tables" in capsys.readouterr().err


@pytest.mark.parametrize("main", [copy_feats.main, copy_int_vector.main])
def test_an_empty_table_is_status_1(main, tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    assert main([f"ark:{tmp_path}/empty", f"ark:{tmp_path}/o"]) == 1


def test_a_single_vector_of_integers_is_copied(tmp_path, capsys):
    with open_output(f"{tmp_path}/v") as target:
        target.int_vector([1, 2, 3])
    assert copy_int_vector.main(["--binary=false", f"{tmp_path}/v", f"{tmp_path}/o"]) == 0
    assert (tmp_path / "o").read_bytes() == b"[ 1 2 3 ]\n"
    assert copy_int_vector.main([f"{tmp_path}/o", f"{tmp_path}/p"]) == 0
    assert (tmp_path / "p").read_bytes() == (tmp_path / "v").read_bytes()
    assert f"Copied vector to {tmp_path}/p\n" in capsys.readouterr().err


def test_tables_and_files_are_not_mixed(tmp_path, capsys):
    assert copy_int_vector.main([f"ark:{tmp_path}/v", f"{tmp_path}/o"]) == 1
    assert "cannot be mixed" in capsys.readouterr().err


def test_the_dimension_of_features(data, capsys):
    assert feat_to_dim.main([f"scp:{data}/f.scp", f"{data}/dim"]) == 0
    assert (data / "dim").read_text() == "5\n"
    assert feat_to_dim.main([f"scp:{data}/f.scp", f"ark,t:{data}/dims"]) == 0
    assert (data / "dims").read_text() == "".join(f"utt{n} 5 \n" for n in range(4))


def test_dimensions_are_kaldis(data, kaldi):
    assert feat_to_dim.main([f"scp:{data}/f.scp", f"ark,t:{data}/ours"]) == 0
    kaldi("feat-to-dim", f"scp:{data}/f.scp", f"ark,t:{data}/theirs")
    assert (data / "ours").read_bytes() == (data / "theirs").read_bytes()


def test_no_features_have_no_dimension(tmp_path, capsys):
    (tmp_path / "empty").write_bytes(b"")
    assert feat_to_dim.main([f"ark:{tmp_path}/empty", "-"]) == 1
    assert "is the archive empty" in capsys.readouterr().err


def test_a_single_matrix_is_copied_with_its_range(data):
    assert copy_feats.main([f"{data}/f.ark:5[0:1]", f"{data}/o"]) == 0
    with open_input(f"{data}/o") as source:
        assert source.matrix().shape == (2, 5)


OUTPUTS = [
    ("ark:{0}/f.ark", "ark:link"),
    ("ark:{0}/f.ark", "ark,t:link"),
    ("ark:{0}/f.ark", "ark,scp:link,link2"),
    ("ark:{0}/f.ark", "scp:places"),
    ("{0}/f.ark:5", "link"),
]


@pytest.mark.parametrize(("source", "wspecifier"), OUTPUTS)
def test_what_a_link_leads_to_is_not_written(data, tmp_path, monkeypatch, source, wspecifier):
    """Outputs through links into a directory of somebody else's, f.ark the input among it."""
    before = {path.name: path.read_bytes() for path in data.iterdir()}
    ours = tmp_path / "ours"
    ours.mkdir()
    monkeypatch.chdir(ours)
    for name, target in (("link", "../f.ark"), ("link2", "../f.scp")):
        (ours / name).symlink_to(target)
    (ours / "places").write_text("".join(f"utt{n} link\n" for n in range(4)))
    assert copy_feats.main([source.format(data), wspecifier]) == 0
    assert {name: (data / name).read_bytes() for name in before} == before
    assert not (ours / "link").is_symlink()


@pytest.mark.parametrize(
    ("source", "wspecifier"), [("ark:f.ark", "ark:f.ark"), ("scp:f.scp", "ark,scp:f.ark,f.scp")]
)
def test_a_table_may_be_written_over_itself(data, monkeypatch, source, wspecifier):
    monkeypatch.chdir(data)
    assert copy_feats.main(["scp:f.scp", "ark,scp:f.ark,f.scp"]) == 0
    before = (data / "f.ark").read_bytes()
    assert copy_feats.main([source, wspecifier]) == 0
    assert (data / "f.ark").read_bytes() == before


def test_archive_and_script_file_of_one_name_are_refused(data, capsys):
    assert copy_feats.main([f"ark:{data}/f.ark", f"ark,scp:{data}/a,{data}/../{data.name}/a"]) == 1
    assert "archive and script file are the same file; give two names" in capsys.readouterr().err
    assert not (data / "a").exists()
