"""Tables of measurements: names are text, and errors name the line of the file."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optsched.errors import InputError
from optsched.prediction.curves.fit import fit
from optsched.prediction.curves.measurements import read_configurations, read_measurements
from optsched.prediction.tables import read_text_table

HEADER = "model,gpu_type,nodes,gpus,local_batch,throughput_examples_s"


def written(tmp_path, text, name="t.csv"):
    file = tmp_path / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def rows(*models):
    scaling = ((1, 1, 12.0), (1, 2, 23.0), (1, 4, 44.5), (2, 8, 80.0), (4, 16, 150.0))
    lines = [f"{m},v100,{n},{g},8,{k * x}" for k, m in enumerate(models, start=1) for n, g, x in scaling]
    return "\n".join([HEADER, *lines]) + "\n"


@pytest.mark.parametrize(
    "models", [("1.1", "1.10"), ("007", "7"), ("1e3", "1000"), ("true", "True"), ("nan", "null"), ("1_0", "10")]
)
def test_names_are_text(models, tmp_path):
    read = read_measurements(written(tmp_path, rows(*models)))
    assert sorted(set(read.configured.model)) == sorted(models)
    assert len(read.configured.groups()) == 2
    assert sorted(curve.name for curve in fit(read, cross_validate=False).curves) == [
        f"{model}/v100" for model in sorted(models)
    ]


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        (
            f'{HEADER}\n"bert\n\nlarge",v100,1,1,8,12\nbert,v100,1,2,8,23\nbert,v100,1,4,8,oops\n',
            "line 6, column",
            "'oops'",
        ),
        (f"{HEADER}\n\n\nbert,v100,1,1,8,oops\n", "line 4, column", "'oops'"),
        (f"# measured in May\n{HEADER}\n# one\nbert,v100,1,1,8,x\n", "line 4, column", "'x'"),
        (f"{HEADER}\r\nbert,v100,1,1,8,1\r\nbert,v100,1,1,8,-1\r\n", "line 3, column", "a number > 0"),
        (f"{HEADER}\nbert,v100,1,1,8\n", "line 2", "5 cells"),
        (f"{HEADER}\nbert,v100,1,1,8,1,2\n", "line 2", "6 cells, as many as column names"),
        (f'{HEADER}\nbert,v100,1,1,8,"1\n', "line 2", "a readable CSV table"),
        (HEADER.replace(",", ";") + "\nbert;v100;1;1;8;12,0\n", "line 2, column", "with a decimal point"),
        (f"{HEADER},gpus\nbert,v100,1,1,8,1,1\n", "line 1", "every column once"),
        (f"{HEADER}\n,v100,1,1,8,1\n", "line 2, column model", "a name"),
        (f"{HEADER}\nbert,v100,1,1,8,inf\n", "line 2, column", "'inf'"),
        (f"{HEADER}\nbert,v100,1,1,8,1_000\n", "line 2, column", "'1_000'"),
        (f"{HEADER}\n", "line 2", "at least one row"),
        ("", "line 1", "a column 'model'"),
        (f"{HEADER}\nbert,v100,1,1,8,1\nb\u00e9,v100,1,1,8,1\n".encode("latin-1"), "line 3", "UTF-8"),
    ],
)
def test_the_line_is_named(text, place, says, tmp_path):
    with pytest.raises(InputError) as caught:
        read_measurements(written(tmp_path, text))
    assert caught.value.path.startswith(place)
    assert says in str(caught.value)
    assert "Schema" not in str(caught.value)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_separators_and_a_byte_order_mark_are_read(separator, mark, tmp_path):
    plain = read_measurements(written(tmp_path, rows("bert")))
    read = read_measurements(written(tmp_path, mark + rows("bert").replace(",", separator).encode(), "other.csv"))
    np.testing.assert_array_equal(read.throughput, plain.throughput)
    assert read.configured.model == plain.configured.model


@pytest.mark.parametrize(
    ("nodes", "gpus", "placement", "most"),
    [(1, 16, "16", 16), (2, 7, "43", 4), (2, 7, "16", 6), (1, 4, "4", 4), (1, 12, "12", 12), (3, 3, "111", 1)],
)
def test_a_placement_says_the_most_gpus_on_a_node(nodes, gpus, placement, most, tmp_path):
    text = f"model,gpu_type,nodes,gpus,local_batch,placement\nm,v,{nodes},{gpus},8,{placement}\n"
    _, configured = read_configurations(written(tmp_path, text))
    assert configured.points.max_per_node.tolist() == [most]


@pytest.mark.parametrize(
    ("nodes", "gpus", "placement"),
    [(2, 16, "16"), (1, 7, "16"), (2, 4, "31x"), (2, 4, "4"), (2, 4, "40"), (2, 4, "22.0"), (2, 5, "22"), (3, 4, "22")],
)
def test_a_placement_that_does_not_fit_is_refused(nodes, gpus, placement, tmp_path):
    text = f"model,gpu_type,nodes,gpus,local_batch,placement\nm,v,{nodes},{gpus},8,{placement}\n"
    with pytest.raises(InputError, match="line 2, column placement") as caught:
        read_configurations(written(tmp_path, text))
    assert f"{gpus} GPUs on {nodes} nodes" in caught.value.expected


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\x00\r"), max_size=8).map(str.strip)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=6), st.sampled_from(["\n", "\r\n"]))
def test_what_was_written_is_read(tmp_path_factory, cells, end):
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator=end)
    writer.writerow(["one", "two", "three"])
    writer.writerows([("x" + a, b, c) for a, b, c in cells])
    file = written(tmp_path_factory.mktemp("t"), stream.getvalue())
    table = read_text_table(file, ["two"])
    assert [(a, b, c) for a, b, c in zip(*table.columns.values(), strict=True)] == [
        ("x" + a, b, c) for a, b, c in cells
    ]
    whole = stream.getvalue().encode().split(b"\n")
    for row, (a, _, _) in zip(table.lines, cells, strict=True):
        if "\n" not in a:
            assert ("x" + a).replace('"', '""').encode() in whole[row - 1]
