"""What the campaign of kills counts as left over."""

from campaign.kills.kill import files_of


def test_the_probe_of_python_itself_is_not_left_over(tmp_path):
    (tmp_path / "tmp").mkdir()
    for name in ("abcd_12x", "kapbench-1"):
        (tmp_path / "tmp" / name).write_text("blat")
    assert sorted(files_of(tmp_path)) == ["tmp", "tmp/kapbench-1"]
