"""A strict reader of the LaTeX that tables are written in: what it takes, a TeX engine takes."""

import re
from dataclasses import dataclass
from itertools import pairwise

# Commands that LaTeX with booktabs knows, with the number of their arguments.
COMMANDS = {
    **dict.fromkeys(("centering", "small", "scriptsize", "footnotesize", "par"), 0),
    **dict.fromkeys(("toprule", "midrule", "bottomrule"), 0),
    **dict.fromkeys(("textbackslash", "textasciitilde", "textasciicircum", "textasciigrave"), 0),
    **dict.fromkeys(("textbar", "textless", "textgreater", "ldots", "dag", "tabcolsep"), 0),
    **dict.fromkeys(("cdot", "times", "pm", "alpha", "geq", "leq", "circ"), 0),
    **dict.fromkeys(("caption", "label", "textbf", "begin", "end"), 1),
    "setlength": 2,
    "multicolumn": 3,
}
MATH = {"cdot", "times", "pm", "alpha", "geq", "leq", "circ"}
RULES = ("\\toprule", "\\midrule", "\\bottomrule")
STACKED = re.compile(r"\\shortstack\[r\]\{((?:[^{}]|\{[^{}]*\})*)\}")
RESIZED = "\\resizebox{\\ifdim\\width>\\textwidth\\textwidth\\else\\width\\fi}{!}{%\n"
TOKEN = re.compile(r"\\[A-Za-z]+|\\.|[{}&%$#_^~\[\]*\"|<>]|[^\\{}&%$#_^~\[\]*\"|<>]+", re.DOTALL)


@dataclass(frozen=True)
class TexTable:
    """One `table`: its cells row by row, and what stands around them."""

    rows: list[list[str]]
    caption: str
    label: str | None
    printed: str  # below the table
    comments: list[str]


def read(text: str) -> list[TexTable]:
    """Raises AssertionError where TeX would stop, or would print something else than was meant."""
    assert all(ord(letter) < 0x2000 for letter in code_of(text)), "a sign that needs a package"
    environments = re.findall(r"\\begin\{(table\*?)\}\n(.*?)\\end\{\1\}\n", text, flags=re.DOTALL)
    rest = re.sub(r"\\begin\{(table\*?)\}\n.*?\\end\{\1\}\n", "", text, flags=re.DOTALL)
    assert rest.strip() == "", rest
    return [_table(body) for _, body in environments]


def code_of(text: str) -> str:
    """Without comments."""
    return "".join(line for line in text.splitlines(keepends=True) if line.lstrip()[:1] != "%")


def _table(body: str) -> TexTable:
    comments = [line.strip()[2:] for line in body.splitlines() if line.lstrip()[:1] == "%"]
    if RESIZED in body:
        body = body.replace(RESIZED, "").replace("\\end{tabular}}", "\\end{tabular}")
    body = STACKED.sub(lambda stack: stack[1].replace(r" \\ ", " "), code_of(body))
    check(body)
    columns, inner = re.fullmatch(
        r".*\\begin\{tabular\}\{(l?r*)\}\n(.*)\\end\{tabular\}.*", body, flags=re.DOTALL
    ).groups()
    lines = [line.strip() for line in inner.strip().splitlines()]
    assert (lines[0], lines[-1]) == (RULES[0], RULES[2])
    rows = [_row(line, len(columns)) for line in lines if line not in RULES]
    for before, after in pairwise(lines):
        assert not (before.startswith("\\midrule") and after.startswith("\\midrule"))
        assert after[:1] not in ("[", "*"), "it would be an argument of what stands before it"
    label = re.search(r"\\label\{([^{}]*)\}", body)
    return TexTable(
        rows,
        _argument(body, "\\caption"),
        label[1] if label else None,
        body.partition("\\end{tabular}")[2].strip(),
        comments,
    )


def _row(line: str, n_columns: int) -> list[str]:
    assert line.endswith(" \\\\"), line
    cells = [cell.strip() for cell in re.split(r"(?<!\\)&", line.removesuffix(" \\\\"))]
    if whole := re.fullmatch(r"\\multicolumn\{(\d+)\}\{l\}\{(.*)\}", cells[0]):
        assert (int(whole[1]), len(cells)) == (n_columns, 1)
        return [whole[2]]
    assert len(cells) == n_columns, line
    for cell in cells:
        check(cell)
    return cells


def _argument(text: str, command: str) -> str:
    start = text.index(command) + len(command)
    depth, tokens = 0, []
    for token in TOKEN.findall(text[start:]):
        depth += {"{": 1, "}": -1}.get(token, 0)
        tokens.append(token)
        if depth == 0:
            return "".join(tokens[1:-1])
    raise AssertionError(f"{command} has no end")


def check(text: str) -> None:
    """Balanced braces and math, known commands, and no special sign outside of its use."""
    depth, in_math, opened = 0, False, []
    tokens = TOKEN.findall(text)
    assert "".join(tokens) == text
    for token, after in pairwise([*tokens, ""]):
        if token == "{":
            depth += 1
        elif token == "}":
            depth -= 1
            assert depth >= 0, text
        elif token == "$":
            in_math = not in_math
        elif token == "^":
            assert in_math, text
        elif token in '%#_~"|<>' or (token in "[]*" and not _is_guarded(tokens, token)):
            assert token in '"', f"{token} stands unescaped in {text}"
        elif re.fullmatch(r"\\[A-Za-z]+", token):
            name = token[1:]
            assert name in COMMANDS, token
            assert (name in MATH) == in_math, token
            assert COMMANDS[name] == 0 or after == "{", token
            if name in ("begin", "end"):
                opened.append(name)
    assert (depth, in_math) == (0, False), text
    assert opened.count("begin") == opened.count("end")


def _is_guarded(tokens: list[str], token: str) -> bool:
    """Whether a sign stands in braces of its own, or belongs to table*, everywhere in the text."""
    places = [i for i, each in enumerate(tokens) if each == token]
    return all(tokens[i - 1] == "{" and tokens[i + 1] == "}" for i in places)


def plain(cell: str) -> str:
    """What a cell prints."""
    named = {
        r"\textbackslash{}": "\\",
        r"\textasciitilde{}": "~",
        r"\textasciicircum{}": "^",
        r"\textasciigrave{}": "`",
        r"\textbar{}": "|",
        r"\textless{}": "<",
        r"\textgreater{}": ">",
        r"\ldots{}": "…",
        "$-$": "−",
        r"$\pm$": "±",
        r"$\cdot$": "·",
        "{[}": "[",
        "{]}": "]",
        "{*}": "*",
        r"$\times$": "×",
        r"$\alpha$": "α",
        r"\dag{}": "†",
    }
    pattern = "|".join(map(re.escape, named)) + r"|\\([&%$#_{}])|\\textbf\{((?:[^{}])*)\}|\{\}"

    def printed(match: re.Match[str]) -> str:
        return named.get(match[0]) or match[1] or match[2] or ""

    return re.sub(pattern, printed, cell)
