"""MIME types of E2B beside those of IPython: charts of matplotlib's figures, data of pandas' frames."""

from IPython.core.formatters import BaseFormatter
from matplotlib.figure import Figure
from pandas import DataFrame
from traitlets import ObjectName, Unicode

from .charts import chart_of, record_boxes
from .plain import plain

# Larger frames have their text and html, which are shortened.
MOST_CELLS = 100_000


def _data_of(frame):
    if frame.size > MOST_CELLS:
        return None
    return {str(name): [plain(value) for value in frame.iloc[:, index].tolist()] for index, name in enumerate(frame.columns)}


class ChartFormatter(BaseFormatter):
    format_type = Unicode("e2b/chart")
    print_method = ObjectName("_repr_e2b_chart_")
    _return_type = dict


class DataFormatter(BaseFormatter):
    format_type = Unicode("e2b/data")
    print_method = ObjectName("_repr_e2b_data_")
    _return_type = dict


def install_formatters(display_formatter):
    record_boxes()
    for formatter in (ChartFormatter(parent=display_formatter), DataFormatter(parent=display_formatter)):
        display_formatter.formatters[formatter.format_type] = formatter
    display_formatter.formatters["e2b/chart"].for_type(Figure, chart_of)
    display_formatter.formatters["e2b/data"].for_type(DataFrame, _data_of)
