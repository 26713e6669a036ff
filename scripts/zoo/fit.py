"""One model of a type that is small, and inputs it runs on."""

from __future__ import annotations

from typing import NamedTuple

import feed
import remedies
import shrink
import torch
from transformers import PreTrainedModel

_MOST_CLASSES = 4


class Fitted(NamedTuple):
    """A model that runs.

    Attributes:
        cls: Its class.
        trial: How it was made small.
        model: The model, in eval mode.
        feed: Inputs by name.
    """

    cls: type[PreTrainedModel]
    trial: shrink.Trial
    model: PreTrainedModel
    feed: feed.Feed


class UnfitError(LookupError):
    """No class of a type ran, whatever was tried; its arguments are what they said."""


def fitted(kind: str, implementation: str = "eager") -> Fitted:
    """Return a model of a type, and inputs.

    Raises:
        UnfitError: None runs.
    """
    remedies.forget()
    errors: list[str] = []
    for trial in shrink.TRIALS:
        try:
            classes = shrink.model_classes(shrink.configuration(kind, trial))
        except Exception as error:
            errors.append(f"{type(error).__name__}: {str(error)[:300]}")
            continue
        for cls in classes[:_MOST_CLASSES]:
            try:
                return _tried(cls, kind, trial, implementation)
            except Exception as error:
                errors.append(f"{cls.__name__}: {str(error)[:300]}")
    raise UnfitError(*dict.fromkeys(errors))


def _tried(
    cls: type[PreTrainedModel], kind: str, trial: shrink.Trial, implementation: str
) -> Fitted:
    """Return a model of one class, with what its configuration lacked."""
    config = shrink.configuration(kind, trial)
    try:
        if shrink.parameters(cls, config) > shrink.MOST_PARAMETERS:
            raise MemoryError("it stays larger than 60 million parameters")
        model = shrink.built(cls, config, implementation)
        with torch.no_grad():
            fed, _ = feed.run_on(model, "right", lambda m, given: m(**given))
    except Exception as error:
        if not remedies.completed(error):
            raise
        return _tried(cls, kind, trial, implementation)
    return Fitted(cls, trial, model, fed)
