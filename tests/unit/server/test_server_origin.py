"""Who is answered: TensorBoard's own page, under a name that TensorBoard listens on."""

import argparse
import socket

import pytest
from tensorboard.plugins.base_plugin import TBContext
from werkzeug.test import Client

from tb_plugin.loader import Loader
from tb_plugin.server.origin import Guard


def ask(tab, path="index", **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return tab.client.get(f"/data/plugin/attn_monitor/{path}", headers=named)


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:6006", "LOCALHOST:1", "127.0.0.1:6006", "127.1.2.3", "[::1]:6006",
     "tb.localhost:80", "localhost.:6006"],
)  # fmt: skip
def test_this_machine_is_answered(tab, host):
    assert ask(tab, Host=host).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:6006", "localhost.evil.example", "127.0.0.1.evil.example",
     "10.0.0.5:6006", "[::ffff:10.0.0.1]", "0x7f000001", "localhost@evil.example", "a" * 3000,
     "evil.example:80:6006"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["index", "run?run=exp/version_0", "static/index.js"])
def test_another_name_is_refused_with_what_to_do(tab, host, path):
    reply = ask(tab, path, Host=host)
    assert reply.status_code == 403
    assert reply.content_type.startswith("text/plain")
    assert "start TensorBoard with --attn_monitor_hosts" in reply.text
    assert len(reply.text) < 1000


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec_Fetch_Site": "same-origin"}, 200),
        ({"Sec_Fetch_Site": "none"}, 200),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Origin": "http://localhost:6006", "Host": "localhost:6006"}, 200),
        ({"Origin": "http://localhost:8888", "Host": "localhost:6006"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://[bad"}, 403),
        # A proxy that speaks https: the browser's own word counts more than its origin's name.
        ({"Origin": "https://hub.example", "Sec_Fetch_Site": "same-origin"}, 200),
    ],
)
def test_pages_of_other_sites_are_refused(tab, headers, status):
    reply = ask(tab, **headers)
    assert reply.status_code == status
    assert status == 200 or "page of another site" in reply.text


def plugin_at(logdir, monkeypatch=None, hosts=None, **flags):
    if monkeypatch is not None:
        monkeypatch.setenv("ATTN_MONITOR_HOSTS", hosts)
    context = TBContext(logdir=str(logdir), flags=argparse.Namespace(**flags))
    return Client(Loader().load(context).get_plugin_apps()["/static/*"])


def status_of(client, host):
    return client.get("/static/index.js", headers={"Host": host}).status_code


def test_tensorboards_own_address_is_answered(tmp_path):
    client = plugin_at(tmp_path, host="gpu7.lab.example")
    assert status_of(client, "gpu7.lab.example:6006") == 200
    assert status_of(client, "gpu8.lab.example:6006") == 403


def test_on_every_address_numbers_and_the_machines_own_names_are_answered(tmp_path):
    for flags in ({"bind_all": True}, {"host": "::"}):
        client = plugin_at(tmp_path, **flags)
        assert status_of(client, "10.0.0.5:6006") == 200
        assert status_of(client, "[fe80::1]:6006") == 200
        assert status_of(client, f"{socket.gethostname()}:6006") == 200
        assert status_of(client, "evil.example") == 403


def test_names_can_be_allowed_by_a_flag_and_by_the_environment(tmp_path, monkeypatch):
    client = plugin_at(
        tmp_path, monkeypatch, "hub.example", attn_monitor_hosts="a.example, b.example"
    )
    for host in ("a.example", "B.example:443", "hub.example"):
        assert status_of(client, host) == 200
    assert status_of(client, "c.example") == 403
    everyone = plugin_at(tmp_path, attn_monitor_hosts="*")
    assert status_of(everyone, "c.example") == 200


def test_a_client_without_any_header_is_no_browser():
    assert Guard().refusal({}) is None
