"""Make the screenshots of sentences asked later: the airline model, its checkpoints, two questions.

python scripts/picture_asked.py FOLDER   # trained there first if it is missing, in a minute
"""

from __future__ import annotations

import sys
from pathlib import Path

from ensure_chromium import find
from lightning import Trainer, seed_everything
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from playwright.sync_api import sync_playwright
from take_pictures import ROOT, Picture, all_layers, take
from torch.nn.utils.rnn import pad_sequence

sys.path.insert(0, str(ROOT / "examples"))
TEXTS = ("thank you for the late flight", "my flight was not late")


def main() -> None:
    """Train, ask, and look at what was asked."""
    from airline_data import airline_data
    from airline_sentiment import Sentiment
    from demo import tensorboard
    from torch import tensor

    from attn_monitor import AttentionMonitor, open_run

    folder = Path(sys.argv[1])
    seed_everything(7, verbose=False)
    data = airline_data(limit=1500)
    model = Sentiment(len(data.vocabulary), d_model=64)
    if not folder.exists():
        keep = ModelCheckpoint(folder / "kept", save_top_k=-1)
        Trainer(
            max_epochs=6,
            accelerator="cpu",
            logger=TensorBoardLogger(folder, name="airline"),
            callbacks=[AttentionMonitor(tokens=data.vocabulary), keep],
        ).fit(model, data.train, data.val)
    asked = open_run(folder / "airline" / "version_0").ask(
        model,
        TEXTS,
        checkpoints=str(folder / "kept" / "*.ckpt"),
        mute=["L1H2", "L1H4"],
        tokens=data.vocabulary,
        tokenizer=lambda texts: pad_sequence(
            [tensor(data.vocabulary.encode(text)) for text in texts], batch_first=True
        ),
    )
    maps = {"show": "diff", "layers": all_layers("mhv0.1")}
    pictures = (
        Picture("asked", {"probe": str(asked[1])}, themes=("light",)),
        Picture("asked-muted", {"probe": str(asked[3])} | maps, themes=("light",)),
    )
    with tensorboard(str(folder / "airline"), 6306) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(300_000)
        for picture in pictures:
            take(page, url.partition("#")[0], picture, "light")


if __name__ == "__main__":
    main()
