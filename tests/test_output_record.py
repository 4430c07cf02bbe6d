from __future__ import annotations

import pytest

from utad.errors import OutputError
from utad.output_record import RECORD_NAME, OutputRecord


def test_lines_come_in_order_and_stay_for_the_next_process(tmp_path):
    record = OutputRecord(tmp_path)
    record.add({"by": "a", "file": "ä.png"})
    record.add({"by": "b"}, durable=True)
    assert list(record.lines()) == [{"by": "a", "file": "ä.png"}, {"by": "b"}]
    assert not record.close()
    again = OutputRecord(tmp_path)
    assert list(again.lines()) == [{"by": "a", "file": "ä.png"}, {"by": "b"}]
    again.clear()
    assert list(again.lines()) == []
    assert again.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("torn", [b'{"by": "b", "fi', b'{"fi\n', b"[1]\n", b'{"file": "x"}\n'])
def test_a_line_that_is_not_whole_ends_the_record_and_is_cut_off(tmp_path, torn):
    whole = b'{"by": "a"}\n'
    (tmp_path / RECORD_NAME).write_bytes(whole + torn)
    record = OutputRecord(tmp_path)
    assert list(record.lines()) == [{"by": "a"}]
    record.add({"by": "c"})
    assert list(record.lines()) == [{"by": "a"}, {"by": "c"}]
    record.close()
    assert (tmp_path / RECORD_NAME).read_bytes() == whole + b'{"by": "c"}\n'


def test_one_at_a_time_has_the_record(tmp_path):
    record = OutputRecord(tmp_path)
    with pytest.raises(OutputError, match="another run writes to"):
        OutputRecord(tmp_path)
    record.close()
    OutputRecord(tmp_path).close()
