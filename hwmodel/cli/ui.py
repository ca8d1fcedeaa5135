"""`hwmodel ui`: the page in a browser and the JSON API."""

from __future__ import annotations

import click

from hwmodel.cli.output import note
from hwmodel.errors import InputError

PORT = 8765


@click.command("ui")
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="0 takes a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Another address than loopback asks for a token.")
def command(port: int, host: str) -> None:
    """Open the questions as a page in a browser, with the same answers as JSON under /api/ (docs/page.md).

    \b
    hwmodel ui
    hwmodel ui --port 9000
    """
    try:
        from hwmodel.web.server import run
    except ModuleNotFoundError as error:
        raise InputError(
            f"the page needs the package {error.name}: install the extra, pip install 'hwmodel[web]'"
        ) from error
    note("starting; open the address in a browser, end with Ctrl-C")
    run(host, port, click.echo)
