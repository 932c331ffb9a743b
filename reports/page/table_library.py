"""DataTables, the library that makes the page's tables sort and filter, as itables packs it for use offline."""

import re
from functools import cache
from importlib.resources import files

from markupsafe import Markup

_EXPORTED = re.compile(r"export\{([^}]*)\}[;\s]*(?=/\*|$)")


@cache
def table_library() -> Markup:
    """The script, which leaves nothing behind but ``jQuery`` with ``DataTable``.

    Raises:
        ValueError: the package exports no ``jQuery``.
    """
    source = (files("itables") / "html" / "dt_bundle.js").read_text(encoding="utf-8")
    found = _EXPORTED.search(source)
    exported = {new: old for old, new in re.findall(r"([\w$]+) as (\w+)", found.group(1))} if found else {}
    if found is None or "jQuery" not in exported:
        raise ValueError("table_library(): 'itables' must export jQuery, got a version that does not")
    kept = source[: found.start()].replace("</script", r"<\/script")
    return Markup(
        f'(() => {{"use strict";\n{kept}\nwindow.jQuery = {exported["jQuery"]};\n}})();{source[found.end() :]}'
    )
