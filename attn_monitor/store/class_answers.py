"""Reads what a classifier answered at one step."""

from __future__ import annotations

from typing import get_args

from attn_monitor.core.class_answer import ClassAnswer, ContributionMethod
from attn_monitor.core.errors import NotRecordedError
from attn_monitor.store.fields import as_choice
from attn_monitor.store.names import CLASS_SCORES, CONTRIBUTIONS, METHOD, class_group
from attn_monitor.store.stepfile import StepFile
from attn_monitor.store.union import RunView


def read_class_answer(view: RunView, *, step: int, probe: int) -> ClassAnswer:
    """Return the class scores of one probe, and what every token adds to them.

    Raises:
        NotRecordedError: The model has no classes, or the step was recorded without or thinned.
        CorruptRecordingError: The step's file is damaged.
    """
    sentence = view.probe(probe)
    rank, _ = view.owners[probe]
    commit = rank.commits.get(step)
    classes = view.info.classes
    group = class_group(probe)
    if classes is None:
        raise NotRecordedError("this model does not classify sentences, or was recorded without")
    if commit is None:
        view.commit(step)
        raise NotRecordedError(f"probe {probe} was not replayed at step {step}")
    if commit.thinned:
        raise NotRecordedError(
            f"what tokens add to the classes was given up at step {step} to the byte budget"
        )
    file = rank.step_file(commit)
    if not file.has(f"{group}/{CONTRIBUTIONS}"):
        raise NotRecordedError(f"the class scores of probe {probe} were not kept at step {step}")
    count = len(classes.names)
    shape = (1, len(sentence.source), count)
    scores = file.array(f"{group}/{CLASS_SCORES}", dtype="float32", shape=(1, 1, count))
    parts = file.array(f"{group}/{CONTRIBUTIONS}", dtype="float32", shape=shape)
    return ClassAnswer(
        scores=scores[0, 0], contributions=parts[0], method=_method(file, group, classes.method)
    )


def _method(file: StepFile, group: str, default: ContributionMethod) -> ContributionMethod:
    """Return how one step's contributions were obtained; once the whole recording said so."""
    named = file.attributes(group).get(METHOD, default)
    return as_choice(named, get_args(ContributionMethod), f"{file.describe(group)}: {METHOD}")
