"""Whose queries and keys an attention call compares, as far as the codes of the batch tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from attn_monitor.capture.operators import OperatorCall
from attn_monitor.capture.origins import (
    NOTHING,
    Origin,
    coordinate,
    origin_of,
    reduced,
    seed,
    set_origin,
)
from attn_monitor.core.nouns import PartKind

LOOKING_UP: Final = {"embedding": "indices", "index_select": "index", "index": "indices"}
UNSURE: Final = -(1 << 31)  # in place of an id that is read as one thing here, as another there
_SENTENCE_AXES: Final = 2
_MOST: Final = 0.5  # of the ids are read as they are
_MANY_BY_ONE: Final = 0.2  # if one id replaces all others
_FEW: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """The entries of the batch along both axes of an attention call.

    Attributes:
        number: Counts the attention calls of one capture.
        query: Codes ``[sentence, head, query]``; see :mod:`.origins`.
        key: Codes ``[sentence, key_head, key]``.
        query_passed: Numbers of the attention calls in which these queries' tokens asked before.
        key_passed: Likewise for keys.
        key_joined: Likewise for each piece, where keys were joined: a cache, and new ones.
        scope: Numbers of the module calls that ran, outermost first.
        learned: Both came out of the model; else they are the batch's own, and of any kind.
        digests: A number made of the queries of each map, ``[sentence, head]``; equal for equal
            ones.
        tried: They were found by changing the batch, not by following it.
    """

    number: int
    query: Tensor
    key: Tensor
    query_passed: frozenset[int] = frozenset()
    key_passed: frozenset[int] = frozenset()
    key_joined: frozenset[frozenset[int]] = frozenset()
    scope: tuple[int, ...] = ()
    digests: Tensor
    learned: bool = True
    tried: bool = False

    @property
    def kind(self) -> PartKind | None:
        """Whether queries and keys are the same tokens; ``None`` where the codes do not tell."""
        if not self.learned:
            return None
        if self._one_is_unnamed():
            return "cross"  # vectors of the model's own ask the batch, or are asked by it
        query, key = _known(self.query), _known(self.key)
        unknown = not (len(query) and len(key))
        if unknown or _is_mixture(query, key) or _is_mixture(key, query):
            return None
        same = torch.isin(query, key).any() or torch.isin(key, query).any()
        if not bool(same):
            return "cross"
        if self.query_passed == self.key_passed or self.query_passed in self.key_joined:
            return "self"
        nested = self.query_passed <= self.key_passed or self.key_passed <= self.query_passed
        return "self" if nested and torch.equal(query, key) else "cross"

    def settled(self, kind: PartKind, akin: Callable[[], bool]) -> PartKind:
        """Return the kind of attention, where its lineage told one already.

        What a router chose is named by nothing but the mask or the positions that it met later, at
        the places of the keys that the ids name; what was picked by the best scores has no names at
        all, like vectors of the model's own. Then the lineage is believed.

        Args:
            kind: What is known else, or was guessed.
            akin: Returns whether queries and keys descend from the same tokens.
        """
        found = self.kind or kind
        if found in {kind, "self"}:
            return found
        doubtful = self._one_is_unnamed() or self._beside()
        return kind if doubtful and akin() else found

    def _one_is_unnamed(self) -> bool:
        """Return whether nothing names what asks, and something all that is asked, or otherwise."""
        pairs = ((self.query, self.key), (self.key, self.query))
        return any(bool((one == NOTHING).all() and (two != NOTHING).all()) for one, two in pairs)

    def _beside(self) -> bool:
        """Return whether two tensors of the batch name queries and keys, at the same places."""
        names = [coordinate(_known(code), 3).unique() for code in (self.query, self.key)]
        if not all(len(name) == 1 for name in names) or torch.equal(*names):
            return False
        places = [
            torch.stack([coordinate(_known(code), which) for which in (0, 1)])
            for code in (self.query, self.key)
        ]
        asking, asked = ({*map(tuple, place.mT.tolist())} for place in places)
        return asking <= asked


def _is_mixture(one: Tensor, other: Tensor) -> bool:
    """Return whether each of some codes names a mixture of tokens that others name one by one."""
    if bool((coordinate(one, 1) >= 0).any()) or bool((coordinate(other, 1) < 0).any()):
        return False
    whole, named = (
        {*map(tuple, torch.stack([coordinate(code, which) for which in (3, 0)]).mT.tolist())}
        for code in (one, other)
    )
    return whole <= named


def _known(code: Tensor) -> Tensor:
    """Return the different codes that name an entry of the batch, sorted."""
    named = (coordinate(code, 3) >= 0) & (coordinate(code, 0) >= 0)
    found: Tensor = torch.unique(code[named & (code != NOTHING)])
    return found


class Follower:
    """Keeps the names of the batch's tensors and tells whose attention is whose.

    Attributes:
        seeds: The tensors that codes name, by their number minus one, with what they are called.
    """

    def __init__(self) -> None:
        self.seeds: list[tuple[str, Tensor]] = []
        self._number = 0
        self._read: dict[int, tuple[Tensor, Tensor]] = {}  # ids of the batch; which were read

    def looked_up(self, call: OperatorCall) -> None:
        """Note with which ids a table of vectors was asked.

        Where a model puts others in the place of some ids of the batch, a mask, say, those that
        were read are what stands there from here on.
        """
        asked = call.argument(LOOKING_UP[call.name])
        index = asked[0] if isinstance(asked, (list, tuple)) and len(asked) == 1 else asked
        origin = origin_of(index) if isinstance(index, Tensor) else None
        table = next((x for x in call.args if isinstance(x, Tensor)), None)
        of_weights = table is not None and getattr(origin_of(table), "learned", False)
        if origin is None or origin.code is None or not isinstance(index, Tensor) or not of_weights:
            return
        for number in coordinate(origin.code, 3).unique().tolist():
            ids = self.seeds[number - 1][1] if number > 0 else index
            integer = ids.dtype in {torch.int64, torch.int32}
            if number > 0 and integer and ids.dim() == _SENTENCE_AXES:
                self._reread(number, index, origin.code)

    def _reread(self, number: int, index: Tensor, code: Tensor) -> None:
        rows, columns = (coordinate(code, which) for which in (0, 1))
        here = (coordinate(code, 3) == number) & (rows >= 0) & (columns >= 0)
        places, given = (rows[here], columns[here]), index[here]
        name, now = self.seeds[number - 1]
        ids, read = self._read.setdefault(number, (now, torch.zeros_like(now, dtype=torch.bool)))
        given = given.to(ids)
        if not _same_numbering(ids[places], given):
            return
        changed = now.clone()
        changed[places] = torch.where(read[places] & (now[places] != given), UNSURE, given)
        read[places] = True
        if not torch.equal(changed, now):
            self.seeds[number - 1] = name, changed

    def add(self, name: str, tensor: Tensor) -> None:
        """Follow a tensor's entries from here on, unless it is followed already."""
        origin = origin_of(tensor)
        known = origin is not None and (origin.code is not None or origin.learned)
        if tensor.dim() and not tensor.is_nested and not known:
            # A view of its own would be one more tensor that outlives the forward pass.
            self.seeds.append((name, tensor.detach() if tensor.requires_grad else tensor))
            seed(tensor, len(self.seeds))

    def attended(
        self,
        query: Tensor,
        key: Tensor,
        origins: tuple[Tensor, Tensor],
        output: Tensor,
        *,
        scope: tuple[int, ...] = (),
    ) -> Sources | None:
        """Return whose queries and keys these are, and pass the queries' codes to the output.

        Args:
            query: ``[sentence, head, query, d_head]``.
            key: ``[sentence, key_head, key, d_head]``.
            origins: The tensors that carry what is known of these two, in any layout.
            output: What the attention returned, in whatever layout.
            scope: Numbers of the module calls that run, outermost first.
        """
        number, self._number = self._number, self._number + 1
        asking, asked = (origin_of(tensor) or Origin() for tensor in origins)
        codes = _per_token(query, origins[0], asking)
        keys = _per_token(key, origins[1], asked)
        answers = codes if keys is None or codes is None else _of_learned(codes, keys)
        laid_out = None if answers is None else _laid_out(answers, query, output)
        passed = asking.passed | {number} | (asked.passed if answers is not codes else frozenset())
        set_origin(output, Origin(code=laid_out, learned=True, passed=passed))
        if codes is None or keys is None:
            return None
        return Sources(
            number=number,
            query=codes[..., 0].cpu(),
            key=keys[..., 0].cpu(),
            query_passed=asking.passed,
            key_passed=asked.passed,
            key_joined=asked.joined,
            scope=scope,
            learned=asking.learned and asked.learned,
            digests=query.sum(dim=(2, 3), dtype=torch.float64).cpu(),
        )


def _same_numbering(held: Tensor, given: Tensor) -> bool:
    """Return whether a table is asked with the batch's ids, some of them replaced.

    Else it has a numbering of its own, as tables of positions, segments or buckets have.
    """
    same = held == given
    kept, every = len(held[same].unique()), max(len(held.unique()), 1)
    by_one = len(given[~same].unique()) == 1 and kept >= _FEW  # every one by a mask
    return kept >= every * (_MANY_BY_ONE if by_one else _MOST)


def _per_token(tensor: Tensor, source: Tensor, origin: Origin) -> Tensor | None:
    """Return codes ``[sentence, head, token, 1]``; ``None`` where it was made otherwise."""
    if origin.code is None:
        return torch.zeros((*tensor.shape[:3], 1), dtype=torch.int64, device=tensor.device)
    if tensor is source:
        return reduced(origin.code, [-1], lenient=True)
    if source.is_nested:
        return None  # its sentences have no common shape to find the tokens in
    for turned in (False, True):
        made = source.mT if turned and source.dim() > 1 else source
        same = made.numel() == tensor.numel() and made.shape[-1] == tensor.shape[-1]
        if same and torch.equal(made.reshape(tensor.shape), tensor):
            code = origin.code.mT if turned else origin.code
            small = reduced(code, [-1], lenient=True)
            return small.reshape(*tensor.shape[:3], 1)
    return None


def _of_learned(codes: Tensor, keys: Tensor) -> Tensor:
    """Return the codes of what is answered: to a learned query, the token that all keys are of."""
    if bool((codes != NOTHING).any()) or codes.shape[1] % keys.shape[1]:
        return codes
    shared = reduced(keys, [-2])
    known = (coordinate(shared, 0) >= 0) & (coordinate(shared, 1) >= 0)
    shared = shared.where(known, NOTHING).repeat_interleave(codes.shape[1] // keys.shape[1], 1)
    return shared.expand_as(codes)


def _laid_out(codes: Tensor, query: Tensor, output: Tensor) -> Tensor | None:
    """Return the queries' codes in the layout of the attention's output."""
    sentences, _, tokens, _ = query.shape
    if output.is_nested:
        return codes[:, 0]
    shape = output.shape
    if output.dim() >= _SENTENCE_AXES and shape[-2] == tokens:
        if codes.numel() == shape[:-1].numel():
            return codes.reshape(*shape[:-1], 1).expand(shape)
        if shape[:-1] == (sentences, tokens):  # a fused layer: all heads of a token at once
            return codes[:, 0].expand(shape)
    if shape[-1] == tokens and codes.numel() == shape[:-2].numel() * tokens:
        return codes.reshape(*shape[:-2], 1, tokens).expand(shape)
    return None
