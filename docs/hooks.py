"""Hooks of the site: notebooks are run and become pages, pages outside ``docs`` join, and links between them hold."""

from __future__ import annotations

import ast
import contextlib
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
JOINED = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "benchmarks/README.md": "benchmarks.md",
    "instances/README.md": "instances.md",
}
"""Pages of the repository that are pages of the site, too, by their names in it."""
_LINK = re.compile(r"(\]\()([^)#:\s]+)((?:#[^)\s]*)?\))")


def cells(source: str) -> Iterator[tuple[str, str]]:
    """Yield the kind (``markdown`` or ``code``) and the text of each cell of a notebook (jupytext's percent format)."""
    for part in re.split(r"^# %%", source, flags=re.M)[1:]:
        head, _, text = part.partition("\n")
        if "[markdown]" in head:
            yield "markdown", re.sub(r"^# ?", "", text, flags=re.M).strip()
        elif text.strip():
            yield "code", text.strip()


def ran(path: Path) -> Iterator[tuple[str, str, str]]:
    """Run a notebook from the project's root; yield kind, text and output of each cell."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for kind, text in cells(path.read_text()):
        if kind == "markdown":
            yield kind, text, ""
            continue
        tree = ast.parse(text)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.chdir(ROOT):
            exec(compile(tree, str(path), "exec"), names)
            if last is not None:
                value = eval(compile(ast.Expression(last.value), str(path), "eval"), names)
                if value is not None:
                    print(value)
        yield kind, text, printed.getvalue().strip()


def page_of(notebook: Path) -> str:
    """Return a notebook as a page, with the outputs of its cells."""
    parts = []
    for kind, text, output in ran(notebook):
        parts.append(text if kind == "markdown" else f"```python\n{text}\n```")
        if output:
            parts.append(f"```text\n{output}\n```")
    return "\n\n".join(parts) + "\n"


def on_files(files: Any, config: Any) -> Any:
    """Add the notebooks and the pages from elsewhere."""
    from mkdocs.structure.files import File

    os.environ.setdefault("OMP_NUM_THREADS", "1")
    for notebook in sorted((ROOT / "docs" / "notebooks").glob("*.py")):
        files.append(File.generated(config, f"notebooks/{notebook.stem}.md", content=page_of(notebook)))
    for source, name in JOINED.items():
        text = (ROOT / source).read_text()
        files.append(File.generated(config, name, content=_linked(text, ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Let links to notebooks and to pages from elsewhere lead to their pages in the site."""
    source = page.file.src_uri
    return markdown if source in JOINED.values() else _linked(markdown, ROOT / "docs" / source)


def _linked(text: str, source: Path) -> str:
    """Return a page with links that lead within the site; a link to a file that the site does not have is its name."""
    docs = ROOT / "docs"
    own = JOINED.get(source.relative_to(ROOT).as_posix())
    folder = docs if own else source.parent

    def target(found: re.Match[str]) -> str:
        path = (source.parent / found[2]).resolve()
        if not path.is_relative_to(ROOT):
            return found[0]
        name = path.relative_to(ROOT).as_posix()
        if name in JOINED:
            path = docs / JOINED[name]
        elif path.suffix == ".py" and path.parent == docs / "notebooks":
            path = path.with_suffix(".md")
        elif not path.is_relative_to(docs):
            return found[0]
        return found[1] + Path(os.path.relpath(path, folder)).as_posix() + found[3]

    return _LINK.sub(target, text)
