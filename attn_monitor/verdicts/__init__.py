"""What a recording says of a model, as sentences with the numbers behind them: :func:`judge`."""

from attn_monitor.verdicts.judge import compared, judge
from attn_monitor.verdicts.verdict import Level, Verdict

__all__ = ["Level", "Verdict", "compared", "judge"]
