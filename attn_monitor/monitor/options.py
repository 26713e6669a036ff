"""What a user may set, checked the moment it is set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from attn_monitor.core.errors import ConfigurationError
from attn_monitor.monitor.alerts import OnSignal
from attn_monitor.monitor.audit.intent import MaskRule, check_mask
from attn_monitor.monitor.batches import DescribeBatch
from attn_monitor.monitor.failures import Failures
from attn_monitor.monitor.images import ImagesOf
from attn_monitor.monitor.labels import Features, Labels, TitlesOf, ValuesOf, check_features
from attn_monitor.monitor.own import Probes, Tokenizer, check_probes
from attn_monitor.monitor.tokens import HuggingFaceTokenizer, TokenSource, check_token_source
from attn_monitor.signals.recording import OWN_PROBES

ReplayBatch = Callable[[object, object], object]  # (module, batch on its device) -> anything
ImportanceAt = Literal["last", "best"] | int


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorOptions:
    """What may be set of any recording, whoever drives it: the one list of names and defaults.

    :class:`attn_monitor.AttentionMonitor` describes each.

    Raises:
        ConfigurationError: A value that cannot work; the message names it.
    """

    probes: Probes = 16
    train_probes: int = 16
    lens_sentences: int = 48
    signal_sentences: int = 64
    tokens: TokenSource = None
    tokenizer: Tokenizer | None = None
    describe_batch: DescribeBatch | None = None
    features: Features = None
    titles: TitlesOf | None = None
    values: ValuesOf | None = None
    images: ImagesOf | None = None
    replay: ReplayBatch | None = None
    budget_mb: float = 64.0
    run_budget_mb: float = 2048.0
    topology: bool = False
    importance: ImportanceAt | None = None
    audit: bool = True
    mask: MaskRule = None
    watch: int | None = None
    log_images: bool = True
    log_scalars: bool | Literal["all"] = True
    log_page_every: int | None = None
    on_signal: OnSignal | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_probes(self.probes, self.tokenizer)
        at_least("train_probes", self.train_probes, 0)
        at_least("lens_sentences", self.lens_sentences, 0)
        at_least("signal_sentences", self.signal_sentences, 0)
        for name, megabytes in (
            ("budget_mb", self.budget_mb),
            ("run_budget_mb", self.run_budget_mb),
        ):
            if not megabytes > 0:
                raise ConfigurationError(f"{name} must be > 0, got {megabytes}")
        if self.importance not in (None, "last", "best"):
            if isinstance(self.importance, str):
                raise ConfigurationError(
                    'importance must be "last", "best", a number n for every n-th recorded step, '
                    f"or None, got {self.importance!r}"
                )
            at_least("importance", self.importance, 1)
        if self.log_scalars not in (True, False, "all"):
            raise ConfigurationError(
                f'log_scalars must be True, False or "all", got {self.log_scalars!r}'
            )
        for name, function in (
            ("describe_batch", self.describe_batch),
            ("titles", self.titles),
            ("values", self.values),
            ("images", self.images),
            ("replay", self.replay),
            ("on_signal", self.on_signal),
        ):
            if function is not None and not callable(function):
                raise ConfigurationError(f"{name} must be a callable or None, got {function!r}")
        for name, every in (("watch", self.watch), ("log_page_every", self.log_page_every)):
            if every is not None:
                at_least(name, every, 1)
        check_mask(self.mask)
        maker: object = self.tokenizer
        if self.tokens is None and isinstance(maker, HuggingFaceTokenizer):
            object.__setattr__(self, "tokens", maker)  # it knows the way back as well
        check_token_source(self.tokens)
        check_features(self.features)

    def labels(self, failures: Failures) -> Labels:
        """Return what the user calls things."""
        return Labels(
            features=self.features, titles=self.titles, values=self.values, failures=failures
        )

    def summary(self) -> dict[str, str | int | float | bool]:
        """Return what is worth keeping in the recording."""
        return {
            "probes": self.probes if isinstance(self.probes, int) else OWN_PROBES,
            "train_probes": self.train_probes,
            "lens_sentences": self.lens_sentences,
            "signal_sentences": self.signal_sentences,
            "budget_mb": self.budget_mb,
            "topology": self.topology,
            "importance": self.importance or "",
            "watch": self.watch or 0,
            "seed": self.seed,
        }


def at_least(name: str, value: object, smallest: int) -> None:
    """Check a whole number that a user set.

    Raises:
        ConfigurationError: It is none, or too small.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < smallest:
        raise ConfigurationError(f"{name} must be an integer >= {smallest}, got {value!r}")
