"""The user's names along the axes, what stands at each, and titles of sentences."""

import pytest
import torch
from torch import nn

from attn_monitor import AttentionRecorder, open_run
from attn_monitor.core.errors import ConfigurationError, CorruptRecordingError
from attn_monitor.monitor.failures import AttentionMonitorWarning
from attn_monitor.monitor.labels import check_features
from attn_monitor.monitor.tokens import check_token_source
from attn_monitor.store.token_json import dump_tokens, load_tokens
from tb_plugin.server.describe import describe_run

NAMES = ["age", "income", "rooms", "lat", "lon"]
TABLE = torch.tensor([[39.0, 1200.5, 3.0, 52.5, 13.4], [18.0, 0.0, 1.0, 48.1, 11.6]])


def encoder():
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    return nn.TransformerEncoder(layer, 1)


class Columns(nn.Module):
    """A token per column of the table, behind one that is learned, in the given order."""

    def __init__(self, order=range(5)):
        super().__init__()
        self.order, self.encoder = list(order), encoder()
        self.weight = nn.Parameter(torch.randn(5, 16))
        self.first = nn.Parameter(torch.randn(1, 1, 16))

    def forward(self, table):
        tokens = (table[..., None] * self.weight)[:, self.order]
        return self.encoder(torch.cat([self.first.expand(len(table), -1, -1), tokens], 1))


class Series(nn.Module):
    """A token per series: the history of each is embedded as a whole."""

    def __init__(self):
        super().__init__()
        self.enter, self.encoder = nn.Linear(12, 16), encoder()

    def forward(self, history):
        return self.encoder(self.enter(history.mT))


class Horizon(nn.Module):
    """The last three steps ask all of them."""

    def __init__(self):
        super().__init__()
        self.enter = nn.Linear(1, 16)
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True)

    def forward(self, table):
        keys = self.enter(table[..., None])
        return self.attention(keys[:, -3:], keys, keys)[0]


def recorded(path, model, batch, **said):
    torch.manual_seed(0)
    with AttentionRecorder(
        model.eval(), [batch], log_dir=path, log_images=False, lens_sentences=0, **said
    ) as recorder:
        recorder.record(step=0, epoch=0)
    return open_run(path)


def axes(run):
    (name,) = run.parts
    return run.probes[0].axes(run.part(name))


def test_columns_have_their_names_with_what_stands_there_and_rows_their_titles(tmp_path):
    titles = lambda table: [f"row {at}" for at in range(len(table))]  # noqa: E731
    run = recorded(tmp_path, Columns(), TABLE, features=NAMES, titles=titles)
    query, key = axes(run)
    assert query == key
    assert query.text == ("#0", *NAMES)
    assert query.values == ("", "39", "1200", "3", "52.5", "13.4")
    assert query.special == (0,)
    assert [probe.title for probe in run.probes] == ["row 0", "row 1"]
    assert (run.part("encoder").rows, run.part("encoder").words) == ("seen", "described")
    first = describe_run(run, "run")["probes"][0]
    assert first["title"] == "row 0"
    assert first["source"]["values"] == list(query.values)


def test_a_name_follows_its_column_wherever_the_model_puts_it(tmp_path):
    query, _ = axes(recorded(tmp_path, Columns([3, 0, 4]), TABLE, features=NAMES))
    assert query.text == ("#0", "lat", "age", "lon")
    assert query.values == ("", "52.5", "39", "13.4")


def test_series_that_are_tokens_have_names_and_no_single_value(tmp_path):
    query, _ = axes(recorded(tmp_path, Series(), torch.randn(4, 12, 5), features=NAMES))
    assert (query.text, query.values) == (tuple(NAMES), ())


def test_queries_and_keys_have_names_of_their_own(tmp_path):
    said = {"query": ["t+1", "t+2", "t+3"], "encoder.key": NAMES}
    query, key = axes(recorded(tmp_path, Horizon(), TABLE, features=said))
    assert (query.text, key.text) == (("t+1", "t+2", "t+3"), tuple(NAMES))


def test_values_may_be_told(tmp_path):
    said = lambda table: [[f"{at}.{name}" for name in NAMES] for at in range(len(table))]  # noqa: E731
    run = recorded(tmp_path, Columns([1, 0]), TABLE, features=NAMES, values=said)
    assert axes(run)[0].values == ("", "0.income", "0.age")
    assert run.probes[1].source.values == ("", "1.income", "1.age")


@pytest.mark.parametrize("said", [NAMES[:4], {"encoder": NAMES[:4]}, {"decoder": NAMES}])
def test_names_that_do_not_fit_are_said_and_not_cut(tmp_path, said):
    expected = "no such part; the parts|do not fit the query axis of 'encoder': 6 tokens"
    with pytest.warns(AttentionMonitorWarning, match=expected):
        query, _ = axes(recorded(tmp_path, Columns(), TABLE, features=said))
    assert query.text == ("#0", "#1", "#2", "#3", "#4", "#5")


def test_titles_that_are_too_few_are_said(tmp_path):
    with pytest.warns(AttentionMonitorWarning, match="wanted one string for each"):
        run = recorded(tmp_path, Columns(), TABLE, titles=lambda _: ["only one"])
    assert [probe.title for probe in run.probes] == [None, None]


@pytest.mark.parametrize("wrong", ["age", [], [1, 2], {"encoder": "age"}, {"encoder": []}, 5])
def test_what_is_no_list_of_names_is_refused(wrong):
    with pytest.raises(ConfigurationError, match="no list of names"):
        check_features(wrong)


class Vocab:
    """As in torchtext: calling it turns words into ids, not ids into words."""

    def __call__(self, words):
        return [len(word) for word in words]

    def __len__(self):
        return 3


@pytest.mark.parametrize("wrong", [Vocab(), lambda ids: " ".join(map(str, ids)), {"a": 0}, "ab"])
def test_what_does_not_turn_ids_into_strings_is_refused(wrong):
    with pytest.raises(ConfigurationError, match="tokens="):
        check_token_source(wrong)


class TorchtextVocab(Vocab):
    def lookup_tokens(self, ids):
        return list(map(str, ids))


def test_a_vocabulary_is_refused_with_the_way_back():
    with pytest.raises(ConfigurationError, match=r"tokens=vocab\.lookup_tokens"):
        check_token_source(TorchtextVocab())


def test_values_and_documents_survive_as_json():
    written = {"text": ["age"], "special": [], "values": ["39"]}
    assert dump_tokens(load_tokens(written, "run.json: source")) == written
    with pytest.raises(CorruptRecordingError, match="2 values for 1 tokens"):
        load_tokens({**written, "values": ["39", "40"]}, "run.json: source")
    packed = {"text": ["a", "b", "c"], "special": [], "documents": [0, 2]}
    assert dump_tokens(load_tokens(packed, "run.json: source")) == packed
    for wrong in ([1, 2], [0, 2, 2], [0, 3]):
        with pytest.raises(CorruptRecordingError, match="documents"):
            load_tokens({**packed, "documents": wrong}, "run.json: source")
