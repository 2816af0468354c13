"""Jupyter's MIME bundles, under E2B's names."""

NAMES = {
    "text/plain": "text",
    "text/html": "html",
    "text/markdown": "markdown",
    "image/svg+xml": "svg",
    "image/png": "png",
    "image/jpeg": "jpeg",
    "application/pdf": "pdf",
    "text/latex": "latex",
    "application/json": "json",
    "application/javascript": "javascript",
    "e2b/data": "data",
    "e2b/chart": "chart",
}


def result_of(bundle, is_main):
    """The event of a result. A text that is only a Python string is shown without its quotes; unknown types are in `extra`."""
    result = {"type": "result", "is_main_result": is_main}
    extra = {}
    for mime, value in bundle.items():
        if mime in NAMES:
            result[NAMES[mime]] = value.rstrip("\n") if mime in ("image/png", "image/jpeg") else value
        else:
            extra[mime] = value
    text = result.get("text")
    if text and len(text) > 1 and text[0] == text[-1] == "'":
        result["text"] = text[1:-1]
    if extra:
        result["extra"] = extra
    return result
