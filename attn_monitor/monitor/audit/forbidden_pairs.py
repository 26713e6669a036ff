"""Does the mask hold: every forbidden pair is tried in one forward pass, before training."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

import torch
from torch import Tensor, nn

from attn_monitor.core.mask_audit import During, MaskAudit, MaskCheck, Rule
from attn_monitor.monitor.audit.alive import alive
from attn_monitor.monitor.audit.choices import Again, choices
from attn_monitor.monitor.audit.count import Count, spread, tolerance
from attn_monitor.monitor.audit.cut_off import blind, undefined, unread
from attn_monitor.monitor.audit.elsewhere import in_training, without_gradients
from attn_monitor.monitor.audit.fed import fed
from attn_monitor.monitor.audit.intent import Intent, Meant
from attn_monitor.monitor.audit.leaks import MOST_QUERIES, Reach
from attn_monitor.monitor.audit.lying import laid_out
from attn_monitor.monitor.audit.watched import Returned, batch_norms, per_token, watched
from attn_monitor.monitor.audit.windows import windows
from attn_monitor.monitor.guard import alone

MOST_SENTENCES: Final = 4  # asked about the others of their batch
SECONDS: Final = 10.0
_SOME: Final = 16  # queries asked where no clock is looked at
_FEW: Final = 4  # queries asked in training mode: what that breaks, it breaks for all
NOTHING_SAID: Final = (
    "nothing says which tokens may read which: neither the batch (a mask, position_ids that start "
    "again, cu_seqlens, labels that are the next tokens) nor the model (is_causal). Say it: "
    'mask="causal"'
)
NO_OUTPUT: Final = "no module returns an output per token after its attention"
NOT_LOOKED_UP: Final = "the model looks up no embedding of the batch's tokens"


def audit(
    model: nn.Module,
    run: Callable[[], object],
    intent: Intent,
    *,
    window: int | None = None,
    attending: Sequence[str] = (),
    seconds: float = SECONDS,
) -> MaskAudit:
    """Try forbidden pairs of tokens and outputs.

    Args:
        model: The model, in evaluation mode; whoever calls puts it back.
        run: Runs it on the batch.
        intent: The batch's tokens and what is forbidden among them.
        window: Tokens that a query may see, itself counted in, where the user says so.
        attending: Paths of the modules that attend.
        seconds: About how long this may take; what is left out then is not counted. Of processes
            that train together none looks at its clock: a layer that is spread over them would
            wait for ever for one that stopped sooner.
    """
    until = time.monotonic() + seconds if alone() else math.inf
    with alive(model):
        return _audit(model, run, intent, window=window, attending=attending, until=until)


def _audit(
    model: nn.Module,
    run: Callable[[], object],
    intent: Intent,
    *,
    window: int | None,
    attending: Sequence[str],
    until: float,
) -> MaskAudit:
    if intent.source is None:
        return MaskAudit(unknown=NOTHING_SAID)
    streams = [intent.source.ids, *(candidate.ids for candidate in intent.candidates)]
    seen = watched(model, run, streams[:-1])  # the last candidate is the source once more
    meant = fed(intent, seen)
    again = Again(model, run, [stream.ids for stream in meant])
    if meant[0] is not intent.source or any(lookup.stream for lookup in seen.lookups):
        seen = again.once()
    if not seen.lookups:
        return MaskAudit(unknown=NOT_LOOKED_UP)
    reach = Reach(seen, [stream.ids.shape for stream in meant], until)
    maybe = (reach.lying(at, stream.real) for at, stream in enumerate(meant))
    again.lyings = [lying for lying in maybe if lying is not None]
    seen.returned = laid_out(seen.returned, again.lyings)
    auditor = _Auditor(reach, again, list(meant), MOST_QUERIES if alone() else _SOME)
    found = [*auditor.streams(), *auditor.answer()]
    found += windows(model, reach, meant, window, attending)
    if not any(check.leaks for check in found) and not reach.late:
        found += _elsewhere(auditor)
    if batch_norms(model) and not any(check.rule == "sentence" and check.leaks for check in found):
        found += _Auditor(replace(reach, seen=again.once(mixing=True)), None, list(meant)).rows()
    checks = [check for check in found if check.pairs]
    if any(m.forbidden.pairs or m.said for m in meant) and not auditor.outputs:
        return MaskAudit(checks=tuple(checks), unknown=NO_OUTPUT)
    unknown = "" if checks else NOTHING_SAID
    return MaskAudit(checks=tuple(checks), unknown=unknown)


def _elsewhere(held: _Auditor) -> list[MaskCheck]:
    """Return what leaks in training mode, or without gradients, though nothing did before."""
    again, reach = held.again, held.reach
    found: list[MaskCheck] = []
    if again is None:
        return found
    with suppress(Exception):  # a model may not train, or not answer, on what it is asked with
        found += choices(again, reach, held.meant, held.outputs)
        if alone():
            with in_training(again.model):
                other = _Auditor(
                    replace(reach, seen=again.once()), None, held.meant, _FEW, "training"
                )
                found += [c for c in (*other.streams(), *other.answer()) if c.leaks]
        found += without_gradients(
            again.model,
            again.run,
            held.meant,
            reach.seen.returned,
            held.outputs,
            lyings=again.lyings,
        )
    return found


@dataclass(slots=True)
class _Auditor:
    """Asks one pass about every rule.

    Attributes:
        reach: The pass.
        again: Runs it anew where no gradient comes back; ``None`` where it would answer otherwise.
        meant: The batch's streams.
        most: How many queries of a stream are asked.
        during: What is said of when it was.
        outputs: Stream -> which returned tensor holds its outputs.
    """

    reach: Reach
    again: Again | None
    meant: list[Meant]
    most: int = MOST_QUERIES
    during: During = ""
    outputs: dict[int, int] = field(default_factory=dict)
    apart: bool = True  # no sentence depends on another, so that all can be asked at once

    def streams(self) -> list[MaskCheck]:
        """Check each stream's own rules, and that no target reads the padding of its source."""
        found: list[MaskCheck] = []
        target = next((i for i, m in enumerate(self.meant) if m.name == "target"), None)
        for at, stream in enumerate(self.meant):
            output = self._output(at)
            if output is None:
                continue
            self.outputs[at] = output
            if (nothing := undefined(self.reach, stream, output)) is not None:
                found.append(replace(nothing, during=self.during))
            rows = self._rows(at, output)
            self.apart = not rows.leaks
            for rule, pairs in stream.forbidden.pairs.items():
                found.append(self._check(at, at, output, rule, pairs))
            found.append(rows)
            if not self.during:  # layers that are left out at random read nothing
                found += blind(self.reach, self.meant, at, at, output)
                if self.apart:
                    found += unread(self.reach, stream, at, output)
            source = next((i for i, m in enumerate(self.meant) if m.name == "source"), None)
            decodes = at == target and "future" in stream.forbidden.pairs
            if decodes and source is not None and not self.during:
                found += blind(self.reach, self.meant, at, source, output)
            if at == target and source is not None and self.meant[source].padded_by:
                hidden = ~self.meant[source].real
                pairs = stream.real[:, :, None] & hidden[:, None, :]
                found.append(self._check(at, source, output, "padding", pairs))
        return found

    def _output(self, stream: int) -> int | None:
        target = next((i for i, m in enumerate(self.meant) if m.name == "target"), None)
        return self.reach.last(stream, avoid=None if stream == target else target)

    def rows(self) -> list[MaskCheck]:
        """Check that no sentence depends on another one, where one is found that does."""
        outputs = ((at, self._output(at)) for at in range(len(self.meant)))
        found = [self._rows(at, output) for at, output in outputs if output is not None]
        return [check for check in found if check.leaks]

    def answer(self) -> list[MaskCheck]:
        """Check that what is said of a whole sentence does not depend on its padding."""
        reader = next((i for i, m in enumerate(self.meant) if m.name != "target"), 0)
        stream = self.meant[reader]
        sentences = stream.ids.shape[0]
        if not stream.padded_by:
            return []
        for output in reversed(self.reach.seen.returned):
            shape = output.tensor.shape
            if shape[0] != sentences or len(shape) != 2 or not output.tensor.requires_grad:  # noqa: PLR2004
                continue
            if shape in self.reach.shapes:  # a number per token
                continue
            sizes = self.reach.of(output.tensor, torch.ones(sentences, dtype=torch.bool))
            size = None if sizes is None else sizes.get(reader)
            if size is not None and bool(size.any()):
                check = self._new("padding", reader, reader, "answer")
                count = Count(tolerance(output.tensor))
                count.add(~stream.real, size, -1)
                return [count.into(check, output.module)]
        return []

    def _new(self, rule: Rule, reader: int, read: int, name: str = "") -> MaskCheck:
        said = self.meant[read].padded_by if rule == "padding" else ""
        said = said or self.meant[reader].forbidden.said_by.get(rule, "")
        return MaskCheck(
            rule=rule,
            reader=name or self.meant[reader].name,
            read=self.meant[read].name,
            said_by=said,
            pairs=0,
            during=self.during,
        )

    def _check(self, reader: int, read: int, output: int, rule: Rule, pairs: Tensor) -> MaskCheck:
        """Try the forbidden pairs of one rule, a query column at a time."""
        returned = self.reach.seen.returned[output]
        shape = self.reach.shapes[reader]
        tensor = per_token(returned.tensor, shape)
        check = self._new(rule, reader, read)
        if tensor is None:
            return check
        pairs = pairs.expand(shape[0], -1, -1).clone()
        if not self.apart:
            pairs[1:] = False
        count = Count(tolerance(tensor))
        real = self.meant[reader].real
        if rule == "padding":  # all queries at once: where nothing leaks, none of them does
            sizes = self.reach.of(tensor, pairs.any(2))
            size = None if sizes is None else sizes.get(read)
            if size is not None and bool(size.any()):
                at_once = Count(count.tolerance)
                at_once.add(pairs.any(1), size, -1)
                if not at_once.leaks:
                    strongest = size.amax(1)
                    known = torch.isfinite(strongest) & (strongest > 0)
                    return replace(check, pairs=int(pairs[known].sum()))
        columns = spread(pairs.any(2).any(0).nonzero().flatten().tolist(), self.most)
        for done, column in enumerate(columns):
            if self.reach.late and done >= MOST_QUERIES // 16:
                break
            where = torch.zeros(shape, dtype=torch.bool)
            where[:, column] = real[:, column] & pairs[:, column].any(1)
            sizes = self.reach.of(tensor, where)
            size = None if sizes is None else sizes.get(read)
            if size is None or not bool(size.any()):
                size = self._changed((reader, read), output, column, pairs[:, column])
            if size is not None:
                count.add(pairs[:, column], size, column)
        return self._finish(check, count, returned, reader)

    def _rows(self, stream: int, output: int) -> MaskCheck:
        """Check that no sentence depends on another one of the batch."""
        returned = self.reach.seen.returned[output]
        shape, real = self.reach.shapes[stream], self.meant[stream].real
        tensor = per_token(returned.tensor, shape)
        check = replace(self._new("sentence", stream, stream), said_by="that sentences are apart")
        if tensor is None or shape[0] == 1:
            return check
        # Without another rule nothing shows that rows of this batch are sentences at all.
        if not self.meant[stream].forbidden.pairs and not self.meant[stream].said:
            return check
        count = Count(tolerance(tensor))
        for row in range(min(shape[0], MOST_SENTENCES)):
            where = torch.zeros(shape, dtype=torch.bool)
            where[row] = real[row]
            sizes = self.reach.of(tensor, where)
            size = None if sizes is None else sizes.get(stream)
            if size is None or not bool(size.any()):
                continue
            others = real.clone()
            others[row] = False
            count.add_row(row, others, size, times=int(real[row].sum()))
        return self._finish(check, count, returned, stream, rows=True)

    def _changed(
        self, streams: tuple[int, int], output: int, column: int, forbidden: Tensor
    ) -> Tensor | None:
        """Where no gradient comes back: change the forbidden tokens, and see what moves."""
        if self.again is None:
            return None
        return self.again.changed(self.reach, streams, output, (column, forbidden))

    def _finish(
        self, check: MaskCheck, count: Count, output: Returned, reader: int, *, rows: bool = False
    ) -> MaskCheck:
        first = ""
        if count.leaks:
            read = next(i for i, m in enumerate(self.meant) if m.name == check.read)
            first = self._first(reader, read, count, rows=rows) or output.module
        return count.into(check, first)

    def _first(self, reader: int, read: int, count: Count, *, rows: bool) -> str:
        """Return the first module whose output shows the pair that leaks most."""
        row, query, other, key = count.worst
        shape = self.reach.shapes[reader]
        where = torch.zeros(shape, dtype=torch.bool)
        if rows:
            where[row] = self.meant[reader].real[row]
        else:
            where[row, query] = True
        for returned in self.reach.seen.returned:
            tensor = per_token(returned.tensor, shape)
            if tensor is None or not tensor.requires_grad:
                continue
            sizes = self.reach.of(tensor, where)
            size = None if sizes is None else sizes.get(read)
            if size is not None and float(size[other, key]) > count.tolerance * float(size.max()):
                kind = f" ({returned.kind})" if rows else ""
                return f"{returned.module or 'the model itself'}{kind}"
        return ""
