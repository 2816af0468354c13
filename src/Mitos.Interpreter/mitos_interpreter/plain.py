"""Values as JSON has them."""

import datetime
import math

import numpy


def plain(value):
    """A number, text, boolean, list, object or None; what has no value (NaN, NaT, infinities) is None."""
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, numpy.ndarray):
        return [plain(item) for item in value.tolist()]
    if isinstance(value, numpy.datetime64):
        return None if numpy.isnat(value) else str(value)
    if isinstance(value, numpy.generic):
        return plain(value.item())
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (datetime.date, datetime.time)):
        return None if value != value else value.isoformat()  # NaT is not itself
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    text = str(value)
    return None if text in ("NaT", "<NA>") else text
