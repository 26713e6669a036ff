"""Draw docs/places.md's pictures of trainings that other libraries drive, as the tab shows them.

python scripts/picture_trainers.py [LOGDIR]           # default: .demo/trainers, trained if missing
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from ensure_chromium import find
from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import Page, sync_playwright
from take_pictures import PICTURES, ROOT, save_small, settle

sys.path[:0] = [str(ROOT), str(ROOT / "examples")]
SIZE = (1000, 640)
TOP, HEAD, GAP = 64, 34, 24  # TensorBoard's bar is cut off; a name stands above each picture
LOGS = {
    "transformers.Trainer": "hugging_face",
    "checkpoints of a transformers.Trainer": "checkpoints",
    "Lightning Fabric": "fabric",
    "accelerate": "accelerate",
    "ignite": "ignite",
    "a loop of one's own": "plain_loop",
}


def train(logdir: Path) -> None:
    """Train with each; the checkpoints are recorded when their training is over."""
    import other_loops
    import plain_loop
    from torch.utils.data import DataLoader

    from attn_monitor import AttentionCallback, record_checkpoints
    from tests import tiny_trainer

    callback = AttentionCallback(log_dir=logdir / "hugging_face", **tiny_trainer.FEW)
    kept = logdir.with_name("kept")
    watched = tiny_trainer.trainer(kept, callback, num_train_epochs=8, save_strategy="epoch")
    watched.train()
    plain = {"collate_fn": watched.data_collator, "batch_size": 4}
    record_checkpoints(
        tiny_trainer.bert(),
        DataLoader(watched.eval_dataset, **plain),
        str(kept / "checkpoint-*"),
        log_dir=logdir / "checkpoints",
        train_batches=DataLoader(watched.train_dataset, **plain),
        tokens=watched.processing_class,
        **tiny_trainer.FEW,
    )
    for name, loop in other_loops.LOOPS.items():
        batches = (plain_loop.loader(2048, seed=1), plain_loop.loader(256, seed=2))
        loop(8, *batches, logdir / name)
    plain_loop.train(epochs=8, sentences=2048, log_dir=logdir / "plain_loop")


def shot(page: Page, url: str, run: str) -> Image.Image:
    """Return what the tab shows of a run."""
    page.goto("about:blank")
    page.goto(f"{url}#attn_monitor&p.attn_monitor.run={run}")
    page.frame_locator("iframe").locator("[data-layer][data-head]").first.wait_for()
    settle(page)
    picture = Image.open(io.BytesIO(page.screenshot()))
    return picture.crop((0, TOP, *SIZE))


def sheet(pictures: dict[str, Image.Image]) -> Image.Image:
    """Return all in two columns, with their names above them."""
    wide, high = SIZE[0] + GAP, SIZE[1] - TOP + HEAD
    whole = Image.new("RGB", (2 * wide - GAP, high * ((len(pictures) + 1) // 2)), "white")
    draw, font = ImageDraw.Draw(whole), ImageFont.load_default(22)
    for at, (name, picture) in enumerate(pictures.items()):
        left, top = wide * (at % 2), high * (at // 2)
        whole.paste(picture, (left, top + HEAD))
        draw.text((left + 8, top + 4), name, fill="black", font=font)
    return whole


def main() -> None:
    """Draw all."""
    from demo import tensorboard

    logdir = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / ".demo" / "trainers")
    if not logdir.exists():
        train(logdir)
    with tensorboard(str(logdir), 6306) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": SIZE[0], "height": SIZE[1]})
        page.set_default_timeout(300_000)
        url = address.partition("#")[0]
        seen = io.BytesIO()
        sheet({name: shot(page, url, run) for name, run in LOGS.items()}).save(seen, "PNG")
        save_small(seen.getvalue(), PICTURES / "trainers.png")


if __name__ == "__main__":
    main()
