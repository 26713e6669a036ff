"""Steps that count tokens: as large as a page is exact."""

import pytest
from markers import write_run
from recordings import encoder_info, record
from wsgi_tab import Tab


@pytest.mark.parametrize("step", [20_000_000_000, 2**53])
def test_a_step_counted_in_tokens_is_shown(tmp_path, step):
    info = encoder_info()
    write_run(tmp_path / "a", info, [record(info, 0), record(info, step)])
    tab = Tab(tmp_path)
    assert [each["step"] for each in tab.get("run", run="a").json["steps"]] == [0, step]
    assert tab.get("attention", run="a", step=step, part="encoder", probe=0).status_code == 200
    assert tab.get("metrics", run="a", part="encoder").status_code == 200
