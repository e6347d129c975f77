"""Models of many measurements, as `curve_fit` takes them: their Jacobian by the parameters comes from one row."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd_lite.bridge.evaluations import Use
from autograd_lite.bridge.spaces import Space, called, renamed, rows_of
from autograd_lite.errors import AutogradLiteError
from autograd_lite.tape.call import Compiled, jit
from autograd_lite.tape.vmap import vmap
from autograd_lite.transforms import jacobian, name_of, value_and_grad


class Model:
    """A model f(x, *parameters) of many rows x, its values and its derivatives by the parameters.

    The Jacobian of a model that works row by row comes from one row, as lanes. Whether it does is seen by its values.
    """

    def __init__(self, f: Callable[..., Any], space: Space | None) -> None:
        self.name, self.uses = name_of(f), {"jacobian": Use()}
        self._by_rows: bool | None = None
        self._scalar = False  # f takes one row only

        def model(p: Any, x: Any) -> Any:
            return called(f, space.nest(p) if space else p, (x,))

        self.f = renamed(f, model)
        kept = vars(f).setdefault("_derivatives", {}) if isinstance(f, Compiled) else {}  # for later fits
        key = "rows", space.shape if space else None
        self._each = kept.get(key) or kept.setdefault(key, jit(vmap(value_and_grad(self.f), in_axes=(None, 0))))
        self._whole: Any = None, None  # the data that it was traced for, and the Jacobian

    def value(self, x: Any, *p: Any) -> Any:
        """For all rows; one by one where the function takes a row only."""
        parameters = np.array(p, dtype=np.float64)
        if not self._scalar:
            try:
                return _for_each(self.f(parameters, x), x)
            except (TypeError, ValueError) as error:  # an `if` on an array, `math.exp` of it
                if isinstance(error, AutogradLiteError) or (rows := _as_rows(x)) is None:
                    raise
                try:
                    self.f(parameters, rows[0])
                except Exception:  # noqa: BLE001 - whatever it is, the first error says more
                    raise error from None
                self._scalar = True
        return self._each(parameters, _as_rows(x))[0]

    def jacobian(self, x: Any, *p: Any) -> Any:
        """Rows by parameters."""
        start, parameters = time.perf_counter(), np.array(p, dtype=np.float64)
        found = self._of_rows(x, parameters)
        if found is None:
            if self._whole[0] is not x:
                self._whole = x, jit(jacobian(rows_of(renamed(self.f, lambda p: self.f(p, x)))))
            found = self._whole[1](parameters)
            rows = _as_rows(x)
            if len(found) == 1 and rows is not None:  # one number for all
                found = np.repeat(found, len(rows), axis=0)
        self.uses["jacobian"].add(time.perf_counter() - start)
        self.uses["jacobian"].form = f"dense, {found.shape[0]:,} × {found.shape[1]:,}"
        return found.copy()

    def _of_rows(self, x: Any, p: Any) -> Any:
        """The Jacobian row by row; None if the model needs all rows at once."""
        rows = _as_rows(x)
        if self._scalar:
            return self._each(p, rows)[1]
        if self._by_rows is False or rows is None:
            return None
        try:
            values, found = self._each(p, rows)
            self._by_rows = _agree(values, _for_each(self.f(p, x), x)) and (
                self._by_rows or self._agrees_beside(p, x, rows)
            )
        except (AutogradLiteError, TypeError, ValueError, IndexError, AttributeError):
            self._by_rows = False
        return found if self._by_rows else None

    def _agrees_beside(self, p: Any, x: Any, rows: Any) -> bool:
        """Once, where no parameter is 0: a term that another row would change may vanish at the start."""
        beside = p * 1.001 + 1e-3
        with np.errstate(all="ignore"):
            return _agree(self._each(beside, rows)[0], _for_each(self.f(beside, x), x))

    def counted(self) -> dict[str, Use]:
        """The uses."""
        return self.uses


def _as_rows(x: Any) -> Any:
    """Data of a fit, numbers along the last axis, with a row for each measurement; None if they are something else."""
    try:
        data = np.asarray(x, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    return np.ascontiguousarray(np.moveaxis(data, -1, 0)) if data.ndim and data.size else None


def _for_each(values: Any, x: Any) -> Any:
    """The values of a model, one for each measurement also where the model is a constant."""
    rows = _as_rows(x) if np.ndim(values) == 0 else None
    return values if rows is None else np.full(len(rows), values)


def _agree(values: Any, others: Any) -> bool:
    """Whether two results are the same but for rounding."""
    values, others = np.asarray(values, dtype=np.float64), np.asarray(others, dtype=np.float64)
    finite = np.abs(others[np.isfinite(others)])
    return values.shape == others.shape and bool(
        np.allclose(values, others, rtol=1e-9, atol=1e-9 * finite.max(initial=0.0), equal_nan=True)
    )
