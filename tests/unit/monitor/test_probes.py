import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, IterableDataset

from attn_monitor.monitor.options import MonitorOptions
from attn_monitor.monitor.probes import draw as draw_with
from attn_monitor.monitor.probes import draw_all


def draw(loader, *, split, count, seed, tokens=None):
    return draw_with(
        loader, split=split, count=count, options=MonitorOptions(seed=seed, tokens=tokens)
    )


class Numbered(torch.utils.data.Dataset):
    def __len__(self):
        return 50

    def __getitem__(self, index):
        torch.rand(1), np.random.rand()  # an augmentation that would shift everybody's numbers
        return torch.tensor([index + 1, index + 1]), index % 2


class Stream(IterableDataset):
    def __iter__(self):
        return ((torch.tensor([i, i]), 0) for i in range(10))


def ids_of(batches):
    return [row for b in batches for i, row in enumerate(b.tokens.source.ids) if i in b.rows]


def test_the_same_seed_draws_the_same_sentences_whatever_the_loader_does():
    plain = DataLoader(Numbered(), batch_size=4)
    shuffled = DataLoader(Numbered(), batch_size=7, shuffle=True)
    first = draw(plain, split="val", count=20, seed=3)
    again = draw(shuffled, split="val", count=20, seed=3)
    other = draw(plain, split="val", count=20, seed=4)
    assert ids_of(first) == ids_of(again)
    assert ids_of(first) != ids_of(other)
    assert len(ids_of(first)) == len(set(ids_of(first))) == 20


def test_drawing_leaves_every_random_state_alone():
    torch.manual_seed(1), np.random.seed(1)
    draw(DataLoader(Numbered(), shuffle=True), split="val", count=5, seed=0)
    drawn = (torch.rand(1), np.random.rand())
    torch.manual_seed(1), np.random.seed(1)
    assert drawn == (torch.rand(1), np.random.rand())


def test_a_small_dataset_gives_what_it_has():
    assert len(ids_of(draw(DataLoader(Numbered()), split="val", count=99, seed=0))) == 50


def test_from_a_stream_the_first_sentences_are_taken():
    batches = draw(DataLoader(Stream(), batch_size=4), split="train", count=6, seed=0)
    assert ids_of(batches) == [(i, i) for i in range(6)]
    assert batches[1].rows == (0, 1)


def test_of_several_loaders_the_first_is_probed():
    loaders = [DataLoader(Stream(), batch_size=2), DataLoader(Numbered())]
    assert ids_of(draw(loaders, split="val", count=2, seed=0)) == [(0, 0), (1, 1)]
    assert ids_of(draw({"a": loaders[0]}, split="val", count=2, seed=0)) == [(0, 0), (1, 1)]


def counted(**options):
    drawn = draw_all(
        MonitorOptions(probes=4, lens_sentences=5, **options),
        validation=DataLoader(Numbered()),
        training=DataLoader(Numbered()),
    )
    return {
        split: ids_of([batch for batch in drawn if batch.split == split])
        for split in ("val", "train", "lens", "val_output", "train_output")
    }


def test_signals_compare_as_many_training_as_validation_sentences_each_drawn_once():
    drawn = counted(train_probes=3, signal_sentences=20)
    sizes = {split: len(ids) for split, ids in drawn.items()}
    assert sizes == {"val": 4, "train": 3, "lens": 5, "val_output": 11, "train_output": 17}
    assert len({*drawn["val"], *drawn["lens"], *drawn["val_output"]}) == 20
    assert len({*drawn["train"], *drawn["train_output"]}) == 20


@pytest.mark.parametrize("options", [{"train_probes": 0}, {"signal_sentences": 0}])
def test_no_sentence_is_drawn_for_signals_that_are_not_wanted(options):
    drawn = counted(**options)
    assert not drawn["val_output"]
    assert not drawn["train_output"]


def test_a_probe_batch_cannot_be_changed_through_the_dataset():
    data = [(torch.tensor([1, 2]), 0)]
    [batch] = draw(DataLoader(data), split="val", count=1, seed=0)
    data[0][0].zero_()
    assert batch.batch[0].tolist() == [[1, 2]]


class Whole(torch.utils.data.Dataset):
    """Batches made beforehand."""

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return torch.arange(1, 9).reshape(4, 2) + 8 * index, torch.zeros(4)


class Named(torch.utils.data.Dataset):
    rows = {f"name {i}": torch.tensor([i + 1, i + 1]) for i in range(6)}

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, name):
        return self.rows[name]


@pytest.mark.parametrize(
    ("loader", "first"),
    [
        (DataLoader(Whole(), batch_size=None), (1, 2)),
        (DataLoader(Named(), batch_size=2, sampler=list(Named.rows)), (1, 1)),
    ],
    ids=["whole batches", "names"],
)
def test_a_dataset_that_has_no_sentences_by_number_gives_its_first(loader, first):
    batches = draw(loader, split="val", count=5, seed=3)
    assert len(ids_of(batches)) == 5
    assert ids_of(batches)[0] == first


def test_sentences_without_tokens_are_left_out():
    ids = torch.tensor([[1, 2, 0], [0, 0, 0], [3, 0, 0], [0, 0, 0]])
    for loader in ([ids], DataLoader(torch.utils.data.TensorDataset(ids), batch_size=2)):
        batches = draw(loader, split="val", count=4, seed=0, tokens=Padded())
        assert sorted(ids_of(batches)) == [(1, 2), (3,)]


class Padded:
    pad_id = 0

    def __call__(self, ids):
        return [str(i) for i in ids]
