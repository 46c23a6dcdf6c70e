"""InfluxData's own checker of Flux, from npm, in this process: it reads a text and tells whether its types fit."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import wasmtime

from influx.parameters import Duration, FluxQuery, Instant, Parameter, Pattern

FOLDER = Path(__file__).parents[2] / "node_modules" / "@influxdata" / "flux-lsp-node"
_NOTHING: Mapping[wasmtime.ValType, object] = {}


class FluxChecker:
    """Knows the standard library. One text takes some 0.3 ms."""

    def __init__(self) -> None:
        (file,) = FOLDER.glob("*.wasm")
        engine = wasmtime.Engine()
        module = wasmtime.Module.from_file(engine, str(file))
        self._store = wasmtime.Store(engine)
        # What it would call of JavaScript (errors, promises) is not needed to tell right from wrong.
        stubs = [wasmtime.Func(self._store, one.type, _stub(one.type)) for one in module.imports]  # type: ignore[arg-type]
        self._exports = wasmtime.Instance(self._store, module, stubs).exports(self._store)

    def accepts(self, text: str) -> bool:
        """Whether it is Flux whose names are known and whose types fit."""
        content = text.encode()
        memory = self._exports["memory"]
        address = self._exports["__wbindgen_malloc"](self._store, len(content))  # type: ignore[operator]
        memory.write(self._store, content, address)  # type: ignore[union-attr]
        return self._exports["is_valid_flux"](self._store, address, len(content)) != 0  # type: ignore[operator]

    def accepts_query(self, flux: FluxQuery) -> bool:
        """A text with its parameters: they become options, as the server makes of them."""
        options = [f"option {name} = {_sample(value)}" for name, value in flux.parameters.items()]
        return self.accepts("\n".join([*options, flux.text]))


@cache
def checker() -> FluxChecker:
    """The one of this process; it takes a second to load."""
    return FluxChecker()


def _stub(kind: wasmtime.FuncType):  # type: ignore[no-untyped-def]
    return lambda *_: 0 if kind.results else None


def _sample(value: Parameter) -> str:
    """Any value of the same type: the real one is never read as Flux."""
    match value:
        case bool():
            return "true"
        case int():
            return "1"
        case float():
            return "1.0"
        case str():
            return '"x"'
        case Instant():
            return "2026-01-01T00:00:00Z"
        case Duration():
            return "1ns"
        case Pattern():
            return "/x/"
