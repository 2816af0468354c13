"""What a figure of matplotlib shows, as data: one chart per axes."""

import functools
import re

import matplotlib.axes
import matplotlib.category
import matplotlib.dates
import numpy
from matplotlib.collections import PathCollection
from matplotlib.container import BarContainer
from matplotlib.lines import Line2D
from matplotlib.patches import Wedge
from matplotlib.text import Text

from .plain import plain

_UNIT = re.compile(r"\s\((.*?)\)|\[(.*?)\]")
_BOXES = "_mitos_boxes"


def record_boxes():
    """Keeps with each axes the numbers of its box plots: what is drawn does not have them any more."""
    draw = matplotlib.axes.Axes.bxp

    @functools.wraps(draw)
    def bxp(self, bxpstats, *args, **kwargs):
        bxpstats = list(bxpstats)
        drawn = draw(self, bxpstats, *args, **kwargs)
        setattr(self, _BOXES, [*getattr(self, _BOXES, []), *zip(drawn["medians"], bxpstats)])
        return drawn

    matplotlib.axes.Axes.bxp = bxp


def chart_of(figure):
    """The chart of a figure; of one with several axes a "superchart" with theirs. None for an empty one."""
    axes = figure.get_axes()
    if not axes:
        return None
    if len(axes) == 1:
        return _chart(axes[0])
    return {"type": "superchart", "title": figure._suptitle.get_text() if figure._suptitle else None, "elements": [_chart(one) for one in axes]}


def _chart(axes):
    # The legend and the like are no children of this list.
    drawn = [child for child in axes._children if not isinstance(child, Text)]
    boxes = [stats for median, stats in getattr(axes, _BOXES, []) if median in axes.lines]
    bars = [container for container in axes.containers if isinstance(container, BarContainer)]
    if boxes:
        return {"type": "box_and_whisker", **_labels(axes), "elements": _boxes_of(axes, boxes)}
    if bars:
        return {"type": "bar", **_labels(axes, swapped=_lies(bars[0])), "elements": [bar for container in bars for bar in _bars(axes, container)]}
    if drawn and all(isinstance(child, Wedge) for child in drawn):
        return {"type": "pie", "title": _text(axes.get_title()), "elements": [_wedge(wedge) for wedge in drawn]}
    if drawn and all(isinstance(child, PathCollection) for child in drawn):
        return {"type": "scatter", **_labels(axes), **_ticks(axes), "elements": [_points(one, numpy.ma.getdata(one.get_offsets()).tolist(), axes) for one in drawn]}
    if drawn and all(isinstance(child, Line2D) for child in drawn):
        return {"type": "line", **_labels(axes), **_ticks(axes), "elements": [_points(one, list(zip(one.get_xdata(), one.get_ydata())), axes) for one in drawn]}
    return {"type": "unknown", "title": _text(axes.get_title()), "elements": []}


def _text(text):
    return text or None


def _labels(axes, swapped=False):
    x, y = _text(axes.get_xlabel()), _text(axes.get_ylabel())
    if swapped:
        x, y = y, x
    return {"title": _text(axes.get_title()), "x_label": x, "y_label": y, "x_unit": _unit(x), "y_unit": _unit(y)}


def _unit(label):
    found = _UNIT.search(label or "")
    return (found.group(1) or found.group(2)) if found else None


def _scale(axis):
    if isinstance(axis.converter, matplotlib.category.StrCategoryConverter):
        return "categorical"
    if isinstance(axis.converter, (matplotlib.dates.DateConverter, matplotlib.dates.ConciseDateConverter, matplotlib.dates._SwitchableDateConverter)):
        return "datetime"
    return axis.get_scale()


def _ticks(axes):
    ticks = {}
    for name, axis in (("x", axes.xaxis), ("y", axes.yaxis)):
        scale = _scale(axis)
        labels = [label.get_text() for label in axis.get_ticklabels()]
        values = axis.get_ticklocs()
        ticks[name + "_scale"] = scale
        ticks[name + "_tick_labels"] = labels
        ticks[name + "_ticks"] = [matplotlib.dates.num2date(value).isoformat() for value in values] if scale == "datetime" else labels if scale == "categorical" else plain(values)
    return ticks


def _points(artist, points, axes):
    dates = [_scale(axis) == "datetime" for axis in (axes.xaxis, axes.yaxis)]
    return {"label": str(artist.get_label()), "points": [[_coordinate(value, date) for value, date in zip(point, dates)] for point in points]}


def _coordinate(value, is_date):
    # scatter keeps days since the epoch, plot what it was given
    return matplotlib.dates.num2date(value).isoformat() if is_date and isinstance(value, (int, float)) else plain(value)


def _lies(bars):
    return bars.orientation == "horizontal"


def _bars(axes, container):
    """Each bar's label is that of the tick nearest to its middle."""
    axis = axes.yaxis if _lies(container) else axes.xaxis
    ticks = list(zip(axis.get_ticklocs(), (label.get_text() for label in axis.get_ticklabels())))
    for bar in container.patches:
        middle = bar.get_y() + bar.get_height() / 2 if _lies(container) else bar.get_x() + bar.get_width() / 2
        nearest = min(ticks, key=lambda tick: abs(tick[0] - middle), default=None)
        label = nearest[1] if nearest and _scale(axis) == "categorical" else _number_label(middle, nearest)
        yield {"label": label, "value": plain(bar.get_width() if _lies(container) else bar.get_height()), "group": str(container.get_label())}


def _number_label(middle, nearest):
    if nearest and nearest[1] and abs(nearest[0] - middle) < 0.5:
        return nearest[1]
    return f"{middle:g}"


def _boxes_of(axes, boxes):
    names = [label.get_text() for label in axes.get_xticklabels()]
    return [
        plain({
            "label": str(box.get("label") or (names[index] if index < len(names) else index + 1)),
            "min": box["whislo"],
            "first_quartile": box["q1"],
            "median": box["med"],
            "third_quartile": box["q3"],
            "max": box["whishi"],
            "outliers": box.get("fliers", []),
        })
        for index, box in enumerate(boxes)
    ]


def _wedge(wedge):
    return {"label": str(wedge.get_label()), "angle": round(abs(float(wedge.theta2) - float(wedge.theta1)), 4), "radius": plain(wedge.r)}
