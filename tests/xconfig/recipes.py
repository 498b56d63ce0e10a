"""Finds the xconfig files that scripts of Kaldi's recipes write, with the shell's variables filled in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

_HEREDOC = re.compile(
    r"^[^\n#]*\bcat\b(?=[^\n]*xconfig)(?=[^\n]*<<)[^\n]*<<-?\s*(['\"]?)(\w+)\1[^\n]*\n(.*?)^\s*\2\s*$",
    re.M | re.S,
)
_ASSIGNMENT = re.compile(
    r"^\s*(?:local\s+|export\s+)?([A-Za-z_]\w*)=(\"[^\"]*\"|'[^']*'|`[^`\n]*`|\$\([^\n]*\)|[^\s;#]*)", re.M
)
_VARIABLE = re.compile(r"\$\{?(\w+)(?::-([^}]*))?\}?")
_COMMAND = re.compile(r"\$\[[^]]*\]|\$\(\(.*?\)\)|\$\([^()]*\)|`[^`\n]*`")
_PYTHON = re.compile(r"print\s*([-\d./*+() ]+)")


def recipes(egs: Path) -> Iterator[tuple[str, str]]:
    """Pairs (path of the script and number of the file in it, text of the xconfig file)."""
    for script in sorted(egs.rglob("*.sh")):
        if script.is_symlink():
            continue
        text = script.read_text(encoding="utf-8", errors="replace")
        for number, match in enumerate(_HEREDOC.finditer(text)):
            variables = shell_variables(text[: match.start()])
            body = match.group(3) if match.group(1) else substitute(match.group(3), variables)
            if not re.search(r"^\s*output", body, re.M):  # the script appends its output layers in a loop
                body += "output-layer name=output dim=2000\n"
            yield f"{script.relative_to(egs)}#{number}", body.replace("\\\n", " ")


def shell_variables(text: str) -> dict[str, str]:
    """The variables a script has set; what it computes from files stands as a plausible number."""
    variables: dict[str, str] = {}
    for match in _ASSIGNMENT.finditer(text):
        name, value = match.groups()
        if value.startswith("'"):
            variables[name] = value[1:-1]
        elif value.startswith(("$(", "`", '"$(', '"`')):
            variables[name] = computed(name, substitute_names(value.strip('"'), variables), variables)
        else:
            variables[name] = substitute(value.strip('"'), variables)
    return variables


def computed(name: str, command: str, variables: dict[str, str]) -> str:
    """The value of a command substitution: arithmetic is done, anything else is taken for a dimension."""
    python = _PYTHON.search(command) if re.search("python|perl", command) else None
    expression = python.group(1) if python else ""
    inside = re.fullmatch(r"\$\(\((.*)\)\)|\$\[(.*)\]", command)
    if inside:
        terms = re.sub(r"[a-z_]\w*", lambda m: variables.get(m.group()) or "0", inside[1] or inside[2])
        expression = terms.replace("/", "//")
    try:
        return str(eval(expression, {"__builtins__": {}}))
    except (SyntaxError, NameError, TypeError, ZeroDivisionError):
        return plausible(name)


def substitute(text: str, variables: dict[str, str]) -> str:
    """`text` with variables and command substitutions replaced."""
    return substitute_names(
        _COMMAND.sub(lambda match: computed("dim", match.group(), variables), text), variables
    )


def substitute_names(text: str, variables: dict[str, str]) -> str:
    """`text` with $name, ${name} and ${name:-default} replaced."""

    def value(match: re.Match[str]) -> str:
        name, default = match.groups()
        given = variables.get(name) or default or ""
        unknown = name not in variables or (name.endswith(("dim", "targets")) and given in ("", "0"))
        return given if given not in ("", "0") or not unknown else plausible(name)

    return _VARIABLE.sub(value, text)


def plausible(name: str) -> str:
    """A value for a variable that only a run would set."""
    if "dir" in name or name == "data":
        return "exp"
    if "opt" in name:
        return ""
    return "2000" if "target" in name or "leaves" in name else "40"
