"""A report as one HTML file: style and pictures inside, nothing fetched, readable on paper and on a phone."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Mapping, Sequence

from hwmodel.report.blocks import (
    Block,
    Bullets,
    Code,
    Heading,
    PageBreak,
    Picture,
    Table,
    Text,
    read_markdown,
    shown,
)
from hwmodel.report.tables import table

STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 0 auto; padding: 1rem; color: #222;
  background: #fff; }
h1 { font-size: 1.6rem; line-height: 1.25; } h2 { font-size: 1.2rem; margin-top: 2rem; }
.wide { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid #ddd; text-align: left; vertical-align: top; }
th { border-bottom: 2px solid #999; }
td[style*="right"], th[style*="right"] { white-space: nowrap; font-variant-numeric: tabular-nums; }
td:last-child:not([style*="right"]):not(:first-child) { min-width: 9rem; }
figure { margin: 1rem 0; background: #fff; } figure img { width: 100%; height: auto; max-width: 44rem; }
figcaption { font-size: .85rem; color: #555; }
pre { overflow-x: auto; padding: .6rem; background: #f4f4f4; } code { overflow-wrap: anywhere; }
li { margin: .25rem 0; overflow-wrap: anywhere; }
@media (min-width: 78rem) { .wide { margin-right: -11rem; } }
@media (max-width: 34rem) {
  body { font-size: 15px; padding: .6rem; } th, td { padding: .2rem .4rem; }
  figure { overflow-x: auto; } figure img { width: 40rem; max-width: none; }
  .many table, .many tbody, .many tr, .many td { display: block; } .many thead { display: none; }
  .many tr { padding: .4rem 0; border-bottom: 1px solid #ddd; }
  .many td, .many td[style*="right"] { border: 0; text-align: right !important; white-space: normal; min-width: 0;
    display: flex; justify-content: space-between; gap: 1rem; }
  .many td::before { content: attr(data-label); color: #777; text-align: left; }
  .many td:first-child { font-weight: 600; }
  .many td:empty { display: none; }
}
@media (prefers-color-scheme: dark) {
  body { color: #ddd; background: #181818; } th, td { border-color: #444; } pre { background: #262626; }
  figcaption { color: #aaa; }
}
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; color: #000; background: #fff; }
  .wide { overflow: visible; margin-right: 0; }
  td[style*="right"], th[style*="right"] { white-space: normal; } th, td { padding: .2rem .35rem; }
  td:last-child:not([style*="right"]) { min-width: 0; }
  table { font-size: 8.5pt; } tr, figure, li { break-inside: avoid; }
  h2 { break-after: avoid; } .turn { break-after: page; } pre { white-space: pre-wrap; }
}
"""


def page(blocks: Sequence[Block], pictures: Mapping[str, bytes], language: str) -> str:
    """The whole file. `pictures`: name -> SVG."""
    kept = shown(blocks, pictures)
    title = next((block.text for block in kept if isinstance(block, Heading) and block.level == 1), "hwmodel")
    body = "\n".join(_block(block, pictures) for block in kept)
    return (
        f'<!DOCTYPE html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _block(block: Block, pictures: Mapping[str, bytes]) -> str:
    if isinstance(block, Heading):
        return f"<h{block.level}>{inline(block.text)}</h{block.level}>"
    if isinstance(block, Text):
        return f"<p>{inline(block.text)}</p>"
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Bullets):
        return "<ul>\n" + "\n".join(f"<li>{inline(item)}</li>" for item in block.items) + "\n</ul>"
    if isinstance(block, Picture):
        return _figure(block, pictures[block.name])
    return f"<pre>{html.escape(block.text)}</pre>" if isinstance(block, Code) else _turn(block)


MANY = 4  # columns beyond which a phone shows a row as a list, each cell under its heading


def _table(block: Table) -> str:
    """A table; one of many columns carries its headings in its cells, for narrow screens."""
    drawn = _marked(table(block.header, block.rows, "html"))
    if len(block.header) <= MANY:
        return f'<div class="wide">\n{drawn}\n</div>'
    head, body = drawn.split("<tbody>")
    rows = [_labelled(row, block.header) for row in body.split("<tr>")]
    return f'<div class="wide many">\n{head}<tbody>{"<tr>".join(rows)}\n</div>'


def _labelled(row: str, header: Sequence[str]) -> str:
    """A row of HTML whose cells say what they are."""
    labels = iter(header)
    return re.sub(r"<td", lambda _: f'<td data-label="{html.escape(next(labels))}"', row)


def _turn(_block: PageBreak) -> str:
    return '<div class="turn"></div>'


def _figure(block: Picture, svg: bytes) -> str:
    """A picture as data of the page: an image, so that names inside two pictures do not meet."""
    data = base64.b64encode(svg).decode("ascii")
    caption = html.escape(block.caption)
    image = f'<img alt="{caption}" src="data:image/svg+xml;base64,{data}">'
    return f"<figure>{image}<figcaption>{caption}</figcaption></figure>"


def inline(text: str) -> str:
    """Text with its strong words and its code; everything else is shown as it is written."""
    return _marked(html.escape(text, quote=False))


def _marked(escaped: str) -> str:
    strong = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", escaped)
    return re.sub(r"`([^`\n]+)`", r"<code>\1</code>", strong)


def page_of_markdown(text: str, language: str = "en", pictures: Mapping[str, bytes] | None = None) -> str:
    """The same file from a report that was written as Markdown: headings, paragraphs, lists, tables, code, and the
    `pictures` that it names."""
    return page(read_markdown(text), pictures or {}, language)
