"""What all pages of this project share: the templates, the style, and scripts that a security policy allows by hash."""

import base64
import hashlib
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from preprocess.runtime.text import printable


def render_page(package: str, template: str, script: str = "", **values: Any) -> str:
    """Returns one HTML page that loads no other files. Text in the values is escaped, unless it is `Markup`.

    Args:
        package: whose folder `templates` contains the template.
        template: its name; it may extend `base.html`.
        script: name of the template of a script; "" for none.
        values: of the template.
    """
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("pipelines.report_page")]),
        autoescape=True, undefined=StrictUndefined, trim_blocks=True,
    )  # fmt: skip
    environment.filters["printable"] = printable
    environment.filters["number"] = lambda value: "" if value != value else f"{value:.3f}"
    text = environment.get_template(script).render() if script else ""
    return environment.get_template(template).render(
        **values, script=Markup(text), script_hash=_hash(text) if text else ""
    )


def _hash(script: str) -> str:
    """Returns the hash of a script with which a Content-Security-Policy allows it (W3C CSP 3, hash-source)."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"
