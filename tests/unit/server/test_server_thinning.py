"""Maps that are given up while the tab is open: an answer or a reason, and never 500."""

from recordings import encoder_info, record
from wsgi_tab import served

from attn_monitor.store import RunWriter, open_run

INFO = encoder_info(lengths=(6, 5))
FIRST = range(4)


def test_maps_thinned_under_an_open_tab_are_refused_and_the_others_shown(tmp_path):
    client = served(tmp_path, ["a"])

    def ask(route, step, layer):
        place = {"step": step, "part": "encoder", "probe": 0, "layer": layer, "head": 0}
        query = {"run": "a", **place}
        reply = client.get(f"/data/plugin/attn_monitor/{route}", query_string=query)
        return reply.status_code, reply.text if reply.status_code != 200 else ""

    with RunWriter(tmp_path / "a", INFO, budget_mb=0.06) as writer:
        for step in FIRST:
            writer.write(record(INFO, step, vectors=True))
            # The reader remembers where in the step's file everything lies.
            assert ask("attention", step, 0) == (200, "")
        step, found = len(FIRST), open_run(tmp_path / "a")
        while all(found.has_maps(at) for at in FIRST):
            writer.write(record(INFO, step, vectors=True))
            step += 1
            found.refresh()
    gone = next(at for at in FIRST if not found.has_maps(at))
    status, text = ask("attention", gone, 1)
    assert status == 404
    assert "byte budget" in text
    for route in ("attention", "piles", "lens", "joint", "over_time"):
        # Some of these need other steps too, such as the one that is gone.
        assert (route, *ask(route, 0, 1)) == (route, 200, "")
