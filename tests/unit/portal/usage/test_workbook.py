from io import BytesIO
from zipfile import ZipFile

import pytest

from puyun.metering.usage import Usage
from puyun.portal.usage.workbook import to_workbook
from puyun.storage.usage import UsageRow


def sheet(*rows):
    with ZipFile(BytesIO(to_workbook(rows, "key", "USD"))) as book:
        return book.read("xl/worksheets/sheet1.xml").decode()


@pytest.mark.parametrize("name", ["=cmd()", "{=SUM(1)}", "+1", "-1", "@x", "http://x.example", "007"])
def test_a_name_is_a_text_whatever_it_looks_like(name):
    found = sheet(UsageRow(name, 1, 0, Usage(), 0))
    assert f'<c r="A2" t="inlineStr"><is><t>{name}</t></is></c>' in found
    assert "<f>" not in found
    assert "hyperlink" not in found


def test_an_amount_is_exact_text_and_a_number():
    found = sheet(UsageRow("a", 2, 1, Usage(input=5), 1_234_567_890_123_456_789))
    assert "<t>1234567890.123456789</t>" in found
    assert "<v>1234567890.123457</v>" in found  # as many digits as a spreadsheet has
