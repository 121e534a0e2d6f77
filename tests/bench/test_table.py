from bench.table import Row, Sheet, write


def test_rows_of_other_questions_stay_and_those_of_this_one_go(tmp_path):
    """One question can be asked again without asking all."""
    sheet, order = Sheet("some", "Some results", folder=tmp_path), ("one", "two")
    write(sheet, [Row("two: late", "2 s"), Row("two: later", "3 s")], quick=False, order=order)
    write(sheet, [Row("one: early", "1 s")], quick=False, order=order)

    write(sheet, [Row("two: now", "4 s")], quick=True, order=order)

    lines = sheet.path.read_text(encoding="utf-8").splitlines()
    assert [line.split(" | ")[0] for line in lines if line.startswith("| ")][1:] == [
        "| one: early",
        "| two: now",
    ]
    assert lines[0] == "# Some results"


def test_plots_stand_below_the_table_of_their_name(tmp_path):
    for name in ("some-thing.png", "another-thing.png"):
        (tmp_path / name).write_bytes(b"")

    sheet = Sheet("some", "Some results", folder=tmp_path)
    write(sheet, [Row("one: early", "1 s")], quick=False, order=("one",))

    text = sheet.path.read_text(encoding="utf-8")
    assert "![some-thing](some-thing.png)" in text
    assert "another-thing" not in text
