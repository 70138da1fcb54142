"""Tables, and the places in files where they are put."""

import pathlib

HERE = pathlib.Path(__file__).parent
RESULTS = HERE / "RESULTS.md"


def table(head, rows):
    """A table of Markdown whose columns but the first are numbers."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def put(path, section, text):
    """Puts a text between the markers of a section, which are in the file."""
    path = pathlib.Path(path)
    begin, end = f"<!-- {section} -->\n", f"<!-- end of {section} -->\n"
    before, found, rest = path.read_text().partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise SystemExit(f"{path}: expected the lines {begin.strip()} and {end.strip()}")
    path.write_text(f"{before}{begin}\n{text.strip()}\n\n{end}{after}")
